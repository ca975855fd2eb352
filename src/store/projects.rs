//! Projects: made, renamed, deleted, found (spec gitlab §2, §9).
//!
//! As with groups a name is a row in the group above, so renaming and deleting are small whatever
//! was published, and a project counts only while names lead to it from the top. A project and a
//! group never have one name in one place: whoever makes or renames either looks into both tables
//! (I6). A project is never seen by more people than the groups above it.
//! Deliberately absent: packages, who may do what (`access`), and moving a project.

mod destroy;

use super::detached::Cause;
use super::groups::{self, DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX, Way};
use super::{Error, Store, Tx, View};
use crate::db::schema::{GROUP_NAMES, Meta, PROJECT_NAMES, PROJECTS};
use crate::db::{self, Pending, Rows, Span};
use crate::model::{GroupId, GroupName, GroupPath, Node, Project, ProjectId, UserName, Visibility};

/// A project that is to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// The group that it is in, or [`GroupId::TOP`].
    pub parent: GroupId,
    /// Its name in there.
    pub name: GroupName,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Who may see it and read its packages.
    pub visibility: Visibility,
    /// Who becomes its owner, beside those of the groups above.
    pub owner: Option<UserName>,
}

/// What is to be changed of a project; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ProjectChange {
    /// Another name where it is.
    pub name: Option<GroupName>,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who may see it and read its packages.
    pub visibility: Option<Visibility>,
}

/// A part of a list of projects.
#[derive(Clone, Debug, Default)]
pub struct ProjectPage {
    /// Those that are there, by id; there may be none although more follow.
    pub projects: Vec<(ProjectId, GroupPath, Project)>,
    /// Where to go on; `None`: nothing follows.
    pub next: Option<ProjectId>,
}

impl Store {
    /// Makes a project; tells its id.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`] without the group above, [`Error::ProjectExists`] when a project or
    /// a group there has that name, [`Error::ProjectTooVisible`], [`Error::GroupName`],
    /// [`Error::ProjectText`], [`Error::Db`].
    pub fn create_project(&self, new: NewProject) -> Pending<ProjectId, Error> {
        self.change(move |tx| tx.create_project(&new))
    }

    /// Changes a project.
    ///
    /// # Errors
    /// As [`Self::create_project`], and [`Error::ProjectUnknown`].
    pub fn change_project(&self, id: ProjectId, change: ProjectChange) -> Pending<(), Error> {
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
    fn create_project(&self, new: &NewProject) -> Result<ProjectId, Error> {
        let NewProject { parent, name, title, description, visibility, owner } = new.clone();
        check_texts(&title, &description)?;
        let above = match parent {
            GroupId::TOP => None,
            parent => Some(groups::known(self.txn, parent)?),
        };
        check_visibility(above.as_ref(), visibility)?;
        let path = GroupPath::join(above.as_ref().map(Way::path).as_ref(), name.clone());
        self.check_project_name(parent, &name, &path)?;
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

    fn change_project(&self, id: ProjectId, change: &ProjectChange) -> Result<(), Error> {
        let way = known(self.txn, id)?;
        let mut project = way.project.clone();
        let ProjectChange { name, title, description, visibility } = change.clone();
        project.name = title.unwrap_or(project.name);
        project.description = description.unwrap_or(project.description);
        check_texts(&project.name, &project.description)?;
        if let Some(visibility) = visibility.filter(|says| *says != project.visibility) {
            check_visibility(way.above.as_ref(), visibility)?;
            project.visibility = visibility;
        }
        if let Some(name) = name.filter(|name| *name != way.name) {
            self.check_project_name(project.parent, &name, &way.path_as(name.clone()))?;
            PROJECT_NAMES.remove(self.txn, &way.key())?;
            name.as_str().clone_into(&mut project.path);
            PROJECT_NAMES.put(self.txn, &(project.parent, name), &id)?;
        }
        self.list(id.governed(), &way.project.listed(), &project.listed())?;
        Ok(PROJECTS.put(self.txn, &id, &project)?)
    }

    fn check_project_name(
        &self,
        parent: GroupId,
        name: &GroupName,
        path: &GroupPath,
    ) -> Result<(), Error> {
        path.check_length()?;
        let key = (parent, name.clone());
        if PROJECT_NAMES.has(self.txn, &key)? || GROUP_NAMES.has(self.txn, &key)? {
            return Err(Error::ProjectExists(path.to_string()));
        }
        Ok(())
    }
}

fn check_texts(title: &str, description: &str) -> Result<(), Error> {
    let is_title = (1..=TITLE_LENGTH_MAX).contains(&title.len());
    if !is_title || description.len() > DESCRIPTION_LENGTH_MAX {
        return Err(Error::ProjectText);
    }
    Ok(())
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
        self.path_as(self.name.clone())
    }

    fn path_as(&self, name: GroupName) -> GroupPath {
        GroupPath::join(self.above.as_ref().map(Way::path).as_ref(), name)
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
        let rows = &self.snapshot;
        if parent != GroupId::TOP && !groups::is_live(rows, parent)? {
            return Ok(Vec::new());
        }
        let span = Span::under(&parent);
        let span = match after {
            Some(after) => span.after(&(parent, after.clone())),
            None => span,
        };
        let found = PROJECT_NAMES.page(rows, span, limit)?.into_iter();
        let found = found.map(|((_, name), id)| {
            let project = super::tx::promised(&PROJECTS, rows, &id)?;
            Ok((name, id, project))
        });
        found.collect()
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
    ) -> Result<ProjectPage, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let ids = PROJECTS.page(&self.snapshot, span, limit)?;
        let ids: Vec<_> = ids.into_iter().map(|(id, _)| id).collect();
        let next = ids.last().copied().filter(|_| ids.len() >= limit);
        let page = self.project_page(ids)?;
        Ok(ProjectPage { next, ..page })
    }

    /// Those of these projects that names lead to.
    pub(super) fn project_page(
        &self,
        ids: impl IntoIterator<Item = ProjectId>,
    ) -> Result<ProjectPage, Error> {
        let mut page = ProjectPage::default();
        for id in ids {
            if let Some((path, project)) = self.project(id)? {
                page.projects.push((id, path, project));
            }
        }
        Ok(page)
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
