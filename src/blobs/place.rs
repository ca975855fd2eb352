//! [`Staged::place`]: bytes get their final name, durably; [`Placed`]: the rows decide next.
//!
//! The order is what I1 and I5 rest on: bytes synced, staging name given and synced, target
//! linked (never over a name that exists) and synced. From the second step on the staging name
//! is the note that the target may have no row; so of the two it is always the last to go.

use std::io;

use super::draft::Name;
use super::layout::shard_of;
use super::{Error, Staged};
use crate::model::{Digest, Suffix};

impl Staged {
    /// Makes the bytes durable under their final name. An error leaves nothing behind, of a draft
    /// that was synced neither: end its upload.
    pub fn place(mut self) -> Result<Placed, Error> {
        self.name.end();
        let files = self.name.files.clone();
        files.disk.sync(&self.file).map_err(Error::io("sync", self.name.path()))?;
        let digest = self.hashed.digest;
        self.name.rename(&files.layout.staged(digest, self.suffix))?;
        files.sync_dir(files.layout.staging())?;
        let (size, suffix) = (self.hashed.size, self.suffix);
        Placed { digest, size, suffix, staging: self.name }.link()
    }
}

/// A durable blob file whose row is not sure yet. Commit the row, then call [`Placed::keep`] or
/// [`Placed::discard`]; when the outcome of the commit is unknown call neither.
#[must_use]
pub struct Placed {
    /// The identity of the bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// What the row has to say about the file's name.
    pub suffix: Suffix,
    staging: Name,
}

impl Placed {
    /// The row is committed: the file stays.
    pub fn keep(mut self) {
        self.staging.remove();
    }

    /// No row will name the file: it goes.
    pub fn discard(mut self) {
        match self.remove_target() {
            Ok(()) => self.staging.remove(),
            Err(error) => {
                log::warn!("{error} (the next start tries again)");
                self.staging.leave();
            }
        }
    }

    fn link(mut self) -> Result<Self, Error> {
        let files = self.staging.files.clone();
        let target = files.layout.target(self.digest, self.suffix);
        match files.disk.link(self.staging.path(), &target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // The file of that name is another's.
                self.staging.remove();
                return Err(Error::io("link", &target)(error));
            }
            Err(error) => {
                // It may have happened all the same.
                self.discard();
                return Err(Error::io("link", &target)(error));
            }
        }
        match files.sync_dir(&files.layout.shard(shard_of(self.digest))) {
            Ok(()) => Ok(self),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    fn remove_target(&self) -> Result<(), Error> {
        let files = &self.staging.files;
        files.remove(&files.layout.target(self.digest, self.suffix))?;
        files.sync_dir(&files.layout.shard(shard_of(self.digest)))
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(path) = self.staging.leave() {
            log::warn!(
                "it is not known whether a row names {}; the next start decides by {}",
                self.staging.files.path_of(self.digest, self.suffix).display(),
                path.display()
            );
        }
    }
}
