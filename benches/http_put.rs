//! Uploads and downloads over HTTP: Larder beside the bare prototype, one process, and nginx.
//!
//! `cargo bench --bench http_put` runs everything; `-- --help` shows what can be set, for example
//! `-- --rounds 5 --seconds 3`, or `-- --addr 127.0.0.1:8080` for a Larder that runs already. What
//! is compared takes turns in each round, and the tables show medians over the rounds. Every server
//! is a process of its own on loopback; they share the processors with the load generator.
//!
//! The targets: 1 KiB PUTs ≥ 0.65 × bare at 1, 8 and 64 connections; a large PUT ≥ 0.6 × the rate
//! of one process that writes, hashes and syncs; a large GET ≥ 0.9 × nginx; 1 KiB GETs ≥ 0.8 ×
//! nginx. Defends no invariant; I5 is what makes the uploads cost what they do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use figures::{Failure, millis, print_table, ratio};
use load::{Load, Outcome, Until};
use servers::{Files, Server};

#[path = "support/bare.rs"]
mod bare;
#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/group.rs"]
mod group;
#[path = "support/large.rs"]
mod large;
#[path = "support/load.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod load;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;

const SMALL_BYTES: usize = 1024;
const PREPARED_CONNECTIONS: u32 = 8;
const PREPARED_FILES: u64 = 128;

/// Compares uploads and downloads over HTTP.
#[derive(Parser)]
struct Options {
    /// Rounds; each server has its turn in each.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Seconds of each measurement with small bodies.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// MiB of the large body.
    #[arg(long, default_value_t = 256)]
    large: u64,
    /// Drive the Larder that listens here instead of starting one.
    #[arg(long)]
    addr: Option<SocketAddr>,
    /// Where that server takes uploads; %c is the connection, %n the name.
    #[arg(long, default_value = servers::LARDER_PATH)]
    path: String,
    /// The folder for all data; it must be on a disk that syncs.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Be the prototype, with its data here.
    #[arg(long, hide = true)]
    serve_bare: Option<PathBuf>,
    /// What cargo says when it wants a bench to run and not only to start.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if let Some(dir) = &options.serve_bare {
        return bare::serve(dir);
    }
    if !options.bench {
        println!("This is a bench: run it with `cargo bench --bench http_put`.");
        return Ok(());
    }
    let dir = tempfile::Builder::new().prefix("http_put").tempdir_in(&options.dir)?;
    let bench = Bench::start(&options, dir.path())?;
    bench.small_puts()?;
    bench.prepare()?;
    bench.small_gets()?;
    bench.large_puts(dir.path())?;
    bench.large_gets()
}

