//! Uploads, promises with links, deletes, overwrites, long reads and sweeps, all at once (I1, I3):
//! real threads and real files.
//!
//! Each client alone writes to a branch of its own, so it knows what must be there; all of them
//! use the same few contents, so that blobs are let go, collected and taken up all the time.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use super::house::{branch, bytes_of, file, tag, upload};
use crate::blobs::hash::hash_bytes;
use crate::blobs::{BlobFiles, OsDisk, Pins, Space};
use crate::clock::SystemClock;
use crate::db::tests::disk::TestDisk;
use crate::db::tests::random::Random;
use crate::db::{Db, Options};
use crate::model::{Digest, Repo, Run, Scope, Trigger};
use crate::stop::Stop;
use crate::store::blobs::Content;
use crate::store::detached::Cause;
use crate::store::tests::audit::assert_consistent;
use crate::store::tests::rules;
use crate::store::{self, Store};
use crate::sweeper::{Settings, Sweeper};
use crate::tree::{Error, Limits, Source, Tree};

const CLIENTS: usize = 3;
const READERS: usize = 2;
const TIME: Duration = Duration::from_secs(5);
/// Different contents that are used at a time.
const LENGTHS: usize = 6;
/// With a lease, contents rest for longer than it takes before they are used again.
const WINDOWS: usize = 5;

struct Race {
    tree: Tree,
    files: BlobFiles,
    contents: Vec<(Digest, Vec<u8>)>,
    windows: usize,
    stop: Stop,
    linked: AtomicU64,
    refused: AtomicU64,
    read: AtomicU64,
}

fn run(lease: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let race = Race::new(folder.path(), lease);
    let mut sweeper = race.sweeper();
    let swept = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for seed in 0..CLIENTS {
            threads.push(scope.spawn({
                let race = &race;
                move || race.client(seed)
            }));
        }
        for seed in 0..READERS {
            threads.push(scope.spawn({
                let race = &race;
                move || race.reader(seed)
            }));
        }
        let (started, mut swept) = (Instant::now(), 0);
        while started.elapsed() < TIME && !threads.iter().any(ScopedJoinHandle::is_finished) {
            swept += unlinked(&sweeper.run(Scope::Full, Trigger::Request));
        }
        race.stop.request();
        swept
    });
    race.look_behind(&mut sweeper);
    let [linked, refused, read] =
        [&race.linked, &race.refused, &race.read].map(|count| count.load(SeqCst));
    eprintln!("{linked} links, {refused} refused, {read} reads, {swept} unlinked");
    assert!(linked > 20 && read > 20 && swept > 5);
    assert!(lease.is_zero() || refused == 0, "{refused} promises were broken");
}

fn unlinked(run: &Run) -> u64 {
    assert_eq!(run.errors, Vec::<String>::new());
    run.stages.iter().filter(|stage| stage.name == "unlink").map(|stage| stage.items).sum()
}

impl Race {
    fn new(root: &Path, lease: Duration) -> Self {
        let files = BlobFiles::open(root, Arc::new(OsDisk)).unwrap();
        let space = Arc::new(Space::open(root, Arc::new(OsDisk), 0, 0).unwrap());
        let db = Db::open_with(TestDisk::default().opener(), Options::default()).unwrap();
        let rules = rules(lease);
        let store = Store::new(db, Pins::new(), Arc::new(SystemClock::new()), rules);
        let limits = Limits { inline_bytes_max: 1000 };
        let tree = Tree::new(store, files.clone(), space, limits);
        let lengths = [10, 900, 1000, 3000, 100_000, 300_000];
        let contents = (0..LENGTHS * WINDOWS).map(|number| {
            let byte = u8::try_from(number).unwrap();
            let bytes = vec![byte; lengths[number % LENGTHS]];
            (hash_bytes(&bytes, None).digest, bytes)
        });
        let windows = if lease.is_zero() { 1 } else { WINDOWS };
        let [linked, refused, read] = [const { AtomicU64::new(0) }; 3];
        let stop = Stop::new();
        Self { tree, files, contents: contents.collect(), windows, stop, linked, refused, read }
    }

    fn sweeper(&self) -> Sweeper {
        let store = self.tree.store().clone();
        Sweeper::new(store, self.files.clone(), Settings::default(), Stop::new()).unwrap()
    }

