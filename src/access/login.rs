//! [`Logins`]: who is asking, from what a request carries (spec dlrepo §15).
//!
//! Local accounts and tokens always count, so that an administrator gets in whatever other back
//! ends do; beside them at most one [`super::backend`] is asked, and only about logins that have
//! no account here. Defends I9: a login is a canonical name from here on.
//! What a success rests on is looked at again with every request: a password that was changed, an
//! account that was deleted and a token that was revoked are worth nothing from that commit on.
//! Deliberately absent: what somebody may do ([`super::Access`]), and header syntax.

mod deploy;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::backend::{self, Backend, Lane, ProxyHeaders, Sources};
use super::cache::{CacheKey, LoginCache, Proof};
pub use super::identity::{Basis, Extent, Identity, Pulls, Reach};
use super::password::{self, Secret};
use super::registry_token::{self, Subject};
use super::throttle::{Admission, Origin, Throttle};
use super::tokens::{DeployTokenText, TokenText, TokenUses};
use crate::model::{Account, Networks, Rank, Token, TokenId, TokenOwner, UserName};
use crate::store::{Store, View};

/// How logins are checked.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The back ends besides the local accounts.
    pub sources: Sources,
    /// Whose headers are believed.
    pub trusted: Networks,
    /// Successful logins that are remembered.
    pub cache_size: usize,
    /// For how long.
    pub cache_time: Duration,
}

/// What a request says about who is asking.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A login, not empty, and a password or token.
    Basic {
        /// As it was sent.
        login: String,
        /// The password, or a token.
        password: String,
    },
    /// A token.
    Token(String),
    /// A deploy token without its login.
    Deploy(String),
    /// A token of the registry, which is worth something there alone.
    Registry(String),
    /// What a trusted proxy says.
    Proxy {
        /// As it was sent, not empty.
        login: String,
        /// Joined by commas.
        groups: String,
    },
}

/// Why nobody is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The credentials are wrong, or their owner is in no group.
    #[error("the login or the password is wrong")]
    Refused,
    /// Too many were wrong before.
    #[error("too many logins have failed, try again in {} s", retry_after.as_secs().max(1))]
    Slow {
        /// When to try again.
        retry_after: Duration,
    },
    /// Whoever knows cannot be asked; the text is for the log.
    #[error("it cannot be found out who is asking: {0}")]
    Unavailable(String),
}

impl From<crate::store::Error> for LoginError {
    fn from(error: crate::store::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What can be told at once.
#[derive(Debug, PartialEq, Eq)]
pub enum Glance {
    /// Who it is.
    Known(Identity),
    /// A password has to be checked, by [`Logins::identify`] on a thread that may block.
    Check {
        /// What it keeps busy.
        lane: Lane,
        /// How long to wait before.
        wait: Duration,
    },
}

impl Credentials {
    /// What stands for somebody without their login.
    #[must_use]
    pub fn of_bearer(text: String) -> Self {
        match DeployTokenText::parse(&text) {
            Some(_) => Self::Deploy(text),
            None => Self::Token(text),
        }
    }
}

/// Tells who is asking.
pub struct Logins {
    store: Store,
    sources: Sources,
    trusted: Networks,
    backend: RwLock<Arc<Backend>>,
    cache: LoginCache,
    throttle: Throttle,
    uses: Arc<TokenUses>,
    warned_of_headers: AtomicBool,
}

impl Logins {
    /// Reads the auth file, if there is to be one.
    ///
    /// # Errors
    /// [`backend::Error`].
    pub fn open(
        store: Store,
        uses: Arc<TokenUses>,
        options: Options,
    ) -> Result<Self, backend::Error> {
        let Options { sources, trusted, cache_size, cache_time } = options;
        Ok(Self {
            store,
            trusted,
            backend: RwLock::new(Arc::new(Backend::open(&sources)?)),
            sources,
            cache: LoginCache::new(cache_size, cache_time),
            throttle: Throttle::new(),
            uses,
            warned_of_headers: AtomicBool::new(false),
        })
    }

    /// Reads the auth file again and forgets all logins. One that cannot be read leaves the old
    /// one in force.
    ///
    /// # Errors
    /// [`backend::Error`].
    pub fn reload(&self) -> Result<(), backend::Error> {
        let backend = Arc::new(Backend::open(&self.sources)?);
        *self.backend.write().unwrap_or_else(PoisonError::into_inner) = backend;
        self.cache.clear();
        Ok(())
    }

    /// The headers that nobody but a trusted proxy may send.
    #[must_use]
    pub fn headers(&self) -> Option<&ProxyHeaders> {
        self.sources.headers.as_ref()
    }

    /// Whether somebody besides the local accounts can tell who people are.
    #[must_use]
    pub fn asks_elsewhere(&self) -> bool {
        let Sources { headers, ldap, file } = &self.sources;
        headers.is_some() || ldap.is_some() || file.is_some()
    }

    /// Whether headers from this address are believed; `None` is a Unix socket.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.trusted.contain(peer)
    }

    /// Notes that a proxy's headers came from elsewhere; the log is told once.
    pub fn distrust(&self, peer: Option<IpAddr>) {
        let is_news = !self.warned_of_headers.swap(true, Ordering::Relaxed);
        let level = if is_news { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            level,
            "a login in a header is ignored, since {peer:?} is no trusted proxy: if it is one, \
             name it with --trusted-proxies"
        );
    }

    /// What can be told without hashing a password and without asking another server.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn glance(&self, credentials: &Credentials, from: Origin) -> Result<Glance, LoginError> {
        match credentials {
            Credentials::None => Ok(Glance::Known(Identity::anonymous())),
            Credentials::Token(text) => self.by_token(text).map(Glance::Known),
            Credentials::Deploy(text) => self.by_deploy_token(text, None).map(Glance::Known),
            Credentials::Registry(text) => self.by_registry_token(text).map(Glance::Known),
            Credentials::Proxy { login, groups } => proxied(login, groups).map(Glance::Known),
            Credentials::Basic { password, .. } if TokenText::parse(password).is_some() => {
                self.by_token(password).map(Glance::Known)
            }
            Credentials::Basic { login, password }
                if DeployTokenText::parse(password).is_some() =>
            {
                self.by_deploy_token(password, Some(login)).map(Glance::Known)
            }
            Credentials::Basic { login, password } => {
                self.glance_at_password(login, password, from)
            }
        }
    }

