//! What projects keep of what was published again and again: the policies, whose turn it is, and
//! what they did (spec gitlab §8.4, §8.6).
//!
//! A turn is taken in a transaction of its own before anything is done (statement 24): it moves
//! the next run on, and what is left is a lease, so nobody else has the policy meanwhile, a crash
//! loses no turn, and a run that came to its deadline goes on soon and where it stopped. Whoever
//! changes a policy ends the run of the one before. Reading stores nothing (statement 23).
//! Deliberately absent: what a policy names (`plan`), and the clock that says when.

mod apply;
mod cost;
mod plan;

use std::time::Duration;

use super::projects;
use super::proxy_groups::Wish;
use super::{Budget, Error, Store, Tx, View};
use crate::db::schema::{
    META, Meta, PACKAGE_POLICIES, PACKAGE_POLICIES_DUE, PACKAGE_POLICY_RUNS, PROJECT_USAGE,
};
use crate::db::{self, Pending, Rows, Span};
use crate::model::retry::backoff;
use crate::model::{
    KeepFiles, Kept, PackageId, PackagePolicy, PolicyRun, PolicyTurn, ProjectId, RunId, Timestamp,
};

pub use apply::Applied;
pub use cost::{PackageCost, Toll};
pub use plan::{PackageWalk, PlannedPage, Spared};

/// Time between two runs of a policy.
pub const POLICY_PERIOD: Duration = Duration::from_secs(12 * 3600);
/// Policies that may be in work at once, unless somebody says otherwise.
pub const PACKAGE_CAPACITY: u64 = 2;
/// Runs that a project remembers.
pub const POLICY_RUNS_KEPT: usize = 100;

/// After this time a run that stopped at its deadline goes on.
const GO_ON: Duration = Duration::from_secs(1);
/// Failures after which a policy does not wait for longer.
const FAILURES_MAX: usize = 12;
/// Old runs that one new run removes at most, so that it costs nothing.
const PRUNED_MAX: usize = 4;
/// Policies that have nothing to do and are put off in one transaction (I7).
const PUT_OFF_MAX: usize = 100;

/// What to change of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackagePolicyChange {
    /// How many files of one name a package keeps.
    pub keep: Option<KeepFiles>,
    /// How many builds of a snapshot.
    pub keep_snapshots: Wish<u32>,
}

/// A policy whose turn somebody has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub project: ProjectId,
    /// What it keeps.
    pub kept: Kept,
    /// The package to begin with.
    pub from: PackageId,
    /// Until when nobody else has it.
    pub until: Timestamp,
}

/// What was found when somebody asked for a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// A policy.
    Turn(Claim),
    /// A policy that cannot be read, as a sentence. Nobody is sent to it again.
    Broken(String),
    /// No policy is due.
    Nothing,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// All was looked at.
    Done,
    /// It came to its deadline, or to the end of the process: it goes on with this package.
    GoesOn(PackageId),
    /// The database failed: it is tried again with this package, later each time.
    Failed(PackageId),
}

impl Store {
    /// Sets what a project keeps; tells its policy. It has its first turn half a day later. The
    /// answer may be [`Error::ProjectUnknown`].
    pub fn set_package_policy(
        &self,
        project: ProjectId,
        change: PackagePolicyChange,
    ) -> Pending<PackagePolicy, Error> {
        self.change(move |tx| {
            tx.check_project(project)?;
            let known = PACKAGE_POLICIES.get(tx.txn, &project)?;
            let mut policy = known.clone().unwrap_or_else(|| new_policy(tx.now));
            policy.keep = change.keep.unwrap_or(policy.keep);
            change.keep_snapshots.apply(&mut policy.keep_snapshots);
            policy.next_run = tx.now.after(POLICY_PERIOD);
            policy.turn = None;
            policy.updated = tx.now;
            tx.save_policy(project, known.as_ref(), &policy)?;
            Ok(policy)
        })
    }

    /// Makes it a policy's turn at once; tells whether it removes anything at all. The answer may
    /// be [`Error::ProjectUnknown`].
    pub fn run_package_policy(&self, project: ProjectId) -> Pending<bool, Error> {
        self.change(move |tx| {
            tx.check_project(project)?;
            let Some(known) = PACKAGE_POLICIES.get(tx.txn, &project)? else { return Ok(false) };
            let policy = PackagePolicy { next_run: tx.now, turn: None, ..known.clone() };
            if policy.is_active() {
                tx.save_policy(project, Some(&known), &policy)?;
            }
            Ok(policy.is_active())
        })
    }

