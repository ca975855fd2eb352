//! [`Package`] and [`PackageFile`]: what projects publish (spec gitlab §2), and the words for it.
//!
//! All versions of one name are a [`Series`]; it has a revision, which each change of any of them
//! raises, so that what was built from them can be told from what has to be built again.
//! Deliberately absent: the grammar of the formats' names, which each format has for itself, and
//! bytes, which are the blob's (it is held by [`super::Referrer::PackageFile`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BlobId, Digest, PackageId, PackageTagId, ProjectId, Sha512, Timestamp, Usage};

/// Longest name and longest version of a package, longest name of a file, in bytes.
pub const PACKAGE_TEXT_LENGTH_MAX: usize = 255;
/// Longest [`Package::status_message`], in bytes.
pub const STATUS_MESSAGE_LENGTH_MAX: usize = 255;

/// What kind of client a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageKind {
    /// Maven and Gradle.
    Maven,
    /// npm and its like.
    Npm,
    /// pip and its like.
    Pypi,
    /// Any files.
    Generic,
}

impl PackageKind {
    /// All of them, in the order of their names' numbers in the API.
    pub const ALL: [Self; 4] = [Self::Maven, Self::Npm, Self::Pypi, Self::Generic];

    /// Names that clients may ask for and that nothing here is of.
    pub const OTHERS: [&str; 10] = [
        "conan",
        "nuget",
        "composer",
        "golang",
        "debian",
        "rubygems",
        "helm",
        "terraform_module",
        "rpm",
        "ml_model",
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maven => "maven",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Generic => "generic",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text can be no name, version or tag of a package, nor a name of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be kept as a name: write 1 to {PACKAGE_TEXT_LENGTH_MAX} visible ASCII characters"
)]
pub struct PackageTextError(pub String);

macro_rules! package_texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a canonical text. Formats narrow the grammar; this is what a key can be.
            ///
            /// # Errors
            /// [`PackageTextError`].
            pub fn parse(text: &str) -> Result<Self, PackageTextError> {
                let is_long = text.len() > PACKAGE_TEXT_LENGTH_MAX;
                if text.is_empty() || is_long || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    let shown = text.chars().take(PACKAGE_TEXT_LENGTH_MAX).collect();
                    return Err(PackageTextError(shown));
                }
                Ok(Self(text.to_owned()))
            }

            /// It as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

package_texts! {
    /// Name of a package as it is looked up: `@scope/name`, `com/acme/app`, a normalised name.
    PackageName;
    /// Version of a package as it is looked up.
    PackageVersion;
    /// Name of a file in a package; a folder's slashes are `%2F`.
    PackageFileName;
    /// A moving name of a version: `latest`.
    PackageTagName;
}

/// All versions of one name in a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// What kind of client it is for.
    pub kind: PackageKind,
    /// The name.
    pub name: PackageName,
}

/// One package in a project, as it is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageKey {
    /// All of its versions.
    pub series: SeriesKey,
    /// Which one; `None`: the one without.
    pub version: Option<PackageVersion>,
}

/// The record of a series. It is there while a package of it is, on its way out or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Packages that are not on their way out.
    pub packages: u64,
    /// Raised by each change of a package, file or tag of it; never the same again, also when the
    /// series goes and comes back.
    pub revision: u64,
    /// Changes up to this revision may have been forgotten: what was built before it has to be
    /// built from the beginning.
    pub forgotten: u64,
}

/// What a package may be used for (spec gitlab §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageStatus {
    /// Everything.
    Default,
    /// It is served and not listed.
    Hidden,
    /// It is not ready.
    Processing,
    /// It is not served: its message says why.
    Error,
    /// It is on its way out.
    PendingDestruction,
    /// It is served, and its publisher advises against it.
    Deprecated,
}

impl PackageStatus {
    /// All of them, in the order of their numbers in the API.
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::Hidden,
        Self::Processing,
        Self::Error,
        Self::PendingDestruction,
        Self::Deprecated,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Hidden => "hidden",
            Self::Processing => "processing",
            Self::Error => "error",
            Self::PendingDestruction => "pending_destruction",
            Self::Deprecated => "deprecated",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether lists show it without being asked for it.
    #[must_use]
    pub fn is_displayable(self) -> bool {
        matches!(self, Self::Default | Self::Error | Self::Deprecated)
    }

