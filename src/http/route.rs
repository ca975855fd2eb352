//! Which thing a URL names and what may be asked of it: pure, no server needed.
//!
//! Defends I9: names are parsed here, so whoever authorises a [`Route`] and whoever stores under
//! it see the same canonical text. Methods and precedence follow the spec of dlrepo, appendix A,
//! with these deviations, all of them upwards: HEAD is answered wherever GET is (`Allow` still
//! says what dlrepo says below `/branches`); POST and DELETE apply directly whatever the
//! spelling; aliases are aliases in any case.
//! Deliberately absent: the question whether the thing exists.

mod api;
mod packages;
mod products;
mod proxy;
mod registry;
mod tree;

use std::borrow::Cow;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{graphql, guard};
use crate::model::{
    ArtifactPath, BranchPath, GroupPath, NameError, PackageId, Repo, Right, TagName, TagRef,
    UserName,
};

pub use api::{
    ApiRoute, GovernedAt, GroupAt, ListedRoute, OfPackage, PolicyPart, PolicyRoute, ProjectAt,
    is_api,
};
pub use packages::{
    NpmThing, PackagesAt, PackagesRoute, PackagesThing, PypiThing, asks_of_packages, is_packages,
};
pub use products::{ProductRoute, VersionAt, VersionFormatAt};
pub use proxy::{NoProxy, ProxyRoute, ProxyThing, is_proxy};
pub use registry::{Invalid, RegistryRoute, is_registry, right_of as registry_right_of};
pub use tree::{FormatAt, JobAt, TagAt, sums_of};

/// What [`route`] makes of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// A thing that could exist, and how the request spelled it.
    Found(Route, Spelling),
    /// 404 with this reason: nothing of that name can exist.
    NotFound(String),
    /// 400 with this reason.
    BadRequest(String),
    /// 405 with this `Allow` list, sorted; see [`render_allow`].
    MethodNotAllowed(&'static [&'static str]),
}

/// Whether a GET or HEAD is served where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Serve it.
    Canonical,
    /// Once the thing is known to exist, answer 302 to [`Route::canonical_path`]: the slash at
    /// the end is missing, or a name is in another case. Other methods apply directly.
    Variant,
}

/// The thing that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`
    Home,
    /// `/~user/`
    UserHome(UserName),
    /// `/branches/` or `/~user/branches/`
    Branches(Repo),
    /// `B/`; served in place whatever its case.
    Branch(BranchPath),
    /// `B/T/`
    Tag(TagAt),
    /// `B/T/J/`; a GET without the slash is redirected.
    Job(JobAt),
    /// `B/T/J/F` without a slash: redirects to the only file or to the folder.
    Format(FormatAt),
    /// `B/T/J/F/`
    FormatFolder(FormatAt),
    /// `B/T/J/F.sha256`
    Sums(FormatAt),
    /// `B/T/J/F/{path}`; also where a folder is asked for without its slash, and `X.sha256`
    /// (see [`sums_of`]).
    Artifact(FormatAt, ArtifactPath),
    /// `B/T/J/F/{path}/`: the files below a folder.
    Folder(FormatAt, ArtifactPath),
    /// `/cli`: the client, as a script.
    ClientScript,
    /// `B/T/J.tar`
    JobArchive(JobAt),
    /// `B/T/J/F.tar`
    FormatArchive(FormatAt),
    /// `/products/…` or `/~user/products/…`
    Product(ProductRoute),
    /// `/jwt/auth`: tokens of the registry.
    TokenService,
    /// `/v2/…`
    Registry(RegistryRoute),
    /// `/api/v4/…`: GitLab's API.
    Api(ApiRoute),
    /// `/v2/{group}/dependency_proxy/containers/…`: what is pulled through a group's proxy.
    Proxy(ProxyRoute),
    /// One of those that names nothing which can be pulled.
    NoProxy(NoProxy),
    /// `/api/graphql`, also with a slash; it answers every method, in a form of its own.
    GraphQl,
    /// `/{project}/-/packages/:id`: what the API calls the `web_path` of a package.
    PackagePage(GroupPath, PackageId),
    /// `/-/health`: the process answers.
    Health,
    /// `/-/ready`: the database answers.
    Ready,
    /// `/-/stats`
    Stats,
    /// `/-/publications`: what is wanted of tags on other servers, and how far it is.
    Publications,
    /// `/-/sweeps`: past runs; POST asks for one.
    Sweeps,
}

