//! A part of an archive as the body of an answer.
//!
//! Each chunk is made on a blocking thread while the one before is being sent; a slow client
//! holds two chunks of memory, the pin of one blob and no thread. An error breaks the answer
//! off, it never ends it early (I1).
//! Deliberately absent: what an archive is made of ([`crate::tree::archive`]).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::tree::archive::Reader;

/// The stream. Must be polled within a tokio runtime.
pub struct ArchiveBody {
    state: State,
}

type Made = (Box<Reader>, io::Result<Option<Bytes>>);

enum State {
    Waiting(Box<Reader>),
    Making(JoinHandle<Made>),
    Ended,
}

impl ArchiveBody {
    /// Nothing is read before the first poll.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { state: State::Waiting(Box::new(reader)) }
    }
}

fn make(mut reader: Box<Reader>) -> JoinHandle<Made> {
    spawn_blocking(move || {
        let made = reader.read();
        (reader, made)
    })
}

impl Stream for ArchiveBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut making = match std::mem::replace(&mut self.state, State::Ended) {
            State::Waiting(reader) => make(reader),
            State::Making(making) => making,
            State::Ended => return Poll::Ready(None),
        };
        let Poll::Ready(made) = Pin::new(&mut making).poll(cx) else {
            self.state = State::Making(making);
            return Poll::Pending;
        };
        match made.map_err(io::Error::other) {
            Ok((reader, Ok(Some(chunk)))) => {
                self.state = State::Making(make(reader));
                Poll::Ready(Some(Ok(chunk)))
            }
            Ok((_, Ok(None))) => Poll::Ready(None),
            Ok((_, Err(error))) | Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}
