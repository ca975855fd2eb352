//! The folder with one file for each group, named as the group.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::acl::{Acl, BadLine, Matcher};

/// The file with the rights of whoever is not logged in.
pub const ANONYMOUS: &str = "ANONYMOUS";
/// Largest file that is read, in bytes.
const SIZE_MAX: u64 = 16 << 20;

/// Why the rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AclError {
    /// The folder or a file cannot be read.
    #[error("the rules in {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The folder or the file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is wrong.
    #[error("{}, {bad}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line and the reason.
        bad: BadLine,
    },
}

/// The rights of one group.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) acl: Acl,
    /// Its lines that say the same to everybody.
    pub(super) common: Matcher,
}

/// Reads all files of a folder; lines that are passed over are logged. Hidden files and folders
/// are no groups.
pub(super) fn read(folder: &Path) -> Result<Vec<Group>, AclError> {
    let mut groups = Vec::new();
    for path in files(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            log::warn!("{} is passed over: a group's name is UTF-8", path.display());
            continue;
        };
        let name = name.to_owned();
        let acl = parse(&path)?;
        let common = acl.rules.iter().filter(|rule| !rule.is_personal()).cloned().collect();
        let wrong = |bad| AclError::Wrong { path: path.clone(), bad };
        let common = Matcher::new(common, None).map_err(wrong)?;
        for BadLine { line, why } in &acl.ignored {
            log::warn!("{}, line {line} grants nothing: {why}", path.display());
        }
        groups.push(Group { name, path, acl, common });
    }
    if groups.is_empty() {
        log::warn!("{} has no file: administrators alone may do anything", folder.display());
    }
    Ok(groups)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, AclError> {
    let unreadable = |source| AclError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden {
            files.push(entry.path());
        }
    }
    // The file that is named as wrong is the same each time.
    files.sort();
    files.retain(|path| !path.is_dir());
    Ok(files)
}

fn parse(path: &Path) -> Result<Acl, AclError> {
    let unreadable = |source| AclError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > SIZE_MAX {
        let why = format!("it has {size} bytes, more than {SIZE_MAX}");
        return Err(unreadable(io::Error::other(why)));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let wrong = |bad| AclError::Wrong { path: path.to_owned(), bad };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        wrong(BadLine { line, why: "it is not UTF-8".to_owned() })
    })?;
    Acl::parse(&text).map_err(wrong)
}
