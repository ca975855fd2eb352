//! `/jwt/auth`: issues the short-lived tokens of the registry and of the dependency proxy (the
//! token specification of Docker's registry; its OAuth 2 form as docker and containerd send it;
//! spec gitlab §1.2), and tells where that is.
//!
//! Everybody gets a token for the registry, nobody in particular too: it is worth what the rules
//! grant, and they are asked again at each use. One that reaches the dependency proxy is for whom
//! is known and whose credentials are good for it; it names no group, as roles are asked at each
//! use. Wrong credentials get none. No refresh tokens are issued, so clients
//! keep what they were given; an access token may stand in place of one.
//! The address in a challenge is made of a `Host` header only if that has the form of a host: what
//! a client says is never taken into a header as it is.
//! Deliberately absent: who may do what (`access`), and the form of a token.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use warp::reply::Response;

use super::failure::Failure;
use super::login::{Door, Guarded};
use super::{Request, Server, blocking, body, proxy_door, reply, tree};
use crate::access::login::{Basis, Credentials, Extent, Identity, Pulls};
use crate::access::registry_token::{Draft, Service};
use crate::model::proxy::PROXY_PLACE;
use crate::model::{Caller, Grants, Right, Timestamp};
use crate::store::signing_keys::{NamedKey, signs_at};

/// Where tokens are issued.
pub const PATH: &str = "/jwt/auth";
/// Longest form, in bytes.
const FORM_LENGTH_MAX: usize = 64 << 10;
/// Longest name of a host with its port, in bytes.
const HOST_LENGTH_MAX: usize = 261;

/// Parameters of a query or a form, decoded.
struct Parameters(Vec<(String, String)>);

/// What a token is to be worth.
struct Worth {
    grants: Grants,
    proxy: Pulls,
}

