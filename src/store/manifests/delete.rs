//! Deleting manifests and keeping for longer those that nothing holds.
//!
//! A manifest goes with its tags, in both views. They go a bounded number at a time (I7) and the
//! manifest with the last of them: until then it is there. What it held is released when it is
//! destroyed.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::named;
use crate::db::schema::{IMAGE_TAGS, IMAGES, MANIFEST_NAMES, MANIFESTS, TAGS_OF};
use crate::db::{Pending, Rows, Span};
use crate::model::standing::LetGo;
use crate::model::{
    FormatName, ImageId, ImageName, ImagePlace, ImageTag, ImageTagName, Manifest, ManifestId, Node,
    OciDigest, Standing, Usage,
};
use crate::store::artifacts::Locks;
use crate::store::detached::Cause;
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx, View, containers, formats, image_tags, tree};

/// Tags that go with a manifest in one transaction.
const TAGS_MAX: usize = 100;

/// Whether something that takes several transactions is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// There is more: go on.
    More,
    /// It is.
    Yes,
}

impl Store {
    /// Whether a manifest may be deleted with all of its tags, as of now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::FormatOfLockedJob`] when the job of one of its tags, or of
    /// an index that names it, is locked.
    pub fn check_manifest_deletion(
        &self,
        image: &ImageName,
        digest: &OciDigest,
    ) -> Result<(), Error> {
        self.view()?.check_manifest_unlocked(image, digest, self.container_locks())
    }

    /// Takes some tags of a manifest away, and with the last ones the manifest; it is to be asked
    /// again until it is done. The answer may be [`Error::NotFound`] or
    /// [`Error::FormatOfLockedJob`].
    pub fn delete_manifest_slice(
        &self,
        image: ImageName,
        digest: OciDigest,
        cause: Cause,
    ) -> Pending<Done, Error> {
        let locks = self.container_locks();
        self.change(move |tx| {
            let record = IMAGES.get(tx.txn, &image)?;
            let record = record.ok_or_else(|| missing(&image, &digest))?;
            let found = named(tx.txn, record.id, &digest)?;
            let (id, manifest) = found.ok_or_else(|| missing(&image, &digest))?;
            tx.delete_manifest(&image, id, &manifest, locks, &cause)
        })
    }

    /// Keeps a manifest that nothing holds for another upload link, in a committed transaction,
    /// so that a client may be told that it is here. What is held needs no such note, and what
    /// the owner of the repository has no room for is not kept for longer. `None`: it is not here
    /// (any more).
    pub fn renew_manifest(
        &self,
        image: ImageName,
        digest: OciDigest,
    ) -> Pending<Option<(ManifestId, Manifest)>, Error> {
        self.change(move |tx| {
            let Some(record) = IMAGES.get(tx.txn, &image)? else { return Ok(None) };
            let found = named(tx.txn, record.id, &digest)?;
            let Some((id, mut manifest)) = found else { return Ok(None) };
            let renewed = manifest.standing.renew(tx.now, tx.link_end);
            if renewed != manifest.standing && tx.charge_owner(&mut manifest)? {
                tx.stand(id, &mut manifest, renewed)?;
                MANIFESTS.put(tx.txn, &id, &manifest)?;
            }
            Ok(Some((id, manifest)))
        })
    }

    fn container_locks(&self) -> Locks {
        let name = FormatName::parse(crate::model::image::CONTAINER);
        let is_internal = name.is_ok_and(|name| self.is_internal(&name));
        if is_internal { Locks::Ignored } else { Locks::Kept }
    }
}

