//! Packages over HTTP while others are deleted: how soon `destroyPackages` answers for 20 packages
//! of 1,000 files, and what an install takes while what it marked is destroyed.
//!
//! The folder is filled through the store and then served by the release binary. An install is a
//! GET of a small generic file by each of eight connections, one after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder::model::{PackageId, ProjectId};

use crate::ask::{ask, ask_graphql};
use crate::figures::{Failure, millis, percentile, print_table};
use crate::load::{self, Load, Until};
use crate::record::verdict;
use crate::servers::Server;
use crate::sweeps::{BOUND, Stage, runs, wait_for_destruction, wait_until};
use crate::{MARK_MAX_MS, MARKED};

const CONNECTIONS: u32 = 8;
const IDLE: Duration = Duration::from_secs(4);
/// Single uploads that tell what a commit takes.
const COMMITS: u64 = 200;

/// What the folder holds.
pub struct Filled {
    /// The project of all packages.
    pub project: ProjectId,
    /// The path of the file that is installed, below the project's packages.
    pub installed: &'static str,
    /// Packages of 1,000 files.
    pub large: Vec<PackageId>,
    /// Packages of 100 files.
    pub doomed: Vec<PackageId>,
}

/// Serves the folder and prints what was seen.
pub fn measure(dir: &Path, filled: &Filled) -> Result<(), Failure> {
    let flags = ["--lease", "0", "--sweep-period", "0"];
    let server = Server::larder_with(dir, &flags)?;
    let commits = Until::Requests(COMMITS);
    let put = Load { addr: server.addr, connections: 1, size: 1024, until: commits };
    let commit = load::put(&put, |connection, n| server.path(connection, &n.to_string()))?;
    let idle = installs(&server, filled, Until::Elapsed(IDLE))?;
    let large = while_destroyed(&server, filled, &filled.large)?;
    let doomed = while_destroyed(&server, filled, &filled.doomed)?;
    let rows = [
        row("idle", &idle),
        row(&format!("while {} packages of 1,000 files go", filled.large.len()), &large.installs),
        row(&format!("while {} packages of 100 files go", filled.doomed.len()), &doomed.installs),
    ];
    let title = format!("Installs over HTTP by {CONNECTIONS} connections (ms)");
    print_table(&title, &["", "installs/s", "p50", "p99", "max"], &rows);
    print_stages(&server)?;
    let allowed = idle.latency(990) * 2 + BOUND + commit.latency(500) * 2;
    println!("  allowed at p99 are 2 x idle + {} + 2 commits = {}", millis(BOUND), millis(allowed));
    let figure = |time: Duration| Some(time.as_secs_f64() * 1e3);
    let what = "ms for destroyPackages of 20 packages of 1,000 files, the first (below 50)";
    verdict(what, figure(large.answers[0]), |ms| ms < MARK_MAX_MS);
    let what = "ms for destroyPackages of 20 packages of 100 files, the slowest (below 50)";
    verdict(what, figure(percentile(&doomed.answers, 1000)), |ms| ms < MARK_MAX_MS);
    let what = "ms at p99 for an install over HTTP meanwhile (at most what is allowed)";
    verdict(what, figure(doomed.installs.latency(990)), |ms| ms <= allowed.as_secs_f64() * 1e3);
    Ok(())
}

/// What was seen while packages were deleted.
struct Seen {
    installs: load::Outcome,
    /// How long each mutation took, sorted.
    answers: Vec<Duration>,
}

/// Installs from the first mutation on until the last file's row is gone.
fn while_destroyed(
    server: &Server,
    filled: &Filled,
    packages: &[PackageId],
) -> Result<Seen, Failure> {
    let told = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let deletion = scope.spawn(|| {
            let answers = delete(server, packages).and_then(|answers| {
                wait_for_destruction(server)?;
                Ok(answers)
            });
            told.store(true, Ordering::Relaxed);
            answers
        });
        let installs = installs(server, filled, Until::Told(Arc::clone(&told)))?;
        let answers = deletion.join().map_err(|_| "the deletion broke")??;
        Ok(Seen { installs, answers })
    })
}

fn delete(server: &Server, packages: &[PackageId]) -> Result<Vec<Duration>, Failure> {
    let mut answers = Vec::new();
    for some in packages.chunks(MARKED.try_into()?) {
        let ids = some.iter().map(|id| format!("\"gid://gitlab/Packages::Package/{}\"", id.0));
        let ids = ids.collect::<Vec<_>>().join(",");
        let query = format!("mutation {{ destroyPackages(input: {{ids: [{ids}]}}) {{ errors }} }}");
        let begin = Instant::now();
        let data = ask_graphql(server.addr, &query)?;
        answers.push(begin.elapsed());
        if data["destroyPackages"]["errors"] != serde_json::json!([]) {
            return Err(format!("not all were deleted: {data}").into());
        }
    }
    answers.sort_unstable();
    Ok(answers)
}

fn installs(server: &Server, filled: &Filled, until: Until) -> Result<load::Outcome, Failure> {
    let path = format!("/api/v4/projects/{}/packages/{}", filled.project.0, filled.installed);
    let (status, body) = ask(server.addr, "GET", &path)?;
    if status != 200 {
        return Err(format!("GET {path}: {status}").into());
    }
    let (addr, connections) = (server.addr, CONNECTIONS);
    load::get(&Load { addr, connections, size: body.len(), until }, |_, _| path.clone())
}

fn row(name: &str, seen: &load::Outcome) -> Vec<String> {
    let times = [500, 990, 1000].map(|at| millis(seen.latency(at)));
    let rate = format!("{:.0}", seen.rate());
    [name.to_owned(), rate].into_iter().chain(times).collect()
}

fn print_stages(server: &Server) -> Result<(), Failure> {
    // What runs now is not among those that are told.
    wait_until(server, serde_json::Value::is_null)?;
    let runs = runs(server)?;
    let rows = ["destroy", "collect"].map(|name| {
        let all = || runs.iter().flatten().filter(|stage| stage.name == name);
        let longest = |time: fn(&Stage) -> Duration| all().map(time).max().unwrap_or_default();
        let items: u64 = all().map(|stage| stage.items).sum();
        let took: Duration = all().map(|stage| stage.took).sum();
        let times = [took, longest(|stage| stage.longest), longest(|stage| stage.longest_work)];
        [name.to_owned(), items.to_string()].into_iter().chain(times.map(millis)).collect()
    });
    let head = ["", "items", "took", "longest", "most work"];
    print_table("The sweeper's transactions (ms)", &head, &rows);
    Ok(())
}
