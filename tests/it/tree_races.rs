//! What happens at the same time: readers see one state or the other, and what was answered 201
//! is there (spec dlrepo §17, 7-10).

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::harness::{Connection, TestServer, eventually, noise};

const LARGE: usize = 100_000;

/// An upload of [`LARGE`] bytes of which half has arrived.
fn half_an_upload(server: &TestServer, path: &str, bytes: &[u8]) -> Connection {
    let mut upload = server.connect();
    upload.write(format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\n").as_bytes());
    upload.write(format!("Content-Length: {LARGE}\r\n\r\n").as_bytes());
    upload.write(&bytes[..LARGE / 2]);
    eventually("the upload to begin", || (server.staged_files() == 1).then_some(()));
    upload
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one() {
    let server = TestServer::start();
    let path = "/branches/b/t/j/f/a";
    let versions: Vec<_> = (0..4).map(|seed| noise(seed, LARGE)).collect();
    server.holds(path, versions[0].clone());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let got = server.get(path).expect(200);
                    assert!(versions.contains(&got.body), "half of one and half of another");
                }
            });
        }
        for round in 0..30 {
            server.holds(path, versions[round % versions.len()].clone());
            server.post("/-/sweeps").expect(202);
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn uploads_at_once_to_one_format_are_all_in_its_list() {
    let server = TestServer::start();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for file in 0..10 {
                    server.holds(&format!("/branches/b/t/j/f/{worker}/{file}"), vec![worker]);
                }
            });
        }
    });
    let format = server.get("/branches/b/t/j/f/").expect(200).json();
    assert_eq!(format["artifact_format"]["files"].as_array().unwrap().len(), 80);
}

#[test]
fn a_lock_during_an_upload_wins() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    server.patch("/branches/b/t/j/").json(&json!({"job": {}})).expect(200);
    let mut upload = half_an_upload(&server, "/branches/b/t/j/f/a", &bytes);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    upload.write(&bytes[LARGE / 2..]);
    let refused = upload.answer_to("PUT").with_status(400);
    refused.says("Cannot upload files in locked jobs");
    server.get("/branches/b/t/j/f/").expect(404);
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn an_upload_during_a_deletion_makes_the_tag_anew() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    server.holds("/branches/b/t/j/f/old", "old");
    let mut upload = half_an_upload(&server, "/branches/b/t/j/f/a", &bytes);
    server.delete("/branches/b/t/").expect(200);
    upload.write(&bytes[LARGE / 2..]);
    upload.answer_to("PUT").with_status(201);
    server.sweep_and_wait();
    assert!(server.get("/branches/b/t/j/f/a").expect(200).body == bytes);
    server.get("/branches/b/t/j/f/old").expect(404);
}

#[test]
fn a_path_taken_during_an_upload_is_a_conflict() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    let mut upload = half_an_upload(&server, "/branches/b/t/j/f/a", &bytes);
    server.holds("/branches/b/t/j/f/a/b", "b");
    upload.write(&bytes[LARGE / 2..]);
    upload.answer_to("PUT").with_status(409);
    assert_eq!(server.blob_files().0, 0);
}
