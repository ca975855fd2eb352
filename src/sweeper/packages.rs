//! What policies of packages leave to the sweeper (spec gitlab §8.6): when it is a policy's turn,
//! what it names is marked; destroying is the stage for all that is detached.
//!
//! As many policies are in work at once as the capacity says, and each gets one slice after the
//! other, so a small one does not wait for a large one. A turn is claimed before anything is done,
//! each batch is tested again where it is marked (I6), and between two batches, or pages of which
//! nothing goes, it is looked at `stop` and at the deadline (I7): what is left goes on soon and
//! where it stopped. What fails is in the record of its project and of the run, and ends neither;
//! a turn that the database fails is given back, and tried again later each time.
//! Deliberately absent: what a policy names and how it is marked (`store`), and any walk over
//! projects: the index of what is due tells.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Sweeper;
use super::stages::{Stage, fail};
use crate::db;
use crate::model::package_plan::PackagePlan;
use crate::model::{PackageId, PolicyRun, Run, Timestamp, Usage};
use crate::store::Error;
use crate::store::package_policies::{Applied, Claim, Claimed, PackageWalk, TurnEnd};

pub(super) const POLICIES: &str = "package-policies";

/// How long a policy may look for files and mark them, before the others and the next run.
pub const POLICY_DEADLINE: Duration = Duration::from_secs(250);
/// After this time a turn is taken for lost.
const LEASE: Duration = Duration::from_secs(3600);
/// Policies in work at once, whatever the capacity: one thread has no use for more.
const TURNS_MAX: u64 = 50;
/// Files and packages that are looked at in one snapshot.
pub const POLICY_PAGE: usize = 10_000;
/// Files that are planned before they are marked.
const DOOMED_MAX: usize = 2000;
/// How often a turn plans packages again that change all the time.
const REPLANS_MAX: u32 = 10;
/// Files that a record names.
const SAMPLE_MAX: usize = 10;

/// A policy in work.
struct Turn {
    claim: Claim,
    walk: PackageWalk,
    plans: VecDeque<PackagePlan>,
    batch: Option<Batch>,
    deadline: Option<Timestamp>,
    replans: u32,
    /// The package and the name that were marked last.
    last: Option<(PackageId, String)>,
    record: PolicyRun,
}

/// A plan that is being applied.
struct Batch {
    plan: Arc<PackagePlan>,
    from: usize,
    revision: u64,
}

enum Step {
    GoesOn,
    Ends(TurnEnd),
}

impl Turn {
    fn new(claim: Claim, now: Timestamp) -> Self {
        let record = PolicyRun {
            at: now,
            ended: now,
            files: 0,
            bytes: 0,
            names: 0,
            timed_out: false,
            sample: Vec::new(),
            error: None,
        };
        let walk = PackageWalk::new(claim.project, claim.kept, claim.from);
        let (plans, batch) = (VecDeque::new(), None);
        Self { claim, walk, plans, batch, deadline: None, replans: 0, last: None, record }
    }

    /// The package to go on with; `None`: nothing is left.
    fn at(&self) -> Option<PackageId> {
        let batch = self.batch.as_ref().map(|batch| batch.plan.package);
        let next = self.plans.front().map(|plan| plan.package);
        batch.or(next).or(self.walk.at())
    }

    fn end(&self) -> TurnEnd {
        self.at().map_or(TurnEnd::Done, TurnEnd::GoesOn)
    }

    /// Notes files of a plan that were marked.
    fn note(&mut self, plan: &PackagePlan, from: usize, number: usize) -> Usage {
        let mut usage = Usage::default();
        for file in plan.doomed.iter().skip(from).take(number) {
            usage = usage.plus(Usage::of(file.size));
            let is_known = |(package, name): &(PackageId, String)| {
                *package == plan.package && *name == file.name
            };
            if !self.last.as_ref().is_some_and(is_known) {
                self.last = Some((plan.package, file.name.clone()));
                self.record.names += 1;
            }
            if self.record.sample.len() < SAMPLE_MAX {
                self.record.sample.push(format!("{}: {}", plan.title(), file.name));
            }
        }
        self.record.files = self.record.files.saturating_add(usage.files);
        self.record.bytes = self.record.bytes.saturating_add(usage.bytes);
        usage
    }

