//! Who gets to packages, by which credentials, and what a URL may not be (spec gitlab §9).

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::people::password_of;
use super::harness::{Response, TestServer};

/// How whoever is not logged in is asked to.
pub const CHALLENGE: &str = "Basic realm=\"GitLab Packages Registry\"";

/// A server where root's token is known, with a group `acme`.
pub struct Setting {
    pub server: TestServer,
    pub root: String,
}

impl Setting {
    pub fn new(users: &[&str]) -> Self {
        Self::of(TestServer::with_people().start(), users)
    }

    pub fn of(server: TestServer, users: &[&str]) -> Self {
        for user in users {
            server.has_user(user, &["people"]);
        }
        let root = server.token_of("admin", "api");
        let setting = Self { server, root };
        setting
            .api("POST groups", &json!({"name": "acme", "path": "acme", "visibility": "public"}));
        setting
    }

    /// Asks as root, who may.
    #[track_caller]
    pub fn api(&self, line: &str, body: &Value) -> Value {
        let answer = self.ask(line).header("PRIVATE-TOKEN", &self.root).json(body).send();
        assert!((200..300).contains(&answer.status), "{line}: {}", answer.text());
        answer.json()
    }

    pub fn ask(&self, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        self.server.ask(method, &format!("/api/v4/{path}"))
    }

    pub fn by_root(&self, line: &str) -> Request {
        self.ask(line).header("PRIVATE-TOKEN", &self.root)
    }

    /// Makes a project in `acme`; tells its number.
    #[track_caller]
    pub fn has_project(&self, name: &str, visibility: &str) -> u64 {
        let group = self.api("GET groups/acme", &Value::Null)["id"].clone();
        let new = json!({"path": name, "namespace_id": group, "visibility": visibility});
        self.api("POST projects", &new)["id"].as_u64().unwrap()
    }

    #[track_caller]
    pub fn has_member(&self, project: u64, user: &str, level: u64) {
        let body = json!({"username": user, "access_level": level});
        self.api(&format!("POST projects/{project}/members"), &body);
    }

    /// Makes a deploy token of a project; its login and text.
    #[track_caller]
    pub fn deploy_token(&self, project: u64, scopes: &[&str]) -> (String, String) {
        let body = json!({"name": "machine", "scopes": scopes});
        let made = self.api(&format!("POST projects/{project}/deploy_tokens"), &body);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("username"), text("token"))
    }
}

fn file(project: u64) -> String {
    format!("projects/{project}/packages/generic/tool/1.0/tool.bin")
}

#[test]
fn every_client_says_who_it_is_as_it_can() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("app", "private");
    setting.has_member(project, "eve", 30);
    let token = setting.server.token_of("eve", "api");
    let (machine, secret) = setting.deploy_token(project, &["write_package_registry"]);
    let url = file(project);
    let put = || setting.ask(&format!("PUT {url}")).body("x");
    for (header, value) in [
        ("PRIVATE-TOKEN", token.clone()),
        ("private-token", token.clone()),
        ("JOB-TOKEN", token.clone()),
        ("Job-Token", secret.clone()),
        ("Deploy-Token", secret.clone()),
        ("Authorization", format!("Bearer {token}")),
        ("Authorization", format!("Bearer {secret}")),
    ] {
        put().header(header, &value).expect(201);
        setting.ask(&format!("GET {url}")).header(header, &value).expect(200).body_is("x");
    }
    for (login, password) in [
        ("eve", token.as_str()),
        ("__token__", &token),
        ("gitlab-ci-token", &token),
        ("anything", &secret),
        (&machine, &secret),
        ("eve", &password_of("eve")),
    ] {
        put().by(login, password).expect(201);
        setting.ask(&format!("GET {url}")).by(login, password).expect(200);
    }
    for query in [format!("private_token={token}"), format!("job_token={secret}")] {
        setting.ask(&format!("GET {url}?{query}")).expect(200);
    }
}