    /// Who is asking. May take long.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn identify(
        &self,
        credentials: &Credentials,
        from: Origin,
    ) -> Result<Identity, LoginError> {
        match self.glance(credentials, from)? {
            Glance::Known(identity) => Ok(identity),
            Glance::Check { .. } => match credentials {
                Credentials::Basic { login, password } => {
                    let login = UserName::parse(login).map_err(|_| LoginError::Refused)?;
                    self.by_password(&login, password, from)
                }
                _ => Err(LoginError::Refused),
            },
        }
    }

    fn glance_at_password(
        &self,
        login: &str,
        password: &str,
        from: Origin,
    ) -> Result<Glance, LoginError> {
        let login = UserName::parse(login).map_err(|_| LoginError::Refused)?;
        if password.is_empty() {
            // Some directories take it for a login of nobody, and let it pass.
            return Err(LoginError::Refused);
        }
        let account = self.store.view()?.account(&login)?;
        let key = self.cache.key(&login, password);
        if let Some(identity) = self.remembered(&key, &login, account.as_ref())? {
            return Ok(Glance::Known(identity));
        }
        let lane = match account {
            Some(_) => Lane::Hash,
            None => self.backend().lane(),
        };
        match self.throttle.admit(from, &login, self.now()) {
            Admission::After(wait) => Ok(Glance::Check { lane, wait }),
            Admission::Refuse(retry_after) => Err(LoginError::Slow { retry_after }),
        }
    }

    /// What the cache knows, if it still holds.
    fn remembered(
        &self,
        key: &CacheKey,
        login: &UserName,
        account: Option<&Account>,
    ) -> Result<Option<Identity>, LoginError> {
        match (self.cache.get(key, self.now()), account) {
            (Some(Proof::Account(hash)), Some(account)) if hash == account.hash => {
                Identity::of_account(login.clone(), account.clone()).map(Some)
            }
            (Some(Proof::Groups(groups)), None) => {
                let password = self.backend().password(login);
                Identity::of_elsewhere(login.clone(), groups, password).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn by_password(
        &self,
        login: &UserName,
        password: &str,
        from: Origin,
    ) -> Result<Identity, LoginError> {
        let began = self.cache.generation();
        let found = match self.store.view()?.account(login)? {
            Some(account) => by_account(login, account, password)?,
            None => self.by_backend(login, password)?,
        };
        let Some((proof, identity)) = found else {
            self.throttle.failed(from, login, self.now());
            let shown = login.as_str().escape_default();
            log::info!("a login as {shown} failed, from {from}");
            return Err(LoginError::Refused);
        };
        let key = self.cache.key(login, password);
        self.throttle.succeeded(from, login);
        self.cache.put(key, proof, began, self.now());
        Ok(identity)
    }

    /// Somebody without an account. It takes as long for a login that nobody knows.
    fn by_backend(&self, login: &UserName, password: &str) -> Result<Option<Found>, LoginError> {
        let backend = self.backend();
        let Some(groups) = backend.login(login, password)? else {
            if !backend.took_time(login) {
                // Only the time that it takes matters.
                let _ = decoy().matches(password);
            }
            return Ok(None);
        };
        let proof = Proof::Groups(groups.clone());
        let identity = Identity::of_elsewhere(login.clone(), groups, backend.password(login))?;
        Ok(Some((proof, identity)))
    }

    fn by_token(&self, text: &str) -> Result<Identity, LoginError> {
        let text = TokenText::parse(text).ok_or(LoginError::Refused)?;
        let view = self.store.view()?;
        let token = view.token(text.id)?.filter(|token| text.is_of(token));
        self.by_token_row(&view, text.id, token.ok_or(LoginError::Refused)?)
    }

    fn by_token_row(&self, view: &View, id: TokenId, token: Token) -> Result<Identity, LoginError> {
        let now = self.store.clock().now();
        if !token.is_valid_at(now) {
            return Err(LoginError::Refused);
        }
        let (groups, rank) = self.owner(view, &token)?;
        let basis = Basis::Token { id, created: token.created };
        let identity = Identity::of(token.user, groups, rank, basis)?;
        self.uses.note(id, now);
        Ok(Identity { reach: Reach::of(&token.scopes), ..identity })
    }

    /// What the owner of a registry's token is now, as far as the token reaches.
    fn by_registry_token(&self, text: &str) -> Result<Identity, LoginError> {
        let view = self.store.view()?;
        let made = registry_token::key_of(text).ok_or(LoginError::Refused)?;
        let key = view.signing_key(made)?.ok_or(LoginError::Refused)?;
        let token = registry_token::open(text, key, self.store.clock().now());
        let token = token.ok_or(LoginError::Refused)?;
        let identity = self.present(&view, &token.subject)?;
        if !token.rests_on(&identity.basis) {
            return Err(LoginError::Refused);
        }
        let reach = identity.reach.clone().narrowed(token.grants(), token.pulls());
        Ok(Identity { reach, ..identity })
    }

    fn present(&self, view: &View, subject: &Subject) -> Result<Identity, LoginError> {
        match subject {
            Subject::Nobody => Ok(Identity::anonymous()),
            Subject::Account(login) => {
                let account = view.account(login)?.ok_or(LoginError::Refused)?;
                Identity::of_account(login.clone(), account)
            }
            Subject::Token(id) => {
                let token = view.token(*id)?.ok_or(LoginError::Refused)?;
                self.by_token_row(view, *id, token)
            }
            Subject::Deploy(id) => {
                let token = view.deploy_token(*id)?.ok_or(LoginError::Refused)?;
                self.by_deploy_row(*id, token)
            }
            Subject::Elsewhere(login, groups) => {
                if view.account(login)?.is_some() {
                    return Err(LoginError::Refused);
                }
                let backend = self.backend();
                let groups = backend.groups(login, groups);
                Identity::of_elsewhere(login.clone(), groups, backend.password(login))
            }
        }
    }

    /// What the owner of a token is now.
    fn owner(&self, view: &View, token: &Token) -> Result<(Vec<String>, Rank), LoginError> {
        let account = view.account(&token.user)?;
        match (&token.owner, account) {
            (TokenOwner::Account { created }, Some(account)) if account.created == *created => {
                Ok((account.groups, account.rank))
            }
            (TokenOwner::Elsewhere { groups }, None) => {
                Ok((self.backend().groups(&token.user, groups), Rank::Ordinary))
            }
            _ => Err(LoginError::Refused),
        }
    }

    fn backend(&self) -> Arc<Backend> {
        Arc::clone(&self.backend.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        self.store.clock().monotonic()
    }
}

/// Somebody whose password is right, and why that may be remembered.
type Found = (Proof, Identity);

fn by_account(
    login: &UserName,
    account: Account,
    password: &str,
) -> Result<Option<Found>, LoginError> {
    if !Secret::read(&account.hash).matches(password) {
        return Ok(None);
    }
    let proof = Proof::Account(account.hash.clone());
    Ok(Some((proof, Identity::of_account(login.clone(), account)?)))
}

fn proxied(login: &str, groups: &str) -> Result<Identity, LoginError> {
    let login = UserName::parse(login.trim()).map_err(|_| LoginError::Refused)?;
    let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty());
    Identity::of_elsewhere(login, groups.map(str::to_owned).collect(), None)
}

/// What the passwords of unknown logins are compared with.
fn decoy() -> &'static Secret {
    static DECOY: OnceLock<Secret> = OnceLock::new();
    DECOY.get_or_init(|| match password::hash(&password::generate()) {
        Ok(hash) => Secret::Argon2(hash),
        Err(_) => Secret::Plain(password::generate()),
    })
}

#[cfg(test)]
mod tests;
