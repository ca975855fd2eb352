//! Random operations on groups and their people against plain maps, with destroying in slices,
//! new accounts, time and restarts among them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::db::tests::random::for_seeds;
use crate::store::accounts::NewAccount;

const OPERATIONS: usize = 600;
const AUDIT_EVERY: usize = 10;
const NAMES: [&str; 3] = ["a", "b", "c"];
const LOGINS: [&str; 3] = ["anna", "bob", "eve"];
const TEAMS: [&str; 2] = ["dev", "ops"];
/// Groups above a group of the model, at most.
const DEEP: usize = 3;

struct Member {
    role: Role,
    expires: Option<Timestamp>,
    /// Which account of that login, if any.
    account: Option<u64>,
}

struct Group {
    parent: GroupId,
    name: String,
    members: BTreeMap<MemberName, Member>,
    tokens: Vec<DeployTokenId>,
}

/// A store, and what should be in it.
struct World {
    house: Option<House>,
    groups: BTreeMap<GroupId, Group>,
    /// Local accounts, by which one of that login it is.
    accounts: BTreeMap<String, u64>,
    numbers: BTreeMap<String, u64>,
    made: u64,
    given: u64,
}

fn word<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::GroupUnknown(_)) => "unknown",
        Err(Error::GroupExists(_)) => "exists",
        Err(Error::MemberExists(_)) => "member",
        Err(Error::MemberUnknown(_)) => "no member",
        Err(Error::LastOwner(_)) => "last owner",
        Err(Error::NotFound(_)) => "not found",
        Err(error) => panic!("{error}"),
    }
}

fn any_name(random: &mut Random) -> MemberName {
    let (team_name, login) = (*random.pick(&TEAMS), *random.pick(&LOGINS));
    if random.one_in(3) { team(team_name) } else { user(login) }
}