/// The answer.
#[derive(Serialize)]
struct Issued<'t> {
    token: &'t str,
    /// The same, under the name that OAuth 2 has for it.
    access_token: &'t str,
    /// In seconds.
    expires_in: u64,
    #[serde(rename = "issued_at")]
    since: String,
    /// What was granted; the OAuth 2 form wants it told.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl Server {
    /// The address of [`PATH`] as a client knows it; `None` when nobody can tell.
    pub(super) fn token_address(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Option<String> {
        if let Some((url, _)) = &self.public_url {
            return Some(format!("{}{PATH}", url.trim_end_matches('/')));
        }
        let host = headers.get(HOST)?.to_str().ok().filter(|host| is_host(host))?;
        Some(format!("{}://{host}{PATH}", self.door.scheme(headers, peer)))
    }

    pub(super) async fn token_service(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Response, Failure> {
        let Door::Guarded(guarded) = &self.door else {
            let why = "nobody logs in here, so no token is needed: ask without one";
            return Err(Failure::NotFound(why.to_owned()));
        };
        let is_form = request.method == Method::POST;
        let asked = if is_form {
            Parameters::of_form(&body::collect(request.body, FORM_LENGTH_MAX).await?)?
        } else {
            Parameters(tree::query_pairs(&request.query))
        };
        // Tokens for others are not issued here.
        let Some(service) = asked.service() else { return Ok(no_service()) };
        let identity = if is_form {
            guarded.identify_as(asked.credentials()?, request.pass.origin).await?
        } else {
            request.pass.identity(request.caller)
        };
        let Some(worth) = self.worth(guarded, &identity, service, &asked)? else {
            return Ok(forbidden(&identity.caller));
        };
        let scope = is_form.then(|| worth.grants.to_string());
        self.issue(identity, service, worth, scope).await
    }

    /// What of the scopes the rules and the credentials grant; `None`: there is to be no token.
    fn worth(
        &self,
        guarded: &Guarded,
        identity: &Identity,
        service: Service,
        asked: &Parameters,
    ) -> Result<Option<Worth>, Failure> {
        let scopes = Grants::parse(asked.all("scope"));
        let scopes = scopes.map_err(|error| Failure::BadRequest(error.to_string()))?;
        let Identity { caller, reach, .. } = identity;
        if reach.grants.is_some() {
            // A token of the registry cannot be made into another one that lives longer.
            return Err(guarded.unauthorized());
        }
        let (is_proxy, is_named) = (service == Service::DependencyProxy, asked.names_proxy());
        let is_entitled = caller.is_known() && reach.proxy == Pulls::Yes;
        let is_refused = match caller {
            _ if is_named => !is_entitled,
            Caller::Anonymous => is_proxy && !asked.names_registry_alone(),
            Caller::User(_) | Caller::Deploy(_) => {
                reach.registry == Extent::Nothing && !is_entitled
            }
        };
        if is_refused {
            return Ok(None);
        }
        let grants = self.access.granted(caller, &scopes).filter(|_, right| match reach.registry {
            Extent::Nothing => false,
            Extent::Reading => right == Right::Read,
            Extent::Everything => true,
        });
        let reaches = is_entitled && (is_proxy || is_named);
        let proxy = if reaches { Pulls::Yes } else { Pulls::WithAnotherToken };
        Ok(Some(Worth { grants, proxy }))
    }

    async fn issue(
        self: &Arc<Self>,
        identity: Identity,
        service: Service,
        Worth { grants, proxy }: Worth,
        scope: Option<String>,
    ) -> Result<Response, Failure> {
        let key = self.signing_key().await?;
        let server = Arc::clone(self);
        let (token, now) = blocking(move || {
            let now = server.tree.store().clock().now();
            let basis = match identity.basis {
                Basis::Elsewhere { groups, password } => {
                    let view = server.tree.store().view()?;
                    Basis::Elsewhere {
                        groups: server.access.telling_groups(&view, &groups)?,
                        password,
                    }
                }
                basis => basis,
            };
            let lifetime = server.token_lifetime;
            let (caller, basis, grants) = (&identity.caller, &basis, &grants);
            let draft = Draft { service, caller, basis, grants, proxy, now, lifetime };
            let token = draft.sign(&key);
            let token = token.ok_or_else(|| Failure::Internal("no token was signed".to_owned()))?;
            Ok((token, now))
        })
        .await?;
        let issued = Issued {
            token: &token,
            access_token: &token,
            expires_in: self.token_lifetime.as_secs(),
            since: rfc3339(now),
            scope,
        };
        let mut response = reply::json(&issued);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// The key that signs now. Where no new one can be written, on a full disk say, the old one
    /// goes on, so that images can still be pulled.
    async fn signing_key(&self) -> Result<NamedKey, Failure> {
        let store = self.tree.store();
        let newest = store.view()?.newest_signing_key()?;
        if let Some(key) = newest.clone().filter(|(made, _)| signs_at(*made, store.clock().now())) {
            return Ok(key);
        }
        match (store.rotate_signing_key(rand::random()).await, newest) {
            (Ok(key), _) => Ok(key),
            (Err(error), Some(key)) => {
                log::warn!("the old key goes on signing tokens, since no new one is made: {error}");
                Ok(key)
            }
            (Err(error), None) => Err(error.into()),
        }
    }
}

impl Parameters {
    fn of_form(form: &Bytes) -> Result<Self, Failure> {
        let form = std::str::from_utf8(form);
        let form = form.map_err(|_| Failure::BadRequest("the form is not UTF-8".to_owned()))?;
        Ok(Self(tree::query_pairs(form)))
    }

    fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that says something.
    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Where the token is to be used; `None`: nowhere here.
    fn service(&self) -> Option<Service> {
        self.text("service").map_or(Some(Service::Larder), Service::parse)
    }

    fn scopes(&self) -> impl Iterator<Item = &str> {
        self.all("scope").flat_map(str::split_whitespace)
    }

    /// Whether a scope is for what is below a dependency proxy.
    fn names_proxy(&self) -> bool {
        self.scopes().any(is_proxied)
    }

    /// Whether there are scopes, and all of them are for the registry.
    fn names_registry_alone(&self) -> bool {
        let is_hosted =
            |scope| Grants::parse([scope]).is_ok_and(|grants| grants != Grants::default());
        self.scopes().next().is_some() && self.scopes().all(is_hosted)
    }

    /// Of the OAuth 2 form.
    fn credentials(&self) -> Result<Credentials, Failure> {
        let missing = |name: &str| Failure::BadRequest(format!("the form has no {name}"));
        let text = |name: &str| self.text(name).map(str::to_owned).ok_or_else(|| missing(name));
        match self.text("grant_type") {
            Some("password") => {
                Ok(Credentials::Basic { login: text("username")?, password: text("password")? })
            }
            Some("refresh_token") => Ok(Credentials::of_bearer(text("refresh_token")?)),
            Some(other) => Err(Failure::BadRequest(format!(
                "the grant_type is password or refresh_token (an access token), not {other:?}"
            ))),
            None => Err(missing("grant_type")),
        }
    }
}

/// Whether `type:name:actions` names what is below a dependency proxy.
fn is_proxied(scope: &str) -> bool {
    let name = scope.split_once(':').map_or("", |(_, rest)| rest);
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name).to_ascii_lowercase();
    name.split('/').collect::<Vec<_>>().windows(2).any(|pair| pair == PROXY_PLACE)
}

/// 404, without a body as dependency proxies have it.
fn no_service() -> Response {
    let mut response = reply::plain(String::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// 403 in the form of dependency proxies, and with a reason that docker shows.
fn forbidden(caller: &Caller) -> Response {
    let why = match caller {
        Caller::Anonymous => {
            "log in first: a dependency proxy serves the members of its group only"
        }
        Caller::User(_) | Caller::Deploy(_) => proxy_door::NEEDED,
    };
    let status = StatusCode::FORBIDDEN;
    let mut response = reply::json(&json!({
        "message": "access forbidden",
        "status": "error",
        "http_status": status.as_u16(),
        "errors": [{ "code": "DENIED", "message": why }],
    }));
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether this is the name or address of a host, maybe with a port: nothing that means more in
/// a URL, and nothing that ends a quoted text.
fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.len() <= HOST_LENGTH_MAX && text.bytes().all(is_plain)
}

fn rfc3339(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_no_more() {
        for good in ["localhost", "repo.example:443", "10.0.0.1", "[::1]:80", "a_b"] {
            assert!(is_host(good), "{good}");
        }
        let long = "a".repeat(300);
        for bad in [
            "",
            "a\"",
            "a\",service=\"x",
            "user@host",
            "a/b",
            "a b",
            "a\\",
            "ä",
            "a?b",
            "a#",
            &long,
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn moments_are_told_as_clients_read_them() {
        assert_eq!(rfc3339(Timestamp(1_700_000_000_999_999)), "2023-11-14T22:13:20Z");
        assert!(rfc3339(Timestamp::MAX).ends_with('Z'));
    }

    #[test]
    fn scopes_are_for_the_registry_or_for_a_dependency_proxy() {
        for (query, named, alone) in [
            ("", false, false),
            ("scope=", false, false),
            ("scope=repository:a/b:pull", false, true),
            ("scope=repository:a:pull+registry:catalog:*&scope=repository:b:push", false, true),
            ("scope=repository:a:pull+nonsense", false, false),
            ("scope=repository:A:pull", false, false),
            ("scope=repository:g/dependency_proxy/containers/x:pull", true, false),
            ("scope=repository(c):g/h/dependency_proxy/containers/x/y:pull", true, false),
            ("scope=repository:g/dependency_proxy/containers", true, false),
            ("scope=repository:G/Dependency_Proxy/Containers/x:pull", true, false),
            ("scope=repository:a:pull&scope=x:g/dependency_proxy/containers/x:", true, false),
            ("scope=repository:a/dependency_proxy:pull", false, true),
        ] {
            let asked = Parameters(tree::query_pairs(query));
            let found = (asked.names_proxy(), asked.names_registry_alone());
            assert_eq!(found, (named, alone), "{query}");
        }
    }

    #[test]
    fn forms_say_who_asks() {
        let read = |form: &'static str| {
            Parameters::of_form(&Bytes::from_static(form.as_bytes())).unwrap().credentials()
        };
        let basic = read("grant_type=password&username=e+v&password=a%26b%3D&service=larder");
        let known = Credentials::Basic { login: "e v".into(), password: "a&b=".into() };
        assert!(basic.unwrap() == known);
        let token = read("grant_type=refresh_token&refresh_token=larder_1_x").unwrap();
        assert!(token == Credentials::Token("larder_1_x".into()));
        for bad in [
            "",
            "grant_type=password",
            "grant_type=password&username=e&password=",
            "grant_type=refresh_token",
            "grant_type=authorization_code&code=x",
        ] {
            assert!(matches!(read(bad), Err(Failure::BadRequest(_))), "{bad}");
        }
        assert!(Parameters::of_form(&Bytes::from_static(b"a=\xff")).is_err());
    }
}
