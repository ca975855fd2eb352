//! Uploads: small bodies are hashed in memory and stored as rows; large ones are hashed while
//! they are written to a file.

use bytes::Bytes;

use super::{Error, Tree};
use crate::blobs::hash::hash_bytes;
use crate::blobs::{Claim, Draft, Hashed};
use crate::db::Pending;
use crate::model::{Checksum, FilePath};
use crate::store;
use crate::store::blobs::{Arrival, Body, Content, settle};
use crate::store::quota::Room;

/// A large upload in progress. Dropping it leaves nothing.
pub struct Upload {
    tree: Tree,
    draft: Draft,
    claim: Option<String>,
    room: Option<Room>,
    received_bytes: u64,
}

impl Tree {
    /// Lets the file at `path` be a small body: at most [`super::Limits::inline_bytes_max`].
    /// `claim` is what the client said, as text and as value.
    ///
    /// # Errors
    /// [`Error::Mismatch`]; the answer may be any refusal of the store.
    pub fn put_small(
        &self,
        path: FilePath,
        body: Bytes,
        claim: Option<&(String, Checksum)>,
    ) -> Result<Pending<Arrival, store::Error>, Error> {
        let hashed = hash_bytes(&body, claim.map(|(_, checksum)| checksum));
        check(&hashed, claim.map(|(text, _)| text))?;
        let Hashed { digest, size, .. } = hashed;
        let content = Content::Uploaded { digest, size, body: Body::Inline(body) };
        Ok(self.store.put_artifact_of(path, content, self.sender.clone()))
    }

    /// Begins a large upload; call on a thread that may wait.
    ///
    /// # Errors
    /// [`Error::Files`].
    pub fn begin_upload(&self, claim: Option<(String, Checksum)>) -> Result<Upload, Error> {
        let draft = self.files.begin(claim.as_ref().map(|(_, checksum)| checksum))?;
        let claim = claim.map(|(text, _)| text);
        Ok(Upload { tree: self.clone(), draft, claim, room: None, received_bytes: 0 })
    }
}

impl Upload {
    /// Lets the upload take its bytes from `room`, from the first one on.
    #[must_use]
    pub fn within(mut self, room: Room) -> Self {
        self.room = Some(room);
        self
    }

    /// Takes in the next bytes, if there is room for them.
    ///
    /// # Errors
    /// [`Error::Files`], and [`store::Error::QuotaExceeded`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.received_bytes = self.received_bytes.saturating_add(more);
        if let Some(room) = &mut self.room {
            room.grow(self.received_bytes)?;
        }
        Ok(self.draft.write(bytes)?)
    }

    /// Commits the file's row and only then returns (I5). Bytes whose digest is known already are
    /// not even synced; others are synced and placed first (I1). Waits for the commit.
    ///
    /// # Errors
    /// [`Error::Mismatch`], [`Error::Files`] and the store's refusals; then nothing is kept.
    pub fn finish(self, path: FilePath) -> Result<Arrival, Error> {
        let (store, sender) = (&self.tree.store, &self.tree.sender);
        let staged = self.draft.finish()?;
        let mut room = self.room;
        let Hashed { digest, size, .. } = staged.hashed();
        check(&staged.hashed(), self.claim.as_ref())?;
        if store.view()?.find_blob(&digest)?.is_some() {
            drop(room.take());
            let known = Content::Stored(digest);
            match store.put_artifact_of(path.clone(), known, sender.clone()).wait() {
                // It was collected a moment ago.
                Err(store::Error::BlobUnknown(_)) => {}
                result => return Ok(result?),
            }
        }
        let placed = staged.place()?;
        let content = Content::Uploaded { digest, size, body: Body::File(placed.suffix) };
        drop(room);
        let result = store.put_artifact_of(path, content, sender.clone()).wait();
        settle(placed, result.as_ref().copied());
        Ok(result?)
    }
}

fn check(hashed: &Hashed, claim: Option<&String>) -> Result<(), Error> {
    match (hashed.claim, claim) {
        (Claim::Differs, Some(text)) => Err(Error::Mismatch(text.clone())),
        _ => Ok(()),
    }
}
