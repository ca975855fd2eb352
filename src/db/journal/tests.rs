//! The journal against a model: after a loss of power each page is what it was at the last sync,
//! or what was written to it later (I5).

use std::io::ErrorKind;

use redb::StorageBackend;

use super::record::{BLOCK_BYTES, Batch, Record};
use crate::db::tests::disk::{Handle, Lasts, On, TestDisk, Unsynced};
use crate::db::tests::random::{Random, for_seeds};

const PAGE: usize = 512;
const PAGES: usize = 24;
/// Two halves of four blocks.
const JOURNAL_BYTES: usize = 32 << 10;

/// What each page may hold; the first is what it held at the last sync.
struct Model {
    pages: Vec<Vec<u8>>,
    written: u8,
}

impl Model {
    fn new() -> Self {
        Self { pages: vec![vec![0]; PAGES], written: 0 }
    }

    fn write(&mut self, disk: &dyn StorageBackend, page: usize) -> bool {
        self.written = self.written.wrapping_add(1).max(1);
        self.pages[page].push(self.written);
        disk.write(offset(page), &[self.written; PAGE]).is_ok()
    }

    fn synced(&mut self) {
        for values in &mut self.pages {
            let last = values.pop();
            *values = last.into_iter().collect();
        }
    }

    /// What is there now is what there is.
    fn check(&mut self, disk: &dyn StorageBackend) {
        for (page, values) in self.pages.iter_mut().enumerate() {
            let found = read(disk, page);
            assert!(values.contains(&found), "page {page} holds {found}, not {values:?}");
            *values = vec![found];
        }
    }
}

fn offset(page: usize) -> u64 {
    u64::try_from(page * PAGE).unwrap()
}

fn read(disk: &dyn StorageBackend, page: usize) -> u8 {
    let mut bytes = [0; PAGE];
    disk.read(offset(page), &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "page {page} is torn");
    bytes[0]
}

fn new_disk() -> TestDisk {
    let disk = TestDisk::default();
    let main = disk.handle(0);
    main.set_len(offset(PAGES)).unwrap();
    main.sync_data().unwrap();
    disk
}

/// Writes pages and syncs until something fails or it has had enough.
fn work(disk: &dyn StorageBackend, model: &mut Model, random: &mut Random) {
    for _ in 0..60 {
        for _ in 0..random.below(2 * PAGES) {
            if !model.write(disk, random.below(PAGES)) {
                return;
            }
        }
        // Sometimes the file is as long as before, which nobody knows.
        if random.one_in(12) && disk.set_len(offset(PAGES)).is_err() {
            return;
        }
        if random.one_in(3) {
            continue;
        }
        if disk.sync_data().is_err() {
            return;
        }
        model.synced();
    }
}

#[test]
fn after_any_loss_of_power_nothing_that_was_synced_is_missing() {
    for_seeds(0..300, |random| {
        let (disk, mut model) = (new_disk(), Model::new());
        for _ in 0..6 {
            let calls = u64::try_from(random.below(900)).unwrap();
            disk.fail(On::Change, calls, Lasts::Forever, ErrorKind::Other);
            // Also while it is being opened.
            if let Ok(journaled) = disk.journaled(JOURNAL_BYTES) {
                work(&journaled, &mut model, random);
                if random.one_in(4) {
                    journaled.close().unwrap();
                }
            }
            // Or the process was only killed, and the kernel still has all that it wrote.
            if random.one_in(2) {
                disk.power_loss(Unsynced::PartlyKept(random));
            }
            disk.heal();
            model.check(&disk.journaled(JOURNAL_BYTES).unwrap());
        }
    });
}

#[test]
fn a_failure_that_passes_loses_nothing_when_it_is_opened_again() {
    for_seeds(0..200, |random| {
        let (disk, mut model) = (new_disk(), Model::new());
        for _ in 0..6 {
            let on = *random.pick(&[On::Write, On::Sync, On::Resize]);
            let calls = u64::try_from(random.below(300)).unwrap();
            disk.fail(on, calls, Lasts::Once, ErrorKind::Other);
            if let Ok(journaled) = disk.journaled(JOURNAL_BYTES) {
                work(&journaled, &mut model, random);
                // Where it has failed it must not tell that all is well.
                journaled.close().unwrap();
            }
            disk.heal();
            model.check(&disk.journaled(JOURNAL_BYTES).unwrap());
        }
    });
}

/// One page of each batch, so that what a record holds is plain.
fn sync_page(disk: &dyn StorageBackend, model: &mut Model, page: usize) {
    assert!(model.write(disk, page));
    disk.sync_data().unwrap();
    model.synced();
}

