//! `F.tar`, `J.tar` and a version's `X.tar` (spec dlrepo §8, §17 item 19): a length, ranges and
//! entity tags, and what real programs make of them.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::harness::{Outcome, TestServer, eventually, needs, noise, sha256};

const JOB: &str = "/branches/main/1.0/j.tar";
const FORMAT: &str = "/branches/main/1.0/j/f.tar";
const VERSION: &str = "/products/p/v/b/2.1.tar";

/// Paths below a job and their contents, in the order of an archive.
fn files() -> Vec<(String, Vec<u8>)> {
    vec![
        ("f-g/x".to_owned(), b"before".to_vec()),
        ("f/.hidden".to_owned(), Vec::new()),
        ("f/a.txt".to_owned(), b"content".to_vec()),
        ("f/dir/large".to_owned(), noise(1, 700_001)),
        (format!("f/dir/{}", "n".repeat(200)), noise(2, 512)),
        ("f/\u{e9}t\u{e9}".to_owned(), noise(3, 1000)),
    ]
}

/// A server with a job of two formats that feeds a version.
fn with_job() -> TestServer {
    let server = TestServer::start();
    for (path, content) in files() {
        let path = path.replace('\u{e9}', "%C3%A9");
        server.holds(&format!("/branches/main/1.0/j/{path}"), content);
    }
    server
}

fn feed(server: &TestServer) {
    let keys = json!({
        "product": "p", "product_variant": "v", "product_branch": "b", "version": "2.1"
    });
    server.patch("/branches/main/1.0/j/").json(&json!({ "job": keys })).expect(200);
}

/// The lines of `SHA256SUMS.txt`.
fn sums<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    files
        .fold(String::new(), |text, (path, content)| format!("{text}{}  {path}\n", sha256(content)))
        .into_bytes()
}

/// What an archive in the folder `name` is to hold: files below `prefix`, without it.
fn wanted(name: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let files = files();
    let mut inside: Vec<_> = files
        .iter()
        .filter_map(|(path, content)| Some((path.strip_prefix(prefix)?, content.as_slice())))
        .collect();
    let sums = sums(inside.iter().copied());
    inside.push(("SHA256SUMS.txt", &sums));
    inside.iter().map(|(path, content)| (format!("{name}/{path}"), content.to_vec())).collect()
}

fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(header.mode().unwrap(), 0o644);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
        assert!(header.entry_type().is_file());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((entry.path().unwrap().to_str().unwrap().to_owned(), content));
    }
    found
}

#[test]
fn the_three_kinds_hold_what_the_spec_says() {
    let server = with_job();
    let check = |target: &str, name: &str, prefix: &str| {
        let got = server.get(target).expect(200).has("content-type", "application/x-tar");
        let got = got.has("content-disposition", &format!("attachment; filename={name}.tar"));
        let length = got.body.len().to_string();
        let got = got.has("content-length", &length).lacks("last-modified");
        assert_eq!(got.body.len() % 10_240, 0);
        assert!(got.body.ends_with(&[0; 1024]));
        assert!(entries(&got.body) == wanted(name, prefix), "{target}");
        let head = server.head(target).send();
        (got, head)
    };
    let (got, head) = check(JOB, "j-1.0", "");
    let head = head.with_status(200).has("content-length", &got.body.len().to_string());
    head.has("etag", got.header("etag").unwrap()).has("accept-ranges", "bytes");
    let (_, head) = check(FORMAT, "j-1.0-f", "f/");
    // It is being uploaded.
    head.with_status(404);
    server.patch("/branches/main/1.0/j/f/").expect(200);
    feed(&server);
    let (_, head) = check(FORMAT, "p-v-v2.1-f", "f/");
    head.with_status(200);
    check(JOB, "p-v-v2.1", "");
    check(VERSION, "p-v-v2.1", "").1.with_status(200);
    check("/products/p/v/b/2.1/f.tar", "p-v-v2.1-f", "f/").1.with_status(200);
}

#[test]
fn metadata_that_could_lead_elsewhere_names_no_archive() {
    let server = with_job();
    let keys = json!({"product": "../../etc", "product_variant": "v", "version": "1"});
    server.patch("/branches/main/1.0/j/").json(&json!({ "job": keys })).expect(200);
    let got = server.get(JOB).expect(200);
    got.has("content-disposition", "attachment; filename=j-1.0.tar");
}

