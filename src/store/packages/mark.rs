//! Marking: what goes is invisible at once to every reader, and destroyed later (spec gitlab
//! §8.1-§8.3). Also other changes of a package that is there.
//!
//! A package is marked by its name row and one record, however many files it has (I7). What is
//! protected, on its way out or gone when the transaction looks (I6) is passed over. What a policy
//! marks is passed over too where any rule keeps people from deleting it (§8.7).

use std::collections::{BTreeMap, HashMap};

use crate::db::Pending;
use crate::db::schema::{
    PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_METAS, PACKAGE_NAMES, PACKAGES,
};
use crate::model::{
    Node, Package, PackageFile, PackageFileId, PackageId, PackageMeta, PackageStatus, ProjectId,
    ProtectionRule, Reason, RuleRole, Usage,
};
use crate::store::detached::Cause;
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx};

use super::protection::{self, Remover, may_delete};
use super::series::Number;
use super::{RuleError, file_name_of, is_live, key_of, known, path, settings};

/// Most packages or files that are marked in one transaction (I7).
pub const MARKS_MAX: usize = 500;

/// What was marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// How many packages or files.
    pub marked: usize,
    /// The packages that rules kept, or kept the files of; each once.
    pub protected: Vec<PackageId>,
}

/// The rules of projects, each looked up once; `None`: the project is gone.
type Rules = HashMap<ProjectId, Option<Vec<ProtectionRule>>>;

impl Store {
    /// Marks packages, each with what its remover is in its project (`None`: a deploy token,
    /// which counts as a maintainer). Those that are gone or marked already are passed over.
    ///
    /// # Errors
    /// [`Error::PackageRule`] for more than [`MARKS_MAX`], [`Error::Db`].
    pub fn mark_packages(
        &self,
        packages: Vec<(PackageId, Option<RuleRole>)>,
        cause: Cause,
    ) -> Pending<Marked, Error> {
        self.change(move |tx| {
            check_number(packages.len())?;
            tx.mark_packages(&packages, &cause)
        })
    }

    /// Marks files; as [`Self::mark_packages`]. The older one of a name is served next.
    ///
    /// # Errors
    /// As [`Self::mark_packages`].
    pub fn mark_package_files(
        &self,
        files: Vec<(PackageFileId, Option<RuleRole>)>,
        cause: Cause,
    ) -> Pending<Marked, Error> {
        self.change(move |tx| {
            check_number(files.len())?;
            tx.mark_files(&files, &cause)
        })
    }

    /// Says what a package may be used for from now on, and why.
    ///
    /// # Errors
    /// [`Error::PackageUnknown`]; [`Error::PackageRule`] for a status that nobody can give and a
    /// message that is too long; [`Error::Db`].
    pub fn set_package_status(
        &self,
        id: PackageId,
        status: PackageStatus,
        message: Option<String>,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            settings::check_status(status)?;
            settings::check_message(message.as_deref())?;
            let mut package = known(tx.txn, id)?;
            (package.status, package.status_message) = (status, message.clone());
            tx.save_package(id, &mut package, Number::Same)
        })
    }

    /// Replaces what a format knows of a package.
    ///
    /// # Errors
    /// [`Error::PackageUnknown`], [`Error::Db`].
    pub fn set_package_meta(&self, id: PackageId, meta: PackageMeta) -> Pending<(), Error> {
        self.change(move |tx| {
            let mut package = known(tx.txn, id)?;
            PACKAGE_METAS.put(tx.txn, &id, &meta)?;
            tx.save_package(id, &mut package, Number::Same)
        })
    }
}

fn check_number(found: usize) -> Result<(), RuleError> {
    if found > MARKS_MAX { Err(RuleError::TooManyMarks(found, MARKS_MAX)) } else { Ok(()) }
}

impl Tx<'_, '_> {
    fn mark_packages(
        &self,
        packages: &[(PackageId, Option<RuleRole>)],
        cause: &Cause,
    ) -> Result<Marked, Error> {
        let (mut rules, mut done) = (Rules::new(), Marked::default());
        for (id, role) in packages {
            let Some(mut package) = PACKAGES.get(self.txn, id)? else { continue };
            match self.may_mark(&package, (*role, cause), &mut rules)? {
                Verdict::Gone => {}
                Verdict::Protected => done.keep(*id),
                Verdict::Free => {
                    self.mark_package(*id, &mut package, cause)?;
                    done.marked += 1;
                }
            }
        }
        Ok(done)
    }

