//! Pulls over HTTP while another group's cache is purged: 100,000 entries are marked, deleted and
//! collected by the sweeper of the release binary, and eight connections pull a cached manifest by
//! its tag all the time. A Larder of its own is the upstream.
//!
//! `cargo bench --bench purge`; `LARDER_BENCH_PURGE=10000` sets how many entries there are. The
//! folder is filled through the store. No pull may fail, and the p99 of all must stay below twice
//! that of an idle server, the sweeper's bound and two commits (I7).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use larder::blobs::hash::hash_bytes;
use larder::model::{CachedWhat, GroupId, GroupName, Visibility};
use larder::store::blobs::{Body, Content};
use larder::store::cached::NewCached;
use larder::store::governed;

use figures::{Failure, float, millis, print_table};
use ground::Ground;
use load::{Load, Outcome, Until};
use record::verdict;
use servers::Server;
use sweeps::{BOUND, runs, wait_until};

#[path = "support/ask.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ask;
#[path = "support/content.rs"]
mod content;
#[path = "support/figures.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod figures;
#[path = "support/ground.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ground;
#[path = "support/images.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod images;
#[path = "support/large.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod large;
#[path = "support/load.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod load;
#[path = "support/record.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod record;
#[path = "support/servers.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod servers;
#[path = "support/sweeps.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod sweeps;

const ENTRIES: [u64; 1] = [100_000];
const CONNECTIONS: u32 = 8;
const IDLE: Duration = Duration::from_secs(4);
/// Single uploads that tell what a commit takes.
const COMMITS: u64 = 200;
const TAG: &str = "kept";

fn main() -> Result<(), Failure> {
    if !record::is_wanted("purge") {
        return Ok(());
    }
    for entries in record::numbers("LARDER_BENCH_PURGE", &ENTRIES) {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        fill(&dir.path().join("larder"), entries)?;
        measure(dir.path(), entries)?;
    }
    Ok(())
}

fn fill(dir: &Path, entries: u64) -> Result<(), Failure> {
    let ground = Ground::open(dir)?;
    let group = |name: &str| -> Result<GroupId, Failure> {
        let new = governed::New {
            parent: GroupId::TOP,
            name: GroupName::parse(name)?,
            title: name.to_owned(),
            description: String::new(),
            visibility: Visibility::Public,
            owner: None,
        };
        Ok(ground.store.create_group(new).wait()?)
    };
    let (_, doomed) = (group("kept")?, group("doomed")?);
    let mut pending = Vec::new();
    for number in 0..entries {
        pending.push(ground.store.put_cached(layer(doomed, &format!("layer {number}"))));
        if pending.len() == 10_000 {
            pending.drain(..).try_for_each(|put| put.wait().map(drop))?;
        }
    }
    Ok(pending.into_iter().try_for_each(|put| put.wait().map(drop))?)
}

fn layer(group: GroupId, text: &str) -> NewCached {
    let hashed = hash_bytes(text.as_bytes(), None);
    let (digest, size) = (hashed.digest, hashed.size);
    let what = CachedWhat::Blob { digest, image: images::repository(0) };
    let body = Body::Inline(Bytes::copy_from_slice(text.as_bytes()));
    let content = Content::Uploaded { digest, size, body };
    NewCached { group, upstream: None, what, content, origin: [0; 32], tag: None }
}

fn measure(dir: &Path, entries: u64) -> Result<(), Failure> {
    let upstream = Server::larder(&dir.join("upstream"))?;
    images::push_large_image(upstream.addr, TAG, 1)?;
    let url = format!("--proxy-upstream=http://{}", upstream.addr);
    let allow = "--proxy-allow=127.0.0.0/8";
    let flags = ["--lease=0", "--sweep-period=0", "--proxy-fresh=1h", allow, url.as_str()];
    let server = Server::larder_with(&dir.join("larder"), &flags)?;
    wait_until(&server, serde_json::Value::is_null)?;
    let commits = Until::Requests(COMMITS);
    let put = Load { addr: server.addr, connections: 1, size: 1024, until: commits };
    let commit = load::put(&put, |connection, n| server.path(connection, &n.to_string()))?;
    let idle = pulls(&server, Until::Elapsed(IDLE))?;
    let busy = while_purged(&server, entries)?;
    let row = |name: &str, seen: &Outcome| {
        let times = [500, 990, 1000].map(|at| millis(seen.latency(at)));
        [name.to_owned(), format!("{:.0}", seen.rate())].into_iter().chain(times).collect()
    };
    let rows = [row("idle", &idle), row(&format!("while {entries} entries go"), &busy)];
    let title = format!("Pulls of a cached manifest over HTTP by {CONNECTIONS} connections (ms)");
    print_table(&title, &["", "pulls/s", "p50", "p99", "max"], &rows);
    print_stages(&server)?;
    let allowed = idle.latency(990) * 2 + BOUND + commit.latency(500) * 2;
    println!("  allowed at p99 are 2 x idle + {} + 2 commits = {}", millis(BOUND), millis(allowed));
    let p99 = busy.latency(990);
    let what = "ms at p99 for a pull meanwhile, and none failed (at most what is allowed)";
    verdict(what, Some(p99.as_secs_f64() * 1e3), |_| p99 <= allowed);
    Ok(())
}

/// Pulls from the purge on until the last blob is collected.
fn while_purged(server: &Server, entries: u64) -> Result<Outcome, Failure> {
    let before = reclaimed(server)?;
    let told = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let purge = scope.spawn(|| {
            let done = purge(server, before + float(entries));
            told.store(true, Ordering::Relaxed);
            done
        });
        let pulled = pulls(server, Until::Told(Arc::clone(&told)))?;
        purge.join().map_err(|_| "the purge broke")??;
        Ok(pulled)
    })
}

fn purge(server: &Server, reclaimed_then: f64) -> Result<(), Failure> {
    let path = "/api/v4/groups/doomed/dependency_proxy/cache";
    let (status, _) = ask::ask(server.addr, "DELETE", path)?;
    if status != 202 {
        return Err(format!("DELETE {path}: {status}").into());
    }
    while reclaimed(server)? < reclaimed_then {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn reclaimed(server: &Server) -> Result<f64, Failure> {
    let stats = ask::ask_json(server.addr, "/-/stats")?;
    Ok(stats["reclaimed"]["files"].as_f64().ok_or("no figure of what is reclaimed")?)
}

fn pulls(server: &Server, until: Until) -> Result<Outcome, Failure> {
    let image = images::repository(0);
    let path = format!("/v2/kept/dependency_proxy/containers/{image}/manifests/{TAG}");
    let (status, manifest) = ask::ask(server.addr, "GET", &path)?;
    if status != 200 {
        return Err(format!("GET {path}: {status}").into());
    }
    let (addr, connections, size) = (server.addr, CONNECTIONS, manifest.len());
    load::get(&Load { addr, connections, size, until }, |_, _| path.clone())
}

fn print_stages(server: &Server) -> Result<(), Failure> {
    wait_until(server, serde_json::Value::is_null)?;
    let runs = runs(server)?;
    let rows = runs.iter().flatten().filter(|stage| stage.items > 0).map(|stage| {
        let times = [stage.took, stage.longest, stage.longest_work].map(millis);
        [stage.name.clone(), stage.items.to_string()].into_iter().chain(times).collect()
    });
    let head = ["", "items", "took", "longest", "most work"];
    print_table("The sweeper's transactions (ms)", &head, &rows.collect::<Vec<_>>());
    Ok(())
}
