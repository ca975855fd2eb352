//! [`check`]: whether a tarball is the package that its publisher says it is (spec gitlab §5.2,
//! RULE: at once, before anybody can install it).
//!
//! It is read as a stream and never unpacked. Clients of npm cut the first folder off and write the
//! rest; so nothing may lead out of that folder, there are no links, and only one file may become
//! `package.json`, whose name and version are those of the request. What it unpacks to is bounded,
//! and so is all that is kept of it in memory: headers that stretch others are read here.
//! Deliberately absent: the bytes of the files, which are theirs who install them.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use tar::{Archive, Entry, EntryType, PaxExtensions};

use crate::model::npm_package::{NpmName, NpmVersion};

/// Most files and folders.
const ENTRIES_MAX: u64 = 200_000;
/// Longest path of one, in bytes, and most folders in it.
const PATH_LENGTH_MAX: usize = 4096;
const PATH_DEPTH_MAX: usize = 128;
/// Largest package.json, in bytes.
const PACKAGE_JSON_MAX: u64 = 1 << 20;
/// Longest header that stretches another, in bytes.
const EXTENSION_MAX: u64 = 64 << 10;

/// How much a tarball may unpack to.
#[derive(Clone, Copy, Debug)]
pub struct UnpackLimits {
    /// Bytes at most.
    pub bytes_max: u64,
    /// So many times its own size at most, where that is more than `bytes_free`.
    pub times_max: u64,
    /// Bytes that any may have, however small it is.
    pub bytes_free: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { bytes_max: 4 << 30, times_max: 100, bytes_free: 64 << 20 }
    }
}

impl UnpackLimits {
    fn bytes_max_of(&self, packed_bytes: u64) -> u64 {
        let by_times = packed_bytes.saturating_mul(self.times_max).max(self.bytes_free);
        by_times.min(self.bytes_max)
    }
}

/// What a tarball is found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its files.
    pub files: u64,
    /// What they add up to, in bytes.
    pub unpacked_bytes: u64,
    /// Whether it brings the versions of what it depends on.
    pub has_shrinkwrap: bool,
    /// Whether installing it runs something.
    pub has_install_script: bool,
}

