//! Quotas of users' repositories (spec dlrepo §13, §17, 17): exact whatever happens at once, told
//! at the first byte that cannot fit, and set by command.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::harness::{Response, TestServer, eventually, noise};

/// Larger than what is kept as a row.
const SIZE: usize = 20_000;

fn server(quota: usize) -> TestServer {
    TestServer::swept_at_once().with("quota", &quota.to_string()).start()
}

/// What `larder quota show` says of a user, as JSON.
fn shown(server: &TestServer, user: &str) -> Value {
    let outcome = server.command(&["quota", "show", user, "--json"]).succeeds();
    let shown: Value = serde_json::from_str(&outcome.out).unwrap();
    shown["repositories"][0].clone()
}

fn used(server: &TestServer, user: &str) -> usize {
    usize::try_from(shown(server, user)["used_bytes"].as_u64().unwrap()).unwrap()
}

/// Bytes of all files in a user's branch, by asking each of them.
fn held(server: &TestServer, format: &str) -> usize {
    let files = server.get(format).expect(200).json()["artifact_format"]["files"].clone();
    let size = |name: &Value| {
        let path = format!("{format}{}", name.as_str().unwrap());
        let length = server.head(&path).expect(200).header("content-length").unwrap().to_owned();
        length.parse::<usize>().unwrap()
    };
    files.as_array().unwrap().iter().map(size).sum()
}

#[track_caller]
fn is_refusal(answer: Response, used: &str, quota: &str) {
    let answer = answer.with_status(400).has("content-type", "text/plain; charset=utf-8");
    let says = format!("User alice quota exceeded ({used}/{quota}). Please make some");
    assert_eq!(answer.reason, format!("{says} m?nage."), "the status line is ASCII");
    answer.body_is(format!("400: {says} ménage."));
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_sent() {
    let server = server(1_000_000);
    let (old, shared) = (noise(1, 600_000), noise(2, 500_000));
    server.holds("/~alice/branches/b/t/j/f/old", old.clone());
    server.holds("/branches/b/t/j/f/shared", shared.clone());
    // Of these bodies not a byte is sent: the answer comes all the same.
    for header in [
        "Content-Length: 400001",
        "Content-Length: 99999999999999",
        "Content-Size: 400001\r\nTransfer-Encoding: chunked",
    ] {
        let mut upload = server.connect();
        let path = "/~alice/branches/b/t/j/f/new";
        let head = format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        upload.write(head.as_bytes());
        is_refusal(upload.answer_to("PUT"), "600K", "1.0M");
    }
    // Equal content elsewhere gives no credit.
    let link = server.put("/~alice/branches/b/t/j/f/link").linking(&shared);
    is_refusal(link.send(), "600K", "1.0M");
    let known =
        server.put("/~alice/branches/b/t/j/f/known").body(shared.clone()).digest_of(&shared);
    is_refusal(known.send(), "600K", "1.0M");
    // A replacement counts by what it adds, and leaves the old file when it is refused.
    let replacing = server.put("/~alice/branches/b/t/j/f/old").body(noise(3, 1_000_001));
    is_refusal(replacing.send(), "600K", "1.0M");
    server.get("/~alice/branches/b/t/j/f/old").expect(200).body_is(&old);
    server.has_nothing_staged();
    let replacing = server.put("/~alice/branches/b/t/j/f/old").body(noise(4, 1_000_000));
    replacing.expect(201);
    is_refusal(server.put("/~alice/branches/b/t/j/f/one").body("1").send(), "1.0M", "1.0M");
    server.holds("/~alice/branches/b/t/j/f/empty", "");
    server.holds("/~bob/branches/b/t/j/f/a", noise(5, 1_000_000));
    server.holds("/branches/b/t/j/f/a", noise(6, 2_000_000));
    server.delete("/~alice/branches/b/t/").expect(200);
    server.put("/~alice/branches/b/t/j/f/link").linking(&shared).expect(201);
    assert_eq!(used(&server, "alice"), 500_000);
}

#[test]
fn a_body_of_unknown_length_is_refused_at_the_first_byte_too_many() {
    for size in [5000, 300_000] {
        let server = server(size);
        let bytes = noise(1, size);
        let path = "/~alice/branches/b/t/j/f/new";
        let mut upload = server.connect();
        upload.write(format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\n").as_bytes());
        upload.write(b"Transfer-Encoding: chunked\r\n\r\n");
        upload.write_chunk(&bytes);
        upload.write_chunk(b"1");
        // The end of the body never comes.
        let answer = upload.answer_to("PUT").with_status(400);
        assert!(answer.text().contains("quota exceeded"), "{}", answer.text());
        server.has_nothing_staged();
        server.get(path).expect(404);
        // What was reserved is free again.
        server.put(path).chunked(bytes).expect(201);
        assert_eq!(used(&server, "alice"), size);
    }
}

#[test]
fn what_counts_is_the_file_and_not_its_encoding() {
    let server = server(100_000);
    let zipped = |length| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![0; length]).unwrap();
        gzip.finish().unwrap()
    };
    let put = |length| {
        let put = server.put("/~alice/branches/b/t/j/f/zeros").body(zipped(length));
        put.header("Content-Encoding", "gzip").send()
    };
    assert!(put(100_001).with_status(400).text().contains("alice quota exceeded (0/100K)"));
    put(100_000).with_status(201);
    assert_eq!(used(&server, "alice"), 100_000);
}

