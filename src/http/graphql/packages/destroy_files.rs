//! `destroyPackageFiles` and `destroyPackageFile` (spec gitlab §8.2).
//!
//! Defends I7: files are marked in one transaction, and the sweeper does the rest.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::errors::{argument, fault, unavailable};
use crate::http::graphql::ids::PackagesPackageFileID;
use crate::http::graphql::project;
use crate::model::{Ability, Package, PackageFileId, PackageId, PackageStatus};
use crate::store::detached::Cause;
use crate::store::packages::Marked;

/// Most files of one call.
const FILES_MAX: usize = 100;

/// Which files to delete.
#[derive(InputObject)]
struct DestroyPackageFilesInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// The full path of the project that all of them are in.
    project_path: ID,
    /// Their global ids, 100 at most.
    ids: Vec<PackagesPackageFileID>,
}

/// What came of it.
#[derive(SimpleObject)]
struct DestroyPackageFilesPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// What stays, and why.
    errors: Vec<String>,
}

/// Which file to delete.
#[derive(InputObject)]
struct DestroyPackageFileInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// Its global id.
    id: PackagesPackageFileID,
}

/// What came of it.
#[derive(SimpleObject)]
struct DestroyPackageFilePayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// Why it stays.
    errors: Vec<String>,
}

/// The fields of the root.
#[derive(Default)]
pub struct DestroyFilesMutation;

#[Object]
impl DestroyFilesMutation {
    /// Deletes files of packages of a project. A package whose last file goes, goes with it.
    async fn destroy_package_files(
        &self,
        context: &Context<'_>,
        input: DestroyPackageFilesInput,
    ) -> Option<Result<DestroyPackageFilesPayload>> {
        let errors = destroy_all(context, &input.project_path, &input.ids).await;
        let client_mutation_id = input.client_mutation_id;
        Some(errors.map(|errors| DestroyPackageFilesPayload { client_mutation_id, errors }))
    }

    /// Deletes a file of a package. A package whose last file goes, goes with it.
    async fn destroy_package_file(
        &self,
        context: &Context<'_>,
        input: DestroyPackageFileInput,
    ) -> Option<Result<DestroyPackageFilePayload>> {
        let errors = destroy_one(context, PackageFileId(input.id.0)).await;
        let client_mutation_id = input.client_mutation_id;
        Some(errors.map(|errors| DestroyPackageFilePayload { client_mutation_id, errors }))
    }
}

/// A file that can be downloaded, and what it is in.
struct Found {
    id: PackageFileId,
    package: PackageId,
    record: Package,
}

async fn destroy_all(
    context: &Context<'_>,
    project: &str,
    ids: &[PackagesPackageFileID],
) -> Result<Vec<String>> {
    let asked = asked(context)?;
    let project = project::find_to_change(asked, project, Ability::DestroyPackage)?;
    if ids.len() > FILES_MAX {
        return Err(argument(format!("Cannot delete more than {FILES_MAX} files")));
    }
    let mut ids: Vec<_> = ids.iter().map(|id| PackageFileId(id.0)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut files = Vec::new();
    for id in ids {
        files.extend(find(asked, id)?);
    }
    if files.is_empty() || files.iter().any(|file| file.record.project != project.id) {
        return Err(argument("All files must be in the requested project"));
    }
    let failed = "Failed to mark the package files as pending destruction";
    let Some(protected) = mark(asked, &files).await? else {
        return Ok(vec![failed.to_owned()]);
    };
    let kept = files.iter().filter(|file| protected.contains(&file.package));
    let kept = kept.map(|kept| format!("Package '{}' is deletion protected.", kept.record.title));
    Ok(kept.collect::<BTreeSet<_>>().into_iter().collect())
}

async fn destroy_one(context: &Context<'_>, id: PackageFileId) -> Result<Vec<String>> {
    let asked = asked(context)?;
    asked.check_changes()?;
    let file = find(asked, id)?.ok_or_else(unavailable)?;
    if !asked.may(file.record.project.governed(), Ability::DestroyPackage)? {
        return Err(unavailable());
    }
    let error = match mark(asked, &[file]).await? {
        None => "Failed to mark the package file as pending destruction",
        Some(protected) if !protected.is_empty() => "Package is deletion protected.",
        Some(_) => return Ok(Vec::new()),
    };
    Ok(vec![error.to_owned()])
}

/// A file of this id that was not deleted, nor its package.
fn find(asked: &Asked, id: PackageFileId) -> Result<Option<Found>> {
    let view = asked.view();
    let file = view.package_file(id).map_err(|error| fault(&error))?;
    let Some(file) = file.filter(|file| file.marked.is_none()) else { return Ok(None) };
    let record = view.package(file.package).map_err(|error| fault(&error))?;
    let record = record.filter(|package| package.status != PackageStatus::PendingDestruction);
    Ok(record.map(|record| Found { id, package: file.package, record }))
}

/// Marks files; the packages that rules kept, or nothing where that could not be done.
async fn mark(asked: &Asked, files: &[Found]) -> Result<Option<Vec<PackageId>>> {
    let mut marks = Vec::with_capacity(files.len());
    for file in files {
        marks.push((file.id, asked.standing(file.record.project)?));
    }
    let cause = Cause::request(asked.caller().name());
    // Why it failed is in the log.
    let marked = asked.change(|store| store.mark_package_files(marks, cause)).await.ok();
    if let Some(Marked { marked, .. }) = &marked {
        log::info!("{} deleted {marked} files of packages", asked.caller().name());
        asked.reclaim();
    }
    Ok(marked.map(|marked| marked.protected))
}
