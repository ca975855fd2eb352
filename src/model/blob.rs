//! [`Blob`]: immutable bytes and where they lie; [`Unlink`]: bytes that have to go.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, Refs, Timestamp};

/// The random part of a blob file's name. A digest that comes back after it was collected gets
/// another one, so the new file and the old one never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Suffix(pub u64);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where the bytes of a blob lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// In the table of small blobs, under the blob's id.
    Inline,
    /// In the file `<2 hex>/<digest>.<suffix>`.
    File(Suffix),
}

/// The record of a blob. Its digest was computed here from the bytes (I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// SHA-256 of the bytes: the blob's identity.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
    /// Where they lie.
    pub place: Place,
    /// Who needs them.
    pub refs: Refs,
    /// When they arrived.
    pub created: Timestamp,
}

/// Bytes of a collected blob that are still to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlink {
    /// The digest that the blob had.
    pub digest: Digest,
    /// Number of bytes that come back.
    pub size: u64,
    /// Where they lie.
    pub place: Place,
    /// How often removing them failed.
    pub attempts: u32,
    /// Not to be tried before this moment.
    pub not_before: Timestamp,
    /// The last failure, as a sentence.
    pub error: Option<String>,
}