/// Reads a method and the path of a request target, still percent-encoded and without query.
/// It is split at `/` before each segment is decoded; `+` is a plus.
#[must_use]
pub fn route(method: &Method, raw_path: &str) -> Routed {
    match find(method, raw_path) {
        Ok((route, spelling)) => Routed::Found(route, spelling),
        Err(Refusal::Unknown(reason)) => Routed::NotFound(reason),
        Err(Refusal::Bad(reason)) => Routed::BadRequest(reason),
        Err(Refusal::Method(allow)) => Routed::MethodNotAllowed(allow),
    }
}

/// [`Routed`] without what is found.
enum Refusal {
    Unknown(String),
    Bad(String),
    Method(&'static [&'static str]),
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Impossible(_) => Self::Unknown(error.to_string()),
            NameError::TooLong(_) | NameError::Path { .. } => Self::Bad(error.to_string()),
        }
    }
}

fn find(method: &Method, raw_path: &str) -> Result<(Route, Spelling), Refusal> {
    let path = raw_path.strip_prefix('/').ok_or_else(unknown)?;
    let segments = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let (route, spelling) = match segments.as_slice() {
        [""] => (Route::Home, Spelling::Canonical),
        ["cli"] => (Route::ClientScript, Spelling::Canonical),
        ["-", page] => (own_page(page)?, Spelling::Canonical),
        ["jwt", "auth"] => (Route::TokenService, Spelling::Canonical),
        ["v2", below @ ..] => match proxy::proxy(method, below) {
            Some(route) => return Ok((route, Spelling::Canonical)),
            None => (Route::Registry(registry::registry(below)?), Spelling::Canonical),
        },
        ["api", "v4", below @ ..] => (Route::Api(api::api(below)?), Spelling::Canonical),
        _ if graphql::is_graphql(raw_path) => (Route::GraphQl, Spelling::Canonical),
        [root @ ("branches" | "products"), below @ ..] => {
            repository(method, Repo::Shared, root, below)?
        }
        [user] | [user, ""] => {
            let (user, case) = user_name(user)?;
            let slash = if segments.len() > 1 { Spelling::Canonical } else { Spelling::Variant };
            (Route::UserHome(user), slash.or(case))
        }
        [at @ .., "-", "packages", id] if !at.is_empty() => {
            (packages::page(at, id)?, Spelling::Canonical)
        }
        [user, root @ ("branches" | "products"), below @ ..] => {
            let (user, case) = user_name(user)?;
            let (route, spelling) = repository(method, Repo::User(user), root, below)?;
            (route, spelling.or(case))
        }
        _ => return Err(unknown()),
    };
    if route.accepts(method) { Ok((route, spelling)) } else { Err(Refusal::Method(route.allow())) }
}

/// The user of `~user`.
fn user_name(segment: &str) -> Result<(UserName, Spelling), Refusal> {
    let name = segment.strip_prefix('~').ok_or_else(unknown)?;
    Ok((UserName::parse(name)?, Spelling::Canonical.or_case(&[name])))
}

fn repository(
    method: &Method,
    repo: Repo,
    root: &str,
    below: &[&str],
) -> Result<(Route, Spelling), Refusal> {
    match root {
        "products" => products::products(method, repo, below),
        _ => tree::tree(method, repo, below),
    }
}

fn own_page(page: &str) -> Result<Route, Refusal> {
    match page {
        "health" => Ok(Route::Health),
        "ready" => Ok(Route::Ready),
        "stats" => Ok(Route::Stats),
        "sweeps" => Ok(Route::Sweeps),
        "publications" => Ok(Route::Publications),
        _ => Err(unknown()),
    }
}

