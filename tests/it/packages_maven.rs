//! Maven over HTTP, one request at a time: what Maven and Gradle send in which order, and what
//! nobody should (spec gitlab §6, statements 13 and 14).

use super::harness::maven::{Maven, SUMS, sum};
use super::harness::{Connection, TestServer};

/// A client's metadata, which never has the bytes of ours.
fn metadata(versions: &[&str]) -> String {
    let versions = versions.join("</version><version>");
    let versions = format!("<versions><version>{versions}</version></versions>");
    format!("<metadata><versioning>{versions}</versioning></metadata>")
}

fn too_large() -> serde_json::Value {
    serde_json::json!({"message": "400 Bad request - File is too large"})
}

fn values<'a>(xml: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap()).collect()
}

#[test]
fn statement_13_the_same_file_100_times_is_100_files_and_the_newest_is_served() {
    let maven = Maven::start();
    let pom = "com/acme/app/1.0/app-1.0.pom";
    for number in 0..100 {
        maven.on(&format!("PUT {pom}")).body(format!("<project n='{number}'/>")).expect(200);
    }
    maven.get(pom).body_is("<project n='99'/>");
    assert_eq!(maven.download(pom), "<project n='99'/>");
    let stats = maven.server.command(&["stats", "--json"]).succeeds().out;
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["inline"]["files"], 100, "{stats}");
}

#[test]
fn statement_14_a_checksum_is_compared_with_the_newest_file_and_never_stored() {
    let maven = Maven::start();
    let jar = "com/acme/app/1.0/app-1.0.jar";
    for kind in SUMS {
        maven.on(&format!("PUT {jar}.{kind}")).body(sum(kind, "old")).expect(404);
    }
    maven.on(&format!("PUT {jar}")).body("old").expect(200).body_is("");
    maven.on(&format!("PUT {jar}")).body("new").expect(200);
    for kind in SUMS {
        let (right, same) = (sum(kind, "new"), if kind == "md5" { 200 } else { 204 });
        let texts = [
            (right.clone(), same),
            (format!(" {}\r\n", right.to_uppercase()), same),
            (format!("{right}  app-1.0.jar\n"), same),
            (sum(kind, "old"), 409),
            (String::new(), 409),
            ("not hex at all".to_owned(), 409),
            (right[2..].to_owned(), 409),
            ("0".repeat(5_000), 400),
        ];
        for (text, status) in texts {
            maven.on(&format!("PUT {jar}.{kind}")).body(text).expect(status);
        }
        let got = maven.get(&format!("{jar}.{kind}")).has("content-type", "text/plain");
        got.body_is(right);
    }
    maven.on(&format!("GET {jar}.sha224")).expect(404);
}

#[test]
fn an_attached_checksum_and_a_signature_have_checksums_of_their_own() {
    let maven = Maven::start();
    let zip = "com/acme/app/1.0/app-1.0.zip";
    maven.upload(zip, "source");
    maven.upload(&format!("{zip}.asc"), "signature");
    // Some projects attach a checksum as a file: Maven sends checksums of that too.
    let text = format!("{}  app-1.0.zip\n", sum("sha512", "source"));
    maven.on(&format!("PUT {zip}.sha512")).body(text.clone()).expect(204);
    maven.on(&format!("PUT {zip}.sha512.sha1")).body(sum("sha1", &text)).expect(204);
    maven.on(&format!("PUT {zip}.sha512.sha1")).body(sum("sha1", "other")).expect(409);
    maven.download(&format!("{zip}.sha512"));
    maven.download(&format!("{zip}.asc"));
}

