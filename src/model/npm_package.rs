//! What packages of npm are called, and which of their versions is the highest (spec gitlab §5).
//!
//! The grammar is narrower than what npm once took: no name is a path that leads elsewhere, and
//! none is one of the words that URLs need. Names keep their case and are looked up without it, so
//! that no two packages of a project differ by case alone.
//! Deliberately absent: ranges of versions, which clients work out.

use std::fmt;

use semver::Version;

use super::{PackageName, PackageTagName, PackageVersion};

/// Longest name with its scope, in bytes: npm's own limit.
pub const NPM_NAME_LENGTH_MAX: usize = 214;

/// Why a text is no name, version or tag of npm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpmNameError {
    /// Of a package.
    #[error(
        "{0:?} is no name of a package: write letters, digits and . _ - +, not beginning with . \
         or _, at most {NPM_NAME_LENGTH_MAX} of them, before that @SCOPE/ if you like"
    )]
    Name(String),
    /// Of a version.
    #[error("{0:?} is no version: write MAJOR.MINOR.PATCH as semver.org has it, such as 1.0.0")]
    Version(String),
    /// Of a tag.
    #[error(
        "{0:?} is no tag: write visible ASCII characters without a slash, and nothing that is a \
         version or a range of them"
    )]
    Tag(String),
}

/// The name of a package, as its publisher writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpmName(String);

impl NpmName {
    /// Reads `name` or `@scope/name`.
    ///
    /// # Errors
    /// [`NpmNameError::Name`].
    pub fn parse(text: &str) -> Result<Self, NpmNameError> {
        let (scope, bare) = match text.strip_prefix('@').map(|rest| rest.split_once('/')) {
            Some(Some((scope, bare))) => (Some(scope), bare),
            Some(None) => (Some(""), text),
            None => (None, text),
        };
        let is_fine = scope.is_none_or(is_part) && is_part(bare);
        let is_taken = matches!(bare, "node_modules" | "favicon.ico" | "-") && scope.is_none();
        if is_fine && !is_taken && text.len() <= NPM_NAME_LENGTH_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(NpmNameError::Name(shown(text)))
        }
    }

    /// It as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scope, without its `@`.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.0.strip_prefix('@')?.split_once('/').map(|(scope, _)| scope)
    }

    /// The name without its scope.
    #[must_use]
    pub fn bare(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, bare)| bare)
    }

    /// What it is looked up by.
    ///
    /// # Errors
    /// [`NpmNameError::Name`], never: what is a name here is visible ASCII and short.
    pub fn key(&self) -> Result<PackageName, NpmNameError> {
        let lower = self.0.to_ascii_lowercase();
        PackageName::parse(&lower).map_err(|_| NpmNameError::Name(shown(&self.0)))
    }

    /// What the file of a version is called, without the scope, as npm's own URLs have it.
    #[must_use]
    pub fn file(&self, version: &NpmVersion) -> String {
        format!("{}-{version}.tgz", self.bare())
    }
}

impl fmt::Display for NpmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_part(part: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte);
    !part.is_empty() && part.bytes().all(is_fine) && !part.starts_with(['.', '_'])
}

/// A version of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NpmVersion(Version);

impl NpmVersion {
    /// Reads a version of semver 2 as it is written there, without a `v`.
    ///
    /// # Errors
    /// [`NpmNameError::Version`].
    pub fn parse(text: &str) -> Result<Self, NpmNameError> {
        let is_short = text.len() <= super::package::PACKAGE_TEXT_LENGTH_MAX;
        let version = Version::parse(text).ok().filter(|_| is_short);
        version.map(Self).ok_or_else(|| NpmNameError::Version(shown(text)))
    }

    /// Whether a package.json that says `text` is of this version. npm's clients leave out what
    /// does not count when they publish: a `v`, a `=`, spaces, and the name of a build.
    #[must_use]
    pub fn is_said_by(&self, text: &str) -> bool {
        let bare = |version: Version| Version { build: semver::BuildMetadata::EMPTY, ..version };
        let said = Version::parse(trimmed(text)).ok().map(bare);
        said == Some(bare(self.0.clone()))
    }

    /// Whether it is no release yet, as `1.0.0-rc.1`.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// What it is looked up by.
    ///
    /// # Errors
    /// [`NpmNameError::Version`], never: what is a version here is visible ASCII and short.
    pub fn key(&self) -> Result<PackageVersion, NpmNameError> {
        let text = self.0.to_string();
        PackageVersion::parse(&text).map_err(|_| NpmNameError::Version(text))
    }
}

impl fmt::Display for NpmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Without what does not count before a version.
fn trimmed(text: &str) -> &str {
    text.trim_matches(' ').trim_start_matches(['=', 'v', ' '])
}

