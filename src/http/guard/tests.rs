//! Requests of known callers, answered by the whole server without a listener: who gets through,
//! and that nobody learns anything at the door.

mod hiding;
mod images;
mod proof;
mod proxied;
mod pushed;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::*;
use crate::blobs::{BlobFiles, Disk, OsDisk, Pins, Space};
use crate::clock::ManualClock;
use crate::db::Db;
use crate::db::tests::disk::TestDisk as RowDisk;
use crate::http::host::Hosts;
use crate::http::login::Door;
use crate::model::{Networks, Rank, Timestamp, User, UserName};
use crate::packages::{self, Packages};
use crate::proxy::{self, Proxy, Upstreams};
use crate::registry::{self, Registry};
use crate::stop::Stop;
use crate::store::Store;
use crate::sweeper::{self, Sweeper};
use crate::tree::{Limits, Tree};

const LEASE: Duration = Duration::from_secs(600);

/// A server with a data folder of its own.
pub(in crate::http) struct Bench {
    pub(in crate::http) server: Arc<Server>,
    pub(in crate::http) clock: Arc<ManualClock>,
    _sweeper: Sweeper,
    folder: TempDir,
}

/// A proxy whose upstream is never asked: it is at an address that nobody named.
fn packages(store: Store, files: BlobFiles, space: Arc<Space>) -> Packages {
    let settings = packages::Settings {
        pages_memory: 1 << 20,
        inline_bytes_max: 64,
        limits: packages::FileLimits::default(),
    };
    Packages::new(store, files, space, settings)
}

fn proxy(store: Store, files: BlobFiles, space: Arc<Space>, folder: &Path) -> Proxy {
    let settings = proxy::Settings {
        upstream: "http://127.0.0.1:9".to_owned(),
        allow: Networks::none(),
        patience: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        requests_max: 2,
        key_file: folder.join("proxy.key"),
    };
    let upstreams = Upstreams::new(settings, Arc::clone(store.clock())).unwrap();
    let limits = proxy::Limits {
        inline_bytes_max: 64,
        fresh: Duration::ZERO,
        blob_bytes_max: proxy::BLOB_BYTES_MAX,
    };
    Proxy::new(store, files, space, Arc::new(upstreams), limits)
}

/// An answer, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Answer {
    pub(in crate::http) status: StatusCode,
    headers: Vec<(String, String)>,
    pub(in crate::http) body: String,
}

impl Bench {
    /// With these files of rules; without any, with the built-in ones.
    pub(in crate::http) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
        let access = if files.is_empty() { Access::built_in() } else { rules(&folder, files) };
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let files = BlobFiles::open(folder.path(), Arc::clone(&disk)).unwrap();
        let space = Arc::new(Space::open(folder.path(), disk, 0, 0).unwrap());
        let rows = RowDisk::default();
        let db = Db::open_with(rows.opener(), crate::db::tests::options()).unwrap();
        let rules = crate::store::tests::rules(LEASE);
        let store = Store::new(db, Pins::new(), Arc::<ManualClock>::clone(&clock), rules);
        let settings = sweeper::Settings { period: None, ..sweeper::Settings::default() };
        let sweeper = Sweeper::new(store.clone(), files.clone(), settings, Stop::new()).unwrap();
        let server = Arc::new(Server {
            access,
            realm: "the \"lab\"".to_owned(),
            door: Door::Open(Hosts::Any),
            token_lifetime: Duration::from_secs(300),
            tree: Tree::new(
                store.clone(),
                files.clone(),
                Arc::clone(&space),
                Limits { inline_bytes_max: 64 },
            ),
            registry: Registry::new(
                store.clone(),
                files.clone(),
                Arc::clone(&space),
                registry::Limits { inline_bytes_max: 64, upload_bytes_max: None },
            ),
            packages: packages(store.clone(), files.clone(), Arc::clone(&space)),
            proxy: proxy(store, files, space, folder.path()),
            sweeper: sweeper.handle(),
            publisher: crate::publish::Handle::default(),
            stall_max: Duration::from_secs(60),
            upload_bytes_max: None,
            public_url: None,
            sendfile: None,
            stats: Box::new(|| Ok(serde_json::json!({}))),
        });
        Self { server, clock, _sweeper: sweeper, folder }
    }

    async fn ask(&self, caller: &Caller, line: &str) -> Answer {
        self.send(caller, line, &[], "").await
    }

    /// `line` is `METHOD target`.
    pub(in crate::http) async fn send(
        &self,
        caller: &Caller,
        line: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("localhost"));
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let body = Bytes::from(body.to_owned());
        let chunks: Vec<_> = if body.is_empty() { Vec::new() } else { vec![Ok(body)] };
        let request = Request {
            caller: caller.clone(),
            pass: crate::http::login::Pass::default(),
            method: method.parse().unwrap(),
            query: query.to_owned(),
            headers: map,
            body: Box::pin(stream::iter(chunks)),
        };
        // Behind the door: who is asking is known.
        let asked = self.server.asked(&request, path, None);
        let response = self.server.dispatch(request, path).await;
        let method = line.split(' ').next().unwrap().parse().unwrap();
        let response = crate::http::api::errors::in_form(&method, path, response);
        let response = crate::http::graphql::errors::in_form(&method, path, response);
        let response = self.server.conclude(asked, caller, response);
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The administrator uploads a file.
    async fn holds(&self, path: &str, content: &str) {
        let answer = self.send(&admin(), &format!("PUT {path}"), &[], content).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
    }

    fn rewrite(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("acls").join(name), text).unwrap();
    }
}

