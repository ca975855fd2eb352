//! When manifests were last pulled: kept in memory, and written in batches, before a rule reads
//! it at the latest. A pull so costs no transaction (I8), and a crash forgets the last few.
//!
//! Deliberately absent: which rules read it (`super::manifests`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Store, View};
use crate::db::schema::{MANIFESTS, PULLS};
use crate::model::{ManifestId, Timestamp};

/// Pulls that are written in one transaction.
const BATCH: usize = 500;

/// Pulls that are not written yet: the last one of each manifest.
#[derive(Default)]
pub(super) struct Pulls(Mutex<HashMap<ManifestId, Timestamp>>);

impl Pulls {
    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<ManifestId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Notes in memory that a manifest is pulled now.
    pub fn note_pull(&self, id: ManifestId) {
        let now = self.shared.clock.now();
        self.shared.pulls.lock().insert(id, now);
    }

    /// Writes the pulls that were noted. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn flush_noted_pulls(&self) -> Result<(), Error> {
        let noted: Vec<_> = self.shared.pulls.lock().drain().collect();
        for (number, batch) in (0..).zip(noted.chunks(BATCH)) {
            if let Err(error) = self.flush_pulls(batch.to_vec()) {
                let mut pulls = self.shared.pulls.lock();
                for (id, at) in noted.iter().skip(number * BATCH) {
                    pulls.entry(*id).or_insert(*at);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes when manifests were pulled; of one that is gone nothing is kept, and a later pull
    /// stays. One transaction: no more than some hundreds at once (I7).
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn flush_pulls(&self, pulls: Vec<(ManifestId, Timestamp)>) -> Result<(), Error> {
        let slice = self.slice(move |tx| {
            for (id, at) in &pulls {
                let known = PULLS.get(tx.txn, id)?.unwrap_or_default();
                if at.0 > known && MANIFESTS.has(tx.txn, id)? {
                    PULLS.put(tx.txn, id, &at.0)?;
                }
            }
            Ok(())
        });
        slice.map(|((), _)| ())
    }
}

impl View {
    /// When a manifest was last pulled, as far as that is written.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn pulled(&self, id: ManifestId) -> Result<Option<Timestamp>, Error> {
        Ok(PULLS.get(&self.snapshot, &id)?.map(Timestamp))
    }
}
