//! [`Repository`]: a user's own tree of branches, and its [`Quota`] (spec dlrepo §13).

use serde::{Deserialize, Serialize};

use super::{RepoId, Timestamp, Usage};

/// The record of a user's repository; the user's name is the key. The tree that everybody shares
/// has none: it is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// What its branches are keyed by.
    pub id: RepoId,
    /// When its first write came, or its quota was set.
    pub created: Timestamp,
    /// Files and bytes below, as the quota counts them: each file in full.
    pub usage: Usage,
    /// What it may hold.
    pub quota: Quota,
}

impl Repository {
    /// One without anything in it.
    #[must_use]
    pub fn new(id: RepoId, created: Timestamp) -> Self {
        Self { id, created, usage: Usage::default(), quota: Quota::Default }
    }
}

/// What a user's repository may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// What the setting says for everybody.
    #[default]
    Default,
    /// Whatever the disk does.
    Unlimited,
    /// This many logical bytes.
    Bytes(u64),
}

impl Quota {
    /// The bytes that may be held where `default` holds for everybody; `None`: no limit.
    #[must_use]
    pub fn limit(self, default: Option<u64>) -> Option<u64> {
        match self {
            Self::Default => default,
            Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}
