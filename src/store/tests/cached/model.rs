//! Random operations on caches and on plain maps, with sweeps and restarts among them: what is
//! served is what the maps say, and every count is right after every step (I1-I3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{blob, group, image, manifest, tag};
use crate::db::tests::random::{Random, for_seeds};
use crate::model::{CachedId, CachedKind, GroupId, Timestamp};
use crate::store::proxy_groups::ProxyChange;
use crate::store::tests::{House, LEASE_OVER, ROWS, assert_consistent};

const OPERATIONS: usize = 200;
const TEXTS: [&str; 4] = ["a", "b", "a text that is a file", "another text in a file"];
const TAGS: [&str; 2] = ["v1", "latest"];
const HOUR: Duration = Duration::from_secs(3600);
const TTL: Duration = Duration::from_secs(90 * 24 * 3600);

/// What one group is served.
#[derive(Default)]
struct Cache {
    entries: BTreeMap<(CachedKind, &'static str), (CachedId, Timestamp)>,
    tags: BTreeMap<&'static str, CachedId>,
}

impl Cache {
    fn has(&self, id: CachedId) -> bool {
        self.entries.values().any(|(known, _)| *known == id)
    }
}

struct World {
    house: House,
    groups: Vec<(GroupId, Cache)>,
    last: CachedId,
}

impl World {
    fn put(&mut self, random: &mut Random) {
        let (at, text) = (random.below(self.groups.len()), *random.pick(&TEXTS));
        let kind = *random.pick(&CachedKind::ALL);
        let now = self.house.now();
        let (group, cache) = &mut self.groups[at];
        let name = *random.pick(&TAGS);
        let new = match kind {
            CachedKind::Blob => blob(*group, text),
            CachedKind::Manifest => manifest(*group, text, name, &[]),
        };
        let (id, _) = self.house.cache(new).unwrap();
        // It was noted as read; so that the maps need not know when that is written, it is now.
        self.house.store.flush_cached_reads().unwrap();
        match cache.entries.get_mut(&(kind, text)) {
            Some((known, read)) => {
                assert_eq!(*known, id);
                if read.after(HOUR) <= now {
                    *read = now;
                }
            }
            None => {
                assert!(id > self.last, "an id was given twice");
                self.last = id;
                cache.entries.insert((kind, text), (id, now));
            }
        }
        if kind == CachedKind::Manifest {
            cache.tags.insert(name, id);
        }
    }

    fn read(&mut self, random: &mut Random) {
        let now = self.house.now();
        let at = random.below(self.groups.len());
        for (id, read) in self.groups[at].1.entries.values_mut() {
            if random.one_in(2) {
                self.house.store.note_cached_read(*id);
                if read.after(HOUR) <= now {
                    *read = now;
                }
            }
        }
        self.house.store.flush_cached_reads().unwrap();
    }

    fn expire(&mut self, rows: u32) {
        let now = self.house.now();
        for (group, cache) in &mut self.groups {
            self.house.expire_cached(*group, rows);
            cache.entries.retain(|_, (_, read)| *read > now.before(TTL));
        }
    }

    fn delete(&self, random: &mut Random) {
        let kind = *random.pick(&CachedKind::ALL);
        let claimed = self.house.claim(kind, 1 + random.below(3));
        match random.below(4) {
            0 => {}
            1 => {
                for id in claimed {
                    self.house.store.fail_cached(id, "by chance".into()).unwrap();
                }
            }
            _ => self.house.destroy_claimed(claimed, 1 + u32::try_from(random.below(3)).unwrap()),
        }
    }

    fn step(mut self, random: &mut Random) -> Self {
        match random.below(12) {
            0..4 => self.put(random),
            4 => self.read(random),
            5 => {
                let at = random.below(self.groups.len());
                self.house.purge(self.groups[at].0);
                self.groups[at].1.entries.clear();
            }
            6 => drop(self.house.mark(1 + u32::try_from(random.below(3)).unwrap())),
            7 => self.expire(1 + u32::try_from(random.below(3)).unwrap()),
            8 | 9 => self.delete(random),
            10 => self.house.clock.advance(Duration::from_secs(random.next() % (40 * 24 * 3600))),
            _ if random.one_in(3) => self.house = self.house.reopen(),
            _ => {
                self.house.clock.advance(LEASE_OVER);
                self.house.collect();
                self.house.forget();
            }
        }
        self
    }

    fn compare(&self) {
        assert_consistent(&self.house.store);
        for (group, cache) in &self.groups {
            for text in TEXTS {
                for kind in CachedKind::ALL {
                    let found = self.house.served(*group, kind, text);
                    let found = found.map(|(id, entry)| (id, entry.read));
                    assert_eq!(found, cache.entries.get(&(kind, text)).copied(), "{kind:?} {text}");
                }
            }
            for name in TAGS {
                let expected = cache.tags.get(name).copied().filter(|id| cache.has(*id));
                assert_eq!(
                    self.house.cached_tag(*group, name),
                    expected,
                    "{} {}",
                    image(),
                    tag(name)
                );
            }
        }
    }
}

#[test]
fn caches_behave_as_plain_maps_do() {
    for_seeds(0..3, |random| {
        let house = House::new();
        let groups: Vec<_> = ["one", "two"]
            .map(|name| (group(&house.store, name), Cache::default()))
            .into_iter()
            .collect();
        for (group, _) in &groups {
            let ttl = ProxyChange { ttl_enabled: Some(true), ..ProxyChange::default() };
            house.store.change_proxy(*group, ttl).wait().unwrap();
        }
        let mut world = World { house, groups, last: CachedId(0) };
        for _ in 0..OPERATIONS {
            world = world.step(random);
            world.compare();
        }
        // In the end nothing is left behind.
        for at in 0..world.groups.len() {
            world.house.purge(world.groups[at].0);
        }
        world.house.mark(ROWS);
        for _ in 0..9 {
            world.house.clock.advance(LEASE_OVER);
            world.house.store.retry_cached(None).unwrap();
            world.house.delete_waiting(ROWS);
        }
        world.house.clock.advance(LEASE_OVER);
        world.house.collect();
        assert_eq!(world.house.blobs(), 0);
    });
}
