//! Pulls over HTTP while what other groups have cached goes: 100,000 entries that one of them
//! purges, then as many of another that nobody was served for longer than its policy says. All are
//! marked, deleted and collected by the sweeper of the release binary, and eight connections pull
//! a cached manifest by its tag all the time. A Larder of its own is the upstream.
//!
//! `cargo bench --bench purge`; `LARDER_BENCH_PURGE=10000` sets how many entries each has. The
//! folder is filled through the store. No pull may fail, and the p99 of all must stay below twice
//! that of an idle server, the sweeper's bound and two commits (I7).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder::blobs::hash::hash_bytes;
use larder::clock::{Clock, ManualClock, SystemClock};
use larder::model::{CachedWhat, GroupId, GroupName, Visibility};
use larder::store::blobs::{Body, Content};
use larder::store::cached::NewCached;
use larder::store::governed;

use figures::Failure;
use ground::Ground;
use load::Until;
use record::verdict;
use servers::Server;
use sweeps::{DELETE, wait_until};

#[path = "support/ask.rs"]
#[allow(dead_code, reason = "each bench uses its part")]
mod ask;
#[path = "support/beside.rs"]
mod beside;
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
const TAG: &str = "kept";
/// What is purged, what is too old, and what the clients pull.
const DOOMED: &str = "doomed";
const STALE: &str = "stale";
const KEPT: &str = "kept";
/// The policy of the stale group, and how long ago its entries were served.
const TTL_DAYS: u64 = 90;
const STALE_AGE: Duration = Duration::from_secs(100 * 24 * 60 * 60);

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
    let now = SystemClock::new().now();
    let clock = Arc::new(ManualClock::at(now.before(STALE_AGE)));
    let ground = Ground::open_at(dir, Arc::<ManualClock>::clone(&clock))?;
    fill_group(&ground, STALE, entries)?;
    clock.jump(now);
    fill_group(&ground, DOOMED, entries)?;
    fill_group(&ground, KEPT, 0)
}

fn fill_group(ground: &Ground, name: &str, entries: u64) -> Result<(), Failure> {
    let new = governed::New {
        parent: GroupId::TOP,
        name: GroupName::parse(name)?,
        title: name.to_owned(),
        description: String::new(),
        visibility: Visibility::Public,
        owner: None,
    };
    let group = ground.store.create_group(new).wait()?;
    let mut pending = Vec::new();
    for number in 0..entries {
        let text = format!("{name}: layer {number}");
        pending.push(ground.store.put_cached(layer(group, &text)));
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
    let image = images::repository(0);
    let path = format!("/v2/{KEPT}/dependency_proxy/containers/{image}/manifests/{TAG}");
    let pulls = Pulls { server, path, entries };
    let what = "ms at p99 for a pull beside a purge, and none failed (at most what is allowed)";
    pulls.beside("purged", DELETE, what, purge)?;
    let what = "ms at p99 for a pull beside a policy of age, and none failed (the same)";
    pulls.beside("too old", "request", what, expire)
}

/// Pulls from a server with so many entries of each kind that may go.
struct Pulls {
    server: Server,
    path: String,
    entries: u64,
}

impl Pulls {
    /// Measures them idle, and from when `begin` asks for entries to go until they are collected.
    /// `trigger` is what begins the sweeper's run.
    fn beside(
        &self,
        kind: &str,
        trigger: &str,
        what: &str,
        begin: impl FnOnce(&Server) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let Self { server, path, entries } = self;
        let commit = beside::commit(server)?;
        let idle = beside::read(server, path, Until::Elapsed(beside::IDLE))?;
        let all_gone = reclaimed(server)? + entries;
        let (busy, ()) = beside::read_while(server, path, || {
            begin(server)?;
            while reclaimed(server)? < all_gone {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        })?;
        let name = format!("while {entries} entries go, {kind}");
        beside::print("Pulls of a cached manifest", &[("idle".to_owned(), &idle), (name, &busy)]);
        beside::print_stages(server, trigger)?;
        let allowed = beside::allowed(&idle, commit);
        let p99 = busy.latency(990);
        verdict(what, Some(p99.as_secs_f64() * 1e3), |_| p99 <= allowed);
        Ok(())
    }
}

fn purge(server: &Server) -> Result<(), Failure> {
    let path = format!("/api/v4/groups/{DOOMED}/dependency_proxy/cache");
    accepted(server, "DELETE", &path)
}

/// Sets the policy, and has the sweeper look at ages now and not at its hour of the day.
fn expire(server: &Server) -> Result<(), Failure> {
    let policy = format!(
        "mutation {{ updateDependencyProxyImageTtlGroupPolicy(input: {{groupPath: \"{STALE}\", \
         enabled: true, ttl: {TTL_DAYS}}}) {{ errors }} }}"
    );
    ask::ask_graphql(server.addr, &policy)?;
    accepted(server, "POST", "/-/sweeps")
}

fn accepted(server: &Server, method: &str, path: &str) -> Result<(), Failure> {
    match ask::ask(server.addr, method, path)? {
        (202, _) => Ok(()),
        (status, _) => Err(format!("{method} {path}: {status}").into()),
    }
}

fn reclaimed(server: &Server) -> Result<u64, Failure> {
    let stats = ask::ask_json(server.addr, "/-/stats")?;
    Ok(stats["reclaimed"]["files"].as_u64().ok_or("no figure of what is reclaimed")?)
}
