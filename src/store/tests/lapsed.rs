//! Digests whose blobs were collected: absent at once, cleared later, never in anybody's way (I1,
//! I3).

use super::{House, LEASE_OVER, ROWS, WORK, assert_consistent, cause, digest, file, uploaded};
use crate::db::Span;
use crate::db::schema::{BLOBS, DIGESTS, LAPSED};
use crate::model::BlobId;
use crate::store::Error;
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
    house.clear_digests(ROWS, 9).unwrap();
    assert_consistent(&house.store);
    assert_eq!(row(&house, "gone"), None);
    assert!(row(&house, "stays").is_some());
    assert!(house.store.view().unwrap().lapsed(None).unwrap().is_empty());
}

#[test]
fn bytes_that_come_back_before_their_digest_is_cleared_stay() {
    for slices_before in [0, 1] {
        let (house, old) = collected("back again");
        let mut clearing = house.store.view().unwrap().lapsed(None).unwrap();
        assert_eq!((clearing.len(), clearing.last()), (1, Some(old)));
        let clear = |clearing: &mut _| {
            let cleared = house.store.clear_lapsed_slice(clearing, WORK, ROWS);
            assert_consistent(&house.store);
            cleared.unwrap().0
        };
        for _ in 0..slices_before {
            assert_eq!(clear(&mut clearing), 1);
            assert_eq!(row(&house, "back again"), None);
        }
        house.put("b/u/j/f/y", "back again").unwrap();
        let (id, blob) = house.find("back again").unwrap();
        assert!(id > old && blob.refs.count() == 1);
        house.forget();
        while !clearing.is_done() {
            clear(&mut clearing);
            assert_eq!(row(&house, "back again"), Some(id));
        }
        house.link("b/u/j/f/z", "back again").unwrap();
        assert!(house.store.view().unwrap().lapsed(None).unwrap().is_empty());
    }
}

#[test]
fn a_note_goes_only_after_its_row() {
    let (house, id) = collected("gone");
    house.clear_digests(1, 1).unwrap();
    assert_eq!(row(&house, "gone"), None);
    let note = |house: &House| LAPSED.has(&house.store.view().unwrap().snapshot, &id).unwrap();
    assert!(note(&house));
    // As after a crash: whoever comes next finds the note and no row.
    let house = house.reopen();
    assert_consistent(&house.store);
    house.clear_digests(1, 9).unwrap();
    assert_consistent(&house.store);
    assert!(!note(&house));
}

#[test]
fn a_live_blob_keeps_its_row_whatever_a_note_says() {
    let (house, _) = collected("gone");
    let (id, _) = house.find("stays").unwrap();
    let put = move |txn: &crate::db::WriteTxn| LAPSED.put(txn, &id, &digest("stays"));
    house.store.db().write(put).wait().unwrap();
    house.clear_digests(ROWS, 9).unwrap();
    assert_eq!((row(&house, "stays"), row(&house, "gone")), (Some(id), None));
    let left = house.store.verify().unwrap_err();
    assert!(left.contains("counts as collected"), "{left}");
}

#[test]
fn clearing_begins_when_they_are_many_and_a_part_of_the_index() {
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
    put_all("live", 7_001);
    assert!(!is_due(), "too few for so large an index");
    put_all("more", 1);
    collect("more");
    assert!(is_due());

    let mut clearing = house.store.view().unwrap().lapsed(None).unwrap();
    assert_eq!(clearing.len(), 1_001);
    assert_eq!(house.store.clear_lapsed_slice(&mut clearing, WORK, 5).unwrap().0, 5);
    assert_consistent(&house.store);
    house.clear_digests(300, usize::MAX).unwrap();
    assert_consistent(&house.store);
    let view = house.store.view().unwrap();
    assert_eq!(DIGESTS.all(&view.snapshot, Span::all()).unwrap().len(), 7_001);
    assert_eq!(BLOBS.all(&view.snapshot, Span::all()).unwrap().len(), 7_001);
    assert!(view.lapsed(clearing.last()).unwrap().is_empty());
    assert!(!is_due());
}
