//! [`Digest`]: the SHA-256 that names a blob; [`Checksum`]: what a client claims about its bytes.
//!
//! A checksum of another algorithm is verified while bytes arrive and is never an identity (I4).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The SHA-256 of a blob's bytes. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hex digits of any case, with or without a leading `sha256:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = match text.split_once(':') {
            Some((algorithm, hex)) if algorithm.eq_ignore_ascii_case("sha256") => hex,
            Some(_) => return None,
            None => text,
        };
        Some(Self(unhex(hex)?.try_into().ok()?))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

/// The algorithms that a checksum may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The identity of blobs.
    Sha256,
    /// Checked only.
    Sha1,
    /// Checked only.
    Md5,
    /// Checked only.
    Sha224,
    /// Checked only.
    Sha384,
    /// Checked only.
    Sha512,
}

impl Algorithm {
    const ALL: [(&'static str, Self, usize); 6] = [
        ("sha256", Self::Sha256, 32),
        ("sha1", Self::Sha1, 20),
        ("md5", Self::Md5, 16),
        ("sha224", Self::Sha224, 28),
        ("sha384", Self::Sha384, 48),
        ("sha512", Self::Sha512, 64),
    ];

    /// The algorithms' names, for a message.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(|(name, ..)| name).join(", ")
    }
}

/// What a client says its bytes are: `<algorithm>:<hex>` (spec dlrepo §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Its value.
    pub value: Vec<u8>,
}

impl Checksum {
    /// Reads `<algorithm>:<hex>`, both of any case; `None` when the algorithm is not known or
    /// the number of digits does not fit it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, hex) = text.split_once(':')?;
        let (_, algorithm, length) =
            Algorithm::ALL.into_iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        let value = unhex(hex)?;
        (value.len() == length).then_some(Self { algorithm, value })
    }

    /// The blob identity that this checksum claims, if it is of that kind.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match self.algorithm {
            Algorithm::Sha256 => Some(Digest(self.value.as_slice().try_into().ok()?)),
            _ => None,
        }
    }
}

impl From<Digest> for Checksum {
    fn from(digest: Digest) -> Self {
        Self { algorithm: Algorithm::Sha256, value: digest.0.to_vec() }
    }
}

/// Lower-case hex digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Hex digits are text.
    String::from_utf8(text).unwrap_or_default()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len() % 2 == 0)?;
    nibbles.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest([0xa5; 32]);
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse(&format!("SHA256:{}", "A5".repeat(32))), Some(digest));
        for bad in ["", "sha256:", "sha1:a5", &"a".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_checksum_knows_the_length_of_its_algorithm() {
        let md5 = Checksum::parse("MD5:d41d8cd98f00b204e9800998ecf8427e").unwrap();
        assert_eq!((md5.algorithm, md5.digest()), (Algorithm::Md5, None));
        let digest = Digest([1; 32]);
        let sha256 = Checksum::parse(&format!("sha256:{digest}")).unwrap();
        assert_eq!(sha256.digest(), Some(digest));
        for bad in ["", "sha256", "sha256:00", "crc32:00000000", "sha-256=AAAA", "md5:zz"] {
            assert_eq!(Checksum::parse(bad), None, "{bad}");
        }
    }
}
