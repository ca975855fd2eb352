//! `/products/…`: versions that jobs feed by their metadata (spec dlrepo §10, §17 items 13, 22).

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::harness::{Response, TestServer, digest_of, noise};

const PRODUCT_BRANCH: &str = "/products/p/v/b/";
const VERSION: &str = "/products/p/v/b/1.0/";

fn metadata(version: &str) -> Value {
    let keys = json!({
        "product": "P", "product_variant": "v", "product_branch": "b", "version": version
    });
    json!({ "job": keys })
}

/// Lets a job feed a version.
fn feed(server: &TestServer, job: &str, version: &str) {
    server.patch(job).json(&metadata(version)).expect(200).without_body();
}

/// A server with a version that one job feeds with one finished format.
fn with_version() -> TestServer {
    version_on(TestServer::start())
}

fn version_on(server: TestServer) -> TestServer {
    server.holds("/branches/main/t/j/f/a.txt", "content");
    server.patch("/branches/main/t/j/f/").expect(200);
    feed(&server, "/branches/main/t/j/", "1.0");
    server
}

fn versions(server: &TestServer) -> Vec<Value> {
    let page = server.get(PRODUCT_BRANCH).send();
    if page.status == 404 {
        return Vec::new();
    }
    page.json()["product_branch"]["versions"].as_array().unwrap().clone()
}

fn formats(server: &TestServer) -> Value {
    server.get(VERSION).expect(200).json()["version"]["artifact_formats"].clone()
}

