//! `Query.group` and what a group is, whatever else is in it: other nouns add their fields to the
//! type `Group` in files of their own (spec gitlab §10.2).
//!
//! A group that the caller may not see is null, as one that is not there.

use std::sync::Arc;

use async_graphql::{Context, ID, MergedObject, Object, Result};

use super::asked::{Asked, asked};
use super::dependency_proxy::GroupDependencyProxy;
use super::errors::{fault, unavailable};
use super::ids;
use super::package_settings::GroupPackageSettings;
use super::packages::GroupPackages;
use crate::http::api::render;
use crate::model::{Ability, Group as Record, GroupId, GroupPath};

/// A group that was found.
pub struct GroupAt {
    /// Its id.
    pub id: GroupId,
    /// Its full path.
    pub path: GroupPath,
    /// Its record.
    pub record: Record,
}

/// A group of people, images and packages.
#[derive(MergedObject)]
pub struct Group(GroupFields, GroupDependencyProxy, GroupPackageSettings, GroupPackages);

/// What it is by itself.
struct GroupFields(Arc<GroupAt>);

/// The field of the root.
#[derive(Default)]
pub struct GroupQuery;

impl From<GroupAt> for Group {
    fn from(group: GroupAt) -> Self {
        let group = Arc::new(group);
        Self(
            GroupFields(Arc::clone(&group)),
            GroupDependencyProxy(Arc::clone(&group)),
            GroupPackageSettings(Arc::clone(&group)),
            GroupPackages(group),
        )
    }
}

/// The group of this path, if the caller may see it.
///
/// # Errors
/// Those of the store.
pub fn find(asked: &Asked, path: &str) -> Result<Option<GroupAt>> {
    // What can be no path is that of no group.
    let Ok(path) = GroupPath::parse(path) else { return Ok(None) };
    let found = asked.view().group_at(&path).map_err(|error| fault(&error))?;
    let Some((id, record)) = found else { return Ok(None) };
    Ok(asked.sees_group(id)?.then_some(GroupAt { id, path, record }))
}

/// The group of this number, if the caller may see it.
///
/// # Errors
/// Those of the store.
pub fn find_by_id(asked: &Asked, id: GroupId) -> Result<Option<GroupAt>> {
    let found = asked.view().group(id).map_err(|error| fault(&error))?;
    let Some((path, record)) = found else { return Ok(None) };
    Ok(asked.sees_group(id)?.then_some(GroupAt { id, path, record }))
}

/// The group of this path for a change that needs `ability` there.
///
/// # Errors
/// One and the same for a token that is for reading, a group that is not there or not to be seen,
/// and a caller who may not; and those of the store.
pub fn find_to_change(asked: &Asked, path: &str, ability: Ability) -> Result<GroupAt> {
    asked.check_changes()?;
    let group = find(asked, path)?.ok_or_else(unavailable)?;
    if asked.may(group.id, ability)? { Ok(group) } else { Err(unavailable()) }
}

#[Object]
impl GroupQuery {
    /// The group of this full path; null where there is none that the caller may see.
    async fn group(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The full path, such as `acme/tools`.")] full_path: ID,
    ) -> Option<Result<Group>> {
        let found = asked(context).and_then(|asked| find(asked, &full_path)).transpose()?;
        Some(found.map(Group::from))
    }
}

#[Object]
impl GroupFields {
    /// The global id.
    async fn id(&self) -> ID {
        ids::write("Group", self.0.id.0).into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.record.name
    }

    /// What people call it and the groups that it is in.
    async fn full_name(&self, context: &Context<'_>) -> Result<String> {
        let view = asked(context)?.view();
        render::full_name(&view, &self.0.record).map_err(|error| fault(&error))
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
        Ok(format!("{}/groups/{}", asked(context)?.address(), self.0.path))
    }
}
