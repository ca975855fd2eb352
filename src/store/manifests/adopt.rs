//! Adopting an image that was sent to the artifact tree file by file, as a publishing server
//! does: the files of the format become blobs and manifests of the repository, and the format
//! shows its tag from then on.
//!
//! One transaction (I2): readers see the files that were sent, or the image. The old files are
//! detached like any others.

use super::{ManifestPush, Pushed};
use crate::db::Pending;
use crate::db::schema::{CONTAINERS, IMAGE_BLOBS, IMAGES};
use crate::model::{Digest, Format, FormatPath, ImageName};
use crate::store::artifacts::Locks;
use crate::store::blobs::Content;
use crate::store::{Error, Store, Tx, blobs, tree};

/// An image whose files lie in a format.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The format.
    pub path: FormatPath,
    /// What it was when its files were looked at.
    pub base: Format,
    /// The configs and layers among its files.
    pub blobs: Vec<Digest>,
    /// Its manifests, each behind those that it names; the last one has the tag that the format
    /// is to show. All are of the repository that the path names.
    pub manifests: Vec<ManifestPush>,
}

impl Store {
    /// Lets a format with files show an image that consists of them. Tells what each manifest
    /// came to. The answer may be [`Error::NotFound`], [`Error::Changed`] when the format is not
    /// what it was, and those of [`Self::push_manifest`]; then nothing was changed.
    pub fn adopt_container(&self, adoption: Adoption) -> Pending<Vec<Pushed>, Error> {
        let locks = self.locks(&adoption.path);
        self.change(move |tx| tx.adopt_container(&adoption, locks))
    }
}

impl Tx<'_, '_> {
    fn adopt_container(&self, adoption: &Adoption, locks: Locks) -> Result<Vec<Pushed>, Error> {
        let Adoption { path, base, blobs, manifests } = adoption;
        let found = tree::format(self.txn, path)?.format;
        let leads_here = manifests.last().is_some_and(|last| {
            let shown = last.tag.as_ref().and_then(|tag| last.image.format_of(tag));
            shown.as_ref() == Some(path)
        });
        let is_same = (found.id, found.changed) == (base.id, base.changed);
        if !leads_here || !is_same || CONTAINERS.has(self.txn, &found.id)? {
            return Err(Error::Changed(path.to_string()));
        }
        if let Some(first) = manifests.first() {
            self.take_blobs_in(&first.image, blobs)?;
        }
        // What the last one names is held before the transaction ends too.
        manifests.iter().map(|push| self.push_manifest(push, locks, None)).collect()
    }

    /// They are held before the transaction ends, so nobody is charged for a link.
    fn take_blobs_in(&self, image: &ImageName, blobs: &[Digest]) -> Result<(), Error> {
        for digest in blobs {
            let (id, _) = blobs::find(self.txn, digest)?.ok_or(Error::BlobUnknown(*digest))?;
            let known = match IMAGES.get(self.txn, image)? {
                Some(image) => IMAGE_BLOBS.has(self.txn, &(image.id, id))?,
                None => false,
            };
            if !known {
                self.new_link(image, &Content::Stored(*digest), Some(id), String::new())?;
            }
        }
        Ok(())
    }
}
