//! PUT of a file: digests, links, lengths and chunks, conflicts (spec dlrepo §9).

use serde_json::json;
use sha2::{Digest, Sha512};

use super::harness::{TestServer, digest_of, hex, noise};

const FILE: &str = "/branches/b/t/j/f/dir/a.bin";

/// Just more than what is kept in the database.
const LARGE: usize = 16_320 + 1;

#[test]
fn an_upload_is_created_and_read_back() {
    let server = TestServer::start();
    for (seed, length) in [(1, 0), (2, 1), (3, LARGE - 1), (4, LARGE), (5, 3_000_000)] {
        let bytes = noise(seed, length);
        for (way, request) in [
            ("length", server.put(FILE).body(bytes.clone())),
            ("chunks", server.put(FILE).chunked(bytes.clone())),
            ("digest", server.put(FILE).digest_of(&bytes).chunked(bytes.clone())),
        ] {
            let created = request.expect(201).says("Created");
            created.lacks("location").lacks("digest");
            let got = server.get(FILE).expect(200).has("digest", &digest_of(&bytes));
            assert!(got.body == bytes, "{length} bytes by {way}");
        }
    }
}

#[test]
fn equal_content_is_stored_once() {
    let server = TestServer::start();
    let bytes = noise(7, LARGE);
    for path in ["a", "b", "dir/c"] {
        server.holds(&format!("/branches/b/t/j/f/{path}"), bytes.clone());
        server.holds(&format!("/branches/other/t/j/f/{path}"), bytes.clone());
    }
    assert_eq!(server.blob_files(), (1, u64::try_from(LARGE).unwrap()));
    let stats = server.get("/-/stats").expect(200).json();
    assert_eq!(stats["files"]["files"], 1);
    assert_eq!(stats["logical"]["files"], 6);
}

#[test]
fn overwriting_replaces_the_content_and_lets_the_old_go() {
    let server = TestServer::start();
    let (old, new) = (noise(1, LARGE), noise(2, LARGE));
    server.holds(FILE, old.clone());
    server.holds(FILE, new.clone());
    assert!(server.get(FILE).expect(200).body == new);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 1);
    server.put(FILE).linking(&old).expect(404);
    // Equal content over itself keeps it.
    server.holds(FILE, new.clone());
    server.put(FILE).linking(&new).expect(201);
    server.sweep_and_wait();
    assert!(server.get(FILE).expect(200).body == new);
}

#[test]
fn a_digest_that_does_not_match_is_refused_and_nothing_is_kept() {
    let server = TestServer::start();
    for length in [10, LARGE, 1_000_000] {
        let bytes = noise(3, length);
        let wrong = digest_of("other");
        for request in [server.put(FILE).body(bytes.clone()), server.put(FILE).chunked(bytes)] {
            let refused = request.header("Digest", &wrong).expect(422);
            refused.says(&format!("Received data does not match digest: {wrong}"));
        }
    }
    server.get("/branches/b/").expect(404);
    server.has_nothing_staged();
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn a_digest_may_be_of_several_kinds() {
    let server = TestServer::start();
    let upload = |digest: &str| server.put(FILE).header("Digest", digest).body("hello");
    let sha512 = format!("sha512:{}", hex(&Sha512::digest("hello")));
    for digest in [
        digest_of("hello"),
        digest_of("hello").to_uppercase(),
        "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d".to_owned(),
        "md5:5d41402abc4b2a76b9719d911017c592".to_owned(),
        sha512.clone(),
    ] {
        upload(&digest).expect(201);
        // What is told is always the identity, in its one spelling.
        server.head(FILE).expect(200).has("digest", &digest_of("hello"));
    }
    let last = if sha512.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &sha512[..sha512.len() - 1]);
    for digest in [wrong.as_str(), "md5:00000000000000000000000000000000"] {
        let refused = upload(digest).expect(422);
        refused.says(&format!("Received data does not match digest: {digest}"));
    }
}

