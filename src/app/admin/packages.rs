//! `package`: packages of a project or of a group's projects, listed, shown and deleted by what
//! they have in common.
//!
//! What a dry run adds up is what a run selects: both walk the same list (I6). A run marks a
//! bounded number at a time, each chosen from a fresh snapshot, and the sweeper destroys (I7).
//! Packages that a rule protects stay unless it is said that they are meant too.

mod select;
mod show;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::{bytes, count, table};
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::model::{PackageId, PackageKind, PackageStatus, Role, RuleRole, Scope, Trigger, Usage};
use crate::store::detached::Cause;
use crate::store::package_lists::{Listed, PackageCost};
use select::Chosen;

pub use select::Refused;

/// Packages that are marked in one transaction.
const BATCH: usize = 500;
/// Packages that a list tells of one by one.
const SHOWN_MAX: usize = 10_000;

/// What to do about packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packages {
    /// Show them.
    List(Selection),
    /// Show one of them with its files.
    Show {
        /// Its number.
        id: u64,
    },
    /// Add up what deleting them would give back.
    Plan(Selection),
    /// Delete them.
    Delete(Selection),
}

impl Packages {
    /// Whether nothing is changed.
    pub(super) fn only_reads(&self) -> bool {
        !matches!(self, Self::Delete(_))
    }
}

/// Which packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// The full path of a project, or of a group: then those of all projects in it.
    pub place: String,
    /// Of this kind.
    pub kind: Option<PackageKind>,
    /// With a name of this pattern; `*` stands for any characters.
    pub name: Option<String>,
    /// With a version of this pattern.
    pub version: Option<String>,
    /// In this state; `None`: in one that lists show.
    pub status: Option<PackageStatus>,
    /// First published longer ago than this.
    pub older_than: Option<Duration>,
    /// Not downloaded for longer than this, nor published.
    pub unused_for: Option<Duration>,
    /// What to do about those that rules protect from deletion.
    pub protected: Protected,
}

/// What to do about packages that rules protect from deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protected {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Delete,
}

impl Desk<'_> {
    pub(super) fn packages(&mut self, command: Packages) -> Result<Answer, Error> {
        match command {
            Packages::List(selection) => self.list_packages(&selection),
            Packages::Show { id } => self.show_package(PackageId(id)),
            Packages::Plan(selection) => self.plan_packages(&selection),
            Packages::Delete(selection) => self.delete_packages(&selection),
        }
    }

    fn list_packages(&mut self, selection: &Selection) -> Result<Answer, Error> {
        let mut list = Shown::default();
        self.choose(selection, Wanted::All, |_, listed| {
            list.all = list.all.plus(listed.package.usage);
            list.number += 1;
            if list.packages.len() < SHOWN_MAX {
                list.packages.push(Line::from(listed));
            }
            Ok(())
        })?;
        Answer::new(Verdict::Fine, &list)
    }

    fn plan_packages(&mut self, selection: &Selection) -> Result<Answer, Error> {
        let mut plan = Plan::default();
        let mut cost = PackageCost::default();
        let view = self.house.store().view()?;
        plan.protected = self.choose_in(&view, selection, Wanted::Deletable, |view, listed| {
            cost.add(view, listed.id)?;
            plan.named = plan.named.plus(listed.package.usage);
            plan.number += 1;
            if plan.packages.len() < SHOWN_MAX {
                plan.packages.push(Line::from(listed));
            }
            Ok(())
        })?;
        plan.freed = cost.freed(&view)?;
        plan.lease_seconds = self.house.store().rules().lease.as_secs();
        Answer::new(Verdict::Fine, &plan)
    }

    fn delete_packages(&mut self, selection: &Selection) -> Result<Answer, Error> {
        // With the lowest role every rule that protects from deletion keeps what it speaks of.
        let role = match selection.protected {
            Protected::Keep => RuleRole::Role(Role::Guest),
            Protected::Delete => RuleRole::Admin,
        };
        let mut done = Done::default();
        let mut after = None;
        loop {
            let view = self.house.store().view()?;
            let Chosen { packages, protected, next } =
                self.choose_some(&view, selection, after, BATCH)?;
            drop(view);
            done.protected += protected;
            if !packages.is_empty() {
                let ids = packages.iter().map(|listed| (listed.id, Some(role))).collect();
                for listed in &packages {
                    done.named = done.named.plus(listed.package.usage);
                }
                let cause = Cause::request("");
                let marked = self.house.store().mark_packages(ids, cause).wait()?;
                done.number += number(marked.marked);
                done.protected += number(marked.protected.len());
                self.tell("packages", done.number, None);
            }
            after = next;
            if after.is_none() {
                break;
            }
            self.check_stop("the deletion; what was deleted so far is")?;
        }
        if let Sweeping::Server(handle) = self.sweeping {
            handle.ask(Scope::Reclaim, Trigger::Request);
        } else {
            done.is_alone = true;
        }
        Answer::new(Verdict::Fine, &done)
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Which of those that are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// All of them.
    All,
    /// Those that may go.
    Deletable,
}

