//! GitLab's REST API: projects, who is in them, their tokens and lists (spec gitlab §3.1, §9); and
//! `larder project`.

use serde_json::{Value, json};

use super::groups_api::{Setting, names, number};

impl Setting {
    /// Makes a project by root; tells its number.
    #[track_caller]
    fn has_project(&self, path: &str, group: u64, visibility: &str) -> u64 {
        let body = json!({"path": path, "namespace_id": group, "visibility": visibility});
        let made = self.ask(&self.root, "POST projects").json(&body).expect(201).json();
        made["id"].as_u64().unwrap()
    }

    #[track_caller]
    fn has_project_member(&self, project: u64, user: &str, level: u64) {
        let body = json!({"username": user, "access_level": level});
        let line = format!("POST projects/{project}/members");
        self.ask(&self.root, &line).json(&body).expect(201);
    }

    #[track_caller]
    fn narrows(&self, group: u64, visibility: &str) {
        let line = format!("PUT groups/{group}?visibility={visibility}");
        self.ask(&self.root, &line).expect(200);
    }
}

#[test]
fn projects_are_made_renamed_and_deleted() {
    let setting = Setting::new(&[]);
    let root = &setting.root;
    let acme = setting.has_group("acme", None);
    let body = json!({"name": "My App", "namespace_id": acme, "description": "d"});
    let made = setting.ask(root, "POST projects").json(&body).expect(201).json();
    let id = made["id"].as_u64().unwrap();
    for (key, value) in [
        ("path", json!("my-app")),
        ("path_with_namespace", json!("acme/my-app")),
        ("name_with_namespace", json!("The acme / My App")),
        ("visibility", json!("private")),
        ("description", json!("d")),
        ("archived", json!(false)),
        ("web_url", json!(setting.server.url("/acme/my-app"))),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    assert_eq!(made["namespace"]["id"], acme);
    assert_eq!(
        made["permissions"],
        json!({"project_access": null, "group_access": {"access_level": 50}})
    );
    assert_eq!(setting.get(root, "projects/acme%2Fmy-app"), made);
    assert_eq!(setting.get(root, &format!("projects/{id}")), made);
    // A group of that name there cannot be, nor the other way round.
    setting.has_group("tools", Some(acme));
    let taken = json!({"message": {"path": ["has already been taken"]}});
    for path in ["my-app", "TOOLS"] {
        let body = json!({"path": path, "namespace_id": acme});
        setting.ask(root, "POST projects").json(&body).expect(400).json_is(&taken);
    }
    let renamed = setting.ask(root, &format!("PUT projects/{id}?path=tools"));
    renamed.expect(400).json_is(&taken);
    let group = json!({"name": "x", "path": "my-app", "parent_id": acme});
    let group = setting.ask(root, "POST groups").json(&group).expect(400);
    assert!(group.text().contains("has already been taken"));
    setting.ask(root, &format!("PUT projects/{id}?path=game")).expect(200);
    setting.ask(root, "PUT groups/acme?path=zeta").expect(200);
    assert_eq!(setting.get(root, "projects/zeta%2Fgame")["id"], id);
    setting.refused(root, "GET projects/acme%2Fmy-app", 404, "404 Project Not Found");
    let old = setting.ask(root, &format!("DELETE projects/{id}"));
    old.header("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:10 GMT").expect(412);
    let deleted = setting.ask(root, &format!("DELETE projects/{id}")).expect(202);
    deleted.json_is(&json!({"message": "202 Accepted"}));
    setting.refused(root, &format!("GET projects/{id}"), 404, "404 Project Not Found");
    // The name is free at once; at the top there are projects of administrators.
    assert_ne!(setting.has_project("game", acme, "private"), id);
    setting.ask(root, "POST projects").json(&json!({"path": "alone"})).expect(201);
    assert_eq!(setting.get(root, "projects/alone")["namespace"], Value::Null);
    setting.ask(root, "DELETE groups/zeta").expect(202);
    assert_eq!(names(&setting.get(root, "projects"), "path"), ["alone"]);
}

#[test]
fn what_cannot_be_made_is_told_as_clients_know_it_of_projects() {
    let setting = Setting::new(&["ann"]);
    let (root, ann) = (&setting.root, &setting.token("ann"));
    let acme = setting.has_group("acme", None);
    let make = |token: &str, body: Value| setting.ask(token, "POST projects").json(&body).send();
    for (body, status, text) in [
        (json!({}), 400, "name, path are missing, at least one parameter must be provided"),
        (json!({"path": "a b", "namespace_id": acme}), 400, "{\"message\": {\"path\": ["),
        (json!({"path": "x", "namespace_id": 99}), 404, "404 Group Not Found"),
        (json!({"path": "x", "namespace_id": acme, "visibility": "all"}), 400, "visibility"),
        (
            json!({"path": "x", "namespace_id": acme, "visibility": "public"}),
            400,
            "{\"message\": {\"visibility_level\": [\"public is not allowed in a private group",
        ),
        (json!({"path": "x", "name": "y".repeat(256), "namespace_id": acme}), 400, "\"name\": ["),
    ] {
        let answer = make(root, body.clone());
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().contains(text), "{body}: {}", answer.text());
    }
    let at_top = make(ann, json!({"path": "x"}));
    assert_eq!((at_top.status, at_top.text().contains("namespace_id is missing")), (400, true));
    assert_eq!(make(ann, json!({"path": "x", "namespace_id": acme})).status, 404);
    assert_eq!(make("", json!({"path": "x", "namespace_id": acme})).status, 401);
    setting.refused(root, "PATCH projects", 405, "405 Not Allowed");
    setting.refused(root, "GET projects?order_by=size", 400, "order_by does not have");
    setting.refused(root, "GET projects?sort=up", 400, "sort does not have a valid value");
    setting.refused(root, "GET projects/1/issues", 404, "404 Not Found");
}

