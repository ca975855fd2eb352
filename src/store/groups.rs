//! Groups: made, renamed, deleted, found (spec gitlab §1, §9).
//!
//! A name is a row in the group above, so renaming and deleting are small whatever lies below,
//! and a group counts only while names lead to it from the top: what is below a deleted group is
//! gone at once, for every reader. Every change looks its group up again in its own transaction
//! (I9). What projects have alike is in `governed`.
//! Deliberately absent: who may do what (`access`), and moving a group into another.

mod destroy;

use super::detached::Cause;
use super::governed::{self, Change, New, Page};
use super::{Error, Store, Tx, View};
use crate::db::schema::{GROUP_NAMES, GROUPS, Meta};
use crate::db::{self, Pending, Rows};
use crate::model::group::GROUP_DEPTH_MAX;
use crate::model::{Group, GroupId, GroupName, GroupPath, Node, Usage, Visibility};

impl Store {
    /// Makes a group; tells its id.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`] without the group above, [`Error::GroupExists`],
    /// [`Error::GroupName`], [`Error::GovernedText`], [`Error::Db`].
    pub fn create_group(&self, new: New) -> Pending<GroupId, Error> {
        self.change(move |tx| tx.create_group(&new))
    }

    /// Changes a group. What is below a renamed one has another path at once.
    ///
    /// # Errors
    /// As [`Self::create_group`].
    pub fn change_group(&self, id: GroupId, change: Change) -> Pending<(), Error> {
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
    fn create_group(&self, new: &New) -> Result<GroupId, Error> {
        let New { parent, name, title, description, visibility, owner } = new.clone();
        governed::check_texts(&title, &description)?;
        let path = below(self.way_to(parent)?.as_ref(), name.clone());
        self.check_name((parent, &name), &path, Error::GroupExists)?;
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

    fn change_group(&self, id: GroupId, change: &Change) -> Result<(), Error> {
        let way = known(self.txn, id)?;
        let mut group = way.here.group.clone();
        let Change { name, title, description, visibility } = change.clone();
        group.name = title.unwrap_or(group.name);
        group.description = description.unwrap_or(group.description);
        group.visibility = visibility.unwrap_or(group.visibility);
        governed::check_texts(&group.name, &group.description)?;
        if let Some(name) = name.filter(|name| *name != way.here.name) {
            let path = way.path_as(name.clone());
            self.check_name((group.parent, &name), &path, Error::GroupExists)?;
            GROUP_NAMES.remove(self.txn, &way.here.key())?;
            name.as_str().clone_into(&mut group.path);
            GROUP_NAMES.put(self.txn, &(group.parent, name), &id)?;
        }
        self.list(id, &way.here.group.listed(), &group.listed())?;
        Ok(GROUPS.put(self.txn, &id, &group)?)
    }
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

/// The path of what has this name in a group; `None`: at the top.
pub(super) fn below(above: Option<&Way>, name: GroupName) -> GroupPath {
    GroupPath::join(above.map(Way::path).as_ref(), name)
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
        governed::directly_in(&self.snapshot, (&GROUP_NAMES, &GROUPS), parent, after, limit)
    }

    /// All groups, by id, behind `after`: `limit` records are looked at, and those of them told
    /// that names lead to.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn all_groups(
        &self,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Page<GroupId, Group>, Error> {
        Page::of_table(&self.snapshot, &GROUPS, (after, limit), |id| self.group(id))
    }
}
