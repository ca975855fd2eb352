//! What the sweeper remembers over restarts: its runs, and when the last full one ended.

use super::{Error, Store};
use crate::db::Span;
use crate::db::schema::{META, Meta, RUNS};
use crate::model::{Run, RunId, Scope, Timestamp, Trigger};

/// Runs that are kept.
const KEPT: u64 = 1000;
/// Old runs that one new run removes at most: more than one, so that the table shrinks to its
/// bound, and few, so that it costs nothing.
const PRUNED_MAX: usize = 4;

impl Store {
    /// Opens the record of a new run. One that was never closed tells that the process died in it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn begin_run(&self, trigger: Trigger, scope: Scope) -> Result<Run, Error> {
        let slice = self.slice(move |tx| {
            let id = RunId(tx.next(Meta::NEXT_RUN)?);
            let run = Run {
                id,
                trigger,
                scope,
                started: tx.now,
                ended: None,
                stages: Vec::new(),
                errors: Vec::new(),
                error_count: 0,
            };
            RUNS.put(tx.txn, &id, &run)?;
            for (old, _) in RUNS.page(tx.txn, Span::all(), PRUNED_MAX)? {
                if old.0.saturating_add(KEPT) <= id.0 {
                    RUNS.remove(tx.txn, &old)?;
                }
            }
            Ok(run)
        });
        slice.map(|(run, _)| run)
    }

    /// Writes the record of a run; a full one that has ended is remembered as such.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn save_run(&self, run: Run) -> Result<(), Error> {
        let slice = self.slice(move |tx| {
            RUNS.put(tx.txn, &run.id, &run)?;
            if let (Scope::Full, Some(ended)) = (run.scope, run.ended) {
                META.put(tx.txn, &Meta::LAST_FULL_RUN, &ended.0)?;
            }
            Ok(())
        });
        slice.map(|((), _)| ())
    }

    /// Notes the wall time, so that a clock that was set back is seen after a restart too.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn note_time(&self) -> Result<(), Error> {
        self.slice(|tx| Ok(META.put(tx.txn, &Meta::LAST_SEEN, &tx.now.0)?)).map(|((), _)| ())
    }
}

impl super::View {
    /// The last `limit` runs, newest first.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn runs(&self, limit: usize) -> Result<Vec<Run>, Error> {
        let page = RUNS.page(&self.snapshot, Span::all().descending(), limit)?;
        Ok(page.into_iter().map(|(_, run)| run).collect())
    }

    /// When the last full run ended.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn last_full_run(&self) -> Result<Option<Timestamp>, Error> {
        Ok(META.get(&self.snapshot, &Meta::LAST_FULL_RUN)?.map(Timestamp))
    }

    /// The wall time that was noted last.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn last_seen(&self) -> Result<Option<Timestamp>, Error> {
        Ok(META.get(&self.snapshot, &Meta::LAST_SEEN)?.map(Timestamp))
    }
}
