//! `/groups`: listed, shown, made, changed, deleted (spec gitlab §9).
//!
//! Deleting is one small change, and the sweeper is asked to give the space back. Groups at the
//! top are made by administrators; below, by whoever's role there is enough.
//! Deliberately absent: moving a group into another.

use std::collections::HashSet;

use serde_json::Value;
use warp::reply::Response;

use super::gate::Found;
use super::listing::{Kind, Sorting};
use super::pages::{Count, Page};
use super::params::invalid;
use super::wanted::{Wanted, visibility};
use super::{ApiError, Asked, accepted, created, render};
use crate::http::failure::Failure;
use crate::http::route::GroupAt;
use crate::http::{Server, reply};
use crate::model::{Ability, Group, GroupId, GroupName, Role, Visibility};
use crate::store::detached::Cause;
use crate::store::{self, View, governed};

impl Server {
    pub(super) fn api_groups(&self, asked: &Asked) -> Result<Response, Failure> {
        if !asked.reads() {
            return self.create_group(asked);
        }
        let view = self.api_view()?;
        let sorting = Sorting::groups(&asked.params)?;
        let count = Count::of(view.group_records()?);
        self.list_groups(asked, &view, count, sorting.all(&view, Kind::Groups))
    }

    pub(super) fn api_group(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        match asked.method.as_str() {
            "PUT" => self.change_group(asked, at),
            "DELETE" => self.delete_group(asked, at),
            _ => {
                let view = self.api_view()?;
                let found = self.group_found(&view, asked, at)?;
                Ok(reply::json(&render::group(&view, &asked.address, &found)?))
            }
        }
    }

    pub(super) fn api_subgroups(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let top = self.group_found(&view, asked, at)?;
        let sorting = Sorting::groups(&asked.params)?;
        let mut found = Vec::new();
        for below in view.all_subgroups(top.id) {
            let (_, id, group) = below?;
            found.push((sorting.text_of_group(&group), id));
        }
        self.list_groups(asked, &view, Count::All, sorting.sorted(found))
    }

    pub(super) fn api_descendants(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let top = self.group_found(&view, asked, at)?;
        let sorting = Sorting::groups(&asked.params)?;
        let (mut found, mut parents) = (Vec::new(), vec![top.id]);
        while let Some(parent) = parents.pop() {
            for below in view.all_subgroups(parent) {
                let (_, id, group) = below?;
                parents.push(id);
                found.push((sorting.text_of_group(&group), id));
            }
        }
        self.list_groups(asked, &view, Count::All, sorting.sorted(found))
    }

    /// Those of these groups that the caller may see and that the request asks for.
    fn list_groups(
        &self,
        asked: &Asked,
        view: &View,
        count: Count,
        ids: impl Iterator<Item = Result<GroupId, Failure>>,
    ) -> Result<Response, Failure> {
        let (page, filter) = (Page::read(&asked.params)?, Filter::read(asked)?);
        let (found, total) = page.pick(count, ids, |id| {
            let Some((path, group)) = view.group(id)? else { return Ok(None) };
            let is_shown =
                filter.fits(view, id, &group)? && self.sees_group(view, &asked.caller, id)?;
            Ok(is_shown.then_some(Found { id, path, group }))
        })?;
        let lines = found.iter().map(|found| render::group(view, &asked.address, found));
        Ok(page.answer_of(asked, &lines.collect::<Result<Vec<_>, _>>()?, total))
    }

    fn create_group(&self, asked: &Asked) -> Result<Response, Failure> {
        let params = &asked.params;
        params.require(&["name", "path"])?;
        let parent = match params.given("parent_id")? {
            None if self.access.trusts(&asked.caller) => GroupId::TOP,
            None => return Err(ApiError::forbidden().into()),
            Some(text) => {
                let view = self.api_view()?;
                let ability = Ability::CreateSubgroup;
                self.group_for(&view, asked, &GroupAt::read(&text), ability)?.id
            }
        };
        let owner = asked.caller.login().cloned();
        let new = governed::New {
            parent,
            name: name(&params.text("path")?.unwrap_or_default())?,
            title: params.text("name")?.unwrap_or_default(),
            description: params.text("description")?.unwrap_or_default(),
            visibility: visibility(params)?.unwrap_or(Visibility::Private),
            owner,
        };
        let id = self.tree.store().create_group(new).wait().map_err(unsaved)?;
        let view = self.api_view()?;
        let made = line(&view, asked, id)?.ok_or_else(|| ApiError::not_found("Group"))?;
        Ok(created(&made))
    }

