//! The stages of a run, in order, each in slices.

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mailbox::Progress;
use super::pace::Pace;
use super::{Settings, Sweeper, packages, proxy};
use crate::db::SliceTimes;
use crate::model::policy::BranchPlan;
use crate::model::time::micros;
use crate::model::{BlobId, BranchPath, Place, Repo, Run, Scope, StageReport, Unlink, Usage};
use crate::publish;
use crate::store::Error;
use crate::store::garbage::Fate;
use crate::store::policies::Applied;
use crate::store::publications::Releases;

const EXPIRE: &str = "expire";
const POLICIES: &str = "policies";
const DESTROY: &str = "destroy";
const COLLECT: &str = "collect";
pub(super) const UNLINK: &str = "unlink";
const DIGESTS: &str = "digests";
const RECOUNT: &str = "recount";

/// Branches that are planned from one snapshot.
const BRANCHES_PAGE: usize = 100;
/// Notes of who sent what that are looked at in one snapshot.
const POSSESSIONS_PAGE: usize = 10_000;
/// Files that are unlinked before their folders are synced and their rows go. There are 256
/// folders, so a page that is not many times larger is mostly syncs.
const UNLINK_PAGE: usize = 10_000;
/// Failures that a run spells out.
const ERRORS_MAX: usize = 100;
/// How often a branch that changes all the time is planned again before it waits for the next
/// run.
const REPLANS_MAX: u32 = 10;

/// A stage in progress.
pub(super) struct Stage {
    report: StageReport,
    name: &'static str,
    started: Instant,
    pace: Pace,
}

impl Stage {
    /// `pace` is what the stage learnt in the run before.
    fn new(name: &'static str, pace: Pace) -> Self {
        let report = StageReport { name: name.to_owned(), ..StageReport::default() };
        Self { report, name, started: Instant::now(), pace }
    }

    /// Notes things that were looked at without a write transaction.
    pub(super) fn looked_at(&mut self, items: u64) {
        self.report.items += items;
    }

    /// What the next slice may do: work before its commit, and rows.
    pub(super) fn budget(&self) -> (Duration, u32) {
        (self.pace.time(), self.pace.rows())
    }

    fn slice(&mut self, done: Usage, times: SliceTimes) {
        self.pace.learn(times);
        let total_us = micros(times.total());
        self.report.items += done.files;
        self.report.bytes = self.report.bytes.saturating_add(done.bytes);
        self.report.slices += 1;
        if total_us > self.report.longest_us {
            self.report.longest_us = total_us;
        }
        self.report.longest_work_us = self.report.longest_work_us.max(micros(times.work));
    }
}

impl Sweeper {
    pub(super) fn run_stages(&mut self, run: &mut Run) {
        if self.mailbox.takes_clock() {
            self.clock_guard.accept();
        }
        let held = self.clock_guard.look(&**self.store.clock());
        self.mailbox.hold(held.clone());
        let may_remove = held.is_none();
        if let Some(why) = held {
            fail(run, format!("policies and collecting wait, because {why}"));
        }
        if may_remove && (self.has_possessions(run.scope) || self.has_registry_work(run.scope)) {
            self.stage(run, EXPIRE, Self::expire);
        }
        if run.scope == Scope::Full && may_remove {
            self.stage(run, POLICIES, Self::apply_policies);
        }
        if may_remove && self.has_package_policies() {
            self.stage(run, packages::POLICIES, Self::apply_package_policies);
        }
        if self.has_purges() {
            self.stage(run, proxy::MARK, Self::mark_purged);
        }
        if may_remove && self.is_for_ages(run) {
            self.stage(run, proxy::EXPIRE, Self::expire_cached);
        }
        if self.is_for_deletion() {
            self.stage(run, proxy::DELETE, Self::delete_cached);
        }
        self.stage(run, DESTROY, Self::destroy);
        if may_remove {
            self.stage(run, COLLECT, Self::collect);
        }
        if self.settings.unlink_workers > 0 {
            self.stage(run, UNLINK, Self::unlink);
        }
        if self.has_many_lapsed() {
            self.stage(run, DIGESTS, Self::clear_lapsed);
        }
        if run.scope == Scope::Full {
            self.stage(run, RECOUNT, Self::recount);
        }
    }

