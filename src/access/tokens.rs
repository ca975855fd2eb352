//! The text of a token, which only its owner has, and when each was used last.
//!
//! A use is noted in memory and written in batches (a write for each download would wait for the
//! disk): a crash loses about a minute of it, and nothing else.
//! Deliberately absent: whether a token is still worth anything (its row tells).

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::password::is_same;
use crate::model::digest::hex;
use crate::model::{DeployToken, DeployTokenId, Timestamp, Token, TokenId};
use crate::store::tokens::BATCH_MAX;
use crate::store::{self, Store};

/// What every token begins with, so that it is found where it should not be.
const PREFIX: &str = "larder_";
/// What every deploy token begins with; no access token does.
const DEPLOY_PREFIX: &str = "larder_deploy_";

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
        let (id, secret) = parts(text, PREFIX)?;
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

/// A deploy token as its owner has it: `larder_deploy_<id>_<64 hex digits>`.
#[derive(Clone, PartialEq, Eq)]
pub struct DeployTokenText {
    /// Which row.
    pub id: DeployTokenId,
    secret: DeploySecret,
}

/// 256 random bits, before the store has given the deploy token its id.
#[derive(Clone, PartialEq, Eq)]
pub struct DeploySecret([u8; 32]);

impl DeploySecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The token with this id, to be shown once.
    #[must_use]
    pub fn of(self, id: DeployTokenId) -> DeployTokenText {
        DeployTokenText { id, secret: self }
    }
}

impl DeployTokenText {
    /// Reads one; `None` when the text is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = parts(text, DEPLOY_PREFIX)?;
        Some(Self { id: DeployTokenId(id), secret: DeploySecret(secret) })
    }

    /// Whether it is the token of this row.
    #[must_use]
    pub fn is_of(&self, token: &DeployToken) -> bool {
        is_same(&self.secret.hash(), &token.hash)
    }
}

impl fmt::Display for DeployTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DEPLOY_PREFIX}{}_{}", self.id.0, hex(&self.secret.0))
    }
}

/// Without the secret, for logs.
impl fmt::Debug for DeployTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deploy token {}", self.id.0)
    }
}

/// Without the secret, for logs.
impl fmt::Debug for DeploySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// The id and the secret behind a prefix.
fn parts(text: &str, prefix: &str) -> Option<(u64, [u8; 32])> {
    let (id, secret) = text.strip_prefix(prefix)?.split_once('_')?;
    let is_number = !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit());
    let id = id.parse().ok().filter(|_| is_number)?;
    Some((id, crate::model::Digest::parse(secret)?.0))
}

/// Last uses that are not written yet.
#[derive(Debug, Default)]
pub struct TokenUses {
    tokens: Uses<TokenId>,
    deploys: Uses<DeployTokenId>,
}

impl TokenUses {
    pub(super) fn note(&self, id: TokenId, at: Timestamp) {
        self.tokens.lock().insert(id, at);
    }

    pub(super) fn note_deploy(&self, id: DeployTokenId, at: Timestamp) {
        self.deploys.lock().insert(id, at);
    }

    /// Writes them down. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn flush(&self, store: &Store) -> Result<(), store::Error> {
        let tokens = self.tokens.flush(|batch| store.note_token_uses(batch).wait());
        let deploys = self.deploys.flush(|batch| store.note_deploy_token_uses(batch).wait());
        tokens.and(deploys)
    }
}

/// Of one kind of tokens.
#[derive(Debug)]
struct Uses<K>(Mutex<HashMap<K, Timestamp>>);

impl<K> Default for Uses<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Uses<K> {
    fn flush(
        &self,
        write: impl Fn(Vec<(K, Timestamp)>) -> Result<(), store::Error>,
    ) -> Result<(), store::Error> {
        let uses: Vec<_> = self.lock().drain().collect();
        for (at, batch) in uses.chunks(BATCH_MAX).enumerate() {
            if let Err(error) = write(batch.to_vec()) {
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
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_deploy_token_is_no_access_token_and_the_other_way_round() {
        let secret = DeploySecret::generate();
        let token = secret.clone().of(DeployTokenId(7));
        let text = token.to_string();
        assert!(text.starts_with("larder_deploy_7_"), "{text}");
        assert_eq!(DeployTokenText::parse(&text), Some(token.clone()));
        assert_eq!(TokenText::parse(&text), None);
        assert_eq!(DeployTokenText::parse(&TokenText::generate().to_string()), None);
        assert!(!format!("{token:?}{secret:?}").contains(&hex(&secret.0)));
        for bad in ["larder_deploy_", "larder_deploy_7", &text[..text.len() - 1], &text[1..]] {
            assert_eq!(DeployTokenText::parse(bad), None, "{bad}");
        }
    }
}
