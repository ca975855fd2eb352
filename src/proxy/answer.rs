//! [`Answer`]: what an upstream answered: status, headers and a body that comes piece by piece.
//!
//! Deliberately absent: what the bytes are worth. Whoever stores or serves them computes their
//! digest first (I4).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::outage::Outage;
use super::places::Place;
use super::unanswered::{Unanswered, chain};
use crate::clock::Clock;

/// A body has to bring this many bytes in the time that it may be silent.
const PROGRESS: usize = 4 << 10;

/// Headers that are between an upstream and this server.
const OWN: [header::HeaderName; 11] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::WWW_AUTHENTICATE,
    header::ALT_SVC,
    header::LOCATION,
];

/// An answer of an upstream, good or bad.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, without challenges, cookies and those of one connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// The bytes as they come. They end with an error when they break off, when nothing comes for too
/// long, or when the time of a short question is over.
pub struct Body {
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes, Unanswered>> + Send>>,
}

/// How long a body may take.
#[derive(Clone)]
pub(super) struct Pace {
    /// Longest silence.
    pub(super) silence: Duration,
    /// The end of a short question, whose failure is noted.
    pub(super) deadline: Option<(Instant, Watch)>,
}

/// Notes that an upstream went silent.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) outage: Arc<Outage>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, mut headers: HeaderMap, body: Body) -> Self {
        for name in OWN {
            headers.remove(name);
        }
        Self { status, headers, body }
    }

    /// What the upstream says the digest is.
    #[must_use]
    pub fn content_digest(&self) -> Option<&str> {
        self.headers.get("docker-content-digest")?.to_str().ok()
    }

    /// What the upstream says the media type is, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        let text = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        text.split(';').next().map(str::trim)
    }

    /// How many bytes the upstream says the body has.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

impl Body {
    /// A body that is here.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { pieces: stream::iter([Ok(bytes)]).boxed() }
    }

    /// A body that comes from `url`; the place is free when it has come or nobody wants it.
    pub(super) fn coming(
        incoming: Incoming,
        url: String,
        limits: Pace,
        place: Option<Place>,
    ) -> Self {
        let coming =
            Coming { incoming, url, pace: limits, waited: Duration::ZERO, bytes: 0, _place: place };
        let next = |coming: Option<Coming>| async move {
            let mut coming = coming?;
            match coming.next().await? {
                Ok(bytes) => Some((Ok(bytes), Some(coming))),
                Err(error) => Some((Err(error), None)),
            }
        };
        Self { pieces: stream::unfold(Some(coming), next).boxed() }
    }

    /// All of it, if it has up to `bytes_max` bytes.
    ///
    /// # Errors
    /// [`Unanswered::TooLarge`], and why it broke off.
    pub async fn whole(mut self, bytes_max: usize) -> Result<Bytes, Unanswered> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if whole.len().saturating_add(piece.len()) > bytes_max {
                let url = "the upstream".to_owned();
                return Err(Unanswered::TooLarge { url, bytes_max });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Unanswered>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.as_mut().poll_next(context)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a body")
    }
}

struct Coming {
    incoming: Incoming,
    url: String,
    pace: Pace,
    /// How long was waited since there was progress, and what came meanwhile. Time that the
    /// reader takes is not counted.
    waited: Duration,
    bytes: usize,
    _place: Option<Place>,
}

impl Coming {
    async fn next(&mut self) -> Option<Result<Bytes, Unanswered>> {
        loop {
            let began = Instant::now();
            let left = self.pace.silence.saturating_sub(self.waited);
            let deadline = self.pace.deadline.as_ref();
            let until = deadline.map(|(end, _)| end.saturating_duration_since(began));
            let left = until.map_or(left, |until| left.min(until));
            let frame = match timeout(left, self.incoming.frame()).await {
                Ok(frame) => frame?,
                Err(_) => return Some(Err(self.silent())),
            };
            self.waited += began.elapsed();
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(bytes)) => {
                    self.came(bytes.len());
                    return Some(Ok(bytes));
                }
                // Trailers, which nobody asked for.
                Ok(Err(_)) => {}
                Err(error) => {
                    let why = chain(&error);
                    return Some(Err(Unanswered::Broken { url: self.url.clone(), why }));
                }
            }
        }
    }

    fn came(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PROGRESS {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    fn silent(&self) -> Unanswered {
        let why = match &self.pace.deadline {
            Some((end, _)) if Instant::now() >= *end => "its time was over".to_owned(),
            _ => format!("next to nothing came within {:?}", self.pace.silence),
        };
        let silent = Unanswered::Broken { url: self.url.clone(), why };
        if let Some((_, watch)) = &self.pace.deadline {
            watch.outage.begins(watch.clock.monotonic(), silent.to_string());
        }
        silent
    }
}
