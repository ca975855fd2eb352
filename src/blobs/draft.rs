//! [`Draft`]: bytes that are arriving; [`Staged`]: all of them arrived and are known by name.
//!
//! Whatever ends before [`Staged::place`] takes its file with it when it is dropped. Deliberately
//! absent: limits and quotas (who feeds a draft enforces them) and resuming after a restart.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::hash::{Hashed, Hasher};
use super::writeback::Writeback;
use super::{BlobFiles, Error};
use crate::model::{Checksum, Suffix};

/// Shorter pieces are gathered until they make one write of this many bytes.
const CHUNK_BYTES: usize = 128 << 10;

/// Bytes that are arriving in a file of their own.
pub struct Draft {
    name: Name,
    file: File,
    suffix: Suffix,
    hasher: Hasher,
    buffer: Vec<u8>,
    writeback: Writeback,
}

/// Bytes that have all arrived; nothing of them is durable yet.
pub struct Staged {
    pub(super) name: Name,
    pub(super) file: File,
    pub(super) suffix: Suffix,
    pub(super) hashed: Hashed,
}

impl Draft {
    pub(super) fn begin(files: BlobFiles, claim: Option<&Checksum>) -> Result<Self, Error> {
        let suffix = Suffix(rand::random());
        let path = files.layout.draft(suffix);
        let file = files.disk.create(&path).map_err(Error::io("create", &path))?;
        Ok(Self {
            name: Name { files, path: Some(path) },
            file,
            suffix,
            hasher: Hasher::new(claim),
            buffer: Vec::new(),
            writeback: Writeback::default(),
        })
    }

    /// Takes the next bytes. After an error the draft is of no use; drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        if bytes.len() >= CHUNK_BYTES {
            self.flush()?;
            return self.append(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    /// How many bytes were taken so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.hasher.size()
    }

    /// All bytes were given: says what they are.
    pub fn finish(mut self) -> Result<Staged, Error> {
        self.flush()?;
        let hashed = self.hasher.finish();
        let written = self.file.metadata().map_err(self.name.error("look at"))?.len();
        if written != hashed.size {
            let what = format!("{} bytes were given and {written} are there", hashed.size);
            return Err(self.name.error("write")(io::Error::other(what)));
        }
        Ok(Staged { name: self.name, file: self.file, suffix: self.suffix, hashed })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if !buffer.is_empty() {
            self.append(&buffer)?;
        }
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let disk = &self.name.files.disk;
        disk.write(&self.file, bytes).map_err(self.name.error("write"))?;
        self.writeback.written(&self.file, bytes.len());
        Ok(())
    }
}

impl Staged {
    /// What the bytes are. When the claim differs, drop this.
    #[must_use]
    pub fn hashed(&self) -> Hashed {
        self.hashed
    }
}

/// A name in the staging folder that goes when this is dropped.
pub(super) struct Name {
    pub(super) files: BlobFiles,
    /// `None` once the name is gone, or left for the next start.
    path: Option<PathBuf>,
}

impl Name {
    /// Takes another name; when that fails neither stays.
    pub(super) fn rename(&mut self, to: &Path) -> Result<(), Error> {
        let from = self.path();
        if let Err(error) = self.files.disk.rename(from, to) {
            let error = Error::io("rename", from)(error);
            // It may have happened all the same.
            remove_or_warn(&self.files, to);
            return Err(error);
        }
        self.path = Some(to.to_owned());
        Ok(())
    }

    /// The current name; empty when it is gone.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Gives the name up without removing it: the next start looks at it. Returns whether it
    /// was still there.
    pub(super) fn leave(&mut self) -> Option<PathBuf> {
        self.path.take()
    }

    /// Removes the name. That it cannot be removed harms nobody: the next start does it.
    pub(super) fn remove(&mut self) {
        if let Some(path) = self.path.take() {
            remove_or_warn(&self.files, &path);
        }
    }

    /// For `map_err`: what was tried on this file.
    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error {
        Error::io(action, self.path())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.remove();
    }
}

fn remove_or_warn(files: &BlobFiles, path: &Path) {
    if let Err(error) = files.remove(path) {
        log::warn!("{error} (the next start tries again)");
    }
}
