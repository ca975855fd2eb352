//! What the dependency proxy leaves to the sweeper (spec gitlab §1.10-1.13): marking what a purge
//! or a policy of age has given up, and deleting what is marked.
//!
//! Nothing marked is served, so marking is all that a reader ever notices; deleting takes what is
//! due in batches that are claimed for a time, as many at once for each kind as the capacity of
//! the moment says. Each step is a bounded slice with a look at `stop` (I7), a row that cannot be
//! deleted is put off and holds nobody up, and a claim that a crash left comes back when its time
//! is over. Ages are not believed while the clock is in doubt.
//! Deliberately absent: what a slice does (`store`), and any thread of its own: one batch is
//! worked on at a time, however many are claimed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Sweeper;
use super::daily::{START, TTL};
use super::stages::{Stage, fail};
use crate::db::{self, SliceTimes};
use crate::model::{CachedId, CachedKind, GroupId, Run, Scope, Timestamp, Trigger, Usage};
use crate::store::cached::Expiry;
use crate::store::{Error, View};

pub(super) const MARK: &str = "proxy-mark";
pub(super) const EXPIRE: &str = "proxy-ttl";
pub(super) const DELETE: &str = "proxy-delete";

/// Groups with a policy of age that are read from one snapshot.
const GROUPS_PAGE: usize = 1000;
/// Entries of one batch.
const BATCH: usize = 100;
/// Batches of a kind that are claimed at once, whatever the capacity: one thread has no use for
/// more, and claims should not outlive their lease.
const BATCHES_MAX: u64 = 50;
/// After this time a batch is taken for lost.
const LEASE: Duration = Duration::from_secs(300);

/// A batch of entries that is ours for a time.
struct Batch {
    kind: CachedKind,
    ids: Arc<[CachedId]>,
    from: usize,
}

/// What is known of cached entries between two runs.
#[derive(Default)]
pub(super) struct Looked {
    /// When it was last looked for entries to delete. What was due by then and is still there was
    /// left on purpose, and waits for the next start.
    at: Option<Timestamp>,
}

impl Looked {
    fn has_seen(&self, due: Timestamp) -> bool {
        self.at.is_some_and(|at| due <= at)
    }
}

impl Sweeper {
    /// The earlier of `wake` and of what the proxy's entries wake the sweeper for.
    pub(super) fn proxy_or(&self, wake: Option<Timestamp>) -> Option<Timestamp> {
        match self.next_of_proxy() {
            Ok(next) => [wake, next].into_iter().flatten().min(),
            Err(error) => {
                log::error!("what is to be done about cached images is not known: {error}");
                wake
            }
        }
    }

    /// What a purge left, the daily look at ages, a retry or a lost claim, or the next start.
    fn next_of_proxy(&self) -> Result<Option<Timestamp>, Error> {
        let view = self.store.view()?;
        if view.has_purges()? {
            return Ok(Some(Timestamp(0)));
        }
        let ages = if view.has_ttl_groups()? { view.last_ttl_run()? } else { None };
        let ages = ages.map(|last| TTL.next(last));
        Ok([ages, self.next_deletion(&view)?].into_iter().flatten().min())
    }

