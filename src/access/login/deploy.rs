//! Deploy tokens at the door: each use looks the row up again, and the row counts only while names
//! lead to its group. There is nothing to guess, so nothing is slowed down, as with access tokens.

use super::{Basis, DeployTokenText, Identity, LoginError, Logins, Reach};
use crate::model::{Caller, DeployCaller, DeployToken, DeployTokenId};

impl Logins {
    /// The machine that has this token. Where it comes with a login, that is the token's.
    pub(super) fn by_deploy_token(
        &self,
        text: &str,
        login: Option<&str>,
    ) -> Result<Identity, LoginError> {
        let text = DeployTokenText::parse(text).ok_or(LoginError::Refused)?;
        let token = self.store.view()?.deploy_token(text.id)?;
        let token = token.filter(|token| text.is_of(token)).ok_or(LoginError::Refused)?;
        if login.is_some_and(|login| login != token.username) {
            return Err(LoginError::Refused);
        }
        self.by_deploy_row(text.id, token)
    }

    /// The machine of a token that is known by its id alone.
    pub(super) fn by_deploy_row(
        &self,
        id: DeployTokenId,
        token: DeployToken,
    ) -> Result<Identity, LoginError> {
        let now = self.store.clock().now();
        if !token.is_valid_at(now) {
            return Err(LoginError::Refused);
        }
        self.uses.note_deploy(id, now);
        let basis = Basis::Deploy { id, created: token.created };
        let reach = Reach::of_deploy(&token.scopes);
        let DeployToken { group, username, scopes, .. } = token;
        Ok(Identity {
            caller: Caller::Deploy(DeployCaller { id, username, group, scopes }),
            reach,
            basis,
        })
    }
}
