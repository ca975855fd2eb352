//! Deleting, policies and leases, until the space is back on the disk (spec §14, design §5).

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::harness::sweeps::done;
use super::harness::{TestServer, eventually, noise};

const LARGE: usize = 50_000;

/// Uploads a file of its own content for each of these tags.
fn upload(server: &TestServer, tags: &[&str]) {
    for tag in tags {
        let seed = tag.bytes().fold(0, |seed, byte| seed * 256 + u64::from(byte));
        server.holds(&format!("/branches/b/{tag}/j/f/a"), noise(seed, LARGE));
    }
}

fn tags(server: &TestServer) -> Vec<String> {
    let page = server.get("/branches/b/").expect(200).json();
    let tags = page["branch"]["tags"].as_array().unwrap().clone();
    tags.iter().map(|tag| tag["name"].as_str().unwrap().to_owned()).collect()
}

fn set(server: &TestServer, tag: &str, fields: &Value) {
    server.post(&format!("/branches/b/{tag}/")).json(&json!({ "tag": fields })).expect(200);
}

fn policy(server: &TestServer, daily: u64, released: u64) {
    let policy = json!({"max_daily_tags": daily, "max_released_tags": released});
    server.post("/branches/b/").json(&json!({ "branch": policy })).expect(200);
}

#[test]
fn the_space_of_what_is_deleted_comes_back_by_itself() {
    for path in ["/branches/b/", "/branches/b/t/", "/branches/b/t/j/", "/branches/b/t/j/f/"] {
        let server = TestServer::start();
        upload(&server, &["t"]);
        server.holds("/branches/b/t/j/f/small", "small");
        assert_eq!(server.blob_files().0, 1);
        let before = server.sweeps().len();
        server.delete(path).expect(200);
        let run = server.wait_for_sweep(before, "reclaim", "delete");
        assert_eq!(server.blob_files(), (0, 0), "{path}");
        assert_eq!(done(&run, "destroy").0, 2, "{run}");
        let bytes = u64::try_from(LARGE).unwrap() + 5;
        assert_eq!((done(&run, "collect"), done(&run, "unlink")), ((2, bytes), (2, bytes)));
        server.head("/branches/b/t/j/f/a").digest_of("small").expect(404);
        let stats = server.get("/-/stats").expect(200).json();
        assert_eq!(stats["reclaimed"], json!({"files": 2, "bytes": bytes}));
    }
}

#[test]
fn what_is_used_elsewhere_stays() {
    let server = TestServer::start();
    let bytes = noise(1, LARGE);
    for tag in ["1", "2"] {
        server.holds(&format!("/branches/b/{tag}/j/f/a"), bytes.clone());
    }
    server.delete("/branches/b/1/").expect(200);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 1);
    assert!(server.get("/branches/b/2/j/f/a").expect(200).body == bytes);
    server.delete("/branches/b/2/").expect(200);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 0);
}

#[test]
fn a_name_can_be_used_again_at_once() {
    let server = TestServer::start();
    upload(&server, &["t"]);
    server.delete("/branches/b/t/").expect(200);
    server.holds("/branches/b/t/j/f/new", "new");
    server.sweep_and_wait();
    server.get("/branches/b/t/j/f/new").expect(200).body_is("new");
    server.get("/branches/b/t/j/f/a").expect(404);
    let job = server.get("/branches/b/t/j/").expect(200).json();
    assert_eq!(job["job"]["locked"], false);
}

#[test]
fn a_policy_keeps_the_newest() {
    let server = TestServer::start();
    upload(&server, &["d4", "d1", "d3", "d2"]);
    policy(&server, 2, 0);
    assert_eq!(tags(&server).len(), 4, "nothing goes before a sweep");
    let run = server.sweep_and_wait();
    assert_eq!(tags(&server), ["d2", "d3"]);
    let size = u64::try_from(LARGE).unwrap();
    assert_eq!(done(&run, "policies"), (2, 2 * size), "{run}");
    assert_eq!(done(&run, "unlink"), (2, 2 * size));
    assert_eq!(server.blob_files(), (2, 2 * size));
    let run = server.sweep_and_wait();
    assert_eq!(done(&run, "policies"), (0, 0), "nothing more is named");
}

