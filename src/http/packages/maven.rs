//! Maven over HTTP (spec gitlab §6), for Maven and for Gradle, whichever order they send in.
//!
//! Files are published to a project and read from it, from a group, or from everywhere: there the
//! first part of the path has to be the project's, so that nobody takes the name of another's
//! package. Metadata and checksums that clients send are compared and answered, and never stored.
//! Nothing is looked for on other servers: what is not here is missing.
//! Defends I9: paths are parsed before anything is looked up, whoever asks.
//! Deliberately absent: what paths lead to ([`crate::packages::maven`]).

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{Method, StatusCode};
use warp::reply::Response;

use super::gate::Target;
use super::refused;
use super::send::Page;
use crate::blobs::hash::all_sums;
use crate::http::api::ApiError;
use crate::http::body::{collect, decode::decoded};
use crate::http::failure::Failure;
use crate::http::route::PackagesAt;
use crate::http::{HttpError, Request, Server, blocking, reply};
use crate::model::digest::hex;
use crate::model::maven_metadata::METADATA_BYTES_MAX;
use crate::model::maven_package::{MavenSum, series_of};
use crate::model::{
    Ability, Caller, GroupPath, MavenPath, MavenPlace, PackageFileName, PackageKey, PackageKind,
    ProjectId,
};
use crate::packages::maven::{CHECKSUM_BYTES_MAX, Compared, Error, Found, Publisher};
use crate::packages::{NamedFile, maven};
use crate::store::packages::{Again, Publish};
use crate::store::{self, View};

impl Server {
    /// The answer to a client of Maven.
    pub(super) async fn maven(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        path: Vec<String>,
        file: String,
    ) -> Result<Response, Failure> {
        let path = MavenPath::parse(&path, &file).map_err(|error| {
            Failure::from(ApiError::error(StatusCode::BAD_REQUEST, error.to_string()))
        })?;
        if request.method == Method::PUT {
            return Box::pin(self.put_maven(request, at, path)).await;
        }
        let server = Arc::clone(self);
        blocking(move || server.get_maven(&request, &at, &path)).await
    }

    fn get_maven(
        &self,
        request: &Request,
        at: &PackagesAt,
        path: &MavenPath,
    ) -> Result<Response, Failure> {
        let view = self.packages.store().view()?;
        let projects = self.maven_projects(&view, &request.caller, at, path)?;
        let missing = || ApiError::not_found("Package");
        match self.packages.maven(&view, &projects, path)?.ok_or_else(missing)? {
            Found::File(..) => {
                let opened = self.packages.open_maven(&projects, path)?.ok_or_else(missing)?;
                Ok(self.send_package_file(request, opened))
            }
            Found::Metadata(bytes) => {
                // Newer clients take this instead of asking again, when it may have changed.
                let sum = hex(&all_sums(&bytes).sha1);
                let answer = Page::new("text/xml", bytes).answer(&request.method, &request.headers);
                Ok(reply::with(answer, HeaderName::from_static("x-checksum-sha1"), &sum))
            }
            Found::Checksum(text) => {
                Ok(Page::new("text/plain", text).answer(&request.method, &request.headers))
            }
        }
    }

    /// Where a path is looked for: in these projects.
    fn maven_projects(
        &self,
        view: &View,
        caller: &Caller,
        at: &PackagesAt,
        path: &MavenPath,
    ) -> Result<Vec<ProjectId>, Failure> {
        let ability = Ability::ReadPackages;
        Ok(match at {
            PackagesAt::Project(at) => vec![self.package_project(view, caller, at, ability)?.id],
            PackagesAt::Group(at) => {
                let group = self.package_group(view, caller, at)?;
                let series = match path.place() {
                    MavenPlace::Metadata(name) | MavenPlace::SnapshotMetadata(name, _) => {
                        series_of(name.clone())
                    }
                    MavenPlace::File(key) => key.series.clone(),
                };
                self.readable_projects_with(view, caller, Some(group.id), &series)?
            }
            // As GitLab has it, an unknown path is told like one that may not be read.
            PackagesAt::Instance => match project_above(view, path)? {
                Some(id) if self.may_with_packages(view, caller, id, ability)? => vec![id],
                _ => return Err(self.not_allowed(caller)),
            },
        })
    }

