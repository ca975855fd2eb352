//! Uploads of blobs, as clients of the registry meet them (OCI distribution specification 1.1,
//! "Pushing blobs"): with one request, with two, in pieces over a kill, and by mounting.
//!
//! Deliberately absent: uploads that nobody goes on with, which rest for an hour at least before
//! they are given up; they are tested with a clock beside the code.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::process::Signal;
use serde_json::Value;

use super::harness::client::Request;
use super::harness::mounts::Mount;
use super::harness::people::password_of;
use super::harness::{Response, TestServer, digest_of, eventually, noise};

const UPLOADS: &str = "/v2/main/app/blobs/uploads/";
/// Just more than what is kept in the database.
const LARGE: usize = 16_320 + 1;

/// Begins an upload to this repository and gives its URL.
#[track_caller]
fn begun(request: Request) -> String {
    let answer = request.expect(202).has("range", "0-0").body_is("");
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.ends_with(answer.header("docker-upload-uuid").unwrap()), "{location}");
    assert!(location.starts_with("/v2/"), "{location}");
    location
}

fn begin(server: &TestServer) -> String {
    begun(server.post(UPLOADS))
}

fn finish(upload: &str, bytes: &[u8]) -> String {
    format!("{upload}?digest={}", digest_of(bytes))
}

fn blob(image: &str, bytes: &[u8]) -> String {
    format!("/v2/{image}/blobs/{}", digest_of(bytes))
}

/// The repository has the blob, whole.
#[track_caller]
fn has(server: &TestServer, bytes: &[u8]) {
    let answer = server.get(&blob("main/app", bytes)).expect(200);
    assert!(answer.body == bytes, "other bytes");
}

/// The answer to whatever makes a blob.
#[track_caller]
fn made(answer: Response, image: &str, bytes: &[u8]) {
    let answer = answer.with_status(201).has("location", &blob(image, bytes));
    answer.has("docker-content-digest", &digest_of(bytes)).body_is("");
}

#[track_caller]
fn refused(answer: Response, status: u16, code: &str) -> Response {
    let answer = answer.with_status(status).has("content-type", "application/json");
    let error = answer.json()["errors"][0].clone();
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    answer
}

/// So many bytes were acknowledged.
#[track_caller]
fn stands_at(server: &TestServer, upload: &str, received: usize) {
    let range = format!("0-{}", received.saturating_sub(1));
    server.get(upload).expect(204).has("range", &range).has("location", upload);
}

#[test]
fn a_blob_comes_with_one_request_or_with_two() {
    let server = TestServer::start();
    for (number, length) in [0, 1, 1000, LARGE - 1, LARGE, 3_000_000].into_iter().enumerate() {
        let seed = u64::try_from(number).unwrap() * 10;
        let [one, two, chunked, stream] = [0, 1, 2, 3].map(|more| noise(seed + more, length));
        let post = server.post(&format!("{UPLOADS}?digest={}", digest_of(&one)));
        made(post.body(one.clone()).send(), "main/app", &one);
        let put = server.put(&finish(&begin(&server), &two));
        made(put.body(two.clone()).send(), "main/app", &two);
        let put = server.put(&finish(&begin(&server), &chunked));
        made(put.chunked(chunked.clone()).send(), "main/app", &chunked);
        // One stream of unknown length, then an end without a body.
        let upload = begin(&server);
        let answer = server.patch(&upload).chunked(stream.clone()).expect(202);
        answer.has("range", &format!("0-{}", length.saturating_sub(1))).has("location", &upload);
        made(server.put(&finish(&upload, &stream)).send(), "main/app", &stream);
        server.get(&upload).expect(404);
        for bytes in [one, two, chunked, stream] {
            has(&server, &bytes);
        }
    }
    server.has_nothing_staged();
}

#[test]
fn a_blob_comes_in_pieces_over_kills_and_restarts() {
    let mut server = TestServer::start();
    for (number, length) in [900_usize, 40_000, 2_000_000].into_iter().enumerate() {
        let whole = noise(u64::try_from(number).unwrap(), length);
        let upload = begin(&server);
        let piece = length / 6;
        for first in (0..5).map(|number| number * piece) {
            let last = first + piece - 1;
            let range = format!("{first}-{last}");
            let patch = server.patch(&upload).header("Content-Range", &range);
            let answer = patch.body(&whole[first..=last]).expect(202);
            answer.has("range", &format!("0-{last}")).has("location", &upload);
            if first / piece % 2 == 0 {
                server.kill9();
            } else {
                server.stop();
            }
            server.start_again();
            stands_at(&server, &upload, last + 1);
        }
        let rest = &whole[5 * piece..];
        let range = format!("{}-{}", 5 * piece, length - 1);
        let put = server.put(&finish(&upload, &whole)).header("Content-Range", &range);
        made(put.body(rest).send(), "main/app", &whole);
        server.kill9();
        server.start_again();
        has(&server, &whole);
    }
    server.has_nothing_staged();
}

