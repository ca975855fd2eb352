//! The walk over packages: their records, files and moving names are truth, and what follows from
//! them is compared with it: references, indexes, numbers and usage (I2).
//!
//! Where an index misses a row, what is counted by it is left to the next pass. Of a project that
//! is being destroyed all files are pending, of others those that were marked.

use std::collections::BTreeMap;

use super::fix::{Erase, Fix};
use super::image_fix::ImageFix;
use super::package_fix::PackageFix;
use super::package_rows::PackageRow;
use super::products::readable;
use super::shift::{Holder, Part, Shift};
use super::{Halt, Pass};
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{
    BLOBS, META, Meta, PACKAGE_DOWNLOADS, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN,
    PACKAGE_METAS, PACKAGE_NAMES, PACKAGE_SETTINGS, PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES,
    PACKAGES_IN, PROJECT_USAGE, PROJECTS, PROTECTION_RULES, REFS, SERIES, SERIES_AT,
    SERIES_CHANGES,
};
use crate::db::{Found, Span, Table};
use crate::model::{
    Node, Package, PackageFile, PackageFileId, PackageId, PackageName, PackageStatus, PackageTag,
    PackageTagName, ProjectId, ProjectUsage, Referrer, Revision, Series, SeriesKey, Usage,
};
use crate::store::packages::{file_name_of, key_of};
use crate::store::projects;

/// What projects hold, as it is counted.
type Counted = BTreeMap<ProjectId, ProjectUsage>;

