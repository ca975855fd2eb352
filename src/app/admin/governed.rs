//! What `group` and `project` do alike: what is asked of a new one and of a change, how one is
//! found, listed, told, made, changed and deleted.
//!
//! Either is named by its full path, which is looked up here and again in the transaction that
//! changes it; never both have one path.
//! Deliberately absent: what is told of a group or of a project alone ([`super::groups`],
//! [`super::projects`]).

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::groups::members;
use super::text::{count, moment, table};
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::db::Order;
use crate::model::{
    Group, GroupId, GroupName, GroupPath, ListedBy, ListedText, Project, ProjectId, Scope,
    Timestamp, Trigger, UserName, Visibility,
};
use crate::store::detached::Cause;
use crate::store::listed::ListedAfter;
use crate::store::{self, View, governed};

/// Records that are read at a time.
pub(super) const BATCH: usize = 1000;

/// What a new group or project is to be, beside its full path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct New {
    /// What people call it; `None`: the last name of the path.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who may see it, and read its packages.
    pub visibility: Visibility,
    /// The login of its first owner, beside those of the groups above.
    pub owner: Option<String>,
}

/// What is to be changed of a group or a project; `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Another last name of the path.
    pub name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who may see it, and read its packages.
    pub visibility: Option<Visibility>,
}

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Group,
    Project,
}

impl Desk<'_> {
    /// The first `limit` by name, behind the one of this full path.
    pub(super) fn list_governed(
        &self,
        kind: Kind,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let mut after = after.map(|path| kind.place_of(&view, path)).transpose()?;
        let mut lines = Vec::new();
        while lines.len() < limit {
            let (by, order) = (kind.by_name(), Order::Ascending);
            let batch = view.listed(by, order, after.as_ref(), limit.min(BATCH))?;
            let Some(last) = batch.last() else { break };
            after = Some(last.clone());
            for listed in batch {
                if let Some(line) = kind.line(&view, listed.id)?
                    && lines.len() < limit
                {
                    lines.push(line);
                }
            }
        }
        self.told(kind, lines)
    }

    /// These, in this order.
    pub(super) fn told(&self, kind: Kind, lines: Vec<Line>) -> Result<Answer, Error> {
        Answer::new(Verdict::Fine, &List { kind, lines, now: self.house.store().clock().now() })
    }

    pub(super) fn create_governed(
        &self,
        kind: Kind,
        path: &str,
        new: New,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        let path = read(path)?;
        let owner = new.owner.as_deref().map(UserName::parse).transpose().map_err(Error::Login)?;
        let (parent, name) = match path.rsplit_once('/') {
            Some((above, name)) => (Kind::Group.find(&store.view()?, above)?.0, name),
            None => (GroupId::TOP, path.as_str()),
        };
        let name = GroupName::parse(name).map_err(store::Error::from)?;
        let title = new.title.unwrap_or_else(|| name.to_string());
        let (description, visibility) = (new.description.unwrap_or_default(), new.visibility);
        let stranger = match &owner {
            Some(login) if store.view()?.account(login)?.is_none() => members::STRANGER,
            _ => "",
        };
        let new = governed::New { parent, name, title, description, visibility, owner };
        let id = match kind {
            Kind::Group => store.create_group(new).wait()?,
            Kind::Project => store.create_project(new).wait()?.governed(),
        };
        let text = format!("{path} is a {kind}, with the number {}.{stranger}", id.0);
        Ok(done(id, &path, text))
    }

    pub(super) fn change_governed(
        &self,
        kind: Kind,
        path: &str,
        change: Change,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        let Change { name, title, description, visibility } = change;
        let name = name.map(|name| GroupName::parse(&name)).transpose();
        let name = name.map_err(store::Error::from)?;
        let change = governed::Change { name, title, description, visibility };
        let (id, before) = kind.find(&store.view()?, path)?;
        match kind {
            Kind::Group => store.change_group(id, change).wait()?,
            Kind::Project => store.change_project(ProjectId(id.0), change).wait()?,
        }
        let after = kind.line(&store.view()?, id)?.ok_or_else(|| kind.unknown(&before))?.path;
        let before = before.to_string();
        let text = if after == before {
            format!("{after} is changed.")
        } else {
            format!("{before} is {after} from now on.")
        };
        Ok(done(id, &after, text))
    }

    pub(super) fn delete_governed(&self, kind: Kind, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let (id, path) = kind.find(&store.view()?, path)?;
        let cause = Cause::request("");
        match kind {
            Kind::Group => store.delete_group(id, cause).wait()?,
            Kind::Project => store.delete_project(ProjectId(id.0), cause).wait()?,
        }
        let when = match self.sweeping {
            Sweeping::Server(sweeper) => {
                sweeper.ask(Scope::Reclaim, Trigger::Delete);
                "in a moment"
            }
            Sweeping::Alone(_) => "with the next sweep",
        };
        let path = path.to_string();
        Ok(done(id, &path, format!("{path} is deleted; its space comes back {when}.")))
    }
}

