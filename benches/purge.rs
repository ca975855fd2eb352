//! Pulls over HTTP while another group's cache is purged: 100,000 entries are marked, deleted and
//! collected by the sweeper of the release binary, and eight connections pull a cached manifest by
//! its tag all the time. A Larder of its own is the upstream.
//!
//! `cargo bench --bench purge`; `LARDER_BENCH_PURGE=10000` sets how many entries there are. The
//! folder is filled through the store. No pull may fail, and the p99 of all must stay below twice
//! that of an idle server, the sweeper's bound and two commits (I7).

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use larder::blobs::hash::hash_bytes;
use larder::model::{CachedWhat, GroupId, GroupName, Visibility};
use larder::store::blobs::{Body, Content};
use larder::store::cached::NewCached;
use larder::store::governed;

use figures::Failure;
use ground::Ground;
use load::Until;
use record::verdict;
use servers::Server;
use sweeps::wait_until;

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
    let image = images::repository(0);
    let path = format!("/v2/kept/dependency_proxy/containers/{image}/manifests/{TAG}");
    let commit = beside::commit(&server)?;
    let idle = beside::read(&server, &path, Until::Elapsed(beside::IDLE))?;
    let all_gone = reclaimed(&server)? + entries;
    let (busy, ()) = beside::read_while(&server, &path, || purge(&server, all_gone))?;
    let name = format!("while {entries} entries go");
    beside::print("Pulls of a cached manifest", &[("idle".to_owned(), &idle), (name, &busy)]);
    beside::print_stages(&server)?;
    let allowed = beside::allowed(&idle, commit);
    let p99 = busy.latency(990);
    let what = "ms at p99 for a pull meanwhile, and none failed (at most what is allowed)";
    verdict(what, Some(p99.as_secs_f64() * 1e3), |_| p99 <= allowed);
    Ok(())
}

/// Purges the cache, and waits until so many blobs are collected since the server began.
fn purge(server: &Server, all_gone: u64) -> Result<(), Failure> {
    let path = "/api/v4/groups/doomed/dependency_proxy/cache";
    let (status, _) = ask::ask(server.addr, "DELETE", path)?;
    if status != 202 {
        return Err(format!("DELETE {path}: {status}").into());
    }
    while reclaimed(server)? < all_gone {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn reclaimed(server: &Server) -> Result<u64, Failure> {
    let stats = ask::ask_json(server.addr, "/-/stats")?;
    Ok(stats["reclaimed"]["files"].as_u64().ok_or("no figure of what is reclaimed")?)
}
