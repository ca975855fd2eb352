//! What says that it is about a manifest: descriptors as the specification's list has them, made
//! from the records and from the bytes that were pushed.
//!
//! A page is bounded in its number, in its bytes (which are a manifest's for clients) and in what
//! is looked at and read to fill it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::manifests::digest_like;
use super::{Error, Registry};
use crate::model::manifest::MANIFEST_BYTES_MAX;
use crate::model::{ImageName, Manifest, ManifestId, OciDigest, OciManifest};
use crate::store::View;

/// Most lines of a page.
const LINES_MAX: usize = 1000;
/// Records that are looked at for one page.
const LOOKS_MAX: usize = 10_000;
/// Records that are read at once.
const BATCH: usize = 100;
/// Bytes of manifests that are read for one page, each of which may be full of other things.
const READ_BYTES_MAX: u64 = 16 << 20;
/// Bytes that are left to what is around the lines.
const FRAME: usize = 1024;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// A part of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Its lines.
    pub lines: Vec<Descriptor>,
    /// Behind which one the next part begins, if there may be one.
    pub next: Option<ManifestId>,
}

impl Registry {
    /// The manifests about what `digest` names, here or not, in order of arrival: those behind
    /// `after`, at most `limit`, of one kind if `artifact_type` says so. For a thread that may
    /// wait.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Files`].
    pub fn referrers(
        &self,
        image: &ImageName,
        digest: &OciDigest,
        artifact_type: Option<&str>,
        mut after: Option<ManifestId>,
        limit: usize,
    ) -> Result<Page, Error> {
        let view = self.store.view()?;
        let mut page = Page::default();
        let (mut looks, mut bytes, mut read_bytes) = (0, FRAME, 0u64);
        loop {
            let (batch, last) = view.image_referrers(image, digest, after, BATCH)?;
            // Also where all of a batch were deleted, more may be behind it.
            let Some(last) = last else { return Ok(page) };
            for (id, manifest) in batch {
                let is_wanted = artifact_type
                    .is_none_or(|wanted| manifest.artifact_type.as_deref() == Some(wanted));
                if is_wanted {
                    let line = self.describe(&view, &manifest, digest)?;
                    bytes += serde_json::to_vec(&line).map_or(0, |line| line.len() + 1);
                    let is_heavy = bytes > MANIFEST_BYTES_MAX;
                    let is_full = page.lines.len() >= limit.min(LINES_MAX)
                        || (is_heavy && !page.lines.is_empty());
                    if is_full {
                        page.next = after;
                        return Ok(page);
                    }
                    page.lines.push(line);
                    read_bytes = read_bytes.saturating_add(manifest.size);
                }
                after = Some(id);
                if read_bytes >= READ_BYTES_MAX {
                    page.next = after;
                    return Ok(page);
                }
            }
            after = Some(last);
            looks += BATCH;
            if looks >= LOOKS_MAX {
                page.next = after;
                return Ok(page);
            }
        }
    }

    fn describe(
        &self,
        view: &View,
        manifest: &Manifest,
        asked: &OciDigest,
    ) -> Result<Descriptor, Error> {
        let bytes = self.read_manifest(manifest, self.manifest_bytes(view, manifest)?)?;
        Ok(Descriptor {
            media_type: manifest.media_type.clone(),
            digest: digest_like(manifest, asked).to_string(),
            size: manifest.size,
            artifact_type: manifest.artifact_type.clone(),
            annotations: OciManifest::annotations_of(&bytes),
        })
    }
}
