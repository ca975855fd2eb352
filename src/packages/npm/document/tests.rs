//! Documents as clients send them, and as nobody should.

use std::convert::Infallible;

use base64::Engine;
use serde_json::json;

use super::*;

/// What is read of a text, and the bytes of its tarball.
fn read_all(text: &[u8]) -> Result<(Document, Vec<u8>), DocumentError<Infallible>> {
    let mut bytes = Vec::new();
    let said = read(text, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok((said, bytes))
}

fn refused(text: impl AsRef<[u8]>) -> String {
    read_all(text.as_ref()).unwrap_err().to_string()
}

fn with_data(data: &str) -> String {
    format!(r#"{{"_attachments":{{"a-1.0.0.tgz":{{"data":"{data}"}}}}}}"#)
}

#[test]
fn a_document_is_read_in_whatever_order_it_is() {
    let tarball: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let data = STANDARD.encode(&tarball);
    let attachments = json!({ "a-1.0.0.tgz": {
        "content_type": "application/octet-stream", "data": data, "length": tarball.len(),
    } });
    let versions = json!({ "1.0.0": { "name": "a", "odd": [1, { "x": null }] } });
    let first = format!(
        r#"{{"_attachments":{attachments},"name":"a","versions":{versions},"readme":"{}"}}"#,
        "r".repeat(100_000)
    );
    let last = format!(
        r#" {{"what":{{}},"versions":{versions},"name":"a","_attachments":{attachments}}} "#
    );
    for text in [first, last] {
        let (said, bytes) = read_all(text.as_bytes()).unwrap();
        assert!(bytes == tarball);
        assert_eq!(said.name.as_deref(), Some("a"));
        assert_eq!(said.attachment.as_deref(), Some("a-1.0.0.tgz"));
        assert_eq!(said.versions, [("1.0.0".to_owned(), None)]);
        assert_eq!(said.first.unwrap().1["odd"], json!([1, { "x": null }]));
    }
}

#[test]
fn tags_and_reasons_are_read() {
    let text = json!({
        "dist-tags": { "latest": "1.0.0" },
        "versions": {
            "1.0.0": { "deprecated": "use 2" },
            "2.0.0": { "deprecated": "" },
            "3.0.0": {},
            "4.0.0": { "deprecated": true },
        },
    });
    let (said, _) = read_all(text.to_string().as_bytes()).unwrap();
    assert_eq!(said.tags, [("latest".to_owned(), "1.0.0".to_owned())]);
    let reasons: Vec<_> = said.versions.iter().map(|(_, why)| why.as_deref()).collect();
    assert_eq!(reasons, [Some("use 2"), Some(""), None, Some("this version is deprecated")]);
    assert!(!said.has_attachments);
}

#[test]
fn an_attachment_without_bytes_is_told_from_none() {
    for text in [with_data(""), r#"{"_attachments":{"a":{"data":null}}}"#.to_owned()] {
        let (said, _) = read_all(text.as_bytes()).unwrap();
        assert_eq!((said.attachment, said.has_attachments), (None, true));
    }
    let (said, _) = read_all(br#"{"_attachments":{}}"#).unwrap();
    assert_eq!((said.attachment, said.has_attachments), (None, false));
}

#[test]
fn what_is_no_base64_is_refused() {
    for bad in ["A", "QQ", "QQ=", "QQ==QQ==", "Q Q=", "Q\\nQ=", "****", "ä===", "QR=="] {
        let error = refused(with_data(bad));
        assert!(error.contains("\"a-1.0.0.tgz\" is no base64"), "{bad}: {error}");
    }
}

#[test]
fn what_is_said_twice_is_refused() {
    let twice = [
        r#"{"name":"a","name":"a"}"#,
        r#"{"versions":{},"versions":{}}"#,
        r#"{"versions":{"1.0.0":{},"1.0.0":{}}}"#,
        r#"{"dist-tags":{"a":"1","a":"2"}}"#,
        r#"{"_attachments":{"a":{"data":"","data":"QQ=="}}}"#,
    ];
    for text in twice {
        assert!(refused(text).contains("in the document twice"), "{text}");
    }
    let two = r#"{"_attachments":{"a":{"data":"QQ=="},"b":{"data":"QQ=="}}}"#;
    assert!(refused(two).contains("a second one is attached: \"b\""));
}

#[test]
fn what_is_no_document_is_refused() {
    let bad = [
        "",
        " ",
        "[]",
        "null",
        "{",
        r#"{"name":1}"#,
        r#"{"versions":[]}"#,
        "{} {}",
        "{}x",
        r#"{"versions":{"1.0.0":"x"}}"#,
        r#"{"dist-tags":{"a":1}}"#,
        r#"{"a":1,}"#,
        r#"{"name":"\ud800"}"#,
        r#"{"_attachments":[]}"#,
        r#"{"_attachments":{"a":1}}"#,
    ];
    for text in bad {
        assert!(refused(text).starts_with("the document cannot be read: "), "{text}");
    }
    let invalid = refused(b"{\"name\":\"\xff\"}");
    assert!(invalid.starts_with("the document cannot be read: "), "{invalid}");
    // Broken off in the middle of the tarball.
    let whole = with_data(&"QUFB".repeat(1000));
    assert!(read_all(&whole.as_bytes()[..whole.len() / 2]).is_err());
}

#[test]
fn ten_megabytes_of_nesting_are_refused_wherever_they_are() {
    let deep = "[".repeat(10 << 20);
    let opened = "{\"a\":".repeat(2 << 20);
    for text in [
        deep.clone(),
        format!(r#"{{"x":{deep}"#),
        format!(r#"{{"versions":{{"1.0.0":{{"x":{deep}"#),
        format!(r#"{{"versions":{{"1.0.0":{opened}"#),
        format!(r#"{{"_attachments":{{"a":{{"x":{deep}"#),
    ] {
        assert!(refused(text).starts_with("the document cannot be read: "));
    }
}

#[test]
fn what_has_no_end_is_refused_and_not_kept() {
    let endless = [
        (&b"{"[..], &b" "[..]),
        (b"{\"x", b"x"),
        (b"{\"name\":\"", b"n"),
        (b"{\"readme\":\"", b"r"),
        (b"{\"versions\":{\"1.0.0\":{\"readme\":\"", b"r"),
        (b"{\"_attachments\":{\"", b"a"),
    ];
    for (head, again) in endless {
        let body = head.chain(Again(again));
        let error = read(body, |_: &[u8]| Ok::<_, Infallible>(())).unwrap_err();
        assert!(matches!(error, DocumentError::TooLong(_)), "{head:?}: {error}");
    }
}

#[test]
fn an_endless_tarball_ends_where_who_takes_it_says() {
    let body = b"{\"_attachments\":{\"a\":{\"data\":\"".chain(Again(b"QUFB"));
    let mut taken = 0;
    let error = read(body, |piece| {
        taken += piece.len();
        if taken > 40 << 20 { Err("enough") } else { Ok(()) }
    });
    assert!(matches!(error, Err(DocumentError::Refused("enough"))));
}

/// The same byte again and again.
struct Again(&'static [u8]);

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let whole = buffer.len() - buffer.len() % self.0.len();
        for (at, byte) in buffer[..whole].iter_mut().enumerate() {
            *byte = self.0[at % self.0.len()];
        }
        Ok(whole)
    }
}