    fn stage(
        &mut self,
        run: &mut Run,
        name: &'static str,
        work: fn(&mut Self, &mut Run, &mut Stage) -> Result<(), Error>,
    ) {
        if self.stop.is_requested() {
            return;
        }
        let Settings { work_bound, rows_max, .. } = self.settings;
        let pace = self.paces.remove(name).unwrap_or_else(|| Pace::new(work_bound, rows_max));
        let mut stage = Stage::new(name, pace);
        if let Err(error) = work(self, run, &mut stage) {
            fail(run, format!("{name}: {error}"));
        }
        stage.report.took_us = micros(stage.started.elapsed());
        run.stages.push(stage.report);
        self.paces.insert(name, stage.pace);
    }

    /// Notes a slice; tells whether to go on.
    pub(super) fn note(
        &self,
        run: &Run,
        stage: &mut Stage,
        done: Usage,
        times: SliceTimes,
    ) -> bool {
        stage.slice(done, times);
        let StageReport { items, bytes, .. } = stage.report;
        self.mailbox.progress(Progress { run: run.id, stage: stage.name, items, bytes });
        !self.stop.is_requested()
    }

    fn has_possessions(&self, scope: Scope) -> bool {
        scope == Scope::Full && self.store.view().is_ok_and(|view| view.has_possessions())
    }

    fn expire(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        if self.has_possessions(run.scope) {
            self.expire_possessions(run, stage)?;
        }
        if self.has_registry_work(run.scope) {
            self.expire_registry(run, stage)?;
        }
        Ok(())
    }

