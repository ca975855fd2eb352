//! [`Pins`]: blobs that somebody is reading; counted in memory, gone with the process.
//!
//! Pin first, then take a fresh snapshot, then open the file. Collecting skips pinned blobs (I3)
//! and so does unlinking. Deliberately absent: anything on disk, and waiting: a pinned blob is
//! left for later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::BlobId;

/// The set of pinned blobs. Clones are the same set.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    counts: Arc<Mutex<HashMap<BlobId, u64>>>,
}

/// Keeps a blob from being collected and unlinked until it is dropped.
#[derive(Debug)]
pub struct Pin {
    pins: Pins,
    blob: BlobId,
}

impl Pins {
    /// No blob is pinned.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins `blob` once more, whether or not it exists.
    #[must_use]
    pub fn pin(&self, blob: BlobId) -> Pin {
        *self.lock().entry(blob).or_default() += 1;
        Pin { pins: self.clone(), blob }
    }

    /// Whether somebody holds a pin of `blob`.
    #[must_use]
    pub fn is_pinned(&self, blob: BlobId) -> bool {
        self.lock().contains_key(&blob)
    }

    /// How many blobs are pinned.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// No holder of the lock can panic between two changes, so what is there is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pin {
    /// The blob that is pinned.
    #[must_use]
    pub fn blob(&self) -> BlobId {
        self.blob
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut counts = self.pins.lock();
        if let Entry::Occupied(mut entry) = counts.entry(self.blob) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_pinned_until_its_last_pin_goes() {
        let pins = Pins::new();
        let (first, second) = (pins.pin(BlobId(7)), pins.clone().pin(BlobId(7)));
        let other = pins.pin(BlobId(8));
        assert_eq!((pins.count(), first.blob()), (2, BlobId(7)));
        drop(first);
        assert!(pins.is_pinned(BlobId(7)));
        drop((second, other));
        assert!(!pins.is_pinned(BlobId(7)));
        assert_eq!(pins.count(), 0);
    }
}
