//! Files of packages: from bytes that arrive to a publication, and from a file's record to bytes.
//!
//! Defends I1, I4 and I5: bytes are summed here while they arrive, placed before their row is
//! committed, and thrown away when it is not; small ones stay in memory and become a row. What ends
//! early leaves nothing. Every sum that a client names is compared before anything is published.
//! Deliberately absent: what a file is called, and who may publish it.

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};

use super::Packages;
use crate::blobs::hash::Hasher;
use crate::blobs::{self, Draft, Hashed, Source, Staged};
use crate::model::digest::{Algorithm, hex};
use crate::model::{
    Blob, Checksum, PackageFile, PackageFileId, PackageFileName, PackageKind, Sums,
};
use crate::store::blobs::{Body, Content, settle};
use crate::store::packages::{NewPackageFile, Publish, Published};
use crate::store::reading::{Kept, Readable};
use crate::store::{self, View};

/// Why a file was not taken in, published or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A blob's file could not be written or read.
    #[error(transparent)]
    Files(#[from] blobs::Error),
    /// More bytes than a file of its kind may have; nothing was kept.
    #[error("the file is too large: up to {bytes_max} bytes are taken")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The bytes are not what the client said; nothing was kept.
    #[error("the {name} of the file is {actual}, and not {claimed} as was said: send it again")]
    Mismatch {
        /// The algorithm.
        name: &'static str,
        /// What was said, in hex.
        claimed: String,
        /// What it is, in hex.
        actual: String,
    },
}

/// Most bytes of a file of each kind; `None`: no limit but the disk's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileLimits {
    /// Of generic packages.
    pub generic: Option<u64>,
    /// Of npm.
    pub npm: Option<u64>,
    /// Of Maven.
    pub maven: Option<u64>,
    /// Of `PyPI`.
    pub pypi: Option<u64>,
}

impl FileLimits {
    /// Most bytes of a file of this kind.
    #[must_use]
    pub fn of(&self, kind: PackageKind) -> Option<u64> {
        match kind {
            PackageKind::Generic => self.generic,
            PackageKind::Npm => self.npm,
            PackageKind::Maven => self.maven,
            PackageKind::Pypi => self.pypi,
        }
    }
}

/// A file that is arriving. Dropping it leaves nothing.
pub struct Incoming {
    packages: Packages,
    bytes_max: Option<u64>,
    size: u64,
    bytes: Gathered,
}

enum Gathered {
    Memory(BytesMut, Hasher),
    File(Box<Draft>),
}

/// A file that has arrived whole. Dropping it leaves nothing.
pub struct Arrived {
    /// What its bytes add up to, computed here (I4).
    pub sums: Sums,
    /// How many there are.
    pub size: u64,
    bytes: Held,
}

enum Held {
    Memory(Bytes),
    File(Box<Staged>),
}

/// What arrived, under the name that it is to have.
pub struct NamedFile {
    /// Its name.
    pub name: PackageFileName,
    /// The versions of Python that it is for.
    pub requires_python: Option<String>,
    /// The bytes.
    pub arrived: Arrived,
}

/// A file that is ready to be sent.
pub struct Opened {
    /// Its number.
    pub id: PackageFileId,
    /// Its record.
    pub file: PackageFile,
    /// The record of its bytes.
    pub blob: Blob,
    /// Its bytes.
    pub source: Source,
}

impl Packages {
    /// Begins to take in a file of this kind.
    #[must_use]
    pub fn receive(&self, kind: PackageKind) -> Incoming {
        let bytes = Gathered::Memory(BytesMut::new(), Hasher::with_sums(None));
        Incoming { packages: self.clone(), bytes_max: self.limits().of(kind), size: 0, bytes }
    }

    /// Whether new content may come, before any of it is read.
    ///
    /// # Errors
    /// [`Error::Files`]: below the reserve.
    pub fn admit(&self) -> Result<(), Error> {
        Ok(self.space().admit(0)?)
    }

    /// Publishes `new` with what arrived as its file, if something did, and only then returns
    /// (I5). Waits for disk and commit. Bytes that are known already are not even synced.
    ///
    /// # Errors
    /// [`Error::Files`], and the refusals of [`store::Store::publish`]; then nothing is kept.
    pub fn publish(&self, new: Publish, file: Option<NamedFile>) -> Result<Published, Error> {
        let Some(NamedFile { name, requires_python, arrived }) = file else {
            return Ok(self.store().publish(new).wait()?);
        };
        let Arrived { sums, size, bytes } = arrived;
        let with = |content| {
            let (name, requires_python) = (name.clone(), requires_python.clone());
            let file = NewPackageFile { name, content, sums, requires_python };
            Publish { file: Some(file), ..new.clone() }
        };
        let uploaded = |body| Content::Uploaded { digest: sums.sha256, size, body };
        match bytes {
            Held::Memory(bytes) => {
                Ok(self.store().publish(with(uploaded(Body::Inline(bytes)))).wait()?)
            }
            Held::File(staged) => self.publish_staged(*staged, with, uploaded),
        }
    }

