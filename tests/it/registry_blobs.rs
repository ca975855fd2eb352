//! The door of the registry and its blobs, as clients meet them: `/v2/`, errors in the
//! specification's form, and GET, HEAD and DELETE of a blob (OCI distribution specification 1.1).
//!
//! Deliberately absent: uploads in all their forms, and what manifests do to blobs.

use serde_json::json;

use super::harness::people::password_of;
use super::harness::response::Response;
use super::harness::{TestServer, digest_of, noise, sha256};

/// Just more than what is kept in the database.
const LARGE: usize = 16_320 + 1;

/// Uploads a blob with one request and gives its URL.
#[track_caller]
fn has_blob(server: &TestServer, image: &str, bytes: &[u8]) -> String {
    let sum = digest_of(bytes);
    let uploads = format!("/v2/{image}/blobs/uploads/?digest={sum}");
    server.as_admin(server.post(&uploads)).body(bytes).expect(201);
    format!("/v2/{image}/blobs/{sum}")
}

/// The answer is this one error, with a message.
#[track_caller]
fn refused(answer: Response, code: &str) -> Response {
    let answer = answer.has("content-type", "application/json");
    let answer = answer.has("docker-distribution-api-version", "registry/2.0");
    let body = answer.json();
    let errors = body["errors"].as_array().expect("a list of errors");
    assert_eq!(errors.len(), 1, "{body}");
    assert_eq!(errors[0]["code"], code, "{body}");
    assert!(!errors[0]["message"].as_str().unwrap_or_default().is_empty(), "{body}");
    answer
}

#[test]
fn a_client_finds_out_that_there_is_a_registry() {
    let server = TestServer::start();
    for base in ["/v2/", "/v2"] {
        let answer = server.get(base).expect(200).body_is("");
        answer.has("docker-distribution-api-version", "registry/2.0");
        server.head(base).expect(200).has("docker-distribution-api-version", "registry/2.0");
    }
    refused(server.post("/v2/").expect(405), "UNSUPPORTED").has("allow", "GET,HEAD");
    refused(server.get("/v2/nothing").expect(404), "NAME_UNKNOWN");
    refused(server.get("/v2/Upper/tags/list").expect(400), "NAME_INVALID");
    refused(server.get("/v2/a/manifests/sha256:bad").expect(404), "MANIFEST_UNKNOWN");
    refused(server.put("/v2/a/manifests/sha256:bad").body("{}").expect(400), "DIGEST_INVALID");
    refused(server.get("/v2/a%2fb/tags/list").expect(400), "NAME_INVALID");
    refused(server.get("/v2/%zz").expect(400), "UNSUPPORTED");
    // What older clients look for first is not there, and not in the registry's form.
    for old in ["/v1/_ping", "/v1/search", "/v2x"] {
        server.get(old).expect(404).lacks("docker-distribution-api-version");
    }
}

#[test]
fn a_blob_is_read_whole_and_in_parts() {
    let server = TestServer::start();
    for bytes in [noise(1, 0), noise(2, 1000), noise(3, LARGE), noise(4, 3_000_000)] {
        let path = has_blob(&server, "a/b", &bytes);
        let length = bytes.len().to_string();
        for answer in [server.get(&path).expect(200), server.head(&path).expect(200)] {
            answer
                .has("docker-content-digest", &digest_of(&bytes))
                .has("docker-distribution-api-version", "registry/2.0")
                .has("content-length", &length)
                .has("content-type", "application/octet-stream")
                .has("content-security-policy", "sandbox")
                .has("x-content-type-options", "nosniff")
                .has("accept-ranges", "bytes")
                .has("etag", &format!("\"{}\"", sha256(&bytes)));
        }
        assert!(server.get(&path).expect(200).body == bytes);
    }
    let bytes = noise(4, 3_000_000);
    let path = format!("/v2/a/b/blobs/{}", digest_of(&bytes));
    let part = server.get(&path).header("Range", "bytes=10-19").expect(206);
    let part = part.has("content-range", "bytes 10-19/3000000");
    part.has("docker-content-digest", &digest_of(&bytes)).body_is(&bytes[10..20]);
    server.get(&path).header("Range", "bytes=2999999-").expect(206).body_is(&bytes[2_999_999..]);
    let beyond = server.get(&path).header("Range", "bytes=3000000-").expect(416);
    beyond.has("content-range", "bytes */3000000");
    let etag = format!("\"{}\"", sha256(&bytes));
    for request in [server.get(&path), server.head(&path)] {
        request.header("If-None-Match", &etag).expect(304).body_is("");
    }
    server.get(&path).header("If-Match", "\"other\"").expect(412);
}

