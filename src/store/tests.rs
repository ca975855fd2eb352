//! Tests of the store floor: each names the invariant that it defends, and recounts everything
//! ([`audit::assert_consistent`]) after every step.

pub(crate) mod audit;
mod cached;
mod containers;
mod crash;
mod garbage;
mod groups;
mod guards;
mod image_tags;
mod images;
mod lapsed;
mod leases;
mod manifests;
mod model;
mod package_lists;
mod package_policies;
mod packages;
mod people;
mod policies;
mod possessions;
mod products;
mod publications;
mod quota;
mod registry_model;
mod rework;
mod shown;
mod signing_keys;
mod tree;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use super::blobs::{Arrival, Body, Content};
use super::detached::Cause;
use super::{Error, Rules, Store};
use crate::blobs::Pins;
use crate::clock::{Clock, ManualClock};
use crate::db::schema::BLOBS;
use crate::db::tests::disk::{TestDisk, Unsynced};
use crate::db::tests::random::Random;
use crate::db::{Db, Span};
use crate::model::{
    ArtifactPath, BlobId, BranchName, BranchPath, Digest, FilePath, FormatName, FormatPath,
    JobName, JobPath, Repo, Suffix, TagName, TagPath, Timestamp, Usage, UserName,
};
use crate::store::garbage::Fate;
use audit::assert_consistent;

const LEASE: Duration = Duration::from_secs(3600);
/// A lease and its slack.
const LEASE_OVER: Duration = Duration::from_secs(3602);
/// What users may hold, in bytes: a few of the longer texts of the model.
const USER_QUOTA: u64 = 150;
/// More than any slice of a test needs.
const WORK: Duration = Duration::from_secs(60);
const ROWS: u32 = 1_000_000;

/// A store on a disk in memory, with a clock that stands still.
struct House {
    disk: TestDisk,
    clock: Arc<ManualClock>,
    store: Store,
}

impl House {
    fn new() -> Self {
        let disk = TestDisk::default();
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
        let store = open(&disk, &clock);
        Self { disk, clock, store }
    }

    /// The power goes: of what was not synced nothing is kept, or a part by chance. Then the
    /// process starts again.
    fn after_power_loss(self, kept: Option<Random>) -> Self {
        let Self { disk, clock, store } = self;
        match kept {
            Some(mut random) => disk.power_loss(Unsynced::PartlyKept(&mut random)),
            None => disk.power_loss(Unsynced::Dropped),
        }
        drop(store);
        let store = open(&disk, &clock);
        Self { disk, clock, store }
    }

    /// Ends the process (but for the clock) and starts it again.
    fn reopen(self) -> Self {
        let Self { disk, clock, store } = self;
        drop(store);
        let store = open(&disk, &clock);
        Self { disk, clock, store }
    }

    /// Uploads `text`: short texts are rows, others are files.
    fn put(&self, path: &str, text: &str) -> Result<Arrival, Error> {
        self.check(self.store.put_artifact(file(path), uploaded(text)).wait())
    }

    /// Lets a name point to a text that should be stored already.
    fn link(&self, path: &str, text: &str) -> Result<Arrival, Error> {
        self.check(self.store.put_artifact(file(path), Content::Stored(digest(text))).wait())
    }

    fn delete_branch(&self, path: &str) -> Result<(), Error> {
        self.check(self.store.delete_branch(branch(path), cause()).wait().map(drop))
    }

    fn delete_tag(&self, path: &str) -> Result<(), Error> {
        self.check(self.store.delete_tag(tag(path), cause()).wait())
    }

    fn delete_job(&self, path: &str) -> Result<(), Error> {
        self.check(self.store.delete_job(job(path), cause()).wait())
    }

    fn delete_format(&self, path: &str) -> Result<(), Error> {
        self.check(self.store.delete_format(format(path), cause()).wait())
    }

    /// Destroys what is due in slices of `rows` rows; returns how many slices that took.
    fn destroy(&self, rows: u32) -> usize {
        for slices in 1..10_000 {
            let (done, _) = self.store.destroy_slice(WORK, rows).unwrap();
            assert_consistent(&self.store);
            if done.done {
                return slices;
            }
        }
        panic!("it does not end");
    }

    /// Collects what may go; returns how many blobs went.
    fn collect(&self) -> u64 {
        let (done, _) = self.store.collect_slice(None, WORK, ROWS).unwrap();
        assert_consistent(&self.store);
        assert_eq!(done.next, None);
        done.usage.files
    }

