//! Generic packages: any files, under a name and a version (spec gitlab §4).
//!
//! Deliberately absent: the grammar ([`crate::model::generic_package`]), HTTP, and rights.

use super::{Error, Opened, Packages};
use crate::model::generic_package::GenericFile;
use crate::model::{PackageFile, PackageFileId, ProjectId};
use crate::store::{self, View};

impl Packages {
    /// Opens the file that is served by a name: the newest one, whose package clients may
    /// download. `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Files`].
    pub fn open_generic(
        &self,
        project: ProjectId,
        what: &GenericFile,
    ) -> Result<Option<Opened>, Error> {
        self.open(|view| served(view, project, what))
    }
}

/// The file that is served by a name.
///
/// # Errors
/// [`store::Error::Db`].
pub fn served(
    view: &View,
    project: ProjectId,
    what: &GenericFile,
) -> Result<Option<(PackageFileId, PackageFile)>, store::Error> {
    match view.package_at(project, &what.package)? {
        Some((id, package)) if package.status.is_installable() && view.package(id)?.is_some() => {
            view.newest_file(id, &what.name)
        }
        _ => Ok(None),
    }
}

/// Whether the settings of the project's group certainly let nobody publish this again: it can be
/// told before the bytes come. Publishing decides it anew.
///
/// # Errors
/// [`store::Error::Db`], [`store::Error::ProjectUnknown`].
pub fn is_refused_again(
    view: &View,
    project: ProjectId,
    what: &GenericFile,
) -> Result<bool, store::Error> {
    let settings = view.package_settings_of(project)?;
    if settings.generic_duplicates || !settings.generic_exception.is_empty() {
        return Ok(false);
    }
    match view.package_at(project, &what.package)? {
        Some((id, _)) => Ok(view.newest_file(id, &what.name)?.is_some()),
        None => Ok(false),
    }
}
