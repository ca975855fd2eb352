//! Packages of npm over HTTP (spec gitlab §5), and every bad input that a client may send.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::harness::npm::{Npm, base, document, integrity, packed, refused, tarball, with_tarball};

#[test]
fn a_published_version_is_told_and_served() {
    let npm = Npm::start();
    npm.has("@acme/app", "1.0.0");
    let bytes = packed("@acme/app", "1.0.0");
    let url = format!("{}/@acme/app/-/app-1.0.0.tgz", npm.base());
    for spelled in ["@acme%2Fapp", "@acme/app", "%40acme%2fapp"] {
        let told = npm.packument(spelled);
        assert_eq!(
            (&told["name"], &told["dist-tags"]["latest"]),
            (&json!("@acme/app"), &json!("1.0.0"))
        );
        let version = &told["versions"]["1.0.0"];
        assert_eq!(version["dist"]["integrity"], integrity(&bytes));
        assert_eq!(version["dist"]["tarball"], npm.server.url(&url));
        assert_eq!(version["dependencies"]["left-pad"], "^1.0.0");
        assert!(version["readme"].is_null());
        for key in ["created", "modified", "1.0.0"] {
            assert!(told["time"][key].as_str().unwrap().ends_with('Z'), "{told}");
        }
    }
    for file in ["app-1.0.0.tgz", "@acme/app-1.0.0.tgz"] {
        let line = format!("GET /@acme%2Fapp/-/{file}");
        assert_eq!(npm.ask(&npm.root, &line).expect(200).body, bytes);
    }
    for file in ["app-1.0.1.tgz", "app.tgz", "other-1.0.0.tgz", "app-1.0.0.tgz.sha1"] {
        let line = format!("GET /@acme%2Fapp/-/{file}");
        refused(npm.ask(&npm.root, &line).expect(404), "404 Package Not Found");
    }
    refused(npm.ask(&npm.root, "GET /@acme%2Fother").expect(404), "404 Packages Not Found");
}

#[test]
fn the_abbreviated_form_and_what_is_known_already() {
    let npm = Npm::start();
    npm.has("app", "1.0.0");
    let short = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
    let ask = || npm.ask(&npm.root, "GET /app");
    let told = ask().header("Accept", short).expect(200);
    assert_eq!(told.header("content-type"), Some("application/vnd.npm.install-v1+json"));
    let (tag, body) = (told.header("etag").unwrap().to_owned(), told.json());
    assert!(body["modified"].is_string() && body["time"].is_null(), "{body}");
    let known = |tag: &str| ask().header("Accept", short).header("If-None-Match", tag).send();
    assert_eq!(known(&tag).status, 304);
    let full = ask().expect(200).header("etag").unwrap().to_owned();
    assert_ne!(full, tag);
    npm.has("app", "1.0.1");
    assert_eq!(known(&tag).status, 200);
    npm.ask(&npm.root, "HEAD /app").expect(200);
}

#[test]
fn statement_15_a_version_is_published_once() {
    let npm = Npm::start();
    npm.has("app", "1.0.0");
    npm.refuses(&document("app", "1.0.0"), 403, "Package already exists.");
    npm.has("app", "1.0.1");
}

#[test]
fn roles_decide_who_publishes_and_installs() {
    let npm = Npm::start();
    npm.has("app", "1.0.0");
    let (guest, reporter) = (npm.has_member("gus", 10), npm.has_member("rita", 20));
    let (developer, stranger) = (npm.has_member("dora", 30), npm.has_member("sam", 0));
    for (token, reads, publishes, tags, removes) in [
        ("", 401, 401, 401, 401),
        (&stranger, 404, 404, 404, 404),
        (&guest, 403, 403, 403, 403),
        (&reporter, 200, 403, 403, 403),
        (&developer, 200, 200, 204, 403),
        (&npm.root, 200, 403, 204, 204),
    ] {
        npm.ask(token, "GET /app").expect(reads);
        npm.ask(token, "GET /app/-/app-1.0.0.tgz").expect(reads);
        npm.ask(token, "GET /-/package/app/dist-tags").expect(reads);
        npm.ask(token, "PUT /app").json(&document("app", "1.0.1")).expect(publishes);
        let tag = npm.ask(token, "PUT /-/package/app/dist-tags/next").json(&json!("1.0.0"));
        tag.expect(tags);
        npm.ask(token, "DELETE /-/package/app/dist-tags/next").expect(removes);
    }
    let asked = npm.ask("", "GET /app").expect(401);
    assert!(asked.header("www-authenticate").is_some_and(|said| said.starts_with("Basic realm=")));
    refused(asked, "401 Unauthorized");
}

