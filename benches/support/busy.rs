//! Latency of small uploads while much is collected, beside the same server's idle latency.
//!
//! One run: a copy of the template is served; single uploads tell what a commit takes; then load,
//! idle; then the large tag is deleted, and from the moment at which collecting begins until the
//! sweep ends the same load goes on. Everything is told by the server's own interface.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::ask::ask;
use crate::figures::{Failure, millis, percentile, print_table};
use crate::load::{self, Load, Until};
use crate::servers::Server;
use crate::sweeps::{BOUND, DELETE, Stage, runs, wait_until};
use crate::{Copied, GARBAGE, Options, SMALL_BYTES};

const IDLE: Duration = Duration::from_secs(4);
const COMMITS: u64 = 300;

/// What one run measured.
struct Run {
    commit: Latency,
    idle: Latency,
    busy: Latency,
    rates: [f64; 2],
    stages: Vec<Stage>,
}

/// Median, p99 and the largest.
type Latency = [Duration; 3];

/// Runs with one unlink capacity and prints medians and verdicts.
pub fn measure(template: &Path, capacity: &str, options: &Options) -> Result<(), Failure> {
    let mut runs = Vec::new();
    for number in 0..options.runs {
        let copy = if capacity == "0" { Copied::rows(template) } else { Copied::all(template) }?;
        let flags = ["--lease", "0", "--sweep-period", "0", "--unlink-capacity", capacity];
        let server = Server::larder_with(copy.path(), &flags)?;
        runs.push(run(&server, options)?);
        println!("unlink capacity {capacity}: run {} of {} is over", number + 1, options.runs);
    }
    print_latencies(capacity, options, &runs);
    print_stages(&runs);
    print_verdicts(&runs);
    Ok(())
}

fn run(server: &Server, options: &Options) -> Result<Run, Failure> {
    wait_until(server, Value::is_null)?;
    let load =
        |connections, until| Load { addr: server.addr, connections, size: SMALL_BYTES, until };
    let put =
        |load: &Load, kind: &str| load::put(load, |c, n| server.path(c, &format!("{kind}{n}")));
    let latency = |outcome: &load::Outcome| [500, 990, 1000].map(|at| outcome.latency(at));
    let commit = put(&load(1, Until::Requests(COMMITS)), "single")?;
    let idle = put(&load(options.connections, Until::Elapsed(IDLE)), "idle")?;
    let (status, _) = ask(server.addr, "DELETE", GARBAGE)?;
    if status != 200 {
        return Err(format!("DELETE was answered {status}").into());
    }
    wait_until(server, |running| running["stage"] == "collect")?;
    let told = Arc::new(AtomicBool::new(false));
    let busy = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let ended = wait_until(server, Value::is_null);
            told.store(true, Ordering::Relaxed);
            ended
        });
        let until = Until::Told(Arc::clone(&told));
        let busy = put(&load(options.connections, until), "busy");
        watch.join().map_err(|_| "the watch broke")??;
        busy
    })?;
    Ok(Run {
        commit: latency(&commit),
        idle: latency(&idle),
        busy: latency(&busy),
        rates: [idle.rate(), busy.rate()],
        stages: runs(server, DELETE)?.into_iter().next().ok_or("no run after the DELETE")?,
    })
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> Duration) -> Duration {
    let mut figures: Vec<_> = runs.iter().map(figure).collect();
    figures.sort_unstable();
    percentile(&figures, 500)
}

fn print_latencies(capacity: &str, options: &Options, runs: &[Run]) {
    let line = |name: &str, latency: &dyn Fn(&Run) -> Latency, rate: Option<usize>| {
        let mut rates: Vec<_> = runs.iter().filter_map(|run| Some(run.rates[rate?])).collect();
        rates.sort_by(f64::total_cmp);
        let rate = rates.get(rates.len() / 2).map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        let [p50, p99, max] = [0, 1, 2].map(|at| millis(median(runs, |run| latency(run)[at])));
        vec![name.to_owned(), rate, p50, p99, max]
    };
    let rows = [
        line("1 connection, idle (a commit)", &|run| run.commit, None),
        line("idle", &|run| run.idle, Some(0)),
        line("while collecting", &|run| run.busy, Some(1)),
    ];
    let title = format!(
        "1 KiB PUTs by {} connections while {} blobs are collected, unlink capacity {capacity}, \
         medians of {} runs (ms)",
        options.connections,
        options.free,
        runs.len(),
    );
    print_table(&title, &["", "requests/s", "p50", "p99", "max"], &rows);
}

fn print_stages(runs: &[Run]) {
    let Some(first) = runs.first() else { return };
    let rows = first.stages.iter().enumerate().map(|(at, stage)| {
        let all = || runs.iter().filter_map(|run| run.stages.get(at));
        let longest = all().map(|stage| stage.longest).max().unwrap_or_default();
        let longest_work = all().map(|stage| stage.longest_work).max().unwrap_or_default();
        let mut longest_of_each: Vec<_> = all().map(|stage| stage.longest).collect();
        longest_of_each.sort_unstable();
        let typical = percentile(&longest_of_each, 500);
        let mut took: Vec<_> = all().map(|stage| stage.took).collect();
        took.sort_unstable();
        let times = [percentile(&took, 500), typical, longest, longest_work].map(millis);
        [stage.name.clone(), stage.items.to_string()].into_iter().chain(times).collect()
    });
    let head = ["", "items", "took", "longest (median)", "longest (of all)", "most work (of all)"];
    print_table("The sweeper's transactions (ms)", &head, &rows.collect::<Vec<_>>());
}

fn print_verdicts(runs: &[Run]) {
    let commit = median(runs, |run| run.commit[0]);
    let (idle, busy) = (median(runs, |run| run.idle[1]), median(runs, |run| run.busy[1]));
    let allowed = 2 * idle + BOUND + 2 * commit;
    let word = |is_reached| if is_reached { "reached" } else { "MISSED " };
    println!(
        "  {}  p99 while collecting {} ms; allowed are 2 x {} + {} (the bound) + 2 x {} = {} ms",
        word(busy <= allowed),
        millis(busy),
        millis(idle),
        millis(BOUND),
        millis(commit),
        millis(allowed),
    );
    // The longest of many hundred commits is held against the longest of many idle ones.
    let commit = median(runs, |run| run.commit[2].max(run.idle[2]));
    let longest = |run: &Run| run.stages.iter().map(|stage| stage.longest).max();
    let longest = median(runs, |run| longest(run).unwrap_or_default());
    println!(
        "  {}  longest transaction {} ms; allowed are {} (the bound) + {} (the longest idle one)",
        word(longest <= BOUND + commit),
        millis(longest),
        millis(BOUND),
        millis(commit),
    );
}
