//! [`Session`]: one request that goes on with an upload, or brings a whole blob.
//!
//! While the bytes are few they stay in memory and end as a row: no file, no thread that waits.
//! More of them are hashed while they are written to a draft. Whatever fails before the end
//! leaves the upload at what was acknowledged; what fails at the end ends the upload.

mod end;

use std::time::Duration;

use super::turns::Turn;
use super::{Error, Registry, UploadAt};
use crate::blobs::Draft;
use crate::db::Pending;
use crate::model::{ImageUpload, OciDigest, Suffix, Timestamp, UploadBytes, UploadId};
use crate::store;
use crate::store::quota::Room;

/// A piece that takes longer than this is noted as it comes, so that the upload does not look
/// forgotten: well below the shortest time after which one is given up.
const TOUCH_PERIOD: Duration = Duration::from_secs(600);

/// Bytes on their way into an upload. Dropping it leaves what was acknowledged before.
pub struct Session {
    registry: Registry,
    at: UploadAt,
    /// `None`: a whole blob in one request.
    upload: Option<(Turn, ImageUpload)>,
    digest: Option<OciDigest>,
    held: Held,
    room: Room,
    /// Bytes that came with this request.
    piece_bytes: u64,
    /// How many are to come with it, if it said so.
    announced_bytes: Option<u64>,
    touched: Timestamp,
}

/// Where the bytes are.
enum Held {
    /// Few.
    Memory(Vec<u8>),
    /// In a draft that is not open yet.
    Closed(Suffix),
    /// In a draft.
    Draft(Box<Draft>),
}

impl Session {
    pub(super) fn new(
        registry: &Registry,
        at: &UploadAt,
        upload: Option<(Turn, ImageUpload)>,
        digest: Option<&OciDigest>,
    ) -> Self {
        let held = match upload.as_ref().map(|(_, upload)| &upload.bytes) {
            None => Held::Memory(Vec::new()),
            Some(UploadBytes::Inline(bytes)) => Held::Memory(bytes.clone()),
            Some(UploadBytes::Draft(suffix)) => Held::Closed(*suffix),
        };
        Self {
            registry: registry.clone(),
            at: at.clone(),
            upload,
            digest: digest.copied(),
            held,
            room: Room::for_user(&registry.store, at.by.as_ref()),
            piece_bytes: 0,
            announced_bytes: None,
            touched: registry.store.clock().now(),
        }
    }

    /// The piece is said to begin at the byte `first`, counted from 0, and to be `bytes` long.
    ///
    /// # Errors
    /// [`Error::UploadDisorder`] unless it follows what was acknowledged.
    pub fn announce(&mut self, first: u64, bytes: u64) -> Result<(), Error> {
        let received = self.acknowledged();
        if first != received {
            return Err(Error::UploadDisorder { first, received });
        }
        self.announced_bytes = Some(bytes);
        Ok(())
    }

    /// Makes sure that `bytes` in this request would fit, before they come.
    ///
    /// # Errors
    /// [`Error::UploadTooLarge`], [`store::Error::QuotaExceeded`].
    pub fn reserve(&mut self, bytes: u64) -> Result<(), Error> {
        let whole = self.acknowledged().saturating_add(bytes);
        if let Some(bytes_max) = self.registry.limits.upload_bytes_max
            && whole > bytes_max
        {
            return Err(Error::UploadTooLarge { bytes_max, bytes: whole });
        }
        Ok(self.room.grow(bytes)?)
    }

    /// Whether all would still be in memory with so many bytes more. If so, nothing here waits
    /// for a disk.
    #[must_use]
    pub fn is_small_with(&self, more: u64) -> bool {
        let bytes_max = self.registry.limits.inline_bytes_max;
        match &self.held {
            Held::Memory(bytes) => size(bytes.len()).saturating_add(more) <= bytes_max,
            Held::Closed(_) | Held::Draft(_) => false,
        }
    }

