//! What clients of packages ask for again and again: a packument of 1,000 versions when nothing of
//! it is known, when nothing changed, and after one more version was published; and a simple page
//! of 10,000 files.
//!
//! `cargo bench --bench package_pages`. From the cache it must be there within 5 ms at p50; after
//! one publish only what changed is drawn, however many versions there are.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use criterion::Criterion;
use larder::blobs::hash::hash_bytes_with_sums;
use larder::blobs::{OsDisk, Space};
use larder::model::{
    GroupId, GroupName, PackageFileName, PackageKey, PackageKind, PackageMeta, PackageName,
    PackageVersion, ProjectId, SeriesKey, Visibility,
};
use larder::packages::npm::{Extent, Packument};
use larder::packages::{FileLimits, PAGES_MEMORY, Packages, Settings};
use larder::store::blobs::{Body, Content};
use larder::store::governed;
use larder::store::packages::{Again, NewPackageFile, Publish, Published};

use figures::Failure;
use ground::Ground;
use record::{Recorder, verdict};

#[path = "support/ask.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ask;
#[path = "support/content.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
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
#[allow(dead_code, reason = "each bench uses its part")]
mod load;
#[path = "support/pages_served.rs"]
mod pages_served;
#[path = "support/record.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod record;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;
#[path = "support/simple_pages.rs"]
mod simple_pages;

const VERSIONS: u64 = 1_000;

/// A publication that is not committed yet.
type Publishing = larder::db::Pending<Published, larder::store::Error>;

fn main() -> Result<(), Failure> {
    if !record::is_wanted("package_pages") {
        return Ok(());
    }
    let (mut criterion, recorder) = (record::criterion(), Recorder::default());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let bench = Bench::open(dir.path())?;
    packument(&mut criterion, &recorder, &bench)?;
    simple_pages::measure(&mut criterion, &recorder, &bench)?;
    criterion.final_summary();
    println!("\nWhat must be reached");
    let millis = |id| recorder.median(id).map(|time| time.as_secs_f64() * 1e3);
    let what = "ms for a packument of 1,000 versions that is known (at most 5)";
    verdict(what, millis("packument warm"), |ms| ms <= 5.0);
    let what = "ms for a simple page of 10,000 files that is known (at most 5)";
    verdict(what, millis("simple page warm"), |ms| ms <= 5.0);
    let what = "times a cold packument is as expensive as one after a publish (at least 5)";
    verdict(what, recorder.ratio("packument after one publish", "packument cold"), |n| n >= 5.0);
    let project = bench.project;
    drop(bench);
    pages_served::measure(dir.path(), project)
}

/// A project on an open data folder.
struct Bench {
    ground: Ground,
    packages: Packages,
    project: ProjectId,
}

impl Bench {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let ground = Ground::open(dir)?;
        let project = governed::New {
            parent: GroupId::TOP,
            name: GroupName::parse("web")?,
            title: "web".to_owned(),
            description: String::new(),
            visibility: Visibility::Private,
            owner: None,
        };
        let project = ground.store.create_project(project).wait()?;
        let space = Arc::new(Space::open(dir, Arc::new(OsDisk), 0, 0)?);
        let settings = Settings {
            pages_memory: PAGES_MEMORY,
            inline_bytes_max: 1 << 10,
            limits: FileLimits::default(),
        };
        let packages = Packages::new(ground.store.clone(), ground.files.clone(), space, settings);
        Ok(Self { ground, packages, project })
    }

    fn publish(&self, number: u64) -> Result<Publishing, Failure> {
        let version = format!("1.{number}.0");
        let bytes = Bytes::from(format!("the tarball of {version}"));
        let hashed = hash_bytes_with_sums(&bytes, None);
        let (digest, size, body) = (hashed.digest, hashed.size, Body::Inline(bytes));
        let manifest = format!(
            "{{\"name\":\"app\",\"version\":\"{version}\",\"main\":\"index.js\",\"license\":\
             \"MIT\",\"scripts\":{{\"test\":\"node test\"}},\"dependencies\":{{\"left-pad\":\
             \"^1.0.0\",\"right-pad\":\"^1.0.0\"}},\"engines\":{{\"node\":\">=18\"}}}}"
        );
        Ok(self.ground.store.publish(Publish {
            project: self.project,
            key: PackageKey { series: series()?, version: Some(PackageVersion::parse(&version)?) },
            title: "app".to_owned(),
            by: "bench".to_owned(),
            may: None,
            file: Some(NewPackageFile {
                name: PackageFileName::parse(&format!("app-{version}.tgz"))?,
                content: Content::Uploaded { digest, size, body },
                sums: hashed.sums.ok_or("no sums")?,
                requires_python: None,
            }),
            meta: Some(PackageMeta::Npm { manifest, deprecated: None }),
            status: None,
            tags: Vec::new(),
            again: Again::NewPackageOnly,
        }))
    }

    /// Asks for the packument as a handler does; tells its length.
    fn ask(&self, address: &str) -> Result<usize, Failure> {
        let (title, address) = ("app".to_owned(), address.to_owned());
        let packument = Packument { title, address, extent: Extent::Abbreviated };
        let view = self.ground.store.view()?;
        let ask = Packages::ask(&view, &[self.project], &series()?, &packument)?;
        let page = self.packages.page(&view, &ask.ok_or("no packages")?, &packument)?;
        Ok(page.bytes.len())
    }
}

fn series() -> Result<SeriesKey, Failure> {
    Ok(SeriesKey { kind: PackageKind::Npm, name: PackageName::parse("app")? })
}

fn packument(criterion: &mut Criterion, recorder: &Recorder, bench: &Bench) -> Result<(), Failure> {
    let pending: Result<Vec<_>, _> = (0..VERSIONS).map(|number| bench.publish(number)).collect();
    for pending in pending? {
        pending.wait()?;
    }
    println!("a packument of {VERSIONS} versions has {} bytes", bench.ask("http://h")?);
    let timed = |address: &str| {
        let begin = Instant::now();
        bench.ask(address).unwrap();
        begin.elapsed()
    };
    let mut group = criterion.benchmark_group("package pages");
    let mut fresh = 0;
    recorder.bench(&mut group, "packument cold", || {
        // Nothing is known at an address that nobody used yet.
        fresh += 1;
        timed(&format!("http://h{fresh}"))
    });
    recorder.bench(&mut group, "packument warm", || timed("http://h"));
    let mut next = VERSIONS;
    recorder.bench(&mut group, "packument after one publish", || {
        bench.publish(next).unwrap().wait().unwrap();
        next += 1;
        timed("http://h")
    });
    group.finish();
    Ok(())
}
