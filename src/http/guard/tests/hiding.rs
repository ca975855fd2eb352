//! That no spelling evades a rule, and no answer tells of what may not be read.

use super::*;

const SECRET: &[(&str, &str)] = &[
    ("dev", "rw /branches/** !/branches/secret/** !**/hidden/** !**/*.key\nrw /~$user/**\n"),
    ("narrow", "r /branches/b/t/j/f/x\n"),
];

const WRITES: [&str; 4] = ["PUT", "PATCH", "POST", "DELETE"];

#[tokio::test]
async fn no_spelling_evades_a_rule() {
    let bench = Bench::new(SECRET);
    for path in ["/branches/secret/t/j/f/x", "/branches/b/t/j/hidden/x", "/branches/b/t/j/f/a.key"]
    {
        bench.holds(path, "secret").await;
    }
    bench.holds("/~bob/branches/b/t/j/f/x", "secret").await;
    let dev = user("alice", &["dev"]);
    let shared = [
        "/branches/secret",
        "/branches/SECRET/",
        "/branches/Secret/T/J/F/x",
        "/branches/%73ecret/t/j/f/x",
        "/branches/%53%45cret/t/j/f/x",
        "/%62ranches/secret/t/j/f/x",
        "/branches/secret%2f",
        "/branches/secret/t%2fj/f/x",
        "/branches/b/../secret/t/j/f/x",
        "/branches/b/%2e%2e/secret/t/j/f/x",
        "/branches//secret/t/j/f/x",
        "//branches/secret/t/j/f/x",
        "/branches/secret/latest/j/f/x",
        "/branches/secret/LATEST/j/f/x",
        "/branches/b/t/j/hidden",
        "/branches/b/t/j/HIDDEN",
        "/branches/b/t/j/hidden.sha256",
        "/branches/b/t/j/hidden/%78",
        "/branches/b/latest/j/hidden/x",
        "/branches/b/t/j/f/a.key",
        "/branches/b/t/j/f/a%2ekey",
    ];
    let homes = [
        "/~bob/branches/",
        "/~alice%2f..%2fbob/branches/b/t/j/f/x",
        "/~alice/../~bob/branches/b/t/j/f/x",
        "/~alice%2f..%2f../branches/b/",
        "/~../branches/b/",
        "/%7ebob/branches/b/t/j/f/x",
        "/%7Ebob/branches/b/t/j/f/x",
    ];
    let empty = Bench::new(SECRET);
    for path in shared.iter().chain(&homes) {
        for method in ["GET", "HEAD"].iter().chain(&WRITES) {
            let line = format!("{method} {path}");
            let answer = bench.ask(&dev, &line).await;
            assert!(answer.status.is_client_error(), "{line}: {answer:?}");
            assert_eq!(answer, empty.ask(&dev, &line).await, "{line}");
        }
    }
    // The sum of a file is a file's own content in short.
    assert_eq!(bench.ask(&dev, "GET /branches/b/t/j/f/a.key.sha256").await.status, 404);
    assert_eq!(bench.ask(&dev, "GET /branches/B/t/j/f/a.key.sha256").await.status, 404);
}

