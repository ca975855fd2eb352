//! Who is what in a group or in a project: people by login, and everybody in a team of a directory
//! or an account.
//!
//! A role counts downwards, and the highest one found on the way up is it. It counts while it has
//! not expired, and for the very account that was meant: another account of that login, made
//! later, has nothing by it. A row that does not count is as if it were not there.
//! Deliberately absent: what a role is enough for ([`crate::model::Role::may`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::governed::{Governed, Page, governed, known};
use super::{Error, Store, Tx, View};
use crate::db::schema::{ACCOUNTS, MEMBERS, MEMBERSHIPS};
use crate::db::{Pending, Rows, Span};
use crate::model::{
    Group, GroupId, Member, MemberName, Project, ProjectId, Role, Timestamp, User, UserName,
};

/// Longest name of a team, in bytes.
pub const TEAM_NAME_LENGTH_MAX: usize = 255;

/// What somebody is to be in a group.
#[derive(Clone, Debug)]
pub struct MemberPut {
    /// Where.
    pub group: GroupId,
    /// Who.
    pub name: MemberName,
    /// As what.
    pub role: Role,
    /// From when on no more.
    pub expires: Option<Timestamp>,
    /// The login of whoever says so.
    pub by: String,
    /// Whether they are a member already.
    pub mode: PutMode,
}

/// Whether somebody is a member already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Not yet.
    Add,
    /// Yes: role and end are replaced.
    Change,
}

impl Store {
    /// Makes somebody a member of a group, or changes as what.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`]; [`Error::MemberExists`], [`Error::MemberUnknown`] by the mode;
    /// [`Error::LastOwner`] when a group at the top would be left without an owner;
    /// [`Error::TeamName`]; [`Error::Db`].
    pub fn put_member(&self, put: MemberPut) -> Pending<(), Error> {
        self.change(move |tx| tx.put_member(&put))
    }

    /// Ends somebody's membership in the group itself.
    ///
    /// # Errors
    /// [`Error::GroupUnknown`], [`Error::MemberUnknown`], [`Error::LastOwner`], [`Error::Db`].
    pub fn remove_member(&self, group: GroupId, name: MemberName) -> Pending<(), Error> {
        self.change(move |tx| {
            let way = known(tx.txn, group)?;
            let key = (group, name.clone());
            let Some(member) = MEMBERS.get(tx.txn, &key)? else {
                return Err(Error::MemberUnknown(name.clone()));
            };
            tx.check_owner_stays((group, &way), &name, &member, None)?;
            MEMBERS.remove(tx.txn, &key)?;
            MEMBERSHIPS.remove(tx.txn, &(name.clone(), group))?;
            Ok(())
        })
    }
}

impl Tx<'_, '_> {
    /// The first member of a group that was just made.
    pub(super) fn make_owner(&self, group: GroupId, login: UserName) -> Result<(), Error> {
        let by = login.to_string();
        self.add_member(group, &MemberName::User(login), (Role::Owner, None), by)
    }

    fn put_member(&self, put: &MemberPut) -> Result<(), Error> {
        let MemberPut { group, name, role, expires, by, mode } = put.clone();
        check_name(&name)?;
        let way = known(self.txn, group)?;
        let known = MEMBERS.get(self.txn, &(group, name.clone()))?;
        let known = match known {
            Some(member) if counts(self.txn, &name, &member, self.now)? => Some(member),
            _ => None,
        };
        match (mode, known) {
            (PutMode::Add, Some(_)) => Err(Error::MemberExists(name)),
            (PutMode::Change, None) => Err(Error::MemberUnknown(name)),
            (PutMode::Add, None) => self.add_member(group, &name, (role, expires), by),
            (PutMode::Change, Some(old)) => {
                let new = Member { role, by, expires, ..old.clone() };
                self.check_owner_stays((group, &way), &name, &old, Some(&new))?;
                Ok(MEMBERS.put(self.txn, &(group, name), &new)?)
            }
        }
    }

    fn add_member(
        &self,
        group: GroupId,
        name: &MemberName,
        (role, expires): (Role, Option<Timestamp>),
        by: String,
    ) -> Result<(), Error> {
        let account = account_of(self.txn, name)?;
        let member = Member { role, since: self.now, by, expires, account };
        MEMBERS.put(self.txn, &(group, name.clone()), &member)?;
        Ok(MEMBERSHIPS.put(self.txn, &(name.clone(), group), &())?)
    }

