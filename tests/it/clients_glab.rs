//! glab, GitLab's own command line: `glab api graphql` and `glab api` for REST, page after page.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::api_packages::Setting;
use super::harness::{Outcome, needs_client};

/// The client as `maintainer`.
struct Glab {
    program: PathBuf,
    home: TempDir,
    host: String,
}

impl Glab {
    fn new(setting: &Setting) -> Option<Self> {
        let program = needs_client("glab")?;
        let home = tempfile::tempdir().unwrap();
        let (host, token) = (setting.server.address().to_string(), setting.token("maintainer"));
        let hosts = json!({ &host: { "api_protocol": "http", "token": token } });
        // What is JSON is YAML too.
        let config = json!({ "check_update": false, "hosts": hosts }).to_string();
        let file = home.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, private).unwrap();
        Some(Self { program, home, host })
    }

    fn api(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(&self.program);
        command.arg("api").args(arguments).current_dir(self.home.path());
        command.env_clear().env("HOME", self.home.path()).env("GLAB_CONFIG_DIR", self.home.path());
        command.env("GITLAB_HOST", &self.host).env("NO_PROXY", "127.0.0.1").env("NO_PROMPT", "1");
        Outcome::of(&mut command)
    }

    fn graphql(&self, query: &str) -> Value {
        let told = self.api(&["graphql", "-f", &format!("query={query}")]).succeeds();
        serde_json::from_str(&told.out).unwrap()
    }
}

#[test]
fn glab_asks_and_deletes_by_graphql() {
    let setting = Setting::new("private");
    let Some(glab) = Glab::new(&setting) else { return };
    let found = glab.graphql("{ currentUser { username } }");
    assert_eq!(found["data"]["currentUser"]["username"], "maintainer");
    for version in ["1", "2", "3"] {
        setting.publishes(setting.app, "lib", version, "f", version);
    }
    let query = "{ project(fullPath: \"acme/app\") { packages { nodes { id version } } } }";
    let found = glab.graphql(query);
    let nodes = found["data"]["project"]["packages"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3, "{found}");
    let ids = json!([nodes[0]["id"], nodes[2]["id"]]);
    let deletion = format!(
        "mutation {{ destroyPackages(input: {{ids: {ids}}}) {{ errors clientMutationId }} }}"
    );
    let told = glab.graphql(&deletion);
    let payload = json!({ "errors": [], "clientMutationId": null });
    assert_eq!(told["data"]["destroyPackages"], payload, "{told}");
    let left = glab.graphql(query);
    let version = &left["data"]["project"]["packages"]["nodes"];
    assert_eq!(version.as_array().map(Vec::len), Some(1), "{left}");
    assert_eq!(version[0]["version"], nodes[1]["version"]);
}

#[test]
fn glab_goes_through_the_pages_of_both() {
    let setting = Setting::new("private");
    let Some(glab) = Glab::new(&setting) else { return };
    for version in 1..=5 {
        setting.publishes(setting.app, "lib", &version.to_string(), "f", "x");
    }
    let query = "query($endCursor: String) { project(fullPath: \"acme/app\") { \
                 packages(first: 2, after: $endCursor) { \
                 nodes { version } pageInfo { hasNextPage endCursor } } } }";
    let told = glab.api(&["graphql", "--paginate", "-f", &format!("query={query}")]).succeeds();
    assert_eq!(told.out.matches("\"version\"").count(), 5, "{}", told.out);
    assert_eq!(told.out.matches("hasNextPage").count(), 3, "{}", told.out);
    let path = "projects/acme%2Fapp/packages?per_page=2&package_type=generic";
    let told = glab.api(&[path, "--paginate"]).succeeds();
    assert_eq!(told.out.matches("\"package_type\": \"generic\"").count(), 5, "{}", told.out);
    let told = glab.api(&["projects/acme%2Fnone/packages"]);
    assert!(told.out.contains("404 Project Not Found") || told.err.contains("404"), "{told:?}");
}
