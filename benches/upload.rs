//! Durable uploads inside one process, through the same service that HTTP calls: 1 KiB (a row),
//! 64 KiB and 16 MiB (files) by 1, 8 and 64 writers, with group commit and with a commit for each.
//!
//! `cargo bench --bench upload`; `LARDER_BENCH_TOTAL_MIB=1024` lets the heaviest line run too (64
//! writers of 16 MiB). A measured round is one upload by each writer, begun together; every one is
//! synced and committed before it counts (I5). Deliberately absent: HTTP (see `http_put`).

use std::sync::Barrier;
use std::time::{Duration, Instant};

use bytes::Bytes;
use larder::db;
use larder::model::{ArtifactPath, FilePath};
use larder::tree::Tree;

use content::Content;
use figures::{Failure, float, print_table, ratio};
use ground::Ground;
use record::Recorder;

#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod figures;
#[path = "support/ground.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ground;
#[path = "support/record.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod record;

const INLINE_BYTES_MAX: u64 = (16 << 10) - 64;
const SIZES: [(&str, usize); 3] = [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("16 MiB", 16 << 20)];
const WRITERS: [usize; 3] = [1, 8, 64];
/// Uploads of each writer in a round, so that the rounds of small ones are not all start.
const ROUND_UPLOADS: usize = 16;
const ROUND_UPLOADS_OF_MANY_MIB: usize = 1;
/// What a round may write by default.
const TOTAL_MIB: u64 = 256;
const PIECE_BYTES: usize = 1 << 20;

fn main() {
    if !record::is_wanted("upload") {
        return;
    }
    let total_mib = record::numbers("LARDER_BENCH_TOTAL_MIB", &[TOTAL_MIB])[0];
    let mut criterion = record::criterion();
    let recorder = Recorder::default();
    let modes = [("group commit", db::Options::default().batch_max), ("a commit for each", 1)];
    let mut rows = Vec::new();
    for (size_name, size) in SIZES {
        let mut group = criterion.benchmark_group("upload");
        for writers in WRITERS {
            let round = Round::new(size, writers);
            if round.bytes() > total_mib << 20 {
                println!("{size_name} by {writers} writers is left out: see the bench's head");
                continue;
            }
            // Both ways take their turns on the same disk, one right after the other.
            let rates = modes.map(|(mode, batch_max)| {
                let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                let options = db::Options { batch_max, ..db::Options::default() };
                let ground = Ground::open_with(dir.path(), options).unwrap();
                let tree = ground.tree(INLINE_BYTES_MAX);
                let id = format!("{size_name}, {writers} writers, {mode}");
                let mut number = 0;
                recorder.bench(&mut group, &id, || {
                    number += 1;
                    round.run(&tree, number)
                });
                recorder.median(&id).map_or(0.0, |time| round.uploads() / time.as_secs_f64())
            });
            let cells = rates.map(|rate| format!("{rate:.0}"));
            let name = format!("{size_name}, {writers} writers");
            let gain = ratio(rates[0], rates[1]);
            rows.push([name].into_iter().chain(cells).chain([gain]).collect());
        }
        group.finish();
    }
    criterion.final_summary();
    let head = ["", "group commit", "each alone", "ratio"];
    print_table("Durable uploads per second", &head, &rows);
}

/// What is measured at once.
struct Round {
    size: usize,
    writers: usize,
    each: usize,
}

impl Round {
    fn new(size: usize, writers: usize) -> Self {
        let each = if size > PIECE_BYTES { ROUND_UPLOADS_OF_MANY_MIB } else { ROUND_UPLOADS };
        Self { size, writers, each }
    }

    fn bytes(&self) -> u64 {
        u64::try_from(self.size * self.writers * self.each).unwrap_or(u64::MAX)
    }

    fn uploads(&self) -> f64 {
        float(u64::try_from(self.writers * self.each).unwrap_or(u64::MAX))
    }

    /// Runs the round of this number; tells how long the slowest writer took.
    fn run(&self, tree: &Tree, number: u64) -> Duration {
        let start = Barrier::new(self.writers);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..self.writers)
                .map(|writer| {
                    let start = &start;
                    scope.spawn(move || {
                        let content = Content::new(self.size);
                        start.wait();
                        let begin = Instant::now();
                        self.write(tree, content, &format!("{number}.{writer}")).unwrap();
                        begin.elapsed()
                    })
                })
                .collect();
            let times = writers.into_iter().map(|writer| writer.join().unwrap());
            times.max().unwrap_or_default()
        })
    }

    fn write(&self, tree: &Tree, mut content: Content, name: &str) -> Result<(), Failure> {
        for number in 0..self.each {
            let path = path(&format!("{name}.{number}"))?;
            put(tree, path, content.next())?;
        }
        Ok(())
    }
}

fn path(name: &str) -> Result<FilePath, Failure> {
    Ok(ground::format(&ground::tag("b", "t")).file(ArtifactPath::parse(name)?))
}

fn put(tree: &Tree, path: FilePath, bytes: &[u8]) -> Result<(), Failure> {
    if u64::try_from(bytes.len())? <= INLINE_BYTES_MAX {
        tree.put_small(path, Bytes::copy_from_slice(bytes), None)?.wait()?;
        return Ok(());
    }
    let mut upload = tree.begin_upload(None)?;
    bytes.chunks(PIECE_BYTES).try_for_each(|piece| upload.write(piece))?;
    upload.finish(path)?;
    Ok(())
}
