//! Good documents and bad ones as tables, and mutated ones in a loop.

use serde_json::{Value, json};

use super::*;
use crate::db::tests::random::for_seeds;

fn hex(seed: &str) -> String {
    format!("sha256:{}", seed.repeat(32))
}

fn descriptor(kind: &str, seed: &str) -> Value {
    json!({ "mediaType": kind, "digest": hex(seed), "size": 7 })
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", "c0"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "11")],
        "annotations": { "a": "b" },
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_IMAGE, "22"), descriptor("application/x.cache", "33")],
    })
}

fn with(mut document: Value, member: &str, value: Value) -> Value {
    document[member] = value;
    document
}

fn without(mut document: Value, member: &str) -> Value {
    document.as_object_mut().unwrap().remove(member);
    document
}

fn read(document: &Value) -> Result<OciManifest, OciManifestError> {
    OciManifest::parse(document.to_string().as_bytes(), None)
}

fn roles(manifest: &OciManifest) -> Vec<(&str, Role)> {
    manifest.contents.iter().map(|of| (of.at.as_str(), of.role)).collect()
}

#[test]
fn an_image_names_its_config_and_layers() {
    let manifest = read(&image()).unwrap();
    assert_eq!(manifest.media_type, OCI_IMAGE);
    let config = Some("application/vnd.oci.image.config.v1+json");
    assert_eq!(manifest.artifact_type.as_deref(), config);
    assert_eq!(roles(&manifest), [("config", Role::Blob), ("layers[0]", Role::Blob)]);
    assert_eq!(manifest.contents[1].digest.to_string(), hex("11"));
    assert_eq!(manifest.contents[1].size, 7);
    assert_eq!(manifest.annotations["a"], "b");
    assert_eq!(manifest.subject, None);
    let docker = with(image(), "mediaType", json!(DOCKER_IMAGE));
    assert_eq!(read(&docker).unwrap().media_type, DOCKER_IMAGE);
    for none in [json!([]), json!(null)] {
        assert_eq!(read(&with(image(), "layers", none)).unwrap().contents.len(), 1);
    }
}

#[test]
fn an_index_names_manifests_and_a_build_cache_names_layers_in_one() {
    let manifest = read(&index()).unwrap();
    let expected = [("manifests[0]", Role::Manifest), ("manifests[1]", Role::Either)];
    assert_eq!(roles(&manifest), expected);
    assert_eq!(manifest.artifact_type, None);
    assert!(read(&with(index(), "manifests", json!([]))).unwrap().contents.is_empty());
    let list = with(index(), "mediaType", json!(DOCKER_LIST));
    assert_eq!(read(&list).unwrap().media_type, DOCKER_LIST);
}

#[test]
fn an_artifact_says_what_it_is_and_what_it_is_about() {
    let artifact = with(image(), "artifactType", json!("application/x.sbom"));
    let artifact = with(artifact, "subject", descriptor(OCI_IMAGE, "44"));
    let manifest = read(&artifact).unwrap();
    assert_eq!(manifest.artifact_type.as_deref(), Some("application/x.sbom"));
    assert_eq!(manifest.subject.unwrap().to_string(), hex("44"));
    let withdrawn = json!({
        "mediaType": OCI_ARTIFACT,
        "artifactType": "application/x.sbom",
        "blobs": [descriptor("application/x.sbom", "55")],
    });
    assert_eq!(roles(&read(&withdrawn).unwrap()), [("blobs[0]", Role::Blob)]);
}

#[test]
fn what_may_be_elsewhere_need_not_be_here() {
    for kind in NOT_DISTRIBUTABLE {
        let manifest = read(&with(image(), "layers", json!([descriptor(kind, "66")]))).unwrap();
        assert_eq!(manifest.contents[1].role, Role::Elsewhere, "{kind}");
    }
    let mut layer = descriptor("application/vnd.oci.image.layer.v1.tar", "66");
    layer["urls"] = json!(["https://example.com/layer"]);
    let manifest = read(&with(image(), "layers", json!([layer]))).unwrap();
    assert_eq!(manifest.contents[1].role, Role::Elsewhere);
    let mut config = image();
    config["config"]["urls"] = json!(["https://example.com/config"]);
    assert_eq!(read(&config).unwrap().contents[0].role, Role::Blob);
}

#[test]
fn the_type_comes_from_the_header_or_the_document_or_both() {
    let parse = |document: &Value, header| {
        let text = document.to_string();
        OciManifest::parse(text.as_bytes(), header).map(|manifest| manifest.media_type)
    };
    let bare = without(image(), "mediaType");
    assert_eq!(parse(&image(), Some(OCI_IMAGE)).unwrap(), OCI_IMAGE);
    let with_parameter = format!("{OCI_IMAGE}; charset=utf-8");
    assert_eq!(parse(&image(), Some(&with_parameter)).unwrap(), OCI_IMAGE);
    assert_eq!(parse(&bare, Some(DOCKER_IMAGE)).unwrap(), DOCKER_IMAGE);
    assert_eq!(parse(&bare, None).unwrap(), OCI_IMAGE);
    assert_eq!(parse(&without(index(), "mediaType"), Some(" ")).unwrap(), OCI_INDEX);
    let differ = parse(&image(), Some(DOCKER_IMAGE));
    assert!(matches!(differ, Err(OciManifestError::Types { .. })), "{differ:?}");
    assert_eq!(parse(&json!({ "a": 1 }), None), Err(OciManifestError::NoType));
    for bad in ["text/html", "application/json", "application/+json", "application/ä+json"] {
        let refused = parse(&with(image(), "mediaType", json!(bad)), None);
        assert!(matches!(refused, Err(OciManifestError::Type(_))), "{bad}: {refused:?}");
    }
}

