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
use crate::store::{self, View};

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
    ) -> Result<bool, store::Error> {
        let visibility = view.visibility(group)?.unwrap_or(Visibility::Private);
        self.sees(view, caller, (group, visibility), Ability::ReadGroup)
    }

    /// Whether a group or a project that is shown so is for the caller too, or they may do that
    /// there.
    pub(in crate::http) fn sees(
        &self,
        view: &View,
        caller: &Caller,
        (governed, shown): (GroupId, Visibility),
        ability: Ability,
    ) -> Result<bool, store::Error> {
        match shown {
            Visibility::Public => Ok(true),
            Visibility::Internal if self.is_somebody(caller) => Ok(true),
            _ => self.access.may_in_group(view, caller, governed, ability),
        }
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
        self.must_may(view, asked, found.id, ability)?;
        Ok(found)
    }

    /// Refuses who may not do that in a group or a project that they see.
    pub(super) fn must_may(
        &self,
        view: &View,
        asked: &Asked,
        governed: GroupId,
        ability: Ability,
    ) -> Result<(), Failure> {
        if self.may_in(view, &asked.caller, governed, ability)? {
            return Ok(());
        }
        Err(if self.is_somebody(&asked.caller) {
            ApiError::forbidden().into()
        } else {
            ApiError::unauthorized().into()
        })
    }
}
