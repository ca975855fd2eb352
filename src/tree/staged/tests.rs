//! What was sent, as an image or as the reason why it is none.

use sha2::{Digest as _, Sha256};

use super::*;

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn path(kind: &str, bytes: &[u8]) -> ArtifactPath {
    let hex = digest(bytes).to_string();
    ArtifactPath::parse(&format!("{kind}/sha256/{}/{hex}", &hex[..2])).unwrap()
}

fn descriptor(kind: &str, digest: &str, size: usize) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#
    )
}

fn named(bytes: &[u8]) -> String {
    OciDigest::from(digest(bytes)).to_string()
}

fn sum(bytes: &[u8]) -> Sha512 {
    Sha512(sha2::Sha512::digest(bytes).into())
}

/// An image whose layers are named so.
fn image(layers: &[String]) -> Vec<u8> {
    let config = descriptor("config.v1+json", &named(b"config"), 6);
    let layers: Vec<_> = layers.iter().map(|name| descriptor("layer.v1.tar", name, 1)).collect();
    let layers = layers.join(",");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{layers}]}}"#
    )
    .into_bytes()
}

fn index(children: &[String]) -> Vec<u8> {
    let entries: Vec<_> =
        children.iter().map(|name| descriptor("manifest.v1+json", name, 1)).collect();
    let entries = entries.join(",");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{entries}]}}"#
    )
    .into_bytes()
}

fn staged(blobs: &[&[u8]], manifests: &[&[u8]]) -> Staged {
    let mut staged = Staged::default();
    for bytes in blobs {
        staged.add_blob(&path("blobs", bytes), digest(bytes)).unwrap();
    }
    for bytes in manifests {
        staged.add_manifest(&path("manifests", bytes), digest(bytes), bytes).unwrap();
    }
    staged
}

fn order(staged: Staged) -> Vec<Digest> {
    staged.into_image().unwrap().into_iter().map(|ready| ready.digest).collect()
}

#[test]
fn each_manifest_comes_behind_all_that_it_names() {
    let (one, two) = (image(&[named(b"1")]), image(&[named(b"2")]));
    let inner = index(&[named(&one), named(&two)]);
    // Once directly and once by way of the inner one.
    let outer = index(&[named(&one), named(&inner)]);
    let all: [&[u8]; 4] = [&outer, &two, &inner, &one];
    let order = order(staged(&[b"config", b"1", b"2"], &all));
    let at = |bytes: &[u8]| order.iter().position(|found| *found == digest(bytes)).unwrap();
    assert_eq!(order.len(), 4);
    assert!(at(&one) < at(&inner) && at(&two) < at(&inner));
    assert_eq!(at(&outer), 3);
}

#[test]
fn a_diamond_of_indexes_takes_no_more_steps_than_it_has_entries() {
    let mut manifests = vec![image(&[named(b"1")])];
    // Every index names all those before it: as a tree that would be 2^64 of them.
    for _ in 0..64 {
        let names: Vec<_> = manifests.iter().map(|bytes| named(bytes)).collect();
        manifests.push(index(&names));
    }
    let all: Vec<&[u8]> = manifests.iter().map(Vec::as_slice).collect();
    let order = order(staged(&[b"config", b"1"], &all));
    assert_eq!(order, all.iter().map(|bytes| digest(bytes)).collect::<Vec<_>>());
}

#[test]
fn what_is_named_by_its_sha512_is_found_by_it() {
    let layer = OciDigest::Sha512(sum(b"layer")).to_string();
    let one = image(&[layer]);
    let root = index(&[OciDigest::Sha512(sum(&one)).to_string()]);
    let mut staged = staged(&[b"config", b"layer"], &[&one, &root]);
    assert!(staged.needs_sums());
    for blob in [&b"config"[..], b"layer"] {
        staged.add_sum(digest(blob), sum(blob));
    }
    assert_eq!(staged.sums(), [(digest(b"layer"), sum(b"layer"))], "only what is needed");
    let ready = staged.into_image().unwrap();
    assert_eq!(ready[0].blobs, [digest(b"config"), digest(b"layer")]);
    assert_eq!((ready[0].sha512, ready[1].sha512), (Some(sum(&one)), None));
    assert_eq!(ready[1].children, [digest(&one)]);
}

#[test]
fn what_is_no_part_or_not_what_it_says_is_refused() {
    let mut staged = Staged::default();
    let stranger = ArtifactPath::parse("notes.txt").unwrap();
    let refused = staged.add_blob(&stranger, digest(b"x")).unwrap_err();
    assert!(matches!(refused, NoImage::Stranger(path) if path == stranger));
    for add in [
        staged.add_blob(&path("blobs", b"one"), digest(b"two")),
        staged.add_manifest(&path("manifests", b"one"), digest(b"two"), b"two"),
    ] {
        assert!(
            matches!(add.unwrap_err(), NoImage::Differs { digest: of, .. } if of == digest(b"two"))
        );
    }
    let refused = staged.add_manifest(&path("manifests", b"[]"), digest(b"[]"), b"[]");
    assert!(matches!(refused.unwrap_err(), NoImage::Manifest { .. }));
}

#[test]
fn what_is_missing_or_too_much_is_told() {
    let (one, two) = (image(&[named(b"1")]), image(&[]));
    let refuse = |blobs: &[&[u8]], manifests: &[&[u8]]| {
        staged(blobs, manifests).into_image().unwrap_err().to_string()
    };
    assert_eq!(refuse(&[b"1"], &[]), "no manifest was sent");
    let missing = format!("manifest {} names {} (layers[0])", named(&one), named(b"1"));
    assert_eq!(refuse(&[b"config"], &[&one]), format!("{missing}, which was not sent"));
    assert!(refuse(&[b"config", b"1"], &[&one, &two]).contains("are both named by no other"));
    let unnamed = format!("{} was sent, but no manifest names it", named(b"3"));
    assert_eq!(refuse(&[b"config", b"1", b"3"], &[&one]), unnamed);
    let root = index(&[named(&two), named(b"elsewhere")]);
    assert!(refuse(&[b"config"], &[&two, &root]).contains("(manifests[1]), which was not sent"));
}
