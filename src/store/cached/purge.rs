//! Purging a group's cache (spec gitlab §1.10): a number in its record, whatever the cache holds.
//!
//! From that commit on nothing is served that was there, since what is served has a higher id.
//! The rows are marked afterwards in slices (I7), which only lets them be deleted.

use std::time::Duration;

use super::expire::{CachedAge, Expiry};
use crate::db::schema::{CACHED_AGES, CACHED_PURGES, META, Meta};
use crate::db::{Pending, Rows, SliceTimes, Span};
use crate::model::{CachedId, GroupId};
use crate::store::groups::known;
use crate::store::{Budget, Error, Store, Tx, View};

/// Where marking what was purged stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeCursor {
    group: GroupId,
    /// As far as the purge went when the group was begun.
    mark: CachedId,
    after: Option<CachedAge>,
}

/// What one slice of marking did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purging {
    /// What was marked.
    pub marked: Expiry,
    /// Where to go on; `None` when nothing is left.
    pub next: Option<PurgeCursor>,
}

impl Store {
    /// Sends everything away that a group has cached. The answer may be
    /// [`Error::GroupUnknown`].
    pub fn purge_cached(&self, group: GroupId) -> Pending<(), Error> {
        self.change(move |tx| {
            known(tx.txn, group)?;
            tx.purge(group).map(drop)
        })
    }

    /// One slice of marking what was purged, of one group.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn mark_purged_slice(
        &self,
        cursor: Option<PurgeCursor>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Purging, SliceTimes), Error> {
        self.slice(move |tx| {
            let mut done = Purging::default();
            let Some(at) = tx.purge_at(cursor)? else { return Ok(done) };
            let budget = Budget::new(work, rows_max);
            done.next = tx.mark_purged(at, rows_max, &budget, &mut done.marked)?;
            if done.next.is_none() {
                CACHED_PURGES.remove(tx.txn, &at.group)?;
                done.next = tx.purge_at(None)?;
            }
            Ok(done)
        })
    }
}

impl View {
    /// Whether rows wait to be marked that a purge took away.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn has_purges(&self) -> Result<bool, Error> {
        Ok(CACHED_PURGES.has_any(&self.snapshot, Span::all())?)
    }
}

/// The last id that was given to an entry.
pub(in crate::store) fn last_given(rows: &impl Rows) -> Result<CachedId, Error> {
    let next = META.get(rows, &Meta::NEXT_CACHED)?.unwrap_or(1);
    Ok(CachedId(next.saturating_sub(1)))
}

impl Tx<'_, '_> {
    pub(in crate::store) fn leave_to_sweeper(
        &self,
        group: GroupId,
        mark: CachedId,
    ) -> Result<(), Error> {
        if CACHED_AGES.has_any(self.txn, Span::under(&group))? {
            CACHED_PURGES.put(self.txn, &group, &mark)?;
        }
        Ok(())
    }

    /// Where to go on, or else the first group; a group that was purged again begins again.
    fn purge_at(&self, cursor: Option<PurgeCursor>) -> Result<Option<PurgeCursor>, Error> {
        if let Some(at) = cursor
            && let Some(mark) = CACHED_PURGES.get(self.txn, &at.group)?
        {
            let after = at.after.filter(|_| mark == at.mark);
            return Ok(Some(PurgeCursor { mark, after, ..at }));
        }
        let first = CACHED_PURGES.first(self.txn, Span::all())?;
        Ok(first.map(|(group, mark)| PurgeCursor { group, mark, after: None }))
    }

    /// Marks rows of one group; tells where to go on in it.
    fn mark_purged(
        &self,
        at: PurgeCursor,
        rows_max: u32,
        budget: &Budget,
        marked: &mut Expiry,
    ) -> Result<Option<PurgeCursor>, Error> {
        let page = self.ages(at.group, at.after, rows_max)?;
        let mut after = at.after;
        for key in &page.rows {
            // What came since is looked at, and left alone.
            if !budget.take() {
                return Ok(Some(PurgeCursor { after, ..at }));
            }
            if key.1 <= at.mark {
                self.mark_aged(at.group, *key, marked)?;
            }
            after = Some(*key);
        }
        Ok(page.has_more.then_some(PurgeCursor { after, ..at }))
    }
}
