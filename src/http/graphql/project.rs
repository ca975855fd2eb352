//! `Query.project` and what a project is, whatever else is in it: other nouns add their fields to
//! the type `Project` in files of their own (spec gitlab §10.2).
//!
//! A project that the caller may not see is null, as one that is not there.

use std::sync::Arc;

use async_graphql::{Context, ID, MergedObject, Object, Result};

use super::asked::{Asked, asked};
use super::errors::{fault, unavailable};
use super::group::{self, Group};
use super::ids;
use super::package_policy::ProjectPackagePolicy;
use super::packages::ProjectPackages;
use crate::model::{Ability, GroupId, GroupPath, Project as Record, ProjectId};

/// A project that was found.
pub struct ProjectAt {
    /// Its id.
    pub id: ProjectId,
    /// Its full path.
    pub path: GroupPath,
    /// Its record.
    pub record: Record,
}

/// What packages are published to.
#[derive(MergedObject)]
pub struct Project(ProjectFields, ProjectPackages, ProjectPackagePolicy);

/// What it is by itself.
struct ProjectFields(Arc<ProjectAt>);

/// The field of the root.
#[derive(Default)]
pub struct ProjectQuery;

impl From<ProjectAt> for Project {
    fn from(project: ProjectAt) -> Self {
        let project = Arc::new(project);
        let policy = ProjectPackagePolicy(Arc::clone(&project));
        Self(ProjectFields(Arc::clone(&project)), ProjectPackages(project), policy)
    }
}

/// The project of this path, if the caller may see it.
///
/// # Errors
/// Those of the store.
pub fn find(asked: &Asked, path: &str) -> Result<Option<ProjectAt>> {
    // What can be no path is that of no project.
    let Ok(path) = GroupPath::parse(path) else { return Ok(None) };
    let found = asked.view().project_at(&path).map_err(|error| fault(&error))?;
    let Some((id, record)) = found else { return Ok(None) };
    Ok(asked.sees_project(id)?.then_some(ProjectAt { id, path, record }))
}

/// The project of this number, if the caller may see it.
///
/// # Errors
/// Those of the store.
pub fn find_by_id(asked: &Asked, id: ProjectId) -> Result<Option<ProjectAt>> {
    let found = asked.view().project(id).map_err(|error| fault(&error))?;
    let Some((path, record)) = found else { return Ok(None) };
    Ok(asked.sees_project(id)?.then_some(ProjectAt { id, path, record }))
}

/// The project of this path for a change that needs `ability` there.
///
/// # Errors
/// One and the same for a token that is for reading, a project that is not there or not to be
/// seen, and a caller who may not; and those of the store.
pub fn find_to_change(asked: &Asked, path: &str, ability: Ability) -> Result<ProjectAt> {
    asked.check_changes()?;
    let project = find(asked, path)?.ok_or_else(unavailable)?;
    if asked.may(project.id.governed(), ability)? { Ok(project) } else { Err(unavailable()) }
}

#[Object]
impl ProjectQuery {
    /// The project of this full path; null where there is none that the caller may see.
    async fn project(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The full path, such as `acme/tools/app`.")] full_path: ID,
    ) -> Option<Result<Project>> {
        let found = asked(context).and_then(|asked| find(asked, &full_path)).transpose()?;
        Some(found.map(Project::from))
    }
}

#[Object]
impl ProjectFields {
    /// The global id.
    async fn id(&self) -> ID {
        ids::write("Project", self.0.id.0).into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.record.name
    }

    /// Its name in URLs.
    async fn path(&self) -> &str {
        &self.0.record.path
    }

    /// Its name in URLs, with those of the groups that it is in.
    async fn full_path(&self) -> ID {
        self.0.path.to_string().into()
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        Some(self.0.record.description.as_str()).filter(|text| !text.is_empty())
    }

    /// Who may see it: `private`, `internal` or `public`.
    async fn visibility(&self) -> Option<&'static str> {
        Some(self.0.record.visibility.as_str())
    }

    /// Its address.
    async fn web_url(&self, context: &Context<'_>) -> Result<String> {
        Ok(format!("{}/{}", asked(context)?.address(), self.0.path))
    }

    /// When it was made.
    async fn created_at(&self) -> super::scalars::Time {
        super::scalars::Time(self.0.record.created)
    }

    /// The group that it is in; null where there is none that the caller may see.
    async fn group(&self, context: &Context<'_>) -> Option<Result<Group>> {
        let parent = self.0.record.parent;
        if parent == GroupId::TOP {
            return None;
        }
        let found = asked(context).and_then(|asked| group::find_by_id(asked, parent));
        found.transpose().map(|found| found.map(Group::from))
    }
}