#[test]
fn roles_decide_what_somebody_may_do_in_a_project() {
    let users = ["eve", "olga", "mona", "dan", "gus"];
    let setting = Setting::new(&users);
    let group = setting.has_group("acme", None);
    let id = setting.has_project("app", group, "private");
    for (user, level) in [("olga", 50), ("mona", 40), ("dan", 30), ("gus", 10)] {
        setting.has_project_member(id, user, level);
    }
    let [eve, olga, mona, dan, gus] = users.map(|user| setting.token(user));
    let at = format!("projects/{id}");
    for line in [
        format!("GET {at}"),
        format!("PUT {at}?name=x"),
        format!("DELETE {at}"),
        format!("GET {at}/members"),
        format!("POST {at}/members?username=eve&access_level=50"),
        format!("GET {at}/deploy_tokens"),
    ] {
        setting.refused(&eve, &line, 404, "404 Project Not Found");
    }
    // Whoever is in a project does not see its group by that.
    setting.refused(&mona, "GET groups/acme", 404, "404 Group Not Found");
    for token in [&gus, &dan] {
        assert_eq!(setting.get(token, &at)["id"], id);
        for line in [
            format!("PUT {at}?name=x"),
            format!("POST {at}/members?username=eve&access_level=10"),
            format!("POST {at}/deploy_tokens?name=x&scopes=read_package_registry"),
        ] {
            setting.refused(token, &line, 403, "403 Forbidden");
        }
    }
    setting.ask(&mona, &format!("PUT {at}?name=x")).expect(200);
    let token = format!("POST {at}/deploy_tokens?name=x&scopes=read_package_registry");
    setting.ask(&mona, &token).expect(201);
    // Nobody gives or takes away more than they have.
    let add =
        |user: &str, level: u64| format!("POST {at}/members?username={user}&access_level={level}");
    setting.refused(&mona, &add("eve", 50), 403, "403 Forbidden");
    setting.ask(&mona, &add("eve", 40)).expect(201);
    let number_of =
        |user: &str| setting.get(&setting.root, &format!("users?username={user}"))[0]["id"].clone();
    let olgas = format!("{at}/members/{}", number_of("olga"));
    setting.refused(&mona, &format!("DELETE {olgas}"), 403, "403 Forbidden");
    setting.refused(&mona, &format!("PUT {olgas}?access_level=10"), 403, "403 Forbidden");
    let own = format!("{at}/members/{}", number_of("mona"));
    setting.refused(&mona, &format!("PUT {own}?access_level=50"), 403, "403 Forbidden");
    setting.refused(&mona, &format!("DELETE {at}"), 403, "403 Forbidden");
    setting.ask(&dan, &format!("DELETE {at}/members/{}", number_of("dan"))).expect(204);
    setting.refused(&dan, &format!("GET {at}"), 404, "404 Project Not Found");
    setting.ask(&olga, &format!("DELETE {at}")).expect(202);
    // Developers of a group make projects in it, and own what they made.
    setting.has_member(group, "dan", 30);
    setting.has_member(group, "gus", 20);
    let body = json!({"path": "dans", "namespace_id": group});
    setting.ask(&gus, "POST projects").json(&body).expect(403);
    let made = setting.ask(&dan, "POST projects").json(&body).expect(201).json();
    assert_eq!(made["permissions"]["project_access"]["access_level"], 50);
    assert_eq!(made["permissions"]["group_access"]["access_level"], 30);
    setting.ask(&dan, "DELETE projects/acme%2Fdans").expect(202);
}

