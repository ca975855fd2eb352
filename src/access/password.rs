//! Passwords: hashed, compared, made up.
//!
//! Hashing takes tens of milliseconds and 19 MiB on purpose: whoever calls [`hash`] or
//! [`Secret::matches`] does so on a thread that may block, and bounds how many do at once.
//! Deliberately absent: which password is whose.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rand::Rng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Shortest password of a local account, in characters.
pub const LENGTH_MIN: usize = 8;
/// Longest password, in bytes: hashing reads all of it.
pub const LENGTH_MAX: usize = 1024;

/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Of 5 bits each.
const GENERATED_LENGTH: usize = 24;

/// Why there is no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too easy to guess.
    #[error("the password has {0} characters, it needs {LENGTH_MIN} or more")]
    Short(usize),
    /// Too much to hash.
    #[error("the password has {0} bytes, at most {LENGTH_MAX} are allowed")]
    Long(usize),
    /// What the algorithm says.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// An argon2id string in PHC form, with a salt of its own.
///
/// # Errors
/// [`Error`].
pub fn hash(password: &str) -> Result<String, Error> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(Error::Short(length));
    }
    if password.len() > LENGTH_MAX {
        return Err(Error::Long(password.len()));
    }
    let failed = |error: argon2::password_hash::Error| Error::Hash(error.to_string());
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(failed)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?;
    Ok(hash.to_string())
}

/// A password that nobody guesses: 120 random bits.
#[must_use]
pub fn generate() -> String {
    let mut random = rand::rng();
    let letter = || char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
    std::iter::repeat_with(letter).take(GENERATED_LENGTH).collect()
}

/// What a password is compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A PHC string of argon2.
    Argon2(String),
    /// A string of bcrypt.
    Bcrypt(String),
    /// The password itself.
    Plain(String),
}

impl Secret {
    /// Tells by its beginning what a text is.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let is = |beginnings: &[&str]| beginnings.iter().any(|start| text.starts_with(start));
        if is(&["$argon2id$", "$argon2i$", "$argon2d$"]) {
            Self::Argon2(text.to_owned())
        } else if is(&["$2a$", "$2b$", "$2x$", "$2y$"]) {
            Self::Bcrypt(text.to_owned())
        } else {
            Self::Plain(text.to_owned())
        }
    }

    /// Whether this is the password. A hash that cannot be read fits none.
    #[must_use]
    pub fn matches(&self, password: &str) -> bool {
        if password.len() > LENGTH_MAX {
            return false;
        }
        #[cfg(test)]
        tests::count(self);
        match self {
            Self::Argon2(phc) => PasswordHash::new(phc).is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            }),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Plain(known) => is_same(&digest(known), &digest(password)),
        }
    }

    /// Why it can never fit, if so.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        match self {
            Self::Argon2(phc) => PasswordHash::new(phc).err().map(|error| error.to_string()),
            Self::Bcrypt(hash) => {
                hash.parse::<bcrypt::HashParts>().err().map(|error| error.to_string())
            }
            Self::Plain(_) => None,
        }
    }
}

/// Says what it is and keeps it to itself.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2(_) => "argon2",
            Self::Bcrypt(_) => "bcrypt",
            Self::Plain(_) => "plain",
        })
    }
}

/// Compares without telling by the time it takes where they differ.
pub(super) fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static HASHED: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn count(secret: &Secret) {
        let is_slow = !matches!(secret, Secret::Plain(_));
        HASHED.set(HASHED.get() + u32::from(is_slow));
    }

    /// How many passwords `check` hashes on this thread.
    pub fn hashed(check: impl FnOnce()) -> u32 {
        let before = HASHED.get();
        check();
        HASHED.get() - before
    }

    #[test]
    fn hashes_fit_their_password_only() {
        let hash = hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let bcrypt = bcrypt::hash("correct horse", 4).unwrap();
        for secret in [hash.as_str(), &bcrypt, "correct horse"].map(Secret::read) {
            assert!(secret.matches("correct horse"), "{secret:?}");
            for wrong in ["correct hors", "correct horse ", "", &"x".repeat(10_000)] {
                assert!(!secret.matches(wrong), "{secret:?} {wrong}");
            }
            assert_eq!(secret.flaw(), None);
        }
    }

    #[test]
    fn a_broken_hash_fits_nothing() {
        for text in ["$argon2id$v=19$m=1$", "$2y$99$short"] {
            let secret = Secret::read(text);
            assert!(!secret.matches(text) && secret.flaw().is_some(), "{text}");
        }
    }

    #[test]
    fn too_short_and_too_long_are_refused() {
        assert_eq!(hash("1234567"), Err(Error::Short(7)));
        assert_eq!(hash(&"x".repeat(1025)), Err(Error::Long(1025)));
    }

    #[test]
    fn generated_ones_differ_and_are_long_enough() {
        let (a, b) = (generate(), generate());
        assert!(a != b && a.len() == GENERATED_LENGTH && a.is_ascii(), "{a} {b}");
        assert!(!format!("{:?}", Secret::read(&a)).contains(&a));
    }
}
