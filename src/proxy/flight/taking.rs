//! [`Taking`]: the bytes of a flight on their way into a blob: small ones in memory, others in a
//! draft that whoever fell behind reads meanwhile.
//!
//! Defends I4: what the bytes are is computed here. When they cannot be kept, as on a full disk,
//! they are still hashed to the end, so that whoever waits for them can go on without us.
//! Deliberately absent: rows; and naming a draft durably, since a start that finds one removes it.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use super::Flight;
use crate::blobs::hash::{Hasher, hash_bytes};
use crate::blobs::{self, BlobFiles, Draft, Hashed, Space, Staged};
use crate::proxy::fetch::length;

/// Parts that are written in one go.
const PARTS_AT_ONCE: usize = 8;

/// Where bytes are kept, and how many.
#[derive(Clone)]
pub struct Ground {
    /// The files of blobs.
    pub files: BlobFiles,
    /// The room on the disk.
    pub space: Arc<Space>,
    /// Bodies of up to this many bytes stay in memory, to be rows.
    pub inline_bytes_max: u64,
    /// Longer bodies are not kept.
    pub bytes_max: u64,
}

/// What a flight hands to whoever writes; no more of it without an end: the flight was broken off.
pub(super) enum Part {
    Chunk(Bytes),
    End,
}

/// All bytes of a flight, on this machine but not in the store.
pub enum Arrived {
    /// Few.
    Memory(Bytes, Hashed),
    /// In a file.
    File(Staged),
}

impl Arrived {
    /// What they are.
    #[must_use]
    pub fn hashed(&self) -> Hashed {
        match self {
            Self::Memory(_, hashed) => *hashed,
            Self::File(staged) => staged.hashed(),
        }
    }
}

/// How it ended.
pub(super) enum Taken {
    All(Arrived),
    /// Not kept; this has seen all bytes that were handed over.
    Left(Hasher),
}

/// What was taken so far.
pub(super) struct Taking {
    flight: Arc<Flight>,
    ground: Ground,
    kept: Kept,
}

enum Kept {
    Memory(Vec<u8>),
    Draft(Box<Draft>, Arc<File>),
    /// Nothing is kept any more; this sees what comes.
    Nothing(Hasher),
}

impl Taking {
    pub(super) fn new(flight: Arc<Flight>, ground: Ground) -> Self {
        Self { flight, ground, kept: Kept::Memory(Vec::new()) }
    }

    /// Takes all parts, then hands them to `land`. A thread that may wait is used only while
    /// there is something to write, so that many upstreams that are slow take none away from
    /// whoever else needs one.
    pub(super) async fn run<T: Send + 'static>(
        mut self,
        mut parts: mpsc::Receiver<Part>,
        land: impl FnOnce(Taken) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        loop {
            let mut come = Vec::new();
            parts.recv_many(&mut come, PARTS_AT_ONCE).await;
            match come.last() {
                Some(Part::Chunk(_)) => {
                    self = spawn_blocking(move || self.take(&come)).await?;
                }
                Some(Part::End) => {
                    return spawn_blocking(move || land(self.take(&come).finish())).await;
                }
                None => return spawn_blocking(move || land(Taken::Left(self.leave()))).await,
            }
        }
    }

    /// What cannot be kept is hashed all the same.
    fn take(mut self, parts: &[Part]) -> Self {
        for part in parts {
            let Part::Chunk(bytes) = part else { break };
            let before = self.size();
            if let Err(error) = self.keep(bytes) {
                self.tell(&error);
                let Self { flight, ground, kept } = self;
                let mut hasher = kept.leave();
                if hasher.size() == before {
                    hasher.update(bytes);
                }
                self = Self { flight, ground, kept: Kept::Nothing(hasher) };
            }
        }
        self
    }

    fn size(&self) -> u64 {
        match &self.kept {
            Kept::Memory(bytes) => length(bytes.len()),
            Kept::Draft(draft, _) => draft.size(),
            Kept::Nothing(hasher) => hasher.size(),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), blobs::Error> {
        let Ground { space, inline_bytes_max, .. } = &self.ground;
        if let Kept::Memory(kept) = &mut self.kept {
            if length(kept.len() + bytes.len()) <= *inline_bytes_max {
                kept.extend_from_slice(bytes);
                return Ok(());
            }
            space.admit(length(kept.len()))?;
            let mut draft = self.ground.files.begin(None)?;
            draft.write(kept)?;
            let file = Arc::new(draft.reader()?);
            self.kept = Kept::Draft(Box::new(draft), file);
        }
        match &mut self.kept {
            Kept::Draft(draft, file) => {
                space.admit(length(bytes.len()))?;
                draft.write(bytes)?;
                let followers = self.flight.followers();
                self.flight.held().written(file, draft.written(), followers);
            }
            Kept::Nothing(hasher) => hasher.update(bytes),
            Kept::Memory(_) => {}
        }
        Ok(())
    }

    fn tell(&self, error: &blobs::Error) {
        self.flight.do_not_store();
        log::warn!("what an upstream sends goes on to its clients and is not cached: {error}");
    }

    fn leave(self) -> Hasher {
        self.kept.leave()
    }

    fn finish(self) -> Taken {
        match self.kept {
            Kept::Nothing(hasher) => Taken::Left(hasher),
            Kept::Memory(bytes) => {
                let hashed = hash_bytes(&bytes, None);
                Taken::All(Arrived::Memory(bytes.into(), hashed))
            }
            Kept::Draft(draft, _) => match draft.finish_or_leave() {
                Ok(staged) => Taken::All(Arrived::File(staged)),
                Err(failed) => {
                    let (error, hasher) = *failed;
                    log::warn!("what an upstream sent is not cached: {error}");
                    Taken::Left(hasher)
                }
            },
        }
    }
}

impl Kept {
    fn leave(self) -> Hasher {
        match self {
            Self::Draft(draft, _) => draft.leave(),
            Self::Nothing(hasher) => hasher,
            Self::Memory(bytes) => {
                let mut hasher = Hasher::new(None);
                hasher.update(&bytes);
                hasher
            }
        }
    }
}
