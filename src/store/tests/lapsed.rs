//! Digests whose blobs were collected: absent at once, cleared later, never in anybody's way (I1,
//! I3).

use std::sync::Arc;

use super::{House, LEASE_OVER, ROWS, WORK, assert_consistent, cause, digest, file, uploaded};
use crate::db::Span;
use crate::db::schema::{BLOBS, DIGESTS, LAPSED};
use crate::model::BlobId;
use crate::store::Error;
use crate::store::lapsed::Part;
use crate::store::why::Why;

/// A store in which `text` was collected.
fn collected(text: &str) -> (House, BlobId) {
    let house = House::new();
    house.put("b/t/j/f/x", text).unwrap();
    house.put("b/u/j/f/x", "stays").unwrap();
    let (id, _) = house.find(text).unwrap();
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 1);
    (house, id)
}

fn row(house: &House, text: &str) -> Option<BlobId> {
    DIGESTS.get(&house.store.view().unwrap().snapshot, &digest(text)).unwrap()
}

#[test]
fn a_collected_digest_is_absent_for_everybody_while_its_row_is_there() {
    let (house, id) = collected("gone");
    assert_eq!(row(&house, "gone"), Some(id));
    let view = house.store.view().unwrap();
    assert_eq!(view.find_blob(&digest("gone")).unwrap(), None);
    assert!(matches!(view.why(&digest("gone"), 9).unwrap(), Why::Collected { .. }));
    assert!(house.store.lease(digest("gone")).wait().unwrap().is_none());
    let refused = house.link("b/u/j/f/y", "gone");
    assert!(matches!(refused, Err(Error::BlobUnknown(_))), "{refused:?}");
    assert_eq!(house.store.view().unwrap().files_of_shard(digest("gone").0[0]).unwrap(), []);
    house.clear_digests(ROWS).unwrap();
    assert_consistent(&house.store);
    assert_eq!(row(&house, "gone"), None);
    assert!(row(&house, "stays").is_some());
    assert_eq!(house.store.view().unwrap().lapsed(None).unwrap(), []);
}

#[test]
fn bytes_that_come_back_before_their_digest_is_cleared_stay() {
    for cleared_before in [None, Some(Part::Row)] {
        let (house, old) = collected("back again");
        let notes = house.store.view().unwrap().lapsed(None).unwrap();
        assert_eq!(notes, [(digest("back again"), old)]);
        if let Some(part) = cleared_before {
            house.clear_part(&notes, part, 1).unwrap();
            assert_consistent(&house.store);
        }
        house.put("b/u/j/f/y", "back again").unwrap();
        let (id, blob) = house.find("back again").unwrap();
        assert!(id > old && blob.refs.count() == 1);
        house.forget();
        for part in [Part::Row, Part::Note] {
            house.clear_part(&notes, part, 1).unwrap();
            assert_consistent(&house.store);
            assert_eq!(row(&house, "back again"), Some(id));
        }
        house.link("b/u/j/f/z", "back again").unwrap();
    }
}

#[test]
fn a_note_goes_only_after_its_row() {
    let (house, id) = collected("gone");
    let notes = house.store.view().unwrap().lapsed(None).unwrap();
    house.clear_part(&notes, Part::Note, ROWS).unwrap();
    assert_consistent(&house.store);
    assert_eq!(house.store.view().unwrap().lapsed(None).unwrap(), notes);
    assert_eq!(row(&house, "gone"), Some(id));
}

#[test]
fn a_live_blob_keeps_its_row_whatever_a_note_says() {
    let (house, _) = collected("gone");
    let (id, _) = house.find("stays").unwrap();
    let put = move |txn: &crate::db::WriteTxn| LAPSED.put(txn, &id, &digest("stays"));
    house.store.db().write(put).wait().unwrap();
    house.clear_digests(ROWS).unwrap();
    assert_eq!(row(&house, "stays"), Some(id));
    let left = house.store.verify().unwrap_err();
    assert!(left.contains("counts as collected"), "{left}");
}

#[test]
fn clearing_begins_with_a_thousand_that_are_a_part_of_the_index_and_pages_have_an_order() {
    let house = House::new();
    let put_all = |tag: &str, count: u32| {
        let put = |number| {
            let text = format!("{tag} {number}");
            house.store.put_artifact(file(&format!("b/{tag}/j/f/{number}")), uploaded(&text))
        };
        let waiting: Vec<_> = (0..count).map(put).collect();
        for pending in waiting {
            pending.wait().unwrap();
        }
    };
    let is_due = || house.store.view().unwrap().has_many_lapsed(1000).unwrap();
    let collect = |tag: &str| {
        house.store.delete_tag(super::tag(&format!("b/{tag}")), cause()).wait().unwrap();
        while !house.store.destroy_slice(WORK, ROWS).unwrap().0.done {}
        house.clock.advance(LEASE_OVER);
        house.store.collect_slice(None, WORK, ROWS).unwrap();
    };
    put_all("few", 999);
    put_all("one", 1);
    collect("few");
    assert!(!is_due());
    collect("one");
    assert!(is_due());
    put_all("live", 15_001);
    assert!(!is_due(), "too few for so large an index");
    put_all("more", 1);
    collect("more");
    assert!(is_due());

    let view = house.store.view().unwrap();
    let notes = view.lapsed(None).unwrap();
    assert_eq!(notes.len(), 1001);
    assert!(notes.is_sorted_by_key(|(_, id)| *id));
    assert_eq!(view.lapsed(Some(notes[998].1)).unwrap(), notes[999..]);
    let mut rows = notes.clone();
    rows.sort_unstable();
    let list = (Arc::from(rows), Part::Row);
    assert_eq!(house.store.clear_lapsed_slice(list, 990, WORK, 5).unwrap().0, 5);
    house.clear_digests(300).unwrap();
    assert_consistent(&house.store);
    let view = house.store.view().unwrap();
    assert_eq!(DIGESTS.all(&view.snapshot, Span::all()).unwrap().len(), 15_001);
    assert_eq!(BLOBS.all(&view.snapshot, Span::all()).unwrap().len(), 15_001);
    assert_eq!(view.lapsed(None).unwrap(), []);
    assert!(!is_due());
}