    /// Changes a branch of its own and looks at it.
    fn client(&self, seed: usize) {
        let mut random = Random(u64::try_from(seed).unwrap());
        let mut own: BTreeMap<String, usize> = BTreeMap::new();
        let started = Instant::now();
        while !self.stop.is_requested() {
            let tag_path = format!("c{seed}/t{}", random.below(3));
            let path = format!("{tag_path}/{}", random.below(3));
            let window = usize::try_from(started.elapsed().as_millis() / 400).unwrap();
            let content = window % self.windows * LENGTHS + random.below(LENGTHS);
            match random.below(5) {
                0 => {
                    upload(&self.tree, file(&path), &self.contents[content].1).unwrap();
                    own.insert(path.clone(), content);
                }
                1 | 2 => {
                    if self.promise_and_link(&path, content) {
                        own.insert(path.clone(), content);
                    }
                }
                _ => {
                    let deleted =
                        self.tree.store().delete_tag(tag(&tag_path), Cause::request("eve"));
                    let is_absent = matches!(deleted.wait(), Err(store::Error::NotFound(_)));
                    let before = own.len();
                    own.retain(|path, _| !path.starts_with(&tag_path));
                    assert_eq!(is_absent, own.len() == before);
                }
            }
            assert_eq!(self.read(&path), own.get(&path).map(|at| &self.contents[*at].1[..]));
        }
    }

    /// Whether the content was there to be linked.
    fn promise_and_link(&self, path: &str, content: usize) -> bool {
        let (digest, bytes) = &self.contents[content];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Some(size) = runtime.block_on(self.tree.promise(*digest)).unwrap() else {
            return false;
        };
        assert_eq!(usize::try_from(size).unwrap(), bytes.len());
        let link = self.tree.store().put_artifact(file(path), Content::Stored(*digest)).wait();
        match link {
            Ok(_) => self.linked.fetch_add(1, SeqCst),
            Err(store::Error::BlobUnknown(_)) => {
                self.refused.fetch_add(1, SeqCst);
                return false;
            }
            Err(error) => panic!("{path}: {error}"),
        };
        true
    }

    /// What a path holds, as one of the contents.
    fn read(&self, path: &str) -> Option<&[u8]> {
        match self.tree.open(&file(path)) {
            Ok(opened) => {
                let digest = opened.file.blob.digest;
                let found = self.contents.iter().find(|content| content.0 == digest).unwrap();
                assert!(bytes_of(opened.source) == found.1, "{path}: {digest}");
                Some(&found.1)
            }
            Err(Error::Store(store::Error::NotFound(_))) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Reads slowly what others may take away meanwhile.
    fn reader(&self, seed: usize) {
        let mut random = Random(u64::try_from(seed + 100).unwrap());
        while !self.stop.is_requested() {
            let (client, tag) = (random.below(CLIENTS), random.below(3));
            let path = format!("c{client}/t{tag}/{}", random.below(3));
            match self.tree.open(&file(&path)) {
                Ok(opened) => {
                    let bytes = read_slowly(opened.source);
                    let digest = hash_bytes(&bytes, None).digest;
                    assert_eq!(digest, opened.file.blob.digest, "{path}");
                    self.read.fetch_add(1, SeqCst);
                }
                Err(Error::Store(store::Error::NotFound(_))) => {}
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    /// In the end everything agrees; and once all names are gone, so are all bytes.
    fn look_behind(&self, sweeper: &mut Sweeper) {
        let store = self.tree.store();
        assert_eq!(store.pins().count(), 0);
        assert_consistent(store);
        crate::cleanup::verify(store, &self.files).unwrap();
        for (name, _) in store.view().unwrap().branches(&Repo::Shared).unwrap() {
            let deleted = store.delete_branch(branch(name.as_str()), Cause::request("eve"));
            deleted.wait().unwrap();
        }
        let is_empty = || {
            let totals = store.view().unwrap().totals().unwrap();
            totals.files.files + totals.inline.files + totals.unlinks.files == 0
        };
        let started = Instant::now();
        while !is_empty() {
            assert!(started.elapsed().as_secs() < 30, "{:?}", store.view().unwrap().totals());
            sweeper.run(Scope::Full, Trigger::Request);
        }
        let files = self.files.shards().map(|shard| shard.unwrap().files.len());
        assert_eq!(files.sum::<usize>(), 0);
        crate::cleanup::verify(store, &self.files).unwrap();
    }
}

fn read_slowly(source: Source) -> Vec<u8> {
    let Source::File(mut file, _pin) = source else { return bytes_of(source) };
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 32 << 10]);
    loop {
        let length = file.read(&mut piece).unwrap();
        if length == 0 {
            return bytes;
        }
        bytes.extend_from_slice(&piece[..length]);
        std::thread::yield_now();
    }
}

#[test]
fn without_leases_a_link_is_taken_or_refused_and_what_was_taken_is_there() {
    run(Duration::ZERO);
}

#[test]
fn within_a_lease_a_promise_is_kept() {
    run(Duration::from_millis(200));
}
