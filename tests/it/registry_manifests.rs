//! Manifests of the registry: pushed, pulled byte for byte, deleted, and refused with the
//! specification's codes (OCI distribution specification 1.1).

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::harness::pieces::{
    Document, OCI_IMAGE, OCI_INDEX, descriptor, error_of, has_blobs_of, has_image, image,
};
use super::harness::{TestServer, digest_of, hex, noise};

#[track_caller]
fn refused(server: &TestServer, document: &Value, status: u16, code: &str) -> Value {
    let answer = Document::of(document).push(server, "a/b", "t").with_status(status);
    let (actual, detail) = error_of(&answer);
    assert_eq!(actual, code, "{}", answer.text());
    detail
}

#[test]
fn a_manifest_is_pulled_as_it_was_pushed_by_tag_and_by_digest() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let mut document = Document::of(&image("one"));
    // Blanks belong to the bytes, and so to the digest.
    document.text = document.text.replacen('{', "{ \n", 1);
    document.digest = super::harness::digest_of(&document.text);
    let pushed = document.push(&server, "a/b", "v1").with_status(201);
    let pushed = pushed.has("docker-content-digest", &document.digest);
    let location = format!("/v2/a/b/manifests/{}", document.digest);
    pushed.has("location", &location).lacks("oci-subject");
    for reference in ["v1", &document.digest] {
        let target = format!("/v2/a/b/manifests/{reference}");
        let length = document.text.len().to_string();
        for answer in [server.get(&target).expect(200), server.head(&target).expect(200)] {
            let answer = answer.has("content-type", OCI_IMAGE).has("content-length", &length);
            answer.has("docker-content-digest", &document.digest);
        }
        server.get(&target).expect(200).body_is(&document.text);
    }
    let known = format!("\"{}\"", &document.digest["sha256:".len()..]);
    server.get("/v2/a/b/manifests/v1").header("If-None-Match", &known).expect(304);
    server.logs(&["push a/b:v1", &document.digest]);
    let stats = server.get("/-/stats").expect(200).json();
    assert_eq!(stats["images"]["a/b"]["pushes"], 1, "{stats}");
}

#[test]
fn why_tells_what_a_manifest_without_a_tag_waits_for() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let one = Document::of(&image("one"));
    one.push(&server, "a/b", &one.digest).with_status(201);
    let why = || server.command(&["why", &one.digest]).succeeds().out;
    assert!(why().contains("\n    untagged since "), "{}", why());
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [one.descriptor()],
    });
    Document::of(&index).push(&server, "a/b", "all").with_status(201);
    assert!(why().contains("\n    named by an index"), "{}", why());
    assert!(!why().contains("untagged"), "{}", why());
}

#[test]
fn what_goes_through_a_repository_is_counted_and_logged() {
    let server = TestServer::start();
    let layer = noise(3, 100_000);
    let target = |digest: &str| format!("/v2/a/b/blobs/uploads/?digest={digest}");
    for bytes in [&layer[..], b"small"] {
        server.post(&target(&digest_of(bytes))).body(bytes).expect(201);
    }
    server.get(&format!("/v2/a/b/blobs/{}", digest_of(&layer))).expect(200);
    let part = server.get(&format!("/v2/a/b/blobs/{}", digest_of(&layer)));
    part.header("Range", "bytes=0-9").expect(206);
    server.head(&format!("/v2/a/b/blobs/{}", digest_of(&layer))).expect(200);
    let stats = server.get("/-/stats").expect(200).json();
    let wanted = json!({"bytes_in": 100_005, "bytes_out": 100_010, "pulls": 0, "pushes": 0});
    assert_eq!(stats["images"]["a/b"], wanted);
    has_image(&server, "a/b", "v1", "one");
    server.delete("/v2/a/b/manifests/v1").expect(202);
    server.logs(&["delete a/b:v1 "]);
}

#[test]
fn a_large_manifest_is_a_file_and_survives_a_restart() {
    let mut server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let mut large = image("one");
    large["annotations"] = json!({ "note": "x".repeat(100_000) });
    let document = Document::of(&large);
    document.push(&server, "a/b", "v1").with_status(201);
    document.push(&server, "a/b", "v2").with_status(201);
    server.restart();
    server.get("/v2/a/b/manifests/v2").expect(200).body_is(&document.text);
    server.get("/v2/a/b/manifests/v1").header("Range", "bytes=0-9").expect(206);
}