    fn next_deletion(&self, view: &View) -> Result<Option<Timestamp>, Error> {
        if view.proxy_capacity()? == 0 {
            return Ok(None);
        }
        let mut next = None;
        for kind in CachedKind::ALL {
            let earliest = view.next_cached_due(kind)?;
            let start = match earliest.filter(|due| self.looked.has_seen(*due)) {
                Some(_) => view.last_proxy_start()?.map(|last| START.next(last)),
                None => None,
            };
            let unseen = match self.looked.at {
                Some(looked) => view.cached_due_behind(kind, looked)?,
                None => earliest,
            };
            next = [next, start, unseen].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// Notes which moments of the day are over with: those that were attended to, and those at
    /// which there was nothing to do.
    pub(super) fn note_daily(&self) {
        let noted = self.store.view().and_then(|view| {
            let now = self.store.clock().now();
            // On a new database, and when the clock was set back, the days count from now on.
            let is_over = |last: Option<Timestamp>| last.is_none_or(|last| last > now);
            let (ages, start) = (view.last_ttl_run()?, view.last_proxy_start()?);
            let is_missed = ages.is_some_and(|last| TTL.is_due(last, now));
            if is_over(ages) || (is_missed && !view.has_ttl_groups()?) {
                self.store.note_ttl_run()?;
            }
            if is_over(start) || start.is_some_and(|last| START.is_due(last, now)) {
                self.store.note_proxy_start()?;
            }
            Ok(())
        });
        if let Err(error) = noted {
            log::warn!("when cached images were last looked at could not be noted: {error}");
        }
    }

    /// Writes when cached entries were served.
    pub(super) fn note_reads(&self) {
        if let Err(error) = self.store.flush_cached_reads() {
            log::warn!("when cached images were pulled could not be noted: {error}");
        }
    }

    /// Whether a purge left something to be marked. When that is not known, it is to find out.
    pub(super) fn has_purges(&self) -> bool {
        self.store.view().and_then(|view| view.has_purges()).unwrap_or(true)
    }

    /// Whether ages are to be looked at: once a day, and when somebody asks for everything.
    pub(super) fn is_for_ages(&self, run: &Run) -> bool {
        let is_asked = matches!(run.trigger, Trigger::Request | Trigger::Signal);
        let due = || {
            let (view, now) = (self.store.view()?, self.store.clock().now());
            if !view.has_ttl_groups()? {
                return Ok(false);
            }
            let last = view.last_ttl_run()?;
            let is_due = last.is_some_and(|last| TTL.is_due(last, now));
            Ok::<_, Error>(is_due || (run.scope == Scope::Full && is_asked))
        };
        due().unwrap_or(true)
    }

    /// Whether entries are to be deleted: where the capacity is 0 they stay, and are not served.
    pub(super) fn is_for_deletion(&mut self) -> bool {
        let now = self.store.clock().now();
        let found = self.store.view().and_then(|view| {
            let capacity = view.proxy_capacity()?;
            Ok(capacity > 0 && is_due(&view, CachedKind::ALL, now)?)
        });
        match found {
            Ok(true) | Err(_) => true,
            Ok(false) => {
                self.looked.at = Some(now);
                false
            }
        }
    }

    /// Marks what purges have given up.
    pub(super) fn mark_purged(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let (work, rows) = stage.budget();
            let (done, times) = self.store.mark_purged_slice(cursor, work, rows)?;
            cursor = done.next;
            if !self.note_marked(run, stage, done.marked, times) || cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Marks what nobody was served for as long as its group's policy says. A group where that
    /// fails does not stop the others.
    pub(super) fn expire_cached(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let began = self.store.clock().now();
        // What was pulled must not be taken for unused.
        self.store.flush_cached_reads()?;
        let mut after = None;
        loop {
            let (page, last) = self.store.view()?.ttl_groups(after, GROUPS_PAGE)?;
            for (group, policy) in page {
                let Some(over) = policy.over(began) else { continue };
                if let Err(error) = self.expire_group(group, over, run, stage) {
                    fail(run, format!("the age of what group {} has cached: {error}", group.0));
                }
                if self.stop.is_requested() {
                    return Ok(());
                }
            }
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.tell_counts()?;
        self.store.note_ttl_run()
    }

    fn expire_group(
        &mut self,
        group: GroupId,
        over: Timestamp,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let (work, rows) = stage.budget();
            let slice = self.store.expire_cached_slice(group, over, cursor, work, rows);
            let (done, times) = slice?;
            cursor = done.next;
            if !self.note_marked(run, stage, done, times) || cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes a slice of marking; tells whether to go on.
    fn note_marked(
        &self,
        run: &mut Run,
        stage: &mut Stage,
        marked: Expiry,
        times: SliceTimes,
    ) -> bool {
        marked.errors.into_iter().for_each(|error| fail(run, error));
        let files = marked.manifests.saturating_add(marked.blobs);
        self.note(run, stage, Usage { files, bytes: 0 }, times)
    }

    /// The six counters of the daily job, by their names there.
    fn tell_counts(&self) -> Result<(), Error> {
        let view = self.store.view()?;
        let blobs = view.cached_counts(CachedKind::Blob)?;
        let manifests = view.cached_counts(CachedKind::Manifest)?;
        log::info!(
            "expired_dependency_proxy_blob_count={} expired_dependency_proxy_manifest_count={} \
             processing_dependency_proxy_blob_count={} \
             processing_dependency_proxy_manifest_count={} error_dependency_proxy_blob_count={} \
             error_dependency_proxy_manifest_count={}",
            blobs.pending,
            manifests.pending,
            blobs.processing,
            manifests.processing,
            blobs.failed,
            manifests.failed,
        );
        Ok(())
    }

    /// Deletes what is due, batch by batch. What a stop leaves is given back: it was no failure.
    pub(super) fn delete_cached(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut batches = VecDeque::new();
        self.delete_batches(&mut batches, run, stage)?;
        for batch in batches {
            let left = batch.ids.iter().skip(batch.from).copied().collect();
            self.store.give_back_cached(left)?;
        }
        Ok(())
    }

    fn delete_batches(
        &mut self,
        batches: &mut VecDeque<Batch>,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        loop {
            let now = self.store.clock().now();
            self.claim_batches(batches, now)?;
            let Some(mut batch) = batches.pop_front() else {
                self.looked.at = Some(now);
                return Ok(());
            };
            let goes_on = self.work_on(&mut batch, run, stage)?;
            if batch.from < batch.ids.len() {
                batches.push_back(batch);
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Claims as many batches of each kind as may be in work now.
    fn claim_batches(&self, batches: &mut VecDeque<Batch>, now: Timestamp) -> Result<(), Error> {
        for kind in CachedKind::ALL {
            let view = self.store.view()?;
            let capacity = view.proxy_capacity()?.min(BATCHES_MAX);
            let held = batches.iter().filter(|batch| batch.kind == kind).count();
            let held = u64::try_from(held).unwrap_or(u64::MAX);
            for _ in held..capacity {
                if !is_due(&self.store.view()?, [kind], now)? {
                    break;
                }
                let ids = self.store.claim_cached(kind, BATCH, LEASE).wait()?;
                if ids.is_empty() {
                    break;
                }
                batches.push_back(Batch { kind, ids: ids.into(), from: 0 });
            }
        }
        Ok(())
    }

    /// One slice of a batch; tells whether to go on.
    fn work_on(&self, batch: &mut Batch, run: &mut Run, stage: &mut Stage) -> Result<bool, Error> {
        let (work, rows) = stage.budget();
        let ids = Arc::clone(&batch.ids);
        match self.store.destroy_cached_slice(ids, batch.from, work, rows) {
            Ok((seen, times)) => {
                batch.from += seen;
                let files = u64::try_from(seen).unwrap_or(u64::MAX);
                Ok(self.note(run, stage, Usage { files, bytes: 0 }, times))
            }
            Err((Some(id), error @ Error::Db(db::Error::Corrupt { .. }))) => {
                fail(run, format!("cached entry {} cannot be deleted: {error}", id.0));
                // Nothing of the slice was done: the others are tried again without it.
                batch.ids = batch.ids.iter().copied().filter(|other| *other != id).collect();
                if let Err(error) = self.store.fail_cached(id, error.to_string()) {
                    fail(run, format!("cached entry {} cannot be put off: {error}", id.0));
                }
                Ok(!self.stop.is_requested())
            }
            Err((_, error)) => Err(error),
        }
    }
}

/// Whether an entry of one of these kinds is due.
fn is_due(
    view: &View,
    kinds: impl IntoIterator<Item = CachedKind>,
    now: Timestamp,
) -> Result<bool, Error> {
    for kind in kinds {
        if view.next_cached_due(kind)?.is_some_and(|due| due <= now) {
            return Ok(true);
        }
    }
    Ok(false)
}
