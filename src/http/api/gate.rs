//! Who may do what in a group, asked of roles (spec gitlab §9.2), and finding the group that a URL
//! names.
//!
//! Defends I9: a group is asked about by its id, which names led to in the same snapshot. A group
//! that the caller may not see is not found, whatever is asked of it; only then it matters what
//! they may do.

use super::{ApiError, Asked};
use crate::http::Server;
use crate::http::failure::Failure;
use crate::http::route::GroupAt;
use crate::model::{Ability, Caller, Group, GroupId, GroupPath, Visibility};
use crate::store::View;

/// A group that was found.
#[derive(Clone, Debug)]
pub(in crate::http) struct Found {
    pub(in crate::http) id: GroupId,
    pub(in crate::http) path: GroupPath,
    pub(in crate::http) group: Group,
}

impl Server {
    /// Whether it is known who asks, or nobody is asked.
    pub(in crate::http) fn is_somebody(&self, caller: &Caller) -> bool {
        matches!(caller, Caller::User(_)) || self.access.trusts(caller)
    }

    /// A snapshot for one answer.
    pub(super) fn api_view(&self) -> Result<View, Failure> {
        Ok(self.tree.store().view()?)
    }

    /// Whether the caller may do that in a group.
    pub(super) fn may_in(
        &self,
        view: &View,
        caller: &Caller,
        group: GroupId,
        ability: Ability,
    ) -> Result<bool, Failure> {
        Ok(self.access.may_in_group(view, caller, group, ability)?)
    }

    /// Whether the caller may see that a group is there.
    pub(in crate::http) fn sees_group(
        &self,
        view: &View,
        caller: &Caller,
        group: GroupId,
    ) -> Result<bool, Failure> {
        let is_shown = match view.visibility(group)? {
            Some(Visibility::Public) => true,
            Some(Visibility::Internal) => self.is_somebody(caller),
            Some(Visibility::Private) | None => false,
        };
        Ok(is_shown || self.may_in(view, caller, group, Ability::ReadGroup)?)
    }

    /// The group that a URL names.
    ///
    /// # Errors
    /// 404 when it is not there or not to be seen.
    pub(in crate::http) fn group_found(
        &self,
        view: &View,
        asked: &Asked,
        at: &GroupAt,
    ) -> Result<Found, Failure> {
        let missing = || Failure::from(ApiError::not_found("Group"));
        let id = match at {
            GroupAt::Id(id) => *id,
            GroupAt::Path(path) => view.group_at(path)?.ok_or_else(missing)?.0,
            GroupAt::Impossible => return Err(missing()),
        };
        let (path, group) = view.group(id)?.ok_or_else(missing)?;
        if !self.sees_group(view, &asked.caller, id)? {
            return Err(missing());
        }
        Ok(Found { id, path, group })
    }

    /// The group that a URL names, in which the caller may do that.
    ///
    /// # Errors
    /// 404 as [`Self::group_found`]; 403.
    pub(in crate::http) fn group_for(
        &self,
        view: &View,
        asked: &Asked,
        at: &GroupAt,
        ability: Ability,
    ) -> Result<Found, Failure> {
        let found = self.group_found(view, asked, at)?;
        if self.may_in(view, &asked.caller, found.id, ability)? {
            return Ok(found);
        }
        Err(if self.is_somebody(&asked.caller) {
            ApiError::forbidden().into()
        } else {
            ApiError::unauthorized().into()
        })
    }
}