    /// Whether clients can download it; policies look at these alone.
    #[must_use]
    pub fn is_installable(self) -> bool {
        matches!(self, Self::Default | Self::Hidden | Self::Deprecated)
    }

    /// Whether it is told by its number.
    #[must_use]
    pub fn has_details(self) -> bool {
        matches!(self, Self::Default | Self::Deprecated)
    }
}

/// The record of a package; its id is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Where it was published.
    pub project: ProjectId,
    /// What kind of client it is for.
    pub kind: PackageKind,
    /// Its name as it is looked up ([`PackageName`]).
    pub name: String,
    /// Its name as its first publisher wrote it.
    pub title: String,
    /// Its version as it is looked up; `None`: it has none.
    pub version: Option<String>,
    /// What it may be used for.
    pub status: PackageStatus,
    /// Why.
    pub status_message: Option<String>,
    /// The login of its first publisher.
    pub creator: String,
    /// When it was first published.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// The revision of its series at its last change.
    pub revision: u64,
    /// Its files that are not marked, so that it can be marked whole at once.
    pub usage: Usage,
}

/// What a format knows of a package beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageMeta {
    /// Of npm.
    Npm {
        /// What is stored of package.json: an object of JSON.
        manifest: String,
        /// Why the publisher advises against it.
        deprecated: Option<String>,
    },
    /// Of `PyPI`: the fields of its first file's upload, as long as the format lets them be.
    Pypi {
        /// Names and values, sorted by name.
        fields: Vec<(String, String)>,
    },
    /// Of Maven, without a version: the plugins of a group.
    Maven {
        /// Artifact, prefix and name of each, sorted by artifact.
        plugins: Vec<(String, String, String)>,
    },
}

/// What all bytes of a file add up to, computed here (I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Also the identity of the blob.
    pub sha256: Digest,
    /// SHA-1.
    pub sha1: [u8; 20],
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-512, in two halves.
    pub sha512: [[u8; 32]; 2],
}

impl Sums {
    /// The SHA-512.
    #[must_use]
    pub fn sha512(&self) -> Sha512 {
        let mut whole = [0; 64];
        let (first, second) = whole.split_at_mut(32);
        first.copy_from_slice(&self.sha512[0]);
        second.copy_from_slice(&self.sha512[1]);
        Sha512(whole)
    }
}

/// The record of a package's file; its id is the key, and the highest id of a name is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// What it is in.
    pub package: PackageId,
    /// Its name ([`PackageFileName`]).
    pub name: String,
    /// Its bytes.
    pub blob: BlobId,
    /// Their number.
    pub size: u64,
    /// What they add up to.
    pub sums: Sums,
    /// Since when it is on its way out by itself; with its package, whatever this says.
    pub marked: Option<Timestamp>,
    /// The login of its publisher.
    pub by: String,
    /// When it was published.
    pub created: Timestamp,
    /// What pip has to know before it downloads it: the versions of Python that it is for.
    pub requires_python: Option<String>,
}

/// What a moving name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageTag {
    /// Its number in the API.
    pub id: PackageTagId,
    /// The version.
    pub package: PackageId,
    /// When it was made.
    pub created: Timestamp,
    /// When it last moved.
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_allows() {
        use PackageStatus::{Default, Deprecated, Error, Hidden};
        let with = |test: fn(PackageStatus) -> bool| {
            PackageStatus::ALL.into_iter().filter(|status| test(*status)).collect::<Vec<_>>()
        };
        assert_eq!(with(PackageStatus::is_displayable), [Default, Error, Deprecated]);
        assert_eq!(with(PackageStatus::is_installable), [Default, Hidden, Deprecated]);
        assert_eq!(with(PackageStatus::has_details), [Default, Deprecated]);
        for status in PackageStatus::ALL {
            assert_eq!(PackageStatus::parse(status.as_str()), Some(status));
        }
    }

    #[test]
    fn texts_are_visible_and_not_too_long() {
        for good in ["a", "@acme/app", "com/acme/app", "1.0+x", "~"] {
            assert_eq!(PackageName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a\0", &"a".repeat(256)] {
            assert!(PackageVersion::parse(bad).is_err(), "{bad:?}");
        }
    }
}
