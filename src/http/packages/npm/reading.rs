//! What installing asks for: packuments and tarballs.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::header::VARY;
use warp::reply::Response;

use super::super::send::Page;
use super::{ABBREVIATED, Named, extent, failure};
use crate::http::api::ApiError;
use crate::http::conditional::{self, Validators, Verdict};
use crate::http::failure::Failure;
use crate::http::route::PackagesAt;
use crate::http::{Request, Server, blocking, reply};
use crate::model::{Ability, PackageFile, PackageFileId, PackageFileName, ProjectId, Timestamp};
use crate::packages::Packages;
use crate::packages::npm::{Extent, Packument, npm_version_key};
use crate::store::{self, View};

impl Server {
    pub(super) async fn npm_packument(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let (named, view) = (Named::read(&name)?, server.packages.store().view()?);
            let extent = extent(&request);
            let page = server.npm_page(&request, &view, (&at, &named), extent)?;
            Ok(reply::with(page.answer(&request.method, &request.headers), VARY, "Accept"))
        })
        .await
    }

    /// The packument; without its bytes where the client has them.
    pub(super) fn npm_page(
        &self,
        request: &Request,
        view: &View,
        (at, named): (&PackagesAt, &Named),
        extent: Extent,
    ) -> Result<Page, Failure> {
        let ability = Ability::ReadPackages;
        let projects = self.npm_projects(view, &request.caller, (at, named), ability)?;
        let address = self.address(&request.headers).trim_end_matches('/').to_owned();
        let packument = Packument { title: named.name.to_string(), address, extent };
        let ask = Packages::ask(view, &projects, &named.series, &packument)?;
        let ask = ask.ok_or_else(|| ApiError::not_found("Packages"))?;
        let media_type = match extent {
            Extent::Full => "application/json",
            Extent::Abbreviated => ABBREVIATED,
        };
        let known = Validators { etag: ask.etag.clone(), modified: Timestamp(u64::MAX) };
        let verdict = conditional::evaluate(&request.method, &request.headers, Some(&known));
        if verdict != Verdict::Proceed {
            return Ok(Page { media_type, etag: ask.etag, bytes: Bytes::new() });
        }
        let page = self.packages.page(view, &ask, &packument)?;
        if page.lines == 0 {
            // None of its versions can be installed.
            return Err(ApiError::not_found("Packages").into());
        }
        Ok(Page { media_type, etag: page.etag.clone(), bytes: page.bytes.clone() })
    }

    pub(super) async fn npm_tarball(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
        file: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let named = Named::read(&name)?;
            let refused = Cell::new(None);
            // Who may read what is asked in the snapshot that the file is found in.
            let opened = server.packages.open(|view| {
                let place = (&at, &named);
                match server.npm_projects(view, &request.caller, place, Ability::ReadPackages) {
                    Ok(projects) => find_newest(view, &projects, &named, &file),
                    Err(failure) => {
                        refused.set(Some(failure));
                        Ok(None)
                    }
                }
            });
            if let Some(refused) = refused.take() {
                return Err(refused);
            }
            let opened = opened.map_err(|error| failure(error.into()))?;
            let opened = opened.ok_or_else(|| ApiError::not_found("Package"))?;
            Ok(server.send_package_file(&request, opened))
        })
        .await
    }
}

/// The tarball of a version in one of these projects: of several the newest, as in the packument.
fn find_newest(
    view: &View,
    projects: &[ProjectId],
    named: &Named,
    file: &str,
) -> Result<Option<(PackageFileId, PackageFile)>, store::Error> {
    let mut newest: Option<(PackageFileId, PackageFile)> = None;
    for project in projects {
        let found = find(view, *project, named, file)?;
        if let Some((_, other)) = &found
            && newest.as_ref().is_none_or(|(_, known)| known.package < other.package)
        {
            newest = found;
        }
    }
    Ok(newest)
}

/// The tarball of a version, if it can be installed. Its name may have the scope before it, as
/// the URLs of GitLab have.
fn find(
    view: &View,
    project: ProjectId,
    named: &Named,
    file: &str,
) -> Result<Option<(PackageFileId, PackageFile)>, store::Error> {
    let scope = named.name.scope().map(|scope| format!("@{scope}/"));
    let bare = scope.and_then(|scope| file.strip_prefix(&scope)).unwrap_or(file);
    let rest = bare.strip_prefix(named.name.bare()).and_then(|rest| rest.strip_prefix('-'));
    let Some(version) = rest.and_then(|rest| rest.strip_suffix(".tgz")) else { return Ok(None) };
    let Some(key) = npm_version_key(&named.series, version) else { return Ok(None) };
    let Some((id, package)) = view.package_at(project, &key)? else { return Ok(None) };
    match PackageFileName::parse(bare) {
        Ok(name) if package.status.is_installable() => view.newest_file(id, &name),
        _ => Ok(None),
    }
}
