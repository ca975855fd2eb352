//! Collecting what deleted images leave: beside pushes, and on a server that must be stopped.
//!
//! Defends no invariant; shows what I3 and I7 cost those who push meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ask::ask_json;
use crate::figures::{Failure, millis};
use crate::images::{self, Work};
use crate::load::{Load, Outcome, Until};
use crate::servers::{Server, docker_registry};
use crate::{LAYER_BYTES, PUSHERS};

/// How long what nothing names any more stays: longer than any push takes.
const LINK: Duration = Duration::from_secs(5);
/// Each image's own: layer, configuration, manifest.
const BLOBS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(120);

/// Pushes go on while the images are deleted, and until all their blobs are gone.
pub fn beside_pushes(dir: &Path, images: u64) -> Result<(), Failure> {
    let link = format!("--registry-upload-link={}s", LINK.as_secs());
    let flags = [link.as_str(), "--lease=0", "--lease-grouping=0", "--sweep-period=0"];
    let server = Server::larder_with(dir, &flags)?;
    let old = push(server.addr, "old", requests(images))?.1;
    let (quiet, _) = push(server.addr, "quiet", Until::Elapsed(LINK))?;
    let before = reclaimed(server.addr)?;
    let since = sweeps(server.addr)?.len();
    let over = Arc::new(AtomicBool::new(false));
    let (busy, waited) = std::thread::scope(|scope| {
        let until = Until::Told(Arc::clone(&over));
        let thread = scope.spawn(|| push(server.addr, "busy", until));
        let waited = delete(server.addr, images, &old)
            .and_then(|()| wait(server.addr, before + old_blobs(&old)));
        over.store(true, Ordering::Relaxed);
        let pushed = thread.join().map_err(|_| "the pushing thread has panicked")?;
        Ok::<_, Failure>((pushed?.0, waited?))
    })?;
    print_pushes("pushes before", &quiet);
    print_pushes("pushes meanwhile", &busy);
    let runs = sweeps(server.addr)?;
    let runs = &runs[..runs.len() - since];
    let work: Duration = runs.iter().map(took).sum();
    let after = waited.saturating_sub(LINK);
    println!("  larder: all gone {} ms after the links ended ({LINK:?})", millis(after));
    println!("  larder: {} ms of work in {} sweeps", millis(work), runs.len());
    Ok(())
}

/// Nobody can push: the server is stopped, its collector runs, and it is started again.
pub fn offline(dir: &Path, images: u64) -> Result<(), Failure> {
    let server = Server::docker_registry(dir)?;
    let old = push(server.addr, "old", requests(images))?.1;
    let (quiet, _) = push(server.addr, "quiet", Until::Elapsed(LINK))?;
    delete(server.addr, images, &old)?;
    drop(server);
    let begin = Instant::now();
    let status = docker_registry("garbage-collect", dir).status()?;
    if !status.success() {
        return Err(format!("docker-registry garbage-collect: {status}").into());
    }
    let took = begin.elapsed();
    drop(Server::docker_registry(dir)?);
    print_pushes("pushes before", &quiet);
    println!("  docker-registry: {} ms of garbage-collect, stopped", millis(took));
    Ok(())
}

fn requests(images: u64) -> Until {
    Until::Requests(images.div_ceil(u64::from(PUSHERS)))
}

fn load(addr: SocketAddr, until: Until) -> Load {
    Load { addr, connections: PUSHERS, size: LAYER_BYTES, until }
}

fn push(addr: SocketAddr, tag: &str, until: Until) -> Result<(Outcome, Vec<Vec<String>>), Failure> {
    images::run(&load(addr, until), Work::Push(tag))
}

fn delete(addr: SocketAddr, images: u64, digests: &[Vec<String>]) -> Result<(), Failure> {
    let begin = Instant::now();
    images::run(&load(addr, requests(images)), Work::Delete(digests))?;
    println!("  {} ms to delete them", millis(begin.elapsed()));
    Ok(())
}

fn old_blobs(old: &[Vec<String>]) -> u64 {
    let images: usize = old.iter().map(Vec::len).sum();
    BLOBS * u64::try_from(images).unwrap_or(u64::MAX)
}

/// Until so many blobs have gone; gives the time that it took.
fn wait(addr: SocketAddr, blobs: u64) -> Result<Duration, Failure> {
    let begin = Instant::now();
    while reclaimed(addr)? < blobs {
        if begin.elapsed() > PATIENCE {
            return Err(format!("{} of {blobs} blobs are gone", reclaimed(addr)?).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(begin.elapsed())
}

/// Blobs that are gone since the server began.
fn reclaimed(addr: SocketAddr) -> Result<u64, Failure> {
    let stats = ask_json(addr, "/-/stats")?;
    Ok(stats["reclaimed"]["files"].as_u64().ok_or("no figure of what is reclaimed")?)
}

/// All sweeps, newest first.
fn sweeps(addr: SocketAddr) -> Result<Vec<Value>, Failure> {
    let page = ask_json(addr, "/-/sweeps?limit=1000")?;
    Ok(page["sweeps"].as_array().ok_or("no list of sweeps")?.clone())
}

fn took(run: &Value) -> Duration {
    let at = |name: &str| run[name].as_u64().unwrap_or(0);
    Duration::from_micros(at("ended").saturating_sub(at("started")))
}

fn print_pushes(what: &str, outcome: &Outcome) {
    let (rate, latency) = (outcome.rate(), millis(outcome.latency(990)));
    println!("  {what}: {rate:.0} per second, p99 {latency} ms");
}
