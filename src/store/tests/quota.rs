//! Users' repositories: usage is right at every moment, and never above the quota (I2).

use super::{House, ROWS, USER_QUOTA, WORK, branch, cause, file, uploaded};
use crate::model::{Quota, Repository, Usage, UserName};
use crate::store::Error;
use crate::store::quota::Room;
use crate::store::rework::Reworked;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn repository(house: &House) -> Repository {
    house.store.view().unwrap().repository(&user("u")).unwrap()
}

fn used(house: &House) -> Usage {
    repository(house).usage
}

fn text(length: u64) -> String {
    "x".repeat(usize::try_from(length).unwrap())
}

fn room(house: &House, path: &str) -> Room {
    house.store.room(&file(path))
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: Result<T, Error>, used: u64, quota: u64) {
    match result.unwrap_err() {
        Error::QuotaExceeded { used_bytes, quota_bytes, .. } => {
            assert_eq!((used_bytes, quota_bytes), (used, quota));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn usage_follows_every_write_and_every_name_that_goes() {
    let house = House::new();
    let files = ["b/t/j/f/a", "b/t/j/g/a", "b/t/k/f/a", "b/s/j/f/a", "c/t/j/f/a"];
    for path in files {
        house.put(&format!("~u:{path}"), "10 letters").unwrap();
    }
    let tens = |count| Usage { files: count, bytes: 10 * count };
    assert_eq!(used(&house), tens(5));
    house.put("~u:b/t/j/f/a", "twenty letters it is").unwrap();
    assert_eq!(used(&house), Usage { files: 5, bytes: 60 });
    house.put("~u:b/t/j/f/a", "20").unwrap();
    assert_eq!(used(&house), Usage { files: 5, bytes: 42 });
    house.put("b/t/j/f/a", "in the shared repository").unwrap();
    house.put("~other:b/t/j/f/a", "in another's").unwrap();
    assert_eq!(used(&house), Usage { files: 5, bytes: 42 });
    house.delete_format("~u:b/t/j/f").unwrap();
    assert_eq!(used(&house), tens(4));
    house.delete_job("~u:b/t/j").unwrap();
    assert_eq!(used(&house), tens(3));
    house.delete_tag("~u:b/t").unwrap();
    assert_eq!(used(&house), tens(2));
    house.delete_branch("~u:b").unwrap();
    assert_eq!(used(&house), tens(1));
    house.destroy(3);
    assert_eq!(used(&house), tens(1));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let house = House::new();
    house.put("~u:b/t/j/f/old", &text(100)).unwrap();
    house.put("b/t/j/f/shared", &text(USER_QUOTA)).unwrap();
    let refused = house.put("~u:b/t/j/f/new", &text(51));
    assert_eq!(
        refused.as_ref().unwrap_err().to_string(),
        "User u quota exceeded (100/150). Please make some ménage."
    );
    is_refused(refused, 100, 150);
    is_refused(house.put("~u:new/t/j/f/new", &text(51)), 100, 150);
    is_refused(house.link("~u:b/t/j/f/link", &text(USER_QUOTA)), 100, 150);
    is_refused(house.put("~v:b/t/j/f/new", &text(151)), 0, 150);
    let view = house.store.view().unwrap();
    assert!(view.repository(&user("v")).is_err(), "a refusal has made a repository");
    assert!(view.branch(&branch("~u:new")).is_err());
    // A replacement counts by what it adds; a refused one leaves the old file.
    is_refused(house.put("~u:b/t/j/f/old", &text(151)), 100, 150);
    assert_eq!(view.file(&file("~u:b/t/j/f/old")).unwrap().artifact.size, 100);
    house.put("~u:b/t/j/f/old", &text(150)).unwrap();
    house.link("~u:b/t/j/f/old", &text(USER_QUOTA)).unwrap();
    is_refused(house.put("~u:b/t/j/f/one", "1"), 150, 150);
    house.put("~u:b/t/j/f/empty", "").unwrap();
    assert_eq!(used(&house), Usage { files: 2, bytes: 150 });
}

#[test]
fn a_quota_of_its_own_is_over_the_one_for_everybody() {
    let house = House::new();
    let set = |quota| house.store.set_quota(user("u"), quota).wait().unwrap();
    assert_eq!(set(Quota::Bytes(10)).usage, Usage::default());
    is_refused(house.put("~u:b/t/j/f/a", "11 letters!"), 0, 10);
    house.put("~u:b/t/j/f/a", "10 letters").unwrap();
    set(Quota::Unlimited);
    house.put("~u:b/t/j/f/b", &text(1000)).unwrap();
    // What is there stays, and may shrink; it does not grow.
    assert_eq!(set(Quota::Default).usage.bytes, 1010);
    is_refused(house.put("~u:b/t/j/f/b", &text(1001)), 1010, 150);
    house.put("~u:b/t/j/f/b", &text(999)).unwrap();
    house.put("~u:b/t/j/f/a", "10 letters").unwrap();
    house.delete_branch("~u:b").unwrap();
    house.put("~u:b/t/j/f/a", &text(150)).unwrap();
    let house = house.reopen();
    assert_eq!(repository(&house).quota, Quota::Default);
}

#[test]
fn rooms_that_are_taken_leave_less_for_others() {
    let house = House::new();
    house.put("~u:b/t/j/f/old", &text(50)).unwrap();
    let mut one = room(&house, "~u:b/t/j/f/one");
    one.grow(60).unwrap();
    let mut two = room(&house, "~u:c/t/j/f/two");
    is_refused(two.grow(41), 110, 150);
    two.grow(40).unwrap();
    is_refused(one.grow(61), 90, 150);
    // A replacement takes only what it is longer; another's repository is not concerned.
    let mut three = room(&house, "~u:b/t/j/f/old");
    three.grow(50).unwrap();
    is_refused(three.grow(51), 150, 150);
    room(&house, "~v:b/t/j/f/a").grow(150).unwrap();
    room(&house, "b/t/j/f/a").grow(u64::MAX).unwrap();
    drop(one);
    two.grow(100).unwrap();
    two.settle();
    three.grow(150).unwrap();
    drop((two, three));
    assert!(house.store.shared.reservations.is_empty());
    let mut four = room(&house, "~u:b/t/j/f/old");
    four.grow(50).unwrap();
    assert!(house.store.shared.reservations.is_empty(), "no room for what takes none");
}

#[test]
fn a_room_counts_once_when_its_file_is_there() {
    let house = House::new();
    let mut one = room(&house, "~u:b/t/j/f/one");
    one.grow(100).unwrap();
    one.settle();
    house.put("~u:b/t/j/f/one", &text(100)).unwrap();
    // Still alive, as while its client waits for the answer.
    room(&house, "~u:b/t/j/f/two").grow(50).unwrap();
    drop(one);
    is_refused(room(&house, "~u:b/t/j/f/two").grow(51), 100, 150);
    house.store.delete_branch(branch("~u:b"), cause()).wait().unwrap();
    room(&house, "~u:b/t/j/f/two").grow(150).unwrap();
}

#[test]
fn a_rework_that_does_not_fit_leaves_the_format_as_it_was() {
    let house = House::new();
    let store = &house.store;
    house.put("~u:b/t/j/f/a", &text(100)).unwrap();
    let at = file("~u:b/t/j/f/a").format;
    for (length, fits) in [(151, false), (150, true)] {
        let base = store.view().unwrap().format(&at).unwrap();
        let mut rework = store.begin_rework(at.clone(), base, cause()).unwrap();
        let path = file("~u:b/t/j/f/new").path;
        let files = [Reworked { path, content: uploaded(&text(length)), uploaded: None }];
        store.rework_slice(&mut rework, files.into(), 0, WORK, ROWS).unwrap();
        assert_eq!(used(&house).bytes, 100, "it counts from the swap on");
        let swapped = house.check(store.swap_rework(rework).wait());
        if fits {
            swapped.unwrap();
        } else {
            is_refused(swapped, 100, 150);
        }
        assert_eq!(house.has_file("~u:b/t/j/f/a"), !fits);
    }
    assert_eq!(used(&house).bytes, 150);
}
