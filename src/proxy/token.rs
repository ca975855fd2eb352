//! [`Passes`]: what lets this server into an upstream: its login, or tokens that are asked for when
//! they are needed and kept until they end, one for each repository (spec gitlab §1.6).
//!
//! They belong to one set of credentials: another has passes of its own.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lru::LruCache;
use serde::Deserialize;
use url::Url;

use super::address::Base;
use super::answer::{Body, Pace};
use super::challenge::{Bearer, Challenge};
use super::exchange::{Downgrade, Exchange, Question};
use super::network::Network;
use super::unanswered::{Unanswered, shown};

/// Repositories whose tokens are kept.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Longest answer of a token service, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long a token is good for that says nothing about it.
const LIFETIME: Duration = Duration::from_secs(60);
/// Longest time that a token is kept, whatever it says.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A token is not used any more when it ends so soon (or in a tenth of its life).
const MARGIN: Duration = Duration::from_secs(5);

/// A login for an upstream.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) identity: String,
    pub(super) secret: String,
}

/// What lets this server into one upstream with one login, or with none.
pub(super) struct Passes {
    base: Base,
    network: Arc<Network>,
    login: Option<HeaderValue>,
    /// What the upstream wants of everybody, once that is known.
    usual: Mutex<Option<Challenge>>,
    slots: Mutex<LruCache<String, Arc<Slot>>>,
}

/// The token of one repository. One at a time asks for it.
#[derive(Default)]
struct Slot {
    held: tokio::sync::Mutex<Held>,
    /// How often asking for it failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct Held {
    challenge: Option<Bearer>,
    token: Option<Token>,
    /// What the last one who asked was told.
    failure: Option<Failure>,
}