/// Reads the name of a tag. What a client would take for a range of versions is none: nobody
/// could ever install by it.
///
/// # Errors
/// [`NpmNameError::Tag`].
pub fn npm_tag(text: &str) -> Result<PackageTagName, NpmNameError> {
    let is_range = matches!(text, "*" | "x" | "X") || is_numbers(trimmed(text));
    let is_fine = !is_range && !text.contains(['/', '%', '\\']) && !text.starts_with('.');
    let tag = PackageTagName::parse(text).ok().filter(|_| is_fine);
    tag.ok_or_else(|| NpmNameError::Tag(shown(text)))
}

/// Whether a text begins as a range does: `1`, `^1.2`, `~1`, `>=1`, `1.x`.
fn is_numbers(text: &str) -> bool {
    let text = text.trim_start_matches(['^', '~', '>', '<', '=']);
    let part = |part: &str| {
        matches!(part, "x" | "X" | "*") || part.bytes().all(|digit| digit.is_ascii_digit())
    };
    let core = text.split(['-', '+']).next().unwrap_or_default();
    text.starts_with(|first: char| first.is_ascii_digit()) && core.split('.').all(part)
}

/// The version that is the latest when nobody says so: the highest release, or the highest of
/// all when there is no release.
pub fn npm_latest<'a>(versions: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let read = versions.filter_map(|text| Some((NpmVersion::parse(text).ok()?, text)));
    let highest = read.max_by(|(left, _), (right, _)| {
        let by_release = right.is_prerelease().cmp(&left.is_prerelease());
        by_release.then_with(|| left.cmp(right))
    });
    highest.map(|(_, text)| text)
}

/// As much of a wrong text as a person needs to find it.
fn shown(text: &str) -> String {
    text.chars().take(NPM_NAME_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_letters_digits_and_a_scope() {
        for good in ["a", "@acme/app", "Left.Pad", "a-b_c+d", "@a.b/c", &"a".repeat(214)] {
            assert_eq!(NpmName::parse(good).unwrap().as_str(), good);
        }
        let bad = [
            "",
            "-",
            ".",
            "..",
            "../a",
            "@/a",
            "@a/",
            "@a",
            "@a/b/c",
            "a/b",
            "@../a",
            "@a/..",
            ".a",
            "_a",
            "a b",
            "a%2fb",
            "ä",
            "a\\b",
            "node_modules",
            "favicon.ico",
            "a\0",
            "@a/node modules",
            &"a".repeat(215),
        ];
        for bad in bad {
            assert!(NpmName::parse(bad).is_err(), "{bad:?}");
        }
        let name = NpmName::parse("@Acme/App").unwrap();
        assert_eq!((name.scope(), name.bare()), (Some("Acme"), "App"));
        assert_eq!(name.key().unwrap().as_str(), "@acme/app");
        assert_eq!(name.file(&NpmVersion::parse("1.0.0").unwrap()), "App-1.0.0.tgz");
    }

    #[test]
    fn versions_are_those_of_semver() {
        for good in ["1.0.0", "0.0.1-rc.1", "1.0.0+b.7", "10.20.30-a.b+c"] {
            assert_eq!(NpmVersion::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0 ", "../1.0.0", "latest"] {
            assert!(NpmVersion::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("1.0.0-{}", "a".repeat(255));
        assert!(NpmVersion::parse(&long).is_err());
    }

    #[test]
    fn what_a_package_json_says_may_have_more_than_counts() {
        let version = NpmVersion::parse("1.2.3-rc.1").unwrap();
        for same in ["1.2.3-rc.1", "v1.2.3-rc.1", " =1.2.3-rc.1+build ", "= v1.2.3-rc.1"] {
            assert!(version.is_said_by(same), "{same:?}");
        }
        for other in ["1.2.3", "1.2.3-rc.2", "", "1.2.3-rc.1 || 2", "x"] {
            assert!(!version.is_said_by(other), "{other:?}");
        }
    }

    #[test]
    fn tags_are_no_ranges() {
        for good in ["latest", "next", "v-next", "beta.1", "release-1.x", "x1"] {
            assert_eq!(npm_tag(good).unwrap().as_str(), good);
        }
        for bad in ["", "1", "1.0.0", "v1", "v1.2.3-rc", "^1", "~1.2", ">=2", "1.x", "*", "a/b"] {
            assert!(npm_tag(bad).is_err(), "{bad:?}");
        }
        for bad in ["..", "a b", "ä", "%2e", "a\\b", &"a".repeat(256)] {
            assert!(npm_tag(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_latest_is_the_highest_release() {
        let latest = |all: &[&'static str]| npm_latest(all.iter().copied());
        assert_eq!(latest(&["1.9.0", "1.10.0", "1.2.0"]), Some("1.10.0"));
        assert_eq!(latest(&["1.0.0", "2.0.0-rc.1"]), Some("1.0.0"));
        assert_eq!(latest(&["1.0.0-rc.2", "1.0.0-rc.10"]), Some("1.0.0-rc.10"));
        assert_eq!(latest(&[]), None);
    }
}