impl World {
    fn new() -> Self {
        Self {
            house: Some(House::new()),
            groups: BTreeMap::new(),
            accounts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            made: 0,
            given: 0,
        }
    }

    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    /// A group that there was at some time, or is not yet.
    fn any(&self, random: &mut Random) -> GroupId {
        let live: Vec<_> = self.groups.keys().copied().collect();
        if live.is_empty() || random.one_in(6) {
            return GroupId(1 + u64::try_from(random.below(40)).unwrap());
        }
        *random.pick(&live)
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=5 => self.make(random),
            6..=7 => self.rename(random),
            8 => self.delete(random),
            9..=12 => self.put(random),
            13..=14 => self.remove(random),
            15 => self.token(random),
            16 => self.revoke(random),
            17 => self.account(random),
            18 => self.number(random),
            19 => self.house().clock.advance(Duration::from_secs(20)),
            20..=22 => {
                let rows = u32::try_from(1 + random.below(5)).unwrap();
                self.house().store.destroy_slice(WORK, rows).unwrap();
            }
            _ if random.one_in(3) => self.house = self.house.take().map(House::reopen),
            _ => {}
        }
    }

    fn depth(&self, id: GroupId) -> usize {
        self.groups.get(&id).map_or(0, |group| 1 + self.depth(group.parent))
    }

    fn is_taken(&self, parent: GroupId, name: &str) -> bool {
        self.groups.values().any(|group| group.parent == parent && group.name == name)
    }

    fn make(&mut self, random: &mut Random) {
        let parent = if random.one_in(3) { TOP } else { self.any(random) };
        if self.depth(parent) > DEEP {
            return;
        }
        let (text, owner) = (*random.pick(&NAMES), random.one_in(2).then(|| *random.pick(&LOGINS)));
        let new = governed::New { owner: owner.map(login), ..governed::New::of(parent, text) };
        let made = self.house().store.create_group(new).wait();
        let expected = match parent {
            parent if parent != TOP && !self.groups.contains_key(&parent) => "unknown",
            parent if self.is_taken(parent, text) => "exists",
            _ => "ok",
        };
        assert_eq!(word(&made), expected, "{text} in {parent:?}");
        let Ok(id) = made else { return };
        self.made += 1;
        assert_eq!(id, GroupId(self.made), "ids are given in turn, and once");
        let mut members = BTreeMap::new();
        if let Some(owner) = owner {
            let account = self.accounts.get(owner).copied();
            members.insert(user(owner), Member { role: Role::Owner, expires: None, account });
        }
        let (name, tokens) = (text.to_owned(), Vec::new());
        self.groups.insert(id, Group { parent, name, members, tokens });
    }

    fn rename(&mut self, random: &mut Random) {
        let (id, text) = (self.any(random), *random.pick(&NAMES));
        let change = governed::Change { name: Some(name(text)), ..governed::Change::default() };
        let renamed = self.house().store.change_group(id, change).wait();
        let expected = match self.groups.get(&id) {
            None => "unknown",
            Some(group) if group.name != text && self.is_taken(group.parent, text) => "exists",
            Some(_) => "ok",
        };
        assert_eq!(word(&renamed), expected);
        if renamed.is_ok() {
            self.groups.get_mut(&id).unwrap().name = text.to_owned();
        }
    }

    fn delete(&mut self, random: &mut Random) {
        let id = self.any(random);
        let deleted = self.house().store.delete_group(id, super::super::cause()).wait();
        let is_there = self.groups.contains_key(&id);
        assert_eq!(word(&deleted), if is_there { "ok" } else { "unknown" });
        let mut gone = vec![id];
        while let Some(id) = gone.pop() {
            self.groups.remove(&id);
            let below = self.groups.iter().filter(|(_, group)| group.parent == id);
            gone.extend(below.map(|(id, _)| *id));
        }
    }

    fn counts(&self, name: &MemberName, member: &Member) -> bool {
        let account = match name {
            MemberName::User(login) => self.accounts.get(login.as_str()).copied(),
            MemberName::Team(_) => None,
        };
        let is_valid = member.expires.is_none_or(|end| self.house().now() < end);
        is_valid && member.account == account
    }

    /// Whether the group is at the top, and nobody else owns it.
    fn is_last_owner(&self, group: &Group, name: &MemberName) -> bool {
        let owns = |name: &MemberName, member: &Member| {
            member.role == Role::Owner && self.counts(name, member)
        };
        let others =
            group.members.iter().any(|(other, member)| other != name && owns(other, member));
        let is_owner = group.members.get(name).is_some_and(|member| owns(name, member));
        group.parent == TOP && matches!(name, MemberName::User(_)) && is_owner && !others
    }

    fn put(&mut self, random: &mut Random) {
        let (group, name, role) = (self.any(random), any_name(random), *random.pick(&Role::ALL));
        let mode = if random.one_in(3) { PutMode::Change } else { PutMode::Add };
        let in_a_while = self.house().now().after(Duration::from_secs(60));
        let expires = random.one_in(3).then_some(in_a_while);
        let put = MemberPut { group, name: name.clone(), role, expires, by: "x".into(), mode };
        let result = self.house().store.put_member(put).wait();
        let known = self.groups.get(&group);
        let old = known.and_then(|known| known.members.get(&name));
        let old = old.filter(|old| self.counts(&name, old));
        let expected = match (known, old, mode) {
            (None, ..) => "unknown",
            (_, Some(_), PutMode::Add) => "member",
            (_, None, PutMode::Change) => "no member",
            (Some(known), Some(_), _)
                if role != Role::Owner && self.is_last_owner(known, &name) =>
            {
                "last owner"
            }
            _ => "ok",
        };
        assert_eq!(word(&result), expected, "{name} {role} {mode:?} in {group:?}");
        if result.is_ok() {
            let account = match &name {
                MemberName::User(login) => self.accounts.get(login.as_str()).copied(),
                MemberName::Team(_) => None,
            };
            let member = Member { role, expires, account };
            self.groups.get_mut(&group).unwrap().members.insert(name, member);
        }
    }

    fn remove(&mut self, random: &mut Random) {
        let (group, name) = (self.any(random), any_name(random));
        let removed = self.house().store.remove_member(group, name.clone()).wait();
        let expected = match self.groups.get(&group) {
            None => "unknown",
            Some(known) if !known.members.contains_key(&name) => "no member",
            Some(known) if self.is_last_owner(known, &name) => "last owner",
            Some(_) => "ok",
        };
        assert_eq!(word(&removed), expected, "{name} in {group:?}");
        if removed.is_ok() {
            self.groups.get_mut(&group).unwrap().members.remove(&name);
        }
    }

    fn token(&mut self, random: &mut Random) {
        let group = self.any(random);
        let made = self.house().store.add_deploy_token(token(group)).wait();
        let known = self.groups.get_mut(&group);
        assert_eq!(word(&made), if known.is_some() { "ok" } else { "unknown" });
        if let Some(known) = known {
            self.given += 1;
            assert_eq!(made.unwrap().0, DeployTokenId(self.given));
            known.tokens.push(DeployTokenId(self.given));
        }
    }

    fn revoke(&mut self, random: &mut Random) {
        let group = self.any(random);
        let id = DeployTokenId(1 + u64::try_from(random.below(9)).unwrap());
        let revoked = self.house().store.revoke_deploy_token(group, id).wait();
        let known = self.groups.get_mut(&group);
        let expected = match &known {
            None => "unknown",
            Some(known) if known.tokens.contains(&id) => "ok",
            Some(_) => "not found",
        };
        assert_eq!(word(&revoked), expected);
        if let Some(known) = known {
            known.tokens.retain(|known| *known != id);
        }
    }

    fn account(&mut self, random: &mut Random) {
        let text = *random.pick(&LOGINS);
        // No two accounts are made at the same moment.
        self.house().clock.advance(Duration::from_micros(1));
        let store = &self.house().store;
        if self.accounts.contains_key(text) {
            store.delete_account(login(text)).wait().unwrap();
            self.accounts.remove(text);
        } else {
            let (hash, groups) = (String::new(), Vec::new());
            let new = NewAccount { login: login(text), hash, groups, rank: Rank::Ordinary };
            store.add_account(new).wait().unwrap();
            let now = self.house().now().0;
            self.accounts.insert(text.to_owned(), now);
        }
    }

    fn number(&mut self, random: &mut Random) {
        let text = *random.pick(&LOGINS);
        let number = self.house().store.number_user(login(text)).wait().unwrap().0;
        let next = u64::try_from(self.numbers.len()).unwrap() + 1;
        assert_eq!(number, *self.numbers.entry(text.to_owned()).or_insert(next));
    }

    fn path(&self, id: GroupId) -> String {
        let group = &self.groups[&id];
        match group.parent {
            TOP => group.name.clone(),
            parent => format!("{}/{}", self.path(parent), group.name),
        }
    }

    fn role(&self, user: &User, id: GroupId) -> Option<Role> {
        let group = self.groups.get(&id)?;
        let is_meant = |name: &MemberName| match name {
            MemberName::User(login) => *login == user.login,
            MemberName::Team(team) => user.groups.contains(team),
        };
        let own = group
            .members
            .iter()
            .filter(|(name, member)| is_meant(name) && self.counts(name, member));
        own.map(|(_, member)| member.role).max().max(self.role(user, group.parent))
    }

    fn check(&self, random: &mut Random) {
        assert_consistent(&self.house().store);
        let view = self.house().view();
        let listed = view.all_groups(None, 1000).unwrap().found.into_iter();
        let listed: Vec<_> = listed.map(|(id, path, _)| (id, path.to_string())).collect();
        let expected: Vec<_> = self.groups.keys().map(|id| (*id, self.path(*id))).collect();
        assert_eq!(listed, expected);
        let (login, team) = (*random.pick(&LOGINS), *random.pick(&TEAMS));
        let someone = who(login, &[team]);
        for id in (1..=self.made).map(GroupId) {
            assert_eq!(view.role(&someone, id).unwrap(), self.role(&someone, id), "{id:?}");
        }
        for (id, group) in &self.groups {
            assert_eq!(self.house().at(&self.path(*id)), Some(*id));
            let tokens = view.deploy_tokens(*id, None, 1000).unwrap().into_iter();
            assert_eq!(tokens.map(|(id, _)| id).collect::<Vec<_>>(), group.tokens);
            let members = view.members(*id, None, 1000).unwrap().into_iter();
            let members: Vec<_> = members.map(|(name, member)| (name, member.role)).collect();
            let counted = group.members.iter().filter(|(name, member)| self.counts(name, member));
            let counted: Vec<_> =
                counted.map(|(name, member)| (name.clone(), member.role)).collect();
            assert_eq!(members, counted);
        }
    }
}

#[test]
fn random_operations_on_groups_agree_with_plain_maps() {
    for_seeds(0..6, |random| {
        let mut world = World::new();
        for operation in 0..OPERATIONS {
            world.step(random);
            if operation % AUDIT_EVERY == 0 {
                world.check(random);
            }
        }
        world.check(random);
        let live = world.groups.len();
        world.house().destroy(ROWS);
        assert_eq!(world.house().group_rows()[..2], [live; 2].map(|n| u64::try_from(n).unwrap()));
        world.house = world.house.take().map(House::reopen);
        world.check(random);
    });
}