struct Token {
    header: HeaderValue,
    /// On the monotonic clock.
    until: Duration,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Unanswered(Unanswered),
    /// Whoever gives tokens refused.
    Refused {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
}

impl From<Unanswered> for Failure {
    fn from(error: Unanswered) -> Self {
        Self::Unanswered(error)
    }
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Passes {
    pub(super) fn new(base: Base, network: Arc<Network>, login: Option<&Login>) -> Self {
        Self {
            base,
            network,
            login: login.and_then(basic),
            usual: Mutex::new(None),
            slots: Mutex::new(LruCache::new(KEPT_MAX)),
        }
    }

    /// What to send with the first question about a repository; `None`: nothing is known yet.
    pub(super) async fn known(
        &self,
        exchange: &Exchange,
        path: &str,
        now: Duration,
    ) -> Result<Option<HeaderValue>, Failure> {
        let usual = self.usual().clone();
        let slot = match usual {
            Some(Challenge::Basic) => return Ok(self.login.clone()),
            Some(Challenge::Bearer(_)) => self.slot(path),
            None => match self.slots().get(path) {
                Some(slot) => Arc::clone(slot),
                None => return Ok(None),
            },
        };
        let usual = match usual {
            Some(Challenge::Bearer(bearer)) => Some(bearer),
            _ => None,
        };
        self.token(exchange, path, &slot, usual, None, now).await
    }

    /// What to send instead of `used`, which was refused with this challenge; `None`: there is
    /// nothing better.
    pub(super) async fn better(
        &self,
        exchange: &Exchange,
        path: &str,
        challenge: Challenge,
        used: Option<&HeaderValue>,
        now: Duration,
    ) -> Result<Option<HeaderValue>, Failure> {
        match challenge {
            Challenge::Basic => {
                *self.usual() = Some(Challenge::Basic);
                Ok(self.login.clone().filter(|login| used != Some(login)))
            }
            Challenge::Bearer(bearer) => {
                let usual = Bearer { scope: None, ..bearer.clone() };
                if bearer.scope.as_ref().is_none_or(|scope| *scope == scope_of(path)) {
                    *self.usual() = Some(Challenge::Bearer(usual));
                }
                let slot = self.slot(path);
                self.token(exchange, path, &slot, Some(bearer), used, now).await
            }
        }
    }

    /// The token that is held if it is good and not the one that was refused, else a new one.
    async fn token(
        &self,
        exchange: &Exchange,
        path: &str,
        slot: &Slot,
        challenge: Option<Bearer>,
        refused: Option<&HeaderValue>,
        now: Duration,
    ) -> Result<Option<HeaderValue>, Failure> {
        let failures = slot.failures.load(Ordering::Acquire);
        let mut held = slot.held.lock().await;
        if let Some(token) = &held.token
            && token.until > now
            && refused != Some(&token.header)
        {
            return Ok(Some(token.header.clone()));
        }
        // Somebody else asked while this question waited, and was told no.
        if slot.failures.load(Ordering::Acquire) != failures
            && let Some(failure) = &held.failure
        {
            return Err(failure.clone());
        }
        held.token = None;
        let known = held.challenge.clone();
        let challenge = if refused.is_some() { challenge.or(known) } else { known.or(challenge) };
        let Some(challenge) = challenge else { return Ok(None) };
        held.challenge = Some(challenge.clone());
        match self.fetch(exchange, path, &challenge, now).await {
            Ok(token) => Ok(Some(held.token.insert(token).header.clone())),
            Err(failure) => {
                slot.failures.fetch_add(1, Ordering::AcqRel);
                held.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn fetch(
        &self,
        exchange: &Exchange,
        path: &str,
        challenge: &Bearer,
        now: Duration,
    ) -> Result<Token, Failure> {
        let url = challenge.url(path);
        self.may_have_login(&url).await?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (method, authorization) = (Method::GET, self.login.clone());
        let downgrade = Downgrade::Refused;
        let question = Question { method, url, headers, authorization, downgrade };
        let reply = exchange.ask(question).await?;
        let (head, body) = reply.response.into_parts();
        let pace = Pace { silence: exchange.silence(), deadline: None };
        let body = Body::coming(body, shown(&reply.from), pace, None);
        let body = body.whole(ANSWER_BYTES_MAX).await?;
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(Failure::Refused { status: head.status, headers: head.headers, body });
        }
        let read = read(&body, now);
        Ok(read.map_err(|why| Unanswered::Token { url: shown(&reply.from), why })?)
    }

    /// Another host than the upstream's gets the login only where nobody else reads it.
    async fn may_have_login(&self, realm: &Url) -> Result<(), Unanswered> {
        if self.login.is_none() || realm.scheme() == "https" || self.base.has(realm) {
            return Ok(());
        }
        let host = realm.host_str().unwrap_or_default();
        let port = realm.port_or_known_default().unwrap_or_default();
        if self.network.names_all(host, port).await {
            return Ok(());
        }
        Err(Unanswered::Cleartext { url: shown(realm) })
    }

    fn slot(&self, path: &str) -> Arc<Slot> {
        Arc::clone(self.slots().get_or_insert(path.to_owned(), Arc::default))
    }

    fn slots(&self) -> MutexGuard<'_, LruCache<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usual(&self) -> MutexGuard<'_, Option<Challenge>> {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bearer {
    /// The address that gives a token for a repository.
    fn url(&self, path: &str) -> Url {
        let mut url = self.realm.clone();
        let usual = scope_of(path);
        let mut query = url.query_pairs_mut();
        if let Some(service) = &self.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", self.scope.as_ref().unwrap_or(&usual));
        drop(query);
        url
    }
}

fn scope_of(path: &str) -> String {
    format!("repository:{path}:pull")
}

fn basic(login: &Login) -> Option<HeaderValue> {
    let Login { identity, secret } = login;
    let text = format!("Basic {}", STANDARD.encode(format!("{identity}:{secret}")));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// The token in the answer of a token service; what is wrong with it is said.
fn read(body: &[u8], now: Duration) -> Result<Token, String> {
    let given: Given =
        serde_json::from_slice(body).map_err(|_| "its answer is no such document".to_owned())?;
    let token = given.token.filter(|token| !token.is_empty()).or(given.access_token);
    let token = token.ok_or("there is none in its answer")?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "it cannot be sent in a header")?;
    header.set_sensitive(true);
    let lifetime = given.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let lifetime = lifetime.unwrap_or(LIFETIME).min(LIFETIME_MAX);
    Ok(Token { header, until: now + lifetime.saturating_sub(MARGIN.min(lifetime / 10)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_token_services_answer() {
        let at = Duration::from_secs;
        let until = |body: &str| read(body.as_bytes(), at(100)).map(|token| token.until);
        assert_eq!(until("{\"token\":\"a\"}"), Ok(at(155)));
        assert_eq!(until("{\"access_token\":\"a\",\"expires_in\":300}"), Ok(at(395)));
        assert_eq!(until("{\"token\":\"a\",\"expires_in\":0}"), Ok(at(155)));
        assert_eq!(until("{\"token\":\"a\",\"expires_in\":10}"), Ok(at(109)));
        let most = u64::MAX;
        let year = until(&format!("{{\"token\":\"a\",\"expires_in\":{most}}}"));
        assert_eq!(year, Ok(at(100) + LIFETIME_MAX.saturating_sub(MARGIN)));
        for bad in ["", "[]", "{}", "{\"token\":7}", "{\"token\":\"a\\nb\"}", "<html>"] {
            assert!(until(bad).is_err(), "{bad}");
        }
        let both =
            read(b"{\"token\":\"\",\"access_token\":\"b\"}", at(0)).unwrap_or_else(|_| panic!());
        assert_eq!(both.header, "Bearer b");
    }

    #[test]
    fn the_address_for_a_token_keeps_what_the_realm_has() {
        let realm = Url::parse("https://a/t?x=1").unwrap();
        let (service, scope) = (Some("s & t".to_owned()), None);
        let url = Bearer { realm, service, scope }.url("library/alpine");
        let wanted = "https://a/t?x=1&service=s+%26+t&scope=repository%3Alibrary%2Falpine%3Apull";
        assert_eq!(url.as_str(), wanted);
    }
}