#[test]
fn a_group_and_the_instance_show_what_the_caller_may_read() {
    let npm = Npm::start();
    npm.has("@acme/app", "1.0.0");
    let open = npm.has_project("open", "private");
    let request = npm.server.put(&format!("{}/@acme%2Fapp", base(open)));
    let request = request.header("PRIVATE-TOKEN", &npm.root);
    request.json(&document("@acme/app", "2.0.0")).expect(200);
    let stranger = npm.has_member("sam", 0);
    let ask = |token: &str, place: &str, name: &str| {
        let request = npm.server.get(&format!("/api/v4/{place}packages/npm/{name}"));
        request.header("Authorization", &format!("Bearer {token}")).send()
    };
    let group = format!("groups/{}/-/", npm.group);
    for place in [group.as_str(), "groups/acme/-/", ""] {
        let told = ask(&npm.root, place, "@acme%2Fapp").with_status(200).json();
        let versions: Vec<_> = told["versions"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(versions, ["1.0.0", "2.0.0"]);
        let tarball = told["versions"]["2.0.0"]["dist"]["tarball"].as_str().unwrap().to_owned();
        assert!(tarball.contains(&base(open)), "{tarball}");
        ask(&stranger, place, "@acme%2Fapp").with_status(404);
        ask(&npm.root, place, "@acme%2Fnothing").with_status(404);
    }
    // An instance shows scopes that are groups.
    npm.has("app", "1.0.0");
    npm.has("@other/app", "1.0.0");
    for name in ["app", "@other%2Fapp"] {
        ask(&npm.root, "", name).with_status(404);
        ask(&npm.root, &group, name).with_status(200);
    }
    // And nothing is published there.
    let request = npm.server.put(&format!("/api/v4/{group}packages/npm/app"));
    request.header("PRIVATE-TOKEN", &npm.root).json(&document("app", "3.0.0")).expect(405);
}

#[test]
fn tarballs_of_a_group_and_of_the_instance_come_from_every_project_that_the_caller_may_read() {
    let npm = Npm::start();
    npm.has("@acme/app", "1.0.0");
    let publish = |project: u64, version: &str, document: &Value| {
        let request = npm.server.put(&format!("{}/@acme%2Fapp", base(project)));
        let request = request.header("PRIVATE-TOKEN", &npm.root);
        request.json(document).expect(200);
        npm.server.url(&format!("{}/@acme/app/-/app-{version}.tgz", base(project)))
    };
    let (shut, open) = (npm.has_project("shut", "private"), npm.has_project("open", "private"));
    publish(shut, "2.0.0", &document("@acme/app", "2.0.0"));
    let json = br#"{"name":"@acme/app","version":"1.0.0"}"#;
    let newer = tarball(&[("package/package.json", json), ("package/newer", b"newer")]);
    let place = publish(open, "1.0.0", &with_tarball("@acme/app", "1.0.0", &newer));
    publish(open, "3.0.0", &document("@acme/app", "3.0.0"));
    // Guests see the group and read no packages.
    let sam = npm.has_member("sam", 10);
    for project in [npm.project, open] {
        let member = json!({ "username": "sam", "access_level": 20 });
        let url = format!("/api/v4/projects/{project}/members");
        npm.server.post(&url).header("PRIVATE-TOKEN", &npm.root).json(&member).expect(201);
    }
    let group = format!("groups/{}/-/", npm.group);
    for place_of in [group.as_str(), "groups/acme/-/", ""] {
        let get = |token: &str, version: &str| {
            let file = format!("@acme%2Fapp/-/app-{version}.tgz");
            let request = npm.server.get(&format!("/api/v4/{place_of}packages/npm/{file}"));
            request.header("Authorization", &format!("Bearer {token}")).send()
        };
        let told = npm.server.get(&format!("/api/v4/{place_of}packages/npm/@acme%2Fapp"));
        let told = told.header("PRIVATE-TOKEN", &npm.root).expect(200).json();
        assert_eq!(told["versions"]["1.0.0"]["dist"]["tarball"], place);
        for (version, bytes) in [
            ("1.0.0", newer.clone()),
            ("2.0.0", packed("@acme/app", "2.0.0")),
            ("3.0.0", packed("@acme/app", "3.0.0")),
        ] {
            assert_eq!(get(&npm.root, version).with_status(200).body, bytes, "{version}");
        }
        assert_eq!(get(&sam, "1.0.0").with_status(200).body, newer);
        assert_eq!(get(&sam, "3.0.0").with_status(200).body, packed("@acme/app", "3.0.0"));
        // As if there were no such version.
        let missing = get(&sam, "9.0.0").with_status(404);
        assert_eq!(get(&sam, "2.0.0").with_status(404).text(), missing.text());
        refused(missing, "404 Package Not Found");
    }
}

#[test]
fn the_number_of_tags_is_bounded() {
    let npm = Npm::start();
    let mut many = document("app", "1.0.0");
    many["dist-tags"] = (0..1001).map(|n| (format!("t{n}"), json!("1.0.0"))).collect();
    npm.refuses(&many, 400, "a package has up to 1000 tags");
    npm.ask(&npm.root, "GET /app").expect(404);
    npm.has("app", "1.0.0");
    let put = |tag: &str| {
        let line = format!("PUT /-/package/app/dist-tags/{tag}");
        npm.ask(&npm.root, &line).body("\"1.0.0\"").send()
    };
    // With `latest`.
    for number in 1..1000 {
        put(&format!("t{number}")).with_status(204);
    }
    refused(put("more").with_status(400), "a package has up to 1000 tags");
    put("t7").with_status(204);
    let mut next = document("app", "2.0.0");
    next["dist-tags"] = json!({ "more": "2.0.0" });
    npm.refuses(&next, 400, "a package has up to 1000 tags");
    npm.has("app", "2.0.0");
}

#[test]
fn tags_move_and_latest_is_the_highest_release_otherwise() {
    let npm = Npm::start();
    for version in ["1.2.0", "1.10.0", "2.0.0-rc.1"] {
        let mut document = document("app", version);
        document["dist-tags"] = json!({ "next": version });
        npm.publish(&document).with_status(200);
    }
    let tags = || npm.ask(&npm.root, "GET /-/package/app/dist-tags").expect(200).json();
    assert_eq!(tags(), json!({ "latest": "1.10.0", "next": "2.0.0-rc.1" }));
    let put = |tag: &str, body: &str| {
        npm.ask(&npm.root, &format!("PUT /-/package/app/dist-tags/{tag}")).body(body).send()
    };
    put("latest", "\"1.2.0\"").with_status(204);
    assert_eq!(tags()["latest"], "1.2.0");
    assert_eq!(npm.packument("app")["dist-tags"], tags());
    refused(put("latest", "\"9.9.9\"").with_status(404), "404 Package Not Found");
    for bad in ["", "1.2.0", "{}", "\"", "\"1 2\""] {
        refused(put("latest", bad).with_status(400), "\"Version\" not given");
    }
    for bad in ["1.0.0", "%5E1", "..%2Fx", "a%5Cb", "%00", "\u{e4}"] {
        assert_eq!(put(bad, "\"1.2.0\"").status, 400, "{bad}");
    }
    npm.ask(&npm.root, "DELETE /-/package/app/dist-tags/next").expect(204);
    let again = npm.ask(&npm.root, "DELETE /-/package/app/dist-tags/next").expect(404);
    refused(again, "404 Package tag Not Found");
    assert_eq!(tags(), json!({ "latest": "1.2.0" }));
}

#[test]
fn a_version_is_deprecated_and_taken_back() {
    let npm = Npm::start();
    for version in ["1.0.0", "1.0.1"] {
        npm.has("app", version);
    }
    let say = |reason: Value, command: &str| {
        let mut told = npm.packument("app");
        told["versions"]["1.0.0"]["deprecated"] = reason;
        let request = npm.ask(&npm.root, "PUT /app").header("npm-command", command);
        request.json(&told).expect(200);
        npm.packument("app")["versions"].clone()
    };
    let versions = say(json!("use 1.0.1"), "deprecate");
    assert_eq!(versions["1.0.0"]["deprecated"], "use 1.0.1");
    assert!(versions["1.0.1"]["deprecated"].is_null());
    npm.ask(&npm.root, "GET /app/-/app-1.0.0.tgz").expect(200);
    assert!(say(json!(""), "undeprecate")["1.0.0"]["deprecated"].is_null());
    let none = json!({ "name": "app", "versions": { "9.0.0": { "deprecated": "x" } } });
    let request = npm.ask(&npm.root, "PUT /app").header("npm-command", "deprecate").json(&none);
    refused(request.expect(400), "nothing to deprecate");
    let long = json!({ "versions": { "1.0.0": { "deprecated": "x".repeat(4097) } } });
    let request = npm.ask(&npm.root, "PUT /app").json(&long);
    refused(request.expect(400), "up to 4096 bytes");
    let developer = npm.has_member("dora", 30);
    let said = json!({ "name": "app", "versions": { "1.0.0": { "deprecated": "x" } } });
    npm.ask(&developer, "PUT /app").json(&said).expect(403);
}

#[test]
fn small_questions_have_answers() {
    let npm = Npm::start();
    assert_eq!(npm.ask(&npm.root, "GET /-/ping").expect(200).json(), json!({}));
    let who = npm.ask(&npm.root, "GET /-/whoami").expect(200).json();
    assert_eq!(who, json!({ "username": "admin" }));
    npm.ask("", "GET /-/whoami").expect(401);
    let audit = |path: &str| {
        let request = npm.ask(&npm.root, &format!("POST /-/npm/v1/security/{path}"));
        request.body("{}").expect(200).json()
    };
    assert_eq!(audit("advisories/bulk"), json!([]));
    for path in ["audits/quick", "audits"] {
        let report = audit(path);
        assert_eq!(report["metadata"]["vulnerabilities"]["critical"], 0, "{report}");
        assert_eq!(report["advisories"], json!({}));
    }
    let login = npm.ask(&npm.root, "PUT /-/user/org.couchdb.user:ann").body("{}").expect(400);
    refused(login, "_authToken");
    npm.ask(&npm.root, "POST /-/v1/login").body("{}").expect(404);
    for line in ["DELETE /app/-rev/1", "PUT /@a%2Fapp/-rev/1", "DELETE /app/-/app-1.tgz/-rev/1"] {
        let unpublish = npm.ask(&npm.root, line).body("{}").expect(405);
        refused(unpublish, "`larder package delete`");
    }
}

#[test]
fn wrong_sums_are_refused() {
    let npm = Npm::start();
    for (key, wrong, text) in [
        ("integrity", integrity(b"other"), "dist.integrity of the tarball is sha512-"),
        ("integrity", "sha512-AAAA".to_owned(), "dist.integrity of the tarball is sha512-"),
        ("integrity", "no sum".to_owned(), "dist.integrity \"no sum\" is none"),
        ("shasum", "0".repeat(40), "dist.shasum of the tarball is "),
        ("shasum", "x".to_owned(), "dist.shasum of the tarball is "),
    ] {
        let mut document = document("app", "1.0.0");
        document["versions"]["1.0.0"]["dist"][key] = json!(wrong);
        npm.refuses(&document, 400, text);
    }
    npm.ask(&npm.root, "GET /app").expect(404);
}

#[test]
fn no_name_leads_elsewhere() {
    let npm = Npm::start();
    let good = document("app", "1.0.0");
    for path in [
        "..%2Fevil",
        "%2e%2e",
        "a%2F..%2Fb",
        "@..%2Fapp",
        "@acme%2F..",
        "@acme%2F..%2F..%2Fapp",
        "a%5Cb",
        "a%00b",
        "@acme%2Fa%2Fb",
        ".app",
        "_app",
        "a%20b",
        "%C3%A4pp",
        "a%CC%88pp",
        "@acme%2F%C3%A4pp",
        "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd",
    ] {
        for method in ["PUT", "GET"] {
            let request = npm.ask(&npm.root, &format!("{method} /{path}"));
            let request = if method == "PUT" { request.json(&good) } else { request };
            let status = request.send().status;
            assert!(status == 400 || status == 404, "{method} {path}: {status}");
        }
    }
    for (version, file) in [("../1.0.0", "app-../1.0.0.tgz"), ("1.0.0", "../../evil.tgz")] {
        let mut document = good.clone();
        let mut manifest = good["versions"]["1.0.0"].clone();
        manifest["version"] = json!(version);
        document["versions"] = json!({ version: manifest });
        let data = good["_attachments"]["app-1.0.0.tgz"].clone();
        document["_attachments"] = json!({ file: data });
        npm.refuses(&document, 400, "");
    }
    let evil = tarball(&[
        ("package/package.json", br#"{"name":"app","version":"1.0.0"}"#),
        ("package/../../evil", b""),
    ]);
    npm.refuses(&with_tarball("app", "1.0.0", &evil), 400, "no path below its first folder");
}

#[test]
fn a_tarball_is_what_is_published() {
    let npm = Npm::start();
    let other = packed("other", "1.0.0");
    npm.refuses(&with_tarball("app", "1.0.0", &other), 400, "says name \"other\"");
    let older = packed("app", "0.9.0");
    npm.refuses(&with_tarball("app", "1.0.0", &older), 400, "says version \"0.9.0\"");
    npm.refuses(&with_tarball("app", "1.0.0", b"no tarball"), 400, "no gzip of a tar");
    let empty = tarball(&[("package/index.js", b"")]);
    npm.refuses(&with_tarball("app", "1.0.0", &empty), 400, "no package/package.json");
    let deep = format!("{{\"x\":{}", "[".repeat(500_000));
    let deep = tarball(&[("package/package.json", deep.as_bytes())]);
    npm.refuses(&with_tarball("app", "1.0.0", &deep), 400, "package.json in the tarball cannot");
    let large = " ".repeat((1 << 20) + 1);
    let large = tarball(&[("package/package.json", large.as_bytes())]);
    npm.refuses(&with_tarball("app", "1.0.0", &large), 400, "up to 1048576 are taken");
}

#[test]
fn a_tarball_bomb_is_not_unpacked() {
    let npm = Npm::start();
    let json = br#"{"name":"app","version":"1.0.0"}"#;
    let zeros = vec![0; 70 << 20];
    let bomb = tarball(&[("package/package.json", json), ("package/zeros", &zeros)]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    npm.refuses(&with_tarball("app", "1.0.0", &bomb), 400, "which is too much for its size");
}

#[test]
fn names_differ_by_more_than_case() {
    let npm = Npm::start();
    npm.has("@acme/App", "1.0.0");
    npm.has("@acme/App", "1.0.1");
    let other = npm.publish(&document("@acme/app", "2.0.0"));
    assert!((400..500).contains(&other.status), "{}", other.text());
    npm.ask(&npm.root, "GET /@acme%2Fapp").expect(404);
    npm.ask(&npm.root, "GET /@acme%2FApp").expect(200);
    npm.ask(&npm.root, "GET /@acme%2Fapp/-/app-1.0.0.tgz").expect(404);
}

#[test]
fn bodies_that_are_no_documents_are_refused() {
    let npm = Npm::start();
    let put = |body: &str| npm.ask(&npm.root, "PUT /app").body(body).send();
    for body in ["", "[]", "{", "{}x", "\u{0}", "{\"versions\":1}"] {
        refused(put(body).with_status(400), "the document cannot be read");
    }
    refused(put("{}").with_status(400), "Version is empty.");
    let nothing = json!({ "name": "app", "versions": { "1.0.0": { "name": "app" } } });
    refused(put(&nothing.to_string()).with_status(400), "Attachment data is empty.");
    let deep = format!("{{\"x\":{}", "[".repeat(10 << 20));
    refused(put(&deep).with_status(400), "the document cannot be read");
    let twice = document("app", "1.0.0").to_string().replacen('{', "{\"name\":\"app\",", 1);
    refused(put(&twice).with_status(400), "twice");
    for bad in ["!!!!", "QUJ", "QUJD=", "QU JD"] {
        let mut document = document("app", "1.0.0");
        document["_attachments"]["app-1.0.0.tgz"]["data"] = json!(bad);
        npm.refuses(&document, 400, "is no base64");
    }
    // What is not known is passed over.
    let mut odd = document("app", "1.0.0");
    odd["odd"] = json!({ "deep": [{ "er": null }] });
    odd["versions"]["1.0.0"]["odd"] = json!([1.5, "x"]);
    npm.publish(&odd).with_status(200);
    assert_eq!(npm.packument("app")["versions"]["1.0.0"]["odd"], json!([1.5, "x"]));
}

#[test]
fn bodies_without_an_end_leave_nothing() {
    let npm = Npm::start();
    // Cut off in the middle of the tarball, with and without a length.
    let body = with_tarball("app", "1.0.0", &vec![7; 1 << 20]).to_string();
    let half = &body.as_bytes()[..body.len() / 2];
    for framing in [format!("Content-Length: {}", body.len()), "Transfer-Encoding: chunked".into()]
    {
        let mut connection = npm.server.connect();
        let head = format!(
            "PUT {}/app HTTP/1.1\r\nHost: h\r\nPRIVATE-TOKEN: {}\r\n{framing}\r\n\r\n",
            npm.base(),
            npm.root
        );
        connection.write(head.as_bytes());
        if framing.starts_with('T') {
            connection.write_chunk(half);
        } else {
            connection.write(half);
        }
        drop(connection);
        npm.server.has_nothing_staged();
    }
    // So long that no end is waited for.
    let spaces = format!("{{{}", " ".repeat(40 << 20));
    let answer = npm.ask(&npm.root, "PUT /app").chunked(spaces).send();
    refused(answer.with_status(400), "too much beside its tarball");
    npm.ask(&npm.root, "GET /app").expect(404);
    npm.server.has_nothing_staged();
}

#[test]
fn a_tarball_is_as_large_as_the_settings_let_it_be() {
    let npm = Npm::start_with("package-npm-max", "100KiB");
    let noise: Vec<_> = (0..4096_u32).flat_map(|n| Sha512::digest(n.to_le_bytes())).collect();
    let json = br#"{"name":"app","version":"1.0.0"}"#;
    let large = tarball(&[("package/package.json", json), ("package/noise", &noise)]);
    npm.refuses(&with_tarball("app", "1.0.0", &large), 400, "File is too large.");
    npm.has("app", "1.0.0");
}

#[test]
fn a_version_that_is_deleted_can_be_published_again() {
    let npm = Npm::start();
    npm.has("app", "1.0.0");
    let list = format!("/api/v4/projects/{}/packages", npm.project);
    let published = npm.publish(&document("app", "2.0.0")).with_status(200).json();
    let id = published["id"].as_u64().unwrap();
    let delete = npm.server.delete(&format!("{list}/{id}"));
    delete.header("PRIVATE-TOKEN", &npm.root).expect(204);
    let versions = npm.packument("app")["versions"].clone();
    assert!(versions["2.0.0"].is_null() && versions["1.0.0"].is_object(), "{versions}");
    npm.ask(&npm.root, "GET /app/-/app-2.0.0.tgz").expect(404);
    // Statement 18: before the sweeper has destroyed the old one.
    npm.has("app", "2.0.0");
    assert_eq!(npm.packument("app")["dist-tags"]["latest"], "2.0.0");
}
