//! Forgetting what a group has cached: the API and the commands, while the server runs and while
//! it does not (spec gitlab §1.9, §1.10, §13.10-11). What is cached is put into the data folder
//! before the server starts, so that no other registry is needed.

use larder::app::House;
use larder::config::Settings;
use larder::model::{
    CachedRef, CachedWhat, Digest, GroupId, GroupPath, ImageTagName, UpstreamName,
};
use larder::store::blobs::{Body, Content};
use larder::store::cached::NewCached;
use serde_json::{Value, json};

use super::harness::{TestServer, eventually, sha256};

const CACHE: &str = "/api/v4/groups/acme/dependency_proxy/cache";
const SETTINGS: &str = "/api/v4/application/settings";
const CAPACITY: &str = "dependency_proxy_ttl_group_policy_worker_capacity";

/// A server with the groups `acme`, `acme/sub` and `other`, each of which has cached the same
/// image of two layers.
fn with_images(mut server: TestServer) -> TestServer {
    for group in ["acme", "acme/sub", "other"] {
        server.command(&["group", "create", group]).succeeds();
    }
    cache_images(&mut server, &["acme", "acme/sub", "other"]);
    server
}

/// Puts the image into caches while the server is stopped.
fn cache_images(server: &mut TestServer, groups: &[&str]) {
    server.stop();
    let mut settings = Settings::default();
    settings.server.data = server.data();
    settings.space.ballast = 0;
    settings.space.reserve = 0;
    let house = House::open_existing(&settings).unwrap();
    for group in groups {
        let path = GroupPath::parse(group).unwrap();
        let (id, _) = house.store().view().unwrap().group_at(&path).unwrap().unwrap();
        cache_image(&house, id);
    }
    drop(house);
    server.start_again();
}

fn digest(text: &str) -> Digest {
    Digest::parse(&sha256(text)).unwrap()
}

fn cache_image(house: &House, group: GroupId) {
    let layers = ["layer one", "layer two"];
    for layer in layers {
        let what = CachedWhat::Blob { digest: digest(layer), image: "alpine".into() };
        put(house, group, layer, what, None);
    }
    let manifest = CachedWhat::Manifest {
        digest: digest("manifest"),
        image: "alpine".into(),
        reference: "3.20".into(),
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        parts: layers.map(digest).into(),
    };
    put(house, group, "manifest", manifest, Some("3.20"));
}

fn put(house: &House, group: GroupId, text: &str, what: CachedWhat, tag: Option<&str>) {
    let bytes = text.as_bytes().to_vec();
    let size = u64::try_from(bytes.len()).unwrap();
    let content =
        Content::Uploaded { digest: digest(text), size, body: Body::Inline(bytes.into()) };
    let name = |tag| {
        let image = UpstreamName::parse("alpine").unwrap();
        (image, CachedRef::tag(&ImageTagName::parse(tag).unwrap()))
    };
    let tag = tag.map(name);
    let new = NewCached { group, upstream: None, what, content, origin: [1; 32], tag };
    house.store().put_cached(new).wait().unwrap();
}

#[track_caller]
fn json_of(server: &TestServer, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&server.command(&arguments).succeeds().out).unwrap()
}

/// Manifests and blobs of a group, whatever their state.
fn entries(server: &TestServer, group: &str) -> usize {
    let list = json_of(server, &["proxy", "list", group]);
    list["manifests"].as_array().unwrap().len() + list["blobs"].as_array().unwrap().len()
}

#[test]
fn a_list_tells_which_blobs_belong_to_which_image_and_what_others_have_too() {
    let mut server = with_images(TestServer::start());
    let look = |server: &TestServer| {
        let list = json_of(server, &["proxy", "list", "acme"]);
        let manifest = &list["manifests"][0];
        assert_eq!(
            (&manifest["image"], &manifest["tags"], &manifest["status"], &manifest["blob_bytes"]),
            (&json!("alpine"), &json!(["alpine:3.20"]), &json!("default"), &json!(18))
        );
        let mut blobs = ["layer one", "layer two"].map(|text| format!("sha256:{}", sha256(text)));
        blobs.sort();
        assert_eq!(manifest["blobs"], json!(blobs));
        for blob in list["blobs"].as_array().unwrap() {
            assert_eq!(
                (&blob["images"], &blob["shared"], &blob["size"]),
                (&json!(["alpine"]), &json!(true), &json!(9))
            );
        }
        let text = server.command(&["proxy", "list", "acme", "--kind", "blobs"]).succeeds().out;
        assert!(text.starts_with("2 blobs of 18 bytes, of which others have 18 bytes"), "{text}");
        assert!(!text.contains("manifest"), "{text}");
        let stats = json_of(server, &["proxy", "stats"]);
        assert_eq!(stats["groups"][0]["group"], "acme");
        assert_eq!(stats["groups"][0]["states"], json!({"default": {"files": 3, "bytes": 26}}));
    };
    look(&server);
    server.stop();
    look(&server);
    let unknown = server.command(&["proxy", "list", "nobody"]).exits(2);
    unknown.complains(&["there is no group nobody"]);
}

