//! [`Cached`]: an entry of a group's cache of images of other registries: a manifest or a blob,
//! and where it is in its life (spec gitlab §1.4-1.13).
//!
//! An entry is active, or on its way out: marked, in work, or failed. Only an active entry is ever
//! served, and no entry becomes active again: a pull in between makes a new one. An entry whose id
//! is not above its group's mark ([`super::proxy::ProxyGroup::purged`]) is on its way out whatever
//! its row says, so a purge is one small change.
//! Deliberately absent: bytes, which are the blob's (it is held by [`super::Referrer::Cached`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BlobId, CachedId, Digest, GroupId, ImageTagName, Timestamp};

/// Longest name of an image of another registry, in bytes.
pub const UPSTREAM_NAME_LENGTH_MAX: usize = 255;
/// How often deleting an entry is tried.
pub const CACHED_ATTEMPTS_MAX: u32 = 5;

/// Name of an image as a client of the proxy writes it: `alpine`, `library/alpine`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName(String);

/// Why a text names no image of another registry, or none that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamNameError {
    /// Not in the grammar.
    #[error(
        "{0:?} is no name of an image: write parts of a-z, A-Z, 0-9, _ . and - joined by /, none \
         of them beginning with a dot"
    )]
    Name(String),
    /// Not in the grammar.
    #[error("{0:?} is no tag")]
    Tag(String),
}

impl UpstreamName {
    /// Reads a name. A part that begins with a dot could mean another place.
    ///
    /// # Errors
    /// [`UpstreamNameError::Name`].
    pub fn parse(text: &str) -> Result<Self, UpstreamNameError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let is_part =
            |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_letter);
        if text.len() <= UPSTREAM_NAME_LENGTH_MAX && text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(UpstreamNameError::Name(text.chars().take(UPSTREAM_NAME_LENGTH_MAX).collect()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a moving name of an image is: a tag, or the list of what refers to a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CachedRef(String);

/// What a list of referrers begins with; no tag can.
const REFERRERS: &str = "referrers:";

impl CachedRef {
    /// A tag.
    #[must_use]
    pub fn tag(tag: &ImageTagName) -> Self {
        Self(tag.as_str().to_owned())
    }

    /// The list of what refers to a manifest.
    #[must_use]
    pub fn referrers(digest: Digest) -> Self {
        Self(format!("{REFERRERS}{digest}"))
    }

    /// Reads what [`Self::as_str`] wrote.
    ///
    /// # Errors
    /// [`UpstreamNameError::Tag`].
    pub fn parse(text: &str) -> Result<Self, UpstreamNameError> {
        let wrong = || UpstreamNameError::Tag(text.to_owned());
        match text.strip_prefix(REFERRERS) {
            Some(hex) => Digest::parse(hex).map(Self::referrers).ok_or_else(wrong),
            None => ImageTagName::parse(text).map(|tag| Self::tag(&tag)).map_err(|_| wrong()),
        }
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CachedRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Manifest or blob: they are listed, counted and deleted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachedKind {
    /// A manifest or an index.
    Manifest,
    /// A layer or a configuration.
    Blob,
}

impl CachedKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Manifest, Self::Blob];
}

/// The record of an entry; its id is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// Whose cache it is in.
    pub group: GroupId,
    /// What the bytes are.
    pub what: CachedWhat,
    /// The bytes.
    pub blob: BlobId,
    /// Their number.
    pub size: u64,
    /// Of what the upstream was known by: only a group with the same may share the bytes.
    pub origin: [u8; 32],
    /// Where it is in its life.
    pub state: CachedState,
    /// When it was last served, about to the hour.
    pub read: Timestamp,
    /// When it came.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
}

/// What the bytes of an entry are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CachedWhat {
    /// A manifest, once for each group and digest.
    Manifest {
        /// SHA-256 of the bytes, computed here (I4).
        digest: Digest,
        /// The image that it was first asked for by.
        image: String,
        /// The tag or digest that it was first asked for by.
        reference: String,
        /// What the upstream calls it.
        media_type: String,
        /// What it names, as far as that is cached by SHA-256: configuration, layers, manifests.
        parts: Vec<Digest>,
    },
    /// A blob, once for each group and digest.
    Blob {
        /// SHA-256 of the bytes, computed here (I4).
        digest: Digest,
        /// The image that it was first asked for by.
        image: String,
    },
}

/// Where an entry is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CachedState {
    /// It is served.
    Active,
    /// It is to be deleted.
    Pending,
    /// It is being deleted.
    Processing {
        /// When whoever does it is taken for lost.
        until: Timestamp,
        /// Which attempt this is, from 1 on.
        attempt: u32,
    },
    /// It could not be deleted.
    Failed {
        /// How often that was tried.
        attempts: u32,
        /// Why it failed the last time.
        error: String,
        /// When it is tried again; `None`: when somebody asks for it.
        retry: Option<Timestamp>,
    },
}

impl CachedWhat {
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Manifest { digest, .. } | Self::Blob { digest, .. } => *digest,
        }
    }

    /// Manifest or blob.
    #[must_use]
    pub fn kind(&self) -> CachedKind {
        match self {
            Self::Manifest { .. } => CachedKind::Manifest,
            Self::Blob { .. } => CachedKind::Blob,
        }
    }
}

impl Cached {
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.what.digest()
    }

    /// Manifest or blob.
    #[must_use]
    pub fn kind(&self) -> CachedKind {
        self.what.kind()
    }

    /// Whether it is active as far as its row says; its group's mark may say otherwise.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == CachedState::Active
    }

    /// By when somebody may take it on who deletes it; `None`: it is active.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            CachedState::Active => None,
            CachedState::Pending => Some(self.updated),
            CachedState::Processing { until, .. } => Some(until),
            CachedState::Failed { retry, .. } => Some(retry.unwrap_or(Timestamp::MAX)),
        }
    }

    /// What lists call it: `alpine:latest.json`, `<hex>.gz` (spec gitlab §1.4, §1.5).
    #[must_use]
    pub fn file_name(&self) -> String {
        match &self.what {
            CachedWhat::Manifest { image, reference, .. } => format!("{image}:{reference}.json"),
            CachedWhat::Blob { digest, .. } => format!("{digest}.gz"),
        }
    }
}

impl CachedState {
    /// The name that lists show (spec gitlab §1.8).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "default",
            Self::Pending => "pending_destruction",
            Self::Processing { .. } => "processing",
            Self::Failed { .. } => "error",
        }
    }

    /// The number that indexes have for it (spec gitlab §1.8).
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Active => 0,
            Self::Pending => 1,
            Self::Processing { .. } => 2,
            Self::Failed { .. } => 3,
        }
    }
}

/// The record of a moving name; group, image and [`CachedRef`] are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedTag {
    /// What it named when the upstream was last asked. It counts while that entry is active.
    pub manifest: CachedId,
    /// When that was.
    pub checked: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        for good in ["alpine", "library/alpine", "Org/team/img_1.2-x", "a..b"] {
            assert_eq!(UpstreamName::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in ["", "/", "a/", "../a", "a/../b", "a/.b", "a b", "a%2fb", "ä", "a?b", &long] {
            assert!(UpstreamName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_of_referrers_is_no_tag() {
        let list = CachedRef::referrers(Digest([7; 32]));
        assert_eq!(CachedRef::parse(list.as_str()), Ok(list));
        assert_eq!(CachedRef::parse("V1.0").unwrap().as_str(), "V1.0");
        for bad in ["", "referrers:", "referrers:xy", "a:b", "../x"] {
            assert!(CachedRef::parse(bad).is_err(), "{bad}");
        }
    }
}
