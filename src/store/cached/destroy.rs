//! Deleting entries: of those that were taken on, and of a group that is being destroyed.
//!
//! An entry lets go of its blob, which gives the blob a lease (I3); whatever else holds the bytes
//! keeps them. Its names go only where they still name it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::db::schema::{
    CACHED, CACHED_DUE, CACHED_OF, CACHED_PURGES, CACHED_TAGS, CACHED_TAGS_OF, PROXY_GROUPS,
    PROXY_USAGE, TTL_GROUPS,
};
use crate::db::{SliceTimes, Span};
use crate::model::{Cached, CachedId, CachedState, GroupId, Referrer, Usage};
use crate::store::tx::promised;
use crate::store::{Budget, Error, Store, Tx};

/// Names that are read ahead of their removal.
const PAGE: usize = 64;

impl Store {
    /// One slice of deleting entries that were claimed, from the one at `from` on; tells how many
    /// of the list it came to. What was not claimed, or was claimed by another since and is gone,
    /// is passed over.
    ///
    /// # Errors
    /// With the entry that failed, so that it can be noted there ([`Self::fail_cached`]); nothing
    /// of the slice was done then.
    pub fn destroy_cached_slice(
        &self,
        entries: Arc<[CachedId]>,
        from: usize,
        work: Duration,
        rows_max: u32,
    ) -> Result<(usize, SliceTimes), (Option<CachedId>, Error)> {
        let failed = Arc::new(Mutex::new(None));
        let at = Arc::clone(&failed);
        let note = move |id| {
            if let Ok(mut at) = at.lock() {
                *at = id;
            }
        };
        let slice = self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = 0;
            for id in entries.iter().skip(from) {
                note(Some(*id));
                if !tx.destroy_claimed(*id, &budget)? {
                    break;
                }
                done += 1;
            }
            note(None);
            Ok(done)
        });
        slice.map_err(|error| (failed.lock().ok().and_then(|id| *id), error))
    }
}

impl Tx<'_, '_> {
    /// `false` when the budget is used up before the entry is gone.
    fn destroy_claimed(&self, id: CachedId, budget: &Budget) -> Result<bool, Error> {
        let Some(cached) = CACHED.get(self.txn, &id)? else { return Ok(true) };
        match cached.state {
            CachedState::Processing { .. } => self.destroy_cached(id, &cached, budget),
            CachedState::Active | CachedState::Pending | CachedState::Failed { .. } => Ok(true),
        }
    }

    fn destroy_cached(
        &self,
        id: CachedId,
        cached: &Cached,
        budget: &Budget,
    ) -> Result<bool, Error> {
        loop {
            let names = CACHED_TAGS_OF.page(self.txn, Span::under(&id), PAGE)?;
            if names.is_empty() {
                break;
            }
            for ((_, name), ()) in names {
                if !budget.take() {
                    return Ok(false);
                }
                self.drop_name(cached.group, id, name)?;
            }
        }
        if !budget.take() {
            return Ok(false);
        }
        self.release(cached.blob, Referrer::Cached(id))?;
        self.unlist(id, cached)?;
        if let Some(due) = cached.due() {
            CACHED_DUE.remove(self.txn, &(cached.kind(), (due, id)))?;
        }
        CACHED_OF.remove(self.txn, &(cached.group, (cached.kind(), id)))?;
        CACHED.remove(self.txn, &id)?;
        let size = cached.size;
        self.count_cached(cached.group, cached.kind(), |usage| usage.minus(Usage::of(size)))?;
        Ok(true)
    }

    /// Removes everything of a group's cache, whatever its state, and how it cached; `false` when
    /// the budget is used up before nothing is left.
    pub(in crate::store) fn destroy_cached_of(
        &self,
        group: GroupId,
        budget: &Budget,
    ) -> Result<bool, Error> {
        while let Some(((_, (_, id)), ())) = CACHED_OF.first(self.txn, Span::under(&group))? {
            let cached = promised(&CACHED, self.txn, &id)?;
            if !self.destroy_cached(id, &cached, budget)? {
                return Ok(false);
            }
        }
        while let Some((key, _)) = CACHED_TAGS.first(self.txn, Span::under(&group))? {
            if !budget.take() {
                return Ok(false);
            }
            CACHED_TAGS.remove(self.txn, &key)?;
        }
        // Maybe the last slice came as far as this.
        let is_done = !PROXY_GROUPS.has(self.txn, &group)?
            && !PROXY_USAGE.has(self.txn, &group)?
            && !CACHED_PURGES.has(self.txn, &group)?;
        if is_done || !budget.take() {
            return Ok(is_done);
        }
        PROXY_GROUPS.remove(self.txn, &group)?;
        TTL_GROUPS.remove(self.txn, &group)?;
        PROXY_USAGE.remove(self.txn, &group)?;
        CACHED_PURGES.remove(self.txn, &group)?;
        Ok(true)
    }
}