    /// Below the top there are always owners above.
    fn check_owner_stays(
        &self,
        (id, way): (GroupId, &Governed),
        name: &MemberName,
        old: &Member,
        new: Option<&Member>,
    ) -> Result<(), Error> {
        let MemberName::User(login) = name else { return Ok(()) };
        let owns = |member: &Member| member.role == Role::Owner && member.is_valid_at(self.now);
        if !way.is_at_top()
            || new.is_some_and(owns)
            || old.role != Role::Owner
            || !counts(self.txn, name, old, self.now)?
            || self.has_owner_but(id, name)?
        {
            return Ok(());
        }
        Err(Error::LastOwner(login.clone()))
    }

    fn has_owner_but(&self, group: GroupId, but: &MemberName) -> Result<bool, Error> {
        let mut found = false;
        MEMBERS.each(self.txn, Span::under(&group), |(_, name), member| {
            found = member.role == Role::Owner
                && name != *but
                && counts(self.txn, &name, &member, self.now)?;
            Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

/// When the local account of this name was made; none of a team or of somebody from elsewhere.
fn account_of(rows: &impl Rows, name: &MemberName) -> Result<Option<Timestamp>, Error> {
    let MemberName::User(login) = name else { return Ok(None) };
    Ok(ACCOUNTS.get(rows, login)?.map(|account| account.created))
}

/// Whether a member's row counts at this moment, for whoever has that name now.
fn counts(
    rows: &impl Rows,
    name: &MemberName,
    member: &Member,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(member.is_valid_at(now) && account_of(rows, name)? == member.account)
}

fn check_name(name: &MemberName) -> Result<(), Error> {
    match name {
        MemberName::Team(name) if !is_team_name(name) => Err(Error::TeamName),
        _ => Ok(()),
    }
}

fn is_team_name(name: &str) -> bool {
    (1..=TEAM_NAME_LENGTH_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// As what a user may be a member: by login, and as one of each team.
fn names_of(user: &User) -> BTreeSet<MemberName> {
    let teams = user.groups.iter().filter(|name| is_team_name(name));
    let teams = teams.map(|name| MemberName::Team(name.clone()));
    teams.chain([MemberName::User(user.login.clone())]).collect()
}

/// All teams of a group, and nothing else: people come before them.
fn teams(group: GroupId) -> Span<(GroupId, MemberName)> {
    Span::under(&group).from(&(group, MemberName::Team(String::new())))
}

/// What a user is in a group or a project: the highest role there and above.
pub(super) fn role_at(
    rows: &impl Rows,
    now: Timestamp,
    user: &User,
    group: GroupId,
) -> Result<Option<Role>, Error> {
    let Some(way) = governed(rows, group)? else { return Ok(None) };
    let names = names_of(user);
    let mut highest = None;
    for step in way.steps {
        highest = highest.max(direct_role(rows, now, &names, step)?);
        if highest == Some(Role::Owner) {
            break;
        }
    }
    Ok(highest)
}

fn direct_role(
    rows: &impl Rows,
    now: Timestamp,
    names: &BTreeSet<MemberName>,
    group: GroupId,
) -> Result<Option<Role>, Error> {
    let has_teams = MEMBERS.has_any(rows, teams(group))?;
    let mut highest = None;
    for name in names {
        if has_teams || matches!(name, MemberName::User(_)) {
            highest = highest.max(member_at(rows, now, group, name)?.map(|member| member.role));
        }
    }
    Ok(highest)
}

/// A direct member of a group, while that counts.
fn member_at(
    rows: &impl Rows,
    now: Timestamp,
    group: GroupId,
    name: &MemberName,
) -> Result<Option<Member>, Error> {
    match MEMBERS.get(rows, &(group, name.clone()))? {
        Some(member) if counts(rows, name, &member, now)? => Ok(Some(member)),
        _ => Ok(None),
    }
}

impl View {
    /// What a user is in a group: the highest role there and in the groups above; `None`: nothing,
    /// or no names lead to the group.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn role(&self, user: &User, group: GroupId) -> Result<Option<Role>, Error> {
        role_at(&self.snapshot, self.now, user, group)
    }

    /// What a user is in a group or a project itself.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn direct_role_of(&self, user: &User, group: GroupId) -> Result<Option<Role>, Error> {
        direct_role(&self.snapshot, self.now, &names_of(user), group)
    }

    /// Whether everybody in this group of a directory, an auth file or an account is a member
    /// anywhere, or was until a short time ago.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn is_team(&self, name: &str) -> Result<bool, Error> {
        let team = MemberName::Team(name.to_owned());
        Ok(is_team_name(name) && MEMBERSHIPS.has_any(&self.snapshot, Span::under(&team))?)
    }

    /// A direct member of a group, while that counts.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn member(&self, group: GroupId, name: &MemberName) -> Result<Option<Member>, Error> {
        member_at(&self.snapshot, self.now, group, name)
    }

    /// The members of a group itself: people by login, then teams by name, behind `after`, at
    /// most `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn members(
        &self,
        group: GroupId,
        after: Option<&MemberName>,
        limit: usize,
    ) -> Result<Vec<(MemberName, Member)>, Error> {
        if limit == 0 || governed(&self.snapshot, group)?.is_none() {
            return Ok(Vec::new());
        }
        self.direct_members(group, after, limit)
    }

    fn direct_members(
        &self,
        group: GroupId,
        after: Option<&MemberName>,
        limit: usize,
    ) -> Result<Vec<(MemberName, Member)>, Error> {
        let span = Span::under(&group);
        let span = match after {
            Some(after) => span.after(&(group, after.clone())),
            None => span,
        };
        let mut found = Vec::new();
        MEMBERS.each(&self.snapshot, span, |(_, name), member| {
            if counts(&self.snapshot, &name, &member, self.now)? {
                found.push((name, member));
            }
            let is_full = found.len() >= limit;
            Ok::<_, Error>(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// The members of a group and of those above it, each once with the highest role, and where
    /// that comes from; ordered and bounded as in [`Self::members`].
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn members_with_inherited(
        &self,
        group: GroupId,
        after: Option<&MemberName>,
        limit: usize,
    ) -> Result<Vec<(MemberName, Member, GroupId)>, Error> {
        let Some(way) = governed(&self.snapshot, group)?.filter(|_| limit > 0) else {
            return Ok(Vec::new());
        };
        let mut highest: BTreeMap<MemberName, (Member, GroupId)> = BTreeMap::new();
        for step in way.steps {
            for (name, member) in self.direct_members(step, after, limit)? {
                let known = highest.get(&name);
                if known.is_none_or(|(known, _)| known.role < member.role) {
                    highest.insert(name, (member, step));
                }
            }
        }
        let found = highest.into_iter().take(limit);
        Ok(found.map(|(name, (member, at))| (name, member, at)).collect())
    }

    /// The groups that a user is a direct member of, alone or as one of a team, by id, behind
    /// `after`: `limit` memberships are looked at, and those told that count.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn groups_of(
        &self,
        user: &User,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Page<GroupId, Group>, Error> {
        let (ids, next) = self.memberships(user, after, limit)?;
        Page::of(ids, next, |id| self.group(id))
    }

    /// As [`Self::groups_of`], of projects.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn projects_of(
        &self,
        user: &User,
        after: Option<ProjectId>,
        limit: usize,
    ) -> Result<Page<ProjectId, Project>, Error> {
        let (ids, next) = self.memberships(user, after.map(ProjectId::governed), limit)?;
        let project = |id: GroupId| ProjectId(id.0);
        Page::of(ids.into_iter().map(project), next.map(project), |id| self.project(id))
    }

    /// Of the next `limit` memberships of a user those that count, and behind which one more
    /// follow.
    fn memberships(
        &self,
        user: &User,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<(Vec<GroupId>, Option<GroupId>), Error> {
        let names = names_of(user);
        let mut ids = BTreeSet::new();
        for name in &names {
            let span = Span::under(name);
            let span = match after {
                Some(after) => span.after(&(name.clone(), after)),
                None => span,
            };
            let found = MEMBERSHIPS.page(&self.snapshot, span, limit)?;
            ids.extend(found.into_iter().map(|((_, id), ())| id));
        }
        let ids: Vec<_> = ids.into_iter().take(limit).collect();
        let next = ids.last().copied().filter(|_| ids.len() >= limit);
        let mut counted = Vec::new();
        for id in ids {
            if direct_role(&self.snapshot, self.now, &names, id)?.is_some() {
                counted.push(id);
            }
        }
        Ok((counted, next))
    }
}
