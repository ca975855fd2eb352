//! The client that the server gives away at `/cli`: through the scenarios of dlrepo's client, and
//! against a server that misbehaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::clients_dlrepo::{self as scenarios, Setting};
use super::harness::peer::Peer;
use super::harness::{Outcome, TestServer, digest_of, needs, noise};

/// The script as a server serves it.
fn fetch(server: &TestServer) -> PathBuf {
    let place = server.scratch("larder-cli");
    fs::write(&place, server.get("/cli").expect(200).body).unwrap();
    place
}

fn setting() -> Option<Setting> {
    needs("python3")?;
    let server = TestServer::start();
    let client = fetch(&server);
    Some(Setting::with(client, server, "main"))
}

#[test]
fn our_client_does_what_dlrepos_does() {
    for scenario in [
        scenarios::uploads_links_and_gets,
        scenarios::shows_and_sets_metadata,
        scenarios::shows_and_sets_what_a_tag_is,
        scenarios::locks_jobs_and_deletes_at_every_level,
        scenarios::sets_the_cleanup_policy,
    ] {
        let Some(setting) = setting() else { return };
        scenario(&setting);
    }
}

#[test]
fn the_script_is_served_for_the_address_it_was_got_from() {
    let server = TestServer::swept_at_once().with("public-url", "https://files.example/a").start();
    let script = server.get("/cli").expect(200).has("content-type", "text/plain; charset=utf-8");
    assert!(script.text().contains("DEFAULT_URL = \"https://files.example/a\"\n"));
    server.head("/cli").expect(200).body_is("");
    server.put("/cli").expect(405).has("allow", "GET,HEAD");
    let server = TestServer::start();
    let script = server.get("/cli").expect(200).text();
    assert!(script.contains(&format!("DEFAULT_URL = \"{}\"\n", server.url(""))));
    assert!(!script.contains("http://127.0.0.1:1337"));
}

#[test]
fn the_script_is_python_3_6() {
    let Some(_) = needs("python3") else { return };
    let server = TestServer::start();
    let client = fetch(&server);
    // An old Python is the judge itself, a newer one can read as an old one did.
    let check = "import ast, sys\n\
        old = {'feature_version': (3, 6)} if sys.version_info > (3, 8) else {}\n\
        ast.parse(open(sys.argv[1]).read(), **old)";
    Outcome::of(Command::new("python3").args(["-I", "-c", check]).arg(&client)).succeeds();
    let version = Outcome::of(Command::new("python3").arg(&client).arg("--version")).succeeds();
    assert_eq!(version.out, concat!("larder-cli ", env!("CARGO_PKG_VERSION"), "\n"));
    // Without --url it asks where it came from.
    server.holds("/branches/b/t/j/f/a", "hello");
    let branches = Command::new("python3").arg(&client).args(["-p", "/", "branches"]).output();
    assert_eq!(branches.unwrap().stdout, b"b\n");
}

#[test]
fn every_name_survives_the_way_there_and_back() {
    let Some(setting) = setting() else { return };
    let folder = setting.server.scratch("names");
    fs::create_dir_all(folder.join("s p+a&c=e")).unwrap();
    let names = ["a b", "a+b", "a%20b", "a#b?c", "é", ".hidden", "s p+a&c=e/~x;y"];
    for name in names {
        fs::write(folder.join(name), name).unwrap();
    }
    let (folder, back) = (folder.to_str().unwrap(), setting.server.scratch("back"));
    let said = setting.run(&["upload", "B r", "1", "j", "f", folder]).succeeds();
    let place = setting.server.url("/branches/b%20r/1/j/f/");
    assert_eq!(said.out, format!("Browse/Download: {place}\n"));
    let format = setting.server.get("/branches/b%20r/1/j/f/").expect(200).json();
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(format["artifact_format"]["files"], serde_json::json!(sorted));
    setting.run(&["get", "b r", "1", "j", "f", back.to_str().unwrap()]).succeeds();
    for name in names {
        assert_eq!(fs::read_to_string(back.join(name)).unwrap(), name);
    }
}

