//! Which projects of a list are asked for.

use crate::http::api::wanted::Wanted;
use crate::http::api::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::model::{Project, ProjectId, Role};
use crate::store::View;

/// What the request says about it; only what the caller may see is asked about.
pub(super) struct Filter<'a> {
    wanted: Wanted<'a>,
    /// Nothing is ever archived here.
    is_empty: bool,
}

impl<'a> Filter<'a> {
    pub(super) fn read(asked: &'a Asked) -> Result<Self, ApiError> {
        let params = &asked.params;
        let is_member = params.flag("membership")? == Some(true);
        Ok(Self {
            wanted: Wanted::read(asked, is_member.then_some(Role::Guest))?,
            is_empty: params.flag("archived")? == Some(true),
        })
    }

    pub(super) fn fits(
        &self,
        view: &View,
        id: ProjectId,
        project: &Project,
    ) -> Result<bool, Failure> {
        let texts: [&str; 3] = [&project.path, &project.name, &project.description];
        let is_wanted = !self.is_empty && self.wanted.says(texts, project.visibility);
        Ok(is_wanted && self.wanted.is_member(view, id.governed())?)
    }
}
