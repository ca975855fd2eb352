//! Destroying groups that were deleted, in slices (I7): the groups and
//! projects in it first, then people,
//! tokens and cache, and the record last, so that a slice can end anywhere.

use crate::db::Span;
use crate::db::schema::{
    DEPLOY_TOKENS, DEPLOY_TOKENS_OF, GROUP_NAMES, GROUPS, MEMBERS, MEMBERSHIPS, PACKAGE_SETTINGS,
};
use crate::model::{GroupId, Usage};
use crate::store::{Budget, Error, Tx};

impl Tx<'_, '_> {
    /// Removes what is in a group, and it, until the budget is used up; `true` when it is gone.
    pub(in crate::store) fn destroy_group(
        &self,
        id: GroupId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let is_empty = self.destroy_subgroups(id, budget, gone)?
            && self.destroy_projects_of(id, budget, gone)?
            && self.destroy_members(id, budget)?
            && self.destroy_deploy_tokens(id, budget)?
            && self.destroy_cached_of(id, budget)?;
        // Maybe the last slice came as far as this.
        let Some(group) = GROUPS.get(self.txn, &id)?.filter(|_| is_empty) else {
            return Ok(is_empty);
        };
        if !budget.take() {
            return Ok(false);
        }
        self.list(id, &group.listed(), &[])?;
        PACKAGE_SETTINGS.remove(self.txn, &id)?;
        Ok(GROUPS.remove(self.txn, &id)?)
    }

    /// As deep as groups lie in one another, which is bounded.
    fn destroy_subgroups(
        &self,
        at: GroupId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        while let Some((key, id)) = GROUP_NAMES.first(self.txn, Span::under(&at))? {
            if !self.destroy_group(id, budget, gone)? {
                return Ok(false);
            }
            GROUP_NAMES.remove(self.txn, &key)?;
        }
        Ok(true)
    }

    pub(in crate::store) fn destroy_members(
        &self,
        at: GroupId,
        budget: &Budget,
    ) -> Result<bool, Error> {
        while let Some(((_, name), _)) = MEMBERS.first(self.txn, Span::under(&at))? {
            if !budget.take() {
                return Ok(false);
            }
            MEMBERS.remove(self.txn, &(at, name.clone()))?;
            MEMBERSHIPS.remove(self.txn, &(name, at))?;
        }
        Ok(true)
    }

    pub(in crate::store) fn destroy_deploy_tokens(
        &self,
        at: GroupId,
        budget: &Budget,
    ) -> Result<bool, Error> {
        while let Some((key, ())) = DEPLOY_TOKENS_OF.first(self.txn, Span::under(&at))? {
            if !budget.take() {
                return Ok(false);
            }
            DEPLOY_TOKENS.remove(self.txn, &key.1)?;
            DEPLOY_TOKENS_OF.remove(self.txn, &key)?;
        }
        Ok(true)
    }
}
