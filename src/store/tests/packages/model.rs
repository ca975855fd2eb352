//! Random operations against packages and against plain maps, with sweeps and restarts among
//! them: what can be read is what the maps say, and every count is right after every step.

use std::collections::BTreeMap;

use super::*;
use crate::db::tests::random::{Random, for_seeds};
use crate::store::tests::LEASE_OVER;

const OPERATIONS: usize = 250;
const NAMES: [&str; 3] = ["a", "b", "b/c"];
const VERSIONS: [Option<&str>; 3] = [None, Some("1"), Some("2")];
const FILES: [&str; 3] = ["x", "x.y", "z"];
const KINDS: [PackageKind; 2] = [PackageKind::Maven, PackageKind::Generic];

/// A version that can be read: texts by file, in the order that they came.
type Version = BTreeMap<&'static str, Vec<(PackageFileId, String)>>;

struct World {
    house: Option<House>,
    /// Which of the projects of this world stands where the old ones stood.
    project: Option<ProjectId>,
    packages: BTreeMap<PackageKey, (PackageId, Version)>,
    tags: BTreeMap<String, PackageKey>,
    uploads: usize,
}

impl World {
    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(24) {
            0..=8 => self.publish(random),
            9..=12 => self.mark_file(random),
            13..=14 => self.mark(random),
            15 => self.status(random),
            16..=17 => self.tag(random),
            18..=20 => self.destroy(random),
            21 => self.collect(),
            22 => self.renew(random),
            _ => self.house = self.house.take().map(House::reopen),
        }
    }

    fn key(random: &mut Random) -> PackageKey {
        let (kind, name) = (*random.pick(&KINDS), *random.pick(&NAMES));
        key(kind, name, *random.pick(&VERSIONS))
    }

    fn publish(&mut self, random: &mut Random) {
        let (key, file) = (Self::key(random), *random.pick(&FILES));
        self.uploads += 1;
        let text = if random.one_in(2) {
            format!("text {}", random.below(4))
        } else {
            format!("a text that is a file: {}", self.uploads % 9)
        };
        let again = if random.one_in(4) { NEW_NAME } else { Again::Append };
        let known = self.packages.get(&key).map(|(id, files)| (*id, files.contains_key(file)));
        let new = Publish { project: self.at(), ..publish(key.clone()).file(file, &text) };
        match self.house().publish(new.again(again)) {
            Err(Error::PackageFileExists(_)) => {
                assert!(again == NEW_NAME && known.is_some_and(|(_, has)| has));
            }
            Err(error) => panic!("{error}"),
            Ok(Published { package, file: id, .. }) => {
                assert!(again == Again::Append || known.is_none_or(|(_, has)| !has));
                assert!(known.is_none_or(|(known, _)| known == package));
                let entry = self.packages.entry(key).or_insert((package, Version::new()));
                entry.1.entry(file).or_default().push((id.unwrap(), text));
            }
        }
    }

    fn at(&self) -> ProjectId {
        self.project.unwrap()
    }

    fn pick(&self, random: &mut Random) -> Option<PackageKey> {
        let keys: Vec<_> = self.packages.keys().cloned().collect();
        (!keys.is_empty()).then(|| random.pick(&keys).clone())
    }

    /// One or two files of one package.
    fn mark_file(&mut self, random: &mut Random) {
        let Some(key) = self.pick(random) else { return };
        let (_, files) = self.packages.get_mut(&key).unwrap();
        let mut ids: Vec<_> = files.values().flatten().map(|(id, _)| *id).collect();
        while ids.len() > 2 {
            ids.remove(random.below(ids.len()));
        }
        for found in files.values_mut() {
            found.retain(|(id, _)| !ids.contains(id));
        }
        files.retain(|_, found| !found.is_empty());
        assert_eq!(self.house().mark_files(&ids).marked, ids.len());
    }

    fn mark(&mut self, random: &mut Random) {
        let Some(key) = self.pick(random) else { return };
        let (id, _) = self.packages.remove(&key).unwrap();
        self.tags.retain(|_, named| *named != key);
        assert_eq!(self.house().mark_package(id), 1);
    }

    fn status(&self, random: &mut Random) {
        let Some(key) = self.pick(random) else { return };
        let status = *random.pick(&[PackageStatus::Default, PackageStatus::Hidden]);
        let store = &self.house().store;
        let set = store.set_package_status(self.packages[&key].0, status, None).wait();
        self.house().check(set).unwrap();
    }

    fn tag(&mut self, random: &mut Random) {
        let Some(key) = self.pick(random) else { return };
        // Names of both kinds share their moving names, so one kind has them.
        if key.series.kind != PackageKind::Generic {
            return;
        }
        let name =
            format!("{} of {}", *random.pick(&["t", "u"]), key.series.name).replace(' ', "-");
        let (store, at) = (&self.house().store, self.at());
        if random.one_in(3) {
            let removed = store.remove_package_tag(at, key.series.name, tag_name(&name)).wait();
            let removed = self.house().check(removed).unwrap();
            assert_eq!(removed, self.tags.remove(&name).is_some());
        } else {
            let set = store.set_package_tag(at, key.clone(), tag_name(&name)).wait();
            self.house().check(set).unwrap();
            self.tags.insert(name, key);
        }
    }

    /// Packages whose last file was marked may go.
    fn destroy(&mut self, random: &mut Random) {
        let rows = u32::try_from(1 + random.below(6)).unwrap();
        self.house().store.destroy_slice(WORK, rows).unwrap();
        assert_consistent(&self.house().store);
        let view = self.house().view_of_packages();
        let is_there = |id| {
            let found = view.package(id).unwrap();
            found.is_some_and(|found| found.status != PackageStatus::PendingDestruction)
        };
        let gone: Vec<_> = self.packages.iter().filter(|(_, (id, _))| !is_there(*id)).collect();
        assert!(gone.iter().all(|(_, (_, files))| files.is_empty()), "{gone:?}");
        let gone: Vec<_> = gone.into_iter().map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.packages.remove(&key);
            self.tags.retain(|_, named| *named != key);
        }
    }

    fn collect(&self) {
        self.house().clock.advance(LEASE_OVER);
        self.house().collect();
        self.house().forget();
    }

    /// The project goes with everything in it, and another comes in its place.
    fn renew(&mut self, random: &mut Random) {
        if self.project.is_some() && !random.one_in(4) {
            return;
        }
        if let Some(old) = self.project {
            let store = &self.house().store;
            let deleted = store.delete_project(old, cause()).wait();
            self.house().check(deleted).unwrap();
            self.packages.clear();
            self.tags.clear();
        }
        self.project = Some(self.house().project(GroupId(1), "p"));
    }

    fn check(&self) {
        let view = self.house().view_of_packages();
        let at = self.at();
        for (kind, name) in KINDS.into_iter().flat_map(|kind| NAMES.map(|name| (kind, name))) {
            let found = view.packages_of_series(at, &series(kind, name), None, 99).unwrap();
            let found: Vec<_> = found.into_iter().map(|(key, id, _)| (key, id)).collect();
            let known = self.packages.iter().map(|(key, (id, _))| (key.clone(), *id));
            let is_its = |key: &PackageKey| key.series == series(kind, name);
            assert_eq!(found, known.filter(|(key, _)| is_its(key)).collect::<Vec<_>>());
        }
        let mut usage = Usage::default();
        for (id, files) in self.packages.values() {
            for (name, texts) in files {
                let (last, text) = texts.last().unwrap();
                let (newest, record) = view.newest_file(*id, &file_name(name)).unwrap().unwrap();
                assert_eq!((newest, record.sums.sha256), (*last, digest(text)));
                for (_, text) in texts {
                    usage = usage.plus(Usage::of(u64::try_from(text.len()).unwrap()));
                }
            }
            let names = view.newest_files(*id, None, 99).unwrap();
            let names: Vec<_> = names.iter().map(|(_, file)| file.name.as_str()).collect();
            assert_eq!(names, files.keys().copied().collect::<Vec<_>>());
        }
        let kept = view.project_usage(at).unwrap();
        assert_eq!(kept.live, usage);
        assert_eq!(kept.packages, u64::try_from(self.packages.len()).unwrap());
        let mut tags = BTreeMap::new();
        for name in NAMES {
            let name = PackageName::parse(name).unwrap();
            for (tag, named) in view.package_tags(at, &name).unwrap() {
                tags.insert(tag.to_string(), named.package);
            }
        }
        let known = self.tags.iter().map(|(tag, key)| (tag.clone(), self.packages[key].0));
        assert_eq!(tags, known.collect());
    }

    /// In the end everything is deleted, and all space comes back.
    fn settle(&self) {
        let house = self.house();
        house.check(house.store.delete_group(GroupId(1), cause()).wait()).unwrap();
        house.destroy(50);
        house.clock.advance(LEASE_OVER);
        house.collect();
        house.forget();
        let totals = house.view_of_packages().totals().unwrap();
        assert_eq!((totals.queue, totals.named, totals.detached), (0, bytes(0, 0), bytes(0, 0)));
        assert_eq!(house.blobs(), 0);
    }
}

#[test]
fn packages_do_what_plain_maps_do() {
    for_seeds(0..4, |random| {
        let house = House::new();
        house.group("acme");
        let project = Some(house.project(GroupId(1), "p"));
        let (packages, tags) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { house: Some(house), project, packages, tags, uploads: 0 };
        for _ in 0..OPERATIONS {
            world.step(random);
            world.check();
        }
        world.settle();
    });
}