#[test]
fn an_index_holds_its_manifests_and_is_refused_without_them() {
    let server = TestServer::start();
    let child = has_image(&server, "a/b", "child", "one");
    let index = |children: Vec<Value>| {
        let manifests = Value::Array(children);
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests })
    };
    let document = Document::of(&index(vec![child.descriptor()]));
    document.push(&server, "a/b", "all").with_status(201);
    let nested = Document::of(&index(vec![document.descriptor()]));
    nested.push(&server, "a/b", "nested").with_status(201);
    server.get("/v2/a/b/manifests/nested").expect(200).has("content-type", OCI_INDEX);
    server.delete("/v2/a/b/manifests/child").expect(202);
    server.get("/v2/a/b/manifests/child").expect(404);
    server.get(&format!("/v2/a/b/manifests/{}", child.digest)).expect(200);

    let missing = Document::of(&image("missing"));
    let detail = refused(&server, &index(vec![missing.descriptor()]), 404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(detail["digest"], missing.digest);
    let mut wrong = child.descriptor();
    wrong["size"] = json!(1);
    let detail = refused(&server, &index(vec![wrong]), 400, "MANIFEST_INVALID");
    assert_eq!(detail["actual"], child.text.len());
}

#[test]
fn a_sha512_names_a_manifest_beside_its_identity() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let document = Document::of(&image("one"));
    let sum = format!("sha512:{}", hex(&Sha512::digest(&document.text)));
    let pushed = document.push(&server, "a/b", &sum).with_status(201);
    pushed.has("docker-content-digest", &sum);
    let target = format!("/v2/a/b/manifests/{sum}");
    let answer = server.get(&target).expect(200).has("docker-content-digest", &sum);
    answer.body_is(&document.text);
    let target = format!("/v2/a/b/manifests/{}", document.digest);
    server.get(&target).expect(200).has("docker-content-digest", &document.digest);
    let wrong = format!("sha512:{}", "0".repeat(128));
    let answer = document.push(&server, "a/b", &wrong).with_status(400);
    assert_eq!(error_of(&answer).0, "DIGEST_INVALID");
}

#[test]
fn a_push_by_digest_sets_the_tags_that_it_names() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let document = Document::of(&image("one"));
    let reference = format!("{}?tag=v1&tag=V2", document.digest);
    document.push(&server, "a/b", &reference).with_status(201).has("oci-tag", "v1");
    for tag in ["v1", "V2"] {
        server.get(&format!("/v2/a/b/manifests/{tag}")).expect(200).body_is(&document.text);
    }
    let bad = format!("{}?tag=-", document.digest);
    document.push(&server, "a/b", &bad).with_status(400);
}

#[test]
fn deleting_takes_away_a_tag_or_a_manifest_with_all_of_them() {
    let server = TestServer::start();
    let document = has_image(&server, "a/b", "v1", "one");
    document.push(&server, "a/b", "v2").with_status(201);
    server.delete("/v2/a/b/manifests/v1").expect(202);
    server.get("/v2/a/b/manifests/v1").expect(404);
    server.get("/branches/a/v1/b/container/").expect(404);
    server.get("/v2/a/b/manifests/v2").expect(200);
    server.get("/branches/a/v2/b/container/").expect(200);
    let by_digest = format!("/v2/a/b/manifests/{}", document.digest);
    server.delete(&by_digest).expect(202);
    server.get("/v2/a/b/manifests/v2").expect(404);
    server.get("/branches/a/v2/b/container/").expect(404);
    for gone in [by_digest.as_str(), "/v2/a/b/manifests/v2", "/v2/a/b/manifests/latest"] {
        let answer = server.delete(gone).expect(404);
        assert_eq!(error_of(&answer).0, "MANIFEST_UNKNOWN", "{gone}");
    }
}

