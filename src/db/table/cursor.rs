//! [`Cursor`]: a walk over a table that the caller drives, page by page, so that several can be
//! merged; and one that meets rows which cannot be read without stumbling over them.
//!
//! For the check (I2). Deliberately absent: any order but the ascending one.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use super::{Rows, Span, Table, as_slice};
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::{Error, Order, WriteTxn};

/// Rows that are read ahead.
const PAGE: usize = 256;

/// A row as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<K, V> {
    /// It can be read.
    Row(K, V),
    /// It cannot.
    Unreadable {
        /// The bytes of its key.
        key: Vec<u8>,
        /// What is wrong with it.
        what: String,
    },
}

/// Reads a value, or what is wanted of it, from its bytes.
type Read<V> = fn(&[u8]) -> Result<V, String>;

/// The rows of a span in ascending order.
pub struct Cursor<'r, R, K, V> {
    rows: &'r R,
    slot: usize,
    range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    read: Read<V>,
    page: VecDeque<Found<K, V>>,
    is_last_page: bool,
}

impl<K: Key, V: Value> Table<K, V> {
    /// The rows of `span`, those that cannot be read included.
    pub fn cursor<'r, R: Rows>(&self, rows: &'r R, span: Span<K>) -> Cursor<'r, R, K, V> {
        self.cursor_with(rows, span, V::decode)
    }

    /// The rows of `span` with what `read` makes of their values.
    pub fn cursor_with<'r, R: Rows, W>(
        &self,
        rows: &'r R,
        span: Span<K>,
        read: Read<W>,
    ) -> Cursor<'r, R, K, W> {
        let range = (span.lower, span.upper);
        let page = VecDeque::new();
        Cursor { rows, slot: self.slot, range, read, page, is_last_page: false }
    }

    /// Removes the row whose key is exactly these bytes if it cannot be read; tells whether it
    /// did.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn remove_unreadable(&self, txn: &WriteTxn, key: &[u8]) -> Result<bool, Error> {
        let mut is_broken = false;
        txn.fetch(self.slot, key, &mut |value| {
            is_broken = self.row(key, value).is_err();
        })?;
        Ok(is_broken && txn.remove(self.slot, key)?)
    }

    /// Sets a row to bytes that need not mean anything, for tests of damage.
    ///
    /// # Errors
    /// [`Error::Storage`].
    #[cfg(test)]
    pub(crate) fn put_bytes(&self, txn: &WriteTxn, key: &[u8], value: &[u8]) -> Result<(), Error> {
        txn.insert(self.slot, key, value)
    }
}

impl<R: Rows, K: Key, V> Cursor<'_, R, K, V> {
    fn fill(&mut self) -> Result<(), Error> {
        let (page, read) = (&mut self.page, self.read);
        let mut last = None;
        let range = (as_slice(&self.range.0), as_slice(&self.range.1));
        self.rows.scan(self.slot, range, Order::Ascending, &mut |key, value| {
            page.push_back(found(key, read(value)));
            if page.len() < PAGE {
                return ControlFlow::Continue(());
            }
            last = Some(key.to_vec());
            ControlFlow::Break(())
        })?;
        match last {
            Some(last) => self.range.0 = Bound::Excluded(last),
            None => self.is_last_page = true,
        }
        Ok(())
    }
}

fn found<K: Key, V>(key: &[u8], value: Result<V, String>) -> Found<K, V> {
    match (K::from_bytes(key), value) {
        (Some(key), Ok(value)) => Found::Row(key, value),
        (None, _) => Found::Unreadable { key: key.to_vec(), what: "its key is damaged".into() },
        (_, Err(what)) => Found::Unreadable { key: key.to_vec(), what },
    }
}

impl<R: Rows, K: Key, V> Iterator for Cursor<'_, R, K, V> {
    type Item = Result<Found<K, V>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.is_last_page
            && let Err(error) = self.fill()
        {
            self.is_last_page = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}