impl Pass<'_, '_, '_> {
    pub(super) fn check_packages(&mut self) -> Result<(), Halt> {
        for row in PACKAGE_FILES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, file) => self.check_package_file(id, &file)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PACKAGE_FILES.name(), &key, &what);
                }
            }
        }
        // Each file counts by the list that its package has of it.
        let listed = self.met.index.get(PACKAGE_FILES_IN.name()).copied().unwrap_or_default();
        let is_complete = listed == PACKAGE_FILES.count(self.rows)?;
        let mut counted = Counted::new();
        for row in PACKAGES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, package) if is_complete => {
                    self.check_package(id, &package, &mut counted)?;
                }
                Found::Row(id, package) => self.want_package(id, &package)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PACKAGES.name(), &key, &what);
                }
            }
        }
        self.check_series()?;
        self.check_package_tags()?;
        self.facts_of(&PACKAGE_METAS)?;
        self.facts_of(&PACKAGE_DOWNLOADS)?;
        self.truth_of(&PACKAGE_SETTINGS)?;
        self.truth_of(&PROTECTION_RULES)?;
        self.check_package_rows()?;
        self.check_project_usage(counted, is_complete)
    }

    fn check_package_file(&mut self, id: PackageFileId, file: &PackageFile) -> Result<(), Halt> {
        self.found.recount.checked.package_files += 1;
        let number = id.0;
        let Some(package) = readable(PACKAGES.get(self.rows, &file.package))? else {
            return Ok(());
        };
        let Some(package) = package else {
            self.found.in_doubt = true;
            let at = file.package.0;
            self.found.damage(format!("file {number} is of package {at}, which is not there"));
            return Ok(());
        };
        let referrer = Referrer::PackageFile(id);
        if !REFS.has(self.rows, &(file.blob, referrer.clone()))? {
            let what = format!("file {number} of a package does not hold blob {}", file.blob.0);
            self.found.differ(what, Fix::Image(ImageFix::Hold(file.blob, referrer)));
        }
        let blob = readable(BLOBS.get(self.rows, &file.blob))?.flatten();
        if blob.is_some_and(|blob| blob.digest != file.sums.sha256) {
            let what = format!("file {number} has another SHA-256 than its blob; publish it again");
            self.found.damage(what);
        }
        self.want_package_row(PackageRow::FileIn(file.package, id))?;
        let Some(name) = readable(file_name_of(file))? else {
            self.found.damage(format!("file {number} has the name {:?}, which is none", file.name));
            return Ok(());
        };
        if file.marked.is_none() {
            return self.want_package_row(PackageRow::FileName(file.package, name, id));
        }
        if package.status == PackageStatus::PendingDestruction {
            return Ok(());
        }
        self.must_wait(Node::PackageFile(id), package.project)
    }

    /// What is on its way out waits to be destroyed, itself or with its project.
    fn must_wait(&mut self, node: Node, project: ProjectId) -> Result<(), Halt> {
        if self.waiting.contains(&node) || !self.is_project_live(project)? {
            return Ok(());
        }
        let what = format!("{node:?} is marked and does not wait to be destroyed");
        self.found.differ(what, Fix::Package(PackageFix::Queue(node)));
        Ok(())
    }

    /// Any doubt says that it is not.
    fn is_project_live(&self, project: ProjectId) -> Result<bool, Halt> {
        match projects::way_up(self.rows, project) {
            Ok(way) => Ok(way.is_some()),
            Err(crate::store::Error::Db(error)) => Ok(readable::<bool>(Err(error))?.is_some()),
            Err(_) => Ok(false),
        }
    }

    fn check_package(
        &mut self,
        id: PackageId,
        package: &Package,
        counted: &mut Counted,
    ) -> Result<(), Halt> {
        self.want_package(id, package)?;
        let (mut unmarked, mut marked) = (Usage::default(), Usage::default());
        for row in PACKAGE_FILES_IN.cursor(self.rows, Span::under(&id)) {
            self.walk.step()?;
            let Found::Row((_, file), ()) = row? else { continue };
            let Some(file) = readable(PACKAGE_FILES.get(self.rows, &file))?.flatten() else {
                continue;
            };
            let part = if file.marked.is_some() { &mut marked } else { &mut unmarked };
            *part = part.plus(Usage::of(file.size));
        }
        let shift = Shift { found: package.usage, counted: unmarked };
        self.compare(&format!("the usage of package {}", id.0), shift, Holder::Package(id));
        let usage = counted.entry(package.project).or_default();
        usage.pending = usage.pending.plus(marked);
        if package.status == PackageStatus::PendingDestruction {
            usage.pending = usage.pending.plus(unmarked);
        } else {
            usage.live = usage.live.plus(unmarked);
            usage.packages += 1;
        }
        Ok(())
    }

    /// The rows of indexes that a package has.
    fn want_package(&mut self, id: PackageId, package: &Package) -> Result<(), Halt> {
        self.found.recount.checked.packages += 1;
        let (number, project) = (id.0, package.project);
        if !PROJECTS.has(self.rows, &project)? {
            self.found.in_doubt = true;
            let project = project.0;
            self.found.damage(format!(
                "package {number} is of project {project}, which is not there; nothing was removed"
            ));
        }
        let Some(key) = readable(key_of(package))? else {
            self.found.in_doubt = true;
            self.found.damage(format!("package {number} has the name {:?}", package.name));
            return Ok(());
        };
        self.want_package_row(PackageRow::In(project, id))?;
        let change = (Revision(package.revision), id);
        self.want_package_row(PackageRow::Change(project, key.series.clone(), change))?;
        self.check_revision(id, package, &key.series)?;
        if package.status == PackageStatus::PendingDestruction {
            return self.must_wait(Node::Package(id), project);
        }
        self.met.packages += 1;
        let row = (project, key.clone());
        let other = readable(PACKAGE_NAMES.get(self.rows, &row))?.flatten();
        let other = other.filter(|other| *other != id);
        if let Some(other) = other
            && readable(PackageRow::Name(project, key.clone(), other).is_right(self.rows))?
                != Some(false)
        {
            let other = other.0;
            self.found.damage(format!(
                "packages {number} and {other} have one name and version; delete one of them"
            ));
            return Ok(());
        }
        self.want_package_row(PackageRow::Name(project, key, id))
    }

    /// A series has the revision of its last change, and none is above the last of all.
    fn check_revision(
        &mut self,
        id: PackageId,
        package: &Package,
        series: &SeriesKey,
    ) -> Result<(), Halt> {
        let at = (package.project, series.clone());
        let found = readable(SERIES.get(self.rows, &at))?;
        let last = META.get(self.rows, &Meta::LAST_REVISION)?.unwrap_or(0);
        let revision = package.revision;
        match found {
            Some(None) => {
                let what = format!("package {} is of a series without a record", id.0);
                // The number of its packages is found wrong by the next pass.
                let shift = Shift { found: 0, counted: 0 };
                self.found.differ(what, Fix::Package(PackageFix::Series(at.0, at.1, shift)));
            }
            Some(Some(known)) if known.revision < revision || last < revision => {
                let what = format!("package {} has a revision above the last one", id.0);
                let fix = PackageFix::Revision(at.0, at.1, revision);
                self.found.differ(what, Fix::Package(fix));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_series(&mut self) -> Result<(), Halt> {
        for row in SERIES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((at, key), series) => self.check_one_series(at, key, series)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(SERIES.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_one_series(
        &mut self,
        project: ProjectId,
        key: SeriesKey,
        series: Series,
    ) -> Result<(), Halt> {
        let at = (project, key.clone());
        let mut counted = 0;
        for row in PACKAGE_NAMES.cursor(self.rows, Span::under(&at)) {
            self.walk.step()?;
            let Found::Row((project, name), id) = row? else { continue };
            let is_its = PackageRow::Name(project, name, id).is_right(self.rows);
            counted += u64::from(readable(is_its)?.unwrap_or(true));
        }
        let (kind, name, number) = (key.kind, &key.name, project.0);
        if !SERIES_CHANGES.has_any(self.rows, Span::under(&at))? && counted == 0 {
            let what = format!("project {number} has a series {kind} {name} without packages");
            self.found.differ(what, Fix::Package(PackageFix::StraySeries(project, key)));
            return Ok(());
        }
        let shift = Shift { found: series.packages, counted };
        // Where a name is missing, it is made first.
        let named = self.met.index.get(PACKAGE_NAMES.name()).copied().unwrap_or_default();
        if shift.found != shift.counted && named == self.met.packages {
            let what = format!(
                "project {number} is kept with {} packages {kind} {name}, but {counted} were \
                 counted",
                shift.found
            );
            self.found.differ(what, Fix::Package(PackageFix::Series(project, key, shift)));
            return Ok(());
        }
        if series.packages == 0 {
            return Ok(());
        }
        self.want_package_row(PackageRow::At(key, project))
    }

    fn check_package_tags(&mut self) -> Result<(), Halt> {
        for row in PACKAGE_TAGS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((project, tag), named) => self.check_package_tag(project, tag, named)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PACKAGE_TAGS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_package_tag(
        &mut self,
        project: ProjectId,
        tag: (PackageName, PackageTagName),
        named: PackageTag,
    ) -> Result<(), Halt> {
        let Some(package) = readable(PACKAGES.get(self.rows, &named.package))? else {
            return Ok(());
        };
        let is_its =
            |package: &Package| package.project == project && package.name == tag.0.as_str();
        if package.as_ref().is_some_and(is_its) {
            return self.want_package_row(PackageRow::TagOf(named.package, tag.1));
        }
        let (number, id) = (project.0, named.package.0);
        let what = format!(
            "{} of {} in project {number} names package {id}, which is none of it",
            tag.1, tag.0
        );
        self.found.differ(what, Fix::Package(PackageFix::StrayTag(project, tag)));
        Ok(())
    }

    /// What is kept of packages is of some that are there.
    fn facts_of<V: Value>(&mut self, table: &Table<PackageId, V>) -> Result<(), Halt> {
        for row in table.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, _) => {
                    if !PACKAGES.has(self.rows, &id)? {
                        let (table, number) = (table.name(), id.0);
                        let what = format!("table {table} tells of package {number}, in vain");
                        self.found.differ(what, Fix::Package(PackageFix::StrayFacts(id)));
                    }
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(table.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn want_package_row(&mut self, row: PackageRow) -> Result<(), Halt> {
        if row.is_there(self.rows)? {
            *self.met.index.entry(row.table()).or_default() += 1;
        } else {
            let what = format!("{row} is missing");
            self.found.differ(what, Fix::Package(PackageFix::Make(row)));
        }
        Ok(())
    }

    /// Rows of the indexes that nothing wants.
    fn check_package_rows(&mut self) -> Result<(), Halt> {
        let erase: Erase = |txn, key| PACKAGE_NAMES.remove_unreadable(txn, key);
        let row = |(project, key), id| PackageRow::Name(project, key, id);
        self.stray_packages(&PACKAGE_NAMES, row, erase)?;
        let erase: Erase = |txn, key| PACKAGES_IN.remove_unreadable(txn, key);
        self.stray_packages(&PACKAGES_IN, |(at, id), ()| PackageRow::In(at, id), erase)?;
        let erase: Erase = |txn, key| SERIES_AT.remove_unreadable(txn, key);
        self.stray_packages(&SERIES_AT, |(key, at), ()| PackageRow::At(key, at), erase)?;
        let erase: Erase = |txn, key| SERIES_CHANGES.remove_unreadable(txn, key);
        let row = |(at, (key, change)), ()| PackageRow::Change(at, key, change);
        self.stray_packages(&SERIES_CHANGES, row, erase)?;
        let erase: Erase = |txn, key| PACKAGE_FILES_IN.remove_unreadable(txn, key);
        self.stray_packages(&PACKAGE_FILES_IN, |(at, id), ()| PackageRow::FileIn(at, id), erase)?;
        let erase: Erase = |txn, key| PACKAGE_FILE_NAMES.remove_unreadable(txn, key);
        let row = |(at, (name, id)), ()| PackageRow::FileName(at, name, id);
        self.stray_packages(&PACKAGE_FILE_NAMES, row, erase)?;
        let erase: Erase = |txn, key| PACKAGE_TAGS_OF.remove_unreadable(txn, key);
        self.stray_packages(&PACKAGE_TAGS_OF, |(at, tag), ()| PackageRow::TagOf(at, tag), erase)
    }

    fn stray_packages<K: Key, V: Value>(
        &mut self,
        table: &Table<K, V>,
        row_of: impl Fn(K, V) -> PackageRow,
        erase: Erase,
    ) -> Result<(), Halt> {
        self.where_too_many(table, erase, |check, key, value| {
            let row = row_of(key, value);
            if readable(row.is_right(check.rows))? == Some(false) {
                let what = format!("{row} is one too many");
                check.found.differ(what, Fix::Package(PackageFix::Drop(row)));
            }
            Ok(())
        })
    }

    fn check_project_usage(&mut self, mut counted: Counted, is_complete: bool) -> Result<(), Halt> {
        for row in PROJECT_USAGE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(project, found) => {
                    let counted = counted.remove(&project).unwrap_or_default();
                    self.compare_project(project, found, counted, is_complete)?;
                }
                Found::Unreadable { key, what } => {
                    if let Some(project) = ProjectId::from_bytes(&key) {
                        counted.remove(&project);
                    }
                    self.found.in_doubt = true;
                    let erase: Erase = |txn, key| PROJECT_USAGE.remove_unreadable(txn, key);
                    self.broken(PROJECT_USAGE.name(), key, &what, erase);
                }
            }
        }
        for (project, counted) in counted {
            self.compare_project(project, ProjectUsage::default(), counted, is_complete)?;
        }
        Ok(())
    }

    fn compare_project(
        &mut self,
        project: ProjectId,
        found: ProjectUsage,
        mut counted: ProjectUsage,
        is_complete: bool,
    ) -> Result<(), Halt> {
        if found.leaving {
            counted.pending = counted.pending.plus(std::mem::take(&mut counted.live));
            if self.is_project_live(project)? {
                let what = format!("project {} is kept as one that goes, but stays", project.0);
                self.found.differ(what, Fix::Package(PackageFix::Stay(project)));
            }
        }
        if !is_complete {
            (counted.live, counted.pending) = (found.live, found.pending);
            counted.packages = found.packages;
        }
        self.counted.named = self.counted.named.plus(counted.live);
        self.counted.detached = self.counted.detached.plus(counted.pending);
        let number = project.0;
        for (part, found, counted) in [
            (Part::Live, found.live, counted.live),
            (Part::Pending, found.pending, counted.pending),
        ] {
            let whose = format!("{part} of project {number}");
            self.compare(&whose, Shift { found, counted }, Holder::Project(project, part));
        }
        let shift = Shift { found: found.packages, counted: counted.packages };
        if shift.found != shift.counted {
            let Shift { found, counted } = shift;
            let what =
                format!("project {number} keeps {found} packages, but {counted} were counted");
            self.found.differ(what, Fix::Package(PackageFix::Packages(project, shift)));
        }
        Ok(())
    }
}
