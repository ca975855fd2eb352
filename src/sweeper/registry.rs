//! What the registry leaves to the sweeper: upload links and manifests whose time is over, in any
//! run; untagged manifests that a rule names, and uploads that nobody goes on with, in full ones.
//!
//! Each works in slices (I7), and tests again in them what it removes (I3). A row that cannot be
//! is an error of the run and holds nobody up. Deliberately absent: destroying what was taken
//! away, which is the stage for all that is detached.

use std::sync::Arc;
use std::time::Duration;

use super::Sweeper;
use super::stages::{Stage, fail};
use crate::db::SliceTimes;
use crate::model::{ImageId, Run, Scope, Timestamp, UntaggedRules, Usage};
use crate::store::Error;
use crate::store::manifests::Expired;

/// Repositories that are looked at in one snapshot, and uploads likewise.
const PAGE: usize = 1000;
/// An upload is not given up sooner, however short upload links are.
const UPLOAD_REST_MIN: Duration = Duration::from_secs(3600);

impl Sweeper {
    /// The same, with rules that say how long repositories keep untagged manifests: as long as
    /// an upload link at least.
    #[must_use]
    pub fn with_untagged(mut self, rules: UntaggedRules) -> Self {
        self.untagged = rules.at_least(self.store.rules().upload_link);
        self
    }

    /// When the next upload link ends, or the next manifest may go that nothing names any more.
    pub(super) fn next_registry_end(&self) -> Result<Option<Timestamp>, Error> {
        let view = self.store.view()?;
        Ok([view.next_link_end()?, view.next_doomed()?].into_iter().flatten().min())
    }

    /// Whether a run has something to do here. When that is not known, it is to find out.
    pub(super) fn has_registry_work(&self, scope: Scope) -> bool {
        let now = self.store.clock().now();
        let is_over = match self.next_registry_end() {
            Ok(end) => end.is_some_and(|end| end <= now),
            Err(_) => true,
        };
        is_over
            || (scope == Scope::Full && self.has_stale_uploads())
            || (scope == Scope::Full && !self.untagged.keep_all())
    }

    fn has_stale_uploads(&self) -> bool {
        let before = self.rest_began();
        let oldest = self.store.view().and_then(|view| view.oldest_upload());
        oldest.map_or(true, |oldest| oldest.is_some_and(|touched| touched <= before))
    }

    /// Uploads that were touched before this moment are given up.
    fn rest_began(&self) -> Timestamp {
        let rest = self.store.rules().upload_link.max(UPLOAD_REST_MIN);
        self.store.clock().now().before(rest)
    }

    pub(super) fn expire_registry(
        &mut self,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        if let Err(error) = self.store.flush_noted_pulls() {
            fail(run, format!("pulls could not be noted: {error}"));
            // What was pulled must not be taken for unused.
            return Ok(());
        }
        self.expire_links(run, stage)?;
        self.expire_manifests(run, stage)?;
        if run.scope == Scope::Full {
            self.expire_untagged(run, stage)?;
            self.give_up_uploads(run, stage)?;
        }
        Ok(())
    }

    fn expire_links(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (work, rows) = stage.budget();
            let (done, times) = self.store.expire_links_slice(after, work, rows)?;
            done.errors.into_iter().for_each(|error| fail(run, error));
            if !self.note(run, stage, done.usage, times) || done.next.is_none() {
                return Ok(());
            }
            after = done.next;
        }
    }

    fn expire_manifests(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (work, rows) = stage.budget();
            let (done, times) = self.store.expire_manifests_slice(after, work, rows)?;
            after = done.next;
            if !self.note_expired(run, stage, done, times) || after.is_none() {
                return Ok(());
            }
        }
    }

    fn expire_untagged(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        if self.untagged.keep_all() {
            return Ok(());
        }
        let mut last = None;
        loop {
            let now = self.store.clock().now();
            let view = self.store.view()?;
            let (found, next) = view.untagged_over(&self.untagged, now, last.as_ref(), PAGE)?;
            drop(view);
            for (image, lifetime) in found {
                self.expire_untagged_of(image, lifetime, run, stage)?;
            }
            if next.is_none() || self.stop.is_requested() {
                return Ok(());
            }
            last = next;
        }
    }

    fn expire_untagged_of(
        &mut self,
        image: ImageId,
        lifetime: Duration,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (work, rows) = stage.budget();
            let slice = self.store.expire_untagged_slice(image, lifetime, after, work, rows);
            let (done, times) = slice?;
            after = done.next;
            if !self.note_expired(run, stage, done, times) || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes a slice; tells whether to go on.
    fn note_expired(
        &self,
        run: &mut Run,
        stage: &mut Stage,
        done: Expired,
        times: SliceTimes,
    ) -> bool {
        done.errors.into_iter().for_each(|error| fail(run, error));
        self.note(run, stage, Usage { files: done.manifests, bytes: 0 }, times)
    }

    fn give_up_uploads(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let before = self.rest_began();
        let mut last = None;
        loop {
            let resting: Arc<[_]> = self.store.view()?.stale_uploads(last, before, PAGE)?.into();
            let Some(end) = resting.last() else { return Ok(()) };
            last = Some(*end);
            let mut from = 0;
            while from < resting.len() {
                let (work, rows) = stage.budget();
                let page = Arc::clone(&resting);
                let (done, times) = self.store.give_up_slice(page, from, before, work, rows)?;
                from += done.seen;
                done.errors.into_iter().for_each(|error| fail(run, error));
                for draft in done.drafts {
                    if let Err(error) = self.files.remove_draft(draft) {
                        fail(run, error.to_string());
                    }
                }
                if !self.note(run, stage, done.usage, times) {
                    return Ok(());
                }
            }
        }
    }
}
