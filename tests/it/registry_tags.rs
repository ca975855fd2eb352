//! Lists of tags: in parts, in order, and no more than the caller may pull.

use std::fs;

use serde_json::{Value, json};

use super::harness::TestServer;
use super::harness::pieces::{error_of, has_image};

#[track_caller]
fn tags(server: &TestServer, target: &str) -> Value {
    server.get(target).expect(200).json()["tags"].clone()
}

#[test]
fn tags_come_in_the_order_of_their_bytes_and_in_parts() {
    let server = TestServer::start();
    for tag in ["b", "B", "a", "1.10", "1.9", "_x"] {
        has_image(&server, "plain", tag, "one");
    }
    let all = json!(["1.10", "1.9", "B", "_x", "a", "b"]);
    let listed = server.get("/v2/plain/tags/list").expect(200).lacks("link").json();
    assert_eq!(listed, json!({ "name": "plain", "tags": all }));

    let mut target = "/v2/plain/tags/list?n=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = server.get(&target).expect(200);
        seen.extend(answer.json()["tags"].as_array().unwrap().clone());
        let Some(link) = answer.header("link").map(ToOwned::to_owned) else { break };
        assert!(link.ends_with(">; rel=\"next\""), "{link}");
        target = link[1..link.find('>').unwrap()].to_owned();
    }
    assert_eq!(Value::Array(seen), all);
    assert_eq!(tags(&server, "/v2/plain/tags/list?last=B"), json!(["_x", "a", "b"]));
    assert_eq!(tags(&server, "/v2/plain/tags/list?last=%25"), all);
    assert_eq!(tags(&server, "/v2/plain/tags/list?last=z"), json!([]));
    let none = server.get("/v2/plain/tags/list?n=0").expect(200).lacks("link").json();
    assert_eq!(none["tags"], json!([]));
    for bad in ["n=-1", "n=x"] {
        let answer = server.get(&format!("/v2/plain/tags/list?{bad}")).expect(400);
        assert_eq!(error_of(&answer).0, "PAGINATION_NUMBER_INVALID");
    }
    let answer = server.get("/v2/nothing/tags/list").expect(404);
    assert_eq!(error_of(&answer).0, "NAME_UNKNOWN");
}

#[test]
fn latest_is_listed_where_it_is_an_alias() {
    let server = TestServer::start();
    has_image(&server, "a/b", "k", "one");
    has_image(&server, "a/b", "z", "one");
    assert_eq!(tags(&server, "/v2/a/b/tags/list"), json!(["k", "latest", "z"]));
    assert_eq!(tags(&server, "/v2/a/b/tags/list?n=1&last=k"), json!(["latest"]));
    assert_eq!(tags(&server, "/v2/a/b/tags/list?n=1&last=latest"), json!(["z"]));
    has_image(&server, "a/b", "latest", "two");
    assert_eq!(tags(&server, "/v2/a/b/tags/list"), json!(["k", "latest", "z"]));
    has_image(&server, "plain", "v", "one");
    assert_eq!(tags(&server, "/v2/plain/tags/list"), json!(["v"]));
}

#[test]
fn a_tag_that_the_tree_lost_is_gone_from_the_list() {
    let server = TestServer::start();
    has_image(&server, "a/b", "v1", "one");
    has_image(&server, "a/b", "v2", "two");
    server.delete("/branches/a/v2/").expect(200);
    assert_eq!(tags(&server, "/v2/a/b/tags/list"), json!(["latest", "v1"]));
    server.get("/v2/a/b/manifests/v2").expect(404);
}

#[test]
fn only_what_may_be_pulled_is_listed_and_counts_behind_an_alias() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start();
    let open = has_image(&server, "a/b", "open", "one");
    has_image(&server, "a/b", "secret", "two");
    let rules = "r /v2/** !/v2/a/b/manifests/secret\nr /-/sweeps\n";
    fs::write(folder.path().join("ANONYMOUS"), rules).unwrap();
    server.change("acls-dir", folder.path().to_str().unwrap());
    server.change("auth", "on");
    server.restart();
    assert_eq!(tags(&server, "/v2/a/b/tags/list"), json!(["latest", "open"]));
    assert_eq!(tags(&server, "/v2/a/b/tags/list?n=1&last=latest"), json!(["open"]));
    server.get("/v2/a/b/manifests/latest").expect(200).body_is(&open.text);
    server.get("/v2/a/b/manifests/secret").expect(401);
}
