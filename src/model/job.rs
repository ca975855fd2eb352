//! [`Job`]: what one CI job built for a tag: metadata, a lock and formats (spec dlrepo §7).

use serde::{Deserialize, Serialize};

use super::{Digest, JobId, Timestamp, Usage};

/// The record of a job; tag and name are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What its formats are keyed by.
    pub id: JobId,
    /// When its first write came.
    pub created: Timestamp,
    /// Closed to changes, but for internal formats.
    pub locked: bool,
    /// Not to be published.
    pub internal: bool,
    /// Was uploaded to a publication target.
    pub released: bool,
    /// Computed when it was last locked; stays (stale) after an unlock.
    pub digest: Option<Digest>,
    /// Free keys and values, sorted by key, no key twice.
    pub metadata: Vec<(String, String)>,
    /// Raised by every change of content or metadata below: a digest that was computed on one
    /// revision is not recorded for another.
    pub revision: u64,
    /// Formats below that are dirty.
    pub dirty_formats: u64,
    /// Files and bytes below.
    pub usage: Usage,
}

impl Job {
    /// Bytes of all keys and values.
    #[must_use]
    pub fn metadata_bytes(&self) -> usize {
        self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Merges `changes` into the metadata: `None` removes a key.
    pub fn merge_metadata(&mut self, changes: &[(String, Option<String>)]) {
        merge(&mut self.metadata, changes);
    }
}

/// Merges `changes` into metadata, which is sorted by key: `None` removes a key.
pub fn merge(metadata: &mut Vec<(String, String)>, changes: &[(String, Option<String>)]) {
    for (key, value) in changes {
        let at = metadata.binary_search_by(|(known, _)| known.cmp(key));
        match (at, value) {
            (Ok(at), Some(value)) => metadata[at].1.clone_from(value),
            (Err(at), Some(value)) => metadata.insert(at, (key.clone(), value.clone())),
            (Ok(at), None) => drop(metadata.remove(at)),
            (Err(_), None) => {}
        }
    }
}
