//! Images in the artifact tree: the format `container` of a job shows what a tag of the registry
//! names (spec dlrepo §8, §11, §12). Deliberately absent: the registry's own protocol.

use std::fmt::Write;

use serde_json::{Value, json};

use super::harness::parts::{Parts, as_publisher};
use super::harness::{TestServer, digest_of, noise, sha256};

const TAG: &str = "/branches/main/1.0/";
const JOB: &str = "/branches/main/1.0/build/";
const FORMAT: &str = "/branches/main/1.0/build/container/";
const BARE: &str = "/branches/main/1.0/build/container";

fn small() -> Parts {
    Parts::image("amd64", &[b"a layer", &noise(7, 40_000)])
}

/// Two images that share a layer.
fn index() -> Parts {
    Parts::index(&[small(), Parts::image("arm64", &[b"a layer", b"another"])])
}

/// What the directory of files is to say.
fn page(parts: &Parts) -> Value {
    json!({"artifact_format": {
        "name": "container", "internal": false, "dirty": false, "files": parts.paths()
    }})
}

fn freeing_at_once() -> TestServer {
    TestServer::swept_at_once().with("registry-upload-link", "0").start()
}

/// What one run lets go of, the next ones collect.
fn sweep_all(server: &TestServer) {
    for _ in 0..4 {
        server.sweep_and_wait();
    }
}

fn lock(server: &TestServer) {
    server.put(JOB).json(&json!({"job": {"locked": true}})).expect(200);
}

#[test]
fn an_image_is_listed_and_downloaded_like_any_files() {
    for parts in [small(), index()] {
        let server = TestServer::start();
        parts.send(&server, FORMAT);
        server.get(FORMAT).expect(200).json_is(&page(&parts));
        let mut sums = String::new();
        for (path, bytes) in parts.files() {
            let file = server.get(&format!("{FORMAT}{path}")).expect(200);
            file.has("digest", &digest_of(&bytes)).body_is(&bytes);
            let sum = sha256(&bytes);
            let one = server.get(&format!("{FORMAT}{path}.sha256")).expect(200).text();
            assert_eq!(one, format!("{sum}  {sum}\n"));
            writeln!(sums, "{sum}  {path}").unwrap();
        }
        server.get(&format!("{BARE}.sha256")).expect(200).body_is(sums);
        server.head(FORMAT).expect(200);
        server.get(BARE).expect(302).has("location", FORMAT);
        let tar = server.get(&format!("{BARE}.tar")).expect(200).body;
        let mut members = Vec::new();
        for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
            members.push(entry.unwrap().path().unwrap().to_str().unwrap().to_owned());
        }
        let wanted = parts.paths().into_iter().map(|path| format!("build-1.0-container/{path}"));
        let sums = "build-1.0-container/SHA256SUMS.txt".to_owned();
        assert_eq!(members, wanted.chain([sums]).collect::<Vec<_>>());
        let job = server.get(&JOB[..JOB.len() - 1]).expect(302);
        job.has("location", JOB);
        let job = server.get(JOB).expect(200).json();
        assert_eq!(job["job"]["artifact_formats"], json!(["container"]));
        for absent in ["blobs", "blobs/sha256/", "manifests/sha256/00/1", "x"] {
            server.get(&format!("{FORMAT}{absent}")).expect(404);
        }
    }
}