    fn change_group(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let id = self.group_for(&self.api_view()?, asked, at, Ability::AdminGroup)?.id;
        let params = &asked.params;
        let change = governed::Change {
            name: params.text("path")?.map(|text| name(&text)).transpose()?,
            title: params.text("name")?,
            description: params.text("description")?,
            visibility: visibility(params)?,
        };
        self.tree.store().change_group(id, change).wait().map_err(unsaved)?;
        let changed = line(&self.api_view()?, asked, id)?;
        Ok(reply::json(&changed.ok_or_else(|| ApiError::not_found("Group"))?))
    }

    fn delete_group(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let found = self.group_for(&self.api_view()?, asked, at, Ability::AdminGroup)?;
        asked.check_unmodified(found.group.created)?;
        let cause = Cause::request(&asked.by());
        let deleted = self.tree.store().delete_group(found.id, cause).wait();
        deleted.map_err(|error| match error {
            store::Error::GroupUnknown(_) => ApiError::not_found("Group").into(),
            error => Failure::from(error),
        })?;
        self.reclaim();
        Ok(accepted())
    }
}

fn line(view: &View, asked: &Asked, id: GroupId) -> Result<Option<Value>, Failure> {
    let Some((path, group)) = view.group(id)? else { return Ok(None) };
    Ok(Some(render::group(view, &asked.address, &Found { id, path, group })?))
}

/// Which groups of a list are asked for.
struct Filter<'a> {
    wanted: Wanted<'a>,
    is_top_only: bool,
    skipped: HashSet<u64>,
}

impl<'a> Filter<'a> {
    fn read(asked: &'a Asked) -> Result<Self, ApiError> {
        let params = &asked.params;
        let is_of_all = params.flag("all_available")? != Some(false);
        let skipped = params.list("skip_groups")?;
        let skipped = skipped.iter().map(|text| text.parse().map_err(|_| invalid("skip_groups")));
        Ok(Self {
            wanted: Wanted::read(asked, (!is_of_all).then_some(Role::Guest))?,
            is_top_only: params.flag("top_level_only")? == Some(true),
            skipped: skipped.collect::<Result<_, _>>()?,
        })
    }

    fn fits(&self, view: &View, id: GroupId, group: &Group) -> Result<bool, Failure> {
        let is_wanted = (!self.is_top_only || group.parent == GroupId::TOP)
            && !self.skipped.contains(&id.0)
            && self.wanted.says([&group.path, &group.name], group.visibility);
        Ok(is_wanted && self.wanted.is_member(view, id)?)
    }
}

fn name(text: &str) -> Result<GroupName, ApiError> {
    GroupName::parse(text).map_err(|error| failed(&format!(":path=>[{:?}]", error.to_string())))
}

/// Why a group was not saved, in the words that clients know.
fn unsaved(error: store::Error) -> Failure {
    match error {
        store::Error::GroupExists(_) => failed(":path=>[\"has already been taken\"]").into(),
        store::Error::GroupUnknown(_) => ApiError::not_found("Group").into(),
        store::Error::GroupName(why) => failed(&format!(":path=>[{:?}]", why.to_string())).into(),
        why @ store::Error::GovernedText => {
            failed(&format!(":name=>[{:?}]", why.to_string())).into()
        }
        error => error.into(),
    }
}

fn failed(why: &str) -> ApiError {
    ApiError::message(http::StatusCode::BAD_REQUEST, format!("Failed to save group {{{why}}}"))
}
