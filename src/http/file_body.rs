//! A part of a file as the body of an answer.
//!
//! Each chunk is read on a blocking thread while the one before is being sent, but for the first,
//! where it is in memory; a slow client holds two chunks of memory and no thread. Defends I1
//! loudly: a file that is shorter than its record says breaks the answer off, it never ends it
//! early.
//! Deliberately absent: opening and pinning. The opener passes its pin, which is kept until the
//! last byte is handed over or the client is gone.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blobs::{read_at_hand, read_part};

/// Bytes of the first chunk: small, so that small files and first bytes are quick.
const FIRST_CHUNK_SIZE: u64 = 64 << 10;
/// Bytes of the others.
const CHUNK_SIZE: u64 = 1 << 20;

/// The stream. Must be polled within a tokio runtime.
#[derive(Debug)]
pub struct FileBody<P> {
    file: Arc<File>,
    rest: Range<u64>,
    chunk_size: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    _pin: P,
}

impl<P> FileBody<P> {
    /// The bytes `range` of `file`; `pin` is dropped with the stream. Nothing is read before the
    /// first poll.
    pub fn new(file: File, range: Range<u64>, pin: P) -> Self {
        let file = Arc::new(file);
        Self { file, rest: range, chunk_size: FIRST_CHUNK_SIZE, reading: None, _pin: pin }
    }

    /// The first chunk, if no disk has to be waited for; the next one is begun.
    fn first(&mut self) -> Option<Bytes> {
        let Range { start, end } = self.rest;
        if self.chunk_size != FIRST_CHUNK_SIZE || self.reading.is_some() {
            return None;
        }
        let bytes =
            read_at_hand(&self.file, start..end.min(start.saturating_add(FIRST_CHUNK_SIZE)))?;
        self.rest.start += u64::try_from(bytes.len()).ok()?;
        self.chunk_size = CHUNK_SIZE;
        self.reading = self.read_ahead();
        Some(bytes)
    }

    /// Starts to read the next chunk, if there is one.
    fn read_ahead(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let Range { start, end } = self.rest;
        let stop = end.min(start.saturating_add(self.chunk_size));
        if start >= stop {
            return None;
        }
        self.rest.start = stop;
        self.chunk_size = CHUNK_SIZE;
        let file = Arc::clone(&self.file);
        Some(spawn_blocking(move || read_part(&file, start..stop)))
    }
}

impl<P: Unpin> Stream for FileBody<P> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.first() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(mut reading) = self.reading.take().or_else(|| self.read_ahead()) else {
            return Poll::Ready(None);
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let read = read.map_err(io::Error::other).flatten();
        match &read {
            Ok(_) => self.reading = self.read_ahead(),
            Err(error) => {
                log::error!("an answer breaks off, its file cannot be read: {error}");
                self.rest = 0..0;
            }
        }
        Poll::Ready(Some(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use std::io::Write;

    fn file(size: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..=250u8).cycle().take(size).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[tokio::test]
    async fn every_range_arrives_whole_and_in_chunks() {
        let (file, bytes) = file(2_500_000);
        for (range, chunks) in [
            (0..2_500_000, 4),
            (0..65_536, 1),
            (1..65_538, 2),
            (2_499_999..2_500_000, 1),
            (7..7, 0),
            (3..1_200_000, 3),
        ] {
            let wanted = bytes.get(range.clone()).unwrap();
            let range = u64::try_from(range.start).unwrap()..u64::try_from(range.end).unwrap();
            let body = FileBody::new(file.try_clone().unwrap(), range, ());
            let parts: Vec<Bytes> = body.map(Result::unwrap).collect().await;
            assert_eq!(parts.len(), chunks);
            assert!(parts.concat() == wanted);
        }
    }

    #[tokio::test]
    async fn a_short_file_is_an_error_and_nothing_after() {
        let (file, _) = file(100_000);
        let parts: Vec<_> = FileBody::new(file, 0..100_001, ()).collect().await;
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].as_ref().unwrap().len(), 65_536);
        assert_eq!(parts[1].as_ref().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn the_pin_goes_with_the_stream() {
        let pin = Arc::new(());
        let mut body = FileBody::new(file(200_000).0, 0..200_000, Arc::clone(&pin));
        body.next().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&pin), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&pin), 1);
    }
}
