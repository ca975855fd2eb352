//! Packages by number over REST: lists with their parameters and headers, files, deletion, and the
//! command for deletion by query (spec gitlab §3).

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::{Response, TestServer};

/// A server with a group, two projects in it, and people of three kinds.
pub struct Setting {
    pub server: TestServer,
    pub root: String,
    /// The numbers of `acme/app` and `acme/tool`.
    pub app: u64,
    pub tool: u64,
}

impl Setting {
    pub fn new(visibility: &str) -> Self {
        let server = TestServer::with_people().start();
        let root = server.token_of("admin", "api");
        for user in ["reporter", "maintainer", "stranger"] {
            server.has_user(user, &["people"]);
        }
        let this = Self { server, root, app: 0, tool: 0 };
        let group = json!({"name": "Acme", "path": "acme", "visibility": visibility});
        let group = this.post("groups", &group)["id"].as_u64().unwrap();
        for (user, level) in [("reporter", 20), ("maintainer", 40)] {
            let member = json!({"username": user, "access_level": level});
            this.post(&format!("groups/{group}/members"), &member);
        }
        let project = |name: &str| {
            let new = json!({"path": name, "namespace_id": group, "visibility": visibility});
            this.post("projects", &new)["id"].as_u64().unwrap()
        };
        let (app, tool) = (project("app"), project("tool"));
        Self { app, tool, ..this }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(&self.root, &format!("POST {path}")).json(body).expect(201).json()
    }

    pub fn token(&self, user: &str) -> String {
        self.server.token_of(user, "api")
    }

    pub fn ask(&self, token: &str, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        let request = self.server.ask(method, &format!("/api/v4/{path}"));
        if token.is_empty() { request } else { request.header("PRIVATE-TOKEN", token) }
    }

    /// Publishes a file of a generic package.
    pub fn publishes(&self, project: u64, name: &str, version: &str, file: &str, text: &str) {
        let path = format!("PUT projects/{project}/packages/generic/{name}/{version}/{file}");
        self.ask(&self.root, &path).body(text).expect(201);
    }

    pub fn get(&self, token: &str, path: &str) -> Response {
        self.ask(token, &format!("GET {path}")).expect(200)
    }

    /// Names and versions of a list.
    fn names(&self, token: &str, path: &str) -> String {
        let list = self.get(token, path).json();
        let lines = list.as_array().unwrap().iter();
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let lines = lines.map(|line| text(line, "name") + &text(line, "version"));
        lines.collect::<Vec<_>>().join(" ")
    }

    /// The number of the only package of a name.
    pub fn id(&self, name: &str) -> u64 {
        let path = format!("projects/{}/packages?package_name={name}", self.app);
        self.get(&self.root, &path).json()[0]["id"].as_u64().unwrap()
    }
}

