//! [`BadUpstream`]: a registry that others cache: it serves the images that a test gives it, counts
//! what it is asked, and fails as it is told to.
//!
//! Deliberately absent: pushing into it (the images come from [`super::image_layout`]), TLS.

mod answers;
mod body;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::digest_of;
use super::image_layout::{Blob, Image, index};

use tokens::Tokens;

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Everything,
    Manifests,
    Blobs,
    Tokens,
}

/// How it fails.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with a document such as Docker Hub's; 429 also tells a limit.
    Status(u16),
    /// Says nothing.
    Hang,
    /// Says nothing more after so many bytes of the body.
    HangAfter(usize),
    /// Breaks the connection after so many bytes of the body.
    ResetAfter(usize),
    /// Ends well after so many bytes of the body, as if that were all.
    CutAfter(usize),
    /// Other bytes of the same length.
    WrongBytes,
    /// Another `Docker-Content-Digest`.
    WrongDigest,
    /// So many bytes each time, with a pause.
    Trickle(usize, Duration),
    /// A body of so many bytes instead.
    Huge(u64),
    /// Sends elsewhere, with this status and this in front of path and query.
    Redirect(u16, String),
    /// This whole address as `Location`.
    Location(String),
    /// 200 with this body instead.
    Says(String),
    /// The whole, whatever range was asked for.
    NoRanges,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HashMap<String, String>,
}

#[derive(Default)]
struct State {
    /// By repository and reference: tag or digest.
    manifests: BTreeMap<(String, String), Manifest>,
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Bytes>,
    faults: Vec<(On, Fault, Option<usize>)>,
    asked: Vec<Asked>,
    sent: BTreeMap<String, u64>,
    tokens: Tokens,
    limits: Option<(String, String)>,
    /// Most lines of a page of referrers.
    lines_max: Option<usize>,
    /// In front of its own address in a challenge; `None`: where it is.
    own: String,
}

#[derive(Clone)]
struct Manifest {
    media_type: String,
    digest: String,
    bytes: Bytes,
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running one, on a port that it keeps.
pub struct BadUpstream {
    address: SocketAddr,
    state: Shared,
    runtime: Option<Runtime>,
}

impl BadUpstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { own: format!("http://{address}"), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let runtime = Some(serve(listener, &state));
        Self { address, state, runtime }
    }

