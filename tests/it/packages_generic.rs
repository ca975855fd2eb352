//! Generic packages (spec gitlab §4): a file is PUT and got, by requests and by curl.

use std::fs;
use std::process::Command;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::harness::client::Request;
use super::harness::{Outcome, TestServer, needs, noise};
use super::packages_door::Setting;

/// Above what is kept in the database.
const LARGE: usize = 300_000;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).map(char::from).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

struct Project {
    setting: Setting,
    id: u64,
}

impl Project {
    fn new() -> Self {
        Self::of(TestServer::with_people().start())
    }

    fn of(server: TestServer) -> Self {
        let setting = Setting::of(server, &[]);
        let id = setting.has_project("app", "public");
        Self { setting, id }
    }

    fn url(&self, below: &str) -> String {
        format!("projects/{}/packages/generic/{below}", self.id)
    }

    fn put(&self, below: &str, bytes: impl Into<Vec<u8>>) -> Request {
        self.setting.by_root(&format!("PUT {}", self.url(below))).body(bytes)
    }

    /// By nobody in particular: the project is public.
    fn get(&self, below: &str) -> Request {
        self.setting.ask(&format!("GET {}", self.url(below)))
    }
}

#[test]
fn statement_17_a_file_is_published_shown_and_served_with_its_sums() {
    let project = Project::new();
    for bytes in [noise(1, 100), noise(2, LARGE)] {
        let made = project.put("tool/1.0/tool.bin", bytes.clone()).expect(201);
        made.json_is(&json!({"message": "201 Created"}));
        let sum = sha256(&bytes);
        let shown = project.put("tool/1.0/tool.bin?select=package_file", bytes.clone()).expect(200);
        let shown = shown.json();
        assert_eq!(shown["file_name"], "tool.bin");
        assert_eq!(shown["size"], json!(bytes.len()));
        assert_eq!(shown["file_sha256"], json!(sum));
        for key in ["id", "package_id", "created_at", "file_md5", "file_sha1", "pipelines"] {
            assert!(!shown[key].is_null(), "{key}: {shown}");
        }
        let got = project.get("tool/1.0/tool.bin").expect(200).body_is(&bytes);
        let got = got.has("x-checksum-sha256", &sum).has("etag", &format!("\"{sum}\""));
        let got = got.has("x-content-type-options", "nosniff");
        let got = got.has("content-security-policy", "sandbox");
        let named = "attachment; filename=\"tool.bin\"; filename*=UTF-8''tool.bin";
        let got = got.has("content-disposition", named);
        assert_eq!(got.header("x-checksum-md5"), shown["file_md5"].as_str());
        assert_eq!(got.header("x-checksum-sha1"), shown["file_sha1"].as_str());
        assert_eq!(got.header("x-checksum-sha512").map(str::len), Some(128));
    }
    // A hidden one is served as well.
    project.put("secret/1.0/f?status=hidden", "h").expect(201);
    project.get("secret/1.0/f").expect(200).body_is("h");
    project.put("secret/1.0/g?status=default", "h").expect(201);
}

#[test]
fn the_newest_file_of_a_name_is_served_and_folders_are_part_of_it() {
    let project = Project::new();
    for text in ["one", "two", "three"] {
        project.put("tool/1.0/f", text).expect(201);
        project.get("tool/1.0/f").expect(200).body_is(text);
    }
    let shown = project.put("tool/1.0/linux/x64/f?select=package_file", "deep").expect(200);
    assert_eq!(shown.json()["file_name"], "linux%2Fx64%2Ff");
    let deep = project.get("tool/1.0/linux/x64/f").expect(200).body_is("deep");
    deep.has("content-disposition", "attachment; filename=\"f\"; filename*=UTF-8''f");
    project.get("tool/1.0/f").expect(200).body_is("three");
    for missing in ["tool/1.0/g", "tool/1.0/linux/f", "tool/1.1/f", "Tool/1.0/f", "tool/1.0/F"] {
        project.get(missing).expect(404);
    }
}

#[test]
fn a_file_is_asked_for_in_part_or_only_when_it_is_new() {
    let project = Project::new();
    for (name, bytes) in [("small", noise(1, 1000)), ("large", noise(2, LARGE))] {
        let url = format!("tool/1.0/{name}");
        project.put(&url, bytes.clone()).expect(201);
        let etag = format!("\"{}\"", sha256(&bytes));
        let part = project.get(&url).header("Range", "bytes=10-19").expect(206);
        part.body_is(&bytes[10..20]).has("content-range", &format!("bytes 10-19/{}", bytes.len()));
        let same = project.get(&url).header("Range", "bytes=-5").header("If-Range", &etag);
        same.expect(206).body_is(&bytes[bytes.len() - 5..]);
        let other = project.get(&url).header("Range", "bytes=-5").header("If-Range", "\"x\"");
        other.expect(200).body_is(&bytes);
        project.get(&url).header("Range", "bytes=9999999-").expect(416);
        project.get(&url).header("If-None-Match", &etag).expect(304);
        let head = project.setting.ask(&format!("HEAD {}", project.url(&url))).expect(200);
        head.has("content-length", &bytes.len().to_string()).has("etag", &etag).body_is("");
    }
}