impl Kind {
    fn plural(self) -> &'static str {
        match self {
            Self::Group => "groups",
            Self::Project => "projects",
        }
    }

    /// The list by the last names of paths.
    fn by_name(self) -> ListedBy {
        match self {
            Self::Group => ListedBy::GroupName,
            Self::Project => ListedBy::ProjectName,
        }
    }

    /// The number of the one that has this path.
    fn at(self, view: &View, path: &GroupPath) -> Result<Option<GroupId>, Error> {
        Ok(match self {
            Self::Group => view.group_at(path)?.map(|(id, _)| id),
            Self::Project => view.project_at(path)?.map(|(id, _)| id.governed()),
        })
    }

    /// The one of a full path.
    pub(super) fn find(self, view: &View, path: &str) -> Result<(GroupId, GroupPath), Error> {
        let path = GroupPath::parse(path).map_err(store::Error::from)?;
        match self.at(view, &path)? {
            Some(id) => Ok((id, path)),
            None => Err(self.unknown(&path)),
        }
    }

    pub(super) fn unknown(self, path: &GroupPath) -> Error {
        let path = path.to_string();
        match self {
            Self::Group => store::Error::GroupUnknown(path).into(),
            Self::Project => store::Error::ProjectUnknown(path).into(),
        }
    }

    /// What is told of the one of this number, while names lead to it.
    pub(super) fn line(self, view: &View, id: GroupId) -> Result<Option<Line>, Error> {
        Ok(match self {
            Self::Group => view.group(id)?.map(|(path, group)| Line::of_group(id, &path, group)),
            Self::Project => view.project(ProjectId(id.0))?.map(|(path, project)| {
                let Project { name, description, visibility, created, .. } = project;
                Line { id, path: path.to_string(), name, description, visibility, created }
            }),
        })
    }

    /// Where the one of a full path stands in the list by names.
    fn place_of(self, view: &View, path: &str) -> Result<ListedAfter, Error> {
        let (id, path) = self.find(view, path)?;
        let name = path.names().last().map(GroupName::as_str).unwrap_or_default();
        Ok(ListedAfter { text: ListedText::of(name), id })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group => "group",
            Self::Project => "project",
        })
    }
}

/// The group or the project of a full path.
pub(super) fn governed_of(view: &View, path: &str) -> Result<(GroupId, GroupPath), Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    let project = Kind::Project.at(view, &path)?;
    match Kind::Group.at(view, &path)?.or(project) {
        Some(id) => Ok((id, path)),
        None => Err(Kind::Group.unknown(&path)),
    }
}

/// The canonical text of a full path that something may get.
fn read(path: &str) -> Result<String, Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    path.check_length().map_err(store::Error::from)?;
    Ok(path.to_string())
}

fn done(id: GroupId, path: &str, text: String) -> Answer {
    let value = serde_json::json!({ "id": id, "path": path });
    Answer { verdict: Verdict::Fine, text, value }
}

/// What lists tell of one.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) id: GroupId,
    pub(super) path: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) visibility: Visibility,
    pub(super) created: Timestamp,
}

impl Line {
    pub(super) fn of_group(id: GroupId, path: &GroupPath, group: Group) -> Self {
        let Group { name, description, visibility, created, .. } = group;
        Self { id, path: path.to_string(), name, description, visibility, created }
    }
}

struct List {
    kind: Kind,
    lines: Vec<Line>,
    now: Timestamp,
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.kind.plural(), &self.lines)])
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lines, now } = self;
        if lines.is_empty() {
            let plural = kind.plural();
            return write!(f, "There are no {plural}; `larder {kind} create` makes one.");
        }
        let lines = lines.iter().map(|line| {
            [
                line.path.clone(),
                line.id.0.to_string(),
                line.visibility.to_string(),
                line.name.clone(),
                format!("made {}", moment(line.created, *now)),
            ]
        });
        f.write_str(table(lines.collect()).trim_end())
    }
}

/// How many members there are, and who: the end of what is shown of one.
pub(super) fn write_members(
    f: &mut fmt::Formatter<'_>,
    members: &[members::Line],
    now: Timestamp,
) -> fmt::Result {
    let number = count(members.len().try_into().unwrap_or(u64::MAX), "member");
    if members.is_empty() {
        return write!(f, "{number}");
    }
    let lines = members.iter().map(|line| line.cells(now)).collect();
    write!(f, "{number}:\n{}", table(lines).trim_end())
}