    fn forget(&self) {
        let gone = self.store.unlinks(None, 1000).unwrap().into_iter();
        self.settle(gone.map(|(id, _)| (id, Fate::Gone)).collect()).unwrap();
        assert_consistent(&self.store);
    }

    /// Clears the index of lapsed digests in slices of `rows`, but not in more than `slices_max`.
    fn clear_digests(&self, rows: u32, slices_max: usize) -> Result<(), Error> {
        let mut clearing = self.store.view()?.lapsed(None)?;
        for _ in 0..slices_max {
            if clearing.is_done() {
                break;
            }
            self.store.clear_lapsed_slice(&mut clearing, WORK, rows)?;
        }
        Ok(())
    }

    /// Tells the store what became of collected bytes.
    fn settle(&self, fates: Vec<(BlobId, Fate)>) -> Result<Usage, Error> {
        let fates: std::sync::Arc<[_]> = fates.into();
        let mut usage = Usage::default();
        let mut from = 0;
        while from < fates.len() {
            let fates = std::sync::Arc::clone(&fates);
            let (done, _) = self.store.forget_slice(fates, from, WORK, ROWS)?;
            from += done.seen;
            usage = usage.plus(done.usage);
        }
        Ok(usage)
    }

    fn find(&self, text: &str) -> Option<(BlobId, crate::model::Blob)> {
        self.store.view().unwrap().find_blob(&digest(text)).unwrap()
    }

    fn has_file(&self, path: &str) -> bool {
        self.store.view().unwrap().file(&file(path)).is_ok()
    }

    fn blobs(&self) -> usize {
        BLOBS.all(&self.store.view().unwrap().snapshot, Span::all()).unwrap().len()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Passes a result on, after a recount.
    fn check<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        assert_consistent(&self.store);
        result
    }
}

/// Nothing narrower than usual, and that lease.
pub(crate) fn rules(lease: Duration) -> Rules {
    let upload_link = crate::store::UPLOAD_LINK;
    Rules { lease, internal_formats: None, user_quota: None, upload_link }
}

/// A store in memory for tests of what stands upon it, without a lease.
pub(crate) fn in_memory() -> Store {
    let db = Db::open_with(TestDisk::default().opener(), crate::db::tests::options()).unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
    Store::new(db, Pins::new(), clock, rules(Duration::ZERO))
}

fn open(disk: &TestDisk, clock: &Arc<ManualClock>) -> Store {
    let db = Db::open_with(disk.opener(), crate::db::tests::options()).unwrap();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let internal_formats = Some(crate::model::NamePattern::parse("^int-").unwrap());
    let rules = Rules { internal_formats, user_quota: Some(USER_QUOTA), ..rules(LEASE) };
    Store::new(db, Pins::new(), clock, rules)
}

fn cause() -> Cause {
    Cause::request("eve")
}

fn digest(text: &str) -> Digest {
    Digest(<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into())
}

fn uploaded(text: &str) -> Content {
    static SUFFIXES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let body = if text.len() < 16 {
        Body::Inline(text.as_bytes().to_vec().into())
    } else {
        Body::File(Suffix(SUFFIXES.fetch_add(1, std::sync::atomic::Ordering::SeqCst)))
    };
    let size = u64::try_from(text.len()).unwrap();
    Content::Uploaded { digest: digest(text), size, body }
}

/// `branch`, or `~user:branch`.
fn branch(path: &str) -> BranchPath {
    let user = path.strip_prefix('~').and_then(|path| path.split_once(':'));
    let (repo, name) = match user {
        Some((user, name)) => (Repo::User(UserName::parse(user).unwrap()), name),
        None => (Repo::Shared, path),
    };
    repo.branch(BranchName::parse(name).unwrap())
}

fn tag(path: &str) -> TagPath {
    let (up, name) = path.rsplit_once('/').unwrap();
    branch(up).tag(TagName::parse(name).unwrap())
}

fn job(path: &str) -> JobPath {
    let (up, name) = path.rsplit_once('/').unwrap();
    tag(up).job(JobName::parse(name).unwrap())
}

fn format(path: &str) -> FormatPath {
    let (up, name) = path.rsplit_once('/').unwrap();
    job(up).format(FormatName::parse(name).unwrap())
}

/// `branch/tag/job/format/path`, where the path may have folders.
fn file(path: &str) -> FilePath {
    let (at, _) = path.match_indices('/').nth(3).unwrap();
    format(&path[..at]).file(ArtifactPath::parse(&path[at + 1..]).unwrap())
}
