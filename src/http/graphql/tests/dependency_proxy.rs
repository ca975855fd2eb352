//! The dependency proxy of a group: who sees and changes what, lists, and what changes say.

use bytes::Bytes;
use sha2::Digest as _;

use super::*;
use crate::model::proxy::Upstream;
use crate::model::{CachedId, CachedWhat, Digest};
use crate::store::blobs::{Body, Content};
use crate::store::cached::NewCached;
use crate::store::proxy_groups::ProxyChange;

const POLICY: &str = "updateDependencyProxyImageTtlGroupPolicy";
const SETTINGS: &str = "updateDependencyProxySettings";

/// The example of the documentation.
const EXAMPLE: &str = "mutation { updateDependencyProxyImageTtlGroupPolicy(input: \
                       {groupPath: \"g\", enabled: true, ttl: 90}) \
                       { dependencyProxyImageTtlPolicy { enabled ttl } errors } }";

const LISTS: &str = "{ group(fullPath: \"g\") { \
    dependencyProxyManifests { nodes { id fileName imageName size digest status createdAt } \
                               edges { cursor node { id } } \
                               pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } \
    dependencyProxyBlobs { nodes { fileName size updatedAt } } \
    dependencyProxyImageCount dependencyProxyBlobCount dependencyProxyTotalSize \
    dependencyProxyTotalSizeInBytes dependencyProxyTotalSizeBytes } }";

fn sha256(text: &str) -> Digest {
    Digest(sha2::Sha256::digest(text).into())
}

fn content(text: &str) -> Content {
    let size = u64::try_from(text.len()).unwrap();
    let body = Body::Inline(Bytes::from(text.to_owned()));
    Content::Uploaded { digest: sha256(text), size, body }
}

impl Bench {
    async fn caches(&self, group: GroupId, what: CachedWhat, text: &str) -> CachedId {
        let (upstream, content, origin) = (None::<Upstream>, content(text), [7; 32]);
        let new = NewCached { group, upstream, what, content, origin, tag: None };
        self.store().put_cached(new).await.unwrap().0
    }

    async fn caches_manifest(&self, group: GroupId, reference: &str) -> CachedId {
        let text = format!("manifest {reference}");
        let what = CachedWhat::Manifest {
            digest: sha256(&text),
            image: "library/alpine".to_owned(),
            reference: reference.to_owned(),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            parts: Vec::new(),
        };
        self.caches(group, what, &text).await
    }

    async fn caches_blob(&self, group: GroupId, text: &str) -> CachedId {
        let what = CachedWhat::Blob { digest: sha256(text), image: "library/alpine".to_owned() };
        self.caches(group, what, text).await
    }
}

/// A document that changes the settings of `g`.
fn settings(input: &str) -> String {
    format!(
        "mutation {{ {SETTINGS}(input: {{groupPath: \"g\", {input}}}) \
         {{ dependencyProxySetting {{ enabled identity }} errors clientMutationId }} }}"
    )
}

#[tokio::test]
async fn the_documented_example_works() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Private).await;
    let policy = json!({ "enabled": true, "ttl": 90 });
    let wanted = json!({ POLICY: { "dependencyProxyImageTtlPolicy": policy, "errors": [] } });
    assert_eq!(bench.finds(&of("owner"), EXAMPLE).await, wanted);
    let kept = bench.store().view().unwrap().proxy_group(group).unwrap().ttl;
    assert!(kept.enabled && kept.days == Some(90) && kept.created.is_some());
}

