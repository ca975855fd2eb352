//! Floor 3, the artifact tree's service: what needs more than one store call, or files.
//!
//! An upload walks design §4 here: hashed while it is written, placed before its row is committed
//! (I1, I4, I5), kept or thrown away after. A download pins its blob, takes a fresh view and then
//! opens the file, so nothing that is swept meanwhile can be half-read.
//! Deliberately absent: HTTP, rights, asking the sweeper to work (whoever deletes does that).

pub mod archive;
pub mod container;
mod digest;
mod download;
pub mod post_process;
mod staged;
mod upload;

use std::sync::Arc;

use crate::blobs::{self, BlobFiles, Space};
use crate::model::{BranchPath, Digest, JobPath, UserName};
use crate::store::behalf::Behalf;
use crate::store::detached::Cause;
use crate::store::{self, Store};

pub use download::{Opened, Source};
pub use staged::NoImage;
pub use upload::Upload;

/// Why the tree did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A blob's file could not be written or read.
    #[error(transparent)]
    Files(#[from] blobs::Error),
    /// The bytes are not what the client said; nothing was kept.
    #[error("Received data does not match digest: {0}")]
    Mismatch(String),
    /// A format was not post-processed; it is as it was.
    #[error("the post process of {path} failed: {why}; nothing was changed")]
    PostProcess {
        /// The format.
        path: String,
        /// Why.
        why: post_process::Failed,
    },
    /// The files that were sent under `container` are no image; nothing was changed.
    #[error("{path} is no image: {why}")]
    NoImage {
        /// The format.
        path: String,
        /// Why.
        why: Box<NoImage>,
    },
    /// The list of an archive's files could not be kept.
    #[error("the list of the archive's files cannot be kept in {}: {source}", path.display())]
    List {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Files(error) => error.is_full(),
            Self::Store(store::Error::Db(error)) => error.is_full(),
            Self::List { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Store(_)
            | Self::Mismatch(_)
            | Self::PostProcess { .. }
            | Self::NoImage { .. } => false,
        }
    }
}

/// What the tree is told once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bodies of up to this many bytes are stored as rows.
    pub inline_bytes_max: u64,
}

/// The artifact tree. Clones share everything.
#[derive(Clone)]
pub struct Tree {
    store: Store,
    files: BlobFiles,
    space: Arc<Space>,
    limits: Limits,
    post_process: Option<Arc<post_process::PostProcess>>,
    sender: Option<UserName>,
}

impl Tree {
    /// A tree over a store and the files of its blobs.
    #[must_use]
    pub fn new(store: Store, files: BlobFiles, space: Arc<Space>, limits: Limits) -> Self {
        Self { store, files, space, limits, post_process: None, sender: None }
    }

    /// The same tree; it is noted that `sender` sent what is uploaded by way of it.
    #[must_use]
    pub fn for_sender(&self, sender: Option<UserName>) -> Self {
        Self { sender, ..self.clone() }
    }

    /// The same tree for somebody: what is uploaded by way of it is refused once what they came in
    /// with has ended.
    #[must_use]
    pub fn on_behalf(&self, behalf: Behalf) -> Self {
        Self { store: self.store.on_behalf(behalf), ..self.clone() }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the tree was told.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether new content may come, before any of it is read.
    ///
    /// # Errors
    /// [`blobs::Error::NoRoom`].
    pub fn admit(&self) -> Result<(), Error> {
        Ok(self.space.admit(0)?)
    }

    /// The size of the blob with this digest, and a promise that it stays for a lease. `None`:
    /// it is not here, send it. The promise of a held blob needs no write, since its last release
    /// gives a lease; that of a free one is committed before the answer.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read.
    pub async fn promise(&self, digest: Digest) -> Result<Option<u64>, Error> {
        let found = self.store.view()?.find_blob(&digest)?;
        let Some((_, blob)) = found else { return Ok(None) };
        if blob.refs.count() > 0 {
            return Ok(Some(blob.size));
        }
        match self.store.lease(digest).await {
            Ok(leased) => Ok(leased.map(|blob| blob.size)),
            Err(error) => {
                log::warn!("no lease could be given for {digest}, so it is to be sent: {error}");
                Ok(None)
            }
        }
    }

    /// As [`Self::promise`], to somebody who sent the content a short time ago; so the content
    /// and the note of that stay for a lease. `None`: it is not here, or they did not.
    pub async fn promise_to_sender(&self, digest: Digest, sender: UserName) -> Option<u64> {
        match self.store.lease_to_sender(digest, sender).await {
            Ok(leased) => leased.map(|blob| blob.size),
            Err(error) => {
                log::warn!("no lease could be given for {digest}, so it is to be sent: {error}");
                None
            }
        }
    }

    /// Detaches a branch; when it is protected, says by which tag.
    ///
    /// # Errors
    /// [`Error::Store`] with the refusal.
    pub async fn delete_branch(&self, path: BranchPath, cause: Cause) -> Result<(), Error> {
        match self.store.delete_branch(path.clone(), cause).await {
            Err(refused @ store::Error::BranchProtected(_)) => {
                self.store.view()?.check_unprotected(&path)?;
                // The tag that protected it was unlocked since.
                Err(refused.into())
            }
            result => Ok(result.map(drop)?),
        }
    }

    /// Locks a job and records its digest; reads the list of all its files, so it is for a
    /// thread that may wait.
    ///
    /// # Errors
    /// [`Error::Store`] with the refusal; [`store::Error::Changed`] when uploads never pause.
    pub fn lock_job(&self, path: &JobPath) -> Result<(), Error> {
        const TRIES: u32 = 5;
        let mut tries = 0;
        loop {
            tries += 1;
            let view = self.store.view()?;
            let job = view.job(path)?;
            let is_internal = |format: &_| self.store.is_internal(format);
            let digest = digest::of_job(&view, &job, is_internal)?;
            drop(view);
            let locked = self.store.lock_job(path.clone(), job.revision, digest).wait();
            match locked {
                Err(store::Error::Changed(_)) if tries < TRIES => {}
                result => return Ok(result?),
            }
        }
    }
}
