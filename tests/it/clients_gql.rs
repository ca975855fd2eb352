//! gql, the GraphQL client of Python, as it is: it asks for the schema and validates with it.

use std::process::Command;

use super::harness::{Outcome, TestServer, needs, needs_client};

const SCRIPT: &str = include_str!("clients_gql.py");

#[test]
fn gql_asks_and_changes() {
    let Some(python) = needs("python3") else { return };
    // It comes with python-gitlab.
    let Some(library) = needs_client("python-gitlab/gql/__init__.py") else { return };
    let library = library.ancestors().nth(2).unwrap();
    let server = TestServer::with_people().start();
    server.has_user("alice", &["people"]);
    server.command(&["group", "create", "acme", "--owner", "alice"]).succeeds();
    let token = server.token_of("alice", "api");
    let mut command = Command::new(python);
    command.args(["-s", "-c", SCRIPT, &server.url(""), &token]);
    command.env("PYTHONPATH", library).env("NO_PROXY", "127.0.0.1");
    let outcome = Outcome::of(&mut command).succeeds();
    assert_eq!(outcome.out, "done\n", "{}", outcome.err);
}
