//! Forms as clients send them, and as they must not.

use super::*;
use crate::model::Digest;

const FILE: &str = "foo-1.0-py3-none-any.whl";

fn form(fields: &[(&str, &str)]) -> Form {
    let mut form = Form::default();
    for (name, value) in fields {
        if let Some(field) = Field::named(name) {
            let bytes = value.as_bytes();
            form.put(field, bytes[..bytes.len().min(field.bytes_max())].to_vec()).unwrap();
        }
    }
    form
}

fn with(more: &[(&str, &str)]) -> Result<Upload, FormError> {
    form(&[&[("name", "Foo"), ("version", "1.0")], more].concat()).read(FILE)
}

#[test]
fn what_is_not_needed_is_not_kept() {
    for name in [":action", "protocol_version", "filetype", "pyversion", "classifiers", "", "x"] {
        assert_eq!(Field::named(name), None, "{name}");
    }
    let upload = with(&[("summary", "A foo"), ("classifiers", "x"), ("requires_python", ">=3.8")]);
    let upload = upload.unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let fields = vec![pair("requires_python", ">=3.8"), pair("summary", "A foo")];
    assert_eq!(upload.meta, PackageMeta::Pypi { fields });
    assert_eq!((upload.title.as_str(), upload.file.file()), ("Foo", FILE));
    assert_eq!(upload.requires_python.as_deref(), Some(">=3.8"));
    assert_eq!(upload.key.series.name.as_str(), "foo");
    assert_eq!(upload.claims, Claims::default());
}

#[test]
fn long_texts_are_cut_between_characters() {
    for (name, length_max) in FIELD_LENGTHS_MAX {
        for text in ["x", "ä", "😀"] {
            let upload = with(&[(name, &text.repeat(length_max + 7))]).unwrap();
            let fields = vec![(name.to_owned(), text.repeat(length_max))];
            assert_eq!(upload.meta, PackageMeta::Pypi { fields });
        }
    }
}

#[test]
fn what_is_needed_is_needed_once() {
    assert_eq!(form(&[("version", "1.0")]).read(FILE), Err(FormError::Missing("name")));
    assert_eq!(form(&[("name", "foo")]).read(FILE), Err(FormError::Missing("version")));
    let empty = form(&[("name", ""), ("version", "1.0")]);
    assert_eq!(empty.read(FILE), Err(FormError::Missing("name")));
    let mut twice = form(&[("name", "foo")]);
    let name = Field::named("name").unwrap();
    assert_eq!(twice.put(name, b"foo".to_vec()), Err(FormError::Twice("name")));
    let mut summary = form(&[("summary", "first")]);
    summary.put(Field::named("summary").unwrap(), b"second".to_vec()).unwrap();
    assert_eq!(summary.kept, [("summary", "first".to_owned())]);
}

#[test]
fn what_is_no_text_or_too_long_is_no_name() {
    let mut binary = form(&[("version", "1.0")]);
    binary.put(Field::named("name").unwrap(), vec![0xff]).unwrap();
    assert_eq!(binary.read(FILE), Err(FormError::Text("name")));
    let long = form(&[("version", "1.0"), ("name", &"a".repeat(1 << 20))]);
    assert_eq!(long.read(FILE), Err(FormError::Text("name")));
    assert!(matches!(with(&[("requires_python", "<b>")]), Err(FormError::Package(_))));
}

#[test]
fn sums_are_compared_with_what_arrived() {
    let sums =
        Sums { sha256: Digest([0xab; 32]), sha1: [0; 20], md5: [2; 16], sha512: [[3; 32]; 2] };
    let blake2 = [4; 32];
    let all = [
        ("sha256_digest", "aB".repeat(32)),
        ("md5_digest", "02".repeat(16)),
        ("blake2_256_digest", "04".repeat(32)),
    ];
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    with(&all).unwrap().claims.check(&sums, &blake2).unwrap();
    with(&[]).unwrap().claims.check(&sums, &blake2).unwrap();
    with(&[("md5_digest", "")]).unwrap().claims.check(&sums, &blake2).unwrap();
    for (name, value) in all {
        let other = "1".repeat(value.len());
        let upload = with(&[(name, &other)]).unwrap();
        let error = upload.claims.check(&sums, &blake2).unwrap_err();
        assert!(matches!(error, FormError::Differs { field, .. } if field == name));
        for bad in [&value[1..], &format!("{value}0"), &value.replace(&value[..1], "g"), "é"] {
            let digits = value.len();
            let error = with(&[(name, bad)]).unwrap_err();
            assert!(matches!(error, FormError::Digits { digits: d, .. } if d == digits), "{bad}");
        }
    }
}
