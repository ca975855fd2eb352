//! Release of images to other servers (spec dlrepo §12): they go as files, and are images there.

use super::harness::parts::Parts;
use super::harness::publishing::{
    TAG, digest, is_released, is_withdrawn, lock, publications, set, source,
};
use super::harness::{TestServer, digest_of, eventually, noise};

const JOB: &str = "/branches/b/t/j/";
const FORMAT: &str = "/branches/b/t/j/container/";

fn index() -> Parts {
    let shared = noise(1, 200_000);
    Parts::index(&[Parts::image("amd64", &[&shared]), Parts::image("arm64", &[&shared, b"more"])])
}

/// A locked job with an image and a file beside it.
fn with_image(server: &TestServer, parts: &Parts) {
    parts.send(server, FORMAT);
    server.holds("/branches/b/t/j/f/notes", "notes");
    server.patch("/branches/b/t/j/f/").expect(200);
    lock(server, JOB);
}

fn same(server: &TestServer, target: &TestServer, parts: &Parts) {
    assert_eq!(digest(server, JOB), digest(target, JOB));
    let shown = |server: &TestServer| server.get(FORMAT).expect(200).json();
    assert_eq!(shown(server), shown(target));
    assert_eq!(shown(target)["artifact_format"]["dirty"], false);
    for (path, bytes) in parts.files() {
        target.get(&format!("{FORMAT}{path}")).expect(200).body_is(bytes);
    }
    is_image(target, parts);
}

/// The target's registry has it under its tag.
fn is_image(server: &TestServer, parts: &Parts) {
    let refused = "Uploading container images must be done with docker push";
    let put = server.put(&format!("{FORMAT}x")).header("User-Agent", "dlrepo-server/ci");
    server.post(JOB).json(&serde_json::json!({"job": {"locked": false}})).expect(200);
    put.body("x").expect(400).says(refused);
    lock(server, JOB);
    let manifest = server.get("/v2/b/j/manifests/t").expect(200);
    manifest.has("docker-content-digest", &digest_of(parts.root())).body_is(parts.root());
}

#[test]
fn an_image_and_an_index_are_published_and_are_images_there() {
    for parts in [Parts::image("amd64", &[b"layer", &noise(2, 100_000)]), index()] {
        let target = TestServer::start();
        let server = source(&[&target]).start();
        with_image(&server, &parts);
        set(&server, TAG, true);
        is_released(&server, TAG);
        same(&server, &target, &parts);
        let done = &publications(&server)[0]["targets"][0];
        assert_eq!(done["done"], done["all"]);
        set(&server, TAG, false);
        is_withdrawn(&server, TAG);
        target.get(FORMAT).expect(404);
        target.get("/v2/b/j/manifests/t").expect(404);
    }
}

#[test]
fn another_image_takes_the_place_of_a_published_one() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    with_image(&server, &Parts::image("amd64", &[b"layer"]));
    set(&server, TAG, true);
    is_released(&server, TAG);
    server.post(JOB).json(&serde_json::json!({"job": {"locked": false}})).expect(200);
    server.delete(FORMAT).expect(200);
    let parts = index();
    parts.send(&server, FORMAT);
    lock(&server, JOB);
    set(&server, TAG, true);
    eventually("the new image", || (digest(&target, JOB) == digest(&server, JOB)).then_some(()));
    is_released(&server, TAG);
    same(&server, &target, &parts);
}

#[test]
fn what_was_left_of_a_publication_that_broke_off_does_no_harm() {
    let parts = index();
    // Some files, all files, and an image that was not locked any more.
    for left in 0..3 {
        let target = TestServer::start();
        let server = source(&[&target]).start();
        with_image(&server, &parts);
        let other = Parts::image("other", &[b"of before"]);
        other.send_files(&target, FORMAT);
        match left {
            0 => {}
            1 => parts.send_files(&target, FORMAT),
            _ => {
                target.patch(FORMAT).expect(200);
            }
        }
        set(&server, TAG, true);
        is_released(&server, TAG);
        same(&server, &target, &parts);
    }
}

#[test]
fn layers_that_only_an_image_of_the_target_has_are_linked() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    let parts = index();
    parts.send(&target, "/branches/other/t/j/container/");
    with_image(&server, &parts);
    set(&server, TAG, true);
    is_released(&server, TAG);
    same(&server, &target, &parts);
    let (path, _) = parts.files().into_iter().find(|(_, bytes)| bytes.len() == 200_000).unwrap();
    let log = target.log();
    assert!(log.contains(&format!("HEAD {FORMAT}{path} 200")), "{log}");
}
