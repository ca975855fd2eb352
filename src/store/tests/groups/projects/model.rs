//! Random operations on groups and projects against plain maps, with destroying in slices and
//! restarts among them.

use std::collections::BTreeMap;

use super::*;
use crate::db::tests::random::for_seeds;

const OPERATIONS: usize = 400;
const AUDIT_EVERY: usize = 10;
const NAMES: [&str; 3] = ["a", "b", "c"];
const LOGINS: [&str; 2] = ["anna", "bob"];
const VISIBILITIES: [Visibility; 3] =
    [Visibility::Private, Visibility::Internal, Visibility::Public];
/// Groups above a group of the model, at most.
const DEEP: usize = 2;

/// What it is beside its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Group,
    Project,
}

struct Thing {
    kind: Kind,
    parent: GroupId,
    name: String,
    visibility: Visibility,
    roles: BTreeMap<String, Role>,
}

/// A store, and what should be in it.
struct World {
    house: Option<House>,
    things: BTreeMap<GroupId, Thing>,
    made: u64,
}

fn word<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::GroupUnknown(_) | Error::ProjectUnknown(_)) => "unknown",
        Err(Error::GroupExists(_) | Error::ProjectExists(_)) => "exists",
        Err(Error::ProjectTooVisible { .. }) => "too visible",
        Err(Error::MemberExists(_)) => "member",
        Err(error) => panic!("{error}"),
    }
}

impl World {
    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    /// Something that there was at some time, or is not yet.
    fn any(&self, random: &mut Random) -> GroupId {
        let live: Vec<_> = self.things.keys().copied().collect();
        if live.is_empty() || random.one_in(6) {
            return GroupId(1 + u64::try_from(random.below(40)).unwrap());
        }
        *random.pick(&live)
    }

    fn of(&self, id: GroupId, kind: Kind) -> Option<&Thing> {
        self.things.get(&id).filter(|thing| thing.kind == kind)
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(20) {
            0..=7 => self.make(random),
            8..=9 => self.rename(random),
            10 => self.narrow(random),
            11 => self.delete(random),
            12..=14 => self.admit(random),
            15..=18 => {
                let rows = u32::try_from(1 + random.below(5)).unwrap();
                self.house().store.destroy_slice(WORK, rows).unwrap();
            }
            _ if random.one_in(3) => self.house = self.house.take().map(House::reopen),
            _ => {}
        }
    }

    fn depth(&self, id: GroupId) -> usize {
        self.things.get(&id).map_or(0, |thing| 1 + self.depth(thing.parent))
    }

    fn is_taken(&self, parent: GroupId, name: &str) -> bool {
        self.things.values().any(|thing| thing.parent == parent && thing.name == name)
    }

    /// What the groups from here up let a project be.
    fn widest(&self, at: GroupId) -> Visibility {
        let Some(thing) = self.things.get(&at) else { return Visibility::Public };
        thing.visibility.min(self.widest(thing.parent))
    }

    fn make(&mut self, random: &mut Random) {
        let parent = if random.one_in(4) { TOP } else { self.any(random) };
        if self.depth(parent) > DEEP {
            return;
        }
        let (text, visibility) = (*random.pick(&NAMES), *random.pick(&VISIBILITIES));
        let kind = if random.one_in(2) { Kind::Group } else { Kind::Project };
        let store = &self.house().store;
        let made = match kind {
            Kind::Group => {
                let new = governed::New { visibility, ..governed::New::of(parent, text) };
                store.create_group(new).wait()
            }
            Kind::Project => {
                let new = project(parent, text, visibility);
                store.create_project(new).wait().map(ProjectId::governed)
            }
        };
        let is_there = parent == TOP || self.of(parent, Kind::Group).is_some();
        let expected = match kind {
            _ if !is_there => "unknown",
            Kind::Project if self.widest(parent) < visibility => "too visible",
            _ if self.is_taken(parent, text) => "exists",
            _ => "ok",
        };
        assert_eq!(word(&made), expected, "{kind:?} {text} in {parent:?}");
        let Ok(id) = made else { return };
        self.made += 1;
        assert_eq!(id, GroupId(self.made), "numbers are given in turn, and once");
        let (name, roles) = (text.to_owned(), BTreeMap::new());
        self.things.insert(id, Thing { kind, parent, name, visibility, roles });
    }

