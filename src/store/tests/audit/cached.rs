//! Recounts what the caches of other registries' images derive from their entries and names.

use std::collections::BTreeMap;

use super::{Audit, map};
use crate::db::schema::{
    BLOBS, CACHED, CACHED_AGES, CACHED_DIGESTS, CACHED_DUE, CACHED_OF, CACHED_PURGES, CACHED_TAGS,
    CACHED_TAGS_OF, META, Meta, PROXY_GROUPS, PROXY_USAGE,
};
use crate::model::{
    BlobId, CachedId, CachedKind, CachedState, GroupId, ProxyGroup, ProxyUsage, Referrer,
    Timestamp, Usage,
};

impl Audit {
    /// References of caches: an entry holds its bytes.
    pub(super) fn cached_references(&self) -> Vec<((BlobId, Referrer), ())> {
        let entries = self.rows(&CACHED).into_iter();
        entries.map(|(id, entry)| ((entry.blob, Referrer::Cached(id)), ())).collect()
    }

    pub(super) fn cached(&mut self) {
        let (mut of, mut ages, mut due) = (Vec::new(), Vec::new(), Vec::new());
        let mut usage: BTreeMap<GroupId, ProxyUsage> = BTreeMap::new();
        for (id, entry) in self.rows(&CACHED) {
            let (group, kind) = (entry.group, entry.kind());
            let blob = BLOBS.get(&self.snapshot, &entry.blob).unwrap();
            let blob = blob.map(|blob| (blob.size, blob.digest));
            self.same(&format!("bytes of {id:?}"), Some((entry.size, entry.digest())), blob);
            of.push(((group, (kind, id)), ()));
            match &entry.state {
                CachedState::Active => ages.push(((group, (entry.read, id)), ())),
                CachedState::Pending => due.push(((kind, (entry.updated, id)), 1)),
                CachedState::Processing { until, .. } => due.push(((kind, (*until, id)), 2)),
                CachedState::Failed { retry, .. } => {
                    due.push(((kind, (retry.unwrap_or(Timestamp::MAX), id)), 3));
                }
            }
            let part = usage.entry(group).or_default();
            let part = match kind {
                CachedKind::Manifest => &mut part.manifests,
                CachedKind::Blob => &mut part.blobs,
            };
            *part = part.plus(Usage::of(entry.size));
        }
        self.same("entries of groups", map(self.rows(&CACHED_OF)), map(of));
        self.same("ages of entries", map(self.rows(&CACHED_AGES)), map(ages));
        self.same("entries that are due", map(self.rows(&CACHED_DUE)), map(due));
        let found = self.rows(&PROXY_USAGE).into_iter().collect();
        self.same("usage of caches", found, usage);
        self.cached_digests();
        self.cached_names();
        let next = META.get(&self.snapshot, &Meta::NEXT_CACHED).unwrap().unwrap_or(1);
        let last = self.rows(&CACHED).into_iter().map(|(id, _)| id.0).max();
        self.same("next id of an entry", last.is_some_and(|id| id >= next), false);
    }

    /// One entry for each digest among those that are served; what a purge left is to be marked.
    fn cached_digests(&mut self) {
        let proxies: BTreeMap<GroupId, ProxyGroup> = self.rows(&PROXY_GROUPS).into_iter().collect();
        let purges: BTreeMap<GroupId, CachedId> = self.rows(&CACHED_PURGES).into_iter().collect();
        let found: BTreeMap<_, _> = self.rows(&CACHED_DIGESTS).into_iter().collect();
        let mut places = BTreeMap::new();
        for (id, entry) in self.rows(&CACHED) {
            if entry.state != CachedState::Active {
                continue;
            }
            let place = (entry.group, (entry.kind(), entry.digest()));
            if proxies.get(&entry.group).is_none_or(|proxy| id > proxy.purged) {
                let other = places.insert(place, id);
                self.same(&format!("served beside {id:?}"), other, None);
            } else {
                let marks = purges.get(&entry.group).is_some_and(|mark| id <= *mark);
                self.same(&format!("purged {id:?} is to be marked"), marks, true);
                if found.get(&place) == Some(&id) {
                    places.entry(place).or_insert(id);
                }
            }
        }
        self.same("digests of entries", found, places);
    }

    /// A name leads to an entry of its group.
    fn cached_names(&mut self) {
        let entries: BTreeMap<_, _> = self.rows(&CACHED).into_iter().collect();
        let mut back = Vec::new();
        for ((group, name), tag) in self.rows(&CACHED_TAGS) {
            let at = entries.get(&tag.manifest).map(|entry| (entry.group, entry.kind()));
            self.same(&format!("{name:?} leads"), at, Some((group, CachedKind::Manifest)));
            back.push(((tag.manifest, name), ()));
        }
        self.same("names of entries", map(self.rows(&CACHED_TAGS_OF)), map(back));
    }
}