#[test]
fn many_files_come_and_go() {
    let Some(setting) = setting() else { return };
    let folder = setting.server.scratch("many");
    fs::create_dir(&folder).unwrap();
    for n in 0..200 {
        fs::write(folder.join(n.to_string()), noise(n, 100)).unwrap();
    }
    let folder = folder.to_str().unwrap();
    setting.run(&["--jobs", "8", "upload", "b", "1", "j", "f", folder]).succeeds();
    let files = setting.server.get("/branches/b/1/j/f/").expect(200).json();
    assert_eq!(files["artifact_format"]["files"].as_array().unwrap().len(), 200);
    assert_eq!(files["artifact_format"]["dirty"], false);
    let back = setting.server.scratch("back");
    setting.run(&["get", "-J", "3", "b", "1", "j", "f", back.to_str().unwrap()]).succeeds();
    assert_eq!(fs::read_dir(&back).unwrap().count(), 200, "and nothing temporary");
    assert!(fs::read(back.join("7")).unwrap() == noise(7, 100));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let Some(setting) = setting() else { return };
    setting.upload("1");
    setting.run(&["delete", "main", ""]).exits(2).complains(&["a name cannot be empty"]);
    setting.run(&["upload", "b", "1", "j", "f", "nowhere"]).exits(2).complains(&["nowhere"]);
    setting.run(&["set-info", "main", "1", "job", "a-b=c"]).exits(2);
    setting.run(&["flush"]).exits(1).complains(&["is not a user space, refusing to flush"]);
    let files = setting.server.scratch("files");
    std::os::unix::fs::symlink("..", files.join("sub/up")).unwrap();
    let looping = setting.run(&["upload", "b", "1", "j", "f", files.to_str().unwrap()]).exits(1);
    looping.complains(&["error: ", "leads to a folder that it lies in"]);
    setting.says(&["branches"], &["main"]);
    // Capital letters reach the tag itself, not a redirection that loses the request.
    setting.run(&["lock", "MAIN", "1"]).succeeds();
    setting.fails(&["delete", "Main", "1"], "400: Tag 1 is locked");
}

/// The script, and a peer that plays the server.
struct Play {
    client: TestServer,
    script: PathBuf,
}

impl Play {
    fn new() -> Option<Self> {
        needs("python3")?;
        let client = TestServer::start();
        let script = fetch(&client);
        Some(Self { client, script })
    }

    fn command(&self, peer: &Peer, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.arg("-I").arg(&self.script).args(["--url", &peer.url()]).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    fn run(&self, peer: &Peer, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(peer, &[&["-p", "/"], arguments].concat()))
    }

    fn get(&self, peer: &Peer) -> (Outcome, PathBuf) {
        let back = self.client.scratch("back");
        let arguments = ["get", "b", "t", "j", "f", back.to_str().unwrap()];
        (self.run(peer, &arguments), back)
    }
}

fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers = headers.iter().fold(String::new(), |all, header| all + header + "\r\n");
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

