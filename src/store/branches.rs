//! Branches: their policy and their deletion (spec dlrepo §5).

use super::detached::Cause;
use super::tree::{self, Delta};
use super::{Error, Store, publications, repos};
use crate::db::Pending;
use crate::db::schema::BRANCHES;
use crate::model::{Branch, BranchPath, Node, Usage};

/// A change of a policy; `None` leaves a limit as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// New number of unreleased tags to keep; 0 keeps all.
    pub max_daily_tags: Option<u64>,
    /// New number of released tags to keep; 0 keeps all.
    pub max_released_tags: Option<u64>,
}

impl Store {
    /// Changes the cleanup policy of a branch. The answer may be [`Error::NotFound`].
    pub fn set_policy(&self, path: BranchPath, change: PolicyChange) -> Pending<(), Error> {
        self.change(move |tx| {
            let mut branch = tree::branch(tx.txn, &path)?;
            let policy = &mut branch.policy;
            policy.max_daily_tags = change.max_daily_tags.unwrap_or(policy.max_daily_tags);
            policy.max_released_tags = change.max_released_tags.unwrap_or(policy.max_released_tags);
            branch.generation += 1;
            tx.save_branch(&path, &branch)
        })
    }

    /// Detaches a branch with all that lies below it. The answer may be [`Error::NotFound`] or
    /// [`Error::BranchProtected`].
    pub fn delete_branch(&self, path: BranchPath, cause: Cause) -> Pending<Branch, Error> {
        self.change(move |tx| {
            let branch = tree::branch(tx.txn, &path)?;
            let counts = branch.tags;
            let has_copies = publications::protects_any(tx.txn, branch.id)?;
            if counts.locked > 0 || counts.released > 0 || has_copies {
                return Err(Error::BranchProtected(path.to_string()));
            }
            BRANCHES.remove(tx.txn, &repos::branch_key(tx.txn, &path)?)?;
            let usage = branch.usage;
            tx.detach(Node::Branch(branch.id), path.to_string(), &cause, usage)?;
            let delta = Delta { minus: usage, plus: Usage::default() };
            tx.charge(&path.repo, delta)?;
            tx.count(|totals| delta.apply(&mut totals.named))?;
            Ok(branch)
        })
    }
}
