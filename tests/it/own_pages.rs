//! `/` and everything under `/-/`: what the server says of itself.

use serde_json::{Value, json};

use super::harness::{TestServer, noise};

#[test]
fn the_home_page_tells_how_to_upload() {
    let server = TestServer::start();
    for accept in ["text/html", "application/json"] {
        let page = server.get("/").header("Accept", accept).expect(200);
        let page = page.has("content-type", "text/html; charset=utf-8");
        let page = page.has("x-content-type-options", "nosniff");
        let upload = format!("curl -T app.tgz {}/branches/", server.url(""));
        assert!(page.text().contains(&upload), "{}", page.text());
        let push = format!("docker push {}/BRANCH/JOB:TAG", server.url("").replace("http://", ""));
        assert!(page.text().contains(&push), "{}", page.text());
    }
    server.head("/").expect(200).body_is("");
    server.post("/").expect(405).has("allow", "GET,HEAD");
}

#[test]
fn the_home_page_names_the_public_address() {
    let server = TestServer::swept_at_once().with("public-url", "https://larder.example").start();
    let page = server.get("/").expect(200).text();
    assert!(page.contains("https://larder.example/branches/"), "{page}");
    assert!(!page.contains("HOST:PORT") && !page.contains("127.0.0.1"), "{page}");
}

#[test]
fn health_and_readiness_are_told() {
    let server = TestServer::start();
    for (path, says) in [("/-/health", "ok\n"), ("/-/ready", "ready\n")] {
        let answer = server.get(path).expect(200).body_is(says);
        answer.has("content-type", "text/plain; charset=utf-8");
        server.head(path).expect(200);
        server.put(path).expect(405).has("allow", "GET,HEAD");
    }
}

#[test]
fn figures_follow_every_stage() {
    let server = TestServer::with("lease", "1h").start();
    let stats = || server.get("/-/stats").expect(200).json();
    let amount = |files: u64, bytes: u64| json!({"files": files, "bytes": bytes});
    server.holds("/branches/b/t/j/f/small", noise(1, 10));
    server.holds("/branches/b/t/j/f/large", noise(2, 100_000));
    server.holds("/branches/b/t/j/f/again", noise(2, 100_000));
    let now = stats();
    assert_eq!(now["logical"], amount(3, 200_010));
    assert_eq!((&now["files"], &now["inline"]), (&amount(1, 100_000), &amount(1, 10)));
    assert_eq!(now["free"], amount(0, 0));
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    let now = stats();
    assert_eq!((&now["logical"], &now["backlog"]["destroy_entries"]), (&amount(0, 0), &json!(0)));
    assert_eq!(now["free"], amount(2, 100_010));
    assert_eq!(now["reclaimed"], amount(0, 0));
}

#[test]
fn runs_are_listed_newest_first() {
    let server = TestServer::start();
    for _ in 0..3 {
        server.sweep_and_wait();
    }
    let page = server.get("/-/sweeps").expect(200).json();
    assert_eq!(
        (&page["running"], &page["asked"], &page["held"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let runs = page["sweeps"].as_array().unwrap();
    let ids: Vec<_> = runs.iter().map(|run| run["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [4, 3, 2, 1]);
    assert_eq!(runs[3]["trigger"], "startup");
    assert_eq!((&runs[0]["trigger"], &runs[0]["scope"]), (&json!("request"), &json!("full")));
    assert_eq!((&runs[0]["errors"], &runs[0]["error_count"]), (&json!([]), &json!(0)));
    assert!(runs[0]["ended"].as_u64() >= runs[0]["started"].as_u64());
    let stages = runs[0]["stages"].as_array().unwrap().iter();
    let stages: Vec<_> = stages.map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(stages, ["policies", "destroy", "collect", "unlink", "recount"]);

    let page = server.get("/-/sweeps?limit=2").expect(200).json();
    assert_eq!(page["sweeps"].as_array().unwrap().len(), 2);
    for bad in ["x", "-1", "1001", ""] {
        let refused = server.get(&format!("/-/sweeps?limit={bad}")).expect(400);
        refused.says("limit is a number up to 1000");
    }
}

#[test]
fn a_sweep_is_asked_for() {
    let server = TestServer::start();
    for (body, scope) in [
        ("", "full"),
        ("{}", "full"),
        (r#"{"scope": "full"}"#, "full"),
        (r#"{"scope": "reclaim"}"#, "reclaim"),
    ] {
        let before = server.sweeps().len();
        let asked = server.post("/-/sweeps").body(body).expect(202);
        asked.json_is(&json!({ "asked": scope }));
        server.wait_for_sweep(before, scope, "request");
    }
    for body in ["x", "[]", r#"{"scope": "half"}"#, r#"{"other": 1}"#] {
        let refused = server.post("/-/sweeps").body(body).expect(400);
        assert!(refused.text().starts_with("400: invalid JSON data: "), "{}", refused.text());
    }
    server.put("/-/sweeps").expect(405).has("allow", "GET,HEAD,POST");
}
