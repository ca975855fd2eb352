//! [`Unanswered`]: why an upstream gave no answer that could be used.
//!
//! It is plain text, so that it can be told to everybody who waited for the same answer. An
//! address in it has no query: those of a content network carry secrets there.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

/// Why there is no answer, or no more of its body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The network policy.
    #[error(
        "{host} is at {address}, a network that is not asked for others; if it is meant, an \
         operator names it with --proxy-allow"
    )]
    Forbidden {
        /// The host.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// No connection, or it broke before the answer came.
    #[error("{url} does not answer: {why}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// From the outside in.
        why: String,
    },
    /// The time is over.
    #[error("{url} did not answer within {waited:?}")]
    Slow {
        /// What was asked.
        url: String,
        /// The time.
        waited: Duration,
    },
    /// It did not answer a short time ago.
    #[error("{url} is not asked for another {} s: {why}", left.as_secs().saturating_add(1))]
    Down {
        /// The upstream.
        url: String,
        /// What happened then.
        why: String,
        /// For so long.
        left: Duration,
    },
    /// Too many questions at once.
    #[error("{url} has {places} requests in work, which is the limit; --proxy-requests raises it")]
    Busy {
        /// The upstream.
        url: String,
        /// The limit.
        places: usize,
    },
    /// What should give a token gives none.
    #[error("{url} gives no token: {why}")]
    Token {
        /// Its address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// Credentials would have gone where everybody can read them.
    #[error(
        "{url} wants credentials over an unencrypted connection: they are not sent; use https, \
         or an operator names its network with --proxy-allow"
    )]
    Cleartext {
        /// Who wants them.
        url: String,
    },
    /// It sends from one address to the next.
    #[error("{url} redirects too often, or to no address: {why}")]
    Redirects {
        /// The last address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// Where it sends to does not answer.
    #[error("{url}, which the upstream redirects to, does not answer: {why}")]
    Target {
        /// The address.
        url: String,
        /// What happened.
        why: String,
    },
    /// The body broke off.
    #[error("the answer of {url} broke off: {why}")]
    Broken {
        /// What was asked.
        url: String,
        /// What happened.
        why: String,
    },
    /// More bytes than somebody wanted to read at once.
    #[error("the answer of {url} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The limit.
        bytes_max: usize,
    },
}

impl Unanswered {
    /// Whether the upstream seems to be away, so that it is not worth asking again at once.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Slow { .. })
    }

    /// The same, of an address that the upstream sent to: it says nothing about the upstream.
    pub(super) fn of_target(self) -> Self {
        match self {
            Self::Unreachable { url, why } => Self::Target { url, why },
            Self::Slow { url, waited } => {
                Self::Target { url, why: format!("nothing came within {waited:?}") }
            }
            other => other,
        }
    }
}

/// An address without its query.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// An error with those that caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
