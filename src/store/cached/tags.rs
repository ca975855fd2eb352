//! Moving names of cached manifests: tags, and lists of what refers to a manifest.
//!
//! A name is a pointer: what it named before stays until its time comes. It counts while the
//! entry that it names may be served; it goes with that entry, but only if it still names it.

use super::served;
use crate::db::Pending;
use crate::db::schema::{CACHED_TAGS, CACHED_TAGS_OF};
use crate::model::{CachedId, CachedKind, CachedRef, CachedTag, GroupId, UpstreamName};
use crate::store::groups::known;
use crate::store::{Error, Store, Tx};

/// A moving name, as it is in keys.
pub(super) type Name = (UpstreamName, CachedRef);

impl Store {
    /// Notes that a moving name names a manifest now, as the upstream has just said. `false`:
    /// that manifest may not be served (any more). The answer may be [`Error::GroupUnknown`].
    pub fn point_cached(
        &self,
        group: GroupId,
        image: UpstreamName,
        name: CachedRef,
        id: CachedId,
    ) -> Pending<bool, Error> {
        self.change(move |tx| {
            known(tx.txn, group)?;
            let cached = served(tx.txn, group, id)?;
            let is_served = cached.is_some_and(|cached| cached.kind() == CachedKind::Manifest);
            if is_served {
                tx.point(group, (image.clone(), name.clone()), id)?;
            }
            Ok(is_served)
        })
    }
}

impl Tx<'_, '_> {
    pub(super) fn point(&self, group: GroupId, name: Name, id: CachedId) -> Result<(), Error> {
        let key = (group, name.clone());
        let before = CACHED_TAGS.get(self.txn, &key)?;
        if let Some(before) = before.filter(|before| before.manifest != id) {
            CACHED_TAGS_OF.remove(self.txn, &(before.manifest, name.clone()))?;
        }
        CACHED_TAGS_OF.put(self.txn, &(id, name), &())?;
        Ok(CACHED_TAGS.put(self.txn, &key, &CachedTag { manifest: id, checked: self.now })?)
    }

    /// Takes a name away from the entry that it was listed for.
    pub(super) fn drop_name(&self, group: GroupId, id: CachedId, name: Name) -> Result<(), Error> {
        let key = (group, name.clone());
        if CACHED_TAGS.get(self.txn, &key)?.is_some_and(|tag| tag.manifest == id) {
            CACHED_TAGS.remove(self.txn, &key)?;
        }
        CACHED_TAGS_OF.remove(self.txn, &(id, name))?;
        Ok(())
    }
}
