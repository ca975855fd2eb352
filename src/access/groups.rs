//! Who may do what in a group: roles decide, and no rule of a path (spec gitlab §9.2).
//!
//! What decides is read in the snapshot that the rest of an answer is built from (I8), so an ended
//! membership and a deleted group are worth nothing from their commit on.
//! Deliberately absent: what credentials reach ([`super::identity::Reach`]), and what everybody may
//! see of a group that is not private.

use super::Access;
use crate::model::{Ability, Caller, DeployCaller, DeployScope, GroupId};
use crate::store::{self, View};

/// What pulling through the dependency proxy takes of a deploy token: both.
const PULLS: [DeployScope; 2] = [DeployScope::ReadRegistry, DeployScope::WriteRegistry];

impl Access {
    /// Whether `caller` may do that in a group, or in a project by its number as one
    /// ([`crate::model::ProjectId::governed`]). Administrators may everything, as does everybody
    /// where nobody logs in; nobody in particular may nothing.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn may_in_group(
        &self,
        view: &View,
        caller: &Caller,
        group: GroupId,
        ability: Ability,
    ) -> Result<bool, store::Error> {
        if self.trusts(caller) {
            return Ok(true);
        }
        match caller {
            Caller::Anonymous => Ok(false),
            Caller::User(user) => Ok(view.role(user, group)?.is_some_and(|role| role.may(ability))),
            Caller::Deploy(machine) => {
                Ok(has_scopes(machine, ability) && view.is_within(group, machine.group)?)
            }
        }
    }

    /// Those of a user's groups that a token of the registry has to name: the rules know them, or
    /// they are members of groups; one at least, since who is in none is nobody.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn telling_groups(
        &self,
        view: &View,
        groups: &[String],
    ) -> Result<Vec<String>, store::Error> {
        let known = self.known_groups(groups);
        let mut telling = Vec::new();
        for group in groups {
            if known.contains(group) || view.is_team(group)? {
                telling.push(group.clone());
            }
        }
        Ok(telling)
    }
}

/// Deploy tokens pull, and read or publish packages, and do nothing else.
fn has_scopes(machine: &DeployCaller, ability: Ability) -> bool {
    match ability {
        Ability::ReadDependencyProxy => are_enough(&machine.scopes),
        Ability::ReadPackages => {
            has(machine, DeployScope::ReadPackageRegistry)
                || has(machine, DeployScope::WritePackageRegistry)
        }
        Ability::CreatePackage | Ability::DestroyPackage => {
            has(machine, DeployScope::WritePackageRegistry)
        }
        Ability::ReadGroup
        | Ability::AdminDependencyProxy
        | Ability::AdminGroup
        | Ability::CreateSubgroup
        | Ability::CreateProject
        | Ability::ReadProject
        | Ability::AdminProject
        | Ability::DeleteProject
        | Ability::AdminPackages
        | Ability::AdminPackageSettings => false,
    }
}

fn has(machine: &DeployCaller, scope: DeployScope) -> bool {
    machine.scopes.contains(&scope)
}

/// Whether a deploy token with these scopes pulls through the dependency proxy.
pub(super) fn are_enough(scopes: &[DeployScope]) -> bool {
    PULLS.iter().all(|needed| scopes.contains(needed))
}

#[cfg(test)]
mod tests;
