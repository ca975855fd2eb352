//! Versions and the jobs that feed them: what is seen is what live jobs say, whatever is deleted
//! (I2, I8), and nothing is changed by what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::time::Duration;

use super::{House, ROWS, WORK, assert_consistent, branch, file, format, job, open, tag, uploaded};
use crate::db::schema::{FEEDS, NODES, VERSIONS};
use crate::db::tests::disk::{Lasts, On, Unsynced};
use crate::db::tests::random::{Random, for_seeds};
use crate::model::{Repo, Timestamp, VersionName, VersionNames, VersionPath, VersionRef};
use crate::store::{Error, Store};

const SECOND: Duration = Duration::from_secs(1);

fn metadata(version: &str) -> Vec<(String, Option<String>)> {
    let keys = ["product", "product_branch", "product_variant"];
    let mut changes: Vec<_> = keys.map(|key| (key.to_owned(), Some("p".to_owned()))).into();
    changes.push(("version".into(), (!version.is_empty()).then(|| version.to_owned())));
    changes
}

fn version(name: &str) -> VersionPath {
    let pairs = metadata(name).into_iter().map(|(key, value)| (key, value.unwrap()));
    let names = VersionNames::of(&pairs.collect::<Vec<_>>()).unwrap().unwrap();
    VersionPath::new(Repo::Shared, names)
}

impl House {
    fn feed(&self, path: &str, version: &str) -> Result<(), Error> {
        self.check(self.store.merge_metadata(job(path), metadata(version)).wait())
    }

    fn formats(&self, name: &str) -> Vec<String> {
        let formats = self.store.view().unwrap().version_formats(&version(name));
        formats
            .map_or_else(|_| Vec::new(), |found| found.iter().map(|(n, _)| n.to_string()).collect())
    }

    fn created(&self, name: &str) -> Option<Timestamp> {
        let state = self.store.view().unwrap().version(&version(name));
        state.ok().map(|state| state.created)
    }
}

#[test]
fn detaching_hides_entries_without_touching_them_and_slices_remove_them() {
    let house = House::new();
    for number in 0..9 {
        let job = format!("b/t/j{number}");
        house.put(&format!("{job}/f{number}/x"), "x").unwrap();
        house.feed(&job, &format!("v{}", number % 3)).unwrap();
    }
    house.put("b/u/j/late/x", "x").unwrap();
    house.feed("b/u/j", "v0").unwrap();
    let rows = |house: &House| {
        let view = house.store.view().unwrap();
        (FEEDS.count(&view.snapshot).unwrap(), VERSIONS.count(&view.snapshot).unwrap())
    };
    assert_eq!(house.formats("v0"), ["f0", "f3", "f6", "late"]);
    house.delete_tag("b/t").unwrap();
    assert_eq!(rows(&house), (10, 3));
    assert_eq!((house.formats("v0"), house.formats("v1")), (vec!["late".to_owned()], vec![]));
    let view = house.store.view().unwrap();
    assert_eq!(view.versions(&version("v0").branch).unwrap().len(), 1);
    drop(view);
    assert!(house.destroy(1) > 9);
    assert_eq!(rows(&house), (1, 1));
    house.delete_job("b/u/j").unwrap();
    house.destroy(ROWS);
    assert_eq!(rows(&house), (0, 0));
    assert_eq!(house.store.view().unwrap().products(&Repo::Shared).unwrap(), []);
}

#[test]
fn a_version_that_nobody_feeds_for_a_while_is_another_one_afterwards() {
    let house = House::new();
    house.feed("b/t/j", "v").unwrap();
    let first = house.created("v").unwrap();
    house.clock.advance(SECOND);
    house.feed("b/u/k", "v").unwrap();
    house.delete_tag("b/t").unwrap();
    assert_eq!(house.created("v"), Some(first));
    house.delete_tag("b/u").unwrap();
    assert_eq!(house.created("v"), None);
    // While the old ones wait to be destroyed.
    house.clock.advance(SECOND);
    house.feed("b/t/j", "v").unwrap();
    assert_eq!(house.created("v"), Some(house.now()));
    house.destroy(1);
    assert_eq!(house.created("v"), Some(house.now()));
}

