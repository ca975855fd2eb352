//! Durable puts by 64 threads: bytes in the database, or a file each and only a row there.
//!
//! Both ways share the group commit. A file costs what the life of a blob asks for: bytes synced
//! under a staging name, that name synced, a link to the target, its folder synced, the row, and
//! the staging name goes (I1, I5).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::Database;
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::figures::{Failure, float, millis, percentile, print_table, ratio};
use crate::group::{Group, Mode, Place, Put};
use crate::{fresh, size_name};

const THREADS: usize = 64;

/// Prints one line per size.
pub fn compare(dir: &Path, sizes: &[usize], seconds: u64) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for &size in sizes {
        let inline = run(dir, size, seconds, Way::Inline)?;
        let files = run(dir, size, seconds, Way::Files)?;
        let mut row = vec![size_name(size)];
        for run in [&inline, &files] {
            row.push(format!("{:.0}", run.rate));
            row.push(format!("{:.1}", run.rate * float(size.try_into()?) / 1e6));
            row.extend([millis(run.p50), millis(run.p99)]);
        }
        row.push(ratio(inline.rate, files.rate));
        rows.push(row);
    }
    let head = [
        "", "inline/s", "MB/s", "p50 ms", "p99 ms", "files/s", "MB/s", "p50 ms", "p99 ms", "ratio",
    ];
    print_table("Durable puts, 64 threads, group commit", &head, &rows);
    Ok(())
}

#[derive(Clone, Copy)]
enum Way {
    Inline,
    Files,
}

struct Run {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

fn run(dir: &Path, size: usize, seconds: u64, way: Way) -> Result<Run, Failure> {
    let dir = fresh(dir, "puts")?;
    let folders = Folders::create(&dir)?;
    let db = Arc::new(Database::create(dir.join("db"))?);
    let group = Group::start(db, Mode::Default, THREADS)?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let latencies = thread::scope(|scope| {
        let put = || scope.spawn(|| put_until(end, size, way, &folders, &group));
        let threads: Vec<_> = std::iter::repeat_with(put).take(THREADS).collect();
        let join = |thread: thread::ScopedJoinHandle<_>| thread.join().map_err(|_| "a panic")?;
        threads.into_iter().map(join).collect::<Result<Vec<_>, Failure>>()
    })?;
    let elapsed = begin.elapsed();
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    fs::remove_dir_all(dir)?;
    let rate = float(latencies.len().try_into()?) / elapsed.as_secs_f64();
    Ok(Run { rate, p50: percentile(&latencies, 500), p99: percentile(&latencies, 990) })
}

fn put_until(
    end: Instant,
    size: usize,
    way: Way,
    folders: &Folders,
    group: &Group,
) -> Result<Vec<Duration>, Failure> {
    let mut content = Content::new(size);
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let bytes = Bytes::copy_from_slice(content.next());
        let begin = Instant::now();
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let name = name(&digest);
        let place = match way {
            Way::Inline => Place::Inline(bytes),
            Way::Files => {
                folders.place(&name, &bytes)?;
                Place::File(name.clone())
            }
        };
        group.put(Put { digest, length: size.try_into()?, place }).blocking_recv()??;
        if let Way::Files = way {
            folders.unstage(&name)?;
        }
        latencies.push(begin.elapsed());
    }
    Ok(latencies)
}

/// A file name as the design has it, with a constant where chance would be.
fn name(digest: &[u8; 32]) -> String {
    let digest = larder::model::digest::hex(digest);
    format!("{digest}.0123456789abcdef")
}

struct Folders {
    staging: PathBuf,
    blobs: PathBuf,
}

impl Folders {
    fn create(dir: &Path) -> io::Result<Self> {
        let (staging, blobs) = (dir.join("staging"), dir.join("blobs"));
        fs::create_dir(&staging)?;
        for byte in 0..=u8::MAX {
            fs::create_dir_all(blobs.join(format!("{byte:02x}")))?;
        }
        Ok(Self { staging, blobs })
    }

    fn place(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (temporary, staged) = (self.staging.join(format!("{name}~")), self.staging.join(name));
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &staged)?;
        File::open(&self.staging)?.sync_all()?;
        let folder = self.blobs.join(&name[..2]);
        fs::hard_link(&staged, folder.join(name))?;
        File::open(&folder)?.sync_all()
    }

    fn unstage(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.staging.join(name))
    }
}
