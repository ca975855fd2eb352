//! [`Format`]: one set of files of a job; [`Artifact`]: one of its files (spec dlrepo §8, §9).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BlobId, FormatId, Timestamp, Usage};

/// The record of a format; job and name are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// What its files are keyed by.
    pub id: FormatId,
    /// When its first write came.
    pub created: Timestamp,
    /// Last change of its set of files.
    pub changed: Timestamp,
    /// Being uploaded: set by every upload, cleared by PATCH.
    pub dirty: bool,
    /// Whether a file ever lay in a folder of it: without folders no path can be one.
    pub nested: bool,
    /// Files and bytes in it.
    pub usage: Usage,
}

impl Format {
    /// The moment of a change at `now`: later than that of the one before, also when the clock
    /// stands still or goes back, so that no two contents of a format have the same.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        now.max(self.changed.after(Duration::from_micros(1)))
    }
}

/// The record of a file; format and path are the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its bytes.
    pub blob: BlobId,
    /// Their number, kept here so that a listing needs no blob rows.
    pub size: u64,
    /// When this path got these bytes.
    pub uploaded: Timestamp,
}
