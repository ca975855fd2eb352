//! [`Source`]: one upstream as one group may use it: its images, and what it wants for them.
//!
//! Groups with the same address, certificates, credentials and limits share one, and so its
//! tokens, its places and what is known of its outages; nobody else's settings count in these.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, timeout_at};

use super::address::{Base, Library, Names};
use super::answer::{Answer, Body, Pace, Watch};
use super::challenge::Challenge;
use super::exchange::{Downgrade, Exchange, Question, Reply};
use super::outage::Outage;
use super::places::Places;
use super::rate::RateLimit;
use super::token::{Failure, Passes};
use super::unanswered::{Unanswered, shown};
use crate::clock::Clock;
use crate::model::{OciDigest, Reference, UpstreamName};

/// What a manifest may be, as upstreams are asked for it (spec gitlab §1.7).
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ANYTHING: &str = "*/*";
/// Of a refused token, these are an answer's headers too.
const OF_REFUSAL: [&str; 4] =
    ["content-type", "retry-after", "ratelimit-limit", "ratelimit-remaining"];

/// How long a question may take.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// The group's budget, for all of it, its token and its body too; while the upstream is known
    /// not to answer, it fails at once.
    Short,
    /// The same, until this moment: several questions can share one budget.
    Until(std::time::Instant),
    /// As long as the upstream shows signs of life.
    Long,
}

/// An upstream as a group may use it.
pub struct Source {
    pub(super) base: Base,
    pub(super) names: Names,
    pub(super) passes: Passes,
    pub(super) exchange: Exchange,
    pub(super) places: Places,
    pub(super) outage: Arc<Outage>,
    pub(super) rate: Mutex<Option<RateLimit>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) patience: Duration,
    pub(super) origin: [u8; 32],
    pub(super) key: [u8; 32],
    pub(super) identity: Option<String>,
}

/// What is asked about a repository.
struct What {
    method: Method,
    rest: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Source {
    /// SHA-256 of what the upstream is known by: bytes are shared only between groups that have
    /// the same.
    #[must_use]
    pub fn origin(&self) -> [u8; 32] {
        self.origin
    }

    /// SHA-256 of [`Self::origin`] and the credentials: what two groups with the same are told is
    /// the same.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// The address, in one form for all ways of writing it.
    #[must_use]
    pub fn url(&self) -> String {
        self.base.shown()
    }

    /// Whose credentials are used; `None`: nobody's.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// The repository there of an image, as far as that is known.
    #[must_use]
    pub fn path(&self, image: &UpstreamName) -> String {
        self.names.of(image).0
    }

    /// The patience of several short questions that share one budget, which begins now.
    #[must_use]
    pub fn budget(&self) -> Patience {
        Patience::Until(std::time::Instant::now() + self.patience)
    }

    /// The limit of pulls as the upstream last told it.
    #[must_use]
    pub fn rate_limit(&self) -> Option<RateLimit> {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why, and for how long, short questions are not asked; `None`: they are.
    #[must_use]
    pub fn outage(&self) -> Option<(Duration, String)> {
        self.outage.lasts(self.clock.monotonic())
    }

    /// The head of a manifest.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn head_manifest(
        &self,
        image: &UpstreamName,
        reference: &Reference,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        self.manifest(Method::HEAD, image, reference, patience).await
    }

    /// A manifest.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn get_manifest(
        &self,
        image: &UpstreamName,
        reference: &Reference,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        self.manifest(Method::GET, image, reference, patience).await
    }

    async fn manifest(
        &self,
        method: Method,
        image: &UpstreamName,
        reference: &Reference,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        let what = What::new(method, format!("manifests/{reference}"), MANIFESTS);
        self.ask(image, what, patience).await
    }