#[test]
fn a_blob_is_there_for_the_repository_that_has_it() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    let path = has_blob(&server, "a/b", &bytes);
    let sum = digest_of(&bytes);
    for other in ["a/c", "a", "b", "u/a/b"] {
        let elsewhere = format!("/v2/{other}/blobs/{sum}");
        let answer = refused(server.get(&elsewhere).expect(404), "BLOB_UNKNOWN");
        let detail = &answer.json()["errors"][0]["detail"];
        assert_eq!(*detail, json!({ "name": other, "digest": sum }));
        server.head(&elsewhere).expect(404);
        refused(server.delete(&elsewhere).expect(404), "BLOB_UNKNOWN");
    }
    // What the tree has is no repository's either.
    server.holds("/branches/b/t/j/f/x", "in the tree");
    server.get(&format!("/v2/b/j/blobs/{}", digest_of("in the tree"))).expect(404);
    let bad = format!("/v2/a/b/blobs/{}", sum.to_uppercase());
    refused(server.get(&bad).expect(404), "BLOB_UNKNOWN");
    refused(server.delete(&bad).expect(400), "DIGEST_INVALID");
    refused(server.put(&path).body("x").expect(405), "UNSUPPORTED").has("allow", "DELETE,GET,HEAD");
    assert!(server.get(&path).expect(200).body == bytes);
}

#[test]
fn a_deleted_blob_is_gone_from_its_repository_alone() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    let (one, other) = (has_blob(&server, "a/b", &bytes), has_blob(&server, "a/c", &bytes));
    assert_eq!(server.blob_files().0, 1);
    server.delete(&one).expect(202).body_is("");
    refused(server.get(&one).expect(404), "BLOB_UNKNOWN");
    refused(server.delete(&one).expect(404), "BLOB_UNKNOWN");
    assert!(server.get(&other).expect(200).body == bytes);
    server.delete(&other).expect(202);
    server.head(&other).expect(404);
}

#[test]
fn the_space_of_a_deleted_blob_comes_back() {
    let server = TestServer::swept_at_once().start();
    let path = has_blob(&server, "a/b", &noise(1, LARGE));
    server.delete(&path).expect(202);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn a_proxy_in_front_sends_a_blob_too() {
    let server = TestServer::with("sendfile-header", "X-Sendfile").start();
    let bytes = noise(1, 100_000);
    let path = has_blob(&server, "a/b", &bytes);
    let told = server.get(&path).expect(200).body_is("").has("content-length", "0");
    let told = told.has("docker-content-digest", &digest_of(&bytes));
    let file = told.header("x-sendfile").expect("the file");
    assert_eq!(std::fs::read(file).unwrap(), bytes);
    server.head(&path).expect(200).has("content-length", "100000").lacks("x-sendfile");
}

#[test]
fn people_log_in_at_the_base_and_are_told_apart() {
    let server = TestServer::with_people().start();
    server.has_user("eve", &["dev"]);
    let eve = |request: super::harness::client::Request| request.by("eve", &password_of("eve"));
    let path = has_blob(&server, "a/b", b"public");
    let own = has_blob(&server, "u/bob/x", b"bob's");
    for target in ["/v2/", "/v2", "/v2/_catalog", &path, "/v2/A/tags/list", "/v2/nothing"] {
        let asked = refused(server.get(target).expect(401), "UNAUTHORIZED");
        assert!(asked.header("www-authenticate").is_some(), "{target}");
    }
    let wrong = server.get("/v2/").by("eve", "wrong").expect(401);
    refused(wrong, "UNAUTHORIZED");
    eve(server.get("/v2/")).expect(200).body_is("").has("cache-control", "private");
    eve(server.get(&path)).expect(200).body_is("public").has("cache-control", "private");
    refused(eve(server.get(&own)).expect(403), "DENIED").lacks("www-authenticate");
    refused(eve(server.delete(&path)).expect(403), "DENIED");
    refused(eve(server.post("/v2/a/b/blobs/uploads/")).expect(403), "DENIED");
    eve(server.post("/v2/u/eve/x/blobs/uploads/")).expect(202);
}

#[test]
fn what_everybody_may_read_may_be_cached() {
    let server = TestServer::start();
    let path = has_blob(&server, "a/b", b"public");
    let for_ever = "public, max-age=31536000, immutable";
    server.get(&path).expect(200).has("cache-control", for_ever);
    // What a cache says of a blob must not keep a client from pushing it.
    server.head(&path).expect(200).lacks("cache-control");
    server.get(&format!("{path}0")).expect(404).lacks("cache-control");
}
