//! Who gets to packages, and to those of which projects (spec gitlab §9.2).
//!
//! Packages of a project that everybody may see are everybody's to read; of one that is shown to
//! whoever logs in, theirs; else it takes a role in it, or a deploy token of it or a group above.
//! What the caller may not see is not there (404), except that nobody in particular is asked to
//! log in (401), since clients send what they know only then; and they get 401 for what they may
//! not do as well. Everything is read in the snapshot that the answer is built from (I8).
//! Deliberately absent: the words of a refusal that one format alone has.

use crate::http::Server;
use crate::http::api::ApiError;
use crate::http::failure::Failure;
use crate::http::route::{GroupAt, ProjectAt};
use crate::model::{
    Ability, Caller, GroupId, GroupPath, ProjectId, Rank, Role, RuleRole, SeriesKey,
};
use crate::store::{self, View};

/// Projects that are looked up at a time.
const PAGE: usize = 100;
/// Most projects that may have a package of one name, for one answer: each costs a few rows.
const PROJECTS_MAX: usize = 10_000;

/// A project that a client of packages gets to.
#[derive(Clone, Debug)]
pub(in crate::http) struct Target {
    pub(in crate::http) id: ProjectId,
    /// With that of its group.
    pub(in crate::http) path: GroupPath,
}

/// A group that a client of packages gets to; which of its projects, is asked of each.
#[derive(Clone, Debug)]
pub(in crate::http) struct TargetGroup {
    pub(in crate::http) id: GroupId,
    pub(in crate::http) path: GroupPath,
}

impl Server {
    /// The project that a URL names, in which the caller may do that.
    ///
    /// # Errors
    /// 401 for nobody in particular; 404 when it is not there or not to be seen; 403.
    pub(in crate::http) fn package_project(
        &self,
        view: &View,
        caller: &Caller,
        at: &ProjectAt,
        ability: Ability,
    ) -> Result<Target, Failure> {
        let missing = || self.nothing_for(caller, "Project");
        let id = match at {
            ProjectAt::Id(id) => *id,
            ProjectAt::Path(path) => view.project_at(path)?.ok_or_else(missing)?.0,
            ProjectAt::Impossible => return Err(missing()),
        };
        let (path, _) = view.project(id)?.ok_or_else(missing)?;
        if self.may_with_packages(view, caller, id, ability)? {
            return Ok(Target { id, path });
        }
        let is_seen = self.sees_project(view, caller, id)?
            || self.may_with_packages(view, caller, id, Ability::ReadPackages)?;
        Err(if is_seen { self.not_allowed(caller) } else { missing() })
    }

    /// Whether the caller may do that with the packages of a project, which is there.
    pub(in crate::http) fn may_with_packages(
        &self,
        view: &View,
        caller: &Caller,
        id: ProjectId,
        ability: Ability,
    ) -> Result<bool, Failure> {
        Ok(match ability {
            Ability::ReadPackages => self.reads_packages(view, caller, id)?,
            ability => self.access.may_in_group(view, caller, id.governed(), ability)?,
        })
    }

    /// The group that a URL names; its projects are asked about one by one.
    ///
    /// # Errors
    /// 401 for nobody in particular; 404 when it is not there or not to be seen.
    pub(in crate::http) fn package_group(
        &self,
        view: &View,
        caller: &Caller,
        at: &GroupAt,
    ) -> Result<TargetGroup, Failure> {
        let missing = || self.nothing_for(caller, "Group");
        let id = match at {
            GroupAt::Id(id) => *id,
            GroupAt::Path(path) => view.group_at(path)?.ok_or_else(missing)?.0,
            GroupAt::Impossible => return Err(missing()),
        };
        let (path, _) = view.group(id)?.ok_or_else(missing)?;
        let reads = || self.access.may_in_group(view, caller, id, Ability::ReadPackages);
        if self.sees_group(view, caller, id)? || reads()? {
            return Ok(TargetGroup { id, path });
        }
        Err(missing())
    }

    /// The projects with a package of this name, in a group and below it or, without one,
    /// everywhere, whose packages the caller may read; by number.
    ///
    /// # Errors
    /// 400 when there are more than one answer looks at: a project is to be asked.
    pub(in crate::http) fn readable_projects_with(
        &self,
        view: &View,
        caller: &Caller,
        within: Option<GroupId>,
        series: &SeriesKey,
    ) -> Result<Vec<ProjectId>, Failure> {
        let (mut readable, mut after, mut looked) = (Vec::new(), None, 0);
        loop {
            let page = view.projects_with(series, after, PAGE)?;
            after = page.last().copied();
            looked += page.len();
            if looked > PROJECTS_MAX {
                return Err(store::Error::ListTooLong.into());
            }
            for id in &page {
                let is_within = match within {
                    Some(group) => view.is_within(id.governed(), group)?,
                    None => true,
                };
                let is_there = is_within && view.project(*id)?.is_some();
                if is_there && self.may_with_packages(view, caller, *id, Ability::ReadPackages)? {
                    readable.push(*id);
                }
            }
            if page.len() < PAGE {
                return Ok(readable);
            }
        }
    }

    /// What the caller is in a project, for the rules that protect packages; `None`: a deploy
    /// token, or nobody whom a role was given.
    pub(in crate::http) fn rule_role(
        &self,
        view: &View,
        caller: &Caller,
        id: ProjectId,
    ) -> Result<Option<RuleRole>, Failure> {
        Ok(match caller {
            caller if self.access.trusts(caller) => Some(RuleRole::Admin),
            Caller::User(user) if user.rank == Rank::Admin => Some(RuleRole::Admin),
            Caller::User(user) => {
                let role = view.role(user, id.governed())?.unwrap_or(Role::Guest);
                Some(RuleRole::Role(role))
            }
            Caller::Deploy(_) | Caller::Anonymous => None,
        })
    }

    /// What the caller is in a project, asked again when the body is there: it may have taken long,
    /// and whoever may not publish any more is told before the bytes are placed. The transaction
    /// asks for what they came in with, too.
    ///
    /// # Errors
    /// 401 for nobody in particular; 403.
    pub(in crate::http) fn still_publishes(
        &self,
        view: &View,
        caller: &Caller,
        id: ProjectId,
    ) -> Result<Option<RuleRole>, Failure> {
        if self.may_with_packages(view, caller, id, Ability::CreatePackage)? {
            return self.rule_role(view, caller, id);
        }
        Err(self.not_allowed(caller))
    }

    /// What is told of a thing that is not there, or not to be seen: nobody in particular is asked
    /// who they are.
    pub(in crate::http) fn nothing_for(&self, caller: &Caller, thing: &str) -> Failure {
        match caller {
            Caller::Anonymous if !self.access.trusts(caller) => ApiError::unauthorized().into(),
            _ => ApiError::not_found(thing).into(),
        }
    }

    /// What is told of a thing that is to be seen, with which the caller may not do that.
    pub(in crate::http) fn not_allowed(&self, caller: &Caller) -> Failure {
        match caller {
            Caller::Anonymous if !self.access.trusts(caller) => ApiError::unauthorized().into(),
            _ => ApiError::forbidden().into(),
        }
    }
}
