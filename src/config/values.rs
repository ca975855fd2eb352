//! Settings that are more than a number: [`PublicUrl`], [`UrlPrefix`], [`LogFilter`],
//! [`AuthMode`] and [`Realm`].
//!
//! Each is valid because it exists, and prints as it was given.

use std::fmt;

use http::Uri;
use log::LevelFilter;

/// The address that people use: scheme, host, perhaps a port and a path, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    authority: String,
}

impl PublicUrl {
    /// What [`PublicUrl::parse`] takes.
    pub const ALLOWED: &str = "http://HOST or https://HOST, with :PORT and /PATH if need be";

    /// Reads an `http` or `https` address without user, query and fragment.
    pub fn parse(given: &str) -> Result<Self, String> {
        let text = given.trim().trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("it does not start with http:// or https://".to_owned());
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if authority.is_empty() || authority.contains('@') {
            return Err("it needs a host, and no user".to_owned());
        }
        if text.contains(['?', '#']) {
            return Err("it has a query or a fragment".to_owned());
        }
        Ok(Self { text: text.to_owned(), authority: authority.to_owned() })
    }

    /// Reads addresses joined by commas; what stands between two commas may be empty.
    pub fn parse_list(given: &str) -> Result<Vec<Self>, String> {
        let parts = given.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(Self::parse).collect()
    }

    /// Host and port as a client's `Host` header names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The beginning of the path of a URL: a slash, and no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPrefix(String);

impl UrlPrefix {
    /// What [`UrlPrefix::parse`] takes.
    pub const ALLOWED: &str = "the beginning of a URL's path, such as /files";

    /// Reads the beginning of a path: letters, digits, and what else needs no encoding.
    pub fn parse(given: &str) -> Result<Self, String> {
        let text = given.trim().trim_end_matches('/');
        if !text.starts_with('/') {
            return Err("it does not start with a slash, or is nothing but one".to_owned());
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"/-._~".contains(*c)) {
            Some(other) => Err(format!("it contains {other:?}")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A level for everything, and others for single modules: `info` or `info,hyper=warn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// What [`LogFilter::parse`] takes.
    pub const ALLOWED: &str =
        "off, error, warn, info, debug or trace, and MODULE=LEVEL, joined by commas";

    /// Reads levels joined by commas.
    pub fn parse(given: &str) -> Result<Self, String> {
        for part in given.split(',').map(str::trim) {
            let (module, level) = part.split_once('=').unwrap_or(("all", part));
            if module.trim().is_empty() || level.trim().parse::<LevelFilter>().is_err() {
                return Err(format!("`{part}` is no level and no module with a level"));
            }
        }
        Ok(Self(given.split_whitespace().collect()))
    }

    /// The filter in the form that the logger reads.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may use the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Whoever has the right, once it is known who asks.
    #[default]
    On,
    /// Everybody may do everything.
    None,
}

impl AuthMode {
    /// What [`AuthMode::parse`] takes.
    pub const ALLOWED: &str = "on, or none: everybody may do everything";

    /// Reads `on` or `none`.
    pub fn parse(given: &str) -> Result<Self, String> {
        match given.trim() {
            "on" => Ok(Self::On),
            "none" => Ok(Self::None),
            _ => Err("it is neither on nor none".to_owned()),
        }
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::None => "none",
        })
    }
}

/// What browsers show when they ask for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    /// What [`Realm::parse`] takes.
    pub const ALLOWED: &str = "ASCII text without quotes and backslashes";

    /// Reads a text that can stand between quotes in a header.
    pub fn parse(given: &str) -> Result<Self, String> {
        let fits = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        match given.chars().find(|c| !fits(*c)) {
            Some(bad) => Err(format!("{bad:?} cannot stand there")),
            None => Ok(Self(given.to_owned())),
        }
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self("Larder".to_owned())
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        for (given, printed, authority) in [
            ("https://files.example", "https://files.example", "files.example"),
            ("http://files.example:8080/", "http://files.example:8080", "files.example:8080"),
            ("https://example/larder/", "https://example/larder", "example"),
        ] {
            let url = PublicUrl::parse(given).unwrap();
            assert_eq!((url.to_string().as_str(), url.authority()), (printed, authority));
        }
        for bad in ["", "files.example", "ftp://x", "http://", "http://u:p@x", "http://x/?a", "/x"]
        {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_of_addresses() {
        let list = PublicUrl::parse_list(" http://a/ ,https://b:8/x,").unwrap();
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(list, ["http://a", "https://b:8/x"]);
        assert!(PublicUrl::parse_list("http://a,b").is_err());
    }

    #[test]
    fn url_prefixes() {
        for (given, kept) in [("/files", "/files"), ("/a/b-c/ ", "/a/b-c")] {
            assert_eq!(UrlPrefix::parse(given).unwrap().to_string(), kept);
        }
        for bad in ["", "/", "files", "/a b", "/a?b", "/a%20b", "http://x/"] {
            assert!(UrlPrefix::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn log_filters() {
        for (given, kept) in [
            ("warn", "warn"),
            ("INFO", "INFO"),
            ("info, hyper=warn", "info,hyper=warn"),
            ("larder::sweeper=trace", "larder::sweeper=trace"),
        ] {
            assert_eq!(LogFilter::parse(given).unwrap().as_str(), kept);
        }
        for bad in ["", "loud", "info,", "hyper=loud", "=info", "a=b=info"] {
            assert!(LogFilter::parse(bad).is_err(), "{bad}");
        }
    }
}
