//! `/jwt/auth`: issues the short-lived tokens of the registry (the token specification of Docker's
//! registry; its OAuth 2 form as docker and containerd send it), and tells where that is.
//!
//! Everybody gets a token, nobody in particular too: it is worth what the rules grant, and they are
//! asked again at each use. Wrong credentials get none. No refresh tokens are issued, so clients
//! keep what they were given; an access token may stand in place of one.
//! The address in a challenge is made of a `Host` header only if that has the form of a host: what
//! a client says is never taken into a header as it is.
//! Deliberately absent: who may do what (`access`), and the form of a token.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HOST};
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use warp::reply::Response;

use super::failure::Failure;
use super::login::{Door, Guarded};
use super::{Request, Server, blocking, body, reply, tree};
use crate::access::login::{Basis, Credentials, Extent, Identity};
use crate::access::registry_token::{Draft, SERVICE};
use crate::model::{Grants, Right, Timestamp};
use crate::store::signing_keys::{NamedKey, signs_at};

/// Where tokens are issued.
pub const PATH: &str = "/jwt/auth";
/// Longest form, in bytes.
const FORM_LENGTH_MAX: usize = 64 << 10;
/// Longest name of a host with its port, in bytes.
const HOST_LENGTH_MAX: usize = 261;

/// Parameters of a query or a form, decoded.
struct Parameters(Vec<(String, String)>);

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
        let (identity, asked) = if is_form {
            let form = body::collect(request.body, FORM_LENGTH_MAX).await?;
            let form = Parameters::of_form(&form)?;
            let identity = guarded.identify_as(form.credentials()?, request.pass.origin).await?;
            (identity, form)
        } else {
            let identity = request.pass.identity(request.caller);
            (identity, Parameters(tree::query_pairs(&request.query)))
        };
        asked.check_service()?;
        let granted = self.grants(guarded, &identity, &asked)?;
        let scope = is_form.then(|| granted.to_string());
        self.issue(identity, granted, scope).await
    }

    /// What of the scopes the rules and the credentials grant.
    fn grants(
        &self,
        guarded: &Guarded,
        identity: &Identity,
        asked: &Parameters,
    ) -> Result<Grants, Failure> {
        let scopes = asked.all("scope");
        let scopes =
            Grants::parse(scopes).map_err(|error| Failure::BadRequest(error.to_string()))?;
        let extent = match identity.reach.registry {
            // A token of the registry cannot be made into another one that lives longer.
            _ if identity.reach.grants.is_some() => return Err(guarded.unauthorized()),
            Extent::Nothing => return Err(Failure::Forbidden),
            extent => extent,
        };
        let granted = self.access.granted(&identity.caller, &scopes);
        Ok(granted.filter(|_, right| right == Right::Read || extent == Extent::Everything))
    }

    async fn issue(
        self: &Arc<Self>,
        identity: Identity,
        grants: Grants,
        scope: Option<String>,
    ) -> Result<Response, Failure> {
        let key = self.signing_key().await?;
        let server = Arc::clone(self);
        let (token, now) = blocking(move || {
            let now = server.tree.store().clock().now();
            let basis = match identity.basis {
                Basis::Elsewhere { groups, password } => {
                    Basis::Elsewhere { groups: server.access.known_groups(&groups), password }
                }
                basis => basis,
            };
            let lifetime = server.token_lifetime;
            let (caller, basis, grants) = (&identity.caller, &basis, &grants);
            let draft = Draft { caller, basis, grants, now, lifetime };
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

    /// Tokens for others are not issued here.
    fn check_service(&self) -> Result<(), Failure> {
        match self.text("service") {
            None | Some(SERVICE) => Ok(()),
            Some(other) => Err(Failure::BadRequest(format!(
                "tokens are issued for the service {SERVICE:?} and not for {other:?}"
            ))),
        }
    }

    /// Of the OAuth 2 form.
    fn credentials(&self) -> Result<Credentials, Failure> {
        let missing = |name: &str| Failure::BadRequest(format!("the form has no {name}"));
        let text = |name: &str| self.text(name).map(str::to_owned).ok_or_else(|| missing(name));
        match self.text("grant_type") {
            Some("password") => {
                Ok(Credentials::Basic { login: text("username")?, password: text("password")? })
            }
            Some("refresh_token") => Ok(Credentials::Token(text("refresh_token")?)),
            Some(other) => Err(Failure::BadRequest(format!(
                "the grant_type is password or refresh_token (an access token), not {other:?}"
            ))),
            None => Err(missing("grant_type")),
        }
    }
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
