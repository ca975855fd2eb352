//! Tests of the database floor (I5, I7, I8, I10), on a disk in memory that fails when it is told
//! to ([`disk::TestDisk`]).

mod batches;
mod codec;
mod crash;
pub(crate) mod disk;
mod failures;
mod file;
mod golden;
mod migrate;
pub(crate) mod random;
mod slices;
mod table;

use std::sync::Arc;
use std::time::Duration;

use super::schema::{META, Meta};
use super::{Db, Error, Options, WriteTxn};
use disk::TestDisk;

/// Options that let a batch gather everything that waits, however slow the machine is.
pub(crate) fn options() -> Options {
    let work_bound = Duration::from_secs(60);
    Options { cache_bytes: 1 << 20, work_bound, batch_max: 512, ..Options::default() }
}

pub(crate) fn open(disk: &TestDisk) -> Db {
    Db::open_with(disk.opener(), options()).unwrap()
}

/// Sequences serve the tests as counters.
const COUNTER: Meta = Meta::NEXT_RUN;

fn add_one(txn: &WriteTxn) -> Result<u64, Error> {
    let next = META.get(txn, &COUNTER)?.unwrap_or(0) + 1;
    META.put(txn, &COUNTER, &next)?;
    Ok(next)
}

fn read(db: &Db, key: Meta) -> Result<Option<u64>, Error> {
    META.get(&db.snapshot()?, &key)
}

fn commits(db: &Db) -> u64 {
    read(db, Meta::COMMITS).unwrap().unwrap_or(0)
}

/// Occupies the writer until the returned guard is dropped, so that what is queued meanwhile
/// waits and becomes one batch.
fn hold_writer(db: &Db) -> std::sync::mpsc::Sender<()> {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (entered, has_entered) = std::sync::mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let pending = db.write(move |_| {
        entered.send(()).map_err(|_| Error::Broken("nobody listens".into()))?;
        let _ = released.lock().unwrap().recv();
        Ok::<_, Error>(())
    });
    drop(pending);
    has_entered.recv().unwrap();
    release
}

/// Counts how often room was asked for, and makes it when told so.
fn making_room(disk: &TestDisk) -> Options {
    let disk = disk.clone();
    Options { make_room: Arc::new(move |_| disk.make_room()), ..options() }
}
