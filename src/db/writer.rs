//! The writer thread: runs what waits in one transaction, commits once, then answers (I5, I7).
//!
//! A change that fails after it changed something spoils the batch: the transaction is given up
//! and the others run again without it. A commit that fails has an unknown outcome: nothing is
//! acknowledged and the database is opened again. The one exception is a full disk: if the
//! commit counter shows that nothing was committed and room could be made, the batch runs again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::disk::{Fenced, Length};
use super::queue::{Job, Next, Ran, SliceTimes, Turn};
use super::schema::{META, Meta};
use super::txn::failed;
use super::{Error, OpenDisk, Options, Pressure, Shared, WriteTxn};

/// After a slice others have the writer for so many times as long, while they come.
const OTHERS_SHARE: u32 = 2;
/// A database that cannot be reopened is tried again after this long.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    shared: Arc<Shared>,
    turn: Turn,
    last_reopen: Option<Instant>,
    commits: Option<u64>,
}

/// What became of a transaction.
enum Outcome {
    Committed,
    /// The job at this index failed half-way; nothing was committed.
    Spoiled(usize),
    /// The storage failed before the commit: nothing was committed.
    NotCommitted(Error),
    /// The commit failed: it may have taken place all the same.
    Unknown(Error),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let gap = shared.options.slice_gap;
        let turn = Turn { last: Instant::now(), gap, is_alone: true };
        Self { shared, turn, last_reopen: None, commits: None }
    }

    pub(super) fn run(mut self) {
        self.commits = self.count_commits().ok();
        loop {
            match self.shared.queue.next(&self.turn) {
                Next::Batch => self.batch(),
                Next::Slice(slice) => self.slice(slice),
                Next::Reopen(met) => self.reopen_after(met),
                Next::End => break,
            }
        }
    }

    fn batch(&mut self) {
        let mut jobs = Vec::new();
        let commit = self.commit(&mut jobs, Gather::Queue);
        for job in jobs {
            job.answer(commit.clone());
        }
        self.turn.is_alone = false;
    }

    fn slice(&mut self, job: Box<dyn Job>) {
        let started = Instant::now();
        let mut jobs = vec![job];
        let commit = self.commit(&mut jobs, Gather::Nothing);
        for job in jobs {
            job.answer(commit.clone());
        }
        let last = Instant::now();
        let gap = (last.duration_since(started) * OTHERS_SHARE).min(self.shared.options.slice_gap);
        self.turn = Turn { last, gap, is_alone: true };
    }

    /// Commits `jobs` (and what is gathered), giving up those that spoil the batch.
    fn commit(&mut self, jobs: &mut Vec<Box<dyn Job>>, mut gather: Gather) -> Result<(), Error> {
        (self.shared.options.make_room)(Pressure::Ordinary);
        let mut spoilt = Vec::new();
        let mut may_retry = true;
        let result = loop {
            let before = self.commits;
            let failure = match self.attempt(jobs, gather) {
                Outcome::Committed => break Ok(()),
                Outcome::Spoiled(at) => {
                    spoilt.push(jobs.remove(at));
                    if jobs.is_empty() {
                        break Ok(());
                    }
                    None
                }
                Outcome::NotCommitted(error) => Some((error, Phase::BeforeCommit)),
                Outcome::Unknown(error) => Some((error, Phase::Commit)),
            };
            if let Some((error, phase)) = failure {
                let recovered = self.recover(&error, phase, before);
                if let Err(error) = recovered {
                    break Err(error);
                }
                if !std::mem::take(&mut may_retry) {
                    break Err(error);
                }
            }
            gather = Gather::Nothing;
        };
        jobs.append(&mut spoilt);
        result
    }

    fn attempt(&mut self, jobs: &mut Vec<Box<dyn Job>>, gather: Gather) -> Outcome {
        let started = Instant::now();
        let outcome = self.reopen_if_broken().map(|()| self.transact(jobs, gather, started));
        let outcome = outcome.unwrap_or_else(Outcome::NotCommitted);
        if jobs.is_empty() && gather == Gather::Queue && !matches!(outcome, Outcome::Committed) {
            // It failed before anything was taken: those who wait are the ones to be told.
            let waiting = std::iter::from_fn(|| self.shared.queue.pop_front());
            jobs.extend(waiting.take(self.shared.options.batch_max.max(1)));
        }
        outcome
    }

    fn transact(
        &mut self,
        jobs: &mut Vec<Box<dyn Job>>,
        gather: Gather,
        started: Instant,
    ) -> Outcome {
        let guard = lock_read(&self.shared.database);
        let Ok(database) = guard.as_ref() else {
            return Outcome::NotCommitted(Error::Unavailable("it is being reopened".into()));
        };
        let mut txn = match begin(database) {
            Ok(txn) => txn,
            Err(error) => return Outcome::NotCommitted(error),
        };
        let length = self.shared.length.load(Ordering::Relaxed);
        txn.set_quick_repair(length >= self.shared.options.quick_repair_bytes_min);
        let ran = {
            let txn = WriteTxn::new(&txn);
            let ran = self.run_all(&txn, jobs, gather);
            // A batch that is given up need not be told to redb.
            match ran {
                Ok(None) => txn.flush().map(|()| None),
                spoiled_or_failed => spoiled_or_failed,
            }
        };
        match ran {
            Ok(None) => {}
            Ok(Some(at)) => {
                let aborted = txn.abort().map_err(failed);
                return aborted.map_or_else(Outcome::NotCommitted, |()| Outcome::Spoiled(at));
            }
            Err(error) => return Outcome::NotCommitted(error),
        }
        let work = started.elapsed();
        if let Err(error) = txn.commit() {
            return Outcome::Unknown(failed(error));
        }
        let commit = started.elapsed().saturating_sub(work);
        let is_crowded = !self.turn.is_alone || self.shared.queue.has_front();
        let times = SliceTimes { work, commit, is_crowded };
        for job in jobs.iter() {
            job.note(times);
        }
        drop(guard);
        self.forget_latest();
        self.commits = self.commits.map(|commits| commits + 1);
        Outcome::Committed
    }

    /// Runs the jobs, and those that wait until the bound is reached. Returns the index of one
    /// that failed after it had changed something.
    fn run_all(
        &self,
        txn: &WriteTxn,
        jobs: &mut Vec<Box<dyn Job>>,
        gather: Gather,
    ) -> Result<Option<usize>, Error> {
        let commits = META.get(txn, &Meta::COMMITS)?.unwrap_or(0);
        META.put(txn, &Meta::COMMITS, &(commits + 1))?;
        let started = Instant::now();
        let mut at = 0;
        loop {
            if at == jobs.len() {
                let Options { batch_max, work_bound, .. } = self.shared.options;
                // One at least, or a slow machine would commit nothing for ever.
                let fits = at == 0 || (at < batch_max && started.elapsed() < work_bound);
                let more = (gather == Gather::Queue && fits)
                    .then(|| self.shared.queue.pop_front())
                    .flatten();
                match more {
                    Some(job) => jobs.push(job),
                    None => return Ok(None),
                }
            }
            txn.forget_changes();
            let ran = jobs[at].run(txn);
            if let Some(error) = txn.failure() {
                return Err(error);
            }
            if ran == Ran::Refused && txn.changed() {
                return Ok(Some(at));
            }
            at += 1;
        }
    }

    /// Opens the database again. `Ok` when the failed batch may run once more: nothing of it was
    /// committed, and the failure was not for want of space, or room was made.
    ///
    /// After a commit that failed only a full disk leaves a counter that can be believed: a sync
    /// that failed may have lost pages which still read well from memory.
    fn recover(&mut self, error: &Error, phase: Phase, before: Option<u64>) -> Result<(), Error> {
        log::error!("a write failed, the database is opened again: {error}");
        // Opening writes too, so room is made before it.
        let has_room = !error.is_full() || (self.shared.options.make_room)(Pressure::Full);
        let reopened = self.reopen();
        let counter_stands = reopened.is_ok() && before.is_some() && before == self.commits;
        if phase == Phase::Commit && !(error.is_full() && counter_stands) {
            return Err(Error::OutcomeUnknown(error.to_string()));
        }
        if !has_room {
            return Err(error.clone());
        }
        reopened
    }

    fn reopen_if_broken(&mut self) -> Result<(), Error> {
        let broken = lock_read(&self.shared.database).as_ref().err().cloned();
        if let Some(why) = broken {
            if self.last_reopen.is_some_and(|last| last.elapsed() < REOPEN_PAUSE) {
                return Err(Error::Unavailable(why));
            }
            self.reopen()?;
        }
        if self.commits.is_none() {
            self.commits = Some(self.count_commits()?);
        }
        Ok(())
    }

    /// Heeds a reader's failure. One that was met before the last opening is over, and a
    /// database that cannot be opened is not tried all the time: the next reader asks again.
    fn reopen_after(&mut self, met: u64) {
        if met < self.shared.reopened.load(Ordering::SeqCst) {
            return;
        }
        let is_broken = lock_read(&self.shared.database).is_err();
        // Either way the log has said what there is to say.
        let _ = if is_broken { self.reopen_if_broken() } else { self.reopen() };
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.last_reopen = Some(Instant::now());
        self.forget_latest();
        let mut database = lock_write(&self.shared.database);
        // The old one must be closed before the new one is opened.
        *database = Err("it is being reopened".into());
        let opened = open(&self.shared.open_disk, &self.shared.options, &self.shared.length);
        *database = opened.map_err(|error| error.to_string());
        self.shared.reopened.fetch_add(1, Ordering::SeqCst);
        let result = database.as_ref().map(drop).map_err(|why| Error::Unavailable(why.clone()));
        drop(database);
        match &result {
            Ok(()) => log::warn!("the database is open again"),
            Err(error) => log::error!("the database could not be reopened: {error}"),
        }
        self.forget_latest();
        self.commits = self.count_commits().ok();
        result
    }

    /// The next reader begins a new snapshot.
    fn forget_latest(&self) {
        let latest = lock_write(&self.shared.latest).take();
        // Closing it may take a moment, which is not spent under the lock.
        drop(latest);
    }

    fn count_commits(&self) -> Result<u64, Error> {
        let snapshot = super::Snapshot::new(&self.shared)?;
        Ok(META.get(&snapshot, &Meta::COMMITS)?.unwrap_or(0))
    }
}