    fn rename(&mut self, random: &mut Random) {
        let (id, text) = (self.any(random), *random.pick(&NAMES));
        let store = &self.house().store;
        let kind = self.things.get(&id).map_or(Kind::Group, |thing| thing.kind);
        let renamed = match kind {
            Kind::Group => {
                let change =
                    governed::Change { name: Some(name(text)), ..governed::Change::default() };
                store.change_group(id, change).wait()
            }
            Kind::Project => store.change_project(ProjectId(id.0), named(text)).wait(),
        };
        let expected = match self.things.get(&id) {
            None => "unknown",
            Some(thing) if thing.name != text && self.is_taken(thing.parent, text) => "exists",
            Some(_) => "ok",
        };
        assert_eq!(word(&renamed), expected);
        if renamed.is_ok() {
            self.things.get_mut(&id).unwrap().name = text.to_owned();
        }
    }

    fn narrow(&mut self, random: &mut Random) {
        let (id, visibility) = (self.any(random), *random.pick(&VISIBILITIES));
        let changed = self.house().store.change_group(id, seen(visibility)).wait();
        let is_there = self.of(id, Kind::Group).is_some();
        assert_eq!(word(&changed), if is_there { "ok" } else { "unknown" });
        if is_there {
            self.things.get_mut(&id).unwrap().visibility = visibility;
        }
    }

    fn delete(&mut self, random: &mut Random) {
        let id = self.any(random);
        let store = &self.house().store;
        let cause = super::super::super::cause();
        let deleted = match self.things.get(&id).map(|thing| thing.kind) {
            Some(Kind::Project) => store.delete_project(ProjectId(id.0), cause).wait(),
            _ => store.delete_group(id, cause).wait(),
        };
        assert_eq!(word(&deleted), if self.things.contains_key(&id) { "ok" } else { "unknown" });
        let mut gone = vec![id];
        while let Some(id) = gone.pop() {
            self.things.remove(&id);
            let below = self.things.iter().filter(|(_, thing)| thing.parent == id);
            gone.extend(below.map(|(id, _)| *id));
        }
    }

    fn admit(&mut self, random: &mut Random) {
        let (id, text, role) =
            (self.any(random), *random.pick(&LOGINS), *random.pick(&Role::ALL[..4]));
        let result = self.house().put_in(id, user(text), role, PutMode::Add).done();
        let expected = match self.things.get(&id) {
            None => "unknown",
            Some(thing) if thing.roles.contains_key(text) => "member",
            Some(_) => "ok",
        };
        assert_eq!(word(&result), expected);
        if result.is_ok() {
            self.things.get_mut(&id).unwrap().roles.insert(text.to_owned(), role);
        }
    }

    fn path(&self, id: GroupId) -> String {
        let thing = &self.things[&id];
        match thing.parent {
            TOP => thing.name.clone(),
            parent => format!("{}/{}", self.path(parent), thing.name),
        }
    }

    fn role(&self, text: &str, id: GroupId) -> Option<Role> {
        let thing = self.things.get(&id)?;
        thing.roles.get(text).copied().max(self.role(text, thing.parent))
    }

    fn check(&self, random: &mut Random) {
        assert_consistent(&self.house().store);
        let view = self.house().view();
        let text = *random.pick(&LOGINS);
        for id in (1..=self.made).map(GroupId) {
            assert_eq!(view.role(&who(text, &[]), id).unwrap(), self.role(text, id), "{id:?}");
            let path = self.things.contains_key(&id).then(|| self.path(id));
            let of = |kind| self.of(id, kind).and(path.clone());
            assert_eq!(self.house().path(id), of(Kind::Group));
            assert_eq!(self.house().project_path(ProjectId(id.0)), of(Kind::Project));
            let is_live = self.things.contains_key(&id).then(|| self.widest(id));
            assert_eq!(view.visibility(id).unwrap(), is_live);
            let Some(path) = path else { continue };
            let found = self.house().project_at(&path).map(ProjectId::governed);
            let found = found.into_iter().chain(self.house().at(&path));
            assert_eq!(found.collect::<Vec<_>>(), [id]);
        }
    }
}

#[test]
fn random_operations_on_projects_agree_with_plain_maps() {
    for_seeds(0..6, |random| {
        let mut world = World { house: Some(House::new()), things: BTreeMap::new(), made: 0 };
        for operation in 0..OPERATIONS {
            world.step(random);
            if operation % AUDIT_EVERY == 0 {
                world.check(random);
            }
        }
        world.check(random);
        let live = |kind| world.things.values().filter(|thing| thing.kind == kind).count();
        let [groups, projects] =
            [Kind::Group, Kind::Project].map(|kind| u64::try_from(live(kind)).unwrap());
        world.house().destroy(ROWS);
        assert_eq!(world.house().group_rows()[..2], [groups; 2]);
        assert_eq!(world.house().project_rows(), [projects, projects, 2 * (groups + projects)]);
    });
}
