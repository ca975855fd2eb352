//! [`Hot`]: rows that nearly every change of a batch reads and rewrites (a branch, the counters),
//! kept in memory until the batch is complete, so that redb is told once and not once a change.
//!
//! It may be that simple because a batch is all or nothing: a change that fails after it changed
//! something gives the whole batch up, and this with it.

use std::collections::HashMap;

/// The rows of one table that this batch has touched.
#[derive(Default)]
pub(super) struct Hot {
    rows: HashMap<Vec<u8>, Row>,
}

/// What is known of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<'h> {
    /// Nothing: ask redb.
    Not,
    /// There is none.
    Absent,
    /// This is it.
    Value(&'h [u8]),
}

struct Row {
    value: Option<Vec<u8>>,
    is_written: bool,
}

impl Hot {
    /// What the batch knows of the row at `key`.
    pub(super) fn get(&self, key: &[u8]) -> Known<'_> {
        match self.rows.get(key) {
            None => Known::Not,
            Some(row) => row.value.as_deref().map_or(Known::Absent, Known::Value),
        }
    }

    /// Whether redb has been told everything.
    pub(super) fn is_flushed(&self) -> bool {
        self.rows.values().all(|row| row.is_written)
    }

    /// Notes what was read.
    pub(super) fn read(&mut self, key: &[u8], value: Option<&[u8]>) {
        let row = Row { value: value.map(<[u8]>::to_vec), is_written: true };
        self.rows.insert(key.to_vec(), row);
    }

    /// Notes what is to be written; `None` removes the row.
    pub(super) fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(<[u8]>::to_vec);
        match self.rows.get_mut(key) {
            Some(row) => *row = Row { value, is_written: false },
            None => drop(self.rows.insert(key.to_vec(), Row { value, is_written: false })),
        }
    }

    /// Hands over what is not written yet, in the order of the keys, and counts it as written.
    pub(super) fn flush<E>(
        &mut self,
        mut write: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut waiting: Vec<_> = self.rows.iter_mut().filter(|(_, row)| !row.is_written).collect();
        waiting.sort_unstable_by(|a, b| a.0.cmp(b.0));
        for (key, row) in waiting {
            write(key, row.value.as_deref())?;
            row.is_written = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_handed_over_once_in_order() {
        let mut hot = Hot::default();
        assert_eq!(hot.get(b"a"), Known::Not);
        hot.read(b"a", None);
        assert_eq!(hot.get(b"a"), Known::Absent);
        assert!(hot.is_flushed());
        hot.write(b"b", Some(b"2"));
        hot.write(b"a", Some(b"1"));
        hot.write(b"b", None);
        assert_eq!((hot.get(b"a"), hot.get(b"b")), (Known::Value(b"1"), Known::Absent));
        assert!(!hot.is_flushed());
        let mut seen = Vec::new();
        let mut flush = |hot: &mut Hot| {
            hot.flush(|key, value| {
                seen.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                Ok::<_, ()>(())
            })
        };
        flush(&mut hot).unwrap();
        flush(&mut hot).unwrap();
        assert_eq!(seen, [(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)]);
    }
}