#[tokio::test]
async fn roles_decide_who_sees_and_changes_what() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Public).await;
    bench.has_members(group).await;
    bench.caches_blob(group, "some bytes").await;
    let query = "{ group(fullPath: \"g\") { dependencyProxySetting { enabled identity } \
                 dependencyProxyImageTtlPolicy { enabled ttl createdAt updatedAt } \
                 dependencyProxyBlobCount dependencyProxyTotalSize \
                 dependencyProxyBlobs { nodes { size } } } }";
    for (caller, sees, may_change) in [
        (Caller::Anonymous, false, false),
        (of("stranger"), false, false),
        (of("guest"), true, false),
        (of("reporter"), true, false),
        (of("developer"), true, false),
        (of("maintainer"), true, false),
        (of("owner"), true, true),
        (admin(), true, true),
    ] {
        let found = bench.finds(&caller, query).await["group"].take();
        let has = |field: &str| !found[field].is_null();
        let gates = (has("dependencyProxySetting"), has("dependencyProxyImageTtlPolicy"));
        assert_eq!(gates, (may_change, may_change), "{caller:?}");
        let nodes = if sees { json!([{ "size": "10" }]) } else { json!([]) };
        assert_eq!(found["dependencyProxyBlobs"]["nodes"], nodes, "{caller:?}");
        assert_eq!(found["dependencyProxyBlobCount"], u8::from(sees));
        let size = if sees { "10 Bytes" } else { "0 Bytes" };
        assert_eq!(found["dependencyProxyTotalSize"], size);
        for (field, change) in [(POLICY, EXAMPLE), (SETTINGS, &settings("enabled: true"))] {
            let answer = bench.runs(&caller, change).await;
            if may_change {
                assert_eq!(answer["data"][field]["errors"], json!([]), "{caller:?}: {answer}");
            } else {
                assert_eq!(answer, unavailable(field), "{caller:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_is_told_as_one_that_is_not_yours() {
    let bench = Bench::new(&[]);
    bench.has_group("g", Visibility::Private).await;
    let theirs = bench.runs(&of("stranger"), EXAMPLE).await;
    assert_eq!(theirs, unavailable(POLICY));
    for path in ["absent", "no path", ""] {
        let absent = EXAMPLE.replace("\"g\"", &format!("\"{path}\""));
        assert_eq!(bench.runs(&admin(), &absent).await, theirs, "{path}");
    }
}

#[tokio::test]
async fn a_group_may_let_lower_roles_set_its_proxy() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Private).await;
    bench.has_members(group).await;
    let change = ProxyChange { admins: Some(Role::Developer), ..ProxyChange::default() };
    bench.store().change_proxy(group, change).await.unwrap();
    for (role, may) in [("reporter", false), ("developer", true), ("maintainer", true)] {
        let answer = bench.runs(&of(role), EXAMPLE).await;
        assert_eq!(answer.get("errors").is_none(), may, "{role}: {answer}");
    }
}

#[tokio::test]
async fn what_was_never_set_is_shown_and_not_stored() {
    let bench = Bench::new(&[]);
    bench.has_group("g", Visibility::Private).await;
    let query = "{ group(fullPath: \"g\") { dependencyProxySetting { enabled identity } \
                 dependencyProxyImageTtlPolicy { enabled ttl createdAt updatedAt } } }";
    let policy = json!({ "enabled": false, "ttl": 90, "createdAt": null, "updatedAt": null });
    let setting = json!({ "enabled": true, "identity": null });
    let wanted = json!({ "group": {
        "dependencyProxySetting": setting, "dependencyProxyImageTtlPolicy": policy,
    } });
    assert_eq!(bench.finds(&of("owner"), query).await, wanted);
    assert_eq!(bench.finds(&of("owner"), query).await, wanted);
    let touched = bench.store().view().unwrap().ttl_groups(None, 9).unwrap();
    assert_eq!(touched, (Vec::new(), None));
}

#[tokio::test]
async fn a_policy_is_changed_in_part_or_not_at_all() {
    let bench = Bench::new(&[]);
    bench.has_group("g", Visibility::Private).await;
    let change = |input: &str| {
        format!(
            "mutation {{ {POLICY}(input: {{groupPath: \"g\", {input}}}) {{ clientMutationId \
             dependencyProxyImageTtlPolicy {{ enabled ttl createdAt updatedAt }} errors }} }}"
        )
    };
    let first = "2023-11-14T22:13:20Z";
    let set = change("enabled: true, ttl: 7, clientMutationId: \"mine\"");
    let policy = json!({ "enabled": true, "ttl": 7, "createdAt": first, "updatedAt": first });
    let wanted = json!({ POLICY: {
        "clientMutationId": "mine", "dependencyProxyImageTtlPolicy": policy, "errors": [],
    } });
    assert_eq!(bench.finds(&of("owner"), &set).await, wanted);
    for (input, errors) in [
        ("ttl: 0", json!(["Ttl must be greater than 0"])),
        ("ttl: -1", json!(["Ttl must be greater than 0"])),
        (
            "enabled: null, ttl: 0",
            json!(["Enabled must be true or false", "Ttl must be greater than 0"]),
        ),
    ] {
        let answer = bench.finds(&of("owner"), &change(input)).await[POLICY].take();
        let wanted = json!({
            "clientMutationId": null, "dependencyProxyImageTtlPolicy": null, "errors": errors,
        });
        assert_eq!(answer, wanted, "{input}");
    }
    bench.clock.advance(Duration::from_secs(60));
    let answer = bench.finds(&of("owner"), &change("ttl: null")).await[POLICY].take();
    let later = "2023-11-14T22:14:20Z";
    let policy = json!({ "enabled": true, "ttl": 90, "createdAt": first, "updatedAt": later });
    assert_eq!(answer["dependencyProxyImageTtlPolicy"], policy);
    let wrong = bench.runs(&of("owner"), &change("ttl: \"7\"")).await;
    assert!(error(&wrong).contains("ttl"), "{wrong}");
}

#[tokio::test]
async fn credentials_go_in_and_never_come_out() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Private).await;
    for (input, setting, errors) in [
        ("identity: \"me\"", Value::Null, json!(["Secret can't be blank"])),
        ("secret: \"s3cret\"", Value::Null, json!(["Identity can't be blank"])),
        (
            "identity: \"me\", secret: \"s3cret\", clientMutationId: \"x\"",
            json!({ "enabled": true, "identity": "me" }),
            json!([]),
        ),
        ("identity: \"you\"", json!({ "enabled": true, "identity": "you" }), json!([])),
        ("enabled: false", json!({ "enabled": false, "identity": "you" }), json!([])),
        ("enabled: null", Value::Null, json!(["Enabled must be true or false"])),
        ("identity: null, secret: null", json!({ "enabled": false, "identity": null }), json!([])),
    ] {
        let answer = bench.runs(&of("owner"), &settings(input)).await;
        assert!(!answer.to_string().contains("s3cret"), "{answer}");
        let payload = &answer["data"][SETTINGS];
        assert_eq!(payload["dependencyProxySetting"], setting, "{input}: {answer}");
        assert_eq!(payload["errors"], errors, "{input}");
        let has_id = input.contains("clientMutationId");
        assert_eq!(payload["clientMutationId"], if has_id { json!("x") } else { Value::Null });
    }
    let kept = bench.store().view().unwrap().proxy_group(group).unwrap();
    assert!(kept.credentials.is_none() && !kept.enabled);
    let asked = bench
        .runs(
            &of("owner"),
            "{ group(fullPath: \"g\") { dependencyProxySetting \
                                          { secret } } }",
        )
        .await;
    assert!(error(&asked).contains("secret"), "{asked}");
}