#[test]
fn maven_deploys_files_first_and_metadata_last() {
    let maven = Maven::start();
    let artifact = "com/acme/app/maven-metadata.xml";
    maven.on(&format!("GET {artifact}")).expect(404);
    maven.on(&format!("GET {artifact}.sha1")).expect(404);
    let mut deployed = Vec::new();
    for version in ["1.0", "1.10", "1.9"] {
        let file = format!("com/acme/app/{version}/app-{version}");
        maven.upload(&format!("{file}.jar"), version);
        maven.upload(&format!("{file}.pom"), &format!("<project>{version}</project>"));
        deployed.push(version);
        // The client adds to what it gets, and sends it back.
        let known = maven.download(artifact);
        assert!(values(&known, "version").contains(&version), "{known}");
        maven.upload(artifact, &metadata(&deployed));
    }
    let listed = maven.download(artifact);
    assert_eq!(values(&listed, "version"), ["1.0", "1.9", "1.10"]);
    assert_eq!(
        (values(&listed, "latest"), values(&listed, "release")),
        (vec!["1.10"], vec!["1.10"])
    );
    assert_eq!(values(&listed, "groupId"), ["com.acme"]);
    let wrong = maven.on(&format!("PUT {artifact}.sha1")).body(sum("sha1", "other"));
    wrong.expect(409);
    // What it got is good as well.
    maven.on(&format!("PUT {artifact}.sha1")).body(sum("sha1", &listed)).expect(204);
    maven.on("PUT com/acme/other/maven-metadata.xml.sha1").body(sum("sha1", "x")).expect(404);
}

#[test]
fn gradle_deploys_snapshots_metadata_first() {
    let maven = Maven::start();
    let folder = "com/acme/app/1.0-SNAPSHOT";
    let xml = format!("{folder}/maven-metadata.xml");
    for number in 1..=2 {
        let known = maven.on(&format!("GET {xml}")).send();
        let expected = if number == 1 { 404 } else { 200 };
        let known = known.with_status(expected).text();
        let last = values(&known, "buildNumber").first().map_or(0, |text| text.parse().unwrap());
        assert_eq!(last, number - 1, "{known}");
        maven.upload(&xml, &metadata(&[]));
        let build = format!("{folder}/app-1.0-2026010{number}.101500-{number}");
        for file in [".jar", "-sources.jar", ".module", ".pom"] {
            maven.upload(&format!("{build}{file}"), &format!("{file} {number}"));
        }
        maven.upload("com/acme/app/maven-metadata.xml", &metadata(&["1.0-SNAPSHOT"]));
    }
    let text = maven.download(&xml);
    assert_eq!(values(&text, "timestamp"), ["20260102.101500"]);
    assert_eq!(values(&text, "buildNumber"), ["2"]);
    assert_eq!(values(&text, "extension"), ["jar", "module", "pom", "jar"]);
    assert_eq!(values(&text, "classifier"), ["sources"]);
    assert!(values(&text, "value").iter().all(|value| *value == "1.0-20260102.101500-2"), "{text}");
    let artifact = maven.download("com/acme/app/maven-metadata.xml");
    assert_eq!(values(&artifact, "version"), ["1.0-SNAPSHOT"]);
    assert!(values(&artifact, "release").is_empty(), "{artifact}");
    // Builds that are not the newest can still be had.
    assert_eq!(maven.download(&format!("{folder}/app-1.0-20260101.101500-1.jar")), ".jar 1");
}

#[test]
fn plugins_are_called_by_prefixes_that_are_kept_one_by_one() {
    let maven = Maven::start();
    let group = "com/acme/maven-metadata.xml";
    let plugin = |name: &str| {
        format!(
            "<metadata><plugins><plugin><name>{name} &amp; Co</name><prefix>{name}</prefix>\
             <artifactId>{name}-maven-plugin</artifactId></plugin></plugins></metadata>"
        )
    };
    maven.upload(group, &plugin("early"));
    maven.on(&format!("GET {group}")).expect(404);
    for name in ["hello", "bye", "early"] {
        let jar = format!("com/acme/{name}-maven-plugin/1.0/{name}-maven-plugin-1.0.jar");
        maven.upload(&jar, name);
        maven.upload(group, &plugin(name));
    }
    let text = maven.download(group);
    assert_eq!(values(&text, "prefix"), ["bye", "early", "hello"]);
    assert_eq!(values(&text, "name"), ["bye &amp; Co", "early &amp; Co", "hello &amp; Co"]);
    assert!(!text.contains("versioning"), "{text}");
}

