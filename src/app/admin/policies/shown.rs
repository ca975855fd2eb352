//! What the commands about policies of packages show.

use std::fmt;

use serde::{Serialize, Serializer};

use super::super::text::{bytes, count, moment, table, time};
use crate::model::{PackagePolicy, PolicyRun, RunId, Timestamp};
use crate::packages::cleanup::Preview;
use crate::store::package_policies::PackageCost;

/// A project's policy. Without one it keeps everything.
pub(super) struct Policy {
    pub(super) project: String,
    pub(super) record: Option<PackagePolicy>,
    /// What it did last.
    pub(super) last: Option<PolicyRun>,
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
            "goes_on": policy.and_then(|policy| policy.turn).map(|turn| turn.at),
            "last_error": self.last.as_ref().and_then(|run| run.error.as_ref()),
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
        if let Some(error) = self.last.as_ref().and_then(|run| run.error.as_ref()) {
            write!(f, "\nIn the way of the last run: {error}")?;
        }
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
            seconds => write!(f, ", {} later (the lease).", time(*seconds)),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{KeepFiles, PackageId, PolicyTurn};

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn shown(error: Option<&str>) -> Policy {
        let at = NOW.after(Duration::from_secs(20));
        let record = PackagePolicy {
            keep: KeepFiles::Newest(1),
            keep_snapshots: None,
            next_run: NOW.after(Duration::from_secs(3600)),
            turn: Some(PolicyTurn { at, from: PackageId(7) }),
            created: NOW,
            updated: NOW,
        };
        let last = PolicyRun {
            at: NOW,
            ended: NOW,
            files: 0,
            bytes: 0,
            names: 0,
            timed_out: error.is_none(),
            sample: Vec::new(),
            error: error.map(str::to_owned),
        };
        let project = "acme/app".to_owned();
        Policy { project, record: Some(record), last: Some(last), now: NOW, capacity: 2 }
    }

    #[test]
    fn a_turn_that_failed_says_why_and_when_it_is_tried_again() {
        let failed = shown(Some("the disk is gone"));
        let text = failed.to_string();
        assert!(text.contains("In the way of the last run: the disk is gone"), "{text}");
        let goes_on = moment(NOW.after(Duration::from_secs(20)), NOW);
        assert!(text.contains(&format!("goes on {goes_on}")), "{text}");
        let value = serde_json::to_value(&failed).unwrap();
        assert_eq!(value["last_error"], "the disk is gone");
        assert_eq!(value["goes_on"], serde_json::json!(NOW.after(Duration::from_secs(20))));
        let fine = shown(None);
        assert!(!fine.to_string().contains("In the way"), "{fine}");
        assert_eq!(serde_json::to_value(&fine).unwrap()["last_error"], serde_json::Value::Null);
    }
}
