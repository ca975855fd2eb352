//! What deleting packages costs those who install others, and how long marking takes: 20 packages
//! of 1,000 files marked at once, as `destroyPackages` does it, and 1,000 packages of 100 files
//! destroyed while a package is read again and again.
//!
//! `cargo bench --bench packages`; `LARDER_BENCH_PACKAGES=100` sets how many packages are
//! destroyed. Marking must stay below 50 ms, and the p99 of a read below twice that of an idle
//! store, the sweeper's bound and two commits. Both are measured at the store, where an install is
//! a package, its newest file and the bytes of that from one snapshot, and the note that it was
//! downloaded; and once more over HTTP (`support/installs.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::Criterion;
use larder::blobs::hash::hash_bytes_with_sums;
use larder::model::{
    GroupId, GroupName, PackageFileName, PackageId, PackageKey, PackageKind, PackageName,
    PackageVersion, ProjectId, SeriesKey, Visibility,
};
use larder::store::Store;
use larder::store::blobs::{Body, Content};
use larder::store::detached::Cause;
use larder::store::governed;
use larder::store::packages::{Again, NewPackageFile, Publish};
use larder::sweeper::Settings;

use figures::{Failure, millis, percentile, print_table};
use ground::{Cut, Ground, Slices};
use installs::Filled;
use record::{Recorder, verdict};

#[path = "support/ask.rs"]
mod ask;
#[path = "support/beside.rs"]
mod beside;
#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod figures;
#[path = "support/ground.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ground;
#[path = "support/installs.rs"]
mod installs;
#[path = "support/large.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod large;
#[path = "support/load.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod load;
#[path = "support/record.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod record;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;
#[path = "support/sweeps.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod sweeps;

const PACKAGES: [u64; 1] = [1_000];
const FILES: u64 = 100;
/// What `destroyPackages` takes in one call, and how large.
const MARKED: u64 = 20;
const MARKED_FILES: u64 = 1_000;
const MARK_MAX_MS: f64 = 50.0;
/// For how long an idle store is read.
const IDLE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Failure> {
    if !record::is_wanted("packages") {
        return Ok(());
    }
    let mut criterion = record::criterion();
    let recorder = Recorder::default();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut ground = Ground::open(dir.path())?;
    let project = project(&ground)?;
    fill(&ground, project, "read", (1, 1))?;
    mark(&mut criterion, &recorder, &ground, project)?;
    let mut lines = Vec::new();
    let numbers = record::numbers("LARDER_BENCH_PACKAGES", &PACKAGES);
    for packages in &numbers {
        lines.push(destroy(&ground, project, *packages)?);
    }
    criterion.final_summary();
    let head = [
        "",
        "installs",
        "p50 ms",
        "p99 ms",
        "idle p99 ms",
        "longest slice",
        "most work",
        "allowed ms",
    ];
    print_table("Installs while packages are destroyed", &head, &lines);
    println!("\nWhat must be reached");
    let median = recorder.median(MARK).map(|time| time.as_secs_f64() * 1e3);
    let what = "ms to mark 20 packages of 1,000 files (below 50)";
    verdict(what, median, |ms| ms < MARK_MAX_MS);
    for packages in numbers {
        let large = fill(&ground, project, "large", (MARKED, MARKED_FILES))?;
        let doomed = fill(&ground, project, "doomed", (packages, FILES))?;
        let installed = "generic/read-0/1/file-0";
        drop(ground);
        installs::measure(dir.path(), &Filled { project, installed, large, doomed })?;
        ground = Ground::open(dir.path())?;
    }
    Ok(())
}

const MARK: &str = "mark 20 packages of 1000 files";

fn project(ground: &Ground) -> Result<ProjectId, Failure> {
    let new = governed::New {
        parent: GroupId::TOP,
        name: GroupName::parse("bench")?,
        title: "bench".into(),
        description: String::new(),
        visibility: Visibility::Private,
        owner: None,
    };
    Ok(ground.store.create_project(new).wait()?)
}

fn key(name: &str, number: u64) -> Result<PackageKey, Failure> {
    let name = PackageName::parse(&format!("{name}-{number}"))?;
    let series = SeriesKey { kind: PackageKind::Generic, name };
    Ok(PackageKey { series, version: Some(PackageVersion::parse("1")?) })
}

