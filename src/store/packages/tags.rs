//! Moving names of versions: `latest` and its like (spec gitlab §5).
//!
//! A name whose package is on its way out names nothing, and goes with the package unless it is
//! moved before; until then it counts among those that a package may have, whose number is
//! bounded, since every answer about the package has all of them.
//! Deliberately absent: which version is the latest when nobody says so.

use crate::db::schema::{Meta, PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES};
use crate::db::{Pending, Rows, Span};
use crate::model::{
    Package, PackageId, PackageKey, PackageName, PackageStatus, PackageTag, PackageTagId,
    PackageTagName, ProjectId,
};
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx, View};

use super::series::Number;
use super::{RuleError, at, describe, is_live, key_of};

/// Most moving names of a package in a project, all its versions together.
pub const PACKAGE_TAGS_MAX: usize = 1000;

impl Store {
    /// Lets a moving name of a package name this version.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`]; [`Error::PackageUnknown`] without such a version;
    /// [`Error::PackageRule`] for more than [`PACKAGE_TAGS_MAX`] names; [`Error::Db`].
    pub fn set_package_tag(
        &self,
        project: ProjectId,
        version: PackageKey,
        tag: PackageTagName,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            tx.check_project(project)?;
            let found = at(tx.txn, project, &version)?;
            let unknown = || Error::PackageUnknown(describe(&version));
            let (id, mut package) = found.ok_or_else(unknown)?;
            tx.check_tags(project, &version.series.name, std::slice::from_ref(&tag))?;
            tx.point_tag(project, (&version.series.name, &tag), id)?;
            tx.save_package(id, &mut package, Number::Same)
        })
    }

    /// Takes a moving name away; tells whether it named a version.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`], [`Error::Db`].
    pub fn remove_package_tag(
        &self,
        project: ProjectId,
        name: PackageName,
        tag: PackageTagName,
    ) -> Pending<bool, Error> {
        self.change(move |tx| {
            tx.check_project(project)?;
            let row = (project, (name.clone(), tag.clone()));
            let Some(known) = live_tag(tx.txn, &row)? else { return Ok(false) };
            let (known, mut package) = known;
            PACKAGE_TAGS.remove(tx.txn, &row)?;
            PACKAGE_TAGS_OF.remove(tx.txn, &(known.package, tag.clone()))?;
            tx.save_package(known.package, &mut package, Number::Same)?;
            Ok(true)
        })
    }
}

impl Tx<'_, '_> {
    pub(in crate::store) fn check_project(&self, project: ProjectId) -> Result<(), Error> {
        let unknown = || Error::ProjectUnknown(project.0.to_string());
        is_live(self.txn, project)?.then_some(()).ok_or_else(unknown)
    }

    /// Whether a package may have these moving names: those it has, or as many more as fit.
    pub(super) fn check_tags(
        &self,
        project: ProjectId,
        name: &PackageName,
        tags: &[PackageTagName],
    ) -> Result<(), Error> {
        let mut more = 0;
        for tag in tags {
            if !PACKAGE_TAGS.has(self.txn, &(project, (name.clone(), tag.clone())))? {
                more += 1;
            }
        }
        if more == 0 {
            return Ok(());
        }
        let span = Span::under(&(project, name.clone()));
        let known = PACKAGE_TAGS.page(self.txn, span, PACKAGE_TAGS_MAX)?.len();
        if known + more > PACKAGE_TAGS_MAX {
            return Err(RuleError::TooManyTags.into());
        }
        Ok(())
    }

    /// Lets a moving name name a version, whatever it named before.
    pub(super) fn point_tag(
        &self,
        project: ProjectId,
        (name, tag): (&PackageName, &PackageTagName),
        package: PackageId,
    ) -> Result<(), Error> {
        let row = (project, (name.clone(), tag.clone()));
        let known = PACKAGE_TAGS.get(self.txn, &row)?;
        if let Some(known) = known {
            PACKAGE_TAGS_OF.remove(self.txn, &(known.package, tag.clone()))?;
        }
        let (id, created) = match known {
            Some(known) => (known.id, known.created),
            None => (PackageTagId(self.next(Meta::NEXT_PACKAGE)?), self.now),
        };
        PACKAGE_TAGS.put(
            self.txn,
            &row,
            &PackageTag { id, package, created, updated: self.now },
        )?;
        Ok(PACKAGE_TAGS_OF.put(self.txn, &(package, tag.clone()), &())?)
    }
}

/// A moving name's record and the version that it names, unless that is on its way out.
fn live_tag(
    rows: &impl Rows,
    row: &(ProjectId, (PackageName, PackageTagName)),
) -> Result<Option<(PackageTag, Package)>, Error> {
    let Some(tag) = PACKAGE_TAGS.get(rows, row)? else { return Ok(None) };
    let package = promised(&PACKAGES, rows, &tag.package)?;
    let is_live = package.status != PackageStatus::PendingDestruction;
    Ok(is_live.then_some((tag, package)))
}

impl View {
    /// The moving names of a package that name something, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_tags(
        &self,
        project: ProjectId,
        name: &PackageName,
    ) -> Result<Vec<(PackageTagName, PackageTag)>, Error> {
        let mut live = Vec::new();
        let span = Span::under(&(project, name.clone()));
        for (row, _) in PACKAGE_TAGS.all(&self.snapshot, span)? {
            if let Some((tag, _)) = live_tag(&self.snapshot, &row)? {
                live.push((row.1.1, tag));
            }
        }
        Ok(live)
    }

    /// The moving names that name a version, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn tags_of_package(
        &self,
        id: PackageId,
    ) -> Result<Vec<(PackageTagName, PackageTag)>, Error> {
        let Some(package) = PACKAGES.get(&self.snapshot, &id)? else { return Ok(Vec::new()) };
        let name = key_of(&package)?.series.name;
        let found = PACKAGE_TAGS_OF.all(&self.snapshot, Span::under(&id))?.into_iter();
        let found = found.map(|((_, tag), ())| {
            let row = (package.project, (name.clone(), tag.clone()));
            Ok((tag, promised(&PACKAGE_TAGS, &self.snapshot, &row)?))
        });
        found.collect()
    }
}