    /// Notes what is in the way; the first of it is kept.
    fn fail(&mut self, run: &mut Run, why: String) {
        fail(run, format!("the policy of project {}: {why}", self.claim.project.0));
        self.record.error.get_or_insert(why);
    }

    /// Leaves a package, of which nothing more is done in this turn.
    fn leave(&mut self, package: PackageId) {
        self.batch = None;
        self.plans.retain(|plan| plan.package != package);
        self.walk.leave(package);
    }
}

impl Sweeper {
    /// The earlier of `wake` and of the next policy's turn.
    pub(super) fn packages_or(&self, wake: Option<Timestamp>) -> Option<Timestamp> {
        match self.next_package_policy() {
            Ok(next) => [wake, next].into_iter().flatten().min(),
            Err(error) => {
                log::error!("whose policy of packages is due next is not known: {error}");
                wake
            }
        }
    }

    fn next_package_policy(&self) -> Result<Option<Timestamp>, Error> {
        let view = self.store.view()?;
        if view.package_capacity()? == 0 { Ok(None) } else { view.next_package_policy() }
    }

    /// Whether it is a policy's turn. When that is not known, it is to find out.
    pub(super) fn has_package_policies(&self) -> bool {
        let now = self.store.clock().now();
        self.next_package_policy().map_or(true, |next| next.is_some_and(|next| next <= now))
    }

