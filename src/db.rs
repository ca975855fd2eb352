//! Floor 1: rows. One redb database, read in snapshots and written by one thread that commits
//! what is waiting together (group commit), on a file with a journal (`journal`).
//!
//! Defends I5 (an answer follows a durable commit), I7 (a batch and a slice are bounded), I8
//! (a snapshot never waits for the writer) and I10 (schema number and rows change together).
//! Deliberately absent: what rows mean (`store` knows), files of blobs (`blobs` knows).
//!
//! The other floors see byte-free [`Table`]s, [`Snapshot`]s and [`WriteTxn`]s; redb's own types
//! stay inside this module, so that its panicking conversions cannot be reached.

pub mod codec;
pub mod disk;
mod hot;
mod journal;
pub mod keys;
mod migrate;
mod queue;
pub mod schema;
mod table;
mod txn;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub use queue::{Pending, SliceTimes};
pub use redb::StorageBackend;
pub use table::{Cursor, Found, Order, Rows, Span, Table, Visit};
pub use txn::{Snapshot, WriteTxn};

use queue::Queue;
use writer::Writer;

/// What can go wrong with rows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The disk or redb failed; the database is being reopened.
    #[error("the database failed: {message}")]
    Storage {
        /// What it said.
        message: String,
        /// Whether it was for want of space.
        full: bool,
    },
    /// A commit failed, and whether it took place is not known.
    #[error("a commit failed, so this change may or may not be stored: {0}")]
    OutcomeUnknown(String),
    /// A row that this program cannot have written.
    #[error("table {table} holds a row that cannot be read ({what}); run `larder check`")]
    Corrupt {
        /// The table's name.
        table: &'static str,
        /// What is wrong with the row.
        what: String,
    },
    /// The file was written by a newer Larder.
    #[error(
        "the database has schema {found}, this Larder knows schemas up to {known}; \
         start a newer Larder, or restore a backup made by this one"
    )]
    Newer {
        /// The number in the file.
        found: u64,
        /// The newest number that this program knows.
        known: u64,
    },
    /// The database is closed, or could not be reopened after a failure.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A programming error that must not cost more than its own transaction.
    #[error("a transaction broke: {0}")]
    Broken(String),
}

impl Error {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Storage { full: true, .. })
    }
}

/// How the database is opened.
#[derive(Clone)]
pub struct Options {
    /// Memory for pages, in bytes.
    pub cache_bytes: usize,
    /// Work that one write transaction may gather before it commits (I7).
    pub work_bound: Duration,
    /// Most changes that are committed together; 1 commits each alone. Few enough that requests
    /// are answered and read while the next batch is written: with 64 connections 32 make 10 to
    /// 30 % more than all at once (`cargo bench --bench http_put`).
    pub batch_max: usize,
    /// While others write, a slice of background work waits for twice the time that the last one
    /// took, but no longer than this.
    pub slice_gap: Duration,
    /// From this length of the file on, each commit also writes down which pages are in use, so
    /// that opening after a crash need not walk over all of them. Below, the walk is short and
    /// the commits are quicker without.
    pub quick_repair_bytes_min: u64,
    /// Called before a batch and after a write that failed for want of space: makes room (lets
    /// the ballast go) if it is needed and can be done, and tells whether it did.
    pub make_room: Arc<dyn Fn(Pressure) -> bool + Send + Sync>,
}

/// Why room is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// A batch is about to begin; there may be room enough.
    Ordinary,
    /// A write has failed for want of space.
    Full,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            work_bound: Duration::from_millis(5),
            batch_max: 32,
            slice_gap: Duration::from_millis(20),
            quick_repair_bytes_min: 1 << 30,
            make_room: Arc::new(|_| false),
        }
    }
}

