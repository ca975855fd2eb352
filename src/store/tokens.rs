//! Access tokens: made, used, revoked (issue of the rights; their text is made in `access`).
//!
//! A revoked token is worth nothing from the commit on, since each use looks its row up. When it
//! was used last comes in batches, never with a use (a read stays a read).
//! Deliberately absent: secrets; only their hashes come in.

use super::{Error, Store, View};
use crate::db::schema::{ACCOUNTS, TOKENS};
use crate::db::{Pending, Span};
use crate::model::token::TOKEN_NAME_LENGTH_MAX;
use crate::model::{Timestamp, Token, TokenId, TokenOwner, TokenScope, UserName};

/// Rows that one transaction notes the last use of, or removes (I7).
pub const BATCH_MAX: usize = 256;

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Drawn by lot.
    pub id: TokenId,
    /// Whom it stands for.
    pub user: UserName,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// Groups of a user without a local account.
    pub groups: Vec<String>,
    /// From when on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
}

impl Store {
    /// Makes a token: of the local account, if there is one, else of somebody whom another back
    /// end knows.
    ///
    /// # Errors
    /// [`Error::TokenName`]; [`Error::Changed`] when the id is taken; [`Error::Db`].
    pub fn add_token(&self, new: NewToken) -> Pending<(), Error> {
        self.change(move |tx| {
            if new.name.is_empty() || new.name.len() > TOKEN_NAME_LENGTH_MAX {
                return Err(Error::TokenName);
            }
            if TOKENS.get(tx.txn, &new.id)?.is_some() {
                return Err(Error::Changed(format!("token {}", new.id.0)));
            }
            let owner = match ACCOUNTS.get(tx.txn, &new.user)? {
                Some(account) => TokenOwner::Account { created: account.created },
                None => TokenOwner::Elsewhere { groups: new.groups.clone() },
            };
            let NewToken { id, user, name, scopes, expires, hash, .. } = new.clone();
            let (created, last_used) = (tx.now, None);
            let token = Token { user, name, scopes, owner, created, expires, hash, last_used };
            Ok(TOKENS.put(tx.txn, &id, &token)?)
        })
    }

    /// Revokes tokens, at most [`BATCH_MAX`] of them; those that are gone already do not matter.
    /// Tells how many there were.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn revoke_tokens(&self, ids: Vec<TokenId>) -> Pending<usize, Error> {
        self.change(move |tx| {
            let mut revoked = 0;
            for id in ids.iter().take(BATCH_MAX) {
                if TOKENS.get(tx.txn, id)?.is_some() {
                    TOKENS.remove(tx.txn, id)?;
                    revoked += 1;
                }
            }
            Ok(revoked)
        })
    }

    /// Notes when tokens were used last, at most [`BATCH_MAX`] of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn note_token_uses(&self, uses: Vec<(TokenId, Timestamp)>) -> Pending<(), Error> {
        self.change(move |tx| {
            for (id, at) in uses.iter().take(BATCH_MAX) {
                if let Some(token) = TOKENS.get(tx.txn, id)?
                    && token.last_used < Some(*at)
                {
                    TOKENS.put(tx.txn, id, &Token { last_used: Some(*at), ..token })?;
                }
            }
            Ok(())
        })
    }
}

impl View {
    /// A token by its id.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn token(&self, id: TokenId) -> Result<Option<Token>, Error> {
        Ok(TOKENS.get(&self.snapshot, &id)?)
    }

    /// All tokens, or those of a user, oldest first.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn tokens(&self, of: Option<&UserName>) -> Result<Vec<(TokenId, Token)>, Error> {
        let mut tokens = TOKENS.all(&self.snapshot, Span::all())?;
        tokens.retain(|(_, token)| of.is_none_or(|user| token.user == *user));
        tokens.sort_by_key(|(id, token)| (token.created, *id));
        Ok(tokens)
    }
}
