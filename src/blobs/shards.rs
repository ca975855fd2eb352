//! What lies on the disk, for the online check: folder by folder, never all at once.
//!
//! The check runs while uploads go on. A file without a row may be one that is being uploaded:
//! ask the rows first, then the disk, and for what is left [`BlobFiles::is_staged`] and then a
//! fresh snapshot of the rows. Deliberately absent: comparing with rows, and reading bytes.

use std::path::{Path, PathBuf};

use super::layout::parse_target;
use super::recover::list;
use super::{BlobFiles, Error};
use crate::model::{Digest, Suffix};

/// The files of all digests that begin with the same byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// The blob files.
    pub files: Vec<(Digest, Suffix)>,
    /// Everything else that lies there; nobody touches it.
    pub unknown: Vec<PathBuf>,
}

impl BlobFiles {
    /// The blob files, folder by folder; each is read when it is asked for.
    pub fn shards(&self) -> impl Iterator<Item = Result<Shard, Error>> + use<'_> {
        (0..=u8::MAX).map(|shard| self.read_shard(shard))
    }

    /// Whether the file has its second name: then its upload is going on, or the next start
    /// settles it.
    pub fn is_staged(&self, digest: Digest, suffix: Suffix) -> Result<bool, Error> {
        exists(&self.layout.staged(digest, suffix))
    }

    /// Whether the blob's file is there.
    pub fn target_exists(&self, digest: Digest, suffix: Suffix) -> Result<bool, Error> {
        exists(&self.layout.target(digest, suffix))
    }

    fn read_shard(&self, shard: u8) -> Result<Shard, Error> {
        let mut found = Shard::default();
        for path in list(&self.layout.shard(shard))? {
            match parse_target(shard, path.file_name().unwrap_or_default()) {
                Some(file) => found.files.push(file),
                None => found.unknown.push(path),
            }
        }
        Ok(found)
    }
}

/// Only "no such file" means that it is absent; any other doubt is an error.
fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(Error::io("look for", path))
}
