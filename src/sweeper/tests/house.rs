//! [`House`]: rows, files, tree and sweeper over disks that stop and forget, with a client that
//! remembers what it was told.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::gate::{Fault, Gate};
use crate::blobs::hash::hash_bytes;
use crate::blobs::tests::double::TestDisk as FileDisk;
use crate::blobs::{BlobFiles, Pins, Recovered, Space};
use crate::clock::{Clock, ManualClock};
use crate::db::tests::disk::{TestDisk as RowDisk, Unsynced};
use crate::db::tests::random::Random;
use crate::db::{self, Db};
use crate::model::{ArtifactPath, Branch, BranchName, BranchPath, Digest, FilePath};
use crate::model::{FormatName, JobName, Repo};
use crate::model::{Run, Scope, TagName, TagPath, Timestamp, Totals, Trigger, UserName};
use crate::stop::Stop;
use crate::store::blobs::Content;
use crate::store::detached::Cause;
use crate::store::tests::audit::assert_consistent;
use crate::store::tests::rules;
use crate::store::{self, Rules, Store};
use crate::sweeper::{Settings, Sweeper};
use crate::tree::{Error, Limits, Source, Tree};

pub const LEASE: Duration = Duration::from_secs(600);
/// A lease and its slack.
pub const LEASE_OVER: Duration = Duration::from_secs(602);
/// Longer than the wait after some failures.
pub const HOUR: Duration = Duration::from_secs(3601);
/// Longer bodies are files.
pub const INLINE_MAX: usize = 16;

/// A machine with one data folder.
pub struct House {
    folder: TempDir,
    pub files_disk: Arc<FileDisk>,
    pub rows_disk: RowDisk,
    pub gate: Gate,
    pub clock: Arc<ManualClock>,
    pub settings: Settings,
    lease: Duration,
    /// For each path what a read may find: one thing, or more after an unknown outcome.
    told: BTreeMap<String, Vec<Option<Vec<u8>>>>,
    running: Option<Running>,
}

/// The process.
pub struct Running {
    pub tree: Tree,
    pub files: BlobFiles,
    pub sweeper: Sweeper,
    pub stop: Stop,
    pub recovered: Recovered,
}

/// Which unsynced changes a loss of power takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process is killed, the machine goes on.
    Nothing,
    Everything,
    /// Names in the staging folder and every other write of rows.
    Staging,
    /// Names in other folders and every other write of rows.
    Targets,
}

impl House {
    pub fn new() -> Self {
        Self::with_lease(LEASE)
    }

