//! Projects: whether names and records agree, what nothing leads to, and the places of groups and
//! projects in lists, which follow from the records.
//!
//! Members and tokens of projects are looked at with those of groups. Deliberately absent: what
//! was published, and removing what is truth.

use super::groups::GroupRow;
use super::products::readable;
use super::{Halt, Pass};
use crate::db::schema::{GROUP_NAMES, GROUPS, LISTED, PROJECT_NAMES, PROJECTS};
use crate::db::{Found, Span};
use crate::model::{GroupId, GroupName, Node, Project, ProjectId};
use crate::store::check::fix::Erase;
use crate::store::projects;

impl Pass<'_, '_, '_> {
    pub(super) fn check_projects(&mut self) -> Result<(), Halt> {
        self.project_names()?;
        self.project_records()?;
        let erase: Erase = |txn, key| LISTED.remove_unreadable(txn, key);
        let row = |(by, (text, id)), ()| GroupRow::Listed(by, text, id);
        self.stray_group_rows(&LISTED, row, erase)
    }

    fn project_names(&mut self) -> Result<(), Halt> {
        for row in PROJECT_NAMES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((parent, name), id) => {
                    self.must_be_a_group(parent)?;
                    self.project_name(parent, &name, id)?;
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PROJECT_NAMES.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    /// A project is in a group, and in no project.
    fn must_be_a_group(&mut self, parent: GroupId) -> Result<(), Halt> {
        if parent != GroupId::TOP && !GROUPS.has(self.rows, &parent)? {
            self.found.in_doubt = true;
            self.found.damage(format!(
                "table {} holds a row of group {}, which is not there; nothing was removed",
                PROJECT_NAMES.name(),
                parent.0
            ));
        }
        Ok(())
    }

    fn project_name(
        &mut self,
        parent: GroupId,
        name: &GroupName,
        id: ProjectId,
    ) -> Result<(), Halt> {
        let (number, at) = (id.0, parent.0);
        if let Some(Some(group)) = readable(GROUP_NAMES.get(self.rows, &(parent, name.clone())))? {
            self.found.damage(format!(
                "project {number} and group {} in group {at} are both called {name}; rename one",
                group.0
            ));
        }
        let Some(project) = readable(PROJECTS.get(self.rows, &id))? else { return Ok(()) };
        let says = project.as_ref().map(|project| (project.parent, project.path.as_str()));
        if says != Some((parent, name.as_str())) {
            self.found.in_doubt = true;
            self.found.damage(format!(
                "the name {name} in group {at} leads to project {number}, whose record says \
                 {says:?}; restore both from a backup"
            ));
        }
        Ok(())
    }

    fn project_records(&mut self) -> Result<(), Halt> {
        for row in PROJECTS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, project) => self.project_record(id, &project)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PROJECTS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn project_record(&mut self, id: ProjectId, project: &Project) -> Result<(), Halt> {
        self.found.recount.checked.projects += 1;
        for (by, text) in project.listed() {
            self.want_group_row(GroupRow::Listed(by, text, id.governed()))?;
        }
        let is_waiting = self.waiting.contains(&Node::Project(id));
        let what = match (self.has_project_name(id, project)?, is_waiting) {
            _ if GROUPS.has(self.rows, &id.governed())? => "has the number of a group",
            (true, true) => "waits to be destroyed, although its name is there",
            (false, false) => "has no name and does not wait to be destroyed; nothing was removed",
            _ => return Ok(()),
        };
        self.found.in_doubt = true;
        self.found.damage(format!("project {} ({:?}) {what}", id.0, project.path));
        Ok(())
    }

    /// A row that cannot be read may be the right one.
    fn has_project_name(&self, id: ProjectId, project: &Project) -> Result<bool, Halt> {
        let Ok(name) = projects::name_of(project) else { return Ok(false) };
        let found = readable(PROJECT_NAMES.get(self.rows, &(project.parent, name)))?;
        Ok(found.is_none_or(|found| found == Some(id)))
    }
}
