//! Groups, members, deploy tokens and numbers of users: whether names and records agree, what
//! nothing leads to, and the indexes that follow from them.
//!
//! The walk and the repair ask the same question of a row of an index, so it is made or dropped
//! only for what it was found for. Deliberately absent: removing what is truth; below a group
//! that is being destroyed a row goes together with its index, so none is missed there.

use std::fmt;

use super::fix::{Erase, Fix, Phase};
use super::products::readable;
use super::{Halt, Pass};
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{
    DEPLOY_TOKENS, DEPLOY_TOKENS_OF, GROUP_NAMES, GROUPS, LISTED, MEMBERS, MEMBERSHIPS,
    NUMBERED_USERS, PROJECTS, USER_NUMBERS,
};
use crate::db::{self, Found, Rows, Span, Table};
use crate::model::group::GROUP_DEPTH_MAX;
use crate::model::{
    DeployTokenId, Group, GroupId, GroupName, ListedBy, ListedText, MemberName, Node, ProjectId,
    UserName, UserNumber,
};
use crate::store::{Error, Tx, groups};

/// A row of an index.
#[derive(Clone, Debug)]
pub(super) enum GroupRow {
    Membership(MemberName, GroupId),
    Number(UserNumber, UserName),
    TokenOf(GroupId, DeployTokenId),
    Listed(ListedBy, ListedText, GroupId),
}

/// A correction.
#[derive(Clone, Debug)]
pub(super) enum GroupFix {
    /// Makes a row of an index.
    Make(GroupRow),
    /// Drops a row of an index.
    Drop(GroupRow),
}

impl GroupFix {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Make(_) => Phase::Adding,
            Self::Drop(_) => Phase::Lowering,
        }
    }

    /// Corrects what is still wrong; tells whether anything was.
    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Make(row) if row.is_right(tx.txn)? && !row.is_there(tx.txn)? => {
                row.put(tx).map(|()| true)
            }
            Self::Drop(row) if !row.is_right(tx.txn)? => row.remove(tx),
            _ => Ok(false),
        }
    }
}

impl GroupRow {
    /// Name of the table.
    fn table(&self) -> &'static str {
        match self {
            Self::Membership(..) => MEMBERSHIPS.name(),
            Self::Number(..) => NUMBERED_USERS.name(),
            Self::TokenOf(..) => DEPLOY_TOKENS_OF.name(),
            Self::Listed(..) => LISTED.name(),
        }
    }

    /// Whether the row is there as it is here; one that cannot be read is not.
    fn is_there(&self, rows: &impl Rows) -> Result<bool, db::Error> {
        match self {
            Self::Membership(name, group) => MEMBERSHIPS.has(rows, &(name.clone(), *group)),
            Self::Number(number, login) => {
                let found = readable(NUMBERED_USERS.get(rows, number))?.flatten();
                Ok(found.as_ref() == Some(login))
            }
            Self::TokenOf(group, id) => DEPLOY_TOKENS_OF.has(rows, &(*group, *id)),
            Self::Listed(by, text, id) => LISTED.has(rows, &(*by, (text.clone(), *id))),
        }
    }

    /// Whether the truth wants the row there.
    fn is_right(&self, rows: &impl Rows) -> Result<bool, db::Error> {
        match self {
            Self::Membership(name, group) => MEMBERS.has(rows, &(*group, name.clone())),
            Self::Number(number, login) => Ok(USER_NUMBERS.get(rows, login)? == Some(*number)),
            Self::TokenOf(group, id) => {
                let token = DEPLOY_TOKENS.get(rows, id)?;
                Ok(token.is_some_and(|token| token.group == *group))
            }
            Self::Listed(by, text, id) => {
                let project = PROJECTS.get(rows, &ProjectId(id.0))?;
                let project = project.map(|project| project.listed());
                let listed = match GROUPS.get(rows, id)? {
                    Some(group) => Some(group.listed()),
                    None => project,
                };
                Ok(listed.is_some_and(|listed| listed.contains(&(*by, text.clone()))))
            }
        }
    }

    fn put(&self, tx: &Tx) -> Result<(), Error> {
        Ok(match self {
            Self::Membership(name, group) => MEMBERSHIPS.put(tx.txn, &(name.clone(), *group), &()),
            Self::Number(number, login) => NUMBERED_USERS.put(tx.txn, number, login),
            Self::TokenOf(group, id) => DEPLOY_TOKENS_OF.put(tx.txn, &(*group, *id), &()),
            Self::Listed(by, text, id) => LISTED.put(tx.txn, &(*by, (text.clone(), *id)), &()),
        }?)
    }

    fn remove(&self, tx: &Tx) -> Result<bool, Error> {
        Ok(match self {
            Self::Membership(name, group) => MEMBERSHIPS.remove(tx.txn, &(name.clone(), *group)),
            // It may have been put right meanwhile.
            Self::Number(..) if !self.is_there(tx.txn)? => Ok(false),
            Self::Number(number, _) => NUMBERED_USERS.remove(tx.txn, number),
            Self::TokenOf(group, id) => DEPLOY_TOKENS_OF.remove(tx.txn, &(*group, *id)),
            Self::Listed(by, text, id) => LISTED.remove(tx.txn, &(*by, (text.clone(), *id))),
        }?)
    }
}

