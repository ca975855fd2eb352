//! Uploads: blobs of the registry that arrive in pieces, over several requests and perhaps over
//! a restart (I5: what was acknowledged of one is in its row, or in the file that the row names).
//!
//! The bytes that were received are charged to whoever began it (I2). Those that nobody touches
//! any more are given up in slices (I7), each tested again in the transaction that removes it.
//! Deliberately absent: the bytes of larger uploads. Whoever removes a row removes its file, after
//! the commit; a crash between leaves a file without a row, which the next start removes (I1).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::contents::Sure;
use super::tree::Delta;
use super::{Budget, Error, Store, Tx, View};
use crate::db::schema::{UPLOAD_AGES, UPLOADS};
use crate::db::{Found, Pending, SliceTimes, Span};
use crate::model::{ImageUpload, Suffix, Timestamp, UploadBytes, UploadId, Usage};

/// An upload and when it was last touched.
pub type UploadAge = (Timestamp, UploadId);

/// What one slice of giving uploads up did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Entries of the list that are done with.
    pub seen: usize,
    /// Uploads that are gone, and the bytes that had been received.
    pub usage: Usage,
    /// The draft files that are to be removed now.
    pub drafts: Vec<Suffix>,
    /// Rows that cannot be, as sentences; they stay.
    pub errors: Vec<String>,
}

impl Store {
    /// Notes a new upload, touched now.
    ///
    /// Errors of the answer: [`Error::QuotaExceeded`].
    pub fn begin_upload(&self, id: UploadId, upload: ImageUpload) -> Pending<(), Error> {
        self.change(move |tx| {
            tx.recharge_user(&upload.by, Delta { plus: charge_of(&upload), ..Delta::default() })?;
            tx.save_upload(id, upload.clone())
        })
    }

    /// Notes what was received of an upload by now and where it is, touched now. Repository,
    /// owner and beginning stay what they are.
    ///
    /// Errors of the answer: [`Error::NotFound`] when it was ended or given up meanwhile,
    /// [`Error::QuotaExceeded`]; then nothing was changed.
    pub fn save_upload(&self, id: UploadId, upload: &ImageUpload) -> Pending<(), Error> {
        let ImageUpload { received, bytes, .. } = upload.clone();
        self.change(move |tx| {
            let before = tx.upload(id)?;
            let after = ImageUpload { received, bytes: bytes.clone(), ..before.clone() };
            let delta = Delta { minus: charge_of(&before), plus: charge_of(&after) };
            tx.recharge_user(&before.by, delta)?;
            UPLOAD_AGES.remove(tx.txn, &(before.touched, id))?;
            tx.save_upload(id, after)
        })
    }

    /// Ends an upload without a blob, and tells what it was: a draft file of it is for the caller
    /// to remove.
    ///
    /// Errors of the answer: [`Error::NotFound`].
    pub fn drop_upload(&self, id: UploadId) -> Pending<ImageUpload, Error> {
        // Also when whoever began it is shut out by now.
        self.of_house().change(move |tx| {
            let upload = tx.upload(id)?;
            tx.end_upload(id, &upload)?;
            Ok(upload)
        })
    }

    /// One slice of giving up uploads that were not touched since `before`, which is tested
    /// again; go on behind those of the list that were seen.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn give_up_slice(
        &self,
        stale: Arc<[UploadAge]>,
        from: usize,
        before: Timestamp,
        work: Duration,
        rows_max: u32,
    ) -> Result<(GivenUp, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = GivenUp::default();
            for age in stale.iter().skip(from) {
                if !budget.take() {
                    break;
                }
                done.seen += 1;
                match tx.give_up(*age, before) {
                    Ok(None) => {}
                    Ok(Some(upload)) => done.note(&upload),
                    Err(Error::Db(error @ crate::db::Error::Corrupt { .. })) => {
                        done.errors.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        })
    }
}

impl GivenUp {
    fn note(&mut self, upload: &ImageUpload) {
        self.usage = self.usage.plus(charge_of(upload));
        if let UploadBytes::Draft(suffix) = upload.bytes {
            self.drafts.push(suffix);
        }
    }
}

impl View {
    /// An upload.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn upload(&self, id: &UploadId) -> Result<Option<ImageUpload>, Error> {
        Ok(UPLOADS.get(&self.snapshot, id)?)
    }

    /// Uploads that were not touched since `before`, longest ago first, behind `after`; at most
    /// `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn stale_uploads(
        &self,
        after: Option<UploadAge>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadAge>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let page = UPLOAD_AGES.page(&self.snapshot, span, limit)?;
        let ages = page.into_iter().map(|(age, ())| age);
        Ok(ages.take_while(|(touched, _)| *touched <= before).collect())
    }

    /// When the upload that rests longest was last touched.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn oldest_upload(&self) -> Result<Option<Timestamp>, Error> {
        Ok(UPLOAD_AGES.first(&self.snapshot, Span::all())?.map(|((touched, _), ())| touched))
    }

    /// The draft files that uploads name. When not all rows could be read, others may be named
    /// too: then all of them must stay.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn upload_drafts(&self) -> Result<(HashSet<Suffix>, Sure), Error> {
        let (mut drafts, mut sure) = (HashSet::new(), Sure::Yes);
        for row in UPLOADS.cursor(&self.snapshot, Span::all()) {
            match row? {
                Found::Row(_, ImageUpload { bytes: UploadBytes::Draft(suffix), .. }) => {
                    drafts.insert(suffix);
                }
                Found::Row(..) => {}
                Found::Unreadable { .. } => sure = Sure::No,
            }
        }
        Ok((drafts, sure))
    }
}

/// What an unfinished upload costs its owner.
pub(super) fn charge_of(upload: &ImageUpload) -> Usage {
    Usage::of(upload.received)
}

impl Tx<'_, '_> {
    /// An upload that should be there.
    pub(super) fn upload(&self, id: UploadId) -> Result<ImageUpload, Error> {
        let found = UPLOADS.get(self.txn, &id)?;
        found.ok_or_else(|| Error::NotFound(format!("the upload {id}")))
    }

    fn save_upload(&self, id: UploadId, upload: ImageUpload) -> Result<(), Error> {
        UPLOAD_AGES.put(self.txn, &(self.now, id), &())?;
        Ok(UPLOADS.put(self.txn, &id, &ImageUpload { touched: self.now, ..upload })?)
    }

    /// Removes an upload's rows and ends its charge.
    pub(super) fn end_upload(&self, id: UploadId, upload: &ImageUpload) -> Result<(), Error> {
        self.uncharge_user(&upload.by, charge_of(upload))?;
        UPLOADS.remove(self.txn, &id)?;
        UPLOAD_AGES.remove(self.txn, &(upload.touched, id))?;
        Ok(())
    }

    fn give_up(&self, age: UploadAge, before: Timestamp) -> Result<Option<ImageUpload>, Error> {
        let (touched, id) = age;
        let Some(upload) = UPLOADS.get(self.txn, &id)? else { return Ok(None) };
        if upload.touched != touched || touched > before {
            return Ok(None);
        }
        self.end_upload(id, &upload)?;
        Ok(Some(upload))
    }
}