    /// Takes the turn of the policy that is due since the longest time, if that was by `due_by`.
    /// Policies of projects without packages are put off.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn claim_package_policy(
        &self,
        due_by: Timestamp,
        lease: Duration,
    ) -> Result<Claimed, Error> {
        self.slice(move |tx| tx.claim_policy(due_by, lease)).map(|(claimed, _)| claimed)
    }

    /// Ends a turn, and notes what it did as done in sweep `run`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn end_package_policy(
        &self,
        claim: Claim,
        run: RunId,
        record: PolicyRun,
        end: TurnEnd,
    ) -> Result<(), Error> {
        self.slice(move |tx| tx.end_policy(claim, run, &record, end)).map(|((), _)| ())
    }

    /// Sets how many policies may be in work at once; 0: none.
    pub fn set_package_capacity(&self, policies: u64) -> Pending<(), Error> {
        self.change(move |tx| Ok(META.put(tx.txn, &Meta::PACKAGE_CAPACITY, &policies)?))
    }
}

impl View {
    /// What a project keeps, if anybody ever said.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_policy(&self, project: ProjectId) -> Result<Option<PackagePolicy>, Error> {
        Ok(PACKAGE_POLICIES.get(&self.snapshot, &project)?)
    }

    /// What the policy of a project did, the newest first, at most `limit` runs.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_policy_runs(
        &self,
        project: ProjectId,
        limit: usize,
    ) -> Result<Vec<(RunId, PolicyRun)>, Error> {
        let newest_first = Span::under(&project).descending();
        let rows = PACKAGE_POLICY_RUNS.page(&self.snapshot, newest_first, limit)?;
        Ok(rows.into_iter().map(|((_, id), run)| (id, run)).collect())
    }

    /// When it is the next policy's turn.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_package_policy(&self) -> Result<Option<Timestamp>, Error> {
        let first = first_due(&self.snapshot, self.now)?;
        Ok(first.map(|(due, _)| if due > furthest(self.now) { self.now } else { due }))
    }

    /// How many policies may be in work at once.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_capacity(&self) -> Result<u64, Error> {
        Ok(META.get(&self.snapshot, &Meta::PACKAGE_CAPACITY)?.unwrap_or(PACKAGE_CAPACITY))
    }
}

/// No policy waits longer on purpose: one that seems to was noted when the clock was ahead.
fn furthest(now: Timestamp) -> Timestamp {
    now.after(POLICY_PERIOD).after(GO_ON)
}

/// The policy that is to have the next turn.
fn first_due(rows: &impl Rows, now: Timestamp) -> Result<Option<(Timestamp, ProjectId)>, Error> {
    let last = PACKAGE_POLICIES_DUE.first(rows, Span::all().descending())?;
    let ahead = last.filter(|((due, _), ())| *due > furthest(now));
    let next = match ahead {
        Some(ahead) => Some(ahead),
        None => PACKAGE_POLICIES_DUE.first(rows, Span::all())?,
    };
    Ok(next.map(|(key, ())| key))
}

/// One that keeps everything.
fn new_policy(now: Timestamp) -> PackagePolicy {
    let (keep, keep_snapshots, turn) = (KeepFiles::All, None, None);
    PackagePolicy { keep, keep_snapshots, next_run: now, turn, created: now, updated: now }
}

impl Tx<'_, '_> {
    /// Writes a policy, and when it is due.
    fn save_policy(
        &self,
        project: ProjectId,
        before: Option<&PackagePolicy>,
        policy: &PackagePolicy,
    ) -> Result<(), Error> {
        if let Some(before) = before {
            PACKAGE_POLICIES_DUE.remove(self.txn, &(before.due(), project))?;
        }
        if policy.is_active() {
            PACKAGE_POLICIES_DUE.put(self.txn, &(policy.due(), project), &())?;
        }
        Ok(PACKAGE_POLICIES.put(self.txn, &project, policy)?)
    }