/// Also when a panic ends the thread: nobody may wait for a writer that is gone.
impl Drop for Writer {
    fn drop(&mut self) {
        *lock_write(&self.shared.database) = Err("it is closed".into());
        drop(lock_write(&self.shared.latest).take());
        self.shared.queue.close();
        self.shared.queue.refuse_all();
    }
}

/// When a transaction failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    BeforeCommit,
    Commit,
}

/// Whether a transaction takes in what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gather {
    Queue,
    Nothing,
}

pub(super) fn begin(database: &redb::Database) -> Result<redb::WriteTransaction, Error> {
    database.begin_write().map_err(failed)
}

/// Opens the database. After a crash redb walks all tables first, which is reported.
pub(super) fn open(
    open_disk: &OpenDisk,
    options: &Options,
    length: &Length,
) -> Result<redb::Database, Error> {
    let disk = open_disk().and_then(|disk| Fenced::new(disk, length)).map_err(failed_io)?;
    let mut builder = redb::Builder::new();
    builder.set_cache_size(options.cache_bytes);
    builder.set_repair_callback(|session| {
        log::info!("checking the database after a crash: {:.0} %", session.progress() * 100.0);
    });
    builder.create_with_backend(disk).map_err(failed)
}

pub(super) fn failed_io(error: std::io::Error) -> Error {
    Error::from(redb::Error::Io(error))
}

/// The database behind the lock is whole at every unlock.
pub(super) fn lock_read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn lock_write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
