//! Lapsed digests: rows in the index of digests that outlive their blobs for a while.
//!
//! Digests are random, so a row that leaves their index has a page to itself, which is written
//! anew for it alone. Collecting notes the digest by the blob's id instead, where those that go
//! together lie together, and from that commit on the row counts as absent: whoever looks a digest
//! up asks `blobs::id_of`. When there are many, for the size of the index, they go in its order,
//! several to a page: first the rows and then the notes, so that a crash leaves notes without
//! rows and never a row that leads nowhere (I1).
//!
//! No id is used twice, so a note never means another blob, and a row that has become another
//! blob's never becomes the collected one's again. Deliberately absent: a hurry. An upload of the
//! digest puts its own blob into the row at any time.

use std::sync::Arc;
use std::time::Duration;

use super::view::View;
use super::{Budget, Error, Store};
use crate::db::schema::{BLOBS, DIGESTS, LAPSED};
use crate::db::{Found, SliceTimes, Span};
use crate::model::{BlobId, Digest};

/// One row in so many of the index: a page has about 80 rows, so about ten of it go at once.
const INDEX_SHARE: u64 = 8;
/// Digests that are put in order at once: 6 MB of memory.
const PAGE: usize = 1 << 17;

/// Lapsed digests on their way out.
#[derive(Debug)]
pub struct Clearing {
    /// In the order of the index.
    rows: Arc<[(Digest, BlobId)]>,
    rows_done: usize,
    /// In the order of the notes.
    notes: Arc<[BlobId]>,
    notes_done: usize,
}

impl Clearing {
    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether nothing is left of them.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.notes_done == self.notes.len()
    }

    /// The last blob whose digest is among them: others are behind it.
    #[must_use]
    pub fn last(&self) -> Option<BlobId> {
        self.notes.last().copied()
    }
}

impl View {
    /// Whether there are so many lapsed digests, but not below `rows_min`, that it is time to
    /// remove them. Takes the same time however many there are.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn has_many_lapsed(&self, rows_min: u64) -> Result<bool, Error> {
        let lapsed = LAPSED.count(&self.snapshot)?;
        let index = DIGESTS.count(&self.snapshot)?;
        Ok(lapsed > 0 && lapsed >= rows_min && lapsed.saturating_mul(INDEX_SHARE) >= index)
    }

    /// Lapsed digests of blobs behind `after`, as many as fit into memory well. What is noted of a
    /// blob that is there, or cannot be read, is left to `check`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn lapsed(&self, after: Option<BlobId>) -> Result<Clearing, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut rows = Vec::new();
        for row in LAPSED.cursor(&self.snapshot, span) {
            if let Found::Row(id, digest) = row?
                && !BLOBS.has(&self.snapshot, &id)?
            {
                rows.push((digest, id));
            }
            if rows.len() == PAGE {
                break;
            }
        }
        let notes = rows.iter().map(|(_, id)| *id).collect();
        rows.sort_unstable();
        Ok(Clearing { rows: rows.into(), rows_done: 0, notes, notes_done: 0 })
    }
}

impl Store {
    /// One slice of removing lapsed digests; tells how many rows of the index are done with.
    ///
    /// # Errors
    /// [`Error::Db`]; then `clearing` is where it was.
    pub fn clear_lapsed_slice(
        &self,
        clearing: &mut Clearing,
        work: Duration,
        rows_max: u32,
    ) -> Result<(usize, SliceTimes), Error> {
        if clearing.rows_done < clearing.rows.len() {
            let (rows, from) = (Arc::clone(&clearing.rows), clearing.rows_done);
            let (seen, times) = self.slice(move |tx| {
                let budget = Budget::new(work, rows_max);
                let rows = rows[from..].iter().take_while(|_| budget.take());
                rows.map(|(digest, id)| DIGESTS.remove_if(tx.txn, digest, id)).try_fold(0, count)
            })?;
            clearing.rows_done += seen;
            return Ok((seen, times));
        }
        let (notes, from) = (Arc::clone(&clearing.notes), clearing.notes_done);
        let (seen, times) = self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let notes = notes[from..].iter().take_while(|_| budget.take());
            notes.map(|id| LAPSED.remove(tx.txn, id)).try_fold(0, count)
        })?;
        clearing.notes_done += seen;
        Ok((0, times))
    }
}

fn count(seen: usize, removed: Result<bool, crate::db::Error>) -> Result<usize, Error> {
    removed?;
    Ok(seen + 1)
}
