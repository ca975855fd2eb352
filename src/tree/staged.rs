//! [`Staged`]: the files that a publishing server sent under `container`, read as the image that
//! they are (spec dlrepo §11, §12).
//!
//! All of it is looked at before anything is changed: each file is where its digest says (I4),
//! one manifest is the root, and all that the manifests name came too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::manifest::FILES_MAX;
use crate::model::oci_manifest::{OciManifest, OciManifestError, Role};
use crate::model::{ArtifactPath, Digest, OciDigest, Sha512};
use crate::store::containers::Part;

/// Contents that all manifests may name, those that are named more than once counted so.
const NAMED_MAX: u64 = 4 * FILES_MAX;

/// Why files are no image.
#[derive(Debug, thiserror::Error)]
pub enum NoImage {
    /// A path that an image does not have.
    #[error("{0} is no part of an image: those are blobs/sha256/XX/DIGEST and manifests/…")]
    Stranger(ArtifactPath),
    /// The path says something else than the bytes.
    #[error("the bytes of {path} have the digest sha256:{digest}")]
    Differs {
        /// The file.
        path: ArtifactPath,
        /// Of its bytes.
        digest: Digest,
    },
    /// A manifest that is not taken.
    #[error("manifest sha256:{digest}: {source}")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// Why.
        source: OciManifestError,
    },
    /// Something that a manifest names is not among the files.
    #[error("manifest sha256:{by} names {digest} ({at}), which was not sent")]
    Missing {
        /// The manifest.
        by: Digest,
        /// Where in it.
        at: String,
        /// What it names.
        digest: OciDigest,
    },
    /// A file that no manifest names.
    #[error("{0} was sent, but no manifest names it")]
    Unnamed(OciDigest),
    /// There is none.
    #[error("no manifest was sent")]
    NoManifest,
    /// An image has one manifest that no other one names.
    #[error("sha256:{0} and sha256:{1} are both named by no other manifest, and one tag has one")]
    Roots(Digest, Digest),
    /// Too many files.
    #[error("an image has {FILES_MAX} files at most, each index with its images in full")]
    TooMany,
}

/// The parts of an image.
#[derive(Debug, Default)]
pub(super) struct Staged {
    blobs: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, Read>,
    /// Contents that they name, however often.
    named: usize,
    /// Other names of blobs, where they are needed.
    sums: HashMap<Sha512, Digest>,
}

/// A manifest that was sent.
#[derive(Debug)]
struct Read {
    said: OciManifest,
    sha512: Sha512,
}

/// A manifest with what it names, all of which was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// Its digest.
    pub(super) digest: Digest,
    /// Its other name, where another manifest calls it so.
    pub(super) sha512: Option<Sha512>,
    /// What it says.
    pub(super) said: OciManifest,
    /// Its blobs.
    pub(super) blobs: Vec<Digest>,
    /// The manifests that it names.
    pub(super) children: Vec<Digest>,
}

impl Staged {
    /// Adds a file that is no manifest; its bytes have that digest.
    pub(super) fn add_blob(&mut self, path: &ArtifactPath, digest: Digest) -> Result<(), NoImage> {
        match Part::of(path) {
            Some(Part::Blob(said)) => check_path(path, said, digest)?,
            _ => return Err(NoImage::Stranger(path.clone())),
        }
        self.blobs.insert(digest);
        self.check_number()
    }