/// Publishes `packages` packages of `files` files each; tells their ids.
fn fill(
    ground: &Ground,
    project: ProjectId,
    name: &str,
    (packages, files): (u64, u64),
) -> Result<Vec<PackageId>, Failure> {
    let mut made = Vec::new();
    for package in 0..packages {
        let key = key(name, package)?;
        let mut pending = Vec::new();
        for file in 0..files {
            let text = format!("{name} {package} {file}");
            pending.push(ground.store.publish(published(project, key.clone(), file, &text)?));
        }
        for done in pending {
            let done = done.wait()?;
            if made.last() != Some(&done.package) {
                made.push(done.package);
            }
        }
    }
    Ok(made)
}

fn published(
    project: ProjectId,
    key: PackageKey,
    file: u64,
    text: &str,
) -> Result<Publish, Failure> {
    let hashed = hash_bytes_with_sums(text.as_bytes(), None);
    let sums = hashed.sums.ok_or("no sums")?;
    let size = u64::try_from(text.len())?;
    let body = Body::Inline(text.as_bytes().to_vec().into());
    let content = Content::Uploaded { digest: hashed.digest, size, body };
    let name = PackageFileName::parse(&format!("file-{file}"))?;
    Ok(Publish {
        project,
        title: key.series.name.to_string(),
        key,
        by: "bench".into(),
        may: None,
        file: Some(NewPackageFile { name, content, sums, requires_python: None }),
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::Append,
    })
}

fn mark(
    criterion: &mut Criterion,
    recorder: &Recorder,
    ground: &Ground,
    project: ProjectId,
) -> Result<(), Failure> {
    let mut group = criterion.benchmark_group("packages");
    let mut round = 0;
    recorder.bench(&mut group, MARK, || {
        round += 1;
        let name = format!("marked-{round}");
        let packages = fill(ground, project, &name, (MARKED, MARKED_FILES)).unwrap();
        let packages: Vec<_> = packages.into_iter().map(|id| (id, None)).collect();
        let begin = Instant::now();
        ground.store.mark_packages(packages, Cause::request("bench")).wait().unwrap();
        let took = begin.elapsed();
        ground.destroy(Cut::Whole).unwrap();
        took
    });
    group.finish();
    recorder.median(MARK).map(drop).ok_or_else(|| "nothing was measured".into())
}

/// Reads a package until `stop`; tells the times, sorted.
fn install(store: &Store, project: ProjectId, stop: &AtomicBool) -> Result<Vec<Duration>, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let key = key("read", 0).map_err(|error| told(&error))?;
    let name = PackageFileName::parse("file-0").map_err(|error| told(&error))?;
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let view = store.view().map_err(|error| told(&error))?;
        let found = view.package_at(project, &key).map_err(|error| told(&error))?;
        let (package, _) = found.ok_or("the package is gone")?;
        let file = view.newest_file(package, &name).map_err(|error| told(&error))?;
        let (_, file) = file.ok_or("the file is gone")?;
        view.inline(file.blob).map_err(|error| told(&error))?;
        store.note_package_download(package);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn destroy(ground: &Ground, project: ProjectId, packages: u64) -> Result<Vec<String>, Failure> {
    let made = fill(ground, project, "doomed", (packages, FILES))?;
    let idle = installs_during(ground, project, || {
        std::thread::sleep(IDLE);
        Ok(Slices::default())
    })?;
    for some in made.chunks(MARKED.try_into()?) {
        let some = some.iter().map(|id| (*id, None)).collect();
        ground.store.mark_packages(some, Cause::request("bench")).wait()?;
    }
    let busy = installs_during(ground, project, || ground.destroy(Cut::Paced))?;
    let (p99, idle) = (percentile(&busy.0, 990), percentile(&idle.0, 990));
    let commit = busy.1.longest.saturating_sub(busy.1.longest_work);
    let allowed = idle * 2 + Settings::default().work_bound + commit * 2;
    let id = format!("{packages} packages of {FILES} files");
    verdict(
        "installs while packages are destroyed: ms at p99 (at most what is allowed)",
        Some(p99.as_secs_f64() * 1e3),
        |ms| ms <= allowed.as_secs_f64() * 1e3,
    );
    let p50 = percentile(&busy.0, 500);
    let times = [p50, p99, idle, busy.1.longest, busy.1.longest_work, allowed].map(millis);
    Ok([id, busy.0.len().to_string()].into_iter().chain(times).collect())
}

/// Installs while `work` goes on.
fn installs_during(
    ground: &Ground,
    project: ProjectId,
    work: impl FnOnce() -> Result<Slices, Failure>,
) -> Result<(Vec<Duration>, Slices), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let (store, asked) = (ground.store.clone(), Arc::clone(&stop));
    let reader = std::thread::spawn(move || install(&store, project, &asked));
    let done = work();
    stop.store(true, Ordering::Relaxed);
    let times = reader.join().map_err(|_| "the reader panicked")??;
    Ok((times, done?))
}
