//! [`PackagePolicy`]: what a project keeps of what was published to it again and again (spec
//! gitlab §8.4), and [`PackageSettings`]: whether that may happen at all (§2.3).
//!
//! Deliberately absent: working out what goes.

use serde::{Deserialize, Serialize};

use super::{PackageId, Role, Timestamp};

/// How many files of one name a package keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeepFiles {
    /// All of them.
    #[default]
    All,
    /// This many: one of [`KeepFiles::COUNTS`].
    Newest(u32),
}

impl KeepFiles {
    /// The numbers that can be chosen.
    pub const COUNTS: [u32; 6] = [1, 10, 20, 30, 40, 50];

    /// As it is written.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Newest(count) => count.to_string(),
        }
    }

    /// Reads `all` or one of the numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let count = text.parse().ok().filter(|count| Self::COUNTS.contains(count));
        count.filter(|count: &u32| count.to_string() == text).map(Self::Newest)
    }
}

/// Most builds of a snapshot that a policy can keep.
pub const KEEP_SNAPSHOTS_MAX: u32 = 1000;

/// A number of builds that a policy can keep: 1 to [`KEEP_SNAPSHOTS_MAX`].
#[must_use]
pub fn builds(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| (1..=KEEP_SNAPSHOTS_MAX).contains(number))
}

/// The record of a project's policy; the project is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagePolicy {
    /// How many files of one name a package keeps.
    pub keep: KeepFiles,
    /// How many builds of a snapshot a package keeps, for each classifier and extension; `None`:
    /// all of them.
    pub keep_snapshots: Option<u32>,
    /// When it is its turn again. It is moved on before a run begins.
    pub next_run: Timestamp,
    /// A run that has not come to its end.
    pub turn: Option<PolicyTurn>,
    /// When it was first set.
    pub created: Timestamp,
    /// When it was last set.
    pub updated: Timestamp,
}

impl PackagePolicy {
    /// Whether it removes anything at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.keep != KeepFiles::All || self.keep_snapshots.is_some()
    }

    /// What it keeps.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept { files: self.keep, snapshots: self.keep_snapshots }
    }

    /// When somebody may take it on.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.turn.map_or(self.next_run, |turn| turn.at)
    }
}

/// What a project keeps of what was published again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many files of one name a package keeps.
    pub files: KeepFiles,
    /// How many builds of a snapshot, for each classifier and extension; `None`: all of them.
    pub snapshots: Option<u32>,
}

/// The settings that say so.
impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keep_n_duplicated_package_files = {}", self.files.text())?;
        match self.snapshots {
            Some(builds) => write!(f, ", keep_snapshots = {builds}"),
            None => Ok(()),
        }
    }
}

/// A run that has not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTurn {
    /// Until when whoever took it on has it, which is a lease: somebody else may then.
    pub at: Timestamp,
    /// The first package that it has not looked at whole.
    pub from: PackageId,
}

/// Whether what was published already may be published again: a row for each group, and for a
/// project that is in none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSettings {
    /// Whether a file of Maven may be published again.
    pub maven_duplicates: bool,
    /// Names and versions for which it may, whatever the setting says; anchored at both ends.
    pub maven_exception: String,
    /// The same of generic packages.
    pub generic_duplicates: bool,
    /// The same of generic packages.
    pub generic_exception: String,
}

impl Default for PackageSettings {
    fn default() -> Self {
        let none = String::new;
        Self {
            maven_duplicates: true,
            maven_exception: none(),
            generic_duplicates: true,
            generic_exception: none(),
        }
    }
}

/// A rule that keeps people from publishing or removing packages; project and number are the key
/// (spec gitlab §8.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionRule {
    /// The names that it speaks of; `*` stands for any characters.
    pub pattern: String,
    /// Of which kind.
    pub kind: super::PackageKind,
    /// The lowest role that may publish; `None`: whoever may anyway.
    pub push: Option<RuleRole>,
    /// The lowest role that may remove; `None`: whoever may anyway.
    pub delete: Option<RuleRole>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// Whom a rule lets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RuleRole {
    /// Whoever has this role at least.
    Role(Role),
    /// Administrators.
    Admin,
}

/// What a run of a policy did; project and number are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRun {
    /// When it began.
    pub at: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Files that it marked.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Names in packages that it marked files of.
    pub names: u64,
    /// Whether it reached its deadline and goes on later.
    pub timed_out: bool,
    /// Some of what it marked: package and file.
    pub sample: Vec<String>,
    /// What was in its way, as a sentence.
    pub error: Option<String>,
}