    pub(in crate::store) fn mark_files(
        &self,
        files: &[(PackageFileId, Option<RuleRole>)],
        cause: &Cause,
    ) -> Result<Marked, Error> {
        let (mut rules, mut done) = (Rules::new(), Marked::default());
        let mut by_package: BTreeMap<PackageId, Vec<(PackageFileId, PackageFile)>> =
            BTreeMap::new();
        for (id, role) in files {
            let file = PACKAGE_FILES.get(self.txn, id)?.filter(|file| file.marked.is_none());
            let Some(file) = file else { continue };
            let package = promised(&PACKAGES, self.txn, &file.package)?;
            match self.may_mark(&package, (*role, cause), &mut rules)? {
                Verdict::Gone => {}
                Verdict::Protected => done.keep(file.package),
                Verdict::Free => by_package.entry(file.package).or_default().push((*id, file)),
            }
        }
        for (at, files) in by_package {
            done.marked += self.mark_files_of(at, files, cause)?;
        }
        Ok(done)
    }

    fn may_mark(
        &self,
        package: &Package,
        (role, cause): (Option<RuleRole>, &Cause),
        known: &mut Rules,
    ) -> Result<Verdict, Error> {
        let project = package.project;
        if let std::collections::hash_map::Entry::Vacant(unknown) = known.entry(project) {
            let live = is_live(self.txn, project)?;
            unknown.insert(if live { Some(protection::rules(self.txn, project)?) } else { None });
        }
        let Some(Some(rules)) = known.get(&project) else { return Ok(Verdict::Gone) };
        let who = match cause.reason {
            Reason::Request { .. } => Remover::Person(role),
            Reason::Policy { .. } => Remover::Policy,
        };
        Ok(match package.status {
            PackageStatus::PendingDestruction => Verdict::Gone,
            _ if may_delete(rules, package, who) => Verdict::Free,
            _ => Verdict::Protected,
        })
    }

    /// Takes a package's name away and queues it.
    pub(super) fn mark_package(
        &self,
        id: PackageId,
        package: &mut Package,
        cause: &Cause,
    ) -> Result<(), Error> {
        let path = path(self.txn, package)?;
        let usage = self.retire_package(id, package)?;
        self.detach(Node::Package(id), path, cause, usage)
    }

    /// Takes a package's name away; tells what was named until now and is not any more.
    pub(super) fn retire_package(
        &self,
        id: PackageId,
        package: &mut Package,
    ) -> Result<Usage, Error> {
        let name = (package.project, key_of(package)?);
        if PACKAGE_NAMES.get(self.txn, &name)? == Some(id) {
            PACKAGE_NAMES.remove(self.txn, &name)?;
        }
        package.status = PackageStatus::PendingDestruction;
        self.save_package(id, package, Number::OneLess)?;
        self.unname(package.project, package.usage)
    }

    /// Files of a project that were live are pending; tells what is not named any more.
    fn unname(&self, project: ProjectId, files: Usage) -> Result<Usage, Error> {
        let mut moved = files;
        self.count_project(project, |usage| {
            if usage.leaving {
                moved = Usage::default();
            }
            usage.live = usage.live.minus(moved);
            usage.pending = usage.pending.plus(moved);
        })?;
        self.count(|totals| totals.named = totals.named.minus(moved))?;
        Ok(moved)
    }

    fn mark_files_of(
        &self,
        at: PackageId,
        files: Vec<(PackageFileId, PackageFile)>,
        cause: &Cause,
    ) -> Result<usize, Error> {
        let mut package = promised(&PACKAGES, self.txn, &at)?;
        let (path, mut marked) = (path(self.txn, &package)?, 0);
        for (id, mut file) in files {
            let name = file_name_of(&file)?;
            // A file that is named twice is marked once.
            if !PACKAGE_FILE_NAMES.remove(self.txn, &(at, (name, id)))? {
                continue;
            }
            file.marked = Some(self.now);
            PACKAGE_FILES.put(self.txn, &id, &file)?;
            let usage = Usage::of(file.size);
            package.usage = package.usage.minus(usage);
            let moved = self.unname(package.project, usage)?;
            let path = format!("{path}: {}", file.name);
            self.detach(Node::PackageFile(id), path, cause, moved)?;
            marked += 1;
        }
        if marked > 0 {
            self.save_package(at, &mut package, Number::Same)?;
        }
        Ok(marked)
    }
}

/// Whether something may be marked.
enum Verdict {
    Free,
    Protected,
    Gone,
}

impl Marked {
    fn keep(&mut self, id: PackageId) {
        if !self.protected.contains(&id) {
            self.protected.push(id);
        }
    }
}
