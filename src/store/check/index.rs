//! [`IndexRow`]: a row of one of the registry's indexes, and whether the truth wants it there.
//!
//! The walk and the repair ask the same question (I2), so a row is made or dropped only for what
//! it was found for. Deliberately absent: counters, which no single row tells.

use std::fmt;

use super::Pass;
use super::fix::{Erase, Fix};
use super::image_fix::ImageFix;
use super::products::readable;
use super::watch::Halt;
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{
    CONTAINER_AGES, CONTAINERS, DOOMED, IMAGE_BLOBS, IMAGE_LINKS, IMAGE_NAMES, IMAGE_TAGS, IMAGES,
    MANIFESTS, REFERRERS, SHA512_OF, SHA512S, TAGS_OF, UNTAGGED, UPLOAD_AGES, UPLOADS,
};
use crate::db::{Error, Found, Rows, Span, Table, WriteTxn};
use crate::model::{
    BlobId, ImageId, ImageName, ImageTagName, Manifest, ManifestId, OciDigest, Refs, Sha512,
    Standing, TagId, Timestamp, UploadId,
};
use crate::store::manifests::is_named;

/// A row of an index of the registry.
#[derive(Clone, Debug)]
pub(super) enum IndexRow {
    Name(ImageId, ImageName),
    Link(Timestamp, (ImageId, BlobId)),
    TagOf(ManifestId, ImageTagName),
    Referrer(ImageId, OciDigest, ManifestId),
    Doomed(Timestamp, ManifestId),
    Untagged(ImageId, Timestamp, ManifestId),
    Age(ImageId, (Timestamp, TagId), ImageTagName),
    Sha512(BlobId, Sha512),
    UploadAge(Timestamp, UploadId),
}

impl IndexRow {
    /// Name of the table.
    fn table(&self) -> &'static str {
        match self {
            Self::Name(..) => IMAGE_NAMES.name(),
            Self::Link(..) => IMAGE_LINKS.name(),
            Self::TagOf(..) => TAGS_OF.name(),
            Self::Referrer(..) => REFERRERS.name(),
            Self::Doomed(..) => DOOMED.name(),
            Self::Untagged(..) => UNTAGGED.name(),
            Self::Age(..) => CONTAINER_AGES.name(),
            Self::Sha512(..) => SHA512_OF.name(),
            Self::UploadAge(..) => UPLOAD_AGES.name(),
        }
    }

    /// Whether the row is there as it is here; one that cannot be read is not.
    pub(super) fn is_there(&self, rows: &impl Rows) -> Result<bool, Error> {
        match self {
            Self::Name(id, name) => is_value(IMAGE_NAMES.get(rows, id), name),
            Self::Link(until, key) => IMAGE_LINKS.has(rows, &(*until, *key)),
            Self::TagOf(id, tag) => TAGS_OF.has(rows, &(*id, tag.clone())),
            Self::Referrer(image, of, id) => REFERRERS.has(rows, &(*image, (*of, *id))),
            Self::Doomed(until, id) => DOOMED.has(rows, &(*until, *id)),
            Self::Untagged(image, since, id) => UNTAGGED.has(rows, &(*image, (*since, *id))),
            Self::Age(image, age, tag) => is_value(CONTAINER_AGES.get(rows, &(*image, *age)), tag),
            Self::Sha512(blob, sum) => is_value(SHA512_OF.get(rows, blob), sum),
            Self::UploadAge(touched, id) => UPLOAD_AGES.has(rows, &(*touched, *id)),
        }
    }

    /// Whether the truth wants the row there.
    pub(super) fn is_right(&self, rows: &impl Rows) -> Result<bool, Error> {
        match self {
            Self::Name(id, name) => {
                Ok(IMAGES.get(rows, name)?.is_some_and(|image| image.id == *id))
            }
            Self::Link(until, key) => {
                let row = IMAGE_BLOBS.get(rows, key)?;
                Ok(row.is_some_and(|row| row.refs == Refs::Free { until: *until }))
            }
            Self::TagOf(id, tag) => match MANIFESTS.get(rows, id)? {
                Some(manifest) => {
                    let row = IMAGE_TAGS.get(rows, &(manifest.image, tag.clone()))?;
                    Ok(row.is_some_and(|row| row.manifest == *id))
                }
                None => Ok(false),
            },
            Self::Referrer(image, of, id) => {
                let is_about =
                    |found: Manifest| found.image == *image && found.subject().as_ref() == Some(of);
                Ok(MANIFESTS.get(rows, id)?.is_some_and(is_about))
            }
            Self::Doomed(until, id) => stands(rows, *id, Standing::Doomed { until: *until }, None),
            Self::Untagged(image, since, id) => {
                stands(rows, *id, Standing::Untagged { since: *since }, Some(*image))
            }
            Self::Age(image, age, tag) => is_age(rows, *image, *age, tag),
            Self::Sha512(blob, sum) => Ok(SHA512S.get(rows, sum)? == Some(*blob)),
            Self::UploadAge(touched, id) => {
                Ok(UPLOADS.get(rows, id)?.is_some_and(|upload| upload.touched == *touched))
            }
        }
    }

    /// Makes the row.
    pub(super) fn put(&self, txn: &WriteTxn) -> Result<(), Error> {
        match self {
            Self::Name(id, name) => IMAGE_NAMES.put(txn, id, name),
            Self::Link(until, key) => IMAGE_LINKS.put(txn, &(*until, *key), &()),
            Self::TagOf(id, tag) => TAGS_OF.put(txn, &(*id, tag.clone()), &()),
            Self::Referrer(image, of, id) => REFERRERS.put(txn, &(*image, (*of, *id)), &()),
            Self::Doomed(until, id) => DOOMED.put(txn, &(*until, *id), &()),
            Self::Untagged(image, since, id) => UNTAGGED.put(txn, &(*image, (*since, *id)), &()),
            Self::Age(image, age, tag) => CONTAINER_AGES.put(txn, &(*image, *age), tag),
            Self::Sha512(blob, sum) => SHA512_OF.put(txn, blob, sum),
            Self::UploadAge(touched, id) => UPLOAD_AGES.put(txn, &(*touched, *id), &()),
        }
    }

    /// Drops the row; tells whether it was there.
    pub(super) fn remove(&self, txn: &WriteTxn) -> Result<bool, Error> {
        match self {
            Self::Name(id, _) => IMAGE_NAMES.remove(txn, id),
            Self::Link(until, key) => IMAGE_LINKS.remove(txn, &(*until, *key)),
            Self::TagOf(id, tag) => TAGS_OF.remove(txn, &(*id, tag.clone())),
            Self::Referrer(image, of, id) => REFERRERS.remove(txn, &(*image, (*of, *id))),
            Self::Doomed(until, id) => DOOMED.remove(txn, &(*until, *id)),
            Self::Untagged(image, since, id) => UNTAGGED.remove(txn, &(*image, (*since, *id))),
            Self::Age(image, age, _) => CONTAINER_AGES.remove(txn, &(*image, *age)),
            Self::Sha512(blob, _) => SHA512_OF.remove(txn, blob),
            Self::UploadAge(touched, id) => UPLOAD_AGES.remove(txn, &(*touched, *id)),
        }
    }
}

