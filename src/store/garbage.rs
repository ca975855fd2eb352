//! Garbage: collecting free blobs (their rows) and forgetting what was unlinked (their bytes).
//!
//! Defends I1 (a row goes before its bytes do), I3 (free, past its lease and unpinned are tested
//! in the collecting transaction) and I7 (slices). The cost follows the garbage: a scan of the
//! zero-count index from its start, whatever the number of live blobs.

use std::time::Duration;

use super::tx::promised;
use super::{Budget, Error, Store, Tx};
use crate::db::schema::{BLOBS, DIGESTS, FREE, INLINE, UNLINKS};
use crate::db::{Rows, SliceTimes, Span};
use crate::model::{BlobId, Place, Timestamp, Unlink, Usage};

/// Where a scan of the zero-count index stands.
pub type FreeKey = (Timestamp, BlobId);

/// What one slice of collecting did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that are gone, and their bytes.
    pub usage: Usage,
    /// Blobs that were left because somebody reads them.
    pub pinned: u64,
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
            let limit = usize::try_from(rows_max.max(1)).unwrap_or(usize::MAX);
            let page = FREE.page(tx.txn, behind(after), limit)?;
            let page_is_full = page.len() == limit;
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
                } else {
                    done.usage = done.usage.plus(tx.collect(id)?);
                }
            }
            done.next = last.filter(|_| page_is_full);
            Ok(done)
        })
    }

    /// Collected bytes that may be tried now, from behind `after` on, at most `limit`.
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

    /// Notes that the bytes of `gone` do not exist any more (inline bytes go in this very
    /// transaction), and that those of `failed` still do.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn forget_unlinks(
        &self,
        gone: Vec<BlobId>,
        failed: Vec<(BlobId, Unlink)>,
    ) -> Result<(Usage, SliceTimes), Error> {
        self.slice(move |tx| {
            let mut freed = Usage::default();
            for id in &gone {
                if let Some(unlink) = UNLINKS.get(tx.txn, id)? {
                    freed = freed.plus(tx.forget(*id, &unlink)?);
                }
            }
            for (id, unlink) in &failed {
                if UNLINKS.has(tx.txn, id)? {
                    UNLINKS.put(tx.txn, id, unlink)?;
                }
            }
            tx.count(|totals| totals.reclaimed = totals.reclaimed.plus(freed))?;
            Ok(freed)
        })
    }
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
        self.unindex(id, &blob)?;
        BLOBS.remove(self.txn, &id)?;
        DIGESTS.remove(self.txn, &blob.digest)?;
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

    fn forget(&self, id: BlobId, unlink: &Unlink) -> Result<Usage, Error> {
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
