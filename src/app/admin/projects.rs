//! `project`: what packages are published to. Operators are not asked for a role.
//!
//! A project is named by its full path, as a group is; it is looked up here and again in the
//! transaction that changes it. Deliberately absent: its members and deploy tokens, which are told
//! and changed as those of groups ([`super::groups`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::groups::members;
use super::groups::{group_of, read};
use super::text::{bytes, count, moment, table};
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::db::Order;
use crate::model::{
    GroupId, GroupName, GroupPath, ListedBy, ListedText, Project, ProjectId, Scope, Timestamp,
    Trigger, UserName, Visibility,
};
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::listed::ListedAfter;
use crate::store::{self, View};

/// Records that are read at a time.
const BATCH: usize = 1000;

/// What to do about projects. Full paths are texts, since a client may be of another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projects {
    /// Show projects by name.
    List {
        /// At most so many.
        limit: Option<usize>,
        /// Those behind the project of this full path.
        after: Option<String>,
    },
    /// Show one project.
    Show {
        /// Its full path.
        project: String,
    },
    /// Make a project; the groups above it must be there.
    Create {
        /// Its full path.
        project: String,
        /// What people call it; `None`: the last name of the path.
        title: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// Who may see it and read its packages.
        visibility: Visibility,
        /// The login of an owner beside those of the groups above.
        owner: Option<String>,
    },
    /// Change a project; `None` stays as it is.
    Change {
        /// Its full path.
        project: String,
        /// Another last name of the path.
        name: Option<String>,
        /// What people call it.
        title: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// Who may see it and read its packages.
        visibility: Option<Visibility>,
    },
    /// Delete a project with all that was published to it.
    Delete {
        /// Its full path.
        project: String,
    },
}

