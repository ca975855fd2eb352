//! Destroying, collecting and forgetting in slices of any size (I2, I7).

use super::{House, LEASE_OVER, ROWS, WORK, assert_consistent, cause, digest, tag};
use crate::db::Span;
use crate::db::schema::{DETACHED, FREE};
use crate::model::retry::backoff;
use crate::model::{BlobId, Timestamp, Usage};
use crate::store::detached::Cause;
use crate::store::garbage::Fate;
use std::time::Duration;

const LONG: &str = "a text that is long enough to be a file";

fn filled() -> House {
    let house = House::new();
    for tag in ["t", "u"] {
        for job in ["j", "k"] {
            for file in ["f/x", "f/dir/y", "g/z"] {
                house.put(&format!("b/{tag}/{job}/{file}"), &format!("{tag}{file}")).unwrap();
            }
        }
    }
    house.put("b/t/j/f/shared", LONG).unwrap();
    house.put("keep/t/j/f/shared", LONG).unwrap();
    // Containers with nothing in them.
    let changes = vec![("k".into(), Some("v".into()))];
    house.store.merge_metadata(super::job("b/v/empty"), changes).wait().unwrap();
    house
}

#[test]
fn slices_of_any_size_destroy_everything_and_count_at_every_step() {
    for rows in [1, 2, 3, 4, 5, 7, 1000] {
        let house = filled();
        house.delete_format("b/t/j/g").unwrap();
        house.delete_branch("b").unwrap();
        let slices = house.destroy(rows);
        assert!(rows > 3 || slices > 3, "{rows} rows: {slices} slices");
        let totals = house.store.view().unwrap().totals().unwrap();
        assert_eq!((totals.queue, totals.detached), (0, Usage::default()));
        assert_eq!((totals.named.files, house.find(LONG).unwrap().1.refs.count()), (1, 1));
        assert_eq!(totals.free.files, 6);
    }
}

#[test]
fn a_slice_without_time_still_moves() {
    let house = filled();
    house.delete_branch("b").unwrap();
    let mut slices = 0;
    while !house.store.destroy_slice(Duration::ZERO, ROWS).unwrap().0.done {
        slices += 1;
        assert!(slices < 1000);
    }
    assert_consistent(&house.store);
    house.clock.advance(LEASE_OVER);
    let mut after = None;
    for _ in 0..100 {
        let (done, _) = house.store.collect_slice(after, Duration::ZERO, ROWS).unwrap();
        after = done.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(house.blobs(), 1);
    assert_consistent(&house.store);
}

#[test]
fn many_empty_entries_are_more_than_one_slice() {
    let house = House::new();
    for number in 0..20 {
        let path = super::job(&format!("b/t{number}/j"));
        house.store.merge_metadata(path, Vec::new()).wait().unwrap();
        house.store.delete_job(super::job(&format!("b/t{number}/j")), cause()).wait().unwrap();
    }
    assert_eq!(house.store.destroy_slice(WORK, 5).unwrap().0.entries, 5);
    assert!(house.destroy(5) >= 3);
}

#[test]
fn what_is_not_due_waits_and_what_is_due_goes() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    house.put("b/u/j/f/x", "2").unwrap();
    let later = Cause { wait: Duration::from_secs(60), ..cause() };
    house.store.delete_tag(tag("b/t"), later).wait().unwrap();
    house.delete_tag("b/u").unwrap();
    house.destroy(ROWS);
    let totals = house.store.view().unwrap().totals().unwrap();
    assert_eq!((totals.queue, totals.detached), (1, Usage { files: 1, bytes: 1 }));
    let due = house.now().after(Duration::from_secs(60));
    assert_eq!(house.store.view().unwrap().next_due().unwrap(), Some(due));
    house.clock.jump(due);
    house.destroy(ROWS);
    assert_eq!(house.store.view().unwrap().totals().unwrap().queue, 0);
}

