//! `larder policy`: what projects keep of what was published again and again.

use clap::{Args as Group, Subcommand};

use super::Common;
use crate::app::admin::policies::Change;
use crate::app::admin::proxy::Own;
use crate::model::package_policy::{KEEP_SNAPSHOTS_MAX, builds};
use crate::model::{GroupPath, KeepFiles};

/// `larder policy`
#[derive(Debug, Group)]
#[command(after_help = POLICY)]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

const POLICY: &str = "\
Policies run every 12 hours; what they remove is destroyed, and its space given back, by the
sweeper. `larder sweep --dry-run` is about the branches of the artifact tree.

Examples:
  larder policy plan --project acme/app --keep 1 --data /srv/larder
  larder policy set --project acme/app --keep 10 --keep-snapshots 5
  larder policy run --project acme/app
  larder policy history --project acme/app --json";

/// What to do about policies of packages.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show what a project keeps, and when its policy runs next.
    Show(OfProject),
    /// Change what a project keeps. Its policy runs 12 hours later.
    Set(Changing),
    /// Show which files would go, why, and the bytes that become free; change nothing.
    Plan(Changing),
    /// Let the policy run now.
    Run(OfProject),
    /// Show what the policy did, the newest run first.
    History(OfProject),
    /// Show or set how many policies may be in work at once; 0: none runs.
    Capacity(Capacity),
}

/// A command about one project.
#[derive(Debug, Group)]
pub struct OfProject {
    /// The full path of the project.
    #[arg(long, value_name = "PATH", value_parser = project)]
    pub project: GroupPath,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder policy set` and `plan`
#[derive(Debug, Group)]
pub struct Changing {
    /// The full path of the project.
    #[arg(long, value_name = "PATH", value_parser = project)]
    pub project: GroupPath,
    /// How many files of one name a package keeps, the newest ones: 1, 10, 20, 30, 40, 50, or all.
    #[arg(long, value_name = "NUMBER", value_parser = keep)]
    pub keep: Option<KeepFiles>,
    /// How many builds of a Maven snapshot a package keeps, of each classifier and extension: 1 to
    /// 1000, or all.
    #[arg(long, value_name = "NUMBER", value_parser = snapshots)]
    pub keep_snapshots: Option<Own<u32>>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

impl Changing {
    /// What is to be changed.
    #[must_use]
    pub fn change(&self) -> Change {
        Change { keep: self.keep, keep_snapshots: self.keep_snapshots }
    }
}

/// `larder policy capacity`
#[derive(Debug, Group)]
pub struct Capacity {
    /// Policies at once. It holds from the next one on.
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=32_767))]
    pub capacity: Option<u32>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

fn project(text: &str) -> Result<GroupPath, String> {
    GroupPath::parse(text).map_err(|error| error.to_string())
}

fn keep(text: &str) -> Result<KeepFiles, String> {
    KeepFiles::parse(text).ok_or_else(|| "it is 1, 10, 20, 30, 40, 50 or all".to_owned())
}

fn snapshots(text: &str) -> Result<Own<u32>, String> {
    if text == "all" {
        return Ok(Own::Default);
    }
    let number = text.parse().ok().and_then(builds);
    number.map(Own::Value).ok_or_else(|| format!("it is 1 to {KEEP_SNAPSHOTS_MAX}, or all"))
}
