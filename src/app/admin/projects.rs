//! `project`: what packages are published to. Operators are not asked for a role.
//!
//! What is done alike about groups is in [`super::governed`]. Deliberately absent: a project's
//! members and deploy tokens, which are told and changed as those of groups ([`super::groups`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::governed::{self, Change, Kind, Line, New};
use super::groups::members;
use super::text::{bytes, count, moment};
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::model::{ProjectId, Timestamp, Visibility};

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
        /// What it is to be.
        #[serde(flatten)]
        new: New,
    },
    /// Change a project.
    Change {
        /// Its full path.
        project: String,
        /// What of it.
        #[serde(flatten)]
        change: Change,
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
            Projects::List { limit, after } => {
                let limit = limit.unwrap_or(usize::MAX);
                self.list_governed(Kind::Project, limit, after.as_deref())
            }
            Projects::Show { project } => self.show_project(&project),
            Projects::Create { project, new } => self.create_governed(Kind::Project, &project, new),
            Projects::Change { project, change } => {
                self.change_governed(Kind::Project, &project, change)
            }
            Projects::Delete { project } => self.delete_governed(Kind::Project, &project),
        }
    }

    fn show_project(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (governed, path) = Kind::Project.find(&view, path)?;
        let line = Kind::Project.line(&view, governed)?;
        let id = ProjectId(governed.0);
        let usage = view.project_usage(id)?;
        let shown = Shown {
            effective: view.effective_visibility(id)?,
            project: line.ok_or_else(|| Kind::Project.unknown(&path))?,
            packages: usage.packages,
            live_bytes: usage.live.bytes,
            pending_bytes: usage.pending.bytes,
            members: members::lines(&view, governed)?,
            now: store.clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    project: Line,
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
        let Line { id, path, name, description, visibility, created } = project;
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
        governed::write_members(f, members, *now)
    }
}
