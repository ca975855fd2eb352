//! Up to which size should the bytes of a blob live in the database? Figures for that decision.
//!
//! `cargo bench --bench inline` prints three tables in under four minutes; `-- --help` shows what
//! can be set, for example `-- --total-mib 8192` for the third. On plain redb tables they compare:
//! durable puts by 64 threads, inline or as a file each; how the database file grows, and grows
//! again after half of it was deleted; what a kill costs at the next start with much inline, for
//! each way to commit, and what these ways cost per commit.
//!
//! The sizes are powers of two and 64 bytes less, because redb stores a value in a page that is a
//! power of two and needs a few bytes of it. Defends no invariant; every commit is as I5 wants it.

use std::path::{Path, PathBuf};

use clap::Parser;

use figures::Failure;

#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/group.rs"]
mod group;
#[path = "support/growth.rs"]
mod growth;
#[path = "support/puts.rs"]
mod puts;
#[path = "support/reopen.rs"]
mod reopen;

const KIB: usize = 1024;
const PAGE_HEAD_BYTES: usize = 64;
const SIZES: [usize; 8] = [
    KIB - PAGE_HEAD_BYTES,
    KIB,
    4 * KIB - PAGE_HEAD_BYTES,
    4 * KIB,
    16 * KIB - PAGE_HEAD_BYTES,
    16 * KIB,
    64 * KIB - PAGE_HEAD_BYTES,
    64 * KIB,
];

/// Compares small blobs in the database with small blobs in files.
#[derive(Parser)]
struct Options {
    /// Seconds of each measurement of puts.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// MiB of payload for each measurement of growth.
    #[arg(long, default_value_t = 64)]
    growth_mib: u64,
    /// MiB inline before the kill.
    #[arg(long, default_value_t = 2048)]
    total_mib: u64,
    /// The folder for all data; it must be on a disk that syncs.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Be the process that is killed, with this database.
    #[arg(long, hide = true)]
    victim: Option<PathBuf>,
    /// What that process does.
    #[command(flatten)]
    task: reopen::Task,
    /// What cargo says when it wants a bench to run and not only to start.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if let Some(db) = &options.victim {
        return options.task.perform(db, options.total_mib);
    }
    if !options.bench {
        println!("This is a bench: run it with `cargo bench --bench inline`.");
        return Ok(());
    }
    let dir = tempfile::Builder::new().prefix("inline").tempdir_in(&options.dir)?;
    puts::compare(dir.path(), &SIZES, options.seconds)?;
    growth::measure(dir.path(), &SIZES, options.growth_mib)?;
    reopen::compare(dir.path(), options.total_mib)
}

/// A size as people say it.
fn size_name(size: usize) -> String {
    let kib = size.div_ceil(KIB);
    if size.is_multiple_of(KIB) { format!("{kib} KiB") } else { format!("{kib} KiB - 64 B") }
}

/// An empty folder of this name.
fn fresh(dir: &Path, name: &str) -> Result<PathBuf, Failure> {
    let dir = dir.join(name);
    std::fs::create_dir(&dir)?;
    Ok(dir)
}
