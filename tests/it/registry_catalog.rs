//! The list of repositories, and products as repositories: pushed ones and products in one
//! order, no more than the caller may read.

use std::fs;

use serde_json::{Value, json};

use super::harness::pieces::{Document, error_of, has_image, image};
use super::harness::{TestServer, digest_of};

#[track_caller]
fn repositories(server: &TestServer, query: &str) -> Value {
    server.get(&format!("/v2/_catalog{query}")).expect(200).json()["repositories"].clone()
}

/// A job that feeds a version of a product with its image.
#[track_caller]
fn has_version(server: &TestServer, tag: &str, version: &str, content: &str) -> Document {
    let document = has_image(server, "branch/job", tag, content);
    let job = json!({ "job": {
        "product": "moon", "product_variant": "lite", "product_branch": "1.x", "version": version,
    } });
    server.patch(&format!("/branches/branch/{tag}/job/")).json(&job).expect(200);
    document
}

#[test]
fn repositories_come_in_order_and_in_parts() {
    let server = TestServer::start();
    for name in ["b", "a/b", "a-b", "u/alice/x"] {
        has_image(&server, name, "v1", "one");
    }
    let all = json!(["a-b", "a/b", "b", "u/alice/x"]);
    assert_eq!(repositories(&server, ""), all);
    let answer = server.get("/v2/_catalog?n=2").expect(200);
    assert_eq!(answer.json()["repositories"], json!(["a-b", "a/b"]));
    assert_eq!(answer.header("link"), Some("</v2/_catalog?n=2&last=a%2Fb>; rel=\"next\""));
    assert_eq!(repositories(&server, "?n=2&last=a%2Fb"), json!(["b", "u/alice/x"]));
    server.get("/v2/_catalog?n=4").expect(200).lacks("link");
    assert_eq!(repositories(&server, "?n=0"), json!([]));
    let answer = server.get("/v2/_catalog?n=many").expect(400);
    assert_eq!(error_of(&answer).0, "PAGINATION_NUMBER_INVALID");
    server.delete("/v2/b/manifests/v1").expect(202);
    assert_eq!(repositories(&server, "?last=a-b"), json!(["a/b", "u/alice/x"]));
}

#[test]
fn only_what_may_be_read_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start();
    for name in ["a", "secret/x", "z", "u/alice/x"] {
        has_image(&server, name, "v1", "one");
    }
    let rules = "r /v2/** !/v2/secret/** !/v2/u/**\nr /-/sweeps\n";
    fs::write(folder.path().join("ANONYMOUS"), rules).unwrap();
    server.change("acls-dir", folder.path().to_str().unwrap());
    server.change("auth", "on");
    server.restart();
    assert_eq!(repositories(&server, ""), json!(["a", "z"]));
    let answer = server.get("/v2/_catalog?n=1").expect(200);
    assert_eq!(answer.header("link"), Some("</v2/_catalog?n=1&last=a>; rel=\"next\""));
}

#[test]
fn a_product_is_pulled_by_its_name() {
    let server = TestServer::start();
    let first = has_version(&server, "t1", "1.0", "one");
    let second = has_version(&server, "t2", "1.1", "two");
    assert_eq!(repositories(&server, ""), json!(["branch/job", "moon/lite/1.x"]));
    assert_eq!(repositories(&server, "?last=branch/job"), json!(["moon/lite/1.x"]));
    assert_eq!(repositories(&server, "?last=moon/lite/1.x"), json!([]));
    let tags = server.get("/v2/moon/lite/1.x/tags/list").expect(200).json();
    assert_eq!(tags, json!({ "name": "moon/lite/1.x", "tags": ["1.0", "1.1", "latest"] }));
    let at = |reference: &str| format!("/v2/moon/lite/1.x/manifests/{reference}");
    server.get(&at("1.0")).expect(200).body_is(&first.text);
    server.get(&at("latest")).expect(200).body_is(&second.text);
    server.get(&at(&second.digest)).expect(200).body_is(&second.text);
    server.get(&at("1.2")).expect(404);
    // What the branch has besides is not the product's.
    let other = has_image(&server, "branch/job", "t3", "three");
    server.get(&at(&other.digest)).expect(404);
    server.delete("/branches/branch/t2/").expect(200);
    server.get(&at("latest")).expect(200).body_is(&first.text);
}

#[test]
fn a_products_name_takes_no_push_and_a_pushed_repository_goes_before_a_product() {
    let server = TestServer::start();
    let pushed = has_image(&server, "moon/lite/1.x", "own", "own");
    has_version(&server, "t1", "1.0", "one");
    server.get("/v2/moon/lite/1.x/manifests/own").expect(200).body_is(&pushed.text);
    server.get("/v2/moon/lite/1.x/manifests/1.0").expect(404);
    server.delete("/v2/moon/lite/1.x/manifests/own").expect(202);
    server.get("/v2/moon/lite/1.x/manifests/1.0").expect(200);
    // What was pushed is there for a while, so that this is about the name alone.
    let answer = Document::of(&image("own")).push(&server, "moon/lite/1.x", "2.0");
    let answer = answer.with_status(403);
    assert_eq!(error_of(&answer).0, "DENIED");
    // Whoever pushes hears of it before the layers are sent.
    for target in ["uploads/", &format!("uploads/?digest={}", digest_of("two"))] {
        let early = server.post(&format!("/v2/moon/lite/1.x/blobs/{target}")).body("two");
        let early = early.expect(403);
        assert_eq!(error_of(&early).0, "DENIED");
        assert!(early.text().contains("push to another repository"), "{}", early.text());
    }
}
