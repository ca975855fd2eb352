//! [`Npm`]: a server with a project for packages of npm, and the documents that clients publish.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha512};

use super::client::Request;
use super::{Response, TestServer, hex};

/// A server where root's token is known, with the private project acme/web.
pub struct Npm {
    pub server: TestServer,
    pub root: String,
    pub group: u64,
    pub project: u64,
}

impl Npm {
    pub fn start() -> Self {
        Self::of(TestServer::with_people().start())
    }

    /// The same with a setting of the test's own.
    pub fn start_with(flag: &str, value: &str) -> Self {
        Self::of(TestServer::with_people().with(flag, value).start())
    }

    fn of(server: TestServer) -> Self {
        let root = server.token_of("admin", "api");
        let mut npm = Self { server, root, group: 0, project: 0 };
        let group = json!({ "name": "Acme", "path": "acme" });
        npm.group = npm.made("groups", &group);
        npm.project = npm.has_project("web", "private");
        npm
    }

    /// Makes a project of the group; tells its number.
    #[track_caller]
    pub fn has_project(&self, path: &str, visibility: &str) -> u64 {
        let project = json!({
            "name": path, "path": path, "namespace_id": self.group, "visibility": visibility,
        });
        self.made("projects", &project)
    }

    #[track_caller]
    fn made(&self, what: &str, body: &Value) -> u64 {
        let request = self.server.post(&format!("/api/v4/{what}"));
        let made = request.header("PRIVATE-TOKEN", &self.root).json(body).expect(201).json();
        made["id"].as_u64().unwrap()
    }

    /// Makes somebody who is this in the group (10 to 50; 0: nothing); tells a token of theirs.
    #[track_caller]
    pub fn has_member(&self, login: &str, level: u64) -> String {
        self.server.has_user(login, &["people"]);
        if level > 0 {
            let member = json!({ "username": login, "access_level": level });
            let url = format!("/api/v4/groups/{}/members", self.group);
            let request = self.server.post(&url).header("PRIVATE-TOKEN", &self.root);
            request.json(&member).expect(201);
        }
        self.server.token_of(login, "api")
    }

    /// Where the project's packages are.
    pub fn base(&self) -> String {
        base(self.project)
    }

    /// A request below that, with a token if there is one: `GET /@acme%2Fapp`.
    pub fn ask(&self, token: &str, line: &str) -> Request {
        let (method, path) = line.split_once(' ').unwrap();
        let request = self.server.ask(method, &format!("{}{path}", self.base()));
        let bearer = format!("Bearer {token}");
        if token.is_empty() { request } else { request.header("Authorization", &bearer) }
    }

    /// Publishes a version by root.
    #[track_caller]
    pub fn has(&self, name: &str, version: &str) {
        self.publish(&document(name, version)).with_status(200);
    }

    /// What root's publishing that document is answered.
    pub fn publish(&self, document: &Value) -> Response {
        let name = document["name"].as_str().unwrap().replace('/', "%2F");
        self.ask(&self.root, &format!("PUT /{name}")).json(document).send()
    }

    /// The document is refused with this text, which is said twice, and nothing stays of it.
    #[track_caller]
    pub fn refuses(&self, document: &Value, status: u16, text: &str) {
        refused(self.publish(document).with_status(status), text);
        self.server.has_nothing_staged();
    }

    /// The packument of a package, as root gets it.
    #[track_caller]
    pub fn packument(&self, name: &str) -> Value {
        self.ask(&self.root, &format!("GET /{name}")).expect(200).json()
    }
}

/// The error is told in both words, and has this text in it.
#[track_caller]
pub fn refused(answer: Response, text: &str) {
    let said = answer.has("content-type", "application/json").json();
    assert_eq!(said["message"], said["error"], "{said}");
    assert!(said["message"].as_str().is_some_and(|said| said.contains(text)), "{text}: {said}");
}

/// Where a project's packages are.
pub fn base(project: u64) -> String {
    format!("/api/v4/projects/{project}/packages/npm")
}

/// A tarball with these files.
pub fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_mode(0o644);
        header.set_size(bytes.len().try_into().unwrap());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// The tarball of a package that says it is this one.
pub fn packed(name: &str, version: &str) -> Vec<u8> {
    let json = json!({ "name": name, "version": version }).to_string();
    tarball(&[("package/package.json", json.as_bytes()), ("package/index.js", b"42;\n")])
}

/// What npm sends to publish a version.
pub fn document(name: &str, version: &str) -> Value {
    with_tarball(name, version, &packed(name, version))
}

/// The same with a tarball of the test's own.
pub fn with_tarball(name: &str, version: &str, tarball: &[u8]) -> Value {
    let file = format!("{name}-{version}.tgz");
    json!({
        "_id": name,
        "name": name,
        "description": "of a test",
        "dist-tags": { "latest": version },
        "versions": { version: {
            "name": name,
            "version": version,
            "readme": "# Read me",
            "dependencies": { "left-pad": "^1.0.0" },
            "dist": {
                "integrity": integrity(tarball),
                "shasum": hex(&Sha1::digest(tarball)),
                "tarball": "http://nowhere/x.tgz",
            },
        } },
        "access": null,
        "_attachments": { file: {
            "content_type": "application/octet-stream",
            "data": STANDARD.encode(tarball),
            "length": tarball.len(),
        } },
    })
}

/// The sum that lock files have.
pub fn integrity(bytes: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes)))
}
