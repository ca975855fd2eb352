//! [`PackageRow`]: a row of one of the indexes over packages, and whether the truth wants it
//! there. The walk and the repair ask the same question (I2).

use std::fmt;

use super::products::readable;
use crate::db::schema::{
    PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN, PACKAGE_NAMES, PACKAGE_TAGS,
    PACKAGE_TAGS_OF, PACKAGES, PACKAGES_IN, SERIES, SERIES_AT, SERIES_CHANGES,
};
use crate::db::{Error, Rows, WriteTxn};
use crate::model::{
    PackageFileId, PackageFileName, PackageId, PackageKey, PackageName, PackageStatus,
    PackageTagName, ProjectId, Revision, SeriesKey,
};
use crate::store::packages::{file_name_of, key_of};

/// A row of an index over packages.
#[derive(Clone, Debug)]
pub(super) enum PackageRow {
    /// A name leads to a package; truth, but the record says the same.
    Name(ProjectId, PackageKey, PackageId),
    In(ProjectId, PackageId),
    At(SeriesKey, ProjectId),
    Change(ProjectId, SeriesKey, (Revision, PackageId)),
    FileIn(PackageId, PackageFileId),
    FileName(PackageId, PackageFileName, PackageFileId),
    TagOf(PackageId, PackageTagName),
}

impl PackageRow {
    /// Name of the table.
    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Name(..) => PACKAGE_NAMES.name(),
            Self::In(..) => PACKAGES_IN.name(),
            Self::At(..) => SERIES_AT.name(),
            Self::Change(..) => SERIES_CHANGES.name(),
            Self::FileIn(..) => PACKAGE_FILES_IN.name(),
            Self::FileName(..) => PACKAGE_FILE_NAMES.name(),
            Self::TagOf(..) => PACKAGE_TAGS_OF.name(),
        }
    }

    /// Whether the row is there as it is here; one that cannot be read is not.
    pub(super) fn is_there(&self, rows: &impl Rows) -> Result<bool, Error> {
        match self {
            Self::Name(project, key, id) => {
                let found = readable(PACKAGE_NAMES.get(rows, &(*project, key.clone())))?;
                Ok(found.flatten() == Some(*id))
            }
            Self::In(project, id) => PACKAGES_IN.has(rows, &(*project, *id)),
            Self::At(series, project) => SERIES_AT.has(rows, &(series.clone(), *project)),
            Self::Change(project, series, change) => {
                SERIES_CHANGES.has(rows, &(*project, (series.clone(), *change)))
            }
            Self::FileIn(package, id) => PACKAGE_FILES_IN.has(rows, &(*package, *id)),
            Self::FileName(package, name, id) => {
                PACKAGE_FILE_NAMES.has(rows, &(*package, (name.clone(), *id)))
            }
            Self::TagOf(package, tag) => PACKAGE_TAGS_OF.has(rows, &(*package, tag.clone())),
        }
    }

    /// Whether the truth wants the row there.
    pub(super) fn is_right(&self, rows: &impl Rows) -> Result<bool, Error> {
        match self {
            Self::Name(project, key, id) => is_named(rows, *project, key, *id),
            Self::In(project, id) => {
                let package = PACKAGES.get(rows, id)?;
                Ok(package.is_some_and(|package| package.project == *project))
            }
            Self::At(series, project) => {
                let found = SERIES.get(rows, &(*project, series.clone()))?;
                Ok(found.is_some_and(|series| series.packages > 0))
            }
            Self::Change(project, series, (revision, id)) => {
                let Some(package) = PACKAGES.get(rows, id)? else { return Ok(false) };
                let at = (package.project, key_of(&package)?.series);
                Ok((&at.0, &at.1) == (project, series) && package.revision == revision.0)
            }
            Self::FileIn(package, id) => {
                let file = PACKAGE_FILES.get(rows, id)?;
                Ok(file.is_some_and(|file| file.package == *package))
            }
            Self::FileName(package, name, id) => {
                let file = PACKAGE_FILES.get(rows, id)?;
                let file = file.filter(|file| file.package == *package && file.marked.is_none());
                let Some(file) = file else { return Ok(false) };
                Ok(file_name_of(&file)? == *name)
            }
            Self::TagOf(package, tag) => {
                let Some(found) = PACKAGES.get(rows, package)? else { return Ok(false) };
                is_tagged(rows, (found.project, key_of(&found)?.series.name), *package, tag)
            }
        }
    }

    /// Makes the row.
    pub(super) fn put(&self, txn: &WriteTxn) -> Result<(), Error> {
        match self {
            Self::Name(project, key, id) => PACKAGE_NAMES.put(txn, &(*project, key.clone()), id),
            Self::In(project, id) => PACKAGES_IN.put(txn, &(*project, *id), &()),
            Self::At(series, project) => SERIES_AT.put(txn, &(series.clone(), *project), &()),
            Self::Change(project, series, change) => {
                SERIES_CHANGES.put(txn, &(*project, (series.clone(), *change)), &())
            }
            Self::FileIn(package, id) => PACKAGE_FILES_IN.put(txn, &(*package, *id), &()),
            Self::FileName(package, name, id) => {
                PACKAGE_FILE_NAMES.put(txn, &(*package, (name.clone(), *id)), &())
            }
            Self::TagOf(package, tag) => PACKAGE_TAGS_OF.put(txn, &(*package, tag.clone()), &()),
        }
    }

    /// Drops the row; tells whether it was there.
    pub(super) fn remove(&self, txn: &WriteTxn) -> Result<bool, Error> {
        match self {
            Self::Name(project, key, _) => PACKAGE_NAMES.remove(txn, &(*project, key.clone())),
            Self::In(project, id) => PACKAGES_IN.remove(txn, &(*project, *id)),
            Self::At(series, project) => SERIES_AT.remove(txn, &(series.clone(), *project)),
            Self::Change(project, series, change) => {
                SERIES_CHANGES.remove(txn, &(*project, (series.clone(), *change)))
            }
            Self::FileIn(package, id) => PACKAGE_FILES_IN.remove(txn, &(*package, *id)),
            Self::FileName(package, name, id) => {
                PACKAGE_FILE_NAMES.remove(txn, &(*package, (name.clone(), *id)))
            }
            Self::TagOf(package, tag) => PACKAGE_TAGS_OF.remove(txn, &(*package, tag.clone())),
        }
    }
}

