//! Statements 8 to 11 of spec gitlab §13, and purging, at the height of the store.

use std::time::Duration;

use super::{LEASE_OF_CLAIM, LONG, blob, group, manifest};
use crate::model::{CachedKind, CachedState, GroupId, ProxyUsage, Timestamp};
use crate::store::proxy_groups::{ProxyChange, Wish};
use crate::store::tests::{House, ROWS, assert_consistent};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn days(house: &House, group: GroupId, days: u32) {
    let change = ProxyChange {
        ttl_enabled: Some(true),
        ttl_days: Wish::Set(days),
        ..ProxyChange::default()
    };
    house.store.change_proxy(group, change).wait().unwrap();
}

fn read(house: &House, id: crate::model::CachedId) {
    house.store.note_cached_read(id);
    house.store.flush_cached_reads().unwrap();
    assert_consistent(&house.store);
}

/// Statement 8.
#[test]
fn what_was_last_read_exactly_that_long_ago_is_expired() {
    let house = House::new();
    let one = group(&house.store, "one");
    days(&house, one, 2);
    house.cache(blob(one, "old")).unwrap();
    house.clock.advance(Duration::from_micros(1));
    house.cache(blob(one, "younger")).unwrap();
    house.clock.advance(Duration::from_micros(2 * 24 * 3_600_000_000 - 1));
    assert_eq!(house.expire_cached(one, 1), 1);
    assert_eq!(house.blob_of(one, "old"), None);
    assert!(house.blob_of(one, "younger").is_some());
}

/// Statement 8; DEFECT D: a hit of a blob counts.
#[test]
fn what_was_made_long_ago_and_read_lately_is_kept() {
    let house = House::new();
    let one = group(&house.store, "one");
    days(&house, one, 2);
    let (id, _) = house.cache(blob(one, LONG)).unwrap();
    house.clock.advance(Duration::from_secs(2 * 24 * 3600 - 60));
    read(&house, id);
    house.clock.advance(DAY);
    assert_eq!(house.expire_cached(one, ROWS), 0);
    assert!(house.blob_of(one, LONG).is_some());
}

#[test]
fn who_reads_an_index_keeps_all_below_it() {
    let house = House::new();
    let one = group(&house.store, "one");
    days(&house, one, 2);
    house.cache(blob(one, "layer")).unwrap();
    house.clock.advance(DAY);
    // The layer was here before its manifest: taking that in counts for it.
    house.cache(manifest(one, "m", "x", &["layer", "config"])).unwrap();
    let (index, _) = house.cache(manifest(one, "index", "v1", &["m"])).unwrap();
    house.store.flush_cached_reads().unwrap();
    house.clock.advance(DAY + Duration::from_secs(9));
    assert_eq!(house.expire_cached(one, ROWS), 0);
    read(&house, index);
    house.clock.advance(DAY + Duration::from_secs(9));
    assert_eq!(house.expire_cached(one, ROWS), 0);
    house.clock.advance(DAY);
    assert_eq!(house.expire_cached(one, 1), 3);
}

#[test]
fn a_read_is_written_once_an_hour_and_never_backwards() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (id, _) = house.cache(blob(one, LONG)).unwrap();
    let read_at = || house.served(one, CachedKind::Blob, LONG).unwrap().1.read;
    let first = read_at();
    house.clock.advance(Duration::from_secs(3599));
    read(&house, id);
    assert_eq!(read_at(), first);
    house.clock.advance(Duration::from_secs(1));
    read(&house, id);
    assert_eq!(read_at(), house.now());
    let latest = read_at();
    house.clock.jump(Timestamp(1));
    read(&house, id);
    assert_eq!(read_at(), latest);
}

