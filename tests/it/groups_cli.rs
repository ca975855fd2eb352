//! `larder group`, `larder member` and `larder deploy-token`, while the server runs and while it
//! does not.

use serde_json::{Value, json};

use super::harness::{Outcome, TestServer};

#[track_caller]
fn json_of(server: &TestServer, line: &str) -> Value {
    let words: Vec<_> = line.split_whitespace().chain(["--json"]).collect();
    serde_json::from_str(&server.command(&words).succeeds().out).unwrap()
}

fn run(server: &TestServer, line: &str) -> Outcome {
    server.command(&line.split_whitespace().collect::<Vec<_>>())
}

/// Runs `test` with a server that runs, then with one that was stopped.
fn online_and_offline(test: fn(&TestServer)) {
    let server = TestServer::with_people().start();
    server.has_user("alice", &["people"]);
    test(&server);
    let mut server = TestServer::with_people().start();
    server.has_user("alice", &["people"]);
    server.stop();
    test(&server);
}

#[test]
fn groups_are_made_shown_changed_and_deleted() {
    online_and_offline(|server| {
        assert!(run(server, "group list").succeeds().out.contains("There are no groups"));
        let made = json_of(server, "group create Acme --owner alice --visibility internal");
        assert_eq!(made["path"], "acme");
        let stranger = run(server, "group create other --owner carol").succeeds().out;
        assert!(stranger.contains("There is no local account of that name"), "{stranger}");
        run(server, "group delete other").succeeds();
        let below = ["group", "create", "acme/tools", "--name", "Build tools"];
        let below = server.command(&below).succeeds().out;
        assert!(below.starts_with("acme/tools is a group"), "{below}");
        let list = json_of(server, "group list");
        let paths: Vec<_> = list["groups"].as_array().unwrap().iter().map(|g| &g["path"]).collect();
        assert_eq!(paths, ["acme", "acme/tools"]);
        let page = json_of(server, "group list --limit 1 --after acme");
        assert_eq!(
            (&page["groups"][0]["path"], &page["groups"][1]),
            (&json!("acme/tools"), &Value::Null)
        );
        let shown = json_of(server, "group show acme");
        assert_eq!(
            (&shown["visibility"], &shown["subgroups"]),
            (&json!("internal"), &json!(["tools"]))
        );
        assert_eq!(
            (&shown["members"][0]["user"], &shown["members"][0]["role"]),
            (&json!("alice"), &json!("owner"))
        );
        let text = run(server, "group show acme/tools").succeeds().out;
        assert!(text.contains("acme/tools (Build tools)") && text.contains("1 member:"), "{text}");
        let renamed = run(server, "group change acme --path zeta").succeeds().out;
        assert_eq!(renamed, "acme is zeta from now on.\n");
        assert_eq!(json_of(server, "group show zeta/tools")["name"], "Build tools");
        run(server, "group create none/x").exits(2).complains(&["there is no group none"]);
        run(server, "group create zeta").exits(2).complains(&["there is a group zeta already"]);
        run(server, "group create v2//x").exits(2).complains(&["is no name of a group"]);
        let deleted = run(server, "group delete zeta").succeeds().out;
        assert!(deleted.starts_with("zeta is deleted"), "{deleted}");
        run(server, "group show zeta/tools").exits(2).complains(&["there is no group zeta/tools"]);
    });
}

#[test]
fn members_come_and_go() {
    online_and_offline(|server| {
        run(server, "group create acme").succeeds();
        run(server, "group create acme/tools").succeeds();
        let nobody = run(server, "member list acme").succeeds().out;
        assert!(nobody.contains("Nobody is a member"), "{nobody}");
        let added = run(server, "member add acme alice --role developer --expires 90d");
        let added = added.succeeds().out;
        assert_eq!(added, "alice is developer of acme and of all groups in it.\n");
        let unknown = run(server, "member add acme/tools carol --role 20").succeeds().out;
        assert!(unknown.contains("There is no local account of that name"), "{unknown}");
        let team = json_of(server, "member add acme/tools --team Ops --role owner");
        assert_eq!(team, json!({"group": "acme/tools", "team": "Ops"}));
        let list = json_of(server, "member list acme/tools");
        let line = |at: usize| {
            let line = &list["members"][at];
            let name = line.get("user").or(line.get("team")).unwrap();
            format!(
                "{} {} {}",
                name.as_str().unwrap(),
                line["role"].as_str().unwrap(),
                line["from"].as_str().unwrap()
            )
        };
        assert_eq!(
            [line(0), line(1), line(2)],
            ["alice developer acme", "carol reporter acme/tools", "Ops owner acme/tools"]
        );
        assert!(list["members"][0]["expires"].is_u64() && list["members"][1]["expires"].is_null());
        let again = run(server, "member add acme alice --role guest").exits(2);
        again.complains(&["alice is a member of this group already"]);
        run(server, "member change acme alice --role guest").succeeds();
        assert_eq!(json_of(server, "member list acme")["members"][0]["role"], "guest");
        run(server, "member change acme --team Ops --role guest").exits(2);
        run(server, "member remove acme alice").succeeds();
        run(server, "member remove acme alice").exits(2).complains(&["not a direct member"]);
        run(server, "member add none alice --role guest").exits(2).complains(&["no group none"]);
    });
}

#[test]
fn deploy_tokens_are_printed_once() {
    online_and_offline(|server| {
        run(server, "group create acme").succeeds();
        let create =
            "deploy-token create acme --name ci --scope read_registry --scope write_registry";
        let printed = run(server, create).succeeds().out;
        let (login, token) = printed.trim_end().split_once(' ').unwrap();
        assert!(login.starts_with("gitlab+deploy-token-"), "{printed}");
        assert!(token.starts_with("larder_deploy_") && token.len() > 70, "{printed}");
        let list = json_of(server, "deploy-token list");
        let line = &list["tokens"][0];
        assert_eq!((&line["group"], &line["username"]), (&json!("acme"), &json!(login)));
        assert!(!list.to_string().contains(token));
        assert_eq!(json_of(server, "deploy-token list acme"), list);
        let id = line["id"].as_u64().unwrap();
        run(server, &format!("deploy-token revoke {id}")).succeeds();
        let gone = run(server, &format!("deploy-token revoke {id}")).exits(2);
        gone.complains(&[&format!("there is no deploy token {id}")]);
        assert_eq!(
            run(server, "deploy-token list").succeeds().out,
            "There are no deploy tokens.\n"
        );
    });
}