#[test]
fn a_conflict_is_only_with_a_live_job_and_changes_nothing() {
    let house = House::new();
    house.put("b/t/j/f/x", "x").unwrap();
    house.feed("b/t/j", "v").unwrap();
    house.put("b/t/k/f/x", "x").unwrap();
    let before = NODES.count(&house.store.view().unwrap().snapshot).unwrap();
    let refused = house.feed("b/t/k", "v").unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("format f ") && text.contains("/branches/b/t/j/"), "{text}");
    house.feed("b/t/l", "v").unwrap();
    let refused = house.put("b/t/l/f/x", "new content");
    assert!(matches!(refused, Err(Error::FormatConflict { .. })));
    assert!(house.find("new content").is_none());
    assert_eq!(NODES.count(&house.store.view().unwrap().snapshot).unwrap(), before + 1);
    // The same name in another version is no conflict, nor is one of what is deleted.
    house.feed("b/t/k", "w").unwrap();
    house.delete_job("b/t/j").unwrap();
    house.put("b/t/l/f/x", "x").unwrap();
    assert!(matches!(house.feed("b/t/k", "v"), Err(Error::FormatConflict { .. })));
    assert_eq!((house.formats("v"), house.formats("w")), (vec!["f".into()], vec!["f".into()]));
}

#[test]
fn a_conflict_is_found_among_many_formats() {
    let house = House::new();
    for number in 0..20 {
        let path = file(&format!("b/t/j/f{number}/x"));
        house.store.put_artifact(path, uploaded("x")).wait().unwrap();
    }
    house.put("b/t/k/a/x", "x").unwrap();
    house.put("b/t/k/f7/x", "x").unwrap();
    house.feed("b/t/k", "v").unwrap();
    let refused = house.feed("b/t/j", "v").unwrap_err();
    assert!(refused.to_string().contains("format f7 "), "{refused}");
    house.delete_format("b/t/k/f7").unwrap();
    house.feed("b/t/j", "v").unwrap();
    assert_eq!(house.formats("v").len(), 21);
}

#[test]
fn a_crash_at_any_write_leaves_the_index_as_the_metadata() {
    let day = |store: &Store| -> Result<(), Error> {
        store.put_artifact(file("b/t/j/f/x"), uploaded("1")).wait()?;
        store.merge_metadata(job("b/t/j"), metadata("v")).wait()?;
        store.merge_metadata(job("b/u/k"), metadata("v")).wait()?;
        store.delete_tag(tag("b/t"), super::cause()).wait()?;
        store.destroy_slice(WORK, 2).map_err(|(_, error)| error)?;
        store.destroy_slice(WORK, ROWS).map_err(|(_, error)| error)?;
        store.merge_metadata(job("b/u/k"), metadata("w")).wait()
    };
    let house = House::new();
    let before = house.disk.ops();
    day(&house.store).unwrap();
    for point in 0..house.disk.ops() - before {
        let house = House::new();
        house.disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
        assert!(day(&house.store).is_err());
        let House { disk, clock, store } = house;
        disk.power_loss(Unsynced::PartlyKept(&mut Random(point)));
        drop(store);
        assert_consistent(&open(&disk, &clock));
    }
}

/// What should be there, by `branch/tag/job`.
#[derive(Default)]
struct World {
    jobs: BTreeMap<String, Job>,
    created: BTreeMap<String, Timestamp>,
}

#[derive(Default)]
struct Job {
    version: String,
    formats: BTreeSet<String>,
}

impl World {
    /// Drops the jobs at or below a path.
    fn delete(&mut self, path: &str) {
        let below = format!("{path}/");
        self.jobs.retain(|at, _| at != path && !at.starts_with(&below));
    }

    fn has(&self, version: &str, format: &str, besides: &str) -> bool {
        let mut others = self.jobs.iter().filter(|(at, _)| *at != besides);
        !version.is_empty()
            && others.any(|(_, job)| job.version == version && job.formats.contains(format))
    }

