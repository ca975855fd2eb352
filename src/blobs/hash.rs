//! [`Hasher`]: computes a blob's identity here, from the bytes (I4), and tests a client's claim.
//!
//! SHA-256 always; another algorithm only when the client's checksum uses it, and then as a fact
//! that is compared and never as an identity. A SHA-512 is told too: the registry's clients go
//! on naming the blob by it, so it is recorded beside the identity.

use sha2::Sha256;
use sha2::digest::{Digest as Hash, DynDigest};

use crate::model::digest::Algorithm;
use crate::model::{Checksum, Digest, Sha512};

/// What is known about bytes once all of them were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Their identity.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// Whether they are what the client said.
    pub claim: Claim,
    /// Their SHA-512, computed when the client's checksum is one.
    pub sha512: Option<Sha512>,
}

/// A client's checksum, compared with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The client said nothing.
    None,
    /// The bytes are what the client said.
    Matches,
    /// They are not; nothing of them may be kept.
    Differs,
}

/// Hashes the bytes of a small body that is in memory.
#[must_use]
pub fn hash_bytes(bytes: &[u8], claim: Option<&Checksum>) -> Hashed {
    let mut hasher = Hasher::new(claim);
    hasher.update(bytes);
    hasher.finish()
}

/// Hashes bytes as they arrive.
pub struct Hasher {
    sha256: Sha256,
    size: u64,
    claim: Option<Checksum>,
    other: Option<Box<dyn DynDigest + Send>>,
}

impl Hasher {
    /// A hasher that has seen no bytes; at the end it compares them with `claim`.
    #[must_use]
    pub fn new(claim: Option<&Checksum>) -> Self {
        let other = claim.and_then(|claim| other(claim.algorithm));
        Self { sha256: Sha256::default(), size: 0, claim: claim.cloned(), other }
    }

    /// Compares with `claim` at the end instead. `false`: that needs another algorithm, which has
    /// not seen the bytes so far; show them to a new hasher.
    pub(super) fn compare_with(&mut self, claim: &Checksum) -> bool {
        let known = self.claim.as_ref().map(|claim| claim.algorithm);
        let is_known = claim.algorithm == Algorithm::Sha256 || known == Some(claim.algorithm);
        if is_known {
            self.other = self.other.take().filter(|_| known == Some(claim.algorithm));
            self.claim = Some(claim.clone());
        }
        is_known
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        Hash::update(&mut self.sha256, bytes);
        if let Some(other) = &mut self.other {
            other.update(bytes);
        }
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Another one that has seen the same bytes, and compares them with nothing so far.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { sha256: self.sha256.clone(), size: self.size, claim: None, other: None }
    }

    /// How many bytes were seen.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Says what the bytes were.
    #[must_use]
    pub fn finish(self) -> Hashed {
        let digest = Digest(Hash::finalize(self.sha256).into());
        let other = self.other.map(DynDigest::finalize);
        let computed = other.as_deref().unwrap_or(&digest.0);
        let claim = match &self.claim {
            None => Claim::None,
            Some(claim) if claim.value == computed => Claim::Matches,
            Some(_) => Claim::Differs,
        };
        let is_sha512 = self.claim.is_some_and(|claim| claim.algorithm == Algorithm::Sha512);
        let sha512 = other.filter(|_| is_sha512).and_then(|sum| sum[..].try_into().ok());
        Hashed { digest, size: self.size, claim, sha512: sha512.map(Sha512) }
    }
}

fn other(algorithm: Algorithm) -> Option<Box<dyn DynDigest + Send>> {
    match algorithm {
        Algorithm::Sha256 => None,
        Algorithm::Sha1 => Some(Box::new(sha1::Sha1::default())),
        Algorithm::Md5 => Some(Box::new(md5::Md5::default())),
        Algorithm::Sha224 => Some(Box::new(sha2::Sha224::default())),
        Algorithm::Sha384 => Some(Box::new(sha2::Sha384::default())),
        Algorithm::Sha512 => Some(Box::new(sha2::Sha512::default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values for "abc" of RFC 1321 and FIPS 180-4.
    const ABC: [&str; 6] = [
        "md5:900150983cd24fb0d6963f7d28e17f72",
        "sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha224:23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
         8086072ba1e7cc2358baeca134c825a7",
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ];

    #[test]
    fn every_algorithm_is_tested_beside_the_identity() {
        let digest = Digest::parse(ABC[3]).unwrap();
        for claim in ABC {
            let claim = Checksum::parse(claim).unwrap();
            let mut hasher = Hasher::new(Some(&claim));
            hasher.update(b"a");
            hasher.update(b"bc");
            let sha512 = (claim.algorithm == Algorithm::Sha512)
                .then(|| Sha512(claim.value.clone().try_into().unwrap()));
            let expected = Hashed { digest, size: 3, claim: Claim::Matches, sha512 };
            assert_eq!((hasher.size(), hasher.finish()), (3, expected), "{claim:?}");
            assert_eq!(hash_bytes(b"abd", Some(&claim)).claim, Claim::Differs, "{claim:?}");
        }
        let plain = Hashed { digest, size: 3, claim: Claim::None, sha512: None };
        assert_eq!(hash_bytes(b"abc", None), plain);
    }

    #[test]
    fn what_is_expected_may_come_late_where_it_was_hashed_already() {
        let claims = ABC.map(|claim| Checksum::parse(claim).unwrap());
        let (sha256, sha512) = (&claims[3], &claims[5]);
        for (first, late, known) in
            [(None, sha256, true), (None, sha512, false), (Some(sha512), sha512, true)]
        {
            let mut hasher = Hasher::new(first);
            hasher.update(b"abc");
            assert_eq!(hasher.compare_with(late), known, "{first:?}, then {late:?}");
            assert!(!known || hasher.finish().claim == Claim::Matches);
        }
        let mut hasher = Hasher::new(Some(sha512));
        hasher.update(b"abc");
        assert!(hasher.compare_with(sha256));
        let Hashed { claim, sha512, .. } = hasher.finish();
        assert_eq!((claim, sha512), (Claim::Matches, None));
    }
}
