//! Who sent what: known for a lease, of a blob and not of a digest, and in the way of nothing
//! (I2, I3).

use std::sync::Arc;
use std::time::Duration;

use super::{House, LEASE_OVER, ROWS, WORK, digest, file, uploaded};
use crate::db::Span;
use crate::db::schema::POSSESSIONS;
use crate::model::UserName;
use crate::store::possessions::Stale;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn put_of(house: &House, path: &str, text: &str, sender: &str) {
    let put = house.store.put_artifact_of(file(path), uploaded(text), Some(user(sender)));
    house.check(put.wait()).unwrap();
}

fn possesses(house: &House, name: &str, text: &str) -> bool {
    let Some((blob, _)) = house.find(text) else { return false };
    house.store.view().unwrap().possesses(&user(name), blob, house.now()).unwrap()
}

fn lease_to(house: &House, name: &str, text: &str) -> bool {
    let leased = house.store.lease_to_sender(digest(text), user(name)).wait();
    house.check(leased).unwrap().is_some()
}

fn notes(house: &House) -> usize {
    POSSESSIONS.all(&house.store.view().unwrap().snapshot, Span::all()).unwrap().len()
}

fn forget_stale(house: &House, page: usize) -> usize {
    let (mut after, mut forgotten) = (None, 0);
    loop {
        let view = house.store.view().unwrap();
        let found = view.stale_possessions(after, house.now(), page).unwrap();
        let stale: Arc<[_]> = found.stale.into();
        let mut from = 0;
        while from < stale.len() {
            // One row a slice.
            let slice = house.store.forget_possessions(Arc::clone(&stale), from, WORK, 1);
            from += slice.unwrap().0;
        }
        forgotten += stale.len();
        match found.next {
            Some(next) => after = Some(next),
            None => return forgotten,
        }
    }
}

#[test]
fn a_sender_is_known_for_a_lease() {
    for text in ["short", "a text that is long enough to be a file"] {
        let house = House::new();
        put_of(&house, "b/t/j/f/x", text, "eve");
        assert!(possesses(&house, "eve", text) && !possesses(&house, "bob", text));
        assert!(lease_to(&house, "eve", text) && !lease_to(&house, "bob", text));
        let house = house.reopen();
        assert!(possesses(&house, "eve", text));
        house.clock.advance(LEASE_OVER);
        assert!(!possesses(&house, "eve", text) && !lease_to(&house, "eve", text));
    }
}

#[test]
fn content_that_was_known_is_sent_all_the_same() {
    let house = House::new();
    house.put("b/t/j/f/x", "short").unwrap();
    assert!(!possesses(&house, "eve", "short"));
    put_of(&house, "b/t/j/f/y", "short", "eve");
    put_of(&house, "b/t/j/f/y", "short", "bob");
    assert!(possesses(&house, "eve", "short") && possesses(&house, "bob", "short"));
}

#[test]
fn a_promise_keeps_the_blob_and_the_note_together() {
    let house = House::new();
    put_of(&house, "b/t/j/f/x", "short", "eve");
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(Duration::from_secs(3590));
    assert!(lease_to(&house, "eve", "short"));
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.collect(), 0);
    assert!(possesses(&house, "eve", "short"));
    assert!(house.link("b/u/j/f/x", "short").is_ok());
}

#[test]
fn a_note_keeps_no_blob_and_is_not_about_the_next_one() {
    let house = House::new();
    put_of(&house, "b/t/j/f/x", "short", "eve");
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 1);
    assert_eq!(notes(&house), 1);
    house.put("b/t/j/f/x", "short").unwrap();
    assert!(!possesses(&house, "eve", "short") && !lease_to(&house, "eve", "short"));
}

#[test]
fn a_refused_upload_leaves_no_note() {
    let house = House::new();
    house.put("b/t/j/f/x", "short").unwrap();
    let nested = house.store.put_artifact_of(file("b/t/j/f/x/y"), uploaded("s"), Some(user("eve")));
    assert!(house.check(nested.wait()).is_err());
    assert_eq!(notes(&house), 0);
}

#[test]
fn notes_are_forgotten_when_their_time_is_over_unless_renewed() {
    let house = House::new();
    for number in 0..5 {
        put_of(&house, &format!("b/t/j/f/{number}"), &format!("text {number}"), "eve");
    }
    assert_eq!((forget_stale(&house, 2), notes(&house)), (0, 5));
    house.clock.advance(LEASE_OVER);
    let view = house.store.view().unwrap();
    let stale = view.stale_possessions(None, house.now(), 100).unwrap().stale;
    assert_eq!(stale.len(), 5);
    // Sent again between the look and the removal.
    put_of(&house, "b/t/j/f/3", "text 3", "eve");
    house.store.forget_possessions(stale.into(), 0, WORK, ROWS).unwrap();
    assert!(possesses(&house, "eve", "text 3"));
    assert_eq!(notes(&house), 1);
    house.clock.advance(LEASE_OVER);
    for number in 5..10 {
        put_of(&house, &format!("b/t/j/f/{number}"), &format!("text {number}"), "eve");
    }
    assert_eq!((forget_stale(&house, 2), notes(&house)), (1, 5));
    let unreadable: Arc<[_]> = Arc::new([Stale::Unreadable(vec![1, 2, 3])]);
    house.store.forget_possessions(unreadable, 0, WORK, ROWS).unwrap();
    assert_eq!(notes(&house), 5);
}
