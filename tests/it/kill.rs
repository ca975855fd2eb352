//! `kill -9` at any moment: what was acknowledged is there, what was deleted stays deleted, and
//! nothing is left that nobody knows of (I1, I5).

use std::time::Instant;

use crate::harness::TestServer;
use crate::harness::load::{Load, Wire, rounds};

#[test]
fn killed_at_any_moment_it_keeps_its_word() {
    let mut server = TestServer::start();
    let mut load = Load::new();
    for round in 0..rounds(5) {
        // A different moment each time, in answers given.
        let answers = 40 + round * 37 % 200;
        load.work(&mut server, answers, TestServer::kill9);
        server.start_again();
        assert_eq!(server.staged_files(), 0, "round {round}");
        load.verify(&server, &format!("round {round}"));
        server.command(&["check", "--hash"]).succeeds();
    }
}

#[test]
fn killed_at_the_start_again_and_again_it_recovers_all_the_same() {
    let mut server = TestServer::start();
    let mut load = Load::new();
    load.work(&mut server, 60, TestServer::kill9);
    for _ in 0..3 {
        server.start_again();
        server.kill9();
    }
    server.start_again();
    load.verify(&server, "after the last start");
}

/// The answer time is promised for release builds and 100,000 files.
#[test]
fn a_deleted_tag_is_invisible_at_once_also_after_a_kill() {
    const WRITERS: u32 = 8;
    let files = if cfg!(debug_assertions) { 2000 } else { 100_000 };
    let mut server = TestServer::start();
    let address = server.address();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut wire = Wire::new(address);
                for file in (0..files).filter(|file| file % WRITERS == writer) {
                    let path = format!("/branches/b/t/j/f/{file}");
                    let answer = wire.ask("PUT", &path, "", path.as_bytes());
                    assert_eq!(answer.expect("an answer").0, 201);
                }
            });
        }
    });
    let mut wire = Wire::new(address);
    assert_eq!(wire.ask("GET", "/branches/b/t/j/f/7", "", b"").unwrap().0, 200);
    let started = Instant::now();
    let (status, _) = wire.ask("DELETE", "/branches/b/t/", "", b"").unwrap();
    let took = started.elapsed();
    server.kill9();
    assert_eq!(status, 200);
    eprintln!("deleting a tag of {files} files was answered after {took:?}");
    assert!(cfg!(debug_assertions) || took.as_millis() < 50, "{took:?}");
    server.start_again();
    server.get("/branches/b/t/j/f/7").expect(404);
    server.get("/branches/b/t/").expect(404);
    server.sweep_and_wait();
}