#[test]
fn sums_that_are_wrong_leave_nothing() {
    let project = Project::new();
    for bytes in [noise(1, 100), noise(2, LARGE)] {
        let before = project.setting.server.blob_files();
        let wrong = sha256(b"something else");
        for (header, value) in [
            ("X-Checksum-SHA256", wrong.clone()),
            ("X-Checksum-SHA1", "0".repeat(40)),
            ("X-Checksum-MD5", "0".repeat(32)),
            ("X-Checksum-SHA512", "0".repeat(128)),
            ("X-Checksum-SHA256", "nonsense".to_owned()),
            ("Digest", format!("sha256:{wrong}")),
            ("Digest", "SHA-256=AAAA".to_owned()),
            ("Content-Digest", format!("sha-256=:{}=:", "A".repeat(43))),
        ] {
            let refused = project.put("tool/1.0/f", bytes.clone()).header(header, &value);
            let refused = refused.expect(400).json();
            let message = refused["message"].as_str().unwrap();
            assert!(message.starts_with("400 Bad request - "), "{header}: {message}");
        }
        project.get("tool/1.0/f").expect(404);
        assert_eq!(project.setting.server.blob_files(), before);
        project.setting.server.has_nothing_staged();
    }
    let bytes = noise(3, LARGE);
    let right = project.put("tool/1.0/f", bytes.clone());
    right.header("X-Checksum-SHA256", &sha256(&bytes).to_uppercase()).expect(201);
}

#[test]
fn what_is_too_large_is_refused_early_or_at_the_first_byte_too_many() {
    let server = TestServer::with_people().with("package-generic-max", "100KiB");
    let project = Project::of(server.start());
    let limit = 100 << 10;
    project.put("tool/1.0/f", noise(1, limit)).expect(201);
    let refused = |request: Request| {
        let answer = request.expect(400).json();
        assert_eq!(answer, json!({"message": "400 Bad request - File is too large"}));
    };
    refused(project.put("tool/1.0/g", noise(1, limit + 1)));
    let line = format!("PUT {}", project.url("tool/1.0/g"));
    refused(project.setting.by_root(&line).chunked(noise(1, limit + 1)));
    // Announced, and not sent: the answer does not wait for it.
    let mut connection = project.setting.server.connect();
    let path = format!("/api/v4/{}", project.url("tool/1.0/g"));
    let root = &project.setting.root;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nPRIVATE-TOKEN: {root}\r\n\
         Content-Length: 99999999999\r\nConnection: close\r\n\r\n"
    );
    connection.write(head.as_bytes());
    assert_eq!(connection.answer_to("PUT").status, 400);
    project.get("tool/1.0/g").expect(404);
    project.setting.server.has_nothing_staged();
}

#[test]
fn bodies_that_break_off_or_never_end_leave_nothing() {
    let server = TestServer::with_people().with("upload-idle", "1s");
    let project = Project::of(server.start());
    let path = format!("/api/v4/{}", project.url("tool/1.0/f"));
    let root = &project.setting.root;
    for sent in [100, LARGE] {
        for length in ["Content-Length: 999999", "Transfer-Encoding: chunked"] {
            let mut connection = project.setting.server.connect();
            let head = format!(
                "PUT {path} HTTP/1.1\r\nHost: localhost\r\nPRIVATE-TOKEN: {root}\r\n{length}\r\n\
                 Connection: close\r\n\r\n"
            );
            connection.write(head.as_bytes());
            let bytes = noise(1, sent);
            if length.starts_with("Content") {
                connection.write(&bytes);
            } else {
                connection.write_chunk(&bytes);
            }
            // Silence ends it as well as a closed connection.
            let status = connection.answer_to("PUT").status;
            assert_eq!(status, 408, "{length}, {sent}");
        }
    }
    project.get("tool/1.0/f").expect(404);
    project.setting.server.has_nothing_staged();
}

