//! The process: start, log, signals, restarts (issue of the core, F; spec dlrepo §1).

use rustix::process::Signal;
use serde_json::json;

use super::harness::{TestServer, eventually, larder, noise};

#[test]
fn the_first_line_tells_the_address() {
    let server = TestServer::start();
    let greeting = server.greeting();
    assert!(greeting.starts_with(&format!("listening on {}\n", server.url(""))), "{greeting}");
    assert!(greeting.contains("Nobody has to log in: whoever can connect may"), "{greeting}");
}

#[test]
fn every_request_has_a_line_in_the_log() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "hello");
    server.get("/branches/b/t/j/f/a").expect(200);
    server.get("/branches/").expect(200);
    server.head("/branches/b/t/j/f/a").expect(200);
    server.get("/branches/x%0Ay/?secret=1").expect(404);
    let list = server.get("/branches/").expect(200).body.len();
    let refused = server.get("/branches/x%0Ay/").expect(404).body.len();
    for (request, status, bytes) in [
        ("PUT /branches/b/t/j/f/a", 201, 12),
        ("GET /branches/b/t/j/f/a", 200, 5),
        ("HEAD /branches/b/t/j/f/a", 200, 0),
        ("GET /branches/", 200, list),
        ("GET /branches/x%0Ay/", 404, refused),
    ] {
        let line = server.logs(&[&format!("larder::access] {request} {status} {bytes} ")]);
        assert!(line.ends_with(" 127.0.0.1 -"), "the peer and the user: {line}");
        assert!(line.contains("\u{b5}s ") || line.contains("ms "), "the time it took: {line}");
    }
    assert!(!server.log().contains("secret"));
}

#[test]
fn a_restart_keeps_everything() {
    let mut server = TestServer::start();
    let large = noise(1, 100_000);
    server.holds("/branches/b/t/j/f/large", large.clone());
    server.holds("/branches/b/t/j/f/small", "small");
    server.patch("/branches/b/t/j/f/").expect(200);
    server.patch("/branches/b/t/j/").json(&json!({"job": {"k": "v"}})).expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    let flags = json!({"tag": {"released": true, "stable": true, "description": "d"}});
    server.post("/branches/b/t/").json(&flags).expect(200);
    server.post("/branches/b/").json(&json!({"branch": {"max_daily_tags": 5}})).expect(200);
    let pages = ["/branches/", "/branches/b/", "/branches/b/t/", "/branches/b/t/j/"];
    let shown = |server: &TestServer| pages.map(|page| server.get(page).expect(200).text());
    let facts = |server: &TestServer| {
        let mut stats = server.get("/-/stats").expect(200).json();
        // What the machine has free, and how the database lies in its file, may differ.
        let kept = ["numbers", "held", "free", "logical", "backlog", "reclaimed"];
        let stats = kept.map(|figure| stats[figure].take());
        let got = server.get("/branches/b/t/j/f/large").expect(200);
        assert!(got.body == large);
        let header = |name| got.header(name).map(str::to_owned);
        (stats, header("etag"), header("last-modified"))
    };
    let before = (shown(&server), facts(&server));
    server.restart();
    assert_eq!((shown(&server), facts(&server)), before);
    server.kill9();
    server.start_again();
    assert_eq!((shown(&server), facts(&server)), before);
    server.get("/branches/b/t/j/f/small").expect(200).body_is("small");
}

#[test]
fn what_a_kill_leaves_is_cleared_at_the_start() {
    let mut server = TestServer::start();
    server.holds("/branches/b/t/j/f/kept", noise(1, 100_000));
    let mut connection = server.connect();
    connection.write(b"PUT /branches/b/t/j/f/new HTTP/1.1\r\nHost: localhost\r\n");
    connection.write(b"Content-Length: 1000000\r\n\r\n");
    connection.write(&noise(2, 300_000));
    eventually("the upload to begin", || (server.staged_files() == 1).then_some(()));
    server.kill9();
    assert_eq!(server.staged_files(), 1);
    server.start_again();
    assert_eq!((server.staged_files(), server.blob_files().0), (0, 1));
    server.get("/branches/b/t/j/f/new").expect(404);
    assert!(server.get("/branches/b/t/j/f/kept").expect(200).body == noise(1, 100_000));
}

#[test]
fn a_stop_lets_requests_finish() {
    let mut server = TestServer::start();
    let mut idle = server.connect();
    let mut upload = server.connect();
    let bytes = noise(1, 100_000);
    upload.write(b"PUT /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\n");
    upload.write(b"Content-Length: 100000\r\n\r\n");
    upload.write(&bytes[..50_000]);
    eventually("the upload to begin", || (server.staged_files() == 1).then_some(()));
    server.signal(Signal::TERM);
    server.logs(&["stopping: requests have 30s to finish"]);
    assert!(idle.is_at_end());
    upload.write(&bytes[50_000..]);
    upload.answer_to("PUT").with_status(201);
    assert_eq!(server.ended().code(), Some(0));
    server.start_again();
    assert!(server.get("/branches/b/t/j/f/a").expect(200).body == bytes);
}

#[test]
fn a_stop_has_a_deadline() {
    let mut server = TestServer::swept_at_once().with("stop-deadline", "300ms").start();
    let mut upload = server.connect();
    upload.write(b"PUT /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\n");
    upload.write(b"Content-Length: 100000\r\n\r\nsome");
    eventually("the upload to begin", || (server.staged_files() == 1).then_some(()));
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("cutting off 1 connections"), "{}", server.log());
    server.start_again();
    server.get("/branches/b/t/j/f/a").expect(404);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let mut server = TestServer::start();
        server.holds("/branches/b/t/j/f/a", "a");
        let mut upload = server.connect();
        upload.write(b"PUT /branches/b/t/j/f/b HTTP/1.1\r\nHost: localhost\r\n");
        upload.write(b"Content-Length: 100000\r\n\r\nsome");
        eventually("the upload to begin", || (server.staged_files() == 1).then_some(()));
        server.signal(first);
        server.logs(&["stopping: requests have"]);
        server.signal(second);
        assert_eq!(server.ended().code(), Some(130));
        assert!(server.log().contains("stopping at once"));
        server.start_again();
        server.get("/branches/b/t/j/f/a").expect(200).body_is("a");
    }
}

#[test]
fn a_hang_up_is_no_end() {
    let server = TestServer::start();
    server.signal(Signal::HUP);
    server.logs(&["SIGHUP"]);
    server.get("/-/health").expect(200);
}

#[test]
fn a_folder_has_one_server() {
    let server = TestServer::start();
    let second = server.command(&["serve", "--listen=127.0.0.1:0"]).exits(2);
    second.complains(&["in use by process", "one process at a time"]);
    server.get("/-/health").expect(200);
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("branches")).unwrap();
    let mut command = larder(&["serve", "--listen=127.0.0.1:0", "--data"]);
    let refused = super::harness::Outcome::of(command.arg(folder.path())).exits(2);
    refused.complains(&["holds no Larder data", "\"branches\"", "--data"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made there");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let server = TestServer::start();
    let address = server.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut command = larder(&["serve", "--listen", &address, "--data"]);
    let refused = super::harness::Outcome::of(command.arg(folder.path())).exits(2);
    refused.complains(&["cannot listen on", &address, "--listen"]);
}
