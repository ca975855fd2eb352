//! Tests of the check: each kind of difference is made on purpose, found, told and, where that
//! is possible, repaired (I2); and no difference is seen where there is none.

mod damage;
mod groups;
mod images;
mod packages;
mod products;
mod publications;
mod registry;
mod repairs;
mod repos;
mod serving;

use std::sync::Arc;

use bytes::Bytes;

use super::super::Tx;
use super::super::blobs::{Body, Content};
use super::super::detached::Cause;
use super::*;
use crate::blobs::Pins;
use crate::blobs::hash::hash_bytes;
use crate::clock::ManualClock;
use crate::db::{Db, Options};
use crate::model::{
    ArtifactPath, BlobId, BranchName, BranchPath, FilePath, FormatName, JobName, Suffix, TagName,
    Timestamp,
};
use crate::store::tests::rules;

/// A store with something at every stage of a blob's life.
struct Fixture {
    _dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Fixture {
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000_000_000)));
        let db = Db::open(&dir.path().join("db"), Options::default()).unwrap();
        let rules = rules(Duration::from_secs(600));
        let store = Store::new(db, Pins::new(), Arc::<ManualClock>::clone(&clock), rules);
        Self { _dir: dir, clock, store }
    }

    /// Blob 1 is held twice, 2 inline, 3 once, 4 below a detached tag, 5 free, 6 collected.
    fn new() -> Self {
        let it = Self::empty();
        it.put("b/t/j/f/collected", "inline, and gone");
        it.delete("b/t");
        it.destroy();
        it.clock.advance(Duration::from_secs(700));
        let collected = it.store.collect_slice(None, Duration::from_secs(1), 100).unwrap().0;
        assert_eq!(collected.usage.files, 1);
        it.put_file("b/t1/j/f/one", "one");
        it.put_file("b/t1/j/f/dir/same", "one");
        it.put("b/t1/j/f/two", "two");
        it.put("b/t2/j/f/three", "three");
        it.put("b/gone/j/f/four", "four");
        it.put("b/t2/j/f/free", "free before");
        it.put("b/t2/j/f/free", "three");
        it.store.finish_format(path("b/t1/j/f/x").format).wait().unwrap();
        it.delete("b/gone");
        it.verify();
        it
    }

    fn put(&self, file: &str, text: &'static str) {
        self.put_body(file, text, Body::Inline(Bytes::from_static(text.as_bytes())));
    }

    fn put_file(&self, file: &str, text: &'static str) {
        self.put_body(file, text, Body::File(Suffix(7)));
    }

    fn put_body(&self, file: &str, text: &str, body: Body) {
        let hashed = hash_bytes(text.as_bytes(), None);
        let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
        self.store.put_artifact(path(file), content).wait().unwrap();
    }

    fn delete(&self, tag: &str) {
        let path = path(&format!("{tag}/j/f/x")).format.job.tag;
        self.store.delete_tag(path, Cause::request("anna")).wait().unwrap();
    }

    fn destroy(&self) {
        assert!(self.store.destroy_slice(Duration::from_secs(1), 100).unwrap().0.done);
    }

    /// Writes rows that no other code would write.
    fn damage(&self, change: impl Fn(&Tx) -> Result<(), Error> + Send + 'static) {
        self.store.slice(change).unwrap();
    }

    fn check(&self) -> Recount {
        watched(|watch| self.store.check(watch))
    }

    fn repair(&self) -> Recount {
        watched(|watch| self.store.repair(watch))
    }

    fn verify(&self) {
        self.store.verify().unwrap();
    }

    fn blob(&self, text: &str) -> BlobId {
        let digest = hash_bytes(text.as_bytes(), None).digest;
        self.store.view().unwrap().find_blob(&digest).unwrap().unwrap().0
    }
}

fn watched<T>(work: impl FnOnce(&mut Watch) -> Result<T, Error>) -> T {
    let (stop, progress) = (Stop::new(), &mut |_| ());
    work(&mut Watch { stop: &stop, age_max: Duration::MAX, progress }).unwrap()
}

/// `branch/tag/job/format/path`.
fn path(text: &str) -> FilePath {
    let mut parts = text.splitn(5, '/');
    let mut next = || parts.next().unwrap();
    BranchPath::shared(BranchName::parse(next()).unwrap())
        .tag(TagName::parse(next()).unwrap())
        .job(JobName::parse(next()).unwrap())
        .format(FormatName::parse(next()).unwrap())
        .file(ArtifactPath::parse(next()).unwrap())
}
