//! Release to other servers when something goes wrong: a target or the server dies, refuses, lies
//! or says nothing, is not to be trusted, or is not asked any more.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::publishing::{
    TAG, digest, failure, is_released, is_withdrawn, job, publications, set, shown, source, status,
};
use super::harness::{Outcome, TestServer, digest_of, eventually, needs, noise};

#[test]
fn a_target_that_is_down_is_tried_again() {
    let mut target = TestServer::start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    let port = target.address().to_string();
    target.stop();
    set(&server, TAG, true);
    let said = failure(&server, TAG);
    assert!(said.contains(&format!("GET http://{port}/branches/b/t/j/: ")), "{said}");
    assert_eq!(shown(&server, TAG)["released"], false);
    server.delete(TAG).expect(400).says("Tag t is released, unrelease it first");
    let tries = || publications(&server)[0]["attempts"].as_u64().unwrap();
    eventually("more tries", || (tries() >= 3).then_some(()));
    let line = &publications(&server)[0];
    assert!(line["due"].as_u64().is_some());
    assert_eq!(line["targets"][0]["state"], "failed");
    target.start_again_at(&port);
    is_released(&server, TAG);
    target.get("/branches/b/t/j/f/a").expect(200);
    assert_eq!(tries(), 0);
}

#[test]
fn of_two_targets_one_may_fail_and_the_other_has_it() {
    let one = TestServer::start();
    let mut two = TestServer::start();
    let server = source(&[&two, &one]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    let port = two.address().to_string();
    two.stop();
    set(&server, TAG, true);
    eventually("the one that works", || {
        (one.get("/branches/b/t/j/f/a").send().status == 200).then_some(())
    });
    eventually("the failure", || status(&server, TAG).starts_with("error: ").then_some(()));
    assert_eq!(shown(&server, TAG)["released"], false, "not on all of them");
    let states: Vec<_> = eventually("both states", || {
        let line = publications(&server).remove(0);
        let states = line["targets"].as_array()?.iter().map(|t| t["state"].clone()).collect();
        Some(states).filter(|states: &Vec<Value>| states == &[json!("failed"), json!("done")])
    });
    assert_eq!(states.len(), 2);
    two.start_again_at(&port);
    is_released(&server, TAG);
    assert_eq!(status(&server, TAG), format!("published to {},{}", two.url(""), one.url("")));
    two.stop();
    set(&server, TAG, false);
    eventually("the failure", || status(&server, TAG).starts_with("error: ").then_some(()));
    assert_eq!(shown(&server, TAG)["released"], true, "it is still somewhere");
    one.get(TAG).expect(404);
    two.start_again_at(&port);
    is_withdrawn(&server, TAG);
    two.get(TAG).expect(404);
}

#[test]
fn killed_on_either_side_it_is_completed() {
    for side in ["source", "target"] {
        let mut target = TestServer::with("lease", "1h").start();
        let mut server = source(&[&target]).with("publish-max-requests", "2").start();
        for number in 0..4 {
            let large = noise(number, 6 << 20);
            let name = format!("j{number}");
            job(&server, TAG, &name, &[("a", &large), ("b", b"b"), ("c", &large[..3 << 20])]);
        }
        let port = target.address().to_string();
        set(&server, TAG, true);
        for round in 0..3 {
            let seen = format!("PUT /branches/b/t/j{round}/f/");
            eventually("the next job", || target.log().contains(&seen).then_some(()));
            if side == "source" {
                server.kill9();
                server.start_again();
            } else {
                target.kill9();
                target.start_again_at(&port);
            }
        }
        is_released(&server, TAG);
        for number in 0..4 {
            let path = format!("/branches/b/t/j{number}/");
            assert_eq!(digest(&server, &path), digest(&target, &path), "{side}");
        }
    }
}

#[test]
fn a_stop_in_the_middle_is_quick_and_goes_on() {
    let target = TestServer::start();
    let mut server = source(&[&target]).with("publish-timeout", "10s").start();
    job(&server, TAG, "j", &[("a", &noise(1, 32 << 20))]);
    set(&server, TAG, true);
    eventually("the upload", || (target.staged_files() > 0).then_some(()));
    server.restart();
    is_released(&server, TAG);
    target.has_nothing_staged();
}

#[test]
fn a_target_that_computes_another_digest_has_not_got_it() {
    let mut target = TestServer::with("internal-format-filter", "^f").start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    let said = failure(&server, TAG);
    let here = digest(&server, "/branches/b/t/j/");
    assert!(said.contains("/branches/b/t/j/ has the digest \""), "{said}");
    assert!(said.contains(&format!("\" instead of {here}")), "{said}");
    assert_eq!(shown(&server, TAG)["released"], false);
    let address = target.address().to_string();
    target.stop();
    target.change("internal-format-filter", "^debug");
    target.start_again_at(&address);
    is_released(&server, TAG);
    assert_eq!(digest(&target, "/branches/b/t/j/"), here);
}

#[test]
fn what_the_target_protects_is_not_taken_back_and_that_is_told() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    is_released(&server, TAG);
    target.post(TAG).json(&json!({"tag": {"locked": true}})).expect(200);
    set(&server, TAG, false);
    let said = failure(&server, TAG);
    let url = target.url(TAG);
    let why = "the target answered 400 Bad Request: 400: Tag t is locked";
    assert_eq!(said, format!("error: DELETE {url}: {why}"));
    assert_eq!(shown(&server, TAG)["released"], true);
    target.post(TAG).json(&json!({"tag": {"locked": false}})).expect(200);
    is_withdrawn(&server, TAG);
}

