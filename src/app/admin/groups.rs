//! `group`, `member` and `deploy-token`: groups, who is in them, and credentials of theirs for
//! machines. Operators are not asked for a role.
//!
//! A group is named by its full path; it is looked up here and again in the transaction that
//! changes it. A secret is made here, told once, and kept as a hash.

mod deploy_tokens;
pub(super) mod members;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{count, moment, table};
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::db::Order;
use crate::model::{
    Group, GroupId, GroupName, GroupPath, ListedBy, ListedText, Scope, Timestamp, Trigger,
    UserName, Visibility,
};
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::listed::ListedAfter;
use crate::store::{self, View};

pub use deploy_tokens::DeployTokens;
pub use members::{Members, Who};

/// Records that are read at a time.
const BATCH: usize = 1000;

/// What to do about groups. Full paths are texts, since a client may be of another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// Show all groups.
    List,
    /// Show some groups, by name.
    Page {
        /// At most so many.
        limit: usize,
        /// Those behind the group of this full path.
        after: Option<String>,
    },
    /// Show one group.
    Show {
        /// Its full path.
        group: String,
    },
    /// Make a group; those above it must be there.
    Create {
        /// Its full path.
        group: String,
        /// What people call it; `None`: the last name of the path.
        title: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// Who may see it.
        visibility: Visibility,
        /// The login of its first owner.
        owner: Option<String>,
    },
    /// Change a group; `None` stays as it is.
    Change {
        /// Its full path.
        group: String,
        /// Another last name of the path.
        name: Option<String>,
        /// What people call it.
        title: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// Who may see it.
        visibility: Option<Visibility>,
    },
    /// Delete a group with all that is in it.
    Delete {
        /// Its full path.
        group: String,
    },
}

impl Desk<'_> {
    pub(super) fn groups(&self, command: Groups) -> Result<Answer, Error> {
        match command {
            Groups::List => self.list_groups(),
            Groups::Page { limit, after } => self.page_of_groups(limit, after.as_deref()),
            Groups::Show { group } => self.show_group(&group),
            Groups::Create { group, title, description, visibility, owner } => {
                self.create_group(&group, title, description, visibility, owner.as_deref())
            }
            Groups::Change { group, name, title, description, visibility } => {
                let name = name.map(|name| GroupName::parse(&name)).transpose();
                let name = name.map_err(store::Error::from)?;
                self.change_group(&group, governed::Change { name, title, description, visibility })
            }
            Groups::Delete { group } => self.delete_group(&group),
        }
    }

    fn list_groups(&self) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let mut groups = Vec::new();
        let mut after = None;
        loop {
            let page = view.all_groups(after, BATCH)?;
            let lines = page.found.into_iter();
            groups.extend(lines.map(|(id, path, group)| GroupLine::new(id, &path, group)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        groups.sort_by(|one, other| one.path.cmp(&other.path));
        Answer::new(Verdict::Fine, &List { groups, now: store.clock().now() })
    }

    fn page_of_groups(&self, limit: usize, after: Option<&str>) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let mut after = after.map(|path| place_of(&view, path)).transpose()?;
        let mut groups = Vec::new();
        while groups.len() < limit {
            let (by, order) = (ListedBy::GroupName, Order::Ascending);
            let batch = view.listed(by, order, after.as_ref(), limit.min(BATCH))?;
            let Some(last) = batch.last() else { break };
            after = Some(last.clone());
            for listed in batch {
                if let Some((path, group)) = view.group(listed.id)?
                    && groups.len() < limit
                {
                    groups.push(GroupLine::new(listed.id, &path, group));
                }
            }
        }
        Answer::new(Verdict::Fine, &List { groups, now: store.clock().now() })
    }

    fn show_group(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (id, path) = group_of(&view, path)?;
        let (_, group) = view.group(id)?.ok_or_else(|| unknown(&path))?;
        let subgroups = view.subgroups(id, None, BATCH)?.into_iter();
        let projects = view.projects_in_group(id, None, BATCH)?.into_iter();
        let shown = Shown {
            group: GroupLine::new(id, &path, group),
            subgroups: subgroups.map(|(name, _, _)| name.to_string()).collect(),
            projects: projects.map(|(name, _, _)| name.to_string()).collect(),
            members: members::lines(&view, id)?,
            now: store.clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }

    fn create_group(
        &self,
        path: &str,
        title: Option<String>,
        description: Option<String>,
        visibility: Visibility,
        owner: Option<&str>,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        let path = read(path)?;
        let owner = owner.map(UserName::parse).transpose().map_err(Error::Login)?;
        let (above, name) = match path.rsplit_once('/') {
            Some((above, name)) => (group_of(&store.view()?, above)?.0, name),
            None => (GroupId::TOP, path.as_str()),
        };
        let name = GroupName::parse(name).map_err(store::Error::from)?;
        let title = title.unwrap_or_else(|| name.to_string());
        let description = description.unwrap_or_default();
        let stranger = match &owner {
            Some(login) if store.view()?.account(login)?.is_none() => members::STRANGER,
            _ => "",
        };
        let new = governed::New { parent: above, name, title, description, visibility, owner };
        let id = store.create_group(new).wait()?;
        Ok(done(id, &path, format!("{path} is a group, with the number {}.{stranger}", id.0)))
    }

    fn change_group(&self, path: &str, change: governed::Change) -> Result<Answer, Error> {
        let store = self.house.store();
        let (id, before) = group_of(&store.view()?, path)?;
        store.change_group(id, change).wait()?;
        let (after, _) = store.view()?.group(id)?.ok_or_else(|| unknown(&before))?;
        let text = if after == before {
            format!("{after} is changed.")
        } else {
            format!("{before} is {after} from now on.")
        };
        Ok(done(id, &after.to_string(), text))
    }

    fn delete_group(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let (id, path) = group_of(&store.view()?, path)?;
        store.delete_group(id, Cause::request("")).wait()?;
        let path = path.to_string();
        let text = match self.sweeping {
            Sweeping::Server(sweeper) => {
                sweeper.ask(Scope::Reclaim, Trigger::Delete);
                format!("{path} is deleted; its space comes back in a moment.")
            }
            Sweeping::Alone(_) => {
                format!("{path} is deleted; its space comes back with the next sweep.")
            }
        };
        Ok(done(id, &path, text))
    }
}

/// The canonical text of a full path.
pub(super) fn read(path: &str) -> Result<String, Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    path.check_length().map_err(store::Error::from)?;
    Ok(path.to_string())
}