#[test]
fn a_policy_that_changed_meanwhile_expires_nothing() {
    let house = House::new();
    let one = group(&house.store, "one");
    days(&house, one, 1);
    house.cache(blob(one, LONG)).unwrap();
    house.clock.advance(DAY);
    let over = house.store.view().unwrap().proxy_group(one).unwrap().ttl.over(house.now()).unwrap();
    days(&house, one, 2);
    let expire = || house.store.expire_cached_slice(one, over, None, DAY, ROWS).unwrap().0;
    assert_eq!(expire().blobs, 0);
    let off = ProxyChange { ttl_enabled: Some(false), ..ProxyChange::default() };
    house.store.change_proxy(one, off).wait().unwrap();
    house.clock.advance(9 * DAY);
    assert_eq!(expire().blobs, 0);
    assert!(house.store.view().unwrap().ttl_groups(None, 9).unwrap().0.is_empty());
}

/// Statement 9; DEFECT C.
#[test]
fn a_pull_between_mark_and_deletion_makes_an_entry_of_its_own() {
    let house = House::new();
    let one = group(&house.store, "one");
    days(&house, one, 1);
    let (old, _) = house.cache(manifest(one, "m", "v1", &[])).unwrap();
    house.clock.advance(DAY);
    assert_eq!(house.expire_cached(one, ROWS), 1);
    assert_eq!(
        (house.cached_tag(one, "v1"), house.served(one, CachedKind::Manifest, "m")),
        (None, None)
    );
    let claimed = house.claim(CachedKind::Manifest, 9);
    assert_eq!(claimed, [old]);
    let (new, _) = house.cache(manifest(one, "m", "v1", &[])).unwrap();
    assert_ne!(old, new);
    house.destroy_claimed(claimed, 1);
    assert_eq!(house.cached_tag(one, "v1"), Some(new));
    assert_eq!(house.served(one, CachedKind::Manifest, "m").unwrap().0, new);
    assert_eq!(house.store.view().unwrap().cached_entry(old).unwrap(), None);
}

/// Statement 10; DEFECT E.
#[test]
fn a_second_purge_before_the_first_one_is_worked_off() {
    let house = House::new();
    let (one, two) = (group(&house.store, "one"), group(&house.store, "two"));
    house.cache(manifest(two, "m", "v1", &[LONG])).unwrap();
    let mut last = None;
    for _ in 0..3 {
        let (id, _) = house.cache(manifest(one, "m", "v1", &[LONG])).unwrap();
        house.cache(blob(one, LONG)).unwrap();
        assert!(last.replace(id).is_none_or(|last| last < id));
        house.purge(one);
        assert_eq!((house.cached_tag(one, "v1"), house.blob_of(one, LONG)), (None, None));
    }
    let entries = house.store.view().unwrap().cached_list(one, CachedKind::Blob, None, 2).unwrap();
    assert!(entries[0].0 > entries[1].0);
    assert!(entries.iter().all(|(_, entry)| entry.state == CachedState::Pending));
    let usage = house.store.view().unwrap().proxy_usage(one).unwrap();
    assert_eq!((usage.manifests.files, usage.blobs.files), (3, 3));
    assert!(house.store.view().unwrap().has_purges().unwrap());
    assert_eq!(house.mark(1), 6);
    assert!(!house.store.view().unwrap().has_purges().unwrap());
    assert_eq!(house.delete_waiting(1), 6);
    assert_eq!(house.store.view().unwrap().proxy_usage(one).unwrap(), ProxyUsage::default());
    assert!(house.cached_tag(two, "v1").is_some());
}

#[test]
fn a_purge_while_an_earlier_one_is_marked_begins_again() {
    let house = House::new();
    let one = group(&house.store, "one");
    for text in ["a", "b", "c"] {
        house.cache(blob(one, text)).unwrap();
    }
    house.purge(one);
    let (first, _) = house.store.mark_purged_slice(None, DAY, 1).unwrap();
    house.cache(blob(one, "a")).unwrap();
    house.purge(one);
    house.cache(blob(one, "b")).unwrap();
    let mut cursor = first.next;
    while cursor.is_some() {
        cursor = house.store.mark_purged_slice(cursor, DAY, 1).unwrap().0.next;
        assert_consistent(&house.store);
    }
    assert_eq!(house.delete_waiting(ROWS), 4);
    assert_eq!((house.blob_of(one, "a"), house.blob_of(one, "b").is_some()), (None, true));
}

