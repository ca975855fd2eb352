//! Recounts groups: each is named or on its way out, once, and its people and tokens are listed
//! as what they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audit, map};
use crate::db::schema::{
    DEPLOY_TOKENS, DEPLOY_TOKENS_OF, DETACHED, GROUP_NAMES, GROUPS, MEMBERS, MEMBERSHIPS, META,
    Meta, NUMBERED_USERS, USER_NUMBERS,
};
use crate::model::{GroupId, Node};

impl Audit {
    pub(super) fn groups(&mut self) {
        let groups = self.named_groups();
        let projects = self.projects(&groups);
        self.same("numbers of groups and projects", groups.is_disjoint(&projects), true);
        for id in &projects {
            self.is_given(Meta::NEXT_GROUP, id.0);
        }
        let known: BTreeSet<_> = groups.union(&projects).copied().collect();
        let mut memberships = Vec::new();
        for ((group, name), _) in self.rows(&MEMBERS) {
            self.same(&format!("the group of member {name}"), known.contains(&group), true);
            memberships.push(((name, group), ()));
        }
        self.same("memberships", map(self.rows(&MEMBERSHIPS)), map(memberships));
        let mut tokens = Vec::new();
        for (id, token) in self.rows(&DEPLOY_TOKENS) {
            self.same(&format!("the group of {id:?}"), known.contains(&token.group), true);
            tokens.push(((token.group, id), ()));
            self.is_given(Meta::NEXT_DEPLOY_TOKEN, id.0);
        }
        self.same("tokens of groups", map(self.rows(&DEPLOY_TOKENS_OF)), map(tokens));
        let numbers = self.rows(&USER_NUMBERS).into_iter();
        let numbers: Vec<_> = numbers.map(|(login, number)| (number, login)).collect();
        for (number, _) in &numbers {
            self.is_given(Meta::NEXT_USER, number.0);
        }
        let count = numbers.len();
        self.same("numbers of users", map(self.rows(&NUMBERED_USERS)), map(numbers));
        self.same("users with a number", self.rows(&NUMBERED_USERS).len(), count);
    }

    /// All groups, each of which is found once: below the top, or below what is being destroyed.
    fn named_groups(&mut self) -> BTreeSet<GroupId> {
        let records: BTreeMap<_, _> = self.rows(&GROUPS).into_iter().collect();
        let mut children: BTreeMap<GroupId, Vec<GroupId>> = BTreeMap::new();
        for ((parent, name), id) in self.rows(&GROUP_NAMES) {
            let says = records.get(&id).map(|group| (group.parent, group.path.clone()));
            self.same(&format!("{id:?}"), says, Some((parent, name.to_string())));
            children.entry(parent).or_default().push(id);
        }
        let mut found = BTreeSet::new();
        let mut todo = children.remove(&GroupId::TOP).unwrap_or_default();
        for (_, entry) in self.rows(&DETACHED) {
            if let Node::Group(id) = entry.node {
                // The record goes last, maybe before the entry.
                let below = if records.contains_key(&id) { vec![id] } else { Vec::new() };
                todo.extend(below);
            }
        }
        while let Some(id) = todo.pop() {
            self.same(&format!("{id:?} is found once"), found.insert(id), true);
            self.is_given(Meta::NEXT_GROUP, id.0);
            todo.extend(children.remove(&id).unwrap_or_default());
        }
        self.same("names below nothing", children, BTreeMap::new());
        self.same("groups", records.into_keys().collect(), found.clone());
        found
    }

    fn is_given(&mut self, sequence: Meta, id: u64) {
        let next = META.get(&self.snapshot, &sequence).unwrap().unwrap_or(1);
        self.same(&format!("{id} of {sequence:?} was given"), (1..next).contains(&id), true);
    }
}