#[test]
fn what_cannot_be_a_name_or_a_wish_is_refused_as_clients_know_it() {
    let project = Project::new();
    let long = "a".repeat(256);
    for (below, error) in [
        ("to%20ol/1.0/f".to_owned(), "package_name is invalid"),
        ("@acme/1.0/f".to_owned(), "package_name is invalid"),
        ("t%C3%B6ol/1.0/f".to_owned(), "package_name is invalid"),
        ("t%EF%BD%8Fol/1.0/f".to_owned(), "package_name is invalid"),
        ("%252e%252e/1.0/f".to_owned(), "package_name is invalid"),
        (format!("{long}/1.0/f"), "package_name is invalid"),
        ("tool/1..0/f".to_owned(), "package_version is invalid"),
        ("tool/1%2F0/f".to_owned(), "package_version is invalid"),
        ("tool/1.0/~f".to_owned(), "file_name is invalid"),
        ("tool/1.0/f~".to_owned(), "file_name is invalid"),
        ("tool/1.0/a%2Fb".to_owned(), "file_name is invalid"),
        (format!("tool/1.0/{long}"), "file_name is invalid"),
        ("tool/1.0/d%25/f".to_owned(), "path is invalid"),
        ("tool/1.0/a%2Fb/f".to_owned(), "path is invalid"),
        ("tool/1.0/f?status=processing".to_owned(), "status does not have a valid value"),
        ("tool/1.0/f?status=pending_destruction".to_owned(), "status does not have a valid value"),
        ("tool/1.0/f?status=".to_owned(), "status does not have a valid value"),
        ("tool/1.0/f?select=package".to_owned(), "select does not have a valid value"),
    ] {
        let refused = project.put(&below, "x").expect(400).json();
        assert_eq!(refused, json!({"error": error}), "{below}");
    }
    // A folder alone is no place for a file: that is said, and nothing about what the file is.
    let nowhere = project.put("tool/1.0/", "x").expect(404).json();
    assert_eq!(nowhere, json!({"error": "404 Not Found"}));
    // What is not known is left alone.
    project.put("tool/1.0/f?colour=red", "x").expect(201);
    project.setting.server.has_nothing_staged();
}

#[test]
fn two_packages_share_bytes_and_a_restart_forgets_nothing() {
    let mut project = Project::new();
    let bytes = noise(7, LARGE);
    for below in ["a/1.0/f", "b/1.0/f", "b/1.1/g"] {
        project.put(below, bytes.clone()).expect(201);
    }
    assert_eq!(project.setting.server.blob_files().0, 1);
    project.setting.server.restart();
    for below in ["a/1.0/f", "b/1.0/f", "b/1.1/g"] {
        project.get(below).expect(200).body_is(&bytes);
    }
}

fn curl(arguments: &[&str]) -> Outcome {
    Outcome::of(Command::new("curl").args(["-q", "-sS"]).args(arguments))
}

#[test]
fn curl_publishes_and_downloads() {
    let Some(_) = needs("curl") else { return };
    let project = Project::new();
    let server = &project.setting.server;
    let token = &project.setting.root;
    let (there, back) = (server.scratch("there"), server.scratch("back"));
    let bytes = noise(5, 3_000_000);
    fs::write(&there, &bytes).unwrap();
    let there = there.to_str().unwrap();
    let url = server.url(&format!("/api/v4/{}", project.url("tool/1.0/linux/tool.tar.gz")));
    let by_header = format!("PRIVATE-TOKEN: {token}");
    let by_login = format!("eve:{token}");
    for who in [["--header", &by_header], ["--user", &by_login]] {
        let put = [&who[..], &["-f", "--upload-file", there, &url]].concat();
        assert_eq!(curl(&put).succeeds().out, "{\"message\": \"201 Created\"}");
    }
    let select = format!("{url}?select=package_file");
    let shown = curl(&["-f", "-u", &by_login, "-T", there, &select]).succeeds();
    assert!(shown.out.contains("\"file_name\": \"linux%2Ftool.tar.gz\""), "{}", shown.out);
    curl(&["-f", "-o", back.to_str().unwrap(), &url]).succeeds();
    assert!(fs::read(&back).unwrap() == bytes);
    // Goes on where it stopped, and takes the name from the answer.
    fs::write(&back, &bytes[..1_000_000]).unwrap();
    curl(&["-f", "-C", "-", "-o", back.to_str().unwrap(), &url]).succeeds();
    assert!(fs::read(&back).unwrap() == bytes);
    let folder = server.scratch("named");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    curl(&["-f", "-OJ", "--output-dir", folder, &url]).succeeds();
    assert!(fs::read(format!("{folder}/tool.tar.gz")).unwrap() == bytes);
    // Without a login, and with one that may not.
    let code = ["-o", "/dev/null", "-w", "%{http_code}", "--upload-file", there, &url];
    assert_eq!(curl(&code).succeeds().out, "401");
}