#[test]
fn locked_tags_neither_count_nor_go() {
    let server = TestServer::start();
    upload(&server, &["1", "2", "3", "4"]);
    set(&server, "1", &json!({"locked": true}));
    set(&server, "4", &json!({"locked": true}));
    policy(&server, 1, 1);
    server.sweep_and_wait();
    assert_eq!(tags(&server), ["1", "3", "4"]);
}

#[test]
fn released_and_daily_tags_are_counted_apart() {
    let server = TestServer::start();
    upload(&server, &["1", "2", "3", "4", "5", "6"]);
    for tag in ["1", "3", "5"] {
        set(&server, tag, &json!({"released": true}));
    }
    policy(&server, 0, 2);
    server.sweep_and_wait();
    assert_eq!(tags(&server), ["2", "3", "4", "5", "6"], "0 keeps all");
    policy(&server, 1, 0);
    server.sweep_and_wait();
    assert_eq!(tags(&server), ["3", "5", "6"]);
}

#[test]
fn a_lesser_sweep_applies_no_policy() {
    let server = TestServer::start();
    upload(&server, &["1", "2", "3"]);
    policy(&server, 1, 0);
    let before = server.sweeps().len();
    server.delete("/branches/b/3/").expect(200);
    server.wait_for_sweep(before, "reclaim", "delete");
    assert_eq!(tags(&server), ["1", "2"]);
    server.sweep_and_wait();
    assert_eq!(tags(&server), ["2"]);
}

#[test]
fn a_signal_asks_for_a_full_sweep() {
    let server = TestServer::start();
    upload(&server, &["1", "2"]);
    policy(&server, 1, 0);
    let before = server.sweeps().len();
    server.signal(Signal::USR1);
    server.wait_for_sweep(before, "full", "signal");
    assert_eq!(tags(&server), ["2"]);
    assert_eq!(server.blob_files().0, 1);
}

#[test]
fn the_timer_sweeps_without_being_asked_and_restarts_do_not_postpone_it() {
    let mut server = TestServer::swept_at_once().with("sweep-period", "2s").start();
    upload(&server, &["1", "2"]);
    policy(&server, 1, 0);
    server.wait_for_sweep(0, "full", "timer");
    assert_eq!(tags(&server), ["2"]);
    // A start is a full sweep too, so there is one after each.
    server.restart();
    let startups = server.sweeps();
    let startups = startups.iter().filter(|run| run["trigger"] == "startup");
    assert!(startups.clone().all(|run| run["scope"] == "full"));
    assert_eq!(startups.count(), 2);
}

#[test]
fn runs_after_deletes_do_not_postpone_the_full_one() {
    let server = TestServer::swept_at_once().with("sweep-period", "3s").start();
    let first = server.sweeps().last().unwrap()["ended"].as_u64().unwrap();
    let mut deletes = 0;
    let timer = eventually("the full sweep", || {
        deletes += 1;
        let tag = format!("{deletes}");
        upload(&server, &[&tag]);
        server.delete(&format!("/branches/b/{tag}/")).expect(200);
        server.sweeps().into_iter().find(|run| run["trigger"] == "timer")
    });
    let waited_ms = (timer["started"].as_u64().unwrap() - first) / 1000;
    assert!(waited_ms > 2_900, "after {waited_ms} ms and {deletes} deletes");
    assert_eq!(timer["scope"], "full");
}