#[test]
fn a_project_is_seen_as_far_as_its_group_is() {
    let setting = Setting::new(&["eve"]);
    let eve = &setting.token("eve");
    let group = setting.has_group("acme", None);
    setting.narrows(group, "public");
    let public = setting.has_project("open", group, "public");
    setting.has_project("inside", group, "internal");
    setting.has_project("secret", group, "private");
    let seen = |token: &str| names(&setting.get(token, "projects?order_by=path&sort=asc"), "path");
    assert_eq!(seen(""), ["open"]);
    assert_eq!(seen(eve), ["inside", "open"]);
    assert_eq!(seen(&setting.root), ["inside", "open", "secret"]);
    assert_eq!(setting.get("", &format!("projects/{public}"))["path"], "open");
    setting.refused("", "GET projects/acme%2Fsecret", 404, "404 Project Not Found");
    setting.refused("", &format!("GET projects/{public}/members"), 401, "401 Unauthorized");
    setting.refused(eve, &format!("DELETE projects/{public}"), 403, "403 Forbidden");
    setting.narrows(group, "internal");
    assert_eq!((seen(""), seen(eve)), (vec![], vec!["inside".to_owned(), "open".to_owned()]));
    setting.narrows(group, "private");
    assert_eq!((seen(""), seen(eve)), (vec![], vec![]));
    setting.refused(eve, &format!("GET projects/{public}"), 404, "404 Project Not Found");
    setting.narrows(group, "public");
    assert_eq!(seen(""), ["open"]);
}

#[test]
fn lists_of_projects_are_filtered_sorted_and_come_in_pages() {
    let setting = Setting::new(&["ann"]);
    let (root, ann) = (&setting.root, &setting.token("ann"));
    let group = setting.has_group("acme", None);
    let below = setting.has_group("tools", Some(group));
    for path in ["c", "a", "b"] {
        setting.has_project(path, group, "private");
    }
    let deep = setting.has_project("deep", below, "private");
    setting.has_project_member(deep, "ann", 30);
    let list = |token: &str, query: &str| names(&setting.get(token, query), "path");
    assert_eq!(list(root, "projects"), ["deep", "b", "a", "c"], "the newest first");
    assert_eq!(list(root, "projects?sort=asc&order_by=id"), ["c", "a", "b", "deep"]);
    assert_eq!(list(root, "projects?order_by=name&sort=asc"), ["a", "b", "c", "deep"]);
    assert_eq!(list(root, "projects?order_by=path"), ["deep", "c", "b", "a"]);
    assert_eq!(list(root, "projects?search=EE"), ["deep"]);
    assert_eq!(list(root, "projects?visibility=public"), Vec::<String>::new());
    assert_eq!(list(root, "projects?owned=true&search=deep"), ["deep"]);
    assert_eq!(list(ann, "projects?membership=true"), ["deep"]);
    assert_eq!(list(ann, "projects?owned=true"), Vec::<String>::new());
    assert_eq!(list(ann, "projects?min_access_level=30"), ["deep"]);
    assert_eq!(list(root, "groups/acme/projects"), ["b", "a", "c"]);
    let all = "groups/acme/projects?include_subgroups=true&order_by=path&sort=asc";
    assert_eq!(list(root, all), ["a", "b", "c", "deep"]);
    setting.refused(ann, "GET groups/acme/projects", 404, "404 Group Not Found");
    let number_of_ann = setting.get(root, "users?username=ann")[0]["id"].clone();
    let hers = format!("users/{number_of_ann}/projects");
    assert_eq!(list(root, &hers), ["deep"]);
    setting.refused(root, "GET users/99/projects", 404, "404 User Not Found");
    let simple = setting.get(root, "projects?simple=true");
    assert!(simple[0].get("visibility").is_none() && simple[0]["path"] == "deep");
    let page = setting.ask(root, "GET projects?per_page=3&page=2").expect(200);
    assert_eq!(names(&page.json(), "path"), ["c"]);
    for (name, value) in [("x-page", 2), ("x-prev-page", 1), ("x-total", 4), ("x-total-pages", 2)] {
        assert_eq!(number(&page, name), Some(value), "{name}");
    }
    assert_eq!(page.header("x-next-page"), Some(""));
    // What it holds is told to those who may read it.
    let statistics = setting.get(ann, &format!("projects/{deep}?statistics=true"));
    let nothing = json!({
        "commit_count": 0,
        "repository_size": 0,
        "storage_size": 0,
        "packages_size": 0,
        "pending_delete_bytes": 0,
    });
    assert_eq!(statistics["statistics"], nothing);
    setting.has_project_member(deep, "admin", 50);
    let body = json!({"access_level": 10});
    let line = format!("PUT projects/{deep}/members/{number_of_ann}");
    setting.ask(root, &line).json(&body).expect(200);
    let statistics = setting.get(ann, &format!("projects/{deep}?statistics=true"));
    assert!(statistics.get("statistics").is_none(), "a guest is not told");
}