    pub fn with_lease(lease: Duration) -> Self {
        let settings = Settings {
            period: None,
            unlink_workers: 1,
            work_bound: Duration::from_secs(60),
            lapsed_min: 2,
            ..Settings::default()
        };
        let mut house = Self {
            folder: tempfile::tempdir().unwrap(),
            files_disk: Arc::default(),
            rows_disk: RowDisk::default(),
            gate: Gate::default(),
            clock: Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000))),
            settings,
            lease,
            told: BTreeMap::new(),
            running: None,
        };
        house.start();
        house.files_disk.restart();
        house
    }

    /// Starts the process as `app` does: files, rows, recovery, sweeper.
    pub fn start(&mut self) {
        let disk = self.gate.files(Arc::clone(&self.files_disk));
        let files = BlobFiles::open(self.folder.path(), Arc::clone(&disk)).unwrap();
        let space = Arc::new(Space::open(self.folder.path(), disk, 0, 0).unwrap());
        let ballast = self.rows_disk.clone();
        let make_room = Arc::new(move |_| ballast.make_room());
        let options = db::Options { make_room, ..db::tests::options() };
        let db = Db::open_with(self.gate.rows(self.rows_disk.opener()), options).unwrap();
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let rules = Rules { user_quota: Some(1 << 20), ..rules(self.lease) };
        let store = Store::new(db, Pins::new(), clock, rules);
        let drafts = store.view().unwrap().upload_drafts().unwrap().0;
        let named = |digest, suffix| Ok::<_, Error>(store.view()?.names_file(digest, suffix)?);
        let recovered = files.recover(named, |suffix| Ok(drafts.contains(&suffix))).unwrap();
        let stop = Stop::new();
        let sweeper = Sweeper::new(store.clone(), files.clone(), self.settings, stop.clone());
        let inline_bytes_max = u64::try_from(INLINE_MAX).unwrap();
        let limits = Limits { inline_bytes_max };
        let tree = Tree::new(store, files.clone(), space, limits);
        let sweeper = sweeper.unwrap();
        self.running = Some(Running { tree, files, sweeper, stop, recovered });
    }

    /// Ends the process in the middle of whatever it does, loses what `loss` says, and starts it
    /// again.
    pub fn crash(&mut self, loss: Loss) {
        self.gate.set(0, Fault::Stop);
        drop(self.running.take());
        self.gate.open();
        let mut random = Random(self.gate.passed());
        match loss {
            Loss::Nothing => {}
            Loss::Everything => {
                self.rows_disk.power_loss(Unsynced::Dropped);
                self.files_disk.lose_power(|_| true);
            }
            Loss::Staging => {
                self.rows_disk.power_loss(Unsynced::PartlyKept(&mut random));
                self.files_disk.lose_power(|folder| folder.ends_with("staging"));
            }
            Loss::Targets => {
                self.rows_disk.power_loss(Unsynced::PartlyKept(&mut random));
                self.files_disk.lose_power(|folder| !folder.ends_with("staging"));
            }
        }
        self.files_disk.restart();
        self.start();
    }

    /// Ends the process in order and starts it again.
    pub fn restart(&mut self) {
        if let Some(running) = self.running.take() {
            running.tree.store().note_time().unwrap();
        }
        self.files_disk.restart();
        self.start();
    }

    /// The process, to be taken apart.
    pub fn take(&mut self) -> Running {
        self.running.take().unwrap()
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn store(&self) -> &Store {
        self.running().tree.store()
    }

    pub fn sweeper(&mut self) -> &mut Sweeper {
        &mut self.running.as_mut().unwrap().sweeper
    }

    pub fn put(&mut self, path: &str, text: &str) -> Result<(), Error> {
        let result = upload(&self.running().tree, file(path), text.as_bytes());
        self.note(path, Some(text), result)
    }

    /// Asks whether the content need not be sent; the size says that it need not.
    pub fn promise(&self, text: &str) -> Option<usize> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let promised = runtime.block_on(self.running().tree.promise(digest(text)));
        promised.ok().flatten().map(|size| usize::try_from(size).unwrap())
    }

    /// Asks whether it must send the content, and does not if it need not.
    pub fn promise_and_link(&mut self, path: &str, text: &str) -> Result<(), Error> {
        if self.promise(text).is_none() {
            return self.put(path, text);
        }
        let content = Content::Stored(digest(text));
        let link = self.store().put_artifact(file(path), content).wait();
        self.note(path, Some(text), link.map(drop).map_err(Error::from))
    }

    pub fn delete_tag(&mut self, path: &str) -> Result<(), Error> {
        let result = self.store().delete_tag(tag(path), Cause::request("eve")).wait();
        let below: Vec<_> = self.told.keys().filter(|key| key.starts_with(path)).cloned().collect();
        let unknown = is_unknown(&result);
        for key in below {
            self.tell(&key, None, result.is_ok(), unknown);
        }
        Ok(result?)
    }

    /// A full run.
    pub fn sweep(&mut self) -> Run {
        self.sweeper().run(Scope::Full, Trigger::Request)
    }

    pub fn branch(&self, path: &str) -> Branch {
        self.store().view().unwrap().branch(&branch(path)).unwrap()
    }

    pub fn totals(&self) -> Totals {
        self.store().view().unwrap().totals().unwrap()
    }

    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.running().tree.open(&file(path)) {
            Ok(opened) => Some(bytes_of(opened.source)),
            Err(Error::Store(store::Error::NotFound(_))) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The rows are consistent, each has its bytes, and every path holds what the client was
    /// told.
    #[track_caller]
    pub fn check(&self, when: &str) {
        assert_consistent(self.store());
        let view = self.store().view().unwrap();
        for shard in 0..=u8::MAX {
            for (_, digest, suffix) in view.files_of_shard(shard).unwrap() {
                let file = self.running().files.open_blob(digest, suffix);
                assert!(file.is_ok(), "{when}: {file:?}");
            }
        }
        for (path, told) in &self.told {
            let found = self.read(path);
            assert!(told.contains(&found), "{when}: {path} is {found:?}, told was {told:?}");
        }
    }

    /// Names in the staging folder.
    pub fn staged(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("staging")).unwrap().count()
    }

    /// Files of blobs.
    pub fn targets(&self) -> usize {
        self.running().files.shards().map(|shard| shard.unwrap().files.len()).sum()
    }

    /// Whatever happened before: some runs with time between them leave nothing to be done, and
    /// not one file too many.
    #[track_caller]
    pub fn settle(&mut self, when: &str) {
        for _ in 0..9 {
            self.clock.advance(HOUR);
            if self.sweep().error_count == 0 && self.is_idle() {
                break;
            }
        }
        assert!(self.is_idle(), "{when}: {:?}", self.totals());
        self.check(when);
        let mut found: Vec<_> = self.told.keys().filter_map(|path| self.read(path)).collect();
        found.retain(|body| body.len() > INLINE_MAX);
        found.sort();
        found.dedup();
        assert_eq!(self.targets(), found.len(), "{when}: files");
        assert_eq!(self.staged(), 0, "{when}: staged");
    }

    /// Removes everything, so that the machine can be used again: that is cheaper than another.
    #[track_caller]
    pub fn clear(&mut self, when: &str) {
        let view = self.store().view().unwrap();
        let users = view.repositories(None, usize::MAX).unwrap().into_iter();
        let users = users.map(|(user, _)| Repo::User(user));
        for repo in users.chain([Repo::Shared]) {
            for (name, _) in view.branches(&repo).unwrap() {
                let path = repo.clone().branch(name);
                self.store().delete_branch(path, Cause::request("eve")).wait().unwrap();
            }
        }
        drop(view);
        self.told.clear();
        self.clock.advance(HOUR);
        self.sweep();
        self.clock.advance(HOUR);
        self.sweep();
        assert!(self.is_idle() && self.targets() == 0, "{when}: {:?}", self.totals());
    }

    fn is_idle(&self) -> bool {
        let totals = self.totals();
        let left = [totals.free, totals.unlinks, totals.inline_unlinks];
        totals.queue == 0 && left.iter().all(|usage| usage.files == 0)
    }

    fn note(
        &mut self,
        path: &str,
        body: Option<&str>,
        result: Result<(), Error>,
    ) -> Result<(), Error> {
        let unknown = match &result {
            Err(Error::Store(error)) => is_unknown::<()>(&Err(error.clone())),
            _ => false,
        };
        self.tell(path, body, result.is_ok(), unknown);
        result
    }

    pub fn tell(&mut self, path: &str, body: Option<&str>, is_sure: bool, is_possible: bool) {
        let body = body.map(|text| text.as_bytes().to_vec());
        let told = self.told.entry(path.to_owned()).or_insert_with(|| vec![None]);
        if is_sure {
            *told = vec![body];
        } else if is_possible {
            told.push(body);
        }
    }
}

