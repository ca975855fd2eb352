//! What `WWW-Authenticate` says to whoever asks the registry for something and lacks the right:
//! where to get a token, and for which scopes (the token specification of Docker's registry; the
//! errors are those of RFC 6750).
//!
//! There is no second challenge for Basic, which works as well: docker answers each challenge that
//! it knows one after the other, and without a password it gives up at Basic even when it has a
//! token.
//! Deliberately absent: who may do what (the guard).

use std::net::IpAddr;

use http::Method;

use super::Asked;
use super::errors::{self, Code, OciError};
use crate::access::registry_token::Service;
use crate::http::failure::Failure;
use crate::http::route::{RegistryRoute, Route, Routed, is_proxy, registry_right_of, route};
use crate::http::{Request, Server, login, reply, token_service, tree};
use crate::model::{Caller, Grants, ImageName, Resource, Right, Rights};

/// What a challenge needs to know of a request.
pub(super) struct Wanted {
    method: Method,
    /// Still percent-encoded.
    path: String,
    query: String,
    /// The address of the token service, if it can be told and is not what was asked.
    address: Option<String>,
    /// Whether it came with a token of the registry.
    had_token: bool,
    /// Whether it came with a login or a token of a person's.
    had_login: bool,
}

impl Server {
    /// What is kept of a request until it is known whether it is refused.
    pub(super) fn wanted(&self, request: &Request, path: &str, peer: Option<IpAddr>) -> Wanted {
        let is_own = path == token_service::PATH;
        let address = if is_own { None } else { self.token_address(&request.headers, peer) };
        Wanted {
            method: request.method.clone(),
            path: path.to_owned(),
            query: request.query.clone(),
            address,
            had_token: login::has_registry_token(&request.headers),
            had_login: login::has_credentials(&request.headers),
        }
    }

    /// The challenge of an answer that is 401.
    pub(super) fn challenge(&self, asked: &Asked, failure: &Failure) -> Option<String> {
        let Wanted { method, path, query, address, had_token, .. } = &asked.wanted;
        let error = match failure {
            Failure::Unauthorized { .. } => had_token.then_some("invalid_token"),
            Failure::InsufficientScope => Some("insufficient_scope"),
            _ => return None,
        };
        let Some(address) = address else { return Some(reply::basic_challenge(&self.realm)) };
        let service = service(path);
        let mut text =
            format!("Bearer realm={},service={}", quoted(address), quoted(service.as_str()));
        if service == Service::DependencyProxy {
            return Some(text);
        }
        let scopes = scopes(method, path, query);
        if scopes != Grants::default() {
            text.extend([",scope=", &quoted(&scopes.to_string())]);
        }
        if let Some(error) = error {
            text.extend([",error=", &quoted(error)]);
        }
        Some(text)
    }
}

impl Asked {
    /// Why a failure is told: who may not do what, and whether a login was wrong. Not in the
    /// words of docker itself: those it takes for no reason, and tries again for a minute.
    pub(super) fn told(&self, caller: &Caller, failure: Failure) -> OciError {
        let Wanted { method, path, had_token, had_login, .. } = &self.wanted;
        let is_wrong = path == token_service::PATH || (*had_login && !had_token);
        match (&failure, caller.login()) {
            (Failure::Forbidden, Some(login)) => {
                let why = format!(
                    "{login} may not {method} {path}: ask an administrator for the right, or log \
                     in as somebody who has it"
                );
                OciError::new(Code::Denied, why)
            }
            (Failure::Unauthorized { .. }, _) if is_wrong => {
                OciError::new(Code::Unauthorized, self.wrong())
            }
            // Another token for nobody in particular would not help.
            (Failure::InsufficientScope, None) => {
                let why = "Authentication is required for this: log in";
                OciError::new(Code::Unauthorized, why)
            }
            _ => errors::told(failure),
        }
    }
}

