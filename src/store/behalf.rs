//! [`Behalf`]: for whom a change is made, looked at again in the transaction that makes it (I9).
//!
//! A body may take hours to come, and whoever sent its beginning may have lost their token, their
//! account or their role by its end. So a store that acts for somebody looks up first what they
//! came in with: the row of a token, or of an account. Whoever publishes a package has to have the
//! role for it then, too; the roles of the door are no more than what lets the bytes begin.
//! Deliberately absent: those whom another back end knows, since no row tells of them; the rules of
//! paths; and what gives an upload up, which needs nobody's leave.

use std::sync::Arc;

use super::governed::{governed, is_live};
use super::members::role_at;
use super::{Error, Store, Tx};
use crate::blobs::hash::hash_bytes;
use crate::db::schema::{ACCOUNTS, DEPLOY_TOKENS, TOKENS};
use crate::model::{
    Ability, Account, Basis, Caller, DeployCaller, DeployScope, ProjectId, RuleRole, Token,
    TokenOwner, UserName,
};

/// For whom a change is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behalf {
    /// Who.
    pub caller: Caller,
    /// Why that is believed.
    pub basis: Basis,
}

impl Store {
    /// The same store; what is changed by way of it is refused once `behalf` has ended:
    /// [`Error::CredentialsEnded`]. Publishing a package takes the role for it as well:
    /// [`Error::RoleEnded`].
    #[must_use]
    pub fn on_behalf(&self, behalf: Behalf) -> Self {
        Self { behalf: Some(Arc::new(behalf)), ..self.clone() }
    }
}

impl Tx<'_, '_> {
    /// Whether what somebody came in with is worth something still.
    pub(super) fn check_behalf(&self) -> Result<(), Error> {
        let Some(behalf) = self.behalf else { return Ok(()) };
        let is_good = match &behalf.basis {
            Basis::Nobody | Basis::Elsewhere { .. } => true,
            Basis::Account { created, password } => {
                let account = behalf.caller.login().map(|login| self.account(login)).transpose()?;
                account.flatten().is_some_and(|account| {
                    account.created == *created && is_hash(&account, password)
                })
            }
            Basis::Token { id, created } => match TOKENS.get(self.txn, id)? {
                Some(token) if token.created == *created => self.is_worth(&token)?,
                _ => false,
            },
            Basis::Deploy { id, created } => match DEPLOY_TOKENS.get(self.txn, id)? {
                Some(token) if token.created == *created && token.is_valid_at(self.now) => {
                    is_live(self.txn, token.group)?
                }
                _ => false,
            },
        };
        if is_good { Ok(()) } else { Err(Error::CredentialsEnded) }
    }

    /// As what somebody publishes to a project now; as `said` if no rule is asked about them, or
    /// nobody in particular changes anything.
    pub(super) fn publishes_as(
        &self,
        project: ProjectId,
        said: Option<RuleRole>,
    ) -> Result<Option<RuleRole>, Error> {
        match self.behalf.map(|behalf| &behalf.caller) {
            Some(Caller::User(user)) if said != TRUSTED => {
                let role = role_at(self.txn, self.now, user, project.governed())?;
                let role = role.filter(|role| role.may(Ability::CreatePackage));
                role.map(|role| Some(RuleRole::Role(role))).ok_or(Error::RoleEnded)
            }
            Some(Caller::Deploy(machine)) if !self.reaches(machine, project)? => {
                Err(Error::RoleEnded)
            }
            _ => Ok(said),
        }
    }

    fn reaches(&self, machine: &DeployCaller, project: ProjectId) -> Result<bool, Error> {
        let way = governed(self.txn, project.governed())?;
        let is_below = way.is_some_and(|way| way.steps.contains(&machine.group));
        Ok(is_below && machine.scopes.contains(&DeployScope::WritePackageRegistry))
    }

    /// Whether a token has not ended, and its owner is who it was made for.
    fn is_worth(&self, token: &Token) -> Result<bool, Error> {
        let account = self.account(&token.user)?.map(|account| account.created);
        let is_theirs = match token.owner {
            TokenOwner::Account { created } => account == Some(created),
            TokenOwner::Elsewhere { .. } => account.is_none(),
        };
        Ok(is_theirs && token.is_valid_at(self.now))
    }

    fn account(&self, login: &UserName) -> Result<Option<Account>, Error> {
        Ok(ACCOUNTS.get(self.txn, login)?)
    }
}

/// What the door says of those whom no rule is asked about.
const TRUSTED: Option<RuleRole> = Some(RuleRole::Admin);

/// Whether this is the password that somebody came in with.
fn is_hash(account: &Account, password: &[u8; 32]) -> bool {
    hash_bytes(account.hash.as_bytes(), None).digest.0 == *password
}