#[test]
fn damaged_bytes_are_not_published() {
    let target = TestServer::start();
    let server = source(&[&target]).expecting("its file cannot be read").start();
    let content = noise(3, 1 << 20);
    job(&server, TAG, "j", &[("a", &content)]);
    let shard = &digest_of(&content)["sha256:".len()..][..2];
    let folder = server.data().join("blobs").join(shard);
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut damaged = content.clone();
    damaged[700_000] ^= 1;
    fs::write(&file, damaged).unwrap();
    set(&server, TAG, true);
    let said = failure(&server, TAG);
    assert!(said.contains("damaged here"), "{said}");
    target.get("/branches/b/t/j/f/a").expect(404);
    fs::write(&file, content).unwrap();
    is_released(&server, TAG);
    target.has_nothing_staged();
}

#[test]
fn targets_that_are_taken_out_of_the_settings_are_not_waited_for() {
    let target = TestServer::start();
    let mut server = source(&[&target]).start();
    let tags = ["/branches/b/t/", "/branches/b/u/", "/branches/b/v/"];
    for tag in tags {
        job(&server, tag, "j", &[("a", b"a")]);
    }
    set(&server, tags[0], true);
    is_released(&server, tags[0]);
    server.stop();
    server.change("publish-url", "http://127.0.0.1:9");
    server.start_again();
    set(&server, tags[1], true);
    set(&server, tags[2], false);
    for tag in &tags[1..] {
        eventually("a failure", || status(&server, tag).starts_with("error: ").then_some(()));
    }
    server.stop();
    server.forget("publish-url");
    server.start_again();
    eventually("a flag", || (shown(&server, tags[1])["released"] == true).then_some(()));
    is_withdrawn(&server, tags[2]);
    for tag in tags {
        set(&server, tag, false);
        assert_eq!(shown(&server, tag)["publish_status"], Value::Null);
    }
    server.delete("/branches/b/").expect(200);
    target.get("/branches/b/t/").expect(200);
}

