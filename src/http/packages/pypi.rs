//! Packages of `PyPI` over HTTP (spec gitlab §7): the simple index as HTML and as JSON, the files
//! that it links to, and uploads ([`upload`]).
//!
//! A name is served in its normalised spelling; who writes another is sent there. A page of a group
//! has what those of its projects have that the caller may read.
//! What is not here is a 404 whatever else is there: nobody is sent on to another index.
//! Deliberately absent: removing anything, which is the API's.

mod accept;
mod multipart;
mod upload;

use std::sync::Arc;

use http::StatusCode;
use http::header::{ACCEPT, LOCATION, VARY};
use warp::reply::Response;

use super::send::Page;
use crate::http::api::ApiError;
use crate::http::failure::Failure;
use crate::http::reply::with;
use crate::http::route::{ApiRoute, PackagesAt, PackagesRoute, PackagesThing, PypiThing, Route};
use crate::http::{Request, Server, blocking};
use crate::model::{Ability, Caller, Digest, GroupId, ProjectId, PypiName, SeriesKey};
use crate::packages::Packages;
use crate::packages::pages;
use crate::packages::pypi::index::Index;
use crate::packages::pypi::{linked, places};
use crate::store::View;

impl Server {
    /// The answer to a client of `PyPI`.
    pub(super) async fn pypi(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        thing: PypiThing,
    ) -> Result<Response, Failure> {
        match thing {
            PypiThing::Upload => Box::pin(self.upload_to_pypi(request, at)).await,
            PypiThing::Index => self.pypi_index(request, at).await,
            PypiThing::Project(name) => self.pypi_project(request, at, name).await,
            PypiThing::File { sha256, file } => self.pypi_file(request, at, (sha256, file)).await,
        }
    }

    /// All files of a name.
    async fn pypi_project(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
    ) -> Result<Response, Failure> {
        let (form, media_type) = accept::wanted(&request.headers);
        let (server, caller) = (Arc::clone(self), request.caller.clone());
        let page = blocking(move || {
            let view = server.packages.store().view()?;
            let found = PypiName::parse(&name).ok();
            let series = found.as_ref().and_then(PypiName::series);
            let projects = server.pypi_projects(&view, &caller, &at, series.as_slice())?;
            let (Some(found), Some(series)) = (found, series) else { return Err(missing()) };
            if found.as_str() != name {
                return Ok(Err(canonical(at, PypiThing::Project(found.to_string()))));
            }
            let ask = Packages::ask(&view, &projects, &series, &form)?.ok_or_else(missing)?;
            Ok(Ok(server.packages.page(&view, &ask, &form)?))
        })
        .await?;
        Ok(match page {
            Ok(page) => answer(&request, media_type, &page),
            Err(elsewhere) => moved(&elsewhere),
        })
    }

    /// All names.
    async fn pypi_index(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
    ) -> Result<Response, Failure> {
        let (form, media_type) = accept::wanted(&request.headers);
        let (server, caller) = (Arc::clone(self), request.caller.clone());
        let page = blocking(move || {
            let view = server.packages.store().view()?;
            let (projects, title) = server.pypi_scope(&view, &caller, &at)?;
            let root = canonical(at, PypiThing::Index);
            let index = Index { view: &view, form, title: &title, root: &root };
            let (key, standings) = index.ask(projects)?;
            Ok(server.packages.pages().page(&key, &standings, &index)?)
        })
        .await?;
        Ok(answer(&request, media_type, &page))
    }

    /// The file that a link names by its sum.
    async fn pypi_file(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        (sha256, file): (String, String),
    ) -> Result<Response, Failure> {
        let (server, caller) = (Arc::clone(self), request.caller.clone());
        let opened = blocking(move || {
            let view = server.packages.store().view()?;
            let series: Vec<_> = places(&file).into_iter().map(|place| place.series).collect();
            let projects = server.pypi_projects(&view, &caller, &at, &series)?;
            // Where the file is looked for is the snapshot in which it is opened.
            drop(view);
            let sha256 = Digest::parse(&sha256).ok_or_else(missing)?;
            for project in projects {
                let find = |view: &View| linked(view, project, &sha256, &file);
                if let Some(opened) = server.packages.open(find)? {
                    return Ok(opened);
                }
            }
            Err(missing())
        })
        .await?;
        Ok(self.send_package_file(&request, opened))
    }

    /// The projects in which a client may look for packages of these names.
    fn pypi_projects(
        &self,
        view: &View,
        caller: &Caller,
        at: &PackagesAt,
        names: &[SeriesKey],
    ) -> Result<Vec<ProjectId>, Failure> {
        let group = match at {
            PackagesAt::Project(at) => {
                let ability = Ability::ReadPackages;
                return Ok(vec![self.package_project(view, caller, at, ability)?.id]);
            }
            PackagesAt::Group(at) => self.package_group(view, caller, at)?.id,
            PackagesAt::Instance => return Err(ApiError::no_route().into()),
        };
        let mut projects = Vec::new();
        for name in names {
            projects.extend(self.readable_projects_with(view, caller, Some(group), name)?);
        }
        projects.sort_unstable();
        projects.dedup();
        Ok(projects)
    }

    /// The projects whose names a client may list, and what all of them are called.
    fn pypi_scope(
        &self,
        view: &View,
        caller: &Caller,
        at: &PackagesAt,
    ) -> Result<(Vec<ProjectId>, String), Failure> {
        match at {
            PackagesAt::Project(at) => {
                let found = self.package_project(view, caller, at, Ability::ReadPackages)?;
                Ok((vec![found.id], found.path.to_string()))
            }
            PackagesAt::Group(at) => {
                let group = self.package_group(view, caller, at)?;
                let mut projects = Vec::new();
                for project in projects_below(view, group.id)? {
                    if self.may_with_packages(view, caller, project, Ability::ReadPackages)? {
                        projects.push(project);
                    }
                }
                Ok((projects, group.path.to_string()))
            }
            PackagesAt::Instance => Err(ApiError::no_route().into()),
        }
    }
}

/// The projects in a group and in those below it.
fn projects_below(view: &View, group: GroupId) -> Result<Vec<ProjectId>, Failure> {
    let (mut found, mut groups) = (Vec::new(), vec![group]);
    while let Some(group) = groups.pop() {
        for project in view.all_projects_in(group) {
            found.push(project?.1);
        }
        for below in view.all_subgroups(group) {
            groups.push(below?.1);
        }
    }
    Ok(found)
}

/// The address of a page, with the slash that PEP 503 wants at the end.
fn canonical(at: PackagesAt, thing: PypiThing) -> String {
    let route = PackagesRoute { at, what: PackagesThing::Pypi(thing) };
    format!("{}/", Route::Api(ApiRoute::Packages(route)).canonical_path().trim_end_matches('/'))
}

fn missing() -> Failure {
    ApiError::not_found("Package").into()
}

fn answer(request: &Request, media_type: &'static str, page: &pages::Page) -> Response {
    let page = Page { media_type, etag: page.etag.clone(), bytes: page.bytes.clone() };
    varied(page.answer(&request.method, &request.headers))
}

/// Other clients get other answers under this address.
fn varied(response: Response) -> Response {
    with(response, VARY, ACCEPT.as_str())
}

fn moved(location: &str) -> Response {
    let mut response = with(Response::default(), LOCATION, location);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response
}
