//! [`Parts`]: the parts of a `multipart/form-data` body, one after the other as they arrive.
//!
//! The parser is multer's, as async-graphql and others use it. It reads as far ahead as it is
//! given something, and keeps whatever it has not told the end of; so it is given one piece at a
//! time here, and no more than so many bytes between two parts. The bytes of a part pass through;
//! what is kept of a field is bounded, and so are all fields together.
//! Deliberately absent: what the fields mean, and a limit for a file's bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Field, Multipart};

use crate::http::HttpError;
use crate::http::body::RequestBody;

/// Most bytes before a part's content that are waited for: its headers, or what is before the
/// first part. One piece from the network may come on top.
const BETWEEN_BYTES_MAX: u64 = 64 << 10;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_LENGTH_MAX: usize = 70;

/// The parts that are still to come.
pub(super) struct Parts {
    parser: Multipart<'static>,
    ahead: Arc<AtomicU64>,
    parts_left: usize,
    bytes_left: u64,
}

/// One part.
pub(super) struct Part {
    field: Field<'static>,
    ahead: Arc<AtomicU64>,
}

impl Parts {
    /// The parts of a body: at most so many, and so many bytes of those whose beginning is read.
    ///
    /// # Errors
    /// [`HttpError::Form`] when the header does not say how the parts are told apart.
    pub(super) fn of(
        headers: &HeaderMap,
        body: RequestBody,
        parts_max: usize,
        bytes_max: u64,
    ) -> Result<Self, HttpError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let boundary = multer::parse_boundary(kind.unwrap_or_default()).ok();
        let is_fit = |boundary: &String| (1..=BOUNDARY_LENGTH_MAX).contains(&boundary.len());
        let boundary = boundary.filter(is_fit).ok_or_else(|| {
            HttpError::Form("send multipart/form-data with a boundary".to_owned())
        })?;
        let ahead = Arc::new(AtomicU64::new(0));
        let parser = Multipart::new(slowly(body, Arc::clone(&ahead)), boundary);
        Ok(Self { parser, ahead, parts_left: parts_max, bytes_left: bytes_max })
    }

    /// The next part; the one before is to be done with.
    ///
    /// # Errors
    /// [`HttpError::Form`], and those of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, HttpError> {
        let field = self.parser.next_field().await.map_err(told)?;
        self.ahead.store(0, Ordering::Relaxed);
        let Some(field) = field else { return Ok(None) };
        self.parts_left = self
            .parts_left
            .checked_sub(1)
            .ok_or_else(|| HttpError::Form("there are too many parts".to_owned()))?;
        Ok(Some(Part { field, ahead: Arc::clone(&self.ahead) }))
    }

    /// Reads a part to its end, and gives its first bytes.
    ///
    /// # Errors
    /// [`HttpError::Form`], and those of the body.
    pub(super) async fn beginning(
        &mut self,
        part: Part,
        bytes_max: usize,
    ) -> Result<Vec<u8>, HttpError> {
        let (mut kept, mut body) = (Vec::new(), part.into_body());
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.bytes_left = self.bytes_left.checked_sub(length).ok_or_else(|| {
                HttpError::Form("the fields beside the file are too large".to_owned())
            })?;
            let room = bytes_max.saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(&chunk[..room]);
        }
        Ok(kept)
    }
}

impl Part {
    /// The field's name.
    pub(super) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// What the client calls the file; `None`: it is no file.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// Its bytes.
    pub(super) fn into_body(self) -> RequestBody {
        let ahead = self.ahead;
        Box::pin(self.field.map(move |chunk| {
            ahead.store(0, Ordering::Relaxed);
            chunk.map_err(told)
        }))
    }
}

/// The body one piece at a time, however many are there: a reader that asks for all that is there
/// gets one. It ends when too much of it was of no use.
fn slowly(
    mut body: RequestBody,
    ahead: Arc<AtomicU64>,
) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + 'static {
    let mut is_turn = true;
    stream::poll_fn(move |context| {
        if !std::mem::replace(&mut is_turn, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = body.poll_next_unpin(context);
        let Poll::Ready(Some(Ok(chunk))) = &polled else { return polled };
        is_turn = false;
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if ahead.fetch_add(length, Ordering::Relaxed) > BETWEEN_BYTES_MAX {
            let why = format!("a part has more than {BETWEEN_BYTES_MAX} bytes of headers");
            return Poll::Ready(Some(Err(HttpError::Form(why))));
        }
        polled
    })
}

/// What the parser says, which may be what the body said.
fn told(error: multer::Error) -> HttpError {
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<HttpError>() {
            Ok(error) => *error,
            Err(other) => HttpError::BodyBroken(other.to_string()),
        },
        other => HttpError::Form(other.to_string()),
    }
}

/// A body of a test, in pieces of so many bytes.
#[cfg(test)]
pub(super) fn in_pieces(body: &[u8], size: usize) -> RequestBody {
    let pieces: Vec<_> = body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces).chain(stream::iter([Ok(Bytes::new())])))
}

#[cfg(test)]
mod tests;
