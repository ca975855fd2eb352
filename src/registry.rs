//! Floor 3: the container registry: what a push and a pull need beyond one store call.
//!
//! The law is the OCI distribution specification 1.1; names map onto the artifact tree as the
//! spec of dlrepo says (§11), in `model::image`.
//! Deliberately absent: HTTP, rights, asking the sweeper to work (whoever deletes does that).

pub mod download;
pub mod manifests;
mod products;
pub mod referrers;
pub mod resolve;
pub mod traffic;
pub mod uploads;

use std::sync::Arc;

use crate::blobs::{self, BlobFiles, Space};
use crate::model::{Digest, OciDigest, OciManifestError, UploadId};
use crate::store::behalf::Behalf;
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
    /// There is no such upload, or not for whoever asks.
    #[error("there is no upload {0} here (any more), begin a new one")]
    UploadUnknown(UploadId),
    /// Two requests at once.
    #[error("another request is writing to upload {0}, ask for its state and try again")]
    UploadBusy(UploadId),
    /// A piece that does not follow the one before.
    #[error("the next piece begins with byte {received} and not with {first}")]
    UploadDisorder {
        /// Where the piece would begin.
        first: u64,
        /// Where it should: so many bytes came before.
        received: u64,
    },
    /// A piece of another length than it said; nothing of it was kept.
    #[error("the piece is said to be {announced} bytes long and {came} came, send it again")]
    UploadLength {
        /// What its range says, in bytes.
        announced: u64,
        /// What came.
        came: u64,
    },
    /// Too many bytes.
    #[error("uploads of up to {bytes_max} bytes are taken here, this one has {bytes} or more")]
    UploadTooLarge {
        /// The limit.
        bytes_max: u64,
        /// At least so many it would be.
        bytes: u64,
    },
    /// The bytes are not what the client said; the upload is ended and nothing was kept.
    #[error("the bytes are not those of {expected}, they have sha256:{found}: send them again")]
    Mismatch {
        /// What the client said.
        expected: Box<OciDigest>,
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
    /// Most bytes of a blob; `None`: no limit.
    pub upload_bytes_max: Option<u64>,
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
    turns: Arc<uploads::Turns>,
}

impl Registry {
    /// A registry over a store and the files of its blobs.
    #[must_use]
    pub fn new(store: Store, files: BlobFiles, space: Arc<Space>, limits: Limits) -> Self {
        let (products, traffic) = Default::default();
        Self { store, files, space, limits, products, traffic, turns: Arc::default() }
    }

    /// The same registry for somebody: what is pushed by way of it is refused once what they came
    /// in with has ended.
    #[must_use]
    pub fn on_behalf(&self, behalf: Behalf) -> Self {
        Self { store: self.store.on_behalf(behalf), ..self.clone() }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}
