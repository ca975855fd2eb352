//! The revision of a series: raised by each change of a package, file or tag of it, together with
//! the row of that package's last change, and with what the project counts.
//!
//! Revisions are of one sequence for the whole store: a series that goes and comes back, or a
//! list of names, never has one that it had before.

use crate::db::schema::{META, Meta, PACKAGES, PROJECT_USAGE, SERIES, SERIES_AT, SERIES_CHANGES};
use crate::model::{Package, PackageId, ProjectId, ProjectUsage, Revision, Series};
use crate::store::{Error, Tx};

use super::key_of;

/// What a change means for the number of a series' packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// One that is not on its way out is there.
    OneMore,
    /// It was there, and stays.
    Same,
    /// One is on its way out.
    OneLess,
}

impl Number {
    fn of(self, packages: u64) -> u64 {
        match self {
            Self::OneMore => packages.saturating_add(1),
            Self::Same => packages,
            Self::OneLess => packages.saturating_sub(1),
        }
    }
}

impl Tx<'_, '_> {
    /// Writes a package that changed, and what tells others that it did.
    pub(super) fn save_package(
        &self,
        id: PackageId,
        package: &mut Package,
        number: Number,
    ) -> Result<(), Error> {
        let (project, key) = (package.project, key_of(package)?.series);
        let revision = self.next_revision()?;
        let at = (project, key.clone());
        let known = SERIES.get(self.txn, &at)?;
        // What was built of one that was there before knows nothing of this one.
        let mut series = known.unwrap_or(Series { forgotten: revision - 1, ..Series::default() });
        let change = |revision| (project, (key.clone(), (Revision(revision), id)));
        SERIES_CHANGES.remove(self.txn, &change(package.revision))?;
        SERIES_CHANGES.put(self.txn, &change(revision), &())?;
        (package.revision, package.updated) = (revision, self.now);
        PACKAGES.put(self.txn, &id, package)?;
        let (before, now) = (series.packages, number.of(series.packages));
        (series.revision, series.packages) = (revision, now);
        SERIES.put(self.txn, &at, &series)?;
        if before == 0 && now > 0 {
            SERIES_AT.put(self.txn, &(key, project), &())?;
        } else if before > 0 && now == 0 {
            SERIES_AT.remove(self.txn, &(key, project))?;
        }
        self.count_project(project, |usage| {
            usage.packages = number.of(usage.packages);
            if (before == 0) != (now == 0) {
                usage.names_revision = revision;
            }
        })
    }

    /// The row of a package's last change goes with the package, and with the last one the series.
    pub(super) fn forget_package(&self, id: PackageId, package: &Package) -> Result<(), Error> {
        let at = (package.project, key_of(package)?.series);
        let change = (at.0, (at.1.clone(), (Revision(package.revision), id)));
        SERIES_CHANGES.remove(self.txn, &change)?;
        let Some(mut series) = SERIES.get(self.txn, &at)? else { return Ok(()) };
        if SERIES_CHANGES.has_any(self.txn, crate::db::Span::under(&at))? {
            series.forgotten = series.forgotten.max(package.revision);
            SERIES.put(self.txn, &at, &series)?;
        } else {
            SERIES.remove(self.txn, &at)?;
        }
        Ok(())
    }

    /// Changes what a project is counted for.
    pub(in crate::store) fn count_project(
        &self,
        project: ProjectId,
        change: impl FnOnce(&mut ProjectUsage),
    ) -> Result<(), Error> {
        let mut usage = PROJECT_USAGE.get(self.txn, &project)?.unwrap_or_default();
        change(&mut usage);
        Ok(PROJECT_USAGE.put(self.txn, &project, &usage)?)
    }

    /// A revision that nothing had before.
    pub(in crate::store) fn next_revision(&self) -> Result<u64, Error> {
        let last = META.get(self.txn, &Meta::LAST_REVISION)?.unwrap_or(0);
        META.put(self.txn, &Meta::LAST_REVISION, &(last + 1))?;
        Ok(last + 1)
    }
}