#[test]
fn roles_and_visibility_decide_and_nobody_in_particular_is_asked_to_log_in() {
    let users = ["stranger", "guest", "reporter", "developer"];
    let setting = Setting::new(&users);
    let other = setting.has_project("other", "private");
    let foreign = setting.deploy_token(other, &["write_package_registry"]).1;
    for (visibility, expected) in [
        // Reading and publishing of each: nobody, the four, and three deploy tokens.
        ("public", "200/401 200/403 200/403 200/403 200/201 200/403 200/201 200/403"),
        ("internal", "401/401 200/403 200/403 200/403 200/201 200/403 200/201 404/404"),
        ("private", "401/401 404/404 403/403 200/403 200/201 200/403 200/201 404/404"),
    ] {
        let project = setting.has_project(visibility, visibility);
        setting.by_root(&format!("PUT {}", file(project))).body("x").expect(201);
        for (user, level) in [("guest", 10), ("reporter", 20), ("developer", 30)] {
            setting.has_member(project, user, level);
        }
        let mut tokens = vec![String::new()];
        tokens.extend(users.map(|user| setting.server.token_of(user, "api")));
        tokens.push(setting.deploy_token(project, &["read_package_registry"]).1);
        tokens.push(setting.deploy_token(project, &["write_package_registry"]).1);
        tokens.push(foreign.clone());
        let mut found = Vec::new();
        for token in &tokens {
            let ask = |method: &str| {
                let request = setting.ask(&format!("{method} {}", file(project)));
                let request = if method == "PUT" { request.body("y") } else { request };
                match token.as_str() {
                    "" => request.send(),
                    token => request.header("Job-Token", token).send(),
                }
            };
            let (read, put) = (ask("GET"), ask("PUT"));
            for answer in [&read, &put] {
                is_asked(answer, answer.status == 401);
            }
            found.push(format!("{}/{}", read.status, put.status));
        }
        assert_eq!(found.join(" "), expected, "{visibility}");
    }
}

#[track_caller]
fn is_asked(answer: &Response, asked: bool) {
    assert_eq!(answer.header("www-authenticate"), asked.then_some(CHALLENGE), "{}", answer.text());
}

#[test]
fn wrong_credentials_are_refused_where_nobody_needs_any() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("open", "public");
    setting.by_root(&format!("PUT {}", file(project))).body("x").expect(201);
    let get = || setting.ask(&format!("GET {}", file(project)));
    get().expect(200);
    let secret = "ab".repeat(32);
    for request in [
        get().header("PRIVATE-TOKEN", "guess"),
        get().header("Job-Token", "guess"),
        get().header("Deploy-Token", &format!("larder_deploy_9_{secret}")),
        get().header("Authorization", &format!("Bearer larder_9_{secret}")),
        get().by("eve", "guess"),
        get().by("eve", &format!("larder_9_{secret}")),
    ] {
        let answer = request.expect(401).has("www-authenticate", CHALLENGE);
        assert_eq!(answer.json(), json!({"message": "401 Unauthorized"}));
    }
    // Elsewhere in the API there is no such question.
    let token = setting.ask("GET user").header("PRIVATE-TOKEN", "guess");
    token.expect(401).lacks("www-authenticate");
}

#[test]
fn what_is_not_there_and_what_is_hidden_look_alike() {
    let setting = Setting::new(&["stranger"]);
    let hidden = setting.has_project("hidden", "private");
    let token = setting.server.token_of("stranger", "api");
    for at in [hidden.to_string(), "acme%2Fhidden".into(), "9999".into(), "acme%2Fnone".into()] {
        for method in ["GET", "HEAD", "PUT"] {
            let line = format!("{method} projects/{at}/packages/generic/tool/1.0/tool.bin");
            setting.ask(&line).expect(401).has("www-authenticate", CHALLENGE);
            let answer = setting.ask(&line).header("PRIVATE-TOKEN", &token).expect(404);
            if method != "HEAD" {
                assert_eq!(answer.json(), json!({"message": "404 Project Not Found"}));
            }
        }
    }
}

#[test]
fn deploy_tokens_and_narrow_tokens_get_no_further() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("app", "private");
    setting.has_member(project, "eve", 40);
    let machine = setting.deploy_token(project, &["write_package_registry"]).1;
    let images = setting.deploy_token(project, &["read_registry", "write_registry"]).1;
    for line in [
        format!("GET projects/{project}"),
        format!("GET projects/{project}/members"),
        "GET groups/acme".to_owned(),
        "GET user".to_owned(),
    ] {
        let answer = setting.ask(&line).header("Deploy-Token", &machine).expect(403);
        assert_eq!(answer.json()["error"], "insufficient_scope", "{line}");
    }
    let put = || setting.ask(&format!("PUT {}", file(project))).body("x");
    let get = || setting.ask(&format!("GET {}", file(project)));
    put().header("Deploy-Token", &machine).expect(201);
    let reader = setting.server.token_of("eve", "read_api");
    get().header("PRIVATE-TOKEN", &reader).expect(200);
    let pusher = setting.server.token_of("eve", "write_registry");
    for request in [
        put().header("PRIVATE-TOKEN", &reader),
        put().header("PRIVATE-TOKEN", &pusher),
        get().by("eve", &pusher),
        get().header("Deploy-Token", &images),
    ] {
        let answer = request.expect(403).lacks("www-authenticate");
        assert_eq!(answer.json()["error"], "insufficient_scope");
        assert_eq!(answer.json()["scope"], "api");
    }
    // A token of the group above is good for the project below.
    let above = json!({"name": "above", "scopes": ["read_package_registry"]});
    let above = setting.api("POST groups/acme/deploy_tokens", &above)["token"].clone();
    get().header("Deploy-Token", above.as_str().unwrap()).expect(200);
}

