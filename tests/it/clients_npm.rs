//! npm and pnpm, as they are, against our registry (spec gitlab §5): what a team does with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::npm::{Npm, base};
use super::harness::{Outcome, needs, needs_client};

/// A client with a home of its own.
struct Client<'a> {
    npm: &'a Npm,
    program: PathBuf,
    home: TempDir,
}

impl<'a> Client<'a> {
    fn npm(npm: &'a Npm) -> Option<Self> {
        Some(Self::of(npm, needs("npm")?))
    }

    fn pnpm(npm: &'a Npm) -> Option<Self> {
        needs("node")?;
        Some(Self::of(npm, needs_client("npm/node_modules/.bin/pnpm")?))
    }

    fn of(npm: &'a Npm, program: PathBuf) -> Self {
        let client = Self { npm, program, home: TempDir::with_prefix("larder-npm-").unwrap() };
        client.uses(&base(npm.project), "registry", &npm.root);
        client
    }

    /// Lets the client use this registry with that token from now on.
    fn uses(&self, base: &str, key: &str, token: &str) {
        let host = self.npm.server.address();
        let text = format!("{key}=http://{host}{base}/\n//{host}{base}/:_authToken={token}\n");
        self.npmrc(&text);
    }

    fn npmrc(&self, text: &str) {
        let quiet = "update-notifier=false\nfund=false\nfetch-retries=0\n";
        fs::write(self.home.path().join(".npmrc"), format!("{text}{quiet}")).unwrap();
    }

    /// A folder with a package of these words in its package.json.
    fn package(&self, folder: &str, json: &Value) -> PathBuf {
        let folder = self.home.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("package.json"), json.to_string()).unwrap();
        fs::write(folder.join("index.js"), "module.exports = 'it works';\n").unwrap();
        folder
    }

    fn attempt(&self, folder: &Path, line: &str) -> Outcome {
        let path = std::env::var_os("PATH").unwrap();
        let mut command = Command::new(&self.program);
        command.args(words(line)).current_dir(folder).env_clear().env("PATH", path);
        command.env("HOME", self.home.path()).env("NO_PROXY", "127.0.0.1").env("CI", "true");
        for (name, place) in [("cache", "cache"), ("store_dir", "store"), ("prefix", "global")] {
            command.env(format!("npm_config_{name}"), self.home.path().join(place));
        }
        Outcome::of(&mut command)
    }

    #[track_caller]
    fn run(&self, folder: &Path, line: &str) -> String {
        self.attempt(folder, line).succeeds().out
    }

    #[track_caller]
    fn publish(&self, name: &str, version: &str, more: &str) {
        let package = self.package("package", &json!({ "name": name, "version": version }));
        self.run(&package, &format!("publish {more}"));
    }

    #[track_caller]
    fn json(&self, folder: &Path, line: &str) -> Value {
        let out = self.run(folder, line);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{line}: {error}: {out}"))
    }

    /// Requires the installed package and gives back what it says.
    #[track_caller]
    fn works(folder: &Path, name: &str) {
        let node = needs("node").unwrap();
        let mut command = Command::new(node);
        command.args(["-p", &format!("require('{name}')")]).current_dir(folder);
        assert_eq!(Outcome::of(&mut command).succeeds().out, "it works\n");
    }
}

/// The words of a line, those between quotes as one.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[test]
fn npm_publishes_installs_and_installs_again_what_its_lock_file_says() {
    let npm = Npm::start();
    let Some(client) = Client::npm(&npm) else { return };
    for name in ["plain", "@acme/scoped"] {
        client.publish(name, "1.0.0", "");
        client.publish(name, "1.1.0", "");
    }
    let app = client.package("app", &json!({ "name": "app", "version": "0.0.0" }));
    client.run(&app, "install plain@^1.0.0 @acme/scoped");
    Client::works(&app, "plain");
    Client::works(&app, "@acme/scoped");
    let lock = fs::read_to_string(app.join("package-lock.json")).unwrap();
    let lock: Value = serde_json::from_str(&lock).unwrap();
    for name in ["plain", "@acme/scoped"] {
        let locked = &lock["packages"][format!("node_modules/{name}")];
        assert_eq!(locked["version"], "1.1.0");
        let told = npm.packument(&name.replace('/', "%2F"));
        assert_eq!(locked["integrity"], told["versions"]["1.1.0"]["dist"]["integrity"]);
    }
    fs::remove_dir_all(app.join("node_modules")).unwrap();
    fs::remove_dir_all(client.home.path().join("cache")).unwrap();
    client.run(&app, "ci");
    Client::works(&app, "@acme/scoped");
    // A lock file that says something else is believed, and the bytes are not.
    let wrong = lock.to_string().replace("sha512-", "sha512-AAAA");
    fs::write(app.join("package-lock.json"), wrong).unwrap();
    fs::remove_dir_all(client.home.path().join("cache")).unwrap();
    let refused = client.attempt(&app, "ci");
    assert!(refused.code != Some(0) && refused.err.contains("EINTEGRITY"), "{}", refused.err);
    // npm refuses a republish by itself; what the server says is seen when it is not asked first.
    let again = client.attempt(&client.home.path().join("package"), "publish --force");
    assert!(again.code != Some(0), "{}", again.out);
    client.run(&app, "audit");
}

