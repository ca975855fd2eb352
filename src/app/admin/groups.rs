//! `group`, `member` and `deploy-token`: groups, who is in them, and credentials of theirs for
//! machines. Operators are not asked for a role.
//!
//! What is done alike about projects is in [`super::governed`]. A secret is made here, told once,
//! and kept as a hash.

mod deploy_tokens;
pub(super) mod members;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::governed::{self, BATCH, Change, Kind, Line, New};
use super::text::moment;
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::model::Timestamp;

pub use deploy_tokens::DeployTokens;
pub use members::{Members, Who};

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
        /// What it is to be.
        #[serde(flatten)]
        new: New,
    },
    /// Change a group.
    Change {
        /// Its full path.
        group: String,
        /// What of it.
        #[serde(flatten)]
        change: Change,
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
            Groups::Page { limit, after } => {
                self.list_governed(Kind::Group, limit, after.as_deref())
            }
            Groups::Show { group } => self.show_group(&group),
            Groups::Create { group, new } => self.create_governed(Kind::Group, &group, new),
            Groups::Change { group, change } => self.change_governed(Kind::Group, &group, change),
            Groups::Delete { group } => self.delete_governed(Kind::Group, &group),
        }
    }

    fn list_groups(&self) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let page = view.all_groups(after, BATCH)?;
            let found = page.found.into_iter();
            lines.extend(found.map(|(id, path, group)| Line::of_group(id, &path, group)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        lines.sort_by(|one, other| one.path.cmp(&other.path));
        self.told(Kind::Group, lines)
    }

    fn show_group(&self, path: &str) -> Result<Answer, Error> {
        let store = self.house.store();
        let view = store.view()?;
        let (id, path) = Kind::Group.find(&view, path)?;
        let group = Kind::Group.line(&view, id)?.ok_or_else(|| Kind::Group.unknown(&path))?;
        let subgroups = view.subgroups(id, None, BATCH)?.into_iter();
        let projects = view.projects_in_group(id, None, BATCH)?.into_iter();
        let shown = Shown {
            group,
            subgroups: subgroups.map(|(name, _, _)| name.to_string()).collect(),
            projects: projects.map(|(name, _, _)| name.to_string()).collect(),
            members: members::lines(&view, id)?,
            now: store.clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    group: Line,
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
        governed::write_members(f, members, *now)
    }
}