/// Why a tarball is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// It cannot be read to its end.
    #[error("the tarball is no gzip of a tar: {0}; make it with `npm pack`")]
    Unreadable(#[from] io::Error),
    /// It would fill the disks of those who install it.
    #[error("the tarball unpacks to more than {0} bytes, which is too much for its size")]
    Bomb(u64),
    /// Too many files.
    #[error("the tarball has more than {ENTRIES_MAX} files; leave out what nobody needs")]
    Entries,
    /// A path that leads elsewhere.
    #[error("{0:?} in the tarball is no path below its first folder; make it with `npm pack`")]
    Path(String),
    /// No file and no folder.
    #[error("{0:?} in the tarball is neither a file nor a folder; make it with `npm pack`")]
    Kind(String),
    /// A header that stretches another, and is none that npm writes.
    #[error("the tarball has headers that are not taken here ({0}); make it with `npm pack`")]
    Header(&'static str),
    /// There is none.
    #[error("the tarball has no package/package.json; publish the folder that has it")]
    NoPackageJson,
    /// There are two.
    #[error("the tarball has more than one package.json at its top; which one counts is not sure")]
    TwoPackageJson,
    /// It is too large.
    #[error("package.json in the tarball has {0} bytes, and up to {PACKAGE_JSON_MAX} are taken")]
    PackageJsonSize(u64),
    /// It is no JSON, or nested too deep.
    #[error("package.json in the tarball cannot be read: {0}")]
    PackageJson(String),
    /// It is of another package.
    #[error("package.json in the tarball says {what} {found:?}, and {said:?} is published")]
    Differs {
        /// Name or version.
        what: &'static str,
        /// What it says.
        found: String,
        /// What the request says.
        said: String,
    },
}

/// Reads the tarball, of `packed_bytes`, to the end of its files.
///
/// # Errors
/// [`TarballError`].
pub fn check(
    packed: impl Read,
    packed_bytes: u64,
    (name, version): (&NpmName, &NpmVersion),
    limits: UnpackLimits,
) -> Result<Contents, TarballError> {
    let bytes_max = limits.bytes_max_of(packed_bytes);
    let unpacked = Bounded { inner: MultiGzDecoder::new(packed), left: bytes_max };
    let mut archive = Archive::new(unpacked);
    let mut walk = Walk::default();
    let walked = walk.through(&mut archive);
    if archive.into_inner().left == 0 {
        return Err(TarballError::Bomb(bytes_max));
    }
    walked?;
    let json = walk.package_json.ok_or(TarballError::NoPackageJson)?;
    walk.contents.has_install_script |= has_install_script(&json);
    same("name", json.get("name"), name.as_str(), |said| said == name.as_str())?;
    same("version", json.get("version"), &version.to_string(), |said| version.is_said_by(said))?;
    Ok(walk.contents)
}

/// Whether installing what this package.json describes runs something.
#[must_use]
pub fn has_install_script(json: &Map<String, Value>) -> bool {
    let scripts = json.get("scripts").and_then(Value::as_object);
    let runs = |name| scripts.is_some_and(|scripts| scripts.contains_key(name));
    ["preinstall", "install", "postinstall"].into_iter().any(runs)
}

fn same(
    what: &'static str,
    found: Option<&Value>,
    said: &str,
    is_same: impl Fn(&str) -> bool,
) -> Result<(), TarballError> {
    let found = found.and_then(Value::as_str).unwrap_or_default();
    if is_same(found) {
        return Ok(());
    }
    let found = found.chars().take(PATH_LENGTH_MAX).collect();
    Err(TarballError::Differs { what, found, said: said.to_owned() })
}

/// Where reading a tarball is.
#[derive(Default)]
struct Walk {
    contents: Contents,
    entries: u64,
    package_json: Option<Map<String, Value>>,
    /// The path of the next entry, where its own header is too short for it.
    path: Option<Vec<u8>>,
}

impl Walk {
    fn through(&mut self, archive: &mut Archive<impl Read>) -> Result<(), TarballError> {
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(TarballError::Entries);
            }
            match entry.header().entry_type() {
                EntryType::GNULongName => {
                    let mut path = extension(&mut entry)?;
                    while path.last() == Some(&0) {
                        path.pop();
                    }
                    self.path = Some(path);
                }
                EntryType::XHeader => self.stretch(&extension(&mut entry)?)?,
                EntryType::XGlobalHeader => check_global(&extension(&mut entry)?)?,
                kind => self.entry(&mut entry, kind)?,
            }
        }
        Ok(())
    }

    /// A header that says more of the next entry.
    fn stretch(&mut self, header: &[u8]) -> Result<(), TarballError> {
        for extension in PaxExtensions::new(header) {
            let extension = extension?;
            match extension.key_bytes() {
                b"path" => self.path = Some(extension.value_bytes().to_vec()),
                // Programs do not agree on which of two sizes counts.
                b"size" => return Err(TarballError::Header("a size of its own")),
                b"linkpath" => return Err(TarballError::Header("the target of a link")),
                _ => {}
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        kind: EntryType,
    ) -> Result<(), TarballError> {
        let path = self.path.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let shown = || String::from_utf8_lossy(&path).chars().take(256).collect::<String>();
        let below = below(&path).ok_or_else(|| TarballError::Path(shown()))?;
        match kind {
            EntryType::Directory => Ok(()),
            EntryType::Regular | EntryType::Continuous => {
                self.contents.files += 1;
                self.contents.unpacked_bytes += entry.header().entry_size()?;
                self.file(entry, &below)
            }
            _ => Err(TarballError::Kind(shown())),
        }
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, below: &str) -> Result<(), TarballError> {
        // Some disks do not tell cases apart.
        match below.to_ascii_lowercase().as_str() {
            "package.json" => {
                if self.package_json.is_some() {
                    return Err(TarballError::TwoPackageJson);
                }
                self.package_json = Some(package_json(entry)?);
            }
            "npm-shrinkwrap.json" => self.contents.has_shrinkwrap = true,
            // npm runs node-gyp for it by itself.
            "binding.gyp" => self.contents.has_install_script = true,
            _ => {}
        }
        Ok(())
    }
}

fn package_json(entry: &mut Entry<'_, impl Read>) -> Result<Map<String, Value>, TarballError> {
    let size = entry.header().entry_size()?;
    if size > PACKAGE_JSON_MAX {
        return Err(TarballError::PackageJsonSize(size));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text)?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    serde_json::from_slice(text).map_err(|error| TarballError::PackageJson(error.to_string()))
}

fn extension(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, TarballError> {
    if entry.header().entry_size()? > EXTENSION_MAX {
        return Err(TarballError::Header("a very long one"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A header of the whole archive: git writes one with a comment.
fn check_global(header: &[u8]) -> Result<(), TarballError> {
    for extension in PaxExtensions::new(header) {
        if matches!(extension?.key_bytes(), b"path" | b"size" | b"linkpath") {
            return Err(TarballError::Header("one path or size for all files"));
        }
    }
    Ok(())
}

/// The path without its first folder, which clients cut off; `None`: it leads elsewhere.
fn below(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok().filter(|path| path.len() <= PATH_LENGTH_MAX)?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    let parts: Vec<_> = path.split('/').collect();
    let is_fine = !parts.iter().any(|part| is_odd(part))
        && parts.len() <= PATH_DEPTH_MAX
        && !path.contains(['\\', '\0']);
    let is_drive = path.as_bytes().get(1) == Some(&b':');
    (is_fine && !is_drive).then(|| parts.get(1..).unwrap_or_default().join("/"))
}

/// Ends with an error when more than so many bytes come.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("too many bytes"));
        }
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.inner.read(&mut buffer[..fits])?;
        self.left = self.left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
