//! Release to other servers: two or more real ones on loopback (spec dlrepo §12, appendix B).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::harness::server::Builder;
use super::harness::{TestServer, digest_of, eventually, noise};

/// A server that publishes to `targets`, trying again at once.
fn source(targets: &[&TestServer]) -> Builder {
    let urls: Vec<_> = targets.iter().map(|target| target.url("/")).collect();
    TestServer::swept_at_once().with("publish-url", &urls.join(", ")).with("publish-retry", "50ms")
}

/// A locked job with these files in one format.
fn job(server: &TestServer, tag: &str, job: &str, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        server.holds(&format!("{tag}{job}/f/{path}"), *content);
    }
    server.patch(&format!("{tag}{job}/f/")).expect(200);
    lock(server, &format!("{tag}{job}/"));
}

fn lock(server: &TestServer, job: &str) {
    server.put(job).json(&json!({"job": {"locked": true}})).expect(200);
}

fn set(server: &TestServer, tag: &str, released: bool) {
    server.post(tag).json(&json!({"tag": {"released": released}})).expect(200).without_body();
}

fn shown(server: &TestServer, tag: &str) -> Value {
    server.get(tag).expect(200).json()["tag"].clone()
}

fn status(server: &TestServer, tag: &str) -> String {
    shown(server, tag)["publish_status"].as_str().unwrap_or("").to_owned()
}

fn is_released(server: &TestServer, tag: &str) {
    eventually(&format!("{tag} to be released"), || {
        let tag = shown(server, tag);
        let status = tag["publish_status"].as_str().unwrap_or_default();
        (tag["released"] == true && status.starts_with("published to ")).then_some(())
    });
}

fn is_withdrawn(server: &TestServer, tag: &str) {
    eventually(&format!("{tag} to be taken back"), || {
        let tag = shown(server, tag);
        (tag["released"] == false && tag["publish_status"].is_null()).then_some(())
    });
}

fn publications(server: &TestServer) -> Vec<Value> {
    let page = server.get("/-/publications").expect(200).json();
    page["publications"].as_array().unwrap().clone()
}

fn digest(server: &TestServer, job: &str) -> String {
    server.get(job).expect(200).json()["job"]["digest"].as_str().unwrap().to_owned()
}

const TAG: &str = "/branches/b/t/";