    fn publish_staged(
        &self,
        staged: Staged,
        with: impl Fn(Content) -> Publish,
        uploaded: impl Fn(Body) -> Content,
    ) -> Result<Published, Error> {
        let digest = staged.hashed().digest;
        if self.store().view()?.find_blob(&digest)?.is_some() {
            match self.store().publish(with(Content::Stored(digest))).wait() {
                // It was collected a moment ago.
                Err(store::Error::BlobUnknown(_)) => {}
                result => {
                    staged.discard();
                    return Ok(result?);
                }
            }
        }
        let placed = staged.place()?;
        let content = uploaded(Body::File(placed.suffix));
        let result = self.store().publish(with(content)).wait();
        settle(placed, result.as_ref().map(|published| published.arrival));
        Ok(result?)
    }

    /// Opens the file that `find` finds; see [`store::Store::readable`]. `None`: it finds none.
    ///
    /// # Errors
    /// Those of `find`; [`Error::Files`] when the bytes of a live row are missing, which is a
    /// damage that is also logged.
    pub fn open(
        &self,
        find: impl Fn(&View) -> Result<Option<(PackageFileId, PackageFile)>, store::Error>,
    ) -> Result<Option<Opened>, Error> {
        let found = self.store().readable(|view| {
            let Some((id, file)) = find(view)? else { return Ok(None) };
            let blob = view.blob(file.blob)?.ok_or(store::Error::BlobUnknown(file.sums.sha256))?;
            Ok(Some((file.blob, blob, (id, file))))
        })?;
        let Some(Readable { blob, kept, found: (id, file) }) = found else { return Ok(None) };
        let source = match kept {
            Kept::Inline(bytes) => Source::Inline(bytes),
            Kept::Placed(suffix, pin) => {
                self.files().open_pinned(blob.digest, suffix, pin, &file.name)?
            }
        };
        Ok(Some(Opened { id, file, blob, source }))
    }
}

impl Incoming {
    /// Most bytes that are taken; `None`: no limit but the disk's.
    #[must_use]
    pub fn bytes_max(&self) -> Option<u64> {
        self.bytes_max
    }

    /// Takes the next bytes. May wait for a disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] at the first byte over the limit, [`Error::Files`]; then it is of no
    /// use any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(bytes_max) = self.bytes_max.filter(|most| self.size > *most) {
            return Err(Error::TooLarge { bytes_max });
        }
        if let Gathered::Memory(gathered, hasher) = &mut self.bytes {
            if self.size <= self.packages.inline_bytes_max() {
                gathered.extend_from_slice(bytes);
                hasher.update(bytes);
                return Ok(());
            }
            let mut draft = self.packages.files().begin_with_sums(None)?;
            draft.write(gathered)?;
            self.bytes = Gathered::File(Box::new(draft));
        }
        match &mut self.bytes {
            Gathered::File(draft) => Ok(draft.write(bytes)?),
            Gathered::Memory(..) => Ok(()),
        }
    }

    /// All bytes were given.
    ///
    /// # Errors
    /// [`Error::Files`].
    pub fn finish(self) -> Result<Arrived, Error> {
        let (hashed, bytes) = match self.bytes {
            Gathered::Memory(bytes, hasher) => (hasher.finish(), Held::Memory(bytes.freeze())),
            Gathered::File(draft) => {
                let staged = draft.finish()?;
                (staged.hashed(), Held::File(Box::new(staged)))
            }
        };
        let Hashed { digest, size, sums, .. } = hashed;
        // Both hashers above compute all four.
        let sums = sums.ok_or(store::Error::BlobUnknown(digest))?;
        Ok(Arrived { sums, size, bytes })
    }
}

impl Arrived {
    /// What is in memory as if it had arrived.
    #[cfg(test)]
    pub(super) fn of_memory(bytes: Vec<u8>) -> Self {
        let Hashed { size, sums, .. } = crate::blobs::hash::hash_bytes_with_sums(&bytes, None);
        Self { sums: sums.unwrap(), size, bytes: Held::Memory(bytes.into()) }
    }

    /// Compares the bytes with what a client said of them.
    ///
    /// # Errors
    /// [`Error::Mismatch`].
    pub fn check(&self, claim: &Checksum) -> Result<(), Error> {
        let Some((name, actual)) = sum(&self.sums, claim.algorithm) else { return Ok(()) };
        if actual == claim.value {
            return Ok(());
        }
        Err(Error::Mismatch { name, claimed: hex(&claim.value), actual: hex(&actual) })
    }

    /// Reads the bytes, from the first one on. May wait for a disk.
    #[must_use]
    pub fn reader(&self) -> ArrivedReader<'_> {
        ArrivedReader { of: self, at: 0 }
    }
}

/// The name and value of one of the four sums.
#[must_use]
pub fn sum(sums: &Sums, algorithm: Algorithm) -> Option<(&'static str, Vec<u8>)> {
    match algorithm {
        Algorithm::Sha256 => Some(("SHA-256", sums.sha256.0.to_vec())),
        Algorithm::Sha1 => Some(("SHA-1", sums.sha1.to_vec())),
        Algorithm::Md5 => Some(("MD5", sums.md5.to_vec())),
        Algorithm::Sha512 => Some(("SHA-512", sums.sha512().0.to_vec())),
        Algorithm::Sha224 | Algorithm::Sha384 => None,
    }
}

/// Reads what arrived.
pub struct ArrivedReader<'a> {
    of: &'a Arrived,
    at: u64,
}

impl Read for ArrivedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.of.bytes {
            Held::File(staged) => staged.read_at(buffer, self.at)?,
            Held::Memory(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX).min(bytes.len());
                let rest = &bytes[at..];
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                read
            }
        };
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
