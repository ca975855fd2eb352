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
use crate::model::{Ability, Group as Record, GroupId, GroupPath, Visibility};

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
pub struct Group(GroupFields, GroupDependencyProxy, GroupPackageSettings);

/// What it is by itself.
struct GroupFields(Arc<GroupAt>);

/// The field of the root.
#[derive(Default)]
pub struct GroupQuery;

/// The group of this path, if the caller may see it.
///
/// # Errors
/// Those of the store.
pub fn find(asked: &Asked, path: &str) -> Result<Option<GroupAt>> {
    // What can be no path is that of no group.
    let Ok(path) = GroupPath::parse(path) else { return Ok(None) };
    let found = asked.view().group_at(&path).map_err(|error| fault(&error))?;
    let Some((id, record)) = found else { return Ok(None) };
    let group = GroupAt { id, path, record };
    Ok(if is_seen(asked, id)? { Some(group) } else { None })
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

fn is_seen(asked: &Asked, id: GroupId) -> Result<bool> {
    let visibility = asked.view().visibility(id).map_err(|error| fault(&error))?;
    Ok(match visibility {
        None => false,
        Some(Visibility::Public) => true,
        Some(Visibility::Internal) if asked.caller().login().is_some() => true,
        Some(_) => asked.may(id, Ability::ReadGroup)?,
    })
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
        let group = found.map(Arc::new);
        Some(group.map(|group| {
            let (of_proxy, of_packages) = (Arc::clone(&group), Arc::clone(&group));
            let settings = GroupPackageSettings(of_packages);
            Group(GroupFields(group), GroupDependencyProxy(of_proxy), settings)
        }))
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
        full_name(asked(context)?, &self.0)
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
        Some(match self.0.record.visibility {
            Visibility::Private => "private",
            Visibility::Internal => "internal",
            Visibility::Public => "public",
        })
    }

    /// Its address.
    async fn web_url(&self, context: &Context<'_>) -> Result<String> {
        Ok(format!("{}/groups/{}", asked(context)?.address(), self.0.path))
    }
}

fn full_name(asked: &Asked, group: &GroupAt) -> Result<String> {
    let view = asked.view();
    let mut names = vec![group.record.name.clone()];
    let mut parent = group.record.parent;
    while parent != GroupId::TOP {
        let above = view.group(parent).map_err(|error| fault(&error))?;
        let Some((_, above)) = above else { break };
        names.push(above.name);
        parent = above.parent;
    }
    names.reverse();
    Ok(names.join(" / "))
}
