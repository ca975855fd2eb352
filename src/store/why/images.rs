//! What in a repository of the registry holds a blob: which tags and manifests name it, or the
//! end of an upload link.

use std::ops::ControlFlow;

use super::super::{Error, View, manifests, referrers};
use super::Held;
use crate::db::Span;
use crate::db::schema::{IMAGE_BLOBS, MANIFEST_NAMES, MANIFESTS, TAGS_OF};
use crate::model::{BlobId, ImageId, Manifest, ManifestId, Node, OciDigest, Refs, Standing};

/// Holders that are named.
const NAMED_MAX: usize = 3;
/// Manifests of a repository that are looked through for one that names a blob.
const LOOKED_AT_MAX: usize = 20_000;

impl View {
    /// Why a repository has a blob.
    pub(super) fn held_by_image(&self, image: ImageId, blob: BlobId) -> Result<Held, Error> {
        let mut held = Held::default();
        match IMAGE_BLOBS.get(&self.snapshot, &(image, blob))?.map(|row| row.refs) {
            Some(Refs::Free { until }) => held.until = Some(until),
            Some(Refs::Held { .. }) => held.names = self.namers(image, blob)?,
            None => {}
        }
        Ok(held)
    }

    /// Why a manifest is there.
    pub(super) fn held_by_manifest(&self, id: ManifestId) -> Result<(Held, Option<Node>), Error> {
        let Some(manifest) = MANIFESTS.get(&self.snapshot, &id)? else {
            return Ok((Held::default(), Some(Node::Manifest(id))));
        };
        let is_here = manifests::is_named(&self.snapshot, id, &manifest)?;
        let until = match manifest.standing {
            Standing::Doomed { until } => Some(until),
            _ => None,
        };
        let names = self.tags_of(id, &manifest)?;
        let root = (!is_here).then_some(Node::Manifest(id));
        Ok((Held { names, until, standing: Some(manifest.standing), state: None }, root))
    }

    /// A few of those that name a blob: tags where there are any, manifests where not.
    fn namers(&self, image: ImageId, blob: BlobId) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut looked_at = 0;
        MANIFEST_NAMES.each(&self.snapshot, Span::under(&image), |_, id| {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX || names.len() >= NAMED_MAX {
                return Ok(ControlFlow::Break(()));
            }
            let manifest = MANIFESTS.get(&self.snapshot, &id)?;
            if let Some(manifest) = manifest.filter(|manifest| manifest.blobs.contains(&blob)) {
                let tags = self.tags_of(id, &manifest)?;
                if tags.is_empty() {
                    let digest = OciDigest::from(manifest.digest);
                    let at = referrers::image_path(&self.snapshot, image)?;
                    names.push(format!("{at}manifests/{digest}"));
                }
                names.extend(tags);
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        names.truncate(NAMED_MAX);
        Ok(names)
    }

    fn tags_of(&self, id: ManifestId, manifest: &Manifest) -> Result<Vec<String>, Error> {
        let tags = TAGS_OF.page(&self.snapshot, Span::under(&id), NAMED_MAX)?;
        let at = referrers::image_path(&self.snapshot, manifest.image)?;
        Ok(tags.into_iter().map(|((_, tag), ())| format!("{at}manifests/{tag}")).collect())
    }
}
