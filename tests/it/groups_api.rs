//! GitLab's REST API: groups, members, teams, tokens, users (spec gitlab §3.1, §9).

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::people::password_of;
use super::harness::{Response, TestServer};

/// A server where root's token is known, with users and these tokens.
pub(super) struct Setting {
    pub(super) server: TestServer,
    pub(super) root: String,
}

impl Setting {
    pub(super) fn new(users: &[&str]) -> Self {
        let server = TestServer::with_people().start();
        for user in users {
            server.has_user(user, &["people"]);
        }
        let root = server.token_of("admin", "api");
        Self { server, root }
    }

    pub(super) fn token(&self, user: &str) -> String {
        self.server.token_of(user, "api")
    }

    pub(super) fn ask(&self, token: &str, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        let request = self.server.ask(method, &format!("/api/v4/{path}"));
        if token.is_empty() { request } else { request.header("PRIVATE-TOKEN", token) }
    }

    #[track_caller]
    pub(super) fn get(&self, token: &str, path: &str) -> Value {
        self.ask(token, &format!("GET {path}")).expect(200).json()
    }

    #[track_caller]
    pub(super) fn refused(&self, token: &str, line: &str, status: u16, text: &str) {
        let answer = self.ask(token, line).expect(status);
        let answer = answer.has("content-type", "application/json");
        assert!(answer.text().contains(text), "{line}: {}", answer.text());
    }

    /// Makes a group by root; tells its number.
    #[track_caller]
    pub(super) fn has_group(&self, path: &str, parent: Option<u64>) -> u64 {
        let body = json!({"name": format!("The {path}"), "path": path, "parent_id": parent});
        let made = self.ask(&self.root, "POST groups").json(&body).expect(201).json();
        made["id"].as_u64().unwrap()
    }

    #[track_caller]
    pub(super) fn has_member(&self, group: u64, user: &str, level: u64) {
        let body = json!({"username": user, "access_level": level});
        self.ask(&self.root, &format!("POST groups/{group}/members")).json(&body).expect(201);
    }
}

pub(super) fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|line| line[key].as_str().unwrap().to_owned()).collect()
}

pub(super) fn number(answer: &Response, name: &str) -> Option<u64> {
    answer.header(name).and_then(|value| value.parse().ok())
}

