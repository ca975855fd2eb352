//! [`ImageFix`]: how one difference of the registry is corrected, in a small transaction that
//! tests the facts again (I2). What may let anything go gives it a link, as everywhere.

use std::time::Duration;

use super::fix::Phase;
use super::holders;
use super::image_tags::shown_as;
use super::index::IndexRow;
use super::products::readable;
use super::shift::Shift;
use crate::db::Span;
use crate::db::schema::{
    BLOBS, CONTAINER_AGES, CONTAINERS, DETACHED, FORMATS, IMAGE_BLOBS, IMAGE_NAMES, IMAGE_TAGS,
    IMAGES, MANIFEST_NAMES, MANIFESTS, NODES, PULLS, REFS, SHA512S,
};
use crate::model::standing::LetGo;
use crate::model::{
    BlobId, FormatId, FormatName, Image, ImageBlob, ImageId, ImageName, ImageTagName, JobId,
    ManifestId, Node, Referrer, Refs, Sha512, Standing, Usage,
};
use crate::store::manifests::has_subject;
use crate::store::manifests::is_named;
use crate::store::{Budget, Error, Tx, containers, links, referrers};

/// Entries of the queue that a fix looks through: with more of them it waits for another time.
const QUEUE_MAX: usize = 1000;

/// A correction of something of the registry.
#[derive(Clone, Debug)]
pub(super) enum ImageFix {
    /// Makes a row of an index.
    Make(IndexRow),
    /// Drops a row of an index.
    Drop(IndexRow),
    /// Makes the reference of a repository or manifest to a blob, and counts it.
    Hold(BlobId, Referrer),
    /// Makes the record of a repository that has a name and contents.
    Image(ImageName, ImageId),
    /// Drops a repository that nothing is in.
    Empty(ImageName, ImageId),
    /// Gives a manifest its names again.
    Name(ManifestId),
    /// Moves the number of a manifest's tags and indexes.
    Holders(ManifestId, Shift<u64>),
    /// Lets a manifest stay that follows what is not there.
    Alone(ManifestId),
    /// Charges nobody for a manifest that something holds.
    Uncharge(ManifestId),
    /// Moves the number of manifests that name a blob.
    BlobCount((ImageId, BlobId), Shift<u64>),
    /// Makes the row of a blob that this many manifests of the repository name.
    Blob((ImageId, BlobId), u64),
    /// Charges nobody for a blob that a manifest holds.
    UnchargeBlob((ImageId, BlobId)),
    /// Makes the way back from the format of a tag to it.
    Container(ImageId, ImageTagName),
    /// Drops a tag whose format is gone or going.
    DeadTag(ImageId, ImageTagName),
    /// Drops what a format shows that is not there.
    StrayContainer(FormatId),
    /// Drops the way from a SHA-512 to a blob that is not there.
    StraySha512(Sha512),
    /// Forgets when a manifest was pulled that is not there.
    StrayPull(ManifestId),
}

impl ImageFix {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Make(_)
            | Self::Hold(..)
            | Self::Image(..)
            | Self::Name(_)
            | Self::Alone(_)
            | Self::Uncharge(_)
            | Self::Blob(..)
            | Self::UnchargeBlob(_)
            | Self::Container(..) => Phase::Adding,
            Self::Holders(_, shift) | Self::BlobCount(_, shift) if shift.counted > shift.found => {
                Phase::Adding
            }
            _ => Phase::Lowering,
        }
    }

    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Make(row) => tx.make_row(row),
            Self::Drop(row) => tx.drop_row(row),
            Self::Hold(blob, referrer) => tx.fix_hold(*blob, referrer),
            Self::Image(name, id) => tx.fix_image(name, *id),
            Self::Empty(name, id) => tx.drop_empty(name, *id),
            Self::Name(id) => tx.fix_manifest_name(*id),
            Self::Holders(id, shift) => tx.fix_holders(*id, *shift),
            Self::Alone(id) => tx.fix_alone(*id),
            Self::Uncharge(id) => tx.fix_charged(*id),
            Self::BlobCount(key, shift) => tx.fix_blob_count(*key, *shift),
            Self::Blob(key, count) => tx.fix_image_blob(*key, *count),
            Self::UnchargeBlob(key) => tx.fix_charged_blob(*key),
            Self::Container(image, tag) => tx.fix_container(*image, tag),
            Self::DeadTag(image, tag) => tx.drop_dead_tag(*image, tag),
            Self::StrayContainer(format) => tx.drop_container(*format),
            Self::StraySha512(sum) => tx.drop_sha512(sum),
            Self::StrayPull(id) => {
                let is_gone = !MANIFESTS.has(tx.txn, id)?;
                Ok(is_gone && PULLS.remove(tx.txn, id)?)
            }
        }
    }
}

