//! Names and their spellings: case, percent-encoding, what no thing can be called (spec §3).

use serde_json::json;

use super::harness::TestServer;

#[test]
fn odd_characters_are_part_of_names() {
    let server = TestServer::start();
    for (spelling, name) in [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("50%25", "50%"),
        ("c%23", "c#"),
        ("who%3F", "who?"),
        ("%C3%A9t%C3%A9", "\u{e9}t\u{e9}"),
        ("~tilde", "~tilde"),
        ("a:b@c;d=e,f", "a:b@c;d=e,f"),
        ("(x)!*'$&", "(x)!*'$&"),
        ("%22%3C%3E%5C%5E%60%7B%7C%7D", "\"<>\\^`{|}"),
        ("tab%09line%0A", "tab\tline\n"),
        ("-", "-"),
        ("a..b", "a..b"),
        ("x.tar.gz", "x.tar.gz"),
    ] {
        let path = format!("/branches/{spelling}/{spelling}/{spelling}/{spelling}/{spelling}");
        server.holds(&path, name);
        server.get(&path).expect(200).body_is(name);
        let branch = server.get(&format!("/branches/{spelling}/")).expect(200).json();
        assert_eq!(branch["branch"]["name"], name);
        assert_eq!(branch["branch"]["tags"][0]["name"], name);
        let format = format!("/branches/{spelling}/{spelling}/{spelling}/{spelling}/");
        let format = server.get(&format).expect(200).json();
        assert_eq!(format["artifact_format"]["name"], name);
        assert_eq!(format["artifact_format"]["files"], json!([name]));
    }
}

#[test]
fn redirects_lead_to_what_they_mean() {
    let server = TestServer::start();
    let odd = "%C3%A9%20%25%23%3F+%22";
    let path = format!("/branches/b/{odd}/{odd}/{odd}");
    server.holds(&format!("{path}/{odd}/{odd}"), "found");
    for (asked, place) in [
        (format!("/branches/b/{odd}"), format!("/branches/b/{odd}/")),
        (format!("/branches/b/{odd}/{odd}"), format!("/branches/b/{odd}/{odd}/")),
        (format!("/branches/b/latest/{odd}/"), format!("/branches/b/{odd}/{odd}/")),
        (format!("/branches/B/{odd}/{odd}/{odd}/"), format!("{path}/")),
        (format!("/branches/b/latest/{odd}/{odd}/{odd}/{odd}"), format!("{path}/{odd}/{odd}")),
        (format!("/branches/b/latest/{odd}/{odd}.sha256"), format!("{path}.sha256")),
    ] {
        server.get(&asked).expect(302).has("location", &place).says("Found");
        server.get(&place).expect(200);
    }
}

#[test]
fn names_are_lower_case_and_paths_are_not() {
    let server = TestServer::start();
    server.put("/branches/Main/V1.0/%C3%9CBER/RPM/Dir/App.TGZ").body("x").expect(201);
    let canonical = "/branches/main/v1.0/%C3%BCber/rpm/Dir/App.TGZ";
    server.get(canonical).expect(200).body_is("x");
    server.get("/branches/main/v1.0/%C3%BCber/rpm/dir/app.tgz").expect(404);
    for spelling in [
        "/branches/Main/v1.0/%C3%BCber/rpm/Dir/App.TGZ",
        "/branches/main/V1.0/%C3%BCber/rpm/Dir/App.TGZ",
        "/branches/main/v1.0/%C3%9Cber/rpm/Dir/App.TGZ",
        "/branches/main/v1.0/%C3%BCber/Rpm/Dir/App.TGZ",
    ] {
        server.get(spelling).expect(302).has("location", canonical);
        server.head(spelling).expect(302).has("location", canonical);
    }
    server.get("/branches/Main/v1.0/none/rpm/x").expect(404);
    // Another spelling of the escapes is the same path.
    server.get("/branches/m%61in/v1.0/%c3%bcber/rpm/Dir/App%2eTGZ").expect(200);
}