    /// Forgets who sent what, where that is long ago.
    fn expire_possessions(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let now = self.store.clock().now();
            let page = self.store.view()?.stale_possessions(after, now, POSSESSIONS_PAGE)?;
            let over: Arc<[_]> = page.stale.into();
            let mut from = 0;
            while from < over.len() {
                let (work, rows) = (stage.pace.time(), stage.pace.rows());
                let (done, times) =
                    self.store.forget_possessions(Arc::clone(&over), from, work, rows)?;
                from += done;
                let files = u64::try_from(done).unwrap_or(u64::MAX);
                if !self.note(run, stage, Usage { files, bytes: 0 }, times) {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn apply_policies(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (plans, last) = self.store.view()?.plans(after.as_ref(), BRANCHES_PAGE)?;
            for plan in plans {
                let name = plan.branch.clone();
                if let Err(error) = self.apply_plan(plan, run, stage) {
                    fail(run, format!("the policy of {name}: {error}"));
                }
                if self.stop.is_requested() {
                    return Ok(());
                }
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Applies a plan slice by slice; plans again when the branch changed meanwhile.
    fn apply_plan(
        &mut self,
        mut plan: BranchPlan,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        let mut replans = 0;
        while !plan.doomed.is_empty() {
            let (work, rows) = (stage.pace.time(), stage.pace.rows());
            let releases = self.releases();
            let (applied, times) = self.store.apply_slice(plan.clone(), releases, work, rows)?;
            self.publisher.iter().for_each(publish::Handle::wake);
            match applied {
                Applied::Some { tags, generation } => {
                    if tags > 0 {
                        self.tell_of_users(&plan.branch);
                    }
                    let gone = plan.doomed.drain(..tags);
                    let bytes = gone.map(|doomed| doomed.usage.bytes).sum();
                    plan.generation = generation;
                    let files = u64::try_from(tags).unwrap_or(u64::MAX);
                    if !self.note(run, stage, Usage { files, bytes }, times) {
                        break;
                    }
                }
                Applied::Stale if replans < REPLANS_MAX => {
                    replans += 1;
                    match self.store.view()?.plan(&plan.branch) {
                        Err(Error::NotFound(_)) => break,
                        found => plan = found?,
                    }
                }
                Applied::Stale => {
                    let name = &plan.branch;
                    fail(run, format!("{name} changes too often to apply its policy now"));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether released tags are to be taken back from other servers before they go.
    fn releases(&self) -> Releases {
        let has_targets = self.publisher.as_ref().is_some_and(publish::Handle::has_targets);
        if has_targets { Releases::Copies } else { Releases::Flag }
    }

    /// Whoever comes from dlrepo does not expect a policy in a user's repository to do anything.
    fn tell_of_users(&mut self, branch: &BranchPath) {
        if branch.repo != Repo::Shared && !std::mem::replace(&mut self.told_of_users, true) {
            log::warn!(
                "the cleanup policy of {branch} removes tags: dlrepo left users' branches alone, \
                 here their policies hold too; set their limits to 0 to keep all tags"
            );
        }
    }

    fn destroy(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        loop {
            let (work, rows) = (stage.pace.time(), stage.pace.rows());
            match self.store.destroy_slice(work, rows) {
                Ok((done, times)) => {
                    if !self.note(run, stage, done.usage, times) || done.done {
                        return Ok(());
                    }
                }
                Err((Some(key), error @ Error::Db(crate::db::Error::Corrupt { .. }))) => {
                    fail(run, format!("destroying: {error}"));
                    self.store.postpone(key, error.to_string())?;
                }
                Err((_, error)) => return Err(error),
            }
        }
    }

    fn collect(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let (work, rows) = (stage.pace.time(), stage.pace.rows());
            let (done, times) = self.store.collect_slice(after, work, rows)?;
            if done.pinned > 0 {
                self.come_back();
            }
            for error in done.errors {
                fail(run, error);
            }
            if !self.note(run, stage, done.usage, times) || done.next.is_none() {
                return Ok(());
            }
            after = done.next;
        }
    }

    fn unlink(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.store.unlinks(after, UNLINK_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let fates = self.unlink_page(run, page);
            let mut from = 0;
            while from < fates.len() {
                let (work, rows) = (stage.pace.time(), stage.pace.rows());
                let (done, times) =
                    self.store.forget_slice(Arc::clone(&fates), from, work, rows)?;
                from += done.seen;
                if !self.note(run, stage, done.usage, times) {
                    return Ok(());
                }
            }
        }
    }

    fn has_many_lapsed(&self) -> bool {
        let rows_min = self.settings.lapsed_min;
        let many = self.store.view().and_then(|view| view.has_many_lapsed(rows_min));
        // Whoever is next to read tells of the failure; this can wait.
        many.unwrap_or(false)
    }

    /// Removes what is left of collected blobs in the index of digests.
    fn clear_lapsed(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let mut after = None;
        loop {
            let mut clearing = self.store.view()?.lapsed(after)?;
            if clearing.is_empty() {
                return Ok(());
            }
            after = clearing.last();
            while !clearing.is_done() {
                let (work, rows) = stage.budget();
                let (rows, times) = self.store.clear_lapsed_slice(&mut clearing, work, rows)?;
                let done = Usage { files: u64::try_from(rows).unwrap_or(u64::MAX), bytes: 0 };
                if !self.note(run, stage, done, times) {
                    return Ok(());
                }
            }
        }
    }

    /// Unlinks the files of a page, but for those that are pinned or not to be tried yet.
    fn unlink_page(&mut self, run: &mut Run, page: Vec<(BlobId, Unlink)>) -> Arc<[(BlobId, Fate)]> {
        let now = self.store.clock().now();
        let mut fates = Vec::new();
        let mut files = Vec::new();
        for (id, unlink) in page {
            if unlink.not_before > now {
                self.schedule.come_back(unlink.not_before);
            } else if self.store.pins().is_pinned(id) {
                self.come_back();
            } else if let Place::File(suffix) = unlink.place {
                files.push((id, (unlink.digest, suffix)));
            } else {
                fates.push((id, Fate::Gone));
            }
        }
        let names: Vec<_> = files.iter().map(|(_, name)| *name).collect();
        let workers = NonZero::new(self.settings.unlink_workers).unwrap_or(NonZero::<usize>::MIN);
        for ((id, _), result) in files.into_iter().zip(self.files.unlink(&names, workers)) {
            fates.push((
                id,
                match result {
                    Ok(()) => Fate::Gone,
                    Err(error) => {
                        fail(run, error.to_string());
                        Fate::Failed(error.to_string())
                    }
                },
            ));
        }
        fates.into()
    }

    fn come_back(&mut self) {
        let now = self.store.clock().now();
        self.schedule.come_back(now.after(self.settings.spacing));
    }
}

pub(super) fn fail(run: &mut Run, why: String) {
    run.error_count += 1;
    if run.errors.len() < ERRORS_MAX {
        run.errors.push(why);
    }
}
