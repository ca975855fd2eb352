//! Lists and sums of caches, as of one snapshot (I8; spec gitlab §1.14, §10.2).

use std::ops::ControlFlow;

use super::{CachedEnd, CachedPart};
use crate::db::schema::{CACHED, CACHED_DUE, PROXY_USAGE, REFS};
use crate::db::{self, Rows, Span};
use crate::model::{
    Cached, CachedId, CachedKind, Digest, GroupId, ProxyUsage, Referrer, Timestamp,
};
use crate::store::{Error, View, blobs};

/// Holders of a blob that are looked at for one that may be shared.
const HOLDERS_MAX: usize = 1000;

/// How many entries of a kind are on their way out. What a purge left to be marked counts when it
/// is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Waiting {
    /// To be deleted.
    pub pending: u64,
    /// Being deleted.
    pub processing: u64,
    /// Failed, whether they are tried again or not.
    pub failed: u64,
    /// Of those, the ones that wait for a person.
    pub parked: u64,
}

impl View {
    /// An entry with these bytes and of this origin, of whatever group and state, by which bytes
    /// may be shared. Whoever asks has been told by the upstream that they may have them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_elsewhere(
        &self,
        kind: CachedKind,
        digest: Digest,
        origin: &[u8; 32],
    ) -> Result<Option<Cached>, Error> {
        let Some(blob) = blobs::id_of(&self.snapshot, &digest)? else { return Ok(None) };
        let first = (blob, Referrer::Cached(CachedId(0)));
        let newest = Span::under(&blob).from(&first).descending();
        for ((_, referrer), ()) in REFS.page(&self.snapshot, newest, HOLDERS_MAX)? {
            let Referrer::Cached(id) = referrer else { continue };
            match CACHED.get(&self.snapshot, &id) {
                Ok(Some(cached)) if cached.kind() == kind && cached.origin == *origin => {
                    return Ok(Some(cached));
                }
                // Another group's damage is not this one's.
                Ok(_) | Err(db::Error::Corrupt { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Entries of a group, the newest first, whatever their state; `before`: only older ones. What
    /// was purged is shown as what it is, waiting to be deleted.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_list(
        &self,
        group: GroupId,
        kind: CachedKind,
        before: Option<CachedId>,
        limit: usize,
    ) -> Result<Vec<(CachedId, Cached)>, Error> {
        let part =
            CachedPart { newer_than: None, older_than: before, end: CachedEnd::Newest, limit };
        self.cached_part(group, kind, &part)
    }

    /// An entry, whatever its state.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_entry(&self, id: CachedId) -> Result<Option<Cached>, Error> {
        Ok(CACHED.get(&self.snapshot, &id)?)
    }

    /// What a group's cache holds, whatever the state of the entries.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn proxy_usage(&self, group: GroupId) -> Result<ProxyUsage, Error> {
        Ok(PROXY_USAGE.get(&self.snapshot, &group)?.unwrap_or_default())
    }

    /// How many entries of a kind are on their way out; looks at a row of each.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_counts(&self, kind: CachedKind) -> Result<Waiting, Error> {
        count(&self.snapshot, kind)
    }
}

fn count(rows: &impl Rows, kind: CachedKind) -> Result<Waiting, Error> {
    let mut counts = Waiting::default();
    CACHED_DUE.each(rows, Span::under(&kind), |(_, (due, _)), state| {
        match state {
            1 => counts.pending += 1,
            2 => counts.processing += 1,
            _ => counts.failed += 1,
        }
        counts.parked += u64::from(due == Timestamp::MAX);
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}