/// The group of a full path.
pub(super) fn group_of(view: &View, path: &str) -> Result<(GroupId, GroupPath), Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    match view.group_at(&path)? {
        Some((id, _)) => Ok((id, path)),
        None => Err(unknown(&path)),
    }
}

/// Where a group stands in the list of all.
fn place_of(view: &View, path: &str) -> Result<ListedAfter, Error> {
    let (id, path) = group_of(view, path)?;
    let name = path.names().last().map(GroupName::as_str).unwrap_or_default();
    Ok(ListedAfter { text: ListedText::of(name), id })
}

/// The group or the project of a full path; never both have one.
fn governed_of(view: &View, path: &str) -> Result<(GroupId, GroupPath), Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    let project = view.project_at(&path)?.map(|(id, _)| id.governed());
    match view.group_at(&path)?.map(|(id, _)| id).or(project) {
        Some(id) => Ok((id, path)),
        None => Err(unknown(&path)),
    }
}

fn unknown(path: &GroupPath) -> Error {
    store::Error::GroupUnknown(path.to_string()).into()
}

fn done(id: GroupId, path: &str, text: String) -> Answer {
    let value = serde_json::json!({ "id": id, "path": path });
    Answer { verdict: Verdict::Fine, text, value }
}

#[derive(Serialize)]
struct GroupLine {
    id: GroupId,
    path: String,
    name: String,
    description: String,
    visibility: Visibility,
    created: Timestamp,
}

impl GroupLine {
    fn new(id: GroupId, path: &GroupPath, group: Group) -> Self {
        let Group { name, description, visibility, created, .. } = group;
        Self { id, path: path.to_string(), name, description, visibility, created }
    }
}

#[derive(Serialize)]
struct List {
    groups: Vec<GroupLine>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return f.write_str("There are no groups; `larder group create` makes one.");
        }
        let lines = self.groups.iter().map(|group| {
            [
                group.path.clone(),
                group.id.0.to_string(),
                group.visibility.to_string(),
                group.name.clone(),
                format!("made {}", moment(group.created, self.now)),
            ]
        });
        f.write_str(table(lines.collect()).trim_end())
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    group: GroupLine,
    subgroups: Vec<String>,
    projects: Vec<String>,
    members: Vec<members::Line>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, subgroups, projects, members, now } = self;
        let visibility = group.visibility;
        writeln!(f, "{} ({}), number {}, {visibility}", group.path, group.name, group.id.0)?;
        writeln!(f, "made {}", moment(group.created, *now))?;
        if !group.description.is_empty() {
            writeln!(f, "{}", group.description)?;
        }
        if !subgroups.is_empty() {
            writeln!(f, "groups in it: {}", subgroups.join(" "))?;
        }
        if !projects.is_empty() {
            writeln!(f, "projects in it: {}", projects.join(" "))?;
        }
        let number = count(members.len().try_into().unwrap_or(u64::MAX), "member");
        if members.is_empty() {
            return write!(f, "{number}");
        }
        let lines = members.iter().map(|line| line.cells(*now)).collect();
        write!(f, "{number}:\n{}", table(lines).trim_end())
    }
}
