//! The unmodified client of dlrepo where people log in: each of its commands by a user whom rules
//! let do it, in the shared tree and in the user's own repository, and by others (spec dlrepo
//! §15, §16).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::harness::people::password_of;
use super::harness::{Outcome, TestServer, needs, needs_client, noise};

const RULES: [(&str, &str); 2] = [
    ("dev", "r /branches/\nrw /branches/main/**\nr /products/**\nrw /~$user/**\n"),
    ("readers", "r /branches/\nr /branches/main/** !/branches/main/*/job/secret/**\n"),
];
const VERSION: [&str; 4] =
    ["product=Box", "product_variant=arm64", "product_branch=1", "version=1.0"];

struct Setting {
    client: PathBuf,
    server: TestServer,
    used: RefCell<BTreeSet<String>>,
    _acls: Option<tempfile::TempDir>,
}

impl Setting {
    /// With these files of rules; without any, with the built-in ones.
    fn new(rules: &[(&str, &str)]) -> Option<Self> {
        needs("python3")?;
        let client = needs_client("dlrepo-cli")?;
        let acls = (!rules.is_empty()).then(|| tempfile::tempdir().unwrap());
        let mut builder = TestServer::with_people();
        if let Some(acls) = &acls {
            for (group, lines) in rules {
                fs::write(acls.path().join(group), lines).unwrap();
            }
            builder = builder.with("acls-dir", acls.path().to_str().unwrap());
        }
        let server = builder.start();
        for (login, group) in [("alice", "dev"), ("bob", "readers")] {
            server.has_user(login, &[group]);
        }
        let files = server.scratch("files");
        fs::create_dir_all(files.join("sub")).unwrap();
        fs::write(files.join("large.bin"), noise(1, 300_000)).unwrap();
        fs::write(files.join("sub/small"), "small").unwrap();
        Some(Self { client, server, used: RefCell::default(), _acls: acls })
    }

    fn by(&self, login: &str, password: &str, prefix: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("python3");
        command.args(["-I", "-S"]).arg(&self.client).args(["--url", &self.server.url("/")]);
        command.args(["--no-print-url", "--prefix", prefix]).args(arguments);
        command.env("HOME", self.server.scratch("")).env("DLREPO_USER", login);
        Outcome::of(command.env("DLREPO_PASSWORD", password).env_remove("http_proxy"))
    }

    /// Alice says it and it is done.
    #[track_caller]
    fn does(&self, prefix: &str, arguments: &[&str]) -> String {
        self.used.borrow_mut().insert(arguments[0].to_owned());
        self.by("alice", &password_of("alice"), prefix, arguments).succeeds().out
    }

    #[track_caller]
    fn refuses(&self, login: &str, prefix: &str, arguments: &[&str]) {
        let refused = self.by(login, &password_of(login), prefix, arguments).exits(1);
        refused.complains(&["403: Forbidden"]);
    }

    fn files(&self) -> String {
        self.server.scratch("files").to_str().unwrap().to_owned()
    }

    /// All commands that the client's help names.
    fn commands(&self) -> BTreeSet<String> {
        let help = self.by("alice", "", "/", &["--help"]).succeeds().out;
        let (_, below) = help.split_once("SUB_COMMAND\n").expect("a list of commands");
        let names = below.lines().filter_map(|line| line.strip_prefix("    "));
        let names = names.filter(|name| !name.starts_with(' '));
        names.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }
}

