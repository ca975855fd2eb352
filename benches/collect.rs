//! Finding and collecting 10 and 1,000 free blobs among more and more live ones, beside the three
//! ways that must look at everything: a scan of all blobs for a count of zero, mark and sweep from
//! the names, and a walk over files whose hard links are counted: once as quick as we can make it,
//! and once in Python by the peer whose users are to change over: dlrepo's own sweep where it is
//! installed (`LARDER_BENCH_PYTHON` names a Python that has it), else the same calls.
//!
//! `cargo bench --bench collect` takes a few minutes; `LARDER_BENCH_LIVE=1000,100000` sets how many
//! live blobs there are, `LARDER_BENCH_WALK_MAX` the most of them that become real files (those of
//! the hard-link walk, and of our live blobs). *find* tells which blobs are to go, on a snapshot;
//! *collect* finds them and removes their rows durably (I1, I3) in the sweeper's slices (I7), and
//! clears the index of digests when that falls due; *unlink* does that and removes real files too.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, measurement::WallTime};
use larder::db::schema::{ARTIFACTS, BLOBS, FREE};
use larder::db::{Error, Order, Rows, Snapshot, Span, Visit};
use larder::model::BlobId;

use figures::{Failure, millis, print_table};
use ground::{Bodies, Cut, Ground, Slices};
use record::{Recorder, verdict};
use walk::{Links, Orphans};

#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod figures;
#[path = "support/ground.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ground;
#[path = "support/record.rs"]
mod record;
#[path = "support/walk.rs"]
mod walk;

const LIVE: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const FREE_BLOBS: [u64; 2] = [10, 1_000];
const WALK_MAX: u64 = 100_000;
const BODY_BYTES: usize = 64;
const INDEX: &str = "find: zero-count index";
const SCAN: &str = "find: full scan";
const MARK: &str = "find: mark and sweep";
const WALK: &str = "find: hard-link walk";
const PEER: &str = "find: hard-link walk, Python";
const COLLECT: &str = "collect rows: index";
const UNLINK: &str = "collect and unlink: index";
const WALK_UNLINK: &str = "collect and unlink: hard-link walk";
const PEER_UNLINK: &str = "collect and unlink: hard-link walk, Python";
const WAYS: [&str; 9] = [INDEX, SCAN, MARK, WALK, PEER, COLLECT, UNLINK, WALK_UNLINK, PEER_UNLINK];

fn main() -> Result<(), Failure> {
    if !record::is_wanted("collect") {
        return Ok(());
    }
    let lives = record::numbers("LARDER_BENCH_LIVE", &LIVE);
    let walk_max = record::numbers("LARDER_BENCH_WALK_MAX", &[WALK_MAX])[0];
    let mut criterion = record::criterion();
    let recorder = Recorder::default();
    let whose = walk::whose().unwrap_or_else(|error| format!("nobody's: {error}"));
    println!("in Python: {whose}");
    let (mut visits, mut costs) = (Vec::new(), Vec::new());
    for live in lives.iter().copied() {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let has_files = live <= walk_max;
        let ground = fill(dir.path(), live, has_files)?;
        let mut links =
            if has_files { Some(Links::make(&dir.path().join("links"), live)?) } else { None };
        for free in FREE_BLOBS {
            let mut group = criterion.benchmark_group("collect");
            let mut case = Case { recorder: &recorder, group: &mut group, live, free };
            let visited = case.find(&ground)?;
            visits.push((live, free, visited));
            costs.extend(case.collect(&ground));
            case.unlink(&ground);
            if let Some(links) = &mut links {
                case.walk(links);
            }
            group.finish();
        }
    }
    criterion.final_summary();
    print_medians(&recorder, &lives);
    let head =
        ["", "slices", "work", "commits", "longest", "digests left", "cleared in", "longest"];
    print_table("The writer's time in the last collection of each kind (ms)", &head, &costs);
    print_visits(&visits);
    print_verdicts(&recorder);
    Ok(())
}

fn fill(dir: &Path, live: u64, has_files: bool) -> Result<Ground, Failure> {
    let begin = Instant::now();
    let ground = Ground::open(&dir.join("larder"))?;
    ground.fill(live, if has_files { Bodies::Files(BODY_BYTES) } else { Bodies::Records })?;
    println!("{live} live blobs made in {:.1?}", begin.elapsed());
    Ok(ground)
}

