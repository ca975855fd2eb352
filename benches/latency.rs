//! What a running server keeps promising while there is much to delete, and how fast it starts.
//!
//! `cargo bench --bench latency` takes several minutes; `-- --help` shows what can be set, for
//! example `-- --part start --blobs 100000`. Three parts, each on data folders that are filled
//! through the store and then served by the release binary, a process of its own:
//!
//! *collect*: latency of 1 KiB PUTs, idle and while 100,000 free blobs (real files) are collected,
//! with unlinking paused and with two threads (I7). *delete*: how fast a DELETE of a tag with
//! 100,000 artifacts is answered, and that it holds over a `kill -9` right after it (I5). *start*:
//! time to "listening" and resident memory, new and with a million blobs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use figures::{Failure, float, millis, percentile, print_table};
use ground::{Bodies, Ground};
use load::{Load, Until};
use servers::Server;

#[path = "support/ask.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ask;
#[path = "support/busy.rs"]
mod busy;
#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod figures;
#[path = "support/ground.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ground;
#[path = "support/large.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod large;
#[path = "support/load.rs"]
mod load;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;
#[path = "support/sweeps.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod sweeps;

const KILLS: usize = 5;
const STARTS: usize = 3;
const BODY_BYTES: usize = 512;
const SMALL_BYTES: usize = 1024;
const TAG_ARTIFACTS: u64 = 1000;
/// The tag that is deleted.
const GARBAGE: &str = "/branches/garbage/t/";

/// Measures a server under deletion, and its start.
#[derive(Parser)]
struct Options {
    /// Only these parts.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Runs of the part `collect`, with each unlink capacity.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Live blobs in the parts `collect` and `delete`.
    #[arg(long, default_value_t = 100_000)]
    live: u64,
    /// Blobs that become free.
    #[arg(long, default_value_t = 100_000)]
    free: u64,
    /// Connections that upload.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Live blobs in the part `start`.
    #[arg(long, default_value_t = 1_000_000)]
    blobs: u64,
    /// The folder for all data; it must be on a disk that syncs.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// What cargo says when it wants a bench to run and not only to start.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Collect,
    Delete,
    Start,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if !options.bench {
        println!("This is a bench: run it with `cargo bench --bench latency`.");
        return Ok(());
    }
    let dir = tempfile::Builder::new().prefix("latency").tempdir_in(&options.dir)?;
    let wants = |part| options.part.is_empty() || options.part.contains(&part);
    if wants(Part::Collect) || wants(Part::Delete) {
        let template = dir.path().join("template");
        make_template(&template, &options)?;
        if wants(Part::Delete) {
            delete(&template, &options)?;
        }
        if wants(Part::Collect) {
            for capacity in ["0", "2"] {
                busy::measure(&template, capacity, &options)?;
            }
        }
        std::fs::remove_dir_all(template)?;
    }
    if wants(Part::Start) {
        start(dir.path(), &options)?;
    }
    Ok(())
}

/// A folder with live blobs in rows, and one tag of files that will be garbage.
fn make_template(dir: &Path, options: &Options) -> Result<(), Failure> {
    let begin = Instant::now();
    let ground = Ground::open(dir)?;
    ground.fill(options.live, Bodies::Inline(BODY_BYTES))?;
    ground.fill_tag(&ground::tag("garbage", "t"), options.free, Bodies::Files(BODY_BYTES))?;
    println!(
        "a folder of {} + {} blobs made in {:.1?}",
        options.live,
        options.free,
        begin.elapsed()
    );
    Ok(())
}

/// DELETE of a large tag, and a kill right after the answer.
fn delete(template: &Path, options: &Options) -> Result<(), Failure> {
    let mut times = Vec::new();
    for _ in 0..KILLS {
        let copy = Copied::rows(template)?;
        let server = Server::larder_with(copy.path(), &["--lease", "0"])?;
        let begin = Instant::now();
        let (status, _) = ask::ask(server.addr, "DELETE", GARBAGE)?;
        times.push(begin.elapsed());
        drop(server);
        if status != 200 {
            return Err(format!("DELETE was answered {status}").into());
        }
        let server = Server::larder_with(copy.path(), &["--lease", "0"])?;
        for path in [GARBAGE, "/branches/garbage/t/j/f/0", "/branches/garbage/t/j/f/99"] {
            let (status, _) = ask::ask(server.addr, "GET", path)?;
            if status != 404 {
                return Err(format!("{path} is back after the kill: {status}").into());
            }
        }
    }
    times.sort_unstable();
    let rows = [[percentile(&times, 500), percentile(&times, 1000)].map(millis).to_vec()];
    let rows = rows.map(|row| [vec!["DELETE".to_owned()], row].concat());
    let title = format!("DELETE of a tag with {} artifacts, then kill -9", options.free);
    print_table(&title, &["", "median ms", "longest ms"], &rows);
    println!("  the tag was gone after each of {KILLS} kills; the target is < 50 ms");
    Ok(())
}

