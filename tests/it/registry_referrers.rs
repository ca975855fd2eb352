//! Lists of what is about a manifest (OCI distribution specification 1.1, "Listing Referrers").

use serde_json::{Value, json};

use super::harness::TestServer;
use super::harness::pieces::{Document, OCI_INDEX, has_blobs_of, has_image, image};

/// An artifact about `subject`.
fn about(subject: &Document, content: &str, kind: &str) -> Value {
    let mut document = image(content);
    document["artifactType"] = json!(kind);
    document["subject"] = subject.descriptor();
    document["annotations"] = json!({ "note": content });
    document
}

#[track_caller]
fn list(server: &TestServer, target: &str) -> Vec<Value> {
    let answer = server.get(target).expect(200).has("content-type", OCI_INDEX);
    let index = answer.json();
    assert_eq!((&index["schemaVersion"], &index["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    index["manifests"].as_array().unwrap().clone()
}

#[test]
fn referrers_are_listed_as_they_describe_themselves_and_by_kind() {
    let server = TestServer::start();
    let subject = has_image(&server, "a/b", "v1", "one");
    let target = format!("/v2/a/b/referrers/{}", subject.digest);
    assert!(list(&server, &target).is_empty());
    let mut pushed = Vec::new();
    for (content, kind) in [("sbom", "application/x.sbom"), ("sig", "application/x.sig")] {
        has_blobs_of(&server, "a/b", content);
        let document = Document::of(&about(&subject, content, kind));
        let answer = document.push(&server, "a/b", &document.digest).with_status(201);
        answer.has("oci-subject", &subject.digest);
        let mut line = document.descriptor();
        line["artifactType"] = json!(kind);
        line["annotations"] = json!({ "note": content });
        pushed.push(line);
    }
    assert_eq!(list(&server, &target), pushed);
    let filtered = format!("{target}?artifactType=application/x.sig");
    assert_eq!(list(&server, &filtered), pushed[1..]);
    server.get(&filtered).expect(200).has("oci-filters-applied", "artifactType");
    server.get(&target).expect(200).lacks("oci-filters-applied");
    assert!(list(&server, &format!("{target}?artifactType=application/x.none")).is_empty());

    let answer = server.get(&format!("{target}?n=1")).expect(200);
    let link = answer.header("link").expect("a link").to_owned();
    assert_eq!(answer.json()["manifests"], json!(pushed[..1]));
    let next = link[1..link.find('>').unwrap()].to_owned();
    assert_eq!(list(&server, &next), pushed[1..]);
}

#[test]
fn a_subject_may_come_later_and_a_repository_need_not_be() {
    let server = TestServer::start();
    let subject = Document::of(&image("later"));
    let target = format!("/v2/a/b/referrers/{}", subject.digest);
    assert!(list(&server, &target).is_empty());
    has_blobs_of(&server, "a/b", "sig");
    let document = Document::of(&about(&subject, "sig", "application/x.sig"));
    document.push(&server, "a/b", &document.digest).with_status(201);
    assert_eq!(list(&server, &target).len(), 1);
    assert!(list(&server, &target.replace("a/b", "c/d")).is_empty());
    server.get("/v2/a/b/referrers/sha256:bad").expect(400);
}

#[test]
fn a_page_is_no_larger_than_a_manifest_may_be() {
    let server = TestServer::start();
    let subject = has_image(&server, "a/b", "v1", "one");
    for number in 0..3 {
        let mut document = about(&subject, "one", "application/x.big");
        document["annotations"] = json!({ "n": format!("{number}{}", "x".repeat(2_000_000)) });
        let document = Document::of(&document);
        document.push(&server, "a/b", &document.digest).with_status(201);
    }
    let answer = server.get(&format!("/v2/a/b/referrers/{}", subject.digest)).expect(200);
    assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), 2);
    let link = answer.header("link").expect("a link").to_owned();
    assert_eq!(list(&server, &link[1..link.find('>').unwrap()]).len(), 1);
}