#[test]
fn statement_10_an_owner_purges_a_group_and_no_other() {
    let server = with_images(TestServer::with_people().start());
    server.has_user("owner", &["people"]);
    server.has_user("maintainer", &["people"]);
    server.has_user("stranger", &["people"]);
    for (user, role) in [("owner", "owner"), ("maintainer", "maintainer")] {
        server.command(&["member", "add", "acme", user, "--role", role]).succeeds();
    }
    let delete = || server.delete(CACHE);
    delete().expect(401).json_is(&json!({"message": "401 Unauthorized"}));
    let by =
        |user: &str, scope: &str| delete().header("PRIVATE-TOKEN", &server.token_of(user, scope));
    by("stranger", "api").expect(404).json_is(&json!({"message": "404 Group Not Found"}));
    by("maintainer", "api").expect(403).json_is(&json!({"message": "403 Forbidden"}));
    by("owner", "read_api").expect(403);
    let missing = server.delete("/api/v4/groups/nobody/dependency_proxy/cache");
    let token = server.token_of("owner", "api");
    missing.header("PRIVATE-TOKEN", &token).expect(404);
    assert_eq!(entries(&server, "acme"), 3);
    by("owner", "api").expect(202).json_is(&json!(202));
    eventually("the cache is empty", || (entries(&server, "acme") == 0).then_some(()));
    // A second one has nothing to do, and is as good.
    by("owner", "api").expect(202);
    assert_eq!((entries(&server, "acme/sub"), entries(&server, "other")), (3, 3));
    let nested = "/api/v4/groups/acme%2Fsub/dependency_proxy/cache";
    server.delete(nested).header("PRIVATE-TOKEN", &token).expect(202);
    eventually("the group below is empty", || (entries(&server, "acme/sub") == 0).then_some(()));
    server.as_admin(server.delete("/api/v4/groups/other/dependency_proxy/cache")).expect(202);
    eventually("the administrator may", || (entries(&server, "other") == 0).then_some(()));
}

#[test]
fn statement_10_purge_pull_purge_before_the_cleanup() {
    let mut server = with_images(TestServer::start());
    server.put(SETTINGS).json(&json!({ CAPACITY: 0 })).expect(200);
    for round in 1..=3 {
        server.delete(CACHE).expect(202);
        server.sweep_and_wait();
        let list = json_of(&server, &["proxy", "list", "acme"]);
        let states: Vec<_> =
            list["manifests"].as_array().unwrap().iter().map(|m| m["status"].clone()).collect();
        assert_eq!(states, vec![json!("pending_destruction"); round]);
        cache_images(&mut server, &["acme"]);
    }
    assert_eq!(entries(&server, "acme"), 12);
    server.put(SETTINGS).json(&json!({ CAPACITY: 1 })).expect(200);
    eventually("only what came last is left", || (entries(&server, "acme") == 3).then_some(()));
    assert_eq!(entries(&server, "other"), 3);
}

#[test]
fn the_capacity_is_an_administrators() {
    let server = TestServer::with_people().start();
    server.has_user("eve", &["people"]);
    let token = server.token_of("eve", "api");
    server.get(SETTINGS).expect(401);
    server.get(SETTINGS).header("PRIVATE-TOKEN", &token).expect(403);
    let get = || server.as_admin(server.get(SETTINGS)).expect(200).json()[CAPACITY].clone();
    assert_eq!(get(), 2);
    let put =
        |value: Value| server.as_admin(server.put(SETTINGS)).json(&json!({ CAPACITY: value }));
    assert_eq!(put(json!(5)).expect(200).json()[CAPACITY], 5);
    assert_eq!(
        (get(), json_of(&server, &["proxy", "capacity"])),
        (json!(5), json!({"capacity": 5}))
    );
    for (bad, why) in
        [(json!(-1), "must be greater than or equal to 0"), (json!("many"), "is not a number")]
    {
        put(bad).expect(400).json_is(&json!({"message": { CAPACITY: [why] }}));
    }
    let form = server.as_admin(server.put(&format!("{SETTINGS}?{CAPACITY}=0"))).expect(200);
    assert_eq!(form.json()[CAPACITY], 0);
    let said = server.command(&["proxy", "capacity"]).succeeds().out;
    assert!(said.contains("Nothing cached is deleted"), "{said}");
    server.command(&["proxy", "capacity", "3"]).succeeds();
    assert_eq!(get(), 3);
}

#[test]
fn how_a_group_caches_is_shown_and_set_and_a_secret_goes_nowhere_else() {
    let mut server = with_images(TestServer::start());
    let secret = server.scratch("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let secret = secret.to_str().unwrap();
    let set = |server: &TestServer, change: &[&str]| {
        json_of(server, &[&["proxy", "set", "acme"], change].concat())
    };
    let shown = set(&server, &["--ttl", "on", "--ttl-days", "30", "--admins", "developer"]);
    assert_eq!(
        (&shown["ttl_enabled"], &shown["ttl_days"], &shown["admins"], &shown["upstream"]),
        (&json!(true), &json!(30), &json!("developer"), &Value::Null)
    );
    assert_eq!(entries(&server, "acme"), 3, "the same upstream");
    let upstream = ["--upstream", "https://one.example", "--patience", "500ms"];
    let login = ["--identity", "ci", "--secret-file", secret];
    let shown = set(&server, &[&upstream[..], &login].concat());
    assert_eq!((&shown["identity"], &shown["patience_ms"]), (&json!("ci"), &json!(500)));
    eventually("another upstream purges", || (entries(&server, "acme") == 0).then_some(()));
    assert_eq!(set(&server, &["--patience", "default"])["identity"], "ci");
    let shown = set(&server, &["--upstream", "https://two.example"]);
    assert_eq!(shown["identity"], Value::Null, "a secret was taken along");
    assert!(!server.log().contains("hunter2"), "the log has the secret");
    server.stop();
    let shown = json_of(&server, &["proxy", "show", "acme"]);
    assert_eq!(shown["upstream"], "https://two.example");
    for (change, why) in [
        (&["--requests", "5"][..], "--upstream"),
        (&[], "nothing is to be changed"),
        (&["--upstream", "ftp://registry.example"], "is no address of a registry"),
    ] {
        let set = server.command(&[&["proxy", "set", "other"], change].concat());
        set.exits(2).complains(&[why]);
    }
}
