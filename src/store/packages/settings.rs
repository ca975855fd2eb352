//! Whether what was published may be published again: settings of the group that a project is
//! directly in, or of the project where it is in none (spec gitlab §2.3, §6.4).
//!
//! A generic package and a version of Maven has a duplicate when a file of just that name is
//! there. What Maven keeps without a version is its own notes and may always be replaced, and the
//! builds of a snapshot have names of their own, so that none is a duplicate of another.
//! An exception is looked for in name and version, from end to end; it is read when it is set, so
//! none that is stored is bad. Its engine takes time in proportion to what it reads.

use regex::{Regex, RegexBuilder};

use crate::db::schema::{PACKAGE_SETTINGS, PROJECTS};
use crate::db::{Pending, Rows};
use crate::model::package::{PACKAGE_TEXT_LENGTH_MAX, STATUS_MESSAGE_LENGTH_MAX};
use crate::model::{GroupId, PackageKey, PackageKind, PackageSettings, PackageStatus, ProjectId};
use crate::store::groups::is_live as is_live_group;
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx, View};

use super::{PACKAGE_TAGS_MAX, PROTECTION_RULES_MAX, is_live};

/// Longest exception, in bytes.
pub const EXCEPTION_LENGTH_MAX: usize = 255;
/// Most memory that an exception may be compiled into, in bytes.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// What cannot be kept or done about packages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The exception cannot be used.
    #[error(
        "{0:?} is no exception: write a regular expression of up to {EXCEPTION_LENGTH_MAX} bytes, \
         without look-around and back-references"
    )]
    Exception(String),
    /// A pattern is empty or too long.
    #[error(
        "{0:?} is no pattern of packages: write up to {PACKAGE_TEXT_LENGTH_MAX} visible ASCII \
         characters, * for any"
    )]
    Pattern(String),
    /// A rule that keeps nobody from anything.
    #[error("a rule protects from publishing, from deleting, or from both: name a role")]
    NothingProtected,
    /// There is one for this pattern and kind.
    #[error("there is a rule for {0} packages named {1:?} already, change that instead")]
    RuleExists(PackageKind, String),
    /// There is no such rule.
    #[error("there is no rule {0} in this project")]
    RuleUnknown(u64),
    /// All of them are tested by each publication.
    #[error("a project has up to {PROTECTION_RULES_MAX} rules that protect packages")]
    TooManyRules,
    /// Only a deletion says this.
    #[error("the status pending_destruction cannot be given: delete the package instead")]
    Status,
    /// A message is too long.
    #[error("the message of a status has up to {STATUS_MESSAGE_LENGTH_MAX} bytes")]
    StatusMessage,
    /// One transaction has a bound.
    #[error("{0} packages or files are too many for one request: up to {1} go at once")]
    TooManyMarks(usize, usize),
    /// Whoever asks for one of them is told all of them.
    #[error(
        "a package has up to {PACKAGE_TAGS_MAX} tags: take one away that is not needed, or move one"
    )]
    TooManyTags,
}

impl Store {
    /// Says what may be published again in the projects that are directly in a group, or in a
    /// project at the top ([`ProjectId::governed`]).
    ///
    /// # Errors
    /// [`Error::GroupUnknown`]; [`Error::PackageRule`] for an exception that cannot be used;
    /// [`Error::Db`].
    pub fn set_package_settings(
        &self,
        group: GroupId,
        settings: PackageSettings,
    ) -> Pending<(), Error> {
        // Compiling takes a while, so it is done out here.
        let exceptions = [&settings.maven_exception, &settings.generic_exception];
        let checked: Result<(), RuleError> =
            exceptions.into_iter().try_for_each(|text| compile(text).map(drop));
        self.change(move |tx| {
            checked.clone()?;
            let project = ProjectId(group.0);
            let is_at_top = PROJECTS
                .get(tx.txn, &project)?
                .is_some_and(|project| project.parent == GroupId::TOP);
            let is_known =
                if is_at_top { is_live(tx.txn, project)? } else { is_live_group(tx.txn, group)? };
            if !is_known {
                return Err(Error::GroupUnknown(group.0.to_string()));
            }
            Ok(PACKAGE_SETTINGS.put(tx.txn, &group, &settings)?)
        })
    }
}

