//! What lists and the sweeper ask of cached entries beside what serving asks.
//!
//! Deliberately absent: every change (`super::cached`).

use super::{Error, View};
use crate::db::Span;
use crate::db::schema::{CACHED_DUE, CACHED_TAGS_OF};
use crate::model::{CachedId, CachedKind, Timestamp};

impl View {
    /// When the first entry behind `looked` waits for somebody to take it on; those that wait for
    /// a person do not count.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_due_behind(
        &self,
        kind: CachedKind,
        looked: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        let span = Span::under(&kind).after(&(kind, (looked, CachedId(u64::MAX))));
        let first = CACHED_DUE.first(&self.snapshot, span)?;
        Ok(first.map(|((_, (due, _)), _)| due).filter(|due| *due < Timestamp::MAX))
    }

    /// The moving names of a manifest, `image:tag`; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn tags_of_cached(&self, id: CachedId, limit: usize) -> Result<Vec<String>, Error> {
        let rows = CACHED_TAGS_OF.page(&self.snapshot, Span::under(&id), limit)?;
        let names = rows.into_iter().map(|((_, (image, name)), ())| format!("{image}:{name}"));
        Ok(names.collect())
    }
}
