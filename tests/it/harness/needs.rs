//! What a test needs of the machine. Missing is a printed reason to skip, or a failure where
//! `tests/run` says that everything is there.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The command of this name, or `None` after saying why the test is skipped.
#[track_caller]
pub fn needs(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(command));
    found(places.find(|place| place.is_file()), &format!("the command {command} is not installed"))
}

/// A client that `tests/run --install` fetches into a folder of its own.
#[track_caller]
pub fn needs_client(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LARDER_TEST_CLIENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients"),
        PathBuf::from,
    );
    let place = folder.join(name);
    let why = format!("the client {name} is not in {}", folder.display());
    found(place.is_file().then_some(place), &why)
}

/// A file that is made beforehand; `how` tells by what.
#[track_caller]
pub fn file(place: &Path, how: &str) -> Option<()> {
    found(place.is_file().then(PathBuf::new), &format!("there is no {}: {how}", place.display()))
        .map(drop)
}

/// A folder that comes with packages of the system.
#[track_caller]
pub fn folder(place: &Path, why: &str) -> Option<()> {
    found(place.is_dir().then(PathBuf::new), why).map(drop)
}

#[track_caller]
fn found(place: Option<PathBuf>, why: &str) -> Option<PathBuf> {
    if place.is_none() {
        skip(why);
    }
    place
}

#[track_caller]
fn skip(why: &str) {
    let help = "tests/run --install gets it";
    let strict = std::env::var_os("LARDER_TEST_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "{why}; {help}");
    cannot(why);
}

/// Notes that a test is skipped for what the machine itself cannot do, whatever is installed.
pub fn cannot(why: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    eprint!("skipped {line}");
    if let Some(list) = std::env::var_os("LARDER_TEST_SKIPS") {
        let mut list = File::options().append(true).create(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}
