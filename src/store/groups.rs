//! Groups: made, renamed, deleted, found (spec gitlab §1, §9).
//!
//! A name is a row in the group above, so renaming and deleting are small whatever lies below,
//! and a group counts only while names lead to it from the top: what is below a deleted group is
//! gone at once, for every reader. Every change looks its group up again in its own transaction
//! (I9). Lists come in pages: nothing here walks over all groups.
//! A group and a project never have one name in one place.
//! Deliberately absent: who may do what (`access`), and moving a group into another.

mod destroy;

use super::detached::Cause;
use super::{Error, Store, Tx, View};
use crate::db::schema::{GROUP_NAMES, GROUPS, Meta, PROJECT_NAMES};
use crate::db::{self, Pending, Rows, Span};
use crate::model::group::GROUP_DEPTH_MAX;
use crate::model::{Group, GroupId, GroupName, GroupPath, Node, Usage, UserName, Visibility};

/// Longest name that people call a group by, in bytes.
pub const TITLE_LENGTH_MAX: usize = 255;
/// Longest description, in bytes.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;

/// A group that is to be made.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The group that it is in, or [`GroupId::TOP`].
    pub parent: GroupId,
    /// Its name in there.
    pub name: GroupName,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Who may see that it is there.
    pub visibility: Visibility,
    /// Who becomes its first owner.
    pub owner: Option<UserName>,
}

/// What is to be changed of a group; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    /// Another name where it is.
    pub name: Option<GroupName>,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who may see that it is there.
    pub visibility: Option<Visibility>,
}

/// A part of a list of groups.
#[derive(Clone, Debug, Default)]
pub struct GroupPage {
    /// Those that are there, by id; there may be none although more follow.
    pub groups: Vec<(GroupId, GroupPath, Group)>,
    /// Where to go on; `None`: nothing follows.
    pub next: Option<GroupId>,
}

impl Store {
    /// Makes a group; tells its id.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`] without the group above, [`Error::GroupExists`],
    /// [`Error::GroupName`], [`Error::GroupText`], [`Error::Db`].
    pub fn create_group(&self, new: NewGroup) -> Pending<GroupId, Error> {
        self.change(move |tx| tx.create_group(&new))
    }

    /// Changes a group. What is below a renamed one has another path at once.
    ///
    /// # Errors
    /// As [`Self::create_group`].
    pub fn change_group(&self, id: GroupId, change: GroupChange) -> Pending<(), Error> {
        self.change(move |tx| tx.change_group(id, &change))
    }

    /// Deletes a group with all that is in it. It takes as long as deleting an empty one; the
    /// sweeper destroys what was in there.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`], [`Error::Db`].
    pub fn delete_group(&self, id: GroupId, cause: Cause) -> Pending<(), Error> {
        self.change(move |tx| {
            let way = known(tx.txn, id)?;
            let path = format!("/groups/{}/", way.path());
            GROUP_NAMES.remove(tx.txn, &way.here.key())?;
            tx.detach(Node::Group(id), path, &cause, Usage::default())
        })
    }
}

impl Tx<'_, '_> {
    fn create_group(&self, new: &NewGroup) -> Result<GroupId, Error> {
        let NewGroup { parent, name, title, description, visibility, owner } = new.clone();
        check_texts(&title, &description)?;
        let above = match parent {
            GroupId::TOP => None,
            parent => Some(known(self.txn, parent)?.path()),
        };
        let path = GroupPath::join(above.as_ref(), name.clone());
        self.check_free(parent, &name, &path)?;
        let id = GroupId(self.next(Meta::NEXT_GROUP)?);
        let (path, created) = (name.as_str().to_owned(), self.now);
        let group = Group { parent, path, name: title, description, visibility, created };
        GROUPS.put(self.txn, &id, &group)?;
        self.list(id, &[], &group.listed())?;
        GROUP_NAMES.put(self.txn, &(parent, name), &id)?;
        if let Some(owner) = owner {
            self.make_owner(id, owner)?;
        }
        Ok(id)
    }

    fn change_group(&self, id: GroupId, change: &GroupChange) -> Result<(), Error> {
        let way = known(self.txn, id)?;
        let mut group = way.here.group.clone();
        let GroupChange { name, title, description, visibility } = change.clone();
        group.name = title.unwrap_or(group.name);
        group.description = description.unwrap_or(group.description);
        group.visibility = visibility.unwrap_or(group.visibility);
        check_texts(&group.name, &group.description)?;
        if let Some(name) = name.filter(|name| *name != way.here.name) {
            self.check_free(group.parent, &name, &way.path_as(name.clone()))?;
            GROUP_NAMES.remove(self.txn, &way.here.key())?;
            name.as_str().clone_into(&mut group.path);
            GROUP_NAMES.put(self.txn, &(group.parent, name), &id)?;
        }
        self.list(id, &way.here.group.listed(), &group.listed())?;
        Ok(GROUPS.put(self.txn, &id, &group)?)
    }

    /// Whether a group may get this name.
    fn check_free(&self, parent: GroupId, name: &GroupName, path: &GroupPath) -> Result<(), Error> {
        path.check_length()?;
        let key = (parent, name.clone());
        if GROUP_NAMES.has(self.txn, &key)? || PROJECT_NAMES.has(self.txn, &key)? {
            return Err(Error::GroupExists(path.to_string()));
        }
        Ok(())
    }
}

fn check_texts(title: &str, description: &str) -> Result<(), Error> {
    let is_title = (1..=TITLE_LENGTH_MAX).contains(&title.len());
    if !is_title || description.len() > DESCRIPTION_LENGTH_MAX {
        return Err(Error::GroupText);
    }
    Ok(())
}

/// One group of those that lie in one another.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) id: GroupId,
    pub(super) name: GroupName,
    pub(super) group: Group,
}

