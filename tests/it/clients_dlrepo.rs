//! The unmodified client of dlrepo against the server (spec dlrepo §16). Our own client goes
//! through the same scenarios: see `clients_cli.rs`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::harness::{Outcome, TestServer, eventually, needs, needs_client, noise};

/// The client, a server, and a folder with files to upload.
pub struct Setting {
    client: PathBuf,
    pub server: TestServer,
    /// How a name with a capital letter goes into a URL.
    main: &'static str,
}

impl Setting {
    fn new() -> Option<Self> {
        needs("python3")?;
        let client = needs_client("dlrepo-cli")?;
        Some(Self::with(client, TestServer::start(), "Main"))
    }

    /// With another client, which spells the branch `Main` in this way.
    pub fn with(client: PathBuf, server: TestServer, main: &'static str) -> Self {
        let files = server.scratch("files");
        fs::create_dir_all(files.join("sub")).unwrap();
        fs::write(files.join("small.txt"), "small").unwrap();
        fs::write(files.join("large.bin"), noise(1, 300_000)).unwrap();
        fs::write(files.join("sub/empty"), "").unwrap();
        Self { client, server, main }
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        // The client needs only what comes with Python; without the rest it starts faster.
        let mut command = Command::new("python3");
        command.args(["-I", "-S"]);
        command.arg(&self.client).args(["--url", &self.server.url("/"), "--prefix", "/"]);
        command.arg("--no-print-url").args(arguments);
        command.env("HOME", self.server.scratch("")).env("DLREPO_USER", "alice");
        Outcome::of(command.env("DLREPO_PASSWORD", "secret").env_remove("http_proxy"))
    }

    #[track_caller]
    pub fn says(&self, arguments: &[&str], lines: &[&str]) {
        let outcome = self.run(arguments).succeeds();
        assert_eq!(outcome.out.lines().collect::<Vec<_>>(), lines, "{arguments:?}");
    }

    #[track_caller]
    pub fn fails(&self, arguments: &[&str], reason: &str) {
        let outcome = self.run(arguments).exits(1);
        assert_eq!(outcome.err, format!("error: remote: {reason}\n"), "{arguments:?}");
    }

    pub fn upload(&self, tag: &str) -> Outcome {
        let files = self.server.scratch("files");
        self.run(&["upload", "Main", tag, "job", "fmt", files.to_str().unwrap()]).succeeds()
    }
}

#[test]
fn dlrepo_cli_uploads_links_and_gets() {
    if let Some(setting) = Setting::new() {
        uploads_links_and_gets(&setting);
    }
}

pub fn uploads_links_and_gets(setting: &Setting) {
    let server = &setting.server;
    let said = setting.upload("1");
    let place = server.url("/branches/main/1/job/fmt/");
    assert!(said.out.contains(&format!("Browse/Download: {place}")), "{}", said.out);
    let format = server.get("/branches/main/1/job/fmt/").expect(200).json();
    let files = serde_json::json!(["large.bin", "small.txt", "sub/empty"]);
    assert_eq!(format["artifact_format"]["files"], files);
    assert_eq!(format["artifact_format"]["dirty"], false);
    let puts = |path: &str| {
        let log = server.log();
        let log = log.lines().filter(|line| line.contains(path)).map(str::to_owned);
        log.collect::<Vec<_>>()
    };
    let main = setting.main;
    assert!(puts(&format!("HEAD /branches/{main}/1/job/fmt/large.bin 404")).len() == 1);
    // The second time nothing is sent: the client asks, and links.
    let received = server.blob_files();
    setting.upload("2");
    assert!(puts(&format!("HEAD /branches/{main}/2/job/fmt/large.bin 200")).len() == 1);
    assert!(puts(&format!("PUT /branches/{main}/2/job/fmt/large.bin 201")).len() == 1);
    assert_eq!(server.blob_files(), received);

    let back = server.scratch("back");
    fs::create_dir_all(back.join("sub")).unwrap();
    setting.run(&["get", "main", "latest", "job", "fmt", back.to_str().unwrap()]).succeeds();
    assert!(fs::read(back.join("large.bin")).unwrap() == noise(1, 300_000));
    assert_eq!(fs::read(back.join("small.txt")).unwrap(), b"small");
    assert_eq!(fs::read(back.join("sub/empty")).unwrap(), b"");
    let missing = ["get", "main", "none", "job", "fmt", back.to_str().unwrap()];
    setting.fails(&missing, "404: /branches/main/none/ does not exist");
}

