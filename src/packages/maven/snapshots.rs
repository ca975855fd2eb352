//! [`Snapshots`]: what is newest in the snapshots that were asked for, in memory.
//!
//! Each is kept with the revision of its package. A deployment adds files, so of a package with
//! one more revision only the files behind the last known one are read; that nothing was taken
//! away shows in their number, which the package's record has.
//! Defends I8: what is told belongs to the asker's snapshot of the database.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::model::maven_metadata::MavenSnapshot;
use crate::model::{MavenFile, Package, PackageFileId, PackageId};
use crate::store::{Error, View};

/// Snapshots that are remembered.
// Whoever compiles this is told if it is zero.
const PACKAGES_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
/// Most kinds of files in one that is remembered.
const KINDS_MAX: usize = 200;
/// Files that are read at once.
const PAGE: usize = 1_000;

/// What is known of one.
#[derive(Clone, Default)]
struct Known {
    revision: u64,
    files: u64,
    last: Option<PackageFileId>,
    newest: Arc<MavenSnapshot>,
}

/// What is known of each.
pub struct Snapshots(Mutex<LruCache<PackageId, Known>>);

impl Default for Snapshots {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(PACKAGES_MAX)))
    }
}

impl Snapshots {
    /// What is newest in a package, whose record is of the same snapshot of the database.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of(
        &self,
        view: &View,
        id: PackageId,
        package: &Package,
    ) -> Result<Arc<MavenSnapshot>, Error> {
        let before = self.lock().get(&id).cloned();
        if let Some(known) = before.as_ref().filter(|known| known.revision == package.revision) {
            return Ok(Arc::clone(&known.newest));
        }
        // What belongs to a later snapshot than the asker's is of no use.
        let older = before.clone().filter(|known| known.revision < package.revision);
        let mut known = read(view, id, package, older.unwrap_or_default())?;
        if known.files != package.usage.files {
            known = read(view, id, package, Known::default())?;
        }
        let is_newer = before.is_none_or(|before| before.revision < known.revision);
        if is_newer && known.newest.kinds() <= KINDS_MAX {
            self.lock().put(id, known.clone());
        }
        Ok(known.newest)
    }

    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, LruCache<PackageId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `from`, with the files behind it.
fn read(view: &View, id: PackageId, package: &Package, from: Known) -> Result<Known, Error> {
    let mut newest = Arc::unwrap_or_clone(from.newest);
    let mut known = Known { revision: package.revision, newest: Arc::default(), ..from };
    let version = package.version.as_deref().unwrap_or_default();
    loop {
        let page = view.package_files(id, known.last, PAGE)?;
        for (id, file) in &page {
            (known.files, known.last) = (known.files + 1, Some(*id));
            if let Some(read) = MavenFile::read(&package.name, version, &file.name) {
                newest.add(read, file.created);
            }
        }
        if page.len() < PAGE {
            known.newest = Arc::new(newest);
            return Ok(known);
        }
    }
}
