//! Packages and whoever may not: what is built for one caller and asked for by another, rights that
//! end while bytes come, ids and tokens that outlive what they were for (spec gitlab §9).

use serde_json::{Value, json};

use super::harness::Response;
use super::harness::client::Request;
use super::harness::npm::document;
use super::packages_door::{CHALLENGE, Setting};

/// A request with a token, whoever's it is; without one as nobody.
fn with(request: Request, token: &str) -> Request {
    if token.is_empty() { request } else { request.header("Job-Token", token) }
}

fn upload(name: &str, version: &str) -> (String, Vec<u8>) {
    let part = |field: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n")
    };
    let file = format!("{name}-{version}.tar.gz");
    let body = format!(
        "{}{}--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{file}\"\r\n\r\n\
         bytes of {name}\r\n--b--\r\n",
        part("name", name),
        part("version", version),
    );
    (file, body.into_bytes())
}

impl Setting {
    /// Publishes one package of each format with this word in its name.
    fn has_one_of_each(&self, project: u64, word: &str, version: &str) {
        let at = format!("projects/{project}/packages");
        let put = |path: String| self.by_root(&format!("PUT {at}/{path}"));
        put(format!("generic/{word}/{version}/f.html")).body("<script>").expect(201);
        put(format!("npm/@acme%2F{word}"))
            .json(&document(&format!("@acme/{word}"), version))
            .expect(200);
        put(format!("maven/acme/{word}/{version}/{word}-{version}.html"))
            .body("<script>")
            .expect(200);
        self.has_pypi(project, word, version);
    }

    fn has_pypi(&self, project: u64, name: &str, version: &str) {
        let line = format!("POST projects/{project}/packages/pypi");
        let form = self.by_root(&line).header("Content-Type", "multipart/form-data; boundary=b");
        form.body(upload(name, version).1).expect(201);
    }

    fn graphql(&self, token: &str, query: &str) -> Value {
        let request = self.server.post("/api/graphql").json(&json!({ "query": query }));
        with(request, token).expect(200).json()
    }
}

#[test]
fn what_a_group_shows_is_only_what_its_asker_may_read() {
    let setting = Setting::new(&["eve", "sam"]);
    let (open, shut) =
        (setting.has_project("open", "public"), setting.has_project("shut", "private"));
    setting.has_one_of_each(open, "both", "1.0.0");
    setting.has_one_of_each(shut, "both", "6.6.6");
    setting.has_one_of_each(shut, "hushed", "6.6.6");
    setting.has_member(shut, "eve", 20);
    let eve = setting.server.token_of("eve", "read_api");
    let sam = setting.server.token_of("sam", "api");
    let guest = setting.deploy_token(open, &["write_package_registry"]).1;
    let urls = [
        "groups/acme/-/packages/npm/@acme%2Fboth",
        "packages/npm/@acme%2Fboth",
        "groups/acme/-/packages/npm/-/package/@acme%2Fboth/dist-tags",
        "groups/acme/-/packages/pypi/simple",
        "groups/acme/-/packages/pypi/simple/both",
        "groups/acme/-/packages/maven/acme/both/maven-metadata.xml",
        "groups/acme/-/packages/maven/acme/both/maven-metadata.xml.sha1",
    ];
    let get = |url: &str, token: &str| with(setting.ask(&format!("GET {url}")), token);
    for url in urls {
        // Whoever may is first, so that all of it is built and kept.
        let all = get(url, &eve).expect(200);
        let is_sum = url.ends_with("sha1");
        let told = |answer: &Response| {
            let text = answer.text();
            text.contains("6.6.6") || text.contains("hushed")
        };
        assert!(is_sum || told(&all), "{url}: {}", all.text());
        let tag = all.header("etag").map(str::to_owned);
        for token in ["", sam.as_str(), &guest] {
            let request = get(url, token);
            let known = tag.as_deref().unwrap_or("\"none\"");
            let answer = request.header("If-None-Match", known).expect(200);
            assert!(!told(&answer) && answer.text() != all.text(), "{url}: {}", answer.text());
            assert_ne!(
                answer.header("etag").map(str::to_owned),
                tag.clone().or(Some(String::new()))
            );
        }
    }
    for (url, status) in [
        ("groups/acme/-/packages/npm/@acme%2Fhushed", 404),
        ("packages/npm/@acme%2Fhushed", 404),
        ("groups/acme/-/packages/npm/@acme%2Fhushed/-/hushed-6.6.6.tgz", 404),
        ("groups/acme/-/packages/npm/@acme%2Fboth/-/both-6.6.6.tgz", 404),
        ("groups/acme/-/packages/pypi/simple/hushed", 404),
        ("groups/acme/-/packages/maven/acme/both/6.6.6/both-6.6.6.html", 404),
        ("groups/acme/-/packages/maven/acme/hushed/maven-metadata.xml", 404),
    ] {
        get(url, &sam).expect(status);
        // What never was is told in the very same words.
        let words = |url: &str| get(url, &sam).send().text();
        assert_eq!(words(url), words(&url.replace("hushed", "nobodys")), "{url}");
    }
    for token in [sam.as_str(), ""] {
        let list = setting.ask("GET groups/acme/packages?per_page=1");
        let list = if token.is_empty() { list } else { list.header("PRIVATE-TOKEN", token) };
        let list = list.expect(200);
        assert_eq!(list.header("x-total"), Some("4"), "{}", list.text());
        assert!(!list.text().contains("6.6.6"));
    }
    let query = "{ group(fullPath: \"acme\") { packages { count nodes { version \
                 project { fullPath } } } } project(fullPath: \"acme/shut\") { id } }";
    for token in [sam.as_str(), ""] {
        let told = setting.graphql(token, query);
        assert_eq!(told["data"]["group"]["packages"]["count"], 4, "{told}");
        assert!(!told.to_string().contains("shut"), "{told}");
        assert!(told["data"]["project"].is_null());
    }
}