    /// Nobody listens any more, and all connections are broken.
    pub fn stop(&mut self) {
        let runtime = self.runtime.take().expect("a running upstream");
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    /// On the same port, with all that it had.
    pub fn start_again(&mut self) {
        assert!(self.runtime.is_none(), "it runs already");
        let listener = TcpListener::bind(self.address).unwrap();
        self.runtime = Some(serve(listener, &self.state));
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An image with its blobs, by its tag and by its digest.
    pub fn holds(&self, name: &str, tag: &str, image: &Image) {
        image.blobs.iter().for_each(|blob| self.holds_blob(name, blob));
        self.holds_manifest(name, tag, &image.manifest);
    }

    /// Images and their index, whose document it returns.
    pub fn holds_index(&self, name: &str, tag: &str, images: &[(&str, &Image)]) -> Blob {
        for (_, image) in images {
            self.holds(name, &image.manifest.digest, image);
        }
        let index = index(images);
        self.holds_manifest(name, tag, &index);
        index
    }

    /// A manifest by this tag and by its digest.
    pub fn holds_manifest(&self, name: &str, tag: &str, manifest: &Blob) {
        let Blob { media_type, digest, bytes } = manifest.clone();
        let bytes = Bytes::from(bytes.to_vec());
        let manifest = Manifest { media_type, digest, bytes };
        let mut state = lock(&self.state);
        for reference in [tag, &manifest.digest] {
            state.manifests.insert((name.to_owned(), reference.to_owned()), manifest.clone());
        }
    }

    pub fn holds_blob(&self, name: &str, blob: &Blob) {
        let bytes = Bytes::from(blob.bytes.to_vec());
        lock(&self.state).blobs.insert((name.to_owned(), blob.digest.clone()), bytes);
    }

    /// The tag is gone; its manifest is still there by digest.
    pub fn forgets(&self, name: &str, tag: &str) {
        lock(&self.state).manifests.remove(&(name.to_owned(), tag.to_owned()));
    }

    /// From now on, until [`Self::heals`]. Of several faults that fit a request the newest counts.
    pub fn fails(&self, on: On, fault: Fault) {
        lock(&self.state).faults.push((on, fault, None));
    }

    /// Only so many times.
    pub fn fails_times(&self, times: usize, on: On, fault: Fault) {
        lock(&self.state).faults.push((on, fault, Some(times)));
    }

    pub fn heals(&self) {
        lock(&self.state).faults.clear();
    }

    /// Wants a Bearer token of its own token endpoint, which wants this login if there is one.
    pub fn wants_tokens(&self, login: Option<(&str, &str)>) {
        lock(&self.state).tokens.wants_tokens(login);
    }

    /// Wants this login with each request, without tokens.
    pub fn wants_login(&self, login: &str, password: &str) {
        lock(&self.state).tokens.wants_login(login, password);
    }

    /// What the token endpoint says about the time that a token is good for, in seconds.
    pub fn tokens_last(&self, seconds: Option<u64>) {
        lock(&self.state).tokens.lasts = seconds;
    }

    /// The name of the field with the token.
    pub fn tokens_in(&self, field: &str) {
        field.clone_into(&mut lock(&self.state).tokens.field);
    }

    /// No token that was given is good any more.
    pub fn revokes_tokens(&self) {
        lock(&self.state).tokens.given.clear();
    }

    /// The realm that challenges name, instead of its own.
    pub fn names_realm(&self, realm: &str) {
        lock(&self.state).tokens.realm = Some(realm.to_owned());
    }

    /// The headers about its limit of pulls, from now on: `100;w=21600` and `99;w=21600`.
    pub fn tells_limits(&self, limit: &str, remaining: &str) {
        lock(&self.state).limits = Some((limit.to_owned(), remaining.to_owned()));
    }

    /// Lists of referrers come in pages of so many lines.
    pub fn cuts_lists(&self, lines_max: usize) {
        lock(&self.state).lines_max = Some(lines_max);
    }

    /// All requests since the start, or since [`Self::forgets_requests`].
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }

    pub fn forgets_requests(&self) {
        let mut state = lock(&self.state);
        state.asked.clear();
        state.sent.clear();
    }

    /// How many requests with this method had a path that begins like this.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let is_it = |asked: &&Asked| asked.method == method && asked.path.starts_with(path);
        lock(&self.state).asked.iter().filter(is_it).count()
    }

    /// Bytes of bodies that went out for paths that begin like this.
    pub fn sent(&self, path: &str) -> u64 {
        let state = lock(&self.state);
        state.sent.iter().filter(|(of, _)| of.starts_with(path)).map(|(_, bytes)| bytes).sum()
    }
}

fn serve(listener: TcpListener, state: &Shared) -> Runtime {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = threads.unwrap();
    listener.set_nonblocking(true).unwrap();
    let state = Arc::clone(state);
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let state = Arc::clone(&state);
            let service = service_fn(move |request| answers::answer(Arc::clone(&state), request));
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that was to break has broken.
            tokio::spawn(async move { drop(serving.await) });
        }
    });
    runtime
}

/// What refers to a manifest of a repository, as an index: from this line on, and the line at which
/// the next page begins.
fn referrers(state: &State, name: &str, subject: &str, from: usize) -> (Value, Option<usize>) {
    let of_it = state.manifests.iter().filter(|((of, by), m)| of == name && *by == m.digest);
    let refers = of_it.filter_map(|(_, manifest)| {
        let document: Value = serde_json::from_slice(&manifest.bytes).ok()?;
        (document["subject"]["digest"] == subject).then(|| {
            serde_json::json!({
                "mediaType": manifest.media_type,
                "digest": digest_of(&manifest.bytes),
                "size": manifest.bytes.len(),
                "artifactType": document["artifactType"],
            })
        })
    });
    let mut lines: Vec<_> = refers.skip(from).collect();
    let next = state.lines_max.filter(|max| *max < lines.len()).map(|max| from + max);
    lines.truncate(state.lines_max.unwrap_or(usize::MAX));
    let kind = super::image_layout::INDEX;
    (serde_json::json!({"schemaVersion": 2, "mediaType": kind, "manifests": lines}), next)
}