impl View {
    /// What may be published again in the projects that are directly in a group.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_settings(&self, group: GroupId) -> Result<PackageSettings, Error> {
        Ok(PACKAGE_SETTINGS.get(&self.snapshot, &group)?.unwrap_or_default())
    }

    /// What may be published again in a project.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`], [`Error::Db`].
    pub fn package_settings_of(&self, project: ProjectId) -> Result<PackageSettings, Error> {
        if !is_live(&self.snapshot, project)? {
            return Err(Error::ProjectUnknown(project.0.to_string()));
        }
        settings_of(&self.snapshot, project)
    }
}

impl Tx<'_, '_> {
    /// Whether a file that is there may be published again.
    pub(super) fn may_duplicate(
        &self,
        project: ProjectId,
        key: &PackageKey,
    ) -> Result<bool, Error> {
        let settings = settings_of(self.txn, project)?;
        let (allowed, exception) = match key.series.kind {
            PackageKind::Maven if key.version.is_none() => return Ok(true),
            PackageKind::Maven => (settings.maven_duplicates, settings.maven_exception),
            PackageKind::Generic => (settings.generic_duplicates, settings.generic_exception),
            PackageKind::Npm | PackageKind::Pypi => return Ok(true),
        };
        Ok(allowed || is_excepted(&exception, key)?)
    }
}

fn settings_of(rows: &impl Rows, project: ProjectId) -> Result<PackageSettings, Error> {
    let parent = promised(&PROJECTS, rows, &project)?.parent;
    let at = if parent == GroupId::TOP { project.governed() } else { parent };
    Ok(PACKAGE_SETTINGS.get(rows, &at)?.unwrap_or_default())
}

fn is_excepted(exception: &str, key: &PackageKey) -> Result<bool, RuleError> {
    let Some(exception) = compile(exception)? else { return Ok(false) };
    let version = key.version.as_ref();
    let is_version = version.is_some_and(|version| exception.is_match(version.as_str()));
    Ok(is_version || exception.is_match(key.series.name.as_str()))
}

/// An exception, anchored at both ends; an empty one excepts nothing.
fn compile(text: &str) -> Result<Option<Regex>, RuleError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || RuleError::Exception(text.chars().take(EXCEPTION_LENGTH_MAX).collect());
    if text.len() > EXCEPTION_LENGTH_MAX {
        return Err(bad());
    }
    // By itself first: what closes a bracket of its own must not close ours.
    let limited = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(COMPILED_BYTES_MAX).build().map_err(|_| bad())
    };
    limited(text)?;
    limited(&format!(r"\A(?:{text})\z")).map(Some)
}

/// Whether a status can be given to a package.
pub(super) fn check_status(status: PackageStatus) -> Result<(), Error> {
    match status {
        PackageStatus::PendingDestruction => Err(RuleError::Status.into()),
        _ => Ok(()),
    }
}

pub(super) fn check_message(message: Option<&str>) -> Result<(), RuleError> {
    match message {
        Some(message) if message.len() > STATUS_MESSAGE_LENGTH_MAX => Err(RuleError::StatusMessage),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_matches_from_end_to_end_and_is_refused_when_it_is_bad() {
        let is_match = |text: &str, what: &str| compile(text).unwrap().unwrap().is_match(what);
        assert!(is_match(r".*-SNAPSHOT", "1.0-SNAPSHOT"));
        assert!(!is_match(r"1\.0", "1.0-SNAPSHOT") && !is_match("a|b", "ab"));
        assert!(is_match("a|b", "b") && !is_match("(?m)^a$", "a\nb"));
        assert_eq!(compile("").unwrap().map(drop), None);
        let long = "a".repeat(EXCEPTION_LENGTH_MAX + 1);
        for bad in ["(", "a)(b", "(?!x)", r"(a)\1", "(?x)a #", ".{0,1000}{0,1000}", &long] {
            assert!(matches!(compile(bad), Err(RuleError::Exception(_))), "{bad:?}");
        }
    }
}
