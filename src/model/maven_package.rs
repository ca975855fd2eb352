//! [`MavenPath`]: what a URL of Maven's names (spec gitlab §6.1); [`MavenFile`]: what the name of a
//! snapshot's file says.
//!
//! Defends I9: a path becomes a package's name and version here, once, and no segment of it can
//! lead anywhere else. `com/acme/app/1.0` is version 1.0 of the package `com/acme/app`.
//! Deliberately absent: whether anything is there, and what metadata looks like
//! ([`super::maven_metadata`]).

use super::{PackageFileName, PackageKey, PackageKind, PackageName, PackageVersion, SeriesKey};

/// The file that tells clients what there is.
pub const METADATA: &str = "maven-metadata.xml";
/// What the version of a snapshot ends with.
pub const SNAPSHOT: &str = "-SNAPSHOT";

/// Why a path names nothing of Maven's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MavenPathError {
    /// In the file's name.
    #[error(
        "file_name is invalid: use letters, digits, `.`, `_`, `-` and `+`, at most 255 of them"
    )]
    FileName,
    /// Before it.
    #[error(
        "path is invalid: write group/artifact/version, its segments of letters, digits, `_`, `-` \
         and `.`; a version may also have `+`, but never `..`"
    )]
    Path,
}

/// A file in Maven's layout; its texts are of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MavenPath {
    /// Where it lies: `com/acme/app/1.0`.
    folder: String,
    /// Its name.
    file: String,
    /// What it is.
    place: MavenPlace,
}

/// What a [`MavenPath`] leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MavenPlace {
    /// What there is of an artifact, and the plugins of a group: made here, never stored.
    Metadata(PackageName),
    /// What there is of a snapshot: made here, never stored.
    SnapshotMetadata(PackageName, PackageVersion),
    /// A file of this package.
    File(PackageKey),
}

/// How a checksum in a file of its own is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MavenSum {
    /// `.md5`
    Md5,
    /// `.sha1`
    Sha1,
    /// `.sha256`
    Sha256,
    /// `.sha512`
    Sha512,
}

impl MavenSum {
    /// All of them with the ends of their files' names.
    const ALL: [(Self, &str); 4] = [
        (Self::Md5, ".md5"),
        (Self::Sha1, ".sha1"),
        (Self::Sha256, ".sha256"),
        (Self::Sha512, ".sha512"),
    ];
}

impl MavenPath {
    /// Reads the segments of a path before the name of its file, and that name.
    ///
    /// # Errors
    /// [`MavenPathError`].
    pub fn parse<T: AsRef<str>>(folder: &[T], file: &str) -> Result<Self, MavenPathError> {
        if !is_word(file, "._-+") || PackageFileName::parse(file).is_err() {
            return Err(MavenPathError::FileName);
        }
        let segments: Vec<&str> = folder.iter().map(AsRef::as_ref).collect();
        let (last, before) = segments.split_last().ok_or(MavenPathError::Path)?;
        let first = before.first().copied().map(|first| first.strip_prefix('@').unwrap_or(first));
        let mut groups = first.into_iter().chain(before.iter().skip(1).copied());
        let last_is_good = match before {
            [] => is_word(last.strip_prefix('@').unwrap_or(last), "._-+"),
            _ => is_word(last, "._-+"),
        };
        if !last_is_good || !groups.all(|segment| is_word(segment, "._-")) {
            return Err(MavenPathError::Path);
        }
        let place = place(&before.join("/"), last, file).ok_or(MavenPathError::Path)?;
        Ok(Self { folder: segments.join("/"), file: file.to_owned(), place })
    }

    /// Where the file lies: `com/acme/app/1.0`.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Its name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What it is.
    #[must_use]
    pub fn place(&self) -> &MavenPlace {
        &self.place
    }

    /// The file that this one is a checksum of, and how it is computed; `None`: it is no checksum.
    #[must_use]
    pub fn sum_of(&self) -> Option<(Self, MavenSum)> {
        let (sum, of) = MavenSum::ALL
            .into_iter()
            .find_map(|(sum, suffix)| Some((sum, self.file.strip_suffix(suffix)?)))?;
        let segments: Vec<&str> = self.folder.split('/').collect();
        Some((Self::parse(&segments, of).ok()?, sum))
    }
}

/// Letters, digits and some more; never what leads to another folder.
fn is_word(text: &str, more: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    !text.is_empty() && !matches!(text, "." | "..") && text.chars().all(is_good)
}

