//! python-gitlab and gql, as they are, with packages: what a script that publishes, lists and
//! deletes does with them (spec gitlab §3, §4, §8).

use std::process::Command;

use super::api_packages::Setting;
use super::harness::{Outcome, needs, needs_client};

const SCRIPT: &str = include_str!("clients_python_packages.py");

#[test]
fn python_gitlab_and_gql_keep_packages() {
    let Some(python) = needs("python3") else { return };
    let Some(library) = needs_client("python-gitlab/gitlab/__init__.py") else { return };
    let library = library.ancestors().nth(2).unwrap();
    let setting = Setting::new("private");
    let (server, token) = (&setting.server, setting.token("maintainer"));
    let reader = setting.token("reporter");
    let mut command = Command::new(python);
    command.args(["-s", "-c", SCRIPT, &server.url(""), &token, &reader]);
    command.env("PYTHONPATH", library).env("NO_PROXY", "127.0.0.1");
    let outcome = Outcome::of(&mut command).succeeds();
    assert_eq!(outcome.out, "done\n", "{}", outcome.err);
}
