//! What a policy names: a walk over the packages of a project, page after page, each from one
//! snapshot (I6, I8).
//!
//! Each package is judged over all of its files by their index, so that no window hides a copy.
//! A page may end within a package; it goes on there only if nothing has changed in that since,
//! otherwise from its beginning. Packages that clients cannot download are out of scope, and
//! those that a rule keeps from being deleted are spared (spec gitlab §8.6, §8.7).

use std::ops::ControlFlow;

use crate::db;
use crate::db::schema::{PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGES, PACKAGES_IN};
use crate::db::{Rows, Span};
use crate::model::package_plan::{DoomedFile, Judge, PackagePlan};
use crate::model::{
    Kept, Package, PackageFile, PackageFileId, PackageFileName, PackageId, ProjectId,
};
use crate::store::packages::is_protected;
use crate::store::tx::promised;
use crate::store::{Error, View};

/// Where a walk over the packages of a project is.
#[derive(Clone, Debug)]
pub struct PackageWalk {
    project: ProjectId,
    kept: Kept,
    /// The first package that was not looked at whole.
    at: Option<PackageId>,
    within: Option<Within>,
}

/// A place within a package.
#[derive(Clone, Debug)]
struct Within {
    revision: u64,
    judge: Judge,
    last: (PackageFileName, PackageFileId),
}

/// A package that a rule spares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// The package.
    pub package: PackageId,
    /// Its name and version.
    pub title: String,
}

/// What was found of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct PlannedPage {
    /// What goes, package by package.
    pub plans: Vec<PackagePlan>,
    /// What rules spare.
    pub spared: Vec<Spared>,
    /// Packages that cannot be read, as sentences. They are passed over.
    pub errors: Vec<String>,
}

impl PlannedPage {
    fn is_empty(&self) -> bool {
        self.plans.is_empty() && self.spared.is_empty() && self.errors.is_empty()
    }
}

/// What is left of a page.
struct Room {
    looked: usize,
    doomed: usize,
}

impl PackageWalk {
    /// One that begins with the package `from`, or the first one behind it.
    #[must_use]
    pub fn new(project: ProjectId, kept: Kept, from: PackageId) -> Self {
        Self { project, kept, at: Some(from), within: None }
    }

    /// The package to go on with; `None`: all were looked at.
    #[must_use]
    pub fn at(&self) -> Option<PackageId> {
        self.at
    }

    /// What the last page named of this package is gone, and it has this revision now.
    pub fn went(&mut self, package: PackageId, revision: u64) {
        if let Some(within) = &mut self.within
            && self.at == Some(package)
        {
            within.revision = revision;
        }
    }

    /// Goes back to the beginning of a package, which has changed.
    pub fn again(&mut self, package: PackageId) {
        (self.at, self.within) = (Some(package), None);
    }

    /// Leaves what is to come of a package.
    pub fn leave(&mut self, package: PackageId) {
        if self.at == Some(package) {
            self.pass(package);
        }
    }

    fn pass(&mut self, package: PackageId) {
        (self.at, self.within) = (package.0.checked_add(1).map(PackageId), None);
    }
}

