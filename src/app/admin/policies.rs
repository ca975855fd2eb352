//! `policy`: what projects keep of what was published again and again, what that removes, and
//! having it done.
//!
//! Deliberately absent: marking and destroying, which are the sweeper's, and branches' policies.

mod shown;

use serde::{Deserialize, Serialize};

use super::proxy::Own;
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::model::package_policy::Kept;
use crate::model::{GroupPath, KeepFiles, PackagePolicy, ProjectId, Scope, Trigger};
use crate::packages::cleanup::preview;
use crate::store::package_policies::{POLICY_RUNS_KEPT, PackagePolicyChange};
use crate::store::proxy_groups::Wish;
use crate::store::{self, View};

use shown::{History, Plan, Policy};

/// Files that a plan lists.
const LISTED_MAX: usize = 10_000;
/// For [`Error::Stopped`].
const WHAT: &str = "the plan";

/// What to do about policies of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policies {
    /// Show what a project keeps.
    Show {
        /// The full path of the project.
        project: String,
    },
    /// Change what a project keeps.
    Set {
        /// The full path of the project.
        project: String,
        /// What of it.
        change: Change,
    },
    /// Show what a policy would remove, and why.
    Plan {
        /// The full path of the project.
        project: String,
        /// As if this were changed first.
        change: Change,
    },
    /// Let a policy run now.
    Run {
        /// The full path of the project.
        project: String,
    },
    /// Show what a policy did.
    History {
        /// The full path of the project.
        project: String,
    },
    /// Show or set how many policies may be in work at once.
    Capacity {
        /// How many; `None`: as before.
        capacity: Option<u32>,
    },
}

/// What to change of a policy; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// How many files of one name a package keeps.
    pub keep: Option<KeepFiles>,
    /// How many builds of a snapshot.
    pub keep_snapshots: Option<Own<u32>>,
}

impl Policies {
    /// Whether nothing is changed.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::Show { .. } | Self::Plan { .. } | Self::History { .. })
    }
}

impl Change {
    fn wish(self) -> PackagePolicyChange {
        let keep_snapshots = match self.keep_snapshots {
            None => Wish::Keep,
            Some(Own::Default) => Wish::Unset,
            Some(Own::Value(builds)) => Wish::Set(builds),
        };
        PackagePolicyChange { keep: self.keep, keep_snapshots }
    }

    fn apply(self, kept: Kept) -> Kept {
        let snapshots = self.keep_snapshots.map_or(kept.snapshots, Own::value);
        Kept { files: self.keep.unwrap_or(kept.files), snapshots }
    }
}

impl Desk<'_> {
    pub(super) fn policies(&mut self, command: Policies) -> Result<Answer, Error> {
        match command {
            Policies::Show { project } => self.show_policy(&project),
            Policies::Set { project, change } => self.set_policy(&project, change),
            Policies::Plan { project, change } => self.plan_policy(&project, change),
            Policies::Run { project } => self.run_policy(&project),
            Policies::History { project } => self.policy_history(&project),
            Policies::Capacity { capacity } => self.policy_capacity(capacity),
        }
    }

    fn show_policy(&self, path: &str) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let (project, policy) = policy_at(&view, path)?;
        self.shown(&view, (project, path), policy)
    }

    fn set_policy(&self, path: &str, change: Change) -> Result<Answer, Error> {
        let store = self.house.store();
        let (project, _) = policy_at(&store.view()?, path)?;
        let policy = store.set_package_policy(project, change.wish()).wait()?;
        self.shown(&store.view()?, (project, path), Some(policy))
    }

    fn shown(
        &self,
        view: &View,
        (project, path): (ProjectId, &str),
        policy: Option<PackagePolicy>,
    ) -> Result<Answer, Error> {
        let (now, capacity) = (self.house.store().clock().now(), view.package_capacity()?);
        let last = view.package_policy_runs(project, 1)?.pop().map(|(_, run)| run);
        let shown = Policy { project: path.to_owned(), record: policy, last, now, capacity };
        Answer::new(Verdict::Fine, &shown)
    }

    fn plan_policy(&mut self, path: &str, change: Change) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let (project, policy) = policy_at(&view, path)?;
        let kept = change.apply(policy.map(|policy| policy.kept()).unwrap_or_default());
        let preview = preview(&view, (project, kept), LISTED_MAX, |files| {
            self.tell("files", files, None);
            self.check_stop(WHAT)
        })?;
        let lease_seconds = self.house.store().rules().lease.as_secs();
        let verdict = Verdict::fine_if(preview.errors.is_empty());
        let keeps = kept.to_string();
        Answer::new(verdict, &Plan { project: path.to_owned(), keeps, preview, lease_seconds })
    }

    fn run_policy(&mut self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let (project, _) = policy_at(&store.view()?, path)?;
        if !store.run_package_policy(project).wait()? {
            let text = format!(
                "{path} keeps everything: there is nothing to run. `larder policy set` changes \
                 that."
            );
            let value = serde_json::json!({ "project": path, "asked": false });
            return Ok(Answer { verdict: Verdict::Wanting, text, value });
        }
        let when = match (store.view()?.package_capacity()?, &self.sweeping) {
            (0, _) => "It waits, since `larder policy capacity` is 0.",
            (_, Sweeping::Server(handle)) => {
                handle.ask(Scope::Reclaim, Trigger::Request);
                "It runs now; `larder policy history` tells what it did."
            }
            (_, Sweeping::Alone(_)) => "It runs with the next `larder sweep` or `larder serve`.",
        };
        let text = format!("It is the turn of the policy of {path}. {when}");
        let value = serde_json::json!({ "project": path, "asked": true });
        Ok(Answer { verdict: Verdict::Fine, text, value })
    }

    fn policy_history(&self, path: &str) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let (project, _) = policy_at(&view, path)?;
        let runs = view.package_policy_runs(project, POLICY_RUNS_KEPT)?;
        let runs = runs.into_iter().map(|(id, run)| shown::Run { id, run }).collect();
        let now = self.house.store().clock().now();
        Answer::new(Verdict::Fine, &History { project: path.to_owned(), runs, now })
    }

    fn policy_capacity(&self, capacity: Option<u32>) -> Result<Answer, Error> {
        let store = self.house.store();
        if let Some(capacity) = capacity {
            store.set_package_capacity(capacity.into()).wait()?;
            if let Sweeping::Server(handle) = self.sweeping {
                handle.ask(Scope::Reclaim, Trigger::Request);
            }
        }
        let capacity = store.view()?.package_capacity()?;
        let text = match capacity {
            0 => "No policy of packages runs.".to_owned(),
            _ => format!("{} may be in work at once.", super::text::count(capacity, "policy")),
        };
        Ok(Answer {
            verdict: Verdict::Fine,
            text,
            value: serde_json::json!({ "capacity": capacity }),
        })
    }
}

fn policy_at(view: &View, path: &str) -> Result<(ProjectId, Option<PackagePolicy>), Error> {
    let unknown = || Error::from(store::Error::ProjectUnknown(path.to_owned()));
    let parsed = GroupPath::parse(path).map_err(|_| unknown())?;
    let (project, _) = view.project_at(&parsed)?.ok_or_else(unknown)?;
    Ok((project, view.package_policy(project)?))
}
