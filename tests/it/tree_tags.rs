//! `/branches/B/T/`: flags, filters, deletion, aliases (spec dlrepo §6).

use serde_json::{Value, json};

use super::harness::TestServer;

/// A server with the tags of a branch `b`, oldest first.
fn with_tags(tags: &[&str]) -> TestServer {
    let server = TestServer::start();
    for tag in tags {
        server.holds(&format!("/branches/b/{tag}/j/f/a"), *tag);
    }
    server
}

fn set(server: &TestServer, tag: &str, fields: &Value) {
    let tag = server.post(&format!("/branches/b/{tag}/")).json(&json!({ "tag": fields }));
    tag.expect(200).without_body();
}

#[test]
fn a_tag_shows_its_flags_and_jobs() {
    let server = with_tags(&["t"]);
    let metadata = json!({"job": {"zeta": "1", "alpha": "2", "locked": "nonsense"}});
    server.patch("/branches/b/t/i/").json(&metadata).expect(200);
    server.patch("/branches/b/t/j/f/").expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    server.get("/branches/b/t/").expect(200).json_is(&json!({"tag": {
        "name": "t",
        "released": false,
        "locked": false,
        "stable": false,
        "publish_status": null,
        "description": null,
        "jobs": [
            {"alpha": "2", "zeta": "1", "locked": false, "name": "i", "released": false},
            {"locked": true, "name": "j", "released": false},
        ],
    }}));
    server.get("/branches/b/t").expect(302).has("location", "/branches/b/t/");
    server.get("/branches/B/T/").expect(302).has("location", "/branches/b/t/");
    server.get("/branches/b/none").expect(404);
    server.get("/branches/b/none/").expect(404).says("/branches/b/none/ does not exist");
    server.get("/branches/none/t/").expect(404).says("/branches/none/ does not exist");
}

#[test]
fn jobs_are_filtered_by_the_text_of_their_fields() {
    let server = with_tags(&["t"]);
    let metadata = json!({"job": {"arch": "x86 64", "locked": "x"}});
    server.patch("/branches/b/t/i/").json(&metadata).expect(200);
    server.patch("/branches/b/t/j/f/").expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    for (query, jobs) in [
        ("", vec!["i", "j"]),
        ("?arch=x86+64", vec!["i"]),
        ("?arch=x86%2064", vec!["i"]),
        ("?arch=arm", vec![]),
        ("?locked=True", vec!["j"]),
        ("?locked=False", vec!["i"]),
        ("?locked=true", vec![]),
        ("?name=j", vec!["j"]),
        ("?name=j&arch=x86+64", vec![]),
        ("?unknown=", vec![]),
    ] {
        let page = server.get(&format!("/branches/b/t/{query}")).expect(200).json();
        let found: Vec<_> = page["tag"]["jobs"].as_array().unwrap().iter().collect();
        let found: Vec<_> = found.iter().map(|job| job["name"].as_str().unwrap()).collect();
        assert_eq!(found, jobs, "{query}");
    }
}

#[test]
fn flags_and_description_are_set_one_by_one() {
    let server = with_tags(&["t"]);
    let shown = || server.get("/branches/b/t/").expect(200).json()["tag"].clone();
    set(&server, "t", &json!({}));
    set(&server, "t", &json!({"released": true, "unknown": 7, "stable": null}));
    assert_eq!(shown()["released"], true);
    set(&server, "t", &json!({"released": false, "locked": true, "stable": true}));
    set(&server, "t", &json!({"description": "  first\nsecond \n"}));
    let tag = shown();
    let flags = [&tag["released"], &tag["locked"], &tag["stable"]];
    assert_eq!(flags, [&json!(false), &json!(true), &json!(true)]);
    assert_eq!(tag["description"], "first\nsecond");
    set(&server, "t", &json!({"description": null}));
    assert_eq!(shown()["description"], "first\nsecond");
    set(&server, "t", &json!({"description": " \n"}));
    assert_eq!(shown()["description"], Value::Null);
    // Another case and a missing slash are no reason to do nothing.
    server.post("/branches/B/T").json(&json!({"tag": {"stable": false}})).expect(200);
    assert_eq!(shown()["stable"], false);
}

#[test]
fn what_is_no_flag_is_refused_as_a_whole() {
    let server = with_tags(&["t"]);
    for body in [
        json!({}),
        json!([]),
        json!({"tag": null}),
        json!({"tag": []}),
        json!({"locked": true}),
        json!({"tag": {"stable": true, "locked": 1}}),
        json!({"tag": {"stable": true, "released": "true"}}),
        json!({"tag": {"stable": true, "description": 5}}),
    ] {
        server.post("/branches/b/t/").json(&body).expect(400).says("invalid parameters");
    }
    assert_eq!(server.get("/branches/b/t/").expect(200).json()["tag"]["stable"], false);
    server.post("/branches/b/t/").body("{").expect(400);
    server.post("/branches/b/none/").json(&json!({"tag": {}})).expect(404);
}