#[test]
fn a_download_has_ranges_entity_tags_sums_and_a_head() {
    let maven = Maven::start();
    let jar = "com/acme/app/1.0/app-1.0.jar";
    let content = "0123456789".repeat(5_000);
    maven.upload(jar, &content);
    let got = maven.get(jar).has("x-checksum-sha1", &sum("sha1", &content));
    let tag = got.header("etag").unwrap().to_owned();
    maven.on(&format!("GET {jar}")).header("If-None-Match", &tag).expect(304).body_is("");
    let part = maven.on(&format!("GET {jar}")).header("Range", "bytes=49995-").expect(206);
    part.body_is("56789").has("content-range", "bytes 49995-49999/50000");
    maven.on(&format!("HEAD {jar}")).expect(200).has("content-length", "50000").body_is("");
    let xml = "com/acme/app/maven-metadata.xml";
    let text = maven.get(xml).has("content-type", "text/xml");
    let right = sum("sha1", &text.body);
    let text = text.has("x-checksum-sha1", &right);
    let tag = text.header("etag").unwrap().to_owned();
    maven.on(&format!("GET {xml}")).header("If-None-Match", &tag).expect(304);
    let length = text.body.len().to_string();
    maven.on(&format!("HEAD {xml}")).expect(200).has("content-length", &length).body_is("");
    maven.on(&format!("HEAD {xml}.md5")).expect(200).has("content-length", "32").body_is("");
    maven.on("HEAD com/acme/app/1.0/other.jar").expect(404);
    maven.upload("com/acme/app/1.1/app-1.1.jar", "new");
    maven.on(&format!("GET {xml}")).header("If-None-Match", &tag).expect(200);
}

#[test]
fn a_path_that_could_lead_elsewhere_is_refused_at_every_segment() {
    let maven = Maven::start();
    let good = ["com", "acme", "app", "1.0", "app-1.0.jar"];
    let bad = [
        "..",
        "%2e%2e",
        ".",
        "%2E",
        "..%2f..",
        "a%2f..%2fb",
        "%5c..",
        "a%00b",
        "a%0ab",
        "%20",
        "a%7e",
        "%c3%a4",
        "a%3ab",
        "",
    ];
    for at in 0..good.len() {
        // A slash at the end changes nothing, so there nothing is not odd.
        for odd in bad.into_iter().filter(|odd| at + 1 < good.len() || !odd.is_empty()) {
            let mut path = good;
            path[at] = odd;
            let path = path.join("/");
            for method in ["GET", "HEAD", "PUT"] {
                let status = maven.on(&format!("{method} {path}")).send().status;
                assert_eq!(status, 400, "{method} {path}");
            }
        }
    }
    for path in [
        "com/acme/app/1..0/app.jar",
        "1.0/app.jar",
        "com/a+b/1.0/app.jar",
        &format!("com/acme/app/{}/app.jar", "1".repeat(256)),
        &format!("com/acme/app/1.0/{}", "a".repeat(256)),
    ] {
        let refused = maven.on(&format!("PUT {path}")).body("x").expect(400);
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("is invalid: "), "{error}");
    }
    // Nothing is there to put a file to: a folder is missing.
    maven.on("PUT app.jar").body("x").expect(404);
}

