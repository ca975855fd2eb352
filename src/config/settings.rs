//! The settings as the rest of the roof reads them: one struct for each concern.
//!
//! Deliberately absent: how they are written down (`setting.rs`) and read (`config.rs`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::values::{AuthMode, LogFilter, PublicUrl, Realm, UrlPrefix};
pub use crate::access::ldap::Settings as Ldap;
use crate::model::{CommandLine, NamePattern, Networks, UntaggedRules};

const MIB: u64 = 1 << 20;

/// Blobs of up to this many bytes are kept in the database instead of in a file of their own.
/// A little below a power of two, so that the row with its key fits the page of that size.
pub const INLINE_MAX_BYTES: u64 = (16 << 10) - 64;

/// Every setting, with defaults that suit a small machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the server keeps its data and how it is reached.
    pub server: Server,
    /// How bytes are kept.
    pub store: Store,
    /// What is kept free on the disk.
    pub space: Space,
    /// When and how fast garbage goes.
    pub sweeper: Sweeper,
    /// What one upload may take.
    pub uploads: Uploads,
    /// Rules of the artifact tree.
    pub tree: Tree,
    /// Rules of the container registry.
    pub registry: Registry,
    /// Which registries are cached, and how they are asked.
    pub proxy: Proxy,
    /// Rules of the package registry.
    pub package: Package,
    /// Which servers releases go to.
    pub publish: Publish,
    /// The directory that knows people.
    pub ldap: Ldap,
    /// What is run when the upload of a format is finished.
    pub post_process: PostProcess,
    /// What users get.
    pub users: Users,
    /// Who may do what.
    pub access: Access,
    /// Who may use the server, and how that is found out.
    pub auth: Auth,
    /// What is logged.
    pub log: Log,
}

/// Rules of the container registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// How long a repository keeps what no manifest names yet, or any more.
    pub upload_link: Duration,
    /// How long a token of `/jwt/auth` is worth something.
    pub token_lifetime: Duration,
    /// How long repositories keep untagged manifests.
    pub untagged: UntaggedRules,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            upload_link: crate::store::UPLOAD_LINK,
            token_lifetime: Duration::from_secs(5 * 60),
            untagged: UntaggedRules::default(),
        }
    }
}

/// Which registries are cached, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// The upstream of groups that name none.
    pub upstream: Option<PublicUrl>,
    /// Networks that are asked besides public ones.
    pub allow: Networks,
    /// Longest wait where something cached can be served instead.
    pub patience: Duration,
    /// Longest silence where nothing can be.
    pub timeout: Duration,
    /// For so long after an upstream told a tag's digest it is not asked again.
    pub fresh: Duration,
    /// Requests to one upstream at once.
    pub requests: u32,
    /// The key of sealed credentials; `None`: `proxy.key` in the data folder.
    pub key_file: Option<PathBuf>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            upstream: PublicUrl::parse(crate::proxy::DOCKER_HUB).ok(),
            allow: Networks::none(),
            patience: Duration::from_secs(2),
            timeout: Duration::from_secs(60),
            fresh: Duration::ZERO,
            requests: 32,
            key_file: None,
        }
    }
}

impl Proxy {
    /// What the client of upstreams needs, for a server with this data folder.
    #[must_use]
    pub fn upstreams(&self, data: &std::path::Path) -> crate::proxy::Settings {
        let upstream = self.upstream.as_ref().map(ToString::to_string);
        let key_file = self.key_file.clone();
        crate::proxy::Settings {
            upstream: upstream.unwrap_or_else(|| crate::proxy::DOCKER_HUB.to_owned()),
            allow: self.allow.clone(),
            patience: self.patience,
            timeout: self.timeout,
            requests_max: self.requests,
            key_file: key_file.unwrap_or_else(|| data.join(crate::proxy::seal::KEY_FILE)),
        }
    }
}

/// Rules of the package registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Memory in bytes for what was built for clients.
    pub pages_memory: u64,
    /// Largest file in bytes of a generic package; zero: no limit but the disk's.
    pub generic_max: u64,
    /// Largest tarball in bytes of npm; zero: no limit but the disk's.
    pub npm_max: u64,
    /// Largest file in bytes of Maven; zero: no limit but the disk's.
    pub maven_max: u64,
    /// Largest file in bytes of `PyPI`; zero: no limit but the disk's.
    pub pypi_max: u64,
}

impl Default for Package {
    fn default() -> Self {
        Self {
            pages_memory: crate::packages::PAGES_MEMORY,
            generic_max: 5 << 30,
            npm_max: 500 * MIB,
            maven_max: 3 << 30,
            pypi_max: 3 << 30,
        }
    }
}

/// Where the server keeps its data and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The folder that holds everything; one process at a time has it open.
    pub data: PathBuf,
    /// Loopback, unless people log in; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The address that people use, when it is not the one listened on.
    pub public_url: Option<PublicUrl>,
    /// Connections served at once; more of them wait.
    pub max_connections: u32,
    /// How long an orderly stop waits for requests in progress.
    pub stop_deadline: Duration,
    /// The header that lets a proxy in front send files itself.
    pub sendfile_header: Option<HeaderName>,
    /// What it says in place of the data folder, where the proxy wants a URL.
    pub sendfile_prefix: Option<UrlPrefix>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            data: PathBuf::from("larder-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1337)),
            public_url: None,
            max_connections: 1024,
            stop_deadline: Duration::from_secs(30),
            sendfile_header: None,
            sendfile_prefix: None,
        }
    }
}

