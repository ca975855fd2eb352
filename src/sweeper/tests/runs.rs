//! What a run does when something is in its way, and what is known of it afterwards.

use std::sync::mpsc;
use std::time::Duration;

use rustix::io::Errno;

use super::gate::Fault;
use super::house::{HOUR, House, LEASE_OVER, branch, file, tag, upload};
use crate::model::tag::TagChange;
use crate::model::{Run, Scope, Trigger, UserName};
use crate::store::Error;
use crate::store::branches::PolicyChange;
use crate::sweeper::stages::UNLINK;

const LARGE: &str = "some text that is long enough to be a file";

/// A house with one large file that was collected, but not unlinked.
fn with_collected() -> House {
    let mut house = House::new();
    house.settings.unlink_workers = 0;
    house.restart();
    house.put("b/t/x", LARGE).unwrap();
    house.put("b/t/y", "small").unwrap();
    house.delete_tag("b/t").unwrap();
    house.sweep();
    house.clock.advance(LEASE_OVER);
    house.sweep();
    house
}

fn runs(house: &House, limit: usize) -> Vec<Run> {
    house.store().view().unwrap().runs(limit).unwrap()
}

#[test]
fn full_runs_forget_who_sent_what_when_that_is_long_ago() {
    let mut house = House::new();
    let eve = UserName::parse("eve").unwrap();
    let tree = house.running().tree.for_sender(Some(eve));
    for number in 0..3 {
        upload(&tree, file(&format!("b/t/{number}")), LARGE.as_bytes()).unwrap();
        upload(&tree, file(&format!("b/u/{number}")), number.to_string().as_bytes()).unwrap();
    }
    let expired = |run: &Run| run.stages.iter().find(|s| s.name == "expire").map(|s| s.items);
    assert_eq!(expired(&house.sweep()), Some(0));
    house.clock.advance(LEASE_OVER);
    assert_eq!(expired(&house.sweeper().run(Scope::Reclaim, Trigger::Delete)), None);
    // One for the text that is the same three times.
    assert_eq!(expired(&house.sweep()), Some(4));
    assert_eq!(expired(&house.sweep()), None);
}

#[test]
fn what_is_left_of_collected_blobs_in_the_index_goes_when_it_is_much() {
    let mut house = House::new();
    house.settings.lapsed_min = 3;
    house.restart();
    let cleared = |run: &Run| run.stages.iter().find(|s| s.name == "digests").map(|s| s.items);
    let collect = |house: &mut House, texts: &[&str]| {
        for text in texts {
            house.put(&format!("b/t/{text}"), text).unwrap();
        }
        house.delete_tag("b/t").unwrap();
        house.sweep();
        house.clock.advance(LEASE_OVER);
        house.sweep()
    };
    assert_eq!(cleared(&collect(&mut house, &["1", "2"])), None);
    let run = collect(&mut house, &["3", "1"]);
    // The digest of 1 has one row, and two notes that it is a collected blob's.
    assert_eq!((cleared(&run), run.error_count), (Some(4), 0));
    house.check("when they are cleared");
    assert_eq!(cleared(&house.sweep()), None);
    assert!(house.store().view().unwrap().lapsed(None).unwrap().is_empty());
}

#[test]
fn a_capacity_of_zero_pauses_unlinking_and_nothing_is_forgotten() {
    let mut house = with_collected();
    let run = house.sweep();
    assert!(run.stages.iter().all(|stage| stage.name != UNLINK));
    assert_eq!((run.error_count, house.targets(), house.totals().unlinks.files), (0, 1, 1));
    assert_eq!(house.sweeper().next_wake(), None);
    house.settings.unlink_workers = 2;
    house.restart();
    assert_eq!(house.totals().unlinks.files, 1);
    house.sweep();
    assert_eq!((house.targets(), house.totals().reclaimed.files), (0, 2));
}

#[test]
fn a_file_that_cannot_be_unlinked_is_shown_and_tried_less_and_less_often() {
    let mut house = with_collected();
    house.settings.unlink_workers = 1;
    house.restart();
    house.files_disk.fail("unlink", Errno::IO);
    let mut waits = Vec::new();
    for attempts in 1..=4 {
        let tried = loop {
            let run = house.sweep();
            if run.error_count > 0 {
                break run;
            }
            let wake = house.sweeper().next_wake().expect("it is not given up");
            let now = house.store().clock().now();
            house.clock.advance(wake.at.since(now));
        };
        assert!(tried.errors[0].contains("os error 5"), "{:?}", tried.errors);
        let (_, unlink) = house.store().unlinks(None, 9).unwrap().remove(0);
        assert_eq!(unlink.attempts, attempts);
        assert!(unlink.error.unwrap().contains("os error 5"));
        waits.push(unlink.not_before.since(house.store().clock().now()).as_secs());
    }
    assert_eq!((waits, house.targets()), (vec![10, 20, 40, 80], 1));
    house.check("while it cannot be unlinked");
    house.files_disk.restart();
    house.settle("when it can");
}