#[test]
fn an_upload_in_progress_keeps_its_room() {
    let server = server(2 * SIZE);
    let path = |name: &str| format!("/~alice/branches/b/t/j/f/{name}");
    let mut slow = server.connect();
    slow.write(format!("PUT {} HTTP/1.1\r\nHost: localhost\r\n", path("slow")).as_bytes());
    slow.write(format!("Content-Length: {SIZE}\r\n\r\n").as_bytes());
    let bytes = noise(1, SIZE);
    slow.write(&bytes[..100]);
    eventually("the upload", || (server.staged_files() == 1).then_some(()));
    is_refusal(server.put(&path("large")).body(noise(2, SIZE + 1)).send(), "20.0K", "40.0K");
    server.put(&path("fits")).body(noise(3, SIZE)).expect(201);
    is_refusal(server.put(&path("x")).body("x").send(), "40.0K", "40.0K");
    slow.write(&bytes[100..]);
    slow.answer_to("PUT").with_status(201);
    assert_eq!(used(&server, "alice"), 2 * SIZE);
    // One that is broken off gives its room back.
    server.delete("/~alice/branches/b/t/").expect(200);
    let mut cut = server.connect();
    cut.write(format!("PUT {} HTTP/1.1\r\nHost: localhost\r\n", path("cut")).as_bytes());
    cut.write(format!("Content-Length: {}\r\n\r\nx", 2 * SIZE).as_bytes());
    eventually("the upload", || (server.staged_files() == 1).then_some(()));
    server.put(&path("x")).body("x").expect(400);
    drop(cut);
    eventually("its room to be given back", || {
        let answer = server.put(&path("x")).body("x").send();
        (answer.status == 201).then_some(())
    });
}

#[test]
fn five_hundred_uploads_at_once_fill_a_repository_to_the_last_byte() {
    const UPLOADS: usize = 500;
    const FIT: usize = 200;
    let server = server(FIT * SIZE);
    let start = Barrier::new(UPLOADS);
    let put = |number: usize| {
        let path = format!("/~alice/branches/b/t/j/f/{number}");
        let request = server.put(&path).body(noise(u64::try_from(number).unwrap(), SIZE));
        start.wait();
        request.send()
    };
    let put = &put;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..UPLOADS).map(|n| scope.spawn(move || put(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!((made, refused), (FIT, UPLOADS - FIT));
    assert_eq!(
        (used(&server, "alice"), held(&server, "/~alice/branches/b/t/j/f/")),
        (FIT * SIZE, FIT * SIZE)
    );
    is_refusal(server.put("/~alice/branches/b/t/j/f/x").body("x").send(), "4.0M", "4.0M");
}

/// One of many clients: uploads, chunked and not, small and large, new and replacing, links and
/// deletes, all in the user's one repository. Returns what it was told: each file's size.
fn client(server: &TestServer, number: u64, rounds: u64) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    let format = format!("/~alice/branches/b/t/j/f{number}/");
    for round in 0..rounds {
        let step = number * 31 + round * 7;
        let path = format!("{format}{}", step % 4);
        let length = usize::try_from(1 + step * 7919 % 40_000).unwrap();
        let bytes = noise(step, length);
        let request = server.put(&path);
        let answer = match step % 9 {
            0 | 1 | 5 => request.chunked(bytes).send(),
            2 => request.header("Content-Size", &length.to_string()).chunked(bytes).send(),
            3 => {
                // Known somewhere else already: linked.
                server.holds(&format!("/branches/b/t/j/f/{step}"), bytes.clone());
                request.linking(&bytes).send()
            }
            4 if round > 3 => {
                server.delete(&format).send();
                told.clear();
                continue;
            }
            _ => request.body(bytes).send(),
        };
        match answer.status {
            201 => drop(told.insert(path, length)),
            400 => assert!(answer.text().contains("quota exceeded"), "{}", answer.text()),
            status => panic!("{status}: {}", answer.text()),
        }
    }
    told
}

#[test]
fn whatever_happens_at_once_usage_is_exact_and_never_over_the_quota() {
    const CLIENTS: u64 = 25;
    const ROUNDS: u64 = 20;
    const QUOTA: usize = 1_000_000;
    let server = server(QUOTA);
    server.holds("/~alice/branches/b/t/j/f/first", "");
    let over = AtomicBool::new(false);
    let told: Vec<_> = std::thread::scope(|scope| {
        let server = &server;
        let watch = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let page = server.get("/~alice/").expect(200).text();
                let (_, usage) = page.split_once("Disk usage</th><td title=\"").unwrap();
                let bytes: usize = usage.split_once(' ').unwrap().0.parse().unwrap();
                assert!(bytes <= QUOTA, "{bytes} bytes");
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || client(server, number, ROUNDS)))
            .collect();
        let told = clients.into_iter().map(|client| client.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        watch.join().unwrap();
        told
    });
    let told: BTreeMap<_, _> = told.into_iter().flatten().collect();
    let sum: usize = told.values().sum();
    assert!(sum > QUOTA / 2, "only {sum} bytes were uploaded");
    assert_eq!(used(&server, "alice"), sum);
    for (path, length) in told {
        server.head(&path).expect(200).has("content-length", &length.to_string());
    }
}

