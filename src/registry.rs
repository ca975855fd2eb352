//! Floor 3: the container registry: what a push and a pull need beyond one store call.
//!
//! The law is the OCI distribution specification 1.1; names map onto the artifact tree as the
//! spec of dlrepo says (§11), in `model::image`.
//! Deliberately absent: HTTP, rights, asking the sweeper to work (whoever deletes does that).

pub mod download;

use std::sync::Arc;

use crate::blobs::{self, BlobFiles, Space};
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
}

impl Registry {
    /// A registry over a store and the files of its blobs.
    #[must_use]
    pub fn new(store: Store, files: BlobFiles, space: Arc<Space>, limits: Limits) -> Self {
        Self { store, files, space, limits }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}
