//! Users' repositories (spec dlrepo §4, §13): the same tree for each of them, none reaches into
//! another (§17, 1), and policies hold there too.

use serde_json::json;

use super::harness::{TestServer, noise};

#[test]
fn a_users_repository_is_made_by_its_first_write() {
    let server = TestServer::start();
    for nobody in ["/~alice", "/~alice/", "/~Alice/"] {
        server.get(nobody).expect(404);
    }
    server.get("/~alice/branches/").expect(200).json_is(&json!({"branches": []}));
    server.get("/~alice/branches/main/").expect(404);
    server.holds("/~Alice/branches/Main/1/job/fmt/App", "hers");
    server.holds("/branches/main/1/job/fmt/App", "everybody's");
    server.get("/~alice/branches/main/1/job/fmt/App").expect(200).body_is("hers");
    server.get("/branches/main/1/job/fmt/App").expect(200).body_is("everybody's");
    server.get("/~bob/branches/main/1/job/fmt/App").expect(404);
    let place = "/~alice/branches/main/1/job/fmt/App";
    server.get("/~ALICE/branches/main/1/job/fmt/App").expect(302).has("location", place);
    server.get("/~alice/branches/main/latest/job/fmt/App").expect(302).has("location", place);
    for (asked, found) in
        [("/~alice", "/~alice/"), ("/~Alice/", "/~alice/"), ("/%7Ealice", "/~alice/")]
    {
        server.get(asked).expect(302).has("location", found).says("Found");
    }
    server.delete("/~alice/branches/main/").expect(200);
    server.get(place).expect(404);
    server.get("/branches/main/1/job/fmt/App").expect(200);
    // What was made stays, empty.
    server.get("/~alice/").expect(200);
    let stats = server.get("/-/stats").expect(200).json();
    assert_eq!(stats["numbers"]["repositories"], 1);
}

#[test]
fn the_page_tells_usage_quota_and_what_is_available() {
    let server = TestServer::swept_at_once().with("quota", "1000000").start();
    server.holds("/~alice/branches/b/t/j/f/one", noise(1, 600_000));
    let page = |path: &str, accept: &str| {
        let page = server.get(path).header("Accept", accept).expect(200);
        let page = page.has("content-type", "text/html; charset=utf-8");
        let page = page.has("x-content-type-options", "nosniff");
        page.has("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'").text()
    };
    for accept in ["text/html", "application/json"] {
        let page = page("/~alice/", accept);
        for words in [
            "<h1>~alice</h1>",
            "<th>Disk usage</th><td title=\"600000 bytes\">600K</td>",
            "<th>Quota</th><td title=\"1000000 bytes\">1.0M</td>",
            "<th>Available</th><td title=\"400000 bytes\">400K</td>",
            "<a href=\"/~alice/branches/\">",
        ] {
            assert!(page.contains(words), "no {words} in {page}");
        }
    }
    server.head("/~alice/").expect(200).body_is("");
    server.post("/~alice/").expect(405).has("allow", "GET,HEAD");
    let home = server.get("/").expect(200).text();
    assert!(home.contains("<a href=\"/~alice/\">~alice</a>"), "{home}");
    let odd = "/~%3Cb%3E%26%22'/";
    server.holds(&format!("{odd}branches/b/t/j/f/a"), "");
    let home = server.get("/").expect(200).text();
    assert!(home.contains(">~&lt;b&gt;&amp;&quot;'</a>") && !home.contains("<b>"), "{home}");
    let text = page(odd, "*/*");
    assert!(text.contains("<h1>~&lt;b&gt;&amp;&quot;'</h1>"), "{text}");
    assert!(
        text.contains("href=\"/~%3Cb%3E&%22%27/branches/\"") && !text.contains("<b>"),
        "{text}"
    );
    assert!(text.contains("<td title=\"0 bytes\">0</td>"), "{text}");
    server.command(&["quota", "set", "alice", "0"]).succeeds();
    assert!(page("/~alice/", "*/*").contains("<th>Available</th><td>no limit</td>"));
}

