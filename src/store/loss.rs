//! [`Loss`]: which references would go with a set of formats, for the exact cost of a policy (I6).
//!
//! A file of a format is one reference. An image goes with the last of its tags and indexes, with
//! what only follows it and the tags attached to it; a repository lets go of a blob with the last
//! of its manifests that names it. Upload links, which put all of that off, are not counted in.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use super::{Error, containers};
use crate::db::schema::{ARTIFACTS, IMAGE_BLOBS, IMAGE_TAGS, MANIFEST_NAMES, MANIFESTS, REFERRERS};
use crate::db::{Rows, Span};
use crate::model::{
    BlobId, FormatId, ImageId, ImageTagName, Manifest, ManifestId, Refs, Standing, Usage,
};

/// What would go.
#[derive(Default)]
pub(super) struct Loss {
    /// References to each blob.
    blobs: HashMap<BlobId, u64>,
    /// Manifests by how many of their holders would go.
    released: HashMap<ManifestId, u64>,
    gone: HashSet<ManifestId>,
    /// Blobs of a repository by how many of its manifests would let go of them.
    image_blobs: HashMap<(ImageId, BlobId), u64>,
}

enum Step {
    /// One holder of the manifest goes.
    Release(ManifestId),
    /// What the manifest is about may have gone.
    Look(ManifestId),
}

impl Loss {
    /// Lets a format go; tells its usage.
    pub(super) fn format(&mut self, rows: &impl Rows, format: FormatId) -> Result<Usage, Error> {
        let mut usage = Usage::default();
        ARTIFACTS.each(rows, Span::under(&format), |_, file| {
            *self.blobs.entry(file.blob).or_default() += 1;
            usage = usage.plus(Usage::of(file.size));
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        if let Some((id, manifest)) = containers::manifest_of(rows, format)? {
            self.walk(rows, Step::Release(id))?;
            usage = usage.plus(manifest.total);
        }
        Ok(usage)
    }

    /// How many references to each blob would go.
    pub(super) fn blobs(mut self, rows: &impl Rows) -> Result<HashMap<BlobId, u64>, Error> {
        for ((image, blob), count) in self.image_blobs {
            let row = IMAGE_BLOBS.get(rows, &(image, blob))?;
            if row.is_some_and(|row| row.refs == Refs::Held { count }) {
                *self.blobs.entry(blob).or_default() += 1;
            }
        }
        Ok(self.blobs)
    }

    fn walk(&mut self, rows: &impl Rows, first: Step) -> Result<(), Error> {
        let mut steps = vec![first];
        while let Some(step) = steps.pop() {
            let id = match step {
                Step::Release(id) => {
                    *self.released.entry(id).or_default() += 1;
                    id
                }
                Step::Look(id) => id,
            };
            let Some(manifest) = MANIFESTS.get(rows, &id)? else { continue };
            if !self.gone.contains(&id) && self.would_go(rows, id, &manifest)? {
                self.gone.insert(id);
                self.remove(rows, &manifest, &mut steps)?;
            }
        }
        Ok(())
    }

    fn would_go(
        &self,
        rows: &impl Rows,
        id: ManifestId,
        manifest: &Manifest,
    ) -> Result<bool, Error> {
        let released = self.released.get(&id).copied().unwrap_or_default();
        let is_held = match manifest.standing {
            Standing::Held { count } => count > released,
            Standing::Follows => false,
            // They stay, or go, for reasons of their own.
            Standing::Untagged { .. } | Standing::Doomed { .. } => true,
        };
        Ok(!is_held && !self.keeps_subject(rows, manifest)?)
    }

    /// Whether what a manifest is about stays, which keeps it too.
    fn keeps_subject(&self, rows: &impl Rows, manifest: &Manifest) -> Result<bool, Error> {
        let Some(subject) = manifest.subject() else { return Ok(false) };
        let subject = MANIFEST_NAMES.get(rows, &(manifest.image, subject))?;
        Ok(subject.is_some_and(|subject| !self.gone.contains(&subject)))
    }

    fn remove(
        &mut self,
        rows: &impl Rows,
        manifest: &Manifest,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        *self.blobs.entry(manifest.blob).or_default() += 1;
        for blob in &manifest.blobs {
            *self.image_blobs.entry((manifest.image, *blob)).or_default() += 1;
        }
        steps.extend(manifest.children.iter().copied().map(Step::Release));
        steps.extend(followers(rows, manifest)?.into_iter().map(Step::Look));
        steps.extend(attached(rows, manifest)?.into_iter().map(Step::Release));
        Ok(())
    }
}

/// The manifests that are about one.
fn followers(rows: &impl Rows, manifest: &Manifest) -> Result<Vec<ManifestId>, Error> {
    let mut found = Vec::new();
    for about in manifest.names() {
        let first = (manifest.image, (about, ManifestId(0)));
        let span = Span::under(&manifest.image).from(&first);
        REFERRERS.each(rows, span, |(_, (subject, id)), ()| {
            if subject != about {
                return Ok(ControlFlow::Break(()));
            }
            found.push(id);
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
    }
    Ok(found)
}

/// What the tags name that say they are attached to a manifest.
fn attached(rows: &impl Rows, manifest: &Manifest) -> Result<Vec<ManifestId>, Error> {
    let Some(first) = ImageTagName::first_attached_to(manifest.digest) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let span = Span::under(&manifest.image).from(&(manifest.image, first.clone()));
    IMAGE_TAGS.each(rows, span, |(_, name), tag| {
        if !name.as_str().starts_with(first.as_str()) {
            return Ok(ControlFlow::Break(()));
        }
        if name.attached_to() == Some(manifest.digest.into()) {
            found.push(tag.manifest);
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
