//! Loss of power at every write, resize and sync: what was acknowledged is there (I5), and what
//! is there is whole.

use std::io::ErrorKind;

use super::disk::{Lasts, On, TestDisk, Unsynced};
use super::random::{Random, for_seeds};
use super::{COUNTER, open, options};
use crate::db::schema::{INLINE, META};
use crate::db::{Db, Error, OpenDisk, Span};
use crate::model::BlobId;

/// Long enough for some commits, so that its halves take turns.
const JOURNAL_BYTES: usize = 512 << 10;

/// How the database is opened.
type Way = fn(&TestDisk) -> OpenDisk;
const PLAIN: Way = TestDisk::opener;
const JOURNALED: Way = |disk| disk.journaled_opener(JOURNAL_BYTES);

/// Adds rows, one per transaction and alternately alone and in pairs; returns how many were
/// acknowledged, all of them before the first that was not.
fn work(disk: &TestDisk, way: Way) -> u64 {
    let Ok(db) = Db::open_with(way(disk), options()) else { return 0 };
    let mut acknowledged = 0;
    for _ in 0..6 {
        let pair = [add_row(&db), add_row(&db)];
        for pending in pair {
            match pending.wait() {
                Ok(row) => acknowledged = row,
                Err(_) => return acknowledged,
            }
        }
    }
    acknowledged
}

/// A row and its number, which must change together.
fn add_row(db: &Db) -> crate::db::Pending<u64, Error> {
    db.write(|txn| {
        let next = META.get(txn, &COUNTER)?.unwrap_or(0) + 1;
        META.put(txn, &COUNTER, &next)?;
        let bytes = vec![u8::try_from(next).unwrap(); 3000];
        INLINE.put(txn, &BlobId(next), &bytes.into())?;
        Ok(next)
    })
}

fn check(disk: &TestDisk, way: Way, acknowledged: u64) {
    let db = Db::open_with(way(disk), options()).unwrap();
    let snapshot = db.snapshot().unwrap();
    let count = META.get(&snapshot, &COUNTER).unwrap().unwrap_or(0);
    assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
    let rows = INLINE.all(&snapshot, Span::all()).unwrap();
    assert!(rows.iter().map(|(id, _)| id.0).eq(1..=count));
    for (id, bytes) in rows {
        assert!(bytes.iter().all(|byte| u64::from(*byte) == id.0) && bytes.len() == 3000);
    }
    assert_eq!(add_row(&db).wait().unwrap(), count + 1);
}

/// A crash while a database is made leaves a file without the name (`disk::make`).
fn new_disk() -> TestDisk {
    let disk = TestDisk::default();
    drop(open(&disk));
    disk
}

fn crash_at_every_point(way: Way, lose: impl Fn(&TestDisk, u64)) {
    let whole = new_disk();
    let start = whole.ops();
    assert_eq!(work(&whole, way), 12);
    for point in 0..whole.ops() - start {
        let disk = new_disk();
        disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
        let acknowledged = work(&disk, way);
        lose(&disk, point);
        check(&disk, way, acknowledged);
    }
}

#[test]
fn what_was_acknowledged_survives_when_unsynced_writes_are_lost() {
    for way in [PLAIN, JOURNALED] {
        crash_at_every_point(way, |disk, _| disk.power_loss(Unsynced::Dropped));
    }
}

#[test]
fn what_was_acknowledged_survives_when_unsynced_writes_are_kept_in_part() {
    for way in [PLAIN, JOURNALED] {
        for_seeds(0..2, |random| {
            let seed = random.next();
            crash_at_every_point(way, |disk, point| {
                disk.power_loss(Unsynced::PartlyKept(&mut Random(seed ^ point)));
            });
        });
    }
}

#[test]
fn an_answer_comes_after_the_sync() {
    for way in [PLAIN, JOURNALED] {
        let disk = TestDisk::default();
        let db = Db::open_with(way(&disk), options()).unwrap();
        let before = disk.syncs();
        assert_eq!(add_row(&db).wait().unwrap(), 1);
        assert!(disk.syncs() > before);
        disk.power_loss(Unsynced::Dropped);
        drop(db);
        check(&disk, way, 1);
    }
}

#[test]
fn an_orderly_end_leaves_nothing_in_the_journal() {
    let disk = new_disk();
    assert_eq!(work(&disk, JOURNALED), 12);
    disk.power_loss(Unsynced::Dropped);
    check(&disk, PLAIN, 12);
}
