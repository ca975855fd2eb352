//! `/branches/B/T/J/F`, `F/` and `F.sha256`: lists, the dirty flag, the only file (spec §8).

use serde_json::json;

use super::harness::{TestServer, sha256};

const FORMAT: &str = "/branches/b/t/j/f/";
const BARE: &str = "/branches/b/t/j/f";

fn dirty(server: &TestServer) -> bool {
    server.get(FORMAT).expect(200).json()["artifact_format"]["dirty"].as_bool().unwrap()
}

#[test]
fn a_format_lists_its_files_by_code_point() {
    let server = TestServer::swept_at_once().with("internal-format-filter", "dbg").start();
    for path in ["b", "a/z", "a.txt", "B", "a/b/c", "%C3%A9", "%F0%9F%98%80", "%EF%BD%81"] {
        server.holds(&format!("{FORMAT}{path}"), path);
    }
    server.get(FORMAT).expect(200).json_is(&json!({"artifact_format": {
        "name": "f",
        "internal": false,
        "dirty": true,
        "files": ["B", "a.txt", "a/b/c", "a/z", "b", "\u{e9}", "\u{ff41}", "\u{1f600}"],
    }}));
    server.holds("/branches/b/t/j/dbg-rpm/x", "x");
    server.holds("/branches/b/t/j/no-dbg/x", "x");
    for (format, internal) in [("dbg-rpm", true), ("no-dbg", false)] {
        let page = server.get(&format!("/branches/b/t/j/{format}/")).expect(200).json();
        assert_eq!(page["artifact_format"]["internal"], internal, "{format}");
    }
    server.get("/branches/b/T/j/F/").expect(302).has("location", FORMAT);
    server.get("/branches/b/t/j/none/").expect(404).says("/branches/b/t/j/none/ does not exist");
}

#[test]
fn uploads_make_a_format_dirty_until_it_is_finished() {
    let server = TestServer::start();
    server.holds(&format!("{FORMAT}a"), "a");
    assert!(dirty(&server));
    // Machines that wait for a complete format do not see it; its files can be read.
    for (method, path) in [("GET", BARE), ("HEAD", BARE), ("HEAD", FORMAT)] {
        server.ask(method, path).expect(404);
    }
    server.get(&format!("{FORMAT}a")).expect(200);
    server.get("/branches/b/t/j/f.sha256").expect(200);
    server.patch(FORMAT).body("whatever").expect(200).without_body();
    assert!(!dirty(&server));
    server.head(FORMAT).expect(200).without_body();
    server.patch(FORMAT).expect(200);
    // A link and equal content make it dirty as well.
    server.put(&format!("{FORMAT}b")).linking("a").expect(201);
    assert!(dirty(&server));
    server.patch("/branches/b/t/j/F/").expect(200);
    server.holds(&format!("{FORMAT}a"), "a");
    assert!(dirty(&server));
}

#[test]
fn a_refused_upload_leaves_the_flag_as_it_was() {
    let server = TestServer::start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(200);
    server.put(&format!("{FORMAT}b")).digest_of("other").body("b").expect(422);
    server.put(&format!("{FORMAT}b")).linking("unknown").expect(404);
    server.put(&format!("{FORMAT}a/b")).body("b").expect(409);
    assert!(!dirty(&server));
}

#[test]
fn a_locked_job_can_be_finished_again() {
    let server = TestServer::start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    // A publishing server repeats it.
    server.patch(FORMAT).expect(200);
    server.patch("/branches/b/t/j/none/").expect(404);
}

