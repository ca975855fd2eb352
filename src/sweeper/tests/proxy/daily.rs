//! When the sweeper wakes for the proxy: at which times of the day, over restarts, and for what.

use super::*;
use crate::sweeper::schedule::Wake;

/// Midnight of the day on which the clock of a new house begins: 2023-11-14, 22:13:20.
const MIDNIGHT: Timestamp = Timestamp(1_699_920_000_000_000);

fn at(day: u32, hour: u64, minute: u64) -> Timestamp {
    MIDNIGHT.after(DAY * day).after(Duration::from_secs((hour * 60 + minute) * 60))
}

fn wake_at(house: &mut House) -> Option<Timestamp> {
    house.sweeper().next_wake().map(|wake| wake.at)
}

/// Lets time go by up to `moment`, with a look each minute, as the thread does.
fn live_until(house: &mut House, moment: Timestamp) -> Vec<(Timestamp, Run)> {
    let mut runs = Vec::new();
    loop {
        let now = house.store().clock().now();
        if let Some(run) = house.sweeper().turn(None) {
            runs.push((now, run));
        }
        if now >= moment {
            return runs;
        }
        let next = wake_at(house).filter(|at| *at > now).unwrap_or(Timestamp::MAX);
        let step = next.min(now.after(Duration::from_secs(60))).min(moment);
        house.clock.advance(step.since(now));
    }
}

/// The moments at which ages were looked at.
fn looks(runs: &[(Timestamp, Run)]) -> Vec<Timestamp> {
    runs.iter().filter(|(_, run)| stage(run, EXPIRE).is_some()).map(|(at, _)| *at).collect()
}

#[test]
fn ages_are_looked_at_each_day_at_00_40() {
    let mut house = House::new();
    let group = group(&house, "acme");
    assert_eq!(house.sweeper().turn(None), None);
    assert_eq!(wake_at(&mut house), None, "no policy, nothing to wake for");
    keep_for(&house, group, 2);
    let wake = house.sweeper().next_wake().unwrap();
    let expected = Wake { at: at(1, 0, 40), scope: Scope::Reclaim, trigger: Trigger::Lease };
    assert_eq!(wake, expected);
    pull(&house, group).unwrap();
    let runs = live_until(&mut house, at(3, 0, 40));
    assert_eq!(looks(&runs), [at(1, 0, 40), at(2, 0, 40), at(3, 0, 40)]);
    let marked: u64 = runs.iter().filter_map(|(_, run)| items(run, EXPIRE)).sum();
    assert_eq!(
        marked, 2,
        "what was pulled on the evening of the first day is too old on the third"
    );
    assert_eq!(usage(&house, group), 0, "deleting starts right after");
}

#[test]
fn restarts_that_come_more_often_than_the_day_starve_nothing_and_what_was_missed_comes_once() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 30);
    let mut runs = Vec::new();
    for hour in 0..72 {
        runs.extend(live_until(&mut house, at(0, 23 + hour, 11)));
        house.restart();
    }
    assert_eq!(looks(&runs), [at(1, 0, 40), at(2, 0, 40), at(3, 0, 40)]);
    // It was off for a week.
    house.clock.advance(DAY * 7);
    house.restart();
    let now = house.store().clock().now();
    house.sweeper().handle().ask(Scope::Full, Trigger::Startup);
    let mail = house.sweeper().mailbox.wait(Some(Duration::ZERO));
    let run = house.sweeper().turn(mail).unwrap();
    assert_eq!(items(&run, EXPIRE), Some(0), "{:?}", run.errors);
    let runs = live_until(&mut house, now.after(DAY));
    assert_eq!(looks(&runs).len(), 1);
}

#[test]
fn what_lies_about_is_started_at_03_20_and_15_20_and_only_then() {
    let mut house = House::new();
    let group = group(&house, "acme");
    house.sweeper().turn(None);
    capacity(&house, 0);
    blobs(&house, group, 2);
    purge(&house, group);
    live_until(&mut house, at(1, 4, 0));
    assert_eq!((waiting(&house, CachedKind::Blob).pending, wake_at(&mut house)), (2, None));
    capacity(&house, 2);
    assert_eq!(wake_at(&mut house), Some(at(1, 15, 20)));
    let runs = live_until(&mut house, at(1, 23, 0));
    let starts: Vec<_> = runs.iter().filter(|(_, run)| items(run, DELETE) == Some(2)).collect();
    assert_eq!(starts.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [at(1, 15, 20)]);
    assert_eq!(usage(&house, group), 0);
    // With nothing pending the next starts come and go.
    let runs = live_until(&mut house, at(3, 0, 0));
    assert!(runs.iter().all(|(_, run)| stage(run, DELETE).is_none()));
    assert_eq!(house.store().view().unwrap().last_proxy_start().unwrap(), Some(at(2, 15, 20)));
}

#[test]
fn a_purge_that_nobody_told_of_is_noticed_and_starts_deleting() {
    let mut house = House::new();
    let group = group(&house, "acme");
    pull(&house, group).unwrap();
    house.sweeper().turn(None);
    assert_eq!(wake_at(&mut house), None);
    purge(&house, group);
    let run = house.sweeper().turn(None).unwrap();
    assert_eq!((items(&run, MARK), items(&run, DELETE)), (Some(2), Some(2)));
    let now = house.store().clock().now();
    assert!(wake_at(&mut house).is_some_and(|at| at > now), "only the lease is left");
}

#[test]
fn reads_are_written_each_minute_at_most_once_an_hour_and_before_ages_are_looked_at() {
    let mut house = House::new();
    let group = group(&house, "acme");
    let id = blob(house.store(), group, "x").unwrap();
    let read = |house: &House| entry(house, id).unwrap().read;
    let created = read(&house);
    house.clock.advance(HOUR);
    house.store().note_cached_read(id);
    assert_eq!(read(&house), created);
    house.sweeper().turn(None);
    let first = read(&house);
    assert_eq!(first, house.store().clock().now());
    house.clock.advance(Duration::from_secs(60));
    house.store().note_cached_read(id);
    house.sweeper().turn(None);
    assert_eq!(read(&house), first);
}

#[test]
fn a_clock_that_was_ahead_does_not_stop_the_days() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 30);
    house.sweeper().turn(None);
    let now = house.store().clock().now();
    house.clock.jump(now.after(DAY * 4000));
    house.sweeper().handle().accept_clock();
    house.sweep();
    house.clock.jump(now);
    // The jump back is noticed at 00:40, and believed ten minutes later.
    let looks = looks(&live_until(&mut house, at(1, 2, 0)));
    assert_eq!(looks.len(), 1);
    assert!(looks[0] >= at(1, 0, 50) && looks[0] <= at(1, 0, 52), "{looks:?}");
}