#[test]
fn no_spelling_leads_from_one_repository_into_another() {
    let server = TestServer::start();
    let secret = "branches/secret/1/j/f/a";
    for (root, text) in [("", "everybody's"), ("/~bob", "bob's"), ("/~alice", "alice's")] {
        server.holds(&format!("{root}/{secret}"), text);
    }
    for way in [
        "/~alice%2f..%2fbob",
        "/~alice%2F..%2Fbob",
        "/~alice%2f..%2f..",
        "/~alice%2f%2e%2e%2fbob",
        "/~alice%252f..%252fbob",
        "/~alice/..%2fbob",
        "/~alice/../~bob",
        "/~alice/branches/../../~bob",
        "/~alice%00",
        "/~..",
        "/~%2e%2e",
        "/~.",
        "/~",
        "/~.bob",
        "/~%2fbob",
        "/~bob%2f",
        "//~bob",
        "/~~bob",
        "/bob",
        "/alice/~bob",
    ] {
        let file = format!("{way}/{secret}");
        for method in ["GET", "HEAD", "DELETE", "PATCH", "POST"] {
            for below in ["branches/", "branches/secret/", "branches/secret/1/", secret] {
                let got = server.ask(method, &format!("{way}/{below}")).send();
                let is_empty = way == "/~~bob" || way == "/~alice%252f..%252fbob";
                let nothing = is_empty && below == "branches/" && got.status == 200;
                assert!(nothing || (400..500).contains(&got.status), "{method} {way}: {got:?}");
                assert!(!got.text().contains("secret\""), "{method} {way}: {got:?}");
            }
        }
        let status = server.put(&file).body("stolen").send().status;
        let is_a_name = ["/~~bob", "/~alice%252f..%252fbob"].contains(&way);
        assert_eq!(status == 201, is_a_name, "{way}: {status}");
    }
    // Another case is the same user: what is authorised and what is stored have one name.
    server.get(&format!("/~BOB/{secret}")).expect(302).has("location", &format!("/~bob/{secret}"));
    for (root, text) in [("", "everybody's"), ("/~bob", "bob's"), ("/~alice", "alice's")] {
        server.get(&format!("{root}/{secret}")).expect(200).body_is(text);
    }
    server.put(&format!("/~BOB/{secret}")).body("bob's new").expect(201);
    server.get(&format!("/~bob/{secret}")).expect(200).body_is("bob's new");
}

#[test]
fn policies_hold_for_users_too_and_the_log_says_so_once() {
    let server = TestServer::start();
    for branch in ["/~alice/branches/a/", "/~bob/branches/b/", "/branches/c/"] {
        for tag in ["1", "2", "3"] {
            server.holds(&format!("{branch}{tag}/j/f/a"), noise(7, 50_000));
        }
        let policy = json!({"branch": {"max_daily_tags": 1, "max_released_tags": 0}});
        server.post(branch).json(&policy).expect(200);
    }
    assert!(!server.log().contains("dlrepo left"));
    let plan = server.command(&["sweep", "--dry-run"]).succeeds().out;
    assert!(plan.contains("branch a of user alice") && plan.contains("of user bob"), "{plan}");
    server.sweep_and_wait();
    for branch in ["/~alice/branches/a/", "/~bob/branches/b/", "/branches/c/"] {
        let tags = server.get(branch).expect(200).json()["branch"]["tags"].clone();
        assert_eq!((tags.as_array().unwrap().len(), &tags[0]["name"]), (1, &json!("3")));
    }
    let said = server.log().matches("dlrepo left users' branches alone").count();
    assert_eq!(said, 1, "{}", server.log());
    let page = server.get("/~alice/").expect(200).text();
    assert!(page.contains("<td title=\"50000 bytes\">50.0K</td>"), "{page}");
}
