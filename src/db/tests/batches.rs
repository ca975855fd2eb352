//! Group commit: who is committed with whom, and who spoils what (design: the writer's contract).

use super::{COUNTER, add_one, commits, hold_writer, open, options, read};
use crate::db::schema::{META, Meta};
use crate::db::tests::disk::TestDisk;
use crate::db::{Db, Error, Options, Pending, Span};
use std::time::Duration;

/// What a change in a batch does.
fn change(db: &Db, kind: &'static str) -> Pending<u64, Error> {
    db.write(move |txn| {
        if kind == "refused" {
            return Err(Error::Broken("refused".into()));
        }
        assert!(kind != "panics early", "early");
        let value = add_one(txn)?;
        match kind {
            "fails late" => Err(Error::Broken("late".into())),
            "panics late" => panic!("{} late", "panicked"),
            _ => Ok(value),
        }
    })
}

fn message(pending: Pending<u64, Error>) -> String {
    match pending.wait() {
        Ok(value) => value.to_string(),
        Err(Error::Broken(message)) => message,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn changes_that_wait_together_are_committed_together() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let before = commits(&db);
    let release = hold_writer(&db);
    let pending: Vec<_> = (0..64).map(|_| db.write(add_one)).collect();
    drop(release);
    let mut values: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap()).collect();
    values.sort_unstable();
    assert!(values.into_iter().eq(1..=64));
    // The holder and the waiting ones are one batch or two.
    assert!(commits(&db) - before <= 2, "{}", commits(&db) - before);
}

#[test]
fn many_threads_need_fewer_commits_than_changes() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let before = commits(&db);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..10 {
                    db.write(add_one).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(read(&db, COUNTER).unwrap(), Some(160));
    assert!(commits(&db) - before < 160, "{}", commits(&db) - before);
}

#[test]
fn whoever_was_answered_sees_the_own_change_in_the_snapshot_that_all_share() {
    let disk = TestDisk::default();
    let db = open(&disk);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut last_seen = 0;
                for _ in 0..100 {
                    let own = db.write(add_one).wait().unwrap();
                    let seen = read(&db, COUNTER).unwrap().unwrap();
                    assert!(seen >= own && seen >= last_seen, "{last_seen}, {own}, {seen}");
                    last_seen = seen;
                }
            });
        }
    });
}

#[test]
fn a_batch_takes_one_change_at_least_however_small_its_bound_is() {
    let disk = TestDisk::default();
    let options = Options { work_bound: Duration::ZERO, ..options() };
    let db = Db::open_with(disk.opener(), options).unwrap();
    for value in 1..=3 {
        assert_eq!(db.write(add_one).wait().unwrap(), value);
    }
    assert_eq!(commits(&db), 3);
}

#[test]
fn a_batch_takes_no_more_changes_than_it_may() {
    let disk = TestDisk::default();
    let options = Options { batch_max: 1, ..options() };
    let db = Db::open_with(disk.opener(), options).unwrap();
    let before = commits(&db);
    let release = hold_writer(&db);
    let pending: Vec<_> = (0..8).map(|_| db.write(add_one)).collect();
    drop(release);
    for pending in pending {
        pending.wait().unwrap();
    }
    // The holder's own commit may be under way when the first number is read.
    assert!(commits(&db) - before >= 8, "{}", commits(&db) - before);
}

#[test]
fn one_that_fails_spoils_only_itself_wherever_it_stands() {
    let kinds = ["refused", "fails late", "panics early", "panics late"];
    let told = ["refused", "late", "early", "panicked late"];
    for place in 0..3 {
        for (kind, told) in kinds.into_iter().zip(told) {
            let disk = TestDisk::default();
            let db = open(&disk);
            let release = hold_writer(&db);
            let mut batch = vec!["good"; 2];
            batch.insert(place, kind);
            let pending: Vec<_> = batch.into_iter().map(|kind| change(&db, kind)).collect();
            drop(release);
            let mut expected = vec!["1", "2"];
            expected.insert(place, told);
            let answers: Vec<_> = pending.into_iter().map(message).collect();
            assert_eq!(answers, expected);
            assert_eq!(read(&db, COUNTER).unwrap(), Some(2));
        }
    }
}

#[test]
fn a_batch_of_nothing_but_failures_changes_nothing() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let release = hold_writer(&db);
    let pending: Vec<_> =
        ["fails late", "panics late", "fails late"].map(|kind| change(&db, kind)).into();
    drop(release);
    let answers: Vec<_> = pending.into_iter().map(message).collect();
    assert_eq!(answers, ["late", "panicked late", "late"]);
    assert_eq!(read(&db, COUNTER).unwrap(), None);
    assert_eq!(db.write(add_one).wait().unwrap(), 1);
}

#[test]
fn a_table_that_is_changed_while_it_is_visited_is_an_error_and_no_panic() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let visit = db.write(|txn| {
        META.each(txn, Span::all(), |key: Meta, value| {
            META.put(txn, &key, &(value + 1))?;
            Ok::<_, Error>(std::ops::ControlFlow::Continue(()))
        })
    });
    assert!(matches!(visit.wait(), Err(Error::Broken(what)) if what.contains("meta")));
    let remove = db.write(|txn| {
        META.each(txn, Span::all(), |key: Meta, _| {
            META.remove(txn, &key)?;
            Ok::<_, Error>(std::ops::ControlFlow::Continue(()))
        })
    });
    assert!(matches!(remove.wait(), Err(Error::Broken(_))));
    assert_eq!(db.write(add_one).wait().unwrap(), 1);
}

#[test]
fn visiting_may_read_the_same_table() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let sum = db.write(|txn| {
        let mut sum = 0;
        META.each(txn, Span::all(), |key: Meta, _| {
            sum += META.get(txn, &key)?.unwrap();
            Ok::<_, Error>(std::ops::ControlFlow::Continue(()))
        })?;
        Ok::<_, Error>(sum)
    });
    assert!(sum.wait().unwrap() >= 1);
}

#[test]
fn a_snapshot_sees_its_commit_and_no_later_one() {
    let disk = TestDisk::default();
    let db = open(&disk);
    db.write(add_one).wait().unwrap();
    let old = db.snapshot().unwrap();
    db.write(add_one).wait().unwrap();
    assert_eq!(META.get(&old, &COUNTER).unwrap(), Some(1));
    assert_eq!(read(&db, COUNTER).unwrap(), Some(2));
}

#[test]
fn dropping_commits_what_is_queued_and_ends() {
    let disk = TestDisk::default();
    let db = open(&disk);
    let release = hold_writer(&db);
    let pending: Vec<_> = (0..5).map(|_| db.write(add_one)).collect();
    drop(release);
    drop(db);
    for (pending, value) in pending.into_iter().zip(1..) {
        assert_eq!(pending.wait().unwrap(), value);
    }
    assert_eq!(read(&open(&disk), COUNTER).unwrap(), Some(5));
}