    fn claim_policy(&self, due_by: Timestamp, lease: Duration) -> Result<Claimed, Error> {
        for _ in 0..PUT_OFF_MAX {
            let Some((due, project)) = first_due(self.txn, self.now)? else { break };
            if due > due_by && due <= furthest(self.now) {
                break;
            }
            match self.claim_due(due, project, lease) {
                Ok(Some(claim)) => return Ok(Claimed::Turn(claim)),
                Ok(None) => {}
                Err(Error::Db(error @ db::Error::Corrupt { .. })) => {
                    PACKAGE_POLICIES_DUE.remove(self.txn, &(due, project))?;
                    let number = project.0;
                    return Ok(Claimed::Broken(format!("the policy of project {number}: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Claimed::Nothing)
    }

    /// Takes the turn of the policy that this row is of. Everything is read before anything is
    /// changed, so a record that cannot be read leaves nothing half done.
    fn claim_due(
        &self,
        due: Timestamp,
        project: ProjectId,
        lease: Duration,
    ) -> Result<Option<Claim>, Error> {
        let known = PACKAGE_POLICIES.get(self.txn, &project)?;
        let Some(known) = known.filter(|known| known.is_active() && known.due() == due) else {
            PACKAGE_POLICIES_DUE.remove(self.txn, &(due, project))?;
            return Ok(None);
        };
        self.take_turn(project, &known, lease)
    }

    /// Moves the next run of a policy on, and takes its turn if there is anything to look at.
    fn take_turn(
        &self,
        project: ProjectId,
        known: &PackagePolicy,
        lease: Duration,
    ) -> Result<Option<Claim>, Error> {
        let mut policy = known.clone();
        if policy.next_run <= self.now || policy.next_run > furthest(self.now) {
            policy.next_run = self.now.after(POLICY_PERIOD);
        }
        let packages = PROJECT_USAGE.get(self.txn, &project)?.unwrap_or_default().packages;
        let has_some = packages > 0 && projects::way_up(self.txn, project)?.is_some();
        let from = known.turn.map_or(PackageId(0), |turn| turn.from);
        let until = self.now.after(lease);
        policy.turn = has_some.then_some(PolicyTurn { at: until, from });
        self.save_policy(project, Some(known), &policy)?;
        Ok(has_some.then(|| Claim { project, kept: policy.kept(), from, until }))
    }

    /// The policy of a turn that is still whose who took it.
    fn claimed(&self, claim: &Claim) -> Result<Option<PackagePolicy>, Error> {
        let policy = PACKAGE_POLICIES.get(self.txn, &claim.project)?;
        Ok(policy.filter(|policy| {
            policy.turn.is_some_and(|turn| turn.at == claim.until) && policy.kept() == claim.kept
        }))
    }

    fn end_policy(
        &self,
        claim: Claim,
        run: RunId,
        record: &PolicyRun,
        end: TurnEnd,
    ) -> Result<(), Error> {
        let project = claim.project;
        if let Some(known) = self.claimed(&claim)? {
            let mut policy = known.clone();
            policy.turn = match end {
                TurnEnd::Done => None,
                TurnEnd::GoesOn(from) => Some(PolicyTurn { at: self.now.after(GO_ON), from }),
                TurnEnd::Failed(from) => {
                    let wait = backoff(self.policy_failures(project)?.saturating_add(1));
                    Some(PolicyTurn { at: self.now.after(wait), from })
                }
            };
            self.save_policy(project, Some(&known), &policy)?;
        }
        // Without a policy the project is being destroyed.
        if !PACKAGE_POLICIES.has(self.txn, &project)? {
            return Ok(());
        }
        PACKAGE_POLICY_RUNS.put(self.txn, &(project, run), record)?;
        self.prune_policy_runs(project)
    }

    /// How many runs failed one after the other until now, as far as that matters.
    fn policy_failures(&self, project: ProjectId) -> Result<u32, Error> {
        let newest_first = Span::under(&project).descending();
        let rows = PACKAGE_POLICY_RUNS.page(self.txn, newest_first, FAILURES_MAX)?;
        let failed = rows.iter().take_while(|(_, run)| run.error.is_some()).count();
        Ok(u32::try_from(failed).unwrap_or(u32::MAX))
    }

    fn prune_policy_runs(&self, project: ProjectId) -> Result<(), Error> {
        let newest_first = Span::under(&project).descending();
        let most = POLICY_RUNS_KEPT + PRUNED_MAX;
        let rows = PACKAGE_POLICY_RUNS.page(self.txn, newest_first, most)?;
        for (key, _) in rows.into_iter().skip(POLICY_RUNS_KEPT) {
            PACKAGE_POLICY_RUNS.remove(self.txn, &key)?;
        }
        Ok(())
    }

    /// Drops the policy of a project that is destroyed, and what it did, until the budget is used
    /// up; `true` when nothing is left.
    pub(super) fn forget_package_policy(
        &self,
        project: ProjectId,
        budget: &Budget,
    ) -> Result<bool, Error> {
        if let Some(policy) = PACKAGE_POLICIES.get(self.txn, &project)? {
            if !budget.take() {
                return Ok(false);
            }
            PACKAGE_POLICIES_DUE.remove(self.txn, &(policy.due(), project))?;
            PACKAGE_POLICIES.remove(self.txn, &project)?;
        }
        while let Some((key, _)) = PACKAGE_POLICY_RUNS.first(self.txn, Span::under(&project))? {
            if !budget.take() {
                return Ok(false);
            }
            PACKAGE_POLICY_RUNS.remove(self.txn, &key)?;
        }
        Ok(true)
    }
}