/// One number of live and of free blobs.
struct Case<'a, 'c> {
    recorder: &'a Recorder,
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    live: u64,
    free: u64,
}

impl Case<'_, '_> {
    fn bench(&mut self, way: &str, once: impl FnMut() -> Duration) {
        self.recorder.bench(self.group, &id(way, self.free, self.live), once);
    }

    /// Measures finding only; tells how many rows ours visits.
    fn find(&mut self, ground: &Ground) -> Result<u64, Failure> {
        ground.litter(self.free, Bodies::Records)?;
        let expected = usize::try_from(self.free)?;
        let snapshot = ground.store.db().snapshot()?;
        let ways: [(&str, Find); 3] =
            [(INDEX, find_by_index), (SCAN, find_by_scan), (MARK, find_by_mark)];
        for (way, find) in ways {
            self.bench(way, || {
                let begin = Instant::now();
                let found = find(&snapshot).unwrap();
                let took = begin.elapsed();
                assert_eq!(found.len(), expected, "{way}");
                took
            });
        }
        let counting = Counting { rows: &snapshot, visited: Cell::new(0) };
        find_by_index(&counting)?;
        let visited = counting.visited.get();
        drop(snapshot);
        ground.collect(Cut::Whole)?;
        ground.clear_digests(Cut::Whole)?;
        ground.forget()?;
        Ok(visited)
    }

    /// Measures collecting; tells what the last time consisted of, and what it takes to clear the
    /// index of the digests that are left in it.
    fn collect(&mut self, ground: &Ground) -> Option<Vec<String>> {
        let free = self.free;
        let mut last = None;
        self.bench(COLLECT, || {
            ground.litter(free, Bodies::Records).unwrap();
            let begin = Instant::now();
            let (blobs, slices) = ground.collect(Cut::Paced).unwrap();
            ground.clear_due_digests(Cut::Paced).unwrap();
            let took = begin.elapsed();
            assert_eq!(blobs, free);
            ground.forget().unwrap();
            last = Some(slices);
            took
        });
        let Slices { total, work, count, longest, .. } = last?;
        let times = [work, total.saturating_sub(work), longest].map(millis);
        let name = format!("{free} of {}", self.live);
        let (digests, cleared) = ground.clear_digests(Cut::Paced).unwrap();
        let cleared = [digests.to_string(), millis(cleared.total), millis(cleared.longest)];
        Some([name, count.to_string()].into_iter().chain(times).chain(cleared).collect())
    }

    fn unlink(&mut self, ground: &Ground) {
        let free = self.free;
        self.bench(UNLINK, || {
            ground.litter(free, Bodies::Files(BODY_BYTES)).unwrap();
            settle();
            let begin = Instant::now();
            ground.collect(Cut::Paced).unwrap();
            ground.unlink().unwrap();
            ground.clear_due_digests(Cut::Paced).unwrap();
            begin.elapsed()
        });
    }

    fn walk(&mut self, links: &mut Links) {
        let expected = usize::try_from(self.free).unwrap();
        links.litter(self.free).unwrap();
        self.bench(WALK, || {
            let begin = Instant::now();
            let found = links.find().unwrap();
            let took = begin.elapsed();
            assert_eq!(found.len(), expected);
            took
        });
        let has_peer = links.find_as_peer(Orphans::Keep).is_ok_and(|(found, _)| found == expected);
        if has_peer {
            self.bench(PEER, || links.find_as_peer(Orphans::Keep).unwrap().1);
        }
        walk::unlink(&links.find().unwrap()).unwrap();
        let free = self.free;
        self.bench(WALK_UNLINK, || {
            links.litter(free).unwrap();
            settle();
            let begin = Instant::now();
            walk::unlink(&links.find().unwrap()).unwrap();
            begin.elapsed()
        });
        if has_peer {
            self.bench(PEER_UNLINK, || {
                links.litter(free).unwrap();
                settle();
                links.find_as_peer(Orphans::Unlink).unwrap().1
            });
        }
    }
}

/// Lets the disk have what was made: blobs are durable long before they are collected.
fn settle() {
    rustix::fs::sync();
}

type Find = fn(&Snapshot) -> Result<Vec<BlobId>, Error>;

