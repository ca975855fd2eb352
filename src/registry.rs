//! Floor 3: the container registry: what a push and a pull need beyond one store call.
//!
//! The law is the OCI distribution specification 1.1; names map onto the artifact tree as the
//! spec of dlrepo says (§11), in `model::image`.
//! Deliberately absent: HTTP, rights, asking the sweeper to work (whoever deletes does that).

pub mod manifests;
mod products;
pub mod referrers;
pub mod resolve;
pub mod traffic;

use std::sync::Arc;

use crate::blobs::{self, BlobFiles, Space};
use crate::model::{Digest, OciDigest, OciManifestError};
use crate::store::{self, Store};

/// Why the registry did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A blob's file could not be written or read.
    #[error(transparent)]
    Files(#[from] blobs::Error),
    /// The bytes are not what the client said; nothing was kept.
    #[error("the bytes are not those of {expected}, they have sha256:{found}: send them again")]
    Mismatch {
        /// What the client said.
        expected: OciDigest,
        /// What came.
        found: Digest,
    },
    /// The bytes are no manifest that is taken here.
    #[error(transparent)]
    Manifest(#[from] OciManifestError),
    /// A manifest is wrong about the size of what it names.
    #[error("{at}: {digest} has {actual} bytes, the manifest says {said}")]
    SizeDiffers {
        /// Where it is named, as `layers[3]`.
        at: String,
        /// What is named.
        digest: OciDigest,
        /// Bytes, as the manifest says.
        said: u64,
        /// Bytes.
        actual: u64,
    },
    /// A manifest's bytes cannot be read back (I1).
    #[error("the manifest sha256:{digest} is damaged: {why}; run a check")]
    Damaged {
        /// Which.
        digest: Digest,
        /// Why.
        why: String,
    },
}

/// What the registry is told once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Blobs of up to this many bytes are stored as rows.
    pub inline_bytes_max: u64,
}

/// The registry. Clones share everything.
#[derive(Clone)]
pub struct Registry {
    store: Store,
    files: BlobFiles,
    space: Arc<Space>,
    limits: Limits,
    products: products::Products,
    traffic: traffic::Traffic,
}

impl Registry {
    /// A registry over a store and the files of its blobs.
    #[must_use]
    pub fn new(store: Store, files: BlobFiles, space: Arc<Space>, limits: Limits) -> Self {
        let (products, traffic) = Default::default();
        Self { store, files, space, limits, products, traffic }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}