#[test]
fn a_tag_is_published_whole_and_taken_back() {
    let target = TestServer::start();
    let server = source(&[&target]).with("internal-format-filter", "^debug").start();
    let large = noise(1, 300_000);
    job(&server, TAG, "j1", &[("small", b"s"), ("sub/large", &large), ("twice", b"s")]);
    server.holds("/branches/b/t/j2/debug/symbols", "internal");
    server.holds("/branches/b/t/j2/f/a", "a");
    server.patch("/branches/b/t/j2/debug/").expect(200);
    server.patch("/branches/b/t/j2/f/").expect(200);
    server.patch("/branches/b/t/j2/").json(&json!({"job": {"arch": "x86", "k": "ö"}})).expect(200);
    lock(&server, "/branches/b/t/j2/");
    server.put("/branches/b/t/j3/f/secret").body("internal").expect(201);
    server.patch("/branches/b/t/j3/f/").expect(200);
    let internal = json!({"job": {"internal": true, "locked": true}});
    server.put("/branches/b/t/j3/").json(&internal).expect(200);
    server.holds("/branches/b/t/j4/f/open", "not locked");

    set(&server, TAG, true);
    is_released(&server, TAG);
    let url = target.url("");
    assert_eq!(status(&server, TAG), format!("published to {url} without j4, not locked"));
    let there = shown(&target, TAG);
    let names: Vec<_> = there["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["j1", "j2"]);
    assert_eq!((&there["released"], &there["publish_status"]), (&json!(false), &Value::Null));
    for path in ["/branches/b/t/j1/", "/branches/b/t/j2/"] {
        assert_eq!(digest(&target, path), digest(&server, path));
        assert!(!digest(&server, path).is_empty());
    }
    let j2 = target.get("/branches/b/t/j2/").expect(200).json();
    assert_eq!((&j2["job"]["arch"], &j2["job"]["k"]), (&json!("x86"), &json!("ö")));
    assert_eq!(
        (&j2["job"]["locked"], &j2["job"]["artifact_formats"]),
        (&json!(true), &json!(["f"]))
    );
    assert!(target.get("/branches/b/t/j1/f/sub/large").expect(200).body == large);
    target.get("/branches/b/t/j1/f/twice").expect(200).body_is("s");
    let sums = |server: &TestServer| server.get("/branches/b/t/j1/f.sha256").expect(200).text();
    assert_eq!(sums(&server), sums(&target));
    let jobs = shown(&server, TAG)["jobs"].as_array().unwrap().clone();
    let sent: Vec<_> = jobs.iter().map(|job| job["released"] == true).collect();
    assert_eq!(sent, [true, true, false, false]);
    let log = target.log();
    assert!(log.contains("DELETE /branches/b/t/j3/ 404"), "an internal job is removed there");

    let line = &publications(&server)[0];
    assert_eq!(
        (&line["tag"], &line["wish"], &line["due"]),
        (&json!(TAG), &json!("released"), &Value::Null)
    );
    let size = 1 + 300_000 + 1 + 1;
    assert_eq!(line["targets"][0]["done"], json!({"files": 4, "bytes": size}));

    server.delete(TAG).expect(400).says("Tag t is released, unrelease it first");
    server.delete("/branches/b/").expect(400).says("Tag t is released, unrelease it first");
    set(&server, TAG, false);
    is_withdrawn(&server, TAG);
    target.get(TAG).expect(404);
    assert!(shown(&server, TAG)["jobs"].as_array().unwrap().iter().all(|j| j["released"] == false));
    assert!(publications(&server).is_empty());
    server.delete(TAG).expect(200);
}

#[test]
fn a_second_release_sends_what_changed() {
    let target = TestServer::with("lease", "1h").start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j1", &[("a", b"one")]);
    job(&server, TAG, "j2", &[("b", b"two")]);
    set(&server, TAG, true);
    is_released(&server, TAG);
    let before = digest(&target, "/branches/b/t/j1/");
    server.post("/branches/b/t/j1/").json(&json!({"job": {"locked": false}})).expect(200);
    job(&server, TAG, "j1", &[("a", b"other"), ("new", b"one")]);
    set(&server, TAG, true);
    eventually("the new content", || {
        let asked = target.get("/branches/b/t/j1/f/a").send();
        (asked.status == 200 && asked.text() == "other").then_some(())
    });
    is_released(&server, TAG);
    assert_ne!(digest(&target, "/branches/b/t/j1/"), before);
    assert_eq!(digest(&target, "/branches/b/t/j1/"), digest(&server, "/branches/b/t/j1/"));
    target.get("/branches/b/t/j1/f/new").expect(200).body_is("one");
    let log = target.log();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("PUT /branches/b/t/j2/f/b 201"), 1, "what is there is not sent again");
    assert_eq!(count("DELETE /branches/b/t/j1/ 200"), 1);
    assert_eq!(count("HEAD /branches/b/t/j1/f/new 200"), 1, "known bytes are linked");
}

#[test]
fn names_of_any_kind_arrive() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    let tag = "/~zo%C3%AB/branches/a%20b/50%25%23%3F/";
    job(&server, tag, "x.tar", &[("Sub%20dir/a%2Bb%23c%3Fd%25e%26.txt", b"odd"), ("plain+", b"p")]);
    set(&server, tag, true);
    is_released(&server, tag);
    target
        .get(&format!("{tag}x.tar/f/Sub%20dir/a%2Bb%23c%3Fd%25e%26.txt"))
        .expect(200)
        .body_is("odd");
    target.get(&format!("{tag}x.tar/f/plain+")).expect(200).body_is("p");
    let job = format!("{tag}x.tar/");
    assert_eq!(digest(&server, &job), digest(&target, &job));
    assert_eq!(publications(&server)[0]["tag"], "/~zoë/branches/a b/50%#?/");
    set(&server, tag, false);
    is_withdrawn(&server, tag);
    target.get(tag).expect(404);
}

#[test]
fn a_large_file_is_streamed() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    let large = noise(7, 64 << 20);
    job(&server, TAG, "j", &[("large", &large)]);
    set(&server, TAG, true);
    is_released(&server, TAG);
    assert!(target.get("/branches/b/t/j/f/large").expect(200).body == large);
}

