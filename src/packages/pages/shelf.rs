//! [`Shelf`]: which pages are kept: those that were asked for last, as far as there is room.

use std::sync::Arc;

use lru::LruCache;

use super::{PageKey, Slot};
use crate::model::ProjectId;

/// What a place costs beside its page and the words of its key, in bytes, roughly.
const PLACE_BYTES: u64 = 512;

/// The pages that are kept.
pub(super) struct Shelf {
    places: LruCache<PageKey, Place>,
    bytes: u64,
    bytes_max: u64,
}

struct Place {
    slot: Arc<Slot>,
    bytes: u64,
}

impl Shelf {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { places: LruCache::unbounded(), bytes: 0, bytes_max }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The place of a page, which is the last one to go now.
    pub(super) fn slot(&mut self, key: &PageKey) -> Arc<Slot> {
        if let Some(place) = self.places.get(key) {
            return Arc::clone(&place.slot);
        }
        let slot = Arc::new(Slot::default());
        self.put(key, &slot, 0);
        slot
    }

    /// A page was drawn: its place is of this weight now, and others go until all have room. A
    /// page that is too large for all the room is not kept.
    pub(super) fn weigh(&mut self, key: &PageKey, slot: &Arc<Slot>, bytes: u64) {
        if weight(key).saturating_add(bytes) > self.bytes_max {
            self.remove(key);
        } else {
            self.put(key, slot, bytes);
        }
    }

    fn put(&mut self, key: &PageKey, slot: &Arc<Slot>, bytes: u64) {
        self.remove(key);
        let place = Place { slot: Arc::clone(slot), bytes: weight(key) + bytes };
        self.bytes += place.bytes;
        self.places.put(key.clone(), place);
        while self.bytes > self.bytes_max && self.places.len() > 1 {
            if let Some((_, gone)) = self.places.pop_lru() {
                self.bytes -= gone.bytes;
            }
        }
    }

    fn remove(&mut self, key: &PageKey) {
        if let Some(gone) = self.places.pop(key) {
            self.bytes -= gone.bytes;
        }
    }
}

/// What a place costs beside its page: a key may have thousands of projects, and as long an
/// address as its client wrote.
fn weight(key: &PageKey) -> u64 {
    let words = key.flavour.len() + key.series.name.as_str().len();
    let bytes = words + size_of::<ProjectId>() * key.projects.len();
    PLACE_BYTES.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
}
