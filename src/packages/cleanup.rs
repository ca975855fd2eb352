//! What a policy would remove, shown before it does: the plan that a run applies (I6), with reasons
//! and exact bytes, all from one snapshot.
//!
//! Deliberately absent: removing anything (the sweeper does), and who may look.

use serde::Serialize;

use crate::model::package_plan::{PackagePlan, PackageRule};
use crate::model::{Kept, PackageFileId, PackageId, ProjectId};
use crate::store::package_policies::{PackageCost, PackageWalk, Toll};
use crate::store::{Error, View};

/// Files and packages that are looked at between two calls of `progress`.
const LOOKED_MAX: usize = 10_000;
/// Packages that rules spare, and errors, that are spelt out.
const TOLD_MAX: usize = 100;

/// What a policy would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The first files that would go, package after package.
    pub files: Vec<PreviewedFile>,
    /// Whether there are more of them than are listed. The numbers below are of all.
    pub is_cut: bool,
    /// Packages of which something would go.
    pub packages: u64,
    /// Different names in packages.
    pub names: u64,
    /// What that gives back.
    pub cost: PackageCost,
    /// Packages that protection rules spare: the first of them.
    pub spared: Vec<String>,
    /// How many those are.
    pub spared_count: u64,
    /// What cannot be read: the first of it.
    pub errors: Vec<String>,
}

/// A file that would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewedFile {
    /// Its package.
    pub package_id: PackageId,
    /// The package's name.
    pub package: String,
    /// The package's version.
    pub version: Option<String>,
    /// Its number.
    pub id: PackageFileId,
    /// Its name.
    pub file_name: String,
    /// Bytes.
    pub size: u64,
    /// The rule, for machines.
    #[serde(flatten)]
    pub rule: PackageRule,
    /// The rule, for people.
    pub reason: String,
}

/// What keeping `kept` would remove in a project; at most `listed_max` files are listed. Walks over
/// all of the project's files; `progress` is told how many would go so far and may end the walk
/// with an error of its own.
///
/// # Errors
/// [`Error::Db`], and those of `progress`.
pub fn preview<E: From<Error>>(
    view: &View,
    (project, kept): (ProjectId, Kept),
    listed_max: usize,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<Preview, E> {
    let mut walk = PackageWalk::new(project, kept, PackageId(0));
    let (mut preview, mut toll, mut seen) = (Preview::default(), Toll::default(), Seen::default());
    while walk.at().is_some() {
        let page = view.plan_packages(&mut walk, LOOKED_MAX, LOOKED_MAX)?;
        for plan in &page.plans {
            toll.add(plan);
            preview.add(plan, &mut seen, listed_max);
        }
        let spared = u64::try_from(page.spared.len()).unwrap_or(u64::MAX);
        preview.spared_count = preview.spared_count.saturating_add(spared);
        preview.spared.extend(page.spared.into_iter().map(|spared| spared.title));
        preview.spared.truncate(TOLD_MAX);
        preview.errors.extend(page.errors);
        preview.errors.truncate(TOLD_MAX);
        progress(toll.files())?;
    }
    preview.cost = view.package_cost(&toll)?;
    Ok(preview)
}

/// What was counted last: a plan may go on with the same.
#[derive(Default)]
struct Seen {
    package: Option<PackageId>,
    name: Option<String>,
}

impl Preview {
    fn add(&mut self, plan: &PackagePlan, seen: &mut Seen, listed_max: usize) {
        if seen.package != Some(plan.package) {
            *seen = Seen { package: Some(plan.package), name: None };
            self.packages += 1;
        }
        for file in &plan.doomed {
            if seen.name.as_ref() != Some(&file.name) {
                seen.name = Some(file.name.clone());
                self.names += 1;
            }
            if self.files.len() >= listed_max {
                self.is_cut = true;
                continue;
            }
            self.files.push(PreviewedFile {
                package_id: plan.package,
                package: plan.name.clone(),
                version: plan.version.clone(),
                id: file.id,
                file_name: file.name.clone(),
                size: file.size,
                reason: file.rule.to_string(),
                rule: file.rule.clone(),
            });
        }
    }
}
