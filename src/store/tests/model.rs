//! Random operations against the store and against plain maps, with sweeps and restarts among
//! them: what can be read is what the maps say, and every count is right (I1-I3, I6).

mod repos;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use repos::key;

use super::{House, LEASE, LEASE_OVER, assert_consistent, branch, digest, file, format, job, tag};
use crate::db::tests::random::{Random, for_seeds};
use crate::model::tag::TagChange;
use crate::store::Error;
use crate::store::branches::PolicyChange;
use crate::store::detached::Cause;
use crate::store::garbage::Fate;
use crate::store::policies::Applied;
use crate::store::publications::Releases;

const OPERATIONS: usize = 1000;
const AUDIT_EVERY: usize = 20;
const BRANCHES: [&str; 5] = ["b0", "b1", "b2", "~u:b0", "~u:b1"];
const FORMATS: [&str; 3] = ["f", "g", "int-x"];
const PATHS: [&str; 7] = ["a", "a/b", "a/b/c", "a.b", "d", "d/e", "x"];
const LEASED: usize = 3;

#[derive(Default)]
struct Branch {
    daily: u64,
    released: u64,
    tags: BTreeMap<String, Tag>,
}

#[derive(Default)]
struct Tag {
    /// Which tag this is, in order of creation.
    number: u64,
    locked: bool,
    released: bool,
    stable: bool,
    jobs: BTreeMap<String, Job>,
}

#[derive(Default)]
struct Job {
    locked: bool,
    formats: BTreeMap<String, Format>,
}

#[derive(Default)]
struct Format {
    dirty: bool,
    files: BTreeMap<String, String>,
}

/// A store, and what should be in it.
struct World {
    house: Option<House>,
    branches: BTreeMap<String, Branch>,
    tags_made: u64,
    /// Texts that were promised to stay, and until when.
    leases: BTreeMap<String, crate::model::Timestamp>,
}

fn text(random: &mut Random) -> String {
    let number = random.below(14);
    if number.is_multiple_of(2) {
        format!("text {number}")
    } else {
        format!("a text that is long enough to be file number {number}")
    }
}

fn names(random: &mut Random) -> [String; 4] {
    [
        (*random.pick(&BRANCHES)).to_owned(),
        format!("t{}", random.below(5)),
        format!("j{}", random.below(2)),
        (*random.pick(&FORMATS)).to_owned(),
    ]
}

/// What a result amounts to, for comparing with what the maps expect.
fn word<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::NotFound(_)) => "not found",
        Err(Error::BlobUnknown(_)) => "unknown blob",
        Err(Error::IsFolder(_)) => "is folder",
        Err(Error::IsFile(_)) => "is file",
        Err(Error::TagLocked(_)) => "tag locked",
        Err(Error::TagReleased(_)) => "tag released",
        Err(Error::BranchProtected(_)) => "protected",
        Err(Error::UploadToLockedJob | Error::FormatOfLockedJob) => "job locked",
        Err(Error::DirtyFormats) => "dirty",
        Err(Error::QuotaExceeded { .. }) => "quota",
        Err(error) => panic!("{error}"),
    }
}

impl World {
    fn new() -> Self {
        let (branches, leases) = (BTreeMap::new(), BTreeMap::new());
        Self { house: Some(House::new()), branches, tags_made: 0, leases }
    }

    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    fn job(&mut self, [b, t, j, _]: &[String; 4]) -> Option<&mut Job> {
        self.branches.get_mut(b)?.tags.get_mut(t)?.jobs.get_mut(j)
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(40) {
            0..=13 => self.put(random, Put::Upload),
            14..=18 => self.put(random, Put::Link),
            19..=20 => self.delete_format(&names(random)),
            21..=22 => self.delete_job(&names(random)),
            23..=24 => self.delete_tag(&names(random), random),
            25 => self.delete_branch(&names(random)),
            26..=27 => self.flags(random),
            28 => self.policy(random),
            29 => self.apply(random),
            30 => self.finish(&names(random)),
            31 => self.lock(&names(random), random),
            32 => self.promise(random),
            33 => self.house().clock.advance(LEASE / 3),
            34..=35 => self.destroy(random),
            36..=37 => self.collect(random),
            38 => self.forget(random),
            39 if random.one_in(2) => self.clear_digests(random),
            _ if random.one_in(2) => self.house = self.house.take().map(House::reopen),
            _ => {}
        }
    }

