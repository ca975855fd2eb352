//! Slices of background work: they give way to requests, and get in under load (I7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::disk::{Lasts, On, TestDisk};
use super::{COUNTER, add_one, commits, hold_writer, open, options, read};
use crate::db::queue::{Next, Queue, Turn};
use crate::db::{Db, Error, Options, WriteTxn};

#[test]
fn a_slice_is_a_transaction_of_its_own_and_tells_its_times() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let before = commits(&db);
    let (value, times) = db.slice(add_one).unwrap();
    assert_eq!((value, commits(&db) - before), (1, 1));
    assert!(times.work > Duration::ZERO && times.commit > Duration::ZERO);
    assert_eq!(times.total(), times.work + times.commit);
}

#[test]
fn a_slice_that_fails_changes_nothing_and_a_panic_is_an_error() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let late = db.slice(|txn| {
        add_one(txn)?;
        Err::<(), _>(Error::Broken("late".into()))
    });
    assert!(matches!(late, Err(Error::Broken(what)) if what == "late"));
    let panics = db.slice(|_: &WriteTxn| -> Result<(), Error> { panic!("slice") });
    assert!(matches!(panics, Err(Error::Broken(what)) if what == "slice"));
    assert_eq!(read(&db, COUNTER).unwrap(), None);
    disk.fail(On::Sync, 0, Lasts::Once, std::io::ErrorKind::Other);
    assert!(matches!(db.slice(add_one), Err(Error::OutcomeUnknown(_))));
}

#[test]
fn the_queue_lets_a_slice_in_when_nobody_writes_or_its_turn_has_come() {
    let turn = |gap, is_alone| Turn { last: Instant::now(), gap, is_alone };
    let (hour, now) = (Duration::from_secs(3600), Duration::ZERO);
    let queue = Queue::default();
    let (_slice, _) = queue.push_slice_job(add_one);
    let _front = queue.push_front_job(add_one);
    assert!(matches!(queue.next(&turn(hour, true)), Next::Batch));
    assert!(matches!(queue.next(&turn(now, false)), Next::Slice(_)));
    let (_slice, _) = queue.push_slice_job(add_one);
    assert!(queue.pop_front().is_some());
    assert!(matches!(queue.next(&turn(hour, true)), Next::Slice(_)));
    // Whoever wrote just now may write again, and nobody need wake the writer for a turn.
    let (_slice, _) = queue.push_slice_job(add_one);
    let soon = turn(Duration::from_millis(20), false);
    assert!(matches!(queue.next(&soon), Next::Slice(_)));
    assert!(soon.last.elapsed() >= soon.gap);
    let (_slice, _) = queue.push_slice_job(add_one);
    queue.close();
    assert!(matches!(queue.next(&turn(hour, false)), Next::Slice(_)), "the end waits for nobody");
    assert!(matches!(queue.next(&turn(hour, false)), Next::End));
    assert!(queue.push_front_job(add_one).wait().is_err());
}

#[test]
fn a_slice_tells_whether_others_write() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let is_crowded = || db.slice(add_one).unwrap().1.is_crowded;
    is_crowded();
    assert!(!is_crowded());
    db.write(add_one).wait().unwrap();
    assert!(is_crowded());
    assert!(!is_crowded());
}

#[test]
fn slices_give_way_to_writers_that_wait() {
    let disk = TestDisk::default();
    // Long enough for both to be there before its turn comes.
    let gap = Duration::from_millis(300);
    let db = Db::open_with(disk.opener(), Options { slice_gap: gap, ..options() }).unwrap();
    let release = hold_writer(&db);
    let order = Arc::new(AtomicUsize::new(0));
    let (slice, _) = db.shared.queue.push_slice_job({
        let order = Arc::clone(&order);
        move |_| Ok::<_, Error>(order.fetch_add(1, Ordering::SeqCst))
    });
    let front = db.write({
        let order = Arc::clone(&order);
        move |_| Ok::<_, Error>(order.fetch_add(1, Ordering::SeqCst))
    });
    drop(release);
    assert_eq!((front.wait().unwrap(), slice.wait().unwrap()), (0, 1));
}

#[test]
fn slices_get_in_under_load() {
    let disk = TestDisk::default();
    let gap = Duration::from_millis(5);
    let db = Db::open_with(disk.opener(), Options { slice_gap: gap, ..options() }).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    // Several at once, so that the queue is never empty.
                    let pending: Vec<_> = (0..8).map(|_| db.write(add_one)).collect();
                    for pending in pending {
                        pending.wait().unwrap();
                    }
                }
            });
        }
        for _ in 0..10 {
            db.slice(add_one).unwrap();
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn file_stats_tell_used_and_free_bytes() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let stats = db.measure().unwrap();
    assert!(stats.used_bytes > 0 && stats.free_bytes > 0, "{stats:?}");
}
