//! Doing what was planned (I6): a batch of files is marked if the policy and its turn are what
//! they were, and the package has not changed since it was planned. Every publish, mark and
//! change raises a package's revision, so an equal one means that each file is still doomed.

use std::sync::Arc;
use std::time::Duration;

use super::Claim;
use crate::db::SliceTimes;
use crate::db::schema::PACKAGES;
use crate::model::package_plan::PackagePlan;
use crate::store::detached::Cause;
use crate::store::packages::is_live;
use crate::store::tx::promised;
use crate::store::{Budget, Error, Store, Tx};

/// Most files that are marked in one transaction (spec gitlab §8.6).
const BATCH: usize = 200;
/// Files that are marked between two looks at the budget.
const STEP: usize = 20;

/// What became of a plan, or of the part of it that one slice did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// This many files are marked; go on with the rest and with this revision.
    Some {
        /// Files of the plan that are marked now.
        files: usize,
        /// The package's revision after that.
        revision: u64,
    },
    /// The package has changed since it was planned: plan it again.
    Stale,
    /// The policy has changed, somebody else has its turn, or the project is gone: it is not ours
    /// any more.
    Lost,
}

impl Store {
    /// One slice of applying a plan, from its file number `from` on, if the package is what was
    /// planned or has the `revision` that the slice before told.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn apply_package_plan(
        &self,
        claim: Claim,
        plan: Arc<PackagePlan>,
        (from, revision): (usize, u64),
        work: Duration,
        rows_max: u32,
    ) -> Result<(Applied, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            tx.apply_package_plan(&claim, &plan, (from, revision), &budget)
        })
    }
}

impl Tx<'_, '_> {
    fn apply_package_plan(
        &self,
        claim: &Claim,
        plan: &PackagePlan,
        (from, revision): (usize, u64),
        budget: &Budget,
    ) -> Result<Applied, Error> {
        if self.claimed(claim)?.is_none() || !is_live(self.txn, claim.project)? {
            return Ok(Applied::Lost);
        }
        let package = PACKAGES.get(self.txn, &plan.package)?;
        let is_same = package.is_some_and(|package| {
            package.revision == revision
                && package.project == claim.project
                && package.status.is_installable()
        });
        if !is_same {
            return Ok(Applied::Stale);
        }
        let cause = Cause::policy(claim.kept.to_string());
        let batch = plan.doomed.iter().skip(from).take(BATCH);
        let mut files: Vec<_> = batch.map(|file| (file.id, None)).collect();
        let mut marked = 0;
        while !files.is_empty() {
            let step = files.drain(..files.len().min(STEP));
            let step: Vec<_> = step.take_while(|_| budget.take()).collect();
            if step.is_empty() {
                break;
            }
            // What it passes over is protected, or its project gone.
            if self.mark_files(&step, &cause)?.marked < step.len() {
                return if marked == 0 { Ok(Applied::Stale) } else { self.applied(plan, marked) };
            }
            marked += step.len();
        }
        self.applied(plan, marked)
    }

    fn applied(&self, plan: &PackagePlan, files: usize) -> Result<Applied, Error> {
        let revision = promised(&PACKAGES, self.txn, &plan.package)?.revision;
        Ok(Applied::Some { files, revision })
    }
}