#[test]
fn a_target_that_is_down_is_tried_again() {
    let mut target = TestServer::start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    let port = target.address().to_string();
    target.stop();
    set(&server, TAG, true);
    let said = eventually("a failure", || {
        Some(status(&server, TAG)).filter(|status| status.starts_with("error: "))
    });
    assert!(said.contains(&format!("GET http://{port}/branches/b/t/j/: ")), "{said}");
    assert_eq!(shown(&server, TAG)["released"], false);
    server.delete(TAG).expect(400).says("Tag t is released, unrelease it first");
    let tries = || publications(&server)[0]["attempts"].as_u64().unwrap();
    eventually("more tries", || (tries() >= 3).then_some(()));
    let line = &publications(&server)[0];
    assert!(line["due"].as_u64().is_some());
    assert_eq!(line["targets"][0]["state"], "failed");
    target.start_again_at(&port);
    is_released(&server, TAG);
    target.get("/branches/b/t/j/f/a").expect(200);
    assert_eq!(tries(), 0);
}

#[test]
fn of_two_targets_one_may_fail_and_the_other_has_it() {
    let one = TestServer::start();
    let mut two = TestServer::start();
    let server = source(&[&two, &one]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    let port = two.address().to_string();
    two.stop();
    set(&server, TAG, true);
    eventually("the one that works", || {
        (one.get("/branches/b/t/j/f/a").send().status == 200).then_some(())
    });
    eventually("the failure", || status(&server, TAG).starts_with("error: ").then_some(()));
    assert_eq!(shown(&server, TAG)["released"], false, "not on all of them");
    let states: Vec<_> = eventually("both states", || {
        let line = publications(&server).remove(0);
        let states = line["targets"].as_array()?.iter().map(|t| t["state"].clone()).collect();
        Some(states).filter(|states: &Vec<Value>| states == &[json!("failed"), json!("done")])
    });
    assert_eq!(states.len(), 2);
    two.start_again_at(&port);
    is_released(&server, TAG);
    assert_eq!(status(&server, TAG), format!("published to {},{}", two.url(""), one.url("")));
    two.stop();
    set(&server, TAG, false);
    eventually("the failure", || status(&server, TAG).starts_with("error: ").then_some(()));
    assert_eq!(shown(&server, TAG)["released"], true, "it is still somewhere");
    one.get(TAG).expect(404);
    two.start_again_at(&port);
    is_withdrawn(&server, TAG);
    two.get(TAG).expect(404);
}

#[test]
fn killed_on_either_side_it_is_completed() {
    for side in ["source", "target"] {
        let mut target = TestServer::with("lease", "1h").start();
        let mut server = source(&[&target]).with("publish-max-requests", "2").start();
        for number in 0..4 {
            let large = noise(number, 6 << 20);
            let name = format!("j{number}");
            job(&server, TAG, &name, &[("a", &large), ("b", b"b"), ("c", &large[..3 << 20])]);
        }
        let port = target.address().to_string();
        set(&server, TAG, true);
        for round in 0..3 {
            let seen = format!("PUT /branches/b/t/j{round}/f/");
            eventually("the next job", || target.log().contains(&seen).then_some(()));
            if side == "source" {
                server.kill9();
                server.start_again();
            } else {
                target.kill9();
                target.start_again_at(&port);
            }
        }
        is_released(&server, TAG);
        for number in 0..4 {
            let path = format!("/branches/b/t/j{number}/");
            assert_eq!(digest(&server, &path), digest(&target, &path), "{side}");
        }
    }
}

#[test]
fn a_stop_in_the_middle_is_quick_and_goes_on() {
    let target = TestServer::start();
    let mut server = source(&[&target]).with("publish-timeout", "10s").start();
    job(&server, TAG, "j", &[("a", &noise(1, 32 << 20))]);
    set(&server, TAG, true);
    eventually("the upload", || (target.staged_files() > 0).then_some(()));
    server.restart();
    is_released(&server, TAG);
    target.has_nothing_staged();
}

#[test]
fn of_wishes_that_come_at_once_the_last_one_counts() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", &noise(1, 1 << 20)), ("b", b"b")]);
    for round in 0..10 {
        std::thread::scope(|scope| {
            for number in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    set(server, TAG, number % 2 == 0);
                    let refused = server.delete(TAG).expect(400);
                    refused.says("Tag t is released, unrelease it first");
                });
            }
        });
        if round % 2 == 0 {
            set(&server, TAG, true);
            is_released(&server, TAG);
            assert_eq!(digest(&server, "/branches/b/t/j/"), digest(&target, "/branches/b/t/j/"));
        } else {
            set(&server, TAG, false);
            is_withdrawn(&server, TAG);
            target.get(TAG).expect(404);
        }
    }
}

