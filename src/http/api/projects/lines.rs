//! Projects as GitLab's clients read them.
//!
//! Deliberately absent: members of GitLab's objects about things that there are not here.

use serde_json::{Value, json};

use crate::http::Server;
use crate::http::api::project_gate::FoundProject;
use crate::http::api::{Asked, render};
use crate::http::failure::Failure;
use crate::model::{Ability, Caller, GroupId, GroupPath, Role};
use crate::store::View;

impl Server {
    /// A project, and what the caller is in it.
    pub(super) fn project_line(
        &self,
        view: &View,
        asked: &Asked,
        found: &FoundProject,
    ) -> Result<Value, Failure> {
        let mut line = self.project_in_list(view, asked, found)?;
        if let Caller::User(user) = &asked.caller {
            let parent = found.project.parent;
            let above = if parent == GroupId::TOP { None } else { view.role(user, parent)? };
            line["permissions"] = json!({
                "project_access": level(view.direct_role_of(user, found.id.governed())?),
                "group_access": level(above),
            });
        }
        Ok(line)
    }

    /// A project as it stands in lists: with `simple` only what names it, with `statistics` what
    /// it holds, for those who may read its packages.
    pub(super) fn project_in_list(
        &self,
        view: &View,
        asked: &Asked,
        found: &FoundProject,
    ) -> Result<Value, Failure> {
        let mut line = simple(view, &asked.address, found)?;
        if asked.params.flag("simple")? == Some(true) {
            return Ok(line);
        }
        let FoundProject { id, project, .. } = found;
        line["visibility"] = project.visibility.as_str().into();
        line["packages_enabled"] = true.into();
        line["package_registry_access_level"] = "enabled".into();
        line["archived"] = false.into();
        line["empty_repo"] = true.into();
        let api = format!("{}/api/v4/projects/{}", asked.address, id.0);
        line["_links"] = json!({ "self": api, "members": format!("{api}/members") });
        let is_asked = asked.params.flag("statistics")? == Some(true);
        let reads = Ability::ReadPackages;
        if is_asked && self.may_in(view, &asked.caller, id.governed(), reads)? {
            line["statistics"] = statistics(view, found)?;
        }
        Ok(line)
    }
}

fn level(role: Option<Role>) -> Value {
    role.map_or(Value::Null, |role| json!({ "access_level": role.level() }))
}

fn simple(view: &View, address: &str, found: &FoundProject) -> Result<Value, Failure> {
    let FoundProject { id, path, project } = found;
    let (namespace, above) = namespace(view, address, project.parent)?;
    let separator = if above.is_empty() { "" } else { " / " };
    Ok(json!({
        "id": id.0,
        "description": project.description,
        "name": project.name,
        "name_with_namespace": format!("{above}{separator}{}", project.name),
        "path": project.path,
        "path_with_namespace": path.to_string(),
        "created_at": render::moment(project.created),
        "last_activity_at": render::moment(project.created),
        "default_branch": null,
        "tag_list": [],
        "topics": [],
        "web_url": format!("{address}/{path}"),
        "avatar_url": null,
        "star_count": 0,
        "forks_count": 0,
        "namespace": namespace,
    }))
}

/// The group that a project is in, and what people call it and those above.
fn namespace(view: &View, address: &str, group: GroupId) -> Result<(Value, String), Failure> {
    let Some((path, group_record)) = view.group(group)? else {
        return Ok((Value::Null, String::new()));
    };
    let parent = (group_record.parent != GroupId::TOP).then_some(group_record.parent.0);
    let names = render::full_name(view, &group_record)?;
    let value = json!({
        "id": group.0,
        "name": group_record.name,
        "path": group_record.path,
        "kind": "group",
        "full_path": path.to_string(),
        "parent_id": parent,
        "avatar_url": null,
        "web_url": group_url(address, &path),
    });
    Ok((value, names))
}

fn group_url(address: &str, path: &GroupPath) -> String {
    format!("{address}/groups/{path}")
}

/// What counts as used, whether it is on its way out or not; and how much of it is.
fn statistics(view: &View, found: &FoundProject) -> Result<Value, Failure> {
    let usage = view.project_usage(found.id)?;
    let held = usage.live.plus(usage.pending).bytes;
    Ok(json!({
        "commit_count": 0,
        "repository_size": 0,
        "storage_size": held,
        "packages_size": held,
        "pending_delete_bytes": usage.pending.bytes,
    }))
}
