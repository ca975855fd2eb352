//! Destroying what was marked, and the packages of projects that are gone, in slices (I7).
//!
//! A slice can end behind each row: what is left is found by the same indexes. A file's bytes
//! count until its row goes (statement 25). A package goes with its last file, whatever its status
//! (spec gitlab §8.3, defect G), and one without files like any other (defect F).

use crate::db::Span;
use crate::db::schema::{
    PACKAGE_DOWNLOADS, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN, PACKAGE_METAS,
    PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES, PACKAGES_IN, PROJECT_USAGE,
};
use crate::model::{
    Package, PackageFile, PackageFileId, PackageId, PackageStatus, ProjectId, Referrer, Usage,
};
use crate::store::detached::Cause;
use crate::store::tx::promised;
use crate::store::{Budget, Error, Tx};

use super::{file_name_of, key_of};

/// Rows that are read ahead of their removal.
const PAGE: usize = 64;

impl Tx<'_, '_> {
    /// Removes a marked file; `true` when it is gone. The last one takes its package with it.
    pub(in crate::store) fn destroy_package_file(
        &self,
        id: PackageFileId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        // Its package or its project may have been destroyed first.
        let Some(file) = PACKAGE_FILES.get(self.txn, &id)? else { return Ok(true) };
        if !budget.take() {
            return Ok(false);
        }
        let mut package = promised(&PACKAGES, self.txn, &file.package)?;
        let dropped = Dropped::default().and(&file);
        self.drop_file(id, &file)?;
        self.count_dropped(file.package, &mut package, dropped)?;
        *gone = gone.plus(dropped.all());
        let is_last = !PACKAGE_FILES_IN.has_any(self.txn, Span::under(&file.package))?;
        if is_last && package.status != PackageStatus::PendingDestruction {
            let cause = Cause::policy("the last file of the package was removed".to_owned());
            self.mark_package(file.package, &mut package, &cause)?;
        }
        Ok(true)
    }

    /// Removes a package with its files, whatever its status; `true` when it is gone.
    pub(in crate::store) fn destroy_package(
        &self,
        id: PackageId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let Some(mut package) = PACKAGES.get(self.txn, &id)? else { return Ok(true) };
        if package.status != PackageStatus::PendingDestruction {
            if !budget.take() {
                return Ok(false);
            }
            let moved = self.retire_package(id, &mut package)?;
            self.count(|totals| totals.detached = totals.detached.plus(moved))?;
        }
        let is_empty = self.destroy_package_files(id, &mut package, budget, gone)?
            && self.destroy_package_tags(id, &package, budget)?;
        if !is_empty || !budget.take() {
            return Ok(false);
        }
        PACKAGE_METAS.remove(self.txn, &id)?;
        PACKAGE_DOWNLOADS.remove(self.txn, &id)?;
        PACKAGES_IN.remove(self.txn, &(package.project, id))?;
        self.forget_package(id, &package)?;
        Ok(PACKAGES.remove(self.txn, &id)?)
    }

    /// Removes all packages of a project that no name leads to any more; `true` when none is left.
    pub(in crate::store) fn destroy_packages_of(
        &self,
        project: ProjectId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let moved = self.leave_packages(project)?;
        self.count(|totals| totals.detached = totals.detached.plus(moved))?;
        while let Some(((_, id), ())) = PACKAGES_IN.first(self.txn, Span::under(&project))? {
            if !self.destroy_package(id, budget, gone)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The name of a project is gone, and with it those of its packages: all of their files are
    /// pending. Tells what is not named any more, which the queue's entry is to count as detached.
    pub(in crate::store) fn leave_packages(&self, project: ProjectId) -> Result<Usage, Error> {
        let Some(mut usage) = PROJECT_USAGE.get(self.txn, &project)? else {
            return Ok(Usage::default());
        };
        if usage.leaving {
            return Ok(Usage::default());
        }
        let moved = std::mem::take(&mut usage.live);
        (usage.pending, usage.leaving) = (usage.pending.plus(moved), true);
        PROJECT_USAGE.put(self.txn, &project, &usage)?;
        self.count(|totals| totals.named = totals.named.minus(moved))?;
        Ok(moved)
    }

    fn destroy_package_files(
        &self,
        at: PackageId,
        package: &mut Package,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let mut dropped = Dropped::default();
        let is_empty = self.drop_files(at, budget, &mut dropped)?;
        self.count_dropped(at, package, dropped)?;
        *gone = gone.plus(dropped.all());
        Ok(is_empty)
    }

    fn drop_files(
        &self,
        at: PackageId,
        budget: &Budget,
        dropped: &mut Dropped,
    ) -> Result<bool, Error> {
        loop {
            let page = PACKAGE_FILES_IN.page(self.txn, Span::under(&at), PAGE)?;
            if page.is_empty() {
                return Ok(true);
            }
            for ((_, id), ()) in page {
                if !budget.take() {
                    return Ok(false);
                }
                let file = promised(&PACKAGE_FILES, self.txn, &id)?;
                self.drop_file(id, &file)?;
                *dropped = dropped.and(&file);
            }
        }
    }

    fn drop_file(&self, id: PackageFileId, file: &PackageFile) -> Result<(), Error> {
        PACKAGE_FILES.remove(self.txn, &id)?;
        PACKAGE_FILES_IN.remove(self.txn, &(file.package, id))?;
        if file.marked.is_none() {
            PACKAGE_FILE_NAMES.remove(self.txn, &(file.package, (file_name_of(file)?, id)))?;
        }
        self.release(file.blob, Referrer::PackageFile(id))
    }

    /// Counts files that were dropped, once for all of them.
    fn count_dropped(
        &self,
        at: PackageId,
        package: &mut Package,
        dropped: Dropped,
    ) -> Result<(), Error> {
        if dropped.unmarked.files > 0 {
            package.usage = package.usage.minus(dropped.unmarked);
            PACKAGES.put(self.txn, &at, package)?;
        }
        if dropped.all().files == 0 {
            return Ok(());
        }
        self.count_project(package.project, |usage| {
            usage.pending = usage.pending.minus(dropped.all());
        })
    }

    fn destroy_package_tags(
        &self,
        id: PackageId,
        package: &Package,
        budget: &Budget,
    ) -> Result<bool, Error> {
        let name = key_of(package)?.series.name;
        while let Some((key, ())) = PACKAGE_TAGS_OF.first(self.txn, Span::under(&id))? {
            if !budget.take() {
                return Ok(false);
            }
            let row = (package.project, (name.clone(), key.1.clone()));
            if PACKAGE_TAGS.get(self.txn, &row)?.is_some_and(|tag| tag.package == id) {
                PACKAGE_TAGS.remove(self.txn, &row)?;
            }
            PACKAGE_TAGS_OF.remove(self.txn, &key)?;
        }
        Ok(true)
    }
}

/// Files whose rows went.
#[derive(Clone, Copy, Default)]
struct Dropped {
    /// Those that their package's usage counted.
    unmarked: Usage,
    /// Those that were marked by themselves.
    marked: Usage,
}

impl Dropped {
    fn and(mut self, file: &PackageFile) -> Self {
        let part = if file.marked.is_some() { &mut self.marked } else { &mut self.unmarked };
        *part = part.plus(Usage::of(file.size));
        self
    }

    fn all(self) -> Usage {
        self.unmarked.plus(self.marked)
    }
}