#[test]
fn a_policy_takes_released_tags_back_before_it_deletes_them() {
    let mut target = TestServer::start();
    let server = source(&[&target]).start();
    let tag = |number| format!("/branches/b/t{number}/");
    for number in 1..=3 {
        job(&server, &tag(number), "j", &[("a", format!("{number}").as_bytes())]);
        set(&server, &tag(number), true);
        is_released(&server, &tag(number));
    }
    let policy = json!({"branch": {"max_released_tags": 1}});
    server.post("/branches/b/").json(&policy).expect(200);
    job(&server, "/branches/other/t1/", "j", &[("a", b"other")]);
    job(&server, "/branches/other/t2/", "j", &[("a", b"other")]);
    server.post("/branches/other/").json(&json!({"branch": {"max_daily_tags": 1}})).expect(200);
    let port = target.address().to_string();
    target.stop();
    let run = server.sweep_and_wait();
    assert_eq!(run["error_count"], 0, "a target that is down is no trouble for the sweep");
    server.get("/branches/other/t1/").expect(404);
    for number in 1..=3 {
        server.get(&tag(number)).expect(200);
    }
    target.start_again_at(&port);
    for number in 1..=2 {
        eventually("the tags to go", || {
            (server.get(&tag(number)).send().status == 404).then_some(())
        });
        target.get(&tag(number)).expect(404);
    }
    server.get(&tag(3)).expect(200);
    target.get(&tag(3)).expect(200);
    eventually("their space", || {
        (server.get("/-/stats").expect(200).json()["numbers"]["tags"] == 2).then_some(())
    });
}

#[test]
fn a_filter_command_leaves_targets_out() {
    let (one, two) = (TestServer::start(), TestServer::start());
    let scratch = tempfile::tempdir().unwrap();
    let (script, said) = (scratch.path().join("filter"), scratch.path().join("said"));
    let text = format!(
        "#!/bin/sh\necho \"$1 $LARDER_PATH $LARDER_BRANCH $LARDER_TAG $(ls)\" >> {}\n\
         [ \"$1\" = {} ]\n",
        said.display(),
        one.url("")
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let filter = script.to_str().unwrap();
    let server = source(&[&one, &two]).with("publish-filter-cmd", filter).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    is_released(&server, TAG);
    assert_eq!(status(&server, TAG), format!("published to {}", one.url("")));
    one.get("/branches/b/t/j/f/a").expect(200);
    two.get(TAG).expect(404);
    let lines = fs::read_to_string(&said).unwrap();
    let told: Vec<_> = lines.lines().map(str::trim_end).collect();
    let line = |server: &TestServer| format!("{} {TAG} b t", server.url(""));
    assert_eq!(told, [line(&one), line(&two)]);
    // All of them left out: nothing was published, and that is no failure.
    fs::write(&script, "#!/bin/sh\nexit 1\n").unwrap();
    job(&server, "/branches/b/u/", "j", &[("a", b"a")]);
    set(&server, "/branches/b/u/", true);
    is_withdrawn(&server, "/branches/b/u/");
    one.get("/branches/b/u/").expect(404);
}

#[test]
fn a_tag_without_locked_jobs_is_not_released() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    server.holds("/branches/b/t/j/f/a", "a");
    set(&server, TAG, true);
    eventually("the end", || {
        (status(&server, TAG) == "nothing to publish: j not locked").then_some(())
    });
    assert_eq!(shown(&server, TAG)["released"], false);
    target.get("/branches/b/").expect(404);
    server.delete(TAG).expect(200);
}