/// How bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// How long a blob stays after its last reference went, or after a client was told that
    /// it need not send it.
    pub lease: Duration,
    /// Largest blob in bytes that is kept in the database; larger ones are files.
    pub inline_max: u64,
    /// Memory in bytes that the database may use as its cache.
    pub cache: u64,
    /// Longest piece of background work in one write transaction (invariant I7).
    pub slice: Duration,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10 * 60),
            inline_max: INLINE_MAX_BYTES,
            cache: 64 * MIB,
            slice: Duration::from_millis(5),
        }
    }
}

/// What is kept free on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Uploads are refused when fewer bytes than this are free.
    pub reserve: u64,
    /// Size in bytes of the file that is given up so that deleting works on a full disk.
    pub ballast: u64,
}

impl Default for Space {
    fn default() -> Self {
        Self { reserve: 32 * MIB, ballast: 4 * MIB }
    }
}

/// When and how fast garbage goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweeper {
    /// Time between two full runs; zero: only when asked.
    pub sweep_period: Duration,
    /// Workers that unlink files; zero: unlinking is paused.
    pub unlink_capacity: u32,
    /// Leases that end within this time of each other are collected in one run.
    pub lease_grouping: Duration,
}

impl Default for Sweeper {
    fn default() -> Self {
        Self {
            sweep_period: Duration::from_secs(24 * 60 * 60),
            unlink_capacity: 2,
            lease_grouping: Duration::from_secs(5),
        }
    }
}

/// What one upload may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// Largest upload in bytes; zero: no limit but the disk's.
    pub max_upload: u64,
    /// An upload that sends nothing for this long is given up.
    pub upload_idle: Duration,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { max_upload: 0, upload_idle: Duration::from_secs(60) }
    }
}

/// Rules of the artifact tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Formats whose name starts with a match are internal: never published, and they can be
    /// written into a locked job (spec dlrepo §7).
    pub internal_format_filter: Option<NamePattern>,
}

/// Which servers releases go to, and how they are asked (spec dlrepo §12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Addresses of the targets; without any a release is a flag.
    pub url: Vec<PublicUrl>,
    /// A file with `login:password` for all of them.
    pub auth: Option<PathBuf>,
    /// A command that is asked whether a tag goes to a target.
    pub filter_cmd: Option<PathBuf>,
    /// Longest duration of one request.
    pub timeout: Duration,
    /// Most requests to one target at once.
    pub max_requests: u32,
    /// A file with certificates that are trusted besides those of the system.
    pub ca: Option<PathBuf>,
    /// The wait after a first failure; it doubles up to an hour.
    pub retry: Duration,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            url: Vec::new(),
            auth: None,
            filter_cmd: None,
            timeout: Duration::from_secs(300),
            max_requests: 4,
            ca: None,
            retry: Duration::from_secs(10),
        }
    }
}

/// What is run when the upload of a format is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostProcess {
    /// The command.
    pub post_process: Option<CommandLine>,
    /// Only formats with a file whose path starts with a match; `None`: all of them.
    pub post_process_filter: Option<NamePattern>,
    /// How long one run may take.
    pub post_process_timeout: Duration,
    /// Runs at the same time.
    pub post_process_runs: u32,
    /// Most bytes of a run's output that are logged.
    pub post_process_output: u64,
}

impl Default for PostProcess {
    fn default() -> Self {
        Self {
            post_process: None,
            post_process_filter: None,
            post_process_timeout: Duration::from_secs(10 * 60),
            post_process_runs: 2,
            post_process_output: MIB,
        }
    }
}

/// Who may use the server, and how that is found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether anybody is asked.
    pub auth: AuthMode,
    /// Whether a server that asks nobody may listen beyond loopback.
    pub open_to_everybody: bool,
    /// What browsers show when they ask.
    pub auth_realm: Realm,
    /// People with passwords and groups, one on each line.
    pub auth_file: Option<PathBuf>,
    /// The header in which a proxy tells the login.
    pub http_login_header: Option<HeaderName>,
    /// The header in which a proxy tells the groups.
    pub http_groups_header: Option<HeaderName>,
    /// Whose headers are believed.
    pub trusted_proxies: Networks,
    /// Successful logins that are remembered.
    pub auth_cache_size: u32,
    /// For how long.
    pub auth_cache_ttl: Duration,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            auth: AuthMode::On,
            open_to_everybody: false,
            auth_realm: Realm::default(),
            auth_file: None,
            http_login_header: None,
            http_groups_header: None,
            trusted_proxies: Networks::local(),
            auth_cache_size: 4096,
            auth_cache_ttl: Duration::from_secs(10 * 60),
        }
    }
}

/// What users get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// Logical bytes that each user's repository may hold; zero: no limit.
    pub quota: u64,
}

impl Default for Users {
    fn default() -> Self {
        Self { quota: 10 << 30 }
    }
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The folder with a file of rights for each group.
    pub acls_dir: Option<PathBuf>,
}

/// What is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Level, for all or for each part.
    pub log: LogFilter,
}
