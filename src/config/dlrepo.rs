//! The variables of dlrepo, so that its service file keeps working (spec dlrepo §1, and its
//! manual page of the configuration, release 0.44).
//!
//! Those that mean something here are other names of our settings; the others are known, so
//! that an operator is told once that nobody acts on them.

use super::setting::Alias;

pub const ROOT_DIR: &str = "DLREPO_ROOT_DIR";
pub const LISTEN_ADDRESS: &str = "DLREPO_LISTEN_ADDRESS";
pub const LISTEN_PORT: &str = "DLREPO_LISTEN_PORT";
pub const PUBLIC_URL: &str = "DLREPO_PUBLIC_URL";
pub const ORPHAN_BLOB_LIFETIME: &str = "DLREPO_ORPHAN_BLOB_LIFETIME";
pub const TAG_CLEANUP_PERIOD: &str = "DLREPO_TAG_CLEANUP_PERIOD";
pub const INTERNAL_FORMAT_FILTER: &str = "DLREPO_INTERNAL_FORMAT_FILTER";
pub const PUBLISH_URL: &str = "DLREPO_PUBLISH_URL";
pub const PUBLISH_AUTH: &str = "DLREPO_PUBLISH_AUTH";
pub const PUBLISH_FILTER_CMD: &str = "DLREPO_PUBLISH_FILTER_CMD";
pub const PUBLISH_TIMEOUT: &str = "DLREPO_PUBLISH_TIMEOUT";
pub const PUBLISH_MAX_REQUESTS: &str = "DLREPO_PUBLISH_MAX_REQUESTS";
pub const LDAP_URL: &str = "DLREPO_LDAP_URL";
pub const LDAP_START_TLS: &str = "DLREPO_LDAP_START_TLS";
pub const LDAP_BASE_DN: &str = "DLREPO_LDAP_BASE_DN";
pub const LDAP_USER_FILTER: &str = "DLREPO_LDAP_USER_FILTER";
pub const LDAP_GROUPS_FILTER: &str = "DLREPO_LDAP_GROUPS_FILTER";
pub const LDAP_MAX_CONNECTIONS: &str = "DLREPO_LDAP_MAX_CONNECTIONS";
pub const LDAP_TIMEOUT: &str = "DLREPO_LDAP_TIMEOUT";
pub const POST_PROCESS_CMD: &str = "DLREPO_POST_PROCESS_CMD";
pub const POST_PROCESS_FILTER: &str = "DLREPO_POST_PROCESS_FILTER";
pub const X_SENDFILE_HEADER: &str = "DLREPO_X_SENDFILE_HEADER";
pub const USER_QUOTA: &str = "DLREPO_USER_QUOTA";
pub const ACLS_DIR: &str = "DLREPO_ACLS_DIR";
pub const LOG_LEVEL: &str = "DLREPO_LOG_LEVEL";
pub const AUTH_DISABLED: &str = "DLREPO_AUTH_DISABLED";
pub const AUTH_REALM: &str = "DLREPO_AUTH_REALM";
pub const AUTH_FILE: &str = "DLREPO_AUTH_FILE";
pub const AUTH_HTTP_LOGIN_HEADER: &str = "DLREPO_AUTH_HTTP_LOGIN_HEADER";
pub const AUTH_HTTP_GROUPS_HEADER: &str = "DLREPO_AUTH_HTTP_GROUPS_HEADER";
pub const AUTH_CACHE_SIZE: &str = "DLREPO_AUTH_CACHE_SIZE";
pub const AUTH_CACHE_TTL: &str = "DLREPO_AUTH_CACHE_TTL";
const IGNORE_PASSWORDS: &str = "DLREPO_IGNORE_PASSWORDS";

/// Variables of dlrepo's server that nothing here acts on.
pub const IGNORED: &[&str] = &[
    "DLREPO_CHUNK_SIZE",
    "DLREPO_LATEST_RELEASES",
    "DLREPO_LATEST_RELEASES_USER",
    "DLREPO_LOG_OUTPUT",
    "DLREPO_STATIC_DIR",
    "DLREPO_TEMPLATES_DIR",
];

impl Alias {
    /// The text that dlrepo's variables give in our words, with the names of those used.
    pub(super) fn read(&self, env: &impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
        match *self {
            Self::None => None,
            Self::Same(name) => env(name).map(|text| (name.to_owned(), text)),
            Self::OffWhenZero(name) => env(name).map(|text| (name.to_owned(), on_unless_0(&text))),
            Self::Disabled(name) => {
                // dlrepo takes exactly this for yes.
                let mode = |text: String| if text == "1" { "none" } else { "on" }.to_owned();
                env(name).map(|text| (name.to_owned(), mode(text)))
            }
            Self::PythonLevel(name) => env(name).map(|text| (name.to_owned(), level(&text))),
            Self::AddressAndPort(address, port) => {
                let used = [address, port].map(|name| env(name).map(|_| name));
                let used: Vec<_> = used.into_iter().flatten().collect();
                let text = address_and_port(env(address), env(port))?;
                Some((used.join(" with "), text))
            }
        }
    }
}

/// The warning that names what is set and ignored, if anything is.
pub fn warning(env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let set: Vec<_> = IGNORED.iter().copied().filter(|name| env(name).is_some()).collect();
    (!set.is_empty()).then(|| {
        format!(
            "these variables of dlrepo mean nothing here yet and are ignored: {}",
            set.join(", ")
        )
    })
}

/// A switch that only `0` turns off.
fn on_unless_0(text: &str) -> String {
    (text != "0").to_string()
}

/// Said when passwords are not to be checked: that is never done here.
pub fn passwords_warning(env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    env(IGNORE_PASSWORDS).filter(|text| text == "1").map(|_| {
        format!(
            "{IGNORE_PASSWORDS} is not followed: whoever knows a login could be anybody, so \
             passwords are always checked; for a server without people there is --auth none"
        )
    })
}

/// Our level for one of Python's; any other text is left for the setting to refuse.
fn level(python: &str) -> String {
    let python = python.trim();
    let ours = match python.to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" | "ERROR" => "error",
        "WARNING" | "WARN" => "warn",
        "INFO" => "info",
        "DEBUG" => "debug",
        "NOTSET" => "trace",
        _ => python,
    };
    ours.to_owned()
}

/// Both in one, with dlrepo's defaults for what is missing; `None` when both are.
fn address_and_port(address: Option<String>, port: Option<String>) -> Option<String> {
    if address.is_none() && port.is_none() {
        return None;
    }
    let address = address.unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = port.unwrap_or_else(|| "1337".to_owned());
    let (address, port) = (address.trim(), port.trim());
    // An IPv6 address needs brackets before its port.
    let brackets = address.contains(':').then_some(("[", "]"));
    let (open, close) = brackets.unwrap_or_default();
    Some(format!("{open}{address}{close}:{port}"))
}