#[test]
fn what_is_no_digest_is_refused_before_the_body() {
    let server = TestServer::start();
    for digest in [
        "",
        "sha256",
        "sha256:",
        "sha256:00",
        "sha256:zz",
        "sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "crc32:00000000",
        "shake_128:00",
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b98240",
    ] {
        let refused = server.put(FILE).header("Digest", digest).body("hello").expect(422);
        assert!(refused.text().starts_with(&format!("422: invalid digest: {digest}")), "{digest}");
        server.head(FILE).header("Digest", digest).expect(422);
    }
    server.get("/branches/b/").expect(404);
}

#[test]
fn stored_content_is_linked_without_a_body() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    server.holds(FILE, bytes.clone());
    server.put("/branches/x/t/j/f/small").body("small").expect(201);
    for content in [&bytes[..], b"small"] {
        let other = "/branches/other/t/j/f/linked";
        server.put(other).linking(content).expect(201).says("Created");
        server.get(other).expect(200).body_is(content);
        // A body beside it is ignored.
        server.put(other).linking(content).body("ignored").expect(201);
        server.get(other).expect(200).body_is(content);
    }
    assert_eq!(server.blob_files().0, 1);
}

#[test]
fn a_link_to_nothing_makes_nothing() {
    let server = TestServer::start();
    let digest = digest_of("unknown");
    let refused = server.put(FILE).linking("unknown").expect(404);
    let digest = digest.trim_start_matches("sha256:");
    refused.says(&format!("no content with digest {digest} is stored here, upload it"));
    let bad = server.put(FILE).header("Digest", "bad").header("X-Dlrepo-Link", "bad");
    bad.expect(422);
    let md5 = "md5:5d41402abc4b2a76b9719d911017c592";
    server.put(FILE).header("Digest", md5).header("X-Dlrepo-Link", md5).expect(404);
    server.get("/branches/").expect(200).body_is(r#"{"branches": []}"#);
}

#[test]
fn another_link_than_the_digest_is_a_plain_upload() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/stored", "stored");
    let stored = digest_of("stored");
    server.put(FILE).header("X-Dlrepo-Link", &stored).body("own").expect(201);
    server.get(FILE).expect(200).body_is("own");
    let both = server.put(FILE).digest_of("mine").header("X-Dlrepo-Link", &stored);
    both.body("mine").expect(201);
    server.get(FILE).expect(200).body_is("mine");
}

#[test]
fn a_path_is_a_file_or_a_folder() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a/b/c", "c");
    let bytes = noise(1, LARGE);
    for (path, reason) in [
        ("a", "/branches/b/t/j/f/a is a folder: files lie below it"),
        ("a/b", "/branches/b/t/j/f/a/b is a folder: files lie below it"),
        ("a/b/c/d", "/branches/b/t/j/f/a/b/c is a file, nothing can lie below it"),
        ("a/b/c/d/e", "/branches/b/t/j/f/a/b/c is a file, nothing can lie below it"),
    ] {
        let path = format!("/branches/b/t/j/f/{path}");
        server.put(&path).body("x").expect(409).says(reason);
        server.put(&path).body(bytes.clone()).expect(409).says(reason);
        server.put(&path).linking("c").expect(409).says(reason);
    }
    for neighbour in ["a!", "a-", "a/b.c", "a/b0", "aa", "a/b/c0", "a/b/c!"] {
        server.holds(&format!("/branches/b/t/j/f/{neighbour}"), "x");
    }
    assert_eq!(server.blob_files().0, 0, "refused files are thrown away");
    // Nothing lies below a file, and a folder is no file.
    for path in ["a", "a/", "a/b", "a/b/c/d", "a/b/c/"] {
        for method in ["GET", "HEAD"] {
            server.ask(method, &format!("/branches/b/t/j/f/{path}")).expect(404);
        }
    }
}