#[test]
fn the_digest_of_a_job_is_that_of_the_root() {
    let server = TestServer::start();
    let parts = index();
    parts.send(&server, FORMAT);
    lock(&server);
    let metadata = digest_of("{}");
    let root = digest_of(parts.root());
    let text = format!(r#"{{".metadata": "{metadata}", "container": "{root}"}}"#);
    let digest = server.get(JOB).expect(200).json()["job"]["digest"].clone();
    assert_eq!(digest, json!(sha256(text)));
}

#[test]
fn a_locked_job_keeps_its_image() {
    let server = TestServer::start();
    let parts = small();
    parts.send(&server, FORMAT);
    lock(&server);
    server.delete(FORMAT).expect(400).says("Cannot delete format: job is locked");
    let path = format!("{FORMAT}{}", parts.paths()[0]);
    let put = as_publisher(server.put(&path)).body("x").expect(400);
    put.says("Cannot upload files in locked jobs");
    server.patch(FORMAT).expect(200);
    server.get(FORMAT).expect(200).json_is(&page(&parts));
    server.delete(JOB).expect(200);
    server.get(FORMAT).expect(404);
}

#[test]
fn files_cannot_be_added_to_an_image_and_a_new_one_needs_the_old_one_gone() {
    let server = TestServer::start();
    let parts = small();
    parts.send(&server, FORMAT);
    let refused = "Uploading container images must be done with docker push";
    for path in ["x", &parts.paths()[0]] {
        let target = format!("{FORMAT}{path}");
        as_publisher(server.put(&target)).body("x").expect(400).says(refused);
        as_publisher(server.put(&target)).linking("a layer").expect(400).says(refused);
        server.put(&target).body("x").expect(400).says(refused);
    }
    server.patch(FORMAT).expect(200);
    server.get(FORMAT).expect(200).json_is(&page(&parts));
    server.delete(FORMAT).expect(200);
    server.get(FORMAT).expect(404);
    index().send(&server, FORMAT);
    server.get(FORMAT).expect(200).json_is(&page(&index()));
}

#[test]
fn what_is_no_image_is_refused_with_a_reason_and_nothing_changes() {
    let server = TestServer::start();
    let parts = small();
    let (layer, config) = (digest_of(b"a layer"), digest_of(&parts.blobs[2]));
    let root = digest_of(parts.root());
    let refuses = |parts: &Parts, reason: &str| {
        parts.send_files(&server, FORMAT);
        server.patch(FORMAT).expect(400).says(&format!("{FORMAT} is no image: {reason}"));
        let page = server.get(FORMAT).expect(200).json();
        assert_eq!(page["artifact_format"]["dirty"], true, "{reason}");
        assert_eq!(page["artifact_format"]["files"], json!(parts.paths()), "{reason}");
        let lock = server.put(JOB).json(&json!({"job": {"locked": true}})).send();
        assert_eq!(lock.status, if parts.manifests.is_empty() { 404 } else { 400 }, "{reason}");
        server.delete(FORMAT).expect(200);
    };
    let mut some = parts.clone();
    some.manifests.clear();
    refuses(&some, "no manifest was sent");
    let mut some = parts.clone();
    some.blobs.remove(0);
    let missing = format!("manifest {root} names {layer} (layers[0]), which was not sent");
    refuses(&some, &missing);
    let mut some = parts.clone();
    some.blobs.remove(2);
    refuses(&some, &format!("manifest {root} names {config} (config), which was not sent"));
    let mut some = parts.clone();
    some.blobs.push(b"stray".to_vec());
    let stray = digest_of(b"stray");
    refuses(&some, &format!("{stray} was sent, but no manifest names it"));
    let mut some = index();
    let index_digest = digest_of(some.root());
    some.manifests.remove(0);
    let reason = format!("manifest {index_digest} names {root} (manifests[0]), which was not sent");
    refuses(&some, &reason);
    let mut some = index();
    some.manifests.pop();
    let mut roots = [digest_of(&some.manifests[0]), digest_of(&some.manifests[1])];
    roots.sort();
    let [one, other] = roots;
    let reason = format!("{one} and {other} are both named by no other manifest");
    refuses(&some, &format!("{reason}, and one tag has one"));
    let mut some = parts.clone();
    some.manifests = vec![b"{}".to_vec()];
    some.blobs.clear();
    let empty = digest_of("{}");
    some.send_files(&server, FORMAT);
    let said = server.patch(FORMAT).expect(400).text();
    let reason = format!("is no image: manifest {empty}: it is not said what this is: ");
    assert_eq!(digest_of(&some.manifests[0]), empty);
    assert!(said.contains(&reason), "{said}");
    server.delete(FORMAT).expect(200);
    let strange = format!("{FORMAT}notes.txt");
    as_publisher(server.put(&strange)).body("x").expect(201);
    let said = server.patch(FORMAT).expect(400).text();
    assert!(said.contains("notes.txt is no part of an image"), "{said}");
}

#[test]
fn names_that_no_repository_can_have_leave_the_files_alone() {
    let server = TestServer::start();
    let parts = small();
    let format = "/branches/main/1.0/build%20all/container/";
    parts.send(&server, format);
    server.get(format).expect(200).json_is(&page(&parts));
    let job = "/branches/main/1.0/build%20all/";
    server.put(job).json(&json!({"job": {"locked": true}})).expect(200);
    // They are files like any others.
    as_publisher(server.put(&format!("{format}x"))).body("x").expect(400);
    server.delete(job).expect(200);
}

#[test]
fn deleting_in_the_tree_frees_the_image() {
    for target in [FORMAT, JOB, TAG, "/branches/main/"] {
        let server = freeing_at_once();
        index().send(&server, FORMAT);
        sweep_all(&server);
        let (files, _) = server.blob_files();
        assert_eq!(files, 1, "the large layer, once");
        server.delete(target).expect(200);
        server.get(FORMAT).expect(404);
        sweep_all(&server);
        assert_eq!(server.blob_files(), (0, 0), "{target}");
        let totals = server.get("/-/stats").expect(200).json();
        assert_eq!(totals["numbers"]["blobs"], 0, "{totals}");
    }
}

#[test]
fn a_policy_takes_images_along_and_tells_the_exact_cost() {
    let server = freeing_at_once();
    let shared = noise(9, 50_000);
    let image = |name: &str, seed: u64| Parts::image(name, &[&shared, &noise(seed, 30_000)]);
    let (old, new) = (image("old", 1), image("new", 2));
    old.send(&server, "/branches/main/1/build/container/");
    server.holds("/branches/main/1/build/f/x", "a file");
    new.send(&server, "/branches/main/2/build/container/");
    let policy = json!({"branch": {"max_daily_tags": 1, "max_released_tags": 0}});
    server.post("/branches/main/").json(&policy).expect(200);
    let plan = server.command(&["sweep", "--dry-run", "--json"]).succeeds().out;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["branches"][0]["tags"][0]["name"], "1", "{plan}");
    let bytes: usize = old.files().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(plan["cost"]["named"], json!({"files": 5, "bytes": bytes + 6}));
    assert_eq!(plan["cost"]["files"], json!({"files": 1, "bytes": 30_000}), "not what 2 has");
    // Config, manifest and the other file.
    let inline = bytes - 80_000 + 6;
    assert_eq!(plan["cost"]["inline"], json!({"files": 3, "bytes": inline}));
    sweep_all(&server);
    server.get("/branches/main/1/build/container/").expect(404);
    assert_eq!(server.blob_files(), (2, 80_000), "what the other image has");
    server.get("/branches/main/2/build/container/").expect(200).json_is(&page(&new));
}

