//! A container registry: Larder beside Debian's docker-registry, the same clients for both.
//!
//! `cargo bench --bench registry` runs everything; `-- --help` shows what can be set, for example
//! `-- --rounds 5 --seconds 5`, or `-- --only docker-registry`. What is compared takes turns in
//! each round, and the tables show medians over the rounds. Every server is a process of its own
//! on loopback; they share the processors with the load generator.
//!
//! The targets, as multiples of docker-registry: pushes of small images ≥ 10, uploads of 1 KiB
//! ≥ 10, a layer of 256 MiB ≥ 2, manifests by tag ≥ 5. Collecting what 1,000 deleted images leave
//! goes on beside pushes here, while docker-registry must be stopped for it. Defends no
//! invariant; I5 is what makes uploads cost what they do, and I7 what keeps pushes going.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use figures::{Failure, millis, percentile, print_table, ratio};
use images::Work;
use load::{Load, Outcome, Until};
use servers::Server;

#[path = "support/ask.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ask;
#[path = "support/collection.rs"]
mod collection;
#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
mod figures;
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

/// Bytes of the layer of a small image.
pub const LAYER_BYTES: usize = 4 << 10;
const BLOB_BYTES: usize = 1 << 10;
/// Connections that push images.
pub const PUSHERS: u32 = 8;
const UPLOADERS: u32 = 64;
const READERS: u32 = 64;
/// Images of each reader's repository.
const PREPARED: u64 = 4;

/// Compares container registries.
#[derive(Parser)]
struct Options {
    /// Rounds; each server has its turn in each.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Seconds of each measurement with small things.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// MiB of the large layer.
    #[arg(long, default_value_t = 256)]
    large: u64,
    /// Images that are deleted and collected.
    #[arg(long, default_value_t = 1000)]
    images: u64,
    /// Only this server: larder or docker-registry.
    #[arg(long)]
    only: Option<String>,
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
        println!("This is a bench: run it with `cargo bench --bench registry`.");
        return Ok(());
    }
    let dir = tempfile::Builder::new().prefix("registry").tempdir_in(&options.dir)?;
    let bench = Bench::start(&options, dir.path());
    bench.pushes()?;
    bench.uploads()?;
    bench.layers()?;
    bench.manifests()?;
    bench.collections()
}

struct Bench<'a> {
    options: &'a Options,
    dir: &'a Path,
    servers: Vec<Server>,
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options, dir: &'a Path) -> Self {
        let mut bench = Self { options, dir, servers: Vec::new() };
        let peer = bench.start_one("docker-registry", Server::docker_registry);
        let larder = bench.start_one("larder", Server::larder);
        bench.servers.extend(peer.into_iter().chain(larder));
        bench
    }

    /// What is not wanted or cannot be started is left out, the latter with its reason.
    fn start_one(&self, name: &str, start: fn(&Path) -> Result<Server, Failure>) -> Option<Server> {
        let is_wanted = self.options.only.as_ref().is_none_or(|only| only == name);
        let started = is_wanted.then(|| start(&self.dir.join(name)))?;
        started.inspect_err(|error| println!("{name} is not there: {error}")).ok()
    }

    fn load(&self, server: &Server, connections: u32, size: usize) -> Load {
        let until = Until::Elapsed(Duration::from_secs(self.options.seconds));
        Load { addr: server.addr, connections, size, until }
    }

    fn pushes(&self) -> Result<(), Failure> {
        let title = format!("push an image with a layer of 4 KiB, {PUSHERS} connections");
        self.small(&title, |server, round| {
            let tag = format!("push{round}.");
            images::run(&self.load(server, PUSHERS, LAYER_BYTES), Work::Push(&tag))
        })
    }

    fn uploads(&self) -> Result<(), Failure> {
        let title = format!("upload a blob of 1 KiB, {UPLOADERS} connections");
        self.small(&title, |server, _| {
            images::run(&self.load(server, UPLOADERS, BLOB_BYTES), Work::Upload)
        })
    }

    fn manifests(&self) -> Result<(), Failure> {
        for server in &self.servers {
            let mut load = self.load(server, READERS, LAYER_BYTES);
            load.until = Until::Requests(PREPARED);
            images::run(&load, Work::Push("read"))?;
        }
        let title = format!("get a manifest by tag, {READERS} connections");
        self.small(&title, |server, _| {
            let load = self.load(server, READERS, LAYER_BYTES);
            images::run(&load, Work::Fetch("read", PREPARED))
        })
    }

    fn layers(&self) -> Result<(), Failure> {
        let chunks = self.options.large;
        let lines = self.rounds(|server, _| images::push_large(server.addr, chunks))?;
        let rate = |times: &Vec<Duration>| large::megabytes_per_second(chunks << 20, middle(times));
        let first = lines.first().map_or(0.0, |(_, times)| rate(times));
        let rows = lines.iter().map(|(name, times)| {
            let cells = [format!("{:.0}", rate(times)), millis(middle(times))];
            row(name, cells, ratio(rate(times), first))
        });
        let title = format!("push a layer of {chunks} MiB");
        print_table(&title, &["", "MB/s", "ms", "ratio"], &rows.collect::<Vec<_>>());
        Ok(())
    }

    fn small(
        &self,
        title: &str,
        turn: impl Fn(&Server, u64) -> Result<(Outcome, Vec<Vec<String>>), Failure>,
    ) -> Result<(), Failure> {
        let lines = self.rounds(|server, round| Ok(turn(server, round)?.0))?;
        let rate = |outcomes: &[Outcome]| median(outcomes.iter().map(Outcome::rate).collect());
        let first = lines.first().map_or(0.0, |(_, outcomes)| rate(outcomes));
        let rows = lines.iter().map(|(name, outcomes)| {
            let latency = |per_mille| {
                let times = outcomes.iter().map(|outcome| outcome.latency(per_mille));
                millis(middle(&times.collect::<Vec<_>>()))
            };
            let cells = [format!("{:.0}", rate(outcomes)), latency(500), latency(990)];
            row(name, cells, ratio(rate(outcomes), first))
        });
        let head = ["", "per second", "p50 ms", "p99 ms", "ratio"];
        print_table(title, &head, &rows.collect::<Vec<_>>());
        Ok(())
    }

    /// Gives every server its turn in every round.
    fn rounds<T>(
        &self,
        turn: impl Fn(&Server, u64) -> Result<T, Failure>,
    ) -> Result<Vec<(&'static str, Vec<T>)>, Failure> {
        let mut lines: Vec<_> =
            self.servers.iter().map(|server| (server.name, Vec::new())).collect();
        for round in 0..self.options.rounds {
            for (server, (name, results)) in self.servers.iter().zip(&mut lines) {
                let result = turn(server, round).map_err(|error| format!("{name}: {error}"))?;
                results.push(result);
            }
        }
        Ok(lines)
    }

    /// Deletes images and takes the time until their space is back.
    fn collections(&self) -> Result<(), Failure> {
        let count = self.options.images;
        println!("\ncollect what {count} deleted images leave");
        for server in &self.servers {
            let dir = self.dir.join(format!("collect-{}", server.name));
            match server.name {
                "larder" => collection::beside_pushes(&dir, count)?,
                _ => collection::offline(&dir, count)?,
            }
        }
        Ok(())
    }
}

/// The middle one; zero of none.
fn middle(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    percentile(&sorted, 500)
}

/// The middle value; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn row<const N: usize>(name: &str, cells: [String; N], ratio: String) -> Vec<String> {
    [name.to_owned()].into_iter().chain(cells).chain([ratio]).collect()
}
