//! The guard at the door: after a URL is parsed and before anything else is done or looked at.
//!
//! Defends I9: what is asked about is the canonical path of the [`Route`], so neither case nor
//! percent-encoding nor a missing slash evades a rule. Whoever lacks the right gets the same
//! answer whether the thing exists or not.
//! Deliberately absent: the rules, and who the caller is.

use http::Method;

use super::failure::Failure;
use super::route::{RegistryRoute, Route, Routed, is_api, is_registry, registry_right_of, route};
use super::{Request, Server};
use crate::access::Access;
use crate::model::{Caller, Grants, Right};
use crate::{registry, store, tree};

/// What a request needs before it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: open to everybody.
    Nothing,
    /// This right at each of these canonical, decoded paths.
    Rights(Right, Vec<String>),
    /// What the real path behind an alias needs, once it is known; `path` is the one of the
    /// alias, always to be read.
    Behind {
        /// The canonical, decoded path of the alias.
        path: String,
    },
}

impl Demand {
    /// What a request line needs. `raw_path` is still percent-encoded.
    #[must_use]
    pub fn of(method: &Method, raw_path: &str, routed: &Routed) -> Self {
        match routed {
            Routed::Found(route, _) => Self::of_route(method, route),
            // There roles decide, and nothing is told by a wrong URL or method.
            _ if is_api(raw_path) => Self::Nothing,
            // What takes no such method takes GET.
            Routed::MethodNotAllowed(_) => match route(&Method::GET, raw_path) {
                Routed::Found(route, _) => {
                    let right = route.right(method).unwrap_or_else(|| right_of(method));
                    Self::Rights(right, vec![route.path()])
                }
                _ => Self::of_nothing(method, raw_path),
            },
            Routed::NotFound(_) | Routed::BadRequest(_) => Self::of_nothing(method, raw_path),
        }
    }

    /// Nothing has such a name: what was asked for is what there is to be asked about.
    fn of_nothing(method: &Method, raw_path: &str) -> Self {
        let path = percent_encoding::percent_decode_str(raw_path).decode_utf8_lossy();
        let is_registry = is_registry(raw_path);
        let right = if is_registry { registry_right_of(method) } else { right_of(method) };
        let is_asset = path.starts_with("/static/") || path == "/favicon.ico";
        if is_asset && right == Right::Read && !path.contains("..") {
            return Self::Nothing;
        }
        Self::Rights(right, vec![path.to_lowercase()])
    }

    fn of_route(method: &Method, route: &Route) -> Self {
        let Some(right) = route.right(method) else { return Self::Nothing };
        // Nothing is changed by way of an alias: that needs no look behind it.
        if route.is_by_alias() && right == Right::Read {
            return Self::Behind { path: route.path() };
        }
        let within = route.within().map(|route| route.path());
        Self::Rights(right, std::iter::once(route.path()).chain(within).collect())
    }

    /// Whether `access` grants it to `caller`; [`Self::Behind`] is granted later.
    #[must_use]
    pub fn is_met(&self, access: &Access, caller: &Caller) -> bool {
        match self {
            Self::Nothing | Self::Behind { .. } => true,
            Self::Rights(right, paths) => {
                paths.iter().all(|path| access.allows(caller, *right, path))
            }
        }
    }
}

/// The right that a method needs (spec dlrepo §15).
#[must_use]
pub fn right_of(method: &Method) -> Right {
    match *method {
        Method::PUT | Method::PATCH => Right::Add,
        Method::POST => Right::Update,
        Method::DELETE => Right::Delete,
        _ => Right::Read,
    }
}

impl Server {
    /// Lets a request pass that may be looked at.
    pub(super) fn guard(
        &self,
        request: &Request,
        raw_path: &str,
        routed: &Routed,
    ) -> Result<(), Failure> {
        let demand = Demand::of(&request.method, raw_path, routed);
        let is_known = !is_base(routed) || self.is_known(request);
        let grants = request.pass.reach.grants.as_deref();
        if !is_known || !demand.is_met(&self.access, &request.caller) {
            return Err(match (&request.caller, grants) {
                (Caller::Anonymous, Some(_)) => Failure::InsufficientScope,
                (caller, _) => self.denied(caller),
            });
        }
        match grants {
            Some(grants) if !are_for(grants, &request.method, routed) => {
                Err(Failure::InsufficientScope)
            }
            _ => Ok(()),
        }
    }

    /// Whether it is known who asks, or nobody is asked. Nobody in particular is known by a token.
    fn is_known(&self, request: &Request) -> bool {
        let Request { caller, pass, .. } = request;
        caller.is_known() || pass.reach.grants.is_some() || self.access.trusts(caller)
    }

    /// Lets a caller pass who may read `route`, which other things than its URL led to.
    pub(super) fn guard_read(&self, caller: &Caller, route: &Route) -> Result<(), Failure> {
        let demand = Demand::of_route(&Method::GET, route);
        if demand.is_met(&self.access, caller) { Ok(()) } else { Err(self.denied(caller)) }
    }

    /// The answer to whoever lacks a right.
    pub(super) fn denied(&self, caller: &Caller) -> Failure {
        match caller {
            Caller::Anonymous => Failure::Unauthorized { realm: self.realm.clone() },
            Caller::User(_) | Caller::Deploy(_) => Failure::Forbidden,
        }
    }

    /// What somebody came in with ended while they were at it: they are asked who they are, as if
    /// they came now.
    pub(super) fn asked_again(&self, failure: Failure) -> Failure {
        let has_ended = match &failure {
            Failure::Tree(tree::Error::Store(error)) => is_ended(error),
            Failure::Registry(error) => {
                matches!(&**error, registry::Error::Store(error) if is_ended(error))
            }
            _ => false,
        };
        if has_ended { Failure::Unauthorized { realm: self.realm.clone() } } else { failure }
    }

    /// A failure as it may be told: it names nothing that the caller may not read.
    pub(super) fn refuse(&self, caller: &Caller, failure: Failure) -> Failure {
        match failure {
            Failure::Tree(tree::Error::Store(error)) => self.mask(caller, error).into(),
            Failure::Registry(error) => match *error {
                registry::Error::Store(error) => {
                    registry::Error::Store(self.mask(caller, error)).into()
                }
                error => error.into(),
            },
            failure => failure,
        }
    }

    fn mask(&self, caller: &Caller, error: store::Error) -> store::Error {
        match error {
            store::Error::FormatConflict { format, version, job }
                if !self.may_read(caller, &job) =>
            {
                let job = "another job".to_owned();
                store::Error::FormatConflict { format, version, job }
            }
            error => error,
        }
    }

    /// Whether the caller may see what is at `path`, which is canonical and not percent-encoded.
    pub(super) fn may_read(&self, caller: &Caller, path: &str) -> bool {
        self.access.allows(caller, Right::Read, path)
    }
}

fn is_ended(error: &store::Error) -> bool {
    matches!(error, store::Error::CredentialsEnded)
}

/// Whether this is where clients of the registry find out whether to log in: nobody in
/// particular is always asked who they are there (spec dlrepo §15).
fn is_base(routed: &Routed) -> bool {
    matches!(routed, Routed::Found(Route::Registry(RegistryRoute::Base), _))
}

/// Whether a token is for what a URL names. What names nothing does nothing either.
fn are_for(grants: &Grants, method: &Method, routed: &Routed) -> bool {
    let Routed::Found(Route::Registry(route), _) = routed else { return true };
    route.resource().is_none_or(|resource| grants.allow(&resource, route.right(method)))
}

#[cfg(test)]
pub(in crate::http) mod tests;
