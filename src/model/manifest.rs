//! [`Manifest`]: the record of an image, an index or another artifact of the registry.

use serde::{Deserialize, Serialize};

use super::{BlobId, Digest, ImageId, ManifestId, OciDigest, Sha512, Standing, Timestamp, Usage};

/// Most bytes of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Most contents that one manifest names: they are held in one transaction (I7).
pub const DESCRIPTORS_MAX: usize = 1000;
/// How deep indexes may be nested: an image has depth 0.
pub const DEPTH_MAX: u8 = 8;
/// Most files of an image with all that it names.
pub const FILES_MAX: u64 = 20_000;

/// The record of a manifest; its id is the key. Its bytes are a blob that it holds by itself;
/// what it names it holds by way of its repository's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The repository.
    pub image: ImageId,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// SHA-512 of its bytes, 64 of them, if it was pushed under that name too.
    pub sha512: Option<Vec<u8>>,
    /// Its bytes.
    pub blob: BlobId,
    /// Their number.
    pub size: u64,
    /// What it says it is; the `Content-Type` of an answer.
    pub media_type: String,
    /// What kind of artifact it is, as the list of referrers tells.
    pub artifact_type: Option<String>,
    /// The digest of what it is about, as text, whether that is here or not.
    pub subject: Option<String>,
    /// Config and layers that are here, each once, in ascending order.
    pub blobs: Vec<BlobId>,
    /// Manifests that it names, each once, in ascending order. One that was deleted since is not
    /// there any more.
    pub children: Vec<ManifestId>,
    /// How deep indexes are nested in it; 0: it names no manifests.
    pub depth: u8,
    /// Files and bytes of it and all that it names: its own, each of its blobs once, and each of
    /// its children in full.
    pub total: Usage,
    /// Why it is there.
    pub standing: Standing,
    /// The login of whoever is charged while nothing holds it; empty: nobody.
    pub charged: String,
    /// When it was first pushed.
    pub pushed: Timestamp,
    /// The login of whoever did; empty when nobody was logged in.
    pub by: String,
    /// While it is being destroyed: the last of those about it that was dealt with.
    pub told: Option<ManifestId>,
}

impl Manifest {
    /// All digests that name it: its SHA-256 first.
    pub fn names(&self) -> impl Iterator<Item = OciDigest> + use<> {
        std::iter::once(self.digest.into()).chain(self.sha512())
    }

    /// Its SHA-512 as a name, if it was pushed under that too.
    #[must_use]
    pub fn sha512(&self) -> Option<OciDigest> {
        let sum = self.sha512.as_deref()?.try_into().ok()?;
        Some(OciDigest::Sha512(Sha512(sum)))
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Option<OciDigest> {
        OciDigest::parse(self.subject.as_deref()?).ok()
    }
}