fn listing(path: &str) -> String {
    answer("200 OK", &[], &format!("{{\"artifact_format\": {{\"files\": [\"{path}\"]}}}}"))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_download_goes_on_where_the_connection_broke() {
    let Some(play) = Play::new() else { return };
    let digest = format!("Digest: {}", digest_of("0123456789"));
    let facts = [digest.as_str(), "ETag: \"x\""];
    let whole = answer("200 OK", &facts, "0123456789");
    let (broken, _) = whole.split_at(whole.len() - 6);
    let rest = [&facts[..], &["Content-Range: bytes 4-9/10"]].concat();
    let peer = Peer::start(&[
        listing("x"),
        broken.to_owned(),
        answer("503 Busy", &["Retry-After: 0"], "later"),
        answer("206 Partial Content", &rest, "456789"),
    ]);
    let (outcome, back) = play.get(&peer);
    outcome.succeeds();
    assert_eq!(fs::read_to_string(back.join("x")).unwrap(), "0123456789");
    let asked = peer.asked();
    assert!(!asked[1].contains("Range:"), "{}", asked[1]);
    for again in &asked[2..] {
        assert!(again.contains("\r\nRange: bytes=4-\r\n"), "{again}");
        assert!(again.contains("\r\nIf-Range: \"x\"\r\n"), "{again}");
    }
}

#[test]
fn several_connections_are_used_at_once() {
    let Some(play) = Play::new() else { return };
    let three = "{\"artifact_format\": {\"files\": [\"x\", \"y\", \"z\"]}}";
    let wave = ["x", "y", "z"].map(|_| answer("200 OK", &[], "same"));
    let peer = Peer::in_waves(vec![vec![answer("200 OK", &[], three)], wave.to_vec()]);
    let (outcome, back) = play.get(&peer);
    outcome.succeeds();
    assert_eq!(names_in(&back).len(), 3);
}

#[test]
fn what_does_not_match_its_digest_replaces_nothing() {
    let Some(play) = Play::new() else { return };
    let digest = format!("Digest: {}", digest_of("right"));
    let wrong = answer("200 OK", &[&digest], "wrong");
    let peer = Peer::start(&[listing("x"), wrong.clone(), wrong]);
    fs::create_dir(play.client.scratch("back")).unwrap();
    fs::write(play.client.scratch("back/x"), "before").unwrap();
    let (outcome, back) = play.get(&peer);
    outcome.exits(1).complains(&["error: ", "x: what came does not match sha256:"]);
    assert_eq!(fs::read_to_string(back.join("x")).unwrap(), "before");
    assert_eq!(names_in(&back), ["x"]);
}

#[test]
fn no_file_is_written_outside_the_folder() {
    let Some(play) = Play::new() else { return };
    for path in ["../evil", "/evil", "a/../../evil", "a//b", "."] {
        let (outcome, back) = play.get(&Peer::start(&[listing(path)]));
        outcome.exits(1).complains(&["is no path that may be written here"]);
        assert!(names_in(&back).is_empty(), "{path}");
    }
    assert!(!play.client.scratch("evil").exists());
}

#[test]
fn requests_are_repeated_while_that_may_help() {
    let Some(play) = Play::new() else { return };
    let busy = || answer("503 Busy", &[], "503: Busy");
    let peer = Peer::start(&[busy(), String::new(), answer("200 OK", &[], "")]);
    play.run(&peer, &["lock", "b", "t"]).succeeds();
    assert!(peer.asked().iter().all(|asked| asked.starts_with("POST /branches/b/t/ ")));
    let peer = Peer::start(&[busy(), busy()]);
    let gave_up = play.run(&peer, &["--retries", "1", "branches"]).exits(1);
    assert_eq!(gave_up.err, "error: remote: 503: Busy\n");
    // The first try was heard, though its answer was lost.
    let peer = Peer::start(&[String::new(), answer("404 Not Found", &[], "404: gone")]);
    play.run(&peer, &["delete", "b", "t"]).succeeds();
    for refusal in ["400 Bad", "404 Not Found", "507 Full"] {
        let peer = Peer::start(&[answer(refusal, &[], refusal)]);
        let refused = play.run(&peer, &["delete", "b", "t"]).exits(1);
        assert_eq!(refused.err, format!("error: remote: {refusal}\n"));
    }
    let nobody = play.run(&Peer::start(&[]), &["--retries", "0", "branches"]).exits(1);
    assert!(nobody.err.starts_with("error: 127.0.0.1:"), "{}", nobody.err);
}

#[test]
fn a_change_is_not_redirected_and_reading_is() {
    let Some(play) = Play::new() else { return };
    let away = || answer("302 Found", &["Location: /elsewhere/"], "302: Found");
    for command in [["lock", "b", "t"], ["delete", "b", "t"]] {
        let peer = Peer::start(&[away()]);
        play.run(&peer, &command).exits(1).complains(&["/elsewhere/", "is not repeated there"]);
    }
    let peer = Peer::start(&[away(), answer("200 OK", &[], "{\"branches\": []}")]);
    play.run(&peer, &["branches"]).succeeds();
    assert!(peer.asked()[1].starts_with("GET /elsewhere/ HTTP/1.1\r\n"));
    // Credentials stay with the server that they are for.
    let other = Peer::start(&[answer("200 OK", &[], "{\"branches\": []}")]);
    let place = format!("Location: {}/", other.url());
    let peer = Peer::start(&[answer("302 Found", &[&place], "")]);
    let mut command = play.command(&peer, &["-p", "/", "branches"]);
    Outcome::of(command.env("LARDER_TOKEN", "secret")).succeeds();
    assert!(peer.asked()[0].contains("\r\nAuthorization: Bearer secret\r\n"));
    assert!(!other.asked()[0].contains("Authorization"));
}

#[test]
fn variables_tell_who_we_are() {
    let Some(play) = Play::new() else { return };
    for (variables, header) in [
        (vec![("DLREPO_USER", "a"), ("DLREPO_PASSWORD", "p:w")], "Basic YTpwOnc="),
        (vec![("DLREPO_USER", "b"), ("LARDER_USER", "a"), ("LARDER_PASSWORD", "")], "Basic YTo="),
        (vec![("LARDER_TOKEN", "t"), ("DLREPO_PASSWORD", "p")], "Bearer t"),
    ] {
        let peer = Peer::start(&[answer("401 Unauthorized", &[], "401: Unauthorized")]);
        let mut command = play.command(&peer, &["branches"]);
        let refused = Outcome::of(command.envs(variables)).exits(1);
        assert_eq!(refused.err, "error: remote: 401: Unauthorized\n");
        let asked = &peer.asked()[0];
        assert!(asked.contains(&format!("\r\nAuthorization: {header}\r\n")), "{asked}");
    }
    // Whoever said nothing is told how to.
    let peer = Peer::start(&[answer("401 Unauthorized", &[], "401: Unauthorized")]);
    let mut command = play.command(&peer, &["--prefix", "/", "branches"]);
    let refused = Outcome::of(&mut command).exits(1).err;
    assert!(refused.contains("LARDER_TOKEN, or LARDER_USER and LARDER_PASSWORD"), "{refused}");
}

#[test]
fn flush_deletes_each_branch_of_the_user() {
    let Some(play) = Play::new() else { return };
    let branches = "{\"branches\": [{\"name\": \"a b\"}, {\"name\": \"c\"}]}";
    let done = || answer("200 OK", &[], "");
    let peer = Peer::start(&[answer("200 OK", &[], branches), done(), done()]);
    let mut command = play.command(&peer, &["flush"]);
    Outcome::of(command.env("DLREPO_USER", "al")).succeeds();
    let lines: Vec<_> = peer.asked().iter().map(|asked| first_line(asked)).collect();
    let wanted = ["GET /~al/branches/", "DELETE /~al/branches/a%20b/", "DELETE /~al/branches/c/"];
    assert_eq!(lines, wanted.map(|line| format!("{line} HTTP/1.1")));
}

fn first_line(asked: &str) -> String {
    asked.lines().next().unwrap_or_default().to_owned()
}

/// Runs the rest of its arguments on a terminal of its own and types a password when asked.
const TERMINAL: &str = r#"
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while True:
    try:
        block = os.read(terminal, 1024)
    except OSError:
        break
    if not block:
        break
    said += block
    # The question may come in more than one piece.
    if said.endswith(b": ") and b"Password" in said.split(b"\n")[-1]:
        os.write(terminal, b"geheim\n")
print(said.decode())
sys.exit(os.waitpid(child, 0)[1] >> 8)
"#;

#[test]
fn on_a_terminal_the_password_is_asked_for_and_progress_is_shown() {
    let Some(play) = Play::new() else { return };
    let digest = format!("Digest: {}", digest_of("hello"));
    let peer = Peer::start(&[
        answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], "401: Unauthorized"),
        listing("x"),
        answer("200 OK", &[&digest], "hello"),
    ]);
    let back = play.client.scratch("back");
    let script = play.script.to_str().unwrap();
    let (url, back) = (peer.url(), back.to_str().unwrap());
    let mut command = Command::new("python3");
    command.args(["-I", "-c", TERMINAL, "python3", script, "-U", &url, "-p", "/"]);
    command.args(["get", "b", "t", "j", "f", back]).env("DLREPO_USER", "al");
    let outcome = Outcome::of(command.env_remove("DLREPO_PASSWORD")).succeeds();
    let host = url.trim_start_matches("http://");
    for said in [format!("Password for al at {host}: "), "0/1 files  0".to_owned()] {
        assert!(outcome.out.contains(&said), "no {said:?} in {:?}", outcome.out);
    }
    let asked = peer.asked();
    assert!(asked[0].contains("\r\nAuthorization: Basic YWw6\r\n"), "{}", asked[0]);
    for later in &asked[1..] {
        assert!(later.contains("\r\nAuthorization: Basic YWw6Z2VoZWlt\r\n"), "{later}");
    }
    assert_eq!(fs::read_to_string(Path::new(back).join("x")).unwrap(), "hello");
}