#[test]
fn a_group_that_is_narrowed_shuts_what_is_kept_of_its_projects() {
    let setting = Setting::new(&["sam"]);
    let project = setting.has_project("app", "public");
    setting.has_one_of_each(project, "tool", "1.0.0");
    let sam = setting.server.token_of("sam", "api");
    let at = format!("projects/{project}/packages");
    let urls = [
        format!("{at}/npm/@acme%2Ftool"),
        format!("{at}/npm/@acme%2Ftool/-/tool-1.0.0.tgz"),
        format!("{at}/pypi/simple/tool"),
        format!("{at}/maven/acme/tool/maven-metadata.xml"),
        format!("{at}/generic/tool/1.0.0/f.html"),
        "groups/acme/-/packages/npm/@acme%2Ftool".to_owned(),
    ];
    let get = |url: &str| setting.ask(&format!("GET {url}"));
    let tags: Vec<_> = urls
        .iter()
        .map(|url| get(url).expect(200).header("etag").unwrap_or_default().to_owned())
        .collect();
    setting.api("PUT groups/acme", &json!({"visibility": "private"}));
    for (url, tag) in urls.iter().zip(&tags) {
        get(url).header("If-None-Match", tag).expect(401);
        get(url).header("If-None-Match", tag).header("Job-Token", &sam).expect(404);
    }
}

#[test]
fn browsers_run_nothing_of_what_publishers_sent() {
    let setting = Setting::new(&[]);
    let project = setting.has_project("app", "public");
    setting.has_one_of_each(project, "tool", "1.0.0");
    let at = format!("projects/{project}/packages");
    let list = setting.ask(&format!("GET {at}?package_type=generic")).expect(200).json();
    let id = list[0]["id"].as_u64().unwrap();
    let files = setting.ask(&format!("GET {at}/{id}/package_files")).expect(200).json();
    let file = files[0]["id"].as_u64().unwrap();
    for url in [
        format!("{at}/generic/tool/1.0.0/f.html"),
        format!("{at}/{id}/package_files/{file}/download"),
        format!("{at}/maven/acme/tool/1.0.0/tool-1.0.0.html"),
        format!("{at}/npm/@acme%2Ftool/-/tool-1.0.0.tgz"),
    ] {
        for range in ["bytes=0-1", "bytes=0-"] {
            let answer = setting.ask(&format!("GET {url}")).header("Range", range).expect(206);
            let answer = answer.has("content-security-policy", "sandbox");
            let shown = answer.has("x-content-type-options", "nosniff");
            let disposition = shown.header("content-disposition").unwrap();
            assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        }
    }
    for url in [
        format!("{at}/pypi/simple"),
        format!("{at}/pypi/simple/tool"),
        format!("{at}/npm/@acme%2Ftool"),
        format!("{at}/maven/acme/tool/maven-metadata.xml"),
    ] {
        let answer = setting.ask(&format!("GET {url}")).expect(200);
        let answer = answer.has("x-content-type-options", "nosniff");
        answer.has("content-security-policy", "default-src 'none'");
    }
}

