//! `/branches/` and `/branches/B/`: lists, policies, deletion (spec dlrepo §5).

use serde_json::json;

use super::harness::TestServer;

fn line(name: &str, released: u64, locked: u64, stable: u64) -> serde_json::Value {
    json!({
        "name": name,
        "daily_tags": 2 - released,
        "released_tags": released,
        "locked_tags": locked,
        "stable_tags": stable,
        "max_daily_tags": 0,
        "max_released_tags": 0,
    })
}

#[test]
fn an_empty_server_has_no_branches() {
    let server = TestServer::start();
    let answer = server.get("/branches/").expect(200);
    answer.has("content-type", "application/json; charset=utf-8").body_is(r#"{"branches": []}"#);
    server.get("/branches").expect(302).has("location", "/branches/").says("Found");
    server.head("/branches/").expect(200).body_is("");
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        let refused = server.ask(method, "/branches/").expect(405);
        refused.has("allow", "GET").says("Method Not Allowed");
    }
}

#[test]
fn branches_are_listed_by_name_with_what_their_tags_are() {
    let server = TestServer::start();
    for branch in ["zeta", "Alpha", "b\u{e9}ta", "beta"] {
        let branch = branch.replace('\u{e9}', "%C3%A9");
        for tag in ["1", "2"] {
            server.holds(&format!("/branches/{branch}/{tag}/j/f/a"), "a");
        }
    }
    let flags = json!({"tag": {"released": true, "locked": true, "stable": true}});
    server.post("/branches/beta/1/").json(&flags).expect(200);
    let list = [
        line("alpha", 0, 0, 0),
        line("beta", 1, 1, 1),
        line("b\u{e9}ta", 0, 0, 0),
        line("zeta", 0, 0, 0),
    ];
    let list = server.get("/branches/").expect(200).json_is(&json!({ "branches": list }));
    assert!(list.text().contains(r#""b\u00e9ta""#), "not in ASCII: {}", list.text());
}

#[test]
fn a_branch_shows_its_tags_and_policy() {
    let server = TestServer::start();
    server.get("/branches/main/").expect(404).says("/branches/main/ does not exist");
    server.get("/branches/main").expect(404);
    server.holds("/branches/main/b/j/f/a", "a");
    server.holds("/branches/main/a/j/f/a", "a");
    server.post("/branches/main/a/").json(&json!({"tag": {"description": " x\ny "}})).expect(200);
    let redirect = server.get("/branches/main?released=1").expect(302);
    redirect.has("location", "/branches/main/");

    let page = server.get("/branches/main/").expect(200).json();
    let tag = &page["branch"]["tags"][0];
    let wanted = json!({
        "name": "a",
        "timestamp": tag["timestamp"],
        "released": false,
        "locked": false,
        "stable": false,
        "publish_status": null,
        "description": "x\ny",
    });
    assert_eq!(*tag, wanted);
    assert!(tag["timestamp"].as_f64().unwrap() > 1.7e9);
    assert_eq!(page["branch"]["tags"][1]["name"], "b");
    assert_eq!(page["branch"]["name"], "main");
    let policy = json!({"max_daily_tags": 0, "max_released_tags": 0});
    assert_eq!(page["branch"]["cleanup_policy"], policy);
}

#[test]
fn released_tags_can_be_asked_for() {
    let server = TestServer::start();
    for tag in ["1", "2", "3"] {
        server.holds(&format!("/branches/main/{tag}/j/f/a"), "a");
    }
    server.post("/branches/main/2/").json(&json!({"tag": {"released": true}})).expect(200);
    for query in ["?released=1", "?released=0", "?released", "?x=y&released=true"] {
        let page = server.get(&format!("/branches/main/{query}")).expect(200).json();
        let tags = page["branch"]["tags"].as_array().unwrap().clone();
        assert_eq!(tags.len(), 1, "{query}");
        assert_eq!(tags[0]["name"], "2", "{query}");
    }
    let page = server.get("/branches/main/?x=released").expect(200).json();
    assert_eq!(page["branch"]["tags"].as_array().unwrap().len(), 3);
}

#[test]
fn an_upper_case_url_is_served_in_place() {
    let server = TestServer::start();
    server.holds("/branches/main/1/j/f/a", "a");
    let page = server.get("/branches/MAIN/").expect(200).json();
    assert_eq!(page["branch"]["name"], "main");
}

#[test]
fn a_policy_is_changed_key_by_key() {
    let server = TestServer::start();
    let body = json!({"branch": {"max_daily_tags": 3}});
    server.post("/branches/main/").json(&body).expect(404);
    server.holds("/branches/main/1/j/f/a", "a");
    server.post("/branches/main/").json(&body).expect(200).without_body();
    // No slash and another case are no reason to do nothing.
    let body = json!({"branch": {"max_released_tags": 7, "other": "ignored"}});
    server.post("/branches/MAIN").json(&body).expect(200);
    server.post("/branches/main/").json(&json!({"branch": {}})).expect(200);
    let page = server.get("/branches/main/").expect(200).json();
    let policy = json!({"max_daily_tags": 3, "max_released_tags": 7});
    assert_eq!(page["branch"]["cleanup_policy"], policy);
}

#[test]
fn what_is_no_policy_is_refused() {
    let server = TestServer::start();
    server.holds("/branches/main/1/j/f/a", "a");
    for body in [
        json!({}),
        json!([]),
        json!({"branch": null}),
        json!({"branch": []}),
        json!({"max_daily_tags": 1}),
        json!({"branch": {"max_daily_tags": -1}}),
        json!({"branch": {"max_daily_tags": 1.5}}),
        json!({"branch": {"max_daily_tags": "1"}}),
        json!({"branch": {"max_daily_tags": true}}),
        json!({"branch": {"max_daily_tags": 1, "max_released_tags": []}}),
    ] {
        server.post("/branches/main/").json(&body).expect(400).says("invalid parameters");
    }
    let page = server.get("/branches/main/").expect(200).json();
    assert_eq!(page["branch"]["cleanup_policy"]["max_daily_tags"], 0);
}

#[test]
fn a_protected_tag_protects_its_branch() {
    let server = TestServer::start();
    for tag in ["a", "b", "c"] {
        server.holds(&format!("/branches/main/{tag}/j/f/a"), "a");
    }
    let flag = |tag: &str, flags: serde_json::Value| {
        server.post(&format!("/branches/main/{tag}/")).json(&json!({ "tag": flags })).expect(200);
    };
    flag("b", json!({"locked": true, "released": true}));
    flag("c", json!({"locked": true}));
    server.delete("/branches/main/").expect(400).says("Tag b is locked");
    flag("b", json!({"locked": false}));
    server.delete("/branches/main/").expect(400).says("Tag b is released, unrelease it first");
    flag("b", json!({"released": false}));
    server.delete("/branches/main/").expect(400).says("Tag c is locked");
    let page = server.get("/branches/main/").expect(200).json();
    assert_eq!(page["branch"]["tags"].as_array().unwrap().len(), 3, "nothing was deleted");
    flag("c", json!({"locked": false}));
    server.delete("/branches/main").expect(200).without_body();
    server.get("/branches/main/").expect(404);
    server.delete("/branches/main/").expect(404).says("/branches/main/ does not exist");
}

#[test]
fn a_branch_stays_when_its_last_tag_goes() {
    let server = TestServer::start();
    server.holds("/branches/main/1/j/f/a", "a");
    server.delete("/branches/main/1/").expect(200);
    let page = server.get("/branches/main/").expect(200).json();
    assert_eq!(page["branch"]["tags"], json!([]));
    assert_eq!(server.get("/branches/").expect(200).json()["branches"][0]["daily_tags"], 0);
}

#[test]
fn other_methods_are_named() {
    let server = TestServer::start();
    for method in ["PUT", "PATCH"] {
        server.ask(method, "/branches/main/").expect(405).has("allow", "DELETE,GET,POST");
    }
}
