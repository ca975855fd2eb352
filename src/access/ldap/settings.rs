//! [`Settings`] of the directory, and its [`Url`].
//!
//! Deliberately absent: how settings are written down and read (the roof), and whether they fit
//! each other ([`super::Ldap::new`]).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use super::Filter;

/// Where the directory is and how it is asked (spec dlrepo §15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory's address; without one no directory is asked.
    pub url: Option<Url>,
    /// Whether a connection to an `ldap://` address must be encrypted with `StartTLS`.
    pub start_tls: bool,
    /// A file of PEM certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The entry below which users and groups are.
    pub base_dn: Option<String>,
    /// Finds the one entry of a login.
    pub user_filter: Option<Filter>,
    /// Finds the groups of a user.
    pub groups_filter: Option<Filter>,
    /// The account that looks for users; none: the directory lets anybody look.
    pub bind_dn: Option<String>,
    /// A file with that account's password.
    pub bind_password_file: Option<PathBuf>,
    /// Connections open at once; more logins wait.
    pub max_connections: u32,
    /// How long one login may take, waiting for a connection included.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            start_tls: true,
            ca: None,
            base_dn: None,
            user_filter: None,
            groups_filter: None,
            bind_dn: None,
            bind_password_file: None,
            max_connections: 4,
            timeout: Duration::from_secs(10),
        }
    }
}

/// The address of a directory: `ldap://` or `ldaps://`, a host, perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    scheme: Scheme,
    host: String,
    port: u16,
}

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `ldap://`: only once asked to.
    Ldap,
    /// `ldaps://`: from its first byte.
    Ldaps,
}

impl Url {
    /// What [`Url::parse`] takes.
    pub const ALLOWED: &str = "ldap://HOST or ldaps://HOST, with :PORT if need be";

    /// Reads an address without user, path and query. An IPv6 address is none that a
    /// certificate could be compared with, so a host has a name or an IPv4 address.
    pub fn parse(given: &str) -> Result<Self, String> {
        let given = given.trim();
        let uri: Uri = given.parse().map_err(|error| format!("{error}"))?;
        let scheme = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("ldap") => Scheme::Ldap,
            Some("ldaps") => Scheme::Ldaps,
            _ => return Err("it does not start with ldap:// or ldaps://".to_owned()),
        };
        if given.contains(['?', '#']) || !matches!(uri.path(), "" | "/") {
            return Err("it has a path or a query; the base is the setting ldap.base_dn".to_owned());
        }
        let authority = uri.authority().ok_or("it has no host")?;
        check_host(authority)?;
        let text = format!("{}://{authority}", scheme.name());
        let port = authority.port_u16().unwrap_or(scheme.port());
        Ok(Self { text, scheme, host: authority.host().to_owned(), port })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// What to connect to.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Ldap => "ldap",
            Self::Ldaps => "ldaps",
        }
    }

    /// The port where none is named.
    fn port(self) -> u16 {
        match self {
            Self::Ldap => 389,
            Self::Ldaps => 636,
        }
    }
}

fn check_host(authority: &Authority) -> Result<(), String> {
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err("it needs a host, and no user".to_owned());
    }
    if host.starts_with('[') {
        return Err("its host is an IPv6 address; use a name, as the certificate does".to_owned());
    }
    if authority.as_str() != host && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("its port is not a number from 1 to 65535".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (given, printed, host, port) in [
            ("ldap://ldap.example", "ldap://ldap.example", "ldap.example", 389),
            (" LDAPS://ldap.example/ ", "ldaps://ldap.example", "ldap.example", 636),
            ("ldap://127.0.0.1:3890", "ldap://127.0.0.1:3890", "127.0.0.1", 3890),
        ] {
            let url = Url::parse(given).unwrap();
            assert_eq!((url.to_string().as_str(), url.host_and_port()), (printed, (host, port)));
            assert_eq!(Url::parse(printed), Ok(url));
        }
        for (bad, why) in [
            ("", "empty"),
            ("ldap.example", "does not start with"),
            ("http://x", "does not start with"),
            ("ldapi://x", "does not start with"),
            ("ldap://x/dc=acme", "ldap.base_dn"),
            ("ldap://x?cn", "ldap.base_dn"),
            ("ldap://u:p@x", "no user"),
            ("ldap://x:99999", "port"),
            ("ldap://x:", "port"),
            ("ldap://[::1]:389", "use a name"),
        ] {
            let refused = Url::parse(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }
}