#[test]
fn a_kind_that_is_not_known_is_taken_with_what_it_names() {
    let unknown = json!({
        "mediaType": "application/vnd.example.bundle.v3+json",
        "layers": [descriptor("application/x.part", "77")],
        "more": { "deep": [1, 2, 3] },
    });
    let manifest = read(&unknown).unwrap();
    assert_eq!(roles(&manifest), [("layers[0]", Role::Blob)]);
    assert_eq!(manifest.media_type, "application/vnd.example.bundle.v3+json");
}

#[test]
fn what_is_no_manifest_is_refused_with_the_reason() {
    use OciManifestError as E;
    let layers = |count: usize| {
        let layer = descriptor("application/x.part", "88");
        with(image(), "layers", Value::Array(vec![layer; count]))
    };
    let layer = |member: &str, value: Value| {
        let layer = with(descriptor("application/x.part", "88"), member, value);
        with(image(), "layers", json!([layer]))
    };
    assert_eq!(read(&layers(DESCRIPTORS_MAX - 1)).unwrap().contents.len(), DESCRIPTORS_MAX);
    assert_eq!(read(&layers(1001)), Err(E::TooMany(1002)));
    assert_eq!(read(&with(image(), "schemaVersion", json!(1))), Err(E::SchemaOne));
    assert_eq!(read(&with(image(), "mediaType", json!(SCHEMA_1[1]))), Err(E::SchemaOne));
    assert_eq!(read(&with(image(), "schemaVersion", json!(3))), Err(E::Schema(3)));
    assert_eq!(read(&without(image(), "schemaVersion")), Err(E::Missing("schemaVersion")));
    assert_eq!(read(&without(image(), "config")), Err(E::Missing("config")));
    assert_eq!(read(&with(image(), "manifests", json!([]))), Err(E::Ambiguous("manifests")));
    assert_eq!(read(&with(index(), "layers", json!([]))), Err(E::Ambiguous("layers")));
    let negative = E::Size { at: "layers[0]".to_owned(), size: -1 };
    assert_eq!(read(&layer("size", json!(-1))), Err(negative));
    let digest = read(&layer("digest", json!("sha256:abc")));
    assert!(matches!(digest, Err(E::Digest { .. })), "{digest:?}");
    let kind = read(&with(image(), "artifactType", json!("two words")));
    assert_eq!(kind, Err(E::ArtifactType("two words".to_owned())));
    for (member, value) in [
        ("annotations", json!({ "a": 1 })),
        ("annotations", json!("a")),
        ("layers", json!({})),
        ("layers", json!([{ "digest": hex("88") }])),
        ("subject", json!("sha256:abc")),
        ("schemaVersion", json!("2")),
    ] {
        let refused = read(&with(image(), member, value.clone()));
        assert!(matches!(refused, Err(E::Form(_))), "{member} {value}: {refused:?}");
    }
}

#[test]
fn what_is_no_document_is_refused_with_the_reason() {
    use OciManifestError as E;
    let parse = |text: &str| OciManifest::parse(text.as_bytes(), Some(OCI_IMAGE));
    let twice = r#"{"schemaVersion":2,"layers":[],"layers":[]}"#;
    for bad in ["", "{", "[]", "[2]", "1", "null", "\u{feff}{}", "{} {}", "'", twice] {
        let refused = parse(bad);
        assert!(matches!(refused, Err(E::Form(_))), "{bad}: {refused:?}");
    }
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        image().to_string().replacen('{', &format!(r#"{{"x":{open}"\"["{close},"#), 1)
    };
    assert!(parse(&nested(NESTING_MAX - 1)).is_ok());
    assert_eq!(parse(&nested(NESTING_MAX)), Err(E::Nesting));
    assert_eq!(parse(&nested(1_000_000)), Err(E::Nesting));
    let long = " ".repeat(MANIFEST_BYTES_MAX + 1);
    assert_eq!(parse(&long), Err(E::TooLarge { actual: MANIFEST_BYTES_MAX + 1 }));
}

#[test]
fn mutated_documents_are_read_or_refused_and_nothing_else() {
    for_seeds(0..2000, |random| {
        let document = if random.below(2) == 0 { image() } else { index() };
        let mut bytes = document.to_string().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, *random.pick(b"{}[]\",:\\-9n")),
            }
        }
        if let Ok(manifest) = OciManifest::parse(&bytes, None) {
            assert!(manifest.contents.len() <= DESCRIPTORS_MAX);
            assert!(is_media_type(&manifest.media_type));
            let again = OciManifest::parse(&bytes, Some(&manifest.media_type));
            assert_eq!(again, Ok(manifest));
        }
    });
}
