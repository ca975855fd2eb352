//! Who may read, and who may delete, packages in lists and by number, asked alike by REST and
//! GraphQL (spec gitlab §8.7, §9.2).
//!
//! Defends I9: a project is asked about by its id, in the snapshot that the answer is read from.

use super::Server;
use super::failure::Failure;
use crate::model::{Ability, Caller, GroupId, Package, ProjectId};
use crate::store::package_lists::{Depth, Place};
use crate::store::{Error, View};

/// Rows that it takes, at the least, to know what a caller may in a project.
const RIGHT_ROWS: usize = 4;

impl Server {
    /// Whether the caller may be told of a project's packages.
    pub(in crate::http) fn reads_packages(
        &self,
        view: &View,
        caller: &Caller,
        project: ProjectId,
    ) -> Result<bool, Error> {
        let shown = view.effective_visibility(project)?;
        self.sees(view, caller, (project.governed(), shown), Ability::ReadPackages)
    }

    /// The projects of a group whose packages the caller may be told of. Takes off `looks` what was
    /// looked at.
    ///
    /// # Errors
    /// [`Error::ListTooLong`] when nothing is left of it, and [`Error::Db`].
    pub(in crate::http) fn package_places(
        &self,
        view: &View,
        caller: &Caller,
        group: GroupId,
        depth: Depth,
        looks: &mut usize,
    ) -> Result<Vec<Place>, Error> {
        let mut look = |rows| {
            let left = looks.checked_sub(rows);
            *looks = left.unwrap_or(0);
            left.map(drop).ok_or(Error::ListTooLong)
        };
        // Who may in the group may below it.
        if self.access.may_in_group(view, caller, group, Ability::ReadPackages)? {
            return view.package_places(group, depth, |_, _| look(1).map(|()| true));
        }
        view.package_places(group, depth, |project, _| {
            look(RIGHT_ROWS)?;
            self.reads_packages(view, caller, project)
        })
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