    fn step(&mut self, house: &House, random: &mut Random) {
        let branch_name = format!("b{}", random.below(2));
        let tag_name = format!("{branch_name}/t{}", random.below(2));
        let at = format!("{tag_name}/j{}", random.below(2));
        let format_name = format!("f{}", random.below(4));
        let known = self.jobs.get(&at);
        match random.below(20) {
            0..=6 => {
                let version = known.map_or(String::new(), |job| job.version.clone());
                let is_new = known.is_none_or(|job| !job.formats.contains(&format_name));
                let refused = is_new && self.has(&version, &format_name, &at);
                let put = uploaded(&format!("{}", random.below(9)));
                let path = file(&format!("{at}/{format_name}/x"));
                let result = house.store.put_artifact(path, put).wait();
                assert_eq!(result.is_err(), refused, "{at} {format_name}: {result:?}");
                if !refused {
                    self.jobs.entry(at).or_default().formats.insert(format_name);
                }
            }
            7..=12 => {
                let version = ["", "v1", "v2", "v3"][random.below(4)];
                let formats = known.map(|job| job.formats.clone()).unwrap_or_default();
                let refused = formats.iter().any(|format| self.has(version, format, &at));
                let result = house.store.merge_metadata(job(&at), metadata(version)).wait();
                assert_eq!(result.is_err(), refused, "{at} {version}: {result:?}");
                if !refused {
                    version.clone_into(&mut self.jobs.entry(at).or_default().version);
                }
            }
            13..=14 => {
                let path = format(&format!("{at}/{format_name}"));
                if house.store.delete_format(path, super::cause()).wait().is_ok() {
                    self.jobs.get_mut(&at).unwrap().formats.remove(&format_name);
                }
            }
            15 => {
                let _ = house.store.delete_job(job(&at), super::cause()).wait();
                self.delete(&at);
            }
            16 => {
                let _ = house.store.delete_tag(tag(&tag_name), super::cause()).wait();
                self.delete(&tag_name);
            }
            17 => {
                let _ = house.store.delete_branch(branch(&branch_name), super::cause()).wait();
                self.delete(&branch_name);
            }
            _ => {
                let rows = u32::try_from(1 + random.below(4)).unwrap();
                house.store.destroy_slice(WORK, rows).unwrap();
            }
        }
        self.age(house);
    }

    /// Which versions came and which went.
    fn age(&mut self, house: &House) {
        let fed: BTreeSet<_> = self.jobs.values().map(|job| job.version.clone()).collect();
        self.created.retain(|version, _| fed.contains(version));
        for version in fed.into_iter().filter(|version| !version.is_empty()) {
            self.created.entry(version).or_insert(house.now());
        }
    }

    fn check(&self, house: &House) {
        assert_consistent(&house.store);
        let view = house.store.view().unwrap();
        let at = version("v1").branch;
        let found = view.versions(&at).unwrap_or_default().into_iter();
        let found: BTreeMap<_, _> =
            found.map(|(name, state)| (name.to_string(), state.created)).collect();
        assert_eq!(found, self.created);
        let newest = self.created.iter().max_by_key(|(_, created)| **created);
        let latest = view.resolve_version(&at, &VersionRef::Latest, |_| true).ok();
        assert_eq!(latest.as_ref().map(VersionName::as_str), newest.map(|(name, _)| name.as_str()));
        assert_eq!(view.products(&Repo::Shared).unwrap().is_empty(), self.created.is_empty());
        for name in self.created.keys() {
            let jobs = self.jobs.values().filter(|job| job.version == *name);
            let wanted: BTreeSet<_> = jobs.flat_map(|job| job.formats.iter().cloned()).collect();
            assert_eq!(house.formats(name), wanted.into_iter().collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn versions_are_what_plain_maps_say() {
    for_seeds(0..3, |random| {
        let (house, mut world) = (House::new(), World::default());
        for operation in 1..=600 {
            house.clock.advance(SECOND);
            world.step(&house, random);
            if operation % 10 == 0 {
                world.check(&house);
            }
        }
        house.destroy(ROWS);
        world.check(&house);
    });
}
