//! The blobs of the registry's repositories: each has one row per repository, which is its one
//! reference there (I2), held by the repository's manifests or free until its upload link ends.
//!
//! A blob is visible in a repository exactly while the row is there. So what a client is told is
//! there stays until the link ends (I3): the link is renewed in a committed transaction before
//! the answer, and what a manifest lets go gets a new one, which needs no write before. The last
//! manifest, or the end of the link, gives the blob the ordinary lease.
//! Deliberately absent: who may push, and bytes, which are hashed and synced before (I1, I4).

use std::collections::BTreeMap;

use super::blobs::{Arrival, Content};
use super::charges::login_of;
use super::tree::Delta;
use super::tx::promised;
use super::{Error, Store, Tx, View, blobs};
use crate::db::schema::{BLOBS, IMAGE_BLOBS, IMAGE_LINKS, IMAGES, SHA512_OF, SHA512S};
use crate::db::{Pending, Rows};
use crate::model::{
    Blob, BlobId, ImageBlob, ImageId, ImageName, OciDigest, Referrer, Refs, Sha512, UploadId,
    Usage, UserName,
};

/// A repository and a blob in it.
pub type ImageBlobKey = (ImageId, BlobId);

/// A blob that is to be in a repository.
#[derive(Clone, Debug)]
pub struct BlobPush {
    /// The repository, which is made if it is not there.
    pub image: ImageName,
    /// The bytes.
    pub content: Content,
    /// Their SHA-512, computed here (I4), if a client used it.
    pub sha512: Option<Sha512>,
    /// Who is charged until a manifest names it.
    pub by: Option<UserName>,
    /// The upload that ends with it: its row and its charge go in the same transaction.
    pub upload: Option<UploadId>,
}

/// A blob of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBlobInfo {
    /// Its id.
    pub id: BlobId,
    /// Its record.
    pub blob: Blob,
    /// Why the repository has it, and until when.
    pub row: ImageBlob,
}

impl Store {
    /// Lets a repository have a blob, by an upload link unless a manifest of the repository names
    /// it already; one that is there has its link renewed.
    ///
    /// Errors of the answer: [`Error::QuotaExceeded`]; [`Error::NotFound`] when the upload was
    /// ended meanwhile; [`Error::BlobUnknown`] for a digest that is not stored. Then nothing was
    /// changed.
    pub fn put_image_blob(&self, push: BlobPush) -> Pending<Arrival, Error> {
        self.change(move |tx| tx.put_image_blob(&push))
    }

    /// Lets the repository `to` have a blob of the repository `from`. `None`: that does not have
    /// it. Whether the caller may read there is for the caller to find out.
    ///
    /// Errors of the answer: [`Error::QuotaExceeded`].
    pub fn mount_image_blob(
        &self,
        from: ImageName,
        to: ImageName,
        digest: OciDigest,
        by: Option<UserName>,
    ) -> Pending<Option<ImageBlobInfo>, Error> {
        self.change(move |tx| match find(tx.txn, &from, &digest)? {
            Some((_, found)) => tx.mount(&to, &found.blob, found.id, by.as_ref()).map(Some),
            None => Ok(None),
        })
    }

    /// Lets the repository `to` have a blob that is stored, whoever has it. `None`: it is not
    /// stored (any more). Whether the caller may know of it is for the caller to find out.
    ///
    /// Errors of the answer: [`Error::QuotaExceeded`].
    pub fn mount_any_blob(
        &self,
        to: ImageName,
        digest: OciDigest,
        by: Option<UserName>,
    ) -> Pending<Option<ImageBlobInfo>, Error> {
        self.change(move |tx| match find_oci(tx.txn, &digest)? {
            Some((id, blob)) => tx.mount(&to, &blob, id, by.as_ref()).map(Some),
            None => Ok(None),
        })
    }

    /// Promises that a blob stays in a repository for an upload link, in a committed transaction,
    /// so that a client may be told that it is there. `None`: it is not (any more).
    ///
    /// Errors of the answer: [`Error::QuotaExceeded`] of the owner of the repository.
    pub fn renew_image_blob(
        &self,
        image: ImageName,
        digest: OciDigest,
    ) -> Pending<Option<ImageBlobInfo>, Error> {
        self.change(move |tx| {
            let Some((image, found)) = find(tx.txn, &image, &digest)? else { return Ok(None) };
            let row = tx.renew_link((image, found.id), found.row)?;
            Ok(Some(ImageBlobInfo { row, ..found }))
        })
    }

    /// Takes a blob that no manifest of the repository names out of it.
    ///
    /// Errors of the answer: [`Error::BlobInUse`], [`Error::NotFound`].
    pub fn delete_image_blob(&self, image: ImageName, digest: OciDigest) -> Pending<(), Error> {
        self.change(move |tx| match find(tx.txn, &image, &digest)? {
            None => Err(Error::NotFound(format!("/v2/{image}/blobs/{digest}"))),
            Some((_, ImageBlobInfo { row: ImageBlob { refs: Refs::Held { .. }, .. }, .. })) => {
                Err(Error::BlobInUse(digest))
            }
            Some((image, found)) => tx.drop_link((image, found.id), &found.row),
        })
    }
}

