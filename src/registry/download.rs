//! Blobs of repositories as clients see them: told of, and read.
//!
//! Whoever is told that a blob is there may rely on that for an upload link (I3): where no
//! manifest holds it, its link is renewed in a committed transaction before the answer. What is
//! read is pinned as long as it is.
//! Deliberately absent: which repository a name means besides its own, and who may read it.

use super::{Error, Registry};
use crate::blobs::Source;
use crate::model::{Blob, BlobId, ImageName, OciDigest, Refs};
use crate::store::image_blobs::ImageBlobInfo;
use crate::store::reading::{Kept, Readable};
use crate::store::{self, View};

/// A blob that is ready to be sent.
#[derive(Debug)]
pub struct OpenedBlob {
    /// Its record.
    pub blob: Blob,
    /// Its bytes.
    pub source: Source,
}

impl Registry {
    /// The blob of a repository, which stays for an upload link from now on. `None`: it is not
    /// there (any more), or it cannot be promised: send it.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read.
    pub async fn promise_blob(
        &self,
        image: &ImageName,
        digest: &OciDigest,
    ) -> Result<Option<ImageBlobInfo>, Error> {
        let found = self.store().view()?.image_blob(image, digest)?;
        match found {
            Some(ImageBlobInfo { row, .. }) if matches!(row.refs, Refs::Free { .. }) => {}
            held => return Ok(held),
        }
        match self.store().renew_image_blob(image.clone(), *digest).await {
            Ok(renewed) => Ok(renewed),
            Err(store::Error::QuotaExceeded { .. }) => Ok(None),
            Err(error) => {
                log::warn!("no link could be renewed for {image}@{digest}: {error}");
                Ok(None)
            }
        }
    }

    /// Opens the blob that `find` finds; `named` is what it was asked for by. `None`: there is
    /// none.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Files`] when the file of a live row is missing, which is a
    /// damage that is also logged.
    pub fn open_blob(
        &self,
        named: &dyn std::fmt::Display,
        find: impl Fn(&View) -> Result<Option<(BlobId, Blob)>, store::Error>,
    ) -> Result<Option<OpenedBlob>, Error> {
        let found =
            self.store().readable(|view| Ok(find(view)?.map(|(id, blob)| (id, blob, ()))))?;
        let Some(Readable { blob, kept, found: () }) = found else { return Ok(None) };
        let source = match kept {
            Kept::Inline(bytes) => Source::Inline(bytes),
            Kept::Placed(suffix, pin) => self.files.open_pinned(blob.digest, suffix, pin, named)?,
        };
        Ok(Some(OpenedBlob { blob, source }))
    }
}
