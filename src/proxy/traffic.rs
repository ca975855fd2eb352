//! What was pulled through groups, counted in memory since the start for those that were used
//! last, and a line in the log for each pull: the events of GitLab (spec gitlab §1.4).
//!
//! Deliberately absent: counters that survive a restart; a log has those.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use serde::Serialize;

use super::pulls::{How, Proxy};
use crate::model::{GroupPath, UpstreamName};

/// The target of the log lines.
const LOG: &str = "larder::proxy";
/// Groups that are counted: those that were used last.
const GROUPS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// What was pulled through a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Manifests that came from the upstream.
    pub pull_manifest: u64,
    /// Manifests that were cached.
    pub pull_manifest_from_cache: u64,
    /// Blobs that came from the upstream.
    pub pull_blob: u64,
    /// Blobs that were cached.
    pub pull_blob_from_cache: u64,
}

/// What is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// A manifest.
    Manifest,
    /// A blob.
    Blob,
}

/// The counters of all groups. Clones share them.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Mutex<LruCache<GroupPath, Counters>>>);

impl Default for Traffic {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(GROUPS_MAX))))
    }
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, LruCache<GroupPath, Counters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// The event's name, and its counter.
    fn of(&mut self, what: Pulled, how: How) -> (&'static str, &mut u64) {
        match (what, how) {
            (Pulled::Manifest, How::Miss) => ("pull_manifest", &mut self.pull_manifest),
            (Pulled::Blob, How::Miss) => ("pull_blob", &mut self.pull_blob),
            (Pulled::Manifest, _) => {
                ("pull_manifest_from_cache", &mut self.pull_manifest_from_cache)
            }
            (Pulled::Blob, _) => ("pull_blob_from_cache", &mut self.pull_blob_from_cache),
        }
    }
}

impl Proxy {
    /// Counts and logs that something was pulled; `by` is the name of whoever did.
    pub fn note(
        &self,
        group: &GroupPath,
        image: &UpstreamName,
        (what, reference): (Pulled, &dyn Display),
        how: How,
        by: Option<&str>,
    ) {
        let event = {
            let mut groups = self.traffic.lock();
            if !groups.contains(group) {
                groups.put(group.clone(), Counters::default());
            }
            let mut counters = Counters::default();
            let (event, count) = groups.get_mut(group).unwrap_or(&mut counters).of(what, how);
            *count += 1;
            event
        };
        let by = by.unwrap_or("-").escape_default();
        log::info!(target: LOG, "{event} {group} {image} {reference} {} {by}", how.as_str());
    }

    /// What was pulled through the groups that were used last, by their paths.
    #[must_use]
    pub fn counters(&self) -> Vec<(GroupPath, Counters)> {
        let groups = self.traffic.lock();
        let mut all: Vec<_> = groups.iter().map(|(path, of)| (path.clone(), *of)).collect();
        drop(groups);
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}