#[tokio::test]
async fn a_refusal_is_the_same_whether_the_thing_exists_or_not() {
    let (empty, full) = (Bench::new(SECRET), Bench::new(SECRET));
    full.holds("/branches/b/t/j/f/x", "content").await;
    full.holds("/branches/b/t/j/f/d/y", "content").await;
    full.holds("/branches/b/t/j/g/only", "content").await;
    full.holds("/~bob/branches/b/t/j/f/x", "content").await;
    let stable = r#"{"tag":{"stable":true}}"#;
    assert_eq!(full.send(&admin(), "POST /branches/b/t/", &[], stable).await.status, 200);
    let narrow = user("nell", &["narrow"]);
    for caller in [Caller::Anonymous, narrow, user("bo", &[])] {
        for path in [
            "/branches/",
            "/branches/b",
            "/branches/b/",
            "/branches/b/t/",
            "/branches/b/T",
            "/branches/b/latest/",
            "/branches/b/latest/j/f/x",
            "/branches/b/stable/j/",
            "/branches/b/oldstable/j/f.sha256",
            "/branches/b/t/j",
            "/branches/b/t/j/",
            "/branches/b/t/j/f",
            "/branches/b/t/j/f/",
            "/branches/b/t/j/f.sha256",
            "/branches/b/t/j/f/d",
            "/branches/b/t/j/f/d/y",
            "/branches/b/t/j/f/d/y.sha256",
            "/branches/b/t/j/g",
            "/branches/B/t/j/g/only",
            "/~bob/branches/",
            "/~bob/branches/b/t/j/f/x",
            "/nothing",
            "/-/sweeps",
        ] {
            for method in ["GET", "HEAD"].iter().chain(&WRITES) {
                let line = format!("{method} {path}");
                let (there, absent) = (full.ask(&caller, &line).await, empty.ask(&caller, &line));
                assert_eq!(there, absent.await, "{line}");
                let is_alias_write = there.status == 405;
                assert!(!there.passed() || is_alias_write, "{line}: {there:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_has_no_name_is_unknown_to_who_may_ask_only() {
    let bench = Bench::new(&[("dev", "rw /branches/**\n"), ("all", "rw **\n")]);
    for path in ["/nothing", "/branches/.git/", "/branches/%ff/", "/branches/b/t/j/f//x", "/v2/x"] {
        let nobody = bench.ask(&Caller::Anonymous, &format!("GET {path}")).await;
        assert_eq!(nobody.status, 401, "{path}");
        let all = bench.ask(&user("all", &["all"]), &format!("GET {path}")).await;
        assert!([400, 404].contains(&all.status.as_u16()), "{path}: {all:?}");
    }
    assert_eq!(bench.ask(&user("dev", &["dev"]), "GET /nothing").await.status, 403);
    assert_eq!(bench.ask(&user("dev", &["dev"]), "GET /branches/.git/").await.status, 404);
    assert_eq!(bench.ask(&Caller::Anonymous, "GET /favicon.ico").await.status, 404);
    assert_eq!(bench.ask(&Caller::Anonymous, "GET /static/x.css").await.status, 404);
    assert_eq!(bench.ask(&Caller::Anonymous, "GET /static/../x").await.status, 401);
    assert_eq!(bench.ask(&Caller::Anonymous, "PUT /branches/b/latest/").await.status, 401);
    assert_eq!(bench.ask(&user("dev", &["dev"]), "PUT /branches/b/latest/").await.status, 405);
}

#[tokio::test]
async fn lists_show_what_may_be_read_and_count_all() {
    let rules = "r /branches/\nr /branches/b/**\nr /branches/b/** !/branches/b/**\n";
    let part = "r /branches/\nr /branches/b/\nr /branches/b/t1/**  !**/j2/** !**/f2/** !**/x2\n";
    let bench = Bench::new(&[("all", rules), ("part", part)]);
    for tag in ["t1", "t2"] {
        bench.holds(&format!("/branches/b/{tag}/j2/f1/x1"), "a").await;
        for file in ["f1/x1", "f1/x2", "f2/x1"] {
            bench.holds(&format!("/branches/b/{tag}/j1/{file}"), "a").await;
        }
    }
    bench.holds("/branches/c/t1/j1/f1/x1", "c").await;
    let names = |list: &serde_json::Value| -> Vec<String> {
        let name = |line: &serde_json::Value| match line.get("name") {
            Some(name) => name.as_str().unwrap().to_owned(),
            None => line.as_str().unwrap().to_owned(),
        };
        list.as_array().unwrap().iter().map(name).collect()
    };
    for (caller, tags, jobs, formats, files) in [
        (user("a", &["all"]), &["t1", "t2"][..], &["j1", "j2"][..], &["f1", "f2"][..], 2),
        (user("p", &["part"]), &["t1"], &["j1"], &["f1"], 1),
    ] {
        let json = |path: &'static str| {
            let (bench, caller) = (&bench, &caller);
            async move { bench.ask(caller, &format!("GET {path}")).await.json() }
        };
        let branches = json("/branches/").await;
        assert_eq!(names(&branches["branches"]), ["b"]);
        assert_eq!(branches["branches"][0]["daily_tags"], 2);
        assert_eq!(names(&json("/branches/b/").await["branch"]["tags"]), tags);
        assert_eq!(names(&json("/branches/b/t1/").await["tag"]["jobs"]), jobs);
        assert_eq!(names(&json("/branches/b/t1/j1/").await["job"]["artifact_formats"]), formats);
        let format = json("/branches/b/t1/j1/f1/").await;
        assert_eq!(names(&format["artifact_format"]["files"]), ["x1", "x2"][..files]);
        let of_alias = bench.ask(&caller, "GET /branches/b/latest/j1/").await;
        assert_eq!(
            of_alias.header("location"),
            format!("/branches/b/{}/j1/", tags.last().unwrap())
        );
    }
    let sums = bench.ask(&user("a", &["all"]), "GET /branches/b/t1/j1/f1.sha256").await;
    assert_eq!(sums.body.lines().count(), 2);
}

#[tokio::test]
async fn a_format_without_slash_leads_nowhere_that_may_not_be_read() {
    let open = "r /branches/b/t/j/** !**/only\n";
    let bench = Bench::new(&[("dev", open), ("files", "r /branches/b/t/j/f/only\n")]);
    bench.holds("/branches/b/t/j/f/only", "x").await;
    let finish = bench.ask(&admin(), "PATCH /branches/b/t/j/f/").await;
    assert_eq!(finish.status, 200);
    let dev = bench.ask(&user("d", &["dev"]), "GET /branches/b/t/j/f").await;
    assert_eq!(dev.header("location"), "/branches/b/t/j/f/");
    assert_eq!(dev.header("content-disposition"), "");
    let admin = bench.ask(&admin(), "GET /branches/b/t/j/f").await;
    assert_eq!(admin.header("location"), "/branches/b/t/j/f/only");
    let files = user("f", &["files"]);
    assert_eq!(bench.ask(&files, "GET /branches/b/t/j/f/only").await.status, 200);
    for path in ["/branches/b/t/j/f", "/branches/b/t/j/f/", "/branches/b/t/j/f.sha256"] {
        assert_eq!(bench.ask(&files, &format!("GET {path}")).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn an_archive_has_no_file_that_may_not_be_read() {
    let rules = "r /branches/** !/branches/**/*.key\nr /products/** !/products/**/*.key\n";
    let bench = Bench::new(&[("dev", rules)]);
    bench.holds("/branches/b/t/j/f/open.txt", "open content").await;
    bench.holds("/branches/b/t/j/f/a.key", "secret content").await;
    let keys =
        r#"{"job":{"product":"p","product_variant":"v","product_branch":"b","version":"1"}}"#;
    assert_eq!(bench.send(&admin(), "PATCH /branches/b/t/j/", &[], keys).await.status, 200);
    let dev = user("d", &["dev"]);
    for path in [
        "/branches/b/t/j/f.tar",
        "/branches/b/t/j.tar",
        "/products/p/v/b/1/f.tar",
        "/products/p/v/b/1.tar",
    ] {
        let line = format!("GET {path}");
        let (few, all) = (bench.ask(&dev, &line).await, bench.ask(&admin(), &line).await);
        for content in ["secret content", "a.key"] {
            assert!(all.body.contains(content), "{path}");
            assert!(!few.body.contains(content), "{path} shows {content}");
        }
        assert!(few.body.contains("open content"), "{path}");
        // Nor does what a client holds of one pass for the other.
        assert_ne!(few.header("etag"), all.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_change_by_way_of_an_alias_needs_its_right_first() {
    let bench = Bench::new(&[("dev", "ra /branches/**\nra /products/**\n")]);
    for line in [
        "PUT /products/p/v/b/latest/f/x",
        "DELETE /products/p/v/b/latest/f/",
        "PUT /branches/b/latest/j/f/x",
    ] {
        assert_eq!(bench.ask(&Caller::Anonymous, line).await.status, 401, "{line}");
        assert_eq!(bench.ask(&user("n", &[]), line).await.status, 403, "{line}");
    }
    let known = bench.ask(&user("d", &["dev"]), "PUT /products/p/v/b/latest/f/x").await;
    assert_eq!(known.status, 400);
}

#[tokio::test]
async fn a_conflict_names_the_other_job_to_who_may_read_it() {
    let bench = Bench::new(&[("dev", "rw /branches/open/**\n"), ("all", "rw /branches/**\n")]);
    let keys =
        r#"{"job":{"product":"p","product_variant":"v","product_branch":"b","version":"1"}}"#;
    for branch in ["secret", "open"] {
        bench.holds(&format!("/branches/{branch}/t/{branch}/f/x"), branch).await;
    }
    let feed = "PATCH /branches/secret/t/secret/";
    assert_eq!(bench.send(&admin(), feed, &[], keys).await.status, 200);
    let feed = "PATCH /branches/open/t/open/";
    let told = bench.send(&user("a", &["all"]), feed, &[], keys).await;
    assert_eq!(told.status, 400);
    assert!(told.body.contains("/branches/secret/t/secret/"), "{}", told.body);
    let told = bench.send(&user("d", &["dev"]), feed, &[], keys).await;
    assert_eq!(told.status, 400);
    let says = "format f of /products/p/v/b/1/ comes from another job already";
    assert!(told.body.contains(says) && !told.body.contains("secret"), "{}", told.body);
}