#[test]
fn no_url_leads_elsewhere_and_methods_are_told() {
    let setting = Setting::new(&[]);
    let project = setting.has_project("app", "public");
    for part in ["..", "%2e%2e", "a%2F..%2Fb", "%5C..%5Cx", "a%00b", "a%0Ab", "%ff", "%7F", "."] {
        for url in [
            format!("PUT projects/{project}/packages/generic/{part}/1.0/f"),
            format!("PUT projects/{project}/packages/generic/n/{part}/f"),
            format!("PUT projects/{project}/packages/generic/n/1.0/{part}"),
            format!("PUT projects/{project}/packages/generic/n/1.0/{part}/f"),
            format!("PUT projects/{project}/packages/maven/com/{part}/1.0/a.jar"),
            format!("PUT projects/{project}/packages/maven/com/a/1.0/{part}"),
            format!("GET projects/{project}/packages/npm/@acme/{part}"),
            format!("GET projects/{project}/packages/npm/x/-/{part}"),
            format!("GET projects/{project}/packages/pypi/simple/{part}"),
            format!("GET projects/{project}/packages/pypi/files/ab/{part}"),
            format!("GET groups/acme/-/packages/maven/{part}/a/1.0/a.jar"),
        ] {
            let request = setting.by_root(&url);
            let request = if url.starts_with("PUT") { request.body("x") } else { request };
            let answer = request.expect(400).has("content-type", "application/json");
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with("400 Bad request - "), "{url}: {message}");
        }
    }
    for (line, allow) in [
        (format!("DELETE {}", file(project)), "GET,HEAD,PUT"),
        (format!("OPTIONS {}", file(project)), "GET,HEAD,PUT"),
        (format!("GET projects/{project}/packages/pypi"), "POST"),
        (format!("POST projects/{project}/packages/npm/x"), "GET,HEAD,PUT"),
        ("PUT groups/acme/-/packages/maven/com/a/1.0/a.jar".to_owned(), "GET,HEAD"),
        ("PUT packages/npm/x".to_owned(), "GET,HEAD"),
    ] {
        let answer = setting.by_root(&line).expect(405).has("allow", allow);
        assert_eq!(answer.json(), json!({"error": "405 Not Allowed"}));
    }
    setting.server.has_nothing_staged();
}