#[tokio::test]
async fn lists_show_everything_newest_first_also_after_a_purge() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Private).await;
    let other = bench.has_group("other", Visibility::Private).await;
    bench.caches_manifest(group, "1").await;
    bench.caches_blob(group, "layer").await;
    bench.caches_blob(other, "of others").await;
    bench.store().purge_cached(group).await.unwrap();
    bench.caches_manifest(group, "2").await;
    let found = bench.finds(&of("owner"), LISTS).await["group"].take();
    let nodes = &found["dependencyProxyManifests"]["nodes"];
    assert_eq!(nodes.as_array().unwrap().len(), 2);
    let (second, first) = (&nodes[0], &nodes[1]);
    assert_eq!(
        (&second["status"], &first["status"]),
        (&json!("DEFAULT"), &json!("PENDING_DESTRUCTION"))
    );
    assert_eq!(second["fileName"], "library/alpine:2.json");
    assert_eq!((&second["imageName"], &second["size"]), (&json!("library/alpine:2"), &json!("10")));
    assert_eq!(second["digest"], format!("sha256:{}", sha256("manifest 2")));
    assert_eq!(second["createdAt"], "2023-11-14T22:13:20Z");
    assert!(second["id"].as_str().unwrap().starts_with("gid://gitlab/DependencyProxy::Manifest/"));
    let page = &found["dependencyProxyManifests"];
    assert_eq!(page["pageInfo"]["startCursor"], page["edges"][0]["cursor"]);
    assert_eq!(page["pageInfo"]["endCursor"], page["edges"][1]["cursor"]);
    assert_eq!(page["edges"][1]["node"]["id"], first["id"]);
    let blobs = &found["dependencyProxyBlobs"]["nodes"];
    assert_eq!(blobs.as_array().unwrap().len(), 1);
    assert_eq!(blobs[0]["fileName"], format!("{}.gz", sha256("layer")));
    assert_eq!(found["dependencyProxyImageCount"], 2);
    assert_eq!(found["dependencyProxyBlobCount"], 1);
    assert_eq!(found["dependencyProxyTotalSize"], "25 Bytes");
    assert_eq!(found["dependencyProxyTotalSizeInBytes"], 25);
    assert_eq!(found["dependencyProxyTotalSizeBytes"], "25");
}

