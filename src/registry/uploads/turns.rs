//! [`Turns`]: one request at a time writes to an upload; and what was hashed of those that rest.
//!
//! Both are lost with the process and harm nobody: then nobody writes, and what was hashed is
//! read again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;

use super::super::Error;
use crate::blobs::hash::Hasher;
use crate::model::UploadId;

/// Hashers that are remembered, some hundred bytes each.
const HASHERS_MAX: usize = 4096;

/// Who is writing, and what was hashed.
pub(in crate::registry) struct Turns(Mutex<Memory>);

struct Memory {
    taken: HashSet<UploadId>,
    hashed: Cache<UploadId, Hasher>,
}

/// The right to write to an upload, until it is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    pub(super) id: UploadId,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Mutex::new(Memory { taken: HashSet::new(), hashed: Cache::new(HASHERS_MAX) }))
    }
}

impl Turns {
    /// Lets one write to the upload `id`.
    pub(super) fn take(self: &Arc<Self>, id: UploadId) -> Result<Turn, Error> {
        if !self.lock().taken.insert(id) {
            return Err(Error::UploadBusy(id));
        }
        Ok(Turn { turns: Arc::clone(self), id })
    }

    /// Forgets what was hashed of an upload that ended.
    pub(super) fn forget(&self, id: UploadId) {
        self.lock().hashed.remove(&id);
    }

    /// Each change is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// What was hashed of the upload, if that is known.
    pub(super) fn hashed(&self) -> Option<Hasher> {
        self.turns.lock().hashed.remove(&self.id).map(|(_, hasher)| hasher)
    }

    /// Remembers what was hashed of it.
    pub(super) fn remember(&self, hasher: Hasher) {
        self.turns.lock().hashed.insert(self.id, hasher);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().taken.remove(&self.id);
    }
}
