//! [`Registry`]: a container registry for real clients, once open and once behind a login, and
//! [`Tool`], a client with a home of its own.
//!
//! `LARDER_TEST_PEER=docker-registry` runs the same tests against Debian's docker-registry: so a
//! failure can be told to be ours or the test's.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::docker_registry::DockerRegistry;
use super::people::password_of;
use super::server::{Builder, place};
use super::slapd::{self, Slapd};
use super::{Outcome, TestServer};

/// Who logs in.
pub const LOGIN: &str = "alice";
/// What a list of tags has besides those that were pushed: the newest of the tree's.
pub const ALIAS: &str = "latest";
/// Everything but the server's own figures.
const RIGHTS: &str = "rw /**\n";

/// A running registry and a folder for its clients.
pub struct Registry {
    kind: Kind,
    folder: TempDir,
    password: Option<String>,
}

enum Kind {
    Larder(Box<TestServer>),
    Peer(DockerRegistry),
}

impl Registry {
    /// Runs a test twice: where nobody logs in, and where everybody has to.
    pub fn each(test: impl Fn(&Self)) {
        test(&Self::open());
        test(&Self::with_login());
    }

    /// Where nobody logs in.
    pub fn open() -> Self {
        Self::of(TestServer::swept_at_once())
    }

    /// The same with settings of the test's own.
    pub fn of(settings: Builder) -> Self {
        let folder = folder();
        let kind = if peer() {
            Kind::Peer(DockerRegistry::start(&folder.path().join("peer"), None))
        } else {
            Kind::Larder(Box::new(settings.start()))
        };
        Self { kind, folder, password: None }
    }

    /// Where only [`LOGIN`] may do anything, from `docker push` to deleting.
    pub fn with_login() -> Self {
        let (folder, password) = (folder(), password_of(LOGIN));
        if peer() {
            let login = Some((LOGIN, password.as_str()));
            let kind = Kind::Peer(DockerRegistry::start(&folder.path().join("peer"), login));
            return Self { kind, folder, password: Some(password) };
        }
        let rights = acls(&folder, "dev");
        let server = TestServer::with_people().with("acls-dir", &rights).start();
        server.has_user(LOGIN, &["dev"]);
        Self { kind: Kind::Larder(Box::new(server)), folder, password: Some(password) }
    }

    /// Where [`LOGIN`] is a guest of the group `acme`, which caches images of `upstream`.
    pub fn caching(upstream: SocketAddr) -> Self {
        let server = TestServer::with_people()
            .with("proxy-upstream", &format!("http://{upstream}"))
            .with("proxy-allow", "127.0.0.0/8")
            .start();
        server.has_user(LOGIN, &["dev"]);
        server.command(&["group", "create", "acme"]).succeeds();
        server.command(&["member", "add", "acme", LOGIN, "--role", "guest"]).succeeds();
        let password = Some(password_of(LOGIN));
        Self { kind: Kind::Larder(Box::new(server)), folder: folder(), password }
    }

    /// Where people log in with what a directory knows of them, as [`slapd::ALICE`] does.
    pub fn with_directory(directory: &Slapd) -> Self {
        let (folder, rights) = (folder(), "developers");
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let url = format!("ldaps://127.0.0.1:{}", directory.ldaps_port());
        let server = TestServer::with_people()
            .with("acls-dir", &acls(&folder, rights))
            .with("ldap-url", &url)
            .with("ldap-ca", &text(directory.file("ca.pem")))
            .with("ldap-base-dn", "dc=acme,dc=test")
            .with("ldap-user-filter", "(&(objectClass=inetOrgPerson)(uid={login}))")
            .with("ldap-groups-filter", "(&(objectClass=groupOfNames)(member={dn}))")
            .start();
        let password = Some(slapd::ALICE.1.to_owned());
        Self { kind: Kind::Larder(Box::new(server)), folder, password }
    }

    pub fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::Larder(server) => server.address(),
            Kind::Peer(peer) => peer.address,
        }
    }

    /// The server, where it is ours.
    pub fn larder(&self) -> Option<&TestServer> {
        match &self.kind {
            Kind::Larder(server) => Some(server),
            Kind::Peer(_) => None,
        }
    }

    /// The password of [`LOGIN`], where one is needed.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// A file or folder of the clients.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that works in the registry's folder and has its home there.
    pub fn tool(&self, program: &Path) -> Tool<'_> {
        // Where podman cannot be told by an option that there is no TLS.
        let plain = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", self.address());
        fs::write(self.path("registries.conf"), plain).unwrap();
        let (before, variables) = (Vec::new(), Vec::new());
        Tool { registry: self, program: program.to_owned(), before, variables }
    }
}

fn peer() -> bool {
    std::env::var_os("LARDER_TEST_PEER").is_some_and(|peer| peer == "docker-registry")
}

/// A folder of rules that lets this group do everything.
fn acls(folder: &TempDir, group: &str) -> String {
    let rules = folder.path().join("acls");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join(group), RIGHTS).unwrap();
    rules.to_str().unwrap().to_owned()
}

fn folder() -> TempDir {
    let folder = TempDir::with_prefix_in("larder-r-", place()).unwrap();
    for name in ["home", "run/containers", "tmp"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    // Where all look by default; some insist on it even before the login that fills it.
    fs::write(folder.path().join("run/containers/auth.json"), "{}").unwrap();
    folder
}

/// A client. Its command lines are written as in a shell, without quoting; `$R` stands for the
/// address of the registry.
pub struct Tool<'a> {
    registry: &'a Registry,
    program: PathBuf,
    before: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Tool<'_> {
    /// With these words before each command.
    pub fn with(mut self, words: &str) -> Self {
        self.before = self.words(words);
        self
    }

    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// With a login by this command, where the registry wants one.
    #[track_caller]
    pub fn logged_in(self, line: &str) -> Self {
        if let Some(password) = self.registry.password() {
            let wrong = self.answers(line, "not this one");
            assert_ne!(wrong.code, Some(0), "a wrong password is taken: {wrong:?}");
            self.answers(line, password).succeeds();
        }
        self
    }

    /// The same for a client that keeps a password without asking whether it is right.
    #[track_caller]
    pub fn told_password(self, line: &str) -> Self {
        if let Some(password) = self.registry.password() {
            self.answers(line, password).succeeds();
        }
        self
    }

    /// Runs a command that succeeds, and gives what it prints.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        Outcome::of(&mut self.command(line)).succeeds().out.trim().to_owned()
    }

    /// Runs a command to whatever end.
    pub fn attempt(&self, line: &str) -> Outcome {
        Outcome::of(&mut self.command(line))
    }

    /// Runs a command that reads `input`.
    pub fn answers(&self, line: &str, input: &str) -> Outcome {
        Outcome::with_input(&mut self.command(line), input)
    }

    fn command(&self, line: &str) -> Command {
        let path = |name: &str| self.registry.path(name);
        let mut command = Command::new(&self.program);
        let search = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", search).current_dir(path(""));
        command.env("HOME", path("home")).env("DOCKER_CONFIG", path("home"));
        command.env("XDG_RUNTIME_DIR", path("run")).env("TMPDIR", path("tmp"));
        command.env("REGISTRY_AUTH_FILE", path("run/containers/auth.json"));
        command.env("CONTAINERS_REGISTRIES_CONF", path("registries.conf"));
        command.envs(self.variables.iter().cloned());
        command.args(&self.before).args(self.words(line));
        command
    }

    fn words(&self, line: &str) -> Vec<String> {
        let line = line.replace("$R", &self.registry.address().to_string());
        line.split_whitespace().map(str::to_owned).collect()
    }
}
