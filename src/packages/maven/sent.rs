//! [`Sent`]: what the metadata and the checksums add up to that clients sent a moment ago.
//!
//! Neither is stored, and a client's metadata seldom has the very bytes of ours; but its checksums
//! come next, and a wrong one has to be told. In memory, so a restart between the two costs a
//! client one refusal.
//! Deliberately absent: the texts.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::model::{MavenPath, ProjectId, Sums};

/// Paths that are remembered: some megabytes.
// Whoever compiles this is told if it is zero.
const PATHS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
/// Texts that are remembered of each: so many clients may send theirs at once.
const TEXTS_MAX: usize = 8;

/// Where something was sent to: the project, the folder and the file.
type Place = (ProjectId, String, String);

/// The last texts of each path.
pub struct Sent(Mutex<LruCache<Place, VecDeque<Sums>>>);

impl Default for Sent {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(PATHS_MAX)))
    }
}

impl Sent {
    /// Takes notice of a text.
    pub fn note(&self, project: ProjectId, path: &MavenPath, sums: Sums) {
        let mut places = self.lock();
        let texts = places.get_or_insert_mut(place(project, path), VecDeque::new);
        texts.retain(|known| *known != sums);
        texts.push_back(sums);
        if texts.len() > TEXTS_MAX {
            texts.pop_front();
        }
    }

    /// The last texts.
    pub fn of(&self, project: ProjectId, path: &MavenPath) -> Vec<Sums> {
        let mut places = self.lock();
        let texts = places.get(&place(project, path));
        texts.map(|texts| texts.iter().copied().collect()).unwrap_or_default()
    }

    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, LruCache<Place, VecDeque<Sums>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(project: ProjectId, path: &MavenPath) -> Place {
    (project, path.folder().to_owned(), path.file().to_owned())
}