    /// Takes in the next bytes. Unless [`Self::is_small_with`] them, call on a thread that may
    /// wait.
    ///
    /// # Errors
    /// [`Error::UploadTooLarge`], [`Error::Files`], [`store::Error::QuotaExceeded`]. Then drop
    /// this: what was acknowledged before stays.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.registry.space.admit(0)?;
        let more = size(bytes.len());
        let piece_bytes = self.piece_bytes.saturating_add(more);
        self.reserve(piece_bytes)?;
        self.piece_bytes = piece_bytes;
        if self.is_small_with(more)
            && let Held::Memory(held) = &mut self.held
        {
            held.extend_from_slice(bytes);
        } else {
            self.draft()?.write(bytes)?;
            self.touch()?;
        }
        self.registry.note_blob_in(&self.at.image, more);
        Ok(())
    }

    /// Keeps what came, all of which is small: the upload goes on with the next piece. Returns
    /// how many bytes there are once that is committed.
    ///
    /// # Errors
    /// [`Error::UploadLength`], and the store's refusals.
    pub async fn save_small(mut self) -> Result<u64, Error> {
        let result = match self.saving()? {
            Some(pending) => pending.await,
            None => Ok(()),
        };
        self.saved(result)
    }

    /// As [`Self::save_small`], of any size: makes it durable and waits for the commit.
    ///
    /// # Errors
    /// As there, and [`Error::Files`].
    pub fn save(mut self) -> Result<u64, Error> {
        let result = match self.saving()? {
            Some(pending) => pending.wait(),
            None => Ok(()),
        };
        self.saved(result)
    }

    /// The piece broke off, or was all that there is of it: its length says nothing any more.
    #[must_use]
    pub fn broken_off(mut self) -> Self {
        self.announced_bytes = None;
        self
    }

    /// Bytes that earlier requests were told are here.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.upload.as_ref().map_or(0, |(_, upload)| upload.received)
    }

    fn check_length(&self) -> Result<(), Error> {
        match self.announced_bytes {
            Some(announced) if announced != self.piece_bytes => {
                Err(Error::UploadLength { announced, came: self.piece_bytes })
            }
            _ => Ok(()),
        }
    }

    /// The draft, made or opened now if need be.
    fn draft(&mut self) -> Result<&mut Draft, Error> {
        let files = &self.registry.files;
        let draft = match &self.held {
            Held::Draft(_) => None,
            Held::Memory(bytes) => {
                let claim = self.digest.map(|digest| digest.checksum());
                let mut draft = files.begin(claim.as_ref())?;
                draft.write(bytes)?;
                Some(draft)
            }
            Held::Closed(suffix) => {
                let hashed = self.upload.as_ref().and_then(|(turn, _)| turn.hashed());
                Some(files.resume(*suffix, self.acknowledged(), hashed)?)
            }
        };
        if let Some(draft) = draft {
            self.held = Held::Draft(Box::new(draft));
        }
        match &mut self.held {
            Held::Draft(draft) => Ok(draft),
            // It was set a moment ago.
            Held::Memory(_) | Held::Closed(_) => Err(Error::UploadUnknown(self.at.id)),
        }
    }

    /// Notes from time to time that somebody is at it. What came in the meantime does not count
    /// yet.
    fn touch(&mut self) -> Result<(), Error> {
        let now = self.registry.store.clock().now();
        let Some((turn, upload)) = &self.upload else { return Ok(()) };
        if self.touched.after(TOUCH_PERIOD) > now {
            return Ok(());
        }
        self.touched = now;
        let noted = self.registry.store.save_upload(turn.id, upload).wait();
        noted.map_err(|error| told(error, turn.id))
    }

    /// Makes what came durable, and queues the change that tells so. `None`: there is nothing
    /// that could be gone on with.
    fn saving(&mut self) -> Result<Option<Pending<(), store::Error>>, Error> {
        self.check_length()?;
        let Some((turn, upload)) = &mut self.upload else { return Ok(None) };
        upload.received = upload.received.saturating_add(self.piece_bytes);
        upload.bytes = match &mut self.held {
            Held::Memory(bytes) => UploadBytes::Inline(bytes.clone()),
            Held::Closed(suffix) => UploadBytes::Draft(*suffix),
            Held::Draft(draft) => {
                draft.sync()?;
                UploadBytes::Draft(draft.suffix())
            }
        };
        self.room.settle();
        Ok(Some(self.registry.store.save_upload(turn.id, upload)))
    }

    /// What a save came to. The draft stays for the next request, if a row names it.
    fn saved(self, result: Result<(), store::Error>) -> Result<u64, Error> {
        let Some((turn, upload)) = self.upload else { return Ok(self.piece_bytes) };
        match (result, self.held) {
            (Ok(()), Held::Draft(draft)) => {
                turn.remember(draft.leave());
                Ok(upload.received)
            }
            (Ok(()), _) => Ok(upload.received),
            (Err(error), Held::Draft(draft)) => {
                // Where a row may name it, removing it is a start's task.
                let found = self.registry.store.view().and_then(|view| view.upload(&turn.id));
                let row = UploadBytes::Draft(draft.suffix());
                let is_named = found.map(|found| found.is_some_and(|found| found.bytes == row));
                if error.is_outcome_known() && matches!(is_named, Ok(false)) {
                    draft.discard();
                }
                Err(told(error, turn.id))
            }
            (Err(error), _) => Err(told(error, turn.id)),
        }
    }
}

/// What the store says of an upload; its row is gone when it was given up meanwhile.
fn told(error: store::Error, id: UploadId) -> Error {
    match error {
        store::Error::NotFound(_) => Error::UploadUnknown(id),
        error => error.into(),
    }
}

/// A length in memory, in bytes.
fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