#[test]
fn what_is_absent_or_empty_is_told() {
    let server = with_job();
    for path in ["/branches/main/1.0/none.tar", "/branches/main/1.0/j/none.tar"] {
        server.get(path).expect(404);
        server.head(path).expect(404);
    }
    server.get("/branches/none/latest/j.tar").expect(404);
    server.put(JOB).body("x").expect(405).has("allow", "GET");
    server.delete(FORMAT).expect(405).has("allow", "GET,HEAD");
    server.patch("/branches/main/1.0/empty/").json(&json!({"job": {}})).expect(200);
    let empty = server.get("/branches/main/1.0/empty.tar").expect(200);
    assert!(empty.body == vec![0; 10_240]);
}

#[test]
fn other_spellings_and_aliases_lead_to_the_archive() {
    let server = with_job();
    feed(&server);
    for (path, to) in [
        ("/branches/main/latest/j.tar", JOB),
        ("/branches/main/1.0/J.tar", JOB),
        ("/branches/main/Latest/j/F.tar", FORMAT),
        ("/products/p/v/b/latest.tar", VERSION),
        ("/products/P/v/b/2.1.tar", VERSION),
    ] {
        server.get(path).expect(302).has("location", to);
        server.head(path).expect(302).has("location", to);
    }
    server.holds("/branches/main/1.0/x.tar/f/a", "a");
    server.get("/branches/main/1.0/x.tar/").expect(200);
    let got = server.get("/branches/main/1.0/x.tar.tar").expect(200);
    assert_eq!(entries(&got.body)[0].0, "x.tar-1.0/f/a");
    server.get("/branches/main/1.0/x.tar").expect(404);
}

#[test]
fn any_range_is_served_and_held_by_the_entity_tag() {
    let mut server = with_job();
    let whole = server.get(JOB).expect(200);
    let (size, etag) = (whole.body.len(), whole.header("etag").unwrap().to_owned());
    for (from, to) in [(0, 1), (511, 513), (1000, 701_000), (size - 11_000, size), (5, size - 5)] {
        let range = format!("bytes={from}-{}", to - 1);
        let got = server.get(JOB).header("Range", &range).header("If-Range", &etag).expect(206);
        let got = got.has("content-range", &format!("bytes {from}-{}/{size}", to - 1));
        got.has("content-length", &(to - from).to_string()).body_is(&whole.body[from..to]);
    }
    let beyond = server.get(JOB).header("Range", &format!("bytes={size}-")).expect(416);
    beyond.has("content-range", &format!("bytes */{size}"));
    server.get(JOB).header("If-None-Match", &etag).expect(304).has("etag", &etag).body_is("");
    server.get(JOB).header("If-Match", "\"other\"").expect(412);
    assert_eq!(server.get(JOB).expect(200).header("etag"), Some(etag.as_str()));
    server.restart();
    let rest = server.get(JOB).header("Range", "bytes=600000-").header("If-Range", &etag);
    rest.expect(206).body_is(&whole.body[600_000..]);
    // Equal content at another time is another archive.
    server.holds("/branches/main/1.0/j/f/a.txt", "content");
    let other = server.get(JOB).header("Range", "bytes=0-9").header("If-Range", &etag).expect(200);
    assert_ne!(other.header("etag"), Some(etag.as_str()));
    let dated = server.get(JOB).header("Range", "bytes=0-9");
    dated.header("If-Range", "Sun, 06 Nov 2044 08:49:37 GMT").expect(200);
}

#[test]
fn an_uploaded_list_of_checksums_is_not_hidden_by_ours() {
    let server = TestServer::start();
    server.holds("/branches/main/1.0/j/f/SHA256SUMS.txt", "mine");
    let found = entries(&server.get(FORMAT).expect(200).body);
    assert_eq!(found, [("j-1.0-f/SHA256SUMS.txt".to_owned(), b"mine".to_vec())]);
    assert_eq!(entries(&server.get(JOB).expect(200).body).len(), 2);
    // Nor is a folder, in whose place no file could be unpacked.
    server.holds("/branches/main/1.0/k/f/SHA256SUMS.txt/x", "mine");
    server.holds("/branches/main/1.0/k/g/SHA256SUMS.txt.asc", "mine");
    let names = |path: &str| {
        let archive = server.get(&format!("/branches/main/1.0/k/{path}")).expect(200).body;
        entries(&archive).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("f.tar"), ["k-1.0-f/SHA256SUMS.txt/x"]);
    assert_eq!(names("g.tar"), ["k-1.0-g/SHA256SUMS.txt.asc", "k-1.0-g/SHA256SUMS.txt"]);
}

/// Writes an archive to a file of the server's own folder.
fn saved(server: &TestServer, target: &str) -> std::path::PathBuf {
    let place = server.scratch("archive.tar");
    fs::write(&place, server.get(target).expect(200).body).unwrap();
    place
}