impl View {
    /// The tags that name a manifest and count: those that go with it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn tags_of_manifest(
        &self,
        image: &ImageName,
        digest: &OciDigest,
    ) -> Result<Vec<ImageTagName>, Error> {
        let Some((id, _)) = self.manifest(image, digest)? else { return Ok(Vec::new()) };
        let mut tags = Vec::new();
        for ((_, tag), ()) in TAGS_OF.all(&self.snapshot, Span::under(&id))? {
            if self.image_tag(image, &tag)?.is_some() {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// Whether no lock of a job keeps a tag of a manifest, or of an index that names it.
    fn check_manifest_unlocked(
        &self,
        image: &ImageName,
        digest: &OciDigest,
        locks: Locks,
    ) -> Result<(), Error> {
        let found = self.manifest(image, digest)?;
        let (id, manifest) = found.ok_or_else(|| missing(image, digest))?;
        let mut tags = 0;
        TAGS_OF.each(&self.snapshot, Span::under(&id), |(_, tag), ()| {
            tags += 1;
            check_tag(&self.snapshot, image, manifest.image, &tag, locks)?;
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        let has_parents = matches!(manifest.standing, Standing::Held { count } if count > tags);
        if has_parents && locks == Locks::Kept && matches!(image.place(), ImagePlace::Job { .. }) {
            self.check_parents_unlocked(image, id, manifest.image)?;
        }
        Ok(())
    }

    /// The image of a locked job stays whole. Nothing leads from a manifest to the indexes that
    /// name it, so the repository's tags are gone through, of which few are of indexes.
    fn check_parents_unlocked(
        &self,
        image: &ImageName,
        id: ManifestId,
        at: ImageId,
    ) -> Result<(), Error> {
        let mut known = HashMap::new();
        IMAGE_TAGS.each(&self.snapshot, Span::under(&at), |(_, tag), row| {
            if row.format.is_some() {
                let names = match known.get(&row.manifest) {
                    Some(names) => *names,
                    None => names_below(&self.snapshot, row.manifest, id)?,
                };
                known.insert(row.manifest, names);
                if names {
                    check_tag(&self.snapshot, image, at, &tag, Locks::Kept)?;
                }
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })
    }
}

/// Whether an index names a manifest, at any depth.
fn names_below(rows: &impl Rows, root: ManifestId, id: ManifestId) -> Result<bool, Error> {
    let root = promised(&MANIFESTS, rows, &root)?;
    if root.depth <= 1 {
        return Ok(root.children.contains(&id));
    }
    Ok(containers::closure(rows, &root)?.iter().any(|part| part.children.contains(&id)))
}

fn missing(image: &ImageName, digest: &OciDigest) -> Error {
    Error::NotFound(format!("/v2/{image}/manifests/{digest}"))
}

/// Whether a tag may go; its row.
fn check_tag(
    rows: &impl Rows,
    name: &ImageName,
    image: ImageId,
    tag: &ImageTagName,
    locks: Locks,
) -> Result<ImageTag, Error> {
    let row = promised(&IMAGE_TAGS, rows, &(image, tag.clone()))?;
    if let Some(path) = name.format_of(tag)
        && image_tags::counts(rows, &row)?
    {
        formats::check_deletion(rows, &path, locks)?;
    }
    Ok(row)
}

impl Tx<'_, '_> {
    fn delete_manifest(
        &self,
        image: &ImageName,
        id: ManifestId,
        manifest: &Manifest,
        locks: Locks,
        cause: &Cause,
    ) -> Result<Done, Error> {
        let page = TAGS_OF.page(self.txn, Span::under(&id), TAGS_MAX + 1)?;
        let is_last = page.len() <= TAGS_MAX;
        let mut tags = Vec::new();
        for ((_, tag), ()) in page.into_iter().take(TAGS_MAX) {
            let row = check_tag(self.txn, image, manifest.image, &tag, locks)?;
            tags.push((tag, row));
        }
        let times = u64::try_from(tags.len()).unwrap_or(u64::MAX);
        for (tag, row) in tags {
            if let Some(path) = image.format_of(&tag)
                && image_tags::counts(self.txn, &row)?
            {
                self.detach_format(&path, cause)?;
            }
            self.remove_tag(manifest.image, &tag, &row)?;
        }
        if times > 0 {
            self.release_manifest(id, times, LetGo::Deleted)?;
        }
        if !is_last {
            return Ok(Done::More);
        }
        self.detach_manifest(id, cause)?;
        Ok(Done::Yes)
    }

    /// Takes the names of a manifest away that no tag names, and queues it.
    pub(super) fn detach_manifest(&self, id: ManifestId, cause: &Cause) -> Result<(), Error> {
        let mut manifest = promised(&MANIFESTS, self.txn, &id)?;
        let path = tree::path_of(self.txn, Node::Manifest(id))?;
        self.unindex_standing(id, &manifest)?;
        self.uncharge_manifest(&mut manifest)?;
        MANIFESTS.put(self.txn, &id, &manifest)?;
        for name in manifest.names() {
            MANIFEST_NAMES.remove(self.txn, &(manifest.image, name))?;
        }
        self.detach(Node::Manifest(id), path, cause, Usage::default())?;
        self.drop_image_if_empty(manifest.image)
    }
}
