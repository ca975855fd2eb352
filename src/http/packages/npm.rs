//! Packages of npm over HTTP (spec gitlab §5): each handler asks whether the caller may, calls the
//! service and renders.
//!
//! Errors say the same in `message`, as the API's do, and in `error`, which npm shows.
//! Deliberately absent: names that are not here: no client is ever sent to another registry for
//! one, since whoever has that name there would get to run code here.

mod publish;
mod reading;
mod tags;

use std::sync::Arc;

use http::StatusCode;
use http::header::{ACCEPT, ALLOW};
use serde_json::{Value, json};
use warp::reply::Response;

use super::gate::Target;
use crate::http::api::{ApiError, errors};
use crate::http::failure::Failure;
use crate::http::route::{NpmThing, PackagesAt};
use crate::http::{Request, Server, blocking, reply};
use crate::model::npm_package::NpmName;
use crate::model::{Ability, Caller, GroupName, GroupPath, PackageKind, ProjectId, SeriesKey};
use crate::packages::npm;
use crate::packages::npm::Extent;
use crate::store::View;

/// How installing clients ask for as much as they need.
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// What is told to who wants to log in with a password.
const LOGIN: &str = "passwords are not turned into tokens here: make a token with \
     `larder token create` or in the API, and write //HOST/:_authToken=TOKEN into .npmrc";
/// What is told to who wants to take a version back.
const UNPUBLISH: &str = "npm unpublish is not served here: delete the version with `larder package \
     delete`, or with DELETE /api/v4/projects/ID/packages/PACKAGE_ID";

impl Server {
    /// The answer to a client of npm.
    pub(super) async fn npm(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        thing: NpmThing,
    ) -> Result<Response, Failure> {
        let answer = match thing {
            NpmThing::Package(name) if request.method == http::Method::PUT => {
                self.npm_put(request, at, name).await
            }
            NpmThing::Package(name) => self.npm_packument(request, at, name).await,
            NpmThing::Tarball { name, file } => self.npm_tarball(request, at, name, file).await,
            NpmThing::Tags(name) => self.npm_tags(request, at, name).await,
            NpmThing::Tag { name, tag } => self.npm_tag(request, at, name, tag).await,
            NpmThing::Ping => Ok(reply::json(&json!({}))),
            NpmThing::Whoami => self.npm_whoami(&request),
            NpmThing::Login(_) => Err(said(StatusCode::BAD_REQUEST, LOGIN)),
            NpmThing::Logout(_) => Err(said(StatusCode::BAD_REQUEST, LOGOUT)),
            // npm takes a 404 for done.
            NpmThing::Unpublish(_) => {
                let refusal = ApiError::message(StatusCode::METHOD_NOT_ALLOWED, UNPUBLISH);
                Err(refusal.with(ALLOW, "").into())
            }
            NpmThing::BulkAudit => self.npm_audit(request, at, Value::Array(Vec::new())).await,
            NpmThing::Audit => self.npm_audit(request, at, audit_report()).await,
        };
        answer.map_err(|failure| errors::told(failure).in_both_words().into())
    }

    fn npm_whoami(&self, request: &Request) -> Result<Response, Failure> {
        match &request.caller {
            Caller::Anonymous if !self.access.trusts(&request.caller) => {
                Err(ApiError::unauthorized().into())
            }
            caller => Ok(reply::json(&json!({ "username": caller.name() }))),
        }
    }

    /// Nothing is known of what is wrong with packages, and nobody else is asked.
    async fn npm_audit(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        nothing: Value,
    ) -> Result<Response, Failure> {
        let (server, caller) = (Arc::clone(self), request.caller);
        blocking(move || {
            let view = server.packages.store().view()?;
            match &at {
                PackagesAt::Project(at) => {
                    server.package_project(&view, &caller, at, Ability::ReadPackages)?;
                }
                PackagesAt::Group(at) => {
                    server.package_group(&view, &caller, at)?;
                }
                PackagesAt::Instance => {}
            }
            Ok(reply::json(&nothing))
        })
        .await
    }