impl View {
    /// Plans on from where `walk` is, until about `looked_max` files and packages were looked at
    /// or `doomed_max` files found. A snapshot's names are looked at whole.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn plan_packages(
        &self,
        walk: &mut PackageWalk,
        looked_max: usize,
        doomed_max: usize,
    ) -> Result<PlannedPage, Error> {
        let mut page = PlannedPage::default();
        let mut room = Room { looked: looked_max, doomed: doomed_max };
        while let Some(from) = walk.at {
            if room.looked == 0 || room.doomed == 0 {
                break;
            }
            room.looked -= 1;
            let span = Span::under(&walk.project).from(&(walk.project, from));
            let first = match PACKAGES_IN.first(&self.snapshot, span) {
                // What was found comes first; then this is met again.
                Err(_) if !page.is_empty() => break,
                first => first?,
            };
            let Some(((_, id), ())) = first else {
                walk.at = None;
                break;
            };
            walk.at = Some(id);
            match plan_package(&self.snapshot, walk, id, &mut room, &mut page) {
                Ok(true) => walk.pass(id),
                Ok(false) => break,
                // It holds nobody up; `check` tells of it.
                Err(Error::Db(error @ db::Error::Corrupt { .. })) => {
                    page.errors.push(format!("package {} was left alone: {error}", id.0));
                    walk.pass(id);
                }
                Err(_) if !page.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

/// Plans for one package; `false` when the page is full before its end.
fn plan_package(
    rows: &impl Rows,
    walk: &mut PackageWalk,
    id: PackageId,
    room: &mut Room,
    page: &mut PlannedPage,
) -> Result<bool, Error> {
    let package = promised(&PACKAGES, rows, &id)?;
    if package.project != walk.project || !package.status.is_installable() {
        return Ok(true);
    }
    let mut plan = empty_plan(id, &package);
    if is_protected(rows, &package)? {
        page.spared.push(Spared { package: id, title: plan.title() });
        return Ok(true);
    }
    let known = walk.within.take().filter(|within| within.revision == package.revision);
    let (judge, last) = match known {
        Some(Within { judge, last, .. }) => (judge, Some(last)),
        None => (informed(rows, walk.kept, id, &package)?, None),
    };
    let left = judge_files(rows, (judge, last), room, &mut plan)?;
    if !plan.doomed.is_empty() {
        page.plans.push(plan);
    }
    let revision = package.revision;
    walk.within = left.map(|(judge, last)| Within { revision, judge, last });
    Ok(walk.within.is_none())
}

fn empty_plan(id: PackageId, package: &Package) -> PackagePlan {
    PackagePlan {
        package: id,
        kind: package.kind,
        name: package.title.clone(),
        version: package.version.clone(),
        revision: package.revision,
        doomed: Vec::new(),
    }
}

/// A judge that has seen what it wants to.
fn informed(
    rows: &impl Rows,
    kept: Kept,
    id: PackageId,
    package: &Package,
) -> Result<Judge, Error> {
    let mut judge = Judge::new(kept, package.kind, &package.name, package.version.as_deref());
    if judge.wants_names() {
        PACKAGE_FILE_NAMES.each(rows, Span::under(&id), |(_, (name, _)), ()| {
            judge.see(name.as_str());
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
    }
    Ok(judge)
}

type Place = (Judge, (PackageFileName, PackageFileId));

/// Judges files until the package or the page ends; tells where it stopped within the package.
fn judge_files(
    rows: &impl Rows,
    (mut judge, last): (Judge, Option<(PackageFileName, PackageFileId)>),
    room: &mut Room,
    plan: &mut PackagePlan,
) -> Result<Option<Place>, Error> {
    let mut span = Span::under(&plan.package);
    if let Some(last) = last {
        span = span.before(&(plan.package, last));
    }
    let (mut doomed, mut stopped) = (Vec::new(), None);
    PACKAGE_FILE_NAMES.each(rows, span.descending(), |(_, (name, id)), ()| {
        if let Some(rule) = judge.judge(name.as_str()) {
            doomed.push((id, rule));
            room.doomed = room.doomed.saturating_sub(1);
        }
        room.looked = room.looked.saturating_sub(1);
        if room.doomed > 0 && room.looked > 0 {
            return Ok(ControlFlow::Continue(()));
        }
        stopped = Some((name, id));
        Ok::<_, Error>(ControlFlow::Break(()))
    })?;
    for (id, rule) in doomed {
        let PackageFile { name, blob, size, .. } = promised(&PACKAGE_FILES, rows, &id)?;
        plan.doomed.push(DoomedFile { id, name, blob, size, rule });
    }
    Ok(stopped.map(|last| (judge, last)))
}