    /// The head of a blob.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn head_blob(
        &self,
        image: &UpstreamName,
        digest: &OciDigest,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        self.ask(image, What::new(Method::HEAD, format!("blobs/{digest}"), ANYTHING), patience)
            .await
    }

    /// A blob from this byte on. When that is not the first one, 206 says that it was understood;
    /// with 200 the whole blob comes.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn get_blob(
        &self,
        image: &UpstreamName,
        digest: &OciDigest,
        from: u64,
    ) -> Result<Answer, Unanswered> {
        let mut what = What::new(Method::GET, format!("blobs/{digest}"), ANYTHING);
        if from > 0 {
            what.put(header::RANGE, &format!("bytes={from}-"));
        }
        self.ask(image, what, Patience::Long).await
    }

    /// What refers to a manifest: the first page, or the one that this query asks for.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn referrers(
        &self,
        image: &UpstreamName,
        digest: &OciDigest,
        query: Option<String>,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        let what = What::new(Method::GET, format!("referrers/{digest}"), INDEX);
        self.ask(image, What { query, ..what }, patience).await
    }

    async fn ask(
        &self,
        image: &UpstreamName,
        what: What,
        patience: Patience,
    ) -> Result<Answer, Unanswered> {
        let deadline = match patience {
            Patience::Short => Some(Instant::now() + self.patience),
            Patience::Until(moment) => Some(moment.into()),
            Patience::Long => None,
        };
        self.is_up(deadline)?;
        let place = self.places.take(deadline).await;
        let busy = || Unanswered::Busy { url: self.url(), places: self.places.count() };
        let place = place.ok_or_else(busy)?;
        // Somebody may have found out meanwhile.
        self.is_up(deadline)?;
        let asking = self.find(image, &what);
        let found = match deadline {
            None => asking.await,
            Some(deadline) => timeout_at(deadline, asking).await.unwrap_or_else(|_| {
                Err(Unanswered::Slow { url: self.url(), waited: self.patience })
            }),
        };
        self.note(found.as_ref().err());
        match found? {
            Found::Reply(reply) => {
                let (head, body) = reply.response.into_parts();
                let limits = self.pace(deadline);
                // What has no body gives its place back at once.
                let body = if what.method == Method::HEAD {
                    Body::of(Bytes::new())
                } else {
                    Body::coming(body, shown(&reply.from), limits, Some(place))
                };
                Ok(Answer::new(head.status, head.headers, body))
            }
            Found::Refused(answer) => Ok(answer),
        }
    }

    fn pace(&self, deadline: Option<Instant>) -> Pace {
        let watch = Watch { outage: Arc::clone(&self.outage), clock: Arc::clone(&self.clock) };
        let deadline = deadline.map(|deadline| (deadline, watch));
        Pace { silence: self.exchange.silence(), deadline }
    }

    fn is_up(&self, deadline: Option<Instant>) -> Result<(), Unanswered> {
        match self.outage() {
            Some((left, why)) if deadline.is_some() => {
                Err(Unanswered::Down { url: self.url(), why, left })
            }
            _ => Ok(()),
        }
    }

    fn note(&self, failure: Option<&Unanswered>) {
        match failure {
            None => self.outage.ends(),
            Some(failure) if failure.is_outage() => {
                self.outage.begins(self.clock.monotonic(), failure.to_string());
            }
            Some(_) => {}
        }
    }

    /// Asks where the image is, and where else it may be.
    async fn find(&self, image: &UpstreamName, what: &What) -> Result<Found, Unanswered> {
        let (path, other) = self.names.of(image);
        let found = self.ask_path(&path, what).await?;
        let status = found.status();
        let Some(other) = other else {
            if status == StatusCode::NOT_FOUND {
                self.names.forget(image);
            }
            return Ok(found);
        };
        if status.is_success() {
            self.names.note(image, Library::Always);
        }
        if !matches!(status.as_u16(), 401 | 403 | 404) {
            return Ok(found);
        }
        let found = self.ask_path(&other, what).await?;
        if found.status().is_success() {
            self.names.note(image, Library::Never);
        }
        Ok(found)
    }

    /// Asks with what is known to let this server in, and once more with what the upstream wants
    /// instead.
    async fn ask_path(&self, path: &str, what: &What) -> Result<Found, Unanswered> {
        let pass = match self.passes.known(&self.exchange, path, self.clock.monotonic()).await {
            Ok(pass) => pass,
            Err(failure) => return refused(failure),
        };
        let reply = self.exchange.ask(self.question(path, what, pass.clone())).await?;
        self.note_rate(&reply);
        // Another host's challenge is not for this login.
        if reply.response.status() != StatusCode::UNAUTHORIZED || !self.base.has(&reply.from) {
            return Ok(Found::Reply(reply));
        }
        let Some(challenge) = Challenge::of(reply.response.headers()) else {
            return Ok(Found::Reply(reply));
        };
        let now = self.clock.monotonic();
        let better = self.passes.better(&self.exchange, path, challenge, pass.as_ref(), now).await;
        let better = match better {
            Ok(Some(better)) => better,
            Ok(None) => return Ok(Found::Reply(reply)),
            Err(failure) => return refused(failure),
        };
        let reply = self.exchange.ask(self.question(path, what, Some(better))).await?;
        self.note_rate(&reply);
        Ok(Found::Reply(reply))
    }

    fn question(&self, path: &str, what: &What, pass: Option<HeaderValue>) -> Question {
        let mut url = self.base.url(path, &what.rest);
        url.set_query(what.query.as_deref());
        Question {
            method: what.method.clone(),
            url,
            headers: what.headers.clone(),
            authorization: pass,
            downgrade: Downgrade::Followed,
        }
    }

    fn note_rate(&self, reply: &Reply) {
        let told = RateLimit::of(reply.response.headers(), self.clock.now());
        if let Some(told) = told.filter(|_| self.base.has(&reply.from)) {
            *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        }
    }
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} as {:?}", self.url(), self.identity)
    }
}

/// What the upstream, or who gives its tokens, answered.
enum Found {
    Reply(Reply),
    Refused(Answer),
}

impl Found {
    fn status(&self) -> StatusCode {
        match self {
            Self::Reply(reply) => reply.response.status(),
            Self::Refused(answer) => answer.status,
        }
    }
}

/// A token service that refuses speaks for its upstream.
fn refused(failure: Failure) -> Result<Found, Unanswered> {
    match failure {
        Failure::Unanswered(why) => Err(why),
        Failure::Refused { status, headers, body } => {
            let mut kept = HeaderMap::new();
            for name in OF_REFUSAL.map(HeaderName::from_static) {
                if let Some(value) = headers.get(&name) {
                    kept.insert(name, value.clone());
                }
            }
            Ok(Found::Refused(Answer::new(status, kept, Body::of(body))))
        }
    }
}

impl What {
    fn new(method: Method, rest: String, accept: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        Self { method, rest, query: None, headers }
    }

    fn put(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}