/// What a row says in vain.
impl fmt::Display for IndexRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(id, name) => {
                write!(f, "repository {} leads back to {name}, which it is not", id.0)
            }
            Self::Link(_, (image, blob)) => write!(
                f,
                "blob {} of repository {} is listed as an upload link that ends, which it is not",
                blob.0, image.0
            ),
            Self::TagOf(id, tag) => {
                write!(f, "manifest {} lists the tag {tag}, which does not name it", id.0)
            }
            Self::Referrer(_, of, id) => {
                write!(f, "manifest {} is listed as being about {of}, which it is not", id.0)
            }
            Self::Doomed(_, id) => {
                write!(f, "manifest {} is listed as one that may go, which it may not", id.0)
            }
            Self::Untagged(_, _, id) => {
                write!(f, "manifest {} is listed as one that nothing names, in vain", id.0)
            }
            Self::Age(image, _, tag) => {
                write!(f, "repository {} has tag {tag} in its order of age in vain", image.0)
            }
            Self::Sha512(blob, sum) => {
                let sum = OciDigest::Sha512(*sum);
                write!(f, "blob {} leads back to {sum}, which does not lead to it", blob.0)
            }
            Self::UploadAge(_, id) => write!(f, "upload {id} is listed at a wrong time"),
        }
    }
}

fn is_value<V: PartialEq>(found: Result<Option<V>, Error>, wanted: &V) -> Result<bool, Error> {
    Ok(readable(found)?.flatten().as_ref() == Some(wanted))
}

fn stands(
    rows: &impl Rows,
    id: ManifestId,
    standing: Standing,
    image: Option<ImageId>,
) -> Result<bool, Error> {
    let Some(manifest) = MANIFESTS.get(rows, &id)? else { return Ok(false) };
    let is_here = image.is_none_or(|image| image == manifest.image);
    Ok(is_here && manifest.standing == standing && is_named(rows, id, &manifest)?)
}

