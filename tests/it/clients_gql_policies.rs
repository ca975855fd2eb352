//! gql, the GraphQL client of Python, as it is, on what projects keep of their packages (spec
//! gitlab §8.5, statements 22 and 23).

use std::process::Command;

use super::harness::maven::Maven;
use super::harness::{Outcome, needs, needs_client};

const SCRIPT: &str = include_str!("clients_gql_policies.py");

#[test]
fn statements_22_and_23_gql_reads_and_changes_what_a_project_keeps() {
    let Some(python) = needs("python3") else { return };
    // It comes with python-gitlab.
    let Some(library) = needs_client("python-gitlab/gql/__init__.py") else { return };
    let library = library.ancestors().nth(2).unwrap();
    let maven = Maven::start();
    let maintainer = maven.has_member("acme", "mary", 40);
    let developer = maven.has_member("acme", "dora", 30);
    let mut command = Command::new(python);
    command.args(["-s", "-c", SCRIPT, &maven.server.url(""), &maintainer, &developer]);
    command.env("PYTHONPATH", library).env("NO_PROXY", "127.0.0.1");
    let outcome = Outcome::of(&mut command).succeeds();
    assert_eq!(outcome.out, "done\n", "{}", outcome.err);
}
