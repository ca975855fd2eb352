//! [`Pages`]: what is built of a series again and again, in memory: npm's packuments, `PyPI`'s
//! simple pages.
//!
//! A page is made of lines, a few for each package, and of a frame around them. It is kept with the
//! revision of its series, and brought up to date by drawing the lines of those packages again
//! that changed since: so a publish costs what it changed, however long the page is. A page of a
//! group is one of several projects, each with a revision of its own.
//! Defends I8: a page is drawn from one snapshot, and never one older than the asker's. Of those
//! who ask for a stale page at once, one draws it and the others wait for that.
//! Deliberately absent: who may read what (whoever asks says which projects count), and the
//! formats (whoever draws).

mod format;
mod lines;
mod series;
mod shelf;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::model::{Digest, PackageId, ProjectId, SeriesKey};
pub use format::Format;
pub use lines::{Line, Lines};
pub use series::PageAsk;
use shelf::Shelf;

/// What an entity tag begins with: the next version of this program may draw otherwise.
const DRAWN_BY: &str = concat!("larder ", env!("CARGO_PKG_VERSION"));

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// Whose packages are in it, in order. Of two with one line the newer one counts.
    pub projects: Vec<ProjectId>,
    /// Of which name.
    pub series: SeriesKey,
    /// Which of the format's pages, with all that it depends on beside packages: the address that
    /// links begin with.
    pub flavour: String,
}

/// How far a project's part of a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last change that is in it.
    pub revision: u64,
    /// Parts that are older than this cannot be brought up to date.
    pub forgotten: u64,
}

/// A page as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// All of it.
    pub bytes: Bytes,
    /// Changes with it; with its quotes.
    pub etag: String,
    /// How many lines it has.
    pub lines: usize,
}

/// Draws a page from one snapshot.
pub trait Draw {
    /// Why it could not.
    type Error;

    /// The packages of a project that changed after a revision, or all there are.
    fn changed(
        &self,
        project: ProjectId,
        after: Option<u64>,
    ) -> Result<Vec<PackageId>, Self::Error>;

    /// The lines of a package; none when it is not shown (any more).
    fn lines(&self, package: PackageId) -> Result<Vec<Line>, Self::Error>;

    /// The page.
    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, Self::Error>;
}

/// The cache.
pub struct Pages {
    shelf: Mutex<Shelf>,
    drawn: AtomicU64,
}

/// The place of a page, for as long as it is kept.
#[derive(Default)]
struct Slot {
    /// Only held to look or to change.
    built: Mutex<Option<Arc<Built>>>,
    /// Held by who draws it.
    drawing: Mutex<()>,
}

/// The lines of each package of a project.
type Pieces = BTreeMap<PackageId, Arc<[Line]>>;

/// A page with what it takes to bring it up to date.
struct Built {
    standings: Vec<Standing>,
    pieces: Vec<Pieces>,
    page: Arc<Page>,
}

