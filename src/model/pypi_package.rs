//! [`PypiName`], [`PypiVersion`] and [`Distribution`]: what packages of `PyPI` are called (spec
//! gitlab §7, PEP 440, 503, 508, 625 and the specification of wheels' file names).
//!
//! Two spellings of one name or version are one key, so no two packages differ in case or
//! punctuation alone. All grammars are ASCII: there is no other Unicode form of anything, and no
//! name can hold a slash, a backslash or a byte that a file's name may not.
//! Deliberately absent: reading a file's inside; its name and the upload's fields are believed.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::package::PACKAGE_TEXT_LENGTH_MAX;
use super::{PackageKey, PackageKind, PackageName, PackageVersion, SeriesKey};

/// Most characters of `requires_python`.
pub const REQUIRES_PYTHON_LENGTH_MAX: usize = 255;

/// Fields of an upload that are kept as they are, and how many characters of each (spec §7.1).
pub const FIELD_LENGTHS_MAX: [(&str, usize); 6] = [
    ("author_email", 2048),
    ("description", 4000),
    ("description_content_type", 128),
    ("keywords", 255),
    ("metadata_version", 16),
    ("summary", 255),
];

/// How files that are sources end.
const SOURCES: [&str; 4] = [".tar.gz", ".zip", ".tar.bz2", ".tgz"];

/// What cannot be published, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PypiError {
    /// Not the grammar of PEP 508.
    #[error(
        "name is invalid: {0:?}; write up to {PACKAGE_TEXT_LENGTH_MAX} letters, digits, '-', '_' \
         and '.', a letter or digit at both ends"
    )]
    Name(String),
    /// Not the grammar of PEP 440.
    #[error("version is invalid: {0:?}; write one as PEP 440 has them, such as 1.2.0 or 1.2rc1")]
    Version(String),
    /// Neither a wheel nor sources.
    #[error(
        "the file {0:?} is neither a wheel nor a source distribution: build one, and upload it \
         under the name that it was given (NAME-VERSION-….whl or NAME-VERSION.tar.gz)"
    )]
    File(String),
    /// A file of another package.
    #[error(
        "the file {file:?} does not belong to {name} {version}: upload it with the name and the \
         version that it was built for"
    )]
    Elsewhere {
        /// The file.
        file: String,
        /// The name that the upload says.
        name: String,
        /// The version that it says.
        version: String,
    },
    /// Nothing that restricts versions.
    #[error("requires_python is invalid: {0:?}; write a restriction such as >=3.9 or >=3.9,<4")]
    RequiresPython(String),
}

/// A name, normalised: small letters and digits, with single hyphens between (PEP 503).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PypiName(String);

impl PypiName {
    /// Reads a name in any spelling.
    ///
    /// # Errors
    /// [`PypiError::Name`].
    pub fn parse(text: &str) -> Result<Self, PypiError> {
        let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let has_ends = is_end(text.bytes().next()) && is_end(text.bytes().next_back());
        if !has_ends || text.len() > PACKAGE_TEXT_LENGTH_MAX || !text.bytes().all(is_inside) {
            return Err(PypiError::Name(shown(text)));
        }
        let mut name = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '-' | '_' | '.' if name.ends_with('-') => {}
                '-' | '_' | '.' => name.push('-'),
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        Ok(Self(name))
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All versions of it; `None` cannot be, since the grammar of names is wider.
    #[must_use]
    pub fn series(&self) -> Option<SeriesKey> {
        let name = PackageName::parse(&self.0).ok()?;
        Some(SeriesKey { kind: PackageKind::Pypi, name })
    }
}

impl fmt::Display for PypiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version; two of them are the same when their canonical texts are. They are in the order of
/// PEP 440, and those that it takes for equal (`1.0` and `1.0.0`) in the order of their texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PypiVersion {
    version: pep440_rs::Version,
    text: String,
}

impl PypiVersion {
    /// Reads a version in any spelling.
    ///
    /// # Errors
    /// [`PypiError::Version`].
    pub fn parse(text: &str) -> Result<Self, PypiError> {
        let bad = || PypiError::Version(shown(text));
        if text.len() > PACKAGE_TEXT_LENGTH_MAX || !text.is_ascii() {
            return Err(bad());
        }
        let version = pep440_rs::Version::from_str(text).map_err(|_| bad())?;
        let text = version.to_string();
        Ok(Self { version, text })
    }

    /// Its canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The package of this version; `None` for a text that is too long for a key.
    #[must_use]
    pub fn key(&self, name: &PypiName) -> Option<PackageKey> {
        let version = PackageVersion::parse(&self.text).ok()?;
        Some(PackageKey { series: name.series()?, version: Some(version) })
    }
}

impl PartialOrd for PypiVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PypiVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp(&other.version).then_with(|| self.text.cmp(&other.text))
    }
}

impl fmt::Display for PypiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A file of a package: its name, and the one spelling that stands for all of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    file: String,
    identity: String,
}

