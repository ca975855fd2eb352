//! A day of the whole house is stopped, or fails, at each of its effects in turn (I1, I2, I5).

use std::io::ErrorKind;

use super::gate::Fault;
use super::house::{HOUR, House, LEASE_OVER, Loss};
use crate::tree::Error;

const LARGE: &str = "some text that is long enough to be a file";
const OTHER: &str = "another text that is long enough to be a file";
const THIRD: &str = "a third text that is long enough to be a file";

type Step = fn(&mut House) -> Result<(), Error>;

/// Every way in and out of the store, over small and large bodies, in two repositories.
const DAY: &[Step] = &[
    |house| house.put("b/t/small", "small"),
    |house| house.put("b/t/large", LARGE),
    |house| house.put("~u:b/u/copy", LARGE),
    |house| house.put("~u:b/u/small", "small"),
    |house| house.put("b/t/large", LARGE),
    |house| house.put("b/t/small", OTHER),
    |house| house.put("b/t/large", "tiny"),
    |house| house.promise_and_link("~u:b/v/link", OTHER),
    |house| house.put("b/t/own", THIRD),
    |house| house.delete_tag("b/t"),
    |house| {
        house.sweep();
        Ok(())
    },
    |house| house.promise_and_link("~u:b/v/free", "tiny"),
    |house| house.promise_and_link("~u:b/v/third", THIRD),
    |house| house.delete_tag("~u:b/v"),
    |house| {
        house.clock.advance(LEASE_OVER);
        house.sweep();
        house.clock.advance(LEASE_OVER);
        house.sweep();
        Ok(())
    },
    |house| house.put("b/w/again", THIRD),
    |house| house.put("b/w/tiny", "tiny"),
    |house| {
        house.clock.advance(HOUR);
        house.sweep();
        Ok(())
    },
];

/// Lets a day go by until the machine stops, if it does; errors are the client's to bear.
fn day(house: &mut House) {
    for step in DAY {
        let _ = step(house);
        if house.gate.has_stopped() {
            return;
        }
    }
}

/// What goes wrong, and what is lost at the restart after it.
type Case = (Fault, Loss);

/// Does `test` with a fault at each effect of a day: with one of `cases` after the other, and
/// with all of them at each effect when `LARDER_TEST_ROUNDS` is set.
fn at_every_effect(cases: &[Case], test: impl Fn(&mut House, Loss, &str)) {
    let all = std::env::var_os("LARDER_TEST_ROUNDS").is_some();
    let mut house = House::new();
    for n in 0.. {
        let turn = usize::try_from(n).unwrap() % cases.len();
        for (fault, loss) in if all { cases } else { &cases[turn..=turn] } {
            house.gate.set(n, *fault);
            day(&mut house);
            if !house.gate.has_failed() {
                assert!(n > 400, "a day has more effects than {n}");
                return;
            }
            let when = format!("{fault:?} at effect {n}, then {loss:?} lost");
            test(&mut house, *loss, &when);
            house.clear(&when);
        }
    }
}

#[test]
fn a_day_without_a_fault_gives_all_space_back() {
    let mut house = House::new();
    for step in DAY {
        step(&mut house).unwrap();
    }
    house.check("after the day");
    assert_eq!((house.staged(), house.targets()), (0, 2));
    house.settle("in the end");
}

fn crash_at_every_effect(losses: &[Loss]) {
    let cases: Vec<Case> = losses.iter().map(|loss| (Fault::Stop, *loss)).collect();
    at_every_effect(&cases, |house, loss, when| {
        house.crash(loss);
        assert_eq!(house.staged(), 0, "{when}");
        house.check(when);
        house.settle(when);
    });
}

#[test]
fn the_process_may_be_killed_at_any_effect() {
    crash_at_every_effect(&[Loss::Nothing]);
}

#[test]
fn the_power_may_go_at_any_effect() {
    crash_at_every_effect(&[Loss::Everything, Loss::Staging, Loss::Everything, Loss::Targets]);
}

/// What fails costs its own request and nothing else: the process goes on, and a restart later
/// finds nothing that was left.
#[test]
fn any_effect_may_fail_or_be_told_as_failed_or_find_the_disk_full() {
    let cases = [
        (Fault::Once(ErrorKind::Other), Loss::Everything),
        (Fault::Late(ErrorKind::Other), Loss::Nothing),
        (Fault::Once(ErrorKind::StorageFull), Loss::Everything),
        (Fault::Once(ErrorKind::Other), Loss::Nothing),
        (Fault::Late(ErrorKind::Other), Loss::Everything),
        (Fault::Late(ErrorKind::StorageFull), Loss::Everything),
        (Fault::Once(ErrorKind::StorageFull), Loss::Nothing),
    ];
    at_every_effect(&cases, |house, loss, when| {
        house.gate.open();
        house.check(when);
        house.crash(loss);
        house.check(when);
        house.settle(when);
    });
}
