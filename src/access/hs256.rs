//! The one algorithm that tokens of the registry are signed with: HMAC with SHA-256.
//!
//! [`jsonwebtoken`] reads and writes the form and checks what is claimed; this is the cryptography
//! that it uses here, over the crates that the rest of the house uses. It knows no other algorithm,
//! so no header of a token can ask for `none`, or for a public key to be taken as a secret.
//! Deliberately absent: keys (`store::signing_keys`), and what a token says.

use std::sync::Once;

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use sha2::Sha256;

/// A key of this algorithm, used once.
struct Key(Hmac<Sha256>);

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        Ok(Box::new(Key::new(*algorithm, key.family(), key.as_bytes())?))
    },
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Key::new(*algorithm, key.family(), key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Lets [`jsonwebtoken`] use it; to be called before anything else of that crate.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if PROVIDER.install_default().is_err() {
            log::error!("tokens of the registry are signed by another library than expected");
        }
    });
}

/// The code of a message under a key, to be compared with [`super::password::is_same`].
pub(super) fn code(secret: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().into())
}

impl Key {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, secret: &[u8]) -> Result<Self, Error> {
        if algorithm != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }
}

impl Signer<Vec<u8>> for Key {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mac = self.0.clone().chain_update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Key {
    /// In constant time.
    fn verify(&self, message: &[u8], code: &Vec<u8>) -> Result<(), signature::Error> {
        let mac = self.0.clone().chain_update(message);
        mac.verify_slice(code).map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::hex;

    /// Test case 2 of RFC 4231.
    #[test]
    fn it_is_the_standard_one() {
        let (secret, message) = (b"Jefe", b"what do ya want for nothing?");
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&code(secret, message).unwrap()), wanted);
        let key = Key::new(Algorithm::HS256, AlgorithmFamily::Hmac, secret).unwrap();
        let signed = key.try_sign(message).unwrap();
        assert_eq!(hex(&signed), wanted);
        assert!(key.verify(message, &signed).is_ok());
        assert!(key.verify(message, &signed[..31].to_vec()).is_err());
        assert!(key.verify(message, &Vec::new()).is_err());
        assert!(key.verify(b"else", &signed).is_err());
    }

    #[test]
    fn it_knows_no_other_algorithm() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::EdDSA] {
            assert!(Key::new(algorithm, AlgorithmFamily::Hmac, b"s").is_err(), "{algorithm:?}");
        }
        assert!(Key::new(Algorithm::HS256, AlgorithmFamily::Rsa, b"s").is_err());
    }
}
