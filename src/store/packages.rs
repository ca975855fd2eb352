//! Packages of projects: published, marked, destroyed, found (spec gitlab §2, §8.3).
//!
//! A package counts while its project does and until it is marked: marking takes its name row
//! away, one small transaction whatever its size, so the name and version can be published again
//! at once (statement 18). Bytes of a project are told apart as live and pending, and drop only
//! when rows do (statement 25). All versions of a name are a series with a revision, so that what
//! was built of them is brought up to date by what changed since.
//! Defends I2 (a file's row holds its blob), I6 and I9 (every change looks project, names, rules
//! and settings up again in its own transaction) and I7 (destroying goes in slices).
//! Deliberately absent: who may do what (`access`), grammars of formats, and pages (`packages`).
//!
//! What there is (moments and bytes as everywhere; views are of one snapshot):
//! `Store::publish(Publish) -> Published`;
//! `Store::mark_packages(Vec<(PackageId, Option<RuleRole>)>, Cause) -> Marked`, the same for
//! `mark_package_files` with `PackageFileId`; `Store::set_package_status(PackageId, PackageStatus,
//! Option<String>)`, `set_package_meta(PackageId, PackageMeta)`;
//! `Store::set_package_tag(ProjectId, PackageKey, PackageTagName)`,
//! `remove_package_tag(ProjectId, PackageName, PackageTagName) -> bool`;
//! `Store::note_package_download(PackageId)`, `flush_package_downloads()`;
//! `Store::set_package_settings(GroupId, PackageSettings)`; `Store::{add,change,remove}_`
//! `protection_rule(ProjectId, …)` with [`NewProtectionRule`].
//! Of [`View`]: `package`, `package_at`, `series`, `package_file`, `newest_file`, `package_meta`,
//! `project_usage` (below); pages in `listing`; `package_tags`, `tags_of_package`,
//! `package_downloaded`, `package_settings(_of)`, `protection(_rules|_of)` beside their writes.
//! For the sweeper and for projects: `Tx::destroy_packages_of(ProjectId, &Budget, &mut Usage)`
//! (all of a project's packages), `Tx::leave_packages(ProjectId) -> Usage` (what deleting a project
//! gives to `detach`), `destroy_package`, `destroy_package_file`.

mod deprecate;
mod destroy;
mod downloads;
mod listing;
mod mark;
mod protection;
mod publish;
mod series;
mod settings;
mod tags;

pub use deprecate::DEPRECATIONS_MAX;
pub(super) use downloads::Downloads;
pub use mark::{MARKS_MAX, Marked};
pub(super) use protection::is_protected;
pub use protection::{NewProtectionRule, PROTECTION_RULES_MAX, Protection};
pub use publish::{Again, NewPackageFile, Publish, Published};
pub use settings::{EXCEPTION_LENGTH_MAX, RuleError};
pub use tags::PACKAGE_TAGS_MAX;

use super::tx::promised;
use super::{Error, View, projects};
use crate::db::schema::{
    META, Meta, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_METAS, PACKAGE_NAMES, PACKAGES,
    PROJECT_USAGE, SERIES,
};
use crate::db::{self, Rows, Span};
use crate::model::{
    Package, PackageFile, PackageFileId, PackageFileName, PackageId, PackageKey, PackageMeta,
    PackageName, PackageStatus, PackageVersion, ProjectId, ProjectUsage, Series, SeriesKey,
};

