//! A disk that is full to the last byte: uploads are refused and leave nothing, everything else
//! goes on, and uploads come back with the space.

use serde_json::json;

use crate::harness::mounts::Mount;
use crate::harness::server::Builder;
use crate::harness::{TestServer, eventually, noise};

const LARGE: usize = 1 << 20;

fn settings(disk: &Mount, reserve: &str) -> Builder {
    let builder = TestServer::swept_at_once().below(&disk.path());
    // That a write failed is told as an error, and so is each refusal.
    let builder = builder.expecting("a write failed").expecting("answering 507");
    builder.with("reserve", reserve).with("ballast", "4MiB")
}

fn fill_with_tags(server: &TestServer) {
    for tag in 0..4 {
        for number in 0..4 {
            let path = format!("/branches/b/t{tag}/j/f/{number}");
            server.holds(&path, noise(tag * 10 + number, LARGE));
            server.holds(&format!("{path}-small"), noise(tag * 10 + number + 100, 800));
        }
    }
}

#[test]
fn at_zero_bytes_free_only_uploads_are_refused() {
    let Some(disk) = Mount::memory(64) else { return };
    let server = settings(&disk, "8MiB").start();
    fill_with_tags(&server);
    let before = server.blob_files();
    disk.fill();
    assert_eq!(disk.free_bytes(), 0);
    // What is known about the free space may be a moment old.
    eventually("a refusal", || {
        let answer = server.put("/branches/b/new/j/f/late").body("x").send();
        (answer.status == 507).then_some(())
    });
    disk.fill();
    for body in [noise(1, 10), noise(2, LARGE)] {
        let refused = server.put("/branches/b/full/j/f/x").body(body).expect(507);
        let text = "507: The disk is full: delete something or enlarge it, then upload again";
        refused.body_is(text);
        server.get("/branches/b/full/j/f/x").expect(404);
    }
    server.has_nothing_staged();
    assert_eq!(server.blob_files(), before);
    server.get("/branches/b/t1/j/f/1").expect(200).body_is(noise(11, LARGE));
    for tag in 0..3 {
        disk.fill();
        assert_eq!(disk.free_bytes(), 0);
        server.delete(&format!("/branches/b/t{tag}/")).expect(200);
        server.get(&format!("/branches/b/t{tag}/")).expect(404);
        disk.fill();
        server.command(&["check", "--hash"]).succeeds();
        let run = server.sweep_and_wait();
        assert_eq!(run["error_count"], json!(0), "{run}");
    }
    assert_eq!(server.blob_files().0, 4);
    std::fs::remove_file(disk.filler()).unwrap();
    eventually("an upload that is taken", || {
        let answer = server.put("/branches/b/again/j/f/x").body(noise(3, LARGE)).send();
        (answer.status == 201).then_some(())
    });
    server.holds("/branches/b/again/j/f/small", "small");
    server.get("/branches/b/again/j/f/x").expect(200).body_is(noise(3, LARGE));
}

#[test]
fn an_upload_that_fills_the_disk_is_refused_in_the_middle_and_leaves_nothing() {
    let Some(disk) = Mount::memory(64) else { return };
    let server = settings(&disk, "0").start();
    fill_with_tags(&server);
    let before = server.blob_files();
    for chunked in [false, true] {
        let put = server.put("/branches/b/big/j/f/x");
        let body = noise(9, 60 << 20);
        let put = if chunked { put.chunked(body) } else { put.body(body) };
        put.expect(507);
        server.get("/branches/b/big/j/f/x").expect(404);
        server.has_nothing_staged();
        assert_eq!(server.blob_files(), before);
    }
    disk.fill();
    let mut refused = 0;
    for number in 0..2000 {
        let path = format!("/branches/b/many/j/f/{number}");
        match server.put(&path).body(noise(number + 1000, 900)).send().status {
            201 => {}
            507 => refused += 1,
            status => panic!("{status}"),
        }
        if refused > 3 {
            break;
        }
    }
    assert!(refused > 3, "rows take no space");
    server.delete("/branches/b/").expect(200);
    let run = server.sweep_and_wait();
    assert_eq!(run["error_count"], json!(0), "{run}");
    assert_eq!(server.blob_files().0, 0);
    std::fs::remove_file(disk.filler()).unwrap();
    eventually("an upload that is taken", || {
        let answer = server.put("/branches/c/t/j/f/x").body(noise(3, LARGE)).send();
        (answer.status == 201).then_some(())
    });
}
