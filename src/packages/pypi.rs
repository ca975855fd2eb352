//! Packages of `PyPI` (spec gitlab §7): what an upload comes to ([`form`]) and how it is looked up
//! ([`simple`]).
//!
//! A file's name says which package it is in, so a link that names a sum and a file is followed
//! without an index of sums. Names come in one spelling only ([`crate::model::pypi_package`]).
//! What is not here is nowhere: nobody is sent on to another index, where somebody else could
//! have taken the name.
//! Deliberately absent: HTTP, and who may do what.

pub mod form;
pub mod index;
pub mod simple;

use crate::model::{
    Digest, Distribution, PackageFile, PackageFileId, PackageFileName, PackageKey, PackageKind,
    PackageName, ProjectId,
};
use crate::store::{Error, View};

/// Names that are read at a time.
const NAMES_AT_ONCE: usize = 1_000;

/// The packages that a file of this name can be in, of any project; none: nothing is called so.
#[must_use]
pub fn places(file: &str) -> Vec<PackageKey> {
    Distribution::places(file)
}

/// The file of this name and sum in a project, where it can be downloaded.
///
/// # Errors
/// [`Error::Db`].
pub fn linked(
    view: &View,
    project: ProjectId,
    sha256: &Digest,
    file: &str,
) -> Result<Option<(PackageFileId, PackageFile)>, Error> {
    let Ok(name) = PackageFileName::parse(file) else { return Ok(None) };
    for key in places(file) {
        let Some((id, package)) = view.package_at(project, &key)? else { continue };
        let found = view.newest_file(id, &name)?;
        let is_it = |(_, file): &(_, PackageFile)| file.sums.sha256 == *sha256;
        if let Some(found) = found.filter(is_it).filter(|_| package.status.is_installable()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether the name of an uploaded file is taken, in whatever spelling. The store looks again at
/// what comes after this view ([`crate::store::packages::Again::NewFileNameOnly`]).
///
/// # Errors
/// [`Error::Db`].
pub fn is_taken(view: &View, project: ProjectId, upload: &form::Upload) -> Result<bool, Error> {
    let Some((id, _)) = view.package_at(project, &upload.key)? else { return Ok(false) };
    let is_same = |name: &PackageFileName| {
        let known = Distribution::within(name.as_str(), &upload.key);
        known.is_some_and(|known| known.identity() == upload.file.identity())
    };
    let mut after = None;
    loop {
        let names = view.package_file_names(id, after, NAMES_AT_ONCE)?;
        if names.iter().any(|(name, _)| is_same(name)) {
            return Ok(true);
        }
        match names.last() {
            Some(last) if names.len() == NAMES_AT_ONCE => after = Some(last.clone()),
            _ => return Ok(false),
        }
    }
}

/// The names of all packages of a project that are not on their way out, in order.
///
/// # Errors
/// [`Error::Db`].
pub fn names(view: &View, project: ProjectId) -> Result<Vec<PackageName>, Error> {
    let mut names: Vec<PackageName> = Vec::new();
    loop {
        let found = view.series_names(project, PackageKind::Pypi, names.last(), NAMES_AT_ONCE)?;
        let count = found.len();
        names.extend(found.into_iter().map(|(name, _)| name));
        if count < NAMES_AT_ONCE {
            return Ok(names);
        }
    }
}
