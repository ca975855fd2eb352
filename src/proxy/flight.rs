//! [`Flight`]: a blob on its way from an upstream, once for everybody who waits for it.
//!
//! ```text
//! upstream ─ Fetch ─┬─ Held: tail in memory, rest in the draft ─ Follower, Follower, …
//!                   └─ Taking: hash, draft ─ verified ─ landing: a blob of each group that waits
//! ```
//!
//! The flight is a task of its own. Who waits reads at a position of their own, so that a slow
//! one holds nobody up, and it goes on when they leave, within limits. They are told of many bytes
//! at a time, or within moments: fifty wake-ups for each small piece would cost more than
//! sending it. The last byte is held back until the digest of all is what was asked for (I4): a
//! wrong body, or one that broke off, never looks complete and is never stored. A flight that
//! lands keeps its place in the table until its rows are committed, so nobody asks the upstream
//! once more in between.
//!
//! What cannot be kept (too long, no room) goes on to those who wait without us: see [`Rest`].
//! Deliberately absent: HTTP, and who may wait.

mod follow;
mod held;
mod table;
mod taking;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::fetch::{Broken, Fetch, Refused, Remote};
use crate::blobs::hash::Hasher;
use crate::model::Digest;

pub use follow::Follower;
pub use table::{Flights, Key, Wish};
pub use taking::{Arrived, Ground};

use held::Held;

/// A blob on its way.
pub(super) struct Flight {
    digest: Digest,
    progress: watch::Sender<Progress>,
    held: Mutex<Held>,
    followers: AtomicUsize,
    /// It cannot be kept.
    is_unstored: AtomicBool,
}

/// How far it is.
#[derive(Default)]
struct Progress {
    /// What the upstream said first, once it has.
    opened: Option<Opened>,
    received: u64,
    end: Option<End>,
}

/// A body that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its bytes, where the upstream tells.
    pub total: Option<u64>,
}

#[derive(Clone)]
enum End {
    /// All bytes came and are those that were asked for.
    Verified,
    Broken(Broken),
    Refused(Refused),
    /// From here on each goes on alone.
    Unstored(Arc<Rest>),
}

/// What is needed to go on where a flight ended that cannot be kept.
struct Rest {
    /// So many bytes came before.
    at: u64,
    /// Has seen those.
    hasher: Mutex<Hasher>,
    /// The body itself, for the first who comes.
    fetch: Mutex<Option<Fetch>>,
    /// For the others.
    remote: Arc<dyn Remote>,
}

impl Flight {
    fn new(digest: Digest) -> Self {
        Self {
            digest,
            progress: watch::Sender::default(),
            held: Mutex::default(),
            followers: AtomicUsize::new(0),
            is_unstored: AtomicBool::new(false),
        }
    }

    fn open(&self, total: Option<u64>) {
        self.progress.send_modify(|progress| progress.opened = Some(Opened { total }));
    }

    /// Takes the next bytes, of which nobody knows before they are told of them.
    fn push(&self, bytes: Bytes) -> u64 {
        let mut held = self.held();
        held.push(bytes);
        held.received()
    }

    /// Tells those who wait what came since the last time.
    fn tell(&self) {
        let received = self.held().tell();
        self.progress.send_if_modified(|progress| {
            std::mem::replace(&mut progress.received, received) != received
        });
    }

    /// The first end counts.
    fn end(&self, end: End) {
        let received = self.held().tell();
        self.progress.send_modify(|progress| {
            progress.received = received;
            if progress.end.is_none() {
                progress.end = Some(end);
            }
        });
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    fn do_not_store(&self) {
        self.is_unstored.store(true, Ordering::Relaxed);
    }

    fn followers(&self) -> usize {
        self.followers.load(Ordering::Relaxed)
    }
}

/// No holder can panic between two changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
