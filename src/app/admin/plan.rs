//! `sweep --dry-run`: the plans of all branches and what they would give back (I6), all from one
//! snapshot. It is the code that a run uses: this only adds it up and shows it.

use std::fmt;

use serde::Serialize;

use super::text::{bytes, count, table, time};
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::model::policy::{BranchPlan, Doomed, Rule};
use crate::model::{Repo, Usage};
use crate::store::View;
use crate::store::policies::Cost;

/// Branches that are planned between two looks at `stop`.
const BRANCHES_PAGE: usize = 100;
/// For [`Error::Stopped`].
const WHAT: &str = "the dry run";

/// What the policies would remove.
#[derive(Serialize)]
pub(super) struct Plan {
    /// Branches of which something would go, by name.
    pub(super) branches: Vec<Branch>,
    /// How many tags would go.
    pub(super) tags: u64,
    /// What that gives back.
    pub(super) cost: Cost,
    /// How long blobs stay after their last reference went, in seconds.
    pub(super) lease_seconds: u64,
    /// How long manifests without a tag and blobs without a manifest stay, one after the other.
    pub(super) link_seconds: u64,
}

/// What the policy of one branch would remove.
#[derive(Serialize)]
pub(super) struct Branch {
    /// Whose branch it is; nobody's own in the shared tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    pub(super) name: String,
    pub(super) tags: Vec<Tag>,
}

/// A tag that would go.
#[derive(Serialize)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) rule: Rule,
    pub(super) reason: String,
    /// Files and logical bytes below it.
    #[serde(flatten)]
    pub(super) usage: Usage,
}

impl From<BranchPlan> for Branch {
    fn from(plan: BranchPlan) -> Self {
        let tags = plan.doomed.into_iter().map(Tag::from).collect();
        let user = match plan.branch.repo {
            Repo::Shared => None,
            Repo::User(user) => Some(user.to_string()),
        };
        Self { user, name: plan.branch.branch.to_string(), tags }
    }
}

impl From<Doomed> for Tag {
    fn from(doomed: Doomed) -> Self {
        let Doomed { tag, usage, rule } = doomed;
        Self { name: tag.to_string(), rule, reason: rule.to_string(), usage }
    }
}

impl Desk<'_> {
    pub(super) fn dry_run(&mut self) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let plans = self.plans(&view)?;
        let of = plans.iter().flat_map(|plan| &plan.doomed).map(|doomed| doomed.usage.files).sum();
        let cost = view.cost(&plans, |done| {
            self.tell("files", done, Some(of));
            self.check_stop(WHAT)
        })?;
        let branches: Vec<_> = plans.into_iter().map(Branch::from).collect();
        let tags: usize = branches.iter().map(|branch| branch.tags.len()).sum();
        let plan = Plan {
            branches,
            tags: u64::try_from(tags).unwrap_or(u64::MAX),
            cost,
            lease_seconds: self.house.store().rules().lease.as_secs(),
            link_seconds: self.house.store().rules().upload_link.as_secs(),
        };
        Answer::new(Verdict::Fine, &plan)
    }

    fn plans(&mut self, view: &View) -> Result<Vec<BranchPlan>, Error> {
        let mut plans = Vec::new();
        let mut after = None;
        let mut pages = 0;
        loop {
            let (mut page, last) = view.plans(after.as_ref(), BRANCHES_PAGE)?;
            plans.append(&mut page);
            let Some(last) = last else { return Ok(plans) };
            after = Some(last);
            pages += 1;
            self.tell("branches (in hundreds)", pages, None);
            self.check_stop(WHAT)?;
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Branch { user, name, tags } in &self.branches {
            match user {
                None => writeln!(f, "Of branch {name}:")?,
                Some(user) => writeln!(f, "Of branch {name} of user {user}:")?,
            }
            let rows = tags.iter().map(|Tag { name, reason, usage, .. }| {
                [name.clone(), count(usage.files, "file"), bytes(usage.bytes), reason.clone()]
            });
            write!(f, "{}", table(rows.collect()))?;
        }
        if self.tags == 0 {
            return write!(f, "The policies would remove nothing.");
        }
        let Cost { named, files, inline } = self.cost;
        writeln!(
            f,
            "The policies would remove {} with {} of {}.",
            count(self.tags, "tag"),
            count(named.files, "file"),
            bytes(named.bytes)
        )?;
        write!(
            f,
            "That gives back {} in {} and {} in {} of the database",
            bytes(files.bytes),
            count(files.files, "file"),
            bytes(inline.bytes),
            count(inline.files, "row"),
        )?;
        match self.lease_seconds {
            0 => write!(f, ".")?,
            seconds => write!(f, ", {} later (the lease).", time(seconds))?,
        }
        match self.link_seconds {
            0 => Ok(()),
            seconds => write!(
                f,
                "\nOf images, manifests stay {0} before that, and then their layers {0} \
                 (registry.upload_link).",
                time(seconds)
            ),
        }
    }
}