/// What a row says in vain, or should say.
impl fmt::Display for GroupRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Membership(name, group) => write!(f, "{name} as a member of group {}", group.0),
            Self::Number(number, login) => write!(f, "number {} as that of {login}", number.0),
            Self::TokenOf(group, id) => {
                write!(f, "deploy token {} as one of group {}", id.0, group.0)
            }
            Self::Listed(by, text, id) => {
                write!(f, "number {} as {:?} by {by:?}", id.0, text.as_str())
            }
        }
    }
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_groups(&mut self) -> Result<(), Halt> {
        self.group_names()?;
        self.group_records()?;
        self.members()?;
        self.user_numbers()?;
        self.deploy_tokens()?;
        let erase: Erase = |txn, key| MEMBERSHIPS.remove_unreadable(txn, key);
        let row = |(name, group), ()| GroupRow::Membership(name, group);
        self.stray_group_rows(&MEMBERSHIPS, row, erase)?;
        let erase: Erase = |txn, key| NUMBERED_USERS.remove_unreadable(txn, key);
        self.stray_group_rows(&NUMBERED_USERS, GroupRow::Number, erase)?;
        let erase: Erase = |txn, key| DEPLOY_TOKENS_OF.remove_unreadable(txn, key);
        let row = |(group, id), ()| GroupRow::TokenOf(group, id);
        self.stray_group_rows(&DEPLOY_TOKENS_OF, row, erase)
    }

    fn group_names(&mut self) -> Result<(), Halt> {
        for row in GROUP_NAMES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((parent, name), id) => {
                    if parent != GroupId::TOP {
                        self.must_be_there(GROUP_NAMES.name(), parent)?;
                    }
                    self.group_name(parent, &name, id)?;
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(GROUP_NAMES.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn group_name(&mut self, parent: GroupId, name: &GroupName, id: GroupId) -> Result<(), Halt> {
        let Some(group) = readable(GROUPS.get(self.rows, &id))? else { return Ok(()) };
        let says = group.as_ref().map(|group| (group.parent, group.path.as_str()));
        let is_right = says == Some((parent, name.as_str()));
        if !is_right {
            let (id, parent) = (id.0, parent.0);
            self.found.in_doubt = true;
            self.found.damage(format!(
                "the name {name} in group {parent} leads to group {id}, whose record says \
                 {says:?}; restore both from a backup"
            ));
        }
        Ok(())
    }

    fn group_records(&mut self) -> Result<(), Halt> {
        for row in GROUPS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, group) => self.group_record(id, &group)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(GROUPS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn group_record(&mut self, id: GroupId, group: &Group) -> Result<(), Halt> {
        self.found.recount.checked.groups += 1;
        for (by, text) in group.listed() {
            self.want_group_row(GroupRow::Listed(by, text, id))?;
        }
        let number = id.0;
        let what = match (self.has_name(id, group)?, self.waiting.contains(&Node::Group(id))) {
            (true, true) => "waits to be destroyed, although its name is there",
            (false, false) => "has no name and does not wait to be destroyed; nothing was removed",
            (true, false) if self.is_in_itself(group)? => "lies too deep, or in itself",
            _ => return Ok(()),
        };
        self.found.in_doubt = true;
        self.found.damage(format!("group {number} ({:?}) {what}", group.path));
        Ok(())
    }

    /// A row that cannot be read may be the right one.
    fn has_name(&self, id: GroupId, group: &Group) -> Result<bool, Halt> {
        let Ok(name) = groups::name_of(group) else { return Ok(false) };
        let found = readable(GROUP_NAMES.get(self.rows, &(group.parent, name)))?;
        Ok(found.is_none_or(|found| found == Some(id)))
    }

    /// Whether there are more groups above than there can be.
    fn is_in_itself(&self, group: &Group) -> Result<bool, Halt> {
        let mut at = group.parent;
        for _ in 0..GROUP_DEPTH_MAX {
            let above = readable(GROUPS.get(self.rows, &at))?.flatten();
            let Some(above) = above else { return Ok(false) };
            at = above.parent;
        }
        Ok(true)
    }

    fn members(&mut self) -> Result<(), Halt> {
        for row in MEMBERS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((group, name), _) => {
                    self.must_be_there(MEMBERS.name(), group)?;
                    self.want_group_row(GroupRow::Membership(name, group))?;
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(MEMBERS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn user_numbers(&mut self) -> Result<(), Halt> {
        for row in USER_NUMBERS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(login, number) => self.user_number(login, number)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(USER_NUMBERS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn user_number(&mut self, login: UserName, number: UserNumber) -> Result<(), Halt> {
        let other = readable(NUMBERED_USERS.get(self.rows, &number))?.flatten();
        if let Some(other) = other.filter(|other| *other != login)
            && readable(USER_NUMBERS.get(self.rows, &other))?.flatten() == Some(number)
        {
            let number = number.0;
            self.found.damage(format!("{login} and {other} have the same number {number}"));
            return Ok(());
        }
        self.want_group_row(GroupRow::Number(number, login))
    }

    fn deploy_tokens(&mut self) -> Result<(), Halt> {
        for row in DEPLOY_TOKENS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, token) => {
                    self.must_be_there(DEPLOY_TOKENS.name(), token.group)?;
                    self.want_group_row(GroupRow::TokenOf(token.group, id))?;
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(DEPLOY_TOKENS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    /// Tells of a row of a group or a project that is not there.
    fn must_be_there(&mut self, table: &str, group: GroupId) -> Result<(), Halt> {
        let is_project = PROJECTS.has(self.rows, &ProjectId(group.0))?;
        if !is_project && !GROUPS.has(self.rows, &group)? {
            self.found.in_doubt = true;
            self.found.damage(format!(
                "table {table} holds a row of group {}, which is not there; nothing was removed",
                group.0
            ));
        }
        Ok(())
    }

    pub(super) fn want_group_row(&mut self, row: GroupRow) -> Result<(), Halt> {
        if row.is_there(self.rows)? {
            *self.met.index.entry(row.table()).or_default() += 1;
        } else {
            let what = format!("table {} does not list {row}", row.table());
            self.found.differ(what, Fix::Group(GroupFix::Make(row)));
        }
        Ok(())
    }

    /// Rows of an index that nothing wants, where the numbers say that there are any.
    pub(super) fn stray_group_rows<K: Key, V: Value>(
        &mut self,
        table: &Table<K, V>,
        row_of: impl Fn(K, V) -> GroupRow,
        erase: Erase,
    ) -> Result<(), Halt> {
        self.where_too_many(table, erase, |check, key, value| {
            let row = row_of(key, value);
            // Any doubt keeps a row.
            if !readable(row.is_right(check.rows))?.unwrap_or(true) {
                let what = format!("table {} lists {row}, in vain", table.name());
                check.found.differ(what, Fix::Group(GroupFix::Drop(row)));
            }
            Ok(())
        })
    }
}
