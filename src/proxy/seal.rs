//! [`Vault`]: the credentials of groups, sealed with a key that lies in a file beside the database:
//! whoever gets a copy of the database alone cannot use them.
//!
//! What is sealed belongs to its group and its upstream: moved to another group it opens no more,
//! and it is not sent to another registry than the one that it was given for.
//! XChaCha20-Poly1305; a random nonce of 24 bytes needs no counter.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Error;
use crate::model::proxy::CREDENTIAL_LENGTH_MAX;
use crate::model::{GroupId, UpstreamCredentials};

/// The name of the key file in the data folder.
pub const KEY_FILE: &str = "proxy.key";

/// The form of what is sealed: this byte, the key's mark, the nonce, the ciphertext.
const VERSION: u8 = 1;
const KEY: usize = 32;
const MARK: usize = 4;
const NONCE: usize = 24;

type Key = [u8; KEY];

/// Seals and opens credentials. The key is made when it is first needed.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    key: Mutex<Option<Secret>>,
}

#[derive(Clone)]
struct Secret(Key);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
}

/// Whether a key is made when there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Fail,
}

impl Vault {
    /// With the key in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, key: Mutex::new(None) }
    }

    /// Seals a secret of a group for the upstream at `url`.
    ///
    /// # Errors
    /// [`Error::Login`], [`Error::KeyFile`], [`Error::KeyDamaged`].
    pub fn seal(
        &self,
        group: GroupId,
        url: &str,
        identity: &str,
        secret: &str,
    ) -> Result<UpstreamCredentials, Error> {
        check(identity, secret)?;
        let key = self.key(Absent::Make)?;
        let mut nonce = [0; NONCE];
        let random = OsRng.try_fill_bytes(&mut nonce);
        random.map_err(|error| self.unusable(io::Error::other(error)))?;
        let text = format!("{url}\0{secret}");
        let payload = Payload { msg: text.as_bytes(), aad: &bound(group) };
        let cipher = XChaCha20Poly1305::new(&key.0.into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        // It fails only for texts of many gigabytes.
        let sealed = sealed.map_err(|_| Error::Sealed)?;
        let parts = [&[VERSION][..], &mark(&key), &nonce, &sealed];
        Ok(UpstreamCredentials { identity: identity.to_owned(), sealed: parts.concat() })
    }

    /// The secret in credentials of a group for the upstream at `url`.
    ///
    /// # Errors
    /// [`Error::KeyLost`], [`Error::KeyOther`], [`Error::Sealed`], [`Error::Elsewhere`],
    /// [`Error::KeyFile`], [`Error::KeyDamaged`].
    pub fn open(
        &self,
        group: GroupId,
        url: &str,
        credentials: &UpstreamCredentials,
    ) -> Result<String, Error> {
        let key = self.key(Absent::Fail)?;
        let (marked, nonce, sealed) = parts(&credentials.sealed).ok_or(Error::Sealed)?;
        if marked != mark(&key) {
            return Err(Error::KeyOther { path: self.path.clone() });
        }
        let payload = Payload { msg: sealed, aad: &bound(group) };
        let cipher = XChaCha20Poly1305::new(&key.0.into());
        let text = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| Error::Sealed)?;
        let text = String::from_utf8(text).map_err(|_| Error::Sealed)?;
        let (theirs, secret) = text.split_once('\0').ok_or(Error::Sealed)?;
        if theirs != url {
            return Err(Error::Elsewhere { theirs: theirs.to_owned(), now: url.to_owned() });
        }
        Ok(secret.to_owned())
    }

    fn key(&self, absent: Absent) -> Result<Secret, Error> {
        let mut known = self.known();
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let key = match read(&self.path).map_err(|error| self.unusable(error))? {
            Some(text) => Secret(self.parse(&text)?),
            None if absent == Absent::Fail => {
                return Err(Error::KeyLost { path: self.path.clone() });
            }
            None => self.make()?,
        };
        Ok(known.insert(key).clone())
    }

    /// Makes the file. It is there, with all its bytes, before anything is sealed with it.
    fn make(&self) -> Result<Secret, Error> {
        let mut key = [0; KEY];
        let random = OsRng.try_fill_bytes(&mut key);
        random.map_err(|error| self.unusable(io::Error::other(error)))?;
        match write(&self.path, &hex(&key)) {
            Ok(()) => {
                log::info!("{} was made: keep a copy of it apart", self.path.display());
                Ok(Secret(key))
            }
            Err(error) => Err(self.unusable(error)),
        }
    }

    fn parse(&self, text: &str) -> Result<Key, Error> {
        let damaged = || Error::KeyDamaged { path: self.path.clone() };
        let bytes = unhex(text.trim()).ok_or_else(damaged)?;
        bytes.try_into().map_err(|_| damaged())
    }

    fn unusable(&self, source: io::Error) -> Error {
        Error::KeyFile { path: self.path.clone(), source }
    }

    fn known(&self) -> MutexGuard<'_, Option<Secret>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these can be sent as a login.
fn check(identity: &str, secret: &str) -> Result<(), Error> {
    let is_bad = |text: &str| text.chars().any(char::is_control);
    if identity.is_empty() || secret.is_empty() {
        return Err(Error::Login("both an identity and a secret are needed"));
    }
    if identity.len().max(secret.len()) > CREDENTIAL_LENGTH_MAX {
        return Err(Error::Login("identity and secret have up to 255 bytes each"));
    }
    if identity.contains(':') || is_bad(identity) || is_bad(secret) {
        return Err(Error::Login("an identity has no colon, and neither has control characters"));
    }
    Ok(())
}

/// What else has to be right for a secret to open.
fn bound(group: GroupId) -> Vec<u8> {
    [b"larder upstream credentials of group ".as_slice(), &group.0.to_be_bytes()].concat()
}

/// Tells one key from another without telling it.
fn mark(key: &Secret) -> [u8; MARK] {
    let hash = Sha256::new().chain_update(b"larder proxy key").chain_update(key.0).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn parts(sealed: &[u8]) -> Option<([u8; MARK], [u8; NONCE], &[u8])> {
    let rest = sealed.strip_prefix(&[VERSION])?;
    let (mark, rest) = rest.split_first_chunk()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    Some((*mark, *nonce, rest))
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                let path = path.display();
                log::warn!("{path} can be read by others (mode {:o}): chmod 600 it", mode & 0o777);
            }
            Ok(Some(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // It is there, and no text.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        Err(error) => Err(error),
    }
}

/// A new file for this user alone; one that is there already is not touched.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len().is_multiple_of(2);
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    let byte = |pair: Option<&str>| u8::from_str_radix(pair?, 16).ok();
    if is_hex { pairs.map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests;