#[test]
fn an_image_counts_in_its_owners_quota() {
    let server = TestServer::swept_at_once().with("quota", "100000").start();
    let format = "/~alice/branches/main/1.0/build/container/";
    let parts = small();
    parts.send(&server, format);
    server.get(format).expect(200).json_is(&page(&parts));
    let bytes: usize = parts.files().iter().map(|(_, bytes)| bytes.len()).sum();
    let used = || {
        let shown = server.command(&["quota", "show", "alice", "--json"]).succeeds().out;
        serde_json::from_str::<Value>(&shown).unwrap()["repositories"][0]["used_bytes"].clone()
    };
    assert_eq!(used(), json!(bytes));
    let large = "/~alice/branches/main/1.0/other/f/x";
    let refused = server.put(large).body(noise(1, 100_000 - bytes + 1)).expect(400);
    assert!(refused.text().contains("quota exceeded"), "{}", refused.text());
    server.delete(format).expect(200);
    assert_eq!(used(), json!(0));
}

#[test]
fn a_version_shows_the_image_of_its_job() {
    let server = TestServer::start();
    let parts = index();
    parts.send(&server, FORMAT);
    let keys = json!({
        "product": "moon", "product_variant": "v", "product_branch": "b", "version": "2.1"
    });
    server.patch(JOB).json(&json!({ "job": keys })).expect(200);
    let format = "/products/moon/v/b/2.1/container/";
    server.get(format).expect(200).json_is(&page(&parts));
    let (path, bytes) = parts.files().pop().unwrap();
    server.get(&format!("{format}{path}")).expect(200).body_is(bytes);
    let tar = server.get("/products/moon/v/b/2.1.tar").expect(200).body;
    let entries = tar::Archive::new(&tar[..]).entries().unwrap().count();
    assert_eq!(entries, parts.files().len() + 1);
    server.delete(FORMAT).expect(200);
    server.get(format).expect(404);
}

