//! `/branches/B/T/J/`: metadata, locks, the digest that goes with them (spec dlrepo §7).

use serde_json::{Value, json};

use super::harness::parts::Parts;
use super::harness::{TestServer, digest_of, sha256};

const JOB: &str = "/branches/b/t/j/";

fn locked(server: &TestServer, wanted: &Value) {
    let job = server.get(JOB).expect(200).json();
    assert_eq!(job["job"]["locked"], *wanted);
}

fn lock(server: &TestServer) {
    server.put(JOB).json(&json!({"job": {"locked": true}})).expect(200).without_body();
}

fn unlock(server: &TestServer) {
    server.post(JOB).json(&json!({"job": {"locked": false}})).expect(200).without_body();
}

/// A server with one file in one finished format, and perhaps settings.
fn with_a_file() -> TestServer {
    let server = TestServer::swept_at_once().with("internal-format-filter", "dbg").start();
    server.holds("/branches/b/t/j/f/a.txt", "content");
    server.patch("/branches/b/t/j/f/").expect(200).without_body();
    server
}

#[test]
fn a_job_shows_its_metadata_flags_and_formats() {
    let server = with_a_file();
    server.holds("/branches/b/t/j/dbg/x", "x");
    let metadata = json!({"job": {"Zeta": "Z", "arch": "x86", "name": "other", "digest": "d"}});
    server.patch(JOB).json(&metadata).expect(200).without_body();
    let page = server.get(JOB).expect(200);
    let timestamp = page.json()["job"]["timestamp"].clone();
    assert!(timestamp.as_f64().unwrap() > 1.7e9);
    let text = format!(
        "{{\"job\": {{\"Zeta\": \"z\", \"arch\": \"x86\", \"locked\": false, \"name\": \"j\", \
         \"released\": false, \"internal\": false, \"timestamp\": {timestamp}, \"digest\": \"\", \
         \"artifact_formats\": [\"dbg\", \"f\"]}}}}"
    );
    page.body_is(text);
    server.get("/branches/b/t/j").expect(302).has("location", JOB);
    server.get("/branches/b/t/J/").expect(302).has("location", JOB);
    server.get("/branches/b/t/none").expect(404);
    server.get("/branches/b/t/none/").expect(404).says("/branches/b/t/none/ does not exist");
}

#[test]
fn metadata_makes_what_is_missing_and_is_merged() {
    let server = TestServer::start();
    server.patch(JOB).json(&json!({"job": {"a": "1", "b": "2"}})).expect(200).without_body();
    server.patch("/branches/b/t/j").json(&json!({"job": {"b": "", "c": "3"}})).expect(200);
    server.patch(JOB).json(&json!({"job": {}})).expect(200);
    let job = server.get(JOB).expect(200).json();
    assert_eq!((&job["job"]["a"], &job["job"]["b"]), (&json!("1"), &Value::Null));
    assert_eq!(job["job"]["c"], "3");
}