fn digest(text: &str) -> Digest {
    hash_bytes(text.as_bytes(), None).digest
}

pub fn is_unknown<T>(result: &Result<T, store::Error>) -> bool {
    matches!(result, Err(store::Error::Db(db::Error::OutcomeUnknown(_))))
}

/// Uploads as HTTP does.
pub fn upload(tree: &Tree, path: FilePath, bytes: &[u8]) -> Result<(), Error> {
    if u64::try_from(bytes.len()).unwrap() <= tree.limits().inline_bytes_max {
        tree.put_small(path, bytes.to_vec().into(), None)?.wait()?;
        return Ok(());
    }
    let mut upload = tree.begin_upload(None)?.within(tree.store().room(&path));
    upload.write(bytes)?;
    upload.finish(path).map(drop)
}

pub fn bytes_of(source: Source) -> Vec<u8> {
    match source {
        Source::Inline(bytes) => bytes.to_vec(),
        Source::File(mut file, _pin) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    }
}

/// `branch`, or `~user:branch`.
pub fn branch(path: &str) -> BranchPath {
    let user = path.strip_prefix('~').and_then(|path| path.split_once(':'));
    let (repo, name) = match user {
        Some((user, name)) => (Repo::User(UserName::parse(user).unwrap()), name),
        None => (Repo::Shared, path),
    };
    repo.branch(BranchName::parse(name).unwrap())
}

pub fn tag(path: &str) -> TagPath {
    let (up, name) = path.rsplit_once('/').unwrap();
    branch(up).tag(TagName::parse(name).unwrap())
}

/// `branch/tag/name`; job and format are always the same.
pub fn file(path: &str) -> FilePath {
    let (up, name) = path.rsplit_once('/').unwrap();
    let job = tag(up).job(JobName::parse("j").unwrap());
    job.format(FormatName::parse("f").unwrap()).file(ArtifactPath::parse(name).unwrap())
}
