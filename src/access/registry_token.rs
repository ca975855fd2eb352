//! Tokens of the registry: short-lived, signed, each for one caller and for some scopes.
//!
//! A token says who it is for and what that rested on; nothing of it is believed beyond that. At
//! use the account, access token or back end is looked at again, so it is worth nothing once a
//! password was changed, an account deleted or an access token revoked, and rights and groups are
//! those of that moment. Groups that a back end tells only together with a password check (a
//! directory, a proxy's headers) are those of the issue, for as long as the token lives.
//! What a password is stored as is in the token only under the signing key, so that no guess can
//! be tried on it.
//! Deliberately absent: keys (`store::signing_keys`) and rights.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::hs256;
use super::identity::{Basis, Pulls};
use super::password::is_same;
use crate::model::digest::hex;
use crate::model::{
    Caller, DeployTokenId, Digest, Grants, SigningKey, Timestamp, TokenId, UserName, grants::Scope,
};
use crate::store::signing_keys::NamedKey;

/// For whom a token is, as challenges, requests for tokens and the tokens call it. Clients ask for
/// the one that the challenge of `/v2/` names, whatever they want; so which one it is decides
/// nothing but whether it reaches the proxy without a scope that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The registry of this server.
    Larder,
    /// The dependency proxy of all groups, and the registry as well.
    DependencyProxy,
}

impl Service {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Larder => "larder",
            Self::DependencyProxy => "dependency_proxy",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Larder, Self::DependencyProxy];
        all.into_iter().find(|service| service.as_str() == text)
    }
}

/// Who issues them.
const ISSUER: &str = "larder";
/// Longer texts are no tokens of ours, in bytes.
const TEXT_LENGTH_MAX: usize = 64 << 10;

/// What a token says, with the names of RFC 7519.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The login; nobody has none.
    sub: Option<String>,
    /// In seconds, as `exp`.
    iat: u64,
    exp: u64,
    /// Tells tokens apart.
    jti: String,
    access: Vec<Scope>,
    /// Whether it is for pulling through dependency proxies as well, those of all groups: roles
    /// are asked at each use.
    #[serde(default)]
    proxy: bool,
    basis: Claim,
}

/// [`Basis`] in a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Claim {
    Nobody,
    Account { created: u64, password: String },
    Token { id: u64, created: u64 },
    Deploy { id: u64, created: u64 },
    Elsewhere { groups: Vec<String>, password: Option<String> },
}

/// A token whose signature and time are good.
pub(super) struct Opened {
    key: SigningKey,
    claims: Claims,
    /// Whose it is.
    pub(super) subject: Subject,
}

/// Who is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nobody in particular.
    Nobody,
    /// A local account.
    Account(UserName),
    /// The owner of an access token.
    Token(TokenId),
    /// A machine with a deploy token.
    Deploy(DeployTokenId),
    /// Somebody in these groups, says another back end.
    Elsewhere(UserName, Vec<String>),
}

/// What is to be signed.
pub struct Draft<'a> {
    /// Where it is used.
    pub service: Service,
    /// For whom.
    pub caller: &'a Caller,
    /// Why.
    pub basis: &'a Basis,
    /// What for.
    pub grants: &'a Grants,
    /// Whether for the dependency proxies as well.
    pub proxy: Pulls,
    /// From when on.
    pub now: Timestamp,
    /// For how long.
    pub lifetime: Duration,
}

impl Draft<'_> {
    /// The text of the token; `None` when the key cannot be one.
    #[must_use]
    pub fn sign(&self, (made, key): &NamedKey) -> Option<String> {
        hs256::install();
        let iat = self.now.seconds();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: self.service.as_str().to_owned(),
            sub: self.caller.login().map(|login| login.as_str().to_owned()),
            iat,
            exp: iat.saturating_add(self.lifetime.as_secs()),
            jti: hex(&rand::random::<[u8; 16]>()),
            access: self.grants.scopes(),
            proxy: self.proxy == Pulls::Yes,
            basis: claim(self.basis, key)?,
        };
        let kid = Some(made.0.to_string());
        let header = Header { kid, ..Header::new(Algorithm::HS256) };
        let signed = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&key.secret));
        signed.inspect_err(|error| log::error!("no token can be signed: {error}")).ok()
    }
}

