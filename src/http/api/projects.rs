//! `/projects`, `/groups/:id/projects`, `/users/:id/projects`: listed, shown, made, changed,
//! deleted (spec gitlab §9).
//!
//! Deleting is one small change, and the sweeper is asked to give the space back. Nobody has a
//! namespace of their own here: a project is made in a group, by whoever's role there is enough,
//! or at the top by administrators.
//! Deliberately absent: forks, transfers, and settings of what there is not here.

mod filter;
mod lines;

use warp::reply::Response;

use self::filter::Filter;
use super::listing::{Kind, Sorting};
use super::pages::{Count, Page};
use super::project_gate::FoundProject;
use super::wanted::visibility;
use super::{ApiError, Asked, accepted, created};
use crate::http::failure::Failure;
use crate::http::route::{GroupAt, ProjectAt};
use crate::http::{Server, reply};
use crate::model::{
    Ability, GroupId, GroupName, ProjectId, Rank, Role, User, UserName, UserNumber, Visibility,
};
use crate::store::detached::Cause;
use crate::store::{self, View, governed};

/// Records that are read at a time.
const BATCH: usize = 1000;

impl Server {
    pub(super) fn api_projects(&self, asked: &Asked) -> Result<Response, Failure> {
        if !asked.reads() {
            return self.create_project(asked);
        }
        let view = self.api_view()?;
        let sorting = Sorting::projects(&asked.params)?;
        let count = Count::of(view.project_records()?);
        self.list_projects(asked, &view, count, sorting.all(&view, Kind::Projects))
    }

    pub(super) fn api_project(&self, asked: &Asked, at: &ProjectAt) -> Result<Response, Failure> {
        match asked.method.as_str() {
            "PUT" => self.change_project(asked, at),
            "DELETE" => self.delete_project(asked, at),
            _ => {
                let view = self.api_view()?;
                let found = self.project_found(&view, asked, at)?;
                Ok(reply::json(&self.project_line(&view, asked, &found)?))
            }
        }
    }

    pub(super) fn api_projects_in_group(
        &self,
        asked: &Asked,
        at: &GroupAt,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.group_found(&view, asked, at)?.id;
        let sorting = Sorting::projects(&asked.params)?;
        let is_deep = asked.params.flag("include_subgroups")? == Some(true);
        let (mut found, mut parents) = (Vec::new(), vec![group]);
        while let Some(parent) = parents.pop() {
            for project in view.all_projects_in(parent) {
                let (_, id, project) = project?;
                found.push((sorting.text_of_project(&project), id.governed()));
            }
            if !is_deep {
                break;
            }
            for below in view.all_subgroups(parent) {
                parents.push(below?.1);
            }
        }
        self.list_projects(asked, &view, Count::All, sorting.sorted(found))
    }