    fn put(&mut self, random: &mut Random, how: Put) {
        let (names, path, text) = (names(random), *random.pick(&PATHS), text(random));
        let at = file(&format!("{}/{path}", names.join("/")));
        let is_stored = self.house().find(&text).is_some();
        let content = match how {
            Put::Upload => super::uploaded(&text),
            Put::Link => super::Content::Stored(digest(&text)),
        };
        let result = self.house().store.put_artifact(at, content).wait();
        let expected = match how {
            Put::Link if !is_stored => "unknown blob",
            _ => self.put_expected(&names, path, &text),
        };
        assert_eq!(word(&result), expected, "{names:?} {path}");
        if let Ok(arrival) = result {
            assert_eq!(arrival == super::Arrival::Known, is_stored);
            self.set(&names, path, text);
        }
    }

    fn put_expected(&mut self, names: &[String; 4], path: &str, text: &str) -> &'static str {
        match self.path_expected(names, path) {
            "ok" if !self.fits(names, path, text) => "quota",
            expected => expected,
        }
    }

    fn path_expected(&mut self, names: &[String; 4], path: &str) -> &'static str {
        let Some(job) = self.job(names) else { return "ok" };
        if job.locked && !names[3].starts_with("int-") {
            return "job locked";
        }
        let Some(format) = job.formats.get(&names[3]) else { return "ok" };
        let mut known = format.files.keys();
        if known.any(|file| path.starts_with(&format!("{file}/"))) {
            return "is file";
        }
        let mut known = format.files.keys();
        if known.any(|file| file.starts_with(&format!("{path}/"))) { "is folder" } else { "ok" }
    }

    fn set(&mut self, [b, t, j, f]: &[String; 4], path: &str, text: String) {
        let made = &mut self.tags_made;
        let branch = self.branches.entry(b.clone()).or_default();
        let tag = branch.tags.entry(t.clone()).or_insert_with(|| {
            *made += 1;
            Tag { number: *made, ..Tag::default() }
        });
        let job = tag.jobs.entry(j.clone()).or_default();
        let format = job.formats.entry(f.clone()).or_default();
        format.dirty = true;
        format.files.insert(path.to_owned(), text);
    }

    fn delete_format(&mut self, names: &[String; 4]) {
        let at = format(&names.join("/"));
        let result = self.house().store.delete_format(at, super::cause()).wait();
        let is_internal = names[3].starts_with("int-");
        let expected = match self.job(names) {
            Some(job) if job.locked && !is_internal => "job locked",
            Some(job) if job.formats.contains_key(&names[3]) => "ok",
            _ => "not found",
        };
        if expected == "ok" {
            self.job(names).unwrap().formats.remove(&names[3]);
        }
        assert_eq!(word(&result), expected, "{names:?}");
    }

    fn delete_job(&mut self, names: &[String; 4]) {
        let [b, t, j, _] = names;
        let at = job(&names[..3].join("/"));
        let result = self.house().store.delete_job(at, super::cause()).wait();
        let tag = self.branches.get_mut(b).and_then(|branch| branch.tags.get_mut(t));
        let is_gone = tag.is_some_and(|tag| tag.jobs.remove(j).is_some());
        assert_eq!(word(&result), if is_gone { "ok" } else { "not found" });
    }

    fn delete_tag(&mut self, names: &[String; 4], random: &mut Random) {
        let [b, t, ..] = names;
        let wait = if random.one_in(3) { LEASE / 2 } else { Duration::ZERO };
        let cause = Cause { wait, ..super::cause() };
        let result = self.house().store.delete_tag(tag(&names[..2].join("/")), cause).wait();
        let branch = self.branches.get_mut(b);
        let expected = match branch.as_ref().and_then(|branch| branch.tags.get(t)) {
            None => "not found",
            Some(tag) if tag.locked => "tag locked",
            Some(tag) if tag.released => "tag released",
            Some(_) => "ok",
        };
        assert_eq!(word(&result), expected);
        if result.is_ok() {
            branch.and_then(|branch| branch.tags.remove(t)).unwrap();
        }
    }

    fn delete_branch(&mut self, [b, ..]: &[String; 4]) {
        let result = self.house().store.delete_branch(branch(b), super::cause()).wait();
        let is_protected = |branch: &Branch| branch.tags.values().any(|t| t.locked || t.released);
        let expected = match self.branches.get(b) {
            None => "not found",
            Some(branch) if is_protected(branch) => "protected",
            Some(_) => "ok",
        };
        assert_eq!(word(&result), expected);
        if result.is_ok() {
            self.branches.remove(b);
        }
    }

    fn flags(&mut self, random: &mut Random) {
        let [b, t, ..] = names(random);
        let mut flag = |chances| random.one_in(2).then(|| random.one_in(chances));
        let (released, locked, stable) = (flag(4), flag(4), flag(2));
        let change = TagChange { released, locked, stable, description: None };
        let result = self.house().store.change_tag(tag(&format!("{b}/{t}")), change).wait();
        let known = self.branches.get_mut(&b).and_then(|branch| branch.tags.get_mut(&t));
        assert_eq!(word(&result), if known.is_some() { "ok" } else { "not found" });
        if let Some(tag) = known {
            tag.released = released.unwrap_or(tag.released);
            tag.locked = locked.unwrap_or(tag.locked);
            tag.stable = stable.unwrap_or(tag.stable);
        }
    }

    fn policy(&mut self, random: &mut Random) {
        let [b, ..] = names(random);
        let limits = [0, 2, 3];
        let (daily, released) = (*random.pick(&limits), *random.pick(&limits));
        let change =
            PolicyChange { max_daily_tags: Some(daily), max_released_tags: Some(released) };
        let result = self.house().store.set_policy(branch(&b), change).wait();
        let known = self.branches.get_mut(&b);
        assert_eq!(word(&result), if known.is_some() { "ok" } else { "not found" });
        if let Some(branch) = known {
            (branch.daily, branch.released) = (daily, released);
        }
    }

    /// Plans all branches and applies the plans in slices of random size.
    fn apply(&mut self, random: &mut Random) {
        let store = self.house().store.clone();
        let (plans, _) = store.view().unwrap().plans(None, 99).unwrap();
        for mut plan in plans {
            let doomed: Vec<_> = plan.doomed.iter().map(|doomed| doomed.tag.to_string()).collect();
            assert_eq!(doomed, self.doomed(&key(&plan.branch)), "{}", plan.branch);
            while !plan.doomed.is_empty() {
                let rows = u32::try_from(random.below(4)).unwrap();
                let slice = store.apply_slice(plan.clone(), Releases::Flag, super::WORK, rows);
                let Applied::Some { tags, generation } = slice.unwrap().0 else {
                    panic!("the plan for {} is stale", plan.branch)
                };
                plan.doomed.drain(..tags);
                plan.generation = generation;
            }
            let branch = self.branches.get_mut(&key(&plan.branch)).unwrap();
            branch.tags.retain(|name, _| !doomed.contains(name));
        }
    }

    fn doomed(&self, branch: &str) -> Vec<String> {
        let branch = &self.branches[branch];
        let mut doomed = Vec::new();
        for (released, keep) in [(false, branch.daily), (true, branch.released)] {
            let tags = branch.tags.iter().filter(|(_, t)| !t.locked && t.released == released);
            let mut tags: Vec<_> = tags.map(|(name, tag)| (tag.number, name.clone())).collect();
            tags.sort();
            let keep = usize::try_from(keep).unwrap();
            let beyond = if keep == 0 { 0 } else { tags.len().saturating_sub(keep) };
            doomed.extend(tags.into_iter().take(beyond).map(|(_, name)| name));
        }
        doomed.sort();
        doomed
    }

    fn finish(&mut self, names: &[String; 4]) {
        let result = self.house().store.finish_format(format(&names.join("/"))).wait();
        let known = self.job(names).and_then(|job| job.formats.get_mut(&names[3]));
        assert_eq!(word(&result), if known.is_some() { "ok" } else { "not found" });
        if let Some(format) = known {
            format.dirty = false;
        }
    }

    fn lock(&mut self, names: &[String; 4], random: &mut Random) {
        let path = job(&names[..3].join("/"));
        let store = self.house().store.clone();
        let revision = store.view().unwrap().job(&path).map_or(0, |job| job.revision);
        let is_lock = random.one_in(2);
        let result = if is_lock {
            store.lock_job(path, revision, digest("job")).wait()
        } else {
            store.unlock_job(path).wait()
        };
        let expected = match self.job(names) {
            None => "not found",
            Some(job) if !is_lock || job.locked => "ok",
            Some(job) if job.formats.values().any(|format| format.dirty) => "dirty",
            Some(_) => "ok",
        };
        assert_eq!(word(&result), expected);
        if result.is_ok() {
            self.job(names).unwrap().locked = is_lock;
        }
    }

    fn promise(&mut self, random: &mut Random) {
        let text = text(random);
        let promised = self.house().store.lease(digest(&text)).wait().unwrap();
        assert_eq!(promised.is_some(), self.house().find(&text).is_some());
        if promised.is_some() && self.leases.len() < LEASED {
            self.leases.insert(text, self.house().now().after(LEASE));
        }
    }

    fn destroy(&mut self, random: &mut Random) {
        let rows = u32::try_from(1 + random.below(8)).unwrap();
        self.house().store.destroy_slice(super::WORK, rows).unwrap();
    }

    /// Collects a slice, perhaps while a blob is pinned.
    fn collect(&mut self, random: &mut Random) {
        let house = self.house();
        let found = house.find(&text(random)).filter(|_| random.one_in(2));
        let pin = found.map(|(id, _)| house.store.pins().pin(id));
        let rows = u32::try_from(1 + random.below(4)).unwrap();
        house.store.collect_slice(None, super::WORK, rows).unwrap();
        if let Some(pin) = pin {
            assert!(house.store.view().unwrap().blob(pin.blob()).unwrap().is_some());
        }
    }

    fn forget(&mut self, random: &mut Random) {
        let store = &self.house().store;
        let unlinks = store.unlinks(None, 1 + random.below(5)).unwrap();
        let fate = |random: &mut Random| {
            if random.one_in(4) { Fate::Failed("busy".into()) } else { Fate::Gone }
        };
        let fates = unlinks.into_iter().map(|(id, _)| (id, fate(random))).collect();
        self.house().settle(fates).unwrap();
    }

    /// Clears the index, or a part of it, as a crash would leave it.
    fn clear_digests(&self, random: &mut Random) {
        let rows = u32::try_from(1 + random.below(4)).unwrap();
        self.house().clear_digests(rows, random.below(8)).unwrap();
    }

    /// The maps, as lines.
    fn expected(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (b, branch) in &self.branches {
            lines.insert(format!("{b} {} {}", branch.daily, branch.released));
            for (t, tag) in &branch.tags {
                lines.insert(format!("{b}/{t} {} {} {}", tag.released, tag.locked, tag.stable));
                for (j, job) in &tag.jobs {
                    lines.insert(format!("{b}/{t}/{j} {}", job.locked));
                    for (f, format) in &job.formats {
                        lines.insert(format!("{b}/{t}/{j}/{f} {}", format.dirty));
                        for (path, text) in &format.files {
                            let digest = digest(text);
                            lines.insert(format!("{b}/{t}/{j}/{f}/{path} {digest}"));
                        }
                    }
                }
            }
        }
        lines
    }

    /// The store, as lines.
    fn listed(&self) -> BTreeSet<String> {
        let view = self.house().store.view().unwrap();
        let mut lines = BTreeSet::new();
        for (b, branch) in self.listed_branches(&view) {
            let policy = branch.policy;
            lines.insert(format!("{b} {} {}", policy.max_daily_tags, policy.max_released_tags));
            for (t, tag) in view.tags(branch.id).unwrap() {
                lines.insert(format!("{b}/{t} {} {} {}", tag.released, tag.locked, tag.stable));
                for (j, job) in view.jobs(tag.id).unwrap() {
                    lines.insert(format!("{b}/{t}/{j} {}", job.locked));
                    for (f, format) in view.formats(job.id).unwrap() {
                        lines.insert(format!("{b}/{t}/{j}/{f} {}", format.dirty));
                        let add = |path, file: crate::model::Artifact| {
                            let blob = view.blob_of(&file)?;
                            lines.insert(format!("{b}/{t}/{j}/{f}/{path} {}", blob.digest));
                            Ok(ControlFlow::Continue(()))
                        };
                        view.each_file(format.id, add).unwrap();
                    }
                }
            }
        }
        lines
    }

    fn check(&mut self) {
        assert_eq!(self.listed(), self.expected());
        let now = self.house().now();
        self.leases.retain(|_, until| *until > now);
        for text in self.leases.keys() {
            assert!(self.house().find(text).is_some(), "{text:?} was promised to stay");
        }
        assert_consistent(&self.house().store);
    }

    /// Lets all leases end and everything go that may.
    fn settle(&mut self) {
        self.house().clock.advance(LEASE_OVER);
        self.house().destroy(100);
        self.house().clock.advance(LEASE_OVER);
        self.house().collect();
        self.house().forget();
        self.house().clear_digests(3, usize::MAX).unwrap();
        assert!(self.house().store.view().unwrap().lapsed(None).unwrap().is_empty());
        let files = self.branches.values().flat_map(|branch| branch.tags.values());
        let files = files.flat_map(|tag| tag.jobs.values()).flat_map(|job| job.formats.values());
        let texts: BTreeSet<_> = files.flat_map(|format| format.files.values()).collect();
        assert_eq!(self.house().blobs(), texts.len());
        let totals = self.house().store.view().unwrap().totals().unwrap();
        assert_eq!((totals.queue, totals.free.files, totals.unlinks.files), (0, 0, 0));
        self.check();
    }
}

#[derive(Clone, Copy)]
enum Put {
    Upload,
    Link,
}

#[test]
fn the_store_does_what_plain_maps_do() {
    for_seeds(0..3, |random| {
        let mut world = World::new();
        for operation in 1..=OPERATIONS {
            world.step(random);
            if operation % AUDIT_EVERY == 0 {
                world.check();
            }
        }
        world.settle();
    });
}