const MANIFEST: &str = "/v2/main/build/manifests/1.0";

#[test]
fn what_is_pushed_appears_in_the_tree_and_is_pulled_byte_for_byte() {
    let server = TestServer::start();
    let mut parts = small();
    // Bytes that no program would write again.
    let odd = String::from_utf8(parts.root().to_vec()).unwrap().replace("\":", "\" :\t");
    parts.manifests = vec![odd.into_bytes()];
    parts.push(&server, "main/build", "1.0");
    server.get(FORMAT).expect(200).json_is(&page(&parts));
    let root = digest_of(parts.root());
    let pulled = server.get(MANIFEST).expect(200).has("docker-content-digest", &root);
    pulled.body_is(parts.root());
    let path = parts.paths().pop().unwrap();
    server.get(&format!("{FORMAT}{path}")).expect(200).body_is(parts.root());
    // The same again, and another one over it.
    parts.push(&server, "main/build", "1.0");
    index().push(&server, "main/build", "1.0");
    server.get(FORMAT).expect(200).json_is(&page(&index()));
}

#[test]
fn what_goes_in_one_view_goes_in_the_other_at_once() {
    let parts = small();
    for target in [FORMAT, JOB, TAG, "/branches/main/", MANIFEST, "by digest"] {
        let server = freeing_at_once();
        parts.push(&server, "main/build", "1.0");
        sweep_all(&server);
        let digest = format!("/v2/main/build/manifests/{}", digest_of(parts.root()));
        let asked = if target == "by digest" { &digest } else { target };
        let is_registry = asked.starts_with("/v2/");
        server.delete(asked).expect(if is_registry { 202 } else { 200 });
        server.get(FORMAT).expect(404);
        server.get(MANIFEST).expect(404);
        sweep_all(&server);
        assert_eq!(server.blob_files(), (0, 0), "{target}");
    }
}

#[test]
fn a_locked_job_refuses_pushes_and_deletions_in_both_views() {
    let server = TestServer::start();
    let parts = small();
    parts.push(&server, "main/build", "1.0");
    lock(&server);
    let other = index();
    other.push_blobs(&server, "main/build");
    let put = |bytes: &[u8]| server.put(MANIFEST).body(bytes).send().status;
    assert!((400..500).contains(&put(small().root())), "not even the same one");
    assert!((400..500).contains(&put(Parts::image("s390x", &[b"a layer"]).root())));
    let refused = server.put(MANIFEST).body(small().root()).expect(403).text();
    assert!(refused.contains("push another tag, or unlock the job"), "{refused}");
    let refused = server.delete(MANIFEST).expect(403).text();
    assert!(refused.contains("unlock it first"), "{refused}");
    server.get(FORMAT).expect(200).json_is(&page(&parts));
    server.get(MANIFEST).expect(200).body_is(parts.root());
}

#[test]
fn a_push_that_is_refused_leaves_the_image_as_it_was() {
    let server = TestServer::start();
    let parts = small();
    parts.push(&server, "main/build", "1.0");
    let incomplete = Parts::image("amd64", &[b"a layer", b"never uploaded"]);
    let refused = server.put(MANIFEST).body(incomplete.root()).send().status;
    assert!((400..500).contains(&refused), "{refused}");
    server.get(FORMAT).expect(200).json_is(&page(&parts));
    for tag in ["1.0", "latest"] {
        let pulled = server.get(&format!("/v2/main/build/manifests/{tag}")).expect(200);
        pulled.body_is(parts.root());
    }
}

#[test]
fn a_users_images_are_in_the_users_tree() {
    let server = TestServer::swept_at_once().with("quota", "100000").start();
    let parts = small();
    parts.push(&server, "u/alice/main/build", "1.0");
    let format = "/~alice/branches/main/1.0/build/container/";
    server.get(format).expect(200).json_is(&page(&parts));
    server.get(FORMAT).expect(404);
    server.delete("/~alice/branches/main/1.0/").expect(200);
    server.get("/v2/u/alice/main/build/manifests/1.0").expect(404);
}