#[test]
fn requests_during_a_run_become_one_run() {
    let server = TestServer::start();
    for tag in 0..40 {
        for file in 0..25 {
            let body = format!("{tag} {file}");
            server.holds(&format!("/branches/b/{tag}/j/f/{file}"), body);
        }
    }
    let before = server.sweeps().len();
    server.delete("/branches/b/").expect(200);
    for asked in 0..30 {
        let scope = if asked == 20 { "full" } else { "reclaim" };
        server.post("/-/sweeps").json(&json!({ "scope": scope })).expect(202);
    }
    let full = server.wait_for_sweep(before, "full", "request");
    let idle = |page: &Value| page["running"].is_null() && page["asked"].is_null();
    eventually("an idle sweeper", || Some(server.get("/-/sweeps").expect(200).json()).filter(idle));
    let runs = server.sweeps().len() - before;
    assert!((2..31).contains(&runs), "{runs} runs for 31 requests");
    assert!(full["error_count"] == 0, "{full}");
    let stats = server.get("/-/stats").expect(200).json();
    assert_eq!(stats["reclaimed"]["files"], 1000);
}

#[test]
fn a_lease_that_ends_brings_the_space_back_without_being_asked() {
    let server = TestServer::with("lease", "1s").with("lease-grouping", "0").start();
    upload(&server, &["t"]);
    let before = server.sweeps().len();
    server.delete("/branches/b/t/").expect(200);
    let run = server.wait_for_sweep(before, "reclaim", "delete");
    assert_eq!(done(&run, "destroy").0, 1);
    assert_eq!((done(&run, "collect").0, server.blob_files().0), (0, 1), "its lease goes on");
    server.wait_for_sweep(before, "reclaim", "lease");
    eventually("the space", || (server.blob_files().0 == 0).then_some(()));
}

#[test]
fn a_head_renews_the_lease() {
    let server = TestServer::with("lease", "3s").with("lease-grouping", "0").start();
    let bytes = noise(1, LARGE);
    server.holds("/branches/b/t/j/f/a", bytes.clone());
    server.delete("/branches/b/t/").expect(200);
    // A lease is a second longer than it is set to: after five the first one is over.
    std::thread::sleep(Duration::from_millis(2500));
    server.head("/branches/b/t/j/f/a").digest_of(&bytes).expect(200);
    std::thread::sleep(Duration::from_millis(2500));
    server.sweep_and_wait();
    server.put("/branches/b/new/j/f/a").linking(&bytes).expect(201);
    assert!(server.get("/branches/b/new/j/f/a").expect(200).body == bytes);
}

#[test]
fn unlinking_can_be_paused() {
    let mut server = TestServer::swept_at_once().with("unlink-capacity", "0").start();
    upload(&server, &["t"]);
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 1);
    let stats = server.get("/-/stats").expect(200).json();
    assert_eq!(stats["backlog"]["unlink"]["files"], 1, "{stats}");
    // The digest is not stored any more, and can come again beside the old file.
    server.head("/branches/b/t/j/f/a").digest_of(noise(u64::from(b't'), LARGE)).expect(404);
    upload(&server, &["t"]);
    assert_eq!(server.blob_files().0, 2);
    server.change("unlink-capacity", "2");
    server.restart();
    assert_eq!(server.blob_files().0, 1);
    server.get("/branches/b/t/j/f/a").expect(200);
}

#[test]
fn uploads_links_deletes_and_sweeps_at_once_lose_nothing() {
    let server = TestServer::start();
    let server = &server;
    let bodies: Vec<_> = (0..4).map(|seed| noise(seed, LARGE)).collect();
    let bodies = &bodies;
    std::thread::scope(|scope| {
        for worker in 0..4_usize {
            scope.spawn(move || {
                for round in 0..15 {
                    let body = &bodies[(worker + round) % bodies.len()];
                    let path = format!("/branches/b/{worker}/j/f/{round}");
                    let link = server.put(&path).linking(body).send();
                    if link.status != 201 {
                        let _ = link.with_status(404);
                        server.holds(&path, body.clone());
                    }
                    assert!(server.get(&path).expect(200).body == *body, "{path}");
                    server.delete(&format!("/branches/b/{worker}/")).expect(200);
                }
            });
        }
        scope.spawn(move || {
            for _ in 0..30 {
                server.post("/-/sweeps").expect(202);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    });
    server.sweep_and_wait();
    assert_eq!(server.blob_files().0, 0);
}
