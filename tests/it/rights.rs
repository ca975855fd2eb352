//! Files of rules, as an operator meets them (spec dlrepo §15): what holds for whoever is not
//! logged in, reading the files again, wrong files, and `larder acl check`.
//!
//! Who may do what, route by route, is a table beside the guard (`src/http/guard/tests`).

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::harness::server::Builder;
use super::harness::{Outcome, TestServer, eventually, larder};

const FILE: &str = "/branches/open/t/j/f/x";
const SECRET: &str = "/branches/secret/t/j/f/x";

/// A server with two branches, and the rules of this text for whoever is not logged in.
struct Ruled {
    server: TestServer,
    folder: tempfile::TempDir,
}

impl Ruled {
    fn new(rules: &str) -> Self {
        Self::with(TestServer::swept_at_once(), rules)
    }

    fn with(builder: Builder, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = builder.start();
        server.holds(FILE, "open");
        server.holds(SECRET, "secret");
        write(folder.path(), rules);
        server.change("acls-dir", folder.path().to_str().unwrap());
        server.change("auth", "on");
        server.restart();
        Self { server, folder }
    }

    fn reload(&self, rules: &str, words: &[&str]) {
        write(self.folder.path(), rules);
        self.server.signal(Signal::HUP);
        self.server.logs(words);
    }
}

/// The harness looks at the sweeps, so that is granted beside `rules`.
fn write(folder: &Path, rules: &str) {
    fs::write(folder.join("ANONYMOUS"), format!("{rules}r /-/sweeps\n")).unwrap();
}

#[test]
fn whoever_is_not_logged_in_reads_what_their_file_grants_and_changes_nothing() {
    let ruled = Ruled::new("rw /branches/** !/branches/secret/**\n");
    let server = &ruled.server;
    server.get(FILE).expect(200).body_is("open");
    for target in [
        SECRET,
        "/branches/SECRET/t/j/f/x",
        "/branches/%53ecret/",
        "/branches/secret",
        "/branches/secret/latest/j/f/x",
        "/",
        "/-/stats",
        "/nothing",
        "/~user/branches/",
    ] {
        let realm = "Basic realm=\"Larder\", charset=\"UTF-8\"";
        let refused = server.get(target).expect(401);
        refused.has("www-authenticate", realm).says("Unauthorized");
    }
    let names = server.get("/branches/").expect(200).json();
    assert_eq!(names["branches"].as_array().unwrap().len(), 1, "{names}");
    server.put("/branches/open/t/j/f/y").body("y").expect(401);
    server.delete("/branches/open/").expect(401);
    server.patch("/branches/open/t/j/f/").expect(401);
    server.post("/-/sweeps").expect(401);
    for target in ["/-/health", "/-/ready"] {
        server.get(target).expect(200);
    }
    // Of what may not be read nothing is told.
    server.head(FILE).digest_of("secret").expect(404);
    server.head(FILE).digest_of("open").expect(200);
}

#[test]
fn a_hang_up_reads_the_rules_again_at_once() {
    let ruled = Ruled::with(
        TestServer::swept_at_once().expecting("the rules stay as they were"),
        "r /branches/secret/**\n",
    );
    let server = &ruled.server;
    server.get(FILE).expect(401);
    ruled.reload("r /branches/open/**\n", &["are in force"]);
    server.get(FILE).expect(200);
    server.get(SECRET).expect(401);
    let wrong = ["ANONYMOUS, line 2", "unclosed group", "correct them"];
    ruled.reload("r /branches/secret/**\nr ~(\n", &wrong);
    server.get(FILE).expect(200);
    server.get(SECRET).expect(401);
    write(ruled.folder.path(), "r /branches/**\n");
    server.signal(Signal::HUP);
    eventually("the rules to be read", || (server.get(SECRET).send().status == 200).then_some(()));
}

#[test]
fn a_wrong_file_keeps_a_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let acls = folder.path().join("acls");
    fs::create_dir(&acls).unwrap();
    fs::write(acls.join("dev"), "# fine\nr /a ~[b\n").unwrap();
    let data = folder.path().join("data");
    let start = |acls: &str| {
        let mut command = larder(&["serve", "--listen=127.0.0.1:0", "--acls-dir", acls, "--data"]);
        Outcome::of(command.arg(&data)).exits(2)
    };
    start(acls.to_str().unwrap()).complains(&["acls/dev, line 2", "unclosed character class"]);
    start("/nowhere").complains(&["/nowhere", "cannot be read"]);
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn rules_that_do_not_hold_are_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "");
    let server = TestServer::with("acls-dir", folder.path().to_str().unwrap()).start();
    server.logs(&["WARN", "do not hold", "--auth on"]);
}

#[test]
fn a_check_tells_the_line_that_decides() {
    let folder = tempfile::tempdir().unwrap();
    let acls = folder.path().to_str().unwrap();
    fs::write(folder.path().join("dev"), "r /branches/**\nra ~/branches/dev/\n").unwrap();
    fs::write(folder.path().join("ANONYMOUS"), "r /\nx /branches/\n").unwrap();
    let check = |arguments: &str| {
        let words: Vec<_> = arguments.split(' ').collect();
        let mut command = larder(&["acl", "check", "--data", "/nowhere", "--acls-dir", acls]);
        Outcome::of(command.args(words))
    };
    let line = |name: &str, number: u8| format!("{acls}/{name}, line {number}");
    let allowed = check("eve PUT /branches/DEV/t/j/f/x --groups dev").exits(0);
    assert!(
        allowed.out.contains("allowed") && allowed.out.contains(&line("dev", 2)),
        "{allowed:?}"
    );
    assert!(allowed.out.contains("end it with $"), "{allowed:?}");
    let refused = check("eve DELETE /branches/DEV/ --groups dev").exits(1);
    assert!(refused.out.contains("refused") && refused.out.contains("add only"), "{refused:?}");
    let nobody = check("- GET /branches/").exits(1);
    nobody.complains(&["ANONYMOUS, line 2 grants nothing"]);
    let answer = check("eve GET /branches/b --groups qa,dev --json").exits(0);
    let answer: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(answer["allowed"], json!(true));
    check("eve GET /-/health").exits(0);
    let alias = check("eve GET /branches/b/latest/?released --groups dev").exits(0);
    assert!(alias.out.contains("this is an alias"), "{alias:?}");
    check("eve GET /x --groups dev").exits(1);
    fs::write(folder.path().join("dev"), "r ~(").unwrap();
    check("eve GET /x").exits(2).complains(&[&line("dev", 1)]);
}
