//! The bytes of a blob as the body of a request.
//!
//! Each piece is read and hashed on a thread that may wait; a body whose digest is not that of
//! its blob breaks off before its end, so a target never takes damaged bytes for whole ones (I4).
//! The blob stays pinned until its last byte is handed over or the request is given up (I3).

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read};
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Error;
use crate::blobs::BlobFiles;
use crate::model::{Digest, Place};
use crate::store::Store;
use crate::store::publications::Listed;

/// The body of any request.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

const PIECE: usize = 256 << 10;

/// Nothing.
pub(super) fn empty() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A text.
pub(super) fn text(text: String) -> RequestBody {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

/// The bytes of a file that was listed; `sent` is raised by each piece.
///
/// # Errors
/// [`Error::Changed`] when it is gone, and when the blob cannot be opened.
pub(super) fn of_file(
    store: &Store,
    files: &BlobFiles,
    listed: &Listed,
    sent: Arc<AtomicU64>,
) -> Result<RequestBody, Error> {
    let gone = || Error::Changed(listed.path.to_string());
    let (blob, pin, view) = store.pinned(listed.blob)?.ok_or_else(gone)?;
    match blob.place {
        Place::Inline => {
            let bytes = view.inline(listed.blob)?;
            if Digest(Sha256::digest(&bytes).into()) != blob.digest {
                return Err(Error::Damaged(blob.digest));
            }
            sent.fetch_add(blob.size, Ordering::Relaxed);
            Ok(Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
        }
        Place::File(suffix) => {
            drop(view);
            let file = files.open_blob(blob.digest, suffix)?;
            let source = Source { file, hash: Sha256::new(), left: blob.size };
            let state = State::Ready(Box::new(source));
            Ok(FileBody { state, digest: blob.digest, left: blob.size, sent, _pin: pin }
                .boxed_unsync())
        }
    }
}

/// What is read from, and what it has given so far.
struct Source {
    file: File,
    hash: Sha256,
    left: u64,
}

type Read = io::Result<(Box<Source>, Bytes)>;

enum State {
    Ready(Box<Source>),
    Reading(JoinHandle<Read>),
    Ended,
}

struct FileBody<P> {
    state: State,
    digest: Digest,
    left: u64,
    sent: Arc<AtomicU64>,
    _pin: P,
}

impl<P: Unpin> Body for FileBody<P> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut reading = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => return Poll::Ready(None),
            State::Ready(source) => {
                let digest = self.digest;
                spawn_blocking(move || next(source, digest))
            }
            State::Reading(reading) => reading,
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.state = State::Reading(reading);
            return Poll::Pending;
        };
        Poll::Ready(match read.map_err(io::Error::other).flatten() {
            Ok((source, piece)) => {
                self.left = source.left;
                self.sent.fetch_add(count(&piece), Ordering::Relaxed);
                if source.left > 0 {
                    self.state = State::Ready(source);
                }
                Some(Ok(Frame::data(piece)))
            }
            Err(error) => {
                log::error!("a publication breaks off, its file cannot be read: {error}");
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn count(piece: &Bytes) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

/// The next piece; of the last one the digest is compared before it is handed over.
fn next(mut source: Box<Source>, digest: Digest) -> Read {
    let size = usize::try_from(source.left).unwrap_or(usize::MAX).min(PIECE);
    let mut piece = Vec::with_capacity(size);
    while piece.len() < size {
        match read(&source.file, spare_capacity(&mut piece)) {
            Ok(0) => return Err(damaged(digest)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    piece.truncate(size);
    source.hash.update(&piece);
    let piece = Bytes::from(piece);
    source.left = source.left.saturating_sub(count(&piece));
    if source.left == 0 && Digest(source.hash.clone().finalize().into()) != digest {
        return Err(damaged(digest));
    }
    Ok((source, piece))
}

fn damaged(digest: Digest) -> io::Error {
    io::Error::other(Error::Damaged(digest))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    /// A body of `bytes` that are said to have the digest of `said`.
    fn body(bytes: &[u8], said: &[u8]) -> (FileBody<()>, Arc<AtomicU64>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let left = u64::try_from(said.len()).unwrap();
        let source = Box::new(Source { file, hash: Sha256::new(), left });
        let (sent, state) = (Arc::default(), State::Ready(source));
        let digest = Digest(Sha256::digest(said).into());
        (FileBody { state, digest, left, sent: Arc::clone(&sent), _pin: () }, sent)
    }

    #[tokio::test]
    async fn every_byte_is_sent_and_counted() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let (body, sent) = body(&bytes, &bytes);
            let size = u64::try_from(size).unwrap();
            assert_eq!(body.size_hint().exact(), Some(size));
            assert!(body.collect().await.unwrap().to_bytes() == bytes);
            assert_eq!(sent.load(Ordering::Relaxed), size);
        }
    }

    #[tokio::test]
    async fn other_bytes_break_off_before_the_last_piece() {
        let said = vec![7; PIECE + 10];
        let mut flipped = said.clone();
        flipped[3] = 8;
        for bytes in [&flipped[..], &said[..PIECE], &said[..5], &[]] {
            let (body, sent) = body(bytes, &said);
            let error = body.collect().await.unwrap_err();
            assert!(error.to_string().contains("damaged here"), "{error}");
            assert!(sent.load(Ordering::Relaxed) <= u64::try_from(PIECE).unwrap());
        }
    }
}
