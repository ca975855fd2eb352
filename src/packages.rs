//! Floor 3: the package registry: what publishing and installing need beyond one store call (spec
//! gitlab §2-7).
//!
//! [`Packages`] holds what the formats share; each format has a module of its own. What clients ask
//! for again and again is built once ([`pages`]).
//! Deliberately absent: HTTP, and rights; and asking other registries for what is not here: no
//! name of a private package may ever be looked up elsewhere.

pub mod cleanup;
pub mod files;
pub mod generic;
pub mod maven;
pub mod npm;
pub mod pages;
pub mod pypi;

use std::sync::Arc;

use crate::blobs::{BlobFiles, Space};
use crate::store::Store;
use crate::store::behalf::Behalf;
pub use files::{Arrived, Error, FileLimits, Incoming, NamedFile, Opened};
use pages::Pages;

/// Memory for [`Pages`] in bytes, unless told otherwise.
pub const PAGES_MEMORY: u64 = 64 << 20;

/// What the package registry is told once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Memory in bytes for pages that were built.
    pub pages_memory: u64,
    /// Files of up to this many bytes are stored as rows.
    pub inline_bytes_max: u64,
    /// Most bytes of a file.
    pub limits: FileLimits,
}

/// The package registry. Clones share everything.
#[derive(Clone)]
pub struct Packages {
    store: Store,
    files: BlobFiles,
    space: Arc<Space>,
    inline_bytes_max: u64,
    limits: FileLimits,
    pages: Arc<Pages>,
    maven: Arc<maven::Maven>,
}

impl Packages {
    /// A registry over a store and the files of its blobs.
    #[must_use]
    pub fn new(store: Store, files: BlobFiles, space: Arc<Space>, settings: Settings) -> Self {
        let Settings { pages_memory, inline_bytes_max, limits } = settings;
        let pages = Arc::new(Pages::new(pages_memory));
        let maven = Arc::default();
        Self { store, files, space, inline_bytes_max, limits, pages, maven }
    }

    /// The same registry for somebody: what is published by way of it is refused once they may not
    /// any more.
    #[must_use]
    pub fn on_behalf(&self, behalf: Behalf) -> Self {
        Self { store: self.store.on_behalf(behalf), ..self.clone() }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The files of blobs.
    #[must_use]
    pub fn files(&self) -> &BlobFiles {
        &self.files
    }

    /// The room on the disk.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Files of up to this many bytes are stored as rows.
    #[must_use]
    pub fn inline_bytes_max(&self) -> u64 {
        self.inline_bytes_max
    }

    /// Most bytes of a file of each kind.
    #[must_use]
    pub fn limits(&self) -> FileLimits {
        self.limits
    }

    /// What was built.
    #[must_use]
    pub fn pages(&self) -> &Pages {
        &self.pages
    }
}