fn unknown() -> Refusal {
    Refusal::Unknown("Not Found".to_owned())
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Refusal> {
    let refuse = |why| Refusal::Bad(format!("the path cannot be read: {segment:?} {why}"));
    let two_digits =
        |text: &str| text.len() >= 2 && text.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !segment.split('%').skip(1).all(two_digits) {
        return Err(refuse("has a % that two hex digits do not follow"));
    }
    percent_decode_str(segment).decode_utf8().map_err(|_| refuse("is not UTF-8"))
}

impl Spelling {
    /// A variant if either is one.
    fn or(self, other: Self) -> Self {
        if other == Self::Variant { other } else { self }
    }

    /// A variant if it is one already, or if one of the names is not in its canonical case.
    fn or_case(self, names: &[&str]) -> Self {
        if names.iter().any(|name| *name != name.to_lowercase()) { Self::Variant } else { self }
    }
}

impl Route {
    /// The tag, or alias, that this lies in or is.
    #[must_use]
    pub fn tag(&self) -> Option<&TagRef> {
        let at = match self {
            Self::Tag(at) => at,
            Self::Job(at) | Self::JobArchive(at) => &at.parent,
            Self::Format(at)
            | Self::FormatArchive(at)
            | Self::FormatFolder(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => &at.parent.parent,
            _ => return None,
        };
        Some(&at.tag)
    }

    /// Whether an alias is in the way to this.
    #[must_use]
    pub fn is_by_alias(&self) -> bool {
        match self {
            Self::Product(route) => route.is_by_alias(),
            route => !matches!(route.tag(), None | Some(TagRef::Named(_))),
        }
    }

    /// The same thing in the tag that an alias stands for.
    #[must_use]
    pub fn in_tag(mut self, tag: TagName) -> Self {
        let at = match &mut self {
            Self::Tag(at) => at,
            Self::Job(at) | Self::JobArchive(at) => &mut at.parent,
            Self::Format(at)
            | Self::FormatArchive(at)
            | Self::FormatFolder(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => &mut at.parent.parent,
            _ => return self,
        };
        at.tag = TagRef::Named(tag);
        self
    }

    /// The one path of this thing, percent-encoded, as it goes into `Location`.
    #[must_use]
    pub fn canonical_path(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::UserHome(user) => format!("/~{}/", encode(user.as_str())),
            Self::Branches(repo) => branches_path(repo),
            Self::Branch(at) => format!("{}/", branch_path(at)),
            Self::Tag(at) => format!("{}/", at.path()),
            Self::Job(at) => format!("{}/", at.path()),
            Self::JobArchive(at) => format!("{}.tar", at.path()),
            Self::FormatArchive(at) => format!("{}.tar", at.path()),
            Self::Product(route) => route.canonical_path(),
            Self::TokenService => super::token_service::PATH.to_owned(),
            Self::Registry(route) => route.canonical_path(),
            Self::Api(route) => route.canonical_path(),
            Self::Proxy(route) => route.canonical_path(),
            Self::NoProxy(none) => none.canonical_path(),
            Self::GraphQl => graphql::PATH.to_owned(),
            Self::Format(at) => at.path(),
            Self::FormatFolder(at) => format!("{}/", at.path()),
            Self::Sums(at) => format!("{}.sha256", at.path()),
            Self::Artifact(at, path) => format!("{}/{}", at.path(), encode(path.as_str())),
            Self::Folder(at, path) => format!("{}/{}/", at.path(), encode(path.as_str())),
            Self::ClientScript => "/cli".to_owned(),
            Self::PackagePage(project, id) => format!("/{project}/-/packages/{}", id.0),
            Self::Health => "/-/health".to_owned(),
            Self::Ready => "/-/ready".to_owned(),
            Self::Stats => "/-/stats".to_owned(),
            Self::Sweeps => "/-/sweeps".to_owned(),
            Self::Publications => "/-/publications".to_owned(),
        }
    }

    /// [`Self::canonical_path`] without percent-encoding: what rights are granted at (I9).
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.canonical_path();
        // It is our own encoding, of UTF-8.
        percent_decode_str(&path).decode_utf8_lossy().into_owned()
    }

    /// The right that a request for this needs; `None`: it is open to everybody, or, at the base
    /// of the registry, to everybody who is known; or it is a group's, where roles decide.
    #[must_use]
    pub fn right(&self, method: &Method) -> Option<Right> {
        match self {
            Self::Health
            | Self::Ready
            | Self::TokenService
            | Self::Api(_)
            | Self::Proxy(_)
            | Self::NoProxy(_)
            | Self::GraphQl
            | Self::PackagePage(..)
            | Self::Registry(RegistryRoute::Base) => None,
            Self::Registry(route) => Some(route.right(method)),
            _ => Some(guard::right_of(method)),
        }
    }

    /// The folder of which this shows a part or a digest under another name: whoever may not
    /// read that one may not read this either.
    #[must_use]
    pub fn within(&self) -> Option<Self> {
        match self {
            Self::Format(at) | Self::FormatArchive(at) | Self::Sums(at) => {
                Some(Self::FormatFolder(at.clone()))
            }
            Self::JobArchive(at) => Some(Self::Job(at.clone())),
            Self::Product(route) => route.within().map(Self::Product),
            _ => None,
        }
    }

    /// The methods to name in `Allow`, sorted.
    #[must_use]
    pub fn allow(&self) -> &'static [&'static str] {
        if self.tag().is_some() && self.is_by_alias() {
            return self.allow_by_alias();
        }
        match self {
            Self::Home
            | Self::ClientScript
            | Self::UserHome(_)
            | Self::Health
            | Self::Ready
            | Self::Stats
            | Self::Publications
            | Self::PackagePage(..)
            | Self::Proxy(_)
            | Self::NoProxy(_)
            | Self::Format(_)
            | Self::FormatArchive(_)
            | Self::Folder(..) => &["GET", "HEAD"],
            Self::Product(route) => route.allow(),
            Self::Registry(route) => route.allow(),
            Self::Api(route) => route.allow(),
            Self::GraphQl => graphql::ALLOW,
            Self::Sweeps | Self::TokenService => &["GET", "HEAD", "POST"],
            Self::Branches(_) | Self::JobArchive(_) | Self::Sums(_) => &["GET"],
            Self::Branch(_) | Self::Tag(_) => &["DELETE", "GET", "POST"],
            Self::Job(_) => &["DELETE", "GET", "PATCH", "POST", "PUT"],
            Self::FormatFolder(_) => &["DELETE", "GET", "HEAD", "PATCH"],
            Self::Artifact(..) => &["GET", "HEAD", "PUT"],
        }
    }

    /// Nothing is changed by way of an alias.
    fn allow_by_alias(&self) -> &'static [&'static str] {
        match self {
            Self::Tag(_) | Self::Format(_) | Self::FormatArchive(_) | Self::Folder(..) => {
                &["GET", "HEAD"]
            }
            _ => &["GET"],
        }
    }

    /// HEAD is answered wherever GET is, and GET everywhere.
    fn accepts(&self, method: &Method) -> bool {
        match self {
            Self::Product(route) => route.accepts(method),
            Self::Registry(route) => route.allow().contains(&method.as_str()),
            Self::Api(route) => route.accepts(method),
            Self::GraphQl => true,
            _ => *method == Method::HEAD || self.allow().contains(&method.as_str()),
        }
    }
}

fn branches_path(repo: &Repo) -> String {
    format!("{}/branches/", repo_path(repo))
}

fn repo_path(repo: &Repo) -> String {
    match repo {
        Repo::Shared => String::new(),
        Repo::User(user) => format!("/~{}", encode(user.as_str())),
    }
}

fn branch_path(at: &BranchPath) -> String {
    format!("{}{}", branches_path(&at.repo), encode(at.branch.as_str()))
}

/// The text of an `Allow` header.
#[must_use]
pub fn render_allow(allow: &[&str]) -> String {
    allow.join(",")
}

/// [`encode`] for what is to be one segment, whatever slashes it has.
fn encode_segment(text: &str) -> String {
    encode(text).replace('/', "%2F")
}

/// Percent-encodes a name, or a path with its slashes, for use in a URL path.
#[must_use]
pub fn encode(text: &str) -> String {
    /// What RFC 3986 lets stand in a path, without the apostrophe, which HTML could end at.
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests;
