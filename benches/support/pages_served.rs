//! The same pages over HTTP: the folder that was filled is served by the release binary, and one
//! connection asks for each page again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use larder::model::ProjectId;

use crate::ask::ask;
use crate::figures::{Failure, millis, print_table};
use crate::load::{self, Load, Until};
use crate::record::verdict;
use crate::servers::Server;

const TIME: Duration = Duration::from_secs(2);
const P50_MAX: Duration = Duration::from_millis(5);

/// Measures and prints.
pub fn measure(dir: &Path, project: ProjectId) -> Result<(), Failure> {
    let server = Server::larder(dir)?;
    let mut rows = Vec::new();
    let mut slowest = Duration::ZERO;
    for (name, path) in [("packument", "npm/app"), ("simple page", "pypi/simple/lib/")] {
        let path = format!("/api/v4/projects/{}/packages/{path}", project.0);
        let begin = Instant::now();
        let (status, body) = ask(server.addr, "GET", &path)?;
        let first = begin.elapsed();
        if status != 200 {
            return Err(format!("GET {path}: {status}").into());
        }
        let (addr, size) = (server.addr, body.len());
        let load = Load { addr, connections: 1, size, until: Until::Elapsed(TIME) };
        let seen = load::get(&load, |_, _| path.clone())?;
        slowest = slowest.max(seen.latency(500));
        let times = [first, seen.latency(500), seen.latency(990)].map(millis);
        rows.push([name.to_owned(), size.to_string()].into_iter().chain(times).collect());
    }
    let head = ["", "bytes", "first ms", "p50 ms", "p99 ms"];
    print_table("Pages over HTTP, by one connection", &head, &rows);
    let what = "ms at p50 for the slower page over HTTP (below 5)";
    verdict(what, Some(slowest.as_secs_f64() * 1e3), |_| slowest < P50_MAX);
    Ok(())
}
