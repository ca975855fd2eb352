//! Entries of the caches of other registries' images: taking them in, naming them, finding them
//! (spec gitlab §1.4, §1.5, §1.8).
//!
//! Defends I2 (an entry holds its blob until its row goes, whatever its state) and I4 (an entry
//! has the digest of its bytes). An entry is served only if its row is active, its id is above
//! its group's mark and its group is there; all ways to an entry ask that here. Entries are unique
//! only among those that are served, and none becomes active again: what comes after a purge is
//! an entry of its own, and an index row goes only with the entry that it names.
//! Deliberately absent: who may read (`access`), what an upstream says (`proxy`).

mod claims;
mod destroy;
mod expire;
mod listing;
mod part;
pub(super) mod purge;
pub(super) mod reads;
mod tags;

use super::blobs::{Arrival, Content};
use super::groups::{is_live, known};
use super::proxy_groups::{is_same_world, record};
use super::{Error, Store, Tx, View};
use crate::db::schema::{
    CACHED, CACHED_AGES, CACHED_DIGESTS, CACHED_DUE, CACHED_OF, CACHED_TAGS, Meta, PROXY_USAGE,
};
use crate::db::{Pending, Rows};
use crate::model::{
    Cached, CachedId, CachedKind, CachedRef, CachedState, CachedTag, CachedWhat, Digest, GroupId,
    Referrer, Upstream, UpstreamName, Usage,
};

pub use claims::{DueKey, RETRIES_BATCH};
pub use expire::{CachedAge, Expiry};
pub use listing::Waiting;
pub use part::{CachedEnd, CachedPart};
pub use purge::{PurgeCursor, Purging};

/// Something that a group caches from now on.
#[derive(Clone, Debug)]
pub struct NewCached {
    /// Whose cache it comes into.
    pub group: GroupId,
    /// The group's upstream as it was when this was asked for ([`crate::model::ProxyGroup`]).
    pub upstream: Option<Upstream>,
    /// What the bytes are.
    pub what: CachedWhat,
    /// The bytes; they have the digest that `what` says.
    pub content: Content,
    /// What the upstream is known by.
    pub origin: [u8; 32],
    /// The moving name that it has there, if it was asked for by one.
    pub tag: Option<(UpstreamName, CachedRef)>,
}

impl NewCached {
    /// Whether an entry of the same digest says all that this says.
    fn is_known_as(&self, known: &Cached) -> bool {
        let is_same_type = match (&self.what, &known.what) {
            (
                CachedWhat::Manifest { media_type, .. },
                CachedWhat::Manifest { media_type: known, .. },
            ) => media_type == known,
            _ => true,
        };
        is_same_type && self.origin == known.origin
    }
}

impl Store {
    /// Takes bytes into a group's cache and lets a tag name them. An entry that is served and
    /// says the same stays. The answer may be [`Error::GroupUnknown`], [`Error::Changed`] when
    /// the group has another upstream by now, and [`Error::BlobUnknown`] when the bytes are not
    /// what they are said to be or not stored; then nothing was changed.
    pub fn put_cached(&self, new: NewCached) -> Pending<(CachedId, Arrival), Error> {
        let reads = self.shared.cached_reads.clone();
        self.change(move |tx| {
            let put = tx.put_cached(&new)?;
            // It is being served, so what it names counts as read. If this is not committed, the
            // note is of no entry, or of one that is being served all the same.
            reads.note(put.0, tx.now);
            Ok(put)
        })
    }
}

impl View {
    /// The entry of a digest, if it may be served. Its `origin` tells of what upstream it is:
    /// where that is another one than the group's, it is as good as none.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached(
        &self,
        group: GroupId,
        kind: CachedKind,
        digest: Digest,
    ) -> Result<Option<(CachedId, Cached)>, Error> {
        match CACHED_DIGESTS.get(&self.snapshot, &(group, (kind, digest)))? {
            Some(id) => self.served(group, id),
            None => Ok(None),
        }
    }

    /// The manifest that a moving name named when the upstream was last asked, if it may be
    /// served.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_tag(
        &self,
        group: GroupId,
        image: &UpstreamName,
        name: &CachedRef,
    ) -> Result<Option<(CachedId, Cached)>, Error> {
        match self.cached_tag_row(group, image, name)? {
            Some(tag) => self.served(group, tag.manifest),
            None => Ok(None),
        }
    }

    /// What is known of a moving name: also when the upstream was last asked.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn cached_tag_row(
        &self,
        group: GroupId,
        image: &UpstreamName,
        name: &CachedRef,
    ) -> Result<Option<CachedTag>, Error> {
        let key = (group, (image.clone(), name.clone()));
        Ok(CACHED_TAGS.get(&self.snapshot, &key)?)
    }

    fn served(&self, group: GroupId, id: CachedId) -> Result<Option<(CachedId, Cached)>, Error> {
        if !is_live(&self.snapshot, group)? {
            return Ok(None);
        }
        Ok(served(&self.snapshot, group, id)?.map(|cached| (id, cached)))
    }
}

