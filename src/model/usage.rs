//! [`Usage`]: what lies below a container, kept at every level by every write, so that it is
//! right at the moment a name goes.

use serde::{Deserialize, Serialize};

/// Files below a container and their logical bytes (no credit for deduplication).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Number of references.
    pub files: u64,
    /// Sum of their sizes.
    pub bytes: u64,
}

impl Usage {
    /// One file of `bytes`.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        Self { files: 1, bytes }
    }

    /// With `more` added.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            files: self.files.saturating_add(more.files),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    /// With `less` taken away. A result below zero would be a drift, which `check` reports;
    /// here it stays at zero.
    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self {
            files: self.files.saturating_sub(less.files),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }
}
