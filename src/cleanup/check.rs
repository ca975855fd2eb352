//! [`check()`]: rows, files and, when asked for, every byte (I1, I2, I4); with or without repair.
//!
//! It works while the store serves. Deliberately absent: whether an empty shelf is a difference
//! worth an exit code (the command decides) and repairing contents, which nobody here has.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Error;
use super::files::FileCheck;
use crate::blobs::BlobFiles;
use crate::model::Usage;
use crate::stop::Stop;
use crate::store::Store;
use crate::store::check::{Recount, Watch};

/// What to do about differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Tell of them.
    Report,
    /// Correct those that can be.
    Repair,
}

/// Whether to read what blobs consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Their names are enough.
    Trust,
    /// Hash every byte.
    Hash,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Differences of all kinds, and the rows that were looked at.
    #[serde(flatten)]
    pub recount: Recount,
    /// Blob files that were found on the disk.
    pub files: u64,
    /// Blobs that were read and hashed, and their bytes.
    pub hashed: Usage,
}

impl Report {
    /// Whether everything was looked at and nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.recount.is_clean()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { files: blobs, bytes } = self.hashed;
        write!(f, "{}; {} files", self.recount, self.files)?;
        if blobs > 0 {
            write!(f, ", {blobs} blobs with {bytes} bytes read")?;
        }
        Ok(())
    }
}

/// Checks rows, then files, then contents. What ends it early is told in the report.
///
/// # Errors
/// [`Error`] when the database fails. A file that cannot be read is a difference instead.
pub fn check(
    store: &Store,
    files: &BlobFiles,
    mode: Mode,
    contents: Contents,
    watch: &mut Watch,
) -> Result<Report, Error> {
    let recount = match mode {
        Mode::Report => store.check(watch)?,
        Mode::Repair => store.repair(watch)?,
    };
    let report = Report { recount, ..Report::default() };
    let mut check = FileCheck::new(store, files, mode, report, watch);
    check.compare_names()?;
    if contents == Contents::Hash {
        check.hash()?;
    }
    Ok(check.report)
}

/// For tests: nothing when rows, files and contents are as they must be, otherwise what is not.
///
/// # Errors
/// The differences, or why there is no answer, as text.
pub fn verify(store: &Store, files: &BlobFiles) -> Result<(), String> {
    let (stop, progress) = (Stop::new(), &mut |_| ());
    let mut watch = Watch { stop: &stop, age_max: Duration::MAX, progress };
    let report = check(store, files, Mode::Report, Contents::Hash, &mut watch);
    let report = report.map_err(|error| error.to_string())?;
    if report.is_clean() { Ok(()) } else { Err(report.to_string()) }
}
