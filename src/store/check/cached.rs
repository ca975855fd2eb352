//! The walk over the caches of other registries' images: their entries and moving names are
//! truth, and what follows from them is compared with it: references, indexes, usage (I2).
//!
//! An entry that a purge left active in its row need not be in the index of digests, where a newer
//! one may have its place; but then its group must be among those that wait to be marked.

use std::collections::BTreeMap;

use super::cached_rows::CachedRow;
use super::fix::{Erase, Fix, Phase};
use super::image_fix::ImageFix;
use super::index::sure;
use super::products::readable;
use super::shift::{Holder, Shift};
use super::{Halt, Pass};
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{
    CACHED, CACHED_AGES, CACHED_DIGESTS, CACHED_DUE, CACHED_OF, CACHED_PURGES, CACHED_TAGS,
    CACHED_TAGS_OF, GROUPS, PROXY_GROUPS, PROXY_USAGE, REFS,
};
use crate::db::{Found, Span, Table};
use crate::model::{
    Cached, CachedId, CachedKind, CachedRef, GroupId, ProxyUsage, Referrer, UpstreamName, Usage,
};
use crate::store::{Error, Tx};

/// A correction of something of a cache.
#[derive(Clone, Debug)]
pub(super) enum CachedFix {
    /// Makes a row of an index.
    Make(CachedRow),
    /// Drops a row of an index.
    Drop(CachedRow),
    /// Lets the sweeper mark what a purge left active.
    Purge(GroupId),
    /// Drops a moving name of what is not there.
    StrayName(GroupId, (UpstreamName, CachedRef)),
}

impl CachedFix {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Make(_) | Self::Purge(_) => Phase::Adding,
            Self::Drop(_) | Self::StrayName(..) => Phase::Lowering,
        }
    }

    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Make(row) => {
                let is_missing = row.is_right(tx.txn)? && !row.is_there(tx.txn)?;
                if is_missing {
                    row.put(tx.txn)?;
                }
                Ok(is_missing)
            }
            Self::Drop(row) => {
                let is_stray = !row.is_right(tx.txn)? && row.is_there(tx.txn)?;
                Ok(is_stray && row.remove(tx.txn)?)
            }
            Self::Purge(group) => tx.fix_purge(*group),
            Self::StrayName(group, name) => tx.drop_stray_name(*group, name),
        }
    }
}

impl Tx<'_, '_> {
    fn fix_purge(&self, group: GroupId) -> Result<bool, Error> {
        let proxy = PROXY_GROUPS.get(self.txn, &group)?.unwrap_or_default();
        if CACHED_PURGES.get(self.txn, &group)? == Some(proxy.purged) {
            return Ok(false);
        }
        CACHED_PURGES.put(self.txn, &group, &proxy.purged)?;
        Ok(true)
    }

