//! Moving names of versions.

use std::sync::Arc;

use http::{Method, StatusCode};
use warp::reply::Response;

use super::{Named, failure, said};
use crate::http::api::ApiError;
use crate::http::body::{self, RequestBody};
use crate::http::failure::Failure;
use crate::http::route::PackagesAt;
use crate::http::{Request, Server, blocking, reply};
use crate::model::npm_package::npm_tag;
use crate::model::{Ability, Caller, PackageTagName, ProjectId, SeriesKey};
use crate::packages::npm::{self, Extent, npm_version_key};
use crate::store::{self, View};

/// Most bytes of a version as a client writes it in JSON.
const VERSION_BYTES_MAX: usize = 4 << 10;

impl Server {
    pub(super) async fn npm_tags(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let (named, view) = (Named::read(&name)?, server.packages.store().view()?);
            let mut request = request;
            // What the client holds is the tags, and not the page that they are taken from.
            request.headers.remove(http::header::IF_NONE_MATCH);
            let place = (&at, &named);
            let page = server.npm_page(&request, &view, place, Extent::Abbreviated)?;
            Ok(reply::json(&npm::tags(&page.bytes)))
        })
        .await
    }

    /// PUT lets a tag name the version that the body says, DELETE takes it away.
    pub(super) async fn npm_tag(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
        tag: String,
    ) -> Result<Response, Failure> {
        let behalf = request.behalf();
        let Request { caller, method, body, .. } = request;
        let version = match method {
            Method::DELETE => None,
            _ => Some(version_in(body).await?),
        };
        let server = Arc::clone(self);
        blocking(move || {
            let (named, view) = (Named::read(&name)?, server.packages.store().view()?);
            let tag = npm_tag(&tag).map_err(|error| failure(error.into()))?;
            let ability =
                if version.is_some() { Ability::CreatePackage } else { Ability::DestroyPackage };
            let place = (&at, &named);
            let projects = server.npm_projects(&view, &caller, place, ability)?;
            let projects = server.unprotected(&view, &caller, projects, &named)?;
            match version {
                Some(version) => {
                    let key = npm_version_key(&named.series, &version);
                    let key = key.ok_or_else(|| not_given("Version"))?;
                    // Of several the project counts that published it last, as in the packument.
                    let mut newest = None;
                    for project in projects {
                        if let Some((id, _)) = view.package_at(project, &key)? {
                            newest = newest.max(Some((id, project)));
                        }
                    }
                    let missing = || ApiError::not_found("Package");
                    let (_, project) = newest.ok_or_else(missing)?;
                    let packages = server.packages.on_behalf(behalf);
                    packages.store().set_package_tag(project, key, tag).wait()?;
                }
                None => server.remove_npm_tag(&projects, &named, &tag)?,
            }
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        })
        .await
    }

    /// Those where the caller may publish this package: what a name leads to is what is installed.
    fn unprotected(
        &self,
        view: &View,
        caller: &Caller,
        projects: Vec<ProjectId>,
        named: &Named,
    ) -> Result<Vec<ProjectId>, Failure> {
        let SeriesKey { kind, name } = &named.series;
        let mut free = Vec::new();
        for id in projects {
            let may = self.rule_role(view, caller, id)?;
            if view.protection_of(id, *kind, name)?.may_push(may) {
                free.push(id);
            }
        }
        if free.is_empty() {
            return Err(failure(store::Error::PackageProtected(name.to_string()).into()));
        }
        Ok(free)
    }

    fn remove_npm_tag(
        &self,
        projects: &[ProjectId],
        named: &Named,
        tag: &PackageTagName,
    ) -> Result<(), Failure> {
        let mut was_there = false;
        for project in projects {
            let name = named.series.name.clone();
            let removed = self.packages.store().remove_package_tag(*project, name, tag.clone());
            was_there |= removed.wait()?;
        }
        if was_there { Ok(()) } else { Err(ApiError::not_found("Package tag").into()) }
    }
}

/// The version that a body says, as text in JSON: nobody has to log in to send one, so no more of
/// it is read than a version may have.
async fn version_in(body: RequestBody) -> Result<String, Failure> {
    let text = body::collect(body, VERSION_BYTES_MAX).await.map_err(|_| not_given("Version"))?;
    serde_json::from_slice(&text).map_err(|_| not_given("Version"))
}

/// 400: an attribute is missing.
fn not_given(attribute: &str) -> Failure {
    said(StatusCode::BAD_REQUEST, &format!("400 (Bad request) \"{attribute}\" not given"))
}