#[test]
fn the_only_file_is_found_without_its_name() {
    let server = TestServer::start();
    server.get(BARE).expect(404).says("/branches/b/ does not exist");
    for (file, location, disposition) in [
        ("app.tgz", "app.tgz", "filename=app.tgz"),
        ("dir/app-1.0_x~y.tgz", "dir/app-1.0_x~y.tgz", "filename=app-1.0_x~y.tgz"),
        ("a%20b%23c%25.txt", "a%20b%23c%25.txt", "filename*=UTF-8''a%20b%23c%25.txt"),
        ("a;b=(c),d.txt", "a;b=(c),d.txt", "filename*=UTF-8''a%3Bb%3D%28c%29%2Cd.txt"),
        ("a'b*.txt", "a%27b*.txt", "filename*=UTF-8''a%27b%2A.txt"),
        ("%C3%A9.bin", "%C3%A9.bin", "filename*=UTF-8''%C3%A9.bin"),
    ] {
        server.holds(&format!("{FORMAT}{file}"), file);
        server.patch(FORMAT).expect(200);
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, BARE).expect(302);
            let answer = answer.has("location", &format!("{FORMAT}{location}"));
            answer.has("content-disposition", &format!("attachment; {disposition}"));
        }
        server.get(&format!("{FORMAT}{location}")).expect(200).body_is(file);
        server.delete(FORMAT).expect(200);
    }
}

#[test]
fn several_files_or_an_index_lead_to_the_folder() {
    let server = TestServer::start();
    server.holds(&format!("{FORMAT}index.html"), "<p>");
    server.patch(FORMAT).expect(200);
    server.get(BARE).expect(302).has("location", FORMAT).lacks("content-disposition");
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(200);
    server.get(BARE).expect(302).has("location", FORMAT);
}

#[test]
fn checksums_are_listed_as_sha256sum_writes_them() {
    let server = TestServer::start();
    server.get("/branches/b/t/j/f.sha256").expect(404);
    server.holds(&format!("{FORMAT}b%20c"), "1");
    server.put(&format!("{FORMAT}Dir/a")).header("Digest", &"0".repeat(9)).body("2").expect(422);
    // An upper-case algorithm and another algorithm change nothing about the list.
    let upper = format!("SHA256:{}", sha256("2").to_uppercase());
    server.put(&format!("{FORMAT}Dir/a")).header("Digest", &upper).body("2").expect(201);
    let md5 = "md5:d41d8cd98f00b204e9800998ecf8427e";
    server.put(&format!("{FORMAT}empty")).header("Digest", md5).body("").expect(201);
    let sums = server.get("/branches/b/t/j/f.sha256").expect(200);
    let wanted = format!("{}  Dir/a\n{}  b c\n{}  empty\n", sha256("2"), sha256("1"), sha256(""));
    sums.has("content-type", "text/plain; charset=utf-8").body_is(wanted);
    server.get("/branches/b/T/j/f.sha256").expect(302).has("location", "/branches/b/t/j/f.sha256");
}

#[test]
fn a_format_is_deleted_with_its_files() {
    let server = TestServer::start();
    server.delete(FORMAT).expect(404);
    server.holds(&format!("{FORMAT}a"), "a");
    server.delete(BARE).expect(405).has("allow", "GET,HEAD");
    server.delete("/branches/b/t/J/F/").expect(200).without_body();
    server.get(FORMAT).expect(404);
    server.get(&format!("{FORMAT}a")).expect(404);
    let job = server.get("/branches/b/t/j/").expect(200).json();
    assert_eq!(job["job"]["artifact_formats"], json!([]), "the job stays");
    // A dirty format that goes does not keep its job open.
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
}

#[test]
fn other_methods_are_named() {
    let server = TestServer::start();
    for (method, path, allow) in [
        ("PUT", FORMAT, "DELETE,GET,HEAD,PATCH"),
        ("POST", FORMAT, "DELETE,GET,HEAD,PATCH"),
        ("PUT", BARE, "GET,HEAD"),
        ("PATCH", BARE, "GET,HEAD"),
        ("DELETE", "/branches/b/t/j/f.sha256", "GET"),
        ("DELETE", "/branches/b/t/j/f/a", "GET,HEAD,PUT"),
        ("PATCH", "/branches/b/t/j/f/a", "GET,HEAD,PUT"),
    ] {
        server.ask(method, path).expect(405).has("allow", allow).says("Method Not Allowed");
    }
}
