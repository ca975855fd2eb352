//! A disk that fails: a commit of unknown outcome is never acknowledged, a full disk is told from
//! a broken one, and the database opens again in the process (I5).

use std::io::ErrorKind::{Other, StorageFull};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::disk::{Lasts, On, TestDisk, Unsynced};
use super::{COUNTER, add_one, commits, making_room, open, options, read};
use crate::db::schema::{INLINE, META};
use crate::db::{Db, Error, OpenDisk, Options, Pending, Span, WriteTxn};
use crate::model::BlobId;

const BIG: usize = 3 << 19;

/// Needs more room than a new file has.
fn add_big(txn: &WriteTxn) -> Result<u64, Error> {
    let value = add_one(txn)?;
    INLINE.put(txn, &BlobId(value), &vec![7; BIG].into())?;
    Ok(value)
}

/// Counts how often the disk is opened.
fn counting(disk: &TestDisk) -> (OpenDisk, Arc<AtomicUsize>) {
    let (opener, openings) = (disk.opener(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&openings);
    let open = move || {
        count.fetch_add(1, Ordering::SeqCst);
        opener()
    };
    (Arc::new(open), openings)
}

#[test]
fn a_commit_that_fails_is_never_acknowledged_and_the_next_one_works() {
    for on in [On::Sync, On::Write] {
        let disk = TestDisk::default();
        let db = open(&disk);
        db.write(add_one).wait().unwrap();
        disk.fail(on, 0, Lasts::Once, Other);
        let answer = db.write(add_one).wait();
        assert!(matches!(answer, Err(Error::OutcomeUnknown(_))), "{on:?}: {answer:?}");
        let stands = read(&db, COUNTER).unwrap().unwrap();
        assert!((1..=2).contains(&stands));
        assert_eq!(db.write(add_one).wait().unwrap(), stands + 1);
        disk.power_loss(Unsynced::Dropped);
        drop(db);
        assert_eq!(read(&open(&disk), COUNTER).unwrap(), Some(stands + 1));
    }
}

#[test]
fn whichever_call_fails_nothing_is_acknowledged_that_is_not_there() {
    let mut call = 0;
    loop {
        let disk = TestDisk::default();
        let db = open(&disk);
        db.write(add_one).wait().unwrap();
        let before = disk.ops();
        disk.fail(On::Change, call, Lasts::Once, Other);
        let answer = db.write(add_big).wait();
        let has_failed = disk.ops() - before > call;
        disk.heal();
        let next = db.write(add_one).wait().unwrap();
        match answer {
            Ok(value) => assert_eq!((value, next), (2, 3)),
            Err(Error::OutcomeUnknown(_)) => assert!((2..=3).contains(&next)),
            Err(error) => {
                assert_eq!(next, 2, "{error}");
            }
        }
        drop(db);
        disk.power_loss(Unsynced::Dropped);
        assert_eq!(read(&open(&disk), COUNTER).unwrap(), Some(next));
        if !has_failed {
            return;
        }
        call += 1;
    }
}

#[test]
fn old_snapshots_err_or_tell_the_old_truth() {
    let disk = TestDisk::default();
    // No memory for pages: everything is read from the disk.
    let db = Db::open_with(disk.opener(), Options { cache_bytes: 0, ..options() }).unwrap();
    for id in 0..50 {
        let put = move |txn: &WriteTxn| INLINE.put(txn, &BlobId(id), &vec![1; 500].into());
        db.write(put).wait().unwrap();
    }
    let old = db.snapshot().unwrap();
    assert_eq!(INLINE.get(&old, &BlobId(0)).unwrap().unwrap(), vec![1; 500]);
    disk.fail(On::Sync, 0, Lasts::Once, Other);
    assert!(db.write(add_one).wait().is_err());
    for round in 2..20 {
        for id in 0..50 {
            let value = vec![round; 500];
            let put = move |txn: &WriteTxn| INLINE.put(txn, &BlobId(id), &value.clone().into());
            db.write(put).wait().unwrap();
        }
        let seen = INLINE.all(&old, Span::all());
        assert!(seen.is_err() || seen.unwrap().iter().all(|(_, value)| value[..] == [1; 500]));
    }
    assert!(INLINE.all(&old, Span::all()).is_err());
}

#[test]
fn an_old_snapshot_that_errs_does_not_close_the_database_again() {
    let disk = TestDisk::default();
    let (opener, openings) = counting(&disk);
    let db = Db::open_with(opener, Options { cache_bytes: 0, ..options() }).unwrap();
    db.write(add_big).wait().unwrap();
    let old = db.snapshot().unwrap();
    disk.fail(On::Sync, 0, Lasts::Once, Other);
    assert!(db.write(add_one).wait().is_err());
    assert_eq!(openings.load(Ordering::SeqCst), 2);
    let new = db.snapshot().unwrap();
    assert!(INLINE.all(&old, Span::all()).is_err());
    db.write(add_one).wait().unwrap();
    assert_eq!(openings.load(Ordering::SeqCst), 2);
    assert!(INLINE.all(&new, Span::all()).is_ok());
}

#[test]
fn a_read_that_fails_has_the_database_opened_again() {
    let disk = TestDisk::default();
    let db = Db::open_with(disk.opener(), Options { cache_bytes: 0, ..options() }).unwrap();
    db.write(add_big).wait().unwrap();
    let snapshot = db.snapshot().unwrap();
    disk.fail(On::Read, 0, Lasts::Once, Other);
    assert!(matches!(INLINE.all(&snapshot, Span::all()), Err(Error::Storage { full: false, .. })));
    // The writer was told; what comes after the reopening works.
    assert_eq!(db.write(add_one).wait().unwrap(), 2);
    assert_eq!(INLINE.all(&db.snapshot().unwrap(), Span::all()).unwrap().len(), 1);
}

#[test]
fn a_database_that_cannot_be_opened_comes_back_for_readers_alone() {
    let disk = TestDisk::default();
    let db = Db::open_with(disk.opener(), Options { cache_bytes: 0, ..options() }).unwrap();
    db.write(add_big).wait().unwrap();
    disk.fail(On::Read, 0, Lasts::Forever, Other);
    assert!(db.write(add_one).wait().is_err());
    assert!(matches!(db.snapshot(), Err(Error::Unavailable(_))));
    disk.heal();
    let started = std::time::Instant::now();
    while db.snapshot().is_err() {
        assert!(started.elapsed().as_secs() < 20, "nobody opens it again");
        std::thread::yield_now();
    }
    assert_eq!(read(&db, COUNTER).unwrap(), Some(1));
}

#[test]
fn a_full_disk_with_a_ballast_takes_the_batch_exactly_once() {
    let cases = [(On::Resize, true), (On::Write, true), (On::Write, false), (On::Sync, false)];
    for (on, is_big) in cases {
        let disk = TestDisk::default();
        disk.limit_growth(1 << 30, 1);
        let db = Db::open_with(disk.opener(), making_room(&disk)).unwrap();
        disk.fail(on, 0, Lasts::Forever, StorageFull);
        let before = commits(&db);
        let answer = if is_big { db.write(add_big) } else { db.write(add_one) }.wait();
        match answer {
            Ok(value) => assert_eq!(value, 1, "{on:?}"),
            // The header may have been written before its sync failed.
            Err(Error::OutcomeUnknown(_)) if on == On::Sync => {}
            Err(error) => panic!("{on:?}: {error}"),
        }
        disk.heal();
        assert_eq!(read(&db, COUNTER).unwrap(), Some(1), "{on:?}");
        assert_eq!(commits(&db) - before, 1);
    }
}

#[test]
fn a_full_disk_without_a_ballast_refuses_stores_nothing_and_recovers() {
    let disk = TestDisk::default();
    let db = Db::open_with(disk.opener(), making_room(&disk)).unwrap();
    db.write(add_one).wait().unwrap();
    let before = commits(&db);
    disk.limit_growth(0, 0);
    for _ in 0..3 {
        let answer = db.write(add_big).wait();
        assert!(matches!(&answer, Err(error) if error.is_full()), "{answer:?}");
        assert_eq!(read(&db, COUNTER).unwrap(), Some(1));
        assert_eq!(commits(&db), before);
    }
    disk.unlimit();
    assert_eq!(db.write(add_big).wait().unwrap(), 2);
}

#[test]
fn a_change_that_does_not_fit_takes_its_batch_along_and_small_ones_still_fit() {
    let disk = TestDisk::default();
    let db = open(&disk);
    disk.limit_growth(0, 0);
    let release = super::hold_writer(&db);
    let pending = [db.write(add_one), db.write(add_one), db.write(add_big)];
    drop(release);
    let answers = pending.map(Pending::wait);
    let all_full = answers.iter().all(|answer| matches!(answer, Err(error) if error.is_full()));
    assert!(all_full, "{answers:?}");
    assert_eq!(db.write(add_one).wait().unwrap(), 1);
}

#[test]
fn a_storage_failure_in_a_change_is_told_even_if_the_change_hides_it() {
    let disk = TestDisk::default();
    let db = Db::open_with(disk.opener(), Options { cache_bytes: 0, ..options() }).unwrap();
    db.write(add_big).wait().unwrap();
    disk.fail(On::Read, 0, Lasts::Forever, Other);
    let hides = |txn: &WriteTxn| Ok::<_, Error>(INLINE.get(txn, &BlobId(1)).is_ok());
    assert!(db.write(hides).wait().is_err());
    disk.heal();
}

#[test]
fn nobody_waits_for_a_writer_that_is_gone() {
    let disk = TestDisk::default();
    let panics = |_| -> bool { panic!("outside of any change") };
    let db =
        Db::open_with(disk.opener(), Options { make_room: Arc::new(panics), ..options() }).unwrap();
    for _ in 0..3 {
        assert!(matches!(db.write(add_one).wait(), Err(Error::Unavailable(_))));
    }
    assert!(matches!(db.slice(add_one), Err(Error::Unavailable(_))));
    assert!(matches!(db.snapshot(), Err(Error::Unavailable(_))));
}

#[test]
fn after_closing_everything_is_unavailable() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let snapshot = db.snapshot().unwrap();
    drop(db);
    assert!(META.get(&snapshot, &COUNTER).is_err());
}
