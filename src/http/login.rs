//! The door: reads who is asking from the headers of a request (spec dlrepo §15), before anything
//! else is looked at.
//!
//! What cannot be read as credentials is nobody in particular; what can be read and is wrong is
//! refused everywhere, except on pages that everybody may read. A login that is known already
//! costs no change of thread; passwords are hashed a few at a time, since each takes 19 MiB.
//! Deliberately absent: who may do what (the guard), and checking passwords (`access`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Method};
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::host::Hosts;
use super::route::{asks_of_packages, is_packages, is_proxy};
use super::tree::query_value;
use super::{graphql, token_service};
use crate::access::backend::Lane;
use crate::access::login::{
    Basis, Credentials, Extent, Glance, Identity, LoginError, Logins, Pulls, Reach,
};
use crate::access::registry_token::is_registry_token;
use crate::access::throttle::Origin;
use crate::access::tokens::{DeployTokenText, TokenText};
use crate::model::Caller;

/// Passwords that are hashed at once.
const HASHES_MAX: usize = 2;
/// Logins that another server is asked about at once; it has its own limit below.
const QUESTIONS_MAX: usize = 16;

/// GitLab's header for a token.
static PRIVATE_TOKEN: HeaderName = HeaderName::from_static("private-token");
/// GitLab's header for a deploy token.
static DEPLOY_TOKEN: HeaderName = HeaderName::from_static("deploy-token");
/// GitLab's header for the token of a CI job; here it may be any token.
static JOB_TOKEN: HeaderName = HeaderName::from_static("job-token");
/// Whom a proxy in front speaks for: the last of its addresses is the one that the proxy saw.
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How a proxy in front was reached.
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Clients are not at one about padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Below this a token may stand in the query.
const API: &str = "/api/";

/// Below this tokens of the registry are worth something, and nowhere else.
const REGISTRY: &str = "/v2/";

/// Who is let in, and as whom.
pub enum Door {
    /// Everybody, and nobody is asked; for which hosts it answers.
    Open(Hosts),
    /// Whoever the logins know.
    Guarded(Guarded),
}

/// A door with somebody at it.
pub struct Guarded {
    logins: Arc<Logins>,
    realm: String,
    hashes: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

/// What a caller came in with.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// What the credentials are good for.
    pub(super) reach: Reach,
    /// What they rest on.
    pub(super) basis: Basis,
    /// Where the request comes from.
    pub(super) origin: Origin,
}

/// Of nobody in particular.
impl Default for Pass {
    fn default() -> Self {
        Self { reach: Reach::FULL, basis: Basis::Nobody, origin: Origin::of(None) }
    }
}

impl Pass {
    /// Who came in with it.
    pub(super) fn identity(&self, caller: Caller) -> Identity {
        Identity { caller, reach: self.reach.clone(), basis: self.basis.clone() }
    }
}

/// What of a request the door looks at.
pub(super) struct Head<'r> {
    pub(super) method: &'r Method,
    pub(super) path: &'r str,
    pub(super) query: &'r str,
    pub(super) headers: &'r HeaderMap,
    pub(super) peer: Option<IpAddr>,
}

impl Door {
    /// A door where `logins` tells who is who, and browsers show `realm`.
    #[must_use]
    pub fn guarded(logins: Arc<Logins>, realm: String) -> Self {
        let lane = |turns| Arc::new(Semaphore::new(turns));
        let (hashes, questions) = (lane(HASHES_MAX), lane(QUESTIONS_MAX));
        Self::Guarded(Guarded { logins, realm, hashes, questions })
    }

    /// For which hosts it answers.
    pub(super) fn hosts(&self) -> Hosts {
        match self {
            Self::Open(hosts) => *hosts,
            Self::Guarded(_) => Hosts::Any,
        }
    }

