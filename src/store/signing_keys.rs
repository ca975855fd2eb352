//! The keys that tokens of the registry are signed with: one signs, those before it are known for
//! as long as a token may live that they signed.
//!
//! A key signs only once its row is committed (I5), so a restart forgets no token. A new one is
//! made when a token is to be signed and the newest key is a day old; the same transaction removes
//! those that cannot have signed anything that still holds.
//! Deliberately absent: signing (`access`), and drawing secrets.

use std::time::Duration;

use super::{Error, Store, View};
use crate::db::schema::SIGNING_KEYS;
use crate::db::{Pending, Span};
use crate::model::{SigningKey, Timestamp};

/// How long a key signs.
pub const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest life of a token, and so how long a key is known after it signed last.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// A key and the moment it was made, which names it.
pub type NamedKey = (Timestamp, SigningKey);

/// Whether a key that was made at `made` signs at `now`. One from the future was made by a clock
/// that was wrong: it signs only if that was by little.
#[must_use]
pub fn signs_at(made: Timestamp, now: Timestamp) -> bool {
    now.since(made) < KEY_LIFETIME && made.since(now) < KEY_LIFETIME
}

impl Store {
    /// The key that signs now: the newest one, or a new one with `secret` when that is too old.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn rotate_signing_key(&self, secret: [u8; 32]) -> Pending<NamedKey, Error> {
        self.change(move |tx| {
            let keys = SIGNING_KEYS.all(tx.txn, Span::all())?;
            if let Some(newest) = keys.last().filter(|(made, _)| signs_at(*made, tx.now)) {
                return Ok(newest.clone());
            }
            for (at, (made, _)) in keys.iter().enumerate() {
                let signed_until = keys.get(at + 1).map_or(tx.now, |(next, _)| *next);
                let is_over = signed_until.after(TOKEN_LIFETIME_MAX) <= tx.now;
                if is_over || *made >= tx.now {
                    SIGNING_KEYS.remove(tx.txn, made)?;
                }
            }
            let key = SigningKey { secret: secret.to_vec() };
            SIGNING_KEYS.put(tx.txn, &tx.now, &key)?;
            Ok((tx.now, key))
        })
    }
}

impl View {
    /// The newest key, which signs if [`signs_at`] says so.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn newest_signing_key(&self) -> Result<Option<NamedKey>, Error> {
        Ok(SIGNING_KEYS.first(&self.snapshot, Span::all().descending())?)
    }

    /// The key that was made then.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn signing_key(&self, made: Timestamp) -> Result<Option<SigningKey>, Error> {
        Ok(SIGNING_KEYS.get(&self.snapshot, &made)?)
    }
}