#[test]
fn dlrepo_cli_shows_and_sets_metadata() {
    if let Some(setting) = Setting::new() {
        shows_and_sets_metadata(&setting);
    }
}

pub fn shows_and_sets_metadata(setting: &Setting) {
    setting.run(&["set-info", "main", "1", "job", "arch=X86", "gone=soon"]).succeeds();
    setting.run(&["set-info", "main", "1", "job", "gone="]).succeeds();
    let info = setting.run(&["get-info", "main", "1", "job"]).succeeds();
    for line in ["arch=x86", "locked=False", "name=job", "internal=False", "digest="] {
        assert!(info.out.lines().any(|said| said == line), "no {line} in {}", info.out);
    }
    assert!(!info.out.contains("gone"), "{}", info.out);
    setting.upload("1");
    setting.run(&["set-info", "main", "1", "other", "arch=arm"]).succeeds();
    setting.says(&["jobs", "main", "1"], &["job", "other"]);
    setting.says(&["jobs", "main", "1", "arch=arm"], &["other"]);
    setting.says(&["jobs", "main", "1", "locked=False"], &["job", "other"]);
    setting.run(&["internal", "main", "1", "job"]).succeeds();
    let internal = |wanted: &str| {
        let info = setting.run(&["get-info", "main", "1", "job"]).succeeds();
        assert!(info.out.contains(&format!("internal={wanted}\n")), "{}", info.out);
    };
    internal("True");
    setting.run(&["internal", "-u", "main", "1", "job"]).succeeds();
    internal("False");
    let json = setting.run(&["-j", "get-info", "main", "1", "job"]).succeeds();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["job"]["artifact_formats"], serde_json::json!(["fmt"]));
}

#[test]
fn dlrepo_cli_shows_and_sets_what_a_tag_is() {
    if let Some(setting) = Setting::new() {
        shows_and_sets_what_a_tag_is(&setting);
    }
}

pub fn shows_and_sets_what_a_tag_is(setting: &Setting) {
    for tag in ["1", "2"] {
        setting.upload(tag);
    }
    setting.says(&["branches"], &["main"]);
    setting.says(&["tags", "main"], &["1", "2"]);
    setting.says(&["tags", "-r", "main"], &[]);
    setting.run(&["release", "main", "1"]).succeeds();
    setting.run(&["stable", "main", "1"]).succeeds();
    setting.run(&["lock", "main", "1"]).succeeds();
    setting.says(&["tags", "-r", "main"], &["1"]);
    let status = ["released=True", "stable=True", "locked=True", "publish_status=None"];
    setting.says(&["status", "main", "stable"], &status);
    setting.says(&["-v", "branches"], &["main: released 1 daily 1 locked 1"]);
    setting.run(&["set-description", "main", "1", "one\ntwo"]).succeeds();
    setting.says(&["get-description", "main", "1"], &["one", "two"]);
    setting.says(&["get-description", "main", "2"], &[]);
    setting.fails(&["delete", "main", "1"], "400: Tag 1 is locked");
    setting.fails(&["delete", "main"], "400: Tag 1 is locked");
    setting.run(&["lock", "-u", "main", "1"]).succeeds();
    setting.fails(&["delete", "main", "1"], "400: Tag 1 is released, unrelease it first");
    setting.run(&["release", "-u", "main", "1"]).succeeds();
    setting.run(&["stable", "-u", "main", "1"]).succeeds();
    let status = ["released=False", "stable=False", "locked=False", "publish_status=None"];
    setting.says(&["status", "main", "1"], &status);
    setting.run(&["delete", "main", "1"]).succeeds();
    setting.says(&["tags", "main"], &["2"]);
}

