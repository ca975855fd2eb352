//! [`Ground`]: a data folder laid out as the server lays it out, opened without the server, and
//! filled at a rate that lets a bench begin soon.
//!
//! Everything goes through the store's own functions; a million blobs take well under two minutes
//! because thousands of changes share a commit. Deliberately absent: syncing the files that are
//! made here (a bench throws its folder away), and any wait for a lease: it is zero.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder::blobs::hash::hash_bytes;
use larder::blobs::{BlobFiles, OsDisk, Pins, Space};
use larder::clock::{Clock, SystemClock};
use larder::db::{self, Db, Pending, SliceTimes};
use larder::model::{
    ArtifactPath, BranchName, BranchPath, Digest, FormatName, FormatPath, JobName, Place, Suffix,
    TagName, TagPath,
};
use larder::store::blobs::{Arrival, Body, Content};
use larder::store::detached::Cause;
use larder::store::garbage::{Collected, Fate};
use larder::store::{self, Rules, Store};
use larder::sweeper::{Pace, Settings};
use larder::tree::{Limits, Tree};

use crate::content;
use crate::figures::Failure;

/// As in the server: a slice allocates and frees a page for each row that it touches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Artifacts of each tag that [`Ground::fill`] makes.
const TAG_ARTIFACTS: u64 = 1000;
/// Changes that share a commit while a folder is filled.
const FILL_BATCH: usize = 10_000;
/// Files that are unlinked before their folders are synced, and by how many threads.
const UNLINK_PAGE: usize = 1000;
const UNLINK_WORKERS: std::num::NonZero<usize> = std::num::NonZero::<usize>::MIN.saturating_add(1);

/// An open data folder.
pub struct Ground {
    /// The rows.
    pub store: Store,
    /// The files.
    pub files: BlobFiles,
    space: Arc<Space>,
    paces: RefCell<HashMap<&'static str, Pace>>,
}

/// What blobs consist of.
#[derive(Clone, Copy)]
pub enum Bodies {
    /// Rows of this many bytes.
    Inline(usize),
    /// Files of this many bytes.
    Files(usize),
    /// Records of files, without the files: only where nobody reads or unlinks them.
    Records,
}

/// How work is cut into slices.
#[derive(Clone, Copy)]
pub enum Cut {
    /// As the sweeper does it; each stage remembers what it learnt.
    Paced,
    /// Not at all: for what is not measured.
    Whole,
}

/// The times of several slices.
#[derive(Clone, Copy, Default)]
pub struct Slices {
    /// Work and commits together.
    pub total: Duration,
    /// The work alone.
    pub work: Duration,
    /// The longest slice, with its commit.
    pub longest: Duration,
    /// The most work before a commit.
    pub longest_work: Duration,
    /// How many there were.
    pub count: u64,
}

impl Slices {
    fn add(&mut self, times: SliceTimes) {
        self.total += times.total();
        self.work += times.work;
        self.longest = self.longest.max(times.total());
        self.longest_work = self.longest_work.max(times.work);
        self.count += 1;
    }

    fn append(&mut self, other: Self) {
        self.total += other.total;
        self.work += other.work;
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
        self.longest_work = self.longest_work.max(other.longest_work);
    }

    /// The one of two with the longest slice, and the most work of both.
    pub fn or_longer(self, other: Self) -> Self {
        let longest_work = self.longest_work.max(other.longest_work);
        let longer = if other.longest > self.longest { other } else { self };
        Self { longest_work, ..longer }
    }
}