#[test]
fn containers_come_by_way_of_the_registry() {
    let server = TestServer::start();
    let path = "/branches/b/t/j/container/blobs/x";
    let refused = server.put(path).body("x").expect(400);
    refused.says("Uploading container images must be done with docker push");
    let other = server.put(path).header("User-Agent", "dlrepo-cli").body("x");
    other.expect(400);
    let server_like = server.put(path).header("User-Agent", "dlrepo-server/host").body("x");
    server_like.expect(201);
}

#[test]
fn a_large_upload_streams_through() {
    const MIB: usize = 1 << 20;
    let server = TestServer::start();
    let bytes = noise(9, 20 * MIB);
    let mut connection = server.connect();
    connection.write(b"PUT /branches/b/t/j/f/large HTTP/1.1\r\nHost: localhost\r\n");
    connection.write(b"Transfer-Encoding: chunked\r\n\r\n");
    for piece in bytes.chunks(MIB) {
        connection.write_chunk(piece);
    }
    assert_eq!(server.staged_files(), 1);
    connection.write(b"0\r\n\r\n");
    connection.answer_to("PUT").with_status(201);
    let got = server.get("/branches/b/t/j/f/large").expect(200);
    assert!(got.body == bytes);
    assert_eq!(server.blob_files(), (1, u64::try_from(bytes.len()).unwrap()));
}

#[test]
fn an_upload_over_the_limit_is_refused_at_its_first_byte_too_many() {
    let server = TestServer::swept_at_once().with("max-upload", "20000").start();
    server.put(FILE).body(noise(1, 20_000)).expect(201);
    server.put(FILE).chunked(noise(2, 20_000)).expect(201);
    for request in [
        server.put(FILE).body(noise(3, 20_001)),
        server.put(FILE).chunked(noise(3, 20_001)),
        server.put(FILE).chunked(noise(3, 5_000_000)),
    ] {
        let refused = request.expect(413).has("connection", "close");
        let reason = "413: uploads of up to 20000 bytes are taken here, this one has ";
        assert!(refused.text().starts_with(reason), "{}", refused.text());
    }
    // Announced only: the answer does not wait for the body.
    let mut connection = server.connect();
    connection.write(b"PUT /branches/b/t/j/f/x HTTP/1.1\r\nHost: localhost\r\n");
    connection.write(b"Content-Length: 20001\r\nExpect: 100-continue\r\n\r\n");
    let refused = connection.answer_to("PUT").with_status(413);
    assert_eq!(refused.interim, [0; 0]);
    assert!(server.get(FILE).expect(200).body == noise(2, 20_000));
    server.has_nothing_staged();
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let server = TestServer::start();
    for (head, sent) in [
        ("Content-Length: 100", "only this"),
        ("Content-Length: 100000", "only this"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "zz\r\n"),
    ] {
        let mut connection = server.connect();
        connection
            .write(format!("PUT {FILE} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n").as_bytes());
        connection.write(sent.as_bytes());
        connection.end_writing();
        connection.is_at_end();
    }
    server.get("/branches/b/").expect(404);
    server.has_nothing_staged();
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn an_upload_that_stops_sending_is_given_up() {
    let server = TestServer::swept_at_once().with("upload-idle", "1s").start();
    let mut connection = server.connect();
    connection.write(format!("PUT {FILE} HTTP/1.1\r\nHost: localhost\r\n").as_bytes());
    connection.write(b"Content-Length: 100000\r\n\r\nonly this");
    let refused = connection.answer_to("PUT").with_status(408);
    refused.says("no more of the request body arrived for 1 s, send it again");
    server.has_nothing_staged();
}

#[test]
fn the_encoding_of_an_upload_is_taken_off_before_it_is_hashed() {
    let server = TestServer::start();
    // "hello\n", as gzip -n writes it.
    let sent = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\xe7\x02\0\x20\x30\x3a\x36\x06\0\0\0";
    let upload = server.put("/branches/b/t/j/f/a.txt").header("Content-Encoding", "gzip");
    upload.digest_of("hello\n").body(&sent[..]).expect(201);
    let got = server.get("/branches/b/t/j/f/a.txt").header("Accept-Encoding", "gzip");
    got.expect(200).lacks("content-encoding").body_is("hello\n");
    let broken = server.put("/branches/b/t/j/f/b.txt").header("Content-Encoding", "gzip");
    broken.body("not gzip").expect(400);
    let other = server.put("/branches/b/t/j/f/b.txt").header("Content-Encoding", "br");
    other.body("?").expect(415);
    // What is merely named like that is kept as it is, and so is the type.
    let named = server.put("/branches/b/t/j/f/c.json.gz").header("Content-Type", "a/b");
    named.body("not gzip").expect(201);
    let got = server.get("/branches/b/t/j/f/c.json.gz").expect(200);
    got.lacks("content-encoding").body_is("not gzip");
    server.get("/branches/b/t/j/f/b.txt").expect(404);
}

#[test]
fn head_with_a_digest_asks_for_content_wherever_it_is() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    server.holds("/branches/b/t/j/f/a", bytes.clone());
    for path in
        ["/branches/b/t/j/f/a", "/branches/no/such/thing/at/all", "/branches/b/latest/j/f/x"]
    {
        let there = server.head(path).digest_of(&bytes).expect(200);
        there.has("content-length", &LARGE.to_string()).has("digest", &digest_of(&bytes));
        server.head(path).header("Digest", &digest_of(&bytes).to_uppercase()).expect(200);
        server.head(path).digest_of("unknown").expect(404);
        // Another sum is nobody's identity: send the bytes.
        server.head(path).header("Digest", "md5:5d41402abc4b2a76b9719d911017c592").expect(404);
    }
    // For anything but a file it is an ordinary HEAD.
    server.head("/branches/b/t/j/f/").digest_of("unknown").expect(404);
}

