//! Destroying projects that were deleted, in slices (I7): what was published first, then people,
//! tokens and settings, and the record last, so that a slice can end anywhere.

use crate::db::Span;
use crate::db::schema::{
    PACKAGE_POLICIES, PACKAGE_POLICIES_DUE, PACKAGE_POLICY_RUNS, PACKAGE_SETTINGS, PROJECT_NAMES,
    PROJECT_USAGE, PROJECTS, PROTECTION_RULES,
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
            && self.destroy_policy_runs(id, budget)?
            && self.destroy_package_policy(id, budget)?;
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

    fn destroy_policy_runs(&self, at: ProjectId, budget: &Budget) -> Result<bool, Error> {
        while let Some((key, _)) = PACKAGE_POLICY_RUNS.first(self.txn, Span::under(&at))? {
            if !budget.take() {
                return Ok(false);
            }
            PACKAGE_POLICY_RUNS.remove(self.txn, &key)?;
        }
        Ok(true)
    }

    fn destroy_package_policy(&self, at: ProjectId, budget: &Budget) -> Result<bool, Error> {
        let Some(policy) = PACKAGE_POLICIES.get(self.txn, &at)? else { return Ok(true) };
        if !budget.take() {
            return Ok(false);
        }
        PACKAGE_POLICIES_DUE.remove(self.txn, &(policy.next_run, at))?;
        PACKAGE_POLICIES.remove(self.txn, &at)?;
        Ok(true)
    }
}