#[test]
fn an_entry_that_fails_is_named_put_off_and_others_go_on() {
    let house = House::new();
    house.put("b/t/j/f/x", "broken").unwrap();
    house.put("b/u/j/f/x", "fine").unwrap();
    house.delete_tag("b/t").unwrap();
    house.delete_tag("b/u").unwrap();
    let (id, blob) = house.find("broken").unwrap();
    remove_blob_row(&house, id);
    let (key, error) = house.store.destroy_slice(WORK, ROWS).unwrap_err();
    let key = key.unwrap();
    assert!(error.to_string().contains("blobs.1"), "{error}");
    let later = house.now().after(backoff(1));
    house.store.postpone(key, error.to_string()).unwrap();
    assert!(house.store.destroy_slice(WORK, ROWS).unwrap().0.done);
    let entries = house.store.view().unwrap().detached(9).unwrap();
    assert_eq!((entries.len(), entries[0].1.attempts), (1, 1));
    assert!(entries[0].1.error.is_some() && entries[0].0.0 == later);
    // Repaired, it goes like any other.
    house
        .store
        .db()
        .write(move |txn| crate::db::schema::BLOBS.put(txn, &id, &blob))
        .wait()
        .unwrap();
    house.clock.jump(later);
    house.destroy(ROWS);
    assert_eq!(house.store.view().unwrap().totals().unwrap().queue, 0);
}

fn remove_blob_row(house: &House, id: BlobId) {
    let remove = move |txn: &crate::db::WriteTxn| crate::db::schema::BLOBS.remove(txn, &id);
    assert!(house.store.db().write(remove).wait().unwrap());
}

#[test]
fn collecting_goes_on_where_it_stopped_and_ends() {
    for rows in [1, 2, 3, 5, 6, 7] {
        let house = filled();
        house.delete_branch("b").unwrap();
        house.destroy(ROWS);
        house.clock.advance(LEASE_OVER);
        let pin = house.store.pins().pin(house.find("tf/x").unwrap().0);
        let (mut after, mut gone, mut pinned, mut slices) = (None, 0, 0, 0);
        loop {
            let (done, _) = house.store.collect_slice(after, WORK, rows).unwrap();
            assert_consistent(&house.store);
            gone += done.usage.files;
            pinned += done.pinned;
            slices += 1;
            after = done.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((gone, pinned), (5, 1), "{rows} rows, {slices} slices");
        drop(pin);
        assert_eq!((house.collect(), house.blobs()), (1, 1));
    }
}

#[test]
fn a_failed_unlink_is_kept_with_its_error_and_a_finished_one_is_not_brought_back() {
    let house = House::new();
    house.put("b/t/j/f/x", LONG).unwrap();
    house.put("b/t/j/f/y", "short").unwrap();
    house.delete_tag("b/t").unwrap();
    house.destroy(ROWS);
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 2);
    let unlinks = house.store.unlinks(None, 9).unwrap();
    assert_eq!(house.store.unlinks(Some(unlinks[0].0), 9).unwrap(), unlinks[1..]);
    let (file, mut unlink) = unlinks[0].clone();
    let busy = Fate::Failed("busy".into());
    house.settle(vec![(unlinks[1].0, Fate::Gone), (file, busy.clone())]).unwrap();
    unlink.attempts += 1;
    unlink.error = Some("busy".into());
    unlink.not_before = house.now().after(backoff(1));
    assert_consistent(&house.store);
    assert_eq!(house.store.unlinks(None, 9).unwrap(), [(file, unlink)]);
    let freed = house.settle(vec![(file, Fate::Gone), (file, Fate::Gone)]).unwrap();
    assert_eq!(freed, Usage::of(u64::try_from(LONG.len()).unwrap()));
    house.settle(vec![(file, busy)]).unwrap();
    assert_consistent(&house.store);
    assert_eq!(house.store.unlinks(None, 9).unwrap(), []);
}

#[test]
fn a_held_blob_in_the_index_is_told_as_corrupt_and_stays() {
    let house = House::new();
    house.put("b/t/j/f/x", "held").unwrap();
    let (id, _) = house.find("held").unwrap();
    let put = move |txn: &crate::db::WriteTxn| FREE.put(txn, &(Timestamp(1), id), &());
    house.store.db().write(put).wait().unwrap();
    let (done, _) = house.store.collect_slice(None, WORK, ROWS).unwrap();
    assert_eq!((done.errors.len(), done.usage.files), (1, 0));
    assert!(house.store.view().unwrap().find_blob(&digest("held")).unwrap().is_some());
    let queue = DETACHED.all(&house.store.view().unwrap().snapshot, Span::all()).unwrap();
    assert_eq!(queue, []);
}
