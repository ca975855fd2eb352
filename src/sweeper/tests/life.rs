//! Cells of the life of a blob that no other test names: see the table in [`super`].

use std::io::ErrorKind;

use super::gate::Fault;
use super::house::{HOUR, House, LEASE, LEASE_OVER, Loss};

const LARGE: &str = "some text that is long enough to be a file";
const FAULTS: [Fault; 3] = [
    Fault::Once(ErrorKind::Other),
    Fault::Late(ErrorKind::Other),
    Fault::Once(ErrorKind::StorageFull),
];

/// Effects of an upload from its first to the one that links its target, that one included.
const EFFECTS_TO_PLACE: u64 = 7;

#[test]
fn placed_a_commit_of_unknown_outcome_leaves_both_names_until_the_rows_decide() {
    let (mut kept, mut removed) = (0, 0);
    for effect in EFFECTS_TO_PLACE.. {
        let mut house = House::new();
        house.gate.set(effect, Fault::Late(ErrorKind::Other));
        let answer = house.put("b/t/x", LARGE);
        if !house.gate.has_failed() {
            break;
        }
        house.gate.open();
        if answer.is_ok() {
            // Only the removal of the staging name failed.
            assert_eq!((house.staged(), house.targets()), (0, 1));
            continue;
        }
        assert_eq!((house.staged(), house.targets()), (1, 1), "{effect}: {answer:?}");
        house.crash(Loss::Everything);
        kept += house.running().recovered.kept;
        removed += house.running().recovered.removed;
        house.check("after the restart");
        house.settle("after the restart");
    }
    assert!(kept > 0 && removed > 0, "{kept} kept, {removed} removed");
}

#[test]
fn placed_on_a_full_disk_the_upload_is_refused_and_leaves_nothing() {
    let mut house = House::new();
    house.rows_disk.limit_growth(0, 0);
    let mut refused = 0;
    for number in 0..2000 {
        let answer = house.put(&format!("b/t/{number}"), &format!("{number} {LARGE}"));
        if let Err(error) = answer {
            assert!(error.is_full(), "{error}");
            refused += 1;
        }
        if refused > 3 {
            break;
        }
    }
    assert!(refused > 3);
    house.check("on the full disk");
    assert_eq!(house.staged(), 0);
    house.rows_disk.unlimit();
    house.put("b/t/more", LARGE).unwrap();
    house.settle("with room again");
}

#[test]
fn on_a_full_disk_the_ballast_pays_for_deleting_and_sweeping() {
    let mut house = House::new();
    for number in 0..300 {
        house.put(&format!("b/t/{number}"), &format!("{number} {LARGE}")).unwrap();
    }
    house.rows_disk.limit_growth(0, 4 << 20);
    house.delete_tag("b/t").unwrap();
    house.settle("on the full disk");
    assert_eq!(house.totals().reclaimed.files, 300);
}

#[test]
fn free_a_promise_that_cannot_be_committed_is_not_given() {
    for fault in FAULTS {
        for text in ["small", LARGE] {
            let mut house = House::new();
            house.put("b/t/x", text).unwrap();
            house.delete_tag("b/t").unwrap();
            house.sweep();
            house.clock.advance(LEASE_OVER / 2);
            house.gate.set(0, fault);
            assert_eq!(house.promise(text), None, "{fault:?}");
            house.gate.open();
            assert_eq!(house.promise(text), Some(text.len()));
            house.crash(Loss::Everything);
            house.clock.advance(LEASE);
            house.sweep();
            house.promise_and_link("b/u/x", text).unwrap();
            assert_eq!(house.read("b/u/x").unwrap(), text.as_bytes());
            house.settle("in the end");
        }
    }
}

#[test]
fn collected_an_upload_of_the_same_bytes_is_another_blob_whatever_happens_to_the_first() {
    for loss in [Loss::Nothing, Loss::Everything, Loss::Staging, Loss::Targets] {
        for text in ["small", LARGE] {
            let mut house = House::new();
            house.settings.unlink_workers = 0;
            house.restart();
            house.put("b/t/x", text).unwrap();
            house.delete_tag("b/t").unwrap();
            house.sweep();
            house.clock.advance(LEASE_OVER);
            house.sweep();
            house.put("b/u/x", text).unwrap();
            house.crash(loss);
            house.check("two of them");
            house.sweeper().settings.unlink_workers = 1;
            for fault in FAULTS {
                house.gate.set(0, fault);
                house.sweep();
                house.gate.open();
                house.clock.advance(HOUR);
            }
            house.settle("one of them");
            assert_eq!(house.read("b/u/x").unwrap(), text.as_bytes());
        }
    }
}
