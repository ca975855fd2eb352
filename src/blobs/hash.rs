//! [`Hasher`]: computes a blob's identity here, from the bytes (I4), and tests a client's claim.
//!
//! SHA-256 always; another algorithm only when the client's checksum uses it, and then as a fact
//! that is compared and never as an identity. A SHA-512 is told too: the registry's clients go
//! on naming the blob by it, so it is recorded beside the identity. Files of packages are told by
//! four sums, which are all computed for those that ask for it; nobody else pays for them.

use sha2::Sha256;
use sha2::digest::{Digest as Hash, DynDigest};

use crate::model::digest::Algorithm;
use crate::model::{Checksum, Digest, Sha512, Sums};

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
    /// All four sums, where they were asked for.
    pub sums: Option<Sums>,
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

/// As [`hash_bytes`], with [`Hashed::sums`].
#[must_use]
pub fn hash_bytes_with_sums(bytes: &[u8], claim: Option<&Checksum>) -> Hashed {
    let mut hasher = Hasher::with_sums(claim);
    hasher.update(bytes);
    hasher.finish()
}

/// All four sums of bytes that are in memory.
#[must_use]
pub fn all_sums(bytes: &[u8]) -> Sums {
    let mut more = More::default();
    more.update(bytes);
    more.finish(Digest(Sha256::digest(bytes).into()))
}

/// Hashes bytes as they arrive.
pub struct Hasher {
    sha256: Sha256,
    size: u64,
    claim: Option<Checksum>,
    other: Option<Box<dyn DynDigest + Send>>,
    more: Option<Box<More>>,
}

/// What is computed beside the identity for [`Hashed::sums`].
#[derive(Clone, Default)]
struct More {
    sha1: sha1::Sha1,
    md5: md5::Md5,
    sha512: sha2::Sha512,
}

impl More {
    /// Whether a claim of this kind can be compared without more work.
    fn has(algorithm: Algorithm) -> bool {
        matches!(algorithm, Algorithm::Sha1 | Algorithm::Md5 | Algorithm::Sha512)
    }

    fn update(&mut self, bytes: &[u8]) {
        Hash::update(&mut self.sha1, bytes);
        Hash::update(&mut self.md5, bytes);
        Hash::update(&mut self.sha512, bytes);
    }

    fn finish(self, sha256: Digest) -> Sums {
        let whole: [u8; 64] = Hash::finalize(self.sha512).into();
        let mut sha512 = [[0; 32]; 2];
        sha512.as_flattened_mut().copy_from_slice(&whole);
        let (sha1, md5) = (Hash::finalize(self.sha1).into(), Hash::finalize(self.md5).into());
        Sums { sha256, sha1, md5, sha512 }
    }
}

impl Hasher {
    /// A hasher that has seen no bytes; at the end it compares them with `claim`.
    #[must_use]
    pub fn new(claim: Option<&Checksum>) -> Self {
        let other = claim.and_then(|claim| other(claim.algorithm));
        Self { sha256: Sha256::default(), size: 0, claim: claim.cloned(), other, more: None }
    }

    /// As [`Self::new`], for [`Hashed::sums`]. The four together take four to five times as long as
    /// the identity alone.
    #[must_use]
    pub fn with_sums(claim: Option<&Checksum>) -> Self {
        let hasher = Self::new(claim);
        let other = hasher.other.filter(|_| claim.is_some_and(|it| !More::has(it.algorithm)));
        Self { more: Some(Box::default()), other, ..hasher }
    }

    /// One that has seen no bytes, and computes what this does, for another claim.
    pub(super) fn anew(&self, claim: &Checksum) -> Self {
        if self.more.is_some() { Self::with_sums(Some(claim)) } else { Self::new(Some(claim)) }
    }

    /// Compares with `claim` at the end instead. `false`: that needs another algorithm, which has
    /// not seen the bytes so far; show them to a new hasher.
    pub(super) fn compare_with(&mut self, claim: &Checksum) -> bool {
        let known = self.claim.as_ref().map(|claim| claim.algorithm);
        let is_computed = self.more.is_some() && More::has(claim.algorithm);
        let is_known =
            claim.algorithm == Algorithm::Sha256 || known == Some(claim.algorithm) || is_computed;
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
        if let Some(more) = &mut self.more {
            more.update(bytes);
        }
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Another one that has seen the same bytes, and compares them with nothing so far.
    #[must_use]
    pub fn fork(&self) -> Self {
        let (sha256, more) = (self.sha256.clone(), self.more.clone());
        Self { sha256, size: self.size, claim: None, other: None, more }
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
        let sums = self.more.map(|more| more.finish(digest));
        let algorithm = self.claim.as_ref().map_or(Algorithm::Sha256, |claim| claim.algorithm);
        let other = self.other.map(|other| other.finalize().into_vec());
        let other = other.or_else(|| sums.and_then(|sums| value(&sums, algorithm)));
        let computed = other.as_deref().unwrap_or(&digest.0);
        let claim = match &self.claim {
            None => Claim::None,
            Some(claim) if claim.value == computed => Claim::Matches,
            Some(_) => Claim::Differs,
        };
        let is_sha512 = algorithm == Algorithm::Sha512;
        let sha512 = other.filter(|_| is_sha512).and_then(|sum| sum[..].try_into().ok());
        Hashed { digest, size: self.size, claim, sha512: sha512.map(Sha512), sums }
    }
}

/// The sum of this kind; `None`: it is the identity, or none of the four.
fn value(sums: &Sums, algorithm: Algorithm) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Sha1 => Some(sums.sha1.to_vec()),
        Algorithm::Md5 => Some(sums.md5.to_vec()),
        Algorithm::Sha512 => Some(sums.sha512().0.to_vec()),
        Algorithm::Sha256 | Algorithm::Sha224 | Algorithm::Sha384 => None,
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
            let expected = Hashed { digest, size: 3, claim: Claim::Matches, sha512, sums: None };
            assert_eq!((hasher.size(), hasher.finish()), (3, expected), "{claim:?}");
            assert_eq!(hash_bytes(b"abd", Some(&claim)).claim, Claim::Differs, "{claim:?}");
        }
        let plain = Hashed { digest, size: 3, claim: Claim::None, sha512: None, sums: None };
        assert_eq!(hash_bytes(b"abc", None), plain);
    }

    #[test]
    fn all_four_sums_are_computed_where_they_are_asked_for() {
        let values = ABC.map(|claim| Checksum::parse(claim).unwrap().value);
        for claim in ABC.map(|claim| Checksum::parse(claim).unwrap()) {
            let mut hasher = Hasher::with_sums(Some(&claim));
            hasher.update(b"ab");
            let mut fork = hasher.fork();
            hasher.update(b"c");
            fork.update(b"c");
            let Hashed { claim: compared, sums, size, .. } = hasher.finish();
            let sums = sums.unwrap();
            assert_eq!((compared, size), (Claim::Matches, 3), "{claim:?}");
            assert_eq!((&sums.md5[..], &sums.sha1[..]), (&values[0][..], &values[1][..]));
            assert_eq!(sums.sha256.0[..], values[3]);
            assert_eq!(sums.sha512().0[..], values[5]);
            assert_eq!(fork.finish().sums, Some(sums));
        }
        assert_eq!(hash_bytes_with_sums(b"abc", None).sums.unwrap().sha1[..], values[1]);
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
