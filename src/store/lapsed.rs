//! Lapsed digests: rows in the index of digests that outlive their blobs for a while.
//!
//! Digests are random, so a row that leaves their index has a page to itself, which is written
//! anew for it alone. Collecting notes the digest by the blob's id instead, where those that go
//! together lie together, and from that commit on the row counts as absent
//! ([`blobs::id_of`](super::blobs::id_of)); no id is used twice, so a note never means another
//! blob. When there are many, for the size of the index, they go in its order, several to a page:
//! the rows first and the notes after them, so that a crash leaves notes without rows and never a
//! row that leads nowhere (I1).
//!
//! Deliberately absent: a hurry. An upload of the digest puts its own blob into the row at any time.

use std::sync::Arc;
use std::time::Duration;

use super::view::View;
use super::{Budget, Error, Store, Tx};
use crate::db::schema::{BLOBS, DIGESTS, LAPSED};
use crate::db::{self, Found, SliceTimes, Span};
use crate::model::{BlobId, Digest};

/// One row in so many of the index: a page has about 80 rows, so about five of it go at once.
const INDEX_SHARE: u64 = 16;
/// Digests that are put in order at once: 5 MB in one order and in the other.
const PAGE: usize = 1 << 17;

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

    /// Lapsed digests of blobs behind `after`, in the order of those blobs: as many as fit into
    /// memory well.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn lapsed(&self, after: Option<BlobId>) -> Result<Vec<(Digest, BlobId)>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut page = Vec::new();
        for row in LAPSED.cursor(&self.snapshot, span) {
            // One that cannot be read is left to `check`.
            if let Found::Row(id, digest) = row? {
                page.push((digest, id));
            }
            if page.len() == PAGE {
                break;
            }
        }
        Ok(page)
    }
}

/// What is removed of a lapsed digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its row in the index, if that is still the collected blob's. A blob that is there keeps
    /// its row, whatever a note says.
    Row,
    /// The note that the row does not count, once there is no such row.
    Note,
}

impl Store {
    /// One slice of removing a part of each of `lapsed`, from the place `from` on. Rows are cheap
    /// in the order of the digests, notes in that of the blobs. Tells how many it came to; go on
    /// behind those.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn clear_lapsed_slice(
        &self,
        (lapsed, part): (Arc<[(Digest, BlobId)]>, Part),
        from: usize,
        work: Duration,
        rows_max: u32,
    ) -> Result<(usize, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut seen = 0;
            for (digest, id) in lapsed.iter().skip(from) {
                if !budget.take() {
                    break;
                }
                tx.clear_lapsed(digest, *id, part)?;
                seen += 1;
            }
            Ok(seen)
        })
    }
}

impl Tx<'_, '_> {
    fn clear_lapsed(&self, digest: &Digest, id: BlobId, part: Part) -> Result<(), Error> {
        let is_in_index = match DIGESTS.get(self.txn, digest) {
            // `check` tells of it; whatever it leads to, it stays.
            Err(db::Error::Corrupt { .. }) => return Ok(()),
            found => found? == Some(id),
        };
        match part {
            Part::Row if is_in_index && !BLOBS.has(self.txn, &id)? => {
                DIGESTS.remove(self.txn, digest)?;
            }
            Part::Note if !is_in_index => {
                LAPSED.remove(self.txn, &id)?;
            }
            Part::Row | Part::Note => {}
        }
        Ok(())
    }
}