/// Each command but `flush`, with what it makes of the tree.
fn does_everything(setting: &Setting, prefix: &str) {
    let says = |arguments: &[&str], lines: &str| {
        assert_eq!(setting.does(prefix, arguments), lines, "{prefix} {arguments:?}");
    };
    let does = |arguments: &[&str]| says(arguments, "");
    let has = |arguments: &[&str], line: &str| {
        let out = setting.does(prefix, arguments);
        assert!(out.lines().any(|said| said == line), "{prefix} {arguments:?}: {out}");
    };
    let files = setting.files();
    setting.does(prefix, &["upload", "Main", "1", "job", "fmt", &files]);
    // Linked, not sent again.
    setting.does(prefix, &["upload", "Main", "2", "job", "fmt", &files]);
    let back = setting.server.scratch(&format!("back{}", prefix.replace('/', "-")));
    fs::create_dir_all(back.join("sub")).unwrap();
    does(&["get", "main", "latest", "job", "fmt", back.to_str().unwrap()]);
    assert!(fs::read(back.join("large.bin")).unwrap() == noise(1, 300_000));
    assert_eq!(fs::read(back.join("sub/small")).unwrap(), b"small");
    let said = setting.does(prefix, &[&["set-info", "main", "1", "job"][..], &VERSION].concat());
    assert!(said.contains("/products/box/arm64/1/1.0/"), "{said}");
    has(&["get-info", "main", "1", "job"], "version=1.0");
    does(&["lock", "main", "1", "job"]);
    has(&["get-info", "main", "1", "job"], "locked=True");
    does(&["lock", "-u", "main", "1", "job"]);
    does(&["lock", "main", "1"]);
    has(&["status", "main", "1"], "locked=True");
    does(&["lock", "-u", "main", "1"]);
    does(&["set-description", "main", "1", "words"]);
    says(&["get-description", "main", "1"], "words\n");
    says(&["branches"], "main\n");
    says(&["tags", "main"], "1\n2\n");
    says(&["jobs", "main", "1"], "job\n");
    for (command, flag) in [("release", "released=True"), ("stable", "stable=True")] {
        does(&[command, "main", "1"]);
        has(&["status", "main", "1"], flag);
        does(&[command, "-u", "main", "1"]);
    }
    does(&["internal", "main", "1", "job"]);
    has(&["get-info", "main", "1", "job"], "internal=True");
    does(&["internal", "-u", "main", "1", "job"]);
    does(&["cleanup-policy", "main", "-d", "5", "-r", "6"]);
    says(&["cleanup-policy", "main"], "max_daily_tags=5\nmax_released_tags=6\n");
    for below in [&["1", "job", "fmt"][..], &["1", "job"], &["1"], &[]] {
        does(&[&["delete", "Main"][..], below].concat());
    }
    says(&["branches"], "");
}

/// What changes something, each with a tag that exists.
fn changes(files: &str) -> [Vec<&str>; 13] {
    [
        vec!["upload", "main", "1", "job", "new", files],
        vec!["set-info", "main", "1", "job", "a=b"],
        vec!["lock", "main", "1", "job"],
        vec!["lock", "-u", "main", "1", "job"],
        vec!["lock", "main", "1"],
        vec!["set-description", "main", "1", "x"],
        vec!["release", "main", "1"],
        vec!["stable", "main", "1"],
        vec!["internal", "main", "1", "job"],
        vec!["delete", "main", "1", "job", "fmt"],
        vec!["delete", "main", "1"],
        vec!["delete", "main"],
        vec!["cleanup-policy", "main", "-d", "1"],
    ]
}

#[test]
fn dlrepo_cli_does_everything_that_rules_grant() {
    let Some(setting) = Setting::new(&RULES) else { return };
    does_everything(&setting, "/");
    let files = setting.files();
    for format in ["fmt", "secret"] {
        setting.does("/", &["upload", "main", "1", "job", format, &files]);
    }
    // Outside of what is granted nothing is done, nor told.
    setting.refuses("alice", "/", &["upload", "other", "1", "job", "fmt", &files]);
    setting.refuses("alice", "/", &["tags", "other"]);
    for change in changes(&files) {
        setting.refuses("bob", "/", &change);
    }
    let bob =
        |arguments: &[&str]| setting.by("bob", &password_of("bob"), "/", arguments).succeeds().out;
    assert_eq!(bob(&["branches"]), "main\n");
    assert!(bob(&["get-info", "main", "1", "job"]).contains("artifact_formats=fmt\n"));
    let back = setting.server.scratch("bob");
    fs::create_dir_all(back.join("sub")).unwrap();
    let back = back.to_str().unwrap();
    bob(&["get", "main", "latest", "job", "fmt", back]);
    setting.refuses("bob", "/", &["get", "Main", "1", "job", "SECRET", back]);
    let wrong = setting.by("alice", "not hers", "/", &["branches"]).exits(1);
    wrong.complains(&["401"]);
}

#[test]
fn dlrepo_cli_does_everything_in_the_users_own_repository() {
    for rules in [&RULES[..], &[]] {
        let Some(setting) = Setting::new(rules) else { return };
        let (own, files) = ("/~alice/", setting.files());
        does_everything(&setting, own);
        setting.does(own, &["upload", "main", "1", "job", "fmt", &files]);
        for change in changes(&files).iter().step_by(if rules.is_empty() { 4 } else { 1 }) {
            setting.refuses("bob", own, change);
        }
        setting.refuses("alice", "/~bob/", &["upload", "main", "1", "job", "fmt", &files]);
        for reads in [&["branches"][..], &["tags", "main"], &["get-info", "main", "1", "job"]] {
            setting.refuses("bob", own, reads);
        }
        setting.refuses("bob", own, &["flush"]);
        assert_eq!(setting.does(own, &["branches"]), "main\n");
        assert!(setting.does(own, &["flush"]).contains("deleting all branches in"));
        assert_eq!(setting.does(own, &["branches"]), "");
        assert_eq!(*setting.used.borrow(), setting.commands(), "each command was tried");
    }
}