#[test]
fn a_locked_or_released_tag_is_not_deleted() {
    let server = with_tags(&["t"]);
    set(&server, "t", &json!({"locked": true, "released": true}));
    server.delete("/branches/b/t/").expect(400).says("Tag t is locked");
    set(&server, "t", &json!({"locked": false}));
    server.delete("/branches/b/t/").expect(400).says("Tag t is released, unrelease it first");
    set(&server, "t", &json!({"released": false}));
    server.delete("/branches/b/T").expect(200).without_body();
    server.delete("/branches/b/t/").expect(404);
    server.get("/branches/b/t/j/f/a").expect(404);
}

#[test]
fn the_lock_of_a_tag_leaves_its_inside_alone() {
    let server = with_tags(&["t"]);
    set(&server, "t", &json!({"locked": true, "released": true}));
    server.holds("/branches/b/t/j/f/other", "x");
    server.patch("/branches/b/t/j/").json(&json!({"job": {"k": "v"}})).expect(200);
    server.delete("/branches/b/t/j/").expect(200);
    let tag = server.get("/branches/b/t/").expect(200).json();
    assert_eq!(tag["tag"]["jobs"], json!([]), "the tag remains, empty");
}

#[test]
fn a_locked_job_does_not_protect_its_tag() {
    let server = with_tags(&["t"]);
    server.patch("/branches/b/t/j/f/").expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    server.delete("/branches/b/t/").expect(200);
}

#[test]
fn aliases_lead_to_tags_by_creation() {
    let server = with_tags(&["z", "m", "a"]);
    let leads = |alias: &str, to: &str| {
        let place = format!("/branches/b/{to}/");
        server.get(&format!("/branches/b/{alias}/")).expect(302).has("location", &place);
    };
    leads("latest", "a");
    server.get("/branches/b/stable/").expect(404).says("/branches/b/stable/ does not exist");
    set(&server, "m", &json!({"stable": true}));
    leads("stable", "m");
    server.get("/branches/b/oldstable/").expect(404);
    set(&server, "z", &json!({"stable": true}));
    leads("stable", "m");
    leads("oldstable", "z");
    // An upload does not make a tag newer; released and locked do not matter.
    server.holds("/branches/b/z/j/f/more", "x");
    set(&server, "z", &json!({"released": true, "locked": true}));
    leads("latest", "a");
    server.delete("/branches/b/a/").expect(200);
    leads("latest", "m");
    server.get("/branches/none/latest/").expect(404);
}

#[test]
fn aliases_work_below_the_tag_and_for_reading_only() {
    let server = with_tags(&["old", "new"]);
    for below in ["", "/", "/j", "/j/", "/j/f", "/j/f/", "/j/f.sha256", "/j/f/a", "/j/f/a.sha256"] {
        let place = match below {
            "" | "/" => "/branches/b/new/".to_owned(),
            "/j" => "/branches/b/new/j/".to_owned(),
            below => format!("/branches/b/new{below}"),
        };
        for method in ["GET", "HEAD"] {
            let asked = server.ask(method, &format!("/branches/b/latest{below}?x=y"));
            asked.expect(302).has("location", &place);
        }
    }
    // Aliases look at tags, not at what is in them.
    server.holds("/branches/b/old/only/f/a", "x");
    server.get("/branches/b/latest/only/").expect(404);
    for (method, path, allow) in [
        ("POST", "latest/", "GET,HEAD"),
        ("DELETE", "latest/", "GET,HEAD"),
        ("PUT", "latest/j/", "GET"),
        ("POST", "stable/j/", "GET"),
        ("PATCH", "latest/j/", "GET"),
        ("DELETE", "latest/j/", "GET"),
        ("PATCH", "latest/j/f/", "GET"),
        ("DELETE", "oldstable/j/f/", "GET"),
        ("PUT", "latest/j/f/new", "GET"),
        ("PUT", "LATEST/j/f/new", "GET"),
    ] {
        let refused = server.ask(method, &format!("/branches/b/{path}")).body("x").expect(405);
        refused.has("allow", allow).says("Method Not Allowed");
    }
    let page = server.get("/branches/b/").expect(200).json();
    assert_eq!(page["branch"]["tags"].as_array().unwrap().len(), 2, "no tag of such a name");
}
