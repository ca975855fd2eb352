//! [`GenericFile`]: what a file of a generic package is called (spec gitlab §4.1).
//!
//! Defends I9 and the disk: names, versions and folders are ASCII of a few characters, so no two of
//! them look alike and none leads elsewhere; what is stored is one text, the folders with it,
//! encoded as a URI component.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{PackageFileName, PackageKey, PackageKind, PackageName, PackageVersion, SeriesKey};

/// Where a file of a generic package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenericFile {
    /// The package.
    pub package: PackageKey,
    /// The stored name: with folders, their slashes are `%2F`.
    pub name: PackageFileName,
}

/// What is not as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenericFault {
    /// The name of the package.
    #[error("package_name is invalid")]
    Name,
    /// Its version.
    #[error("package_version is invalid")]
    Version,
    /// The name of the file.
    #[error("file_name is invalid")]
    File,
    /// The folders, or the whole is too long.
    #[error("path is invalid")]
    Path,
}

impl GenericFile {
    /// Reads the decoded parts of a URL; `path` are folders, outermost first.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn parse(
        name: &str,
        version: &str,
        path: &[String],
        file: &str,
    ) -> Result<Self, Vec<GenericFault>> {
        let kept = parse_name(name).ok_or(GenericFault::Name);
        let version = parse_version(version).ok_or(GenericFault::Version);
        let folders =
            if path.iter().all(|part| is_folder(part)) { Ok(()) } else { Err(GenericFault::Path) };
        let is_file = is_file(file);
        let stored = is_file.then(|| stored(path, file)).ok_or(GenericFault::File);
        let stored = match stored {
            Ok(text) => PackageFileName::parse(&text)
                .map_err(|_| if path.is_empty() { GenericFault::File } else { GenericFault::Path }),
            Err(fault) => Err(fault),
        };
        match (kept, version, folders, stored) {
            (Ok(name), Ok(version), Ok(()), Ok(stored)) => {
                let series = SeriesKey { kind: PackageKind::Generic, name };
                Ok(Self { package: PackageKey { series, version: Some(version) }, name: stored })
            }
            (name, version, folders, stored) => {
                let faults = [name.err(), version.err(), folders.err(), stored.err()];
                let mut faults: Vec<_> = faults.into_iter().flatten().collect();
                faults.dedup();
                Err(faults)
            }
        }
    }
}

fn parse_name(text: &str) -> Option<PackageName> {
    let is_kept = |one: u8| one.is_ascii_alphanumeric() || b"._-+".contains(&one);
    let is_name = text.bytes().all(is_kept) && !matches!(text, "." | "..");
    PackageName::parse(text).ok().filter(|_| is_name)
}

fn parse_version(text: &str) -> Option<PackageVersion> {
    let is_kept = |one: u8| one.is_ascii_alphanumeric() || b"_.-+".contains(&one);
    let is_version = text.bytes().all(is_kept) && !text.contains("..") && text != ".";
    PackageVersion::parse(text).ok().filter(|_| is_version)
}

fn is_file(text: &str) -> bool {
    let is_kept = |one: u8| one.is_ascii_alphanumeric() || b"._-+~".contains(&one);
    let is_edged = text.starts_with('~') || text.ends_with('~');
    !text.is_empty() && text.bytes().all(is_kept) && !is_edged && !matches!(text, "." | "..")
}

/// A little more than a file's name, since folders are never sent as names of their own.
fn is_folder(text: &str) -> bool {
    let is_kept = |one: u8| one.is_ascii_alphanumeric() || b"._-+~@=, ".contains(&one);
    !text.is_empty() && text.bytes().all(is_kept) && !matches!(text, "." | "..")
}

/// A name alone stays as it is.
fn stored(path: &[String], file: &str) -> String {
    /// What Ruby lets stand in a component of a URI.
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
    if path.is_empty() {
        return file.to_owned();
    }
    let whole = format!("{}/{file}", path.join("/"));
    utf8_percent_encode(&whole, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, version: &str, path: &[&str], file: &str) -> Result<String, String> {
        let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
        let found = GenericFile::parse(name, version, &path, file);
        found
            .map(|found| found.name.to_string())
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn names_are_what_the_grammar_says() {
        for (name, version, path, file, stored) in [
            ("tool", "1.0", &[][..], "a.tgz", "a.tgz"),
            ("To-ol_1.x+", "1.0-rc.1+b_2", &[], "a+b~1.tgz", "a+b~1.tgz"),
            ("a", "1", &["linux", "x64"], "a.tgz", "linux%2Fx64%2Fa.tgz"),
            ("a", "1", &["My @files, ~x"], "a+b.tgz", "My%20%40files%2C%20%7Ex%2Fa%2Bb.tgz"),
            ("...", "1", &[], "...", "..."),
        ] {
            assert_eq!(read(name, version, path, file).as_deref(), Ok(stored), "{name}");
        }
    }

    #[test]
    fn what_is_not_is_named() {
        let long = "a".repeat(256);
        for name in ["", ".", "..", "a/b", "a b", "a~", "ä", "a\0", "a%2Fb", "@a", &long] {
            assert_eq!(read(name, "1", &[], "f"), Err("package_name is invalid".into()), "{name}");
        }
        for version in ["", "1..2", "..", ".", "1/2", "1 2", "1~", "é", &long] {
            let fault = Err("package_version is invalid".into());
            assert_eq!(read("a", version, &[], "f"), fault, "{version}");
        }
        for file in ["", "~a", "a~", ".", "..", "a/b", "a b", "a@b", "a\\b", "ａ", &long] {
            assert_eq!(read("a", "1", &[], file), Err("file_name is invalid".into()), "{file}");
        }
        for path in
            [&["."][..], &[".."], &["a", ".."], &["a/b"], &["a\\b"], &["ü"], &["a%b"], &[&long]]
        {
            assert_eq!(read("a", "1", path, "f"), Err("path is invalid".into()), "{path:?}");
        }
        let all = "package_name is invalid, package_version is invalid, path is invalid, \
                   file_name is invalid";
        assert_eq!(read("", "", &[""], ""), Err(all.into()));
    }
}
