//! [`OciDigest`]: how the registry's clients name contents. A SHA-256 is a blob's identity; a
//! SHA-512 is a fact that is recorded beside it (I4).

use std::fmt;

use super::Digest;
use super::digest::{Checksum, hex};

/// The SHA-512 of a blob's bytes, computed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha512(pub [u8; 64]);

/// A digest as the OCI specifications write it: `sha256:<64 hex>` or `sha512:<128 hex>`, the
/// digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OciDigest {
    /// The identity of a blob.
    Sha256(Digest),
    /// Another name of it.
    Sha512(Sha512),
}

/// Why a text is no digest that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: write sha256: and 64, or sha512: and 128 lower-case hex digits")]
pub struct OciDigestError(pub String);

impl OciDigest {
    /// Reads what [`Self`] displays, and nothing else.
    ///
    /// # Errors
    /// [`OciDigestError`].
    pub fn parse(text: &str) -> Result<Self, OciDigestError> {
        Self::read(text).ok_or_else(|| OciDigestError(text.chars().take(200).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let Checksum { algorithm, value } = Checksum::parse(text)?;
        match algorithm {
            super::digest::Algorithm::Sha256 => Some(Self::Sha256(Digest(value.try_into().ok()?))),
            super::digest::Algorithm::Sha512 => Some(Self::Sha512(Sha512(value.try_into().ok()?))),
            _ => None,
        }
    }

    /// The same as a claim that is verified while bytes arrive.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        match self {
            Self::Sha256(digest) => (*digest).into(),
            Self::Sha512(sum) => {
                Checksum { algorithm: super::digest::Algorithm::Sha512, value: sum.0.to_vec() }
            }
        }
    }
}

impl fmt::Display for OciDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256:{digest}"),
            Self::Sha512(sum) => write!(f, "sha512:{}", hex(&sum.0)),
        }
    }
}

impl From<Digest> for OciDigest {
    fn from(digest: Digest) -> Self {
        Self::Sha256(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_shows_and_nothing_else() {
        for text in [format!("sha256:{}", "a5".repeat(32)), format!("sha512:{}", "0f".repeat(64))] {
            let digest = OciDigest::parse(&text).unwrap();
            assert_eq!(digest.to_string(), text);
            assert_eq!(Checksum::parse(&text).unwrap(), digest.checksum());
            assert!(OciDigest::parse(&text.to_uppercase()).is_err());
            assert!(OciDigest::parse(&text[..text.len() - 1]).is_err());
        }
        for bad in ["", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", &"a".repeat(64)] {
            assert_eq!(OciDigest::parse(bad), Err(OciDigestError(bad.to_owned())));
        }
    }
}