    /// The projects with a package of this name that the caller may do that with. At a project
    /// whoever asks is refused there; elsewhere what is not theirs is not there.
    fn npm_projects(
        &self,
        view: &View,
        caller: &Caller,
        (at, named): (&PackagesAt, &Named),
        ability: Ability,
    ) -> Result<Vec<ProjectId>, Failure> {
        let within = match at {
            PackagesAt::Project(at) => {
                let Target { id, .. } = self.package_project(view, caller, at, ability)?;
                return Ok(titled(view, vec![id], named)?);
            }
            PackagesAt::Group(at) => self.package_group(view, caller, at)?.id,
            // Of all projects those count whose top group is called as the scope.
            PackagesAt::Instance => {
                let top = named.name.scope().and_then(|scope| GroupName::parse(scope).ok());
                let group = top.map(|top| view.group_at(&GroupPath::join(None, top)));
                match group.transpose()?.flatten() {
                    Some((id, _)) => id,
                    None => return Err(self.nothing_for(caller, "Packages")),
                }
            }
        };
        let found = self.readable_projects_with(view, caller, Some(within), &named.series)?;
        let found = titled(view, found, named)?;
        if found.is_empty() {
            return Err(self.nothing_for(caller, "Packages"));
        }
        let mut allowed = Vec::new();
        for id in found {
            if self.may_with_packages(view, caller, id, ability)? {
                allowed.push(id);
            }
        }
        if allowed.is_empty() { Err(self.not_allowed(caller)) } else { Ok(allowed) }
    }
}

/// That nothing is known, in the form of npm's older audit. GitLab answers a list here too, and
/// pnpm, which asks here alone, breaks on it.
fn audit_report() -> Value {
    json!({
        "actions": [],
        "advisories": {},
        "muted": [],
        "metadata": {
            "vulnerabilities": { "info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0 },
            "dependencies": 0,
            "devDependencies": 0,
            "optionalDependencies": 0,
            "totalDependencies": 0,
        },
    })
}

/// What is told to who wants to log out.
const LOGOUT: &str = "tokens are not revoked this way: `larder token revoke` does it, or DELETE \
     /api/v4/personal_access_tokens/self";

/// A package's name as it was asked for, and what it is looked up by.
struct Named {
    name: NpmName,
    series: SeriesKey,
}

impl Named {
    fn read(text: &str) -> Result<Self, Failure> {
        let name = NpmName::parse(text).map_err(npm::Error::from).map_err(failure)?;
        let key = name.key().map_err(npm::Error::from).map_err(failure)?;
        Ok(Self { name, series: SeriesKey { kind: PackageKind::Npm, name: key } })
    }
}

/// Those where the name is written in this case.
fn titled(
    view: &View,
    projects: Vec<ProjectId>,
    named: &Named,
) -> Result<Vec<ProjectId>, crate::store::Error> {
    let mut same = Vec::new();
    for id in projects {
        if npm::title(view, id, &named.series)?.as_deref() == Some(named.name.as_str()) {
            same.push(id);
        }
    }
    Ok(same)
}

/// How much a client asks to be told.
fn extent(request: &Request) -> Extent {
    let is_asked = |value: &http::HeaderValue| {
        value.to_str().is_ok_and(|accepted| accepted.contains(ABBREVIATED))
    };
    let is_short = request.headers.get_all(ACCEPT).iter().any(is_asked);
    if is_short { Extent::Abbreviated } else { Extent::Full }
}

/// An error with this text alone.
fn said(status: StatusCode, why: &str) -> Failure {
    ApiError::message(status, why).into()
}

/// What npm's clients are told when something was not done.
fn failure(error: npm::Error) -> Failure {
    use crate::packages::Error as Shared;
    use crate::store::Error as Store;
    match error {
        npm::Error::Packages(Shared::TooLarge { .. }) => {
            said(StatusCode::BAD_REQUEST, "File is too large.")
        }
        npm::Error::Packages(Shared::Store(Store::PackageExists(_))) => {
            said(StatusCode::FORBIDDEN, "Package already exists.")
        }
        npm::Error::Packages(Shared::Store(Store::PackageProtected(_))) => {
            said(StatusCode::FORBIDDEN, "Package protected.")
        }
        npm::Error::Packages(error) => error.into(),
        error => said(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}