impl Tx<'_, '_> {
    fn make_row(&self, row: &IndexRow) -> Result<bool, Error> {
        if !row.is_right(self.txn)? || row.is_there(self.txn)? {
            return Ok(false);
        }
        row.put(self.txn)?;
        Ok(true)
    }

    fn drop_row(&self, row: &IndexRow) -> Result<bool, Error> {
        if row.is_right(self.txn)? || !row.is_there(self.txn)? {
            return Ok(false);
        }
        Ok(row.remove(self.txn)?)
    }

    fn fix_hold(&self, blob: BlobId, referrer: &Referrer) -> Result<bool, Error> {
        let is_needed = referrers::named_bytes(self.txn, referrer, blob)?.is_some()
            && !REFS.has(self.txn, &(blob, referrer.clone()))?
            && BLOBS.has(self.txn, &blob)?;
        if is_needed {
            self.hold(blob, referrer.clone())?;
        }
        Ok(is_needed)
    }

    fn fix_image(&self, name: &ImageName, id: ImageId) -> Result<bool, Error> {
        let leads_back = IMAGE_NAMES.get(self.txn, &id)?.as_ref() == Some(name);
        if !leads_back || IMAGES.has(self.txn, name)? {
            return Ok(false);
        }
        IMAGES.put(self.txn, name, &Image { id, created: self.now })?;
        Ok(true)
    }

    fn drop_empty(&self, name: &ImageName, id: ImageId) -> Result<bool, Error> {
        if IMAGES.get(self.txn, name)?.is_none_or(|image| image.id != id) {
            return Ok(false);
        }
        self.drop_image_if_empty(id)?;
        Ok(!IMAGES.has(self.txn, name)?)
    }

    /// What waits to be destroyed has lost its names for good.
    fn fix_manifest_name(&self, id: ManifestId) -> Result<bool, Error> {
        let Some(manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(false) };
        let queue = DETACHED.page(self.txn, Span::all(), QUEUE_MAX)?;
        let is_waiting = queue.iter().any(|(_, entry)| entry.node == Node::Manifest(id));
        if is_waiting || queue.len() == QUEUE_MAX {
            return Ok(false);
        }
        let mut fixed = false;
        for name in manifest.names() {
            let key = (manifest.image, name);
            if !MANIFEST_NAMES.has(self.txn, &key)? {
                MANIFEST_NAMES.put(self.txn, &key, &id)?;
                fixed = true;
            }
        }
        Ok(fixed)
    }