impl View {
    /// A package, whatever its status, while its project is there.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package(&self, id: PackageId) -> Result<Option<Package>, Error> {
        match PACKAGES.get(&self.snapshot, &id)? {
            Some(package) if is_live(&self.snapshot, package.project)? => Ok(Some(package)),
            _ => Ok(None),
        }
    }

    /// The package that a name and a version lead to, whatever its status; none that is on its
    /// way out. That the project is there is for the caller to know.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_at(
        &self,
        project: ProjectId,
        key: &PackageKey,
    ) -> Result<Option<(PackageId, Package)>, Error> {
        at(&self.snapshot, project, key)
    }

    /// What is kept of all versions of a name; `None`: there is no row of any.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn series(&self, project: ProjectId, series: &SeriesKey) -> Result<Option<Series>, Error> {
        Ok(SERIES.get(&self.snapshot, &(project, series.clone()))?)
    }

    /// A file, whether it or its package is marked or not: their records say so.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_file(&self, id: PackageFileId) -> Result<Option<PackageFile>, Error> {
        Ok(PACKAGE_FILES.get(&self.snapshot, &id)?)
    }

    /// The file of a package that is served by this name: of those that are not marked the one
    /// with the highest id. Whether the package is served is for the caller to know.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn newest_file(
        &self,
        package: PackageId,
        name: &PackageFileName,
    ) -> Result<Option<(PackageFileId, PackageFile)>, Error> {
        let newest_first = Span::under(&(package, name.clone())).descending();
        let newest = PACKAGE_FILE_NAMES.first(&self.snapshot, newest_first)?;
        let Some(((_, (_, id)), ())) = newest else { return Ok(None) };
        Ok(Some((id, promised(&PACKAGE_FILES, &self.snapshot, &id)?)))
    }

    /// A number that no file has as of this view, and none below has that comes later.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn unseen_package_file(&self) -> Result<PackageFileId, Error> {
        Ok(PackageFileId(META.get(&self.snapshot, &Meta::NEXT_PACKAGE)?.unwrap_or(1)))
    }

    /// What a format knows of a package.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_meta(&self, id: PackageId) -> Result<Option<PackageMeta>, Error> {
        Ok(PACKAGE_METAS.get(&self.snapshot, &id)?)
    }

    /// What a project holds.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn project_usage(&self, id: ProjectId) -> Result<ProjectUsage, Error> {
        Ok(PROJECT_USAGE.get(&self.snapshot, &id)?.unwrap_or_default())
    }
}

/// The package that a name and a version lead to.
fn at(
    rows: &impl Rows,
    project: ProjectId,
    key: &PackageKey,
) -> Result<Option<(PackageId, Package)>, Error> {
    match PACKAGE_NAMES.get(rows, &(project, key.clone()))? {
        Some(id) => Ok(Some((id, promised(&PACKAGES, rows, &id)?))),
        None => Ok(None),
    }
}

/// A package that may be changed: it is not on its way out, and its project is there.
fn known(rows: &impl Rows, id: PackageId) -> Result<Package, Error> {
    let package = PACKAGES.get(rows, &id)?;
    let package = package.filter(|package| package.status != PackageStatus::PendingDestruction);
    match package {
        Some(package) if is_live(rows, package.project)? => Ok(package),
        _ => Err(Error::PackageUnknown(id.0.to_string())),
    }
}

/// Where a package is looked up, as its record has it.
///
/// # Errors
/// [`db::Error::Corrupt`] when that is no name or version.
pub(super) fn key_of(package: &Package) -> Result<PackageKey, db::Error> {
    let corrupt = |error: crate::model::PackageTextError| {
        let what = format!("the name of a package: {error}");
        db::Error::Corrupt { table: PACKAGES.name(), what }
    };
    let name = PackageName::parse(&package.name).map_err(corrupt)?;
    let version = package.version.as_deref().map(PackageVersion::parse);
    let version = version.transpose().map_err(corrupt)?;
    Ok(PackageKey { series: SeriesKey { kind: package.kind, name }, version })
}

/// The name of a file, as its record has it.
///
/// # Errors
/// [`db::Error::Corrupt`] when that is none.
pub(super) fn file_name_of(file: &PackageFile) -> Result<PackageFileName, db::Error> {
    PackageFileName::parse(&file.name).map_err(|error| {
        let what = format!("the name of a file: {error}");
        db::Error::Corrupt { table: PACKAGE_FILES.name(), what }
    })
}

/// `npm @acme/app 1.0`
fn describe(key: &PackageKey) -> String {
    let SeriesKey { kind, name } = &key.series;
    let version = key.version.as_ref().map(|version| format!(" {version}"));
    format!("{kind} {name}{}", version.unwrap_or_default())
}

/// Whether names lead to a project.
pub(super) fn is_live(rows: &impl Rows, id: ProjectId) -> Result<bool, Error> {
    Ok(projects::way_up(rows, id)?.is_some())
}

/// `acme/app: npm @acme/app 1.0`, for people.
pub(super) fn path(rows: &impl Rows, package: &Package) -> Result<String, Error> {
    let project = project_path(rows, package.project)?;
    Ok(format!("{project}: {}", describe(&key_of(package)?)))
}

/// The full path of a project for people, also of one that is on its way out.
fn project_path(rows: &impl Rows, id: ProjectId) -> Result<String, Error> {
    let way = projects::way_up(rows, id)?;
    Ok(way.map_or_else(|| format!("(deleted project {})", id.0), |way| way.path().to_string()))
}
