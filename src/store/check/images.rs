//! The walk over the registry: its repositories, its references to blobs, its uploads, and what
//! is known of blobs by another digest. Manifests, blobs, tags and charges have walks of their own.

use super::fix::Fix;
use super::image_fix::ImageFix;
use super::index::IndexRow;
use super::products::readable;
use super::{Halt, Pass};
use crate::db::keys::PrefixOf;
use crate::db::schema::{
    BLOBS, IMAGE_BLOBS, IMAGE_NAMES, IMAGE_TAGS, IMAGES, MANIFEST_NAMES, MANIFESTS, PULLS, REFS,
    SHA512_OF, SHA512S, UPLOADS,
};
use crate::db::{self, Found, Span, Table};
use crate::model::{BlobId, Image, ImageId, ImageName, OciDigest, Referrer, Sha512};
use crate::store::uploads::charge_of;

impl Pass<'_, '_, '_> {
    pub(super) fn check_registry(&mut self) -> Result<(), Halt> {
        let manifests = MANIFESTS.count(self.rows)?.saturating_mul(3);
        let tags = IMAGE_TAGS.count(self.rows)?.saturating_mul(2);
        let of = IMAGE_BLOBS.count(self.rows)?.saturating_add(manifests).saturating_add(tags);
        self.walk.begin("registry", of)?;
        self.check_images()?;
        self.check_manifests()?;
        self.check_image_tags()?;
        self.check_holders()?;
        self.check_image_blobs()?;
        self.check_containers()?;
        self.check_uploads()?;
        self.check_sha512s()?;
        self.check_pulls()?;
        self.check_indexes()?;
        self.check_charges()
    }

    fn check_images(&mut self) -> Result<(), Halt> {
        for row in IMAGES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(name, image) => self.check_image(name, &image)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(IMAGES.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_image(&mut self, name: ImageName, image: &Image) -> Result<(), Halt> {
        self.found.recount.checked.images += 1;
        let id = image.id;
        let back = readable(IMAGE_NAMES.get(self.rows, &id))?.flatten();
        if let Some(other) = back.filter(|back| *back != name) {
            let other_image = readable(IMAGES.get(self.rows, &other))?;
            if other_image.is_none_or(|image| image.is_some_and(|image| image.id == id)) {
                self.found.in_doubt = true;
                let id = id.0;
                self.found.damage(format!("/v2/{name}/ has the id {id}, which is /v2/{other}/'s"));
                return Ok(());
            }
        }
        let row = IndexRow::Name(id, name.clone());
        if !row.is_there(self.rows)? {
            self.registry.unnamed.insert(id, name.clone());
        }
        self.want(row, |_| format!("/v2/{name}/ cannot be found by its id"))?;
        let is_empty = self.is_empty(&IMAGE_BLOBS, id)?
            && self.is_empty(&MANIFEST_NAMES, id)?
            && self.is_empty(&IMAGE_TAGS, id)?;
        if is_empty {
            let what = format!("/v2/{name}/ has nothing in it, but did not go");
            self.found.differ(what, Fix::Image(ImageFix::Empty(name, id)));
        }
        Ok(())
    }

    fn is_empty<K, V>(&self, table: &Table<K, V>, image: ImageId) -> Result<bool, Halt>
    where
        K: db::keys::Key,
        V: db::codec::Value,
        ImageId: PrefixOf<K>,
    {
        Ok(!table.has_any(self.rows, Span::under(&image))?)
    }

    /// The name of a repository, if anything says it.
    pub(super) fn image_name(&self, id: ImageId) -> Result<Option<ImageName>, Halt> {
        if let Some(name) = self.registry.unnamed.get(&id) {
            return Ok(Some(name.clone()));
        }
        Ok(readable(IMAGE_NAMES.get(self.rows, &id))?.flatten())
    }

    /// Looks for the record of a repository that has something in it.
    pub(super) fn look_for_image(&mut self, id: ImageId) -> Result<(), Halt> {
        let is_known = self.registry.last.replace(id) == Some(id)
            || self.registry.unnamed.contains_key(&id)
            || self.registry.lost.contains(&id);
        if is_known {
            return Ok(());
        }
        let name = self.image_name(id)?;
        let found = match &name {
            Some(name) => readable(IMAGES.get(self.rows, name))?,
            None => Some(None),
        };
        match (name, found) {
            (Some(name), Some(None)) => {
                let what = format!("/v2/{name}/ has contents and no record");
                self.found.differ(what, Fix::Image(ImageFix::Image(name, id)));
                self.registry.lost.insert(id);
            }
            (_, Some(found)) if found.as_ref().is_none_or(|image| image.id != id) => {
                self.found.in_doubt = true;
                let number = id.0;
                self.found.damage(format!(
                    "repository {number} has contents and no name leads to it; nothing was removed"
                ));
                self.registry.lost.insert(id);
            }
            _ => {}
        }
        Ok(())
    }

    /// References that repositories and manifests lack, if the numbers say that there are any.
    pub(super) fn check_holds(&mut self) -> Result<(), Halt> {
        if self.met.image_references != IMAGE_BLOBS.count(self.rows)? {
            for row in IMAGE_BLOBS.cursor(self.rows, Span::all()) {
                self.walk.step()?;
                let Found::Row((image, blob), _) = row? else { continue };
                self.check_hold(blob, Referrer::Image(image))?;
            }
        }
        if self.met.manifest_references != MANIFESTS.count(self.rows)? {
            for row in MANIFESTS.cursor(self.rows, Span::all()) {
                self.walk.step()?;
                let Found::Row(id, manifest) = row? else { continue };
                self.check_hold(manifest.blob, Referrer::Manifest(id))?;
            }
        }
        Ok(())
    }

    fn check_hold(&mut self, blob: BlobId, referrer: Referrer) -> Result<(), Halt> {
        if REFS.has(self.rows, &(blob, referrer.clone()))? {
            return Ok(());
        }
        let (owner, id) = (self.owner(&referrer, blob), blob.0);
        if BLOBS.has(self.rows, &blob)? {
            let what = format!("{owner} names blob {id}, which does not know of it");
            self.found.differ(what, Fix::Image(ImageFix::Hold(blob, referrer)));
        } else {
            self.found.damage(format!(
                "{owner} names blob {id}, which is lost; delete what names it and push it again"
            ));
        }
        Ok(())
    }

    fn check_uploads(&mut self) -> Result<(), Halt> {
        for row in UPLOADS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, upload) => {
                    self.found.recount.checked.uploads += 1;
                    self.owe(&upload.by, charge_of(&upload));
                    let what = |_: &Self| format!("upload {id} is not in the order of age");
                    self.want(IndexRow::UploadAge(upload.touched, id), what)?;
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(UPLOADS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_sha512s(&mut self) -> Result<(), Halt> {
        for row in SHA512S.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(sum, blob) => self.check_sha512(sum, blob)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(SHA512S.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_sha512(&mut self, sum: Sha512, blob: BlobId) -> Result<(), Halt> {
        let (name, id) = (OciDigest::Sha512(sum), blob.0);
        if !BLOBS.has(self.rows, &blob)? {
            let what = format!("{name} leads to blob {id}, which is not there");
            self.found.differ(what, Fix::Image(ImageFix::StraySha512(sum)));
            return Ok(());
        }
        if let Some(other) = readable(SHA512_OF.get(self.rows, &blob))?.flatten()
            && other != sum
            && SHA512S.get(self.rows, &other)? == Some(blob)
        {
            let other = OciDigest::Sha512(other);
            self.found.damage(format!("blob {id} has two names, {name} and {other}"));
            return Ok(());
        }
        self.want(IndexRow::Sha512(blob, sum), |_| {
            format!("blob {id} does not lead back to its name {name}")
        })
    }

    fn check_pulls(&mut self) -> Result<(), Halt> {
        for row in PULLS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, _) => {
                    if !MANIFESTS.has(self.rows, &id)? {
                        let what = format!("manifest {} was pulled and is not there", id.0);
                        self.found.differ(what, Fix::Image(ImageFix::StrayPull(id)));
                    }
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PULLS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }
}
