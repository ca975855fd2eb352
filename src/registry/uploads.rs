//! Uploads of blobs: begun, sent in pieces, asked about, finished or cancelled, each in a request
//! of its own, with a restart of the server in between if need be.
//!
//! What was acknowledged is in the row of the upload, or durably in the draft file that the row
//! names (I5); how many bytes of a draft count is what the row says. So a piece that breaks off
//! is kept as far as it came, once that is durable, and the client is told so when it asks; a
//! piece that is refused leaves what was acknowledged before. The end of an upload is one
//! transaction: the blob comes, the upload goes.
//!
//! In memory there is who is writing (one request at a time), and what was hashed of a draft,
//! which spares reading it again and may be forgotten at any time.
//! Deliberately absent: HTTP, rights to the repository, and giving up what nobody touches (the
//! sweeper does).

mod session;
mod turns;

#[cfg(test)]
mod tests;

use crate::db::Pending;
use crate::model::{ImageName, ImageUpload, OciDigest, Timestamp, UploadBytes, UploadId, UserName};
use crate::store;

use super::{Error, Registry};
pub use session::Session;
pub(super) use turns::Turns;

/// An upload as a request names it.
#[derive(Clone, Debug)]
pub struct UploadAt {
    /// The repository that the request is for: an upload of another one is not found there.
    pub image: ImageName,
    /// The upload.
    pub id: UploadId,
    /// Who asks: another one's upload is not found either.
    pub by: Option<UserName>,
}

impl Registry {
    /// Begins an upload; it can be gone on with once the answer is there.
    ///
    /// # Errors
    /// [`crate::blobs::Error::NoRoom`].
    pub fn begin_upload(
        &self,
        image: &ImageName,
        by: Option<&UserName>,
    ) -> Result<(UploadId, Pending<(), store::Error>), Error> {
        self.space.admit(0)?;
        let id = UploadId(rand::random());
        let now = self.store.clock().now();
        let upload = empty(image, by, now);
        Ok((id, self.store.begin_upload(id, upload)))
    }

    /// How many bytes of an upload were acknowledged.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub fn upload_received(&self, at: &UploadAt) -> Result<u64, Error> {
        Ok(self.upload(at)?.received)
    }

    /// Goes on with an upload: nobody else does until the session ends. `digest` is what all its
    /// bytes are to be, as far as that is known.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`], [`crate::blobs::Error::NoRoom`].
    pub fn open_upload(&self, at: &UploadAt, digest: Option<&OciDigest>) -> Result<Session, Error> {
        self.space.admit(0)?;
        // Whose upload it is comes before whether it is busy; what there is of it comes after
        // its turn, since the one before may have added something.
        self.upload(at)?;
        let turn = self.turns.take(at.id)?;
        let upload = self.upload(at)?;
        Ok(Session::new(self, at, Some((turn, upload)), digest))
    }

    /// Begins to take in a blob that comes with one request: nothing is noted of it before its
    /// end.
    ///
    /// # Errors
    /// [`crate::blobs::Error::NoRoom`].
    pub fn take_whole(
        &self,
        image: &ImageName,
        by: Option<&UserName>,
        digest: &OciDigest,
    ) -> Result<Session, Error> {
        self.space.admit(0)?;
        let id = UploadId(rand::random());
        let at = UploadAt { image: image.clone(), id, by: by.cloned() };
        Ok(Session::new(self, &at, None, Some(digest)))
    }

    /// Gives an upload up. Waits for the commit, and removes its file.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`], [`Error::UploadBusy`].
    pub fn cancel_upload(&self, at: &UploadAt) -> Result<(), Error> {
        self.upload(at)?;
        let _turn = self.turns.take(at.id)?;
        match self.end_upload(at.id) {
            Err(Error::Store(store::Error::NotFound(_))) => Err(Error::UploadUnknown(at.id)),
            result => result,
        }
    }

    /// Removes the row, then the file: between the two a crash leaves a file that the next start
    /// removes.
    fn end_upload(&self, id: UploadId) -> Result<(), Error> {
        let ended = self.store.drop_upload(id).wait()?;
        self.turns.forget(id);
        if let UploadBytes::Draft(suffix) = ended.bytes {
            self.files.remove_draft(suffix)?;
        }
        Ok(())
    }

    /// The row of an upload of this repository that is the caller's.
    fn upload(&self, at: &UploadAt) -> Result<ImageUpload, Error> {
        let found = self.store.view()?.upload(&at.id)?;
        let is_theirs = |upload: &ImageUpload| {
            upload.image == at.image.as_str() && upload.by == login(at.by.as_ref())
        };
        found.filter(is_theirs).ok_or(Error::UploadUnknown(at.id))
    }
}

/// An upload of which nothing came yet.
fn empty(image: &ImageName, by: Option<&UserName>, now: Timestamp) -> ImageUpload {
    ImageUpload {
        image: image.as_str().to_owned(),
        by: login(by).to_owned(),
        created: now,
        touched: now,
        received: 0,
        bytes: UploadBytes::Inline(Vec::new()),
    }
}

fn login(by: Option<&UserName>) -> &str {
    by.map_or("", UserName::as_str)
}
