//! [`Identity`]: who is asking, what the credentials are good for, and what that rests on, so that
//! a token of the registry that is issued for it can be looked at again later.
//!
//! Deliberately absent: finding it out (`login`), and what the caller may do (`Access`).

use std::sync::Arc;

use super::login::LoginError;
use super::password;
use crate::model::{Account, Caller, Grants, Rank, Timestamp, TokenId, TokenScope, User, UserName};

/// Who is asking, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub caller: Caller,
    /// What the credentials are good for.
    pub reach: Reach,
    /// Why that is believed.
    pub basis: Basis,
}

/// What an identity rests on.
#[derive(Clone, PartialEq, Eq)]
pub enum Basis {
    /// Nothing was said.
    Nobody,
    /// The password of a local account.
    Account {
        /// [`Account::created`].
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
    /// What another back end said.
    Elsewhere {
        /// The groups.
        groups: Vec<String>,
        /// SHA-256 of what the back end has of the password, where it can be looked at.
        password: Option<[u8; 32]>,
    },
}

/// What credentials are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Outside of the registry.
    pub elsewhere: Extent,
    /// In the registry.
    pub registry: Extent,
    /// What a token of the registry narrows that down to.
    pub grants: Option<Arc<Grants>>,
}

/// How much of what their owner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// Reading.
    Reading,
    /// All of it.
    Everything,
}

impl Reach {
    /// All that their owner may do.
    pub const FULL: Self =
        Self { elsewhere: Extent::Everything, registry: Extent::Everything, grants: None };

    /// Of an access token with these scopes.
    #[must_use]
    pub fn of(scopes: &[TokenScope]) -> Self {
        let extent = |one: fn(&TokenScope) -> Extent| {
            scopes.iter().map(one).max().unwrap_or(Extent::Nothing)
        };
        let elsewhere = extent(|scope| match scope {
            TokenScope::Api => Extent::Everything,
            TokenScope::ReadApi => Extent::Reading,
            TokenScope::ReadRegistry | TokenScope::WriteRegistry => Extent::Nothing,
        });
        let registry = extent(|scope| match scope {
            TokenScope::Api | TokenScope::WriteRegistry => Extent::Everything,
            TokenScope::ReadApi | TokenScope::ReadRegistry => Extent::Reading,
        });
        Self { elsewhere, registry, grants: None }
    }

    /// The same in the registry, as far as `grants` say.
    #[must_use]
    pub fn narrowed(self, grants: Grants) -> Self {
        Self { elsewhere: Extent::Nothing, grants: Some(Arc::new(grants)), ..self }
    }
}

impl Identity {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { caller: Caller::Anonymous, reach: Reach::FULL, basis: Basis::Nobody }
    }

    /// Nobody without a group and without a rank is anybody (spec §15).
    pub(super) fn of(
        login: UserName,
        groups: Vec<String>,
        rank: Rank,
        basis: Basis,
    ) -> Result<Self, LoginError> {
        if groups.is_empty() && rank == Rank::Ordinary {
            return Err(LoginError::Refused);
        }
        let caller = Caller::User(User { login, groups, rank });
        Ok(Self { caller, reach: Reach::FULL, basis })
    }

    /// Somebody who knows the password of a local account.
    pub(super) fn of_account(login: UserName, account: Account) -> Result<Self, LoginError> {
        let Account { hash, groups, rank, created } = account;
        let basis = Basis::Account { created, password: password::digest(&hash) };
        Self::of(login, groups, rank, basis)
    }

    /// Somebody whom another back end knows.
    pub(super) fn of_elsewhere(
        login: UserName,
        groups: Vec<String>,
        password: Option<[u8; 32]>,
    ) -> Result<Self, LoginError> {
        let basis = Basis::Elsewhere { groups: groups.clone(), password };
        Self::of(login, groups, Rank::Ordinary, basis)
    }
}

/// Digests of passwords stay out of logs.
impl std::fmt::Debug for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Account { .. } => "account",
            Self::Token { .. } => "token",
            Self::Elsewhere { .. } => "elsewhere",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_a_token_add_up() {
        use Extent::{Everything, Nothing, Reading};
        use TokenScope::{Api, ReadApi, ReadRegistry, WriteRegistry};
        for (scopes, elsewhere, registry) in [
            (&[][..], Nothing, Nothing),
            (&[Api], Everything, Everything),
            (&[ReadApi], Reading, Reading),
            (&[ReadRegistry], Nothing, Reading),
            (&[WriteRegistry], Nothing, Everything),
            (&[ReadApi, WriteRegistry], Reading, Everything),
            (&[ReadRegistry, Api], Everything, Everything),
        ] {
            let reach = Reach::of(scopes);
            assert_eq!((reach.elsewhere, reach.registry), (elsewhere, registry), "{scopes:?}");
        }
        let narrowed = Reach::FULL.narrowed(Grants::default());
        assert_eq!((narrowed.elsewhere, narrowed.registry), (Nothing, Everything));
    }
}