    /// Adds a manifest; its bytes have that digest.
    pub(super) fn add_manifest(
        &mut self,
        path: &ArtifactPath,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<(), NoImage> {
        match Part::of(path) {
            Some(Part::Manifest(said)) => check_path(path, said, digest)?,
            _ => return Err(NoImage::Stranger(path.clone())),
        }
        let said = OciManifest::parse(bytes, None);
        let said = said.map_err(|source| NoImage::Manifest { digest, source })?;
        let sha512 = Sha512(<sha2::Sha512 as sha2::Digest>::digest(bytes).into());
        self.named = self.named.saturating_add(said.contents.len());
        self.manifests.insert(digest, Read { said, sha512 });
        self.check_number()
    }

    /// Before more is read: an image with all that it names counts each of its indexes in full.
    fn check_number(&self) -> Result<(), NoImage> {
        let fits = |number: usize, max| u64::try_from(number).is_ok_and(|number| number <= max);
        let files = self.blobs.len() + self.manifests.len();
        let is_fine = fits(files, FILES_MAX) && fits(self.named, NAMED_MAX);
        if is_fine { Ok(()) } else { Err(NoImage::TooMany) }
    }

    /// Its configs and layers.
    pub(super) fn blobs(&self) -> Vec<Digest> {
        self.blobs.iter().copied().collect()
    }

    /// The blobs that are named by another sum.
    pub(super) fn sums(&self) -> Vec<(Digest, Sha512)> {
        let named = self.named_by_sha512();
        let sums = self.sums.iter().filter(|(sum, _)| named.contains(sum));
        sums.map(|(sum, digest)| (*digest, *sum)).collect()
    }

    /// The manifests, each behind all that it names; the last one is the root.
    pub(super) fn into_image(self) -> Result<Vec<Ready>, NoImage> {
        let mut names: BTreeMap<Digest, Ready> = BTreeMap::new();
        for (digest, read) in &self.manifests {
            names.insert(*digest, self.resolve(*digest, read)?);
        }
        let mut blobs = self.blobs.clone();
        let mut roots = self.manifests.keys().copied().collect::<BTreeSet<_>>();
        for ready in names.values() {
            ready.blobs.iter().for_each(|blob| drop(blobs.remove(blob)));
            ready.children.iter().for_each(|child| drop(roots.remove(child)));
        }
        let mut roots = roots.into_iter();
        let root = roots.next().ok_or(NoImage::NoManifest)?;
        if let Some(other) = roots.next() {
            return Err(NoImage::Roots(root, other));
        }
        match blobs.first() {
            Some(blob) => Err(NoImage::Unnamed((*blob).into())),
            None => Ok(self.in_order(names, root)),
        }
    }

    /// What a manifest names, among what was sent.
    fn resolve(&self, digest: Digest, read: &Read) -> Result<Ready, NoImage> {
        let (mut blobs, mut children) = (Vec::new(), Vec::new());
        for content in &read.said.contents {
            let blob = self.blob(&content.digest);
            let child = self.manifest(&content.digest);
            match (content.role, blob, child) {
                (Role::Blob | Role::Elsewhere, Some(blob), _)
                | (Role::Either, Some(blob), None) => blobs.push(blob),
                (Role::Manifest | Role::Either, _, Some(child)) => children.push(child),
                (Role::Elsewhere, None, _) => {}
                (Role::Blob, None, _) | (Role::Manifest, _, None) | (Role::Either, None, None) => {
                    let (at, named) = (content.at.clone(), content.digest);
                    return Err(NoImage::Missing { by: digest, at, digest: named });
                }
            }
        }
        Ok(Ready { digest, sha512: None, said: read.said.clone(), blobs, children })
    }

    fn blob(&self, name: &OciDigest) -> Option<Digest> {
        match name {
            OciDigest::Sha256(digest) => self.blobs.get(digest).copied(),
            OciDigest::Sha512(sum) => self.sums.get(sum).copied(),
        }
    }

    fn manifest(&self, name: &OciDigest) -> Option<Digest> {
        match name {
            OciDigest::Sha256(digest) => self.manifests.contains_key(digest).then_some(*digest),
            OciDigest::Sha512(sum) => {
                let found = self.manifests.iter().find(|(_, read)| read.sha512 == *sum);
                found.map(|(digest, _)| *digest)
            }
        }
    }

    /// A manifest names digests, so none can name itself by way of others.
    fn in_order(&self, mut names: BTreeMap<Digest, Ready>, root: Digest) -> Vec<Ready> {
        let by_sha512 = self.named_by_sha512();
        let mut order = Vec::new();
        let mut waiting = vec![root];
        while let Some(digest) = waiting.last().copied() {
            let children = names.get(&digest).map_or(&[][..], |ready| &ready.children);
            let before: Vec<_> = children.iter().filter(|c| names.contains_key(c)).collect();
            if before.is_empty() {
                waiting.pop();
                let ready = names.remove(&digest);
                let sha512 = self.manifests.get(&digest).map(|read| read.sha512);
                let sha512 = sha512.filter(|sum| by_sha512.contains(sum));
                order.extend(ready.map(|ready| Ready { sha512, ..ready }));
            } else {
                waiting.extend(before);
            }
        }
        order
    }

    fn named_by_sha512(&self) -> HashSet<Sha512> {
        let contents = self.manifests.values().flat_map(|read| &read.said.contents);
        let sums = contents.filter_map(|content| match content.digest {
            OciDigest::Sha512(sum) => Some(sum),
            OciDigest::Sha256(_) => None,
        });
        sums.collect()
    }

    /// Whether blobs are named by a sum that has to be computed first.
    pub(super) fn needs_sums(&self) -> bool {
        let own: HashSet<_> = self.manifests.values().map(|read| read.sha512).collect();
        self.named_by_sha512().iter().any(|sum| !own.contains(sum))
    }

    /// The SHA-512 of a blob that was sent.
    pub(super) fn add_sum(&mut self, blob: Digest, sum: Sha512) {
        self.sums.insert(sum, blob);
    }
}

fn check_path(path: &ArtifactPath, said: Digest, digest: Digest) -> Result<(), NoImage> {
    if said == digest { Ok(()) } else { Err(NoImage::Differs { path: path.clone(), digest }) }
}

#[cfg(test)]
mod tests;
