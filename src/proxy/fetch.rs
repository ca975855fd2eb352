//! [`Fetch`]: one body of an upstream, read to its end: where it breaks off it is asked for again
//! from the byte that is missing, a few times.
//!
//! What comes out may be wrong all the same, since pieces of two bodies may be joined: whoever
//! reads compares digests at the end (I4). Deliberately absent: that comparison, and connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{HeaderMap, StatusCode};

/// How often a body that broke off is asked for again.
const RESUMES_MAX: u32 = 4;
/// The first wait before that; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Something that an upstream has; a trait for the sake of tests.
pub(super) trait Remote: Send + Sync + 'static {
    /// Asks for the bytes from `from` on.
    fn open(&self, from: u64) -> BoxFuture<'static, Result<Opened, Refused>>;
}

/// A body that was begun.
pub(super) struct Opened {
    /// Its first byte: an upstream may begin at 0 whatever it was asked for.
    pub(super) from: u64,
    /// How many bytes the whole has, as the upstream says.
    pub(super) total: Option<u64>,
    /// What else it says.
    pub(super) headers: HeaderMap,
    /// The bytes; an error where they break off, or where nothing comes for too long.
    pub(super) body: BoxStream<'static, Result<Bytes, String>>,
}

/// Why nothing came.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The upstream said so.
    #[error("it answers with {status}")]
    Answer {
        /// Not a 2xx.
        status: StatusCode,
        /// Those of its headers that are handed on.
        headers: Box<HeaderMap>,
        /// Its words.
        body: Bytes,
    },
    /// The upstream said nothing that can be understood; for people.
    #[error("{0}")]
    Unanswered(String),
}

/// Why a body ended before its end; for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// A body that is being read.
pub(super) struct Fetch {
    remote: Arc<dyn Remote>,
    /// `None`: all came.
    body: Option<BoxStream<'static, Result<Bytes, String>>>,
    /// The next byte.
    at: u64,
    /// Bytes of `body` that came before.
    skip: u64,
    total: Option<u64>,
    headers: HeaderMap,
    resumes: u32,
}

impl Fetch {
    /// Asks for the bytes from `at` on.
    pub(super) async fn begin(remote: Arc<dyn Remote>, at: u64) -> Result<Self, Refused> {
        let opened = remote.open(at).await?;
        let skip = at.saturating_sub(opened.from);
        let (body, total, headers) = (Some(opened.body), opened.total, opened.headers);
        Ok(Self { remote, body, at, skip, total, headers, resumes: 0 })
    }

    /// How many bytes the whole has, as the upstream says.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// What the upstream said first.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Where it can be asked for once more.
    pub(super) fn remote(&self) -> &Arc<dyn Remote> {
        &self.remote
    }

    /// The next bytes, never none of them; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let why = match self.piece().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => return self.count(bytes).map(Some),
                Ok(None) if self.total.is_none_or(|total| self.at == total) => {
                    self.body = None;
                    return Ok(None);
                }
                Ok(None) => format!("it ended after {} bytes", self.at),
                Err(why) => why,
            };
            self.resume(why).await?;
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let Some(mut bytes) = body.next().await.transpose()? else { return Ok(None) };
        let skipped = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
        bytes.advance(skipped);
        self.skip -= length(skipped);
        Ok(Some(bytes))
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, Broken> {
        self.at = self.at.saturating_add(length(bytes.len()));
        match self.total {
            Some(total) if self.at > total => {
                Err(Broken(format!("more than the {total} bytes came that were announced")))
            }
            _ => Ok(bytes),
        }
    }

    async fn resume(&mut self, mut why: String) -> Result<(), Broken> {
        loop {
            if self.resumes == RESUMES_MAX {
                return Err(Broken(why));
            }
            tokio::time::sleep(PAUSE * 2u32.saturating_pow(self.resumes)).await;
            self.resumes += 1;
            match self.remote.open(self.at).await {
                Ok(opened) => return self.go_on(opened),
                Err(Refused::Unanswered(again)) => why = again,
                Err(Refused::Answer { status, .. }) => {
                    return Err(Broken(format!("{why}, and going on was refused with {status}")));
                }
            }
        }
    }

    fn go_on(&mut self, opened: Opened) -> Result<(), Broken> {
        let differs = opened.total.zip(self.total).is_some_and(|(now, before)| now != before);
        if opened.from > self.at || differs {
            return Err(Broken("the upstream goes on with something else".to_owned()));
        }
        self.skip = self.at - opened.from;
        self.body = Some(opened.body);
        Ok(())
    }
}

/// A length in memory as a number of bytes.
pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