    async fn put_maven(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        path: MavenPath,
    ) -> Result<Response, Failure> {
        let PackagesAt::Project(at) = at else { return Err(ApiError::no_route().into()) };
        let view = self.packages.store().view()?;
        let caller = &request.caller;
        let Target { id, .. } = self.package_project(&view, caller, &at, Ability::CreatePackage)?;
        let may = self.rule_role(&view, caller, id)?;
        let publisher = Publisher { project: id, by: caller.name().to_owned(), may };
        if let (None, MavenPlace::File(key)) = (path.sum_of(), path.place()) {
            refused_early(&view, &publisher, key, &path)?;
        }
        drop(view);
        match (path.sum_of(), path.place()) {
            (Some((_, sum)), _) => self.compare_maven(request, id, path, sum).await,
            (None, MavenPlace::File(key)) => {
                let key = key.clone();
                self.publish_maven(request, publisher, key, path).await
            }
            (None, MavenPlace::Metadata(_) | MavenPlace::SnapshotMetadata(..)) => {
                let packages = self.packages.on_behalf(request.behalf());
                let text = small(request, METADATA_BYTES_MAX).await?;
                let take = move || packages.take_maven_metadata(&publisher, &path, &text);
                blocking(move || take().map_err(refused_metadata)).await?;
                Ok(reply::empty())
            }
        }
    }

    async fn publish_maven(
        self: &Arc<Self>,
        request: Request,
        publisher: Publisher,
        key: PackageKey,
        path: MavenPath,
    ) -> Result<Response, Failure> {
        let name = PackageFileName::parse(path.file())
            .map_err(|error| Failure::from(ApiError::bad_request(&error.to_string())))?;
        let behalf = request.behalf();
        let Request { headers, body, .. } = request;
        let arrived = self.receive_file(PackageKind::Maven, &headers, body).await?;
        let maven::Publisher { project, by, may } = publisher;
        let new = Publish {
            project,
            title: key.series.name.to_string(),
            key,
            by,
            may,
            file: None,
            meta: None,
            status: None,
            tags: Vec::new(),
            again: Again::Settings,
        };
        let file = NamedFile { name, requires_python: None, arrived };
        self.publish_package(behalf, new, Some(file)).await.map_err(refused)?;
        Ok(reply::empty())
    }

    /// 204 when it is that of the file; 200 for MD5, as GitLab answers that.
    async fn compare_maven(
        self: &Arc<Self>,
        request: Request,
        project: ProjectId,
        path: MavenPath,
        sum: MavenSum,
    ) -> Result<Response, Failure> {
        let text = small(request, CHECKSUM_BYTES_MAX).await?;
        let packages = self.packages.clone();
        let compare = move || {
            let view = packages.store().view()?;
            Ok(packages.compare_maven(&view, project, &path, &text)?)
        };
        match blocking(compare).await? {
            Some(Compared::Same) if sum == MavenSum::Md5 => Ok(reply::empty()),
            Some(Compared::Same) => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            Some(Compared::Different) => {
                Err(ApiError::message(StatusCode::CONFLICT, "409 Conflict").into())
            }
            Some(Compared::Missing) | None => Err(ApiError::not_found("Package").into()),
        }
    }
}

/// Refuses what can be refused before the bytes come.
fn refused_early(
    view: &View,
    publisher: &Publisher,
    key: &PackageKey,
    path: &MavenPath,
) -> Result<(), Failure> {
    let (project, name) = (publisher.project, &key.series.name);
    let why = if !view.protection_of(project, PackageKind::Maven, name)?.may_push(publisher.may) {
        store::Error::PackageProtected(name.to_string())
    } else if maven::is_refused_again(view, project, key, path.file())? {
        store::Error::DuplicateNotAllowed(name.to_string())
    } else {
        return Ok(());
    };
    Err(refused(why.into()))
}

/// The project whose path the path of a package begins with; there is at most one, since nothing
/// is in a project that has a path.
fn project_above(view: &View, path: &MavenPath) -> Result<Option<ProjectId>, Failure> {
    let ends = path.folder().match_indices('/').map(|(end, _)| end);
    for end in ends.chain([path.folder().len()]) {
        let Ok(prefix) = GroupPath::parse(&path.folder()[..end]) else { return Ok(None) };
        if let Some((id, _)) = view.project_at(&prefix)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// A body that is read as a whole.
async fn small(request: Request, bytes_max: usize) -> Result<Bytes, Failure> {
    let Request { headers, body, .. } = request;
    let (body, _) = decoded(body, &headers)?;
    match collect(body, bytes_max).await {
        Err(HttpError::BodyTooLarge { .. }) => {
            Err(ApiError::bad_request("File is too large").into())
        }
        body => Ok(body?),
    }
}

fn refused_metadata(error: Error) -> Failure {
    match error {
        Error::Metadata(error) => ApiError::bad_request(&error.to_string()).into(),
        Error::Store(error) => refused(error.into()),
    }
}
