//! The dependency proxy: many clients of one image that it does not have yet, and images that it
//! has beside images that were pushed.
//!
//! `cargo bench --bench proxy` runs everything; `-- --help` shows what can be set. The registry
//! behind is Debian's docker-registry on the same machine; each server is a process of its own,
//! and all share the processors with the clients.
//!
//! The targets: a cold image of 100 MB that 50 clients pull at once is fetched once; the median
//! of their first bytes comes within a direct pull's and 50 ms; all are done within twice a direct
//! pull and the time to send the bytes. A manifest that is cached and fresh costs at most 1 ms
//! more than one that was pushed, and blobs come as fast. Defends no invariant.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Parser;

use figures::{Failure, float, millis, print_table, ratio};
use herd::{Gauge, Herd, Image};
use load::{Load, Until};
use servers::Server;

#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/herd.rs"]
mod herd;
#[path = "support/images.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod images;
#[path = "support/large.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod large;
#[path = "support/load.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod load;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;

/// The group whose proxy is asked.
const GROUP: &str = "bench-group";
/// Connections that read what is cached.
const READERS: [u32; 2] = [1, 16];

/// Measures the dependency proxy.
#[derive(Parser)]
struct Options {
    /// Rounds; everything has its turn in each.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Seconds of each measurement with small things.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// MiB of the large layer.
    #[arg(long, default_value_t = 96)]
    large: u64,
    /// Clients that pull at once.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// The folder for all data; it must be on a disk that syncs.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// What cargo says when it wants a bench to run and not only to start.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if !options.bench {
        println!("This is a bench: run it with `cargo bench --bench proxy`.");
        return Ok(());
    }
    let dir = tempfile::Builder::new().prefix("proxy").tempdir_in(&options.dir)?;
    let upstream = Server::docker_registry(&dir.path().join("upstream"))?;
    let gauge = Gauge::before(upstream.addr)?;
    let data = dir.path().join("larder");
    let url = format!("--proxy-upstream=http://{}", gauge.addr);
    let flags = [url.as_str(), "--proxy-allow=127.0.0.0/8", "--proxy-fresh=1h"];
    let larder = Server::larder_with(&data, &flags)?;
    command(&data, &["group", "create", GROUP])?;
    let bench = Bench { options: &options, upstream, gauge, larder };
    bench.herds()?;
    bench.manifests()?;
    bench.blobs()
}

struct Bench<'a> {
    options: &'a Options,
    upstream: Server,
    gauge: Gauge,
    larder: Server,
}