#[test]
fn dlrepo_cli_locks_jobs_and_deletes_at_every_level() {
    if let Some(setting) = Setting::new() {
        locks_jobs_and_deletes_at_every_level(&setting);
    }
}

pub fn locks_jobs_and_deletes_at_every_level(setting: &Setting) {
    let files = setting.server.scratch("files/small.txt");
    let files = files.to_str().unwrap();
    setting.upload("1");
    setting.run(&["lock", "main", "1", "job"]).succeeds();
    let refused = setting.run(&["upload", "main", "1", "job", "fmt", files]).exits(1);
    refused.complains(&["error: remote: 400: Cannot upload files in locked jobs"]);
    let refusal = "400: Cannot delete format: job is locked";
    setting.fails(&["delete", "main", "1", "job", "fmt"], refusal);
    setting.run(&["lock", "-u", "main", "1", "job"]).succeeds();
    setting.run(&["upload", "main", "1", "job", "other", files]).succeeds();
    for (below, gone) in [
        (vec!["1", "job", "fmt"], "/branches/main/1/job/fmt/"),
        (vec!["1", "job"], "/branches/main/1/job/"),
        (vec!["1"], "/branches/main/1/"),
        (vec![], "/branches/main/"),
    ] {
        setting.run(&[&["delete", "Main"][..], &below].concat()).succeeds();
        setting.server.get(gone).expect(404);
    }
    eventually("the space", || (setting.server.blob_files().0 == 0).then_some(()));
}

#[test]
fn dlrepo_cli_sets_the_cleanup_policy() {
    if let Some(setting) = Setting::new() {
        sets_the_cleanup_policy(&setting);
    }
}

pub fn sets_the_cleanup_policy(setting: &Setting) {
    for tag in ["1", "2", "3"] {
        setting.upload(tag);
    }
    let policy = ["cleanup-policy", "main"];
    setting.says(&policy, &["max_daily_tags=0", "max_released_tags=0"]);
    setting.run(&["cleanup-policy", "main", "-d", "1", "-r", "4"]).succeeds();
    setting.says(&policy, &["max_daily_tags=1", "max_released_tags=4"]);
    setting.server.sweep_and_wait();
    setting.says(&["tags", "main"], &["3"]);
    setting.fails(&["cleanup-policy", "none", "-d", "1"], "404: /branches/none/ does not exist");
}

#[test]
fn dlrepo_cli_makes_a_version_and_gets_its_files() {
    let Some(setting) = Setting::new() else { return };
    setting.upload("1");
    let keys = ["product=Box", "product_variant=arm64", "product_branch=1", "version=1.0"];
    let set = [&["set-info", "main", "1", "job"][..], &keys].concat();
    // The client prints where the version is, unless it is asked not to.
    let mut command = Command::new("python3");
    command.args(["-I", "-S"]).arg(&setting.client);
    command.args(["--url", &setting.server.url("/"), "--prefix", "/"]).args(&set);
    let said = Outcome::of(command.env("HOME", setting.server.scratch(""))).succeeds();
    let url = setting.server.url("/products/box/arm64/1/1.0/");
    assert!(said.out.contains(&url), "{} is not in {}", url, said.out);
    let page = setting.server.get("/products/box/arm64/1/1.0/fmt/small.txt").expect(200);
    page.body_is("small");
    // A conflict is told with its reason.
    setting.run(&["set-info", "main", "2", "job", "arch=x"]).succeeds();
    let files = setting.server.scratch("files");
    setting.run(&["upload", "main", "2", "job", "fmt", files.to_str().unwrap()]).succeeds();
    let refused = setting.run(&[&["set-info", "main", "2", "job"][..], &keys].concat()).exits(1);
    refused.complains(&["400", "format fmt ", "/branches/main/1/job/"]);
}
