//! Garbage: collecting free blobs (their rows) and forgetting what was unlinked (their bytes).
//!
//! Defends I1 (a row goes before its bytes do), I3 (free, past its lease and unpinned are tested
//! in the collecting transaction) and I7 (slices). The cost follows the garbage: a scan of the
//! zero-count index from its start, whatever the number of live blobs.

use std::sync::Arc;
use std::time::Duration;

use super::tx::promised;
use super::{Budget, Error, Store, Tx};
use crate::db::schema::{BLOBS, FREE, INLINE, LAPSED, SHA512_OF, SHA512S, UNLINKS};
use crate::db::{Rows, SliceTimes, Span};
use crate::model::retry::backoff;
use crate::model::{BlobId, Place, Timestamp, Unlink, Usage};

/// Where a scan of the zero-count index stands.
pub type FreeKey = (Timestamp, BlobId);

/// What one slice of collecting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that are gone, and their bytes.
    pub usage: Usage,
    /// Blobs that were left because somebody reads them.
    pub pinned: u64,
    /// Rows that cannot be, as sentences; they stay.
    pub errors: Vec<String>,
    /// Where to go on; `None` when nothing that may go is left.
    pub next: Option<FreeKey>,
}

impl Store {
    /// One slice of collecting, from behind `after` on.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn collect_slice(
        &self,
        after: Option<FreeKey>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Collected, SliceTimes), Error> {
        let pins = self.shared.pins.clone();
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = Collected::default();
            // One more than may be taken, which tells whether there is a next slice.
            let limit = usize::try_from(rows_max.max(1)).unwrap_or(usize::MAX).saturating_add(1);
            let page = FREE.page(tx.txn, behind(after), limit)?;
            let mut last = after;
            for (key, ()) in page {
                let (until, id) = key;
                if until > tx.now {
                    return Ok(done);
                }
                if !budget.take() {
                    done.next = last;
                    return Ok(done);
                }
                last = Some(key);
                if pins.is_pinned(id) {
                    done.pinned += 1;
                    continue;
                }
                // What is looked at comes before what is changed, so a row that cannot be is
                // left as it is and holds nobody up.
                match tx.collect(id) {
                    Ok(usage) => done.usage = done.usage.plus(usage),
                    Err(Error::Db(error @ crate::db::Error::Corrupt { .. })) => {
                        done.errors.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        })
    }

    /// Collected bytes that are still to be removed, from behind `after` on, at most `limit`;
    /// also those that are not to be tried yet ([`Unlink::not_before`]).
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn unlinks(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<(BlobId, Unlink)>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        Ok(UNLINKS.page(&self.shared.db.snapshot()?, span, limit)?)
    }

    /// One slice of noting what became of collected bytes: those of the `gone` exist no more
    /// (inline bytes go in this very transaction), those of the `failed` still do. Tells how many
    /// of the list it came to; go on behind those.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn forget_slice(
        &self,
        fates: Arc<[(BlobId, Fate)]>,
        from: usize,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Forgotten, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = Forgotten::default();
            for (id, fate) in fates.iter().skip(from) {
                if !budget.take() {
                    break;
                }
                if let Some(unlink) = UNLINKS.get(tx.txn, id)? {
                    done.usage = done.usage.plus(tx.settle(*id, unlink, fate)?);
                }
                done.seen += 1;
            }
            tx.count(|totals| totals.reclaimed = totals.reclaimed.plus(done.usage))?;
            Ok(done)
        })
    }
}

/// What became of collected bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are gone, or may go with this transaction.
    Gone,
    /// They could not be removed, for this reason.
    Failed(String),
}

/// What one slice of forgetting did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Entries of the list that are done with.
    pub seen: usize,
    /// Blobs whose bytes are gone for good, and their bytes.
    pub usage: Usage,
}

fn behind(after: Option<FreeKey>) -> Span<FreeKey> {
    after.map_or_else(Span::all, |after| Span::all().after(&after))
}

/// The earliest moment at which a free blob may be collected.
pub(super) fn earliest_lease(rows: &impl Rows) -> Result<Option<Timestamp>, Error> {
    Ok(FREE.first(rows, Span::all())?.map(|((until, _), ())| until))
}

impl Tx<'_, '_> {
    /// Removes a blob's rows; its bytes go later.
    fn collect(&self, id: BlobId) -> Result<Usage, Error> {
        let blob = promised(&BLOBS, self.txn, &id)?;
        if !blob.refs.collectable(self.now) {
            let what = format!("blob {} is in the index of free blobs, but it is held", id.0);
            return Err(crate::db::Error::Corrupt { table: FREE.name(), what }.into());
        }
        let sha512 = SHA512_OF.get(self.txn, &id)?;
        self.unindex(id, &blob)?;
        BLOBS.remove(self.txn, &id)?;
        // Its row in the index of digests counts no more from here on.
        LAPSED.put(self.txn, &id, &blob.digest)?;
        if let Some(sum) = sha512 {
            SHA512_OF.remove(self.txn, &id)?;
            SHA512S.remove(self.txn, &sum)?;
        }
        let unlink = Unlink {
            digest: blob.digest,
            size: blob.size,
            place: blob.place,
            attempts: 0,
            not_before: Timestamp::default(),
            error: None,
        };
        UNLINKS.put(self.txn, &id, &unlink)?;
        let usage = Usage::of(blob.size);
        self.count(|totals| {
            let stored = totals.stored(blob.place);
            *stored = stored.minus(usage);
            let leaving = totals.leaving(blob.place);
            *leaving = leaving.plus(usage);
        })?;
        Ok(usage)
    }

    fn settle(&self, id: BlobId, mut unlink: Unlink, fate: &Fate) -> Result<Usage, Error> {
        if let Fate::Failed(why) = fate {
            unlink.attempts = unlink.attempts.saturating_add(1);
            unlink.not_before = self.now.after(backoff(unlink.attempts));
            unlink.error = Some(why.clone());
            UNLINKS.put(self.txn, &id, &unlink)?;
            return Ok(Usage::default());
        }
        if unlink.place == Place::Inline {
            INLINE.remove(self.txn, &id)?;
        }
        UNLINKS.remove(self.txn, &id)?;
        let usage = Usage::of(unlink.size);
        self.count(|totals| {
            let leaving = totals.leaving(unlink.place);
            *leaving = leaving.minus(usage);
        })?;
        Ok(usage)
    }
}
