//! `/projects/:id/packages/:package_id/package_files`: listed and deleted.

use serde_json::Value;
use warp::reply::Response;

use super::lists;
use crate::http::Server;
use crate::http::api::pages::Page;
use crate::http::api::params::{Params, no_value};
use crate::http::api::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::http::packages::file_json;
use crate::http::route::ProjectAt;
use crate::model::{PackageFile, PackageFileId, PackageId};
use crate::store::View;
use crate::store::detached::Cause;
use crate::store::package_lists::{FileOrder, FilePart};

impl Server {
    pub(super) fn list_files(
        &self,
        asked: &Asked,
        at: &ProjectAt,
        id: PackageId,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.package_to_read(&view, asked, at, id)?;
        let page = Page::read(&asked.params)?;
        let (order, direction) = (order(&asked.params)?, lists::direction(&asked.params)?);
        let (skip, take) = (page.before(), page.lines());
        let part = FilePart { order, direction, skip, take, ..FilePart::default() };
        let files = view.list_package_files(id, &part)?;
        let lines: Vec<Value> = files.iter().map(|(id, file)| file_json(*id, file)).collect();
        let total = usize::try_from(found.package.usage.files).unwrap_or(usize::MAX);
        Ok(page.answer(asked, &lines, total))
    }

    pub(super) fn delete_file(
        &self,
        asked: &Asked,
        at: &ProjectAt,
        package: PackageId,
        id: PackageFileId,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.package_to_destroy(&view, asked, at, package)?;
        let standing = self.rule_role(&view, &asked.caller, found.project.id)?;
        let file = find(&view, package, id)?;
        asked.check_unmodified(file.created)?;
        drop(view);
        let cause = Cause::request(&asked.by());
        let marked = self.tree.store().mark_package_files(vec![(id, standing)], cause).wait()?;
        self.marked(&marked, ApiError::not_found(""))
    }
}

/// A file of the package that can be downloaded.
pub(super) fn find(
    view: &View,
    package: PackageId,
    id: PackageFileId,
) -> Result<PackageFile, Failure> {
    let file = view.package_file(id)?;
    let file = file.filter(|file| file.package == package && file.marked.is_none());
    Ok(file.ok_or_else(|| ApiError::not_found(""))?)
}

fn order(params: &Params) -> Result<FileOrder, ApiError> {
    match params.text("order_by")?.as_deref() {
        // Ids rise with time.
        None | Some("id" | "created_at") => Ok(FileOrder::Id),
        Some("file_name") => Ok(FileOrder::Name),
        Some(_) => Err(no_value("order_by")),
    }
}