#[test]
fn each_level_is_listed_as_the_spec_says() {
    let server = with_version();
    server.holds("/branches/main/t/k/g/b.txt", "other");
    feed(&server, "/branches/main/t/k/", "1.0");
    feed(&server, "/branches/main/t/m/", "0.9");
    server.get("/products/").expect(200).body_is(r#"{"products": [{"name": "p"}]}"#);
    let page = r#"{"product": {"name": "p", "product_variants": [{"name": "v"}]}}"#;
    server.get("/products/p/").expect(200).body_is(page);
    let page = r#"{"product_variant": {"name": "v", "product_branches": [{"name": "b"}]}}"#;
    server.get("/products/p/v/").expect(200).body_is(page);
    let page = r#"{"version": {"name": "1.0", "artifact_formats": ["f", "g"]}}"#;
    server.get(VERSION).expect(200).body_is(page);
    let page = server.get(PRODUCT_BRANCH).expect(200);
    let [older, newer] = &versions(&server)[..] else { panic!("{}", page.text()) };
    assert!(older["timestamp"].as_f64() > newer["timestamp"].as_f64());
    let text = format!(
        "{{\"product_branch\": {{\"name\": \"b\", \"versions\": [{{\"name\": \"0.9\", \
         \"timestamp\": {}, \"locked\": false, \"released\": false, \"stable\": false}}, \
         {{\"name\": \"1.0\", \"timestamp\": {}, \"locked\": false, \"released\": false, \
         \"stable\": false}}]}}}}",
        older["timestamp"], newer["timestamp"]
    );
    page.body_is(text);
    for level in ["/products/p", "/products/p/v", "/products/p/v/b", "/products/p/v/b/1.0"] {
        server.get(level).expect(302).has("location", &format!("{level}/"));
    }
    // An unfinished set of keys feeds nothing.
    let fewer = json!({"job": {"product": "q", "product_variant": "v", "version": "1"}});
    server.patch("/branches/main/t/n/").json(&fewer).expect(200);
    server.get("/products/q/").expect(404).says("/products/q/ does not exist");
}

#[test]
fn absent_levels_are_404_and_the_root_never_is() {
    let server = TestServer::start();
    server.get("/products/").expect(200).body_is(r#"{"products": []}"#);
    server.get("/~eve/products/").expect(200).body_is(r#"{"products": []}"#);
    server.get("/products").expect(302).has("location", "/products/");
    for path in ["/products/p/", "/products/p", "/products/p/v/", PRODUCT_BRANCH, VERSION] {
        server.get(path).expect(404);
        server.head(path).expect(404);
    }
    for path in ["x.tar", "x", "x/latest/", "latest/", "x/f", "x/f/", "x/f.tar", "x/f/y"] {
        server.get(&format!("{PRODUCT_BRANCH}{path}")).expect(404);
    }
}

#[test]
fn files_are_served_as_those_of_the_job() {
    let server = with_version();
    let format = format!("{VERSION}f");
    let file = format!("{VERSION}f/a.txt");
    let only = server.get(&format).expect(302).has("location", &file);
    only.has("content-disposition", "attachment; filename=a.txt");
    server.head(&format).expect(302).has("location", &file);
    let digest = digest_of("content");
    let got = server.get(&file).expect(200).has("digest", &digest).body_is("content");
    server.head(&file).expect(200).has("etag", got.header("etag").unwrap());
    server.get(&file).header("Range", "bytes=1-3").expect(206).body_is("ont");
    let sum = &digest["sha256:".len()..];
    server.get(&format!("{format}.sha256")).expect(200).body_is(format!("{sum}  a.txt\n"));
    server.get(&format!("{file}.sha256")).expect(200).body_is(format!("{sum}  a.txt\n"));
    let list = server.get(&format!("{format}/")).expect(200);
    list.json_is(&server.get("/branches/main/t/j/f/").expect(200).json());
    server.head(&format!("{format}/")).expect(200).without_body();
    server.holds("/branches/main/t/j/f/dir/b", "b");
    server.get(&format!("{VERSION}f/dir/b")).expect(200).body_is("b");
    server.head(&format!("{format}/")).expect(404);
    let dirty = server.get(&format).expect(404);
    assert!(!dirty.text().contains("branches"), "{}", dirty.text());
}

#[test]
fn what_is_absent_is_named_as_it_was_asked_for() {
    let server = with_version();
    for path in ["f/none", "f/a.txt/below", "f/dir/", "none", "none/", "none.sha256", "none.tar"] {
        let path = format!("{VERSION}{path}");
        let answer = server.get(&path).expect(404);
        assert!(!answer.text().contains("branches"), "{}", answer.text());
        assert!(answer.text().contains("/products/p/v/b/1.0/"), "{}", answer.text());
    }
}

#[test]
fn nothing_is_changed_by_way_of_products() {
    let server = with_version();
    let uploading = "Uploading products is not supported";
    for path in ["f/a.txt", "new/x", "f/a/b"] {
        server.put(&format!("{VERSION}{path}")).body("x").expect(400).says(uploading);
    }
    server.put("/products/p/v/b/latest/f/x").body("x").expect(400).says(uploading);
    let deleting = "Deleting product formats is not supported";
    server.delete(&format!("{VERSION}f/")).expect(400).says(deleting);
    server.patch(&format!("{VERSION}f/")).expect(405).has("allow", "GET");
    for method in ["DELETE", "POST", "PUT", "PATCH"] {
        for path in ["/products/", "/products/p/", "/products/p/v/", PRODUCT_BRANCH, VERSION] {
            server.ask(method, path).expect(405).has("allow", "GET");
        }
    }
    assert_eq!(formats(&server), json!(["f"]));
}

#[test]
fn formats_that_come_later_appear_at_once_and_go_with_the_job() {
    let server = with_version();
    server.holds("/branches/main/t/j/late/x", "x");
    assert_eq!(formats(&server), json!(["f", "late"]));
    server.get(&format!("{VERSION}late/x")).expect(200).body_is("x");
    server.delete("/branches/main/t/j/f/").expect(200);
    assert_eq!(formats(&server), json!(["late"]));
    server.delete("/branches/main/t/j/late/").expect(200);
    // A version without formats is there as long as a job names it.
    assert_eq!(formats(&server), json!([]));
    server.delete("/branches/main/t/j/").expect(200);
    server.get(VERSION).expect(404);
    server.get("/products/").expect(200).json_is(&json!({"products": []}));
}

#[test]
fn a_deleted_tag_or_branch_takes_its_part_of_each_version_along_at_once() {
    for whole in ["/branches/main/t/", "/branches/main/"] {
        let server = with_version();
        server.holds("/branches/other/t/j/g/x", "x");
        feed(&server, "/branches/other/t/j/", "1.0");
        let before = versions(&server)[0]["timestamp"].clone();
        server.delete(whole).expect(200);
        assert_eq!(formats(&server), json!(["g"]));
        server.get(&format!("{VERSION}f/a.txt")).expect(404);
        assert_eq!(versions(&server)[0]["timestamp"], before);
        server.delete("/branches/other/").expect(200);
        server.get("/products/").expect(200).json_is(&json!({"products": []}));
        // It can be fed again, and is a new one.
        server.holds("/branches/main/t/j/f/a.txt", "content");
        feed(&server, "/branches/main/t/j/", "1.0");
        assert!(versions(&server)[0]["timestamp"].as_f64() > before.as_f64());
    }
}

#[test]
fn a_version_keeps_its_time_as_long_as_anything_feeds_it() {
    let server = with_version();
    let before = versions(&server)[0]["timestamp"].clone();
    feed(&server, "/branches/main/t/j/", "1.0");
    server.patch("/branches/main/t/j/").json(&json!({"job": {"other": "x"}})).expect(200);
    server.put("/branches/main/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    assert_eq!(versions(&server)[0]["timestamp"], before);
    feed(&server, "/branches/main/t/k/", "1.0");
    server.delete("/branches/main/t/j/").expect(200);
    assert_eq!(versions(&server)[0]["timestamp"], before);
    // A job that goes over to another version leaves this one.
    feed(&server, "/branches/main/t/k/", "2.0");
    server.get(VERSION).expect(404);
    server.patch("/branches/main/t/k/").json(&json!({"job": {"version": ""}})).expect(200);
    assert_eq!(versions(&server), Vec::<Value>::new());
}

/// The conflict's answer, and that nothing was changed.
fn refused(server: &TestServer, answer: &Response) {
    let text = answer.text();
    assert!(text.contains("format f ") && text.contains("/branches/main/t/j/"), "{text}");
    assert!(!text.contains(server.data().to_str().unwrap()), "{text}");
    assert_eq!(formats(server)[0], "f");
    server.get(&format!("{VERSION}f/a.txt")).expect(200).body_is("content");
}

#[test]
fn one_format_of_two_jobs_is_refused_before_anything_changes() {
    let server = with_version();
    server.holds("/branches/main/t/k/f/b.txt", "other");
    let mut wanted = metadata("1.0");
    wanted["job"]["more"] = json!("x");
    let answer = server.patch("/branches/main/t/k/").json(&wanted).expect(400);
    refused(&server, &answer);
    let job = server.get("/branches/main/t/k/").expect(200).json();
    assert_eq!((&job["job"]["more"], &job["job"]["product"]), (&Value::Null, &Value::Null));
    // By an upload that makes the format.
    server.delete("/branches/main/t/k/f/").expect(200);
    feed(&server, "/branches/main/t/k/", "1.0");
    let answer = server.put("/branches/main/t/k/f/b.txt").body("other").expect(400);
    refused(&server, &answer);
    let link = server.put("/branches/main/t/k/f/b.txt").linking("content").expect(400);
    refused(&server, &link);
    server.get("/branches/main/t/k/f/").expect(404);
    server.holds("/branches/main/t/k/g/b.txt", "other");
    assert_eq!(formats(&server), json!(["f", "g"]));
    // What is deleted is in nobody's way.
    server.delete("/branches/main/t/j/").expect(200);
    server.holds("/branches/main/t/k/f/b.txt", "other");
    assert_eq!(formats(&server), json!(["f", "g"]));
}

#[test]
fn names_that_no_version_can_have_are_refused_before_anything_is_saved() {
    let server = TestServer::start();
    for (key, value) in [
        ("product", "a/b"),
        ("product_variant", ".a"),
        ("product_branch", ".."),
        ("version", "a/../b"),
        ("version", "latest"),
    ] {
        let mut wanted = metadata("1.0");
        wanted["job"][key] = json!(value);
        let answer = server.patch("/branches/main/t/j/").json(&wanted).expect(400);
        assert!(answer.text().contains(if value == "latest" { "alias" } else { key }));
        server.get("/branches/main/").expect(404);
    }
}

#[test]
fn aliases_go_by_the_age_of_versions() {
    let server = TestServer::start();
    for (tag, version) in [("t1", "2.0"), ("t2", "1.0"), ("t3", "3.0"), ("t4", "0.1")] {
        server.holds(&format!("/branches/main/{tag}/j/f/x"), version);
        feed(&server, &format!("/branches/main/{tag}/j/"), version);
    }
    let alias = |alias: &str| {
        let answer = server.get(&format!("{PRODUCT_BRANCH}{alias}")).send();
        answer.header("location").map(|to| to[PRODUCT_BRANCH.len()..].to_owned())
    };
    assert_eq!(alias("latest/").as_deref(), Some("0.1/"));
    assert_eq!((alias("stable/"), alias("oldstable/")), (None, None));
    for tag in ["t1", "t2", "t3"] {
        let stable = json!({"tag": {"stable": true}});
        server.post(&format!("/branches/main/{tag}/")).json(&stable).expect(200);
    }
    assert_eq!(alias("stable").as_deref(), Some("3.0/"));
    assert_eq!(alias("OldStable/f/x").as_deref(), Some("1.0/f/x"));
    assert_eq!(alias("latest/f.tar").as_deref(), Some("0.1/f.tar"));
    assert_eq!(alias("latest.tar").as_deref(), Some("0.1.tar"));
    assert_eq!(alias("latest/f.sha256").as_deref(), Some("0.1/f.sha256"));
    assert_eq!(alias("latest/none"), None);
    server.delete("/branches/main/t3/").expect(200);
    assert_eq!(alias("stable/").as_deref(), Some("1.0/"));
    assert_eq!(alias("oldstable/").as_deref(), Some("2.0/"));
    let lines = versions(&server);
    let stable: Vec<_> = lines.iter().map(|line| line["stable"].as_bool().unwrap()).collect();
    assert_eq!(stable, [false, true, true]);
}

#[test]
fn flags_are_those_of_the_tags() {
    let server = with_version();
    let tag = json!({"tag": {"locked": true, "stable": true}});
    server.post("/branches/main/t/").json(&tag).expect(200);
    let line = versions(&server).remove(0);
    assert_eq!((&line["locked"], &line["stable"]), (&json!(true), &json!(true)));
    assert_eq!(line["released"], json!(false));
}

#[test]
fn each_repository_has_products_of_its_own() {
    let server = with_version();
    server.holds("/~eve/branches/main/t/j/f/a.txt", "hers");
    feed(&server, "/~eve/branches/main/t/j/", "1.0");
    server.get(&format!("/~eve{VERSION}f/a.txt")).expect(200).body_is("hers");
    server.get(&format!("{VERSION}f/a.txt")).expect(200).body_is("content");
    let latest = server.get("/~eve/products/p/v/b/latest/").expect(302);
    latest.has("location", "/~eve/products/p/v/b/1.0/");
    server.delete("/branches/main/").expect(200);
    server.get("/products/").expect(200).json_is(&json!({"products": []}));
    server.get("/~eve/products/").expect(200).json_is(&json!({"products": [{"name": "p"}]}));
}

#[test]
fn the_index_survives_a_restart() {
    let mut server = with_version();
    server.restart();
    assert_eq!(formats(&server), json!(["f"]));
}

#[test]
fn a_conflict_is_told_before_a_large_upload_is_read() {
    let server = with_version();
    feed(&server, "/branches/main/t/k/", "1.0");
    let mut upload = server.connect();
    upload.write(b"PUT /branches/main/t/k/f/x HTTP/1.1\r\nHost: localhost\r\n");
    upload.write(b"Content-Length: 1000000000\r\n\r\n");
    let answer = upload.answer_to("PUT").with_status(400);
    refused(&server, &answer);
}

#[test]
fn what_happens_at_once_leaves_each_format_to_one_job() {
    // An archive whose files are deleted while it is sent has them until their leases end.
    let server = version_on(TestServer::with("lease", "1h").start());
    let over = AtomicBool::new(false);
    let ask = |allowed: &[u16], answer: Response| {
        assert!(allowed.contains(&answer.status), "{} {}", answer.status, answer.text());
    };
    std::thread::scope(|scope| {
        let (server, over, ask) = (&server, &over, &ask);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let page = server.get(VERSION).expect(200).json();
                let names = page["version"]["artifact_formats"].as_array().unwrap().clone();
                let mut once = names.clone();
                once.dedup();
                assert_eq!(names, once);
                for name in ["g0", "g1"] {
                    ask(&[200, 404], server.get(&format!("{VERSION}{name}.tar")).send());
                }
            }
        });
        let workers = (0..3_u64).map(|worker| {
            scope.spawn(move || {
                for round in 0..25_u64 {
                    let job = format!("/branches/main/w{worker}/j/");
                    ask(&[200, 400], server.patch(&job).json(&metadata("1.0")).send());
                    let path = format!("{job}g{}/x", round % 2);
                    ask(&[201, 400], server.put(&path).body(noise(round, 20_000)).send());
                    if round % 5 == worker {
                        let tag = format!("/branches/main/w{worker}/");
                        ask(&[200], server.delete(&tag).send());
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    for worker in 0..3 {
        let deleted = server.delete(&format!("/branches/main/w{worker}/")).send();
        ask(&[200, 404], deleted);
    }
    server.sweep_and_wait();
    assert_eq!(formats(&server), json!(["f"]));
}