fn id(way: &str, free: u64, live: u64) -> String {
    format!("{way}/{free} of {live}")
}

/// Ours: the blobs that are free, by the index of zero counts. All leases are over here.
fn find_by_index(rows: &impl Rows) -> Result<Vec<BlobId>, Error> {
    let mut found = Vec::new();
    FREE.each(rows, Span::all(), |(_, id), ()| {
        found.push(id);
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// A scan of all blobs for a count of zero.
fn find_by_scan(rows: &Snapshot) -> Result<Vec<BlobId>, Error> {
    let mut found = Vec::new();
    BLOBS.each(rows, Span::all(), |id, blob| {
        if blob.refs.count() == 0 {
            found.push(id);
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Mark and sweep: what no name leads to.
fn find_by_mark(rows: &Snapshot) -> Result<Vec<BlobId>, Error> {
    let (mut live, mut found) = (HashSet::new(), Vec::new());
    ARTIFACTS.each(rows, Span::all(), |_, file| {
        live.insert(file.blob);
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    BLOBS.each(rows, Span::all(), |id, _| {
        if !live.contains(&id) {
            found.push(id);
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Rows that count how many of them are looked at.
struct Counting<'a> {
    rows: &'a Snapshot,
    visited: Cell<u64>,
}

impl Rows for Counting<'_> {
    fn fetch(&self, slot: usize, key: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        self.visited.set(self.visited.get() + 1);
        self.rows.fetch(slot, key, take)
    }

    fn scan(
        &self,
        slot: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        visit: &mut Visit,
    ) -> Result<(), Error> {
        self.rows.scan(slot, range, order, &mut |key, value| {
            self.visited.set(self.visited.get() + 1);
            visit(key, value)
        })
    }

    fn count(&self, slot: usize) -> Result<u64, Error> {
        self.rows.count(slot)
    }
}

fn print_medians(recorder: &Recorder, lives: &[u64]) {
    for free in FREE_BLOBS {
        let rows = WAYS.iter().map(|way| {
            let cells = lives.iter().map(|live| {
                let median = recorder.median(&id(way, free, *live));
                median.map_or("-".to_owned(), |median| format!("{:.3}", median.as_secs_f64() * 1e3))
            });
            [(*way).to_owned()].into_iter().chain(cells).collect()
        });
        let head: Vec<_> = lives.iter().map(|live| format!("of {live}")).collect();
        let head: Vec<_> = [""].into_iter().chain(head.iter().map(String::as_str)).collect();
        let title = format!("Median ms for {free} free blobs among so many live ones");
        print_table(&title, &head, &rows.collect::<Vec<_>>());
    }
}

/// Prints and asserts that the rows visited depend on the garbage only.
fn print_visits(visits: &[(u64, u64, u64)]) {
    println!("\nRows that finding by the index visits");
    for (live, free, visited) in visits {
        println!("  {visited:>5} for {free} free blobs among {live} live ones");
        assert_eq!(visited, free, "finding looks at what is not free");
    }
}

fn print_verdicts(recorder: &Recorder) {
    println!("\nWhat must be reached (1,000 free blobs)");
    let at = |way: &str, live| id(way, 1_000, live);
    let ratio = |a: (&str, u64), b: (&str, u64)| recorder.ratio(&at(a.0, a.1), &at(b.0, b.1));
    verdict(
        "finding among 10^6 takes so many times as long as among 10^3 (at most 2)",
        ratio((INDEX, 1_000), (INDEX, 1_000_000)),
        |figure| figure <= 2.0,
    );
    verdict(
        "collecting among 10^6 takes so many times as long as among 10^5 (at most 3)",
        ratio((COLLECT, 100_000), (COLLECT, 1_000_000)),
        |figure| figure <= 3.0,
    );
    for (walk, walk_unlink) in [(PEER, PEER_UNLINK), (WALK, WALK_UNLINK)] {
        verdict(
            &format!("{walk} takes so many times as long as collecting at 10^5 (at least 100)"),
            ratio((COLLECT, 100_000), (walk, 100_000)),
            |figure| figure >= 100.0,
        );
        verdict(
            &format!("{walk_unlink} takes so many times as long as ours at 10^5 (at least 30)"),
            ratio((UNLINK, 100_000), (walk_unlink, 100_000)),
            |figure| figure >= 30.0,
        );
    }
}
