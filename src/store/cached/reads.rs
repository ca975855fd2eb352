//! When entries were last served: kept in memory, and written in batches, before their age is
//! looked at at the latest, and at most once an hour for each. Serving so costs no transaction
//! (I8), and a crash forgets the last few.
//!
//! Whoever is served a manifest may have its parts already and not ask for them, so a read of a
//! manifest counts for what it names in that group's cache too, at any depth.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::served;
use crate::db::schema::{CACHED, CACHED_AGES, CACHED_DIGESTS};
use crate::db::{self, Rows};
use crate::model::{Cached, CachedId, CachedKind, CachedWhat, Timestamp};
use crate::store::{Error, Store, Tx};

/// Entries that are written in one transaction.
const BATCH: usize = 100;

/// What an entry says may be this much too early.
pub const READ_STEP: Duration = Duration::from_secs(3600);

/// Reads that are not written yet: the last one of each entry.
#[derive(Clone, Default)]
pub(in crate::store) struct Reads(Arc<Mutex<HashMap<CachedId, Timestamp>>>);

impl Reads {
    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<CachedId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, id: CachedId, at: Timestamp) {
        self.lock().insert(id, at);
    }
}

impl Store {
    /// Notes in memory that an entry is served now.
    pub fn note_cached_read(&self, id: CachedId) {
        let now = self.shared.clock.now();
        self.shared.cached_reads.note(id, now);
    }

    /// Writes the reads that were noted. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn flush_cached_reads(&self) -> Result<(), Error> {
        let noted = std::mem::take(&mut *self.shared.cached_reads.lock());
        if noted.is_empty() {
            return Ok(());
        }
        let flushed = self.flush_reads(&noted);
        if flushed.is_err() {
            let mut reads = self.shared.cached_reads.lock();
            for (id, at) in noted {
                reads.entry(id).or_insert(at);
            }
        }
        flushed
    }

    /// What a read counts for is looked up on a snapshot, so the writer waits for none of it.
    fn flush_reads(&self, noted: &HashMap<CachedId, Timestamp>) -> Result<(), Error> {
        let snapshot = self.shared.db.snapshot()?;
        let mut batch = Vec::new();
        let mut latest: Vec<_> = noted.iter().map(|(id, at)| (*at, *id)).collect();
        // The last read of what several manifests name is met first, and the others pass it by.
        latest.sort_unstable_by(|one, other| other.cmp(one));
        let mut met = HashSet::new();
        for (at, id) in latest {
            let mut waiting = vec![id];
            while let Some(id) = waiting.pop() {
                if !met.insert(id) {
                    continue;
                }
                let Some(cached) = current(&snapshot, id)? else { continue };
                let is_late = is_late(&cached, at);
                // What came with a manifest may have been here for long before it.
                if is_late || cached.read == cached.created {
                    parts(&snapshot, &cached, &mut waiting)?;
                }
                if !is_late {
                    continue;
                }
                batch.push((id, at));
                if batch.len() == BATCH {
                    self.write_reads(std::mem::take(&mut batch))?;
                }
            }
        }
        self.write_reads(batch)
    }

    fn write_reads(&self, batch: Vec<(CachedId, Timestamp)>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let slice =
            self.slice(move |tx| batch.iter().try_for_each(|(id, at)| tx.write_read(*id, *at)));
        slice.map(|((), _)| ())
    }
}

/// The entry, if it is served.
fn current(rows: &impl Rows, id: CachedId) -> Result<Option<Cached>, Error> {
    match CACHED.get(rows, &id) {
        Ok(Some(cached)) => served(rows, cached.group, id),
        // What cannot be read is for `check` to tell, and keeps the reads of others from nothing.
        Ok(None) | Err(db::Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether an entry says that it was last read long before `at`.
fn is_late(cached: &Cached, at: Timestamp) -> bool {
    cached.read.after(READ_STEP) <= at
}

/// Adds the entries that a manifest names.
fn parts(rows: &impl Rows, cached: &Cached, found: &mut Vec<CachedId>) -> Result<(), Error> {
    let CachedWhat::Manifest { parts, .. } = &cached.what else { return Ok(()) };
    for digest in parts {
        for kind in CachedKind::ALL {
            found.extend(CACHED_DIGESTS.get(rows, &(cached.group, (kind, *digest)))?);
        }
    }
    Ok(())
}

impl Tx<'_, '_> {
    fn write_read(&self, id: CachedId, at: Timestamp) -> Result<(), Error> {
        let current = current(self.txn, id)?;
        let Some(mut cached) = current.filter(|cached| is_late(cached, at)) else {
            return Ok(());
        };
        CACHED_AGES.remove(self.txn, &(cached.group, (cached.read, id)))?;
        cached.read = at;
        CACHED_AGES.put(self.txn, &(cached.group, (cached.read, id)), &())?;
        Ok(CACHED.put(self.txn, &id, &cached)?)
    }
}
