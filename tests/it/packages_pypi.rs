//! Packages of `PyPI` over HTTP (spec gitlab §7, statement 16): uploads, the simple index, files,
//! and everything that must not be taken in.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::{TestServer, noise, sha256};
use super::pypi_setting::{BOUNDARY, Form, Setting, typed};

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const WHEEL: &str = "foo-1.0-py3-none-any.whl";

fn form(more: &[(&str, &str)]) -> Form {
    Form::of(&[&[("name", "Foo"), ("version", "1.0")], more].concat())
}

impl Setting {
    /// The names of the files on a page.
    #[track_caller]
    fn files(&self, name: &str) -> BTreeSet<String> {
        let page = self.json_page(&format!("/simple/{name}/"));
        let files = page["files"].as_array().unwrap().iter();
        files.map(|file| file["filename"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn json_page(&self, path: &str) -> Value {
        let page = self.root_gets(path).header("Accept", JSON).expect(200);
        page.has("content-type", JSON).has("vary", "accept").json()
    }

    /// The upload is refused with 400 and these words, and nothing of it is kept.
    #[track_caller]
    fn refuses(&self, form: &Form, words: &str) {
        let answer = self.post(form).with_status(400);
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.to_lowercase().starts_with("400 bad request - "), "{message}");
        assert!(message.contains(words), "no {words:?} in {message}");
        self.server.has_nothing_staged();
    }

    /// No package is there.
    #[track_caller]
    fn is_empty(&self) {
        assert_eq!(self.json_page("/simple")["projects"], json!([]));
        assert_eq!(self.server.blob_files(), (0, 0));
    }
}

#[test]
fn statement_16_the_same_file_name_is_400_and_another_wheel_is_appended() {
    let setting = Setting::new();
    setting.uploads("foo", "1.0", WHEEL, b"a wheel");
    let taken = "Validation failed: File name has already been taken";
    for bytes in [&b"a wheel"[..], b"another"] {
        setting.refuses(&form(&[]).file(WHEEL, bytes), taken);
    }
    // The spelling makes no difference, nor does the order of the parts.
    for file in ["Foo-1.0-py3-none-any.whl", "foo-v1.0-Py3-none-any.whl"] {
        setting.refuses(&form(&[]).file(file, b"x"), taken);
        setting.refuses(&form(&[]).file(file, b"x").reversed(), taken);
    }
    let other = "foo-1.0-cp311-cp311-linux_x86_64.whl";
    setting.uploads("FOO", "v1.0", other, b"for one machine");
    setting.uploads("foo", "1.0", "foo-1.0.tar.gz", b"sources");
    // A slash at the end of the address makes no difference.
    let slash = form(&[]).file("foo-1.0.zip", b"sources");
    slash.by(setting.ask(&setting.root, "POST", "/")).expect(201);
    setting.uploads("foo", "1.1", "foo-1.1.tar.gz", b"a newer one");
    let files = setting.files("foo");
    assert_eq!(
        files,
        [WHEEL, other, "foo-1.0.tar.gz", "foo-1.0.zip", "foo-1.1.tar.gz"].map(str::to_owned).into()
    );
    let page = setting.json_page("/simple/foo/");
    assert_eq!(page["versions"], json!(["1.0", "1.1"]));
    assert_eq!(page["name"], "foo");
    assert_eq!(page["meta"]["api-version"], "1.1");
}

#[test]
fn a_link_leads_to_the_bytes_with_sum_range_and_tag() {
    let setting = Setting::new();
    let bytes = noise(1, 300_000);
    let sum = sha256(&bytes);
    let fields = [("requires_python", ">=3.8,<4"), ("sha256_digest", sum.as_str())];
    setting
        .post(&form(&fields).file(WHEEL, &bytes))
        .with_status(201)
        .json_is(&json!({ "message": "201 Created" }));
    let page = setting.root_gets("/simple/foo/").expect(200);
    let page = page.has("content-type", "text/html; charset=utf-8").has("vary", "accept");
    let path = format!("/api/v4/projects/{}/packages/pypi/files/{sum}/{WHEEL}", setting.project);
    let link = format!(
        "<a href=\"{path}#sha256={sum}\" data-requires-python=\"&gt;=3.8,&lt;4\">{WHEEL}</a><br>"
    );
    assert!(page.text().contains(&link), "{}", page.text());
    let etag = page.header("etag").unwrap().to_owned();
    let again = setting.root_gets("/simple/foo/").header("If-None-Match", &etag);
    again.expect(304).has("vary", "accept").body_is("");

    let file = &setting.json_page("/simple/foo")["files"][0];
    assert_eq!(file["url"], path);
    assert_eq!(file["hashes"], json!({ "sha256": sum }));
    assert_eq!(file["size"], 300_000);
    assert_eq!(file["requires-python"], ">=3.8,<4");
    assert_eq!(file["yanked"], false);
    assert!(file["upload-time"].as_str().unwrap().ends_with('Z'), "{file}");

    let get = || setting.server.get(&path).by("x", &setting.root);
    let whole = get().expect(200).body_is(&bytes).has("x-checksum-sha256", &sum);
    let part = get().header("Range", "bytes=100-199").expect(206);
    part.body_is(&bytes[100..200]);
    get().header("If-None-Match", whole.header("etag").unwrap()).expect(304);
    setting.server.head(&path).by("x", &setting.root).expect(200).has("content-length", "300000");
    // Through the group, in any case, and nowhere under another sum or name.
    let of_group = |sum: &str, file: &str| {
        let path = format!("/api/v4/groups/acme/-/packages/pypi/files/{sum}/{file}");
        setting.server.get(&path).by("x", &setting.root)
    };
    of_group(&sum.to_uppercase(), WHEEL).expect(200).body_is(&bytes);
    for (sum, file) in [
        (sha256("other").as_str(), WHEEL),
        ("nonsense", WHEEL),
        (&sum, "foo-1.1-py3-none-any.whl"),
        (&sum, "Foo-1.0-py3-none-any.whl"),
        (&sum, "nothing"),
    ] {
        of_group(sum, file).expect(404);
        let path = format!("/files/{sum}/{file}");
        setting.root_gets(&path).expect(404);
    }
}

#[test]
fn every_spelling_leads_to_the_one_page() {
    let setting = Setting::new();
    setting.uploads("Foo_Bar.baz", "1.0-RC1", "Foo_Bar.baz-1.0rc1.tar.gz", b"x");
    assert_eq!(setting.json_page("/simple/")["projects"], json!([{ "name": "foo-bar-baz" }]));
    assert_eq!(setting.files("foo-bar-baz").len(), 1);
    let page = format!("/api/v4/projects/{}/packages/pypi/simple/foo-bar-baz/", setting.project);
    for other in ["Foo_Bar.baz", "foo.bar.baz/", "FOO--BAR__baz"] {
        setting.root_gets(&format!("/simple/{other}")).expect(301).has("location", &page);
    }
    let index = setting.root_gets("/simple").expect(200);
    assert!(index.text().contains(&format!("<a href=\"{page}\">foo-bar-baz</a>")));
    let etag = index.header("etag").unwrap();
    setting.root_gets("/simple/").header("If-None-Match", etag).expect(304);
    // The same names are another upload's too.
    let taken = Form::of(&[("name", "foo.bar-BAZ"), ("version", "1.0c1")]);
    setting.refuses(&taken.clone().file("foo_bar_baz-1.0.0-rc.1.tar.gz", b"x"), "does not belong");
    setting.refuses(&taken.file("foo-bar-baz-1.0-rc.1.tar.gz", b"x"), "already been taken");
}

#[test]
fn what_is_missing_is_404_and_nobody_is_sent_elsewhere() {
    let setting = Setting::new();
    for path in ["/simple/requests/", "/simple/requests", "/simple/-", "/simple/a%20b"] {
        for accept in ["text/html", JSON] {
            let answer = setting.root_gets(path).header("Accept", accept).expect(404);
            answer.lacks("location").json_is(&json!({ "message": "404 Package Not Found" }));
        }
    }
    let group = "/api/v4/groups/acme/-/packages/pypi/simple/requests/";
    setting.server.get(group).by("x", &setting.root).expect(404).lacks("location");
}

#[test]
fn a_group_shows_what_its_projects_have_that_the_caller_may_read() {
    let mut setting = Setting::new();
    setting.uploads("foo", "1.0", WHEEL, b"private");
    let lib = setting.project;
    setting.project = setting.has_project("other", "private");
    let dev = setting.server.token_of("dev", "api");
    setting.uploads("foo", "2.0", "foo-2.0.tar.gz", b"of another project");
    setting.uploads("bar", "1", "bar-1.tar.gz", b"bar");
    let page = |who: &str, path: &str| {
        let target = format!("/api/v4/groups/acme/-/packages/pypi{path}");
        let request = setting.server.get(&target).header("Accept", JSON);
        if who.is_empty() { request } else { request.by("any", who) }
    };
    let shown = page(&dev, "/simple/foo/").expect(200).json();
    let urls: Vec<_> = shown["files"].as_array().unwrap().iter().collect();
    assert_eq!(urls.len(), 2, "{shown}");
    assert_eq!(shown["versions"], json!(["1.0", "2.0"]));
    assert!(urls[0]["url"].as_str().unwrap().contains(&format!("/projects/{lib}/")), "{shown}");
    let names = page(&dev, "/simple").expect(200).json();
    assert_eq!(names["projects"], json!([{ "name": "bar" }, { "name": "foo" }]));
    // Nobody else learns anything.
    page("", "/simple/foo/").expect(401);
    let stranger = setting.server.token_of("out", "api");
    page(&stranger, "/simple/foo/").expect(404);
    page(&stranger, "/simple").expect(404);
    let guest = setting.server.token_of("guest", "api");
    page(&guest, "/simple/foo/").expect(404);
    assert_eq!(page(&guest, "/simple").expect(200).json()["projects"], json!([]));
}

#[test]
fn roles_and_tokens_decide_who_reads_and_who_uploads() {
    let setting = Setting::new();
    let token = |user: &str, scope: &str| setting.server.token_of(user, scope);
    let dev = token("dev", "api");
    setting.post_as(&dev, &form(&[]).file(WHEEL, b"by dev")).with_status(201);
    let next = form(&[]).file("foo-1.0.tar.gz", b"x");
    let challenge = "Basic realm=\"GitLab Packages Registry\"";
    let anonymous = setting.post_as("", &next).with_status(401);
    anonymous.has("www-authenticate", challenge);
    for (user, scope, status) in
        [("rep", "api", 403), ("guest", "api", 403), ("out", "api", 404), ("dev", "read_api", 403)]
    {
        setting.post_as(&token(user, scope), &next).with_status(status);
    }
    setting.post_as("wrong", &next).with_status(401);
    let page = |who: &str| setting.ask(who, "GET", "/simple/foo/");
    page("").expect(401).has("www-authenticate", challenge);
    page("wrong").expect(401);
    page(&token("rep", "read_api")).expect(200);
    page(&token("guest", "api")).expect(403);
    page(&token("out", "api")).expect(404);
    // Tokens of machines: one scope reads, the other uploads too.
    for (scope, upload) in [("read_package_registry", 403), ("write_package_registry", 201)] {
        let body = json!({ "name": scope, "username": scope, "scopes": [scope] });
        let made = setting.root(&format!("POST projects/{}/deploy_tokens", setting.project));
        let made = made.json(&body).expect(201).json();
        let secret = made["token"].as_str().unwrap().to_owned();
        page(&secret).expect(200);
        setting.post_as(&secret, &next).with_status(upload);
    }
    // What is public is everybody's to read.
    let change = setting.root(&format!("PUT groups/{}", setting.group));
    change.json(&json!({ "visibility": "public" })).expect(200);
    let change = setting.root(&format!("PUT projects/{}", setting.project));
    change.json(&json!({ "visibility": "public" })).expect(200);
    page("").expect(200);
    setting.ask("", "GET", "/simple/nothing/").expect(404);
    setting.post_as("", &next).with_status(401);
}

#[test]
fn a_wrong_sum_is_refused_and_nothing_is_kept() {
    let setting = Setting::new();
    let bytes = noise(7, 200_000);
    for (field, digits) in [("sha256_digest", 64), ("md5_digest", 32), ("blake2_256_digest", 64)] {
        let wrong = "0".repeat(digits);
        let one = form(&[(field, wrong.as_str())]).file(WHEEL, &bytes);
        setting.refuses(&one, &format!("{field} is 000"));
        setting.refuses(&one.reversed(), &format!("{field} is 000"));
        for bad in [&wrong[1..], "zz", &wrong.replace('0', "g")] {
            setting.refuses(&form(&[(field, bad)]).file(WHEEL, &bytes), "hex digits");
        }
    }
    setting.is_empty();
}

#[test]
fn names_that_lead_elsewhere_are_refused_in_every_field() {
    let setting = Setting::new();
    for name in
        ["..", "../foo", "a/b", "a\\b", "/etc/passwd", "foo\u{0}", "ｆｏｏ", "ﬁ", "-foo", ""]
    {
        let form = Form::of(&[("name", name), ("version", "1.0")]).file(WHEEL, b"x");
        setting.refuses(&form, "name is ");
    }
    for version in ["..", "../1", "1/0", "1\\0", "one", "１.０", "1.0\n2", ""] {
        let form = Form::of(&[("name", "foo"), ("version", version)]).file(WHEEL, b"x");
        setting.refuses(&form, "version is ");
    }
    for file in [
        "../foo-1.0.tar.gz",
        "../../../../etc/cron.d/foo-1.0.tar.gz",
        "..\\foo-1.0.tar.gz",
        "a/foo-1.0.tar.gz",
        "foo-1.0.tar.gz/..",
        "%2e%2e%2ffoo-1.0.tar.gz",
        "ｆoo-1.0.tar.gz",
        "<b>-1.0.tar.gz",
        "foo-1.0.exe",
        "..",
        "",
    ] {
        setting.refuses(&form(&[]).file(file, b"x"), "");
    }
    for file in ["bar-1.0.tar.gz", "foo-1.1.tar.gz", "foo-1.1-py3-none-any.whl"] {
        setting.refuses(&form(&[]).file(file, b"x"), "does not belong to foo 1.0");
    }
    for path in ["/simple/..", "/simple/%2e%2e/", "/files/..%2f..%2fetc/passwd", "/files/a%5cb/c"] {
        let status = setting.root_gets(path).send().status;
        assert!(status == 400 || status == 404, "{path}: {status}");
    }
    setting.is_empty();
}

#[test]
fn forms_that_miss_or_repeat_something_are_refused_and_unknown_fields_are_not() {
    let setting = Setting::new();
    setting.refuses(&form(&[]), "content is missing");
    setting.refuses(&form(&[]).field("content", b"no file name"), "content is missing");
    let version = Form::of(&[("version", "1.0")]);
    setting.refuses(&version.file(WHEEL, b"x"), "name is missing");
    setting.refuses(&Form::of(&[("name", "foo")]).file(WHEEL, b"x"), "version is missing");
    setting.refuses(&form(&[("name", "foo")]).file(WHEEL, b"x"), "name is there twice");
    setting.refuses(&form(&[("version", "1.0")]).file(WHEEL, b"x"), "version is there twice");
    setting.refuses(&form(&[]).file(WHEEL, b"x").file(WHEEL, b"x"), "content is there twice");
    setting.refuses(&form(&[]).field("requires_python", b"<script>").file(WHEEL, b"x"), "requires");
    setting.refuses(
        &Form::of(&[("version", "1.0")]).field("name", [0xff]).file(WHEEL, b"x"),
        "name is invalid",
    );
    setting.is_empty();
    let mut whole = form(&[("summary", &"ä".repeat(9_000)), ("x", "y")]);
    for number in 0..300 {
        whole = whole.field("classifiers", format!("Topic :: {number}"));
    }
    let whole = whole.field("gpg_signature", b"ignored").file(WHEEL, b"x");
    setting.post(&whole).with_status(201);
    assert_eq!(setting.files("foo").len(), 1);
}

#[test]
fn forms_that_are_cut_or_never_end_leave_nothing() {
    let setting = Setting::on(TestServer::with_people().with("package-pypi-max", "100KiB").start());
    let whole = form(&[]).file(WHEEL, &noise(3, 60_000)).bytes();
    let ask = || typed(setting.ask(&setting.root, "POST", ""));
    for length in [0, 10, 200, 500, 40_000, whole.len() - 4] {
        let answer = ask().chunked(&whole[..length]).expect(400);
        assert!(answer.text().contains("multipart/form-data"), "{length}: {}", answer.text());
    }
    // The connection breaks off before the announced length.
    let head = format!(
        "POST /api/v4/projects/{}/packages/pypi HTTP/1.1\r\nHost: {}\r\nPRIVATE-TOKEN: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
        setting.project,
        setting.server.address(),
        setting.root,
        whole.len(),
    );
    let mut cut = setting.server.connect();
    cut.write(head.as_bytes());
    cut.write(&whole[..30_000]);
    cut.end_writing();
    drop(cut);
    setting.server.has_nothing_staged();
    // Endless: a file, a field, headers, and parts without end.
    setting.refuses(&form(&[]).file(WHEEL, &noise(4, 200_000)), "File is too large");
    setting.refuses(&form(&[]).field("description", vec![b'x'; 17 << 20]), "too large");
    setting.refuses(&form(&[]).field("description", vec![b'x'; 1 << 20]), "content is missing");
    let many = (0..6_000).fold(form(&[]), |form, _| form.field("classifiers", b"x"));
    setting.refuses(&many, "too many parts");
    let endless = [format!("--{BOUNDARY}\r\nX: ").into_bytes(), vec![b'x'; 3 << 20]].concat();
    let answer = ask().body(endless).expect(400);
    assert!(answer.text().contains("headers"), "{}", answer.text());
    for kind in ["text/plain", "multipart/form-data", "application/json"] {
        let request = setting.ask(&setting.root, "POST", "").header("Content-Type", kind);
        request.body(whole.clone()).expect(400);
    }
    setting.is_empty();
}

#[test]
fn everything_that_a_client_said_is_escaped() {
    let setting = Setting::new();
    let python = ">=3.8,!=3.9.*";
    setting.post(&form(&[("requires_python", python)]).file(WHEEL, b"x")).with_status(201);
    let page = setting.root_gets("/simple/foo/").expect(200).text();
    assert!(page.contains("data-requires-python=\"&gt;=3.8,!=3.9.*\""), "{page}");
    for bad in [">=3\"><script>", ">=3'x", "<!--"] {
        setting.refuses(
            &form(&[("requires_python", bad)]).file("foo-1.0.tar.gz", b"x"),
            "requires_python is invalid",
        );
    }
}
