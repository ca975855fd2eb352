//! The end of an upload: its bytes are compared with their digest and become a blob of the
//! repository, in the transaction that ends the upload.
//!
//! A draft is synced and placed before that (I1, I5). What goes wrong here ends the upload too,
//! unless nobody knows whether the transaction took place: then all stays, and the next start
//! finds out.

use bytes::Bytes;

use super::{Error, Held, Session, told};
use crate::blobs::hash::hash_bytes;
use crate::blobs::{Claim, Hashed, Staged};
use crate::db::Pending;
use crate::model::OciDigest;
use crate::store;
use crate::store::blobs::{Arrival, Body, Content, settle};
use crate::store::image_blobs::BlobPush;

impl Session {
    /// All bytes came, and are small: the blob is in the repository once this returns, and the
    /// upload is ended.
    ///
    /// # Errors
    /// [`Error::Mismatch`], and the store's refusals: then the upload is ended too.
    /// [`Error::UploadLength`] leaves what was acknowledged before.
    pub async fn finish_small(mut self, digest: &OciDigest) -> Result<(), Error> {
        self.check_length()?;
        let result = match self.finishing(digest) {
            Ok(pending) => pending.await.map_err(|error| told(error, self.at.id)),
            Err(error) => Err(error),
        };
        if let (Err(error), Some((turn, _))) = (&result, &self.upload)
            && is_sure(error)
        {
            // No file is there to be removed; what cannot be done now is when it is given up.
            let _ = self.registry.store.drop_upload(turn.id).await;
        }
        result.map(drop)
    }

    /// As [`Self::finish_small`], of any size.
    ///
    /// # Errors
    /// As there, and [`Error::Files`].
    pub fn finish(mut self, digest: &OciDigest) -> Result<(), Error> {
        self.check_length()?;
        let result = self.finish_any(digest);
        if let (Err(error), Some((turn, _))) = (&result, &self.upload)
            && is_sure(error)
            && let Err(error) = self.registry.end_upload(turn.id)
        {
            log::debug!("upload {} stays until it is given up: {error}", turn.id);
        }
        result.map(drop)
    }

    fn finish_any(&mut self, digest: &OciDigest) -> Result<Arrival, Error> {
        if let Held::Memory(_) = self.held {
            let pending = self.finishing(digest)?;
            return pending.wait().map_err(|error| told(error, self.at.id));
        }
        self.draft()?.compare_with(&digest.checksum())?;
        let Held::Draft(draft) = std::mem::replace(&mut self.held, Held::Memory(Vec::new())) else {
            return Err(Error::UploadUnknown(self.at.id));
        };
        let staged = draft.finish()?;
        check(&staged.hashed(), digest)?;
        self.room.settle();
        self.place(staged)
    }

    /// Hashes what is in memory, and queues the change that makes a blob of it.
    fn finishing(&mut self, digest: &OciDigest) -> Result<Pending<Arrival, store::Error>, Error> {
        let bytes = match &mut self.held {
            Held::Memory(bytes) => Bytes::from(std::mem::take(bytes)),
            Held::Closed(_) | Held::Draft(_) => return Err(Error::UploadUnknown(self.at.id)),
        };
        let hashed = hash_bytes(&bytes, Some(&digest.checksum()));
        check(&hashed, digest)?;
        self.room.settle();
        Ok(self.push(&hashed, Body::Inline(bytes)))
    }

    /// Makes a blob of the draft. Bytes whose digest is known already are not even synced; others
    /// are synced and placed first.
    fn place(&self, staged: Staged) -> Result<Arrival, Error> {
        let hashed = staged.hashed();
        if self.registry.store.view()?.find_blob(&hashed.digest)?.is_some() {
            match self.put(&hashed, Content::Stored(hashed.digest)).wait() {
                // It was collected a moment ago.
                Err(store::Error::BlobUnknown(_)) => {}
                Ok(arrival) => {
                    staged.discard();
                    return Ok(arrival);
                }
                Err(error) => return Err(told(error, self.at.id)),
            }
        }
        let placed = staged.place()?;
        let result = self.push(&hashed, Body::File(placed.suffix)).wait();
        settle(placed, result.as_ref().copied());
        result.map_err(|error| told(error, self.at.id))
    }

    fn push(&self, hashed: &Hashed, body: Body) -> Pending<Arrival, store::Error> {
        let Hashed { digest, size, .. } = *hashed;
        self.put(hashed, Content::Uploaded { digest, size, body })
    }

    fn put(&self, hashed: &Hashed, content: Content) -> Pending<Arrival, store::Error> {
        let (image, by) = (self.at.image.clone(), self.at.by.clone());
        let upload = self.upload.as_ref().map(|(turn, _)| turn.id);
        let push = BlobPush { image, content, sha512: hashed.sha512, by, upload };
        self.registry.store.put_image_blob(push)
    }
}

fn check(hashed: &Hashed, digest: &OciDigest) -> Result<(), Error> {
    match hashed.claim {
        Claim::Differs => {
            Err(Error::Mismatch { expected: Box::new(*digest), found: hashed.digest })
        }
        Claim::None | Claim::Matches => Ok(()),
    }
}

/// Whether it is sure that an end that failed has made no blob.
fn is_sure(error: &Error) -> bool {
    match error {
        Error::Store(error) => error.is_outcome_known(),
        _ => true,
    }
}
