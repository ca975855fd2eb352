//! python-gitlab, as it is, against our API (spec gitlab §3.1, §9): what a script does with it.

use std::process::Command;

use super::harness::{Outcome, TestServer, needs, needs_client};

/// Every method that a client of groups uses, with what it has to find.
const SCRIPT: &str = include_str!("clients_python_gitlab.py");

/// The same of projects.
const PROJECTS: &str = include_str!("clients_python_gitlab_projects.py");

#[test]
fn python_gitlab_keeps_groups() {
    runs(SCRIPT);
}

#[test]
fn python_gitlab_keeps_projects() {
    runs(PROJECTS);
}

/// Runs a script that is told the address, a token of the administrator and one that reads.
fn runs(script: &str) {
    let Some(python) = needs("python3") else { return };
    let Some(library) = needs_client("python-gitlab/gitlab/__init__.py") else { return };
    let library = library.ancestors().nth(2).unwrap();
    let server = TestServer::with_people().start();
    server.has_user("ann", &["people"]);
    server.has_user("bob", &["people"]);
    let token = server.token_of("admin", "api");
    let reader = server.token_of("bob", "read_api");
    let mut command = Command::new(python);
    command.args(["-s", "-c", script, &server.url(""), &token, &reader]);
    command.env("PYTHONPATH", library).env("NO_PROXY", "127.0.0.1");
    let outcome = Outcome::of(&mut command).succeeds();
    assert_eq!(outcome.out, "done\n", "{}", outcome.err);
}