#[tokio::test]
async fn lists_come_in_pages_from_either_end() {
    let bench = Bench::new(&[]);
    let group = bench.has_group("g", Visibility::Private).await;
    for number in 1..=105 {
        bench.caches_manifest(group, &number.to_string()).await;
    }
    let page = async |arguments: &str| {
        let query = format!(
            "{{ group(fullPath: \"g\") {{ dependencyProxyManifests{arguments} {{ \
             nodes {{ imageName }} \
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        let mut found = bench.finds(&of("guest-to-be"), &query).await;
        assert_eq!(found["group"], Value::Null);
        found = bench.finds(&of("owner"), &query).await["group"]["dependencyProxyManifests"].take();
        let nodes = found["nodes"].as_array().unwrap().clone();
        let names = nodes.iter().map(|node| node["imageName"].as_str().unwrap().to_owned());
        let tags = names.map(|name| name.rsplit(':').next().unwrap().parse::<u32>().unwrap());
        (tags.collect::<Vec<_>>(), found["pageInfo"].take())
    };
    let down = |from: u32, to: u32| (to..=from).rev().collect::<Vec<_>>();
    let (tags, info) = page("").await;
    assert_eq!(tags, down(105, 6));
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(false)));
    let (tags, info) = page(&format!("(after: {})", info["endCursor"])).await;
    assert_eq!(tags, down(5, 1));
    assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(false), &json!(true)));
    let (tags, _) = page(&format!("(last: 2, before: {})", info["startCursor"])).await;
    assert_eq!(tags, down(7, 6));
    assert_eq!(page("(first: 1000)").await.0.len(), 100);
    assert_eq!(page("(last: 3)").await.0, down(3, 1));
    let query =
        "{ group(fullPath: \"g\") { dependencyProxyBlobs(first: 1, last: 1) { nodes { size } } } }";
    let answer = bench.runs(&of("owner"), query).await;
    assert_eq!(error(&answer), "Can only provide either `first` or `last`, not both");
    assert_eq!(answer["data"], json!({ "group": { "dependencyProxyBlobs": null } }));
}