impl View {
    /// A blob as a repository has it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_blob(
        &self,
        image: &ImageName,
        digest: &OciDigest,
    ) -> Result<Option<ImageBlobInfo>, Error> {
        Ok(find(&self.snapshot, image, digest)?.map(|(_, found)| found))
    }

    /// The blob with this digest, whoever has it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn find_oci(&self, digest: &OciDigest) -> Result<Option<(BlobId, Blob)>, Error> {
        find_oci(&self.snapshot, digest)
    }
}

/// The blob with this digest. A SHA-512 is known of those blobs that a client named by it.
pub(super) fn find_oci(
    rows: &impl Rows,
    digest: &OciDigest,
) -> Result<Option<(BlobId, Blob)>, Error> {
    let sum = match digest {
        OciDigest::Sha256(digest) => return blobs::find(rows, digest),
        OciDigest::Sha512(sum) => sum,
    };
    let Some(id) = SHA512S.get(rows, sum)? else { return Ok(None) };
    Ok(Some((id, promised(&BLOBS, rows, &id)?)))
}

/// A blob as a repository has it, with the repository's id.
pub(super) fn find(
    rows: &impl Rows,
    image: &ImageName,
    digest: &OciDigest,
) -> Result<Option<(ImageId, ImageBlobInfo)>, Error> {
    let Some(image) = IMAGES.get(rows, image)? else { return Ok(None) };
    Ok(find_in(rows, image.id, digest)?.map(|found| (image.id, found)))
}

/// A blob as a repository has it.
pub(super) fn find_in(
    rows: &impl Rows,
    image: ImageId,
    digest: &OciDigest,
) -> Result<Option<ImageBlobInfo>, Error> {
    let Some((id, blob)) = find_oci(rows, digest)? else { return Ok(None) };
    Ok(IMAGE_BLOBS.get(rows, &(image, id))?.map(|row| ImageBlobInfo { id, blob, row }))
}

/// The row of a blob as a repository has it: what a push of a manifest needs of each, so the
/// blob's own record is not looked at.
pub(super) fn row_in(
    rows: &impl Rows,
    image: ImageId,
    digest: &OciDigest,
) -> Result<Option<(BlobId, ImageBlob)>, Error> {
    let id = match digest {
        OciDigest::Sha256(digest) => blobs::id_of(rows, digest)?,
        OciDigest::Sha512(sum) => SHA512S.get(rows, sum)?,
    };
    let Some(id) = id else { return Ok(None) };
    Ok(IMAGE_BLOBS.get(rows, &(image, id))?.map(|row| (id, row)))
}

/// The row of a blob that may be stored, in a repository that may be there.
fn row_of(
    rows: &impl Rows,
    image: &ImageName,
    blob: Option<BlobId>,
) -> Result<Option<(ImageBlobKey, ImageBlob)>, Error> {
    let (Some(image), Some(blob)) = (IMAGES.get(rows, image)?, blob) else { return Ok(None) };
    let key = (image.id, blob);
    Ok(IMAGE_BLOBS.get(rows, &key)?.map(|row| (key, row)))
}

impl Tx<'_, '_> {
    fn put_image_blob(&self, push: &BlobPush) -> Result<Arrival, Error> {
        let known = self.known(&push.content)?;
        let found = row_of(self.txn, &push.image, known)?;
        let upload = push.upload.map(|id| self.upload(id)).transpose()?;
        let login = login_of(push.by.as_ref());
        let plus = match found {
            Some(_) => Usage::default(),
            None => Usage::of(self.size_of(&push.content, known)?),
        };
        let ended = upload.as_ref().filter(|upload| upload.by == login);
        let minus = ended.map_or_else(Usage::default, super::uploads::charge_of);
        self.check_user_room(&login, Delta { minus, plus })?;

        if let (Some(id), Some(upload)) = (push.upload, &upload) {
            self.end_upload(id, upload)?;
        }
        let (blob, arrival) = if let Some((key, row)) = found {
            self.renew_link(key, row)?;
            (key.1, Arrival::Known)
        } else {
            let (key, arrival) = self.new_link(&push.image, &push.content, known, login)?;
            (key.1, arrival)
        };
        if let Some(sum) = &push.sha512 {
            self.note_sha512(blob, sum)?;
        }
        Ok(arrival)
    }