#[test]
fn only_the_journal_is_synced_until_a_half_is_full() {
    let (disk, mut model) = (new_disk(), Model::new());
    let journaled = disk.journaled(JOURNAL_BYTES).unwrap();
    for page in 0..3 {
        sync_page(&journaled, &mut model, page);
    }
    disk.power_loss(Unsynced::Dropped);
    assert_eq!([0, 1, 2].map(|page| read(&disk.handle(0), page)), [0, 0, 0]);
    let journaled = disk.journaled(JOURNAL_BYTES).unwrap();
    assert_eq!([0, 1, 2].map(|page| read(&journaled, page)), [1, 2, 3]);
    // The half was full: what it held follows to its places, without anybody waiting for it.
    sync_page(&journaled, &mut model, 3);
    drop(journaled);
    model.check(&disk.journaled(JOURNAL_BYTES).unwrap());
}

#[test]
fn what_is_too_long_for_the_journal_is_synced_in_place() {
    let (disk, mut model) = (new_disk(), Model::new());
    let journaled = disk.journaled(2 * 3 * 4096).unwrap();
    for page in (0..PAGES).chain(0..PAGES) {
        assert!(model.write(&journaled, page));
    }
    journaled.sync_data().unwrap();
    model.synced();
    disk.power_loss(Unsynced::Dropped);
    model.check(&disk.handle(0));
    model.check(&disk.journaled(JOURNAL_BYTES).unwrap());
}

#[test]
fn a_change_of_length_is_synced_in_place_and_stays() {
    let (disk, mut model) = (new_disk(), Model::new());
    let journaled = disk.journaled(JOURNAL_BYTES).unwrap();
    sync_page(&journaled, &mut model, PAGES - 1);
    journaled.set_len(offset(PAGES - 1)).unwrap();
    journaled.sync_data().unwrap();
    disk.power_loss(Unsynced::Dropped);
    // The record that names the page that was cut off is not needed any more.
    let journaled = disk.journaled(JOURNAL_BYTES).unwrap();
    assert_eq!(journaled.len().unwrap(), offset(PAGES - 1));
}

#[test]
fn a_needed_record_that_is_damaged_is_no_reason_to_go_on_without_it() {
    let (disk, mut model) = (new_disk(), Model::new());
    let journaled = disk.journaled(1 << 20).unwrap();
    for page in 0..4 {
        sync_page(&journaled, &mut model, page);
    }
    drop(journaled);
    // The last one may be torn; one before it may not.
    let journal = disk.handle(1);
    let at = |number: u64| number * BLOCK_BYTES + 100;
    let half = 512 << 10;
    journal.write(at(3), b"torn").unwrap();
    drop(disk.journaled(1 << 20).unwrap());
    // The newest record is in the other half, and needs those before it.
    let mut batch = Batch::default();
    batch.push(0, &[9; PAGE]).unwrap();
    batch.write(&journal, half, (5, 1)).unwrap();
    let error = disk.journaled(1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("record 4 is damaged"), "{error}");
}

fn written(at: u64, batch: &Batch) -> Handle {
    let disk = TestDisk::default();
    let file = disk.handle(0);
    file.set_len(1 << 16).unwrap();
    batch.write(&file, at, (7, 3)).unwrap();
    file
}

#[test]
fn a_record_is_read_as_it_was_written_and_never_in_part() {
    let mut batch = Batch::default();
    batch.push(8192, &[1; 5000]).unwrap();
    batch.push(0, &[2; 100]).unwrap();
    let end = BLOCK_BYTES + batch.record_bytes();
    assert_eq!(end, 3 * BLOCK_BYTES);
    let file = written(BLOCK_BYTES, &batch);
    let record = Record::read(&file, BLOCK_BYTES, end).unwrap().unwrap();
    assert_eq!((record.number, record.base, record.bytes()), (7, 3, 2 * BLOCK_BYTES));
    let main = TestDisk::default().handle(0);
    record.apply(&main).unwrap();
    let mut bytes = [0; 101];
    main.read(0, &mut bytes[..100]).unwrap();
    main.read(13_191, &mut bytes[100..]).unwrap();
    assert_eq!((bytes[99], bytes[100]), (2, 1));
    // It ends behind where it may.
    assert!(Record::read(&file, BLOCK_BYTES, end - BLOCK_BYTES).unwrap().is_none());
    assert!(Record::read(&file, 0, end).unwrap().is_none());
    for byte in (0..32).chain(32..56).chain([56, 5000, 5155]) {
        let file = written(BLOCK_BYTES, &batch);
        let mut found = [0];
        file.read(BLOCK_BYTES + byte, &mut found).unwrap();
        file.write(BLOCK_BYTES + byte, &[found[0] ^ 0x10]).unwrap();
        let read = Record::read(&file, BLOCK_BYTES, 1 << 16).unwrap();
        assert!(read.is_none(), "byte {byte} was changed");
    }
}

#[test]
fn bytes_that_are_no_records_harm_nobody() {
    for_seeds(0..200, |random| {
        let mut batch = Batch::default();
        batch.push(0, &[1; 40]).unwrap();
        let file = written(0, &batch);
        for _ in 0..=random.below(6) {
            let noise = random.next().to_le_bytes();
            file.write(u64::try_from(random.below(40)).unwrap(), &noise).unwrap();
        }
        let _ = Record::read(&file, 0, 1 << 16).unwrap();
    });
}