#[test]
fn bodies_that_are_no_metadata_or_end_early_leave_nothing() {
    let maven = Maven::start();
    let xml = "com/acme/app/maven-metadata.xml";
    let entity = |n: usize| format!("<!ENTITY l{n} \"&l{0};&l{0};&l{0};\">", n - 1);
    let entities = (1..20).map(entity).collect::<Vec<_>>().concat();
    for text in [
        format!("<!DOCTYPE m [<!ENTITY l0 \"lol\">{entities}]><metadata>&l19;</metadata>"),
        "<!DOCTYPE m [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><metadata>&f;</metadata>"
            .to_owned(),
        format!("<metadata>{}", "<a>".repeat(2_000_000)),
        "<metadata><versioning>".to_owned(),
        "<project/>".to_owned(),
        "not xml".to_owned(),
        String::new(),
    ] {
        let shown: String = text.chars().take(60).collect();
        let refused = maven.on(&format!("PUT {xml}")).body(text).send();
        assert_eq!(refused.status, 400, "{shown}: {}", refused.text());
        assert!(refused.text().contains("maven-metadata.xml"), "{}", refused.text());
    }
    let large = " ".repeat((8 << 20) + 1);
    maven.on(&format!("PUT {xml}")).body(large).expect(400).json_is(&too_large());
    maven.on(&format!("GET {xml}")).expect(404);
    for path in ["com/acme/app/1.0/app-1.0.jar", xml, "com/acme/app/1.0/app-1.0.jar.sha1"] {
        let mut connection = Connection::open(maven.server.address());
        let head = format!(
            "PUT /api/v4/projects/acme%2Flib/packages/maven/{path} HTTP/1.1\r\nHost: x\r\n\
             PRIVATE-TOKEN: {}\r\nContent-Length: 100000\r\n\r\n",
            maven.root
        );
        connection.write(head.as_bytes());
        connection.write(&vec![b'x'; 50_000]);
        connection.end_writing();
        connection.rest();
        maven.on(&format!("GET {path}")).expect(404);
    }
    maven.server.has_nothing_staged();
}

#[test]
fn a_file_above_the_limit_is_refused_and_leaves_nothing() {
    let settings = TestServer::with_people().with("package-maven-max", "64KiB");
    let maven = Maven::with(settings);
    let jar = "com/acme/app/1.0/app-1.0.jar";
    maven.on(&format!("PUT {jar}")).body(vec![0; 64 << 10]).expect(200);
    maven.on(&format!("PUT {jar}")).body(vec![1; (64 << 10) + 1]).expect(400).json_is(&too_large());
    maven.on(&format!("PUT {jar}")).chunked(vec![1; 1 << 20]).expect(400).json_is(&too_large());
    assert_eq!(maven.get(jar).body, vec![0; 64 << 10]);
    maven.server.has_nothing_staged();
}

#[test]
fn a_group_shows_what_the_caller_may_read_and_metadata_of_all_of_it() {
    let maven = Maven::start();
    let group =
        maven.ask(&maven.root, "GET groups/acme").expect(200).json()["id"].as_u64().unwrap();
    maven.has_project(group, "open", "private");
    let open = |line: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        maven.ask(&maven.root, &format!("{method} projects/acme%2Fopen/packages/maven/{path}"))
    };
    maven.upload("com/acme/app/1.0/app-1.0.jar", "older");
    open("PUT com/acme/app/1.0/app-1.0.jar").body("newer").expect(200);
    open("PUT com/acme/app/1.1/app-1.1.jar").body("next").expect(200);
    let in_group = |token: &str, path: &str| {
        maven.ask(token, &format!("GET groups/acme/-/packages/maven/{path}")).send()
    };
    let get = |path: &str| in_group(&maven.root, path).with_status(200);
    get("com/acme/app/1.0/app-1.0.jar").body_is("newer");
    get("com/acme/app/1.0/app-1.0.jar.sha1").body_is(sum("sha1", "newer"));
    let xml = get("com/acme/app/maven-metadata.xml").text();
    assert_eq!(values(&xml, "version"), ["1.0", "1.1"]);
    get("com/acme/app/maven-metadata.xml.md5").body_is(sum("md5", &xml));
    in_group(&maven.root, "com/acme/app/2.0/app-2.0.jar").with_status(404);
    maven.ask(&maven.root, "GET groups/other/-/packages/maven/a/1/b").expect(404);
    // A person whose role is in one of the projects sees that one's.
    maven.server.has_user("vera", &["people"]);
    let body = serde_json::json!({"username": "vera", "access_level": 20});
    maven.ask(&maven.root, "POST projects/acme%2Fopen/members").json(&body).expect(201);
    let vera = maven.server.token_of("vera", "api");
    let at = "projects/acme%2Fopen/packages/maven/com/acme/app/1.1/app-1.1.jar";
    maven.ask(&vera, &format!("GET {at}")).expect(200);
    maven
        .ask(&vera, "GET projects/acme%2Flib/packages/maven/com/acme/app/1.0/app-1.0.jar")
        .expect(404);
    maven.on("PUT com/acme/app/1.0/app-1.0.jar").body("newest, and not hers").expect(200);
    let seen = in_group(&vera, "com/acme/app/1.0/app-1.0.jar");
    assert!(seen.status == 404 || seen.body == b"newer", "{}", seen.text());
    maven.ask(&maven.root, "PUT groups/acme/-/packages/maven/a/1/b").body("x").expect(405);
}

