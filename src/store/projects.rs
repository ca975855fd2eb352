//! Projects: made, renamed, deleted, found (spec gitlab §2, §9).
//!
//! As with groups a name is a row in the group above, so renaming and deleting are small whatever
//! was published, and a project counts only while names lead to it from the top. A project is never
//! seen by more people than the groups above it. What groups have alike is in `governed`.
//! Deliberately absent: packages, who may do what (`access`), and moving a project.

mod destroy;

use super::detached::Cause;
use super::governed::{self, Change, New, Page};
use super::groups::{self, Way, below};
use super::{Error, Store, Tx, View};
use crate::db::schema::{GROUP_NAMES, Meta, PROJECT_NAMES, PROJECTS};
use crate::db::{self, Pending, Rows};
use crate::model::{GroupId, GroupName, GroupPath, Node, Project, ProjectId, Visibility};

impl Store {
    /// Makes a project; tells its id.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`] without the group above, [`Error::ProjectExists`] when a project or
    /// a group there has that name, [`Error::ProjectTooVisible`], [`Error::GroupName`],
    /// [`Error::GovernedText`], [`Error::Db`].
    pub fn create_project(&self, new: New) -> Pending<ProjectId, Error> {
        self.change(move |tx| tx.create_project(&new))
    }

    /// Changes a project.
    ///
    /// # Errors
    /// As [`Self::create_project`], and [`Error::ProjectUnknown`].
    pub fn change_project(&self, id: ProjectId, change: Change) -> Pending<(), Error> {
        self.change(move |tx| tx.change_project(id, &change))
    }

    /// Deletes a project with all that is in it. It takes as long as deleting an empty one; the
    /// sweeper destroys what was in there.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`], [`Error::Db`].
    pub fn delete_project(&self, id: ProjectId, cause: Cause) -> Pending<(), Error> {
        self.change(move |tx| {
            let way = known(tx.txn, id)?;
            let path = format!("/projects/{}/", way.path());
            PROJECT_NAMES.remove(tx.txn, &way.key())?;
            let usage = tx.leave_packages(id)?;
            tx.detach(Node::Project(id), path, &cause, usage)
        })
    }
}

impl Tx<'_, '_> {
    fn create_project(&self, new: &New) -> Result<ProjectId, Error> {
        let New { parent, name, title, description, visibility, owner } = new.clone();
        governed::check_texts(&title, &description)?;
        let above = self.way_to(parent)?;
        check_visibility(above.as_ref(), visibility)?;
        let path = below(above.as_ref(), name.clone());
        self.check_name((parent, &name), &path, Error::ProjectExists)?;
        let id = ProjectId(self.next(Meta::NEXT_GROUP)?);
        let (path, created) = (name.as_str().to_owned(), self.now);
        let project = Project { parent, path, name: title, description, visibility, created };
        PROJECTS.put(self.txn, &id, &project)?;
        self.list(id.governed(), &[], &project.listed())?;
        PROJECT_NAMES.put(self.txn, &(parent, name), &id)?;
        if let Some(owner) = owner {
            self.make_owner(id.governed(), owner)?;
        }
        Ok(id)
    }

    fn change_project(&self, id: ProjectId, change: &Change) -> Result<(), Error> {
        let way = known(self.txn, id)?;
        let mut project = way.project.clone();
        let Change { name, title, description, visibility } = change.clone();
        project.name = title.unwrap_or(project.name);
        project.description = description.unwrap_or(project.description);
        governed::check_texts(&project.name, &project.description)?;
        if let Some(visibility) = visibility.filter(|says| *says != project.visibility) {
            check_visibility(way.above.as_ref(), visibility)?;
            project.visibility = visibility;
        }
        if let Some(name) = name.filter(|name| *name != way.name) {
            let path = below(way.above.as_ref(), name.clone());
            self.check_name((project.parent, &name), &path, Error::ProjectExists)?;
            PROJECT_NAMES.remove(self.txn, &way.key())?;
            name.as_str().clone_into(&mut project.path);
            PROJECT_NAMES.put(self.txn, &(project.parent, name), &id)?;
        }
        self.list(id.governed(), &way.project.listed(), &project.listed())?;
        Ok(PROJECTS.put(self.txn, &id, &project)?)
    }
}

