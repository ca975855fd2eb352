//! What the tests of publication share: a server with targets, and waiting for what becomes of a
//! tag.

use serde_json::{Value, json};

use super::server::Builder;
use super::{TestServer, eventually};

/// The tag that most tests release.
pub const TAG: &str = "/branches/b/t/";

/// The words of a failure, once there is one.
pub fn failure(server: &TestServer, tag: &str) -> String {
    eventually("a failure", || {
        Some(status(server, tag)).filter(|status| status.starts_with("error: "))
    })
}

/// A server that publishes to `targets`, trying again at once.
pub fn source(targets: &[&TestServer]) -> Builder {
    let urls: Vec<_> = targets.iter().map(|target| target.url("/")).collect();
    TestServer::swept_at_once().with("publish-url", &urls.join(", ")).with("publish-retry", "50ms")
}

/// A locked job with these files in one format.
pub fn job(server: &TestServer, tag: &str, job: &str, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        server.holds(&format!("{tag}{job}/f/{path}"), *content);
    }
    server.patch(&format!("{tag}{job}/f/")).expect(200);
    lock(server, &format!("{tag}{job}/"));
}

pub fn lock(server: &TestServer, job: &str) {
    server.put(job).json(&json!({"job": {"locked": true}})).expect(200);
}

pub fn set(server: &TestServer, tag: &str, released: bool) {
    server.post(tag).json(&json!({"tag": {"released": released}})).expect(200).without_body();
}

pub fn shown(server: &TestServer, tag: &str) -> Value {
    server.get(tag).expect(200).json()["tag"].clone()
}

pub fn status(server: &TestServer, tag: &str) -> String {
    shown(server, tag)["publish_status"].as_str().unwrap_or("").to_owned()
}

pub fn is_released(server: &TestServer, tag: &str) {
    eventually(&format!("{tag} to be released"), || {
        let tag = shown(server, tag);
        let status = tag["publish_status"].as_str().unwrap_or_default();
        (tag["released"] == true && status.starts_with("published to ")).then_some(())
    });
}

pub fn is_withdrawn(server: &TestServer, tag: &str) {
    eventually(&format!("{tag} to be taken back"), || {
        let tag = shown(server, tag);
        (tag["released"] == false && tag["publish_status"].is_null()).then_some(())
    });
}

pub fn publications(server: &TestServer) -> Vec<Value> {
    let page = server.get("/-/publications").expect(200).json();
    page["publications"].as_array().unwrap().clone()
}

pub fn digest(server: &TestServer, job: &str) -> String {
    server.get(job).expect(200).json()["job"]["digest"].as_str().unwrap().to_owned()
}
