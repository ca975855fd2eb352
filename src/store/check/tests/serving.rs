//! The check while the store serves, its bounds, and the share that a sweep recounts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::db::schema::{BRANCHES, TAGS};
use crate::model::Usage;

/// Uploads, overwrites, deletes, destroys and collects until it is told to end.
fn work(it: &Fixture, seed: usize, is_over: &AtomicBool) {
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let tag = format!("w{seed}/t{}", round % 3);
        for file in 0..4 {
            let text = ["same", "other", "third"][(seed + round + file) % 3];
            it.put(&format!("{tag}/j/f{}/x{file}", file % 2), text);
        }
        if round % 2 == 1 {
            it.delete(&tag);
            let slice = Duration::from_millis(1);
            it.store.destroy_slice(slice, 3).unwrap();
            it.clock.advance(Duration::from_secs(400));
            it.store.collect_slice(None, slice, 3).unwrap();
        }
    }
}

#[test]
fn a_check_finds_nothing_while_others_work() {
    let (it, is_over) = (Fixture::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (it, is_over) = (&it, &is_over);
            scope.spawn(move || work(it, seed, is_over));
        }
        let checks: Vec<_> = (0..30).map(|_| it.store.verify()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(checks.into_iter().find_map(Result::err), None);
    });
    it.verify();
}

#[test]
fn a_repair_is_right_while_others_work() {
    let (it, is_over) = (Fixture::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (it, is_over) = (&it, &is_over);
            scope.spawn(move || work(it, seed, is_over));
        }
        let repairs: Vec<_> = (0..10)
            .map(|_| {
                it.damage(|tx| {
                    tx.count(|totals| totals.named = totals.named.plus(Usage::of(1000)))?;
                    let (key, mut branch) = BRANCHES.first(tx.txn, Span::all())?.unwrap();
                    branch.usage = branch.usage.plus(Usage::of(50));
                    Ok(BRANCHES.put(tx.txn, &key, &branch)?)
                });
                it.repair()
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        for repair in repairs {
            assert_eq!((repair.repaired, repair.left()), (2, 0), "{repair}");
        }
    });
    it.verify();
}

#[test]
fn a_check_that_is_stopped_or_too_old_says_so() {
    let it = Fixture::new();
    let stop = Stop::new();
    stop.request();
    let progress = &mut |_| ();
    let found = it.store.check(&mut Watch { stop: &stop, age_max: AGE_MAX, progress }).unwrap();
    assert_eq!(found.aborted.as_deref(), Some("it was asked to stop"));
    assert!(!found.is_clean());

    let progress = &mut |_| it.clock.advance(Duration::from_secs(400));
    let stop = Stop::new();
    let found = it.store.check(&mut Watch { stop: &stop, age_max: AGE_MAX, progress }).unwrap();
    assert!(found.aborted.unwrap().contains("older than 600s"));
}

/// Two branches with a drift each; the second one in a tag.
fn drifted() -> Fixture {
    let it = Fixture::new();
    it.put("c/t/j/f/five", "five");
    it.put("c/u/j/f/six", "six");
    it.damage(|tx| {
        let (key, mut branch) = BRANCHES.first(tx.txn, Span::all())?.unwrap();
        branch.usage = Usage::of(3);
        branch.tags.released = 4;
        BRANCHES.put(tx.txn, &key, &branch)?;
        let (key, mut tag) = TAGS.first(tx.txn, Span::all().descending())?.unwrap();
        tag.usage = Usage::of(99);
        TAGS.put(tx.txn, &key, &tag)?;
        tx.count(|totals| totals.queue = 12)
    });
    it
}

#[test]
fn a_small_store_is_recounted_in_one_share() {
    let it = drifted();
    let mut position = Position::default();
    let share = it.store.recount_share(&mut position, 100_000, &Stop::new()).unwrap();
    assert_eq!((share.recount.count, share.recount.repaired), (4, 4), "{}", share.recount);
    it.verify();
}

#[test]
fn a_large_store_is_recounted_share_by_share() {
    for rows_max in [4, 5, 10, 20] {
        let (it, mut position, mut repaired) = (drifted(), Position::default(), 0);
        for _ in 0..40 {
            let share = it.store.recount_share(&mut position, rows_max, &Stop::new()).unwrap();
            assert!(share.rows <= 2 * rows_max, "{} rows of {rows_max}", share.rows);
            repaired += share.recount.repaired;
        }
        assert_eq!(repaired, 4, "{rows_max} rows at a time");
        it.verify();
    }
}

#[test]
fn a_share_leaves_rows_alone_and_waits_for_a_repair() {
    let it = Fixture::new();
    let one = it.blob("one");
    it.damage(move |tx| Ok(crate::db::schema::FREE.put(tx.txn, &(Timestamp(3), one), &())?));
    let share = |it: &Fixture| {
        it.store.recount_share(&mut Position::default(), 100_000, &Stop::new()).unwrap().recount
    };
    let found = share(&it);
    assert_eq!((found.count, found.repaired), (1, 0), "{found}");
    let _repairing = it.store.shared.repairing.lock();
    assert_eq!(share(&it).count, 0);
}
