//! Group commit on plain redb tables, as small as it can be.
//!
//! One thread owns the writer. It takes everything that waits, writes it in one transaction with
//! durability Immediate and answers after the commit (I5). Blobs have ids in order of arrival:
//! `digest → id`, `id → row`, `id → bytes`. Deliberately absent: names, references, rights,
//! closures, isolation of a failing neighbour; that is what the real store adds and pays for.

use std::sync::{Arc, mpsc};
use std::{io, thread};

use bytes::Bytes;
use redb::{Database, Durability, ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::oneshot;

/// The digest of a blob → its id.
pub const DIGESTS: TableDefinition<&[u8], u64> = TableDefinition::new("digests");
/// The id of a blob → its length (8 bytes) and the name of its file (empty when inline).
pub const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");
/// The id of a blob → its bytes, when inline.
pub const INLINE: TableDefinition<u64, &[u8]> = TableDefinition::new("inline");

/// Where the bytes of a new blob are.
pub enum Place {
    /// Here, to be written into the database.
    Inline(Bytes),
    /// In a synced file of this name.
    File(String),
}

/// A blob to be recorded.
pub struct Put {
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// Number of bytes.
    pub length: u64,
    /// The bytes, or where they are.
    pub place: Place,
}

/// How a transaction is committed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Mode {
    /// One sync per commit; reopening after a kill walks the whole file.
    Default,
    /// Two syncs; reopening needs no checksums.
    TwoPhase,
    /// Two syncs and a saved allocator state; reopening walks nothing.
    QuickRepair,
}

impl Mode {
    /// Begins a durable transaction of this kind.
    pub fn begin(self, db: &Database) -> Result<WriteTransaction, redb::Error> {
        let mut txn = db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        match self {
            Self::Default => {}
            Self::TwoPhase => txn.set_two_phase_commit(true),
            Self::QuickRepair => txn.set_quick_repair(true),
        }
        Ok(txn)
    }
}

type Answer = Result<(), Arc<redb::Error>>;

struct Job {
    put: Put,
    done: oneshot::Sender<Answer>,
}

/// The way to the writer thread, which ends with the last copy of this.
#[derive(Clone)]
pub struct Group {
    queue: mpsc::Sender<Job>,
}

impl Group {
    /// Starts the writer; a batch takes up to `batch_max` blobs.
    pub fn start(db: Arc<Database>, mode: Mode, batch_max: usize) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let writer = move || write_batches(&db, mode, batch_max, &jobs);
        thread::Builder::new().name("writer".into()).spawn(writer)?;
        Ok(Self { queue })
    }

    /// Queues a blob; the answer comes after the commit.
    pub fn put(&self, put: Put) -> oneshot::Receiver<Answer> {
        let (done, answer) = oneshot::channel();
        // A writer that is gone drops the job, and the receiver says so.
        let _ = self.queue.send(Job { put, done });
        answer
    }
}

fn write_batches(db: &Database, mode: Mode, batch_max: usize, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(batch_max - 1));
        let result = write(db, mode, batch.iter().map(|job| &job.put)).map_err(Arc::new);
        for job in batch {
            // A client that went away needs no answer.
            let _ = job.done.send(result.clone());
        }
    }
}

/// Writes blobs in one transaction and commits it.
pub fn write<'a>(
    db: &Database,
    mode: Mode,
    puts: impl Iterator<Item = &'a Put>,
) -> Result<(), redb::Error> {
    let txn = mode.begin(db)?;
    insert(&txn, puts)?;
    txn.commit()?;
    Ok(())
}

/// Writes blobs into an open transaction; a digest that is there already is left alone.
pub fn insert<'a>(
    txn: &WriteTransaction,
    puts: impl Iterator<Item = &'a Put>,
) -> Result<(), redb::Error> {
    let mut digests = txn.open_table(DIGESTS)?;
    let mut rows = txn.open_table(ROWS)?;
    let mut inline = txn.open_table(INLINE)?;
    let mut id = rows.last()?.map_or(0, |(id, _)| id.value());
    for put in puts {
        if digests.get(put.digest.as_slice())?.is_some() {
            continue;
        }
        id += 1;
        let mut row = put.length.to_be_bytes().to_vec();
        match &put.place {
            Place::Inline(bytes) => drop(inline.insert(id, bytes.as_ref())?),
            Place::File(name) => row.extend(name.as_bytes()),
        }
        digests.insert(put.digest.as_slice(), id)?;
        rows.insert(id, row.as_slice())?;
    }
    Ok(())
}
