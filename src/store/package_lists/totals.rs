//! How much there is of packages in all projects.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::db::Span;
use crate::db::schema::{PACKAGE_FILES, PACKAGES, PROJECT_USAGE, PROJECTS};
use crate::model::Usage;
use crate::store::{Error, View};

/// Sums over all projects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageTotals {
    /// Projects, those that are being destroyed included.
    pub projects: u64,
    /// Packages that are not on their way out.
    pub live: u64,
    /// Their files.
    pub live_files: Usage,
    /// Packages that are on their way out.
    pub pending: u64,
    /// Files that are, themselves or with their package: their bytes come back when they are
    /// destroyed.
    pub pending_files: Usage,
    /// Rows of files, of either.
    pub files: u64,
}

impl View {
    /// Adds up what projects hold, a row for each of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_totals(&self) -> Result<PackageTotals, Error> {
        let mut totals = PackageTotals {
            projects: PROJECTS.count(&self.snapshot)?,
            files: PACKAGE_FILES.count(&self.snapshot)?,
            ..PackageTotals::default()
        };
        PROJECT_USAGE.each(&self.snapshot, Span::all(), |_, usage| {
            totals.live = totals.live.saturating_add(usage.packages);
            totals.live_files = totals.live_files.plus(usage.live);
            totals.pending_files = totals.pending_files.plus(usage.pending);
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        totals.pending = PACKAGES.count(&self.snapshot)?.saturating_sub(totals.live);
        Ok(totals)
    }
}