    /// What nothing holds stays until somebody, or a rule, says otherwise: why it is alone is not
    /// known.
    fn fix_holders(&self, id: ManifestId, shift: Shift<u64>) -> Result<bool, Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(false) };
        if !is_named(self.txn, id, &manifest)? {
            return Ok(false);
        }
        let before = manifest.standing;
        let mut count = holders::count_of(before);
        shift.move_number(&mut count);
        let standing = match (count, before) {
            (0, Standing::Held { .. }) if has_subject(self.txn, &manifest)? => Standing::Follows,
            (0, Standing::Held { .. }) => {
                Standing::alone(LetGo::Displaced, self.now, self.link_end)
            }
            (0, free) => free,
            (count, _) => Standing::Held { count },
        };
        if standing == before {
            return Ok(false);
        }
        self.stand(id, &mut manifest, standing)?;
        MANIFESTS.put(self.txn, &id, &manifest)?;
        Ok(true)
    }

    fn fix_alone(&self, id: ManifestId) -> Result<bool, Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(false) };
        let is_alone = manifest.standing == Standing::Follows
            && !has_subject(self.txn, &manifest)?
            && is_named(self.txn, id, &manifest)?;
        if is_alone {
            let standing = Standing::alone(LetGo::Displaced, self.now, self.link_end);
            self.stand(id, &mut manifest, standing)?;
            MANIFESTS.put(self.txn, &id, &manifest)?;
        }
        Ok(is_alone)
    }

    fn fix_charged(&self, id: ManifestId) -> Result<bool, Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(false) };
        let is_wrong = !manifest.charged.is_empty() && !manifest.standing.is_charged();
        if is_wrong {
            self.uncharge_manifest(&mut manifest)?;
            MANIFESTS.put(self.txn, &id, &manifest)?;
        }
        Ok(is_wrong)
    }

    fn fix_blob_count(&self, key: (ImageId, BlobId), shift: Shift<u64>) -> Result<bool, Error> {
        let Some(mut row) = IMAGE_BLOBS.get(self.txn, &key)? else { return Ok(false) };
        let before = row.refs;
        let mut count = before.count();
        shift.move_number(&mut count);
        row.refs = match (count, before) {
            (0, Refs::Held { .. }) => Refs::Free { until: self.link_end },
            (0, free) => free,
            (count, _) => Refs::Held { count },
        };
        if row.refs == before {
            return Ok(false);
        }
        if matches!(row.refs, Refs::Held { .. }) {
            let login = std::mem::take(&mut row.charged);
            self.uncharge_user(&login, Usage::of(row.size))?;
        }
        self.save_image_blob(key, Some(before), &row)?;
        Ok(true)
    }

    /// While the row was missing, none of those manifests could go, nor another one come.
    fn fix_image_blob(&self, key: (ImageId, BlobId), count: u64) -> Result<bool, Error> {
        let (image, blob) = key;
        let Some(found) = BLOBS.get(self.txn, &blob)? else { return Ok(false) };
        if IMAGE_BLOBS.has(self.txn, &key)? {
            return Ok(false);
        }
        let referrer = Referrer::Image(image);
        if !REFS.has(self.txn, &(blob, referrer.clone()))? {
            self.hold(blob, referrer)?;
        }
        let refs = Refs::Held { count };
        let row = ImageBlob { refs, size: found.size, charged: String::new() };
        self.save_image_blob(key, None, &row)?;
        Ok(true)
    }

    fn fix_charged_blob(&self, key: (ImageId, BlobId)) -> Result<bool, Error> {
        let Some(mut row) = IMAGE_BLOBS.get(self.txn, &key)? else { return Ok(false) };
        let login = std::mem::take(&mut row.charged);
        if login.is_empty() || matches!(row.refs, Refs::Free { .. }) {
            return Ok(false);
        }
        self.uncharge_user(&login, Usage::of(row.size))?;
        IMAGE_BLOBS.put(self.txn, &key, &row)?;
        Ok(true)
    }

    fn fix_container(&self, image: ImageId, tag: &ImageTagName) -> Result<bool, Error> {
        let Some(row) = IMAGE_TAGS.get(self.txn, &(image, tag.clone()))? else {
            return Ok(false);
        };
        let Some((format, shown)) = shown_as(self.txn, image, tag, &row)? else {
            return Ok(false);
        };
        let found = readable(CONTAINERS.get(self.txn, &format))?.flatten();
        if found.as_ref() == Some(&shown) {
            return Ok(false);
        }
        CONTAINERS.put(self.txn, &format, &shown)?;
        CONTAINER_AGES.put(self.txn, &(image, (shown.tagged, shown.tree_tag)), tag)?;
        Ok(true)
    }

    /// Sets what a format shows to what its tag names.
    pub(super) fn fix_container_usage(&self, format: FormatId) -> Result<bool, Error> {
        let Some((_, manifest)) = containers::manifest_of(self.txn, format)? else {
            return Ok(false);
        };
        let Some(mut shown) = CONTAINERS.get(self.txn, &format)? else { return Ok(false) };
        if std::mem::replace(&mut shown.usage, manifest.total) == manifest.total {
            return Ok(false);
        }
        CONTAINERS.put(self.txn, &format, &shown)?;
        Ok(true)
    }

    /// Sets the usage of a format to that of what it shows.
    pub(super) fn fix_shown_usage(
        &self,
        key: &(JobId, FormatName),
        id: FormatId,
    ) -> Result<bool, Error> {
        let found = FORMATS.get(self.txn, key)?.filter(|format| format.id == id);
        let shown = CONTAINERS.get(self.txn, &id)?;
        let (Some(mut format), Some(shown)) = (found, shown) else { return Ok(false) };
        if std::mem::replace(&mut format.usage, shown.usage) == shown.usage {
            return Ok(false);
        }
        FORMATS.put(self.txn, key, &format)?;
        Ok(true)
    }

    /// As when its format is destroyed.
    fn drop_dead_tag(&self, image: ImageId, tag: &ImageTagName) -> Result<bool, Error> {
        let Some(row) = IMAGE_TAGS.get(self.txn, &(image, tag.clone()))? else {
            return Ok(false);
        };
        let Some(format) = row.format else { return Ok(false) };
        let is_dead = links::unnamed(self.txn, Node::Format(format))?.is_some();
        if !is_dead || CONTAINERS.has(self.txn, &format)? {
            return Ok(false);
        }
        self.remove_tag(image, tag, &row)?;
        self.release_manifest(row.manifest, 1, LetGo::Deleted)?;
        self.drop_image_if_empty(image)?;
        Ok(true)
    }

    fn drop_container(&self, format: FormatId) -> Result<bool, Error> {
        if NODES.has(self.txn, &Node::Format(format))? || !CONTAINERS.has(self.txn, &format)? {
            return Ok(false);
        }
        // It takes a single step.
        self.destroy_container(format, &Budget::new(Duration::MAX, 1), &mut Usage::default())
    }

    fn drop_sha512(&self, sum: &Sha512) -> Result<bool, Error> {
        let Some(blob) = SHA512S.get(self.txn, sum)? else { return Ok(false) };
        if BLOBS.has(self.txn, &blob)? {
            return Ok(false);
        }
        Ok(SHA512S.remove(self.txn, sum)?)
    }
}
