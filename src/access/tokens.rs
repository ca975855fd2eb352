//! The text of a token, which only its owner has, and when each was used last.
//!
//! A use is noted in memory and written in batches (a write for each download would wait for the
//! disk): a crash loses about a minute of it, and nothing else.
//! Deliberately absent: whether a token is still worth anything (its row tells).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::password::is_same;
use crate::model::digest::hex;
use crate::model::{Timestamp, Token, TokenId};
use crate::store::tokens::BATCH_MAX;
use crate::store::{self, Store};

/// What every token begins with, so that it is found where it should not be.
const PREFIX: &str = "larder_";

/// A token as its owner has it: `larder_<id>_<64 hex digits>`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText {
    /// Which row.
    pub id: TokenId,
    secret: [u8; 32],
}

impl TokenText {
    /// A new one: 256 random bits, and an id by lot.
    #[must_use]
    pub fn generate() -> Self {
        Self { id: TokenId(rand::random::<u32>().into()), secret: rand::random() }
    }

    /// Reads one; `None` when the text is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_number = !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit());
        let id = id.parse().ok().filter(|_| is_number)?;
        let secret = crate::model::Digest::parse(secret)?.0;
        Some(Self { id: TokenId(id), secret })
    }

    /// What is stored of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Whether it is the token of this row.
    #[must_use]
    pub fn is_of(&self, token: &Token) -> bool {
        is_same(&self.hash(), &token.hash)
    }
}

impl fmt::Display for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}", self.id.0, hex(&self.secret))
    }
}

/// Without the secret, for logs.
impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.id.0)
    }
}

/// Last uses that are not written yet.
#[derive(Debug, Default)]
pub struct TokenUses {
    uses: Mutex<HashMap<TokenId, Timestamp>>,
}

impl TokenUses {
    pub(super) fn note(&self, id: TokenId, at: Timestamp) {
        self.lock().insert(id, at);
    }

    /// Writes them down. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn flush(&self, store: &Store) -> Result<(), store::Error> {
        let uses: Vec<_> = self.lock().drain().collect();
        for (at, batch) in uses.chunks(BATCH_MAX).enumerate() {
            if let Err(error) = store.note_token_uses(batch.to_vec()).wait() {
                let mut noted = self.lock();
                for (id, used) in &uses[at * BATCH_MAX..] {
                    noted.entry(*id).or_insert(*used);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// A number in a map cannot be torn, so a panic elsewhere is no reason to stop noting.
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Timestamp>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_what_it_writes_and_nothing_else() {
        let token = TokenText::generate();
        let text = token.to_string();
        assert_eq!(TokenText::parse(&text), Some(token.clone()));
        assert!(!format!("{token:?}").contains(&hex(&token.secret)));
        let (head, secret) = text.rsplit_once('_').unwrap();
        for bad in [
            "",
            "larder_",
            head,
            &format!("{head}_{}", &secret[1..]),
            &format!("larder_+1_{secret}"),
            &format!("larder__{secret}"),
            &format!("larder_1_sha256:{secret}x"),
            &format!("{text}0"),
            &text.replace("larder", "glpat"),
        ] {
            assert_eq!(TokenText::parse(bad), None, "{bad}");
        }
        assert_ne!(TokenText::generate(), token);
    }
}