    /// Whether people can have a login that has no local account.
    pub(super) fn asks_elsewhere(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Guarded(guarded) => guarded.logins.asks_elsewhere(),
        }
    }

    /// How a client reached this server: a proxy that is trusted may have taken off TLS.
    pub(super) fn scheme(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> &'static str {
        let told = || text(headers, FORWARDED_PROTO.as_str());
        let is_trusted = matches!(self, Self::Guarded(guarded) if guarded.logins.trusts(peer));
        let told = is_trusted.then(told).flatten().unwrap_or_default();
        let first = told.split(',').next().unwrap_or_default().trim();
        if first.eq_ignore_ascii_case("https") { "https" } else { "http" }
    }

    /// Who is asking.
    ///
    /// # Errors
    /// 401, 403, 429 or 503.
    pub(super) async fn identify(&self, head: Head<'_>) -> Result<(Caller, Pass), Failure> {
        match self {
            Self::Open(_) => Ok((Caller::Anonymous, Pass::default())),
            Self::Guarded(_) if is_public(&head) => Ok((Caller::Anonymous, Pass::default())),
            Self::Guarded(guarded) => guarded.identify(head).await,
        }
    }
}

impl Guarded {
    async fn identify(&self, head: Head<'_>) -> Result<(Caller, Pass), Failure> {
        let credentials = self.credentials(&head)?;
        let origin = Origin::of(self.address(&head));
        let Identity { caller, reach, basis } = self.identify_as(credentials, origin).await?;
        // What a document of GraphQL does is looked at when it is run.
        let reads = graphql::is_graphql(head.path)
            || asks_of_packages(head.path)
            || matches!(*head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        match extent(&reach, head.path) {
            Extent::Everything => {}
            Extent::Reading if reads => {}
            Extent::Reading | Extent::Nothing => return Err(Failure::Forbidden),
        }
        Ok((caller, Pass { reach, basis, origin }))
    }

    /// Whose credentials these are.
    ///
    /// # Errors
    /// 401, 429 or 503.
    pub(super) async fn identify_as(
        &self,
        credentials: Credentials,
        from: Origin,
    ) -> Result<Identity, Failure> {
        let glance = self.logins.glance(&credentials, from);
        match glance.map_err(|error| self.failure(error))? {
            Glance::Known(identity) => Ok(identity),
            Glance::Check { lane, wait } => self.check(credentials, from, lane, wait).await,
        }
    }

    /// The answer to wrong credentials.
    pub(super) fn unauthorized(&self) -> Failure {
        Failure::Unauthorized { realm: self.realm.clone() }
    }

    async fn check(
        &self,
        credentials: Credentials,
        from: Origin,
        lane: Lane,
        wait: Duration,
    ) -> Result<Identity, Failure> {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let lane = match lane {
            Lane::Hash => &self.hashes,
            Lane::Network => &self.questions,
        };
        let broken = |what: &dyn std::fmt::Display| Failure::Internal(format!("a login: {what}"));
        let turn = Arc::clone(lane).acquire_owned().await.map_err(|error| broken(&error))?;
        let logins = Arc::clone(&self.logins);
        let work = move || {
            // The turn ends with the work, also when the client has gone and nobody waits.
            let _turn = turn;
            logins.identify(&credentials, from)
        };
        let identity = tokio::task::spawn_blocking(work).await.map_err(|error| broken(&error))?;
        identity.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: LoginError) -> Failure {
        match error {
            LoginError::Refused => self.unauthorized(),
            LoginError::Slow { retry_after } => Failure::TooManyLogins { retry_after },
            LoginError::Unavailable(why) => Failure::LoginUnavailable(why),
        }
    }

    fn credentials(&self, head: &Head) -> Result<Credentials, Failure> {
        if let Some(headers) = self.logins.headers() {
            if self.logins.trusts(head.peer) {
                let login = only(head.headers, &headers.login)?.filter(|text| !text.is_empty());
                if let Some(login) = login {
                    let groups = only(head.headers, &headers.groups)?.unwrap_or_default();
                    return Ok(Credentials::Proxy { login, groups });
                }
            } else if head.headers.contains_key(&headers.login) {
                self.logins.distrust(head.peer);
            }
        }
        match credentials(head.path, head.headers) {
            Credentials::None => Ok(in_query(head.path, head.query)),
            found => Ok(found),
        }
    }

    /// Where the request comes from: what a trusted proxy says, else the other end.
    fn address(&self, head: &Head) -> Option<IpAddr> {
        let told = || {
            let last = head.headers.get_all(&FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
            let last = last.rsplit(',').next().unwrap_or(last).trim();
            let with_port = || last.parse().ok().map(|address: SocketAddr| address.ip());
            last.parse().ok().or_else(with_port)
        };
        if self.logins.trusts(head.peer) { told().or(head.peer) } else { head.peer }
    }
}

/// How much the guard and the handlers may be asked for at a path.
fn extent(reach: &Reach, path: &str) -> Extent {
    match path {
        // What credentials are worth there, their handlers tell.
        token_service::PATH => Extent::Everything,
        path if path.starts_with(REGISTRY) && is_proxy(path) => Extent::Everything,
        REGISTRY if reach.proxy == Pulls::Yes => Extent::Everything,
        path if path.starts_with(REGISTRY) => reach.registry,
        path if is_packages(path) => reach.packages,
        _ => reach.elsewhere,
    }
}

/// Whether this may be read whoever asks, even with wrong credentials.
fn is_public(head: &Head) -> bool {
    let reads = matches!(*head.method, Method::GET | Method::HEAD);
    let is_plain = !head.path.contains('%') && !head.path.contains("/../");
    let path = head.path;
    reads
        && is_plain
        && (matches!(path, "/favicon.ico" | "/-/health" | "/-/ready")
            || path.starts_with("/static/"))
}

/// Whether a request comes with a token of the registry, good or bad.
pub(super) fn has_registry_token(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let parts = value.and_then(|value| value.split_once(' '));
    parts.is_some_and(|(scheme, rest)| {
        scheme.eq_ignore_ascii_case("bearer") && is_registry_token(rest.trim())
    })
}

/// Whether a request comes with credentials of any kind, good or bad.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    let known = [&AUTHORIZATION, &PRIVATE_TOKEN, &DEPLOY_TOKEN, &JOB_TOKEN];
    known.iter().any(|name| headers.contains_key(*name))
}

/// What the headers of a client say.
fn credentials(path: &str, headers: &HeaderMap) -> Credentials {
    if let Some(token) = text(headers, PRIVATE_TOKEN.as_str()).filter(|text| !text.is_empty()) {
        return Credentials::Token(token);
    }
    if let Some(token) = text(headers, DEPLOY_TOKEN.as_str()).filter(|text| !text.is_empty()) {
        return Credentials::Deploy(token);
    }
    let of_job = || text(headers, JOB_TOKEN.as_str()).filter(|text| !text.is_empty());
    if let Some(token) = path.starts_with(API).then(of_job).flatten() {
        return Credentials::of_bearer(token);
    }
    let Some(value) = text(headers, AUTHORIZATION.as_str()) else { return Credentials::None };
    let Some((scheme, rest)) = value.split_once(' ') else { return Credentials::None };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        if is_registry_token(rest) && path.starts_with(REGISTRY) {
            return Credentials::Registry(rest.to_owned());
        }
        return Credentials::of_bearer(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Credentials::None;
    }
    let decoded = BASE64.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    if let Some((_, password)) =
        pair.filter(|(_, password)| is_packages(path) && is_token(password))
    {
        return Credentials::of_bearer(password.to_owned());
    }
    match pair.filter(|(login, _)| !login.is_empty()) {
        Some((login, password)) => {
            Credentials::Basic { login: login.to_owned(), password: password.to_owned() }
        }
        None => Credentials::None,
    }
}

/// Whether it is a token's text, good or bad: clients of packages send one as a password, beside
/// any login or none.
fn is_token(text: &str) -> bool {
    TokenText::parse(text).is_some() || DeployTokenText::parse(text).is_some()
}

/// The token in the query of a request to the API: there clients know no better, and elsewhere a
/// link that somebody passes on would carry it along.
fn in_query(path: &str, query: &str) -> Credentials {
    let named = |name| query_value(query, name).filter(|token| !token.is_empty());
    if !path.starts_with(API) {
        return Credentials::None;
    }
    match (named("private_token"), named("job_token")) {
        (Some(token), _) => Credentials::Token(token),
        (None, Some(token)) => Credentials::of_bearer(token),
        (None, None) => Credentials::None,
    }
}

/// A header of a proxy. Twice, one is the client's own, and nobody can tell which; and bytes
/// that are no text could be several people's.
fn only(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if values.next().is_none() => Ok(Some(text.trim().to_owned())),
        _ => Err(Failure::BadRequest(format!(
            "the header {name} must be there once, in UTF-8: the proxy is to replace what comes \
             from clients"
        ))),
    }
}

/// A header as text; bytes that are none are replaced, so that they fit nothing.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

#[cfg(test)]
mod tests;
