//! What the commands about policies of packages show.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::super::text::{bytes, count, moment, table};
use crate::model::{PackagePolicy, PolicyRun, RunId, Timestamp};
use crate::packages::cleanup::Preview;
use crate::store::package_policies::PackageCost;

/// A project's policy. Without one it keeps everything.
pub(super) struct Policy {
    pub(super) project: String,
    pub(super) record: Option<PackagePolicy>,
    pub(super) now: Timestamp,
    pub(super) capacity: u64,
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let policy = self.record.as_ref();
        let kept = policy.map(PackagePolicy::kept).unwrap_or_default();
        serde_json::json!({
            "project": self.project,
            "keep_n_duplicated_package_files": kept.files.text(),
            "keep_snapshots": kept.snapshots,
            "next_run": policy.map(|policy| policy.next_run),
            "is_active": policy.is_some_and(PackagePolicy::is_active),
            "capacity": self.capacity,
        })
        .serialize(to)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, now, .. } = self;
        let Some(policy) = self.record.as_ref().filter(|policy| policy.is_active()) else {
            return write!(f, "{project} keeps everything that is published to it.");
        };
        writeln!(f, "{project}: {}", policy.kept())?;
        write!(f, "Next run: {}", moment(policy.next_run, *now))?;
        if let Some(turn) = policy.turn {
            write!(f, "\nA run is in work, or goes on {}", moment(turn.at, *now))?;
        }
        match self.capacity {
            0 => write!(f, "\nIt waits, since `larder policy capacity` is 0."),
            _ => Ok(()),
        }
    }
}

/// What a policy would remove.
#[derive(Serialize)]
pub(super) struct Plan {
    pub(super) project: String,
    /// What is kept.
    pub(super) keeps: String,
    #[serde(flatten)]
    pub(super) preview: Preview,
    /// How long blobs stay after their last reference went, in seconds.
    pub(super) lease_seconds: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, keeps, preview, lease_seconds } = self;
        let mut package = None;
        let mut rows = Vec::new();
        for file in &preview.files {
            if package.replace(file.package_id) != Some(file.package_id) {
                write!(f, "{}", table(std::mem::take(&mut rows)))?;
                let version = file.version.as_deref().unwrap_or_default();
                writeln!(f, "Of {} {version}:", file.package)?;
            }
            let id = format!("#{}", file.id.0);
            rows.push([file.file_name.clone(), id, bytes(file.size), file.reason.clone()]);
        }
        write!(f, "{}", table(rows))?;
        if preview.is_cut {
            writeln!(f, "And more.")?;
        }
        for spared in &preview.spared {
            writeln!(f, "{spared} stays: a protection rule keeps it from being deleted.")?;
        }
        for error in &preview.errors {
            writeln!(f, "Failed: {error}")?;
        }
        let PackageCost { named, files, inline } = preview.cost;
        if named.files == 0 {
            return write!(f, "With {keeps} nothing of {project} would go.");
        }
        write!(
            f,
            "With {keeps} the policy of {project} would remove {} of {}, from {}.\n\
             That gives back {} in {} and {} in {} of the database",
            count(named.files, "file"),
            bytes(named.bytes),
            count(preview.packages, "package"),
            bytes(files.bytes),
            count(files.files, "file"),
            bytes(inline.bytes),
            count(inline.files, "row"),
        )?;
        match lease_seconds {
            0 => write!(f, "."),
            seconds => write!(f, ", {:?} later (the lease).", Duration::from_secs(*seconds)),
        }
    }
}

/// What a policy did, the newest first.
#[derive(Serialize)]
pub(super) struct History {
    pub(super) project: String,
    pub(super) runs: Vec<Run>,
    #[serde(skip)]
    pub(super) now: Timestamp,
}

/// One run, by the number of its sweep.
#[derive(Serialize)]
pub(super) struct Run {
    pub(super) id: RunId,
    #[serde(flatten)]
    pub(super) run: PolicyRun,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            return write!(f, "The policy of {} has not run.", self.project);
        }
        let rows = self.runs.iter().map(|Run { run, .. }| {
            let took = format!("{:.1?}", run.ended.since(run.at));
            let end = match (&run.error, run.timed_out) {
                (Some(error), _) => error.as_str(),
                (None, true) => "its time was over, it goes on",
                (None, false) => "",
            };
            let gone = format!("{} of {}", count(run.files, "file"), bytes(run.bytes));
            [moment(run.at, self.now), took, gone, count(run.names, "name"), end.to_owned()]
        });
        write!(f, "{}", table(rows.collect()).trim_end())?;
        for sample in &self.runs[0].run.sample {
            write!(f, "\n  {sample}")?;
        }
        Ok(())
    }
}