#[test]
fn deploy_tokens_of_a_project_do_nothing_else_in_the_api() {
    let setting = Setting::new(&[]);
    let root = &setting.root;
    let group = setting.has_group("acme", None);
    let id = setting.has_project("app", group, "private");
    let body = json!({"name": "ci", "scopes": ["read_package_registry", "write_package_registry"]});
    let tokens = format!("projects/{id}/deploy_tokens");
    let made = setting.ask(root, &format!("POST {tokens}")).json(&body).expect(201).json();
    let (number, secret) = (made["id"].clone(), made["token"].as_str().unwrap());
    assert_eq!(setting.get(root, &tokens)[0]["id"], number);
    assert_eq!(setting.get(root, "deploy_tokens")[0]["id"], number);
    setting.refused(root, &format!("GET groups/{group}/deploy_tokens/{number}"), 404, "404");
    for line in [format!("GET projects/{id}"), "GET groups/acme".to_owned()] {
        let asked = setting.server.ask("GET", &format!("/api/v4/{}", &line[4..]));
        let answer = asked.header("DEPLOY-TOKEN", secret).send();
        assert!([401, 403, 404].contains(&answer.status), "{line}: {}", answer.status);
    }
    setting.ask(root, &format!("DELETE {tokens}/{number}")).expect(204);
    assert_eq!(setting.get(root, &tokens), json!([]));
}

#[test]
fn projects_are_administrated_from_the_command_line() {
    let setting = Setting::new(&["alice"]);
    let mut server = setting.server;
    for round in 0..2 {
        let run = |line: &str| server.command(&line.split_whitespace().collect::<Vec<_>>());
        let json_of = |line: &str| -> Value {
            serde_json::from_str(&run(&format!("{line} --json")).succeeds().out).unwrap()
        };
        assert!(run("project list").succeeds().out.contains("There are no projects"));
        run("project create acme/app").exits(2).complains(&["there is no group acme"]);
        run("group create acme --visibility internal").succeeds();
        let made = json_of("project create acme/App --visibility internal --owner alice");
        assert_eq!(made["path"], "acme/app");
        run("project create acme/app").exits(2).complains(&["a project or a group acme/app"]);
        run("group create acme/app").exits(2).complains(&["there is a group acme/app already"]);
        run("project create acme/x --visibility public").exits(2).complains(&["not allowed"]);
        run("project create acme/b").succeeds();
        let list = json_of("project list");
        assert_eq!(names(&list["projects"], "path"), ["acme/app", "acme/b"]);
        let list = json_of("project list --limit 1 --after acme/app");
        assert_eq!(names(&list["projects"], "path"), ["acme/b"]);
        let added = run("project member add acme/b alice --role developer").succeeds().out;
        assert_eq!(added, "alice is developer of acme/b.\n");
        let token =
            run("project deploy-token create acme/b --name ci --scope read_package_registry");
        assert!(token.succeeds().out.contains("larder_deploy_"));
        let tokens = json_of("project deploy-token list acme/b");
        assert_eq!(tokens["tokens"][0]["group"], "acme/b");
        run("group change acme --visibility private").succeeds();
        let shown = run("project show acme/app").succeeds().out;
        assert!(shown.contains("internal (private as its group is)"), "{shown}");
        assert!(shown.contains("0 packages") && shown.contains("1 member:"), "{shown}");
        assert_eq!(json_of("group show acme")["projects"], json!(["app", "b"]));
        let renamed = run("project change acme/app --path game").succeeds().out;
        assert_eq!(renamed, "acme/app is acme/game from now on.\n");
        let deleted = run("project delete acme/game").succeeds().out;
        assert!(deleted.starts_with("acme/game is deleted"), "{deleted}");
        run("project show acme/game").exits(2).complains(&["there is no project acme/game"]);
        run("group delete acme").succeeds();
        run("project show acme/b").exits(2).complains(&["there is no project acme/b"]);
        // Again without a server.
        if round == 0 {
            server.stop();
        }
    }
}