/// Whether a record says that this name leads to it.
fn is_named(
    rows: &impl Rows,
    project: ProjectId,
    key: &PackageKey,
    id: PackageId,
) -> Result<bool, Error> {
    let package = PACKAGES.get(rows, &id)?;
    let package = package.filter(|package| package.status != PackageStatus::PendingDestruction);
    let Some(package) = package else { return Ok(false) };
    Ok(package.project == project && key_of(&package)? == *key)
}

fn is_tagged(
    rows: &impl Rows,
    at: (ProjectId, PackageName),
    package: PackageId,
    tag: &PackageTagName,
) -> Result<bool, Error> {
    let found = PACKAGE_TAGS.get(rows, &(at.0, (at.1, tag.clone())))?;
    Ok(found.is_some_and(|found| found.package == package))
}

impl fmt::Display for PackageRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(project, key, id) => {
                let series = &key.series;
                write!(f, "the name of package {} ({} {})", id.0, series.kind, series.name)?;
                write!(f, " in project {}", project.0)
            }
            Self::In(project, id) => {
                write!(f, "the row of package {} in the list of project {}", id.0, project.0)
            }
            Self::At(series, project) => {
                let (kind, name) = (series.kind, &series.name);
                write!(f, "the row of project {} in the list of {kind} {name}", project.0)
            }
            Self::Change(_, series, (revision, id)) => {
                let (id, name, revision) = (id.0, &series.name, revision.0);
                write!(f, "the row of package {id} in the changes of {name}, at {revision}")
            }
            Self::FileIn(package, id) => {
                write!(f, "the row of file {} in the list of package {}", id.0, package.0)
            }
            Self::FileName(package, name, id) => {
                let (package, id) = (package.0, id.0);
                write!(f, "the row of file {id} ({name}) in the names of package {package}")
            }
            Self::TagOf(package, tag) => {
                write!(f, "the row of {tag} in the moving names of package {}", package.0)
            }
        }
    }
}
