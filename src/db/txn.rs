//! [`Snapshot`] and [`WriteTxn`]: the two kinds of transaction, each opening a table when it is
//! first touched and keeping it open to its end.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::hot::{Hot, Known};
use super::schema::{HOT, NAMES};
use super::table::{Order, Rows, Visit};
use super::{Error, Shared};

type Bytes = &'static [u8];

fn definition(slot: usize) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(NAMES[slot])
}

impl From<redb::Error> for Error {
    fn from(error: redb::Error) -> Self {
        let full = match &error {
            redb::Error::Io(io) => is_full(io),
            _ => false,
        };
        Self::Storage { message: error.to_string(), full }
    }
}

/// Whether this is for want of space.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Any of redb's errors as ours.
pub(super) fn failed(error: impl Into<redb::Error>) -> Error {
    Error::from(error.into())
}

/// All rows as of one commit. One value serves everybody who asks between two commits, so the
/// tables are looked up once for all of them.
pub struct Snapshot {
    shared: Weak<Shared>,
    /// Which opening of the database this snapshot belongs to.
    opening: u64,
    txn: redb::ReadTransaction,
    tables: Box<[OnceLock<redb::ReadOnlyTable<Bytes, Bytes>>]>,
}

impl Snapshot {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, Error> {
        let (opening, txn) = {
            let database = super::writer::lock_read(&shared.database);
            let txn = match database.as_ref() {
                Ok(database) => database.begin_read().map_err(failed),
                Err(why) => Err(Error::Unavailable(why.clone())),
            };
            (shared.reopened.load(Ordering::SeqCst), txn)
        };
        let txn = txn.inspect_err(|_| shared.queue.ask_reopen(opening))?;
        let tables = NAMES.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { shared: Arc::downgrade(shared), opening, txn, tables })
    }

    /// Bytes of the pages that hold rows or lead to them; looks at every one.
    pub(super) fn used_bytes(&self) -> Result<u64, Error> {
        let tables = (0..NAMES.len()).map(|slot| {
            let stats = self.heed(self.table(slot)?.stats().map_err(failed))?;
            Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
        });
        tables.sum()
    }

    fn table(&self, slot: usize) -> Result<&redb::ReadOnlyTable<Bytes, Bytes>, Error> {
        if let Some(table) = self.tables[slot].get() {
            return Ok(table);
        }
        let table = self.heed(self.txn.open_table(definition(slot)).map_err(failed))?;
        Ok(self.tables[slot].get_or_init(|| table))
    }

    /// After a failure redb refuses everything until it is reopened: asks for that, unless this
    /// snapshot is of an earlier opening, whose fence is all that it met.
    fn heed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|_| {
            if let Some(shared) = self.shared.upgrade() {
                shared.queue.ask_reopen(self.opening);
            }
        })
    }
}

impl Rows for Snapshot {
    fn fetch(&self, slot: usize, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        self.heed(fetch(self.table(slot)?, key, take))
    }

    fn scan(
        &self,
        slot: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit,
    ) -> Result<(), Error> {
        self.heed(scan(self.table(slot)?, range, order, visit))
    }

    fn count(&self, slot: usize) -> Result<u64, Error> {
        self.heed(self.table(slot)?.len().map_err(failed))
    }
}

/// Opened at its first use.
type OpenTable<'t> = OnceCell<RefCell<redb::Table<'t, Bytes, Bytes>>>;

/// A write transaction, shared by the changes that are committed together.
pub struct WriteTxn<'t> {
    txn: &'t redb::WriteTransaction,
    tables: Box<[OpenTable<'t>]>,
    hot: [RefCell<Hot>; NAMES.len()],
    changed: Cell<bool>,
    failure: RefCell<Option<Error>>,
}

impl<'t> WriteTxn<'t> {
    pub(super) fn new(txn: &'t redb::WriteTransaction) -> Self {
        let tables = NAMES.iter().map(|_| OnceCell::new()).collect();
        let hot = std::array::from_fn(|_| RefCell::default());
        Self { txn, tables, hot, changed: Cell::new(false), failure: RefCell::new(None) }
    }

    /// Whether something was changed since the last call of [`Self::forget_changes`]: an error
    /// after that would leave half a change behind, so the batch is given up.
    pub(super) fn changed(&self) -> bool {
        self.changed.get()
    }

    pub(super) fn forget_changes(&self) {
        self.changed.set(false);
    }

    /// Opens every table, which makes those that are missing.
    pub(super) fn make_tables(&self) -> Result<(), Error> {
        (0..NAMES.len()).try_for_each(|slot| self.table(slot).map(drop))
    }

    pub(super) fn insert(&self, slot: usize, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut table = self.table(slot)?.try_borrow_mut().map_err(|_| reentered(slot))?;
        self.changed.set(true);
        if HOT[slot] {
            self.hot[slot].borrow_mut().write(key, Some(value));
            return Ok(());
        }
        self.heed(table.insert(key, value).map(drop).map_err(failed))
    }

