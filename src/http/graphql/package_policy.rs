//! What a project keeps of its packages: `PackagesCleanupPolicy` and its change (spec gitlab
//! §8.5).
//!
//! A project that never had one shows what holds for it; reading stores nothing (statement 23).
//! Who may not administer its packages is told null, and of a change that it cannot be (statement
//! 22).

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::asked::{Asked, asked};
use super::errors::fault;
use super::project::{self, ProjectAt};
use super::scalars::Time;
use crate::model::{Ability, KeepFiles, PackagePolicy, ProjectId};
use crate::store::package_policies::PackagePolicyChange;

/// How many files of one name a package keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PackagesCleanupKeepDuplicatedPackageFilesEnum {
    /// All of them.
    AllPackageFiles,
    /// The newest one.
    OnePackageFile,
    /// The 10 newest ones.
    TenPackageFiles,
    /// The 20 newest ones.
    TwentyPackageFiles,
    /// The 30 newest ones.
    ThirtyPackageFiles,
    /// The 40 newest ones.
    FortyPackageFiles,
    /// The 50 newest ones.
    FiftyPackageFiles,
}

use PackagesCleanupKeepDuplicatedPackageFilesEnum as Keep;

/// What a project keeps of its packages.
#[derive(SimpleObject)]
pub struct PackagesCleanupPolicy {
    /// How many files of one name a package keeps.
    #[graphql(name = "keepNDuplicatedPackageFiles")]
    keep: Keep,
    /// When it is applied next.
    next_run_at: Option<Time>,
}

/// What to change of it.
#[derive(InputObject)]
struct UpdatePackagesCleanupPolicyInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// The full path of the project.
    project_path: ID,
    /// How many files of one name a package keeps.
    #[graphql(name = "keepNDuplicatedPackageFiles")]
    keep: MaybeUndefined<Keep>,
}

/// What came of it.
#[derive(SimpleObject)]
struct UpdatePackagesCleanupPolicyPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// The policy as it is now; null if nothing was changed.
    packages_cleanup_policy: Option<PackagesCleanupPolicy>,
    /// Why nothing was changed.
    errors: Vec<String>,
}

/// The field of a project.
pub struct ProjectPackagePolicy(pub Arc<ProjectAt>);

/// The field of the root.
#[derive(Default)]
pub struct PackagePolicyMutation;

impl From<KeepFiles> for Keep {
    fn from(keep: KeepFiles) -> Self {
        match keep {
            KeepFiles::Newest(1) => Self::OnePackageFile,
            KeepFiles::Newest(10) => Self::TenPackageFiles,
            KeepFiles::Newest(20) => Self::TwentyPackageFiles,
            KeepFiles::Newest(30) => Self::ThirtyPackageFiles,
            KeepFiles::Newest(40) => Self::FortyPackageFiles,
            KeepFiles::Newest(50) => Self::FiftyPackageFiles,
            // No other number can be chosen.
            KeepFiles::All | KeepFiles::Newest(_) => Self::AllPackageFiles,
        }
    }
}

impl From<Keep> for KeepFiles {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::AllPackageFiles => Self::All,
            Keep::OnePackageFile => Self::Newest(1),
            Keep::TenPackageFiles => Self::Newest(10),
            Keep::TwentyPackageFiles => Self::Newest(20),
            Keep::ThirtyPackageFiles => Self::Newest(30),
            Keep::FortyPackageFiles => Self::Newest(40),
            Keep::FiftyPackageFiles => Self::Newest(50),
        }
    }
}

#[Object]
impl ProjectPackagePolicy {
    /// What the project keeps of its packages; null for whoever may not administer them.
    async fn packages_cleanup_policy(
        &self,
        context: &Context<'_>,
    ) -> Option<Result<PackagesCleanupPolicy>> {
        let found = asked(context).and_then(|asked| {
            let may = asked.may(self.0.id.governed(), Ability::AdminPackages)?;
            if may { of(asked, self.0.id).map(Some) } else { Ok(None) }
        });
        found.transpose()
    }
}

#[Object]
impl PackagePolicyMutation {
    /// Says what a project keeps of its packages. What is left out stays as it is.
    async fn update_packages_cleanup_policy(
        &self,
        context: &Context<'_>,
        input: UpdatePackagesCleanupPolicyInput,
    ) -> Option<Result<UpdatePackagesCleanupPolicyPayload>> {
        Some(update(context, input).await)
    }
}

fn of(asked: &Asked, project: ProjectId) -> Result<PackagesCleanupPolicy> {
    let policy = asked.view().package_policy(project).map_err(|error| fault(&error))?;
    let keep = policy.as_ref().map_or(KeepFiles::All, |policy| policy.keep);
    let next_run_at = policy.as_ref().map(next_run);
    Ok(PackagesCleanupPolicy { keep: keep.into(), next_run_at })
}

fn next_run(policy: &PackagePolicy) -> Time {
    Time(policy.next_run)
}

async fn update(
    context: &Context<'_>,
    input: UpdatePackagesCleanupPolicyInput,
) -> Result<UpdatePackagesCleanupPolicyPayload> {
    let asked = asked(context)?;
    let project = project::find_to_change(asked, &input.project_path, Ability::AdminPackages)?.id;
    let (packages_cleanup_policy, errors) = if input.keep.is_null() {
        (None, vec!["Keep n duplicated package files is invalid".to_owned()])
    } else {
        let keep = input.keep.value().map(|keep| KeepFiles::from(*keep));
        let change = PackagePolicyChange { keep, ..PackagePolicyChange::default() };
        asked.change(|store| store.set_package_policy(project, change)).await?;
        (Some(of(asked, project)?), Vec::new())
    };
    let client_mutation_id = input.client_mutation_id;
    Ok(UpdatePackagesCleanupPolicyPayload { client_mutation_id, packages_cleanup_policy, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_word() {
        let all = KeepFiles::COUNTS.map(KeepFiles::Newest).into_iter().chain([KeepFiles::All]);
        for keep in all {
            assert_eq!(KeepFiles::from(Keep::from(keep)), keep);
        }
    }
}
