//! Finding the project that a URL names, and what governs: a group or a project, whose people and
//! tokens are asked for alike (spec gitlab §9.2).
//!
//! Defends I9, as [`super::gate`] does: what the caller may not see is not found, whatever is
//! asked of it.

use super::{ApiError, Asked};
use crate::http::Server;
use crate::http::failure::Failure;
use crate::http::route::{GovernedAt, ProjectAt};
use crate::model::{Ability, Caller, GroupId, GroupPath, Project, ProjectId, Role};
use crate::store::{self, View};

/// A project that was found.
#[derive(Clone, Debug)]
pub(in crate::http) struct FoundProject {
    pub(in crate::http) id: ProjectId,
    pub(in crate::http) path: GroupPath,
    pub(in crate::http) project: Project,
}

/// What is asked about people and tokens, of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    /// To see it.
    See,
    /// To change them.
    Admin,
}

impl Matter {
    fn of(self, at: &GovernedAt) -> Ability {
        match (self, at) {
            (Self::See, GovernedAt::Group(_)) => Ability::ReadGroup,
            (Self::See, GovernedAt::Project(_)) => Ability::ReadProject,
            (Self::Admin, GovernedAt::Group(_)) => Ability::AdminGroup,
            (Self::Admin, GovernedAt::Project(_)) => Ability::AdminProject,
        }
    }
}

impl Server {
    /// Whether the caller may see that a project is there.
    pub(in crate::http) fn sees_project(
        &self,
        view: &View,
        caller: &Caller,
        id: ProjectId,
    ) -> Result<bool, store::Error> {
        let visibility = view.effective_visibility(id)?;
        self.sees(view, caller, (id.governed(), visibility), Ability::ReadProject)
    }

    /// The project that a URL names.
    ///
    /// # Errors
    /// 404 when it is not there or not to be seen.
    pub(in crate::http) fn project_found(
        &self,
        view: &View,
        asked: &Asked,
        at: &ProjectAt,
    ) -> Result<FoundProject, Failure> {
        let missing = || Failure::from(ApiError::not_found("Project"));
        let id = match at {
            ProjectAt::Id(id) => *id,
            ProjectAt::Path(path) => view.project_at(path)?.ok_or_else(missing)?.0,
            ProjectAt::Impossible => return Err(missing()),
        };
        let (path, project) = view.project(id)?.ok_or_else(missing)?;
        if !self.sees_project(view, &asked.caller, id)? {
            return Err(missing());
        }
        Ok(FoundProject { id, path, project })
    }

    /// The project that a URL names, in which the caller may do that.
    ///
    /// # Errors
    /// 404 as [`Self::project_found`]; 403.
    pub(in crate::http) fn project_for(
        &self,
        view: &View,
        asked: &Asked,
        at: &ProjectAt,
        ability: Ability,
    ) -> Result<FoundProject, Failure> {
        let found = self.project_found(view, asked, at)?;
        self.must_may(view, asked, found.id.governed(), ability)?;
        Ok(found)
    }

    /// What governs that a URL names, of which the caller may do that; its number.
    pub(super) fn governed_for(
        &self,
        view: &View,
        asked: &Asked,
        at: &GovernedAt,
        matter: Matter,
    ) -> Result<GroupId, Failure> {
        let id = self.governed_found(view, asked, at)?;
        self.must_may(view, asked, id, matter.of(at))?;
        Ok(id)
    }

    /// What governs that a URL names; its number.
    pub(super) fn governed_found(
        &self,
        view: &View,
        asked: &Asked,
        at: &GovernedAt,
    ) -> Result<GroupId, Failure> {
        Ok(match at {
            GovernedAt::Group(at) => self.group_found(view, asked, at)?.id,
            GovernedAt::Project(at) => self.project_found(view, asked, at)?.id.governed(),
        })
    }

    /// Refuses who is below `role`: nobody gives or takes away more than they have.
    pub(super) fn must_have(
        &self,
        view: &View,
        asked: &Asked,
        governed: GroupId,
        role: Role,
    ) -> Result<(), Failure> {
        if self.access.trusts(&asked.caller) {
            return Ok(());
        }
        match &asked.caller {
            Caller::User(user) if view.role(user, governed)? >= Some(role) => Ok(()),
            _ => Err(ApiError::forbidden().into()),
        }
    }
}
