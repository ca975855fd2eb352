//! The door of the dependency proxy: who gets to what a group has cached, in the order of spec
//! gitlab §1.3: who asks, then whether there is such a group that they may pull through.
//!
//! Whether a group is missing or not theirs, people are told the same, so nobody learns of a group
//! by asking; and they are told in a document that docker can show. 401 is for whom another login
//! or another token would help: nobody in particular, and whoever came with a token of the registry
//! that was issued for something else.
//! Deliberately absent: whether the group serves anything, and serving it.

use http::StatusCode;

use super::failure::Failure;
use super::registry::errors::{Code, OciError};
use super::{Request, Server};
use crate::access::login::Pulls;
use crate::model::{Ability, Caller, GroupId, GroupPath};

impl Server {
    /// The group whose proxy a request may pull through. Looked up anew each time, so a token of
    /// the registry is worth what its owner is at that moment.
    ///
    /// # Errors
    /// 401 with a challenge, or 404 with a document of the registry's.
    pub(super) fn proxy_group(
        &self,
        request: &Request,
        path: &GroupPath,
    ) -> Result<GroupId, Failure> {
        let Request { caller, pass, .. } = request;
        if *caller == Caller::Anonymous && !self.access.trusts(caller) {
            return Err(match pass.reach.grants {
                Some(_) => Failure::InsufficientScope,
                None => self.denied(caller),
            });
        }
        match pass.reach.proxy {
            Pulls::Yes => {}
            Pulls::WithAnotherToken => return Err(Failure::InsufficientScope),
            Pulls::Never => return Err(hidden(Code::Denied, NEEDED)),
        }
        let view = self.tree.store().view()?;
        let found = view.group_at(path)?.map(|(id, _)| id);
        let ability = Ability::ReadDependencyProxy;
        match found {
            Some(id) if self.access.may_in_group(&view, caller, id, ability)? => Ok(id),
            _ => Err(hidden(Code::Denied, &not_theirs(path))),
        }
    }
}

/// What credentials need, whatever the group.
pub(super) const NEEDED: &str = "what you logged in with does not pull through a dependency proxy: take an \
                      access token with the scope api, or with both read_registry and \
                      write_registry, or a deploy token with both";

fn not_theirs(path: &GroupPath) -> String {
    format!(
        "there is no group {path} whose dependency proxy you may use: ask its owner to make you a \
         member, or log in as somebody who is one"
    )
}

/// 404, since GitLab's is that too.
fn hidden(code: Code, why: &str) -> Failure {
    OciError::new(code, why).with_status(StatusCode::NOT_FOUND).into()
}
