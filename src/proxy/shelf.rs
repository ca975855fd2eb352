//! [`Shelf`]: what was fetched becomes entries of groups' caches.
//!
//! Defends I1, I4 and I5: bytes were hashed here, are placed before their row is committed, and
//! go when it is not. What cannot be stored is only logged: its clients have it all the same.

use std::sync::Arc;

use bytes::Bytes;

use super::flight::{Arrived, Wish};
use crate::blobs::hash::hash_bytes;
use crate::blobs::{self, BlobFiles, Space, Staged};
use crate::model::{CachedId, CachedWhat, Digest};
use crate::store::blobs::{Arrival, Body, Content, settle};
use crate::store::cached::NewCached;
use crate::store::proxy_groups::is_same_world;
use crate::store::{self, Store};

/// Where what was fetched is kept. Clones share everything.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) store: Store,
    pub(super) files: BlobFiles,
    pub(super) space: Arc<Space>,
    pub(super) inline_bytes_max: u64,
}

/// Why something was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStored {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Files(#[from] blobs::Error),
}

impl Shelf {
    /// Stores a blob for each wish; for a thread that may wait.
    pub(super) fn land(&self, arrived: Arrived, wishes: &mut dyn FnMut() -> Option<Wish>) {
        let digest = arrived.hashed().digest;
        let mut arrived = Some(arrived);
        while let Some(wish) = wishes() {
            let group = wish.group;
            if !self.is_wanted(&wish) {
                log::info!("sha256:{digest} is not cached for group {}, which changed", group.0);
                continue;
            }
            let new = |content| new_blob(&wish, digest, content);
            let stored = match arrived.take() {
                Some(arrived) => self.put(arrived, new),
                None => self.put_stored(new(Content::Stored(digest))),
            };
            if let Err(error) = stored {
                log::warn!("sha256:{digest} is not cached for group {}: {error}", group.0);
            }
        }
    }

    /// Whether the group still takes it. One that does not, must not be the one that the bytes are
    /// spent on. What is not known here is found out by storing it.
    fn is_wanted(&self, wish: &Wish) -> bool {
        let known = self.store.view().and_then(|view| {
            let upstream = view.proxy_group(wish.group)?.upstream;
            let is_same = is_same_world(wish.upstream.as_ref(), upstream.as_ref());
            Ok(is_same && view.group(wish.group)?.is_some())
        });
        known.unwrap_or(true)
    }

    /// Stores a document that is in memory; for a thread that may wait.
    pub(super) fn keep(
        &self,
        bytes: &Bytes,
        new: impl Fn(Content) -> NewCached,
    ) -> Result<CachedId, NotStored> {
        let hashed = hash_bytes(bytes, None);
        self.space.admit(hashed.size)?;
        if hashed.size <= self.inline_bytes_max {
            return self.put(Arrived::Memory(bytes.clone(), hashed), new);
        }
        let mut draft = self.files.begin(None)?;
        draft.write(bytes)?;
        self.put(Arrived::File(draft.finish()?), new)
    }

    fn put(
        &self,
        arrived: Arrived,
        new: impl Fn(Content) -> NewCached,
    ) -> Result<CachedId, NotStored> {
        match arrived {
            Arrived::Memory(bytes, hashed) => {
                let (digest, size) = (hashed.digest, hashed.size);
                let body = Body::Inline(bytes);
                self.put_stored(new(Content::Uploaded { digest, size, body }))
            }
            Arrived::File(staged) => self.put_file(staged, new),
        }
    }

    fn put_stored(&self, new: NewCached) -> Result<CachedId, NotStored> {
        Ok(self.store.put_cached(new).wait()?.0)
    }

    /// Bytes whose digest is known already are not even synced.
    fn put_file(
        &self,
        staged: Staged,
        new: impl Fn(Content) -> NewCached,
    ) -> Result<CachedId, NotStored> {
        let digest = staged.hashed().digest;
        if self.store.view()?.find_blob(&digest)?.is_some() {
            match self.store.put_cached(new(Content::Stored(digest))).wait() {
                // It was collected a moment ago.
                Err(store::Error::BlobUnknown(_)) => {}
                result => {
                    staged.discard();
                    return Ok(result?.0);
                }
            }
        }
        let placed = staged.place()?;
        let body = Body::File(placed.suffix);
        let content = Content::Uploaded { digest, size: placed.size, body };
        let result = self.store.put_cached(new(content)).wait();
        settle(placed, result.as_ref().map(|(_, arrival): &(CachedId, Arrival)| *arrival));
        Ok(result?.0)
    }
}

fn new_blob(wish: &Wish, digest: Digest, content: Content) -> NewCached {
    NewCached {
        group: wish.group,
        upstream: wish.upstream.clone(),
        what: CachedWhat::Blob { digest, image: wish.image.to_string() },
        content,
        origin: wish.origin,
        tag: None,
    }
}

#[cfg(test)]
mod tests;