fn is_age(
    rows: &impl Rows,
    image: ImageId,
    (tagged, tree_tag): (Timestamp, TagId),
    tag: &ImageTagName,
) -> Result<bool, Error> {
    let row = IMAGE_TAGS.get(rows, &(image, tag.clone()))?;
    let Some(format) = row.and_then(|row| row.format) else { return Ok(false) };
    let shown = CONTAINERS.get(rows, &format)?;
    Ok(shown.is_some_and(|shown| {
        (shown.image, shown.tagged, shown.tree_tag) == (image, tagged, tree_tag)
    }))
}

/// Any doubt keeps a row.
pub(super) fn sure(found: Result<bool, Error>) -> Result<bool, Halt> {
    Ok(readable(found)?.unwrap_or(true))
}

impl Pass<'_, '_, '_> {
    /// Notes a row of an index that must be there; `what` tells that it is not.
    pub(super) fn want(
        &mut self,
        row: IndexRow,
        what: impl FnOnce(&Self) -> String,
    ) -> Result<(), Halt> {
        if row.is_there(self.rows)? {
            *self.met.index.entry(row.table()).or_default() += 1;
        } else {
            let what = what(self);
            self.found.differ(what, Fix::Image(ImageFix::Make(row)));
        }
        Ok(())
    }

    /// Rows of the registry's indexes that nothing wants, where the numbers say that there are
    /// any.
    pub(super) fn check_indexes(&mut self) -> Result<(), Halt> {
        let erase: Erase = |txn, key| IMAGE_NAMES.remove_unreadable(txn, key);
        self.stray_rows(&IMAGE_NAMES, IndexRow::Name, erase)?;
        let erase: Erase = |txn, key| IMAGE_LINKS.remove_unreadable(txn, key);
        self.stray_rows(&IMAGE_LINKS, |(until, key), ()| IndexRow::Link(until, key), erase)?;
        let erase: Erase = |txn, key| TAGS_OF.remove_unreadable(txn, key);
        self.stray_rows(&TAGS_OF, |(id, tag), ()| IndexRow::TagOf(id, tag), erase)?;
        let erase: Erase = |txn, key| REFERRERS.remove_unreadable(txn, key);
        let row = |(image, (of, id)), ()| IndexRow::Referrer(image, of, id);
        self.stray_rows(&REFERRERS, row, erase)?;
        let erase: Erase = |txn, key| DOOMED.remove_unreadable(txn, key);
        self.stray_rows(&DOOMED, |(until, id), ()| IndexRow::Doomed(until, id), erase)?;
        let erase: Erase = |txn, key| UNTAGGED.remove_unreadable(txn, key);
        let row = |(image, (since, id)), ()| IndexRow::Untagged(image, since, id);
        self.stray_rows(&UNTAGGED, row, erase)?;
        let erase: Erase = |txn, key| CONTAINER_AGES.remove_unreadable(txn, key);
        let row = |(image, age), tag| IndexRow::Age(image, age, tag);
        self.stray_rows(&CONTAINER_AGES, row, erase)?;
        let erase: Erase = |txn, key| SHA512_OF.remove_unreadable(txn, key);
        self.stray_rows(&SHA512_OF, IndexRow::Sha512, erase)?;
        let erase: Erase = |txn, key| UPLOAD_AGES.remove_unreadable(txn, key);
        self.stray_rows(&UPLOAD_AGES, |(at, id), ()| IndexRow::UploadAge(at, id), erase)
    }

    /// Judges each row of an index that has other rows than were met from the other side.
    pub(super) fn where_too_many<K: Key, V: Value>(
        &mut self,
        table: &Table<K, V>,
        erase: Erase,
        judge: impl Fn(&mut Self, K, V) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let met = self.met.index.get(table.name()).copied().unwrap_or_default();
        if table.count(self.rows)? == met {
            return Ok(());
        }
        for row in table.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(key, value) => judge(self, key, value)?,
                Found::Unreadable { key, what } => self.broken(table.name(), key, &what, erase),
            }
        }
        Ok(())
    }

    fn stray_rows<K: Key, V: Value>(
        &mut self,
        table: &Table<K, V>,
        row_of: impl Fn(K, V) -> IndexRow,
        erase: Erase,
    ) -> Result<(), Halt> {
        self.where_too_many(table, erase, |check, key, value| {
            let row = row_of(key, value);
            if !check.belongs(&row)? {
                let what = row.to_string();
                check.found.differ(what, Fix::Image(ImageFix::Drop(row)));
            }
            Ok(())
        })
    }

    fn belongs(&self, row: &IndexRow) -> Result<bool, Halt> {
        if let IndexRow::Age(image, age, _) = row
            && self.registry.fading.contains(&(*image, *age))
        {
            return Ok(true);
        }
        sure(row.is_right(self.rows))
    }
}
