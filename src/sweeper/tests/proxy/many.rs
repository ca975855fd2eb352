//! Many entries go, by a purge and by their age, while others are pulled: in bounded slices (I7),
//! and nobody who pulls finds anything missing (I8).
//!
//! `LARDER_TEST_ENTRIES=100000` makes it the real thing; only then the times are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;
use crate::blobs::{BlobFiles, OsDisk, Pins};
use crate::clock::{Clock, ManualClock};
use crate::db::{Db, Options};
use crate::model::time::micros;
use crate::stop::Stop;
use crate::store::tests::rules;
use crate::sweeper::{Settings, Sweeper};

const ENTRIES: &str = "LARDER_TEST_ENTRIES";
/// Entries that are put before somebody waits for them.
const BATCH: usize = 1000;

fn store(folder: &std::path::Path, clock: &Arc<ManualClock>) -> Store {
    let db = Db::open(&folder.join("db"), Options::default()).unwrap();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Store::new(db, Pins::new(), clock, rules(Duration::ZERO))
}

/// How long each pull of a group's image took: its tag and its layer are looked up, and every
/// tenth pull caches something, which is a durable write.
fn pulls(store: &Store, group: GroupId, is_over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 0.. {
        let begun = Instant::now();
        let view = store.view().unwrap();
        let image = UpstreamName::parse("alpine").unwrap();
        let latest = CachedRef::tag(&ImageTagName::parse("latest").unwrap());
        let manifest = view.cached_tag(group, &image, &latest).unwrap();
        let layer = view.cached(group, CachedKind::Blob, digest("layer")).unwrap();
        let (id, _) = manifest.expect("a tag that is pulled is not found");
        assert!(layer.is_some(), "a layer that is pulled is not found");
        store.note_cached_read(id);
        if number % 10 == 0 {
            blob(store, group, &format!("cold {number}")).unwrap();
        }
        times.push(begun.elapsed());
        if is_over.load(Ordering::Relaxed) {
            break;
        }
    }
    times.sort_unstable();
    times
}

fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

/// What `work` gives, and how long pulls took meanwhile.
fn beside<T>(store: &Store, group: GroupId, work: impl FnOnce() -> T) -> (T, Vec<Duration>) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| pulls(store, group, &is_over));
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        (done, pulling.join().unwrap())
    })
}

fn fill(store: &Store, group: GroupId, count: usize, round: &str) {
    for first in (0..count).step_by(BATCH) {
        let put = |number| {
            let bytes = format!("{round} {number}").into_bytes();
            let digest = hash_bytes(&bytes, None).digest;
            let size = u64::try_from(bytes.len()).unwrap();
            let content = Content::Uploaded { digest, size, body: Body::Inline(bytes.into()) };
            let what = CachedWhat::Blob { digest, image: "alpine".to_owned() };
            let origin = [7; 32];
            store.put_cached(NewCached { group, upstream: None, what, content, origin, tag: None })
        };
        let pending: Vec<_> = (first..count.min(first + BATCH)).map(put).collect();
        for pending in pending {
            pending.wait().unwrap();
        }
    }
}

#[test]
fn many_entries_go_in_bounded_slices_while_others_are_pulled() {
    let asked = std::env::var(ENTRIES).ok().map(|text| text.parse::<usize>().unwrap());
    let count = asked.unwrap_or(2000);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
    let store = store(folder.path(), &clock);
    let [going, staying] = ["going", "staying"].map(|name| group_in(&store, name));
    blob(&store, staying, "layer").unwrap();
    manifest(&store, staying, "manifest", &["layer"]).unwrap();
    let files = BlobFiles::open(folder.path(), Arc::new(OsDisk)).unwrap();
    let settings = Settings { period: None, ..Settings::default() };
    let mut sweeper = Sweeper::new(store.clone(), files, settings, Stop::new()).unwrap();
    let ((), idle) = beside(&store, staying, || std::thread::sleep(Duration::from_millis(500)));
    let commits = (0..20).map(|_| {
        let begun = Instant::now();
        store.note_time().unwrap();
        begun.elapsed()
    });
    let commit = commits.min().unwrap();
    for round in ["purge", "age"] {
        fill(&store, going, count, round);
        if round == "purge" {
            store.purge_cached(going).wait().unwrap();
        } else {
            let ttl_days = Wish::Set(1);
            let change =
                ProxyChange { ttl_enabled: Some(true), ttl_days, ..ProxyChange::default() };
            store.change_proxy(going, change).wait().unwrap();
            clock.advance(DAY);
        }
        let (run, meanwhile) =
            beside(&store, staying, || sweeper.run(Scope::Full, Trigger::Request));
        assert_eq!(run.errors, [""; 0]);
        let marked = stage(&run, if round == "purge" { MARK } else { EXPIRE }).unwrap();
        let deleted = stage(&run, DELETE).unwrap();
        let all = u64::try_from(count).unwrap();
        for stage in [marked, deleted] {
            assert_eq!(stage.items, all);
            assert!(stage.slices >= all / u64::from(settings.rows_max), "{stage:?}");
        }
        let usage = store.view().unwrap().proxy_usage(going).unwrap();
        assert_eq!(usage, ProxyUsage::default());
        let bound = p99(&idle) * 2 + settings.work_bound + commit * 2;
        println!(
            "{round} of {count}: p99 of {} pulls {:?}, idle {:?}, bound {bound:?}; longest work \
             {} and {} us, bound {}",
            meanwhile.len(),
            p99(&meanwhile),
            p99(&idle),
            marked.longest_work_us,
            deleted.longest_work_us,
            micros(settings.work_bound),
        );
        if asked.is_some() {
            assert!(p99(&meanwhile) <= bound, "pulls take too long meanwhile");
        }
    }
    assert_consistent(&store);
}