    fn mount(
        &self,
        to: &ImageName,
        blob: &Blob,
        id: BlobId,
        by: Option<&UserName>,
    ) -> Result<ImageBlobInfo, Error> {
        let key = if let Some((key, row)) = row_of(self.txn, to, Some(id))? {
            self.renew_link(key, row)?;
            key
        } else {
            let login = login_of(by);
            let plus = Usage::of(blob.size);
            self.check_user_room(&login, Delta { plus, ..Delta::default() })?;
            self.new_link(to, &Content::Stored(blob.digest), Some(id), login)?.0
        };
        let blob = promised(&BLOBS, self.txn, &id)?;
        Ok(ImageBlobInfo { id, blob, row: promised(&IMAGE_BLOBS, self.txn, &key)? })
    }

    /// Takes a blob into a repository that does not have it.
    pub(super) fn new_link(
        &self,
        image: &ImageName,
        content: &Content,
        known: Option<BlobId>,
        charged: String,
    ) -> Result<(ImageBlobKey, Arrival), Error> {
        let image = self.image_or_new(image)?;
        let (blob, size, arrival) = self.take_in(content, known, Referrer::Image(image))?;
        self.charge_user(&charged, Usage::of(size))?;
        let row = ImageBlob { refs: Refs::Free { until: self.link_end }, size, charged };
        self.save_image_blob((image, blob), None, &row)?;
        Ok(((image, blob), arrival))
    }

    /// Lets an upload link begin again; a manifest's hold needs no note of it. In a user's
    /// repository the owner is charged from then on for what a release left, if nobody is.
    fn renew_link(&self, key: ImageBlobKey, mut row: ImageBlob) -> Result<ImageBlob, Error> {
        let before = row.refs;
        row.refs = before.lease(self.link_end);
        if row.refs != before {
            if row.charged.is_empty()
                && let Some(owner) = self.owner_of_image(key.0)?
            {
                self.charge_user(owner.as_str(), Usage::of(row.size))?;
                owner.as_str().clone_into(&mut row.charged);
            }
            self.save_image_blob(key, Some(before), &row)?;
        }
        Ok(row)
    }

    /// One more manifest of the repository names blobs that the repository has: their rows as
    /// they are. The first one ends the charge for a link; each user is discharged once.
    pub(super) fn hold_image_blobs(
        &self,
        image: ImageId,
        blobs: &[(BlobId, ImageBlob)],
    ) -> Result<(), Error> {
        let mut discharged = BTreeMap::<&str, Usage>::new();
        for (blob, row) in blobs {
            let held = ImageBlob { refs: row.refs.hold(), size: row.size, charged: String::new() };
            self.save_image_blob((image, *blob), Some(row.refs), &held)?;
            let of = discharged.entry(&row.charged).or_default();
            *of = of.plus(Usage::of(row.size));
        }
        discharged.into_iter().try_for_each(|(login, usage)| self.uncharge_user(login, usage))
    }

    /// One manifest of the repository less names a blob. The last one leaves an upload link that
    /// nobody is charged for.
    pub(super) fn release_image_blob(&self, image: ImageId, blob: BlobId) -> Result<(), Error> {
        let key = (image, blob);
        let mut row = promised(&IMAGE_BLOBS, self.txn, &key)?;
        let before = row.refs;
        if matches!(before, Refs::Free { .. }) {
            let what = format!("blob {} lacks the manifest that lets it go", blob.0);
            return Err(crate::db::Error::Corrupt { table: IMAGE_BLOBS.name(), what }.into());
        }
        row.refs = before.release(self.link_end);
        self.save_image_blob(key, Some(before), &row)
    }

    /// Takes a blob that no manifest names out of a repository; the blob keeps its lease.
    pub(super) fn drop_link(&self, key: ImageBlobKey, row: &ImageBlob) -> Result<(), Error> {
        if let Refs::Free { until } = row.refs {
            IMAGE_LINKS.remove(self.txn, &(until, key))?;
        }
        IMAGE_BLOBS.remove(self.txn, &key)?;
        self.uncharge_user(&row.charged, Usage::of(row.size))?;
        self.release(key.1, Referrer::Image(key.0))?;
        self.drop_image_if_empty(key.0)
    }

    /// Writes a row and its place in the index of links.
    pub(super) fn save_image_blob(
        &self,
        key: ImageBlobKey,
        before: Option<Refs>,
        row: &ImageBlob,
    ) -> Result<(), Error> {
        if let Some(Refs::Free { until }) = before {
            IMAGE_LINKS.remove(self.txn, &(until, key))?;
        }
        if let Refs::Free { until } = row.refs {
            IMAGE_LINKS.put(self.txn, &(until, key), &())?;
        }
        Ok(IMAGE_BLOBS.put(self.txn, &key, row)?)
    }

    /// Lets a blob be found by its SHA-512 too, which goes when the blob is collected.
    pub(super) fn note_sha512(&self, blob: BlobId, sum: &Sha512) -> Result<(), Error> {
        if SHA512S.get(self.txn, sum)? != Some(blob) {
            SHA512S.put(self.txn, sum, &blob)?;
            SHA512_OF.put(self.txn, &blob, sum)?;
        }
        Ok(())
    }
}
