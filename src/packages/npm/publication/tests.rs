//! Documents whose parts fit each other, and those that do not.

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::document;
use super::*;
use crate::blobs::hash::hash_bytes_with_sums;

fn sums(bytes: &[u8]) -> Sums {
    hash_bytes_with_sums(bytes, None).sums.unwrap()
}

fn dist(value: &Value) -> Map<String, Value> {
    let Value::Object(manifest) = json!({ "dist": value }) else { unreachable!() };
    manifest
}

#[test]
fn sums_that_are_said_are_compared() {
    let sums = sums(b"abc");
    let sha1 = STANDARD.encode(sums.sha1);
    let sha512 = STANDARD.encode(sums.sha512().0);
    for good in [
        json!({}),
        json!({ "shasum": null, "integrity": null }),
        json!({ "shasum": "A9993E364706816ABA3E25717850C26C9CD0D89D" }),
        json!({ "integrity": format!("sha512-{sha512}?opt") }),
        json!({ "integrity": format!("sha1-{sha1} sha384-AAAA sha512-{sha512}") }),
    ] {
        check_sums(&dist(&good), &sums).map_err(|error| format!("{good}: {error}")).unwrap();
    }
    for (bad, what) in [
        (json!({ "shasum": "0".repeat(40) }), "dist.shasum of the tarball is a9993e36"),
        (json!({ "shasum": 7 }), "dist.shasum"),
        (json!({ "integrity": format!("sha512-{sha1}") }), "dist.integrity of the tarball is sha5"),
        (json!({ "integrity": format!("sha512-{sha512} sha1-AAAA") }), "is sha1-qZk"),
        (json!({ "integrity": "nonsense" }), "\"nonsense\" is none"),
        (json!({ "integrity": "sha512-!!" }), "is none"),
        (json!({ "integrity": "sha384-AAAA" }), "is none"),
        (json!({ "integrity": "" }), "is none"),
    ] {
        let error = check_sums(&dist(&bad), &sums).unwrap_err().to_string();
        assert!(error.contains(what), "{bad}: {error}");
    }
}

#[test]
fn one_tag_is_taken_with_its_version() {
    let version = NpmVersion::parse("1.0.0").unwrap();
    let said = |tag: &str, version: &str| vec![(tag.to_owned(), version.to_owned())];
    assert_eq!(tags(said("next", "1.0.0"), &version).unwrap()[0].as_str(), "next");
    assert_eq!(tags(Vec::new(), &version).unwrap(), []);
    assert!(matches!(tags(said("next", "2.0.0"), &version), Err(Error::Differs { .. })));
    assert!(matches!(tags(said("1.0.0", "1.0.0"), &version), Err(Error::Name(_))));
    let two = [said("next", "1.0.0"), said("other", "9.0.0")].concat();
    assert_eq!(tags(two, &version).unwrap().len(), 1);
}

#[test]
fn of_package_json_is_kept_what_clients_read() {
    let Value::Object(mut manifest) = json!({
        "name": "a", "version": "1.0.0", "readme": "#", "exports": {}, "contributors": [],
        "dist": { "tarball": "http://elsewhere/x" }, "_resolved": "/home/me/x", "odd": 1,
        "hasInstallScript": true, "_hasShrinkwrap": "x", "dependencies": { "b": "^1" },
    }) else {
        unreachable!()
    };
    let contents =
        Contents { files: 3, unpacked_bytes: 70, has_shrinkwrap: true, has_install_script: false };
    complete(&mut manifest, &contents);
    let kept = json!({
        "name": "a", "version": "1.0.0", "odd": 1, "dependencies": { "b": "^1" },
        "_hasShrinkwrap": true, "dist": { "fileCount": 3, "unpackedSize": 70 },
    });
    assert_eq!(Value::Object(manifest.clone()), kept);
    manifest.insert("scripts".to_owned(), json!({ "preinstall": "x" }));
    complete(&mut manifest, &Contents::default());
    assert_eq!(manifest["hasInstallScript"], true);
}

/// A document with a tarball of the same package in it.
fn posted(change: impl FnOnce(&mut Value)) -> Result<Publication, Error> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let json = br#"{"name":"@acme/app","version":"1.0.0"}"#;
    let mut header = tar::Header::new_ustar();
    header.set_size(json.len().try_into().unwrap());
    tar.append_data(&mut header, "package/package.json", &json[..]).unwrap();
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let mut text = json!({
        "name": "@acme/app",
        "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": { "name": "@acme/app", "version": "1.0.0" } },
        "_attachments": { "@acme/app-1.0.0.tgz": { "data": STANDARD.encode(&bytes) } },
    });
    change(&mut text);
    let mut taken = Vec::new();
    let document = document::read(text.to_string().as_bytes(), |piece| {
        taken.extend_from_slice(piece);
        Ok(())
    })?;
    let tarball = document.attachment.is_some().then(|| Arrived::of_memory(taken));
    Posted { document, tarball }.publication(&NpmName::parse("@acme/app").unwrap())
}

#[test]
fn all_parts_of_a_document_fit_each_other() {
    let publication = posted(|_| {}).unwrap();
    let (new, file) = publication.into_parts(ProjectId(1), "ann".to_owned(), None).unwrap();
    assert_eq!(file.name.as_str(), "app-1.0.0.tgz");
    assert_eq!(new.again, Again::NewPackageOnly);
    let refused = |change: fn(&mut Value)| posted(change).err().unwrap().to_string();
    assert_eq!(refused(|text| text["versions"] = json!({})), "Version is empty.");
    assert_eq!(refused(|text| text["_attachments"] = json!({})), "Attachment data is empty.");
    let empty = refused(|text| text["_attachments"]["@acme/app-1.0.0.tgz"]["data"] = json!(""));
    assert_eq!(empty, "Attachment data is empty.");
    assert!(refused(|text| text["name"] = json!("other")).contains("says name \"other\""));
    assert!(refused(|text| text["name"] = json!("@Acme/app")).contains("says name"));
    let other = refused(|text| text["versions"]["1.0.0"]["version"] = json!("1.0.1"));
    assert!(other.contains("says the version of the version \"1.0.1\""), "{other}");
    let other = refused(|text| text["versions"]["1.0.0"]["name"] = json!("x"));
    assert!(other.contains("says the name of the version \"x\""), "{other}");
    let version = refused(|text| text["versions"] = json!({ "../1": {} }));
    assert!(version.contains("\"../1\" is no version"), "{version}");
    let file = refused(|text| {
        let data = text["_attachments"]["@acme/app-1.0.0.tgz"].take();
        text["_attachments"] = json!({ "../../evil.tgz": data });
    });
    assert!(file.contains("says the attachment \"../../evil.tgz\""), "{file}");
    let large = refused(|text| text["versions"]["1.0.0"]["x"] = json!("x".repeat(70_000)));
    assert!(large.contains("package.json is too large"), "{large}");
    let other = refused(|text| text["_attachments"]["@acme/app-1.0.0.tgz"]["data"] = json!("QUJD"));
    assert!(other.contains("no gzip of a tar"), "{other}");
}
