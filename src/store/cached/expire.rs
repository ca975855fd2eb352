//! Sending away what nobody was served for so many days (spec gitlab §1.11).
//!
//! The cost follows what goes: a scan of the order of last reads from its start. What the policy
//! says is asked again in the transaction that marks (I6), and a slice is bounded (I7).

use std::time::Duration;

use crate::db::schema::{CACHED, CACHED_AGES};
use crate::db::{self, SliceTimes, Span};
use crate::model::{CachedId, CachedKind, GroupId, Timestamp};
use crate::store::proxy_groups::record;
use crate::store::{Budget, Error, Store, Tx};

/// An entry in the order of last reads.
pub type CachedAge = (Timestamp, CachedId);

/// What was marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Manifests.
    pub manifests: u64,
    /// Blobs.
    pub blobs: u64,
    /// Rows that cannot be, as sentences; they stay.
    pub errors: Vec<String>,
    /// Where to go on; `None` when nothing is left.
    pub next: Option<CachedAge>,
}

/// A part of the order of last reads.
pub(super) struct Ages {
    pub(super) rows: Vec<CachedAge>,
    /// Whether there is more behind it.
    pub(super) has_more: bool,
}

impl Store {
    /// One slice of marking what was last served at `over` or before, and what the group's policy
    /// still calls too old, from behind `after` on.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn expire_cached_slice(
        &self,
        group: GroupId,
        over: Timestamp,
        after: Option<CachedAge>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Expiry, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = Expiry::default();
            let policy = record(tx.txn, group)?.ttl;
            let Some(over) = policy.over(tx.now).map(|now| now.min(over)) else {
                return Ok(done);
            };
            let page = tx.ages(group, after, rows_max)?;
            let mut last = after;
            for key in page.rows {
                if key.0 > over {
                    return Ok(done);
                }
                if !budget.take() {
                    done.next = last;
                    return Ok(done);
                }
                tx.mark_aged(group, key, &mut done)?;
                last = Some(key);
            }
            done.next = last.filter(|_| page.has_more);
            Ok(done)
        })
    }
}

impl Tx<'_, '_> {
    /// The entries behind `after` in the order of last reads, as many as one slice may change.
    pub(super) fn ages(
        &self,
        group: GroupId,
        after: Option<CachedAge>,
        rows_max: u32,
    ) -> Result<Ages, Error> {
        let span = Span::under(&group);
        let span = after.map_or(Span::under(&group), |after| span.after(&(group, after)));
        let limit = usize::try_from(rows_max.max(1)).unwrap_or(usize::MAX);
        let page = CACHED_AGES.page(self.txn, span, limit.saturating_add(1))?;
        let has_more = page.len() > limit;
        let rows = page.into_iter().take(limit).map(|((_, key), ())| key).collect();
        Ok(Ages { rows, has_more })
    }

    /// Marks an entry of the order of last reads. A row that cannot be is left as it is.
    pub(super) fn mark_aged(
        &self,
        group: GroupId,
        (read, id): CachedAge,
        done: &mut Expiry,
    ) -> Result<(), Error> {
        let cached = match CACHED.get(self.txn, &id) {
            Ok(cached) => cached,
            Err(error @ db::Error::Corrupt { .. }) => {
                done.errors.push(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let is_its = |cached: &crate::model::Cached| {
            cached.is_active() && cached.group == group && cached.read == read
        };
        let Some(cached) = cached.filter(is_its) else {
            done.errors.push(format!("cached entry {} is not the one of its place by age", id.0));
            return Ok(());
        };
        match cached.kind() {
            CachedKind::Manifest => done.manifests += 1,
            CachedKind::Blob => done.blobs += 1,
        }
        self.mark(id, cached)
    }
}
