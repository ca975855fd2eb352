//! Destroying projects that were deleted, in slices (I7): what was published first, then people,
//! tokens and settings, and the record last, so that a slice can end anywhere.

use crate::db::Span;
use crate::db::schema::{
    PACKAGE_SETTINGS, PROJECT_NAMES, PROJECT_USAGE, PROJECTS, PROTECTION_RULES,
};
use crate::model::{GroupId, ProjectId, Usage};
use crate::store::{Budget, Error, Tx};

impl Tx<'_, '_> {
    /// Removes what is in a project, and it, until the budget is used up; `true` when it is gone.
    pub(in crate::store) fn destroy_project(
        &self,
        id: ProjectId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let governed = id.governed();
        let is_empty = self.destroy_packages_of(id, budget, gone)?
            && self.destroy_members(governed, budget)?
            && self.destroy_deploy_tokens(governed, budget)?
            && self.destroy_protection_rules(id, budget)?
            && self.forget_package_policy(id, budget)?;
        // Maybe the last slice came as far as this.
        let Some(project) = PROJECTS.get(self.txn, &id)?.filter(|_| is_empty) else {
            return Ok(is_empty);
        };
        if !budget.take() {
            return Ok(false);
        }
        self.list(governed, &project.listed(), &[])?;
        PACKAGE_SETTINGS.remove(self.txn, &governed)?;
        PROJECT_USAGE.remove(self.txn, &id)?;
        Ok(PROJECTS.remove(self.txn, &id)?)
    }

    /// The projects directly in a group that is being destroyed.
    pub(in crate::store) fn destroy_projects_of(
        &self,
        at: GroupId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        while let Some((key, id)) = PROJECT_NAMES.first(self.txn, Span::under(&at))? {
            if !self.destroy_project(id, budget, gone)? {
                return Ok(false);
            }
            PROJECT_NAMES.remove(self.txn, &key)?;
        }
        Ok(true)
    }

    fn destroy_protection_rules(&self, at: ProjectId, budget: &Budget) -> Result<bool, Error> {
        while let Some((key, _)) = PROTECTION_RULES.first(self.txn, Span::under(&at))? {
            if !budget.take() {
                return Ok(false);
            }
            PROTECTION_RULES.remove(self.txn, &key)?;
        }
        Ok(true)
    }
}