#[test]
fn a_lease_protects_what_was_promised() {
    let mut server = TestServer::with("lease", "1h").start();
    let bytes = noise(1, LARGE);
    server.holds("/branches/b/t/j/f/a", bytes.clone());
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 1, "its lease goes on");
    server.head("/branches/b/t2/j/f/a").digest_of(&bytes).expect(200);
    server.kill9();
    server.start_again();
    server.sweep_and_wait();
    server.put("/branches/b/t2/j/f/a").linking(&bytes).expect(201);
    assert!(server.get("/branches/b/t2/j/f/a").expect(200).body == bytes);
}

#[test]
fn without_room_nothing_new_is_taken_and_all_else_goes_on() {
    let mut server = TestServer::swept_at_once().expecting("answering 507").start();
    server.holds("/branches/b/t/j/f/a", "stored");
    server.change("reserve", "1TiB");
    server.restart();
    for request in [
        server.put(FILE).body("new"),
        server.put(FILE).chunked("new"),
        server.put(FILE).body(noise(1, LARGE)),
    ] {
        let refused = request.expect(507);
        refused.says("The disk is full: delete something or enlarge it, then upload again");
    }
    server.put("/branches/b/t/j/f/linked").linking("stored").expect(201);
    server.get("/branches/b/t/j/f/a").expect(200).body_is("stored");
    server.delete("/branches/b/").expect(200);
    server.sweep_and_wait();
    assert_eq!(server.get("/-/stats").expect(200).json()["reclaimed"]["files"], 1);
}

#[test]
fn uploads_at_once_to_one_path_leave_one_of_them() {
    let server = TestServer::start();
    let bodies: Vec<_> = (0..8).map(|seed| noise(seed, LARGE)).collect();
    std::thread::scope(|scope| {
        for body in &bodies {
            scope.spawn(|| server.put(FILE).body(body.clone()).expect(201));
        }
    });
    let got = server.get(FILE).expect(200).body;
    assert!(bodies.contains(&got));
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 1);
    let format = server.get("/branches/b/t/j/f/").expect(200).json();
    assert_eq!(format["artifact_format"]["files"], json!(["dir/a.bin"]));
}
