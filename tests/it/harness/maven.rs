//! [`Maven`]: a server with a group and projects in it, for those who publish with Maven.

use md5::Md5;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::client::Request;
use super::server::Builder;
use super::{Response, TestServer, hex};

/// The ends of the names of checksums.
pub const SUMS: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

/// The checksum in the file with this end.
pub fn sum(kind: &str, bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    match kind {
        "md5" => hex(&Md5::digest(bytes)),
        "sha1" => hex(&Sha1::digest(bytes)),
        "sha256" => hex(&Sha256::digest(bytes)),
        _ => hex(&Sha512::digest(bytes)),
    }
}

/// The server, and root's token.
pub struct Maven {
    pub server: TestServer,
    pub root: String,
}

impl Maven {
    /// With the group `acme` and the private project `acme/lib` in it.
    pub fn start() -> Self {
        Self::with(TestServer::with_people())
    }

    /// The same with settings of the test's own.
    pub fn with(settings: Builder) -> Self {
        let server = settings.start();
        let root = server.token_of("admin", "api");
        let maven = Self { server, root };
        let acme = maven.has_group("acme");
        maven.has_project(acme, "lib", "private");
        maven
    }

    /// As somebody with a token; `""`: as nobody.
    pub fn ask(&self, token: &str, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        let request = self.server.ask(method, &format!("/api/v4/{path}"));
        if token.is_empty() { request } else { request.header("PRIVATE-TOKEN", token) }
    }

    #[track_caller]
    fn made(&self, at: &str, body: &Value) -> u64 {
        let made = self.ask(&self.root, &format!("POST {at}")).json(body).expect(201).json();
        made["id"].as_u64().unwrap()
    }

    /// Makes a group at the top.
    #[track_caller]
    pub fn has_group(&self, path: &str) -> u64 {
        self.made("groups", &json!({"name": path, "path": path}))
    }

    /// Makes a project in a group.
    #[track_caller]
    pub fn has_project(&self, group: u64, path: &str, visibility: &str) -> u64 {
        let body = json!({
            "name": path, "path": path, "namespace_id": group, "visibility": visibility,
        });
        self.made("projects", &body)
    }

    /// Makes somebody a member of a group, and tells their token.
    #[track_caller]
    pub fn has_member(&self, group: &str, login: &str, level: u64) -> String {
        self.server.has_user(login, &["people"]);
        let body = json!({"username": login, "access_level": level});
        let members = format!("POST groups/{group}/members");
        self.ask(&self.root, &members).json(&body).expect(201);
        self.server.token_of(login, "api")
    }

    /// Makes a deploy token of a project; tells its login and its text.
    #[track_caller]
    pub fn has_deploy_token(&self, project: &str, scope: &str) -> (String, String) {
        let body = json!({"name": "ci", "scopes": [scope]});
        let at = format!("POST projects/{project}/deploy_tokens");
        let made = self.ask(&self.root, &at).json(&body).expect(201).json();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        (text("username"), text("token"))
    }

    /// A request of root's below `packages/maven` of `acme/lib`.
    pub fn on(&self, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        self.ask(&self.root, &format!("{method} projects/acme%2Flib/packages/maven/{path}"))
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.on(&format!("GET {path}")).expect(200)
    }

    /// What Gradle does with each file: it, and all of its checksums.
    #[track_caller]
    pub fn upload(&self, path: &str, content: &str) {
        self.on(&format!("PUT {path}")).body(content).expect(200);
        for kind in SUMS {
            let status = if kind == "md5" { 200 } else { 204 };
            let put = self.on(&format!("PUT {path}.{kind}")).body(sum(kind, content));
            put.expect(status).body_is("");
        }
    }

    /// Gets a file, and insists that all of its checksums are right.
    #[track_caller]
    pub fn download(&self, path: &str) -> String {
        let content = self.get(path);
        for kind in SUMS {
            self.get(&format!("{path}.{kind}")).body_is(sum(kind, &content.body));
        }
        content.text()
    }
}
