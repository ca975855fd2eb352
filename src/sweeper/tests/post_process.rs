//! A post-process is stopped, or an effect of it fails, at each of its effects in turn: the old
//! files are there or the new ones, and in the end nothing is left of the others (I1, I2, I5).

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::gate::Fault;
use super::house::{House, Loss, file, is_unknown};
use crate::model::CommandLine;
use crate::stop::Stop;
use crate::store::detached::Cause;
use crate::tree::Error;
use crate::tree::post_process::Settings;

const LARGE: &str = "some text that is long enough to be a file";
const GONE: &str = "another text that is long enough to be a file";
const NEW: &str = "a text that was made and is long enough to be a file";

/// What the script makes of the files.
const SCRIPT: &str = "set -e
    printf signed > small; rm gone; printf %s \"$(cat large)\" > copy
    printf 'a text that was made and is long enough to be a file' > large
    cp large again";
const AFTER: [(&str, Option<&str>); 6] = [
    ("b/t/small", Some("signed")),
    ("b/t/kept", Some("kept")),
    ("b/t/gone", None),
    ("b/t/large", Some(NEW)),
    ("b/t/again", Some(NEW)),
    ("b/t/copy", Some(LARGE)),
];

fn prepare(house: &mut House) {
    for (path, text) in [("small", "small"), ("kept", "kept"), ("large", LARGE), ("gone", GONE)] {
        house.put(&format!("b/t/{path}"), text).unwrap();
    }
}

fn process(house: &mut House, scratch: &Path) -> Result<(), Error> {
    let script = scratch.join("script");
    std::fs::write(&script, SCRIPT).unwrap();
    let command = CommandLine::parse(&format!("/bin/sh {}", script.display())).unwrap();
    let settings = Settings {
        command,
        filter: None,
        time_max: Duration::from_secs(60),
        runs_max: 1,
        output_bytes_max: 9999,
        slice: Duration::from_secs(60),
        data: scratch.to_owned(),
    };
    let tree = house.running().tree.clone().with_post_process(settings, Stop::new());
    let format = file("b/t/small").format;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let turn = runtime.block_on(tree.post_process_turn(&format)).unwrap();
    let result = tree.post_process(&format, "http://localhost", Cause::request("eve"), turn);
    let unknown = match &result {
        Err(Error::Store(error)) => is_unknown::<()>(&Err(error.clone())),
        _ => false,
    };
    for (path, body) in AFTER {
        house.tell(path, body, result.is_ok(), unknown);
    }
    result
}

/// The files are all old or all new.
#[track_caller]
fn check(house: &House, when: &str) {
    house.check(when);
    let is_new = house.read("b/t/again").is_some();
    assert_eq!(house.read("b/t/gone").is_none(), is_new, "{when}");
    assert_eq!(house.read("b/t/small").unwrap() == b"signed", is_new, "{when}");
}

fn at_every_effect(faults: &[Fault], losses: &[Loss]) {
    let scratch = TempDir::new().unwrap();
    let mut house = House::new();
    for n in 0.. {
        prepare(&mut house);
        let turn = usize::try_from(n).unwrap();
        let (fault, loss) = (faults[turn % faults.len()], losses[turn % losses.len()]);
        house.gate.set(n, fault);
        let result = process(&mut house, scratch.path());
        if !house.gate.has_failed() {
            result.unwrap();
            check(&house, "without a fault");
            assert!(n > 50, "there are more effects than {n}");
            return;
        }
        let when = format!("{fault:?} at effect {n}, then {loss:?} lost");
        if fault != Fault::Stop {
            house.gate.open();
            check(&house, &when);
        }
        house.crash(loss);
        assert_eq!(house.staged(), 0, "{when}");
        check(&house, &when);
        house.settle(&when);
        house.clear(&when);
    }
}

#[test]
fn the_process_may_be_killed_at_any_effect_of_a_post_process() {
    at_every_effect(&[Fault::Stop], &[Loss::Nothing]);
}

#[test]
fn the_power_may_go_at_any_effect_of_a_post_process() {
    let losses = [Loss::Everything, Loss::Staging, Loss::Everything, Loss::Targets];
    at_every_effect(&[Fault::Stop], &losses);
}

#[test]
fn any_effect_of_a_post_process_may_fail_or_be_told_as_failed() {
    let faults = [
        Fault::Once(ErrorKind::Other),
        Fault::Late(ErrorKind::Other),
        Fault::Once(ErrorKind::StorageFull),
    ];
    at_every_effect(&faults, &[Loss::Nothing, Loss::Everything]);
}
