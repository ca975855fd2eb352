//! `destroyPackages` and `destroyPackage` (spec gitlab §8.1, §8.2; statements 19 to 21).
//!
//! Rights are asked for all packages before anything is told of any of them, and before anything
//! is marked; then one transaction marks them, whatever their files (I7). Nothing is done per file
//! here.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::PackageAt;
use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::document::document;
use crate::http::graphql::errors::{argument, fault, unavailable};
use crate::http::graphql::ids::PackagesPackageID;
use crate::model::{Ability, PackageId, PackageStatus};
use crate::store::detached::Cause;
use crate::store::packages::Marked;

/// Most packages of one call.
const PACKAGES_MAX: usize = 20;

/// Which packages to delete.
#[derive(InputObject)]
struct DestroyPackagesInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// Their global ids, 20 at most.
    ids: Vec<PackagesPackageID>,
}

/// What came of it.
#[derive(SimpleObject)]
struct DestroyPackagesPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// What stays, and why.
    errors: Vec<String>,
}

/// Which package to delete.
#[derive(InputObject)]
struct DestroyPackageInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// Its global id.
    id: PackagesPackageID,
}

/// What came of it.
#[derive(SimpleObject)]
struct DestroyPackagePayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// Why it stays.
    errors: Vec<String>,
}

/// The fields of the root.
#[derive(Default)]
pub struct DestroyPackagesMutation;

#[Object]
impl DestroyPackagesMutation {
    /// Deletes packages of one project or of several; those that lists do not show are left alone.
    /// A document may ask for it once.
    async fn destroy_packages(
        &self,
        context: &Context<'_>,
        input: DestroyPackagesInput,
    ) -> Option<Result<DestroyPackagesPayload>> {
        let errors = destroy_all(context, &input.ids).await;
        let client_mutation_id = input.client_mutation_id;
        Some(errors.map(|errors| DestroyPackagesPayload { client_mutation_id, errors }))
    }

    /// Deletes a package.
    async fn destroy_package(
        &self,
        context: &Context<'_>,
        input: DestroyPackageInput,
    ) -> Option<Result<DestroyPackagePayload>> {
        let errors = destroy_one(context, PackageId(input.id.0)).await;
        let client_mutation_id = input.client_mutation_id;
        Some(errors.map(|errors| DestroyPackagePayload { client_mutation_id, errors }))
    }
}

async fn destroy_all(context: &Context<'_>, ids: &[PackagesPackageID]) -> Result<Vec<String>> {
    document(context)?.only_once("destroyPackages")?;
    let asked = asked(context)?;
    asked.check_changes()?;
    if ids.len() > PACKAGES_MAX {
        return Err(argument(format!("Cannot delete more than {PACKAGES_MAX} packages")));
    }
    let packages = shown(asked, ids)?;
    for package in &packages {
        if !asked.may(package.record.project.governed(), Ability::DestroyPackage)? {
            return Err(unavailable());
        }
    }
    let failed = "Failed to mark the packages as pending destruction";
    let Some(protected) = mark(asked, &packages).await? else {
        return Ok(vec![failed.to_owned()]);
    };
    let kept = packages.iter().filter(|package| protected.contains(&package.id));
    let kept = kept.map(|kept| format!("Package '{}' is deletion protected.", kept.record.title));
    Ok(kept.collect())
}

/// Those of these packages that lists show, each once.
fn shown(asked: &Asked, ids: &[PackagesPackageID]) -> Result<Vec<PackageAt>> {
    let mut ids: Vec<_> = ids.iter().map(|id| PackageId(id.0)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        let record = asked.view().package(id).map_err(|error| fault(&error))?;
        let record = record.filter(|record| record.status.is_displayable());
        found.extend(record.map(|record| PackageAt { id, record }));
    }
    Ok(found)
}

async fn destroy_one(context: &Context<'_>, id: PackageId) -> Result<Vec<String>> {
    let asked = asked(context)?;
    asked.check_changes()?;
    let found = asked.view().package(id).map_err(|error| fault(&error))?;
    let found = found.filter(|package| package.status != PackageStatus::PendingDestruction);
    let record = found.ok_or_else(unavailable)?;
    if !asked.may(record.project.governed(), Ability::DestroyPackage)? {
        return Err(unavailable());
    }
    let error = match mark(asked, &[PackageAt { id, record }]).await? {
        None => "Failed to mark the package as pending destruction",
        Some(protected) if !protected.is_empty() => "Package is deletion protected.",
        Some(_) => return Ok(Vec::new()),
    };
    Ok(vec![error.to_owned()])
}

/// Marks packages; those that rules kept, or nothing where that could not be done.
async fn mark(asked: &Asked, packages: &[PackageAt]) -> Result<Option<Vec<PackageId>>> {
    let mut marks = Vec::with_capacity(packages.len());
    for package in packages {
        marks.push((package.id, asked.standing(package.record.project)?));
    }
    if marks.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let cause = Cause::request(asked.caller().name());
    // Why it failed is in the log.
    let marked = asked.change(|store| store.mark_packages(marks, cause)).await.ok();
    if let Some(Marked { marked, .. }) = &marked {
        log::info!("{} deleted {marked} packages", asked.caller().name());
        asked.reclaim();
    }
    Ok(marked.map(|marked| marked.protected))
}
