//! Caches of other registries' images: what is served, and what never is (spec gitlab §1, §13).

mod crash;
mod model;
mod policy;
mod upkeep;

use std::time::Duration;

use super::{House, ROWS, WORK, assert_consistent, digest, uploaded};
use crate::model::{
    Cached, CachedId, CachedKind, CachedRef, CachedWhat, GroupId, ImageTagName, UpstreamName,
};
use crate::store::blobs::{Arrival, Content};
use crate::store::cached::NewCached;
use crate::store::governed;
use crate::store::{Error, Store};

pub(super) const LEASE_OF_CLAIM: Duration = Duration::from_secs(300);
const ORIGIN: [u8; 32] = [1; 32];

fn new_group(name: &str) -> governed::New {
    governed::New::of(GroupId::TOP, name)
}

pub(super) fn group(store: &Store, name: &str) -> GroupId {
    store.create_group(new_group(name)).wait().unwrap()
}

pub(super) fn image() -> UpstreamName {
    UpstreamName::parse("library/alpine").unwrap()
}

pub(super) fn tag(name: &str) -> CachedRef {
    CachedRef::tag(&ImageTagName::parse(name).unwrap())
}

pub(super) fn blob(group: GroupId, text: &str) -> NewCached {
    let what = CachedWhat::Blob { digest: digest(text), image: image().to_string() };
    NewCached { group, upstream: None, what, content: uploaded(text), origin: ORIGIN, tag: None }
}

pub(super) fn manifest(group: GroupId, text: &str, name: &str, parts: &[&str]) -> NewCached {
    let what = CachedWhat::Manifest {
        digest: digest(text),
        image: image().to_string(),
        reference: name.to_owned(),
        media_type: "m/t".to_owned(),
        parts: parts.iter().map(|part| digest(part)).collect(),
    };
    NewCached { what, tag: Some((image(), tag(name))), ..blob(group, text) }
}

impl House {
    fn cache(&self, new: NewCached) -> Result<(CachedId, Arrival), Error> {
        self.check(self.store.put_cached(new).wait())
    }

    fn served(&self, group: GroupId, kind: CachedKind, text: &str) -> Option<(CachedId, Cached)> {
        self.store.view().unwrap().cached(group, kind, digest(text)).unwrap()
    }

    fn blob_of(&self, group: GroupId, text: &str) -> Option<CachedId> {
        self.served(group, CachedKind::Blob, text).map(|(id, _)| id)
    }

    fn cached_tag(&self, group: GroupId, name: &str) -> Option<CachedId> {
        let view = self.store.view().unwrap();
        view.cached_tag(group, &image(), &tag(name)).unwrap().map(|(id, _)| id)
    }

    fn purge(&self, group: GroupId) {
        self.check(self.store.purge_cached(group).wait()).unwrap();
    }

    /// Marks what was purged, `rows` at a time; tells how many entries.
    fn mark(&self, rows: u32) -> u64 {
        let (mut cursor, mut marked) = (None, 0);
        loop {
            let (done, _) = self.store.mark_purged_slice(cursor, WORK, rows).unwrap();
            assert_consistent(&self.store);
            assert_eq!(done.marked.errors, [""; 0]);
            marked += done.marked.manifests + done.marked.blobs;
            match done.next {
                Some(next) => cursor = Some(next),
                None => return marked,
            }
        }
    }

    fn claim(&self, kind: CachedKind, most: usize) -> Vec<CachedId> {
        self.check(self.store.claim_cached(kind, most, LEASE_OF_CLAIM).wait()).unwrap()
    }

    /// Deletes what was claimed, `rows` at a time.
    fn destroy_claimed(&self, claimed: Vec<CachedId>, rows: u32) {
        let (entries, mut from): (std::sync::Arc<[_]>, _) = (claimed.into(), 0);
        while from < entries.len() {
            let entries = std::sync::Arc::clone(&entries);
            let (done, _) = self.store.destroy_cached_slice(entries, from, WORK, rows).unwrap();
            assert_consistent(&self.store);
            from += done;
        }
    }

    /// Deletes all that waits; tells how many entries.
    fn delete_waiting(&self, rows: u32) -> usize {
        let mut deleted = 0;
        for kind in CachedKind::ALL {
            loop {
                let claimed = self.claim(kind, 2);
                if claimed.is_empty() {
                    break;
                }
                deleted += claimed.len();
                self.destroy_claimed(claimed, rows);
            }
        }
        deleted
    }

    fn expire_cached(&self, group: GroupId, rows: u32) -> u64 {
        let Some(over) =
            self.store.view().unwrap().proxy_group(group).unwrap().ttl.over(self.now())
        else {
            return 0;
        };
        let (mut after, mut marked) = (None, 0);
        loop {
            let slice = self.store.expire_cached_slice(group, over, after, WORK, rows);
            let (done, _) = slice.unwrap();
            assert_consistent(&self.store);
            assert_eq!(done.errors, [""; 0]);
            marked += done.manifests + done.blobs;
            match done.next {
                Some(next) => after = Some(next),
                None => return marked,
            }
        }
    }
}

