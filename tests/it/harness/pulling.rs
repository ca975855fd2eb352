//! [`Pulling`]: a server with groups that cache what a [`BadUpstream`] has, and pulls through
//! them, also such as end early.

use std::time::{Duration, Instant};

use larder::app::House;
use larder::config::Settings;
use larder::model::{GroupId, GroupPath};
use larder::store::Store;
use serde_json::json;

use super::bad_upstream::BadUpstream;
use super::image_layout::{Blob, Image, Layer};
use super::server::Builder;
use super::{Connection, Response, TestServer, eventually};

/// The image that tests pull.
pub const IMAGE: &str = "team/app";

/// A server and its upstream.
pub struct Pulling {
    pub server: TestServer,
    pub upstream: BadUpstream,
}

impl Pulling {
    /// With the group `acme`, and [`IMAGE`] at the upstream as [`image`] makes it.
    pub fn start() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let upstream = BadUpstream::start();
        let builder = TestServer::swept_at_once()
            .with("proxy-upstream", &upstream.url())
            .with("proxy-allow", "127.0.0.0/8")
            .with("proxy-patience", "500ms")
            .with("proxy-timeout", "2s");
        let server = settings(builder).start();
        upstream.holds(IMAGE, "latest", &image());
        let setting = Self { server, upstream };
        setting.has_group("acme");
        setting
    }

    #[track_caller]
    pub fn has_group(&self, path: &str) {
        let body = json!({ "name": path, "path": path });
        self.server.post("/api/v4/groups").json(&body).expect(201);
    }

    /// Where a group has something of [`IMAGE`]: `manifests/latest`.
    pub fn at(group: &str, what: &str) -> String {
        format!("/v2/{group}/dependency_proxy/containers/{IMAGE}/{what}")
    }

    #[track_caller]
    pub fn pull(&self, group: &str, what: &str) -> Response {
        self.server.get(&Self::at(group, what)).send()
    }

    /// Everything of an image, by tag; where each answer came from.
    #[track_caller]
    pub fn pull_all(&self, group: &str, image: &Image) -> Vec<String> {
        let how = |answer: Response| answer.header("x-cache").unwrap().to_owned();
        let manifest = self.pull(group, "manifests/latest").with_status(200);
        let manifest = manifest.body_is(image.manifest.bytes.as_slice());
        let blobs = image.blobs.iter().map(|blob| {
            let answer = self.pull(group, &format!("blobs/{}", blob.digest)).with_status(200);
            how(answer.body_is(blob.bytes.as_slice()))
        });
        let all: Vec<_> = [how(manifest)].into_iter().chain(blobs).collect();
        self.is_settled();
        all
    }

    /// Waits until nothing is being fetched.
    pub fn is_settled(&self) {
        eventually("the end of all flights", || (self.stats()["fetching"] == 0).then_some(()));
    }

    pub fn stats(&self) -> serde_json::Value {
        self.server.get("/-/stats").expect(200).json()["dependency_proxy"].clone()
    }

    /// How often the upstream was asked for a blob, or for manifests.
    pub fn asked(&self, method: &str, what: &str) -> usize {
        self.upstream.count(method, &format!("/v2/{IMAGE}/{what}"))
    }

    /// Begins to pull and reads the head of the answer.
    pub fn begin(&self, group: &str, what: &str) -> (Connection, Response) {
        let mut connection = self.ask(group, what);
        let head = connection.head_of_answer();
        (connection, head)
    }

    fn ask(&self, group: &str, what: &str) -> Connection {
        let mut connection = self.server.connect();
        let (path, address) = (Self::at(group, what), self.server.address());
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        connection.write(head.as_bytes());
        connection
    }

    /// Pulls what may break off: the status, and whether a body came that looks complete. What
    /// breaks off at once may do so before its head is on its way, and has the status 0 then.
    pub fn try_pull(&self, group: &str, what: &str) -> (u16, bool) {
        let mut connection = self.ask(group, what);
        let Some(head) = connection.head_if_any() else { return (0, false) };
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        let came = connection.rest();
        (head.status, length == Some(came))
    }

    /// Does something to the store while the server is down.
    pub fn offline<T>(&mut self, work: impl FnOnce(&Store) -> T) -> T {
        self.server.stop();
        let mut settings = Settings::default();
        settings.server.data = self.server.data();
        let house = House::open(&settings).unwrap();
        let done = work(house.store());
        drop(house);
        self.server.start_again();
        done
    }
}

/// The id of a group.
pub fn group_id(store: &Store, path: &str) -> GroupId {
    let path = GroupPath::parse(path).unwrap();
    store.view().unwrap().group_at(&path).unwrap().unwrap().0
}

/// A small image of three blobs: one so small that it is a row, and one of 300 kB.
pub fn image() -> Image {
    Image::new(&[Layer::noise(1, 300_000), Layer::noise(2, 40_000)])
}

/// The largest blob of an image.
pub fn large(image: &Image) -> &Blob {
    image.blobs.iter().max_by_key(|blob| blob.bytes.len()).unwrap()
}

/// How long something took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}
