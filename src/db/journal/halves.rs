//! [`Halves`]: where the records of the journal are.
//!
//! The file has two halves that are written in turns. A half is written over only when the newest
//! record tells that none of those in it is needed any more, so that a record that is torn by a
//! loss of power takes no other with it. The last block of a half is for a record that tells so.

use std::io::{self, ErrorKind};
use std::time::Duration;

use redb::StorageBackend;

use super::record::{BLOCK_BYTES, Batch, Record};

/// What a half holds should be in its places within this time.
const CHECKPOINT_MAX: Duration = Duration::from_millis(100);
/// With less at a time a checkpoint would save nothing.
const USED_MIN: u64 = 1 << 20;

/// The journal's file, and where it stands.
#[derive(Debug)]
pub(super) struct Halves {
    file: Box<dyn StorageBackend>,
    half_bytes: u64,
    /// So much of a half is used.
    used_max: u64,
    is_second_half: bool,
    /// Where the next record begins.
    at: u64,
    /// The number of the next record.
    number: u64,
    /// The first record whose writes may not be in place yet.
    base: u64,
    /// The same, as the newest record tells it.
    told: u64,
    /// The last record of the half that is not being written to; 0: there is none.
    other: u64,
}

/// A record of the file.
struct Found {
    number: u64,
    base: u64,
    at: u64,
    end: u64,
}

impl Halves {
    /// Finds the records of a file of fixed length, and writes to `main` what those say that may
    /// not be in place. Then everything is in place, if `main` is synced.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when a record is damaged that is needed; what the files say.
    pub(super) fn open(
        file: Box<dyn StorageBackend>,
        main: &dyn StorageBackend,
    ) -> io::Result<(Self, u64)> {
        let half_bytes = file.len()? / 2 / BLOCK_BYTES * BLOCK_BYTES;
        if half_bytes < 2 * BLOCK_BYTES {
            return Err(invalid("it is too short"));
        }
        let halves = [find(&*file, 0, half_bytes)?, find(&*file, half_bytes, 2 * half_bytes)?];
        let last = |half: usize| halves[half].last().map_or(0, |found| found.number);
        let is_second_half = last(1) > last(0);
        let current = usize::from(is_second_half);
        let (at, number, base, told, other) = (0, 1, 1, 1, 0);
        let used_max = half_bytes;
        let mut it =
            Self { file, half_bytes, used_max, is_second_half, at, number, base, told, other };
        let Some(newest) = halves[current].last() else { return Ok((it, 0)) };
        let needed = newest.base..=newest.number;
        let (mut next, mut replayed) = (newest.base, 0);
        for found in halves[1 - current].iter().chain(&halves[current]) {
            if !needed.contains(&found.number) {
                continue;
            }
            let record = Record::read(&*it.file, found.at, found.end)?;
            let record = record.filter(|record| record.number == next);
            record.ok_or_else(|| damaged(next))?.apply(main)?;
            (next, replayed) = (next + 1, replayed + 1);
        }
        if next != newest.number + 1 && newest.base <= newest.number {
            return Err(damaged(next));
        }
        it.at = newest.end;
        it.number = newest.number + 1;
        it.base = it.number;
        it.told = newest.base;
        it.other = last(1 - current);
        Ok((it, replayed))
    }

    /// The longest record that there is ever room for.
    pub(super) fn record_bytes_max(&self) -> u64 {
        self.half_bytes - BLOCK_BYTES
    }

    /// Whether it fits into what is left of this half.
    pub(super) fn has_room(&self, batch: &Batch) -> bool {
        let used = self.at - self.half_begin();
        let after = used + batch.record_bytes();
        after + BLOCK_BYTES <= self.half_bytes && (used == 0 || after <= self.used_max)
    }

    /// A disk that takes long for what a half holds gets less at a time: whoever fills the other
    /// half meanwhile waits for it.
    pub(super) fn learn(&mut self, took: Duration) {
        if took > CHECKPOINT_MAX {
            self.used_max = (self.used_max / 2).max(USED_MIN);
        } else if took < CHECKPOINT_MAX / 4 {
            self.used_max = self.used_max.saturating_mul(2).min(self.half_bytes);
        }
    }

    /// Whether an empty record does.
    pub(super) fn has_room_for_mark(&self) -> bool {
        self.at + BLOCK_BYTES <= self.half_end()
    }

