//! [`SETTINGS`]: the one declaration of every setting.
//!
//! The flag is the name; variable and key follow from it by one rule. A setting's default is in
//! [`Settings::default`] and its bounds are here; nothing else knows either.

mod packages;
mod proxy;
mod registry;

use std::time::Duration;

use super::dlrepo;
use super::error::{Error, Place, Refusal};
use super::kind::Kind;
use super::settings::Settings;

/// One setting: how it is called, what it is for, what it may be.
pub struct Setting {
    /// The section of the TOML file, and the heading in the help.
    pub section: &'static str,
    /// The flag without its dashes; the other names follow from it.
    pub flag: &'static str,
    /// One sentence, without default and allowed values.
    pub help: &'static str,
    /// What dlrepo calls it.
    pub alias: Alias,
    /// Which values it takes, and its field.
    pub kind: Kind,
}

/// A setting's variables in dlrepo.
pub enum Alias {
    /// There is none.
    None,
    /// The same value under this name.
    Same(&'static str),
    /// A switch that is off when the text is exactly `0`.
    OffWhenZero(&'static str),
    /// `1` when nobody is to log in.
    Disabled(&'static str),
    /// One of Python's level names.
    PythonLevel(&'static str),
    /// An address and a port in two variables, either of which may be missing.
    AddressAndPort(&'static str, &'static str),
}

impl Setting {
    /// The name within its section, which it does not repeat.
    #[must_use]
    pub fn name(&self) -> String {
        let rest = self.flag.strip_prefix(self.section).and_then(|rest| rest.strip_prefix('-'));
        rest.unwrap_or(self.flag).replace('-', "_")
    }

    /// The name that no other setting has: the flag, as a word.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// The key in the TOML file: `section.name`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name())
    }

    /// The environment variable: `LARDER_NAME`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("LARDER_{}", self.full_name().to_ascii_uppercase())
    }

    /// The error for `given`, which stands at `place` and has a `problem`.
    pub(super) fn refuse(&self, place: Place, given: &str, problem: impl Into<String>) -> Error {
        Error::Value(Box::new(Refusal {
            place,
            key: self.key(),
            given: given.to_owned(),
            problem: problem.into(),
            allowed: self.kind.allowed(),
        }))
    }

    /// The default in words that the setting reads; `None` when it is not set by default.
    #[must_use]
    pub fn default_text(&self) -> Option<String> {
        self.kind.get(&Settings::default())
    }
}

/// The data folder's setting: needed before the others, to find the file.
#[must_use]
pub fn data() -> &'static Setting {
    &SETTINGS[0]
}

const NO_TIME: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Every setting, section by section, in the order in which they are shown; the data folder
/// comes first.
pub static SETTINGS: &[Setting] = &[
    Setting {
        section: "server",
        flag: "data",
        help: "Folder that holds everything",
        alias: Alias::Same(dlrepo::ROOT_DIR),
        kind: Kind::Folder(|s| &mut s.server.data),
    },
    Setting {
        section: "server",
        flag: "listen",
        help: "Address and port to listen on; loopback only when nobody has to log in",
        alias: Alias::AddressAndPort(dlrepo::LISTEN_ADDRESS, dlrepo::LISTEN_PORT),
        kind: Kind::Listen(|s| &mut s.server.listen),
    },
    Setting {
        section: "server",
        flag: "public-url",
        help: "Address that people use, when a proxy in front gives it another",
        alias: Alias::Same(dlrepo::PUBLIC_URL),
        kind: Kind::Url(|s| &mut s.server.public_url),
    },
    Setting {
        section: "server",
        flag: "max-connections",
        help: "Connections served at once; more of them wait",
        alias: Alias::None,
        kind: Kind::Count(1..=100_000, |s| &mut s.server.max_connections),
    },
    Setting {
        section: "server",
        flag: "stop-deadline",
        help: "How long an orderly stop waits for requests in progress",
        alias: Alias::None,
        kind: Kind::Time(NO_TIME..=HOUR, |s| &mut s.server.stop_deadline),
    },
    Setting {
        section: "server",
        flag: "sendfile-header",
        help: "Header that lets a proxy in front send files itself, such as X-Accel-Redirect",
        alias: Alias::Same(dlrepo::X_SENDFILE_HEADER),
        kind: Kind::Header(|s| &mut s.server.sendfile_header),
    },
    Setting {
        section: "server",
        flag: "sendfile-prefix",
        help: "URL that stands for the data folder in that header, where the proxy wants one",
        alias: Alias::None,
        kind: Kind::UrlPrefix(|s| &mut s.server.sendfile_prefix),
    },
    Setting {
        section: "store",
        flag: "lease",
        help: "How long a blob stays after its last reference went",
        alias: Alias::Same(dlrepo::ORPHAN_BLOB_LIFETIME),
        kind: Kind::Time(NO_TIME..=YEAR, |s| &mut s.store.lease),
    },
    Setting {
        section: "store",
        flag: "inline-max",
        help: "Largest blob that is kept in the database instead of in a file",
        alias: Alias::None,
        kind: Kind::Size(0..=MIB, |s| &mut s.store.inline_max),
    },
    Setting {
        section: "store",
        flag: "cache",
        help: "Memory that the database may use as its cache",
        alias: Alias::None,
        kind: Kind::Size(MIB..=TIB, |s| &mut s.store.cache),
    },
    Setting {
        section: "store",
        flag: "slice",
        help: "Longest piece of background work while writers wait",
        alias: Alias::None,
        kind: Kind::Time(MILLISECOND..=SECOND, |s| &mut s.store.slice),
    },
    Setting {
        section: "space",
        flag: "reserve",
        help: "Uploads are refused when less than this is free on the disk",
        alias: Alias::None,
        kind: Kind::Size(0..=TIB, |s| &mut s.space.reserve),
    },
    Setting {
        section: "space",
        flag: "ballast",
        help: "Size of the file that is given up so that deleting works on a full disk",
        alias: Alias::None,
        kind: Kind::Size(0..=GIB, |s| &mut s.space.ballast),
    },
    Setting {
        section: "sweeper",
        flag: "sweep-period",
        help: "Time between two full sweeps; 0: only when asked",
        alias: Alias::Same(dlrepo::TAG_CLEANUP_PERIOD),
        kind: Kind::Time(NO_TIME..=YEAR, |s| &mut s.sweeper.sweep_period),
    },
    Setting {
        section: "sweeper",
        flag: "unlink-capacity",
        help: "Workers that unlink files, 8 at a time each; 0: unlinking is paused",
        alias: Alias::None,
        kind: Kind::Count(0..=64, |s| &mut s.sweeper.unlink_capacity),
    },
    Setting {
        section: "sweeper",
        flag: "lease-grouping",
        help: "Leases that end within this time of each other are collected in one run",
        alias: Alias::None,
        kind: Kind::Time(NO_TIME..=HOUR, |s| &mut s.sweeper.lease_grouping),
    },
    Setting {
        section: "uploads",
        flag: "max-upload",
        help: "Largest upload; 0: no limit but the disk's",
        alias: Alias::None,
        kind: Kind::Size(0..=1024 * TIB, |s| &mut s.uploads.max_upload),
    },
    Setting {
        section: "uploads",
        flag: "upload-idle",
        help: "An upload that sends nothing for this long is given up",
        alias: Alias::None,
        kind: Kind::Time(SECOND..=DAY, |s| &mut s.uploads.upload_idle),
    },
    Setting {
        section: "tree",
        flag: "internal-format-filter",
        help: "Formats whose name starts with a match are internal: they are never published",
        alias: Alias::Same(dlrepo::INTERNAL_FORMAT_FILTER),
        kind: Kind::Pattern(|s| &mut s.tree.internal_format_filter),
    },
    registry::UPLOAD_LINK,
    registry::UNTAGGED,
    registry::TOKEN_LIFETIME,
    proxy::UPSTREAM,
    proxy::ALLOW,
    proxy::PATIENCE,
    proxy::TIMEOUT,
    proxy::FRESH,
    proxy::REQUESTS,
    proxy::KEY_FILE,
    packages::PAGES_MEMORY,
    packages::GENERIC_MAX,
    packages::NPM_MAX,
    packages::MAVEN_MAX,
    packages::PYPI_MAX,
    Setting {
        section: "publish",
        flag: "publish-url",
        help: "Servers that released tags go to; without any a release is a flag",
        alias: Alias::Same(dlrepo::PUBLISH_URL),
        kind: Kind::Urls(|s| &mut s.publish.url),
    },
    Setting {
        section: "publish",
        flag: "publish-auth",
        help: "File with `login:password` for them",
        alias: Alias::Same(dlrepo::PUBLISH_AUTH),
        kind: Kind::File(|s| &mut s.publish.auth),
    },
    Setting {
        section: "publish",
        flag: "publish-filter-cmd",
        help: "Command that is asked with a server's address; not 0: the tag does not go there",
        alias: Alias::Same(dlrepo::PUBLISH_FILTER_CMD),
        kind: Kind::File(|s| &mut s.publish.filter_cmd),
    },
    Setting {
        section: "publish",
        flag: "publish-timeout",
        help: "Longest duration of one request to them, an upload included",
        alias: Alias::Same(dlrepo::PUBLISH_TIMEOUT),
        kind: Kind::Time(Duration::from_millis(1)..=DAY, |s| &mut s.publish.timeout),
    },
    Setting {
        section: "publish",
        flag: "publish-max-requests",
        help: "Requests to one of them at once",
        alias: Alias::Same(dlrepo::PUBLISH_MAX_REQUESTS),
        kind: Kind::Count(1..=256, |s| &mut s.publish.max_requests),
    },
    Setting {
        section: "publish",
        flag: "publish-ca",
        help: "File with certificates (PEM) that are trusted besides those of the system",
        alias: Alias::None,
        kind: Kind::File(|s| &mut s.publish.ca),
    },
    Setting {
        section: "publish",
        flag: "publish-retry",
        help: "Wait after a first failure; it doubles each time, up to an hour",
        alias: Alias::None,
        kind: Kind::Time(Duration::from_millis(1)..=HOUR, |s| &mut s.publish.retry),
    },
    Setting {
        section: "ldap",
        flag: "ldap-url",
        help: "Directory that knows who may log in",
        alias: Alias::Same(dlrepo::LDAP_URL),
        kind: Kind::LdapUrl(|s| &mut s.ldap.url),
    },
    Setting {
        section: "ldap",
        flag: "ldap-start-tls",
        help: "Whether a connection to an ldap:// address must be encrypted",
        alias: Alias::OffWhenZero(dlrepo::LDAP_START_TLS),
        kind: Kind::Switch(|s| &mut s.ldap.start_tls),
    },
    Setting {
        section: "ldap",
        flag: "ldap-ca",
        help: "PEM file of the authorities to trust instead of the system's",
        alias: Alias::None,
        kind: Kind::File(|s| &mut s.ldap.ca),
    },
    Setting {
        section: "ldap",
        flag: "ldap-base-dn",
        help: "Entry below which users and groups are",
        alias: Alias::Same(dlrepo::LDAP_BASE_DN),
        kind: Kind::Text(|s| &mut s.ldap.base_dn),
    },
    Setting {
        section: "ldap",
        flag: "ldap-user-filter",
        help: "Finds the one entry of the user `{login}`",
        alias: Alias::Same(dlrepo::LDAP_USER_FILTER),
        kind: Kind::LdapFilter(|s| &mut s.ldap.user_filter),
    },
    Setting {
        section: "ldap",
        flag: "ldap-groups-filter",
        help: "Finds the groups of the user `{login}` whose entry is `{dn}`",
        alias: Alias::Same(dlrepo::LDAP_GROUPS_FILTER),
        kind: Kind::LdapFilter(|s| &mut s.ldap.groups_filter),
    },
    Setting {
        section: "ldap",
        flag: "ldap-bind-dn",
        help: "Account that looks for users, when not everybody may",
        alias: Alias::None,
        kind: Kind::Text(|s| &mut s.ldap.bind_dn),
    },
    Setting {
        section: "ldap",
        flag: "ldap-bind-password-file",
        help: "File whose first line is the password of that account",
        alias: Alias::None,
        kind: Kind::File(|s| &mut s.ldap.bind_password_file),
    },
    Setting {
        section: "ldap",
        flag: "ldap-max-connections",
        help: "Connections to the directory at once; more logins wait",
        alias: Alias::Same(dlrepo::LDAP_MAX_CONNECTIONS),
        kind: Kind::Count(1..=1_000, |s| &mut s.ldap.max_connections),
    },
    Setting {
        section: "ldap",
        flag: "ldap-timeout",
        help: "How long one login may take, waiting for a connection included",
        alias: Alias::Same(dlrepo::LDAP_TIMEOUT),
        kind: Kind::Time(MILLISECOND..=HOUR, |s| &mut s.ldap.timeout),
    },
    Setting {
        section: "post_process",
        flag: "post-process",
        help: "Command that may change the files of a format when its upload is finished",
        alias: Alias::Same(dlrepo::POST_PROCESS_CMD),
        kind: Kind::Command(|s| &mut s.post_process.post_process),
    },
    Setting {
        section: "post_process",
        flag: "post-process-filter",
        help: "Only formats with a file whose path starts with a match are post-processed",
        alias: Alias::Same(dlrepo::POST_PROCESS_FILTER),
        kind: Kind::Pattern(|s| &mut s.post_process.post_process_filter),
    },
    Setting {
        section: "post_process",
        flag: "post-process-timeout",
        help: "How long one run of the command may take before it is killed",
        alias: Alias::None,
        kind: Kind::Time(Duration::from_millis(100)..=DAY, |s| {
            &mut s.post_process.post_process_timeout
        }),
    },
    Setting {
        section: "post_process",
        flag: "post-process-runs",
        help: "Runs at the same time, each for another format; more of them wait",
        alias: Alias::None,
        kind: Kind::Count(1..=64, |s| &mut s.post_process.post_process_runs),
    },
    Setting {
        section: "post_process",
        flag: "post-process-output",
        help: "Most of one run's output that is logged",
        alias: Alias::None,
        kind: Kind::Size(0..=GIB, |s| &mut s.post_process.post_process_output),
    },
    Setting {
        section: "users",
        flag: "quota",
        help: "Bytes that each user's repository may hold; 0: no limit",
        alias: Alias::Same(dlrepo::USER_QUOTA),
        kind: Kind::Size(0..=1024 * TIB, |s| &mut s.users.quota),
    },
    Setting {
        section: "access",
        flag: "acls-dir",
        help: "Folder with the rights of each group, one file named as the group",
        alias: Alias::Same(dlrepo::ACLS_DIR),
        kind: Kind::OptionalFolder(|s| &mut s.access.acls_dir),
    },
    Setting {
        section: "auth",
        flag: "auth",
        help: "Whether people log in; none: everybody may do everything",
        alias: Alias::Disabled(dlrepo::AUTH_DISABLED),
        kind: Kind::Auth(|s| &mut s.auth.auth),
    },
    Setting {
        section: "auth",
        flag: "open-to-everybody",
        help: "Whether a server where nobody logs in may listen beyond loopback",
        alias: Alias::None,
        kind: Kind::Switch(|s| &mut s.auth.open_to_everybody),
    },
    Setting {
        section: "auth",
        flag: "auth-realm",
        help: "What browsers show when they ask for a login",
        alias: Alias::Same(dlrepo::AUTH_REALM),
        kind: Kind::Realm(|s| &mut s.auth.auth_realm),
    },
    Setting {
        section: "auth",
        flag: "auth-file",
        help: "File of people beside the local accounts, with lines login:password:groups",
        alias: Alias::Same(dlrepo::AUTH_FILE),
        kind: Kind::File(|s| &mut s.auth.auth_file),
    },
    Setting {
        section: "auth",
        flag: "http-login-header",
        help: "Header in which a trusted proxy tells the login",
        alias: Alias::Same(dlrepo::AUTH_HTTP_LOGIN_HEADER),
        kind: Kind::Header(|s| &mut s.auth.http_login_header),
    },
    Setting {
        section: "auth",
        flag: "http-groups-header",
        help: "Header in which a trusted proxy tells the groups, joined by commas",
        alias: Alias::Same(dlrepo::AUTH_HTTP_GROUPS_HEADER),
        kind: Kind::Header(|s| &mut s.auth.http_groups_header),
    },
    Setting {
        section: "auth",
        flag: "trusted-proxies",
        help: "Whose login headers and X-Forwarded-For are believed",
        alias: Alias::None,
        kind: Kind::Networks(|s| &mut s.auth.trusted_proxies),
    },
    Setting {
        section: "auth",
        flag: "auth-cache-size",
        help: "Successful logins that are remembered; 0: none",
        alias: Alias::Same(dlrepo::AUTH_CACHE_SIZE),
        kind: Kind::Count(0..=1_000_000, |s| &mut s.auth.auth_cache_size),
    },
    Setting {
        section: "auth",
        flag: "auth-cache-ttl",
        help: "How long a successful login is remembered",
        alias: Alias::Same(dlrepo::AUTH_CACHE_TTL),
        kind: Kind::Time(NO_TIME..=DAY, |s| &mut s.auth.auth_cache_ttl),
    },
    Setting {
        section: "log",
        flag: "log",
        help: "What is logged: a level, or a level for each module",
        alias: Alias::PythonLevel(dlrepo::LOG_LEVEL),
        kind: Kind::Filter(|s| &mut s.log.log),
    },
];
