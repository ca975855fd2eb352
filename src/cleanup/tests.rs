//! Tests of the check with files, of `why` and of the figures (I1, I4).

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::blobs::{BlobFiles, OsDisk, Pins, Space};
use crate::clock::ManualClock;
use crate::db::{Db, Options};
use crate::model::{
    ArtifactPath, BranchName, BranchPath, FilePath, FormatName, JobName, Suffix, TagName,
    Timestamp, Usage,
};
use crate::stop::Stop;
use crate::store::blobs::{Body, Content};
use crate::store::check::{Outcome, Watch};
use crate::store::detached::Cause;
use crate::store::tests::rules;

/// A store with the file `large` below `/branches/b/t/j/f/`, and `small` inline.
struct Fixture {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    files: BlobFiles,
}

const LARGE: &[u8] = b"a large content";

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000_000_000)));
        let db = Db::open(&dir.path().join("db"), Options::default()).unwrap();
        let rules = rules(Duration::from_secs(600));
        let store = Store::new(db, Pins::new(), Arc::<ManualClock>::clone(&clock), rules);
        let files = BlobFiles::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let it = Self { dir, clock, store, files };
        it.put_large("t", "large", LARGE);
        let hashed = crate::blobs::hash::hash_bytes(b"small", None);
        let body = Body::Inline(Bytes::from_static(b"small"));
        let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
        it.store.put_artifact(path("t", "small"), content).wait().unwrap();
        it
    }

    fn put_large(&self, tag: &str, file: &str, bytes: &[u8]) -> (Digest, Suffix) {
        let mut draft = self.files.begin(None).unwrap();
        draft.write(bytes).unwrap();
        let placed = draft.finish().unwrap().place().unwrap();
        let (digest, size, suffix) = (placed.digest, placed.size, placed.suffix);
        let content = Content::Uploaded { digest, size, body: Body::File(suffix) };
        self.store.put_artifact(path(tag, file), content).wait().unwrap();
        placed.keep();
        (digest, suffix)
    }

    fn delete(&self, tag: &str) {
        let tag = path(tag, "x").format.job.tag;
        self.store.delete_tag(tag, Cause::request("anna")).wait().unwrap();
    }

    fn check(&self, mode: Mode) -> Report {
        let (stop, progress) = (Stop::new(), &mut |_| ());
        let mut watch = Watch { stop: &stop, age_max: Duration::MAX, progress };
        check(&self.store, &self.files, mode, Contents::Hash, &mut watch).unwrap()
    }

    fn file_of(&self, file: &str) -> std::path::PathBuf {
        let blob = self.store.view().unwrap().file(&path("t", file)).unwrap().blob;
        let crate::model::Place::File(suffix) = blob.place else { panic!("{file} is inline") };
        self.files.path_of(blob.digest, suffix)
    }

    fn why(&self, bytes: &[u8]) -> Why {
        why(&self.store, crate::blobs::hash::hash_bytes(bytes, None).digest).unwrap()
    }
}

fn path(tag: &str, file: &str) -> FilePath {
    BranchPath::shared(BranchName::parse("b").unwrap())
        .tag(TagName::parse(tag).unwrap())
        .job(JobName::parse("j").unwrap())
        .format(FormatName::parse("f").unwrap())
        .file(ArtifactPath::parse(file).unwrap())
}

#[test]
fn a_store_that_is_well_is_clean_and_its_report_says_what_was_read() {
    let it = Fixture::new();
    let report = it.check(Mode::Report);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.files, report.hashed), (1, Usage { files: 2, bytes: 20 }));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["count"], &json["checked"]["blobs"]), (&0.into(), &2.into()));
    verify(&it.store, &it.files).unwrap();
}

#[test]
fn a_missing_file_is_told_with_its_owner_and_cannot_be_repaired() {
    let it = Fixture::new();
    fs::remove_file(it.file_of("large")).unwrap();
    let report = it.check(Mode::Repair);
    let text = report.to_string();
    assert!(text.contains("is missing: it is the content of /branches/b/t/j/f/large"), "{text}");
    assert_eq!((report.recount.count, report.recount.left()), (1, 1));
}

#[test]
fn a_file_without_a_row_is_unlinked_by_a_repair_but_not_one_that_is_being_uploaded() {
    let it = Fixture::new();
    let stray = it.files.path_of(Digest([3; 32]), Suffix(1));
    fs::write(&stray, "stray").unwrap();
    let mut draft = it.files.begin(None).unwrap();
    draft.write(b"on its way").unwrap();
    let placed = draft.finish().unwrap().place().unwrap();
    let report = it.check(Mode::Report);
    assert_eq!(report.recount.count, 1, "{report}");
    assert!(report.to_string().contains("no row names the file"), "{report}");
    assert!(stray.exists());
    let report = it.check(Mode::Repair);
    assert_eq!((report.recount.repaired, report.recount.left()), (1, 0));
    assert!(!stray.exists() && it.files.path_of(placed.digest, placed.suffix).exists());
    placed.discard();
    verify(&it.store, &it.files).unwrap();
}