#[test]
fn quotas_are_shown_and_set_while_the_server_runs_and_while_it_does_not() {
    let mut server = server(5000);
    for online in [true, false] {
        let user = if online { "alice" } else { "bob" };
        server.holds(&format!("/~{user}/branches/b/t/j/f/a"), noise(1, 4000));
        let full = format!("/~{user}/branches/b/t/j/f/b");
        server.put(&full).body(noise(2, 1001)).expect(400);
        if !online {
            server.stop();
        }
        let own = |quota: &str, bytes: Value| {
            let text = server.command(&["quota", "set", user, quota]).succeeds().out;
            assert!(text.contains(&format!("~{user}  4,000 bytes")), "{text}");
            assert_eq!(shown(&server, user)["quota_bytes"], bytes, "{quota}");
        };
        own("7K", json!(7 * 1024));
        own("0", Value::Null);
        own("5001", json!(5001));
        // There is no such repository yet: it is made, by its canonical name.
        server.command(&["quota", "set", "Carol", "1M"]).succeeds();
        assert_eq!(shown(&server, "carol")["quota_bytes"], 1 << 20);
        server.command(&["quota", "show", "nobody"]).exits(1);
        let all = server.command(&["quota", "show"]).succeeds().out;
        assert!(all.contains("~carol  0 bytes used") && all.contains("its own"), "{all}");
        for bad in ["much", "-1", "1.5G", ""] {
            server.command(&["quota", "set", user, bad]).exits(2);
        }
        server.command(&["quota", "set", "../x", "1"]).exits(2).complains(&["no such name"]);
        if !online {
            server.start_again();
        }
        server.put(&full).body(noise(2, 1001)).expect(201);
        server.command(&["quota", "set", user, "default"]).succeeds();
        assert_eq!(shown(&server, user)["available_bytes"], 0);
        // What is there stays, also when it is more; it may shrink.
        server.get(&full).expect(200);
        server.put(&full).body(noise(3, 1002)).expect(400);
        server.put(&full).body(noise(3, 1000)).expect(201);
    }
    server.restart();
    assert_eq!((used(&server, "alice"), used(&server, "bob")), (5000, 5000));
}

#[test]
fn the_variable_of_dlrepo_sets_the_quota_and_zero_is_none() {
    let server = TestServer::swept_at_once().variable("DLREPO_USER_QUOTA", "100").start();
    server.put("/~alice/branches/b/t/j/f/a").body(noise(1, 101)).expect(400);
    server.put("/~alice/branches/b/t/j/f/a").body(noise(1, 100)).expect(201);
    let server = TestServer::swept_at_once().variable("DLREPO_USER_QUOTA", "0").start();
    server.put("/~alice/branches/b/t/j/f/a").body(noise(1, 101)).expect(201);
    assert_eq!(shown(&server, "alice")["quota_bytes"], Value::Null);
}