impl Bench<'_> {
    /// Each round has an image of its own; what is cached is pulled again for what sending costs.
    fn herds(&self) -> Result<(), Failure> {
        let (clients, repository) = (self.options.clients, images::repository(0));
        let cached = cached(&repository);
        let mut rows = Vec::new();
        for round in 0..self.options.rounds {
            let tag = format!("herd{round}");
            let layer = &images::push_large_image(self.upstream.addr, &tag, self.options.large)?;
            let at = |addr, repository| Image { addr, repository, tag: &tag, layer };
            let direct = herd::pull(&at(self.gauge.addr, &repository), 1)?;
            self.gauge.take();
            let cold = herd::pull(&at(self.larder.addr, &cached), clients)?;
            let (blobs, bytes) = self.gauge.take();
            let warm = herd::pull(&at(self.larder.addr, &cached), clients)?;
            let sizes = cold.pulls.iter().chain(&warm.pulls).map(|pull| pull.bytes);
            if sizes.min() != direct.pulls.first().map(|pull| pull.bytes) {
                return Err("a client got fewer bytes than the layer has".into());
            }
            rows.push(row(&direct, &cold, &warm, (blobs, bytes)));
        }
        let head = [
            "first byte: direct, ms",
            "of all, ms",
            "all bytes: direct, ms",
            "cold, ms",
            "warm, ms",
            "allowed, ms",
            "blobs fetched",
            "MB fetched",
        ];
        let title = format!("{clients} clients pull an image of {} MiB", self.options.large);
        print_table(&title, &head, &rows);
        Ok(())
    }

    fn manifests(&self) -> Result<(), Failure> {
        let tag = "small";
        let repository = images::repository(0);
        for addr in [self.upstream.addr, self.larder.addr] {
            images::push_large_image(addr, tag, 1)?;
        }
        let mut rows = Vec::new();
        for connections in READERS {
            let until = Until::Elapsed(Duration::from_secs(self.options.seconds));
            let (mut hosted, mut proxied) = (Vec::new(), Vec::new());
            for _ in 0..self.options.rounds {
                for (at, found) in
                    [(&repository, &mut hosted), (&cached(&repository), &mut proxied)]
                {
                    let path = format!("/v2/{at}/manifests/{tag}");
                    let size = length(self.larder.addr, &path)?;
                    let until = until.clone();
                    let load = Load { addr: self.larder.addr, connections, size, until };
                    found.push(load::get(&load, |_, _| path.clone())?);
                }
            }
            let median = |found: &[load::Outcome]| {
                let mut all: Vec<_> = found.iter().map(|outcome| outcome.latency(500)).collect();
                all.sort_unstable();
                figures::percentile(&all, 500)
            };
            let (hosted, proxied) = (median(&hosted), median(&proxied));
            let more = proxied.saturating_sub(hosted);
            rows.push(vec![connections.to_string(), millis(hosted), millis(proxied), millis(more)]);
        }
        let head = ["connections", "pushed, ms", "cached, ms", "more, ms"];
        print_table("a manifest by tag, median", &head, &rows);
        Ok(())
    }

    fn blobs(&self) -> Result<(), Failure> {
        let chunks = self.options.large;
        let repository = images::repository(0);
        let path = |addr, at: &str| {
            let layer = images::push_large_image(addr, "blob", chunks)?;
            Ok::<_, Failure>(format!("/v2/{at}/blobs/{layer}"))
        };
        let hosted = path(self.larder.addr, &repository)?;
        let paths = [hosted, path(self.upstream.addr, &cached(&repository))?];
        let mut rows = Vec::new();
        large::get(self.larder.addr, &paths[1], chunks)?;
        for _ in 0..self.options.rounds {
            let mut rates = Vec::new();
            for path in &paths {
                let took = large::get(self.larder.addr, path, chunks)?;
                rates.push(large::megabytes_per_second(chunks << 20, took));
            }
            let both: Vec<_> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
            rows.push([both, vec![ratio(rates[1], rates[0])]].concat());
        }
        let head = ["pushed, MB/s", "cached, MB/s", "ratio"];
        print_table(&format!("a blob of {chunks} MiB over one connection"), &head, &rows);
        Ok(())
    }
}

/// What the proxy calls a repository of the registry behind.
fn cached(repository: &str) -> String {
    format!("{GROUP}/dependency_proxy/containers/{repository}")
}

fn row(direct: &Herd, cold: &Herd, warm: &Herd, (blobs, bytes): (u64, u64)) -> Vec<String> {
    let allowed = direct.elapsed * 2 + warm.elapsed;
    let times = [
        direct.first_median(),
        cold.first_median(),
        direct.elapsed,
        cold.elapsed,
        warm.elapsed,
        allowed,
    ];
    let megabytes = format!("{:.1}", float(bytes) / 1e6);
    times.into_iter().map(millis).chain([blobs.to_string(), megabytes]).collect()
}

/// Bytes of what is at a path.
fn length(addr: std::net::SocketAddr, path: &str) -> Result<usize, Failure> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(addr)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let parsed = load::Answer::parse(&answer)?.ok_or("no answer")?;
    match parsed.status {
        200 => Ok(parsed.length),
        _ => Err(format!("{path}: {}", String::from_utf8_lossy(&answer)).into()),
    }
}

/// A command for the running server.
fn command(data: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(arguments).arg("--data").arg(data);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