struct Bench<'a> {
    options: &'a Options,
    nginx: Option<Server>,
    bare: Server,
    larder: Option<Server>,
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options, dir: &Path) -> Result<Self, Failure> {
        let bare = Server::bare(&dir.join("bare"))?;
        let larder = match options.addr {
            Some(addr) => Ok(Server::running(addr, &options.path)),
            None => Server::larder(&dir.join("larder")),
        };
        let files = Files {
            connections: PREPARED_CONNECTIONS,
            small: PREPARED_FILES,
            small_bytes: SMALL_BYTES,
            chunks: options.large,
        };
        let nginx = Server::nginx(&dir.join("nginx"), &files);
        Ok(Self {
            options,
            nginx: present("nginx", nginx),
            bare,
            larder: present("larder", larder),
        })
    }

    fn uploads(&self) -> impl Iterator<Item = &Server> {
        [&self.bare].into_iter().chain(&self.larder)
    }

    fn downloads(&self) -> impl Iterator<Item = &Server> {
        self.nginx.iter().chain(self.uploads())
    }

    fn small(&self, connections: u32, server: &Server) -> Load {
        let until = Until::Elapsed(Duration::from_secs(self.options.seconds));
        Load { addr: server.addr, connections, size: SMALL_BYTES, until }
    }

    fn small_puts(&self) -> Result<(), Failure> {
        for connections in [1, 8, 64] {
            let lines = self.rounds(self.uploads(), |server, round| {
                let name = |n| format!("p{connections}.{round}.{n}");
                let load = self.small(connections, server);
                load::put(&load, |c, n| server.path(c, &name(n)))
            })?;
            let plural = if connections == 1 { "" } else { "s" };
            print_small(&format!("PUT 1 KiB, durable, {connections} connection{plural}"), &lines);
        }
        Ok(())
    }

    /// Uploads what will be downloaded; nginx has it already.
    fn prepare(&self) -> Result<(), Failure> {
        for server in self.uploads() {
            let mut load = self.small(PREPARED_CONNECTIONS, server);
            load.until = Until::Requests(PREPARED_FILES);
            load::put(&load, |c, n| server.path(c, &n.to_string()))?;
            large::put(server.addr, &server.path(0, "large"), self.options.large)?;
        }
        Ok(())
    }

    fn small_gets(&self) -> Result<(), Failure> {
        let lines = self.rounds(self.downloads(), |server, _| {
            load::get(&self.small(64, server), |c, n| {
                server.path(c % PREPARED_CONNECTIONS, &(n % PREPARED_FILES).to_string())
            })
        })?;
        print_small("GET 1 KiB, 64 connections", &lines);
        Ok(())
    }

    fn large_puts(&self, dir: &Path) -> Result<(), Failure> {
        let (chunks, file) = (self.options.large, dir.join("one-process"));
        let mut alone = Vec::new();
        let mut lines: Vec<_> = self.uploads().map(|server| (server.name, Vec::new())).collect();
        for round in 0..self.options.rounds {
            alone.push(large::write_in_process(&file, chunks)?);
            std::fs::remove_file(&file)?;
            for (server, (_, times)) in self.uploads().zip(&mut lines) {
                let path = server.path(0, &format!("large.{round}"));
                times.push(large::put(server.addr, &path, chunks)?);
            }
        }
        lines.insert(0, ("one process", alone));
        print_large(&format!("PUT {chunks} MiB, durable"), chunks, &lines);
        Ok(())
    }

    fn large_gets(&self) -> Result<(), Failure> {
        let chunks = self.options.large;
        let lines = self.rounds(self.downloads(), |server, _| {
            large::get(server.addr, &server.path(0, "large"), chunks)
        })?;
        print_large(&format!("GET {chunks} MiB"), chunks, &lines);
        Ok(())
    }

    /// Gives every server its turn in every round.
    fn rounds<'s, T>(
        &self,
        servers: impl Iterator<Item = &'s Server>,
        turn: impl Fn(&Server, u64) -> Result<T, Failure>,
    ) -> Result<Vec<(&'static str, Vec<T>)>, Failure> {
        let servers: Vec<_> = servers.collect();
        let mut lines: Vec<_> = servers.iter().map(|server| (server.name, Vec::new())).collect();
        for round in 0..self.options.rounds {
            for (server, (name, results)) in servers.iter().zip(&mut lines) {
                let result = turn(server, round).map_err(|error| format!("{name}: {error}"))?;
                results.push(result);
            }
        }
        Ok(lines)
    }
}

/// What cannot be started is left out, with its reason.
fn present(name: &str, server: Result<Server, Failure>) -> Option<Server> {
    server.inspect_err(|error| println!("{name} is not there: {error}")).ok()
}

fn print_small(title: &str, lines: &[(&str, Vec<Outcome>)]) {
    let rate = |outcomes: &[Outcome]| median_of(outcomes, Outcome::rate);
    let first = lines.first().map_or(0.0, |(_, outcomes)| rate(outcomes));
    let rows = lines.iter().map(|(name, outcomes)| {
        let latency = |per_mille| {
            let seconds = median_of(outcomes, |outcome| outcome.latency(per_mille).as_secs_f64());
            millis(Duration::from_secs_f64(seconds))
        };
        let rate = rate(outcomes);
        let cells = [format!("{rate:.0}"), latency(500), latency(990), latency(1000)];
        row(name, cells, ratio(rate, first))
    });
    let head = ["", "requests/s", "p50 ms", "p99 ms", "max ms", "ratio"];
    print_table(title, &head, &rows.collect::<Vec<_>>());
}

fn print_large(title: &str, chunks: u64, lines: &[(&str, Vec<Duration>)]) {
    let bytes = chunks << 20;
    let rate =
        |times: &[Duration]| median_of(times, |time| large::megabytes_per_second(bytes, *time));
    let first = lines.first().map_or(0.0, |(_, times)| rate(times));
    let rows = lines.iter().map(|(name, times)| {
        let seconds = median_of(times, Duration::as_secs_f64);
        let rate = rate(times);
        row(
            name,
            [format!("{rate:.0}"), millis(Duration::from_secs_f64(seconds))],
            ratio(rate, first),
        )
    });
    print_table(title, &["", "MB/s", "ms", "ratio"], &rows.collect::<Vec<_>>());
}

fn row<const N: usize>(name: &str, cells: [String; N], ratio: String) -> Vec<String> {
    [name.to_owned()].into_iter().chain(cells).chain([ratio]).collect()
}

fn median_of<T>(values: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(&values.iter().map(figure).collect::<Vec<_>>())
}

/// The middle value; 0 for no values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    } else {
        at(middle)
    }
}
