//! A server with projects that Python packages are published to, and packages made by hand: wheels
//! and sources that real clients take, without a build and without a network.

use std::io::Write;

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::{Response, TestServer};

/// Group `acme` with project `acme/lib`, both private, and people: `dev` may publish, `rep` may
/// read, `guest` may neither, `out` is in no group.
pub struct Setting {
    pub server: TestServer,
    pub root: String,
    pub group: u64,
    pub project: u64,
}

impl Setting {
    pub fn new() -> Self {
        Self::on(TestServer::with_people().start())
    }

    pub fn on(server: TestServer) -> Self {
        for user in ["dev", "rep", "guest", "out"] {
            server.has_user(user, &["people"]);
        }
        let root = server.token_of("admin", "api");
        let mut this = Self { server, root, group: 0, project: 0 };
        this.group = this.makes("groups", &json!({ "name": "acme", "path": "acme" }));
        this.project = this.has_project("lib", "private");
        for (user, level) in [("dev", 30), ("rep", 20), ("guest", 10)] {
            let member = json!({ "username": user, "access_level": level });
            this.root(&format!("POST groups/{}/members", this.group)).json(&member).expect(201);
        }
        this
    }

    /// Makes a thing of the API; its number.
    #[track_caller]
    pub fn makes(&self, what: &str, body: &Value) -> u64 {
        self.root(&format!("POST {what}")).json(body).expect(201).json()["id"].as_u64().unwrap()
    }

    /// Makes a project in the group.
    #[track_caller]
    pub fn has_project(&self, path: &str, visibility: &str) -> u64 {
        let (group, name) = (self.group, path);
        let body = json!({
            "name": name, "path": path, "namespace_id": group, "visibility": visibility,
        });
        self.makes("projects", &body)
    }

    /// A request to the API by root.
    pub fn root(&self, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        let request = self.server.ask(method, &format!("/api/v4/{path}"));
        request.header("PRIVATE-TOKEN", &self.root)
    }

    /// A request to the project's index, as a client sends it: Basic, with a token as password.
    pub fn ask(&self, token: &str, method: &str, path: &str) -> Request {
        let target = format!("/api/v4/projects/{}/packages/pypi{path}", self.project);
        let request = self.server.ask(method, &target);
        if token.is_empty() { request } else { request.by("__token__", token) }
    }

    pub fn root_gets(&self, path: &str) -> Request {
        self.ask(&self.root, "GET", path)
    }

    /// Uploads a file by root, with the fields that it needs.
    #[track_caller]
    pub fn uploads(&self, name: &str, version: &str, file: &str, bytes: &[u8]) {
        let fields = [("name", name), ("version", version)];
        self.post(&Form::of(&fields).file(file, bytes)).with_status(201);
    }

    pub fn post(&self, form: &Form) -> Response {
        self.post_as(&self.root, form)
    }

    pub fn post_as(&self, token: &str, form: &Form) -> Response {
        form.by(self.ask(token, "POST", "")).send()
    }

    /// The address that clients are told, with somebody's credentials in it.
    pub fn url(&self, login: &str, password: &str) -> String {
        let path = format!("/api/v4/projects/{}/packages/pypi", self.project);
        self.server.url(&path).replace("://", &format!("://{login}:{password}@"))
    }
}

/// What a client sends when it uploads.
#[derive(Clone, Default)]
pub struct Form {
    parts: Vec<(String, Vec<u8>)>,
}

pub const BOUNDARY: &str = "x-the-boundary-x";

impl Form {
    pub fn of(fields: &[(&str, &str)]) -> Self {
        let all = [&[(":action", "file_upload"), ("protocol_version", "1")], fields].concat();
        all.into_iter().fold(Self::default(), |form, (name, value)| form.field(name, value))
    }

    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.parts.push((format!("name=\"{name}\""), value.as_ref().to_vec()));
        self
    }

    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "name=\"content\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream"
        );
        self.parts.push((head, bytes.to_vec()));
        self
    }

    /// The parts in another order.
    pub fn reversed(mut self) -> Self {
        self.parts.reverse();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (head, value) in &self.parts {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n");
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        write!(bytes, "--{BOUNDARY}--\r\n").unwrap();
        bytes
    }

    pub fn by(&self, request: Request) -> Request {
        typed(request).body(self.bytes())
    }
}

/// A request whose body is such a form.
pub fn typed(request: Request) -> Request {
    request.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
}
