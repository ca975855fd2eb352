//! [`Table`]: a typed view of one redb table, readable in a [`Snapshot`](super::Snapshot) and in a
//! [`WriteTxn`]. Keys and values become bytes and back here and nowhere else.

mod cursor;

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::codec::Value;
use super::keys::{Key, PrefixOf};
use super::{Error, WriteTxn};

pub use cursor::{Cursor, Found};

/// Takes a row's key and value and says whether to go on.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Raw rows of either kind of transaction. `slot` says which table.
pub trait Rows {
    /// Hands the value at `key` to `take`, if there is one.
    ///
    /// # Errors
    /// [`Error::Storage`].
    fn fetch(&self, slot: usize, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Error>;

    /// Hands the rows between `range` to `visit`, in `order`, until it breaks off.
    ///
    /// # Errors
    /// [`Error::Storage`].
    fn scan(
        &self,
        slot: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit,
    ) -> Result<(), Error>;

    /// Number of rows; takes the same time whatever it is.
    ///
    /// # Errors
    /// [`Error::Storage`].
    fn count(&self, slot: usize) -> Result<u64, Error>;
}

/// What is shared is read like what is owned.
impl<R: Rows> Rows for Arc<R> {
    fn fetch(&self, slot: usize, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        (**self).fetch(slot, key, take)
    }

    fn scan(
        &self,
        slot: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit,
    ) -> Result<(), Error> {
        (**self).scan(slot, range, order, visit)
    }

    fn count(&self, slot: usize) -> Result<u64, Error> {
        (**self).count(slot)
    }
}

/// In which direction rows are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// One table: which it is, and what its rows are.
pub struct Table<K, V> {
    slot: usize,
    name: &'static str,
    row: PhantomData<fn() -> (K, V)>,
}

/// A contiguous part of a table whose keys are `K`.
pub struct Span<K> {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    order: Order,
    key: PhantomData<fn() -> K>,
}

impl<K: Key> Span<K> {
    /// The whole table.
    #[must_use]
    pub fn all() -> Self {
        Self {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
            order: Order::Ascending,
            key: PhantomData,
        }
    }

    /// The keys that begin with `prefix`.
    #[must_use]
    pub fn under<P: PrefixOf<K>>(prefix: &P) -> Self {
        let prefix = prefix.to_bytes();
        let upper = match successor(&prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        Self { lower: Bound::Included(prefix), upper, ..Self::all() }
    }

    /// Only the keys from `key` on.
    #[must_use]
    pub fn from(self, key: &K) -> Self {
        self.starting(Bound::Included(key.to_bytes()))
    }

    /// Only the keys behind `key`.
    #[must_use]
    pub fn after(self, key: &K) -> Self {
        self.starting(Bound::Excluded(key.to_bytes()))
    }

    /// Only the keys behind all those that begin with `prefix`.
    #[must_use]
    pub fn beyond<P: PrefixOf<K>>(self, prefix: &P) -> Self {
        if let Some(end) = successor(&prefix.to_bytes()) {
            return self.starting(Bound::Included(end));
        }
        // Nothing is larger: an empty span.
        Self { lower: Bound::Included(Vec::new()), upper: Bound::Excluded(Vec::new()), ..self }
    }

    /// Only the keys before `key`.
    #[must_use]
    pub fn before(self, key: &K) -> Self {
        let upper = key.to_bytes();
        match &self.upper {
            Bound::Included(old) | Bound::Excluded(old) if *old <= upper => self,
            _ => Self { upper: Bound::Excluded(upper), ..self },
        }
    }

    /// A start before that of this span changes nothing.
    fn starting(self, lower: Bound<Vec<u8>>) -> Self {
        match (&self.lower, &lower) {
            (Bound::Included(old), Bound::Included(new) | Bound::Excluded(new)) if old > new => {
                self
            }
            _ => Self { lower, ..self },
        }
    }

    /// The same keys, largest first.
    #[must_use]
    pub fn descending(self) -> Self {
        Self { order: Order::Descending, ..self }
    }
}

/// The smallest byte string that is larger than everything that begins with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let at = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=at].to_vec();
    end[at] += 1;
    Some(end)
}

impl<K: Key, V: Value> Table<K, V> {
    pub(super) const fn new(slot: usize, name: &'static str) -> Self {
        Self { slot, name, row: PhantomData }
    }