#[test]
fn a_piece_out_of_order_is_told_where_to_begin() {
    let server = TestServer::start();
    let whole = noise(1, 30_000);
    let upload = begin(&server);
    let ask = |method, target: &str, range: &str, bytes: &[u8]| {
        server.ask(method, target).header("Content-Range", range).body(bytes).send()
    };
    let early = refused(ask("PATCH", &upload, "5-9", b"56789"), 416, "BLOB_UPLOAD_INVALID");
    early.has("range", "0-0").has("location", &upload);
    ask("PATCH", &upload, "0-19999", &whole[..20_000]).with_status(202).has("range", "0-19999");
    for (range, bytes) in
        [("0-19999", &whole[..20_000]), ("19999-20000", &whole[..2]), ("20001-20001", &whole[..1])]
    {
        for (method, target) in [("PATCH", upload.clone()), ("PUT", finish(&upload, &whole))] {
            let answer = refused(ask(method, &target, range, bytes), 416, "BLOB_UPLOAD_INVALID");
            answer.has("range", "0-19999").has("location", &upload);
        }
    }
    for (range, code) in [
        ("20000-20009", "SIZE_INVALID"),
        ("20000", "BLOB_UPLOAD_INVALID"),
        ("x-y", "BLOB_UPLOAD_INVALID"),
        ("20001-20000", "BLOB_UPLOAD_INVALID"),
    ] {
        refused(ask("PATCH", &upload, range, b"four"), 400, code);
    }
    let lying = server.patch(&upload).header("Content-Range", "20000-20009").chunked("four");
    refused(lying.send(), 400, "SIZE_INVALID");
    stands_at(&server, &upload, 20_000);
    made(ask("PUT", &finish(&upload, &whole), "20000-29999", &whole[20_000..]), "main/app", &whole);
    has(&server, &whole);
}

#[test]
fn a_piece_that_breaks_off_is_kept_as_far_as_it_came() {
    let server = TestServer::start();
    for length in [10_000, 1_000_000] {
        let whole = noise(2, length);
        let upload = begin(&server);
        let half = length / 2;
        let mut client = server.connect();
        let head =
            format!("PATCH {upload} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}");
        client.write(format!("{head}\r\n\r\n").as_bytes());
        client.write(&whole[..half]);
        client.end_writing();
        refused(client.answer_to("PATCH"), 400, "SIZE_INVALID");
        stands_at(&server, &upload, half);
        made(server.put(&finish(&upload, &whole)).body(&whole[half..]).send(), "main/app", &whole);
        has(&server, &whole);
    }
}

#[test]
fn one_request_at_a_time_writes_to_an_upload() {
    let server = TestServer::start();
    // Whoever asks whether it is another's turn may be the one who gets it: then anew.
    let (upload, mut slow) = eventually("the turn of the slow one", || {
        let upload = begin(&server);
        let mut slow = server.connect();
        let head = format!("PATCH {upload} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n");
        slow.write(format!("{head}\r\n01234").as_bytes());
        let probe = || server.patch(&upload).body("").send();
        // The second one is not beside the first.
        let is_refused = probe().status == 409 && probe().status == 409;
        is_refused.then_some((upload, slow))
    });
    refused(server.delete(&upload).send(), 409, "BLOB_UPLOAD_INVALID");
    slow.write(b"56789");
    slow.answer_to("PATCH").with_status(202).has("range", "0-9");
    made(server.put(&finish(&upload, b"0123456789")).send(), "main/app", b"0123456789");
}

