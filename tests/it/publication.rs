//! Release to other servers: two or more real ones on loopback (spec dlrepo §12, appendix B).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::publishing::{
    TAG, digest, failure, is_released, is_withdrawn, job, lock, publications, set, shown, source,
    status,
};
use super::harness::{TestServer, eventually, noise};

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

    server.get("/-/publications?limit=many").expect(400).says("limit is a number up to 10000");
    server.post("/-/publications").expect(405).has("allow", "GET,HEAD");
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
fn of_wishes_that_come_at_once_the_last_one_counts() {
    let target = TestServer::start();
    let server = source(&[&target]).start();
    let large = noise(1, 1 << 20);
    let mut deleted = 0;
    for round in 0..20 {
        if server.get(TAG).send().status == 404 {
            job(&server, TAG, "j", &[("a", &large), ("b", b"b")]);
        }
        std::thread::scope(|scope| {
            for number in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    let wish = json!({"tag": {"released": number % 2 == 0}});
                    let wished = server.post(TAG).json(&wish).send();
                    assert!(matches!(wished.status, 200 | 404), "{}", wished.text());
                    let asked = server.delete(TAG).send();
                    if asked.status == 400 {
                        asked.says("Tag t is released, unrelease it first");
                    } else {
                        assert!(matches!(asked.status, 200 | 404), "{}", asked.text());
                    }
                });
            }
        });
        if server.get(TAG).send().status == 404 {
            // It could only be deleted because it was taken back before.
            target.get(TAG).expect(404);
            assert!(publications(&server).is_empty());
            deleted += 1;
        } else if round % 2 == 0 {
            set(&server, TAG, true);
            is_released(&server, TAG);
            assert_eq!(digest(&server, "/branches/b/t/j/"), digest(&target, "/branches/b/t/j/"));
        } else {
            set(&server, TAG, false);
            is_withdrawn(&server, TAG);
            target.get(TAG).expect(404);
        }
    }
    eprintln!("deleted in {deleted} of 20 rounds");
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
    // What the other one has under that name is not ours to take back.
    two.holds("/branches/b/t/own/f/a", "own");
    set(&server, TAG, false);
    is_withdrawn(&server, TAG);
    one.get(TAG).expect(404);
    two.get("/branches/b/t/own/f/a").expect(200);
    assert_eq!(fs::read_to_string(&said).unwrap().lines().count(), 4);
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
    let said = failure(&server, TAG);
    assert!(said.contains("publish.auth") && !said.contains('/'), "{said}");
    fs::write(&auth, "robot:se:cret\n").unwrap();
    is_released(&server, TAG);
    assert!(!server.log().contains("se:cret"));
}

/// Both servers know their people: what is sent is sent as an account of the target, with a token
/// as its password, and so is what is linked after a break.
#[test]
fn between_servers_where_people_log_in_a_token_is_the_password() {
    let scratch = tempfile::tempdir().unwrap();
    let rules = scratch.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("publishers"), "rad /branches/b/**\n").unwrap();
    let target = TestServer::with_people().with("acls-dir", rules.to_str().unwrap()).start();
    target.has_user("robot", &["publishers"]);
    let token = target.token_of("robot", "api");
    let auth = scratch.path().join("auth");
    fs::write(&auth, "robot:no such password\n").unwrap();
    let server =
        source(&[&target]).with("auth", "on").with("publish-auth", auth.to_str().unwrap()).start();
    let put = |path: &str, content: &'static [u8]| {
        let path = format!("{TAG}{path}");
        server.as_admin(server.put(&path)).body(content).expect(201);
    };
    let say = |request: Request, what: &Value| {
        server.as_admin(request).json(what).expect(200);
    };
    put("j/f/a", b"some bytes");
    put("j/f/b", b"some bytes");
    put("j/f/c", b"other bytes");
    server.as_admin(server.patch(&format!("{TAG}j/f/"))).expect(200);
    let metadata = json!({"job": {"product": "p", "product_variant": "v",
        "product_branch": "b", "version": "1"}});
    say(server.patch(&format!("{TAG}j/")), &metadata);
    say(server.put(&format!("{TAG}j/")), &json!({"job": {"locked": true}}));
    let tag = || server.as_admin(server.get(TAG)).expect(200).json()["tag"].clone();
    let has_status = |words: &str| {
        eventually(words, || {
            let tag = tag();
            tag["publish_status"].as_str().unwrap_or("").contains(words).then_some(tag)
        })
    };
    say(server.post(TAG), &json!({"tag": {"released": true}}));
    let refused = has_status("401 Unauthorized");
    assert_eq!(refused["released"], false);
    fs::write(&auth, format!("robot:{token}\n")).unwrap();
    assert_eq!(has_status("published to ")["released"], true);
    let there = |path: &str| target.as_admin(target.get(path));
    assert_eq!(there("/products/p/v/b/1/f/b").expect(200).body, b"some bytes");
    there(&format!("{TAG}j/f/c")).expect(200);
    target.get(&format!("{TAG}j/f/c")).expect(401);
    say(server.post(TAG), &json!({"tag": {"released": false}}));
    eventually("the tag to be taken back", || (tag()["released"] == false).then_some(()));
    there(TAG).expect(404);
    for log in [server.log(), target.log()] {
        assert!(!log.contains(&token) && !log.contains("no such password"));
    }
}

#[test]
fn what_only_one_target_has_of_a_tag_can_be_taken_back_there() {
    let (one, two) = (TestServer::start(), TestServer::start());
    let server = source(&[&one, &two]).start();
    one.holds(&format!("{TAG}old/f/a"), "from an earlier release");
    server.holds(&format!("{TAG}j/f/a"), "not locked");
    set(&server, TAG, true);
    is_released(&server, TAG);
    let expected = format!("published to {} without j, not locked", one.url(""));
    assert_eq!(status(&server, TAG), expected);
    server.delete(TAG).expect(400);
    set(&server, TAG, false);
    is_withdrawn(&server, TAG);
    one.get(TAG).expect(404);
}
