//! [`BlobFiles::recover`]: what a start does about uploads that a crash interrupted (I1).
//!
//! It looks at the staging folder only, which is as long as the list of what was going on. The
//! rows decide; a name that is not ours is reported and left alone. A draft that a row names
//! waits for its upload to go on (I5), also when it was about to become a blob.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::layout::{StagingName, parse_staging, shard_of};
use super::{BlobFiles, Error};
use crate::model::{Digest, Suffix};

/// Threads that remove strays at a start, when nothing else is going on.
const WORKERS: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(3);

/// What a start found in the staging folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Unfinished uploads that were removed.
    pub drafts: u64,
    /// Unfinished uploads that a row names: they stay.
    pub waiting: u64,
    /// Files that a row names: they stay.
    pub kept: u64,
    /// Files that no row names: removed.
    pub removed: u64,
    /// Names that are not ours; left alone.
    pub unknown: Vec<PathBuf>,
}

/// What is to be done about the names.
#[derive(Default)]
struct Found {
    recovered: Recovered,
    /// Blob files that no row names.
    strays: Vec<(Digest, Suffix)>,
    /// Staging names that tell nothing any more.
    settled: Vec<PathBuf>,
    /// Drafts that were about to be placed, and were not.
    back: Vec<(PathBuf, Suffix)>,
}

impl BlobFiles {
    /// Settles every name in the staging folder. To be called once after [`BlobFiles::open`] and
    /// before the first upload. `row_names` says whether a blob's row names this file,
    /// `upload_names` whether the row of an unfinished upload names this draft; an error of
    /// theirs ends the work, and then nothing is lost: it can be done again.
    pub fn recover<E: From<Error>>(
        &self,
        mut row_names: impl FnMut(Digest, Suffix) -> Result<bool, E>,
        mut upload_names: impl FnMut(Suffix) -> Result<bool, E>,
    ) -> Result<Recovered, E> {
        let mut found = Found::default();
        let recovered = &mut found.recovered;
        for path in list(self.layout.staging())? {
            match parse_staging(path.file_name().unwrap_or_default()) {
                StagingName::Draft(suffix) if upload_names(suffix)? => recovered.waiting += 1,
                StagingName::Draft(_) => {
                    recovered.drafts += 1;
                    found.settled.push(path);
                }
                StagingName::Target(digest, suffix) if row_names(digest, suffix)? => {
                    self.relink(&path, digest, suffix)?;
                    recovered.kept += 1;
                    found.settled.push(path);
                }
                StagingName::Target(digest, suffix) if upload_names(suffix)? => {
                    recovered.waiting += 1;
                    found.strays.push((digest, suffix));
                    found.back.push((path, suffix));
                }
                StagingName::Target(digest, suffix) => {
                    recovered.removed += 1;
                    found.strays.push((digest, suffix));
                    found.settled.push(path);
                }
                StagingName::Unknown => {
                    log::warn!("{} is not a file of larder; move it away", path.display());
                    recovered.unknown.push(path);
                }
            }
        }
        self.settle(&found)?;
        Ok(found.recovered)
    }

    /// A row names the file, so it has to be there. That it is not cannot come from a crash of
    /// ours; but while its bytes still have a name they are not given up.
    fn relink(&self, staged: &Path, digest: Digest, suffix: Suffix) -> Result<(), Error> {
        if self.target_exists(digest, suffix)? {
            return Ok(());
        }
        let target = self.layout.target(digest, suffix);
        log::error!(
            "{} was missing; its bytes are taken from {}",
            target.display(),
            staged.display()
        );
        self.disk.link(staged, &target).map_err(Error::io("link", &target))?;
        self.sync_dir(&self.layout.shard(shard_of(digest)))
    }

    /// Targets first and durably: their staging names are all that tells of them.
    fn settle(&self, found: &Found) -> Result<(), Error> {
        self.unlink(&found.strays, WORKERS).into_iter().collect::<Result<(), Error>>()?;
        for (path, suffix) in &found.back {
            let draft = self.layout.draft(*suffix);
            self.disk.rename(path, &draft).map_err(Error::io("rename", path))?;
        }
        for path in &found.settled {
            self.remove(path)?;
        }
        self.sync_dir(self.layout.staging())
    }
}

/// The paths of everything in the folder `path`.
pub(super) fn list(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    read().map_err(Error::io("list", path))
}
