//! [`Journaled`]: a disk whose syncs are one short write behind the other, whatever was written.
//!
//! A commit changes pages all over the database's file, and a sync that waits for each of them
//! takes several times as long as writing the same bytes in one place. So they are written to
//! their places and, at the sync, once more to the *journal*; only that is synced. The places
//! follow by and by (a *checkpoint*, on a thread of its own). After a loss of power the records
//! that may not be in place are written there again.
//!
//! Defends I5. What redb may find after a crash is what it may find without a journal: all that
//! was written before the last sync, and any part of what was written after it. That holds
//! because
//! - what was written and is not in place is in the records from the newest record's *base* on;
//! - none of those is written over ([`halves`]);
//! - a record counts only when it is whole;
//! - what is found at the start is synced before anything builds on it.
//!
//! An orderly end leaves everything in place and nothing in the journal. The two files belong
//! together: whoever copies or restores one of them takes the other too.
//! Deliberately absent: changes of length in the journal, which are rare; they are synced in place.

mod halves;
mod record;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use redb::StorageBackend;

use halves::Halves;
use record::Batch;

/// Memory that is kept for the next batch; what a longer one took is given back.
const BATCH_BYTES_KEPT: usize = 1 << 20;

/// A disk with a journal.
#[derive(Debug)]
pub(super) struct Journaled {
    main: Arc<dyn StorageBackend>,
    record_bytes_max: u64,
    /// Held while a page is written to its place too, so that both have one order.
    written: Mutex<Written>,
    journal: Mutex<Journal>,
}

/// What was written since the last sync.
#[derive(Debug, Default)]
struct Written {
    batch: Batch,
    /// It is too much for the journal, or not for it at all: it must be synced in place.
    is_unfit: bool,
}

#[derive(Debug)]
struct Journal {
    halves: Halves,
    checkpoint: Option<Checkpoint>,
    /// Something failed: only a new start knows what is where.
    is_broken: bool,
}

/// The writes of all records up to `number` on their way to their places.
#[derive(Debug)]
struct Checkpoint {
    number: u64,
    thread: JoinHandle<io::Result<Duration>>,
}

impl Journaled {
    /// Brings into place what a crash may have left in the journal, a file of fixed length.
    ///
    /// # Errors
    /// What the files say, and [`io::ErrorKind::InvalidData`] for a journal that is damaged.
    pub(super) fn open(
        main: Arc<dyn StorageBackend>,
        journal: Box<dyn StorageBackend>,
    ) -> io::Result<Self> {
        let (halves, replayed) = Halves::open(journal, &*main)?;
        // Always: what a process left here that was killed is in no record and not on the disk,
        // and all that is written from now on builds on it.
        main.sync_data()?;
        if replayed > 0 {
            log::info!("the last {replayed} writes were brought from the journal to their places");
        }
        let record_bytes_max = halves.record_bytes_max();
        let journal = Mutex::new(Journal { halves, checkpoint: None, is_broken: false });
        Ok(Self { main, record_bytes_max, written: Mutex::default(), journal })
    }

    fn write_in_place(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut written = lock(&self.written);
        self.main.write(offset, bytes)?;
        if written.is_unfit {
            return Ok(());
        }
        written.batch.push(offset, bytes)?;
        if written.batch.record_bytes() > self.record_bytes_max {
            written.give_up();
        }
        Ok(())
    }

    fn sync(&self, journal: &mut Journal) -> io::Result<()> {
        journal.heed_checkpoint()?;
        let Written { mut batch, is_unfit } = std::mem::take(&mut *lock(&self.written));
        if is_unfit {
            return journal.sync_in_place(&self.main);
        }
        if batch.is_empty() {
            return Ok(());
        }
        if !journal.halves.has_room(&batch) {
            journal.turn(&self.main)?;
        }
        journal.halves.append(&batch)?;
        batch.clear();
        batch.shrink_to(BATCH_BYTES_KEPT);
        let mut written = lock(&self.written);
        if written.batch.is_empty() {
            written.batch = batch;
        }
        Ok(())
    }

    fn end(&self, journal: &mut Journal) -> io::Result<()> {
        let Written { batch, is_unfit } = std::mem::take(&mut *lock(&self.written));
        if journal.halves.is_done() && batch.is_empty() && !is_unfit {
            return Ok(());
        }
        journal.sync_in_place(&self.main)
    }

    /// Does something that cannot be repeated when it fails.
    fn once(&self, change: impl FnOnce(&mut Journal) -> io::Result<()>) -> io::Result<()> {
        let mut journal = lock(&self.journal);
        if journal.is_broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        let result = change(&mut journal);
        journal.is_broken = result.is_err();
        result
    }
}

impl Written {
    fn give_up(&mut self) {
        *self = Self { batch: Batch::default(), is_unfit: true };
    }
}

impl Journal {
    /// Notes a checkpoint that has come to its end.
    fn heed_checkpoint(&mut self) -> io::Result<()> {
        match self.checkpoint.take_if(|checkpoint| checkpoint.thread.is_finished()) {
            Some(checkpoint) => self.note(checkpoint),
            None => Ok(()),
        }
    }

    /// Waits for the checkpoint, if there is one.
    fn end_checkpoint(&mut self) -> io::Result<()> {
        self.checkpoint.take().map_or(Ok(()), |checkpoint| self.note(checkpoint))
    }

    fn note(&mut self, checkpoint: Checkpoint) -> io::Result<()> {
        let Checkpoint { number, thread } = checkpoint;
        let took = thread.join().map_err(|_| io::Error::other("a checkpoint panicked"))??;
        self.halves.in_place(number);
        self.halves.learn(took);
        Ok(())
    }

    /// Goes over to the other half: what is in it must be in place, and what is in this one is on
    /// its way from now on.
    fn turn(&mut self, main: &Arc<dyn StorageBackend>) -> io::Result<()> {
        self.end_checkpoint()?;
        if self.halves.needs_other_half() {
            self.halves.mark()?;
        }
        self.halves.turn();
        let (number, to_sync) = (self.halves.newest(), Arc::clone(main));
        let thread = Builder::new().name("checkpoint".into()).spawn(move || {
            let begin = Instant::now();
            to_sync.sync_data().map(|()| begin.elapsed())
        });
        if let Ok(thread) = thread {
            self.checkpoint = Some(Checkpoint { number, thread });
            return Ok(());
        }
        // Without another thread it takes longer.
        main.sync_data()?;
        self.halves.in_place(number);
        Ok(())
    }

    /// Waits until everything is in place.
    fn sync_in_place(&mut self, main: &Arc<dyn StorageBackend>) -> io::Result<()> {
        self.end_checkpoint()?;
        main.sync_data()?;
        self.halves.in_place(self.halves.newest());
        if !self.halves.has_room_for_mark() {
            self.turn(main)?;
        }
        self.halves.mark_all()
    }
}

impl StorageBackend for Journaled {
    fn len(&self) -> io::Result<u64> {
        self.main.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.main.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = lock(&self.written);
        written.give_up();
        self.main.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.once(|journal| self.sync(journal))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_in_place(offset, data)
    }

    /// Leaves everything in place, unless something failed before: then the next start does it.
    fn close(&self) -> io::Result<()> {
        if let Err(error) = self.once(|journal| self.end(journal)) {
            log::warn!("the database's file is behind its journal until the next start: {error}");
        }
        let journal = lock(&self.journal);
        self.main.close().and(journal.halves.close())
    }
}

/// What is behind these locks is whole at every unlock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
