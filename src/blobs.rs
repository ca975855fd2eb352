//! Floor 1: files of blobs. It knows digests and file names, and no database.
//!
//! [`BlobFiles`] takes bytes in ([`Draft`] → [`Staged`] → [`Placed`]), opens and unlinks them, and
//! tidies up after a crash. Each blob file that might have no row has a second name in the
//! staging folder from before it is placed until its row's fate is known; so a start looks at
//! that folder alone, however many blobs there are. [`Space`] watches the room on the disk,
//! [`Pins`] what is being read, [`Disk`] is every side effect as a method.
//!
//! It defends I1 and I5 (the order of syncs and names) and I4 (digests are computed while bytes
//! arrive). Deliberately absent: which blobs are needed (the rows decide), small blobs that live
//! in a table, and any lock: a file's name is random, so no two uploads ever meet.

pub mod disk;
pub mod hash;

mod draft;
mod error;
mod layout;
mod part;
mod pins;
mod place;
mod recover;
mod shards;
mod source;
mod space;
mod unlink;
mod writeback;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::{Disk, OsDisk};
pub use draft::{Draft, Staged};
pub use error::Error;
pub use hash::{Claim, Hashed};
pub use part::{read_at_hand, read_part};
pub use pins::{Pin, Pins};
pub use place::Placed;
pub use recover::Recovered;
pub use shards::Shard;
pub use source::Source;
pub use space::Space;

use layout::Layout;

use crate::model::{Checksum, Digest, Suffix};

/// The blob files of one data folder. Clones are the same files.
#[derive(Clone)]
pub struct BlobFiles {
    layout: Arc<Layout>,
    disk: Arc<dyn Disk>,
}

impl BlobFiles {
    /// Opens the files below the data folder `root`, which exists; makes the folders that are
    /// missing. Takes the same time however many blobs there are.
    pub fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let files = Self { layout: Arc::new(Layout::new(root)), disk };
        files.ensure_dir(files.layout.blobs())?;
        for shard in 0..=u8::MAX {
            files.ensure_dir(&files.layout.shard(shard))?;
        }
        files.ensure_dir(files.layout.staging())?;
        // Synced even when nothing was made: an earlier start may have died before its sync.
        files.sync_dir(files.layout.blobs())?;
        files.sync_dir(root)?;
        Ok(files)
    }

    /// Begins to take in bytes; they are compared with `claim` at the end.
    pub fn begin(&self, claim: Option<&Checksum>) -> Result<Draft, Error> {
        Draft::begin(self.clone(), hash::Hasher::new(claim))
    }

    /// As [`Self::begin`], for [`Hashed::sums`].
    pub fn begin_with_sums(&self, claim: Option<&Checksum>) -> Result<Draft, Error> {
        Draft::begin(self.clone(), hash::Hasher::with_sums(claim))
    }

    /// Goes on with the draft of an upload of which a row says that `bytes` were acknowledged:
    /// what lies behind them is cut off. `known` is what [`Draft::leave`] gave back; where that
    /// is not of just these bytes, or there is none, they are hashed again.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file is gone or too short. It stays as it is.
    pub fn resume(
        &self,
        suffix: Suffix,
        bytes: u64,
        known: Option<hash::Hasher>,
    ) -> Result<Draft, Error> {
        Draft::resume(self.clone(), suffix, bytes, known)
    }

    /// Removes the draft of an upload whose row is gone; that it is gone already is as good.
    ///
    /// # Errors
    /// [`Error::Io`]; the next start tries again.
    pub fn remove_draft(&self, suffix: Suffix) -> Result<(), Error> {
        self.remove(&self.layout.draft(suffix))
    }

    /// Opens the file of a blob for reading. It stays readable when it is unlinked meanwhile.
    pub fn open_blob(&self, digest: Digest, suffix: Suffix) -> Result<File, Error> {
        let path = self.path_of(digest, suffix);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { digest, path },
            _ => Error::Io { action: "open", path, source },
        })
    }

    /// A folder for files without a name, on the disk that has room for data.
    #[must_use]
    pub fn scratch_dir(&self) -> &Path {
        self.layout.staging()
    }

    /// Where the file of a blob lies, or would.
    #[must_use]
    pub fn path_of(&self, digest: Digest, suffix: Suffix) -> PathBuf {
        self.layout.target(digest, suffix)
    }

    fn ensure_dir(&self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        self.disk.create_dir(path).map_err(Error::io("create the folder", path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), Error> {
        self.disk.sync_dir(path).map_err(Error::io("sync the folder", path))
    }

    /// Takes the name `path` away; that it is gone already is as good.
    fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.disk.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