impl Pages {
    /// A cache of so many bytes: pages with their parts, both.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { shelf: Mutex::new(Shelf::new(bytes_max)), drawn: AtomicU64::new(0) }
    }

    /// The tag of a page at these revisions, one for each project of `key`. It is known before the
    /// page is drawn.
    #[must_use]
    pub fn etag(key: &PageKey, standings: &[Standing]) -> String {
        let mut hash = Sha256::new();
        let series = (key.series.kind.as_str(), key.series.name.as_str());
        for text in [DRAWN_BY, series.0, series.1, &key.flavour] {
            hash.update(text);
            hash.update([0]);
        }
        for (project, standing) in key.projects.iter().zip(standings) {
            hash.update(project.0.to_be_bytes());
            hash.update(standing.revision.to_be_bytes());
        }
        format!("\"{:.32}\"", Digest(hash.finalize().into()).to_string())
    }

    /// The page, as new as `standings` or newer. They belong to the snapshot that `draw` draws
    /// from, one for each project of `key`. Blocks: it may draw, or wait for who does.
    ///
    /// # Errors
    /// What drawing it says; nothing is kept then.
    pub fn page<D: Draw>(
        &self,
        key: &PageKey,
        standings: &[Standing],
        draw: &D,
    ) -> Result<Arc<Page>, D::Error> {
        let slot = lock(&self.shelf).slot(key);
        if let Some(page) = slot.page(standings) {
            return Ok(page);
        }
        let _turn = lock(&slot.drawing);
        let before = lock(&slot.built).clone();
        if let Some(built) = before.as_ref().filter(|built| built.covers(standings)) {
            return Ok(Arc::clone(&built.page));
        }
        let built = Arc::new(self.build(key, standings, draw, before.as_deref())?);
        let page = Arc::clone(&built.page);
        let bytes = built.bytes();
        *lock(&slot.built) = Some(built);
        lock(&self.shelf).weigh(key, &slot, bytes);
        Ok(page)
    }

    /// How many packages had their lines drawn so far.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::Relaxed)
    }

    /// Bytes that pages take now, at most those that they may take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.shelf).bytes()
    }

    fn build<D: Draw>(
        &self,
        key: &PageKey,
        standings: &[Standing],
        draw: &D,
        before: Option<&Built>,
    ) -> Result<Built, D::Error> {
        let mut pieces = Vec::with_capacity(key.projects.len());
        for (at, (project, standing)) in key.projects.iter().zip(standings).enumerate() {
            let (mut known, after) = match before.and_then(|built| built.known(at, *standing)) {
                Some((known, revision)) => (known.clone(), Some(revision)),
                None => (BTreeMap::new(), None),
            };
            if after != Some(standing.revision) {
                for package in draw.changed(*project, after)? {
                    self.redraw(&mut known, package, draw)?;
                }
            }
            pieces.push(known);
        }
        let lines = Lines::new(&pieces);
        let bytes = draw.frame(&lines)?.into();
        let page = Page { bytes, etag: Self::etag(key, standings), lines: lines.len() };
        let page = Arc::new(page);
        Ok(Built { standings: standings.to_vec(), pieces, page })
    }

    fn redraw<D: Draw>(
        &self,
        known: &mut Pieces,
        package: PackageId,
        draw: &D,
    ) -> Result<(), D::Error> {
        self.drawn.fetch_add(1, Ordering::Relaxed);
        let lines = draw.lines(package)?;
        if lines.is_empty() {
            known.remove(&package);
        } else {
            known.insert(package, lines.into());
        }
        Ok(())
    }
}

impl Slot {
    /// The page, if it is new enough.
    fn page(&self, standings: &[Standing]) -> Option<Arc<Page>> {
        let built = lock(&self.built);
        built.as_ref().filter(|built| built.covers(standings)).map(|built| Arc::clone(&built.page))
    }
}

impl Built {
    /// Whether all that these standings say is in it.
    fn covers(&self, standings: &[Standing]) -> bool {
        let mut pairs = self.standings.iter().zip(standings);
        pairs.all(|(mine, asked)| mine.revision >= asked.revision)
    }

    /// What of a project's part can still be used, and from which revision on it is to be
    /// changed.
    fn known(&self, at: usize, now: Standing) -> Option<(&Pieces, u64)> {
        let mine = self.standings.get(at)?;
        let is_usable = (now.forgotten..=now.revision).contains(&mine.revision);
        Some((self.pieces.get(at)?, mine.revision)).filter(|_| is_usable)
    }

    /// Memory, roughly.
    fn bytes(&self) -> u64 {
        let lines = self.pieces.iter().flat_map(BTreeMap::values).flat_map(|lines| lines.iter());
        let pieces: usize = lines.map(Line::bytes).sum();
        u64::try_from(pieces + self.page.bytes.len()).unwrap_or(u64::MAX)
    }
}

/// What panicked while it held the lock has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