    pub(super) fn remove(&self, slot: usize, key: &[u8]) -> Result<bool, Error> {
        let existed = if HOT[slot] {
            let mut existed = false;
            self.fetch(slot, key, &mut |_| existed = true)?;
            drop(self.table(slot)?.try_borrow_mut().map_err(|_| reentered(slot))?);
            self.hot[slot].borrow_mut().write(key, None);
            existed
        } else {
            let mut table = self.table(slot)?.try_borrow_mut().map_err(|_| reentered(slot))?;
            self.heed(table.remove(key).map(|row| row.is_some()).map_err(failed))?
        };
        if existed {
            self.changed.set(true);
        }
        Ok(existed)
    }

    /// Removes a row that has this value; tells whether it had. Looks for it only once where it
    /// mostly has.
    pub(super) fn remove_if(&self, slot: usize, key: &[u8], value: &[u8]) -> Result<bool, Error> {
        if HOT[slot] {
            let mut is_it = false;
            self.fetch(slot, key, &mut |found| is_it = found == value)?;
            return Ok(is_it && self.remove(slot, key)?);
        }
        let mut table = self.table(slot)?.try_borrow_mut().map_err(|_| reentered(slot))?;
        let removed = self.heed(table.remove(key).map_err(failed))?;
        let Some(removed) = removed.map(|removed| removed.value().to_vec()) else {
            return Ok(false);
        };
        self.changed.set(true);
        if removed == value {
            return Ok(true);
        }
        self.heed(table.insert(key, removed.as_slice()).map(drop).map_err(failed))?;
        Ok(false)
    }

    /// Tells redb what is still kept in memory.
    pub(super) fn flush(&self) -> Result<(), Error> {
        (0..NAMES.len()).filter(|slot| HOT[*slot]).try_for_each(|slot| self.flush_table(slot))
    }

    fn flush_table(&self, slot: usize) -> Result<(), Error> {
        if self.hot[slot].borrow().is_flushed() {
            return Ok(());
        }
        let Ok(mut table) = self.table(slot)?.try_borrow_mut() else {
            // It is being visited, so it was flushed, and nothing can have been changed since.
            return Ok(());
        };
        let flushed = self.hot[slot].borrow_mut().flush(|key, value| match value {
            Some(value) => table.insert(key, value).map(drop).map_err(failed),
            None => table.remove(key).map(drop).map_err(failed),
        });
        self.heed(flushed)
    }

    /// The first failure of the storage in this transaction: it cannot be committed any more.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    fn heed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| {
            self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        })
    }

    fn table(&self, slot: usize) -> Result<&RefCell<redb::Table<'t, Bytes, Bytes>>, Error> {
        if let Some(table) = self.tables[slot].get() {
            return Ok(table);
        }
        let table = self.heed(self.txn.open_table(definition(slot)).map_err(failed))?;
        Ok(self.tables[slot].get_or_init(|| RefCell::new(table)))
    }
}

fn reentered(slot: usize) -> Error {
    Error::Broken(format!("table {} was changed while it was being visited", NAMES[slot]))
}

impl Rows for WriteTxn<'_> {
    fn fetch(&self, slot: usize, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let table = self.table(slot)?.try_borrow().map_err(|_| reentered(slot))?;
        if !HOT[slot] {
            return self.heed(fetch(&*table, key, take));
        }
        match self.hot[slot].borrow().get(key) {
            Known::Value(value) => {
                take(value);
                return Ok(());
            }
            Known::Absent => return Ok(()),
            Known::Not => {}
        }
        let mut found = None;
        self.heed(fetch(&*table, key, &mut |value| found = Some(value.to_vec())))?;
        self.hot[slot].borrow_mut().read(key, found.as_deref());
        if let Some(value) = found {
            take(&value);
        }
        Ok(())
    }

    fn scan(
        &self,
        slot: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit,
    ) -> Result<(), Error> {
        if HOT[slot] {
            self.flush_table(slot)?;
        }
        let table = self.table(slot)?.try_borrow().map_err(|_| reentered(slot))?;
        self.heed(scan(&*table, range, order, visit))
    }

    fn count(&self, slot: usize) -> Result<u64, Error> {
        if HOT[slot] {
            self.flush_table(slot)?;
        }
        let table = self.table(slot)?.try_borrow().map_err(|_| reentered(slot))?;
        self.heed(table.len().map_err(failed))
    }
}

fn fetch(
    table: &impl ReadableTable<Bytes, Bytes>,
    key: &[u8],
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), Error> {
    if let Some(value) = table.get(key).map_err(failed)? {
        take(value.value());
    }
    Ok(())
}

fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: (Bound<&[u8]>, Bound<&[u8]>),
    order: Order,
    visit: &mut Visit,
) -> Result<(), Error> {
    if is_empty(range) {
        return Ok(());
    }
    let mut rows = table.range::<&[u8]>(range).map_err(failed)?;
    loop {
        let row = match order {
            Order::Ascending => rows.next(),
            Order::Descending => rows.next_back(),
        };
        let Some(row) = row else { return Ok(()) };
        let (key, value) = row.map_err(failed)?;
        if visit(key.value(), value.value()).is_break() {
            return Ok(());
        }
    }
}

/// Whether a range starts behind its end, which happens when a page continues after the last key.
fn is_empty((lower, upper): (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match (lower, upper) {
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper)) => lower >= upper,
        _ => false,
    }
}