/// Whether a text has the form of such a token, and so is no access token.
#[must_use]
pub fn is_registry_token(text: &str) -> bool {
    // What every JSON object begins with in base64.
    text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The name of the key that a token says it is signed with.
pub(super) fn key_of(text: &str) -> Option<Timestamp> {
    if text.len() > TEXT_LENGTH_MAX {
        return None;
    }
    let header = jsonwebtoken::decode_header(text).ok()?;
    header.kid?.parse().ok().map(Timestamp)
}

/// Reads a token that is signed with this key and not over yet.
pub(super) fn open(text: &str, key: SigningKey, now: Timestamp) -> Option<Opened> {
    hs256::install();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[Service::Larder, Service::DependencyProxy].map(Service::as_str));
    // By the clock of this house, below.
    validation.validate_exp = false;
    let secret = DecodingKey::from_secret(&key.secret);
    let claims = jsonwebtoken::decode::<Claims>(text, &secret, &validation).ok()?.claims;
    if now.seconds() >= claims.exp {
        return None;
    }
    let login = || UserName::parse(claims.sub.as_deref()?).ok();
    let subject = match &claims.basis {
        Claim::Nobody => Subject::Nobody,
        Claim::Account { .. } => Subject::Account(login()?),
        Claim::Token { id, .. } => Subject::Token(TokenId(*id)),
        Claim::Deploy { id, .. } => Subject::Deploy(DeployTokenId(*id)),
        Claim::Elsewhere { groups, .. } => Subject::Elsewhere(login()?, groups.clone()),
    };
    Some(Opened { key, claims, subject })
}

impl Opened {
    /// What it may be used for.
    pub(super) fn grants(&self) -> Grants {
        Grants::of_scopes(&self.claims.access)
    }

    /// Whether it may be used for pulling through dependency proxies.
    pub(super) fn pulls(&self) -> Pulls {
        if self.claims.proxy { Pulls::Yes } else { Pulls::WithAnotherToken }
    }

    /// Whether what it rested on is what there is now.
    pub(super) fn rests_on(&self, basis: &Basis) -> bool {
        let secret = &self.key.secret;
        match (&self.claims.basis, basis) {
            (Claim::Nobody, Basis::Nobody) => true,
            (
                Claim::Account { created, password },
                Basis::Account { created: now, password: p },
            ) => *created == now.0 && is_sealed(secret, password, p),
            (Claim::Token { id, created }, Basis::Token { id: now_id, created: now }) => {
                *id == now_id.0 && *created == now.0
            }
            (Claim::Deploy { id, created }, Basis::Deploy { id: now_id, created: now }) => {
                *id == now_id.0 && *created == now.0
            }
            (Claim::Elsewhere { password, .. }, Basis::Elsewhere { password: now, .. }) => {
                match (password, now) {
                    (None, None) => true,
                    (Some(password), Some(now)) => is_sealed(secret, password, now),
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

fn claim(basis: &Basis, key: &SigningKey) -> Option<Claim> {
    let sealed = |password: &[u8; 32]| seal(&key.secret, password).map(|code| hex(&code));
    Some(match basis {
        Basis::Nobody => Claim::Nobody,
        Basis::Account { created, password } => {
            Claim::Account { created: created.0, password: sealed(password)? }
        }
        Basis::Token { id, created } => Claim::Token { id: id.0, created: created.0 },
        Basis::Deploy { id, created } => Claim::Deploy { id: id.0, created: created.0 },
        Basis::Elsewhere { groups, password } => {
            let password = match password {
                Some(password) => Some(sealed(password)?),
                None => None,
            };
            Claim::Elsewhere { groups: groups.clone(), password }
        }
    })
}

/// What stands for a stored password: no signature of a token is made of such a message.
fn seal(secret: &[u8], password: &[u8; 32]) -> Option<[u8; 32]> {
    hs256::code(secret, &[b"password ", &password[..]].concat())
}

fn is_sealed(secret: &[u8], claimed: &str, password: &[u8; 32]) -> bool {
    let claimed = Digest::parse(claimed).map(|digest| digest.0);
    claimed.zip(seal(secret, password)).is_some_and(|(claimed, now)| is_same(&claimed, &now))
}

#[cfg(test)]
mod tests;
