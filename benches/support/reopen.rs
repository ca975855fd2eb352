//! What a kill costs at the next start when much is inline, and what the ways to commit cost.
//!
//! A process of its own fills a database, is killed with a transaction open, and another one opens
//! what is left: once with the page cache emptied of the file, once with it warm (killed again in
//! between). A line without inline bytes shows what the rows alone cost. Defends no invariant.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use redb::{Builder, Database};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::figures::{Failure, float, millis, percentile, print_table};
use crate::fresh;
use crate::group::{self, Mode, Place, Put};

const CACHE_BYTES: usize = 256 << 20;
const BLOB_BYTES: usize = 16 * 1024 - 64;
/// Two hexadecimal numbers and a dot.
const FILE_NAME_BYTES: usize = 64 + 1 + 16;
const BATCH: usize = 64;
const SINGLE_COMMITS: usize = 200;
const BATCH_COMMITS: usize = 100;
/// However slow the disk is, the bench must end.
const FILL_SECONDS_MAX: u64 = 40;

/// What the process does that is killed.
#[derive(Args, Clone, Copy)]
pub struct Task {
    #[arg(long, hide = true, default_value = "fill")]
    step: Step,
    #[arg(long, hide = true, default_value = "default")]
    mode: Mode,
    #[arg(long, hide = true, default_value = "inline")]
    payload: Payload,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    Fill,
    Open,
}

#[derive(Clone, Copy, ValueEnum)]
enum Payload {
    Inline,
    Rows,
}

/// Prints one line per way to commit.
pub fn compare(dir: &Path, total_mib: u64) -> Result<(), Failure> {
    let subjects = [
        ("default", Mode::Default, Payload::Inline),
        ("two-phase", Mode::TwoPhase, Payload::Inline),
        ("quick repair", Mode::QuickRepair, Payload::Inline),
        ("default, rows only", Mode::Default, Payload::Rows),
    ];
    let mut rows = Vec::new();
    for (name, mode, payload) in subjects {
        let dir = fresh(dir, "reopen")?;
        let task = Task { step: Step::Fill, mode, payload };
        rows.push([vec![name.to_owned()], task.measure(&dir.join("db"), total_mib)?].concat());
        fs::remove_dir_all(dir)?;
    }
    let head = [
        "",
        "1 new",
        "(p99)",
        "64 new",
        "(p99)",
        "MiB",
        "fill MB/s",
        "1 full",
        "(p99)",
        "64 full",
        "(p99)",
        "file MiB",
        "open cold",
        "open warm",
    ];
    let title = "Commits of 1 and of 64 blobs of 1 KiB in a new and in a full database; reopening \
                 it after a kill (ms)";
    print_table(title, &head, &rows);
    Ok(())
}

impl Task {
    /// The cells of one line.
    fn measure(self, db: &Path, total_mib: u64) -> Result<Vec<String>, Failure> {
        let mut row = self.run(db, total_mib)?;
        row.push((fs::metadata(db)?.len() >> 20).to_string());
        let open = Self { step: Step::Open, ..self };
        let file = File::open(db)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
        row.extend(open.run(db, total_mib)?);
        row.extend(open.run(db, total_mib)?);
        Ok(row)
    }

    /// Runs this in a process of its own, which is killed when it has said its line.
    fn run(self, db: &Path, total_mib: u64) -> Result<Vec<String>, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--victim").arg(db).args(["--total-mib", &total_mib.to_string()]);
        command.args(["--step", &value_name(&self.step)]);
        command.args(["--mode", &value_name(&self.mode)]);
        command.args(["--payload", &value_name(&self.payload)]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let line = BufReader::new(output).lines().next().ok_or("the victim ended early");
        child.kill()?;
        child.wait()?;
        Ok(line??.split('\t').map(str::to_owned).collect())
    }

    /// Does it, says what it cost and waits for the kill with a transaction open.
    pub fn perform(self, path: &Path, total_mib: u64) -> Result<(), Failure> {
        let begin = Instant::now();
        let db = Builder::new().set_cache_size(CACHE_BYTES).create(path)?;
        let cells = match self.step {
            Step::Open => vec![millis(begin.elapsed())],
            Step::Fill => self.fill(&db, total_mib)?,
        };
        let mut content = Content::new(BLOB_BYTES);
        let puts = [self.blob(&mut content)];
        group::write(&db, self.mode, puts.iter())?;
        let txn = self.mode.begin(&db)?;
        group::insert(&txn, [self.blob(&mut content)].iter())?;
        println!("{}", cells.join("\t"));
        // Ends with the parent, should that die first.
        io::copy(&mut io::stdin(), &mut io::sink())?;
        Ok(())
    }

    fn fill(self, db: &Database, total_mib: u64) -> Result<Vec<String>, Failure> {
        let mut cells = self.commit_times(db)?;
        let mut content = Content::new(BLOB_BYTES);
        let (begin, limit) = (Instant::now(), Duration::from_secs(FILL_SECONDS_MAX));
        let mut bytes = 0;
        while bytes < total_mib << 20 && begin.elapsed() < limit {
            let puts: Vec<_> = (0..BATCH).map(|_| self.blob(&mut content)).collect();
            group::write(db, self.mode, puts.iter())?;
            bytes += u64::try_from(BATCH * BLOB_BYTES)?;
        }
        let rate = float(bytes) / 1e6 / begin.elapsed().as_secs_f64();
        let rate =
            if let Payload::Inline = self.payload { format!("{rate:.0}") } else { "-".into() };
        cells.extend([(bytes >> 20).to_string(), rate]);
        cells.extend(self.commit_times(db)?);
        Ok(cells)
    }

    /// Median and p99 of commits of one and of a batch of 1 KiB blobs.
    fn commit_times(self, db: &Database) -> Result<Vec<String>, Failure> {
        let mut content = Content::new(1024);
        let mut cells = Vec::new();
        for (blobs, commits) in [(1, SINGLE_COMMITS), (BATCH, BATCH_COMMITS)] {
            let mut times = Vec::new();
            for _ in 0..commits {
                let puts: Vec<_> = (0..blobs).map(|_| self.blob(&mut content)).collect();
                let begin = Instant::now();
                group::write(db, self.mode, puts.iter())?;
                times.push(begin.elapsed());
            }
            times.sort_unstable();
            cells.extend([percentile(&times, 500), percentile(&times, 990)].map(millis));
        }
        Ok(cells)
    }

    fn blob(self, content: &mut Content) -> Put {
        let bytes = Bytes::copy_from_slice(content.next());
        let digest = Sha256::digest(&bytes).into();
        let place = match self.payload {
            Payload::Inline => Place::Inline(bytes),
            Payload::Rows => Place::File("0".repeat(FILE_NAME_BYTES)),
        };
        Put { digest, length: 0, place }
    }
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