#[test]
fn what_starts_with_a_dot_or_holds_a_slash_does_not_exist() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "a");
    for bad in [".git", ".", "..", "%2E%2E", "a%2Fb", "%2F", "a%00b"] {
        for (method, path) in [
            ("GET", format!("/branches/{bad}/")),
            ("POST", format!("/branches/{bad}/")),
            ("DELETE", format!("/branches/{bad}/")),
            ("GET", format!("/branches/b/{bad}/")),
            ("POST", format!("/branches/b/{bad}/")),
            ("GET", format!("/branches/b/t/{bad}/")),
            ("PATCH", format!("/branches/b/t/{bad}/")),
            ("GET", format!("/branches/b/t/j/{bad}/")),
            ("DELETE", format!("/branches/b/t/j/{bad}/")),
            ("PUT", format!("/branches/{bad}/t/j/f/a")),
            ("PUT", format!("/branches/b/{bad}/j/f/a")),
            ("PUT", format!("/branches/b/t/{bad}/f/a")),
            ("PUT", format!("/branches/b/t/j/{bad}/a")),
            ("HEAD", format!("/branches/b/t/j/{bad}/a")),
        ] {
            server.ask(method, &path).expect(404);
        }
    }
    for nowhere in ["/branches//", "/branches//t/", "/branches/b//j/", "/branches/b/t//f/a"] {
        server.get(nowhere).expect(404);
        server.put(nowhere).body("x").send();
    }
    assert_eq!(
        server.get("/branches/").expect(200).json()["branches"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn paths_that_no_file_can_have_are_refused() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "a");
    for bad in [
        ".digests",
        ".dirty",
        "%2Edirty",
        "../x",
        "a/../b",
        "a/%2E%2E/b",
        "..%2F..%2Fx",
        "./a",
        "a/.",
        "%2Fetc/passwd",
        "a//b",
        "a%00b",
    ] {
        let path = format!("/branches/b/t/j/f/{bad}");
        for method in ["GET", "HEAD", "PUT"] {
            server.ask(method, &path).body("x").expect(400);
        }
    }
    server.put("/branches/b/t/j/f/d/").body("x").expect(400);
    server.put("/branches/b/t/j/f//d").body("x").expect(400);
    for good in [".hidden", "sub/.dirty", "...", "a.b/..c"] {
        server.holds(&format!("/branches/b/t/j/f/{good}"), good);
        server.get(&format!("/branches/b/t/j/f/{good}")).expect(200).body_is(good);
    }
}

#[test]
fn an_encoded_slash_in_a_path_is_a_slash() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a%2Fb", "x");
    server.get("/branches/b/t/j/f/a/b").expect(200).body_is("x");
}

#[test]
fn names_have_a_longest() {
    let server = TestServer::start();
    let (longest, longer) = ("x".repeat(255), "x".repeat(256));
    for (name, put, get) in [(longest, 201, 200), (longer, 400, 400)] {
        for path in [
            format!("/branches/{name}/t/j/f/a"),
            format!("/branches/b/{name}/j/f/a"),
            format!("/branches/b/t/{name}/f/a"),
            format!("/branches/b/t/j/{name}/a"),
            format!("/branches/b/t/j/f/{name}"),
            format!("/branches/b/t/j/g/{name}/{name}/a"),
        ] {
            server.put(&path).body("x").expect(put);
            server.get(&path).expect(get);
        }
    }
    let deep = "d/".repeat(2047);
    let path = |end: &str| format!("/branches/b/t/j/deep/{deep}{end}");
    server.put(&path("xx")).body("x").expect(201);
    server.get(&path("xx")).expect(200);
    server.get(&format!("{}.sha256", path("xx"))).expect(400);
    server.put(&path("xxx")).body("x").expect(400);
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    let server = TestServer::start();
    for bad in ["%FF", "%C3", "%zz", "100%", "%4"] {
        for path in [format!("/branches/{bad}/"), format!("/branches/b/t/j/f/{bad}")] {
            server.get(&path).expect(400);
            server.put(&path).body("x").expect(400);
        }
    }
}

#[test]
fn archives_keep_their_names_free() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "a");
    for path in ["/branches/b/t/j.tar", "/branches/b/t/j/f.tar"] {
        server.get(path).expect(200).has("content-type", "application/x-tar");
        for method in ["PUT", "PATCH", "POST", "DELETE"] {
            server.ask(method, path).expect(405);
        }
    }
    // A job or format really called so is reached with a slash.
    server.holds("/branches/b/t/x.tar/y.tar/a", "a");
    server.get("/branches/b/t/x.tar/").expect(200);
    server.get("/branches/b/t/x.tar/y.tar/").expect(200);
    server.holds("/branches/b/t/j/z.sha256/a", "a");
    server.get("/branches/b/t/j/z.sha256/").expect(200);
    server.get("/branches/b/t/j/z.sha256.sha256").expect(200);
}