#[test]
fn npm_views_tags_and_deprecates() {
    let npm = Npm::start();
    let Some(client) = Client::npm(&npm) else { return };
    client.publish("plain", "1.0.0", "");
    client.publish("plain", "2.0.0-rc.1", "--tag next");
    let home = client.home.path();
    let told = client.json(home, "view plain --json");
    assert_eq!(told["version"], "1.0.0");
    assert_eq!(told["versions"], json!(["1.0.0", "2.0.0-rc.1"]));
    assert_eq!(told["dist-tags"], json!({ "latest": "1.0.0", "next": "2.0.0-rc.1" }));
    assert!(told["time"]["1.0.0"].is_string(), "{told}");
    client.run(home, "dist-tag add plain@1.0.0 stable");
    let tags = client.run(home, "dist-tag ls plain");
    assert_eq!(tags, "latest: 1.0.0\nnext: 2.0.0-rc.1\nstable: 1.0.0\n");
    client.run(home, "dist-tag rm plain next");
    assert!(!client.run(home, "dist-tag ls plain").contains("next"));
    client.run(home, "deprecate plain@1.0.0 'use 2'");
    assert_eq!(client.json(home, "view plain@1.0.0 deprecated --json"), "use 2");
    let app = client.package("app", &json!({ "name": "app", "version": "0.0.0" }));
    assert!(client.attempt(&app, "install plain@1.0.0").succeeds().err.contains("use 2"));
    client.run(home, "deprecate plain@1.0.0 ''");
    assert_eq!(client.run(home, "view plain@1.0.0 deprecated"), "");
    assert_eq!(client.run(home, "whoami"), "admin\n");
    client.run(home, "ping");
    let missing = client.attempt(home, "view nothing --json");
    assert!(missing.code != Some(0) && missing.out.contains("E404"), "{}", missing.out);
    let unpublish = client.attempt(home, "unpublish plain@1.0.0 --force");
    assert!(unpublish.code != Some(0), "{}", unpublish.out);
    assert!(unpublish.err.contains("larder package"), "{}", unpublish.err);
}

#[test]
fn npm_installs_from_a_group_and_by_a_scope() {
    let npm = Npm::start();
    let Some(client) = Client::npm(&npm) else { return };
    client.publish("@acme/scoped", "1.0.0", "");
    let reporter = npm.has_member("rita", 20);
    let group = format!("/api/v4/groups/{}/-/packages/npm", npm.group);
    for (place, key) in [(group.as_str(), "registry"), ("/api/v4/packages/npm", "@acme:registry")] {
        let app = client.package(&format!("app of {key}"), &json!({ "name": "app" }));
        let host = npm.server.address();
        // Tarballs are at their project, so the token is for the whole server.
        client.npmrc(&format!("{key}=http://{host}{place}/\n//{host}/:_authToken={reporter}\n"));
        let _ = fs::remove_dir_all(client.home.path().join("cache"));
        client.run(&app, "install @acme/scoped");
        Client::works(&app, "@acme/scoped");
    }
    let next = json!({ "name": "@acme/scoped", "version": "1.0.1" });
    let package = client.package("package", &next);
    client.uses(&npm.base(), "registry", &reporter);
    let refused = client.attempt(&package, "publish");
    assert!(refused.code != Some(0) && refused.err.contains("403"), "{}", refused.err);
    client.uses(&npm.base(), "registry", "wrong");
    let refused = client.attempt(&package, "publish");
    assert!(refused.code != Some(0) && refused.err.contains("401"), "{}", refused.err);
}

#[test]
fn pnpm_publishes_installs_and_installs_again_what_its_lock_file_says() {
    let npm = Npm::start();
    let Some(client) = Client::pnpm(&npm) else { return };
    for name in ["plain", "@acme/scoped"] {
        client.publish(name, "1.0.0", "--no-git-checks");
    }
    let app = client.package("app", &json!({ "name": "app", "version": "0.0.0" }));
    client.run(&app, "add plain @acme/scoped");
    Client::works(&app, "plain");
    Client::works(&app, "@acme/scoped");
    let lock = fs::read_to_string(app.join("pnpm-lock.yaml")).unwrap();
    let told = npm.packument("plain");
    let integrity = told["versions"]["1.0.0"]["dist"]["integrity"].as_str().unwrap();
    assert!(lock.contains(integrity), "{lock}");
    fs::remove_dir_all(app.join("node_modules")).unwrap();
    fs::remove_dir_all(client.home.path().join("store")).unwrap();
    client.run(&app, "install --frozen-lockfile");
    Client::works(&app, "@acme/scoped");
    assert!(client.run(&app, "audit").contains("No known vulnerabilities"));
    let told = client.json(&app, "view plain --json");
    assert_eq!(told["version"], "1.0.0");
    client.run(&app, "dist-tag add plain@1.0.0 stable");
    assert!(client.run(&app, "dist-tag ls plain").contains("stable: 1.0.0"));
    client.run(&app, "deprecate plain@1.0.0 'use 2'");
    assert_eq!(npm.packument("plain")["versions"]["1.0.0"]["deprecated"], "use 2");
}