#[test]
fn rules_protect_packages_from_publishers() {
    let setting = Setting::new(&["eve", "mia", "olga"]);
    let project = setting.has_project("app", "public");
    for (user, level) in [("eve", 30), ("mia", 40), ("olga", 50)] {
        setting.has_member(project, user, level);
    }
    let [eve, mia, olga] = ["eve", "mia", "olga"].map(|user| setting.server.token_of(user, "api"));
    let machine = setting.deploy_token(project, &["write_package_registry"]).1;
    let rules = format!("projects/{project}/packages/protection/rules");
    let ask = |token: &str, line: &str| setting.ask(line).header("Job-Token", token);
    let body = json!({
        "package_name_pattern": "tool*",
        "package_type": "generic",
        "minimum_access_level_for_push": "owner",
    });
    ask(&eve, &format!("POST {rules}")).json(&body).expect(403);
    let made = ask(&mia, &format!("POST {rules}")).json(&body).expect(201).json();
    let id = made["id"].as_u64().unwrap();
    assert_eq!(made["minimum_access_level_for_push"], "owner");
    assert_eq!(made["minimum_access_level_for_delete"], Value::Null);
    assert_eq!(ask(&mia, &format!("GET {rules}")).expect(200).json(), json!([made]));
    let put = |token: &str, status: u16| {
        ask(token, &format!("PUT {}", file(project))).body("x").expect(status)
    };
    for token in [&eve, &mia, &machine] {
        let refused = put(token, 403).json();
        assert_eq!(refused, json!({"message": "403 Forbidden - Package protected."}));
    }
    put(&olga, 201);
    put(&setting.root, 201);
    // What is left out stays as it is, and what is empty is gone.
    let rule = format!("{rules}/{id}");
    let change = json!({"minimum_access_level_for_push": "maintainer"});
    let changed = ask(&mia, &format!("PATCH {rule}")).json(&change).expect(200).json();
    assert_eq!(changed["package_name_pattern"], "tool*");
    put(&mia, 201);
    put(&eve, 403);
    let nothing = json!({"minimum_access_level_for_push": ""});
    ask(&mia, &format!("PATCH {rule}")).json(&nothing).expect(422);
    ask(&mia, &format!("POST {rules}")).json(&body).expect(422);
    for (key, value, error) in [
        ("package_type", "conan", "package_type does not have a valid value"),
        (
            "minimum_access_level_for_push",
            "developer",
            "minimum_access_level_for_push does not have a valid value",
        ),
        (
            "minimum_access_level_for_delete",
            "maintainer",
            "minimum_access_level_for_delete does not have a valid value",
        ),
    ] {
        let mut bad = body.clone();
        bad[key] = json!(value);
        let refused = ask(&mia, &format!("POST {rules}")).json(&bad).expect(400).json();
        assert_eq!(refused, json!({"error": error}));
    }
    let refused = ask(&mia, &format!("POST {rules}")).json(&json!({})).expect(400).json();
    assert_eq!(refused["error"], "package_name_pattern is missing, package_type is missing");
    ask(&mia, &format!("DELETE {rule}")).expect(204);
    ask(&mia, &format!("DELETE {rule}")).expect(404);
    put(&eve, 201);
}

#[test]
fn owners_say_what_may_be_published_again() {
    let setting = Setting::new(&["mia"]);
    let project = setting.has_project("app", "public");
    let query = |token: &str, text: &str| {
        let request = setting.server.post("/api/graphql").header("PRIVATE-TOKEN", token);
        request.json(&json!({"query": text})).expect(200).json()
    };
    let shown = "{ group(fullPath: \"acme\") { packageSettings { mavenDuplicatesAllowed \
                 genericDuplicatesAllowed genericDuplicateExceptionRegex } } }";
    let settings = query(&setting.root, shown)["data"]["group"]["packageSettings"].clone();
    let fresh = json!({
        "mavenDuplicatesAllowed": true,
        "genericDuplicatesAllowed": true,
        "genericDuplicateExceptionRegex": null,
    });
    assert_eq!(settings, fresh);
    let change = |fields: &str| {
        format!(
            "mutation {{ updateNamespacePackageSettings(\
             input: {{namespacePath: \"acme\", {fields}}}) \
             {{ errors packageSettings {{ genericDuplicatesAllowed }} }} }}"
        )
    };
    let changed = |token: &str, fields: &str| query(token, &change(fields));
    let mia = setting.server.token_of("mia", "api");
    let group = json!({"username": "mia", "access_level": 40});
    setting.api("POST groups/acme/members", &group);
    assert_eq!(query(&mia, shown)["data"]["group"]["packageSettings"], Value::Null);
    assert!(changed(&mia, "genericDuplicatesAllowed: false")["errors"].is_array());
    let put = |name: &str| {
        let line = format!("PUT projects/{project}/packages/generic/{name}/1.0/f");
        setting.by_root(&line).body("x").send()
    };
    assert_eq!((put("tool").status, put("tool").status), (201, 201));
    let done = changed(&setting.root, "genericDuplicatesAllowed: false");
    let payload = &done["data"]["updateNamespacePackageSettings"];
    assert_eq!(payload["packageSettings"]["genericDuplicatesAllowed"], false, "{done}");
    let refused = put("tool").with_status(400).json();
    let why = "400 Bad request - Duplicate package is not allowed";
    assert_eq!(refused, json!({"message": why}));
    assert_eq!(put("other").status, 201);
    changed(&setting.root, "genericDuplicateExceptionRegex: \"to+l\"");
    assert_eq!((put("tool").status, put("other").status), (201, 400));
    let bad = changed(&setting.root, "genericDuplicateExceptionRegex: \"(\"");
    let errors = &bad["data"]["updateNamespacePackageSettings"]["errors"];
    assert!(errors[0].as_str().unwrap().contains("regular expression"), "{bad}");
    setting.server.has_nothing_staged();
}