impl Ground {
    /// Opens or makes a folder, to be filled.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        Self::open_at(dir, Arc::new(SystemClock::new()))
    }

    /// The same; what is put there is as old as `clock` says.
    pub fn open_at(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let work_bound = Duration::from_secs(60);
        let options = db::Options { work_bound, batch_max: FILL_BATCH, ..cached() };
        Self::assemble(dir, options, clock)
    }

    /// Opens or makes a folder with other rules for commits.
    pub fn open_with(dir: &Path, options: db::Options) -> Result<Self, Failure> {
        Self::assemble(dir, options, Arc::new(SystemClock::new()))
    }

    fn assemble(dir: &Path, options: db::Options, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        fs::create_dir_all(dir)?;
        let files = BlobFiles::open(dir, Arc::new(OsDisk))?;
        let space = Arc::new(Space::open(dir, Arc::new(OsDisk), 0, 0)?);
        let db = Db::open(&dir.join("larder.redb"), options)?;
        let rules = Rules {
            lease: Duration::ZERO,
            internal_formats: None,
            user_quota: None,
            upload_link: larder::store::UPLOAD_LINK,
        };
        let store = Store::new(db, Pins::new(), clock, rules);
        Ok(Self { store, files, space, paces: RefCell::default() })
    }

    /// The service that uploads go through.
    pub fn tree(&self, inline_bytes_max: u64) -> Tree {
        let limits = Limits { inline_bytes_max };
        Tree::new(self.store.clone(), self.files.clone(), Arc::clone(&self.space), limits)
    }

    /// Makes `count` artifacts in tags of a thousand, below the branch `live`.
    pub fn fill(&self, count: u64, bodies: Bodies) -> Result<(), Failure> {
        let tags = (0..count.div_ceil(TAG_ARTIFACTS)).map(|number| {
            let tag = tag("live", &format!("t{number}"));
            (tag, TAG_ARTIFACTS.min(count - number * TAG_ARTIFACTS))
        });
        self.put_all(tags, bodies)
    }

    /// Makes one tag of `count` artifacts.
    pub fn fill_tag(&self, tag: &TagPath, count: u64, bodies: Bodies) -> Result<(), Failure> {
        self.put_all([(tag.clone(), count)], bodies)
    }

    /// Makes `count` free blobs.
    pub fn litter(&self, count: u64, bodies: Bodies) -> Result<(), Failure> {
        let tag = tag("litter", "t");
        self.fill_tag(&tag, count, bodies)?;
        self.store.delete_tag(tag, Cause::request("")).wait()?;
        self.destroy(Cut::Whole)?;
        Ok(())
    }

    /// Destroys everything that is detached.
    pub fn destroy(&self, cut: Cut) -> Result<Slices, Failure> {
        self.slices("destroy", cut, |work, rows_max| {
            let slice = self.store.destroy_slice(work, rows_max);
            let (destroyed, times) = slice.map_err(|(_, error)| error)?;
            Ok((destroyed.done, times))
        })
    }

    /// Collects everything that is free; tells how many blobs that were.
    pub fn collect(&self, cut: Cut) -> Result<(u64, Slices), Failure> {
        let (mut blobs, mut after) = (0, None);
        let slices = self.slices("collect", cut, |work, rows_max| {
            let (done, times) = self.store.collect_slice(after, work, rows_max)?;
            let Collected { usage, next, .. } = done;
            blobs += usage.files;
            after = next;
            Ok((after.is_none(), times))
        })?;
        Ok((blobs, slices))
    }

    /// Removes what collected blobs left in the index of digests, if it is time to; tells how many
    /// rows that were.
    pub fn clear_due_digests(&self, cut: Cut) -> Result<(usize, Slices), Failure> {
        let is_due = self.store.view()?.has_many_lapsed(Settings::default().lapsed_min)?;
        if is_due { self.clear_digests(cut) } else { Ok((0, Slices::default())) }
    }

    /// Removes it whether it is time to or not.
    pub fn clear_digests(&self, cut: Cut) -> Result<(usize, Slices), Failure> {
        let (mut sum, mut after, mut all) = (0, None, Slices::default());
        loop {
            let mut clearing = self.store.view()?.lapsed(after)?;
            if clearing.is_empty() {
                return Ok((sum, all));
            }
            after = clearing.last();
            sum += clearing.len();
            all.append(self.slices("digests", cut, |work, rows_max| {
                let (_, times) = self.store.clear_lapsed_slice(&mut clearing, work, rows_max)?;
                Ok((clearing.is_done(), times))
            })?);
        }
    }

    /// Slice after slice, until `slice` tells that it was the last.
    fn slices(
        &self,
        stage: &'static str,
        cut: Cut,
        mut slice: impl FnMut(Duration, u32) -> Result<(bool, SliceTimes), Failure>,
    ) -> Result<Slices, Failure> {
        let Settings { work_bound, rows_max, .. } = Settings::default();
        let learnt = self.paces.borrow_mut().remove(stage);
        let mut pace = learnt.unwrap_or_else(|| Pace::new(work_bound, rows_max));
        let mut slices = Slices::default();
        loop {
            let (is_last, times) = match cut {
                Cut::Paced => slice(pace.time(), pace.rows())?,
                Cut::Whole => slice(Duration::from_secs(60), u32::MAX)?,
            };
            slices.add(times);
            if matches!(cut, Cut::Paced) {
                pace.learn(times);
            }
            if is_last {
                self.paces.borrow_mut().insert(stage, pace);
                return Ok(slices);
            }
        }
    }

    /// Unlinks the files of everything that is collected, as the sweeper does.
    pub fn unlink(&self) -> Result<(), Failure> {
        self.each_page(|files| {
            let unlinked = self.files.unlink(files, UNLINK_WORKERS);
            Ok(unlinked.into_iter().collect::<Result<(), _>>()?)
        })
    }

    /// Forgets everything that is collected, where no files were made.
    pub fn forget(&self) -> Result<(), Failure> {
        self.each_page(|_| Ok(()))
    }

    fn each_page(
        &self,
        unlink: impl Fn(&[(Digest, Suffix)]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let page = self.store.unlinks(None, UNLINK_PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            let files = page.iter().filter_map(|(_, unlink)| match unlink.place {
                Place::File(suffix) => Some((unlink.digest, suffix)),
                Place::Inline => None,
            });
            unlink(&files.collect::<Vec<_>>())?;
            let page_len = page.len();
            let fates: Arc<[_]> = page.into_iter().map(|(id, _)| (id, Fate::Gone)).collect();
            let mut from = 0;
            self.slices("unlink", Cut::Paced, |work, rows_max| {
                let fates = Arc::clone(&fates);
                let (done, times) = self.store.forget_slice(fates, from, work, rows_max)?;
                from += done.seen;
                Ok((from >= page_len, times))
            })?;
        }
    }

    fn put_all(
        &self,
        tags: impl IntoIterator<Item = (TagPath, u64)>,
        bodies: Bodies,
    ) -> Result<(), Failure> {
        let mut maker = Maker::new(bodies);
        let mut waiting: Vec<Pending<Arrival, store::Error>> = Vec::new();
        for (tag, count) in tags {
            let format = format(&tag);
            for number in 0..count {
                let path = ArtifactPath::parse(&number.to_string())?;
                let content = maker.next(&self.files)?;
                waiting.push(self.store.put_artifact(format.clone().file(path), content));
                if waiting.len() == FILL_BATCH {
                    wait_for(&mut waiting)?;
                }
            }
        }
        wait_for(&mut waiting)
    }
}

