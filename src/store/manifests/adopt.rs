//! Adopting an image that was sent to the artifact tree file by file, as a publishing server
//! does: the files of the format become blobs and manifests of the repository, and the format
//! shows its tag from then on.
//!
//! What the image consists of comes first, in transactions of bounded size (I7): blobs get links
//! and manifests are doomed, so that what nobody adopts goes by itself. Then one transaction lets
//! the root hold it all and the format show it (I2): readers see the files that were sent, or the
//! image. The old files are detached like any others.

use std::time::Duration;

use super::{ManifestPush, Pushed, named};
use crate::db::Pending;
use crate::db::schema::{CONTAINERS, IMAGE_BLOBS, IMAGES, MANIFESTS};
use crate::model::{Digest, Format, FormatPath, ImageName, Standing, Timestamp};
use crate::store::artifacts::Locks;
use crate::store::blobs::Content;
use crate::store::image_blobs::ImageBlobKey;
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx, blobs, tree};

/// Most blobs that one transaction brings (I7).
pub const STAGED_BLOBS_MAX: usize = 100;
/// What was brought stays at least so long, however short upload links are.
const STAGED_MIN: Duration = Duration::from_secs(3600);

/// An image whose files lie in a format.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The format.
    pub path: FormatPath,
    /// What it was when its files were looked at.
    pub base: Format,
    /// The manifest that names all others, with the tag that the format is to show. What it names
    /// was brought before.
    pub root: ManifestPush,
}

impl Store {
    /// Brings stored blobs into a repository, at most [`STAGED_BLOBS_MAX`] of them, for a while
    /// and charged to nobody: they are files of a format that is to show an image. The answer may
    /// be [`Error::BlobUnknown`]; then nothing was changed.
    pub fn stage_blobs(&self, image: ImageName, blobs: Vec<Digest>) -> Pending<(), Error> {
        self.change(move |tx| {
            blobs.iter().take(STAGED_BLOBS_MAX).try_for_each(|blob| tx.stage_blob(&image, blob))
        })
    }

    /// Brings a manifest into a repository for a while, without a tag and charged to nobody. The
    /// answer may be those of [`Self::push_manifest`].
    pub fn stage_manifest(&self, push: ManifestPush) -> Pending<Pushed, Error> {
        self.change(move |tx| tx.stage_manifest(&push))
    }

    /// Lets a format with files show an image that consists of them. The answer may be
    /// [`Error::NotFound`], [`Error::Changed`] when the format is not what it was, and those of
    /// [`Self::push_manifest`]; then nothing was changed.
    pub fn adopt_container(&self, adoption: Adoption) -> Pending<Pushed, Error> {
        let locks = self.locks(&adoption.path);
        self.change(move |tx| tx.adopt_container(&adoption, locks))
    }
}

impl Tx<'_, '_> {
    fn adopt_container(&self, adoption: &Adoption, locks: Locks) -> Result<Pushed, Error> {
        let Adoption { path, base, root } = adoption;
        let found = tree::format(self.txn, path)?.format;
        let shown = root.tag.as_ref().and_then(|tag| root.image.format_of(tag));
        let is_same = (found.id, found.changed) == (base.id, base.changed);
        if shown.as_ref() != Some(path) || !is_same || CONTAINERS.has(self.txn, &found.id)? {
            return Err(Error::Changed(path.to_string()));
        }
        self.push_manifest(root, locks, None)
    }

    fn staged_until(&self) -> Timestamp {
        self.link_end.max(self.now.after(STAGED_MIN))
    }

    fn stage_blob(&self, image: &ImageName, digest: &Digest) -> Result<(), Error> {
        let (id, _) = blobs::find(self.txn, digest)?.ok_or(Error::BlobUnknown(*digest))?;
        let known = match IMAGES.get(self.txn, image)? {
            Some(image) => {
                let key = (image.id, id);
                IMAGE_BLOBS.has(self.txn, &key)?.then_some(key)
            }
            None => None,
        };
        let key = match known {
            Some(key) => key,
            None => self.new_link(image, &Content::Stored(*digest), Some(id), String::new())?.0,
        };
        self.keep_staged(key)
    }

    fn keep_staged(&self, key: ImageBlobKey) -> Result<(), Error> {
        let mut row = promised(&IMAGE_BLOBS, self.txn, &key)?;
        let before = row.refs;
        row.refs = before.lease(self.staged_until());
        if row.refs == before { Ok(()) } else { self.save_image_blob(key, Some(before), &row) }
    }

    fn stage_manifest(&self, push: &ManifestPush) -> Result<Pushed, Error> {
        let known = match IMAGES.get(self.txn, &push.image)? {
            Some(image) => named(self.txn, image.id, &(*push.content.digest()).into())?,
            None => None,
        };
        let stays =
            known.is_some_and(|(_, known)| !matches!(known.standing, Standing::Doomed { .. }));
        let pushed = self.push_manifest(push, Locks::Kept, None)?;
        if !stays {
            let mut manifest = promised(&MANIFESTS, self.txn, &pushed.id)?;
            self.stand(pushed.id, &mut manifest, Standing::Doomed { until: self.staged_until() })?;
            MANIFESTS.put(self.txn, &pushed.id, &manifest)?;
        }
        Ok(pushed)
    }
}