impl Step {
    /// The row that leads to it.
    fn key(&self) -> (GroupId, GroupName) {
        (self.group.parent, self.name.clone())
    }
}

/// A group that names lead to, and those above it up to the top.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) here: Step,
    above: Vec<Step>,
}

impl Way {
    /// The group itself, then the next one above, up to the top.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        std::iter::once(&self.here).chain(&self.above)
    }

    pub(super) fn path(&self) -> GroupPath {
        self.path_as(self.here.name.clone())
    }

    /// Who may see it: of what it says and what those above say, the narrowest.
    pub(super) fn visibility(&self) -> Visibility {
        let says = self.above.iter().map(|step| step.group.visibility);
        says.fold(self.here.group.visibility, Ord::min)
    }

    /// The path that it would have by this name.
    fn path_as(&self, name: GroupName) -> GroupPath {
        let above = self.above.iter().rev().fold(None, |path: Option<GroupPath>, step| {
            Some(GroupPath::join(path.as_ref(), step.name.clone()))
        });
        GroupPath::join(above.as_ref(), name)
    }
}

/// The way from a group to the top; `None`: no names lead to it.
pub(super) fn way_up(rows: &impl Rows, id: GroupId) -> Result<Option<Way>, Error> {
    let Some(here) = named(rows, id)? else { return Ok(None) };
    let (mut at, mut above) = (here.group.parent, Vec::new());
    while at != GroupId::TOP {
        let Some(step) = named(rows, at)? else { return Ok(None) };
        at = step.group.parent;
        above.push(step);
        if above.len() >= GROUP_DEPTH_MAX {
            return Ok(None);
        }
    }
    Ok(Some(Way { here, above }))
}

/// A group that its name leads to, wherever the group above is.
fn named(rows: &impl Rows, id: GroupId) -> Result<Option<Step>, Error> {
    let Some(group) = GROUPS.get(rows, &id)? else { return Ok(None) };
    let step = Step { id, name: name_of(&group)?, group };
    let is_named = GROUP_NAMES.get(rows, &step.key())? == Some(id);
    Ok(is_named.then_some(step))
}

/// As [`way_up`] of a group that must be there.
pub(super) fn known(rows: &impl Rows, id: GroupId) -> Result<Way, Error> {
    way_up(rows, id)?.ok_or_else(|| Error::GroupUnknown(id.0.to_string()))
}

/// The group on the way up, itself included, that no name leads to in the one above.
pub(super) fn unnamed(rows: &impl Rows, id: GroupId) -> Result<Option<GroupId>, Error> {
    let mut at = id;
    for _ in 0..GROUP_DEPTH_MAX {
        let Some(step) = named(rows, at)? else { return Ok(Some(at)) };
        at = step.group.parent;
        if at == GroupId::TOP {
            break;
        }
    }
    Ok(None)
}

/// Whether names lead to a group.
pub(super) fn is_live(rows: &impl Rows, id: GroupId) -> Result<bool, Error> {
    Ok(way_up(rows, id)?.is_some())
}

/// The name that a record has.
pub(super) fn name_of(group: &Group) -> Result<GroupName, db::Error> {
    GroupName::parse(&group.path).map_err(|error| {
        let (table, what) = (GROUPS.name(), format!("the name of a group: {error}"));
        db::Error::Corrupt { table, what }
    })
}

impl View {
    /// A group with its full path, while names lead to it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn group(&self, id: GroupId) -> Result<Option<(GroupPath, Group)>, Error> {
        let way = way_up(&self.snapshot, id)?;
        Ok(way.map(|way| (way.path(), way.here.group)))
    }

    /// The group of this full path.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn group_at(&self, path: &GroupPath) -> Result<Option<(GroupId, Group)>, Error> {
        let mut at = GroupId::TOP;
        for name in path.names() {
            let found = GROUP_NAMES.get(&self.snapshot, &(at, name.clone()))?;
            let Some(id) = found else { return Ok(None) };
            at = id;
        }
        let group = super::tx::promised(&GROUPS, &self.snapshot, &at)?;
        Ok(Some((at, group)))
    }

    /// The groups directly in a group or at the top ([`GroupId::TOP`]), by name, behind `after`,
    /// at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn subgroups(
        &self,
        parent: GroupId,
        after: Option<&GroupName>,
        limit: usize,
    ) -> Result<Vec<(GroupName, GroupId, Group)>, Error> {
        let rows = &self.snapshot;
        if parent != GroupId::TOP && !is_live(rows, parent)? {
            return Ok(Vec::new());
        }
        let span = Span::under(&parent);
        let span = match after {
            Some(after) => span.after(&(parent, after.clone())),
            None => span,
        };
        let found = GROUP_NAMES.page(rows, span, limit)?.into_iter();
        let found = found.map(|((_, name), id)| {
            let group = super::tx::promised(&GROUPS, rows, &id)?;
            Ok((name, id, group))
        });
        found.collect()
    }

    /// All groups, by id, behind `after`: `limit` records are looked at, and those of them told
    /// that names lead to.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn all_groups(&self, after: Option<GroupId>, limit: usize) -> Result<GroupPage, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let found = GROUPS.page(&self.snapshot, span, limit)?;
        let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
        self.group_page(&ids, limit)
    }

    /// Those of these groups that names lead to. More may follow if there are `limit` of them.
    pub(super) fn group_page(&self, ids: &[GroupId], limit: usize) -> Result<GroupPage, Error> {
        let next = ids.last().copied().filter(|_| ids.len() >= limit);
        let mut page = GroupPage { next, ..GroupPage::default() };
        for id in ids {
            if let Some((path, group)) = self.group(*id)? {
                page.groups.push((*id, path, group));
            }
        }
        Ok(page)
    }
}
