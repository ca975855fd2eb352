//! [`Run`]: the record of one sweep, shown in the API and kept over restarts.

use serde::{Deserialize, Serialize};

use super::{RunId, Timestamp};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Destroy, collect and unlink what is due.
    Reclaim,
    /// Everything: policies first, a recount at the end.
    Full,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The server started.
    Startup,
    /// The period was over.
    Timer,
    /// SIGUSR1.
    Signal,
    /// Somebody asked, by API or command.
    Request,
    /// Something was deleted.
    Delete,
    /// The earliest lease or due moment had come.
    Lease,
    /// Something that had failed was due for another try.
    Retry,
}

/// What one stage of a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// The stage's name.
    pub name: String,
    /// Things it finished with.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Write transactions it took.
    pub slices: u64,
    /// The longest of them, from its start to the end of its commit, in microseconds.
    pub longest_us: u64,
    /// Of that transaction, the work before the commit, in microseconds.
    pub longest_work_us: u64,
    /// Duration of the stage in microseconds.
    pub took_us: u64,
}

/// The record of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Why it began.
    pub trigger: Trigger,
    /// What it did.
    pub scope: Scope,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; `None` while it goes on, or when the process died in it.
    pub ended: Option<Timestamp>,
    /// Its stages, in order.
    pub stages: Vec<StageReport>,
    /// What failed, as sentences; the first 100.
    pub errors: Vec<String>,
    /// All failures, also beyond those that are spelt out.
    pub error_count: u64,
}