impl Distribution {
    /// Reads the name of a file that is uploaded for this name and version.
    ///
    /// # Errors
    /// [`PypiError::File`] and [`PypiError::Elsewhere`].
    pub fn of(file: &str, name: &PypiName, version: &PypiVersion) -> Result<Self, PypiError> {
        let mut readings = readings(file);
        if readings.is_empty() {
            return Err(PypiError::File(shown(file)));
        }
        let text = version.as_str();
        readings.retain(|found| found.name == *name && found.version.as_str() == text);
        let Some(found) = readings.pop() else {
            let (name, version) = (name.to_string(), text.to_owned());
            return Err(PypiError::Elsewhere { file: shown(file), name, version });
        };
        Ok(Self { file: file.to_owned(), identity: found.identity() })
    }

    /// The file of this name, as it is in that package; `None`: it is in another, or in none.
    #[must_use]
    pub fn within(file: &str, package: &PackageKey) -> Option<Self> {
        let mut readings = readings(file).into_iter();
        let found = readings.find(|one| one.version.key(&one.name).as_ref() == Some(package))?;
        Some(Self { file: file.to_owned(), identity: found.identity() })
    }

    /// Which packages a file of this name can be in: one, but for sources whose version has a
    /// hyphen.
    #[must_use]
    pub fn places(file: &str) -> Vec<PackageKey> {
        let keys = readings(file).into_iter().filter_map(|found| found.version.key(&found.name));
        keys.collect()
    }

    /// Its name, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The same for two names that differ in case or punctuation alone.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// What a file's name may say.
struct Reading<'a> {
    name: PypiName,
    version: PypiVersion,
    /// What is behind the version: tags, or how sources end.
    rest: &'a str,
}

impl Reading<'_> {
    fn identity(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.rest.to_ascii_lowercase())
    }
}

fn readings(file: &str) -> Vec<Reading<'_>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte);
    if file.len() > PACKAGE_TEXT_LENGTH_MAX || !file.bytes().all(is_name) {
        return Vec::new();
    }
    if let Some(stem) = file.strip_suffix(".whl") {
        return wheel(stem).into_iter().collect();
    }
    let Some(stem) = SOURCES.iter().find_map(|end| file.strip_suffix(end)) else {
        return Vec::new();
    };
    let rest = &file[stem.len()..];
    let hyphens = stem.match_indices('-');
    hyphens.filter_map(|(at, _)| reading(&stem[..at], &stem[at + 1..], rest)).collect()
}

/// `name-version[-build]-python-abi-platform`
fn wheel(stem: &str) -> Option<Reading<'_>> {
    let (name, after) = stem.split_once('-')?;
    let (version, tags) = after.split_once('-')?;
    let parts: Vec<_> = tags.split('-').collect();
    let is_tag = |part: &&str| {
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        !part.is_empty() && part.bytes().all(is_inside)
    };
    let is_build = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let is_whole = match parts.as_slice() {
        [_, _, _] => true,
        [build, _, _, _] => is_build(build),
        _ => false,
    };
    (is_whole && parts.iter().all(is_tag)).then(|| reading(name, version, tags))?
}

fn reading<'a>(name: &str, version: &str, rest: &'a str) -> Option<Reading<'a>> {
    let (name, version) = (PypiName::parse(name).ok()?, PypiVersion::parse(version).ok()?);
    Some(Reading { name, version, rest })
}

/// The versions of Python that a file is for, as they are told to clients. Read loosely: clients
/// have their own ways with what PEP 440 does not allow. `None` where nothing is said, and where
/// it is too long to be kept: it is cut between two restrictions, since half of one is another.
///
/// # Errors
/// [`PypiError::RequiresPython`].
pub fn requires_python(text: &str) -> Result<Option<String>, PypiError> {
    let text = text.trim();
    let clauses = text.split(',').map(str::trim).filter(|clause| !clause.is_empty());
    if !clauses.clone().all(is_restriction) {
        return Err(PypiError::RequiresPython(shown(text)));
    }
    let fits = text.len() <= REQUIRES_PYTHON_LENGTH_MAX;
    let kept = match text.get(..REQUIRES_PYTHON_LENGTH_MAX) {
        Some(start) if !fits => start.rsplit_once(',').map_or("", |(whole, _)| whole),
        _ => text,
    };
    Ok(Some(kept.to_owned()).filter(|kept| !kept.is_empty()))
}

/// `>=3.8`, `!= 3.9.*`: an operator and what begins as a version does.
fn is_restriction(clause: &str) -> bool {
    const OPERATORS: [&str; 8] = ["===", "~=", "==", "!=", "<=", ">=", "<", ">"];
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+!*".contains(&byte);
    let version = OPERATORS.iter().find_map(|operator| clause.strip_prefix(operator));
    let version = version.unwrap_or_default().trim();
    let begins = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    begins && version.bytes().all(is_inside)
}

/// The first `length_max` characters of a text.
#[must_use]
pub fn cut(text: &str, length_max: usize) -> &str {
    text.char_indices().nth(length_max).map_or(text, |(at, _)| &text[..at])
}

/// As much of what a client said as an error tells.
fn shown(text: &str) -> String {
    cut(text, 80).to_owned()
}

#[cfg(test)]
mod tests;
