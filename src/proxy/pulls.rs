//! [`Proxy`]: pulling through the cache of a group, whatever is pulled.
//!
//! Deliberately absent: who may pull; which group a path means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::answer::Answer;
use super::fetch::Refused;
use super::flight::{Flights, Ground};
use super::fresh::Fresh;
use super::manifests::Questions;
use super::shelf::Shelf;
use super::source::Source;
use super::traffic::Traffic;
use super::unanswered::Unanswered;
use super::upstream::Upstreams;
use crate::blobs::{self, BlobFiles, Space};
use crate::model::{Cached, CachedId, GroupId, Timestamp, Upstream, UpstreamName};
use crate::store::{self, Store};

/// Longer blobs pass through unstored, in bytes (spec gitlab §1.5).
pub const BLOB_BYTES_MAX: u64 = 5 << 30;
/// Bytes of the words with which an upstream refuses something that are handed on.
const REFUSAL_BYTES_MAX: usize = 1 << 20;

/// Headers of a refusal that are handed on.
const OF_REFUSAL: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("docker-ratelimit-source"),
    HeaderName::from_static("x-ratelimit-remaining"),
];

/// What the proxy is told once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Blobs of up to this many bytes are stored as rows.
    pub inline_bytes_max: u64,
    /// For so long after a tag was looked up it is served without asking; 0: never.
    pub fresh: Duration,
    /// Longer blobs pass through unstored, in bytes.
    pub blob_bytes_max: u64,
}

/// Where an answer came from, as the header `X-Cache` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The cache; nobody was asked.
    Hit,
    /// The upstream.
    Miss,
    /// The cache; the upstream has just said that it is right.
    Revalidated,
    /// The cache; the upstream could not be asked, or refused.
    Stale,
}

impl How {
    /// As the header has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Revalidated => "REVALIDATED",
            Self::Stale => "STALE",
        }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The group caches nothing.
    #[error("the dependency proxy of this group is switched off; its owners can switch it on")]
    Disabled,
    /// Nothing is cached, and the upstream has nothing to give.
    #[error("the upstream gives nothing")]
    Refused(Refused),
    /// What it gave is wrong.
    #[error("the upstream sent something else than was asked for: {0}; tell those who run it")]
    Lied(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file cannot be opened.
    #[error(transparent)]
    Files(#[from] blobs::Error),
    /// The bytes of an entry cannot be read back (I1).
    #[error("a cached manifest is damaged: {0}; run a check")]
    Damaged(String),
}

/// Pulling through. Clones share everything.
#[derive(Clone)]
pub struct Proxy {
    pub(super) store: Store,
    pub(super) files: BlobFiles,
    pub(super) shelf: Shelf,
    pub(super) flights: Arc<Flights>,
    pub(super) questions: Arc<Questions>,
    pub(super) fresh: Arc<Fresh>,
    pub(super) traffic: Traffic,
    upstreams: Arc<Upstreams>,
}

/// An image of a group's upstream.
#[derive(Clone)]
pub(super) struct World {
    pub(super) group: GroupId,
    pub(super) image: UpstreamName,
    pub(super) upstream: Option<Upstream>,
    pub(super) source: Result<Arc<Source>, String>,
}

impl Proxy {
    /// A proxy over a store and the files of its blobs.
    #[must_use]
    pub fn new(
        store: Store,
        files: BlobFiles,
        space: Arc<Space>,
        upstreams: Arc<Upstreams>,
        limits: Limits,
    ) -> Self {
        let Limits { inline_bytes_max, fresh, blob_bytes_max } = limits;
        let shelf = Shelf {
            store: store.clone(),
            files: files.clone(),
            space: Arc::clone(&space),
            inline_bytes_max,
        };
        let ground =
            Ground { files: files.clone(), space, inline_bytes_max, bytes_max: blob_bytes_max };
        let landing = shelf.clone();
        let land = move |arrived, wishes: &mut dyn FnMut() -> Option<_>| {
            landing.land(arrived, wishes);
        };
        let flights = Arc::new(Flights::new(ground, Box::new(land)));
        let (questions, traffic) = Default::default();
        let fresh = Arc::new(Fresh::new(fresh));
        Self { store, files, shelf, flights, questions, fresh, traffic, upstreams }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The upstreams that groups have.
    #[must_use]
    pub fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    /// How many blobs are on their way from upstreams.
    #[must_use]
    pub fn flights(&self) -> usize {
        self.flights.count()
    }

    pub(super) fn world(&self, group: GroupId, image: &UpstreamName) -> Result<World, NotServed> {
        let proxy = self.store.view()?.proxy_group(group)?;
        if !proxy.enabled {
            return Err(NotServed::Disabled);
        }
        let source = self.upstreams.of(group, &proxy).map_err(|error| {
            log::warn!("the upstream of group {} cannot be asked: {error}", group.0);
            error.to_string()
        });
        Ok(World { group, image: image.clone(), upstream: proxy.upstream, source })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }
}

impl World {
    /// What is cached counts as long as it came from the upstream that the group has now.
    pub(super) fn has(&self, found: Option<(CachedId, Cached)>) -> Option<(CachedId, Cached)> {
        let is_ours = |cached: &Cached| match &self.source {
            Ok(source) => source.origin() == cached.origin,
            // Its credentials are lost, and what came before stays.
            Err(_) => true,
        };
        found.filter(|(_, cached)| is_ours(cached))
    }

    /// Another group's entry, whose bytes may be shared once the upstream has granted them. What
    /// this group has forgotten is to be fetched anew.
    pub(super) fn others(&self, found: Option<Cached>) -> Option<Cached> {
        found.filter(|cached| cached.group != self.group && cached.is_active())
    }

    pub(super) fn source(&self) -> Result<Arc<Source>, Refused> {
        self.source.clone().map_err(Refused::Unanswered)
    }
}

/// The upstream's no, with its words. Anything else than a no is none of its words: a body with
/// another 2xx would look right, and nobody has compared it with a digest.
pub(super) async fn refusal(answer: Answer) -> Refused {
    let Answer { status, headers, body } = answer;
    if !status.is_client_error() && !status.is_server_error() {
        return Refused::Unanswered(format!("the upstream answers with {status}"));
    }
    let mut kept = HeaderMap::new();
    for name in OF_REFUSAL {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    let body = body.whole(REFUSAL_BYTES_MAX).await.unwrap_or_else(|error| {
        log::debug!("the words of a refusal are lost: {error}");
        Bytes::new()
    });
    Refused::Answer { status, headers: Box::new(kept), body }
}

/// What to tell those who wait for what an upstream did not give.
pub(super) fn unanswered(error: &Unanswered) -> Refused {
    Refused::Unanswered(error.to_string())
}

/// Whether an answer gives what was asked for.
pub(super) fn is_given(status: StatusCode) -> bool {
    status == StatusCode::OK || status == StatusCode::PARTIAL_CONTENT
}

#[cfg(test)]
mod tests {
    use super::super::answer::Body;
    use super::*;

    #[tokio::test]
    async fn only_a_no_is_handed_on() {
        for (status, is_no) in [
            (201, false),
            (203, false),
            (206, false),
            (304, false),
            (400, true),
            (404, true),
            (429, true),
            (503, true),
            (600, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let body = Body::of(Bytes::from_static(b"words"));
            let refused = refusal(Answer::new(status, HeaderMap::new(), body)).await;
            assert_eq!(matches!(refused, Refused::Answer { .. }), is_no, "{status}: {refused:?}");
        }
    }
}
