//! What deleting costs the writer: destroying a tag of 1,000 and of 10,000 artifacts among more
//! and more blobs, and planning the policies of 1,000 branches with 100 tags each.
//!
//! `cargo bench --bench destroy`; `LARDER_BENCH_LIVE=100000` sets how many live blobs there are. A
//! destroyed tag's time is the sum over the sweeper's slices, commits included; it must stay
//! within 40 ms for 1,000 artifacts among a million, no slice over its bound (I7). Detaching comes
//! before it and is not in it; collecting comes after it and is in the bench `collect`.

use std::cell::Cell;
use std::time::Instant;

use criterion::Criterion;
use larder::model::{BranchName, BranchPath, JobName};
use larder::store::branches::PolicyChange;
use larder::store::detached::Cause;

use figures::{Failure, millis, print_table};
use ground::{Bodies, Cut, Ground, Slices};
use record::{Recorder, verdict};

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

const LIVE: [u64; 2] = [100_000, 1_000_000];
const ARTIFACTS: [u64; 2] = [1_000, 10_000];
const BRANCHES: u64 = 1_000;
const TAGS: u64 = 100;
/// Tags of a branch that its policy keeps.
const KEPT: u64 = 60;
/// Branches that are planned from one snapshot, as the sweeper does.
const PLAN_PAGE: usize = 100;

fn main() -> Result<(), Failure> {
    if !record::is_wanted("destroy") {
        return Ok(());
    }
    let mut criterion = record::criterion();
    let recorder = Recorder::default();
    let mut lines = Vec::new();
    for live in record::numbers("LARDER_BENCH_LIVE", &LIVE) {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let begin = Instant::now();
        let ground = Ground::open(dir.path())?;
        ground.fill(live, Bodies::Records)?;
        println!("{live} live blobs made in {:.1?}", begin.elapsed());
        for artifacts in ARTIFACTS {
            lines.push(destroy(&mut criterion, &recorder, &ground, (artifacts, live))?);
        }
    }
    plan(&mut criterion, &recorder)?;
    criterion.final_summary();
    let head = ["", "median ms", "longest slice", "most work", "slices of the longest"];
    print_table("Destroying a tag: the writer's time", &head, &lines);
    println!("\nWhat must be reached");
    let million = recorder.median(&id(1_000, 1_000_000)).map(|time| time.as_secs_f64() * 1e3);
    let what = "ms to destroy a tag of 1,000 artifacts among 10^6 blobs (at most 40)";
    verdict(what, million, |ms| ms <= 40.0);
    Ok(())
}

fn id(artifacts: u64, live: u64) -> String {
    format!("tag of {artifacts} among {live}")
}

fn destroy(
    criterion: &mut Criterion,
    recorder: &Recorder,
    ground: &Ground,
    (artifacts, live): (u64, u64),
) -> Result<Vec<String>, Failure> {
    let mut group = criterion.benchmark_group("destroy");
    let tag = ground::tag("doomed", "t");
    let longest = Cell::new(Slices::default());
    let id = id(artifacts, live);
    recorder.bench(&mut group, &id, || {
        ground.fill_tag(&tag, artifacts, Bodies::Records).unwrap();
        ground.store.delete_tag(tag.clone(), Cause::request("")).wait().unwrap();
        let slices = ground.destroy(Cut::Paced).unwrap();
        longest.set(longest.get().or_longer(slices));
        ground.collect(Cut::Whole).unwrap();
        ground.forget().unwrap();
        slices.total
    });
    group.finish();
    let median = recorder.median(&id).ok_or("nothing was measured")?;
    let longest = longest.get();
    let times = [median, longest.longest, longest.longest_work].map(millis);
    Ok([id].into_iter().chain(times).chain([longest.count.to_string()]).collect())
}

fn plan(criterion: &mut Criterion, recorder: &Recorder) -> Result<(), Failure> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let begin = Instant::now();
    let ground = Ground::open(dir.path())?;
    make_branches(&ground)?;
    println!("{BRANCHES} branches of {TAGS} tags made in {:.1?}", begin.elapsed());
    let mut group = criterion.benchmark_group("policies");
    recorder.bench(&mut group, &format!("plan {BRANCHES} branches of {TAGS} tags"), || {
        let begin = Instant::now();
        let doomed = plan_all(&ground).unwrap();
        let took = begin.elapsed();
        assert_eq!(doomed, usize::try_from(BRANCHES * (TAGS - KEPT)).unwrap());
        took
    });
    group.finish();
    Ok(())
}

fn make_branches(ground: &Ground) -> Result<(), Failure> {
    for number in 0..BRANCHES {
        let branch = BranchPath::shared(BranchName::parse(&format!("b{number}"))?);
        let mut jobs = Vec::new();
        for number in 0..TAGS {
            let tag = ground::tag(branch.branch.as_str(), &format!("t{number}"));
            let job = tag.job(JobName::parse("j")?);
            jobs.push(ground.store.merge_metadata(job, Vec::new()));
        }
        let change = PolicyChange { max_daily_tags: Some(KEPT), max_released_tags: None };
        let policy = ground.store.set_policy(branch, change);
        jobs.into_iter().chain([policy]).try_for_each(larder::db::Pending::wait)?;
    }
    Ok(())
}

/// Plans all branches page by page; tells how many tags would go.
fn plan_all(ground: &Ground) -> Result<usize, Failure> {
    let (mut doomed, mut after) = (0, None);
    loop {
        let (plans, last) = ground.store.view()?.plans(after.as_ref(), PLAN_PAGE)?;
        doomed += plans.iter().map(|plan| plan.doomed.len()).sum::<usize>();
        let Some(last) = last else { return Ok(doomed) };
        after = Some(last);
    }
}