    /// Adds a batch; it is durable then. There must be room.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        self.put(batch, self.base)
    }

    /// Tells how much is in place by now. There must be room.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.put(&Batch::default(), self.base)
    }

    /// Tells that everything is in place. There must be room.
    pub(super) fn mark_all(&mut self) -> io::Result<()> {
        self.put(&Batch::default(), self.number + 1)?;
        self.base = self.number;
        Ok(())
    }

    /// Notes that the writes of all records up to this one are in place.
    pub(super) fn in_place(&mut self, number: u64) {
        self.base = self.base.max(number + 1);
    }

    /// The newest record; 0: there is none.
    pub(super) fn newest(&self) -> u64 {
        self.number - 1
    }

    /// Whether everything is in place and the newest record tells it.
    pub(super) fn is_done(&self) -> bool {
        self.told == self.number
    }

    /// Whether the other half must not be written over, as far as the newest record tells.
    pub(super) fn needs_other_half(&self) -> bool {
        self.other > 0 && self.told <= self.other
    }

    /// Goes over to the other half, which must not be needed.
    pub(super) fn turn(&mut self) {
        self.is_second_half = !self.is_second_half;
        self.at = self.half_begin();
        self.other = self.newest();
    }

    fn half_begin(&self) -> u64 {
        self.half_end() - self.half_bytes
    }

    fn half_end(&self) -> u64 {
        if self.is_second_half { 2 * self.half_bytes } else { self.half_bytes }
    }

    fn put(&mut self, batch: &Batch, base: u64) -> io::Result<()> {
        batch.write(&*self.file, self.at, (self.number, base))?;
        self.file.sync_data()?;
        self.at += batch.record_bytes();
        self.number += 1;
        self.told = base;
        Ok(())
    }

    /// Closes the file.
    pub(super) fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// The records of one half: each has the number behind that of the one before it. What is behind
/// them is older, or torn.
fn find(file: &dyn StorageBackend, mut at: u64, half_end: u64) -> io::Result<Vec<Found>> {
    let mut all: Vec<Found> = Vec::new();
    while let Some(record) = Record::read(file, at, half_end)? {
        let (number, base) = (record.number, record.base);
        if all.last().is_some_and(|last| last.number + 1 != number) {
            break;
        }
        let end = at + record.bytes();
        all.push(Found { number, base, at, end });
        at = end;
    }
    Ok(all)
}

fn damaged(number: u64) -> io::Error {
    invalid(&format!("record {number} is damaged, though a later one is whole"))
}

fn invalid(what: &str) -> io::Error {
    let what = format!("the database's journal cannot be used: {what}; restore a backup");
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::disk::TestDisk;

    const HALF_BYTES: u64 = 4 << 20;

    /// Records of half a mebibyte that a half takes.
    fn room(halves: &mut Halves) -> usize {
        let mut batch = Batch::default();
        batch.push(0, &vec![0; 500 << 10]).unwrap();
        halves.turn();
        let mut records = 0;
        while halves.has_room(&batch) {
            halves.append(&batch).unwrap();
            records += 1;
        }
        records
    }

    #[test]
    fn a_slow_disk_gets_less_at_a_time_and_a_fast_one_all_again() {
        let disk = TestDisk::default();
        disk.handle(1).set_len(2 * HALF_BYTES).unwrap();
        let (mut halves, _) = Halves::open(Box::new(disk.handle(1)), &disk.handle(0)).unwrap();
        assert_eq!(room(&mut halves), 8);
        halves.learn(CHECKPOINT_MAX * 2);
        assert_eq!(room(&mut halves), 4);
        halves.learn(CHECKPOINT_MAX / 2);
        assert_eq!(room(&mut halves), 4);
        for _ in 0..9 {
            halves.learn(CHECKPOINT_MAX * 2);
        }
        assert_eq!(room(&mut halves), 2);
        // One that is longer than that gets a half for itself.
        let mut long = Batch::default();
        long.push(0, &vec![0; 3 << 20]).unwrap();
        halves.turn();
        assert!(halves.has_room(&long));
        for _ in 0..2 {
            halves.learn(CHECKPOINT_MAX / 8);
        }
        assert_eq!(room(&mut halves), 8);
    }
}