impl Answer {
    pub(in crate::http) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    pub(in crate::http) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether the guard let the request pass.
    fn passed(&self) -> bool {
        ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&self.status)
    }
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap().to_owned()
}

fn rules(folder: &TempDir, files: &[(&str, &str)]) -> Access {
    let acls = folder.path().join("acls");
    std::fs::create_dir(&acls).unwrap();
    for (name, text) in files {
        std::fs::write(acls.join(name), text).unwrap();
    }
    Access::with_rules(&acls).unwrap()
}

pub(in crate::http) fn user(login: &str, groups: &[&str]) -> Caller {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Caller::User(User { login: UserName::parse(login).unwrap(), groups, rank: Rank::Ordinary })
}

pub(in crate::http) fn admin() -> Caller {
    let login = UserName::parse("root").unwrap();
    Caller::User(User { login, groups: Vec::new(), rank: Rank::Admin })
}

#[tokio::test]
async fn nobody_is_asked_who_they_are_and_a_known_user_is_not() {
    let bench = Bench::new(&[]);
    let nobody = bench.ask(&Caller::Anonymous, "GET /branches/").await;
    assert_eq!((nobody.status.as_u16(), nobody.body.as_str()), (401, "401: Unauthorized"));
    let challenge = nobody.header("www-authenticate");
    assert_eq!(challenge, "Basic realm=\"the _lab_\", charset=\"UTF-8\"");
    let known = bench.ask(&user("eve", &[]), "DELETE /branches/b/").await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (403, "403: Forbidden"));
    assert_eq!(known.header("www-authenticate"), "");
}

#[tokio::test]
async fn nobody_never_changes_anything_whatever_a_file_says() {
    let bench = Bench::new(&[("ANONYMOUS", "rw **\nrw /-/**\n")]);
    for method in ["PUT", "PATCH", "POST", "DELETE"] {
        for path in ["/branches/b/t/j/f/x", "/branches/b/t/j/", "/branches/b/", "/-/sweeps", "/x"] {
            let answer = bench.ask(&Caller::Anonymous, &format!("{method} {path}")).await;
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    assert_eq!(bench.ask(&Caller::Anonymous, "GET /branches/").await.status, 200);
}

#[tokio::test]
async fn the_process_and_the_database_can_always_be_asked_about() {
    for files in [&[][..], &[("ANONYMOUS", "r !/-/**")][..]] {
        let bench = Bench::new(files);
        for path in ["/-/health", "/-/ready"] {
            assert_eq!(bench.ask(&Caller::Anonymous, &format!("GET {path}")).await.status, 200);
        }
        assert_eq!(bench.ask(&Caller::Anonymous, "GET /-/stats").await.status, 401);
    }
}

#[tokio::test]
async fn rules_that_are_read_again_hold_at_once() {
    let bench = Bench::new(&[("dev", "r /branches/**\n")]);
    let eve = user("eve", &["dev"]);
    bench.holds("/branches/b/t/j/f/x", "x").await;
    let read = "GET /branches/b/t/j/f/x";
    assert_eq!(bench.ask(&eve, read).await.status, 200);
    bench.rewrite("dev", "r /branches/c/**\nr ~(\n");
    let wrong = bench.server.access.reload().unwrap_err().to_string();
    assert!(wrong.contains("acls/dev, line 2: \"~(\" cannot be read"), "{wrong}");
    assert_eq!(bench.ask(&eve, read).await.status, 200);
    bench.rewrite("dev", "r /branches/c/**\n");
    bench.server.access.reload().unwrap();
    assert_eq!(bench.ask(&eve, read).await.status, 403);
    bench.rewrite("dev", "ru /branches/**\n");
    bench.server.access.reload().unwrap();
    assert_eq!(bench.ask(&eve, read).await.status, 200);
}
