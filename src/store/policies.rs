//! Policies: what they would remove, what that would cost, and doing it (I6).

use std::ops::ControlFlow;
use std::time::Duration;

use super::loss::Loss;
use super::publications::Releases;
use super::view::View;
use super::{Budget, Error, Store, publications, repos, tree};
use crate::db::schema::{BLOBS, BRANCHES, FORMATS, JOBS, TAGS};
use crate::db::{Rows, SliceTimes, Span};
use crate::model::policy::{BranchPlan, plan};
use crate::model::{
    BranchName, BranchPath, CleanupPolicy, Place, RepoId, Tag, TagId, TagName, TagPath, Usage,
};

/// What would become free if a set of tags went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cost {
    /// References that would go, and their logical bytes.
    pub named: Usage,
    /// Files whose last reference would go.
    pub files: Usage,
    /// Rows whose last reference would go.
    pub inline: Usage,
}

/// What became of a plan, or of the part of it that one slice did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// This many tags are detached; go on with the rest and with this generation.
    Some {
        /// Tags of the plan that are gone now.
        tags: usize,
        /// The branch's generation after that.
        generation: u64,
    },
    /// The branch has changed since it was planned: plan it again.
    Stale,
}

/// The key of a branch: where a page of plans ends.
pub type BranchKey = (RepoId, BranchName);

impl View {
    /// Plans for the branches behind `after`, of all repositories, at most `limit` branches looked
    /// at. The key is that of the last branch looked at, for the next page.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn plans(
        &self,
        after: Option<&BranchKey>,
        limit: usize,
    ) -> Result<(Vec<BranchPlan>, Option<BranchKey>), Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(after));
        let page = BRANCHES.page(&self.snapshot, span, limit)?;
        let last = page.last().map(|(key, _)| key.clone());
        let mut plans = Vec::new();
        for ((repo, name), branch) in page {
            // A repository without an owner is for `check` to mend, not for a policy to judge.
            if branch.policy != CleanupPolicy::default()
                && let Some(repo) = repos::of(&self.snapshot, repo)?
            {
                plans.push(plan_branch(&self.snapshot, repo.branch(name), &branch)?);
            }
        }
        plans.retain(|plan| !plan.doomed.is_empty());
        Ok((plans, last))
    }

    /// The plan of one branch as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Db`].
    pub fn plan(&self, path: &BranchPath) -> Result<BranchPlan, Error> {
        let branch = tree::branch(&self.snapshot, path)?;
        plan_branch(&self.snapshot, path.clone(), &branch)
    }

    /// Whether the policy still names a tag that it has sent away.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Db`].
    pub fn is_doomed(&self, path: &TagPath) -> Result<bool, Error> {
        let (branch, tag) = tree::tag(&self.snapshot, path)?;
        let tags = candidates(&self.snapshot, &branch, Some(tag.id))?;
        Ok(plan(branch.policy, &tags).iter().any(|doomed| doomed.tag == path.tag))
    }

    /// Exactly what would become free by the plans alone (what is detached already comes free
    /// anyway), over the union of all blobs below the doomed tags of `plans`. Walks over every
    /// file below them; calls `progress` with the number so far, which may end the walk with an
    /// error of its own.
    ///
    /// # Errors
    /// [`Error::Db`], and those of `progress`.
    pub fn cost<E: From<Error>>(
        &self,
        plans: &[BranchPlan],
        mut progress: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Cost, E> {
        let mut loss = Loss::default();
        let mut cost = Cost::default();
        for plan in plans {
            for doomed in &plan.doomed {
                let path = plan.branch.clone().tag(doomed.tag.clone());
                let (_, tag) = tree::tag(&self.snapshot, &path)?;
                let usage = let_go(&self.snapshot, tag.id, &mut loss)?;
                cost.named = cost.named.plus(usage);
                progress(cost.named.files)?;
            }
        }
        for (id, count) in loss.blobs(&self.snapshot)? {
            let blob = super::tx::promised(&BLOBS, &self.snapshot, &id)?;
            if blob.refs.count() == count {
                let freed = match blob.place {
                    Place::Inline => &mut cost.inline,
                    Place::File(_) => &mut cost.files,
                };
                *freed = freed.plus(Usage::of(blob.size));
            }
        }
        Ok(cost)
    }
}

fn plan_branch(
    rows: &impl Rows,
    path: BranchPath,
    branch: &crate::model::Branch,
) -> Result<BranchPlan, Error> {
    let doomed = plan(branch.policy, &candidates(rows, branch, None)?);
    Ok(BranchPlan { branch: path, id: branch.id, generation: branch.generation, doomed })
}

/// The tags of a branch as its policy counts them.
fn candidates(
    rows: &impl Rows,
    branch: &crate::model::Branch,
    asked: Option<TagId>,
) -> Result<Vec<(TagName, Tag)>, Error> {
    let tags = TAGS.all(rows, Span::under(&branch.id))?.into_iter();
    let mut tags: Vec<_> = tags.map(|((_, name), tag)| (name, tag)).collect();
    publications::counted(rows, branch.id, &mut tags, asked)?;
    Ok(tags)
}

/// Adds every file below a tag to what would go; tells their usage.
fn let_go(rows: &impl Rows, tag: TagId, loss: &mut Loss) -> Result<Usage, Error> {
    let mut usage = Usage::default();
    JOBS.each(rows, Span::under(&tag), |_, job| {
        FORMATS.each(rows, Span::under(&job.id), |_, format| {
            usage = usage.plus(loss.format(rows, format.id)?);
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(usage)
}

impl Store {
    /// One slice of applying a plan: detaches doomed tags from the first one on, as long as the
    /// branch is what was planned. Every lock, release, creation and deletion raises its
    /// generation, so an equal one means that each tag is still doomed. One that has copies on
    /// other servers is only noted: it goes when those are gone.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn apply_slice(
        &self,
        plan: BranchPlan,
        releases: Releases,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Applied, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut generation = plan.generation;
            let mut tags = 0;
            for doomed in &plan.doomed {
                if !budget.take() {
                    break;
                }
                let path = plan.branch.clone().tag(doomed.tag.clone());
                let Some((branch, tag)) = tree::optional(tree::tag(tx.txn, &path))? else {
                    return Ok(Applied::Stale);
                };
                if branch.id != plan.id || branch.generation != generation {
                    return Ok(Applied::Stale);
                }
                let rule = doomed.rule.to_string();
                generation = tx.send_away(&path, branch, &tag, rule, releases)?;
                tags += 1;
            }
            Ok(Applied::Some { tags, generation })
        })
    }
}