    /// Gives each policy its turn that is due by now; when they took as long as one may, those
    /// that wait are for the next run, so that what was marked is destroyed meanwhile.
    pub(super) fn apply_package_policies(
        &mut self,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<(), Error> {
        let began = self.store.clock().now();
        let closes = began.after(self.settings.policy_deadline);
        let mut turns = VecDeque::new();
        let mut claimed = self.claim_turns(&mut turns, began, run);
        loop {
            if claimed.is_ok() && self.store.clock().now() < closes {
                claimed = self.claim_turns(&mut turns, began, run);
            }
            // Those that have a turn come to its end, also when no other can be given.
            let Some(mut turn) = turns.pop_front() else { return claimed };
            match self.step(&mut turn, run, stage) {
                Ok(Step::GoesOn) => turns.push_back(turn),
                Ok(Step::Ends(end)) => self.end_turn(turn, end, run),
                Err(error) => {
                    turn.fail(run, error.to_string());
                    let end = TurnEnd::Failed(turn.at().unwrap_or(PackageId(0)));
                    self.end_turn(turn, end, run);
                }
            }
            if self.stop.is_requested() {
                for mut turn in turns {
                    turn.record.error.get_or_insert("the server stopped, it goes on later".into());
                    let end = turn.end();
                    self.end_turn(turn, end, run);
                }
                return claimed;
            }
        }
    }

    fn claim_turns(
        &self,
        turns: &mut VecDeque<Turn>,
        due_by: Timestamp,
        run: &mut Run,
    ) -> Result<(), Error> {
        let capacity = self.store.view()?.package_capacity()?.min(TURNS_MAX);
        while u64::try_from(turns.len()).is_ok_and(|held| held < capacity) {
            let next = self.store.view()?.next_package_policy()?;
            if next.is_none_or(|next| next > due_by) {
                break;
            }
            match self.store.claim_package_policy(due_by, LEASE)? {
                Claimed::Turn(claim) => {
                    turns.push_back(Turn::new(claim, self.store.clock().now()));
                }
                Claimed::Broken(why) => fail(run, why),
                Claimed::Nothing => break,
            }
        }
        Ok(())
    }

    fn end_turn(&self, mut turn: Turn, end: TurnEnd, run: &mut Run) {
        turn.record.ended = self.store.clock().now();
        let PolicyRun { files, names, timed_out, .. } = turn.record;
        log::info!(
            "project_id={} timeout={timed_out} counts_marked_package_files_total_count={files} \
             counts_unique_package_id_and_file_name_total_count={names}",
            turn.claim.project.0,
        );
        let record = turn.record.clone();
        if let Err(error) = self.store.end_package_policy(turn.claim, run.id, record, end) {
            // Its lease is what ends the turn then.
            turn.fail(run, format!("its record could not be written: {error}"));
        }
    }

    /// Plans on, or marks one batch.
    fn step(&mut self, turn: &mut Turn, run: &mut Run, stage: &mut Stage) -> Result<Step, Error> {
        if let Some(batch) = turn.batch.take() {
            return self.mark_batch(turn, batch, run, stage);
        }
        if let Some(plan) = turn.plans.pop_front() {
            let (revision, from) = (plan.revision, 0);
            turn.batch = Some(Batch { plan: Arc::new(plan), from, revision });
            return Ok(Step::GoesOn);
        }
        if turn.walk.at().is_none() {
            return Ok(Step::Ends(TurnEnd::Done));
        }
        self.plan_on(turn, run)
    }

    fn plan_on(&self, turn: &mut Turn, run: &mut Run) -> Result<Step, Error> {
        let deadline = self.deadline(turn);
        let view = self.store.view()?;
        let page = view.plan_packages(&mut turn.walk, self.settings.policy_page, DOOMED_MAX)?;
        page.errors.into_iter().for_each(|error| turn.fail(run, error));
        turn.plans = page.plans.into();
        // The next turn begins with the package that this one is in, which is looked at whole by
        // one of them, or they would never come to its end.
        if turn.plans.is_empty() && turn.at() > Some(turn.claim.from) {
            return Ok(self.pause(turn, deadline));
        }
        Ok(Step::GoesOn)
    }

    /// When the turn is to stop: from its first look on.
    fn deadline(&self, turn: &mut Turn) -> Timestamp {
        let now = self.store.clock().now();
        *turn.deadline.get_or_insert(now.after(self.settings.policy_deadline))
    }

    /// Stops a turn at its deadline, if anything is left.
    fn pause(&self, turn: &mut Turn, deadline: Timestamp) -> Step {
        if turn.at().is_none() || self.store.clock().now() < deadline {
            return Step::GoesOn;
        }
        turn.record.timed_out = true;
        Step::Ends(turn.end())
    }

    fn mark_batch(
        &mut self,
        turn: &mut Turn,
        batch: Batch,
        run: &mut Run,
        stage: &mut Stage,
    ) -> Result<Step, Error> {
        let Batch { plan, from, revision } = batch;
        let (work, rows) = stage.budget();
        let deadline = self.deadline(turn);
        let shared = Arc::clone(&plan);
        let slice = self.store.apply_package_plan(turn.claim, shared, (from, revision), work, rows);
        let (applied, times) = match slice {
            Err(Error::Db(error @ db::Error::Corrupt { .. })) => {
                turn.fail(run, format!("package {} was left alone: {error}", plan.package.0));
                turn.leave(plan.package);
                return Ok(Step::GoesOn);
            }
            Err(error) => {
                turn.plans.clear();
                turn.walk.again(plan.package);
                return Err(error);
            }
            Ok(slice) => slice,
        };
        match applied {
            Applied::Some { files, revision } => {
                let usage = turn.note(&plan, from, files);
                let from = from + files;
                if from < plan.doomed.len() {
                    turn.batch = Some(Batch { plan, from, revision });
                } else {
                    turn.walk.went(plan.package, revision);
                }
                self.note(run, stage, usage, times);
            }
            Applied::Stale if turn.replans < REPLANS_MAX => {
                turn.replans += 1;
                turn.plans.clear();
                turn.walk.again(plan.package);
            }
            Applied::Stale => {
                let why = format!("{} changes too often to clean it up now", plan.title());
                turn.fail(run, why);
                turn.leave(plan.package);
            }
            Applied::Lost => {
                let why = "the policy was changed or asked for again, or its project deleted, \
                           while it ran";
                turn.record.error.get_or_insert(why.to_owned());
                return Ok(Step::Ends(TurnEnd::Done));
            }
        }
        Ok(self.pause(turn, deadline))
    }
}
