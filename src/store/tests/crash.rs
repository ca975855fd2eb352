//! Loss of power at every write of a working day: afterwards every count is right, what was
//! acknowledged is there, and what was deleted stays deleted (I2, I5).

use std::io::ErrorKind;

use super::{House, LEASE_OVER, ROWS, WORK, assert_consistent, file, uploaded};
use crate::db::tests::disk::{Lasts, On};
use crate::db::tests::random::Random;
use crate::store::Error;
use crate::store::garbage::Fate;

const LONG: &str = "a text that is long enough to be a file";

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let put = |path, text| store.put_artifact(file(path), uploaded(text)).wait().map(drop);
    let steps: [&dyn Fn() -> Result<(), Error>; 9] = [
        &|| put("b/t/j/f/x", "1"),
        &|| put("b/t/j/f/y", LONG),
        &|| put("~u:b/u/j/f/y", LONG),
        &|| store.delete_tag(super::tag("b/t"), super::cause()).wait(),
        &|| store.destroy_slice(WORK, ROWS).map(drop).map_err(|(_, error)| error),
        &|| {
            house.clock.advance(LEASE_OVER);
            store.collect_slice(None, WORK, ROWS).map(drop)
        },
        &|| {
            let gone = store.unlinks(None, 9)?.into_iter();
            house.settle(gone.map(|(id, _)| (id, Fate::Gone)).collect()).map(drop)
        },
        &|| house.clear_digests(1, 9),
        &|| put("b/t/j/f/x", "1"),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// The part of the day that is surely over: done, or begun.
fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    let totals = house.store.view().unwrap().totals().unwrap();
    assert!(!(1..=2).contains(&done) || house.has_file("b/t/j/f/x"));
    assert!(done != 2 || house.has_file("b/t/j/f/y"));
    assert!(done < 3 || house.has_file("~u:b/u/j/f/y"));
    assert!(!(4..=7).contains(&done) || !house.has_file("b/t/j/f/x"));
    assert!(done < 5 || totals.queue == 0);
    assert!(!(6..=7).contains(&done) || house.find("1").is_none());
    assert!(done < 9 || house.has_file("b/t/j/f/x"));
    assert!(done < 7 || totals.reclaimed.files == 1);
}

#[test]
fn a_crash_at_any_write_leaves_a_consistent_store() {
    at_any_write(9, day, check);
}

/// Lets the machine stop before each write of a day in turn, with and without what was not
/// synced. A day tells how many of its steps were acknowledged; `steps`: of how many.
pub(super) fn at_any_write(steps: usize, day: fn(&House) -> usize, check: fn(&House, usize)) {
    let house = House::new();
    let before = house.disk.ops();
    assert_eq!(day(&house), steps);
    check(&house, steps);
    for point in 0..house.disk.ops() - before {
        for random in [None, Some(Random(point))] {
            let house = House::new();
            house.disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
            let done = day(&house);
            let house = house.after_power_loss(random);
            check(&house, done);
        }
    }
}