/// Takes connections and never answers.
fn black_hole() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn a_target_that_never_answers_costs_a_bounded_time() {
    let hole = black_hole();
    let url = format!("http://{}", hole.local_addr().unwrap());
    let patient = TestServer::swept_at_once().with("publish-url", &url);
    let mut server = patient.with("publish-timeout", "200ms").with("publish-retry", "50ms").start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    let said = failure(&server, TAG);
    let words = "no answer within 200ms, which is the setting publish.timeout";
    assert_eq!(said, format!("error: GET {url}{TAG}j/: {words}"));
    // A stop does not wait for it either, however patient the settings are.
    server.stop();
    server.change("publish-timeout", "1h");
    server.start_again();
    eventually("a request", || status(&server, TAG).starts_with("error: ").then_some(()));
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A server in front of another one that speaks TLS, as a process of Python.
struct Front {
    process: Child,
    url: String,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

const FRONT: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
door = socket.create_server(("127.0.0.1", 0))
print(door.getsockname()[1], flush=True)
def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(plain):
    try:
        inside = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    behind = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    threading.Thread(target=pump, args=(behind, inside), daemon=True).start()
    pump(inside, behind)
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
"#;

impl Front {
    fn start(python: &Path, folder: &Path, target: &TestServer) -> Self {
        let mut process = Command::new(python)
            .args(["-c", FRONT])
            .args([folder.join("cert.pem"), folder.join("key.pem")])
            .arg(target.address().port().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("https://127.0.0.1:{}", port.trim()) }
    }
}

/// `ca.pem`, and `cert.pem` with `key.pem` for this machine, signed by it.
fn certificates(openssl: &Path, folder: &Path) {
    fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for arguments in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=target",
        "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out cert.pem",
    ] {
        let mut command = Command::new(openssl);
        Outcome::of(command.args(arguments.split(' ')).current_dir(folder)).succeeds();
    }
}

#[test]
fn targets_that_speak_tls_are_trusted_by_their_certificate() {
    let (Some(openssl), Some(python)) = (needs("openssl"), needs("python3")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    certificates(&openssl, scratch.path());
    let target = TestServer::start();
    let front = Front::start(&python, scratch.path(), &target);
    let ours = TestServer::swept_at_once().with("publish-url", &front.url);
    let mut server = ours.with("publish-retry", "50ms").start();
    job(&server, TAG, "j", &[("a", &noise(1, 3 << 20))]);
    set(&server, TAG, true);
    let said = failure(&server, TAG);
    assert!(said.contains("invalid peer certificate: UnknownIssuer"), "{said}");
    server.stop();
    server.change("publish-ca", scratch.path().join("ca.pem").to_str().unwrap());
    server.start_again();
    is_released(&server, TAG);
    assert!(target.get("/branches/b/t/j/f/a").expect(200).body == noise(1, 3 << 20));
    server.stop();
    let empty = scratch.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let refused =
        server.command(&["serve", "--listen=127.0.0.1:0", "--publish-ca", empty.to_str().unwrap()]);
    refused.exits(2).complains(&["empty.pem gives no certificates"]);
}

/// A target that answers as `answer` says: method, path, whether a link is asked for, body.
fn scripted(
    answer: impl Fn(&str, &str, bool, &[u8]) -> (u16, String) + Send + 'static,
) -> (String, JoinHandle<Vec<String>>, Arc<AtomicBool>) {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", door.local_addr().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Ok((stream, _)) = door.accept() {
            if ends.load(Ordering::SeqCst) {
                break;
            }
            serve_one(&stream, &answer, &mut seen);
        }
        seen
    });
    (url, thread, stop)
}

/// One request on a connection of its own.
fn serve_one(
    stream: &TcpStream,
    answer: &impl Fn(&str, &str, bool, &[u8]) -> (u16, String),
    seen: &mut Vec<String>,
) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        match line {
            Ok(line) if !line.is_empty() => head.push(line.to_ascii_lowercase()),
            _ => break,
        }
    }
    let Some(request) = head.first().cloned() else { return };
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let links = head.iter().any(|line| line.starts_with("x-dlrepo-link: "));
    let (method, rest) = request.split_once(' ').unwrap();
    let path = rest.split(' ').next().unwrap();
    let (status, text) = answer(method, path, links, &body);
    let link = if links { " link" } else { "" };
    seen.push(format!("{method} {path}{link} {} {status}", body.len()));
    let length = text.len();
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n");
    let text = if method == "head" { "" } else { &text };
    let _ = (&mut &*stream).write_all(format!("{head}\r\n{text}").as_bytes());
}

