//! `/projects/:id/packages` and `/groups/:id/packages`: packages and their files by number, listed,
//! shown and deleted (spec gitlab §3).
//!
//! Deleting marks, in one small transaction whatever the size (I7), and the sweeper is asked to do
//! the rest. Rules that protect packages are asked after roles. Lists are read from one snapshot
//! (I8). Deliberately absent: what the clients of formats ask for, and pipelines, which nothing
//! here runs: their lists are empty.

mod download;
mod files;
mod lists;
mod render;

use serde_json::Value;
use warp::reply::Response;

use super::{ApiError, Asked, no_content, params};
use crate::http::failure::Failure;
use crate::http::packages::gate::Target;
use crate::http::route::{ListedRoute, OfPackage, ProjectAt};
use crate::http::{Server, reply};
use crate::model::{Ability, Caller, Package, PackageId, PackageStatus, Scope, Trigger};
use crate::store::View;
use crate::store::detached::Cause;
use crate::store::packages::Marked;

/// Most lines of a page of pipelines.
const PIPELINES_MAX: u64 = 20;

/// A package that was found.
struct FoundPackage {
    project: Target,
    id: PackageId,
    package: Package,
}

impl Server {
    pub(super) fn api_listed(
        &self,
        asked: &Asked,
        route: &ListedRoute,
    ) -> Result<Response, Failure> {
        match route {
            ListedRoute::OfGroup(at) => self.list_of_group(asked, at),
            ListedRoute::OfProject(at) => self.list_of_project(asked, at),
            ListedRoute::Package(at, id, part) => {
                let id = id.ok_or_else(|| params::invalid("package_id"))?;
                match part {
                    OfPackage::Whole if asked.reads() => self.show_package(asked, at, id),
                    OfPackage::Whole => self.delete_package(asked, at, id),
                    OfPackage::Pipelines => self.pipelines(asked, at, id),
                    OfPackage::Files => self.list_files(asked, at, id),
                    OfPackage::File(file) => {
                        let file = file.ok_or_else(|| params::invalid("package_file_id"))?;
                        self.delete_file(asked, at, id, file)
                    }
                    // It is sent before this is asked.
                    OfPackage::Download(_) => Err(ApiError::no_route().into()),
                }
            }
        }
    }

    fn show_package(
        &self,
        asked: &Asked,
        at: &ProjectAt,
        id: PackageId,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.package_to_read(&view, asked, at, id)?;
        if !found.package.status.has_details() {
            return Err(unknown().into());
        }
        let may_destroy = self.may_destroy(&view, asked, &found)?;
        let lines = render::Lines { view: &view, address: &asked.address };
        let FoundPackage { project, id, package } = &found;
        let path = project.path.to_string();
        let mut line = lines.package(*id, package, &path, may_destroy)?;
        line["versions"] = Value::Array(lines.versions(*id, package)?);
        Ok(reply::json(&line))
    }

    fn delete_package(
        &self,
        asked: &Asked,
        at: &ProjectAt,
        id: PackageId,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.package_to_destroy(&view, asked, at, id)?;
        asked.check_unmodified(found.package.updated)?;
        let standing = self.rule_role(&view, &asked.caller, found.project.id)?;
        drop(view);
        let cause = Cause::request(&asked.by());
        let marked = self.tree.store().mark_packages(vec![(id, standing)], cause).wait()?;
        self.marked(&marked, unknown())
    }

    /// 204, unless nothing was marked.
    fn marked(&self, marked: &Marked, unknown: ApiError) -> Result<Response, Failure> {
        if !marked.protected.is_empty() {
            return Err(protected().into());
        }
        if marked.marked == 0 {
            return Err(unknown.into());
        }
        self.sweeper.ask(Scope::Reclaim, Trigger::Delete);
        Ok(no_content())
    }

    fn pipelines(&self, asked: &Asked, at: &ProjectAt, id: PackageId) -> Result<Response, Failure> {
        if asked.caller == Caller::Anonymous && !self.access.trusts(&asked.caller) {
            return Err(ApiError::unauthorized().into());
        }
        if asked.params.number("per_page")?.is_some_and(|n| n == 0 || n > PIPELINES_MAX) {
            return Err(params::no_value("per_page").into());
        }
        self.package_to_read(&self.api_view()?, asked, at, id)?;
        Ok(reply::json(&Value::Array(Vec::new())))
    }

    /// The project that a URL names, of whose packages the caller may be told.
    fn project_to_read(
        &self,
        view: &View,
        asked: &Asked,
        at: &ProjectAt,
    ) -> Result<Target, Failure> {
        self.package_project(view, &asked.caller, at, Ability::ReadPackages)
    }

    /// A package that is not on its way out.
    fn package_to_read(
        &self,
        view: &View,
        asked: &Asked,
        at: &ProjectAt,
        id: PackageId,
    ) -> Result<FoundPackage, Failure> {
        let project = self.project_to_read(view, asked, at)?;
        find(view, project, id)
    }

    /// A package that is not on its way out, and that the caller may delete.
    fn package_to_destroy(
        &self,
        view: &View,
        asked: &Asked,
        at: &ProjectAt,
        id: PackageId,
    ) -> Result<FoundPackage, Failure> {
        let project = self.package_project(view, &asked.caller, at, Ability::DestroyPackage)?;
        let found = find(view, project, id)?;
        if self.is_delete_protected(view, &asked.caller, &found.package)? {
            return Err(protected().into());
        }
        Ok(found)
    }

    fn may_destroy(
        &self,
        view: &View,
        asked: &Asked,
        found: &FoundPackage,
    ) -> Result<bool, Failure> {
        let project = found.project.id.governed();
        self.may_in(view, &asked.caller, project, Ability::DestroyPackage)
    }
}

fn find(view: &View, project: Target, id: PackageId) -> Result<FoundPackage, Failure> {
    let package = view.package(id)?.filter(|package| {
        package.project == project.id && package.status != PackageStatus::PendingDestruction
    });
    let package = package.ok_or_else(unknown)?;
    Ok(FoundPackage { project, id, package })
}

fn protected() -> ApiError {
    let why = "403 Forbidden - Package is deletion protected.";
    ApiError::message(http::StatusCode::FORBIDDEN, why)
}

fn unknown() -> ApiError {
    ApiError::not_found("Package")
}
