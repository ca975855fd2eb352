//! What goes through repositories, counted in memory since the start for those that were used
//! last, and a line in the log for each push, pull and deletion.
//!
//! Deliberately absent: counters that survive a restart; a log has those.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use serde::Serialize;

use super::Registry;
use crate::model::{ImageName, ManifestId, OciDigest, Reference, UserName};

/// The target of the log lines.
const LOG: &str = "larder::registry";
/// Repositories that are counted: those that were used last.
const IMAGES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// What went through a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Manifests that were pushed.
    pub pushes: u64,
    /// Manifests that were pulled.
    pub pulls: u64,
    /// Bytes that came, of manifests and of blobs.
    pub bytes_in: u64,
    /// Bytes that were asked for, of manifests and of blobs.
    pub bytes_out: u64,
}

/// The counters of all repositories. Clones share them.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Mutex<LruCache<ImageName, Counters>>>);

impl Default for Traffic {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(IMAGES_MAX))))
    }
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, LruCache<ImageName, Counters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, image: &ImageName, change: impl FnOnce(&mut Counters)) {
        let mut images = self.lock();
        // A name is copied only where it is new.
        match images.get_mut(image) {
            Some(counters) => change(counters),
            None => change(images.get_or_insert_mut(image.clone(), Counters::default)),
        }
    }
}

impl Registry {
    /// Counts and logs that a manifest was pushed.
    pub fn note_push(
        &self,
        image: &ImageName,
        reference: &Reference,
        digest: &OciDigest,
        bytes: u64,
        by: Option<&UserName>,
    ) {
        self.traffic.count(image, |counters| {
            counters.pushes += 1;
            counters.bytes_in = counters.bytes_in.saturating_add(bytes);
        });
        log(&"push", image, reference, digest, bytes, by);
    }

    /// Counts and logs that a manifest was pulled; it is noted that it was, in memory.
    pub fn note_pull(
        &self,
        image: &ImageName,
        reference: &Reference,
        (id, digest): (ManifestId, &OciDigest),
        bytes: u64,
        by: Option<&UserName>,
    ) {
        self.traffic.count(image, |counters| {
            counters.pulls += 1;
            counters.bytes_out = counters.bytes_out.saturating_add(bytes);
        });
        self.store.note_pull(id);
        log(&"pull", image, reference, digest, bytes, by);
    }

    /// Logs that a tag, or a manifest with its tags, was deleted.
    pub fn note_delete(&self, image: &ImageName, reference: &Reference, by: Option<&UserName>) {
        let by = by.map_or("-", |by| by.as_str()).escape_default();
        let mark = if matches!(reference, Reference::Tag(_)) { ':' } else { '@' };
        log::info!(target: LOG, "delete {image}{mark}{reference} {by}");
    }

    /// Counts bytes of a blob that came.
    pub fn note_blob_in(&self, image: &ImageName, bytes: u64) {
        self.traffic.count(image, |counters| {
            counters.bytes_in = counters.bytes_in.saturating_add(bytes);
        });
    }

    /// Counts bytes of a blob that were asked for.
    pub fn note_blob_out(&self, image: &ImageName, bytes: u64) {
        self.traffic.count(image, |counters| {
            counters.bytes_out = counters.bytes_out.saturating_add(bytes);
        });
    }

    /// What went through the repositories that were used last, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(ImageName, Counters)> {
        let images = self.traffic.lock();
        let mut all: Vec<_> = images.iter().map(|(name, of)| (name.clone(), *of)).collect();
        drop(images);
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Writes when manifests were pulled last, as far as that is in memory only: about once a
    /// minute, before a rule reads it, and at the end.
    ///
    /// # Errors
    /// [`super::Error::Store`].
    pub fn flush_pulls(&self) -> Result<(), super::Error> {
        Ok(self.store.flush_noted_pulls()?)
    }
}

fn log(
    what: &dyn Display,
    image: &ImageName,
    reference: &Reference,
    digest: &OciDigest,
    bytes: u64,
    by: Option<&UserName>,
) {
    let by = by.map_or("-", |by| by.as_str());
    let by = by.escape_default();
    match reference {
        Reference::Tag(tag) => {
            log::info!(target: LOG, "{what} {image}:{tag} {digest} {bytes} bytes {by}");
        }
        Reference::Digest(_) => {
            log::info!(target: LOG, "{what} {image}@{digest} {bytes} bytes {by}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_that_were_used_last_are_counted() {
        let traffic = Traffic::default();
        let name = |number: usize| ImageName::parse(&format!("a/{number}")).unwrap();
        for number in 0..=IMAGES_MAX.get() {
            traffic.count(&name(number), |of| of.pushes += 1);
            traffic.count(&name(1), |of| of.pulls += 1);
        }
        let mut images = traffic.lock();
        assert_eq!(images.len(), IMAGES_MAX.get());
        assert!(images.get(&name(0)).is_none());
        let used = images.get(&name(1)).copied().unwrap();
        assert_eq!((used.pushes, used.pulls), (1, 1001));
    }
}