#[test]
fn what_is_cancelled_or_wrong_leaves_nothing() {
    let server = TestServer::start();
    for length in [100, LARGE] {
        let bytes = noise(3, length);
        let upload = begin(&server);
        server.patch(&upload).body(bytes.clone()).expect(202);
        server.delete(&upload).expect(204);
        for method in ["GET", "DELETE", "PATCH"] {
            refused(server.ask(method, &upload).send(), 404, "BLOB_UPLOAD_UNKNOWN");
        }
        refused(server.put(&finish(&upload, &bytes)).send(), 404, "BLOB_UPLOAD_UNKNOWN");
        let upload = begin(&server);
        refused(server.put(&upload).body(bytes.clone()).send(), 400, "DIGEST_INVALID");
        let bad = format!("{upload}?digest=sha256:bad");
        refused(server.put(&bad).body(bytes.clone()).send(), 400, "DIGEST_INVALID");
        // These say nothing about the bytes, so the upload goes on; this one does.
        let other = server.put(&finish(&upload, b"other")).body(bytes.clone());
        refused(other.send(), 400, "DIGEST_INVALID");
        refused(server.get(&upload).send(), 404, "BLOB_UPLOAD_UNKNOWN");
        let other = server.post(&format!("{UPLOADS}?digest={}", digest_of("other")));
        refused(other.body(bytes.clone()).send(), 400, "DIGEST_INVALID");
        server.get(&blob("main/app", &bytes)).expect(404);
    }
    // The name of an upload is worth nothing in another repository.
    let upload = begin(&server);
    let elsewhere = upload.replace("main/app", "main/other");
    refused(server.get(&elsewhere).send(), 404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(&upload).expect(204);
    server.has_nothing_staged();
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn a_blob_may_be_named_by_its_sha_512() {
    const ABC: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                       2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    let server = TestServer::start();
    let upload = begin(&server);
    server.patch(&upload).body("a").expect(202);
    let put = server.put(&format!("{upload}?digest={ABC}")).body("bc").expect(201);
    let location = format!("/v2/main/app/blobs/{ABC}");
    put.has("location", &location).has("docker-content-digest", ABC);
    server.get(&location).expect(200).body_is("abc");
    server.get(&blob("main/app", b"abc")).expect(200).body_is("abc");
    let post = server.post(&format!("{UPLOADS}?digest={ABC}")).body("abd");
    refused(post.send(), 400, "DIGEST_INVALID");
}

#[test]
fn a_blob_is_mounted_from_where_it_may_be_read() {
    let server = TestServer::with_people().start();
    server.has_user("alice", &["users"]);
    server.has_user("bob", &["users"]);
    let by = |request: Request, login: &str| request.by(login, &password_of(login));
    let bytes = noise(5, LARGE);
    let (digest, at) = (digest_of(&bytes), "/v2/u/alice/secret/blobs/uploads/");
    let post = by(server.post(&format!("{at}?digest={digest}")), "alice").body(bytes.clone());
    made(post.send(), "u/alice/secret", &bytes);
    let mount = |login: &str, to: &str, from: &str| {
        let target = format!("/v2/u/{login}/{to}/blobs/uploads/?mount={digest}{from}");
        by(server.post(&target), login)
    };
    // Whoever may read it, or sent it, need not send it again.
    made(mount("alice", "named", "&from=u/alice/secret").send(), "u/alice/named", &bytes);
    made(mount("alice", "found", "").send(), "u/alice/found", &bytes);
    let get = by(server.get(&blob("u/alice/found", &bytes)), "alice").expect(200);
    assert!(get.body == bytes);
    // Others begin an upload, as they do when nothing is there.
    let none = digest_of("nothing");
    for from in ["&from=u/alice/secret", "", "&from=u/bob/none", "&from=..", "&from="] {
        for digest in [&digest, &none] {
            let target = format!("/v2/u/bob/x/blobs/uploads/?mount={digest}{from}");
            let upload = begun(by(server.post(&target), "bob"));
            // It is bob's alone, and whoever may write there is not bob.
            let other = server.as_admin(server.get(&upload)).send();
            refused(other, 404, "BLOB_UPLOAD_UNKNOWN");
            by(server.delete(&upload), "bob").expect(204);
        }
    }
    by(server.get(&blob("u/bob/x", &bytes)), "bob").expect(404);
    let bad = "/v2/u/bob/x/blobs/uploads/?mount=sha256:bad";
    refused(by(server.post(bad), "bob").send(), 400, "DIGEST_INVALID");
    // And nobody begins one where they may not write.
    refused(by(server.post(UPLOADS), "bob").send(), 403, "DENIED");
}

#[test]
fn what_does_not_fit_is_refused_at_the_first_byte() {
    let server = TestServer::with_people().with("quota", "100000").start();
    server.has_user("alice", &["users"]);
    let by = |request: Request| request.by("alice", &password_of("alice"));
    let at = "/v2/u/alice/app/blobs/uploads/";
    let bytes = noise(6, 100_001);
    let upload = begun(by(server.post(at)));
    by(server.patch(&upload)).body(&bytes[..60_000]).expect(202);
    // Of this body not a byte is sent: the answer comes all the same.
    let mut client = server.connect();
    let pair = BASE64_STANDARD.encode(format!("alice:{}", password_of("alice")));
    let head = format!("PATCH {upload} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}");
    client.write(format!("{head}\r\nContent-Length: 40001\r\n\r\n").as_bytes());
    let answer = refused(client.answer_to("PATCH"), 403, "DENIED");
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("quota exceeded"), "{message}");
    let chunked = by(server.patch(&upload)).chunked(&bytes[60_000..]);
    refused(chunked.send(), 403, "DENIED");
    let last = &bytes[60_000..100_000];
    let put = by(server.put(&finish(&upload, &bytes[..100_000]))).body(last);
    made(put.send(), "u/alice/app", &bytes[..100_000]);
    let post = by(server.post(&format!("{at}?digest={}", digest_of("x")))).body("x");
    refused(post.send(), 403, "DENIED");
    server.has_nothing_staged();
}

#[test]
fn an_upload_has_a_largest_size() {
    let server = TestServer::swept_at_once().with("max-upload", "50000").start();
    let bytes = noise(7, 50_001);
    let upload = begin(&server);
    server.patch(&upload).body(&bytes[..40_000]).expect(202);
    refused(server.patch(&upload).body(&bytes[40_000..]).send(), 413, "SIZE_INVALID");
    refused(server.patch(&upload).chunked(&bytes[40_000..]).send(), 413, "SIZE_INVALID");
    let put = server.put(&finish(&upload, &bytes[..50_000])).body(&bytes[40_000..50_000]);
    made(put.send(), "main/app", &bytes[..50_000]);
}

#[test]
fn many_clients_push_one_blob_and_there_is_one_copy() {
    let server = TestServer::start();
    let bytes = noise(8, 500_000);
    std::thread::scope(|scope| {
        for client in 0..12 {
            let (server, bytes) = (&server, &bytes);
            scope.spawn(move || {
                let image = format!("main/app{}", client % 3);
                let uploads = format!("/v2/{image}/blobs/uploads/");
                let upload = begun(server.post(&uploads));
                server.patch(&upload).body(&bytes[..100_000]).expect(202);
                let put = server.put(&finish(&upload, bytes)).body(&bytes[100_000..]);
                made(put.send(), &image, bytes);
            });
        }
    });
    assert_eq!(server.blob_files(), (1, 500_000));
    server.has_nothing_staged();
}

/// The specification has no code for a disk that is full. The status is the one that says so,
/// which clients take for a fault of the server's, and try again.
#[test]
fn a_full_disk_refuses_uploads_and_keeps_what_was_acknowledged() {
    let Some(disk) = Mount::memory(64) else { return };
    let settings = TestServer::swept_at_once().below(&disk.path()).with("reserve", "8MiB");
    let server = settings.expecting("a write failed").expecting("answering 507").start();
    let whole = noise(9, 2 << 20);
    let upload = begin(&server);
    server.patch(&upload).body(&whole[..1 << 20]).expect(202);
    disk.fill();
    // What is known about the free space may be a moment old.
    let answer = eventually("a refusal", || {
        let answer = server.post(UPLOADS).send();
        if answer.status == 202 {
            server.delete(answer.header("location").unwrap()).expect(204);
        }
        (answer.status != 202).then_some(answer)
    });
    refused(answer, 507, "UNAVAILABLE");
    refused(server.patch(&upload).body(&whole[1 << 20..]).send(), 507, "UNAVAILABLE");
    stands_at(&server, &upload, 1 << 20);
    std::fs::remove_file(disk.filler()).unwrap();
    eventually("an upload that is taken", || {
        let put = server.put(&finish(&upload, &whole)).body(&whole[1 << 20..]).send();
        (put.status == 201).then_some(())
    });
    has(&server, &whole);
}

/// The process is stopped in order while a piece is on its way.
#[test]
fn a_stop_in_the_middle_of_a_piece_keeps_what_was_acknowledged() {
    let mut server = TestServer::swept_at_once().with("stop-deadline", "1s").start();
    let whole = noise(10, 300_000);
    let upload = begin(&server);
    server.patch(&upload).body(&whole[..100_000]).expect(202);
    let mut client = server.connect();
    let head = format!("PATCH {upload} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000");
    client.write(format!("{head}\r\n\r\n").as_bytes());
    client.write(&whole[100_000..150_000]);
    std::thread::sleep(Duration::from_millis(200));
    server.signal(Signal::TERM);
    server.ended();
    server.start_again();
    let answer = server.get(&upload).expect(204);
    let last: usize = answer.header("range").unwrap()[2..].parse().unwrap();
    assert!([99_999, 149_999].contains(&last), "{last}");
    made(server.put(&finish(&upload, &whole)).body(&whole[last + 1..]).send(), "main/app", &whole);
    has(&server, &whole);
}

/// Nothing of an answer tells more than `/v2/` clients read: no body where there is none to read.
#[test]
fn errors_have_the_form_of_the_specification() {
    let server = TestServer::start();
    let unknown = format!("{UPLOADS}{}", "0".repeat(32));
    for method in ["GET", "PATCH", "DELETE"] {
        let answer = refused(server.ask(method, &unknown).send(), 404, "BLOB_UPLOAD_UNKNOWN");
        let detail: Value = answer.json()["errors"][0]["detail"].clone();
        assert_eq!(detail["upload"], "0".repeat(32));
    }
    refused(server.get(&format!("{UPLOADS}not-an-id")).send(), 404, "BLOB_UPLOAD_UNKNOWN");
}
