//! Pages byte for byte, and what must not get out of them.

use super::*;
use crate::model::{BlobId, Digest, PackageKind, Sums, Usage};

fn package(status: PackageStatus, message: Option<&str>) -> Package {
    Package {
        project: ProjectId(7),
        kind: PackageKind::Pypi,
        name: "foo".to_owned(),
        title: "Foo".to_owned(),
        version: Some("1.0".to_owned()),
        status,
        status_message: message.map(str::to_owned),
        creator: "ann".to_owned(),
        created: Timestamp(0),
        updated: Timestamp(0),
        revision: 1,
        usage: Usage::default(),
    }
}

fn file(requires_python: Option<&str>) -> PackageFile {
    let sha256 = Digest([0xab; 32]);
    PackageFile {
        package: PackageId(1),
        name: "foo-1.0.tar.gz".to_owned(),
        blob: BlobId(1),
        size: 5,
        sums: Sums { sha256, sha1: [0; 20], md5: [0; 16], sha512: [[0; 32]; 2] },
        marked: None,
        by: "ann".to_owned(),
        created: Timestamp(1_767_225_600_500_000),
        requires_python: requires_python.map(str::to_owned),
    }
}

fn text(line: &Line) -> String {
    String::from_utf8(line.text.to_vec()).unwrap()
}

#[test]
fn a_link_tells_where_what_and_for_whom() {
    let package = package(PackageStatus::Default, Some("not told"));
    let sum = "ab".repeat(32);
    let url = format!("/api/v4/projects/7/packages/pypi/files/{sum}/foo-1.0.tar.gz");
    let html = text(&Simple::Html.line(&package, &file(Some(">=3.8,<4"))));
    let wanted = format!(
        "<a href=\"{url}#sha256={sum}\" data-requires-python=\"&gt;=3.8,&lt;4\">foo-1.0.tar.gz</a>\
         <br>\n"
    );
    assert_eq!(html, wanted);

    let line = Simple::Json.line(&package, &file(Some(">=3.8")));
    assert_eq!(line.beside, "\"1.0\"");
    let wanted = json!({
        "filename": "foo-1.0.tar.gz",
        "url": url,
        "hashes": { "sha256": sum },
        "requires-python": ">=3.8",
        "size": 5,
        "upload-time": "2026-01-01T00:00:00.5Z",
        "yanked": false,
    });
    assert_eq!(serde_json::from_str::<Value>(&text(&line)).unwrap(), wanted);
    let silent = text(&Simple::Json.line(&package, &file(None)));
    assert!(!silent.contains("requires-python"), "{silent}");
}

#[test]
fn what_is_advised_against_is_yanked_with_its_reason() {
    let with = |message| package(PackageStatus::Deprecated, message);
    let html = |message| text(&Simple::Html.line(&with(message), &file(None)));
    assert!(html(None).contains(" data-yanked=\"\">"), "{}", html(None));
    let bad = "\"><script>'&";
    let escaped = " data-yanked=\"&quot;&gt;&lt;script&gt;&#x27;&amp;\">";
    assert!(html(Some(bad)).contains(escaped), "{}", html(Some(bad)));
    for (message, wanted) in [(None, json!(true)), (Some(bad), json!(bad))] {
        let line = text(&Simple::Json.line(&with(message), &file(None)));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["yanked"], wanted);
    }
}