#[test]
fn metadata_are_the_lower_case_text_that_python_writes() {
    let server = TestServer::start();
    for (value, text) in [
        (r#""MiXed \u00c4""#, json!("mixed \u{e4}")),
        ("1.5", json!("1.5")),
        ("7", json!("7")),
        ("-0.0", Value::Null),
        ("1e5", json!("100000.0")),
        ("1e16", json!("1e+16")),
        ("1.25e-5", json!("1.25e-05")),
        ("0.0001", json!("0.0001")),
        ("true", json!("true")),
        (r#"[1, "A"]"#, json!("[1, 'a']")),
        (r#"["it's", null, {"K": 1.0}]"#, json!("[\"it's\", none, {'k': 1.0}]")),
        (r#"["a\r\u0001\u007f"]"#, json!("['a\\r\\x01\\x7f']")),
        (r#""""#, Value::Null),
        ("null", Value::Null),
        ("0", Value::Null),
        ("false", Value::Null),
        ("[]", Value::Null),
        ("{}", Value::Null),
    ] {
        server.patch(JOB).body(format!(r#"{{"job": {{"key": {value}, "x": 1}}}}"#)).expect(200);
        let job = server.get(JOB).expect(200).json();
        assert_eq!(job["job"]["key"], text, "{value}");
    }
}

#[test]
fn what_is_no_metadata_is_refused_and_makes_nothing() {
    let server = TestServer::start();
    for body in [json!({}), json!([]), json!({"job": null}), json!({"job": []}), json!({"k": "v"})]
    {
        server.patch(JOB).json(&body).expect(400).says("Invalid parameters");
    }
    for body in ["", "{", "[1"] {
        let refused = server.patch(JOB).body(body).expect(400);
        assert!(refused.text().starts_with("400: invalid JSON data: "), "{}", refused.text());
    }
    server.get("/branches/b/").expect(404);
}

#[test]
fn flags_are_strict() {
    let server = with_a_file();
    for body in [
        json!({}),
        json!([]),
        json!({"job": null}),
        json!({"job": []}),
        json!({"job": {"locked": false}}),
        json!({"job": {"locked": 1}}),
        json!({"job": {"internal": "true"}}),
    ] {
        server.put(JOB).json(&body).expect(400).says("Invalid parameters");
    }
    for body in [json!({}), json!({"job": {}}), json!({"job": {"locked": true}})] {
        server.post(JOB).json(&body).expect(400).says("Invalid parameters");
    }
    server.put(JOB).json(&json!({"job": {}})).expect(200).without_body();
    unlock(&server);
    locked(&server, &json!(false));
    for method in ["PUT", "POST"] {
        server.ask(method, "/branches/b/t/none/").json(&json!({"job": {}})).expect(404);
    }
}

#[test]
fn a_job_is_internal_when_it_is_told_so() {
    let server = with_a_file();
    let internal = || server.get(JOB).expect(200).json()["job"]["internal"].clone();
    server.put("/branches/b/t/J").json(&json!({"job": {"internal": true}})).expect(200);
    assert_eq!(internal(), true);
    server.put(JOB).json(&json!({"job": {"internal": false, "locked": true}})).expect(200);
    assert_eq!(internal(), false);
    let refused = server.put(JOB).json(&json!({"job": {"internal": true}})).expect(400);
    refused.says("Job is locked");
    lock(&server);
}

#[test]
fn a_job_with_dirty_formats_is_not_locked() {
    let server = with_a_file();
    for path in ["/branches/b/t/j/f/more", "/branches/b/t/j/dbg/more"] {
        server.holds(path, "more");
        let refused = server.put(JOB).json(&json!({"job": {"locked": true}})).expect(400);
        refused.says("Job has dirty formats");
        let format = path.strip_suffix("more").unwrap();
        server.patch(format).expect(200);
    }
    lock(&server);
    locked(&server, &json!(true));
}

#[test]
fn a_locked_job_stays_as_it_is() {
    let server = with_a_file();
    server.holds("/branches/b/t/j/dbg/x", "x");
    server.patch("/branches/b/t/j/dbg/").expect(200);
    lock(&server);
    let before = server.get(JOB).expect(200).text();
    let upload = "Cannot upload files in locked jobs";
    for path in ["f/a.txt", "f/new", "other/new"] {
        server.put(&format!("{JOB}{path}")).body("new").expect(400).says(upload);
        server.put(&format!("{JOB}{path}")).linking("content").expect(400).says(upload);
    }
    for format in ["f", "none"] {
        let refused = server.delete(&format!("{JOB}{format}/")).expect(400);
        refused.says("Cannot delete format: job is locked");
    }
    server.patch(JOB).json(&json!({"job": {"k": "v"}})).expect(400).says("Job is locked");
    assert_eq!(server.get(JOB).expect(200).text(), before);
    server.get("/branches/b/t/j/f/a.txt").expect(200).body_is("content");
    // Internal formats are nobody's promise.
    server.holds("/branches/b/t/j/dbg/y", "y");
    server.delete("/branches/b/t/j/dbg/").expect(200);
    server.holds("/branches/b/t/j/dbg-new/y", "y");
}

#[test]
fn a_locked_job_is_deleted_all_the_same() {
    let server = with_a_file();
    lock(&server);
    let tag = json!({"tag": {"locked": true, "released": true}});
    server.post("/branches/b/t/").json(&tag).expect(200);
    server.delete("/branches/b/t/j").expect(200).without_body();
    server.get(JOB).expect(404);
    server.delete(JOB).expect(404);
}

#[test]
fn a_lock_sets_the_digest_and_unlocking_keeps_it() {
    let server = with_a_file();
    let digest =
        || server.get(JOB).expect(200).json()["job"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(digest(), "");
    lock(&server);
    let files = format!(r#"{{"a.txt": "{}"}}"#, digest_of("content"));
    let job = format!(r#"{{".metadata": "{}", "f": "{}"}}"#, digest_of("{}"), digest_of(files));
    assert_eq!(digest(), sha256(&job));
    lock(&server);
    unlock(&server);
    assert_eq!(digest(), sha256(&job), "it stays, though it is of the past");
    server.patch(JOB).json(&json!({"job": {"k": "V"}})).expect(200);
    assert_eq!(digest(), sha256(&job));
    lock(&server);
    let metadata = digest_of(r#"{"k": "v"}"#);
    let job = job.replace(&digest_of("{}"), &metadata);
    assert_eq!(digest(), sha256(job));
}

#[test]
fn the_digest_of_a_job_is_that_of_dlrepo_bit_for_bit() {
    let server = with_a_file();
    // Sorted by code point, ASCII only, internal formats and empty ones among the others.
    server.holds("/branches/b/t/j/f/Z/%C3%A9%F0%9F%98%80.bin", vec![0, 255]);
    server.holds("/branches/b/t/j/f/a%22b%5Cc", "");
    server.holds("/branches/b/t/j/%C3%BCber/one", "one");
    server.holds("/branches/b/t/j/dbg/secret", "secret");
    for format in ["f", "%C3%BCber", "dbg"] {
        server.patch(&format!("{JOB}{format}/")).expect(200);
    }
    let metadata = r#"{"job": {"b": "\u00dc/\u007f", "A": [true, "x"], "c": 1}}"#;
    server.patch(JOB).body(metadata).expect(200);
    lock(&server);

    let f = [
        ("Z/\\u00e9\\ud83d\\ude00.bin", digest_of([0, 255])),
        ("a\\\"b\\\\c", digest_of("")),
        ("a.txt", digest_of("content")),
    ];
    let of_f: Vec<_> = f.iter().map(|(path, digest)| format!("\"{path}\": \"{digest}\"")).collect();
    let of_f = digest_of(format!("{{{}}}", of_f.join(", ")));
    let of_u = digest_of(format!("{{\"one\": \"{}\"}}", digest_of("one")));
    let metadata = digest_of(r#"{"A": "[true, 'x']", "b": "\u00fc/\u007f", "c": "1"}"#);
    let job = format!(r#"{{".metadata": "{metadata}", "f": "{of_f}", "\u00fcber": "{of_u}"}}"#);
    let shown = server.get(JOB).expect(200).json();
    assert_eq!(shown["job"]["digest"], sha256(job));
}

#[test]
fn other_methods_are_named() {
    let server = TestServer::start();
    for method in ["OPTIONS", "MKCOL"] {
        let refused = server.ask(method, JOB).expect(405);
        refused.has("allow", "DELETE,GET,PATCH,POST,PUT").says("Method Not Allowed");
    }
}

#[test]
fn a_container_image_counts_by_its_manifest() {
    let server = TestServer::start();
    let format = format!("{JOB}container/");
    let mut parts = Parts::image("amd64", &[b"a layer"]);
    let manifests = std::mem::take(&mut parts.manifests);
    parts.send_files(&server, &format);
    server.patch(&format).expect(400).says(&format!("{format} is no image: no manifest was sent"));
    let lock = || server.put(JOB).json(&json!({"job": {"locked": true}})).send();
    lock().with_status(404).says("the manifest of the format container does not exist");
    parts.manifests = manifests;
    parts.send(&server, &format);
    lock().with_status(200);
    let shown = server.get(JOB).expect(200).json();
    let root = digest_of(parts.root());
    let text = format!(r#"{{".metadata": "{}", "container": "{root}"}}"#, digest_of("{}"));
    assert_eq!(shown["job"]["digest"], sha256(text));
}