/// One way to publish: the method and the path, headers, the body.
type Way = (String, Vec<(&'static str, String)>, Vec<u8>);

fn ways(project: u64) -> Vec<Way> {
    let at = format!("/api/v4/projects/{project}/packages");
    let json = document("late", "1.0.0").to_string().into_bytes();
    let form = vec![("Content-Type", "multipart/form-data; boundary=b".to_owned())];
    vec![
        (format!("PUT {at}/generic/late/1.0/f"), Vec::new(), b"ab".to_vec()),
        (format!("PUT {at}/maven/acme/late/1.0/late-1.0.jar"), Vec::new(), b"ab".to_vec()),
        (format!("PUT {at}/npm/late"), Vec::new(), json),
        (format!("POST {at}/pypi"), form, upload("late", "1.0").1),
    ]
}

/// Sends half of a body, lets `end` happen, and sends the rest.
fn halfway(setting: &Setting, way: &Way, token: &str, end: impl FnOnce()) -> Response {
    let (line, headers, body) = way;
    let mut connection = setting.server.connect();
    let mut head = format!("{line} HTTP/1.1\r\nHost: h\r\nJob-Token: {token}\r\n");
    for (name, value) in headers {
        head.extend([*name, ": ", value.as_str(), "\r\n"]);
    }
    head += "Transfer-Encoding: chunked\r\n\r\n";
    connection.write(head.as_bytes());
    let (first, rest) = body.split_at(body.len() / 2);
    connection.write_chunk(first);
    // It was let in: its bytes are taken, so the door is behind it.
    std::thread::sleep(std::time::Duration::from_millis(300));
    end();
    connection.write_chunk(rest);
    connection.write(b"0\r\n\r\n");
    connection.answer_to("PUT")
}

#[test]
fn whoever_is_removed_while_bytes_come_publishes_nothing() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("app", "public");
    let eve = setting.server.token_of("eve", "api");
    let number = setting.ask("GET user").header("PRIVATE-TOKEN", &eve).expect(200).json();
    let number = number["id"].as_u64().unwrap();
    for way in ways(project) {
        setting.has_member(project, "eve", 30);
        let answer = halfway(&setting, &way, &eve, || {
            setting.by_root(&format!("DELETE projects/{project}/members/{number}")).expect(204);
        });
        assert_eq!(answer.status, 403, "{}: {}", way.0, answer.text());
        let body = json!({"name": "machine", "scopes": ["write_package_registry"]});
        let made = setting.api(&format!("POST projects/{project}/deploy_tokens"), &body);
        let (id, token) = (&made["id"], made["token"].as_str().unwrap());
        let answer = halfway(&setting, &way, token, || {
            let line = format!("DELETE projects/{project}/deploy_tokens/{id}");
            setting.by_root(&line).expect(204);
        });
        assert_eq!(answer.status, 401, "{}: {}", way.0, answer.text());
    }
    let list = setting.by_root(&format!("GET projects/{project}/packages")).expect(200);
    list.json_is(&json!([]));
    setting.server.has_nothing_staged();
}

#[test]
fn whose_token_or_account_ends_while_bytes_come_publishes_nothing() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("app", "public");
    for way in ways(project) {
        setting.has_member(project, "eve", 30);
        let token = setting.server.token_of("eve", "api");
        let id = token.split('_').nth(1).unwrap();
        let answer = halfway(&setting, &way, &token, || {
            setting.server.command(&["token", "revoke", id]).succeeds();
        });
        let text = answer.text();
        assert_eq!(answer.status, 401, "{}: {text}", way.0);
        assert!(text.contains("log in again"), "{text}");
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
        let token = setting.server.token_of("eve", "api");
        let answer = halfway(&setting, &way, &token, || {
            setting.server.command(&["user", "del", "eve"]).succeeds();
        });
        // Whether the role or the token is missed first does not matter.
        assert!(matches!(answer.status, 401 | 403), "{}: {}", way.0, answer.text());
        setting.server.has_user("eve", &["people"]);
    }
    let list = setting.by_root(&format!("GET projects/{project}/packages")).expect(200);
    list.json_is(&json!([]));
    setting.server.has_nothing_staged();
}

