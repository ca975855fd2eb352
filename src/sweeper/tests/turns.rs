//! When the sweeper runs and for what, turn by turn, without its thread.

use std::time::Duration;

use super::house::{HOUR, House, LEASE_OVER};
use crate::model::{Run, Scope, Trigger};
use crate::sweeper::schedule::Wake;

const LARGE: &str = "some text that is long enough to be a file";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was asked for, as far as the sweeper takes it up now.
fn turn(house: &mut House) -> Option<Run> {
    let sweeper = house.sweeper();
    let mail = sweeper.mailbox.wait(Some(Duration::ZERO));
    sweeper.turn(mail)
}

fn wake(house: &mut House) -> Option<Wake> {
    house.sweeper().next_wake()
}

/// Lets time go by up to the moment for which the sweeper set its alarm.
fn sleep(house: &mut House) -> Option<Run> {
    let wake = wake(house).unwrap();
    let now = house.store().clock().now();
    house.clock.advance(wake.at.since(now));
    turn(house)
}

/// A house in which one large file was just deleted.
fn with_garbage() -> House {
    let mut house = House::new();
    house.put("b/t/x", LARGE).unwrap();
    house.delete_tag("b/t").unwrap();
    house
}

#[test]
fn requests_made_meanwhile_become_one_run_full_if_any_was() {
    let mut house = House::new();
    let handle = house.sweeper().handle();
    let first = handle.ask(Scope::Reclaim, Trigger::Delete);
    let mail = house.sweeper().mailbox.wait(None);
    let later = [
        handle.ask(Scope::Reclaim, Trigger::Delete),
        handle.ask(Scope::Full, Trigger::Signal),
        handle.ask(Scope::Full, Trigger::Request),
        handle.ask(Scope::Reclaim, Trigger::Delete),
    ];
    assert_eq!(handle.status().asked, Some(Scope::Full));
    let run = house.sweeper().turn(mail).unwrap();
    assert_eq!((run.scope, run.trigger), (Scope::Reclaim, Trigger::Delete));
    assert_eq!(handle.wait(first, Duration::ZERO).unwrap(), run);
    assert_eq!(handle.wait(later[0], Duration::ZERO), None);
    let run = turn(&mut house).unwrap();
    assert_eq!((run.scope, run.trigger), (Scope::Full, Trigger::Signal));
    for ticket in later {
        assert_eq!(handle.wait(ticket, Duration::ZERO).unwrap(), run);
    }
    assert_eq!(turn(&mut house), None);
    assert_eq!(handle.status().asked, None);
}

#[test]
fn space_comes_back_when_the_lease_ends_without_anybody_asking() {
    let mut house = with_garbage();
    house.sweeper().handle().ask(Scope::Reclaim, Trigger::Delete);
    turn(&mut house).unwrap();
    assert_eq!(house.targets(), 1);
    house.clock.advance(LEASE_OVER / 2);
    assert_eq!(turn(&mut house), None);
    let run = sleep(&mut house).unwrap();
    assert_eq!((run.scope, run.trigger), (Scope::Reclaim, Trigger::Lease));
    assert_eq!((house.targets(), wake(&mut house)), (0, None));
}

#[test]
fn a_file_that_is_being_read_goes_when_its_reader_has_gone() {
    let mut house = with_garbage();
    house.sweep();
    house.sweeper().settings.unlink_workers = 0;
    house.clock.advance(LEASE_OVER);
    house.sweep();
    // Between collecting and unlinking somebody begins to read.
    let (blob, _) = house.store().unlinks(None, 1).unwrap()[0];
    let pin = house.store().pins().pin(blob);
    house.sweeper().settings.unlink_workers = 1;
    let run = house.sweep();
    assert_eq!((run.error_count, house.targets()), (0, 1));
    sleep(&mut house).unwrap();
    assert_eq!(house.targets(), 1);
    drop(pin);
    sleep(&mut house).unwrap();
    assert_eq!((house.targets(), wake(&mut house)), (0, None));
}

#[test]
fn the_period_goes_on_over_a_restart_and_lesser_runs() {
    let mut house = House::new();
    house.settings.period = Some(DAY);
    house.restart();
    let run = turn(&mut house).unwrap();
    assert_eq!((run.scope, run.trigger), (Scope::Full, Trigger::Timer));
    let due = house.store().clock().now().after(DAY);
    for _ in 0..3 {
        house.clock.advance(HOUR);
        house.sweeper().run(Scope::Reclaim, Trigger::Delete);
        assert_eq!(wake(&mut house).unwrap().at, due);
        house.restart();
        assert_eq!(wake(&mut house).unwrap().at, due);
    }
    assert_eq!(sleep(&mut house).unwrap().scope, Scope::Full);
    assert_eq!(wake(&mut house).unwrap().at, due.after(DAY));
}

#[test]
fn a_full_run_that_is_due_swallows_a_lesser_request() {
    let mut house = House::new();
    house.settings.period = Some(DAY);
    house.restart();
    let ticket = house.sweeper().handle().ask(Scope::Reclaim, Trigger::Delete);
    assert_eq!(turn(&mut house).unwrap().scope, Scope::Full);
    let handle = house.sweeper().handle();
    assert_eq!(handle.wait(ticket, Duration::ZERO).unwrap().scope, Scope::Full);
    assert_eq!(turn(&mut house), None);
}

#[test]
fn the_thread_begins_with_a_full_run_and_ends_when_asked() {
    let mut house = with_garbage();
    let store = house.store().clone();
    let running = house.take();
    let stop = running.stop.clone();
    let thread = running.sweeper.start().unwrap();
    let ticket = thread.handle().ask(Scope::Reclaim, Trigger::Delete);
    // Of the first run, or of one after it.
    thread.handle().wait(ticket, Duration::from_secs(30)).unwrap();
    let first = store.view().unwrap().runs(100).unwrap().pop().unwrap();
    assert_eq!((first.scope, first.trigger), (Scope::Full, Trigger::Startup));
    stop.request();
    let handle = thread.handle().clone();
    drop(thread);
    let ticket = handle.ask(Scope::Full, Trigger::Request);
    assert_eq!(handle.wait(ticket, Duration::from_secs(30)), None);
}