#[test]
fn a_tag_that_is_locked_while_its_policy_is_applied_stays() {
    let keep = PolicyChange { max_daily_tags: Some(1), max_released_tags: None };
    let lock = TagChange { locked: Some(true), ..TagChange::default() };
    let (mut stayed, mut gone) = (0, 0);
    let mut house = House::new();
    house.settings.rows_max = 1;
    house.restart();
    for effect in 0.. {
        let name = format!("b{effect}");
        for tag in ["t1", "t2", "t3", "t4", "t5"] {
            house.put(&format!("{name}/{tag}/x"), tag).unwrap();
            house.clock.advance(Duration::from_secs(1));
        }
        house.store().set_policy(branch(&name), keep).wait().unwrap();
        let (store, change) = (house.store().clone(), lock.clone());
        let (path, (sender, receiver)) = (tag(&format!("{name}/t3")), mpsc::channel());
        // The writer cannot wait for itself: the answer is looked at later.
        house.gate.at(effect, move || sender.send(store.change_tag(path, change)).unwrap());
        let run = house.sweep();
        assert_eq!(run.errors, Vec::<String>::new());
        house.gate.open();
        let Ok(pending) = receiver.recv() else { break };
        let is_there = house.read(&format!("{name}/t3/x")).is_some();
        match pending.wait() {
            Ok(()) => stayed += u64::from(is_there),
            Err(Error::NotFound(_)) => gone += u64::from(!is_there),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(stayed + gone, effect + 1);
        assert_eq!(house.branch(&name).tags.all, 1 + u64::from(is_there));
    }
    assert!(stayed > 2 && gone > 2, "{stayed} stayed, {gone} gone");
}

#[test]
fn the_last_thousand_runs_are_kept_over_restarts() {
    let mut house = House::new();
    for _ in 0..1005 {
        house.store().begin_run(Trigger::Request, Scope::Reclaim).unwrap();
    }
    let last = house.sweep();
    house.restart();
    let runs = runs(&house, 5000);
    assert_eq!((runs.len(), &runs[0]), (1000, &last));
    assert_eq!((runs[0].id.0, runs[999].id.0), (1006, 7));
    assert!(runs[0].ended.is_some() && runs[1].ended.is_none());
}

#[test]
fn a_run_that_fails_leaves_a_record_with_its_errors_and_is_tried_again() {
    let (mut told, mut unfinished) = (0, 0);
    let mut house = House::new();
    for effect in 0.. {
        house.put("b/t/x", LARGE).unwrap();
        house.delete_tag("b/t").unwrap();
        house.sweep();
        house.clock.advance(LEASE_OVER);
        house.put("b/u/x", "more").unwrap();
        house.delete_tag("b/u").unwrap();
        house.gate.set(effect, Fault::Once(std::io::ErrorKind::Other));
        let run = house.sweep();
        if !house.gate.has_failed() {
            break;
        }
        house.gate.open();
        if run.error_count > 0 {
            let wake = house.sweeper().next_wake().expect("it is tried again");
            assert!(wake.at <= house.store().clock().now().after(Duration::from_secs(10)));
        }
        match &runs(&house, 1)[0] {
            // It could not even begin.
            _ if run.id.0 == 0 => {}
            record if record.ended.is_some() => {
                assert_eq!(*record, run);
                told += u64::from(run.error_count > 0);
            }
            _ => unfinished += 1,
        }
        house.settle(&format!("effect {effect}"));
    }
    assert!(told > 5 && unfinished > 0, "{told} with errors, {unfinished} without an end");
}

#[test]
fn a_run_stops_between_slices_and_the_next_start_goes_on() {
    let mut house = House::new();
    house.settings.rows_max = 2;
    house.restart();
    for number in 0..10 {
        house.put(&format!("b/t/{number}"), &format!("{number} {LARGE}")).unwrap();
    }
    house.delete_tag("b/t").unwrap();
    let stop = house.running().stop.clone();
    house.gate.at(40, move || stop.request());
    let run = house.sweep();
    assert_eq!((run.ended, run.error_count), (None, 0));
    let left = house.totals();
    assert!(left.queue == 1 && left.detached.files > 0 && left.free.files > 0, "{left:?}");
    house.check("after the stop");
    house.gate.open();
    house.restart();
    assert_eq!(house.store().view().unwrap().last_full_run().unwrap(), None);
    house.settle("after the next start");
}

#[test]
fn after_a_jump_of_the_clock_nothing_is_removed_until_it_is_accepted() {
    let mut house = House::new();
    house.put("b/t/x", LARGE).unwrap();
    house.delete_tag("b/t").unwrap();
    house.sweep();
    let now = house.store().clock().now();
    house.clock.jump(now.after(HOUR));
    let handle = house.sweeper().handle();
    for _ in 0..2 {
        let run = house.sweep();
        assert!(run.errors[0].contains("the clock jumped"), "{:?}", run.errors);
        assert!(handle.status().held.unwrap().contains("ahead"));
        assert_eq!((house.targets(), house.totals().free.files), (1, 1));
    }
    handle.accept_clock();
    assert_eq!(house.sweep().error_count, 0);
    assert_eq!((house.targets(), handle.status().held), (0, None));
}

#[test]
fn a_clock_that_was_set_back_over_a_restart_holds_too() {
    let mut house = House::new();
    house.put("b/t/x", LARGE).unwrap();
    house.sweep();
    let now = house.store().clock().now();
    drop(house.take());
    house.clock.jump(now.before(HOUR));
    house.start();
    let run = house.sweep();
    assert!(run.errors[0].contains("behind the time before"), "{:?}", run.errors);
}