#[test]
fn a_collected_file_is_no_stray() {
    let it = Fixture::new();
    it.delete("t");
    let second = Duration::from_secs(1);
    it.store.destroy_slice(second, 100).unwrap();
    verify(&it.store, &it.files).unwrap();
    it.clock.advance(Duration::from_secs(700));
    assert_eq!(it.store.collect_slice(None, second, 100).unwrap().0.usage.files, 2);
    let report = it.check(Mode::Repair);
    assert!(report.is_clean() && report.files == 1, "{report}");
    assert_eq!(report.recount.checked.unlinks, 2);
}

#[test]
fn damaged_contents_are_told_with_their_owners() {
    let it = Fixture::new();
    fs::write(it.file_of("large"), b"A large content").unwrap();
    let report = it.check(Mode::Repair);
    assert!(report.to_string().contains("is damaged: it has 15 bytes instead of 15"), "{report}");
    assert!(report.to_string().contains("the content of /branches/b/t/j/f/large"), "{report}");
    assert_eq!(report.recount.differences[0].outcome, Outcome::Unrepairable);
    fs::write(it.file_of("large"), b"").unwrap();
    assert!(it.check(Mode::Report).to_string().contains("it has 0 bytes instead of 15"));
}

#[test]
fn foreign_files_are_told_and_left_alone() {
    let it = Fixture::new();
    let foreign = it.dir.path().join("blobs/00/notes.txt");
    fs::write(&foreign, "mine").unwrap();
    let report = it.check(Mode::Repair);
    assert!(report.to_string().contains("is not a file of larder"), "{report}");
    assert!(foreign.exists());
}

#[test]
fn uploads_deletes_and_sweeps_meanwhile_are_no_differences() {
    use std::num::NonZero;
    let it = Fixture::new();
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            for round in 0..30_u8 {
                it.put_large(&format!("t{round}"), "large", &[round; 5000]);
                it.delete(&format!("t{round}"));
                it.store.destroy_slice(second, 100).unwrap();
                it.clock.advance(Duration::from_secs(700));
                it.store.collect_slice(None, second, 100).unwrap();
                let page = it.store.unlinks(None, 10).unwrap();
                let names: Vec<_> = page
                    .iter()
                    .filter_map(|(_, gone)| match gone.place {
                        crate::model::Place::File(suffix) => Some((gone.digest, suffix)),
                        crate::model::Place::Inline => None,
                    })
                    .collect();
                let _ = it.files.unlink(&names, NonZero::<usize>::MIN);
                let gone = page.iter().map(|(id, _)| (*id, crate::store::garbage::Fate::Gone));
                it.store.forget_slice(gone.collect(), 0, second, 1000).unwrap();
            }
        });
        while !work.is_finished() {
            let report = it.check(Mode::Repair);
            assert!(report.is_clean(), "{report}");
        }
    });
    verify(&it.store, &it.files).unwrap();
}

#[test]
fn why_tells_every_state_of_a_blob() {
    let it = Fixture::new();
    it.put_large("u", "other", b"below a detached tag");
    let Why::Held { count: 1, owners, facts } = it.why(LARGE) else { panic!() };
    assert_eq!((facts.size, facts.place, facts.pinned), (15, "file", false));
    assert_eq!((owners[0].path.as_str(), &owners[0].detached), ("/branches/b/t/j/f/large", &None));
    let _pin = it.store.pins().pin(facts.id);
    assert!(matches!(it.why(LARGE), Why::Held { facts, .. } if facts.pinned));

    it.delete("u");
    let Why::Held { owners, .. } = it.why(b"below a detached tag") else { panic!() };
    let gone = owners[0].detached.as_ref().unwrap();
    assert_eq!(owners[0].path, "/branches/b/u/j/f/other");
    assert_eq!((gone.path.as_str(), gone.by.as_str()), ("/branches/b/u/", "user anna"));

    let second = Duration::from_secs(1);
    it.store.destroy_slice(second, 100).unwrap();
    let Why::Free { until, .. } = it.why(b"below a detached tag") else { panic!() };
    assert!(until > gone.at);
    it.clock.advance(Duration::from_secs(700));
    it.store.collect_slice(None, second, 100).unwrap();
    let why = it.why(b"below a detached tag");
    assert!(matches!(why, Why::Collected { size: 20, place: "file", .. }), "{why:?}");
    assert_eq!(serde_json::to_value(&why).unwrap()["state"], "collected");
    assert_eq!(it.why(b"never seen"), Why::Unknown);
}

#[test]
fn the_figures_add_up() {
    let it = Fixture::new();
    it.put_large("u", "large", b"another");
    let digest = crate::blobs::hash::hash_bytes(b"small", None).digest;
    it.store.put_artifact(path("u", "again"), Content::Stored(digest)).wait().unwrap();
    it.delete("u");
    let space = Space::open(it.dir.path(), Arc::new(OsDisk), 0, 0).unwrap();
    let stats = stats(&it.store, &space).unwrap();
    assert_eq!(stats.held, Usage { files: 3, bytes: 15 + 5 + 7 });
    assert_eq!(stats.logical, Usage { files: 4, bytes: 15 + 5 + 7 + 5 });
    assert!((stats.deduplication - 1.185).abs() < 1e-9);
    assert_eq!(stats.backlog.destroy, Usage { files: 2, bytes: 12 });
    assert_eq!((stats.numbers.branches, stats.backlog.destroy_entries), (1, 1));
    assert!(stats.database_bytes > 0 && stats.disk_free_bytes > 0);
}
