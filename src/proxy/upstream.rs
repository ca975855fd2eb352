//! [`Upstreams`]: which upstream a group has, and what is known of it.
//!
//! Deliberately absent: the group's record itself (`store`), and asking (`source`).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::address::{Base, Library, Names};
use super::exchange::Exchange;
use super::network::Network;
use super::places::Places;
use super::seal::Vault;
use super::source::Source;
use super::tls::Trust;
use super::token::{Login, Passes};
use super::via::Via;
use crate::clock::Clock;
use crate::model::{GroupId, Networks, ProxyGroup, Upstream, UpstreamCredentials};

/// Upstreams that are remembered with their tokens and outages.
const SOURCES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// What holds for all upstreams, and for groups that say nothing else.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the upstream of groups that name none.
    pub upstream: String,
    /// Networks that are asked besides public ones.
    pub allow: Networks,
    /// Longest wait of a short question.
    pub patience: Duration,
    /// Longest silence of an upstream that is asked with patience.
    pub timeout: Duration,
    /// Requests at once to one upstream.
    pub requests_max: u32,
    /// The file with the key of credentials.
    pub key_file: PathBuf,
}

/// All upstreams.
pub struct Upstreams {
    settings: Settings,
    network: Arc<Network>,
    trust: Trust,
    vault: Vault,
    via: Via,
    clock: Arc<dyn Clock>,
    sources: Mutex<LruCache<[u8; 32], Arc<Source>>>,
}

/// What makes one source another.
struct Wanted<'a> {
    base: Base,
    library: Library,
    certificates: Option<&'a str>,
    patience: Duration,
    requests_max: u32,
}

impl Upstreams {
    /// # Errors
    /// [`Error::Address`] for the default upstream.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Base::parse(&settings.upstream)?;
        Ok(Self {
            network: Arc::new(Network::new(settings.allow.clone())),
            trust: Trust::default(),
            vault: Vault::new(settings.key_file.clone()),
            via: Via::new(),
            sources: Mutex::new(LruCache::new(SOURCES_MAX)),
            settings,
            clock,
        })
    }

    /// The upstream of a group, with its credentials.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Certificates`], and why credentials do not open.
    pub fn of(&self, group: GroupId, proxy: &ProxyGroup) -> Result<Arc<Source>, Error> {
        let wanted = self.wanted(proxy.upstream.as_ref())?;
        let open = |sealed: &UpstreamCredentials| {
            let secret = self.vault.open(group, &wanted.base.shown(), sealed)?;
            Ok::<_, Error>(Login { identity: sealed.identity.clone(), secret })
        };
        let login = proxy.credentials.as_ref().map(open).transpose()?;
        let id = wanted.id(login.as_ref());
        if let Some(source) = self.sources().get(&id) {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(self.source(wanted, login)?);
        // Somebody else may have made it meanwhile.
        Ok(Arc::clone(self.sources().get_or_insert(id, || source)))
    }

    /// The upstreams that were asked since the start, as far as they are remembered.
    #[must_use]
    pub fn known(&self) -> Vec<Arc<Source>> {
        self.sources().iter().map(|(_, source)| Arc::clone(source)).collect()
    }

    /// The mark of this server's questions.
    #[must_use]
    pub fn via(&self) -> &Via {
        &self.via
    }

    /// Whether a group can have this upstream, as far as that can be said without asking it. Its
    /// address comes back in one form for all ways of writing it.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Certificates`].
    pub fn check(&self, upstream: &Upstream) -> Result<Upstream, Error> {
        let url = Base::parse(&upstream.url)?.shown();
        self.trust.with(upstream.certificates.as_deref())?;
        Ok(Upstream { url, ..upstream.clone() })
    }

    /// Seals credentials of a group for the upstream that it has, or will have.
    ///
    /// # Errors
    /// [`Error::Login`], [`Error::Address`], and why the key file cannot be used.
    pub fn seal(
        &self,
        group: GroupId,
        upstream: Option<&Upstream>,
        identity: &str,
        secret: &str,
    ) -> Result<UpstreamCredentials, Error> {
        let url = self.wanted(upstream)?.base.shown();
        self.vault.seal(group, &url, identity, secret)
    }

    fn wanted<'a>(&self, upstream: Option<&'a Upstream>) -> Result<Wanted<'a>, Error> {
        let Settings { patience, requests_max, .. } = self.settings;
        let Some(upstream) = upstream else {
            let base = Base::parse(&self.settings.upstream)?;
            let library = if base.is_docker_hub() { Library::Always } else { Library::Guess };
            return Ok(Wanted { base, library, certificates: None, patience, requests_max });
        };
        Ok(Wanted {
            base: Base::parse(&upstream.url)?,
            library: if upstream.has_library { Library::Always } else { Library::Never },
            certificates: upstream.certificates.as_deref(),
            patience: upstream.patience_ms.map_or(patience, Duration::from_millis),
            requests_max: upstream.requests_max.unwrap_or(requests_max),
        })
    }

    fn source(&self, wanted: Wanted<'_>, login: Option<Login>) -> Result<Source, Error> {
        let tls = self.trust.with(wanted.certificates)?;
        let network = Arc::clone(&self.network);
        let requests_max = usize::try_from(wanted.requests_max).unwrap_or(usize::MAX);
        Ok(Source {
            origin: wanted.origin(),
            key: wanted.key(login.as_ref()),
            names: Names::new(&wanted.base, wanted.library),
            passes: Passes::new(wanted.base.clone(), Arc::clone(&network), login.as_ref()),
            exchange: Exchange::new(network, tls, self.settings.timeout, &self.via),
            places: Places::new(requests_max),
            outage: Arc::default(),
            rate: Mutex::new(None),
            clock: Arc::clone(&self.clock),
            patience: wanted.patience,
            base: wanted.base,
            identity: login.map(|login| login.identity),
        })
    }

    fn sources(&self) -> MutexGuard<'_, LruCache<[u8; 32], Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted<'_> {
    /// What the upstream is known by.
    fn origin(&self) -> [u8; 32] {
        let library = match self.library {
            Library::Never => "never",
            Library::Always => "always",
            Library::Guess => "guess",
        };
        hash(b"larder upstream", &[&self.base.shown(), library, self.certificates.unwrap_or("")])
    }

    /// The same with the credentials.
    fn key(&self, login: Option<&Login>) -> [u8; 32] {
        let (identity, secret) =
            login.map_or(("", ""), |login| (login.identity.as_str(), login.secret.as_str()));
        hash(&self.origin(), &[identity, secret])
    }

    /// The same with the limits.
    fn id(&self, login: Option<&Login>) -> [u8; 32] {
        let limits = format!("{:?} {}", self.patience, self.requests_max);
        hash(&self.key(login), &[&limits])
    }
}

/// Each part counts with its length, so that no two lists of parts are the same bytes.
fn hash(of: &[u8], parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update(of);
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
