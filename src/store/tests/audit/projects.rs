//! Recounts projects: each is named in a group that is there, or on its way out, once; and groups
//! and projects stand in lists where their records say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audit, map};
use crate::db::schema::{DETACHED, GROUP_NAMES, GROUPS, LISTED, PROJECT_NAMES, PROJECTS};
use crate::model::{GroupId, Node};

impl Audit {
    /// The numbers of all projects, of which none is that of one of `groups`.
    pub(super) fn projects(&mut self, groups: &BTreeSet<GroupId>) -> BTreeSet<GroupId> {
        let records: BTreeMap<_, _> = self.rows(&PROJECTS).into_iter().collect();
        let taken = map(self.rows(&GROUP_NAMES));
        let mut found = BTreeSet::new();
        for ((parent, name), id) in self.rows(&PROJECT_NAMES) {
            let says = records.get(&id).map(|project| (project.parent, project.path.clone()));
            self.same(&format!("{id:?}"), says, Some((parent, name.to_string())));
            let is_there = parent == GroupId::TOP || groups.contains(&parent);
            self.same(&format!("the group of {id:?}"), is_there, true);
            let key = crate::db::keys::Key::to_bytes(&(parent, name));
            self.same(&format!("a group called as {id:?}"), taken.contains_key(&key), false);
            self.same(&format!("{id:?} is found once"), found.insert(id), true);
        }
        for (_, entry) in self.rows(&DETACHED) {
            // The record goes last, maybe before the entry.
            if let Node::Project(id) = entry.node
                && records.contains_key(&id)
            {
                self.same(&format!("{id:?} is found once"), found.insert(id), true);
            }
        }
        self.listed();
        self.same("projects", records.into_keys().collect(), found.clone());
        found.into_iter().map(crate::model::ProjectId::governed).collect()
    }

    fn listed(&mut self) {
        let groups = self.rows(&GROUPS).into_iter();
        let groups = groups.flat_map(|(id, group)| group.listed().map(|row| (row, id)));
        let projects = self.rows(&PROJECTS).into_iter();
        let projects = projects.flat_map(|(id, it)| it.listed().map(|row| (row, id.governed())));
        let rows = groups.chain(projects).map(|((by, text), id)| ((by, (text, id)), ()));
        let rows = rows.collect();
        self.same("places in lists", map(self.rows(&LISTED)), map(rows));
    }
}
