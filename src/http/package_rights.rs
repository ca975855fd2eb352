//! Who may read, and who may delete, packages in lists and by number, asked alike by REST and
//! GraphQL (spec gitlab §8.7, §9.2).
//!
//! Defends I9: a project is asked about by its id, in the snapshot that the answer is read from.

use super::Server;
use super::failure::Failure;
use crate::model::{Ability, Caller, GroupId, Package, ProjectId, Visibility};
use crate::store::package_lists::{Depth, Place};
use crate::store::{Error, View};

impl Server {
    /// Whether the caller may be told of a project's packages.
    pub(in crate::http) fn reads_packages(
        &self,
        view: &View,
        caller: &Caller,
        project: ProjectId,
    ) -> Result<bool, Error> {
        let is_open = self.is_open_to(caller, view.effective_visibility(project)?);
        let may =
            || self.access.may_in_group(view, caller, project.governed(), Ability::ReadPackages);
        if is_open { Ok(true) } else { may() }
    }

    /// Whether that visibility alone is enough for the caller.
    fn is_open_to(&self, caller: &Caller, visibility: Visibility) -> bool {
        match visibility {
            Visibility::Public => true,
            Visibility::Internal => matches!(caller, Caller::User(_)) || self.access.trusts(caller),
            Visibility::Private => false,
        }
    }

    /// The projects of a group whose packages the caller may be told of.
    pub(in crate::http) fn package_places(
        &self,
        view: &View,
        caller: &Caller,
        group: GroupId,
        depth: Depth,
    ) -> Result<Vec<Place>, Error> {
        // Who may in the group may below it.
        if self.access.may_in_group(view, caller, group, Ability::ReadPackages)? {
            return view.package_places(group, depth, |_, _| Ok(true));
        }
        view.package_places(group, depth, |project, _| self.reads_packages(view, caller, project))
    }

    /// Whether a rule keeps the caller, who may delete packages there, from deleting this one.
    pub(in crate::http) fn is_delete_protected(
        &self,
        view: &View,
        caller: &Caller,
        package: &Package,
    ) -> Result<bool, Failure> {
        let protection = view.protection(package)?;
        Ok(!protection.may_delete(self.rule_role(view, caller, package.project)?))
    }
}
