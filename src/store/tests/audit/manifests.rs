//! Recounts what the registry derives: holds of manifests and of blobs, indexes, the ways back
//! from the artifact tree, charges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audit, map};
use crate::db::schema::{
    BLOBS, CHARGES, CONTAINER_AGES, CONTAINERS, DETACHED, DOOMED, IMAGE_BLOBS, IMAGE_NAMES,
    IMAGE_TAGS, IMAGES, MANIFEST_NAMES, MANIFESTS, PULLS, REFERRERS, TAGS_OF, UNTAGGED, UPLOADS,
};
use crate::model::{
    BlobId, ImageId, Manifest, ManifestId, Node, OciDigest, Referrer, Refs, Repo, Standing, Usage,
};

type Records = BTreeMap<ManifestId, Manifest>;

impl Audit {
    pub(super) fn manifests(&mut self) {
        let records: Records = self.rows(&MANIFESTS).into_iter().collect();
        let named: BTreeSet<ManifestId> =
            self.rows(&MANIFEST_NAMES).into_iter().map(|(_, id)| id).collect();
        self.names(&records, &named);
        self.standings(&records, &named);
        self.image_blobs(&records);
        self.shown(&records);
        self.charges(&records);
        self.images();
        for (id, _) in self.rows(&PULLS) {
            self.same(&format!("a pull of {id:?}"), records.contains_key(&id), true);
        }
    }

    /// References of the registry: a manifest holds its bytes, a repository its blobs.
    pub(super) fn registry_references(&self) -> Vec<((BlobId, Referrer), ())> {
        let manifests = self.rows(&MANIFESTS).into_iter();
        let manifests = manifests.map(|(id, row)| ((row.blob, Referrer::Manifest(id)), ()));
        let blobs = self.rows(&IMAGE_BLOBS).into_iter();
        manifests.chain(blobs.map(|((at, id), _)| ((id, Referrer::Image(at)), ()))).collect()
    }

    /// A manifest has its names, or it waits to be destroyed.
    fn names(&mut self, records: &Records, named: &BTreeSet<ManifestId>) {
        let queued = self.rows(&DETACHED).into_iter().filter_map(|(_, entry)| match entry.node {
            Node::Manifest(id) if records.contains_key(&id) => Some(id),
            _ => None,
        });
        let left: BTreeSet<_> = records.keys().copied().filter(|id| !named.contains(id)).collect();
        self.same("manifests without a name", left, queued.collect());
        let mut expected = Vec::new();
        for (id, record) in records.iter().filter(|(id, _)| named.contains(id)) {
            expected.push(((record.image, OciDigest::from(record.digest)), *id));
            expected.extend(record.sha512().map(|name| ((record.image, name), *id)));
        }
        self.same("names of manifests", map(self.rows(&MANIFEST_NAMES)), map(expected));
    }

    fn standings(&mut self, records: &Records, named: &BTreeSet<ManifestId>) {
        let mut holders: BTreeMap<ManifestId, u64> = BTreeMap::new();
        let mut tags_of = Vec::new();
        for ((_, tag), row) in self.rows(&IMAGE_TAGS) {
            *holders.entry(row.manifest).or_default() += 1;
            tags_of.push(((row.manifest, tag), ()));
        }
        for child in records.values().flat_map(|record| &record.children) {
            *holders.entry(*child).or_default() += 1;
        }
        self.same("tags of manifests", map(self.rows(&TAGS_OF)), map(tags_of));
        let (mut untagged, mut doomed, mut referrers) = (Vec::new(), Vec::new(), Vec::new());
        for (id, record) in records {
            if let Some(subject) = &record.subject {
                let subject = OciDigest::parse(subject).unwrap();
                referrers.push(((record.image, (subject, *id)), ()));
            }
            if !named.contains(id) {
                continue;
            }
            let counted = holders.get(id).copied().unwrap_or_default();
            match record.standing {
                Standing::Held { count } => {
                    self.same(&format!("holders of {id:?}"), (count, count > 0), (counted, true));
                }
                free => self.same(&format!("holders of {id:?}, {free:?}"), 0, counted),
            }
            match record.standing {
                Standing::Untagged { since } => untagged.push(((record.image, (since, *id)), ())),
                Standing::Doomed { until } => doomed.push(((until, *id), ())),
                Standing::Held { .. } | Standing::Follows => {}
            }
            self.total(*id, record, records, named);
        }
        self.same("untagged manifests", map(self.rows(&UNTAGGED)), map(untagged));
        self.same("doomed manifests", map(self.rows(&DOOMED)), map(doomed));
        self.same("referrers", map(self.rows(&REFERRERS)), map(referrers));
    }

    /// As long as none of its children was deleted.
    fn total(
        &mut self,
        id: ManifestId,
        record: &Manifest,
        records: &Records,
        named: &BTreeSet<ManifestId>,
    ) {
        if !record.children.iter().all(|child| named.contains(child)) {
            return;
        }
        let sizes = record.blobs.iter().map(|blob| {
            Usage::of(BLOBS.get(&self.snapshot, blob).unwrap().map_or(0, |blob| blob.size))
        });
        let children = record.children.iter().map(|child| records[child].total);
        let total = sizes.chain(children).fold(Usage::of(record.size), Usage::plus);
        self.same(&format!("total of {id:?}"), record.total, total);
    }

