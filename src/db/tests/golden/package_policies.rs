//! What the records of policies of packages look like in bytes.

use super::{Sample, TIME, sample};
use crate::model::{KeepFiles, PackageId, PackagePolicy, PolicyRun, PolicyTurn};

fn policy(turn: Option<PolicyTurn>) -> PackagePolicy {
    let (keep, keep_snapshots) = (KeepFiles::Newest(10), Some(3));
    PackagePolicy { keep, keep_snapshots, next_run: TIME, turn, created: TIME, updated: TIME }
}

fn run() -> PolicyRun {
    PolicyRun {
        at: TIME,
        ended: TIME,
        files: 300,
        bytes: 70_000,
        names: 2,
        timed_out: true,
        sample: vec!["a 1: f".into()],
        error: Some("é".into()),
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let kept = PackagePolicy { keep: KeepFiles::All, keep_snapshots: None, ..policy(None) };
    let turn = PolicyTurn { at: TIME, from: PackageId(300) };
    vec![
        sample("package policy", &policy(None)),
        sample("package policy, in work", &policy(Some(turn))),
        sample("package policy, off", &kept),
        sample("package policy run", &run()),
    ]
}
