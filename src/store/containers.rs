//! Images as the artifact tree shows them: the format `container` of a job is what a tag of the
//! registry comes to (spec dlrepo §11).
//!
//! Such a format has no rows of files (I2: the registry holds its blobs); they are computed from
//! the tag's manifest and all that it names, each once. What was deleted from the registry under
//! an index that still names it is not shown.
//! Deliberately absent: pushing and deleting (`super::manifests`, `super::formats`).

use std::collections::{BTreeMap, HashSet};

use super::manifests::is_named;
use super::tx::promised;
use super::{Error, View, blobs, links, tree};
use crate::db::schema::{BLOBS, CONTAINER_AGES, CONTAINERS, IMAGE_NAMES, IMAGE_TAGS, MANIFESTS};
use crate::db::{self, Rows, Span};
use crate::model::image::CONTAINER;
use crate::model::{
    Artifact, ArtifactPath, BlobId, Container, Digest, FormatId, FormatPath, ImageId, ImageName,
    ImageTag, ImageTagName, Manifest, ManifestId, Node, Referrer,
};

/// Images of a job that are looked through for a blob.
const IMAGES_TRIED_MAX: usize = 8;

/// The image that a format shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The repository of the registry.
    pub image: ImageName,
    /// Its tag.
    pub tag: ImageTagName,
    /// What the tag names.
    pub id: ManifestId,
    /// Its record.
    pub manifest: Manifest,
}

impl View {
    /// The image that a format shows; `None`: its files are rows of its own.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn container(&self, format: FormatId) -> Result<Option<Shown>, Error> {
        let Some((image, tag, row)) = tag_of(&self.snapshot, format)? else { return Ok(None) };
        let image = promised(&IMAGE_NAMES, &self.snapshot, &image)?;
        let manifest = promised(&MANIFESTS, &self.snapshot, &row.manifest)?;
        Ok(Some(Shown { image, tag, id: row.manifest, manifest }))
    }

    /// The files that an image comes to: `blobs/sha256/<2>/<hex>` and `manifests/…` likewise, by
    /// path.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn container_files(
        &self,
        manifest: &Manifest,
    ) -> Result<Vec<(ArtifactPath, Artifact)>, Error> {
        files(&self.snapshot, manifest)
    }

    /// Whether a manifest is in its repository.
    pub(super) fn has_manifest(&self, id: ManifestId) -> Result<bool, Error> {
        match MANIFESTS.get(&self.snapshot, &id)? {
            Some(manifest) => Ok(is_named(&self.snapshot, id, &manifest)?),
            None => Ok(false),
        }
    }

    /// Where the tree shows a blob that the registry holds, in the newest of a job's images.
    pub(super) fn shown_paths(
        &self,
        referrer: &Referrer,
        blob: BlobId,
    ) -> Result<Vec<String>, Error> {
        let rows = &*self.snapshot;
        let image = match referrer {
            Referrer::Artifact(..) | Referrer::Cached(_) | Referrer::PackageFile(_) => {
                return Ok(Vec::new());
            }
            Referrer::Image(image) => *image,
            Referrer::Manifest(id) => promised(&MANIFESTS, rows, id)?.image,
        };
        let digest = promised(&BLOBS, rows, &blob)?.digest;
        let newest_first = Span::under(&image).descending();
        let mut paths = Vec::new();
        for (_, tag) in CONTAINER_AGES.page(rows, newest_first, IMAGES_TRIED_MAX)? {
            let Some(tag) = IMAGE_TAGS.get(rows, &(image, tag))? else { continue };
            let Some(format) = tag.format.map(Node::Format) else { continue };
            if links::unnamed(rows, format)?.is_some() {
                continue;
            }
            let root = promised(&MANIFESTS, rows, &tag.manifest)?;
            let parts = closure(rows, &root)?;
            let part = if parts.iter().any(|part| part.blobs.contains(&blob)) {
                Part::Blob(digest)
            } else if parts.iter().any(|part| part.blob == blob) {
                Part::Manifest(digest)
            } else {
                continue;
            };
            paths.push(format!("{}{}", tree::path_of(rows, format)?, part.text()));
        }
        Ok(paths)
    }
}

/// Whether a format shows an image, or did until its tag was taken away.
pub(super) fn is_container(rows: &impl Rows, format: FormatId) -> Result<bool, Error> {
    Ok(CONTAINERS.has(rows, &format)?)
}

/// Whether files of its own may come to a format: not to one that shows an image.
pub(super) fn check_plain(
    rows: &impl Rows,
    path: &FormatPath,
    format: FormatId,
) -> Result<(), Error> {
    // The name says it first: nearly every format has another one.
    if path.format.as_str() == CONTAINER && is_container(rows, format)? {
        return Err(Error::IsImage);
    }
    Ok(())
}