#[test]
fn everywhere_a_package_is_found_by_the_path_of_its_project() {
    let maven = Maven::start();
    maven.upload("acme/lib/1.0/lib-1.0.jar", "named");
    maven.upload("acme/lib/core/1.0/core-1.0.jar", "below");
    maven.upload("com/acme/app/1.0/app-1.0.jar", "elsewhere");
    let get =
        |token: &str, path: &str| maven.ask(token, &format!("GET packages/maven/{path}")).send();
    get(&maven.root, "acme/lib/1.0/lib-1.0.jar").with_status(200).body_is("named");
    get(&maven.root, "acme/lib/core/1.0/core-1.0.jar").with_status(200).body_is("below");
    get(&maven.root, "acme/lib/maven-metadata.xml").with_status(200);
    get(&maven.root, "acme/lib/2.0/lib-2.0.jar").with_status(404);
    get(&maven.root, "com/acme/app/1.0/app-1.0.jar").with_status(403);
    get("", "com/acme/app/1.0/app-1.0.jar").with_status(401);
    get("", "acme/lib/1.0/lib-1.0.jar").with_status(401);
    maven.server.has_user("gus", &["people"]);
    let gus = maven.server.token_of("gus", "api");
    get(&gus, "acme/lib/1.0/lib-1.0.jar").with_status(403);
    get(&gus, "no/such/1.0/thing-1.0.jar").with_status(403);
}

#[test]
fn roles_and_tokens_decide_who_reads_and_who_publishes() {
    let maven = Maven::start();
    let jar = "projects/acme%2Flib/packages/maven/com/acme/app/1.0/app-1.0.jar";
    let (put, get) = (format!("PUT {jar}"), format!("GET {jar}"));
    let dora = maven.has_member("acme", "dora", 30);
    let rita = maven.has_member("acme", "rita", 20);
    let gus = maven.has_member("acme", "gus", 10);
    maven.ask(&dora, &put).body("x").expect(200);
    maven.ask(&rita, &get).expect(200);
    maven.ask(&rita, &put).body("y").expect(403);
    maven.ask(&gus, &get).expect(403);
    maven.ask("", &get).expect(401);
    maven.ask("", &put).body("y").expect(401);
    let (_, reads) = maven.has_deploy_token("acme%2Flib", "read_package_registry");
    let (login, writes) = maven.has_deploy_token("acme%2Flib", "write_package_registry");
    let with = |line: &str, token: &str| maven.ask("", line).header("Deploy-Token", token);
    with(&get, &reads).expect(200);
    with(&put, &reads).body("y").expect(403);
    with(&put, &writes).body("z").expect(200);
    with(&format!("{put}.sha1"), &writes).body(sum("sha1", "z")).expect(204);
    maven.ask("", &get).by(&login, &writes).expect(200).body_is("z");
    let refused = maven.ask("", &get).by(&login, "wrong").expect(401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
}
