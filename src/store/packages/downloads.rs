//! When packages were last downloaded: kept in memory, and written in batches by the sweeper and
//! at the stop. A download so costs no transaction (I8), and a crash forgets the last few.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::db::schema::{PACKAGE_DOWNLOADS, PACKAGES};
use crate::model::{PackageId, Timestamp};
use crate::store::{Error, Store, View};

/// Downloads that are written in one transaction.
const BATCH: usize = 500;

/// Downloads that are not written yet: the last one of each package.
#[derive(Default)]
pub(in crate::store) struct Downloads(Mutex<HashMap<PackageId, Timestamp>>);

impl Downloads {
    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<PackageId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Notes in memory that a package is downloaded now.
    pub fn note_package_download(&self, id: PackageId) {
        let now = self.shared.clock.now();
        self.shared.package_downloads.lock().insert(id, now);
    }

    /// Writes the downloads that were noted. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn flush_package_downloads(&self) -> Result<(), Error> {
        let noted: Vec<_> = self.shared.package_downloads.lock().drain().collect();
        for (number, batch) in (0..).zip(noted.chunks(BATCH)) {
            if let Err(error) = self.flush_batch(batch.to_vec()) {
                let mut downloads = self.shared.package_downloads.lock();
                for (id, at) in noted.iter().skip(number * BATCH) {
                    downloads.entry(*id).or_insert(*at);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Of a package that is gone nothing is kept, and a later download stays.
    fn flush_batch(&self, downloads: Vec<(PackageId, Timestamp)>) -> Result<(), Error> {
        let slice = self.slice(move |tx| {
            for (id, at) in &downloads {
                let known = PACKAGE_DOWNLOADS.get(tx.txn, id)?.unwrap_or_default();
                if at.0 > known && PACKAGES.has(tx.txn, id)? {
                    PACKAGE_DOWNLOADS.put(tx.txn, id, &at.0)?;
                }
            }
            Ok(())
        });
        slice.map(|((), _)| ())
    }
}

impl View {
    /// When a package was last downloaded, as far as that is written.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_downloaded(&self, id: PackageId) -> Result<Option<Timestamp>, Error> {
        Ok(PACKAGE_DOWNLOADS.get(&self.snapshot, &id)?.map(Timestamp))
    }
}