#[test]
fn packages_are_listed_as_they_are_asked_for() {
    let setting = Setting::new("private");
    let (app, tool) = (setting.app, setting.tool);
    for (name, version) in [("b", "1"), ("a", "2"), ("a", "1"), ("c", "1")] {
        setting.publishes(app, name, version, "f.txt", name);
    }
    setting.publishes(tool, "tool", "9", "f.txt", "t");
    let root = &setting.root;
    for (query, wanted) in [
        ("", "b1 a2 a1 c1"),
        ("?sort=desc", "c1 a1 a2 b1"),
        ("?order_by=name", "a2 a1 b1 c1"),
        ("?order_by=name&sort=desc", "c1 b1 a1 a2"),
        ("?order_by=version", "b1 a1 c1 a2"),
        ("?order_by=type", "a2 a1 b1 c1"),
        ("?package_name=A", "a2 a1"),
        ("?package_version=1", "b1 a1 c1"),
        ("?package_type=generic&per_page=2", "b1 a2"),
        ("?package_type=npm", ""),
        ("?package_type=conan", ""),
        ("?status=hidden", ""),
        ("?per_page=3&page=2", "c1"),
    ] {
        assert_eq!(
            setting.names(root, &format!("projects/{app}/packages{query}")),
            wanted,
            "{query}"
        );
    }
    let by_path = "groups/acme/packages?order_by=project_path&sort=desc";
    assert_eq!(setting.names(root, by_path), "tool9 c1 a1 a2 b1");
    assert_eq!(
        setting.names(root, "groups/acme/packages?exclude_subgroups=true&page=2&per_page=4"),
        "tool9"
    );
    let page =
        setting.get(root, &format!("projects/{app}/packages?per_page=3&package_type=generic"));
    for (name, value) in
        [("x-total", "4"), ("x-total-pages", "2"), ("x-page", "1"), ("x-next-page", "2")]
    {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let link = page.header("link").unwrap();
    assert!(link.contains("package_type=generic") && link.contains("rel=\"last\""), "{link}");
    for query in ["order_by=x", "sort=up", "package_type=x", "status=x", "order_by=project_path"] {
        let answer = setting.ask(root, &format!("GET projects/{app}/packages?{query}")).expect(400);
        assert!(answer.text().contains("\"error\""), "{}", answer.text());
    }
}

#[test]
fn a_package_tells_what_clients_read() {
    let setting = Setting::new("private");
    let (app, root) = (setting.app, &setting.root);
    setting.publishes(app, "lib", "1.0", "a.txt", "hello");
    setting.publishes(app, "lib", "2.0", "a.txt", "hello again");
    let path = format!("projects/{app}/packages?package_version=1.0");
    let listed = setting.get(root, &path).json();
    let id = listed[0]["id"].as_u64().unwrap();
    assert!(listed[0].get("versions").is_none(), "{listed}");
    let one = format!("projects/{app}/packages/{id}");
    let shown = setting.get(root, &one).json();
    let link = format!("/acme/app/-/packages/{id}");
    assert_eq!(shown["_links"]["web_path"], link);
    assert_eq!(shown["_links"]["delete_api_path"], setting.server.url(&format!("/api/v4/{one}")));
    assert_eq!((&shown["package_type"], &shown["status"]), (&json!("generic"), &json!("default")));
    assert_eq!(shown["versions"][0]["version"], "2.0");
    assert_eq!((&shown["tags"], &shown["pipelines"]), (&json!([]), &json!([])));
    let reporter = setting.token("reporter");
    let shown = setting.get(&reporter, &one).json();
    assert!(shown["_links"].get("delete_api_path").is_none(), "{shown}");
    let files = setting.get(&reporter, &format!("{one}/package_files"));
    assert_eq!(files.header("x-total"), Some("1"));
    let file = files.json()[0].clone();
    assert_eq!(file["file_md5"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!((&file["size"], &file["file_name"]), (&json!(5), &json!("a.txt")));
    let number = &file["id"];
    let download = setting.get(&reporter, &format!("{one}/package_files/{number}/download"));
    assert_eq!(download.text(), "hello");
    setting.get(&reporter, &format!("{one}/pipelines?per_page=20")).json_is(&json!([]));
    setting.ask(&reporter, &format!("GET {one}/pipelines?per_page=21")).expect(400);
    setting.ask(&reporter, &format!("GET projects/{app}/packages/x")).expect(404);
    setting.ask(&reporter, &format!("GET projects/{app}/packages/99999")).expect(404);
    setting.ask(&reporter, &format!("GET projects/{}/packages/{id}", setting.tool)).expect(404);
}

/// Statements 18 and 25 over REST.
#[test]
fn statement_25_what_is_deleted_is_gone_at_once_and_its_name_is_free() {
    let setting = Setting::new("private");
    let (app, root) = (setting.app, &setting.root);
    setting.publishes(app, "lib", "1.0", "a.txt", "one");
    setting.publishes(app, "lib", "1.0", "a.txt", "two");
    let id = setting.id("lib");
    let one = format!("projects/{app}/packages/{id}");
    let served = format!("projects/{app}/packages/generic/lib/1.0/a.txt");
    assert_eq!(setting.get(root, &served).text(), "two");
    let files = setting.get(root, &format!("{one}/package_files?sort=desc")).json();
    let newest = &files[0]["id"];
    let old = "Thu, 01 Jan 2015 00:00:00 GMT";
    let delete = |token: &str, path: &str| setting.ask(token, &format!("DELETE {path}"));
    let file = format!("{one}/package_files/{newest}");
    delete(root, &file).header("If-Unmodified-Since", old).expect(412);
    delete(root, &file).expect(204).without_body();
    delete(root, &file).expect(404);
    assert_eq!(setting.get(root, &served).text(), "one");
    assert_eq!(setting.get(root, &format!("{one}/package_files")).header("x-total"), Some("1"));
    for (user, status) in [("reporter", 403), ("stranger", 404)] {
        delete(&setting.token(user), &one).expect(status);
    }
    delete("", &one).expect(401);
    delete(root, &one).header("If-Unmodified-Since", old).expect(412);
    delete(&setting.token("maintainer"), &one).expect(204).without_body();
    for path in [one.clone(), served.clone(), format!("{one}/package_files")] {
        setting.ask(root, &format!("GET {path}")).expect(404);
    }
    delete(root, &one).expect(404);
    setting.publishes(app, "lib", "1.0", "a.txt", "again");
    assert_eq!(setting.get(root, &served).text(), "again");
    assert_ne!(setting.id("lib"), id);
}

#[test]
fn lists_are_for_whom_they_are() {
    let setting = Setting::new("private");
    let app = setting.app;
    setting.publishes(app, "lib", "1.0", "a.txt", "one");
    let list = format!("GET projects/{app}/packages");
    setting.ask("", &list).expect(401);
    setting.ask(&setting.token("stranger"), &list).expect(404);
    setting.ask(&setting.token("stranger"), "GET groups/acme/packages").expect(404);
    setting.ask(&setting.token("reporter"), &list).expect(200);
    let open = Setting::new("public");
    open.publishes(open.app, "lib", "1.0", "a.txt", "one");
    assert_eq!(open.names("", &format!("projects/{}/packages", open.app)), "lib1.0");
    assert_eq!(open.names("", "groups/acme/packages"), "lib1.0");
}

#[test]
fn the_command_deletes_what_a_query_finds() {
    let setting = Setting::new("private");
    let (app, server) = (setting.app, &setting.server);
    for version in ["1.0", "1.1", "2.0"] {
        setting.publishes(app, "lib", version, "a.txt", &"x".repeat(100));
    }
    setting.publishes(app, "lib", "1.2", "b.txt", &"y".repeat(1000));
    setting.publishes(setting.tool, "lib", "1.0", "a.txt", &"x".repeat(100));
    let json = |arguments: &[&str]| -> Value {
        let outcome = server.command(&[arguments, &["--json"]].concat()).succeeds();
        serde_json::from_str(&outcome.out).unwrap()
    };
    let plan = json(&["package", "delete", "acme/app", "--version", "1.*", "--dry-run"]);
    assert_eq!((&plan["number"], &plan["named"]["bytes"]), (&json!(3), &json!(1200)));
    // The hundred bytes stay: 2.0 and the other project have them too.
    assert_eq!(plan["freed"], json!({ "files": 1, "bytes": 1000 }));
    assert_eq!(json(&["package", "list", "acme/app"])["number"], 4);
    assert_eq!(json(&["package", "list", "acme", "--name", "l*"])["number"], 5);
    server.command(&["package", "delete", "acme/app"]).exits(2);
    let recent = json(&["package", "delete", "acme", "--older-than", "1d"]);
    assert_eq!(recent["number"], 0);
    let done = json(&["package", "delete", "acme/app", "--version", "1.*"]);
    assert_eq!((&done["number"], &done["named"]["bytes"]), (&json!(3), &json!(1200)));
    assert_eq!(json(&["package", "list", "acme"])["number"], 2);
    let id = setting.id("lib").to_string();
    let shown = server.command(&["package", "show", &id]).succeeds();
    assert!(shown.out.contains("lib 2.0") && shown.out.contains("a.txt"), "{}", shown.out);
}
