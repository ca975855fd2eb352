//! [`Tx`]: one change in progress: its moment, its counters, and ids. [`Budget`]: how much of it
//! one slice may do (I7).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::Error;
use super::behalf::Behalf;
use crate::db::schema::{META, Meta, TOTALS};
use crate::db::{Rows, Table, WriteTxn};
use crate::model::{Timestamp, Totals};

/// When a change happens, fixed before it is queued.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// Until when what becomes free now must stay.
    pub(super) lease_end: Timestamp,
    /// Until when the registry keeps for a repository what no manifest names now.
    pub(super) link_end: Timestamp,
    /// What a user's repository may hold unless its record says otherwise.
    pub(super) user_quota: Option<u64>,
}

/// One change in progress.
pub(crate) struct Tx<'a, 't> {
    pub(super) txn: &'a WriteTxn<'t>,
    pub(super) now: Timestamp,
    pub(super) lease_end: Timestamp,
    pub(super) link_end: Timestamp,
    pub(super) user_quota: Option<u64>,
    pub(super) behalf: Option<&'a Behalf>,
    totals: RefCell<Option<Totals>>,
}

impl<'a, 't> Tx<'a, 't> {
    pub(super) fn run<T>(
        txn: &'a WriteTxn<'t>,
        moment: Moment,
        behalf: Option<&'a Behalf>,
        change: &impl Fn(&Tx) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Moment { now, lease_end, link_end, user_quota } = moment;
        let totals = RefCell::new(None);
        let tx = Self { txn, now, lease_end, link_end, user_quota, behalf, totals };
        tx.check_behalf()?;
        let value = change(&tx)?;
        if let Some(totals) = tx.totals.take() {
            TOTALS.put(txn, &(), &totals)?;
        }
        Ok(value)
    }

    /// Changes the counters; they are written once, at the end of the change.
    pub(super) fn count(&self, change: impl FnOnce(&mut Totals)) -> Result<(), Error> {
        let known = self.totals.borrow_mut().take();
        let mut totals = match known {
            Some(totals) => totals,
            None => TOTALS.get(self.txn, &())?.unwrap_or_default(),
        };
        change(&mut totals);
        self.totals.replace(Some(totals));
        Ok(())
    }

    /// The next number of a sequence.
    pub(super) fn next(&self, sequence: Meta) -> Result<u64, Error> {
        let next = META.get(self.txn, &sequence)?.unwrap_or(1);
        META.put(self.txn, &sequence, &(next + 1))?;
        Ok(next)
    }
}

/// How much one slice may do: an amount of time, and of rows (whose pages the commit must write).
/// One row at least, or slices that come to their end while they read would never end.
pub struct Budget {
    started: Instant,
    work: Duration,
    rows_max: u32,
    rows_taken: Cell<u32>,
}

impl Budget {
    /// Starts now.
    #[must_use]
    pub fn new(work: Duration, rows_max: u32) -> Self {
        Self { started: Instant::now(), work, rows_max, rows_taken: Cell::new(0) }
    }

    /// Takes one row out of the budget, just before it is changed; `false` when it is used up.
    pub fn take(&self) -> bool {
        let taken = self.rows_taken.get();
        let is_used_up = taken >= self.rows_max || self.started.elapsed() >= self.work;
        if taken > 0 && is_used_up {
            return false;
        }
        self.rows_taken.set(taken.saturating_add(1));
        true
    }
}

/// A row that another row promises.
pub(super) fn promised<K: crate::db::keys::Key, V: crate::db::codec::Value>(
    table: &Table<K, V>,
    rows: &impl Rows,
    key: &K,
) -> Result<V, Error> {
    table.get(rows, key)?.ok_or_else(|| {
        let key = crate::model::digest::hex(&key.to_bytes());
        let what = format!("row {key} is missing, though another row names it");
        Error::Db(crate::db::Error::Corrupt { table: table.name(), what })
    })
}