/// Metadata is an artifact's, or a group's, unless it lies in a snapshot (spec gitlab §6.2); what
/// signs it lies beside it.
fn place(before: &str, last: &str, file: &str) -> Option<MavenPlace> {
    let whole = if before.is_empty() { last.to_owned() } else { format!("{before}/{last}") };
    let is_metadata = file == METADATA;
    let is_beside = file.strip_prefix(METADATA).is_some_and(|end| end.starts_with('.'));
    if (is_metadata || is_beside) && !last.ends_with(SNAPSHOT) {
        let name = PackageName::parse(&whole).ok()?;
        return Some(if is_metadata {
            MavenPlace::Metadata(name)
        } else {
            MavenPlace::File(key(name, None))
        });
    }
    let name = PackageName::parse(before).ok()?;
    let version = PackageVersion::parse(last).ok().filter(|_| !last.contains(".."))?;
    Some(if is_metadata {
        MavenPlace::SnapshotMetadata(name, version)
    } else {
        MavenPlace::File(key(name, Some(version)))
    })
}

fn key(name: PackageName, version: Option<PackageVersion>) -> PackageKey {
    PackageKey { series: series_of(name), version }
}

/// All versions of a package of Maven's.
#[must_use]
pub fn series_of(name: PackageName) -> SeriesKey {
    SeriesKey { kind: PackageKind::Maven, name }
}

/// The group and the artifact of a package's name, as Maven writes them.
#[must_use]
pub fn coordinates(name: &str) -> (String, &str) {
    let (group, artifact) = name.rsplit_once('/').unwrap_or(("", name));
    (group.replace('/', "."), artifact)
}

/// What the name of a snapshot's file says: `app-1.0-20181107.152550-1-sources.jar`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MavenFile {
    /// Which of the artifact's files it is: `sources`.
    pub classifier: Option<String>,
    /// What kind of file it is: `jar`, `tar.gz`, `jar.asc`.
    pub extension: String,
    /// The version in its name: `1.0-20181107.152550-1`, or `1.0-SNAPSHOT`.
    pub value: String,
    /// Which build it is of; `None`: each deployment overwrites the one before.
    pub build: Option<MavenBuild>,
}

/// One deployment of a snapshot. The later one has the higher number; two that were made at once
/// may have the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MavenBuild {
    /// Its number.
    pub number: u64,
    /// When the client made it, by its own clock: `20181107.152550`.
    pub timestamp: String,
}

impl MavenFile {
    /// Reads the name of a file in `version` of the package `name`. `None`: it is not called
    /// after them.
    #[must_use]
    pub fn read(name: &str, version: &str, file: &str) -> Option<Self> {
        let (_, artifact) = coordinates(name);
        let base = version.strip_suffix(SNAPSHOT)?;
        let rest = file.strip_prefix(artifact)?.strip_prefix('-')?.strip_prefix(base)?;
        let rest = rest.strip_prefix('-')?;
        let (value, build, rest) = match read_build(rest) {
            Some((build, rest)) => {
                (format!("{base}-{}-{}", build.timestamp, build.number), Some(build), rest)
            }
            None => (version.to_owned(), None, rest.strip_prefix(&SNAPSHOT[1..])?),
        };
        let (classifier, extension) = read_kind(rest)?;
        Some(Self { classifier, extension, value, build })
    }
}

/// `20181107.152550-1` and what follows it.
fn read_build(text: &str) -> Option<(MavenBuild, &str)> {
    let (timestamp, rest) = text.split_at_checked(15)?;
    let (date, time) = timestamp.split_once('.')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || !is_number(date) || !is_number(time) {
        return None;
    }
    let rest = rest.strip_prefix('-')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    // As the name has it, so without zeros that are lost when it is written again.
    let number = number.parse().ok().filter(|read: &u64| read.to_string() == number)?;
    Some((MavenBuild { number, timestamp: timestamp.to_owned() }, rest))
}

/// `-sources.jar`: a classifier if there is one, and an extension.
fn read_kind(rest: &str) -> Option<(Option<String>, String)> {
    if let Some(extension) = rest.strip_prefix('.').filter(|extension| !extension.is_empty()) {
        return Some((None, extension.to_owned()));
    }
    let (mut classifier, mut extension) = rest.strip_prefix('-')?.rsplit_once('.')?;
    let whole = &rest[1..];
    // What is compressed or signed says before that what it is.
    while let Some((before, kind)) = classifier.rsplit_once('.') {
        let outer = extension.split('.').next().unwrap_or_default();
        let is_more = matches!(outer, "asc" | "sig" | "sigstore")
            || (kind == "tar" && matches!(outer, "gz" | "bz2" | "xz" | "zst" | "lzma" | "Z"));
        if !is_more {
            break;
        }
        (classifier, extension) = (before, &whole[before.len() + 1..]);
    }
    let is_told = !classifier.is_empty() && !extension.is_empty();
    is_told.then(|| (Some(classifier.to_owned()), extension.to_owned()))
}

#[cfg(test)]
mod tests;