#[test]
fn old_ids_and_tokens_reach_nothing_of_what_is_made_again() {
    let setting = Setting::new(&["eve"]);
    let old = setting.has_project("app", "private");
    setting.has_member(old, "eve", 40);
    let eve = setting.server.token_of("eve", "api");
    let machine = setting.deploy_token(old, &["write_package_registry"]).1;
    setting.has_one_of_each(old, "tool", "1.0.0");
    let list = format!("GET projects/{old}/packages?package_type=generic");
    let package = setting.by_root(&list).expect(200).json()[0]["id"].as_u64().unwrap();
    let files = format!("GET projects/{old}/packages/{package}/package_files");
    let file = setting.by_root(&files).expect(200).json()[0]["id"].as_u64().unwrap();
    setting.by_root(&format!("DELETE projects/{old}")).expect(202);
    let new = setting.has_project("app", "private");
    setting.has_one_of_each(new, "tool", "2.0.0");
    assert_ne!(old, new);
    let revived = |request: Request| request.header("Job-Token", &machine).expect(401);
    revived(setting.ask(&format!("GET projects/{new}/packages/generic/tool/2.0.0/f.html")));
    for project in [old, new] {
        let at = format!("projects/{project}/packages/{package}");
        for line in [
            format!("GET {at}"),
            format!("GET {at}/package_files"),
            format!("GET {at}/package_files/{file}/download"),
            format!("DELETE {at}/package_files/{file}"),
            format!("DELETE {at}"),
        ] {
            setting.by_root(&line).expect(404);
            setting.ask(&line).header("PRIVATE-TOKEN", &eve).expect(404);
        }
    }
    let gid = format!("gid://gitlab/Packages::Package/{package}");
    let told = setting.graphql(&setting.root, &format!("{{ package(id: \"{gid}\") {{ name }} }}"));
    assert_eq!(told["data"]["package"], Value::Null);
    let file = format!("gid://gitlab/Packages::PackageFile/{file}");
    let destroy =
        format!("mutation {{ destroyPackageFile(input: {{id: \"{file}\"}}) {{ errors }} }}");
    assert!(setting.graphql(&setting.root, &destroy)["errors"].is_array());
}

#[test]
fn an_account_that_is_made_again_is_somebody_else() {
    let setting = Setting::new(&["eve"]);
    let project = setting.has_project("app", "private");
    setting.has_member(project, "eve", 50);
    let url = format!("projects/{project}/packages/generic/tool/1.0/f");
    setting.by_root(&format!("PUT {url}")).body("x").expect(201);
    let before = setting.server.token_of("eve", "api");
    let get = |token: &str| setting.ask(&format!("GET {url}")).header("Job-Token", token);
    get(&before).expect(200);
    setting.server.command(&["user", "del", "eve"]).succeeds();
    get(&before).expect(401);
    setting.server.has_user("eve", &["people"]);
    get(&before).expect(401);
    let after = setting.server.token_of("eve", "api");
    get(&after).expect(404);
    let members = setting.by_root(&format!("GET projects/{project}/members")).expect(200);
    assert!(!members.text().contains("eve"), "{}", members.text());
}

