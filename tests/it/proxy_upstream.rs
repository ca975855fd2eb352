//! The client of upstream registries against one that fails ([`BadUpstream`]), without a server of
//! ours between: what it asks, what it makes of the answers, and whom it tells what.

mod asking;
mod encrypted;
mod faults;
mod login;
mod reach;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder::clock::{Clock, ManualClock, SystemClock};
use larder::model::{
    GroupId, ImageTagName, Networks, OciDigest, ProxyGroup, Reference, Timestamp, Upstream,
    UpstreamName,
};
use larder::proxy::{Answer, Settings, Source, Unanswered, Upstreams};
use tokio::runtime::Runtime;

use super::harness::bad_upstream::BadUpstream;
use super::harness::image_layout::{Image, Layer};

const GROUP: GroupId = GroupId(7);
/// What a short question may take here, and how long an upstream may be silent.
const PATIENCE: Duration = Duration::from_millis(500);
const SILENCE: Duration = Duration::from_secs(2);

/// Upstreams with settings of a test, and what they run on.
struct House {
    folder: tempfile::TempDir,
    settings: Settings,
    clock: Arc<dyn Clock>,
    runtime: Runtime,
}

impl House {
    /// Which may ask this machine, and by default asks `upstream`.
    fn of(upstream: &BadUpstream) -> Self {
        Self::with(upstream, "127.0.0.1", Arc::new(SystemClock::new()))
    }

    fn with(upstream: &BadUpstream, allow: &str, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            upstream: upstream.url(),
            allow: Networks::parse(allow).unwrap(),
            patience: PATIENCE,
            timeout: SILENCE,
            requests_max: 4,
            key_file: PathBuf::from(folder.path()).join("proxy.key"),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        Self { folder, settings, clock, runtime }
    }

    fn upstreams(&self) -> Upstreams {
        assert!(self.settings.key_file.starts_with(self.folder.path()));
        Upstreams::new(self.settings.clone(), Arc::clone(&self.clock)).unwrap()
    }

    fn source(&self) -> Arc<Source> {
        self.upstreams().of(GROUP, &ProxyGroup::default()).unwrap()
    }

    /// With credentials.
    fn source_as(&self, identity: &str, secret: &str) -> Arc<Source> {
        let upstreams = self.upstreams();
        let credentials = upstreams.seal(GROUP, None, identity, secret).unwrap();
        let group = ProxyGroup { credentials: Some(credentials), ..ProxyGroup::default() };
        upstreams.of(GROUP, &group).unwrap()
    }

    fn run<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    /// A question whose answer is read whole.
    fn body(&self, question: impl Future<Output = Result<Answer, Unanswered>>) -> Vec<u8> {
        let body = self.run(async { question.await.unwrap().body.whole(64 << 20).await });
        body.unwrap().to_vec()
    }
}

/// An upstream that holds the image `org/app:v1`, and what is asked about it.
struct Scene {
    peer: BadUpstream,
    house: House,
    image: Image,
    source: Arc<Source>,
    app: UpstreamName,
    /// Of the layer.
    blob: OciDigest,
}

impl Scene {
    fn start() -> Self {
        let peer = BadUpstream::start();
        let house = House::of(&peer);
        let image = image(1);
        peer.holds("org/app", "v1", &image);
        let (source, blob) = (house.source(), digest(&image.blobs[1].digest));
        Self { peer, house, image, source, app: name("org/app"), blob }
    }
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp(1_000_000)))
}

/// An upstream with a group's own settings.
fn upstream(url: &str) -> Upstream {
    Upstream {
        url: url.to_owned(),
        has_library: false,
        certificates: None,
        patience_ms: None,
        requests_max: None,
    }
}

fn image(seed: u64) -> Image {
    Image::new(&[Layer::noise(seed, 100_000)])
}

fn name(text: &str) -> UpstreamName {
    UpstreamName::parse(text).unwrap()
}

fn tag(text: &str) -> Reference {
    Reference::Tag(ImageTagName::parse(text).unwrap())
}

fn digest(text: &str) -> OciDigest {
    OciDigest::parse(text).unwrap()
}