#[test]
fn groups_are_made_nested_changed_and_deleted() {
    let setting = Setting::new(&[]);
    let root = &setting.root;
    let acme = setting.has_group("acme", None);
    let tools = setting.has_group("tools", Some(acme));
    let deep = setting.has_group("deep", Some(tools));
    let shown = setting.get(root, "groups/acme%2Ftools");
    assert_eq!(shown, setting.get(root, &format!("groups/{tools}")));
    for (key, value) in [
        ("id", json!(tools)),
        ("parent_id", json!(acme)),
        ("path", json!("tools")),
        ("full_path", json!("acme/tools")),
        ("full_name", json!("The acme / The tools")),
        ("visibility", json!("private")),
        ("web_url", json!(setting.server.url("/groups/acme/tools"))),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert_eq!(names(&setting.get(root, "groups/acme/subgroups"), "full_path"), ["acme/tools"]);
    let below = setting.get(root, "groups/acme/descendant_groups?order_by=path");
    assert_eq!(names(&below, "full_path"), ["acme/tools/deep", "acme/tools"]);
    let top = setting.get(root, "groups?top_level_only=true");
    assert_eq!(names(&top, "full_path"), ["acme"]);
    // Renamed, all below is elsewhere at once.
    let change = setting.ask(root, "PUT groups/acme").body("path=Zeta&description=all+of+it");
    let change = change.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(change.expect(200).json()["full_path"], "zeta");
    assert_eq!(setting.get(root, &format!("groups/{deep}"))["full_path"], "zeta/tools/deep");
    setting.refused(root, "GET groups/acme", 404, "404 Group Not Found");
    assert_eq!(setting.get(root, "groups/zeta")["description"], "all of it");
    let deleted = setting.ask(root, "DELETE groups/zeta").expect(202);
    deleted.json_is(&json!({"message": "202 Accepted"}));
    for id in [acme, tools, deep] {
        setting.refused(root, &format!("GET groups/{id}"), 404, "404 Group Not Found");
    }
    assert_eq!(setting.get(root, "groups"), json!([]));
    // The name is free, and another group.
    assert_ne!(setting.has_group("zeta", None), acme);
}

#[test]
fn what_cannot_be_made_is_told_as_clients_know_it() {
    let setting = Setting::new(&[]);
    let root = &setting.root;
    setting.has_group("acme", None);
    let make = |body: Value| setting.ask(root, "POST groups").json(&body).expect(400).json();
    assert_eq!(make(json!({"name": "x"})), json!({"error": "path is missing"}));
    assert_eq!(make(json!({})), json!({"error": "name is missing, path is missing"}));
    let taken = make(json!({"name": "x", "path": "ACME"}));
    assert_eq!(taken["message"], "Failed to save group {:path=>[\"has already been taken\"]}");
    let bad = make(json!({"name": "x", "path": "a b"}));
    assert!(bad["message"].as_str().unwrap().starts_with("Failed to save group {:path=>["));
    let bad = make(json!({"name": "x", "path": "y", "visibility": "secret"}));
    assert_eq!(bad, json!({"error": "visibility does not have a valid value"}));
    setting.refused(root, "POST groups?name=x&path=y&parent_id=99", 404, "404 Group Not Found");
    let broken = setting.ask(root, "POST groups").header("Content-Type", "application/json");
    assert!(broken.body("{").expect(400).text().contains("400 Bad request"));
    setting.refused(root, "PATCH groups", 405, "405 Not Allowed");
    setting.refused(root, "GET issues", 404, "404 Not Found");
    setting.refused(root, "GET groups?per_page=0", 400, "per_page does not have a valid value");
    let elsewhere = setting.server.get("/api/v5/groups").header("PRIVATE-TOKEN", root);
    assert_eq!(elsewhere.expect(404).json(), json!({"error": "404 Not Found"}));
}

#[test]
fn a_list_comes_in_pages() {
    let setting = Setting::new(&[]);
    for number in 1..=5 {
        setting.has_group(&format!("g{number}"), None);
    }
    let page = |query: &str| setting.ask(&setting.root, &format!("GET groups?{query}")).expect(200);
    let second = page("per_page=2&page=2");
    assert_eq!(names(&second.json(), "path"), ["g3", "g4"]);
    for (name, value) in
        [("x-page", 2), ("x-per-page", 2), ("x-next-page", 3), ("x-prev-page", 1), ("x-total", 5)]
    {
        assert_eq!(number(&second, name), Some(value), "{name}");
    }
    assert_eq!(number(&second, "x-total-pages"), Some(3));
    let link = second.header("link").unwrap();
    let next = setting.server.url("/api/v4/groups?page=3&per_page=2");
    assert!(link.contains(&format!("<{next}>; rel=\"next\"")), "{link}");
    let last = page("per_page=2&page=3").has("x-next-page", "");
    assert_eq!(names(&last.json(), "path"), ["g5"]);
    assert_eq!(page("page=9").json(), json!([]));
    assert_eq!(names(&page("sort=desc&per_page=1").json(), "path"), ["g5"]);
    assert_eq!(names(&page("search=G4").json(), "path"), ["g4"]);
    assert_eq!(page("page=1").header("x-per-page"), Some("20"));
}

#[test]
fn who_may_not_see_a_group_does_not_find_it() {
    let setting = Setting::new(&["eve", "olga", "mona", "gus"]);
    let group = setting.has_group("acme", None);
    let below = setting.has_group("tools", Some(group));
    for (user, level) in [("olga", 50), ("mona", 40), ("gus", 10)] {
        setting.has_member(group, user, level);
    }
    let (eve, olga, mona, gus) = (
        &setting.token("eve"),
        &setting.token("olga"),
        &setting.token("mona"),
        &setting.token("gus"),
    );
    let lines = [
        "GET groups/acme",
        "PUT groups/acme?name=x",
        "DELETE groups/acme",
        "GET groups/acme%2Ftools",
        "GET groups/acme/subgroups",
        "GET groups/acme/members",
        "GET groups/acme/members/all",
        "POST groups/acme/members?username=eve&access_level=50",
        "GET groups/acme/deploy_tokens",
        "POST groups/acme/deploy_tokens?name=x&scopes=read_registry",
        "GET groups/acme/ldap_group_links",
        "POST groups?name=x&path=x&parent_id=1",
    ];
    for line in lines {
        setting.refused(eve, line, 404, "404 Group Not Found");
        let missing = setting.ask(eve, &line.replace("acme", "none").replace("=1", "=77"));
        let there = setting.ask(eve, line).send();
        assert_eq!(there.body, missing.send().body, "{line}");
    }
    assert_eq!(setting.get(eve, "groups"), json!([]));
    setting.refused(eve, "POST groups?name=x&path=x", 403, "403 Forbidden");
    // A guest sees it and changes nothing; roles count below.
    assert_eq!(setting.get(gus, &format!("groups/{below}"))["full_path"], "acme/tools");
    assert_eq!(names(&setting.get(gus, "groups?order_by=path"), "path"), ["acme", "tools"]);
    for token in [gus, mona] {
        for line in [
            "PUT groups/acme?name=x",
            "DELETE groups/acme%2Ftools",
            "POST groups/acme/members?username=eve&access_level=10",
            "GET groups/acme/deploy_tokens",
        ] {
            setting.refused(token, line, 403, "403 Forbidden");
        }
    }
    let subgroup = format!("POST groups?name=x&path=x&parent_id={group}");
    setting.refused(gus, &subgroup, 403, "403 Forbidden");
    setting.ask(mona, &subgroup).expect(201);
    assert_eq!(setting.get(olga, "groups?owned=true&search=acme")[0]["path"], "acme");
    assert_eq!(setting.get(mona, "groups?owned=true&search=acme"), json!([]));
    assert_eq!(
        names(&setting.get(mona, "groups?min_access_level=40&order_by=path"), "path").len(),
        3
    );
    setting.ask(olga, "PUT groups/acme?visibility=internal").expect(200);
    assert_eq!(names(&setting.get(eve, "groups"), "path"), ["acme"], "what is in it is private");
    setting.refused("", "GET groups/acme", 404, "404 Group Not Found");
    setting.ask(olga, "PUT groups/acme?visibility=public").expect(200);
    assert_eq!(setting.get("", "groups/acme")["visibility"], "public");
    assert_eq!(names(&setting.get("", "groups"), "path"), ["acme"]);
    setting.refused("", "GET groups/acme/members", 401, "401 Unauthorized");
    setting.refused("", "DELETE groups/acme", 401, "401 Unauthorized");
    setting.refused(eve, "DELETE groups/acme", 403, "403 Forbidden");
    setting.ask(olga, "DELETE groups/acme").expect(202);
}

#[test]
fn members_have_roles_and_an_end() {
    let setting = Setting::new(&["ann", "bob"]);
    let root = &setting.root;
    let group = setting.has_group("acme", None);
    let below = setting.has_group("tools", Some(group));
    let ann = setting.get(root, "users?username=ANN")[0]["id"].as_u64().unwrap();
    let add = |body: Value| setting.ask(root, "POST groups/acme/members").json(&body);
    let added = add(json!({"user_id": ann, "access_level": 30, "expires_at": "2090-12-31"}));
    let added = added.expect(201).json();
    assert_eq!((&added["username"], &added["access_level"]), (&json!("ann"), &json!(30)));
    assert_eq!((&added["expires_at"], &added["id"]), (&json!("2090-12-31"), &json!(ann)));
    let again = add(json!({"username": "ann", "access_level": 30})).expect(409);
    again.json_is(&json!({"message": "Member already exists"}));
    for (body, status, text) in [
        (json!({"username": "nobody", "access_level": 30}), 404, "404 User Not Found"),
        (json!({"username": "bob"}), 400, "access_level is missing"),
        (json!({"username": "bob", "access_level": 35}), 400, "access_level does not have"),
        (json!({"access_level": 30}), 400, "user_id, username are missing"),
        (json!({"user_id": "x", "access_level": 30}), 400, "user_id is invalid"),
        (
            json!({"username": "bob", "access_level": 30, "expires_at": "2001-01-01"}),
            400,
            "not in the future",
        ),
    ] {
        assert!(add(body.clone()).expect(status).text().contains(text), "{body}");
    }
    let of = |group: u64, path: &str| setting.get(root, &format!("groups/{group}/members{path}"));
    assert_eq!(names(&of(group, ""), "username"), ["admin", "ann"]);
    assert_eq!(names(&of(below, ""), "username"), ["admin"]);
    assert_eq!(names(&of(below, "/all"), "username"), ["admin", "ann"]);
    assert_eq!(of(below, &format!("/all/{ann}"))["access_level"], 30);
    assert_eq!(names(&of(group, "?query=an"), "username"), ["ann"]);
    setting.refused(root, &format!("GET groups/{below}/members/{ann}"), 404, "404 Not Found");
    // What is not said stays.
    let at = format!("groups/{group}/members/{ann}");
    let changed = setting.ask(root, &format!("PUT {at}?access_level=40")).expect(200).json();
    assert_eq!(
        (&changed["access_level"], &changed["expires_at"]),
        (&json!(40), &json!("2090-12-31"))
    );
    let changed = setting.ask(root, &format!("PUT {at}?access_level=40&expires_at="));
    assert_eq!(changed.expect(200).json()["expires_at"], Value::Null);
    let old = setting.ask(root, &format!("DELETE {at}"));
    let old = old.header("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:10 GMT").expect(412);
    assert!(old.text().contains("412 Precondition Failed"));
    // Everybody may go, but for the last owner.
    setting.ask(&setting.token("ann"), &format!("DELETE {at}")).expect(204).body_is("");
    setting.refused(root, &format!("GET {at}"), 404, "404 Not Found");
    let admin = setting.get(root, "user")["id"].as_u64().unwrap();
    let admin = format!("DELETE groups/{group}/members/{admin}");
    setting.refused(root, &admin, 403, "make somebody else an owner first");
    setting.has_member(group, "bob", 50);
    setting.ask(root, &admin).expect(204);
}

#[test]
fn teams_are_links_to_groups_of_a_directory() {
    let setting = Setting::new(&[]);
    let group = setting.has_group("acme", None);
    setting.server.has_user("dan", &["devs"]);
    let dan = &setting.token("dan");
    setting.refused(dan, "GET groups/acme", 404, "404 Group Not Found");
    let links = format!("groups/{group}/ldap_group_links");
    let body = json!({"cn": "devs", "group_access": 30, "provider": "ldapmain"});
    let add = || setting.ask(&setting.root, &format!("POST {links}")).json(&body);
    let line = json!({"cn": "devs", "group_access": 30, "provider": "ldapmain", "filter": null});
    add().expect(201).json_is(&line);
    add().expect(409);
    assert_eq!(setting.get(&setting.root, &links), json!([line]));
    assert_eq!(setting.get(dan, "groups/acme")["id"], group);
    assert_eq!(names(&setting.get(dan, "groups/acme/members"), "username"), ["admin"]);
    setting.ask(&setting.root, &format!("DELETE {links}?cn=devs&provider=ldapmain")).expect(204);
    setting.refused(dan, "GET groups/acme", 404, "404 Group Not Found");
    let gone = format!("DELETE {links}/ldapmain/devs");
    setting.refused(&setting.root, &gone, 404, "404 Linked LDAP group Not Found");
    add().expect(201);
    setting.ask(&setting.root, &gone).expect(204);
}

#[test]
fn deploy_tokens_are_told_once() {
    let setting = Setting::new(&[]);
    let root = &setting.root;
    let (group, other) = (setting.has_group("acme", None), setting.has_group("other", None));
    let tokens = format!("groups/{group}/deploy_tokens");
    let body = json!({"name": "ci", "scopes": ["read_registry", "write_registry"]});
    let made = setting.ask(root, &format!("POST {tokens}")).json(&body).expect(201).json();
    let id = made["id"].as_u64().unwrap();
    assert_eq!(made["username"], format!("gitlab+deploy-token-{id}"));
    assert!(made["token"].as_str().unwrap().starts_with("larder_deploy_"), "{made}");
    let listed = setting.get(root, &tokens);
    assert_eq!(listed[0]["scopes"], json!(["read_registry", "write_registry"]));
    assert_eq!((&listed[0]["token"], &listed[0]["revoked"]), (&Value::Null, &json!(false)));
    assert_eq!(setting.get(root, "deploy_tokens"), listed);
    assert_eq!(setting.get(root, &format!("{tokens}/{id}")), listed[0]);
    setting.refused(
        root,
        &format!("GET groups/{other}/deploy_tokens/{id}"),
        404,
        "404 DeployToken",
    );
    let bad = setting.ask(root, &format!("POST {tokens}")).json(&json!({"name": "x"}));
    bad.expect(400).json_is(&json!({"error": "scopes is missing"}));
    let bad = json!({"name": "x", "scopes": ["api"]});
    let bad = setting.ask(root, &format!("POST {tokens}")).json(&bad).expect(400);
    assert!(bad.text().contains("read_package_registry"), "{}", bad.text());
    setting.ask(root, &format!("DELETE {tokens}/{id}")).expect(204);
    assert_eq!(setting.get(root, &tokens), json!([]));
    setting.refused(root, &format!("DELETE {tokens}/{id}"), 404, "404 DeployToken Not Found");
}

#[test]
fn tokens_of_people_are_made_by_administrators_and_by_themselves() {
    let setting = Setting::new(&["ann", "bob"]);
    let root = &setting.root;
    let ann = setting.get(root, "users?username=ann")[0]["id"].as_u64().unwrap();
    let body = json!({"name": "ci", "scopes": ["read_api"], "expires_at": "2090-01-02"});
    let at = format!("POST users/{ann}/personal_access_tokens");
    let made = setting.ask(root, &at).json(&body).expect(201).json();
    assert_eq!((&made["user_id"], &made["expires_at"]), (&json!(ann), &json!("2090-01-02")));
    let token = made["token"].as_str().unwrap();
    assert_eq!(setting.get(token, "user")["username"], "ann");
    let own = setting.get(token, "personal_access_tokens/self");
    assert_eq!((&own["id"], &own["active"]), (&made["id"], &json!(true)));
    // It reads, and that alone.
    let scope = "insufficient_scope";
    setting.refused(token, "POST groups?name=x&path=x", 403, scope);
    setting.refused(token, "POST user/personal_access_tokens", 403, scope);
    let other = &setting.token("bob");
    setting.ask(other, &at).json(&body).expect(403);
    let id = made["id"].as_u64().unwrap();
    setting.refused(other, &format!("GET personal_access_tokens/{id}"), 404, "404 Personal");
    setting.refused(other, &format!("DELETE personal_access_tokens/{id}"), 404, "404 Personal");
    setting.refused(other, &format!("GET personal_access_tokens?user_id={ann}"), 401, "401");
    assert_eq!(names(&setting.get(other, "personal_access_tokens"), "name"), ["test"]);
    let listed = setting.get(root, &format!("personal_access_tokens?user_id={ann}"));
    assert_eq!(
        (names(&listed, "name"), &listed[0]["token"]),
        (vec!["ci".to_owned()], &Value::Null)
    );
    assert_eq!(setting.get(root, "personal_access_tokens").as_array().unwrap().len(), 3);
    setting.ask(root, &format!("DELETE personal_access_tokens/{id}")).expect(204);
    setting.refused(token, "GET user", 401, "401 Unauthorized");
    // Oneself, by password; a token makes none that outlives it.
    let mine = setting.server.post("/api/v4/user/personal_access_tokens");
    let mine = mine.by("bob", &password_of("bob"));
    let mine = mine.json(&json!({"name": "m", "scopes": ["api"], "expires_at": "2090-01-02"}));
    let mine = mine.expect(201).json()["token"].as_str().unwrap().to_owned();
    let ask_for = |end: &str| {
        let line = format!("POST user/personal_access_tokens?name=n&scopes[]=api{end}");
        setting.ask(&mine, &line)
    };
    assert!(ask_for("").expect(400).text().contains("2090-01-02"));
    ask_for("&expires_at=2090-01-03").expect(400);
    ask_for("&expires_at=2090-01-02").expect(201);
    setting.ask(&mine, "DELETE personal_access_tokens/self").expect(204);
    setting.refused(&mine, "GET user", 401, "401 Unauthorized");
}

#[test]
fn who_asks_is_told_and_who_does_not_say_is_refused() {
    let setting = Setting::new(&["ann"]);
    let token = &setting.token("ann");
    let me = setting.get(token, "user");
    assert_eq!((&me["username"], &me["is_admin"]), (&json!("ann"), &json!(false)));
    assert_eq!(setting.get(token, &format!("users/{}", me["id"]))["username"], "ann");
    assert_eq!(setting.get(&setting.root, "user")["is_admin"], true);
    assert_eq!(names(&setting.get(token, "users"), "username"), ["ann"]);
    assert_eq!(names(&setting.get(&setting.root, "users"), "username"), ["admin", "ann"]);
    assert_eq!(setting.get(token, "users?username=none"), json!([]));
    setting.refused(token, "GET users/99", 404, "404 User Not Found");
    setting.refused(token, "GET users/x", 400, "id is invalid");
    let version = setting.get(token, "version");
    assert!(version["version"].as_str().unwrap().starts_with("17."), "{version}");
    assert_eq!(setting.get(token, "metadata")["enterprise"], false);
    let bearer =
        setting.server.get("/api/v4/user").header("Authorization", &format!("Bearer {token}"));
    assert_eq!(bearer.expect(200).json()["id"], me["id"]);
    for line in
        ["GET version", "GET user", "GET users", "POST groups", "GET personal_access_tokens"]
    {
        setting.refused("", line, 401, "\"401 Unauthorized\"}");
        setting.refused("larder_1_wrong", line, 401, "\"401 Unauthorized\"}");
    }
    assert_eq!(setting.get("", "groups"), json!([]));
    let narrow = &setting.server.token_of("ann", "read_registry");
    setting.refused(narrow, "GET groups", 403, "insufficient_scope");
}

#[test]
fn where_nobody_logs_in_everybody_may_everything() {
    let server = TestServer::start();
    let group = json!({"name": "Acme", "path": "acme"});
    let made = server.post("/api/v4/groups").json(&group).expect(201).json();
    assert_eq!(made["full_path"], "acme");
    let member = json!({"username": "ann", "access_level": 50});
    server.post("/api/v4/groups/acme/members").json(&member).expect(201);
    assert_eq!(server.get("/api/v4/groups").expect(200).json()[0]["id"], made["id"]);
    server.get("/api/v4/user").expect(401);
    server.delete("/api/v4/groups/acme").expect(202);
    server.get("/api/v4/groups/acme").expect(404);
}
