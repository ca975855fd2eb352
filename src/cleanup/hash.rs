//! Every byte of every blob against its digest (I4), page by page of blobs, with no snapshot kept
//! open while a file is read; what is read is pinned.

use std::fs::File;
use std::io::{self, Read};

use super::Error;
use super::files::FileCheck;
use crate::blobs;
use crate::blobs::hash::{Hasher, hash_bytes};
use crate::model::{Blob, BlobId, Digest, Place, Suffix, Usage};

/// Blobs that are listed from one snapshot.
const PAGE: usize = 256;
/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What bytes turned out to be.
struct Bytes {
    digest: Digest,
    size: u64,
}

impl FileCheck<'_, '_> {
    /// Hashes all blobs that are there when their turn comes.
    pub(super) fn hash(&mut self) -> Result<(), Error> {
        let of = self.store.view()?.numbers()?.blobs;
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut after = None;
        loop {
            let page = self.store.view()?.blobs_after(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (id, blob) in page {
                if !self.goes_on("contents", self.report.hashed.files, of) {
                    return Ok(());
                }
                match blob.place {
                    Place::Inline => self.hash_row(id, &blob)?,
                    Place::File(suffix) => self.hash_file(id, &blob, suffix, &mut buffer)?,
                }
            }
        }
    }

    fn hash_row(&mut self, id: BlobId, blob: &Blob) -> Result<(), Error> {
        let view = self.store.view()?;
        if view.blob(id)?.is_none() {
            return Ok(()); // collected meanwhile
        }
        // Missing bytes are what the check of the rows tells of.
        let Ok(bytes) = view.inline(id) else { return Ok(()) };
        let hashed = hash_bytes(&bytes, None);
        self.judge(id, blob, &Bytes { digest: hashed.digest, size: hashed.size })
    }

    fn hash_file(
        &mut self,
        id: BlobId,
        blob: &Blob,
        suffix: Suffix,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let _pin = self.store.pins().pin(id);
        if self.store.view()?.blob(id)?.is_none() {
            return Ok(()); // collected meanwhile
        }
        let file = match self.files.open_blob(blob.digest, suffix) {
            // The comparison of the names tells of it.
            Err(blobs::Error::Missing { .. }) => return Ok(()),
            Err(error) => return self.unreadable(id, &error.to_string()),
            Ok(file) => file,
        };
        match self.read(file, buffer) {
            Ok(Some(bytes)) => self.judge(id, blob, &bytes),
            Ok(None) => Ok(()),
            Err(error) => {
                let path = self.files.path_of(blob.digest, suffix);
                self.unreadable(id, &format!("cannot read {}: {error}", path.display()))
            }
        }
    }

    /// Hashes a file; `None` when somebody asks to stop meanwhile.
    fn read(&mut self, mut file: File, buffer: &mut [u8]) -> io::Result<Option<Bytes>> {
        let mut hasher = Hasher::new(None);
        loop {
            match file.read(buffer) {
                Ok(0) => break,
                Ok(read) => hasher.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.is_stopped() {
                return Ok(None);
            }
        }
        let found = hasher.finish();
        Ok(Some(Bytes { digest: found.digest, size: found.size }))
    }

    fn judge(&mut self, id: BlobId, blob: &Blob, bytes: &Bytes) -> Result<(), Error> {
        self.report.hashed = self.report.hashed.plus(Usage::of(bytes.size));
        if (bytes.digest, bytes.size) == (blob.digest, blob.size) {
            return Ok(());
        }
        let owners = self.owners(id)?;
        let Blob { digest, size, .. } = blob;
        self.damage(format!(
            "blob {digest} is damaged: it has {} bytes instead of {size} and their digest is {}; \
             it is the content of {owners}; restore it from a backup or upload it again",
            bytes.size, bytes.digest
        ));
        Ok(())
    }

    fn unreadable(&mut self, id: BlobId, why: &str) -> Result<(), Error> {
        let owners = self.owners(id)?;
        self.damage(format!("{why}; it is the content of {owners}"));
        Ok(())
    }
}