/// A project is not to say more than its group can keep.
fn check_visibility(above: Option<&Way>, visibility: Visibility) -> Result<(), Error> {
    match above.map(Way::visibility) {
        Some(group) if group < visibility => Err(Error::ProjectTooVisible { visibility, group }),
        _ => Ok(()),
    }
}

/// A project that names lead to, and the groups above it.
#[derive(Clone, Debug)]
pub(super) struct ProjectWay {
    name: GroupName,
    project: Project,
    /// Its group; `None`: it is at the top.
    above: Option<Way>,
}

impl ProjectWay {
    /// The row that leads to it.
    fn key(&self) -> (GroupId, GroupName) {
        (self.project.parent, self.name.clone())
    }

    pub(super) fn path(&self) -> GroupPath {
        below(self.above.as_ref(), self.name.clone())
    }

    /// The groups above, the next one first.
    pub(super) fn above(&self) -> impl Iterator<Item = GroupId> {
        self.above.iter().flat_map(Way::steps).map(|step| step.id)
    }

    pub(super) fn visibility(&self) -> Visibility {
        let above = self.above.as_ref().map_or(Visibility::Public, Way::visibility);
        self.project.visibility.min(above)
    }
}

/// The way from a project to the top; `None`: no names lead to it.
pub(super) fn way_up(rows: &impl Rows, id: ProjectId) -> Result<Option<ProjectWay>, Error> {
    let Some(project) = PROJECTS.get(rows, &id)? else { return Ok(None) };
    let name = name_of(&project)?;
    if PROJECT_NAMES.get(rows, &(project.parent, name.clone()))? != Some(id) {
        return Ok(None);
    }
    let above = match project.parent {
        GroupId::TOP => None,
        parent => match groups::way_up(rows, parent)? {
            None => return Ok(None),
            above => above,
        },
    };
    Ok(Some(ProjectWay { name, project, above }))
}

/// As [`way_up`] of a project that must be there.
pub(super) fn known(rows: &impl Rows, id: ProjectId) -> Result<ProjectWay, Error> {
    way_up(rows, id)?.ok_or_else(|| Error::ProjectUnknown(id.0.to_string()))
}

/// The name that a record has.
pub(super) fn name_of(project: &Project) -> Result<GroupName, db::Error> {
    GroupName::parse(&project.path).map_err(|error| {
        let (table, what) = (PROJECTS.name(), format!("the name of a project: {error}"));
        db::Error::Corrupt { table, what }
    })
}

impl View {
    /// A project with its full path, while names lead to it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn project(&self, id: ProjectId) -> Result<Option<(GroupPath, Project)>, Error> {
        let way = way_up(&self.snapshot, id)?;
        Ok(way.map(|way| (way.path(), way.project)))
    }

    /// The project of this full path.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn project_at(&self, path: &GroupPath) -> Result<Option<(ProjectId, Project)>, Error> {
        let Some((name, above)) = path.names().split_last() else { return Ok(None) };
        let mut at = GroupId::TOP;
        for name in above {
            let found = GROUP_NAMES.get(&self.snapshot, &(at, name.clone()))?;
            let Some(id) = found else { return Ok(None) };
            at = id;
        }
        let found = PROJECT_NAMES.get(&self.snapshot, &(at, name.clone()))?;
        let Some(id) = found else { return Ok(None) };
        Ok(Some((id, super::tx::promised(&PROJECTS, &self.snapshot, &id)?)))
    }

    /// The projects directly in a group or at the top ([`GroupId::TOP`]), by name, behind
    /// `after`, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn projects_in_group(
        &self,
        parent: GroupId,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Vec<(GroupName, ProjectId, Project)>, Error> {
        governed::directly_in(&self.snapshot, (&PROJECT_NAMES, &PROJECTS), parent, after, limit)
    }

    /// All projects, by id, behind `after`: `limit` records are looked at, and those of them told
    /// that names lead to.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn all_projects(
        &self,
        after: Option<ProjectId>,
        limit: usize,
    ) -> Result<Page<ProjectId, Project>, Error> {
        Page::of_table(&self.snapshot, &PROJECTS, (after, limit), |id| self.project(id))
    }

    /// Who may see a project and read its packages: of what it says and what the groups above
    /// say, the narrowest; only its members, when no names lead to it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn effective_visibility(&self, id: ProjectId) -> Result<Visibility, Error> {
        let way = way_up(&self.snapshot, id)?;
        Ok(way.map_or(Visibility::Private, |way| way.visibility()))
    }
}
