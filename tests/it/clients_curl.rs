//! curl against the server: what the README shows, and what people do with it.

use std::fs;
use std::process::Command;

use super::harness::{Outcome, TestServer, needs, noise};

const FILE: &str = "/branches/main/1.0/build/txt/dir/file.bin";

fn curl(arguments: &[&str]) -> Outcome {
    Outcome::of(Command::new("curl").args(["-q", "-sS"]).args(arguments))
}

#[test]
fn curl_uploads_downloads_and_deletes() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    let url = server.url(FILE);
    // Large enough that curl asks with `Expect: 100-continue` first.
    for (seed, length) in [(1, 0), (2, 100), (3, 3_000_000)] {
        let (there, back) = (server.scratch("there"), server.scratch("back"));
        let bytes = noise(seed, length);
        fs::write(&there, &bytes).unwrap();
        let put = curl(&["-f", "-T", there.to_str().unwrap(), &url]).succeeds();
        assert_eq!(put.out, "201: Created");
        curl(&["-f", "-o", back.to_str().unwrap(), &url]).succeeds();
        assert!(fs::read(&back).unwrap() == bytes);
    }
    let latest = url.replace("/1.0/", "/latest/");
    let followed = curl(&["-f", "-L", "-o", "/dev/null", "-w", "%{url_effective}", &latest]);
    assert_eq!(followed.succeeds().out, url);
    curl(&["-f", "-X", "DELETE", &server.url("/branches/main/1.0/")]).succeeds();
    let gone = curl(&["-o", "/dev/null", "-w", "%{http_code}", &url]).succeeds();
    assert_eq!(gone.out, "404");
}

#[test]
fn curl_uploads_what_comes_through_a_pipe() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    let script = format!("head -c 2000000 /dev/zero | curl -q -sS -f -T - {}", server.url(FILE));
    Outcome::of(Command::new("sh").args(["-c", &script])).succeeds();
    assert!(server.get(FILE).expect(200).body == vec![0; 2_000_000]);
}

#[test]
fn curl_resumes_a_download() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    let bytes = noise(1, 500_000);
    server.holds(FILE, bytes.clone());
    let back = server.scratch("back");
    let name = back.to_str().unwrap();
    fs::write(&back, &bytes[..200_000]).unwrap();
    let resumed = curl(&[
        "-f",
        "-C",
        "-",
        "-o",
        name,
        "-w",
        "%{http_code} %{size_download}",
        &server.url(FILE),
    ]);
    assert_eq!(resumed.succeeds().out, "206 300000");
    assert!(fs::read(&back).unwrap() == bytes);
    // One that is complete already stays as it is.
    curl(&["-C", "-", "-o", name, &server.url(FILE)]);
    assert!(fs::read(&back).unwrap() == bytes);
}

#[test]
fn curl_fetches_a_range() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    server.holds(FILE, "0123456789");
    for (range, part) in [("2-4", "234"), ("7-", "789"), ("-3", "789"), ("0-99", "0123456789")] {
        let got = curl(&["-f", "--range", range, &server.url(FILE)]).succeeds();
        assert_eq!(got.out, part, "{range}");
    }
}

#[test]
fn curl_asks_for_the_head() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    server.holds(FILE, "0123456789");
    let head = curl(&["-f", "-I", &server.url(FILE)]).succeeds();
    assert!(head.out.starts_with("HTTP/1.1 200 "), "{}", head.out);
    for header in ["content-length: 10", "etag: ", "last-modified: ", "digest: sha256:"] {
        assert!(head.out.contains(header), "no {header} in {}", head.out);
    }
}

#[test]
fn curl_fetches_only_what_is_new() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::start();
    server.holds(FILE, "0123456789");
    let back = server.scratch("back");
    let (name, url) = (back.to_str().unwrap(), server.url(FILE));
    let fetch = |more: &[&str]| {
        let common = ["-f", "-R", "-o", name, "-w", "%{http_code}", &url];
        curl(&[&common[..], more].concat()).succeeds().out
    };
    assert_eq!(fetch(&[]), "200");
    assert_eq!(fetch(&["-z", name]), "304");
    assert_eq!(fetch(&["-z", "1 Jan 2000"]), "200");
    let etag = server.scratch("etag");
    let etag = etag.to_str().unwrap();
    assert_eq!(fetch(&["--etag-save", etag]), "200");
    assert_eq!(fetch(&["--etag-compare", etag]), "304");
}
