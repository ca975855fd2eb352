//! `…/package_files/:package_file_id/download`: one file by its number, which may be another than
//! the one that is served by its name.

use std::sync::Arc;

use warp::reply::Response;

use crate::http::api::{ApiError, params};
use crate::http::failure::Failure;
use crate::http::route::ProjectAt;
use crate::http::{Request, Server, blocking};
use crate::model::{Ability, PackageFileId, PackageId};

impl Server {
    /// The answer to a GET or HEAD of it.
    pub(in crate::http::api) async fn download_file(
        self: &Arc<Self>,
        request: Request,
        at: ProjectAt,
        package: Option<PackageId>,
        file: Option<PackageFileId>,
    ) -> Result<Response, Failure> {
        let package = package.ok_or_else(|| params::invalid("package_id"))?;
        let id = file.ok_or_else(|| params::invalid("package_file_id"))?;
        let (server, caller) = (Arc::clone(self), request.caller.clone());
        let opened = blocking(move || {
            let view = server.api_view()?;
            let target = server.package_project(&view, &caller, &at, Ability::ReadPackages)?;
            drop(view);
            // The rows are read again in the snapshot that the bytes are pinned by.
            let opened = server.packages.open(|view| {
                let record = view
                    .package(package)?
                    .filter(|record| record.project == target.id && record.status.is_installable());
                let file = view.package_file(id)?.filter(|file| {
                    record.is_some() && file.package == package && file.marked.is_none()
                });
                Ok(file.map(|file| (id, file)))
            })?;
            Ok(opened.ok_or_else(|| ApiError::not_found(""))?)
        })
        .await?;
        Ok(self.send_package_file(&request, opened))
    }
}
