//! The unmodified client of dlrepo in a user's repository, where it works unless it is told
//! otherwise (spec dlrepo §13, §16).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::harness::{Outcome, TestServer, needs, needs_client, noise};

const QUOTA: &str = "700000";

struct Setting {
    client: PathBuf,
    server: TestServer,
}

impl Setting {
    fn new() -> Option<Self> {
        needs("python3")?;
        let client = needs_client("dlrepo-cli")?;
        let server = TestServer::swept_at_once().with("quota", QUOTA).start();
        let files = server.scratch("files");
        fs::create_dir_all(files.join("sub")).unwrap();
        fs::write(files.join("large.bin"), noise(1, 300_000)).unwrap();
        fs::write(files.join("sub/small"), "small").unwrap();
        Some(Self { client, server })
    }

    fn run(&self, options: &[&str], arguments: &[&str]) -> Outcome {
        let mut command = Command::new("python3");
        command.args(["-I", "-S"]).arg(&self.client).args(["--url", &self.server.url("/")]);
        command.arg("--no-print-url").args(options).args(arguments);
        command.env("HOME", self.server.scratch("")).env("DLREPO_USER", "alice");
        Outcome::of(command.env("DLREPO_PASSWORD", "secret").env_remove("http_proxy"))
    }

    fn upload(&self, options: &[&str], tag: &str) -> Outcome {
        let files = self.server.scratch("files");
        self.run(options, &["upload", "Main", tag, "job", "fmt", files.to_str().unwrap()])
    }
}

#[test]
fn dlrepo_cli_works_in_a_users_repository_and_flushes_it() {
    let Some(setting) = Setting::new() else { return };
    let server = &setting.server;
    // Without --prefix it is the repository of DLREPO_USER.
    let said = setting.upload(&[], "1").succeeds();
    let place = server.url("/~alice/branches/main/1/job/fmt/");
    assert!(said.out.contains(&format!("Browse/Download: {place}")), "{}", said.out);
    setting.upload(&["--prefix", "/~alice/"], "2").succeeds();
    setting.run(&[], &["set-info", "other", "1", "job", "arch=arm"]).succeeds();
    let said = setting.run(&["--prefix", "/~alice/"], &["branches"]).succeeds();
    assert_eq!(said.out, "main\nother\n");
    assert_eq!(setting.run(&[], &["tags", "main"]).succeeds().out, "1\n2\n");
    let back = server.scratch("back");
    fs::create_dir_all(back.join("sub")).unwrap();
    setting.run(&[], &["get", "main", "latest", "job", "fmt", back.to_str().unwrap()]).succeeds();
    assert!(fs::read(back.join("large.bin")).unwrap() == noise(1, 300_000));
    server.get("/branches/").expect(200).json_is(&json!({"branches": []}));

    // Nothing is sent of what is known; it counts all the same.
    let refused = setting.upload(&[], "3").exits(1);
    let says = "400: User alice quota exceeded (600K/700K). Please make some ménage.";
    assert!(refused.err.ends_with(&format!("error: remote: {says}\n")), "{}", refused.err);
    fs::write(server.scratch("files/large.bin"), noise(2, 300_000)).unwrap();
    let refused = setting.upload(&[], "4").exits(1);
    assert!(refused.err.ends_with(&format!("error: remote: {says}\n")), "{}", refused.err);
    // In place of another there is room for it.
    setting.upload(&[], "2").succeeds();

    setting.upload(&["--prefix", "/~bob/"], "1").succeeds();
    setting.upload(&["--prefix", "/"], "1").succeeds();
    let refused = setting.run(&["--prefix", "/"], &["flush"]).exits(1);
    refused.complains(&["is not a user space, refusing to flush"]);
    let said = setting.run(&[], &["flush"]).succeeds();
    assert!(said.out.contains("deleting all branches in"), "{}", said.out);
    server.get("/~alice/branches/").expect(200).json_is(&json!({"branches": []}));
    for path in ["/~bob/branches/main/1/job/fmt/", "/branches/main/1/job/fmt/"] {
        server.get(path).expect(200);
    }
    let page = server.get("/~alice/").expect(200).text();
    assert!(page.contains("<th>Disk usage</th><td title=\"0 bytes\">0</td>"), "{page}");
    setting.upload(&[], "1").succeeds();
}