#[test]
fn the_login_is_sent_and_a_bad_file_is_told_without_its_path() {
    let target = TestServer::start();
    let scratch = tempfile::tempdir().unwrap();
    let auth = scratch.path().join("auth");
    let server = source(&[&target]).with("publish-auth", auth.to_str().unwrap()).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    let said = eventually("a failure", || {
        Some(status(&server, TAG)).filter(|status| status.starts_with("error: "))
    });
    assert!(said.contains("publish.publish_auth") && !said.contains('/'), "{said}");
    fs::write(&auth, "robot:se:cret\n").unwrap();
    is_released(&server, TAG);
    assert!(!server.log().contains("se:cret"));
}

#[test]
fn a_target_that_computes_another_digest_has_not_got_it() {
    let mut target = TestServer::with("internal-format-filter", "^f").start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    let said = eventually("a failure", || {
        Some(status(&server, TAG)).filter(|status| status.starts_with("error: "))
    });
    let here = digest(&server, "/branches/b/t/j/");
    assert!(said.contains("/branches/b/t/j/ has the digest \""), "{said}");
    assert!(said.contains(&format!("\" instead of {here}")), "{said}");
    assert_eq!(shown(&server, TAG)["released"], false);
    let address = target.address().to_string();
    target.stop();
    target.change("internal-format-filter", "^debug");
    target.start_again_at(&address);
    is_released(&server, TAG);
    assert_eq!(digest(&target, "/branches/b/t/j/"), here);
}

#[test]
fn what_the_target_protects_is_not_taken_back_and_that_is_told() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    job(&server, TAG, "j", &[("a", b"a")]);
    set(&server, TAG, true);
    is_released(&server, TAG);
    target.post(TAG).json(&json!({"tag": {"locked": true}})).expect(200);
    set(&server, TAG, false);
    let said = eventually("a failure", || {
        Some(status(&server, TAG)).filter(|status| status.starts_with("error: "))
    });
    let url = target.url(TAG);
    let why = "the target answered 400 Bad Request: 400: Tag t is locked";
    assert_eq!(said, format!("error: DELETE {url}: {why}"));
    assert_eq!(shown(&server, TAG)["released"], true);
    target.post(TAG).json(&json!({"tag": {"locked": false}})).expect(200);
    is_withdrawn(&server, TAG);
}

#[test]
fn damaged_bytes_are_not_published() {
    let target = TestServer::start();
    let server = source(&[&target]).expecting("its file cannot be read").start();
    let content = noise(3, 1 << 20);
    job(&server, TAG, "j", &[("a", &content)]);
    let shard = &digest_of(&content)["sha256:".len()..][..2];
    let folder = server.data().join("blobs").join(shard);
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut damaged = content.clone();
    damaged[700_000] ^= 1;
    fs::write(&file, damaged).unwrap();
    set(&server, TAG, true);
    let said = eventually("a failure", || {
        Some(status(&server, TAG)).filter(|status| status.starts_with("error: "))
    });
    assert!(said.contains("damaged here"), "{said}");
    target.get("/branches/b/t/j/f/a").expect(404);
    fs::write(&file, content).unwrap();
    is_released(&server, TAG);
    target.has_nothing_staged();
}

#[test]
fn targets_that_are_taken_out_of_the_settings_are_not_waited_for() {
    let target = TestServer::start();
    let mut server = source(&[&target]).start();
    let tags = ["/branches/b/t/", "/branches/b/u/", "/branches/b/v/"];
    for tag in tags {
        job(&server, tag, "j", &[("a", b"a")]);
    }
    set(&server, tags[0], true);
    is_released(&server, tags[0]);
    server.stop();
    server.change("publish-url", "http://127.0.0.1:9");
    server.start_again();
    set(&server, tags[1], true);
    set(&server, tags[2], false);
    for tag in &tags[1..] {
        eventually("a failure", || status(&server, tag).starts_with("error: ").then_some(()));
    }
    server.stop();
    server.forget("publish-url");
    server.start_again();
    eventually("a flag", || (shown(&server, tags[1])["released"] == true).then_some(()));
    is_withdrawn(&server, tags[2]);
    for tag in tags {
        set(&server, tag, false);
        assert_eq!(shown(&server, tag)["publish_status"], Value::Null);
    }
    server.delete("/branches/b/").expect(200);
    target.get("/branches/b/t/").expect(200);
}
