//! [`ProxyGroup`]: how a group caches images of another registry: which one, with which
//! credentials, for how long (spec gitlab §1.6, §1.9).
//!
//! Deliberately absent: how credentials are sealed and what is asked of an upstream (`proxy`).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CachedId, Role, Timestamp, Usage};

/// The words between a group and an image in a URL of the registry.
pub const PROXY_PLACE: [&str; 2] = ["dependency_proxy", "containers"];
/// Days that an entry stays which nobody pulls, unless a policy says otherwise.
pub const TTL_DAYS: u32 = 90;
/// Longest name and secret of credentials, in bytes (spec gitlab §1.6).
pub const CREDENTIAL_LENGTH_MAX: usize = 255;

/// The record of a group's proxy; the group is the key. One that was never changed has no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyGroup {
    /// Whether anything is served.
    pub enabled: bool,
    /// Which registry; `None`: the server's default.
    pub upstream: Option<Upstream>,
    /// The credentials; `None`: nobody's.
    pub credentials: Option<UpstreamCredentials>,
    /// The lowest role that may change all this.
    pub admins: Role,
    /// Entries up to this one are on their way out.
    pub purged: CachedId,
    /// What goes by its age.
    pub ttl: TtlPolicy,
}

impl Default for ProxyGroup {
    fn default() -> Self {
        Self {
            enabled: true,
            upstream: None,
            credentials: None,
            admins: Role::Owner,
            purged: CachedId(0),
            ttl: TtlPolicy::default(),
        }
    }
}

/// A registry whose images are cached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its address, without `/v2/`.
    pub url: String,
    /// Whether an image without a slash is looked for below `library/`.
    pub has_library: bool,
    /// Certificates that are trusted for it besides those of the system, in PEM.
    pub certificates: Option<String>,
    /// Longest wait for an answer where something cached could be served instead, in ms; `None`:
    /// the server's.
    pub patience_ms: Option<u64>,
    /// Requests at once; `None`: the server's.
    pub requests_max: Option<u32>,
}

/// Credentials for an upstream.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamCredentials {
    /// The login.
    pub identity: String,
    /// The secret, sealed with the key file.
    pub sealed: Vec<u8>,
}

/// Secrets stay out of logs, sealed ones too.
impl fmt::Debug for UpstreamCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials of {:?}", self.identity)
    }
}

/// What of a group's cache goes by its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlPolicy {
    /// Whether anything does.
    pub enabled: bool,
    /// Days since it was last served; `None`: [`TTL_DAYS`].
    pub days: Option<u32>,
    /// When the policy was first set.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
}

impl TtlPolicy {
    /// What was last served then or before has to go; `None`: nothing has.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> Option<Timestamp> {
        let days = u64::from(self.days.unwrap_or(TTL_DAYS));
        self.enabled.then(|| now.before(Duration::from_secs(days * 24 * 3600)))
    }
}

/// What a group's cache holds, whatever the state of the entries (spec gitlab §1.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyUsage {
    /// Manifests and their bytes.
    pub manifests: Usage,
    /// Blobs and their bytes, also where another group has the same.
    pub blobs: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_days_means_ninety() {
        let day = 24 * 3600 * 1_000_000;
        let policy = TtlPolicy { enabled: true, ..TtlPolicy::default() };
        assert_eq!(policy.over(Timestamp(100 * day)), Some(Timestamp(10 * day)));
        assert_eq!(TtlPolicy::default().over(Timestamp(100 * day)), None);
        let short = TtlPolicy { days: Some(1), ..policy };
        assert_eq!(short.over(Timestamp(100 * day)), Some(Timestamp(99 * day)));
    }
}