    /// Those that somebody is a member of themselves, as far as the caller may see them.
    pub(super) fn api_projects_of_user(
        &self,
        asked: &Asked,
        number: Option<UserNumber>,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let login = self.numbered_user(&view, number)?;
        let user = User { login, groups: Vec::new(), rank: Rank::Ordinary };
        let sorting = Sorting::projects(&asked.params)?;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = view.projects_of(&user, after, BATCH)?;
            for (id, _, project) in page.found {
                found.push((sorting.text_of_project(&project), id.governed()));
            }
            after = page.next;
            if after.is_none() {
                return self.list_projects(asked, &view, Count::All, sorting.sorted(found));
            }
        }
    }

    /// Those of these projects that the caller may see and that the request asks for.
    fn list_projects(
        &self,
        asked: &Asked,
        view: &View,
        count: Count,
        ids: impl Iterator<Item = Result<GroupId, Failure>>,
    ) -> Result<Response, Failure> {
        let (page, filter) = (Page::read(&asked.params)?, Filter::read(asked)?);
        let (found, total) = page.pick(count, ids, |id| {
            let id = ProjectId(id.0);
            let Some((path, project)) = view.project(id)? else { return Ok(None) };
            let is_shown =
                filter.fits(view, id, &project)? && self.sees_project(view, &asked.caller, id)?;
            Ok(is_shown.then_some(FoundProject { id, path, project }))
        })?;
        let lines = found.iter().map(|found| self.project_in_list(view, asked, found));
        Ok(page.answer_of(asked, &lines.collect::<Result<Vec<_>, _>>()?, total))
    }

    fn create_project(&self, asked: &Asked) -> Result<Response, Failure> {
        let params = &asked.params;
        let (title, name) = (params.given("name")?, params.given("path")?);
        if title.is_none() && name.is_none() {
            let why = "name, path are missing, at least one parameter must be provided";
            return Err(ApiError::parameters(&[why.to_owned()]).into());
        }
        let view = self.api_view()?;
        let parent = self.parent_of_new(&view, asked)?;
        let name = name.unwrap_or_else(|| name_of(title.as_deref().unwrap_or_default()));
        let name = read_name(&name)?;
        let new = governed::New {
            parent,
            title: title.unwrap_or_else(|| name.to_string()),
            name,
            description: params.text("description")?.unwrap_or_default(),
            visibility: visibility(params)?.unwrap_or(Visibility::Private),
            owner: owner_of_new(&view, asked, parent)?,
        };
        let id = self.tree.store().create_project(new).wait().map_err(unsaved)?;
        let view = self.api_view()?;
        let made = self.project_found(&view, asked, &ProjectAt::Id(id))?;
        Ok(created(&self.project_line(&view, asked, &made)?))
    }

    /// The group that `namespace_id` names, in which the caller may make projects.
    fn parent_of_new(&self, view: &View, asked: &Asked) -> Result<GroupId, Failure> {
        match asked.params.given("namespace_id")? {
            Some(text) => {
                let ability = Ability::CreateProject;
                Ok(self.group_for(view, asked, &GroupAt::read(&text), ability)?.id)
            }
            None if self.access.trusts(&asked.caller) => Ok(GroupId::TOP),
            None => {
                let why = "namespace_id is missing: projects are made in a group";
                Err(ApiError::parameters(&[why.to_owned()]).into())
            }
        }
    }

    fn change_project(&self, asked: &Asked, at: &ProjectAt) -> Result<Response, Failure> {
        let id = self.project_for(&self.api_view()?, asked, at, Ability::AdminProject)?.id;
        let params = &asked.params;
        let change = governed::Change {
            name: params.given("path")?.map(|text| read_name(&text)).transpose()?,
            title: params.text("name")?,
            description: params.text("description")?,
            visibility: visibility(params)?,
        };
        self.tree.store().change_project(id, change).wait().map_err(unsaved)?;
        let view = self.api_view()?;
        let changed = self.project_found(&view, asked, &ProjectAt::Id(id))?;
        Ok(reply::json(&self.project_line(&view, asked, &changed)?))
    }

    fn delete_project(&self, asked: &Asked, at: &ProjectAt) -> Result<Response, Failure> {
        let found = self.project_for(&self.api_view()?, asked, at, Ability::DeleteProject)?;
        asked.check_unmodified(found.project.created)?;
        let cause = Cause::request(&asked.by());
        self.tree.store().delete_project(found.id, cause).wait().map_err(unsaved)?;
        self.reclaim();
        Ok(accepted())
    }
}

/// Whoever owns the group owns what is in it anyway.
fn owner_of_new(view: &View, asked: &Asked, parent: GroupId) -> Result<Option<UserName>, Failure> {
    let Ok(user) = asked.user() else { return Ok(None) };
    let owns = parent != GroupId::TOP
        && (user.rank == Rank::Admin || view.role(user, parent)? == Some(Role::Owner));
    Ok((!owns).then(|| user.login.clone()))
}

/// `Build Tools` is called `build-tools` in paths unless the client says otherwise.
fn name_of(title: &str) -> String {
    let letter = |letter: char| if is_letter(letter) { letter } else { '-' };
    title.to_lowercase().chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.-".contains(letter)
}

fn read_name(text: &str) -> Result<GroupName, ApiError> {
    GroupName::parse(text).map_err(|error| refused("path", &error.to_string()))
}

/// Why a project was not saved, in the words that clients know.
fn unsaved(error: store::Error) -> Failure {
    match error {
        store::Error::ProjectExists(_) => refused("path", "has already been taken").into(),
        store::Error::GroupUnknown(_) => ApiError::not_found("Group").into(),
        store::Error::ProjectUnknown(_) => ApiError::not_found("Project").into(),
        store::Error::GroupName(why) => refused("path", &why.to_string()).into(),
        why @ store::Error::GovernedText => refused("name", &why.to_string()).into(),
        why @ store::Error::ProjectTooVisible { .. } => {
            refused("visibility_level", &why.to_string()).into()
        }
        error => error.into(),
    }
}

/// `{"message": {"path": ["has already been taken"]}}`
fn refused(what: &str, why: &str) -> ApiError {
    let faults = serde_json::json!({ what: [why] });
    ApiError::message(http::StatusCode::BAD_REQUEST, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_makes_a_name() {
        for (title, name) in [("Build Tools", "build-tools"), ("ä.b_c!", "b_c"), ("x", "x")] {
            assert_eq!(name_of(title).trim_start_matches(['-', '.']), name, "{title}");
        }
        assert!(read_name(&name_of("!!")).is_err());
    }
}
