//! [`Project`]: what packages are published to; it is in a group, or in none (spec gitlab §2).
//!
//! Groups and projects are numbered together, so members and tokens of either are kept under one
//! number ([`ProjectId::governed`]); and no two of them have one name in one place.
//! Deliberately absent: packages, and who may do what ([`super::role`]).

use serde::{Deserialize, Serialize};

use super::{GroupId, ProjectId, Timestamp, Usage, Visibility};

/// The record of a project; its id is the key. It counts only while names lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The group that it is in; [`GroupId::TOP`]: none.
    pub parent: GroupId,
    /// Its name in there, canonical.
    pub path: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who may see it and read its packages.
    pub visibility: Visibility,
    /// When it was made.
    pub created: Timestamp,
}

/// What a project holds, kept by every write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUsage {
    /// Packages that are not on their way out.
    pub packages: u64,
    /// Their files.
    pub live: Usage,
    /// Files that were marked, themselves or with their package, and are not destroyed yet: their
    /// bytes count as used until then (statement 25).
    pub pending: Usage,
    /// Whether the project is being destroyed, so that all of its files are pending.
    pub leaving: bool,
    /// Raised when the name of a package appears or goes.
    pub names_revision: u64,
}

impl ProjectId {
    /// The number that members and tokens of the project are kept under.
    #[must_use]
    pub fn governed(self) -> GroupId {
        GroupId(self.0)
    }
}
