//! What the versions of a product's branch hold: clients that resolved a version go on by digest.
//!
//! Exact as far as it looks: first the images that were resolved by that name within the last
//! hour, then those of the newest versions. Both are bounded, as is the number of manifests that
//! one request looks at.
//! Deliberately absent: rights (whoever may read the product's URL may read what its versions
//! hold), and repositories that were pushed to.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use super::resolve::{Found, container_of, product_of};
use super::{Error, Registry};
use crate::model::{
    BlobId, ImageName, Manifest, ManifestId, OciDigest, ProductBranchPath, Timestamp,
};
use crate::store::View;

/// Names whose last images are remembered.
const NAMES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// Images that are remembered for each.
const IMAGES_MAX: usize = 32;
/// For how long.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Newest versions that are looked through.
const VERSIONS_MAX: usize = 256;
/// Manifests that one request looks at.
const LOOKS_MAX: usize = 10_000;

/// What of a version a client goes on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its manifest, or one that this names.
    Manifest(ManifestId),
    /// A blob of one of them.
    Blob(BlobId),
}

/// An image that a version of a product stood for.
#[derive(Clone, Debug)]
struct Seen {
    image: ImageName,
    id: ManifestId,
    at: Timestamp,
}

impl Seen {
    fn counts_at(&self, now: Timestamp) -> bool {
        self.at.after(REMEMBERED) > now
    }
}

/// Which images were resolved lately by the names of products. Clones share it.
#[derive(Clone)]
pub(super) struct Products(Arc<Mutex<LruCache<ImageName, Vec<Seen>>>>);

impl Default for Products {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(NAMES_MAX))))
    }
}

impl Registry {
    /// The repository that a blob is to be read from, when it is asked for by the name of a
    /// product's branch and one of the versions holds it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn product_blob(
        &self,
        view: &View,
        name: &ImageName,
        digest: &OciDigest,
    ) -> Result<Option<ImageName>, Error> {
        let Some(product) = product_of(view, name)? else { return Ok(None) };
        // What nobody has need not be looked for.
        if view.find_oci(digest)?.is_none() {
            return Ok(None);
        }
        let part = |image: &ImageName| {
            Ok(view.image_blob(image, digest)?.map(|found| Part::Blob(found.id)))
        };
        let now = self.store.clock().now();
        let found = self.products.search(view, (name, &product), now, &part)?;
        Ok(found.map(|(image, _)| image))
    }
}

impl Products {
    fn lock(&self) -> MutexGuard<'_, LruCache<ImageName, Vec<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a version of `name` stood for this image.
    pub(super) fn note(&self, name: &ImageName, image: &ImageName, id: ManifestId, at: Timestamp) {
        let mut names = self.lock();
        let seen = names.get_or_insert_mut(name.clone(), Vec::new);
        seen.retain(|seen| seen.id != id && seen.counts_at(at));
        seen.truncate(IMAGES_MAX - 1);
        seen.insert(0, Seen { image: image.clone(), id, at });
    }

    /// A manifest that a version holds.
    pub(super) fn manifest(
        &self,
        view: &View,
        named: (&ImageName, &ProductBranchPath),
        now: Timestamp,
        digest: &OciDigest,
    ) -> Result<Option<Found>, Error> {
        let part =
            |image: &ImageName| Ok(view.manifest(image, digest)?.map(|(id, _)| Part::Manifest(id)));
        let Some((image, part)) = self.search(view, named, now, &part)? else {
            return Ok(None);
        };
        let Part::Manifest(id) = part else { return Ok(None) };
        let manifest = view.manifest_by_id(id)?;
        Ok(manifest.map(|manifest| Found { image, id, manifest }))
    }

    /// The repository of an image that one of the versions is and that has the part. `part_in`
    /// says what it is in a repository, if that has it at all.
    fn search(
        &self,
        view: &View,
        (name, product): (&ImageName, &ProductBranchPath),
        now: Timestamp,
        part_in: &dyn Fn(&ImageName) -> Result<Option<Part>, Error>,
    ) -> Result<Option<(ImageName, Part)>, Error> {
        let mut search = Search { view, part_in, seen: BTreeSet::new() };
        let remembered = self.lock().get(name).cloned().unwrap_or_default();
        for Seen { image, id, .. } in remembered.into_iter().filter(|seen| seen.counts_at(now)) {
            if let Some(manifest) = view.manifest_by_id(id)?
                && let Some(part) = search.look(&image, id, &manifest)?
            {
                return Ok(Some((image, part)));
            }
        }
        let mut versions = view.versions(product)?;
        versions.sort_by_key(|(_, state)| Reverse(state.created));
        for (version, _) in versions.into_iter().take(VERSIONS_MAX) {
            if let Some(shown) = container_of(view, product, &version)?
                && let Some(part) = search.look(&shown.image, shown.id, &shown.manifest)?
            {
                return Ok(Some((shown.image, part)));
            }
        }
        Ok(None)
    }
}

struct Search<'a> {
    view: &'a View,
    part_in: &'a dyn Fn(&ImageName) -> Result<Option<Part>, Error>,
    /// Manifests that were looked at: they do not have it.
    seen: BTreeSet<ManifestId>,
}

impl Search<'_> {
    fn look(
        &mut self,
        image: &ImageName,
        id: ManifestId,
        manifest: &Manifest,
    ) -> Result<Option<Part>, Error> {
        let Some(part) = (self.part_in)(image)? else { return Ok(None) };
        let mut waiting = vec![(id, manifest.clone())];
        while let Some((id, manifest)) = waiting.pop() {
            if self.seen.len() >= LOOKS_MAX || !self.seen.insert(id) {
                continue;
            }
            let has = match part {
                Part::Manifest(wanted) => id == wanted,
                Part::Blob(wanted) => manifest.blobs.binary_search(&wanted).is_ok(),
            };
            if has {
                return Ok(Some(part));
            }
            for child in manifest.children {
                let found = self.view.manifest_by_id(child)?;
                waiting.extend(found.map(|manifest| (child, manifest)));
            }
        }
        Ok(None)
    }
}