#[test]
fn what_cannot_be_linked_any_more_is_sent_after_all() {
    let known = Arc::new(OnceLock::<String>::new());
    let locked = AtomicBool::new(false);
    let digest_there = Arc::clone(&known);
    let (url, thread, stop) = scripted(move |method, path, links, body| {
        let is_file = path.ends_with("/f/a");
        match (method, is_file) {
            ("put", true) if links => (404, "404: collected".into()),
            ("put", true) => {
                assert_eq!(body, b"some content");
                (201, "201: Created".into())
            }
            ("put", false) => {
                locked.store(true, Ordering::SeqCst);
                (200, String::new())
            }
            ("get", _) if path == TAG => (200, json!({"tag": {"jobs": [{}]}}).to_string()),
            ("get", _) if locked.load(Ordering::SeqCst) => {
                let digest = digest_there.get().unwrap();
                (200, json!({"job": {"digest": digest, "locked": true}}).to_string())
            }
            ("get", _) => (404, "404: none".into()),
            _ => (200, String::new()),
        }
    });
    let server = TestServer::swept_at_once().with("publish-url", &url).start();
    job(&server, TAG, "j", &[("a", b"some content")]);
    known.set(digest(&server, "/branches/b/t/j/")).unwrap();
    set(&server, TAG, true);
    is_released(&server, TAG);
    stop.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(url.trim_start_matches("http://")));
    let seen = thread.join().unwrap();
    assert_eq!(
        seen,
        [
            "get /branches/b/t/j/ 0 404",
            "head /branches/b/t/j/f/a 0 200",
            "put /branches/b/t/j/f/a link 0 404",
            "put /branches/b/t/j/f/a 12 201",
            "patch /branches/b/t/j/f/ 0 200",
            "patch /branches/b/t/j/ 10 200",
            "put /branches/b/t/j/ 23 200",
            "get /branches/b/t/j/ 0 200",
            "get /branches/b/t/ 0 200",
        ]
    );
}

#[test]
fn answers_that_cannot_be_understood_are_failures() {
    for (status, text, words) in [
        (302, "elsewhere", "the target answered 302 Found: elsewhere"),
        (200, "<html>", "the target's answer cannot be understood: expected value"),
        (200, "{}", "the target's answer cannot be understood: it has no job"),
        (200, r#"{"job": {"locked": true}}"#, "it has no job.digest"),
        (401, "401: Unauthorized", "the target answered 401 Unauthorized: 401: Unauthorized"),
    ] {
        let (url, thread, stop) = scripted(move |_, _, _, _| (status, text.to_owned()));
        let server = TestServer::swept_at_once().with("publish-url", &url).start();
        job(&server, TAG, "j", &[("a", b"a")]);
        set(&server, TAG, true);
        let said = failure(&server, TAG);
        assert!(said.contains(words), "{said}");
        stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(url.trim_start_matches("http://")));
        thread.join().unwrap();
    }
}

#[test]
fn an_internal_job_that_cannot_be_removed_is_not_passed_over() {
    for (there, words) in [(false, "published to "), (true, "the target answered 403")] {
        let (url, thread, stop) = scripted(move |method, path, _, _| match (method, path) {
            ("get", TAG) => (200, json!({"tag": {"jobs": [{}]}}).to_string()),
            ("get", _) if there => (200, json!({"job": {"digest": ""}}).to_string()),
            ("delete", _) => (403, "403: Forbidden".into()),
            _ => (404, "404: none".into()),
        });
        let server = TestServer::swept_at_once().with("publish-url", &url).start();
        server.holds(&format!("{TAG}secret/f/a"), "a");
        server.patch(&format!("{TAG}secret/f/")).expect(200);
        let locked = json!({"job": {"internal": true, "locked": true}});
        server.put(&format!("{TAG}secret/")).json(&locked).expect(200);
        set(&server, TAG, true);
        eventually(words, || status(&server, TAG).contains(words).then_some(()));
        stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(url.trim_start_matches("http://")));
        thread.join().unwrap();
    }
}
