//! Parts of a group's list of entries, counted from either end, as of one snapshot (I8).

use crate::db::Span;
use crate::db::schema::{CACHED, CACHED_OF};
use crate::model::{Cached, CachedId, CachedKind, CachedState, GroupId};
use crate::store::proxy_groups::record;
use crate::store::tx::promised;
use crate::store::{Error, View};

/// Which part of a list, newest first, is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedPart {
    /// Only entries after this one came.
    pub newer_than: Option<CachedId>,
    /// Only entries that came before this one.
    pub older_than: Option<CachedId>,
    /// From where it is counted.
    pub end: CachedEnd,
    /// At most so many.
    pub limit: usize,
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachedEnd {
    /// Its front.
    Newest,
    /// Its back.
    Oldest,
}

impl View {
    /// A part of the entries of a group, the newest first from whichever end it is counted,
    /// whatever their state. What was purged is shown as what it is, waiting to be deleted.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_part(
        &self,
        group: GroupId,
        kind: CachedKind,
        part: &CachedPart,
    ) -> Result<Vec<(CachedId, Cached)>, Error> {
        let rows = &self.snapshot;
        let mut span = Span::under(&(group, kind));
        if let Some(newer_than) = part.newer_than {
            span = span.after(&(group, (kind, newer_than)));
        }
        if let Some(older_than) = part.older_than {
            span = span.before(&(group, (kind, older_than)));
        }
        if part.end == CachedEnd::Newest {
            span = span.descending();
        }
        let purged = record(rows, group)?.purged;
        let found =
            CACHED_OF.page(rows, span, part.limit)?.into_iter().map(|((_, (_, id)), ())| {
                let mut cached: Cached = promised(&CACHED, rows, &id)?;
                if cached.is_active() && id <= purged {
                    cached.state = CachedState::Pending;
                }
                Ok((id, cached))
            });
        let mut found = found.collect::<Result<Vec<_>, Error>>()?;
        if part.end == CachedEnd::Oldest {
            found.reverse();
        }
        Ok(found)
    }
}
