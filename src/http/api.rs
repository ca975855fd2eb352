//! GitLab's REST API, as far as groups, projects, members and their tokens go (spec gitlab §3.1,
//! §9): which handler answers. Each is thin: read the parameters, ask whether the caller may, call
//! the store, render.
//!
//! Roles decide here, not the rules of paths (`gate`); what the caller may not see is not found.
//! All of it runs on a thread that may block, since an answer may wait for a commit.
//! Deliberately absent: everything else, which clients of the proxy and of packages do not need.

mod application_settings;
mod deploy_tokens;
pub mod errors;
mod gate;
mod groups;
mod listing;
mod members;
mod package_policy;
mod packages;
mod pages;
pub(in crate::http) mod params;
mod project_gate;
mod projects;
mod protection_rules;
mod proxy_cache;
pub(in crate::http) mod render;
mod teams;
mod tokens;
mod users;
mod wanted;

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use warp::reply::Response;

use super::failure::Failure;
use super::login::Pass;
use super::route::{ApiRoute, ListedRoute, OfPackage};
use super::{Request, Server, blocking, reply};
use crate::model::{Caller, Timestamp, User};
pub use errors::ApiError;
use params::Params;
use tokens::Whose;

/// The version that clients are told: that of the API as it is spoken here, and ours behind it.
pub(super) const VERSION: &str = concat!("17.0.0-larder.", env!("CARGO_PKG_VERSION"));

/// A request to the API, read to its end.
pub(in crate::http) struct Asked {
    /// Who asks.
    pub(in crate::http) caller: Caller,
    /// What they came in with.
    pass: Pass,
    pub(in crate::http) method: Method,
    /// The address that people use, for links.
    address: String,
    /// Canonical, percent-encoded.
    path: String,
    query: String,
    headers: HeaderMap,
    /// What the query and the body say.
    pub(in crate::http) params: Params,
}

impl Server {
    pub(super) async fn api(
        self: &Arc<Self>,
        request: Request,
        route: ApiRoute,
    ) -> Result<Response, Failure> {
        self.check_known(&request, &route)?;
        // Before the body, which may be anything: a file for a URL that misses its name.
        if let ApiRoute::Nothing(_) = route {
            return Err(ApiError::no_route().into());
        }
        // It needs no parameters, and its headers.
        if let ApiRoute::Listed(ListedRoute::Package(at, package, OfPackage::Download(file))) =
            route
        {
            return self.download_file(request, at, package, file).await;
        }
        let address = self.address(&request.headers).trim_end_matches('/').to_owned();
        let Request { caller, pass, method, query, headers, body } = request;
        // What only reads says all in its query, and nobody has to log in for some of it.
        let reads = matches!(method, Method::GET | Method::HEAD);
        let body = if reads { Box::pin(futures_util::stream::empty()) } else { body };
        let params = Params::read(&query, &headers, body).await?;
        let path = super::route::Route::Api(route.clone()).canonical_path();
        let asked = Asked { caller, pass, method, address, path, query, headers, params };
        let server = Arc::clone(self);
        blocking(move || server.api_answer(&asked, route)).await
    }

    /// Only what everybody may see is shown to nobody in particular, and nothing that they send is
    /// read.
    fn check_known(&self, request: &Request, route: &ApiRoute) -> Result<(), Failure> {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        let is_open = matches!(
            route,
            ApiRoute::Groups
                | ApiRoute::Group(_)
                | ApiRoute::Subgroups(_)
                | ApiRoute::Descendants(_)
                | ApiRoute::ProjectsInGroup(_)
                | ApiRoute::Projects
                | ApiRoute::Project(_)
                | ApiRoute::Listed(_)
                | ApiRoute::Nothing(_)
        );
        if (reads && is_open) || self.is_somebody(&request.caller) {
            return Ok(());
        }
        Err(ApiError::unauthorized().into())
    }