/// The tag that a format shows.
pub(super) fn tag_of(
    rows: &impl Rows,
    format: FormatId,
) -> Result<Option<(ImageId, ImageTagName, ImageTag)>, Error> {
    let Some(Container { image, tag, .. }) = CONTAINERS.get(rows, &format)? else {
        return Ok(None);
    };
    let tag = ImageTagName::parse(&tag).map_err(|error| {
        Error::Db(db::Error::Corrupt { table: CONTAINERS.name(), what: error.to_string() })
    })?;
    let row = IMAGE_TAGS.get(rows, &(image, tag.clone()))?;
    // A push to the tag's name after the format was taken away made another format.
    let row = row.filter(|row| row.format == Some(format));
    Ok(row.map(|row| (image, tag, row)))
}

/// What the tag that a format shows names. `None`: it shows none.
pub(super) fn manifest_of(
    rows: &impl Rows,
    format: FormatId,
) -> Result<Option<(ManifestId, Manifest)>, Error> {
    let Some((_, _, tag)) = tag_of(rows, format)? else { return Ok(None) };
    Ok(Some((tag.manifest, promised(&MANIFESTS, rows, &tag.manifest)?)))
}

/// A manifest and all those that it names, at any depth, each once, itself first.
pub(super) fn closure(rows: &impl Rows, root: &Manifest) -> Result<Vec<Manifest>, Error> {
    let mut found = vec![root.clone()];
    let mut seen = HashSet::new();
    let mut at = 0;
    while let Some(manifest) = found.get(at) {
        let children = manifest.children.clone();
        for child in children.into_iter().filter(|child| seen.insert(*child)) {
            let record = MANIFESTS.get(rows, &child)?;
            if let Some(record) = record.filter(|record| record.image == root.image)
                && is_named(rows, child, &record)?
            {
                found.push(record);
            }
        }
        at += 1;
    }
    Ok(found)
}

/// All files of an image.
pub(super) fn files(
    rows: &impl Rows,
    root: &Manifest,
) -> Result<Vec<(ArtifactPath, Artifact)>, Error> {
    let mut files = BTreeMap::new();
    let uploaded = root.pushed;
    for manifest in closure(rows, root)? {
        let Manifest { blob, size, digest, .. } = manifest;
        files.insert(Part::Manifest(digest).path()?, Artifact { blob, size, uploaded });
        for id in manifest.blobs {
            let blob = promised(&BLOBS, rows, &id)?;
            let file = Artifact { blob: id, size: blob.size, uploaded };
            files.insert(Part::Blob(blob.digest).path()?, file);
        }
    }
    Ok(files.into_iter().collect())
}

/// One file of an image.
pub(super) fn file(
    rows: &impl Rows,
    root: &Manifest,
    path: &ArtifactPath,
) -> Result<Option<Artifact>, Error> {
    let uploaded = root.pushed;
    match Part::of(path) {
        None => Ok(None),
        Some(Part::Manifest(digest)) => {
            let found = closure(rows, root)?.into_iter().find(|part| part.digest == digest);
            Ok(found.map(|Manifest { blob, size, .. }| Artifact { blob, size, uploaded }))
        }
        Some(Part::Blob(digest)) => {
            let Some(blob) = blobs::id_of(rows, &digest)? else { return Ok(None) };
            let is_part = closure(rows, root)?.iter().any(|part| part.blobs.contains(&blob));
            if !is_part {
                return Ok(None);
            }
            let size = promised(&BLOBS, rows, &blob)?.size;
            Ok(Some(Artifact { blob, size, uploaded }))
        }
    }
}

/// What a file of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A config or a layer.
    Blob(Digest),
    /// A manifest.
    Manifest(Digest),
}

impl Part {
    /// What the file at this path of an image must be; `None`: an image has none there.
    #[must_use]
    pub fn of(path: &ArtifactPath) -> Option<Self> {
        let (kind, hex) = (path.as_str().split('/').next()?, path.file_name());
        let digest = Digest::parse(hex)?;
        let part = match kind {
            "blobs" => Self::Blob(digest),
            "manifests" => Self::Manifest(digest),
            _ => return None,
        };
        (part.text() == path.as_str()).then_some(part)
    }

    fn text(self) -> String {
        let (kind, digest) = match self {
            Self::Blob(digest) => ("blobs", digest),
            Self::Manifest(digest) => ("manifests", digest),
        };
        let first = crate::model::digest::hex(&digest.0[..1]);
        format!("{kind}/sha256/{first}/{digest}")
    }

    fn path(self) -> Result<ArtifactPath, Error> {
        let text = self.text();
        // Hex digits and words make a path that can be.
        ArtifactPath::parse(&text).map_err(|_| Error::NotFound(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_one_path() {
        let digest = Digest([0xab; 32]);
        for part in [Part::Blob(digest), Part::Manifest(digest)] {
            let path = part.path().unwrap();
            assert_eq!(Part::of(&path), Some(part));
        }
        let hex = digest.to_string();
        let upper = hex.to_uppercase();
        for other in [
            format!("blobs/sha256/{hex}"),
            format!("blobs/sha256/ac/{hex}"),
            format!("blobs/sha512/ab/{hex}"),
            format!("blobs/sha256/ab/{upper}"),
            format!("layers/sha256/ab/{hex}"),
            format!("blobs/sha256/ab/{hex}/x"),
            "blobs".to_owned(),
        ] {
            assert_eq!(Part::of(&ArtifactPath::parse(&other).unwrap()), None, "{other}");
        }
    }
}