const LONG: &str = "a layer that is long enough to be a file";

#[test]
fn what_is_cached_is_served_to_its_group_alone() {
    let house = House::new();
    let (one, two) = (group(&house.store, "one"), group(&house.store, "two"));
    let (id, arrival) = house.cache(blob(one, LONG)).unwrap();
    assert_eq!(arrival, Arrival::Kept);
    assert_eq!((house.blob_of(one, LONG), house.blob_of(two, LONG)), (Some(id), None));
    let view = house.store.view().unwrap();
    let shared = view.cached_elsewhere(CachedKind::Blob, digest(LONG), &ORIGIN).unwrap();
    assert_eq!(shared.map(|entry| entry.group), Some(one));
    let strange = view.cached_elsewhere(CachedKind::Blob, digest(LONG), &[2; 32]).unwrap();
    assert_eq!(strange, None);
    // The bytes are there once, and each group holds them.
    let new = NewCached { content: Content::Stored(digest(LONG)), ..blob(two, LONG) };
    assert_eq!(house.cache(new).unwrap().1, Arrival::Known);
    assert_eq!(house.blobs(), 1);
    assert_eq!(house.find(LONG).unwrap().1.refs.count(), 2);
    house.purge(one);
    house.mark(ROWS);
    assert_eq!(house.delete_waiting(ROWS), 1);
    assert_eq!(house.find(LONG).unwrap().1.refs.count(), 1);
    assert!(house.blob_of(two, LONG).is_some());
}

#[test]
fn an_entry_is_what_it_says_it_is() {
    let house = House::new();
    let one = group(&house.store, "one");
    let lie = NewCached { content: uploaded("other bytes"), ..blob(one, LONG) };
    assert!(matches!(house.cache(lie), Err(Error::BlobUnknown(_))));
    let absent = NewCached { content: Content::Stored(digest(LONG)), ..blob(one, LONG) };
    assert!(matches!(house.cache(absent), Err(Error::BlobUnknown(_))));
    assert_eq!(house.blobs(), 0);
}

#[test]
fn the_same_again_is_the_same_entry_and_of_another_origin_a_new_one() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (id, _) = house.cache(manifest(one, "m", "v1", &[])).unwrap();
    assert_eq!(house.cache(manifest(one, "m", "v2", &[])).unwrap(), (id, Arrival::Known));
    assert_eq!((house.cached_tag(one, "v1"), house.cached_tag(one, "v2")), (Some(id), Some(id)));
    let strange = NewCached { origin: [2; 32], ..manifest(one, "m", "v2", &[]) };
    let (other, _) = house.cache(strange).unwrap();
    assert_eq!((house.cached_tag(one, "v1"), house.cached_tag(one, "v2")), (None, Some(other)));
    assert_eq!(house.delete_waiting(ROWS), 1);
    assert_eq!((house.cached_tag(one, "v1"), house.cached_tag(one, "v2")), (None, Some(other)));
}

#[test]
fn a_tag_moves_and_what_it_named_stays_until_its_time() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (old, _) = house.cache(manifest(one, "m1", "latest", &[])).unwrap();
    let (new, _) = house.cache(manifest(one, "m2", "latest", &[])).unwrap();
    assert_eq!(house.cached_tag(one, "latest"), Some(new));
    assert_eq!(house.served(one, CachedKind::Manifest, "m1").unwrap().0, old);
    let point = |id| house.store.point_cached(one, image(), tag("latest"), id).wait();
    assert!(house.check(point(old)).unwrap());
    assert_eq!(house.cached_tag(one, "latest"), Some(old));
    let two = group(&house.store, "two");
    let (foreign, _) = house.cache(manifest(two, "m3", "latest", &[])).unwrap();
    assert!(!house.check(point(foreign)).unwrap());
    house.purge(one);
    assert!(!house.check(point(new)).unwrap());
}

#[test]
fn nothing_comes_into_the_cache_of_a_deleted_group() {
    let house = House::new();
    let one = group(&house.store, "one");
    house.cache(manifest(one, "m", "v1", &[LONG])).unwrap();
    house.cache(blob(one, LONG)).unwrap();
    house.store.delete_group(one, super::cause()).wait().unwrap();
    assert!(matches!(house.store.put_cached(blob(one, "x")).wait(), Err(Error::GroupUnknown(_))));
    assert!(matches!(house.store.purge_cached(one).wait(), Err(Error::GroupUnknown(_))));
    assert_eq!((house.blob_of(one, LONG), house.cached_tag(one, "v1")), (None, None));
    // One row at a time, with entries in every state.
    while !house.store.destroy_slice(WORK, 1).unwrap().0.done {}
    assert_consistent(&house.store);
    let view = house.store.view().unwrap();
    assert_eq!(view.cached_list(one, CachedKind::Blob, None, 9).unwrap(), []);
    assert_eq!(view.proxy_usage(one).unwrap(), crate::model::ProxyUsage::default());
    assert_eq!(house.find(LONG).unwrap().1.refs.count(), 0);
}
