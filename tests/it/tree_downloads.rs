//! GET and HEAD of a file: headers, ranges, preconditions, checksums (spec dlrepo §2, §9).

use std::time::Duration;

use super::harness::{Response, TestServer, digest_of, noise, sha256};

const SMALL: &str = "/branches/b/t/j/f/small.txt";
const LARGE: &str = "/branches/b/t/j/f/large.gz";

/// A server with a file in the database and one on the disk, and the bytes of both.
fn with_files() -> (TestServer, [(&'static str, Vec<u8>); 2]) {
    let server = TestServer::start();
    let files = [(SMALL, noise(1, 1000)), (LARGE, noise(2, 200_000))];
    for (path, bytes) in &files {
        server.holds(path, bytes.clone());
    }
    (server, files)
}

/// The headers that tell about a file.
fn facts(answer: &Response) -> Vec<Option<String>> {
    let names = ["etag", "last-modified", "digest", "accept-ranges"];
    names.map(|name| answer.header(name).map(str::to_owned)).to_vec()
}

#[test]
fn a_file_comes_with_its_facts() {
    let (server, files) = with_files();
    for ((path, bytes), media_type) in files.iter().zip(["text/plain", "application/gzip"]) {
        let got = server.get(path).expect(200).has("content-type", media_type);
        let got = got.has("digest", &digest_of(bytes)).has("accept-ranges", "bytes");
        let got = got.has("etag", &format!("\"{}\"", sha256(bytes)));
        let got = got.has("content-length", &bytes.len().to_string()).body_is(bytes);
        let got = got.lacks("content-encoding").lacks("cache-control");
        assert!(got.header("last-modified").unwrap().ends_with(" GMT"));
        assert!(got.header("date").is_some());
        let head = server.head(path).expect(200);
        assert_eq!(facts(&head), facts(&got));
        head.has("content-length", &bytes.len().to_string()).body_is("");
    }
}

#[test]
fn content_that_pages_could_run_is_shut_in() {
    let server = TestServer::start();
    for (name, media_type) in [
        ("page.html", "text/html"),
        ("image.svg", "image/svg+xml"),
        ("script.js", "text/javascript"),
        ("unknown", "application/octet-stream"),
        ("index.html", "text/html"),
    ] {
        let path = format!("/branches/b/t/j/f/{name}");
        server.holds(&path, "<script>alert(1)</script>");
        for request in [server.get(&path), server.get(&path).header("Range", "bytes=0-3")] {
            let got = request.header("Accept", "text/html").send();
            let got = got.has("content-type", media_type).has("x-content-type-options", "nosniff");
            got.has("content-security-policy", "sandbox");
        }
    }
}

#[test]
fn one_range_is_served() {
    let (server, files) = with_files();
    for (path, bytes) in &files {
        let size = bytes.len();
        for (asked, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-19".to_owned(), 10, 20),
            ("bytes=990-".to_owned(), 990, size),
            ("bytes=-7".to_owned(), size - 7, size),
            (format!("bytes=-{}", size + 5), 0, size),
            ("bytes=5-99999999999999999999".to_owned(), 5, size),
            (format!("bytes={}-{}", size - 1, size + 9), size - 1, size),
        ] {
            let got = server.get(path).header("Range", &asked).expect(206);
            let part = format!("bytes {from}-{}/{size}", to - 1);
            let got = got.has("content-range", &part).has("digest", &digest_of(bytes));
            got.has("content-length", &(to - from).to_string()).body_is(&bytes[from..to]);
        }
        // One that ends before it begins is a mistake that the whole file would hide.
        for asked in [format!("bytes={size}-"), "bytes=-0".to_owned(), "bytes=5-3".to_owned()] {
            let got = server.get(path).header("Range", &asked).expect(416);
            let got = got.has("content-range", &format!("bytes */{size}"));
            got.has("digest", &digest_of(bytes)).says("Range Not Satisfiable");
        }
        for asked in ["bytes=0-1,3-4", "bytes=x-", "lines=0-1", "bytes"] {
            let got = server.get(path).header("Range", asked).expect(200);
            got.lacks("content-range").body_is(bytes);
        }
        // Ranges are for GET.
        let head = server.head(path).header("Range", "bytes=0-0").expect(200);
        head.has("content-length", &size.to_string());
    }
}

#[test]
fn an_empty_file_has_no_range() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/empty", "");
    let got = server.get("/branches/b/t/j/f/empty").expect(200);
    got.has("content-length", "0").has("digest", &digest_of("")).body_is("");
    let got = server.get("/branches/b/t/j/f/empty").header("Range", "bytes=0-").expect(416);
    got.has("content-range", "bytes */0");
    server.get("/branches/b/t/j/f/empty").header("Range", "bytes=-5").expect(200);
}

#[test]
fn preconditions_are_honoured() {
    let (server, files) = with_files();
    for (path, bytes) in &files {
        let got = server.get(path).expect(200);
        let etag = got.header("etag").unwrap().to_owned();
        let modified = got.header("last-modified").unwrap().to_owned();
        let (old, new) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT");
        let weak = format!("W/{etag}");
        let list = format!("\"x\", {etag}");
        for (name, value, status) in [
            ("If-None-Match", etag.as_str(), 304),
            ("If-None-Match", &weak, 304),
            ("If-None-Match", &list, 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", "\"x\"", 200),
            ("If-Modified-Since", &modified, 304),
            ("If-Modified-Since", new, 304),
            ("If-Modified-Since", old, 200),
            ("If-Modified-Since", "nonsense", 200),
            ("If-Match", &etag, 200),
            ("If-Match", "*", 200),
            ("If-Match", &weak, 412),
            ("If-Match", "\"x\"", 412),
            ("If-Unmodified-Since", &modified, 200),
            ("If-Unmodified-Since", old, 412),
        ] {
            for method in ["GET", "HEAD"] {
                let got = server.ask(method, path).header(name, value).expect(status);
                let got = got.has("digest", &digest_of(bytes)).has("etag", &etag);
                assert_eq!(got.body.is_empty(), method == "HEAD" || status == 304, "{name}");
            }
        }
        let both = server.get(path).header("If-None-Match", "\"x\"");
        both.header("If-Modified-Since", new).expect(200);
        for (value, status) in
            [(etag.as_str(), 206), (&modified, 206), (old, 200), (&weak, 200), ("\"x\"", 200)]
        {
            let part = server.get(path).header("Range", "bytes=0-9").header("If-Range", value);
            part.expect(status);
        }
    }
}

#[test]
fn facts_change_with_the_content_and_with_nothing_else() {
    let server = TestServer::start();
    server.holds(SMALL, "one");
    server.holds("/branches/other/t/j/f/x.txt", "one");
    let before = facts(&server.get(SMALL).expect(200));
    // Dates have whole seconds: let one pass, so that a change would be seen.
    std::thread::sleep(Duration::from_millis(1100));
    server.head(SMALL).digest_of("one").expect(200);
    server.put("/branches/b/t2/j/f/linked.txt").linking("one").expect(201);
    server.patch("/branches/b/t/j/f/").expect(200);
    server.sweep_and_wait();
    assert_eq!(facts(&server.get(SMALL).expect(200)), before);
    let elsewhere = facts(&server.get("/branches/b/t2/j/f/linked.txt").expect(200));
    assert_eq!(elsewhere[0], before[0], "the tag of the entity is that of its bytes");
    assert_ne!(elsewhere[1], before[1], "the time is that of the upload");
    server.holds(SMALL, "two");
    let after = facts(&server.get(SMALL).expect(200));
    assert_ne!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
}

#[test]
fn a_checksum_stands_beside_every_file() {
    let server = TestServer::start();
    let path = "/branches/b/t/j/f/dir/a%20b.txt";
    server.holds(path, "content");
    let sums = format!("{}  a b.txt\n", sha256("content"));
    let got = server.get(&format!("{path}.sha256")).expect(200).body_is(&sums);
    got.has("content-type", "text/plain; charset=utf-8");
    server.get("/branches/b/t/j/f/none.sha256").expect(404);
    server.get("/branches/b/t/j/f/dir.sha256").expect(404);
    let upper = server.get("/branches/B/t/j/f/dir/a%20b.txt.sha256").expect(302);
    upper.has("location", "/branches/b/t/j/f/dir/a%20b.txt.sha256");
    // One that was uploaded wins.
    server.holds(&format!("{path}.sha256"), "own words");
    server.get(&format!("{path}.sha256")).expect(200).body_is("own words");
    let twice = server.get(&format!("{path}.sha256.sha256")).expect(200);
    twice.body_is(format!("{}  a b.txt.sha256\n", sha256("own words")));
}

#[test]
fn a_download_goes_on_while_its_file_is_deleted() {
    let server = TestServer::start();
    let bytes = noise(5, 8 << 20);
    server.holds("/branches/b/t/j/f/large", bytes.clone());
    let mut connection = server.connect();
    connection.write(b"GET /branches/b/t/j/f/large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.logs(&["GET", "/branches/b/t/j/f/large", " 200 "]);
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    server.get("/branches/b/t/j/f/large").expect(404);
    let got = connection.answer_to("GET").with_status(200);
    assert!(got.body == bytes);
}

#[test]
fn a_file_that_somebody_removed_is_a_loud_error() {
    let server = TestServer::swept_at_once().expecting("is damaged").expecting("answering 500");
    let server = server.start();
    server.holds("/branches/b/t/j/f/large", noise(1, 100_000));
    server.lose_blob_files();
    let failed = server.get("/branches/b/t/j/f/large").expect(500);
    failed
        .says("The server failed, its log says why; if this was a change, ask whether it was made");
    server.logs(&[" ERROR ", "/branches/b/t/j/f/large is damaged"]);
    // What is damaged can still be deleted.
    server.delete("/branches/b/").expect(200);
    let run = server.sweep_and_wait();
    assert_eq!(run["errors"], serde_json::json!([]));
}
