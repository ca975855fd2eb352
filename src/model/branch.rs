//! [`Branch`]: a line of development, its tags and its cleanup policy (spec dlrepo §5).

use serde::{Deserialize, Serialize};

use super::{BranchId, Timestamp, Usage};

/// How many tags of a branch to keep; 0 keeps all. Locked tags neither count nor go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupPolicy {
    /// Newest unreleased tags to keep.
    pub max_daily_tags: u64,
    /// Newest released tags to keep.
    pub max_released_tags: u64,
}

/// The tags of a branch, counted by their flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagCounts {
    /// All tags.
    pub all: u64,
    /// Tags with the released flag.
    pub released: u64,
    /// Tags with the locked flag.
    pub locked: u64,
    /// Tags with the stable flag.
    pub stable: u64,
}

impl TagCounts {
    /// Tags that are not released, locked ones included (dlrepo's `daily_tags`).
    #[must_use]
    pub fn daily(self) -> u64 {
        self.all.saturating_sub(self.released)
    }
}

/// The record of a branch; its name is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// What its tags are keyed by.
    pub id: BranchId,
    /// When its first write came.
    pub created: Timestamp,
    /// What the sweeper keeps.
    pub policy: CleanupPolicy,
    /// Raised by every create, delete, lock, release and policy change: a plan made for one
    /// generation is not applied to another.
    pub generation: u64,
    /// Kept by every write to a tag's name or flags.
    pub tags: TagCounts,
    /// Files and bytes below.
    pub usage: Usage,
}