    fn drop_stray_name(
        &self,
        group: GroupId,
        name: &(UpstreamName, CachedRef),
    ) -> Result<bool, Error> {
        let key = (group, name.clone());
        let Some(tag) = CACHED_TAGS.get(self.txn, &key)? else { return Ok(false) };
        if CACHED.get(self.txn, &tag.manifest)?.is_some_and(|cached| cached.group == group) {
            return Ok(false);
        }
        CACHED_TAGS_OF.remove(self.txn, &(tag.manifest, name.clone()))?;
        Ok(CACHED_TAGS.remove(self.txn, &key)?)
    }
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_cached(&mut self) -> Result<(), Halt> {
        let mut usage = BTreeMap::new();
        for row in CACHED.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, cached) => self.check_entry(id, &cached, &mut usage)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(CACHED.name(), &key, &what);
                }
            }
        }
        self.check_cached_names()?;
        self.truth_of(&PROXY_GROUPS)?;
        self.truth_of(&CACHED_PURGES)?;
        self.check_cached_rows()?;
        self.check_proxy_usage(usage)
    }

    /// The rows of a table of truth that no other says anything about can be read.
    pub(super) fn truth_of<K: Key, V: Value>(&mut self, table: &Table<K, V>) -> Result<(), Halt> {
        for row in table.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Unreadable { key, what } = row? {
                self.found.unreadable(table.name(), &key, &what);
            }
        }
        Ok(())
    }

    fn check_entry(
        &mut self,
        id: CachedId,
        cached: &Cached,
        usage: &mut BTreeMap<GroupId, ProxyUsage>,
    ) -> Result<(), Halt> {
        let (group, kind) = (cached.group, cached.kind());
        let part = usage.entry(group).or_default();
        let part = match kind {
            CachedKind::Manifest => &mut part.manifests,
            CachedKind::Blob => &mut part.blobs,
        };
        *part = part.plus(Usage::of(cached.size));
        if !GROUPS.has(self.rows, &group)? {
            let (id, group) = (id.0, group.0);
            self.found.damage(format!("cached entry {id} is of group {group}, which is not there"));
        }
        let referrer = Referrer::Cached(id);
        if !REFS.has(self.rows, &(cached.blob, referrer.clone()))? {
            let what = format!("cached entry {} does not hold blob {}", id.0, cached.blob.0);
            self.found.differ(what, Fix::Image(ImageFix::Hold(cached.blob, referrer)));
        }
        self.want_cached(CachedRow::Of(group, kind, id))?;
        if let Some(due) = cached.due() {
            return self.want_cached(CachedRow::Due(kind, (due, id), cached.state.number()));
        }
        self.want_cached(CachedRow::Age(group, (cached.read, id)))?;
        self.check_cached_digest(id, cached)
    }

    /// The place of an active entry in the index of digests.
    fn check_cached_digest(&mut self, id: CachedId, cached: &Cached) -> Result<(), Halt> {
        let (group, kind, digest) = (cached.group, cached.kind(), cached.digest());
        let row = CachedRow::Digest(group, kind, digest, id);
        let proxy = readable(PROXY_GROUPS.get(self.rows, &group))?;
        let Some(proxy) = proxy else { return Ok(()) };
        if id > proxy.unwrap_or_default().purged {
            return self.want_cached(row);
        }
        if row.is_there(self.rows)? {
            *self.met.index.entry(row.table()).or_default() += 1;
        }
        if readable(CACHED_PURGES.get(self.rows, &group))?.flatten().is_none_or(|mark| mark < id) {
            let (id, number) = (id.0, group.0);
            let what = format!("cached entry {id} of group {number} was purged and is not marked");
            self.found.differ(what, Fix::Cached(CachedFix::Purge(group)));
        }
        Ok(())
    }

    fn want_cached(&mut self, row: CachedRow) -> Result<(), Halt> {
        if row.is_there(self.rows)? {
            *self.met.index.entry(row.table()).or_default() += 1;
        } else {
            let what = format!("{row} is missing");
            self.found.differ(what, Fix::Cached(CachedFix::Make(row)));
        }
        Ok(())
    }

    /// A moving name leads to a manifest of its group, whatever the state of that.
    fn check_cached_names(&mut self) -> Result<(), Halt> {
        for row in CACHED_TAGS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((group, name), tag) => {
                    let entry = CACHED.get(self.rows, &tag.manifest);
                    if sure(entry.map(|entry| entry.is_some_and(|entry| entry.group == group)))? {
                        self.want_cached(CachedRow::NameOf(tag.manifest, name))?;
                    } else {
                        let (number, id) = (group.0, tag.manifest.0);
                        let what = format!(
                            "{}:{} of group {number} names cached entry {id}, which is not there",
                            name.0, name.1
                        );
                        self.found.differ(what, Fix::Cached(CachedFix::StrayName(group, name)));
                    }
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(CACHED_TAGS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    /// Rows of the indexes that nothing wants.
    fn check_cached_rows(&mut self) -> Result<(), Halt> {
        let erase: Erase = |txn, key| CACHED_OF.remove_unreadable(txn, key);
        let row = |(group, (kind, id)), ()| CachedRow::Of(group, kind, id);
        self.stray_cached(&CACHED_OF, row, erase)?;
        let erase: Erase = |txn, key| CACHED_DIGESTS.remove_unreadable(txn, key);
        let row = |(group, (kind, digest)), id| CachedRow::Digest(group, kind, digest, id);
        self.stray_cached(&CACHED_DIGESTS, row, erase)?;
        let erase: Erase = |txn, key| CACHED_TAGS_OF.remove_unreadable(txn, key);
        self.stray_cached(&CACHED_TAGS_OF, |(id, name), ()| CachedRow::NameOf(id, name), erase)?;
        let erase: Erase = |txn, key| CACHED_AGES.remove_unreadable(txn, key);
        let row = |(group, age), ()| CachedRow::Age(group, age);
        self.stray_cached(&CACHED_AGES, row, erase)?;
        let erase: Erase = |txn, key| CACHED_DUE.remove_unreadable(txn, key);
        let row = |(kind, due), state| CachedRow::Due(kind, due, state);
        self.stray_cached(&CACHED_DUE, row, erase)
    }

    fn stray_cached<K: Key, V: Value>(
        &mut self,
        table: &Table<K, V>,
        row_of: impl Fn(K, V) -> CachedRow,
        erase: Erase,
    ) -> Result<(), Halt> {
        self.where_too_many(table, erase, |check, key, value| {
            let row = row_of(key, value);
            if !sure(row.is_right(check.rows))? {
                let what = format!("{row} is one too many");
                check.found.differ(what, Fix::Cached(CachedFix::Drop(row)));
            }
            Ok(())
        })
    }

    fn check_proxy_usage(
        &mut self,
        mut counted: BTreeMap<GroupId, ProxyUsage>,
    ) -> Result<(), Halt> {
        for row in PROXY_USAGE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(group, found) => {
                    let counted = counted.remove(&group).unwrap_or_default();
                    self.compare_proxy(group, found, counted);
                }
                Found::Unreadable { key, what } => {
                    if let Some(group) = GroupId::from_bytes(&key) {
                        counted.remove(&group);
                    }
                    let erase: Erase = |txn, key| PROXY_USAGE.remove_unreadable(txn, key);
                    self.broken(PROXY_USAGE.name(), key, &what, erase);
                }
            }
        }
        for (group, counted) in counted {
            self.compare_proxy(group, ProxyUsage::default(), counted);
        }
        Ok(())
    }

    fn compare_proxy(&mut self, group: GroupId, found: ProxyUsage, counted: ProxyUsage) {
        let number = group.0;
        let shift = Shift { found: found.manifests, counted: counted.manifests };
        let holder = Holder::Proxy(group, CachedKind::Manifest);
        self.compare(&format!("the cache of manifests of group {number}"), shift, holder);
        let shift = Shift { found: found.blobs, counted: counted.blobs };
        let holder = Holder::Proxy(group, CachedKind::Blob);
        self.compare(&format!("the cache of blobs of group {number}"), shift, holder);
    }
}
