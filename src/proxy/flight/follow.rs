//! [`Follower`]: one who waits for a flight, at a position of their own.
//!
//! Whatever of a range was asked for, its last byte comes only once all bytes of the flight were
//! verified (I4).

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::held::At;
use super::{End, Flight, Opened, Progress, Rest, lock};
use crate::blobs::{read_at_hand, read_part};
use crate::model::OciDigest;
use crate::proxy::checked::Checked;
use crate::proxy::fetch::{Broken, Fetch, Refused, length};

/// Bytes of a file that are read at once, as those of one that is cached.
const CHUNK_BYTES: u64 = 1 << 20;

/// One who waits for a flight.
pub struct Follower {
    flight: Arc<Flight>,
    progress: watch::Receiver<Progress>,
    at: u64,
    until: u64,
    alone: Option<Alone>,
    is_of_another: bool,
}

/// What a follower of a flight that is not kept reads.
struct Alone {
    checked: Checked,
    /// Its next byte.
    at: u64,
}

enum Step {
    Read(u64),
    Wait,
    Over,
    Alone(Arc<Rest>),
    Broken(io::Error),
}

impl Follower {
    /// Begins at the first byte.
    pub(super) fn new(flight: Arc<Flight>) -> Self {
        flight.followers.fetch_add(1, Ordering::Relaxed);
        let progress = flight.progress.subscribe();
        let (at, until) = (0, u64::MAX);
        Self { flight, progress, at, until, alone: None, is_of_another: false }
    }

    /// The same, of a flight that began for another image.
    pub(super) fn of_another(flight: Arc<Flight>) -> Self {
        let mut follower = Self::new(flight);
        follower.is_of_another = true;
        follower
    }

    /// Whether the upstream was asked for a part of another image: where it refuses that, it says
    /// nothing of this one.
    #[must_use]
    pub fn is_of_another_image(&self) -> bool {
        self.is_of_another
    }

    /// Waits until there is something to read, or the end: what breaks off before that can still
    /// be told as what it is.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn opened(&mut self) -> Result<Opened, Refused> {
        let is_known = |progress: &Progress| progress.received > 1 || progress.end.is_some();
        let Ok(progress) = self.progress.wait_for(is_known).await else {
            return Err(Refused::Unanswered("the flight is gone".to_owned()));
        };
        match (&progress.end, &progress.opened) {
            (Some(End::Refused(refused)), _) => Err(refused.clone()),
            (Some(End::Broken(broken)), _) => Err(Refused::Unanswered(broken.to_string())),
            (_, Some(opened)) => Ok(*opened),
            (_, None) => Err(Refused::Unanswered("nothing was begun".to_owned())),
        }
    }

    /// Reads only the bytes from `from` on and before `until`.
    #[must_use]
    pub fn range(mut self, from: u64, until: u64) -> Self {
        (self.at, self.until) = (from, until);
        self
    }

    /// The next bytes; `None` after the last. After an error there are none.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let next = self.step().await.transpose()?;
        match &next {
            Ok(bytes) => self.at = self.at.saturating_add(length(bytes.len())),
            Err(_) => self.at = self.until,
        }
        Some(next)
    }

    /// All of it as the body of an answer.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures_util::stream::unfold(self, async |mut follower| {
            let next = follower.next().await?;
            Some((next, follower))
        })
    }

    async fn step(&mut self) -> io::Result<Option<Bytes>> {
        while self.at < self.until {
            if let Some(alone) = &mut self.alone {
                return alone.next(self.at, self.until).await.map_err(io::Error::other);
            }
            match self.look() {
                Step::Over => break,
                Step::Read(until) => {
                    return read(Arc::clone(&self.flight), self.at, until).await.map(Some);
                }
                Step::Broken(error) => return Err(error),
                Step::Alone(rest) => {
                    let flight = Arc::clone(&self.flight);
                    self.alone = Some(go_on_alone(flight, rest, self.at).await?);
                }
                Step::Wait => self.progress.changed().await.map_err(io::Error::other)?,
            }
        }
        Ok(None)
    }

    fn look(&mut self) -> Step {
        let progress = self.progress.borrow_and_update();
        let come = progress.received.min(self.until);
        match &progress.end {
            Some(End::Verified) if self.at < come => Step::Read(come),
            Some(End::Verified) => Step::Over,
            Some(End::Broken(broken)) => Step::Broken(io::Error::other(broken.clone())),
            Some(End::Refused(_)) => Step::Broken(io::Error::other("nothing came")),
            Some(End::Unstored(rest)) if self.at >= come.saturating_sub(1) => {
                Step::Alone(Arc::clone(rest))
            }
            _ if self.at < come.saturating_sub(1) => Step::Read(come.saturating_sub(1)),
            _ => Step::Wait,
        }
    }
}

async fn read(flight: Arc<Flight>, at: u64, until: u64) -> io::Result<Bytes> {
    let found = flight.held().find(at, until);
    match found {
        At::Memory(bytes) => Ok(bytes),
        At::File(file, until) => read_file(file, at, until).await,
        At::Ahead => Err(io::Error::other("bytes of a flight are lost")),
    }
}

/// Begins to read on where a flight ended, for a follower that is at `at`.
async fn go_on_alone(flight: Arc<Flight>, rest: Arc<Rest>, at: u64) -> io::Result<Alone> {
    let known = lock(&rest.fetch).take();
    let fetch = match known {
        Some(fetch) => fetch,
        None => Fetch::begin(Arc::clone(&rest.remote), rest.at).await.map_err(refused)?,
    };
    let digest = OciDigest::Sha256(flight.digest);
    // The last byte that came was given to nobody.
    let held_back = if at < rest.at { Some(read(flight, at, rest.at).await?) } else { None };
    let hasher = lock(&rest.hasher).fork();
    let checked = Checked::rest(fetch, hasher, digest, held_back);
    Ok(Alone { checked, at: at.min(rest.at) })
}

impl Alone {
    /// The next bytes from `at` on and before `until`.
    async fn next(&mut self, at: u64, until: u64) -> Result<Option<Bytes>, Broken> {
        while let Some(mut bytes) = self.checked.next().await? {
            let first = self.at;
            self.at = first.saturating_add(length(bytes.len()));
            if self.at <= at {
                continue;
            }
            if self.at >= until {
                bytes.truncate(clip(until - first, &bytes));
                // They are the last ones that were asked for, and wait for all.
                while self.checked.next().await?.is_some() {}
            }
            bytes.advance(clip(at.saturating_sub(first), &bytes));
            return Ok(Some(bytes));
        }
        Ok(None)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.flight.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn clip(length: u64, bytes: &Bytes) -> usize {
    usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()))
}

fn refused(refused: Refused) -> io::Error {
    io::Error::other(match refused {
        Refused::Answer { status, .. } => format!("going on was refused with {status}"),
        Refused::Unanswered(why) => why,
    })
}

async fn read_file(file: Arc<File>, at: u64, until: u64) -> io::Result<Bytes> {
    let end = until.min(at.saturating_add(CHUNK_BYTES));
    // What has just been written is in memory, mostly; another thread would not have it sooner.
    if let Some(bytes) = read_at_hand(&file, at..end) {
        return Ok(bytes);
    }
    let read = spawn_blocking(move || read_part(&file, at..end));
    read.await.map_err(io::Error::other)?
}
