//! [`Draft`]: bytes that are arriving; [`Staged`]: all of them arrived and are known by name.
//!
//! Whatever ends before [`Staged::place`] takes its file with it when it is dropped, unless it
//! was synced before: from then on a row may name the draft (I5), and it goes when it is told to,
//! or when a start finds that no row does. Such a row says how many bytes count; what is behind
//! them may be anything.
//! Deliberately absent: limits and quotas (who feeds a draft enforces them), and the rows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
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
    pub(super) fn begin(files: BlobFiles, hasher: Hasher) -> Result<Self, Error> {
        let suffix = Suffix(rand::random());
        let path = files.layout.draft(suffix);
        let file = files.disk.create(&path).map_err(Error::io("create", &path))?;
        Ok(Self::of(Name::new(files, path), file, suffix, hasher))
    }

    /// See [`BlobFiles::resume`].
    pub(super) fn resume(
        files: BlobFiles,
        suffix: Suffix,
        bytes: u64,
        known: Option<Hasher>,
    ) -> Result<Self, Error> {
        let path = files.layout.draft(suffix);
        let file = File::options().read(true).write(true).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        let mut name = Name::new(files, path);
        // Whatever goes wrong here, a row names the file.
        name.stays = true;
        let found = file.metadata().map_err(name.error("look at"))?.len();
        if found < bytes {
            let what = format!("{bytes} bytes were acknowledged and {found} are there");
            return Err(name.error("go on with")(io::Error::other(what)));
        }
        name.files.disk.cut(&file, bytes).map_err(name.error("shorten"))?;
        let hasher = match known.filter(|known| known.size() == bytes) {
            Some(known) => known,
            None => hash_again(&file, Hasher::new(None)).map_err(name.error("read"))?,
        };
        Ok(Self::of(name, file, suffix, hasher))
    }

    fn of(name: Name, file: File, suffix: Suffix, hasher: Hasher) -> Self {
        let (buffer, writeback) = (Vec::new(), Writeback::after(hasher.size()));
        Self { name, file, suffix, hasher, buffer, writeback }
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

    /// How many of them are in the file, for [`Self::reader`].
    #[must_use]
    pub fn written(&self) -> u64 {
        self.hasher.size() - u64::try_from(self.buffer.len()).unwrap_or(0)
    }

    /// The file once more, for whoever reads what was written while more arrives. It stays
    /// readable when its name goes.
    pub fn reader(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(self.name.error("open once more"))
    }

    /// What a row has to say about the file's name.
    #[must_use]
    pub fn suffix(&self) -> Suffix {
        self.suffix
    }

    /// Makes the bytes that were taken so far and the draft's name durable, so that a row may say
    /// that they are here. From now on the file stays when this is dropped. An error says
    /// nothing about the bytes that were synced before.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        let files = &self.name.files;
        files.disk.sync(&self.file).map_err(self.name.error("sync"))?;
        if !self.name.stays {
            files.sync_dir(files.layout.staging())?;
            self.name.stays = true;
        }
        Ok(())
    }

    /// Closes the file, which a row names, and leaves it for [`BlobFiles::resume`]. What is given
    /// back spares that the hashing again; only what was synced counts.
    #[must_use]
    pub fn leave(self) -> Hasher {
        self.hasher
    }

    /// Removes the file, also when it was synced: no row names it (any more).
    pub fn discard(mut self) {
        self.name.remove();
    }

    /// Says what the bytes are to be, however many came already. Reads them again where that
    /// needs another algorithm than the draft began with.
    pub fn compare_with(&mut self, claim: &Checksum) -> Result<(), Error> {
        if self.hasher.compare_with(claim) {
            return Ok(());
        }
        self.flush()?;
        let hasher = self.hasher.anew(claim);
        self.hasher = hash_again(&self.file, hasher).map_err(self.name.error("read"))?;
        Ok(())
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

    /// As [`Self::finish`]; where that fails, the file goes and what was given is told by a hasher
    /// that has seen it.
    pub fn finish_or_leave(mut self) -> Result<Staged, Box<(Error, Hasher)>> {
        match self.flush() {
            Ok(()) => {
                let hasher = self.hasher.fork();
                self.finish().map_err(|error| Box::new((error, hasher)))
            }
            Err(error) => Err(Box::new((error, self.leave()))),
        }
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
    /// What the bytes are. When the claim differs, drop or discard this.
    #[must_use]
    pub fn hashed(&self) -> Hashed {
        self.hashed
    }

    /// Reads bytes from `at` on, at most as many as fit; 0 at the end.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(buffer, at)
    }

    /// Removes the file, also when the draft was synced: no row names it (any more).
    pub fn discard(mut self) {
        self.name.remove();
    }
}

/// Shows all of `file`, whose position stays where it is, to a new hasher.
fn hash_again(file: &File, mut hasher: Hasher) -> io::Result<Hasher> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read_at(&mut buffer, hasher.size()) {
            Ok(0) => return Ok(hasher),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A name in the staging folder that goes when this is dropped.
pub(super) struct Name {
    pub(super) files: BlobFiles,
    /// `None` once the name is gone, or left for the next start.
    path: Option<PathBuf>,
    /// A row may name it: dropping this leaves it.
    stays: bool,
}

impl Name {
    fn new(files: BlobFiles, path: PathBuf) -> Self {
        Self { files, path: Some(path), stays: false }
    }

    /// Takes another name; when that fails neither stays.
    pub(super) fn rename(&mut self, to: &Path) -> Result<(), Error> {
        let from = self.path();
        if let Err(error) = self.files.disk.rename(from, to) {
            let error = Error::io("rename", from)(error);
            // It may have happened all the same.
            remove_or_warn(&self.files, to);
            self.stays = false;
            return Err(error);
        }
        self.path = Some(to.to_owned());
        self.stays = false;
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

    /// Lets the name go with this, whatever was synced: no row will name it.
    pub(super) fn end(&mut self) {
        self.stays = false;
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.stays {
            self.remove();
        }
    }
}

fn remove_or_warn(files: &BlobFiles, path: &Path) {
    if let Err(error) = files.remove(path) {
        log::warn!("{error} (the next start tries again)");
    }
}
