//! What can go wrong with files, and what to do about it.
//!
//! An I/O error is never read as "missing": any doubt keeps the data.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Digest;

/// Why files could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A blob has no file. For a blob that has a row this breaks I1.
    #[error(
        "{} of blob {digest} is missing; run `larder check` and bring the file back from a backup",
        path.display()
    )]
    Missing {
        /// The blob.
        digest: Digest,
        /// Where its bytes should be.
        path: PathBuf,
    },
    /// Too little space is free for new content; deleting goes on working.
    #[error(
        "only {free_bytes} bytes are free and {reserve_bytes} are kept in reserve: delete \
         something or enlarge the disk, then upload again"
    )]
    NoRoom {
        /// Free bytes of the file system.
        free_bytes: u64,
        /// Bytes that stay free.
        reserve_bytes: u64,
    },
}

impl Error {
    /// Whether there is no room for more bytes: disk full, quota used up, file too large. What
    /// deletes can go on then, what adds is refused (507).
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            Self::NoRoom { .. } => true,
            Self::Missing { .. } => false,
        }
    }

    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "delete something or give the data folder more space"
        }
        io::ErrorKind::FileTooLarge => {
            "raise the limit for the size of one file (ulimit -f) or change the file system"
        }
        io::ErrorKind::PermissionDenied => {
            "let the user that runs larder own the data folder, on a disk that knows hard links"
        }
        io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported => {
            "keep the data folder on one local file system that knows hard links"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing; the kernel's log says why",
        _ => "look for the disk in the kernel's log, then run `larder check`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_told_from_broken() {
        let full = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            Error::io("write", Path::new("x"))(source).is_full()
        };
        let errnos = [
            rustix::io::Errno::NOSPC,
            rustix::io::Errno::DQUOT,
            rustix::io::Errno::FBIG,
            rustix::io::Errno::IO,
        ];
        assert_eq!(errnos.map(|errno| full(errno.raw_os_error())), [true, true, true, false]);
    }
}
