//! [`Basis`]: what it rests on that somebody is believed to be who they say.
//!
//! It names rows of the store, or says that there are none, so that it can be looked at again when
//! something is done much later than it was asked for.
//! Deliberately absent: secrets, and how credentials are read (`access`).

use super::{DeployTokenId, Timestamp, TokenId};

/// What an identity rests on.
#[derive(Clone, PartialEq, Eq)]
pub enum Basis {
    /// Nothing was said.
    Nobody,
    /// The password of a local account.
    Account {
        /// [`super::Account::created`].
        created: Timestamp,
        /// SHA-256 of what is stored of the password.
        password: [u8; 32],
    },
    /// An access token.
    Token {
        /// Its id.
        id: TokenId,
        /// When it was made: ids are drawn by lot.
        created: Timestamp,
    },
    /// A deploy token.
    Deploy {
        /// Its id.
        id: DeployTokenId,
        /// When it was made.
        created: Timestamp,
    },
    /// What another back end said.
    Elsewhere {
        /// The groups.
        groups: Vec<String>,
        /// SHA-256 of what the back end has of the password, where it can be looked at.
        password: Option<[u8; 32]>,
    },
}

/// Digests of passwords stay out of logs.
impl std::fmt::Debug for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Account { .. } => "account",
            Self::Token { .. } => "token",
            Self::Deploy { .. } => "deploy token",
            Self::Elsewhere { .. } => "elsewhere",
        })
    }
}
