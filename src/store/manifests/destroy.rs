//! Destroying manifests that were deleted, in slices (I7): each takes from the record what it
//! dealt with, so that the next one goes on there.
//!
//! Whatever the manifest held is released, and a blob so gets an upload link of the repository
//! (I2, I3). What was about it is told: what followed it goes when its own link is over, unless
//! the same content was pushed again meanwhile.

use super::is_named;
use crate::db::Span;
use crate::db::schema::{IMAGE_TAGS, MANIFEST_NAMES, MANIFESTS, PULLS, REFERRERS};
use crate::model::standing::LetGo;
use crate::model::{ImageTagName, Manifest, ManifestId, OciDigest, Referrer, Standing};
use crate::store::{Budget, Error, Tx};

/// Rows that are read ahead.
const PAGE: usize = 64;

impl Tx<'_, '_> {
    /// Removes what a manifest holds, and it, until the budget is used up; `true` when it is gone.
    pub(in crate::store) fn destroy_manifest(
        &self,
        id: ManifestId,
        budget: &Budget,
    ) -> Result<bool, Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(true) };
        if !self.let_go_of_all(id, &mut manifest, budget)? {
            MANIFESTS.put(self.txn, &id, &manifest)?;
            return Ok(false);
        }
        self.release(manifest.blob, Referrer::Manifest(id))?;
        PULLS.remove(self.txn, &id)?;
        MANIFESTS.remove(self.txn, &id)?;
        self.drop_image_if_empty(manifest.image)?;
        Ok(true)
    }

    fn let_go_of_all(
        &self,
        id: ManifestId,
        manifest: &mut Manifest,
        budget: &Budget,
    ) -> Result<bool, Error> {
        Ok(self.release_children(manifest, budget)?
            && self.release_blobs(manifest, budget)?
            && self.tell_followers(manifest, budget)?
            && self.drop_attached_tags(manifest, budget)?
            && budget.take()
            && self.forget_subject(id, manifest)?)
    }

    /// A child that was deleted by itself holds nothing that we could release.
    fn release_children(&self, manifest: &mut Manifest, budget: &Budget) -> Result<bool, Error> {
        while let Some(child) = manifest.children.last() {
            if !budget.take() {
                return Ok(false);
            }
            if let Some(record) = MANIFESTS.get(self.txn, child)?
                && is_named(self.txn, *child, &record)?
            {
                self.release_manifest(*child, 1, LetGo::Deleted)?;
            }
            manifest.children.pop();
        }
        Ok(true)
    }

    fn release_blobs(&self, manifest: &mut Manifest, budget: &Budget) -> Result<bool, Error> {
        while let Some(blob) = manifest.blobs.last() {
            if !budget.take() {
                return Ok(false);
            }
            self.release_image_blob(manifest.image, *blob)?;
            manifest.blobs.pop();
        }
        Ok(true)
    }

    /// What followed it is alone now. One name after the other: the record forgets those that are
    /// dealt with.
    fn tell_followers(&self, manifest: &mut Manifest, budget: &Budget) -> Result<bool, Error> {
        if let Some(name) = manifest.sha512() {
            if !self.tell_followers_of(name, manifest, budget)? {
                return Ok(false);
            }
            (manifest.sha512, manifest.told) = (None, None);
        }
        self.tell_followers_of(manifest.digest.into(), manifest, budget)
    }

    fn tell_followers_of(
        &self,
        name: OciDigest,
        manifest: &mut Manifest,
        budget: &Budget,
    ) -> Result<bool, Error> {
        let image = manifest.image;
        loop {
            if MANIFEST_NAMES.has(self.txn, &(image, name))? {
                return Ok(true);
            }
            let told = manifest.told.unwrap_or(ManifestId(0));
            let span = Span::under(&image).after(&(image, (name, told)));
            let page = REFERRERS.page(self.txn, span, PAGE)?.into_iter();
            let page: Vec<_> = page.take_while(|((_, (of, _)), ())| *of == name).collect();
            if page.is_empty() {
                return Ok(true);
            }
            for ((_, (_, follower)), ()) in page {
                if !budget.take() {
                    return Ok(false);
                }
                self.tell_follower(follower)?;
                manifest.told = Some(follower);
            }
        }
    }

    fn tell_follower(&self, id: ManifestId) -> Result<(), Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else { return Ok(()) };
        if manifest.standing == Standing::Follows && is_named(self.txn, id, &manifest)? {
            self.stand(id, &mut manifest, Standing::Doomed { until: self.link_end })?;
            MANIFESTS.put(self.txn, &id, &manifest)?;
        }
        Ok(())
    }

    /// Tags that say they are a signature of it, or its referrers.
    fn drop_attached_tags(&self, manifest: &Manifest, budget: &Budget) -> Result<bool, Error> {
        let (image, digest) = (manifest.image, manifest.digest);
        if MANIFEST_NAMES.has(self.txn, &(image, digest.into()))? {
            return Ok(true);
        }
        let Some(first) = ImageTagName::first_attached_to(digest) else { return Ok(true) };
        let mut at = Span::under(&image).from(&(image, first.clone()));
        loop {
            let Some(((_, tag), row)) = IMAGE_TAGS.first(self.txn, at)? else { return Ok(true) };
            if !tag.as_str().starts_with(first.as_str()) {
                return Ok(true);
            }
            if tag.attached_to() == Some(digest.into()) {
                if !budget.take() {
                    return Ok(false);
                }
                self.drop_plain_tag(image, &tag, &row)?;
            }
            at = Span::under(&image).after(&(image, tag));
        }
    }

    fn forget_subject(&self, id: ManifestId, manifest: &mut Manifest) -> Result<bool, Error> {
        if let Some(subject) = manifest.subject() {
            REFERRERS.remove(self.txn, &(manifest.image, (subject, id)))?;
        }
        manifest.subject = None;
        Ok(true)
    }
}