#[test]
fn an_alias_stands_for_the_newest_readable_tag_unless_it_was_pushed() {
    let server = TestServer::start();
    has_image(&server, "a/b", "v1", "one");
    let second = has_image(&server, "a/b", "v2", "two");
    server.get("/v2/a/b/manifests/latest").expect(200).body_is(&second.text);
    server.get("/v2/a/b/manifests/stable").expect(404);
    let pushed = has_image(&server, "a/b", "latest", "three");
    server.get("/v2/a/b/manifests/latest").expect(200).body_is(&pushed.text);
    server.get("/branches/a/latest/b/container/").expect(302);
    server.delete("/v2/a/b/manifests/latest").expect(202);
    server.get("/v2/a/b/manifests/latest").expect(200).body_is(&second.text);
}

#[test]
fn what_is_no_json_is_refused() {
    let server = TestServer::start();
    for text in ["", "{", "[]", "hello"] {
        let put = server.put("/v2/a/b/manifests/t").header("Content-Type", OCI_IMAGE);
        let answer = put.body(text).expect(400);
        assert_eq!(error_of(&answer).0, "MANIFEST_INVALID", "{text}");
    }
}

#[test]
fn five_mebibytes_are_refused() {
    let server = TestServer::start();
    let put = server.put("/v2/a/b/manifests/t").header("Content-Type", OCI_IMAGE);
    let answer = put.body(vec![b' '; 5 << 20]).expect(413);
    assert_eq!(error_of(&answer).0, "SIZE_INVALID");
}

#[test]
fn deep_nesting_is_refused() {
    let server = TestServer::start();
    let text = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let put = server.put("/v2/a/b/manifests/t").header("Content-Type", OCI_IMAGE);
    let answer = put.body(text).expect(400);
    assert_eq!(error_of(&answer).0, "MANIFEST_INVALID");
}

#[test]
fn too_many_layers_are_refused() {
    let server = TestServer::start();
    let mut document = image("one");
    document["layers"] = Value::Array(vec![descriptor("application/x.part", "one"); 1001]);
    refused(&server, &document, 400, "MANIFEST_INVALID");
}

#[test]
fn a_missing_layer_is_named() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let mut document = image("one");
    let missing = descriptor("application/x.part", "missing");
    document["layers"].as_array_mut().unwrap().push(missing.clone());
    let detail = refused(&server, &document, 404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(detail["digest"], missing["digest"]);
    // Another repository's blobs are not this one's.
    has_blobs_of(&server, "c/d", "elsewhere");
    refused(&server, &image("elsewhere"), 404, "MANIFEST_BLOB_UNKNOWN");
    document["layers"][1]["urls"] = json!(["https://example.com/layer"]);
    Document::of(&document).push(&server, "a/b", "t").with_status(201);
}

#[test]
fn a_wrong_size_is_named() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let mut document = image("one");
    document["layers"][0]["size"] = json!(4);
    let detail = refused(&server, &document, 400, "MANIFEST_INVALID");
    assert_eq!((&detail["at"], &detail["actual"]), (&json!("layers[0]"), &json!(3)));
    document["layers"][0]["size"] = json!(-1);
    refused(&server, &document, 400, "MANIFEST_INVALID");
}

#[test]
fn schema_1_is_refused() {
    let server = TestServer::start();
    let document = json!({
        "schemaVersion": 1,
        "mediaType": "application/vnd.docker.distribution.manifest.v1+json",
        "fsLayers": [],
    });
    refused(&server, &document, 400, "UNSUPPORTED");
}

#[test]
fn a_type_that_the_document_denies_is_refused() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let put = server.put("/v2/a/b/manifests/t").header("Content-Type", OCI_INDEX);
    let answer = put.body(image("one").to_string()).expect(400);
    assert_eq!(error_of(&answer).0, "MANIFEST_INVALID");
    let mut page = image("one");
    page["mediaType"] = json!("text/html");
    refused(&server, &page, 400, "MANIFEST_INVALID");
}

#[test]
fn bytes_of_another_digest_are_refused() {
    let server = TestServer::start();
    has_blobs_of(&server, "a/b", "one");
    let document = Document::of(&image("one"));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let answer = document.push(&server, "a/b", &wrong).with_status(400);
    let (code, detail) = error_of(&answer);
    assert_eq!((code.as_str(), &detail["found"]), ("DIGEST_INVALID", &json!(document.digest)));
    let answer = document.push(&server, "a/b", "sha256:bad").with_status(400);
    assert_eq!(error_of(&answer).0, "DIGEST_INVALID");
}