fn unpacked(folder: &Path, name: &str) {
    for (path, content) in wanted(name, "") {
        assert!(fs::read(folder.join(&path)).unwrap() == content, "{path}");
    }
}

#[test]
fn tar_reads_and_unpacks_it() {
    let Some(_) = needs("tar") else { return };
    let server = with_job();
    let archive = saved(&server, JOB);
    let name = archive.to_str().unwrap();
    let listed = Outcome::of(Command::new("tar").args(["--quoting-style=literal", "-tf", name]));
    let listed = listed.succeeds();
    assert_eq!(listed.err, "");
    let paths: Vec<_> = wanted("j-1.0", "").into_iter().map(|(path, _)| path).collect();
    assert_eq!(listed.out.lines().collect::<Vec<_>>(), paths);
    let folder = server.scratch("unpacked");
    fs::create_dir(&folder).unwrap();
    let there = folder.to_str().unwrap();
    Outcome::of(Command::new("tar").args(["-C", there, "-xf", name])).succeeds();
    unpacked(&folder, "j-1.0");
    let Some(_) = needs("sha256sum") else { return };
    let mut check = Command::new("sha256sum");
    check.current_dir(folder.join("j-1.0")).args(["--quiet", "-c", "SHA256SUMS.txt"]);
    Outcome::of(&mut check).succeeds();
}

#[test]
fn python_reads_it_with_fractions_of_seconds() {
    let Some(_) = needs("python3") else { return };
    let server = with_job();
    let archive = saved(&server, JOB);
    let script = "import sys, tarfile\n\
        archive = tarfile.open(sys.argv[1])\n\
        for member in archive:\n\
        \x20   size = len(archive.extractfile(member).read())\n\
        \x20   assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, '', '')\n\
        \x20   assert member.isreg() and member.mode == 0o644 and size == member.size\n\
        \x20   assert member.mtime > 1.7e9\n\
        \x20   print(member.name, size, member.mtime != int(member.mtime))\n";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(archive).env("PYTHONUTF8", "1");
    let read = Outcome::of(&mut python).succeeds();
    let lines: Vec<_> = read.out.lines().map(str::to_owned).collect();
    let sizes: Vec<_> = wanted("j-1.0", "")
        .into_iter()
        .map(|(path, content)| format!("{path} {} ", content.len()))
        .collect();
    assert_eq!(lines.len(), sizes.len());
    assert!(lines.iter().zip(&sizes).all(|(line, start)| line.starts_with(start)), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with("True")), "{lines:?}");
}

#[test]
fn curl_resumes_it() {
    let Some(_) = needs("curl") else { return };
    let server = with_job();
    let whole = server.get(JOB).expect(200).body;
    let back = server.scratch("back.tar");
    fs::write(&back, &whole[..300_003]).unwrap();
    let url = server.url(JOB);
    let name = back.to_str().unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "-f", "-C", "-", "-o", name, "-w", "%{http_code}", &url]);
    assert_eq!(Outcome::of(&mut curl).succeeds().out, "206");
    assert!(fs::read(&back).unwrap() == whole);
}

#[test]
fn a_long_archive_takes_little_memory_and_leaves_nothing() {
    let server = TestServer::start();
    let large = noise(9, 3_000_000);
    for number in 0..40 {
        server.holds(&format!("/branches/main/1.0/j/f/{number}"), large.clone());
    }
    // What an answer takes at all, in each of the threads.
    server.get(JOB).header("Range", "bytes=0-12000000").expect(206);
    let before = memory_kib(&server);
    let got = server.get(JOB).expect(200);
    assert!(got.body.len() > 120_000_000);
    let grown = memory_kib(&server).saturating_sub(before);
    assert!(grown < 20_000, "{grown} KiB more");
    server.has_nothing_staged();
}

/// The most memory that the server ever had.
fn memory_kib(server: &TestServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_blob_that_goes_while_it_is_sent_breaks_the_answer_off() {
    let server = TestServer::start();
    // More than what waits in the buffers of the connection.
    for number in 0..30 {
        let path = format!("/branches/main/1.0/j/f/{number:02}");
        server.holds(&path, noise(number, 1_000_000));
    }
    let mut connection = server.connect();
    let head = format!("GET {JOB} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    connection.write(head.as_bytes());
    let begun = connection.head_of_answer();
    assert_eq!(begun.status, 200);
    let size: u64 = begun.header("content-length").unwrap().parse().unwrap();
    server.delete("/branches/main/1.0/").expect(200);
    eventually("most blobs gone", || (server.blob_files().0 < 25).then_some(()));
    let got = connection.rest();
    assert!(got < size, "{got} of {size} bytes");
    server.logs(&["breaks off", "was deleted and collected meanwhile"]);
}
