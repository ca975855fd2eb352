//! What is drawn of a version.

use super::*;
use crate::blobs::hash::hash_bytes_with_sums;
use crate::model::{BlobId, PackageKind, PackageStatus, ProjectId, Usage};

fn package(version: &str) -> Package {
    Package {
        project: ProjectId(7),
        kind: PackageKind::Npm,
        name: "@acme/app".to_owned(),
        title: "@acme/App".to_owned(),
        version: Some(version.to_owned()),
        status: PackageStatus::Default,
        status_message: None,
        creator: "ann".to_owned(),
        created: Timestamp(1_700_000_000_123_456),
        updated: Timestamp(1_700_000_001_000_000),
        revision: 1,
        usage: Usage::default(),
    }
}

fn file(name: &str) -> PackageFile {
    let sums = hash_bytes_with_sums(b"abc", None).sums.unwrap();
    PackageFile {
        package: PackageId(1),
        name: name.to_owned(),
        blob: BlobId(1),
        size: 3,
        sums,
        marked: None,
        by: "ann".to_owned(),
        created: Timestamp(0),
        requires_python: None,
    }
}

fn drawn(extent: Extent, deprecated: Option<&str>) -> Value {
    let (title, address) = ("@acme/App".to_owned(), "https://h/p".to_owned());
    let packument = Packument { title, address, extent };
    let Value::Object(manifest) = json!({
        "name": "@acme/App", "version": "1.0.0+b", "scripts": { "test": "x" }, "keywords": ["k"],
        "dependencies": { "b": "^1" }, "hasInstallScript": true, "cpu": ["x64"],
        "dist": { "fileCount": 2, "tarball": "http://elsewhere" },
    }) else {
        unreachable!()
    };
    let meta = Meta { manifest, deprecated: deprecated.map(str::to_owned) };
    packument.version(&meta, &package("1.0.0+b"), &file("App-1.0.0+b.tgz"))
}

#[test]
fn a_version_says_what_its_tarball_adds_up_to_and_where_it_is() {
    let full = drawn(Extent::Full, None);
    let sha512 = "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qms\
                  lPpUyknw==";
    assert_eq!(
        full["dist"],
        json!({
            "fileCount": 2,
            "integrity": format!("sha512-{sha512}"),
            "shasum": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "tarball": "https://h/p/api/v4/projects/7/packages/npm/@acme/App/-/App-1.0.0%2Bb.tgz",
        })
    );
    assert_eq!(full["_id"], "@acme/App@1.0.0+b");
    assert_eq!(full["keywords"], json!(["k"]));
    assert!(full["deprecated"].is_null());
}

#[test]
fn the_abbreviated_form_has_what_installing_needs() {
    let short = drawn(Extent::Abbreviated, Some("use 2"));
    let keys: Vec<_> = short.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted =
        ["cpu", "dependencies", "deprecated", "dist", "hasInstallScript", "name", "version"];
    assert_eq!(keys, wanted);
    assert_eq!(short["deprecated"], "use 2");
}

#[test]
fn moments_are_as_javascript_writes_them() {
    assert_eq!(moment(Timestamp(1_700_000_000_123_456)), "2023-11-14T22:13:20.123Z");
    assert_eq!(moment(Timestamp(1_700_000_000_000_000)), "2023-11-14T22:13:20.000Z");
    assert!(moment(Timestamp(u64::MAX)).ends_with('Z'));
}

#[test]
fn tags_are_read_from_a_page() {
    let page = br#"{"name":"a","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{}}}"#;
    assert_eq!(tags(page), json!({ "latest": "1.0.0" }));
    assert_eq!(tags(b""), json!({}));
}
