//! Which projects of a list are asked for.

use crate::http::api::params::no_value;
use crate::http::api::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::model::{Caller, Project, ProjectId, Role, Visibility};
use crate::store::View;

/// What the request says about it; only what the caller may see is asked about.
pub(super) struct Filter<'a> {
    caller: &'a Caller,
    /// In lower case.
    search: Option<String>,
    /// The caller has this role at least, there or in a group above.
    role: Option<Role>,
    visibility: Option<Visibility>,
    /// Nothing is ever archived here.
    is_empty: bool,
}

impl<'a> Filter<'a> {
    pub(super) fn read(asked: &'a Asked) -> Result<Self, ApiError> {
        let params = &asked.params;
        let level = match params.number("min_access_level")? {
            None => None,
            Some(level) => Some(Role::of_level(level).ok_or_else(|| no_value("min_access_level"))?),
        };
        let level = level.or((params.flag("membership")? == Some(true)).then_some(Role::Guest));
        let is_owned = params.flag("owned")? == Some(true);
        Ok(Self {
            caller: &asked.caller,
            search: params.text("search")?.map(|text| text.to_lowercase()),
            role: if is_owned { Some(Role::Owner) } else { level },
            visibility: super::visibility(params)?,
            is_empty: params.flag("archived")? == Some(true),
        })
    }

    pub(super) fn fits(
        &self,
        view: &View,
        id: ProjectId,
        project: &Project,
    ) -> Result<bool, Failure> {
        let contains = |search: &String| {
            let texts = [&project.path, &project.name, &project.description];
            texts.into_iter().any(|text| text.to_lowercase().contains(search))
        };
        let is_wanted = !self.is_empty
            && self.search.as_ref().is_none_or(contains)
            && self.visibility.is_none_or(|visibility| visibility == project.visibility);
        let Some(least) = self.role.filter(|_| is_wanted) else { return Ok(is_wanted) };
        let Caller::User(user) = self.caller else { return Ok(false) };
        Ok(view.role(user, id.governed())?.is_some_and(|role| role >= least))
    }
}