    /// A repository's manifests that name a blob, those that are being destroyed included.
    fn image_blobs(&mut self, records: &Records) {
        let mut counts: BTreeMap<(ImageId, BlobId), u64> = BTreeMap::new();
        for record in records.values() {
            for blob in &record.blobs {
                *counts.entry((record.image, *blob)).or_default() += 1;
            }
        }
        for (key, row) in self.rows(&IMAGE_BLOBS) {
            let counted = counts.remove(&key).unwrap_or_default();
            let is_held = matches!(row.refs, Refs::Held { .. });
            let what = format!("manifests that name {key:?}");
            self.same(&what, (row.refs.count(), is_held), (counted, counted > 0));
        }
        self.same("blobs that a repository lacks", counts, BTreeMap::new());
    }

    /// What the artifact tree shows is what the registry has.
    fn shown(&mut self, records: &Records) {
        let mut ages: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        let rows = self.rows(&CONTAINERS);
        for (format, shown) in &rows {
            let key =
                crate::db::keys::Key::to_bytes(&(shown.image, (shown.tagged, shown.tree_tag)));
            ages.entry(key).or_default().push(shown.tag.clone());
            let node = Node::Format(*format);
            if !self.tree.live.contains(&node) {
                continue;
            }
            let name = IMAGE_NAMES.get(&self.snapshot, &shown.image).unwrap().unwrap();
            let tag = crate::model::ImageTagName::parse(&shown.tag).unwrap();
            let path = crate::store::tree::path_of(&self.snapshot, node).unwrap();
            let place = name.format_of(&tag).map(|path| path.to_string());
            self.same(&format!("place of {name}:{tag}"), place, Some(path));
            let row = IMAGE_TAGS.get(&self.snapshot, &(shown.image, tag)).unwrap().unwrap();
            self.same(&format!("what {format:?} shows"), row.format, Some(*format));
            self.same(&format!("usage of {format:?}"), shown.usage, records[&row.manifest].total);
        }
        let shown: BTreeMap<_, _> = rows.into_iter().collect();
        for ((image, tag), row) in self.rows(&IMAGE_TAGS) {
            let Some(format) = row.format else { continue };
            let back = shown.get(&format).map(|shown| (shown.image, shown.tag.clone()));
            self.same(&format!("way back from {format:?}"), back, Some((image, tag.to_string())));
        }
        for (key, tag) in self.rows(&CONTAINER_AGES) {
            let tags = ages.remove(&crate::db::keys::Key::to_bytes(&key)).unwrap_or_default();
            let is_one = tags.iter().any(|shown| shown == tag.as_str());
            self.same(&format!("age of {tag}: {key:?}"), is_one, true);
        }
        self.same("ages that are missing", ages, BTreeMap::new());
    }

    fn charges(&mut self, records: &Records) {
        let mut charges: BTreeMap<String, Usage> = BTreeMap::new();
        let mut charge = |login: &str, usage: Usage| {
            if !login.is_empty() {
                let sum = charges.entry(login.to_owned()).or_default();
                *sum = sum.plus(usage);
            }
        };
        for (_, row) in self.rows(&IMAGE_BLOBS) {
            charge(&row.charged, Usage::of(row.size));
        }
        for record in records.values() {
            charge(&record.charged, record.total);
        }
        for (_, upload) in self.rows(&UPLOADS) {
            charge(&upload.by, crate::store::uploads::charge_of(&upload));
        }
        for ((image, _), row) in self.rows(&IMAGE_TAGS) {
            let name = IMAGE_NAMES.get(&self.snapshot, &image).unwrap().unwrap();
            if let (Repo::User(user), None) = (name.repo(), row.format) {
                charge(user.as_str(), records[&row.manifest].total);
            }
        }
        charges.retain(|_, usage| *usage != Usage::default());
        let stored = self.rows(&CHARGES).into_iter();
        let stored = stored.map(|(user, usage)| (user.as_str().to_owned(), usage)).collect();
        self.same("charges", stored, charges);
        for (id, record) in records {
            if !record.charged.is_empty() {
                self.same(&format!("{id:?} is charged"), record.standing.is_charged(), true);
            }
        }
    }

    /// A repository is there while something is in it.
    fn images(&mut self) {
        let blobs = self.rows(&IMAGE_BLOBS).into_iter().map(|((image, _), _)| image);
        let names = self.rows(&MANIFEST_NAMES).into_iter().map(|((image, _), _)| image);
        let tags = self.rows(&IMAGE_TAGS).into_iter().map(|((image, _), _)| image);
        let used: BTreeSet<_> = blobs.chain(names).chain(tags).collect();
        let known: BTreeSet<_> = self.rows(&IMAGES).into_iter().map(|(_, row)| row.id).collect();
        self.same("repositories", known, used);
        let names = self.rows(&IMAGES).into_iter().map(|(name, row)| (row.id, name)).collect();
        self.same("names of repositories", map(self.rows(&IMAGE_NAMES)), map(names));
    }
}