#[test]
fn nobody_gives_more_than_they_have() {
    let setting = Setting::new(&["mia", "dan"]);
    let project = setting.has_project("app", "private");
    setting.has_member(project, "mia", 40);
    setting.has_member(project, "dan", 30);
    let [mia, dan] = ["mia", "dan"].map(|user| setting.server.token_of(user, "api"));
    let ask = |token: &str, line: &str| setting.ask(line).header("PRIVATE-TOKEN", token);
    let me = |token: &str| ask(token, "GET user").expect(200).json()["id"].as_u64().unwrap();
    let at = format!("projects/{project}");
    for (token, line, body) in [
        (&mia, format!("PUT {at}/members/{}", me(&mia)), json!({"access_level": 50})),
        (&mia, format!("PUT {at}/members/{}", me(&dan)), json!({"access_level": 50})),
        (&mia, format!("POST {at}/members"), json!({"username": "admin", "access_level": 50})),
        (&dan, format!("PUT {at}/members/{}", me(&dan)), json!({"access_level": 40})),
        (
            &dan,
            format!("POST {at}/deploy_tokens"),
            json!({"name": "x", "scopes": ["read_registry"]}),
        ),
        (&dan, format!("PUT {at}"), json!({"visibility": "public"})),
        (&mia, format!("DELETE {at}"), json!({})),
    ] {
        ask(token, &line).json(&body).expect(403);
    }
    let url = format!("{at}/packages/generic/tool/1.0/f");
    ask(&dan, &format!("PUT {url}")).body("x").expect(201);
    let list = ask(&dan, &format!("GET {at}/packages")).expect(200).json();
    ask(&dan, &format!("DELETE {at}/packages/{}", list[0]["id"])).expect(403);
}

/// What `latest` names is what is installed, so it moves no further than publishing goes.
#[test]
fn a_protected_package_keeps_its_tags() {
    let setting = Setting::new(&["dan", "mia"]);
    let project = setting.has_project("app", "public");
    setting.has_member(project, "dan", 30);
    setting.has_member(project, "mia", 40);
    setting.has_one_of_each(project, "tool", "1.0.0");
    let [dan, mia] = ["dan", "mia"].map(|user| setting.server.token_of(user, "api"));
    let machine = setting.deploy_token(project, &["write_package_registry"]).1;
    let rule = json!({
        "package_name_pattern": "@acme/*",
        "package_type": "npm",
        "minimum_access_level_for_push": "maintainer",
    });
    setting.api(&format!("POST projects/{project}/packages/protection/rules"), &rule);
    let tag = "npm/-/package/@acme%2Ftool/dist-tags/next";
    let at_project = format!("projects/{project}/packages/{tag}");
    for url in [at_project.clone(), format!("groups/acme/-/packages/{tag}")] {
        let ask = |method: &str, token: &str| {
            let request = setting.ask(&format!("{method} {url}")).header("Job-Token", token);
            request.json(&json!("1.0.0")).send()
        };
        for token in [&dan, &machine] {
            let refused = ask("PUT", token).with_status(403).json();
            assert_eq!(refused["message"], "Package protected.", "{refused}");
        }
        ask("DELETE", &machine).with_status(403);
        ask("PUT", &mia).with_status(204);
        ask("DELETE", &machine).with_status(403);
        ask("DELETE", &mia).with_status(204);
    }
}

/// Whoever it is, no more of a body is read than there can be of use in it.
#[test]
fn a_version_that_is_a_large_document_is_no_version() {
    let setting = Setting::new(&[]);
    let project = setting.has_project("app", "public");
    setting.has_one_of_each(project, "tool", "1.0.0");
    let line = format!("PUT projects/{project}/packages/npm/-/package/@acme%2Ftool/dist-tags/next");
    let large = "[{}],".repeat(100_000);
    for body in [large.as_str(), "{}", "[]", "7", "\"9.9.9\""] {
        let status = if body.contains('9') { 404 } else { 400 };
        setting.by_root(&line).body(body).expect(status);
    }
    setting.ask(&line).body(large).expect(400);
    setting.ask(&line).body("\"1.0.0\"").expect(401);
}

/// A list under many names costs what one may: the rest is refused and says why.
#[test]
fn a_document_of_many_lists_is_answered() {
    let setting = Setting::new(&[]);
    let project = setting.has_project("app", "public");
    setting.has_one_of_each(project, "tool", "1.0.0");
    let list = |number: u32| format!("a{number}: packages(first: 1) {{ count }} ");
    let many = (0..100).map(list).collect::<Vec<_>>().concat();
    let told = setting.graphql("", &format!("{{ group(fullPath: \"acme\") {{ {many} }} }}"));
    assert_eq!(told["data"]["group"]["a99"]["count"], 4, "{told}");
}