impl Asked {
    /// What is said of wrong credentials; whoever knows the dependency proxy looks for its words.
    fn wrong(&self) -> &'static str {
        let service = tree::query_value(&self.wanted.query, "service");
        if service.as_deref() == Some(Service::DependencyProxy.as_str()) {
            return "HTTP Basic: Access denied. The login or the password is wrong, or the token \
                    has ended: log in again";
        }
        "The login or the password is wrong, or the token has ended: log in again"
    }
}

/// Where a token is asked for that is to be used at a path. Clients of all kinds ask at the one
/// that the base names, and there as well as at a dependency proxy the challenge says no more than
/// that (spec gitlab §1.2).
fn service(path: &str) -> Service {
    let is_base = || {
        matches!(route(&Method::GET, path), Routed::Found(Route::Registry(RegistryRoute::Base), _))
    };
    if is_proxy(path) || is_base() { Service::DependencyProxy } else { Service::Larder }
}

impl RegistryRoute {
    /// What a token must be for.
    pub(in crate::http) fn resource(&self) -> Option<Resource> {
        let name = match self {
            Self::Base | Self::Invalid(_) => return None,
            Self::Catalog => return Some(Resource::Catalog),
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => name,
        };
        Some(Resource::Repository(name.clone()))
    }
}

/// The scopes that a request needs; whoever pushes looks first at what is there.
fn scopes(method: &Method, path: &str, query: &str) -> Grants {
    let get = || route(&Method::GET, path);
    let found = match route(method, path) {
        Routed::MethodNotAllowed(_) => get(),
        routed => routed,
    };
    let Routed::Found(Route::Registry(route), _) = found else { return Grants::default() };
    let Some(resource) = route.resource() else { return Grants::default() };
    let right =
        if *method == Method::DELETE { route.right(method) } else { registry_right_of(method) };
    let rights = match right {
        Right::Add => Rights::only(Right::Read).and(Rights::only(Right::Add)),
        right => Rights::only(right),
    };
    let source = match route {
        RegistryRoute::Uploads(_) => tree::query_value(query, "from"),
        _ => None,
    };
    let source = source.and_then(|name| ImageName::parse(&name).ok()).map(Resource::Repository);
    let source = source.map(|resource| (resource, Rights::only(Right::Read)));
    std::iter::once((resource, rights)).chain(source).collect()
}

/// A quoted text of a header.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_what_the_request_needs() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (line, wanted) in [
            ("GET /v2/", ""),
            ("GET /v2/_catalog", "registry:catalog:*"),
            ("GET /v2/a/b/tags/list", "repository:a/b:pull"),
            ("HEAD /v2/a/manifests/v1", "repository:a:pull"),
            ("PUT /v2/a/manifests/v1", "repository:a:pull,push"),
            ("DELETE /v2/a/manifests/v1", "repository:a:delete"),
            ("POST /v2/a/blobs/uploads/", "repository:a:pull,push"),
            (&format!("GET /v2/a/referrers/{digest}"), "repository:a:pull"),
            (&format!("DELETE /v2/a/blobs/{digest}"), "repository:a:delete"),
            ("GET /v2/A/manifests/v1", ""),
            ("GET /v2/nowhere", ""),
            ("GET /jwt/auth", ""),
        ] {
            let (method, path) = line.split_once(' ').unwrap();
            let scopes = scopes(&method.parse().unwrap(), path, "").to_string();
            assert_eq!(scopes, wanted, "{line}");
        }
        let mount = |from: &str| {
            let query = format!("mount={digest}&from={from}");
            scopes(&Method::POST, "/v2/b/blobs/uploads/", &query).to_string()
        };
        assert_eq!(mount("a%2Fx"), "repository:a/x:pull repository:b:pull,push");
        assert_eq!(mount("b"), "repository:b:pull,push");
        assert_eq!(mount("A\","), "repository:b:pull,push");
    }

    #[test]
    fn a_quoted_text_ends_where_it_ends() {
        assert_eq!(quoted(r#"a"b\"#), r#""a\"b\\""#);
    }
}
