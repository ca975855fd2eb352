//! The life of a blob, cell by cell (I1, I3).

use super::{Arrival, House, LEASE, LEASE_OVER, ROWS, WORK, assert_consistent, digest};
use crate::db::schema::INLINE;
use crate::model::{Place, Refs, Timestamp};
use std::time::Duration;

const LONG: &str = "a text that is long enough to be a file";

/// A house with one blob that was released just now.
fn with_free(text: &str) -> House {
    let house = House::new();
    house.put("b/t/j/f/x", text).unwrap();
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house
}

fn until(house: &House, text: &str) -> Timestamp {
    match house.find(text).unwrap().1.refs {
        Refs::Free { until } => until,
        held @ Refs::Held { .. } => panic!("{held:?}"),
    }
}

#[test]
fn the_last_release_gives_a_lease_and_nothing_goes_before_it_ends() {
    for text in ["short", LONG] {
        let house = with_free(text);
        let until = until(&house, text);
        assert!(until >= house.now().after(LEASE));
        assert_eq!(house.store.view().unwrap().next_lease_end().unwrap(), Some(until));
        house.clock.jump(Timestamp(until.0 - 1));
        assert_eq!(house.collect(), 0);
        house.clock.jump(until);
        assert_eq!(house.collect(), 1);
        assert!(house.find(text).is_none());
    }
}

#[test]
fn a_promise_extends_a_lease_and_never_shortens_it() {
    let house = with_free(LONG);
    let first = until(&house, LONG);
    house.clock.advance(Duration::from_secs(60));
    let promised = house.store.lease(digest(LONG)).wait().unwrap().unwrap();
    assert_consistent(&house.store);
    let second = until(&house, LONG);
    assert_eq!(promised.refs, Refs::Free { until: second });
    assert_eq!(second, first.after(Duration::from_secs(60)));
    house.clock.jump(first.before(Duration::from_secs(7200)));
    house.store.lease(digest(LONG)).wait().unwrap();
    assert_consistent(&house.store);
    assert_eq!(until(&house, LONG), second);
    house.clock.jump(first);
    assert_eq!(house.collect(), 0);
}

#[test]
fn a_promise_of_a_held_blob_is_kept_after_its_release() {
    let house = House::new();
    house.put("b/t/j/f/x", LONG).unwrap();
    let blob = house.store.lease(digest(LONG)).wait().unwrap().unwrap();
    assert_eq!(blob.refs.count(), 1);
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(LEASE);
    assert_eq!(house.collect(), 0);
    assert_eq!(house.link("b/u/j/f/x", LONG).unwrap(), Arrival::Known);
}

#[test]
fn nothing_is_promised_of_a_blob_that_is_gone() {
    let house = with_free("short");
    house.clock.advance(LEASE_OVER);
    house.collect();
    assert_eq!(house.store.lease(digest("short")).wait().unwrap(), None);
    assert!(house.link("b/u/j/f/x", "short").is_err());
}

#[test]
fn a_free_blob_is_held_again_whether_or_not_its_lease_is_over() {
    for wait in [Duration::ZERO, LEASE_OVER] {
        for text in ["short", LONG] {
            let house = with_free(text);
            let (id, _) = house.find(text).unwrap();
            house.clock.advance(wait);
            assert_eq!(house.put("b/u/j/f/x", text).unwrap(), Arrival::Known);
            assert_eq!(house.collect(), 0);
            let (again, blob) = house.find(text).unwrap();
            assert_eq!((again, blob.refs.count()), (id, 1));
            assert_eq!(house.store.view().unwrap().totals().unwrap().free.files, 0);
        }
    }
}

#[test]
fn a_pinned_blob_is_skipped_and_others_behind_it_are_not() {
    let house = House::new();
    house.put("b/t/j/f/x", "pinned").unwrap();
    house.put("b/t/j/f/y", "other").unwrap();
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(LEASE_OVER);
    let (id, _) = house.find("pinned").unwrap();
    let pin = house.store.pins().pin(id);
    let (done, _) = house.store.collect_slice(None, WORK, ROWS).unwrap();
    assert_eq!((done.usage.files, done.pinned, done.next), (1, 1, None));
    assert!(house.find("pinned").is_some() && house.find("other").is_none());
    drop(pin);
    assert_eq!(house.collect(), 1);
}

#[test]
fn a_collected_digest_that_comes_back_is_another_blob_with_its_own_bytes() {
    for text in ["short", LONG] {
        let house = with_free(text);
        let (old, old_blob) = house.find(text).unwrap();
        house.clock.advance(LEASE_OVER);
        assert_eq!(house.collect(), 1);
        assert_eq!(house.put("b/u/j/f/x", text).unwrap(), Arrival::Kept);
        let (new, blob) = house.find(text).unwrap();
        assert_ne!(new, old);
        assert!(blob.place == Place::Inline || blob.place != old_blob.place);
        house.forget();
        let found = house.store.view().unwrap();
        assert!(text == LONG || found.inline(new).unwrap() == text);
        if let Place::File(suffix) = blob.place {
            assert!(found.names_file(digest(text), suffix).unwrap());
            let Place::File(old) = old_blob.place else { panic!("{old_blob:?}") };
            assert!(!found.names_file(digest(text), old).unwrap());
        }
        assert_eq!(found.totals().unwrap().reclaimed.files, 1);
    }
}

#[test]
fn inline_bytes_stay_until_they_are_forgotten() {
    let house = with_free("short");
    let (id, _) = house.find("short").unwrap();
    house.clock.advance(LEASE_OVER);
    house.collect();
    let bytes = || INLINE.get(&house.store.view().unwrap().snapshot, &id).unwrap();
    assert_eq!(bytes().unwrap(), "short");
    assert_eq!(house.store.view().unwrap().totals().unwrap().inline_unlinks.files, 1);
    house.forget();
    assert_eq!(bytes(), None);
    assert_eq!(house.store.view().unwrap().totals().unwrap().reclaimed.bytes, 5);
}