fn wait_for(waiting: &mut Vec<Pending<Arrival, store::Error>>) -> Result<(), Failure> {
    for pending in waiting.drain(..) {
        pending.wait()?;
    }
    Ok(())
}

/// The options of a server, but for a cache that holds all that a bench touches.
pub fn cached() -> db::Options {
    db::Options { cache_bytes: 1 << 30, ..db::Options::default() }
}

/// A tag of a branch that everybody shares.
pub fn tag(branch: &str, tag: &str) -> TagPath {
    let branch = BranchPath::shared(BranchName::parse(branch).unwrap());
    branch.tag(TagName::parse(tag).unwrap())
}

/// The one format below a tag.
pub fn format(tag: &TagPath) -> FormatPath {
    tag.clone().job(JobName::parse("j").unwrap()).format(FormatName::parse("f").unwrap())
}

/// Makes bodies that nobody has seen.
struct Maker {
    bodies: Bodies,
    content: content::Content,
}

impl Maker {
    fn new(bodies: Bodies) -> Self {
        let bytes = match bodies {
            Bodies::Inline(bytes) | Bodies::Files(bytes) => bytes,
            Bodies::Records => 32,
        };
        Self { bodies, content: content::Content::new(bytes) }
    }

    fn next(&mut self, files: &BlobFiles) -> Result<Content, Failure> {
        let bytes = self.content.next();
        let hashed = hash_bytes(bytes, None);
        let suffix = Suffix(rand::random());
        let body = match self.bodies {
            Bodies::Inline(_) => Body::Inline(Bytes::copy_from_slice(bytes)),
            Bodies::Files(_) => {
                fs::write(files.path_of(hashed.digest, suffix), bytes)?;
                Body::File(suffix)
            }
            Bodies::Records => Body::File(suffix),
        };
        Ok(Content::Uploaded { digest: hashed.digest, size: hashed.size, body })
    }
}
