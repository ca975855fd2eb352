//! A request body that remembers whether it was read to its end.
//!
//! When an answer goes out before that and nobody holds the body any more, the connection cannot
//! be used again, and the answer must say so: a client that keeps connections would otherwise
//! lose its next request. hyper finds out only after the head is written.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The body of a request.
#[derive(Debug)]
pub struct Upload {
    inner: Incoming,
    ended: Arc<AtomicBool>,
}

/// Stays behind to tell what became of an [`Upload`].
#[derive(Debug)]
pub(super) struct Fate(Arc<AtomicBool>);

impl Upload {
    pub(super) fn new(inner: Incoming) -> (Self, Fate) {
        let ended = Arc::new(AtomicBool::new(inner.is_end_stream()));
        (Self { inner, ended: Arc::clone(&ended) }, Fate(ended))
    }
}

impl Fate {
    /// Whether it was dropped before its end.
    pub(super) fn is_refused(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && !self.0.load(Ordering::Acquire)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() || self.inner.is_end_stream() {
            self.ended.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
