//! A page of the simple index with 10,000 files: when nothing changed, and after one more file was
//! uploaded to one of its versions.

use std::time::Instant;

use bytes::Bytes;
use criterion::Criterion;
use larder::blobs::hash::hash_bytes_with_sums;
use larder::model::{PackageFileName, PypiName, PypiVersion, SeriesKey};
use larder::packages::Packages;
use larder::packages::pypi::simple::Simple;
use larder::store::blobs::{Body, Content};
use larder::store::packages::{Again, NewPackageFile, Publish};

use super::figures::Failure;
use super::record::Recorder;
use super::{Bench, Publishing};

const FILES: u64 = 10_000;
/// Wheels of a version.
const WHEELS: u64 = 10;

/// Measures both forms.
pub fn measure(
    criterion: &mut Criterion,
    recorder: &Recorder,
    bench: &Bench,
) -> Result<(), Failure> {
    let pending: Result<Vec<_>, _> = (0..FILES).map(|number| publish(bench, number)).collect();
    for pending in pending? {
        pending.wait()?;
    }
    for form in [Simple::Html, Simple::Json] {
        println!("a page of {FILES} files as {form:?} has {} bytes", ask(bench, form)?);
    }
    let timed = |form| {
        let begin = Instant::now();
        ask(bench, form).unwrap();
        begin.elapsed()
    };
    let mut group = criterion.benchmark_group("simple pages");
    recorder.bench(&mut group, "simple page warm", || timed(Simple::Html));
    recorder.bench(&mut group, "simple page as JSON warm", || timed(Simple::Json));
    let mut next = FILES;
    recorder.bench(&mut group, "simple page after one upload", || {
        publish(bench, next).unwrap().wait().unwrap();
        next += 1;
        timed(Simple::Html)
    });
    group.finish();
    Ok(())
}

fn publish(bench: &Bench, number: u64) -> Result<Publishing, Failure> {
    let name = PypiName::parse("lib")?;
    let version = PypiVersion::parse(&format!("1.{}", number / WHEELS))?;
    let bytes = Bytes::from(format!("wheel {number}"));
    let hashed = hash_bytes_with_sums(&bytes, None);
    let (digest, size, body) = (hashed.digest, hashed.size, Body::Inline(bytes));
    let file = format!("lib-{version}-cp{}-abi3-linux_x86_64.whl", 300 + number % WHEELS);
    Ok(bench.ground.store.publish(Publish {
        project: bench.project,
        key: version.key(&name).ok_or("no key")?,
        title: "lib".to_owned(),
        by: "bench".to_owned(),
        may: None,
        file: Some(NewPackageFile {
            name: PackageFileName::parse(&file)?,
            content: Content::Uploaded { digest, size, body },
            sums: hashed.sums.ok_or("no sums")?,
            requires_python: Some(">=3.8".to_owned()),
        }),
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::Append,
    }))
}

/// Asks for the page as a handler does; tells its length.
fn ask(bench: &Bench, form: Simple) -> Result<usize, Failure> {
    let view = bench.ground.store.view()?;
    let series: SeriesKey = PypiName::parse("lib")?.series().ok_or("no series")?;
    let ask = Packages::ask(&view, &[bench.project], &series, &form)?;
    let page = bench.packages.page(&view, &ask.ok_or("no packages")?, &form)?;
    Ok(page.bytes.len())
}