/// A package in a list.
#[derive(Serialize)]
struct Line {
    id: u64,
    project: u64,
    kind: PackageKind,
    name: String,
    version: Option<String>,
    status: PackageStatus,
    files: u64,
    bytes: u64,
}

impl From<&Listed> for Line {
    fn from(listed: &Listed) -> Self {
        let package = &listed.package;
        Self {
            id: listed.id.0,
            project: package.project.0,
            kind: package.kind,
            name: package.title.clone(),
            version: package.version.clone(),
            status: package.status,
            files: package.usage.files,
            bytes: package.usage.bytes,
        }
    }
}

/// What was found.
#[derive(Default, Serialize)]
struct Shown {
    number: u64,
    #[serde(flatten)]
    all: Usage,
    packages: Vec<Line>,
}

/// What would go.
#[derive(Default, Serialize)]
struct Plan {
    number: u64,
    /// Of the files that go.
    named: Usage,
    /// Of the blobs that nothing else holds.
    freed: Usage,
    protected: u64,
    lease_seconds: u64,
    packages: Vec<Line>,
}

/// What went.
#[derive(Default, Serialize)]
struct Done {
    number: u64,
    named: Usage,
    protected: u64,
    #[serde(skip)]
    is_alone: bool,
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[Line], number: u64) -> fmt::Result {
    let rows = lines.iter().map(|line| {
        let version = line.version.clone().unwrap_or_else(|| "-".to_owned());
        let size = format!("{} of {}", count(line.files, "file"), bytes(line.bytes));
        let status = line.status.as_str().to_owned();
        [line.id.to_string(), line.kind.to_string(), line.name.clone(), version, status, size]
    });
    write!(f, "{}", table(rows.collect()))?;
    let told = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    if told < number {
        writeln!(f, "  and {} more", count(number - told, "package"))?;
    }
    Ok(())
}

fn kept(f: &mut fmt::Formatter<'_>, protected: u64) -> fmt::Result {
    match protected {
        0 => Ok(()),
        number => write!(
            f,
            " {} protected by a rule: --protected deletes what is.",
            if number == 1 { "1 stays,".to_owned() } else { format!("{number} stay,") }
        ),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.packages, self.number)?;
        let (files, size) = (count(self.all.files, "file"), bytes(self.all.bytes));
        write!(f, "{} with {files} of {size}.", count(self.number, "package"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.packages, self.number)?;
        let (files, size) = (count(self.named.files, "file"), bytes(self.named.bytes));
        write!(f, "{} would go, with {files} of {size}.", count(self.number, "package"))?;
        let (blobs, freed) = (count(self.freed.files, "blob"), bytes(self.freed.bytes));
        let lease = self.lease_seconds;
        write!(f, " {freed} in {blobs} that nothing else holds would come back {lease} s later.")?;
        kept(f, self.protected)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, size) = (count(self.named.files, "file"), bytes(self.named.bytes));
        write!(f, "{} deleted, with {files} of {size}.", count(self.number, "package"))?;
        if self.is_alone {
            write!(f, " The space comes back when the server runs again.")?;
        }
        kept(f, self.protected)
    }
}