/// How long a start takes, and what is resident.
fn start(dir: &Path, options: &Options) -> Result<(), Failure> {
    let server = Server::larder(&dir.join("new"))?;
    std::thread::sleep(Duration::from_secs(1));
    let new_kib = server.resident_kib()?;
    drop(server);
    let folder = dir.join("filled");
    let begin = Instant::now();
    Ground::open(&folder)?.fill(options.blobs, Bodies::Inline(BODY_BYTES))?;
    println!("\na folder of {} blobs made in {:.1?}", options.blobs, begin.elapsed());
    let (mut clean, mut killed, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..STARTS {
        let (server, took) = timed_start(&folder)?;
        clean.push(took);
        std::thread::sleep(Duration::from_secs(1));
        resident.push(server.resident_kib()?);
        work(&server, round, options)?;
        resident.push(server.resident_kib()?);
        drop(server);
        let (server, took) = timed_start(&folder)?;
        killed.push(took);
        server.stop()?;
    }
    let line = |name: &str, times: &mut Vec<Duration>, target: &str| {
        times.sort_unstable();
        let times = [percentile(times, 500), percentile(times, 1000)].map(millis);
        [vec![name.to_owned()], times.to_vec(), vec![target.to_owned()]].concat()
    };
    let rows = [
        line("after a clean stop", &mut clean, "1000"),
        line("after kill -9 under load", &mut killed, "5000"),
    ];
    let title = format!("Start with {} blobs, to \"listening\"", options.blobs);
    print_table(&title, &["", "median ms", "longest ms", "target"], &rows);
    let mib = |kib: u64| format!("{:.1}", float(kib) / 1024.0);
    let max = |at: usize| resident.iter().skip(at).step_by(2).max().copied().unwrap_or(0);
    let rows = [
        ["new, idle".to_owned(), mib(new_kib), "50".to_owned()],
        [format!("{} blobs, idle", options.blobs), mib(max(0)), "64 + 100".to_owned()],
        [format!("{} blobs, after load", options.blobs), mib(max(1)), "64 + 100".to_owned()],
    ];
    let rows = rows.map(|row| row.to_vec());
    print_table("Resident memory, MiB", &["", "most", "target"], &rows);
    Ok(())
}

fn timed_start(folder: &Path) -> Result<(Server, Duration), Failure> {
    let begin = Instant::now();
    let server = Server::larder(folder)?;
    Ok((server, begin.elapsed()))
}

/// Reads all over the folder, and writes.
fn work(server: &Server, round: usize, options: &Options) -> Result<(), Failure> {
    let until = Until::Elapsed(Duration::from_secs(2));
    let load = Load { addr: server.addr, connections: 64, size: BODY_BYTES, until };
    load::get(&load, |connection, request| {
        // A large prime takes this all over the numbers.
        let number = (u64::from(connection) + 64 * request) * 15_485_863 % options.blobs;
        format!("/branches/live/t{}/j/f/{}", number / TAG_ARTIFACTS, number % TAG_ARTIFACTS)
    })?;
    load::put(&load, |c, n| server.path(c, &format!("{round}.{n}")))?;
    Ok(())
}

/// A copy of the template, thrown away in the end.
struct Copied(tempfile::TempDir);

impl Copied {
    /// Only the database: for runs that touch no file.
    fn rows(template: &Path) -> Result<Self, Failure> {
        let parent = template.parent().ok_or("a folder at the top")?;
        let dir = tempfile::tempdir_in(parent)?;
        std::fs::copy(template.join("larder.redb"), dir.path().join("larder.redb"))?;
        rustix::fs::sync();
        Ok(Self(dir))
    }

    /// The database and every file.
    fn all(template: &Path) -> Result<Self, Failure> {
        let copy = Self::rows(template)?;
        for shard in std::fs::read_dir(template.join("blobs"))? {
            let shard = shard?;
            let target = copy.path().join("blobs").join(shard.file_name());
            std::fs::create_dir_all(&target)?;
            for file in std::fs::read_dir(shard.path())? {
                let file = file?;
                std::fs::copy(file.path(), target.join(file.file_name()))?;
            }
        }
        rustix::fs::sync();
        Ok(copy)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}