    /// The table's name in the file: noun, dot, generation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value at `key`.
    ///
    /// # Errors
    /// [`Error::Storage`], and [`Error::Corrupt`] when it cannot be read.
    pub fn get(&self, rows: &impl Rows, key: &K) -> Result<Option<V>, Error> {
        let mut found = None;
        rows.fetch(self.slot, &key.to_bytes(), &mut |bytes| found = Some(V::decode(bytes)))?;
        found.transpose().map_err(|what| self.corrupt(what))
    }

    /// Whether there is a row at `key`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn has(&self, rows: &impl Rows, key: &K) -> Result<bool, Error> {
        let mut found = false;
        rows.fetch(self.slot, &key.to_bytes(), &mut |_| found = true)?;
        Ok(found)
    }

    /// Whether there is a row in `span`, also one that cannot be read.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn has_any(&self, rows: &impl Rows, span: Span<K>) -> Result<bool, Error> {
        let mut found = false;
        let Span { lower, upper, order, .. } = span;
        rows.scan(self.slot, (as_slice(&lower), as_slice(&upper)), order, &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Number of rows, also of those that cannot be read.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn count(&self, rows: &impl Rows) -> Result<u64, Error> {
        rows.count(self.slot)
    }

    /// Visits the rows of `span` until `visit` breaks off or fails.
    ///
    /// # Errors
    /// What `visit` returns, [`Error::Storage`], and [`Error::Corrupt`] for a row that cannot be
    /// read.
    pub fn each<E: From<Error>>(
        &self,
        rows: &impl Rows,
        span: Span<K>,
        mut visit: impl FnMut(K, V) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut failure = None;
        let Span { lower, upper, order, .. } = span;
        let range = (as_slice(&lower), as_slice(&upper));
        rows.scan(self.slot, range, order, &mut |key, value| {
            let visited = self.row(key, value).map_err(E::from).and_then(|(k, v)| visit(k, v));
            visited.unwrap_or_else(|error| {
                failure = Some(error);
                ControlFlow::Break(())
            })
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// The first `limit` rows of `span`.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn page(
        &self,
        rows: &impl Rows,
        span: Span<K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, Error> {
        let mut page = Vec::new();
        if limit == 0 {
            return Ok(page);
        }
        self.each(rows, span, |key, value| {
            page.push((key, value));
            Ok::<_, Error>(if page.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(page)
    }

    /// The first row of `span`.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn first(&self, rows: &impl Rows, span: Span<K>) -> Result<Option<(K, V)>, Error> {
        Ok(self.page(rows, span, 1)?.pop())
    }

    /// All rows of `span`. For parts whose size is bounded by their nature.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn all(&self, rows: &impl Rows, span: Span<K>) -> Result<Vec<(K, V)>, Error> {
        self.page(rows, span, usize::MAX)
    }

    /// Sets the row at `key`.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn put(&self, txn: &WriteTxn, key: &K, value: &V) -> Result<(), Error> {
        let value = value.encode().map_err(|what| self.corrupt(what))?;
        txn.insert(self.slot, &key.to_bytes(), &value)
    }

    /// Removes the row at `key` and tells whether there was one.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn remove(&self, txn: &WriteTxn, key: &K) -> Result<bool, Error> {
        txn.remove(self.slot, &key.to_bytes())
    }

    /// Removes the row at `key` if it has this very value, and tells whether it had. Takes as long
    /// as [`Self::remove`] where it mostly has.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn remove_if(&self, txn: &WriteTxn, key: &K, value: &V) -> Result<bool, Error> {
        let value = value.encode().map_err(|what| self.corrupt(what))?;
        txn.remove_if(self.slot, &key.to_bytes(), &value)
    }

    fn row(&self, key: &[u8], value: &[u8]) -> Result<(K, V), Error> {
        let key = K::from_bytes(key).ok_or_else(|| {
            self.corrupt(format!("its key is {}", crate::model::digest::hex(key)))
        })?;
        Ok((key, V::decode(value).map_err(|what| self.corrupt(what))?))
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { table: self.name, what }
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