/// An entry of a group, if it may be served as far as its row and the group's mark say.
fn served(rows: &impl Rows, group: GroupId, id: CachedId) -> Result<Option<Cached>, Error> {
    // Without a row there is nothing to serve; `check` tells of an index that says otherwise.
    let Some(cached) = CACHED.get(rows, &id)? else { return Ok(None) };
    let is_served = cached.is_active() && cached.group == group && id > record(rows, group)?.purged;
    Ok(is_served.then_some(cached))
}

impl Tx<'_, '_> {
    fn put_cached(&self, new: &NewCached) -> Result<(CachedId, Arrival), Error> {
        known(self.txn, new.group)?;
        let upstream = record(self.txn, new.group)?.upstream;
        if !is_same_world(new.upstream.as_ref(), upstream.as_ref()) {
            return Err(Error::Changed(format!("the upstream of group {}", new.group.0)));
        }
        let digest = new.what.digest();
        if *new.content.digest() != digest {
            return Err(Error::BlobUnknown(digest));
        }
        let blob = self.known(&new.content)?;
        let there = self.served_digest(new.group, new.what.kind(), digest)?;
        let (id, arrival) = match there {
            Some((id, there)) if new.is_known_as(&there) => (id, Arrival::Known),
            Some((id, there)) => {
                self.mark(id, there)?;
                self.add_cached(new, blob)?
            }
            None => self.add_cached(new, blob)?,
        };
        if let Some((image, name)) = &new.tag {
            self.point(new.group, (image.clone(), name.clone()), id)?;
        }
        Ok((id, arrival))
    }

    fn served_digest(
        &self,
        group: GroupId,
        kind: CachedKind,
        digest: Digest,
    ) -> Result<Option<(CachedId, Cached)>, Error> {
        let id = CACHED_DIGESTS.get(self.txn, &(group, (kind, digest)))?;
        let Some(id) = id else { return Ok(None) };
        Ok(served(self.txn, group, id)?.map(|cached| (id, cached)))
    }

    fn add_cached(
        &self,
        new: &NewCached,
        blob: Option<crate::model::BlobId>,
    ) -> Result<(CachedId, Arrival), Error> {
        let id = CachedId(self.next(Meta::NEXT_CACHED)?);
        let (blob, size, arrival) = self.take_in(&new.content, blob, Referrer::Cached(id))?;
        let (group, now) = (new.group, self.now);
        let cached = Cached {
            group,
            what: new.what.clone(),
            blob,
            size,
            origin: new.origin,
            state: CachedState::Active,
            read: now,
            created: now,
            updated: now,
        };
        let kind = cached.kind();
        CACHED.put(self.txn, &id, &cached)?;
        CACHED_OF.put(self.txn, &(group, (kind, id)), &())?;
        // Of a purged entry whose row is still active the index forgets here.
        CACHED_DIGESTS.put(self.txn, &(group, (kind, cached.digest())), &id)?;
        CACHED_AGES.put(self.txn, &(group, (now, id)), &())?;
        self.count_cached(group, kind, |usage| usage.plus(Usage::of(size)))?;
        Ok((id, arrival))
    }

    /// Sends an active entry away: it is never served again.
    fn mark(&self, id: CachedId, mut cached: Cached) -> Result<(), Error> {
        self.unlist(id, &cached)?;
        self.turn(id, &mut cached, CachedState::Pending)
    }

    /// Takes an active entry out of the indexes of those; where a newer one has its place, that
    /// keeps it.
    fn unlist(&self, id: CachedId, cached: &Cached) -> Result<(), Error> {
        let place = (cached.group, (cached.kind(), cached.digest()));
        if CACHED_DIGESTS.get(self.txn, &place)? == Some(id) {
            CACHED_DIGESTS.remove(self.txn, &place)?;
        }
        CACHED_AGES.remove(self.txn, &(cached.group, (cached.read, id)))?;
        Ok(())
    }

    /// Gives an entry another state on its way out, and its place in the order of those.
    fn turn(&self, id: CachedId, cached: &mut Cached, state: CachedState) -> Result<(), Error> {
        let kind = cached.kind();
        if let Some(due) = cached.due() {
            CACHED_DUE.remove(self.txn, &(kind, (due, id)))?;
        }
        cached.state = state;
        cached.updated = self.now;
        if let Some(due) = cached.due() {
            CACHED_DUE.put(self.txn, &(kind, (due, id)), &cached.state.number())?;
        }
        Ok(CACHED.put(self.txn, &id, cached)?)
    }

    /// Changes what a group's cache is counted for.
    pub(super) fn count_cached(
        &self,
        group: GroupId,
        kind: CachedKind,
        change: impl FnOnce(Usage) -> Usage,
    ) -> Result<(), Error> {
        let mut usage = PROXY_USAGE.get(self.txn, &group)?.unwrap_or_default();
        let part = match kind {
            CachedKind::Manifest => &mut usage.manifests,
            CachedKind::Blob => &mut usage.blobs,
        };
        *part = change(*part);
        if usage == crate::model::ProxyUsage::default() {
            PROXY_USAGE.remove(self.txn, &group)?;
            return Ok(());
        }
        Ok(PROXY_USAGE.put(self.txn, &group, &usage)?)
    }
}