/// Statement 11: nobody takes what another has, and one failure stops nothing else.
#[test]
fn a_claim_is_a_lease_and_failures_end_in_parking() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (a, _) = house.cache(blob(one, "a")).unwrap();
    let (b, _) = house.cache(blob(one, "b")).unwrap();
    house.purge(one);
    house.mark(ROWS);
    assert_eq!(house.claim(CachedKind::Manifest, 9), []);
    assert_eq!(house.claim(CachedKind::Blob, 1), [a]);
    assert_eq!(house.claim(CachedKind::Blob, 9), [b]);
    assert_eq!(house.claim(CachedKind::Blob, 9), []);
    house.destroy_claimed(vec![b], ROWS);
    // Whoever had `a` is lost.
    for _ in 2..=5 {
        house.clock.advance(LEASE_OF_CLAIM);
        assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
    }
    house.store.fail_cached(a, "no".into()).unwrap();
    assert_consistent(&house.store);
    house.clock.advance(9 * DAY);
    assert_eq!(house.claim(CachedKind::Blob, 9), []);
    let view = house.store.view().unwrap();
    assert_eq!(view.next_cached_due(CachedKind::Blob).unwrap(), None);
    let counts = view.cached_counts(CachedKind::Blob).unwrap();
    assert_eq!((counts.pending, counts.failed, counts.parked), (0, 1, 1));
    assert_eq!(view.cached_entry(a).unwrap().unwrap().state.name(), "error");
    assert_eq!(house.store.retry_cached(Some(GroupId(99))).unwrap(), 0);
    assert_eq!(house.store.retry_cached(Some(one)).unwrap(), 1);
    assert_eq!(house.delete_waiting(ROWS), 1);
}

#[test]
fn a_failure_is_tried_again_later() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (a, _) = house.cache(blob(one, "a")).unwrap();
    house.purge(one);
    house.mark(ROWS);
    for wait in [10, 20, 40, 80] {
        assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
        house.store.fail_cached(a, "no".into()).unwrap();
        house.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(house.claim(CachedKind::Blob, 9), []);
        house.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(house.delete_waiting(ROWS), 1);
}

#[test]
fn what_is_given_back_was_no_attempt() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (a, _) = house.cache(blob(one, "a")).unwrap();
    house.purge(one);
    house.mark(ROWS);
    assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
    house.store.give_back_cached(vec![a]).unwrap();
    assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
    house.store.fail_cached(a, "no".into()).unwrap();
    house.clock.advance(Duration::from_secs(10));
    for _ in 0..9 {
        assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
        house.store.give_back_cached(vec![a]).unwrap();
    }
    // It failed once, so the second failure is the one that waits for twice as long.
    assert_eq!(house.claim(CachedKind::Blob, 9), [a]);
    house.store.fail_cached(a, "no".into()).unwrap();
    house.clock.advance(Duration::from_secs(19));
    assert_eq!(house.claim(CachedKind::Blob, 9), []);
    house.clock.advance(Duration::from_secs(1));
    assert_consistent(&house.store);
    assert_eq!(house.delete_waiting(ROWS), 1);
}

#[test]
fn what_was_marked_by_a_clock_that_was_ahead_does_not_wait_for_it() {
    let house = House::new();
    let one = group(&house.store, "one");
    let now = house.now();
    house.cache(blob(one, "a")).unwrap();
    house.clock.advance(1000 * DAY);
    house.purge(one);
    house.mark(ROWS);
    house.clock.jump(now);
    assert_eq!(house.delete_waiting(ROWS), 1);
}
