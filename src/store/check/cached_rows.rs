//! [`CachedRow`]: a row of one of the indexes over caches, and whether the truth wants it there.
//! The walk and the repair ask the same question (I2).

use std::fmt;

use crate::db::schema::{
    CACHED, CACHED_AGES, CACHED_DIGESTS, CACHED_DUE, CACHED_OF, CACHED_TAGS, CACHED_TAGS_OF,
};
use crate::db::{Error, Rows, WriteTxn};
use crate::model::{CachedId, CachedKind, CachedRef, Digest, GroupId, UpstreamName};
use crate::store::cached::{CachedAge, DueKey};

/// A row of an index over caches.
#[derive(Clone, Debug)]
pub(super) enum CachedRow {
    Of(GroupId, CachedKind, CachedId),
    Digest(GroupId, CachedKind, Digest, CachedId),
    NameOf(CachedId, (UpstreamName, CachedRef)),
    Age(GroupId, CachedAge),
    Due(CachedKind, DueKey, u64),
}

impl CachedRow {
    /// Name of the table.
    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Of(..) => CACHED_OF.name(),
            Self::Digest(..) => CACHED_DIGESTS.name(),
            Self::NameOf(..) => CACHED_TAGS_OF.name(),
            Self::Age(..) => CACHED_AGES.name(),
            Self::Due(..) => CACHED_DUE.name(),
        }
    }

    /// Whether the row is there as it is here; one that cannot be read is not.
    pub(super) fn is_there(&self, rows: &impl Rows) -> Result<bool, Error> {
        match self {
            Self::Of(group, kind, id) => CACHED_OF.has(rows, &(*group, (*kind, *id))),
            Self::Digest(group, kind, digest, id) => {
                is_value(CACHED_DIGESTS.get(rows, &(*group, (*kind, *digest))), id)
            }
            Self::NameOf(id, name) => CACHED_TAGS_OF.has(rows, &(*id, name.clone())),
            Self::Age(group, age) => CACHED_AGES.has(rows, &(*group, *age)),
            Self::Due(kind, due, state) => is_value(CACHED_DUE.get(rows, &(*kind, *due)), state),
        }
    }

    /// Whether the truth wants the row there.
    pub(super) fn is_right(&self, rows: &impl Rows) -> Result<bool, Error> {
        if let Self::NameOf(id, name) = self {
            let Some(cached) = CACHED.get(rows, id)? else { return Ok(false) };
            let tag = CACHED_TAGS.get(rows, &(cached.group, name.clone()))?;
            return Ok(tag.is_some_and(|tag| tag.manifest == *id));
        }
        let Some(cached) = CACHED.get(rows, &self.entry())? else { return Ok(false) };
        let place = (cached.group, cached.kind());
        Ok(match self {
            Self::Of(group, kind, _) => place == (*group, *kind),
            Self::Digest(group, kind, digest, _) => {
                let is_its = place == (*group, *kind) && cached.digest() == *digest;
                is_its && cached.is_active()
            }
            Self::Age(group, (read, _)) => {
                (cached.group, cached.read) == (*group, *read) && cached.is_active()
            }
            Self::Due(kind, (due, _), state) => {
                let is_due = cached.due() == Some(*due) && cached.state.number() == *state;
                is_due && place.1 == *kind
            }
            Self::NameOf(..) => false,
        })
    }

    fn entry(&self) -> CachedId {
        match self {
            Self::Of(_, _, id)
            | Self::Digest(_, _, _, id)
            | Self::NameOf(id, _)
            | Self::Age(_, (_, id))
            | Self::Due(_, (_, id), _) => *id,
        }
    }

    /// Makes the row.
    pub(super) fn put(&self, txn: &WriteTxn) -> Result<(), Error> {
        match self {
            Self::Of(group, kind, id) => CACHED_OF.put(txn, &(*group, (*kind, *id)), &()),
            Self::Digest(group, kind, digest, id) => {
                CACHED_DIGESTS.put(txn, &(*group, (*kind, *digest)), id)
            }
            Self::NameOf(id, name) => CACHED_TAGS_OF.put(txn, &(*id, name.clone()), &()),
            Self::Age(group, age) => CACHED_AGES.put(txn, &(*group, *age), &()),
            Self::Due(kind, due, state) => CACHED_DUE.put(txn, &(*kind, *due), state),
        }
    }

    /// Drops the row; tells whether it was there.
    pub(super) fn remove(&self, txn: &WriteTxn) -> Result<bool, Error> {
        match self {
            Self::Of(group, kind, id) => CACHED_OF.remove(txn, &(*group, (*kind, *id))),
            Self::Digest(group, kind, digest, _) => {
                CACHED_DIGESTS.remove(txn, &(*group, (*kind, *digest)))
            }
            Self::NameOf(id, name) => CACHED_TAGS_OF.remove(txn, &(*id, name.clone())),
            Self::Age(group, age) => CACHED_AGES.remove(txn, &(*group, *age)),
            Self::Due(kind, due, _) => CACHED_DUE.remove(txn, &(*kind, *due)),
        }
    }
}

impl fmt::Display for CachedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self {
            Self::Of(..) => "the list of its group",
            Self::Digest(..) => "the index of digests",
            Self::NameOf(..) => "the list of its names",
            Self::Age(..) => "the order of last reads",
            Self::Due(..) => "the list of what is to be deleted",
        };
        write!(f, "the row of cached entry {} in {list}", self.entry().0)
    }
}

/// One that cannot be read is not there.
fn is_value<V: PartialEq>(found: Result<Option<V>, Error>, value: &V) -> Result<bool, Error> {
    match found {
        Ok(found) => Ok(found.as_ref() == Some(value)),
        Err(Error::Corrupt { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
