//! [`Repository`]: a user's own tree of branches (spec dlrepo §13).

use serde::{Deserialize, Serialize};

use super::{RepoId, Timestamp, Usage};

/// The record of a user's repository; the user's name is the key. The tree that everybody shares
/// has none: it is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// What its branches are keyed by.
    pub id: RepoId,
    /// When its first write came.
    pub created: Timestamp,
    /// Files and bytes below, as the quota counts them: each file in full.
    pub usage: Usage,
}