    fn api_answer(&self, asked: &Asked, route: ApiRoute) -> Result<Response, Failure> {
        match route {
            ApiRoute::Version => Ok(reply::json(&version())),
            ApiRoute::Metadata => Ok(reply::json(&metadata())),
            ApiRoute::Me => self.api_me(asked),
            ApiRoute::Users => self.api_users(asked),
            ApiRoute::User(number) => self.api_user(asked, number),
            ApiRoute::TokensOfUser(number) => self.api_create_token(asked, Whose::Of(number)),
            ApiRoute::MyTokens => self.api_create_token(asked, Whose::Own),
            ApiRoute::Tokens => self.api_tokens(asked),
            ApiRoute::OwnToken => self.api_own_token(asked),
            ApiRoute::Token(id) => self.api_token(asked, id),
            ApiRoute::Groups => self.api_groups(asked),
            ApiRoute::Group(at) => self.api_group(asked, &at),
            ApiRoute::Subgroups(at) => self.api_subgroups(asked, &at),
            ApiRoute::Descendants(at) => self.api_descendants(asked, &at),
            ApiRoute::ProjectsInGroup(at) => self.api_projects_in_group(asked, &at),
            ApiRoute::ProjectsOfUser(number) => self.api_projects_of_user(asked, number),
            ApiRoute::Projects => self.api_projects(asked),
            ApiRoute::Project(at) => self.api_project(asked, &at),
            ApiRoute::Members(at) => self.api_members(asked, &at),
            ApiRoute::AllMembers(at) => self.api_all_members(asked, &at),
            ApiRoute::Member(at, user) => self.api_member(asked, &at, user),
            ApiRoute::AnyMember(at, user) => self.api_any_member(asked, &at, user),
            ApiRoute::Teams(at) => self.api_teams(asked, &at),
            ApiRoute::Team(at, team) => self.api_remove_team(asked, &at, team),
            ApiRoute::DeployTokens(at) => self.api_deploy_tokens(asked, &at),
            ApiRoute::DeployToken(at, id) => self.api_deploy_token(asked, &at, id),
            ApiRoute::AllDeployTokens => self.api_all_deploy_tokens(asked),
            ApiRoute::ProxyCache(at) => self.api_purge_cache(asked, &at),
            ApiRoute::Settings => self.api_settings(asked),
            ApiRoute::ProtectionRules(at) => self.api_protection_rules(asked, &at),
            ApiRoute::ProtectionRule(at, id) => self.api_protection_rule(asked, &at, id),
            ApiRoute::Listed(route) => self.api_listed(asked, &route),
            ApiRoute::PackagePolicy(route) => self.api_package_policy(asked, &route),
            // Clients of packages are answered elsewhere (`packages`).
            ApiRoute::Packages(_) | ApiRoute::Nothing(_) => Err(ApiError::no_route().into()),
        }
    }
}

impl Asked {
    /// Whether nothing is to be changed.
    fn reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Who logged in, where people do.
    fn user(&self) -> Result<&User, Failure> {
        let Caller::User(user) = &self.caller else {
            return Err(ApiError::unauthorized().into());
        };
        Ok(user)
    }

    /// What is noted of who made a change.
    fn by(&self) -> String {
        self.caller.name().to_owned()
    }

    /// Refuses to remove what is newer than the client believes (spec gitlab §3.1).
    fn check_unmodified(&self, since: Timestamp) -> Result<(), ApiError> {
        let Some(value) = self.headers.get(http::header::IF_UNMODIFIED_SINCE) else {
            return Ok(());
        };
        let date = value.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
        let date = date.ok_or_else(|| params::invalid("If-Unmodified-Since"))?;
        let known = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        if since.seconds() > known.as_secs() { Err(ApiError::changed()) } else { Ok(()) }
    }

    /// A GET of `/api/v4/x` by nobody in particular.
    #[cfg(test)]
    fn of_query(query: &str) -> Self {
        let body = Box::pin(futures_util::stream::empty());
        let headers = HeaderMap::new();
        let params = futures_util::FutureExt::now_or_never(Params::read(query, &headers, body));
        Self {
            caller: Caller::Anonymous,
            pass: Pass::default(),
            method: Method::GET,
            address: "http://h".to_owned(),
            path: "/api/v4/x".to_owned(),
            query: query.to_owned(),
            headers,
            params: params.unwrap().unwrap(),
        }
    }
}

/// An answer with this status and value.
pub(in crate::http) fn answer(status: StatusCode, value: &Value) -> Response {
    let mut response = reply::json(value);
    *response.status_mut() = status;
    response
}

/// 201 with what was made.
fn created(value: &Value) -> Response {
    answer(StatusCode::CREATED, value)
}

/// 202: it goes on after the answer.
pub(in crate::http) fn accepted() -> Response {
    answer(StatusCode::ACCEPTED, &json!({ "message": "202 Accepted" }))
}

/// 204.
fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn version() -> Value {
    json!({ "version": VERSION, "revision": env!("CARGO_PKG_VERSION") })
}

fn metadata() -> Value {
    let mut metadata = version();
    metadata["kas"] = json!({ "enabled": false, "externalUrl": null, "version": null });
    metadata["enterprise"] = false.into();
    metadata
}