/// Makes the storage of the database, at the start and again after a failure.
pub type OpenDisk = Arc<dyn Fn() -> std::io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// The database. Dropping it commits what is queued, ends the writer thread and closes the file.
pub struct Db {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What readers, writer thread and snapshots share.
struct Shared {
    queue: Queue,
    database: RwLock<Result<redb::Database, String>>,
    /// The snapshot of the last commit, once somebody asked for it. The writer takes it away
    /// before it answers, so whoever was answered sees the own change.
    latest: RwLock<Option<Arc<Snapshot>>>,
    /// How often the database was opened again; changes under the lock of `database`.
    reopened: AtomicU64,
    length: disk::Length,
    measured: RwLock<Option<FileStats>>,
    open_disk: OpenDisk,
    options: Options,
}

/// Bytes of the database file, exact at the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStats {
    /// Pages that hold rows or lead to them.
    pub used_bytes: u64,
    /// Pages that the next writes will use.
    pub free_bytes: u64,
}

impl Db {
    /// Opens or creates the database file at `path`.
    ///
    /// # Errors
    /// [`Error::Newer`] for a file of a newer Larder; [`Error::Storage`] when the file cannot be
    /// opened.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        disk::make(path, |part| {
            let part = part.to_owned();
            Self::open_with(Arc::new(move || disk::plain(&part)), options.clone()).map(drop)
        })?;
        let path = path.to_owned();
        Self::open_with(Arc::new(move || disk::file(&path)), options)
    }

    /// Opens the database on the storage that `open_disk` makes (again after each failure).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(open_disk: OpenDisk, options: Options) -> Result<Self, Error> {
        let length = disk::Length::default();
        let database = writer::open(&open_disk, &options, &length)?;
        migrate::run(&database, migrate::STEPS)?;
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            database: RwLock::new(Ok(database)),
            latest: RwLock::new(None),
            reopened: AtomicU64::new(0),
            length,
            measured: RwLock::new(None),
            open_disk,
            options,
        });
        let writer = Writer::new(Arc::clone(&shared));
        let writer = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// A consistent view of all rows as of the last commit; never waits for the writer (I8).
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database cannot be reopened.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        if let Some(latest) = writer::lock_read(&self.shared.latest).as_ref() {
            return Ok(Arc::clone(latest));
        }
        // Begun under the lock: a snapshot from before a commit cannot be left here after it.
        let mut latest = writer::lock_write(&self.shared.latest);
        if let Some(latest) = latest.as_ref() {
            return Ok(Arc::clone(latest));
        }
        let snapshot = Arc::new(Snapshot::new(&self.shared)?);
        *latest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Queues `change` for the writer thread and returns at once; the answer comes after the
    /// commit, also when it is a refusal (it may rest on a neighbour's change).
    ///
    /// `change` may run more than once: it takes time, random numbers and bodies from outside,
    /// has no effect outside the transaction, checks first and changes after.
    pub fn write<T, E>(
        &self,
        change: impl Fn(&WriteTxn) -> Result<T, E> + Send + 'static,
    ) -> Pending<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.shared.queue.push_front_job(change)
    }

    /// Runs one slice of background work in a transaction of its own and waits for its commit.
    /// Slices give way to writers: see [`Options::slice_gap`].
    ///
    /// # Errors
    /// What `change` returns, and what the commit does.
    pub fn slice<T, E>(
        &self,
        change: impl Fn(&WriteTxn) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, SliceTimes), E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (pending, times) = self.shared.queue.push_slice_job(change);
        let value = pending.wait()?;
        Ok((value, times.get()))
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.shared.length.load(Ordering::Relaxed)
    }

    /// How much of the file holds rows. Reads all of it on a snapshot, which neither waits nor
    /// makes others wait but takes its time: for a command, not for a request. The result is
    /// kept for [`Self::last_measure`].
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn measure(&self) -> Result<FileStats, Error> {
        let used_bytes = Snapshot::new(&self.shared)?.used_bytes()?;
        let free_bytes = self.file_bytes().saturating_sub(used_bytes);
        let stats = FileStats { used_bytes, free_bytes };
        *writer::lock_write(&self.shared.measured) = Some(stats);
        Ok(stats)
    }

    /// What [`Self::measure`] found the last time in this process.
    #[must_use]
    pub fn last_measure(&self) -> Option<FileStats> {
        *writer::lock_read(&self.shared.measured)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the writer thread panicked");
        }
    }
}
