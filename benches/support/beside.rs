//! What clients of a running server notice of the sweeper: reads by eight connections, idle and
//! while something goes, what their p99 may be, and what the sweeper's transactions took.
//!
//! Defends no invariant; shows what I7 is worth to those who read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ask::ask;
use crate::figures::{Failure, millis, print_table};
use crate::load::{self, Load, Outcome, Until};
use crate::servers::Server;
use crate::sweeps::{BOUND, Stage, runs, wait_until};

/// Connections that read.
pub const CONNECTIONS: u32 = 8;
/// For how long an idle server is read.
pub const IDLE: Duration = Duration::from_secs(4);
/// Single uploads that tell what a commit takes.
const COMMITS: u64 = 200;

/// Reads what is at a path again and again.
pub fn read(server: &Server, path: &str, until: Until) -> Result<Outcome, Failure> {
    let (status, body) = ask(server.addr, "GET", path)?;
    if status != 200 {
        return Err(format!("GET {path}: {status}").into());
    }
    let (addr, size) = (server.addr, body.len());
    load::get(&Load { addr, connections: CONNECTIONS, size, until }, |_, _| path.to_owned())
}

/// The same from the begin of `work` to its end; with what that says.
pub fn read_while<T: Send>(
    server: &Server,
    path: &str,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<(Outcome, T), Failure> {
    let told = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let over = Arc::clone(&told);
        let work = scope.spawn(move || {
            let done = work();
            over.store(true, Ordering::Relaxed);
            done
        });
        let seen = read(server, path, Until::Told(told))?;
        Ok((seen, work.join().map_err(|_| "the work beside the reads broke")??))
    })
}

/// What the median commit takes.
pub fn commit(server: &Server) -> Result<Duration, Failure> {
    let until = Until::Requests(COMMITS);
    let put = Load { addr: server.addr, connections: 1, size: 1024, until };
    let commits = load::put(&put, |connection, n| server.path(connection, &n.to_string()))?;
    Ok(commits.latency(500))
}

/// What the p99 of reads may be; says how it is made up.
pub fn allowed(idle: &Outcome, commit: Duration) -> Duration {
    let allowed = idle.latency(990) * 2 + BOUND + commit * 2;
    println!("  allowed at p99 are 2 x idle + {} + 2 commits = {}", millis(BOUND), millis(allowed));
    allowed
}

/// A table of reads.
pub fn print(what: &str, seen: &[(String, &Outcome)]) {
    let rows = seen.iter().map(|(name, seen)| {
        let times = [500, 990, 1000].map(|at| millis(seen.latency(at)));
        [name.clone(), format!("{:.0}", seen.rate())].into_iter().chain(times).collect()
    });
    let title = format!("{what} over HTTP by {CONNECTIONS} connections (ms)");
    print_table(&title, &["", "per second", "p50", "p99", "max"], &rows.collect::<Vec<_>>());
}

/// What the sweeper's stages did, over all runs that `trigger` began.
pub fn print_stages(server: &Server, trigger: &str) -> Result<(), Failure> {
    // What runs now is not among those that are told.
    wait_until(server, serde_json::Value::is_null)?;
    let runs = runs(server, trigger)?;
    let stages = || runs.iter().flatten().filter(|stage| stage.items > 0);
    let mut names: Vec<&str> = Vec::new();
    for stage in stages() {
        if !names.contains(&stage.name.as_str()) {
            names.push(&stage.name);
        }
    }
    let rows = names.into_iter().map(|name| {
        let all = || stages().filter(|stage| stage.name == name);
        let longest = |time: fn(&Stage) -> Duration| all().map(time).max().unwrap_or_default();
        let items: u64 = all().map(|stage| stage.items).sum();
        let took: Duration = all().map(|stage| stage.took).sum();
        let times = [took, longest(|stage| stage.longest), longest(|stage| stage.longest_work)];
        [name.to_owned(), items.to_string()].into_iter().chain(times.map(millis)).collect()
    });
    let head = ["", "items", "took", "longest", "most work"];
    let title = format!("The sweeper's transactions, begun by a {trigger} (ms)");
    print_table(&title, &head, &rows.collect::<Vec<_>>());
    Ok(())
}