impl Desk<'_> {
    pub(super) fn projects(&self, command: Projects) -> Result<Answer, Error> {
        match command {
            Projects::List { limit, after } => self.list_projects(limit, after.as_deref()),
            Projects::Show { project } => self.show_project(&project),
            Projects::Create { project, title, description, visibility, owner } => {
                self.create_project(&project, title, description, visibility, owner.as_deref())
            }
            Projects::Change { project, name, title, description, visibility } => {
                let name = name.map(|name| GroupName::parse(&name)).transpose();
                let name = name.map_err(store::Error::from)?;
                let change = governed::Change { name, title, description, visibility };
                self.change_project(&project, change)
            }
            Projects::Delete { project } => self.delete_project(&project),
        }
    }

    fn list_projects(&self, limit: Option<usize>, after: Option<&str>) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let mut after = after.map(|path| place_of(&view, path)).transpose()?;
        let (limit, mut projects) = (limit.unwrap_or(usize::MAX), Vec::new());
        while projects.len() < limit {
            let by = ListedBy::ProjectName;
            let batch = view.listed(by, Order::Ascending, after.as_ref(), limit.min(BATCH))?;
            let Some(last) = batch.last() else { break };
            after = Some(last.clone());
            for listed in batch {
                let id = ProjectId(listed.id.0);
                if let Some((path, project)) = view.project(id)?
                    && projects.len() < limit
                {
                    projects.push(ProjectLine::new(id, &path, project));
                }
            }
        }
        Answer::new(Verdict::Fine, &List { projects, now: store.clock().now() })
    }

    fn show_project(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (id, path) = project_of(&view, path)?;
        let (_, project) = view.project(id)?.ok_or_else(|| unknown(&path))?;
        let usage = view.project_usage(id)?;
        let shown = Shown {
            effective: view.effective_visibility(id)?,
            project: ProjectLine::new(id, &path, project),
            packages: usage.packages,
            live_bytes: usage.live.bytes,
            pending_bytes: usage.pending.bytes,
            members: members::lines(&view, id.governed())?,
            now: store.clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }

    fn create_project(
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
        let (parent, name) = match path.rsplit_once('/') {
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
        let new = governed::New { parent, name, title, description, visibility, owner };
        let id = store.create_project(new).wait()?;
        Ok(done(id, &path, format!("{path} is a project, with the number {}.{stranger}", id.0)))
    }

    fn change_project(&self, path: &str, change: governed::Change) -> Result<Answer, Error> {
        let store = self.house.store();
        let (id, before) = project_of(&store.view()?, path)?;
        store.change_project(id, change).wait()?;
        let (after, _) = store.view()?.project(id)?.ok_or_else(|| unknown(&before))?;
        let text = if after == before {
            format!("{after} is changed.")
        } else {
            format!("{before} is {after} from now on.")
        };
        Ok(done(id, &after.to_string(), text))
    }

    fn delete_project(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let (id, path) = project_of(&store.view()?, path)?;
        store.delete_project(id, Cause::request("")).wait()?;
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

/// The project of a full path.
pub(super) fn project_of(view: &View, path: &str) -> Result<(ProjectId, GroupPath), Error> {
    let path = GroupPath::parse(path).map_err(store::Error::from)?;
    match view.project_at(&path)? {
        Some((id, _)) => Ok((id, path)),
        None => Err(unknown(&path)),
    }
}

/// Where a project stands in the list of all.
fn place_of(view: &View, path: &str) -> Result<ListedAfter, Error> {
    let (id, path) = project_of(view, path)?;
    let name = path.names().last().map(GroupName::as_str).unwrap_or_default();
    Ok(ListedAfter { text: ListedText::of(name), id: id.governed() })
}

fn unknown(path: &GroupPath) -> Error {
    store::Error::ProjectUnknown(path.to_string()).into()
}

fn done(id: ProjectId, path: &str, text: String) -> Answer {
    let value = serde_json::json!({ "id": id, "path": path });
    Answer { verdict: Verdict::Fine, text, value }
}

#[derive(Serialize)]
struct ProjectLine {
    id: ProjectId,
    path: String,
    name: String,
    description: String,
    visibility: Visibility,
    created: Timestamp,
}

impl ProjectLine {
    fn new(id: ProjectId, path: &GroupPath, project: Project) -> Self {
        let Project { name, description, visibility, created, .. } = project;
        Self { id, path: path.to_string(), name, description, visibility, created }
    }
}

#[derive(Serialize)]
struct List {
    projects: Vec<ProjectLine>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.projects.is_empty() {
            return f.write_str("There are no projects; `larder project create` makes one.");
        }
        let lines = self.projects.iter().map(|project| {
            [
                project.path.clone(),
                project.id.0.to_string(),
                project.visibility.to_string(),
                project.name.clone(),
                format!("made {}", moment(project.created, self.now)),
            ]
        });
        f.write_str(table(lines.collect()).trim_end())
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    project: ProjectLine,
    /// Who may see it, given the groups above.
    #[serde(rename = "effective_visibility")]
    effective: Visibility,
    packages: u64,
    live_bytes: u64,
    /// Of what is on its way out and counts until it is gone.
    pending_bytes: u64,
    members: Vec<members::Line>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, effective, packages, live_bytes, pending_bytes, members, now } = self;
        let ProjectLine { id, path, name, description, visibility, created } = project;
        write!(f, "{path} ({name}), number {}, {visibility}", id.0)?;
        if effective != visibility {
            write!(f, " ({effective} as its group is)")?;
        }
        writeln!(f, "\nmade {}", moment(*created, *now))?;
        if !description.is_empty() {
            writeln!(f, "{description}")?;
        }
        let held = live_bytes.saturating_add(*pending_bytes);
        writeln!(f, "{} with {}", count(*packages, "package"), bytes(held))?;
        if *pending_bytes > 0 {
            writeln!(f, "{} of that on their way out", bytes(*pending_bytes))?;
        }
        let number = count(members.len().try_into().unwrap_or(u64::MAX), "member");
        if members.is_empty() {
            return write!(f, "{number}");
        }
        let lines = members.iter().map(|line| line.cells(*now)).collect();
        write!(f, "{number}:\n{}", table(lines).trim_end())
    }
}
