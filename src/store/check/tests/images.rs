//! Damage to what the registry derives: each row is broken once, found, told and repaired, and
//! then everything is what it was before.

use super::*;
use crate::db::keys::Key;
use crate::db::schema::{
    BLOBS, CHARGES, CONTAINER_AGES, CONTAINERS, DIGESTS, DOOMED, FORMATS, FREE, IMAGE_BLOBS,
    IMAGE_LINKS, IMAGE_NAMES, IMAGE_TAGS, IMAGES, MANIFEST_NAMES, MANIFESTS, PULLS, REFERRERS,
    REFS, SHA512_OF, SHA512S, TAGS_OF, TOTALS, UNTAGGED, UPLOAD_AGES, UPLOADS,
};
use crate::model::{
    Container, FormatId, Image, ImageId, ImageName, ImageTag, ImageTagName, ImageUpload, Manifest,
    ManifestId, OciDigest, Referrer, Refs, Sha512, Standing, TagId, UploadBytes, UploadId, Usage,
    UserName,
};
use crate::store::image_blobs::BlobPush;
use crate::store::manifests::{ManifestPush, Needed, Wanted};

pub(super) fn image(name: &str) -> ImageName {
    ImageName::parse(name).unwrap()
}

pub(super) fn tag(name: &str) -> ImageTagName {
    ImageTagName::parse(name).unwrap()
}

pub(super) fn oci(text: &str) -> OciDigest {
    hash_bytes(text.as_bytes(), None).digest.into()
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn content(text: &str) -> Content {
    let hashed = hash_bytes(text.as_bytes(), None);
    let body = Body::Inline(Bytes::copy_from_slice(text.as_bytes()));
    Content::Uploaded { digest: hashed.digest, size: hashed.size, body }
}

/// By digest, unless it gets a tag.
pub(super) fn manifest(name: &str, text: &str, blobs: &[&str]) -> ManifestPush {
    let wanted = |text: &&str| Wanted { digest: oci(text), needed: Needed::Yes };
    ManifestPush {
        image: image(name),
        tag: None,
        content: content(text),
        sha512: None,
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        artifact_type: None,
        subject: None,
        blobs: blobs.iter().map(wanted).collect(),
        children: Vec::new(),
        by: None,
    }
}

pub(super) fn tagged(name: &str, at: &str, text: &str, blobs: &[&str]) -> ManifestPush {
    ManifestPush { tag: Some(tag(at)), ..manifest(name, text, blobs) }
}

pub(super) fn blob(name: &str, text: &str) -> BlobPush {
    BlobPush { image: image(name), content: content(text), sha512: None, by: None, upload: None }
}

impl Fixture {
    fn push(&self, push: ManifestPush) -> ManifestId {
        self.store.push_manifest(push).wait().unwrap().id
    }

    fn link(&self, push: BlobPush) {
        self.store.put_image_blob(push).wait().unwrap();
    }
}

/// Something at every stage of the life of blobs, manifests and tags.
pub(super) fn registry() -> Fixture {
    let it = Fixture::new();
    for text in ["layer", "shared"] {
        it.link(blob("b/j", text));
    }
    let first = it.push(tagged("b/j", "V1", "m1", &["layer", "shared"]));
    it.push(manifest("b/j", "child", &["shared"]));
    let index = tagged("b/j", "v2", "index", &[]);
    it.push(ManifestPush { children: vec![oci("child")], ..index });
    it.push(ManifestPush { subject: Some(oci("m1")), ..manifest("b/j", "signature", &[]) });
    it.push(tagged("plain", "latest", "old", &[]));
    it.push(tagged("plain", "latest", "new", &[]));
    it.push(tagged("plain", "x", "doomed", &[]));
    let cause = Cause::request("anna");
    it.store.delete_image_tag(image("plain"), tag("x"), cause.clone()).wait().unwrap();
    it.link(BlobPush { sha512: Some(Sha512([7; 64])), ..blob("plain", "linked") });
    it.link(BlobPush { by: Some(user("alice")), ..blob("u/alice/one", "hers") });
    it.push(ManifestPush { by: Some(user("alice")), ..manifest("u/alice/one", "loose", &[]) });
    it.push(tagged("u/alice/one", "t", "theirs", &[]));
    it.push(manifest("b/j", "deleted", &["shared"]));
    it.store.delete_manifest_slice(image("b/j"), oci("deleted"), cause).wait().unwrap();
    it.push(tagged("b/j", "v3", "m3", &["shared"]));
    it.delete("b/v3");
    let now = Timestamp(1_000_000_000_000_000);
    let upload = ImageUpload {
        image: "plain".into(),
        by: "alice".into(),
        created: now,
        touched: now,
        received: 5,
        bytes: UploadBytes::Inline(b"bytes".to_vec()),
    };
    it.store.begin_upload(UploadId([1; 16]), upload).wait().unwrap();
    it.store.flush_pulls(vec![(first, Timestamp(5))]).unwrap();
    it.verify();
    it
}

fn image_id(tx: &Tx, name: &str) -> ImageId {
    IMAGES.get(tx.txn, &image(name)).unwrap().unwrap().id
}

fn id(tx: &Tx, name: &str, text: &str) -> ManifestId {
    MANIFEST_NAMES.get(tx.txn, &(image_id(tx, name), oci(text))).unwrap().unwrap()
}

fn key(tx: &Tx, name: &str, text: &str) -> (ImageId, BlobId) {
    let digest = hash_bytes(text.as_bytes(), None).digest;
    (image_id(tx, name), DIGESTS.get(tx.txn, &digest).unwrap().unwrap())
}

fn format(tx: &Tx, at: &str) -> FormatId {
    let row = IMAGE_TAGS.get(tx.txn, &(image_id(tx, "b/j"), tag(at))).unwrap().unwrap();
    row.format.unwrap()
}

fn set_refs(tx: &Tx, at: (ImageId, BlobId), refs: Refs) -> Result<(), Error> {
    let mut row = IMAGE_BLOBS.get(tx.txn, &at)?.unwrap();
    row.refs = refs;
    Ok(IMAGE_BLOBS.put(tx.txn, &at, &row)?)
}

fn change(tx: &Tx, id: ManifestId, change: fn(&mut Manifest)) -> Result<(), Error> {
    let mut manifest = MANIFESTS.get(tx.txn, &id)?.unwrap();
    change(&mut manifest);
    Ok(MANIFESTS.put(tx.txn, &id, &manifest)?)
}

fn change_shown(tx: &Tx, at: &str, change: fn(&mut Container)) -> Result<(), Error> {
    let mut shown = CONTAINERS.get(tx.txn, &format(tx, at))?.unwrap();
    change(&mut shown);
    Ok(CONTAINERS.put(tx.txn, &format(tx, at), &shown)?)
}

fn age(tx: &Tx, at: &str) -> (ImageId, (Timestamp, TagId)) {
    let shown = CONTAINERS.get(tx.txn, &format(tx, at)).unwrap().unwrap();
    (shown.image, (shown.tagged, shown.tree_tag))
}

/// Whether the row was there, which a test needs to break anything.
fn gone(removed: Result<bool, db::Error>) -> Result<(), Error> {
    assert!(removed?, "there is nothing to break");
    Ok(())
}

type Damage = fn(&Tx) -> Result<(), Error>;

const SOME: Timestamp = Timestamp(7);
const WRONG: Usage = Usage { files: 9, bytes: 1 };

/// What the report says, and the damage that it says it of.
const DAMAGES: &[(&str, Damage)] = &[
    ("/v2/b/j/ cannot be found by its id", |tx| {
        gone(IMAGE_NAMES.remove(tx.txn, &image_id(tx, "b/j")))
    }),
    ("/v2/u/alice/one/ cannot be found by its id", |tx| {
        Ok(IMAGE_NAMES.put_bytes(tx.txn, &image_id(tx, "u/alice/one").to_bytes(), b"UPPER")?)
    }),
    ("repository 999 leads back to plain", |tx| {
        Ok(IMAGE_NAMES.put(tx.txn, &ImageId(999), &image("plain"))?)
    }),
    ("/v2/b/j/ has contents and no record", |tx| gone(IMAGES.remove(tx.txn, &image("b/j")))),
    ("/v2/empty/ has nothing in it", |tx| {
        IMAGE_NAMES.put(tx.txn, &ImageId(998), &image("empty"))?;
        Ok(IMAGES.put(tx.txn, &image("empty"), &Image { id: ImageId(998), created: tx.now })?)
    }),
    ("is kept as Held { count: 9 }, but 4 manifests", |tx| {
        set_refs(tx, key(tx, "b/j", "shared"), Refs::Held { count: 9 })
    }),
    ("is kept as Held { count: 1 }, but 4 manifests", |tx| {
        set_refs(tx, key(tx, "b/j", "shared"), Refs::Held { count: 1 })
    }),
    ("but 4 manifests of the repository", |tx| {
        set_refs(tx, key(tx, "b/j", "shared"), Refs::Free { until: SOME })
    }),
    ("is kept as Held { count: 3 }, but 0 manifests", |tx| {
        set_refs(tx, key(tx, "plain", "linked"), Refs::Held { count: 3 })
    }),
    ("is not in the repository, but 4 manifests name it", |tx| {
        gone(IMAGE_BLOBS.remove(tx.txn, &key(tx, "b/j", "shared")))
    }),
    ("which does not know of it", |tx| {
        let (image, blob) = key(tx, "b/j", "shared");
        gone(REFS.remove(tx.txn, &(blob, Referrer::Image(image))))
    }),
    ("which does not know of it", |tx| {
        let manifest = id(tx, "b/j", "m1");
        let blob = MANIFESTS.get(tx.txn, &manifest)?.unwrap().blob;
        gone(REFS.remove(tx.txn, &(blob, Referrer::Manifest(manifest))))
    }),
    ("which does not name it", |tx| {
        Ok(REFS.put(tx.txn, &(key(tx, "b/j", "layer").1, Referrer::Image(ImageId(999))), &())?)
    }),
    ("which does not name it", |tx| {
        let (_, blob) = key(tx, "b/j", "layer");
        Ok(REFS.put(tx.txn, &(blob, Referrer::Manifest(ManifestId(999))), &())?)
    }),
    ("is not listed as an upload link that ends", |tx| {
        gone(IMAGE_LINKS.remove(tx.txn, &(tx.link_end, key(tx, "plain", "linked"))))
    }),
    ("is listed as an upload link that ends, which it is not", |tx| {
        Ok(IMAGE_LINKS.put(tx.txn, &(SOME, key(tx, "b/j", "shared")), &())?)
    }),
    ("table image-links.1 holds a row", |tx| Ok(IMAGE_LINKS.put_bytes(tx.txn, &[1], &[])?)),
    ("cannot be found by its name sha256:", |tx| {
        gone(MANIFEST_NAMES.remove(tx.txn, &(image_id(tx, "b/j"), oci("m1"))))
    }),
    ("is kept as Held { count: 9 }, but 1 tags and indexes", |tx| {
        change(tx, id(tx, "b/j", "m1"), |m| m.standing = Standing::Held { count: 9 })
    }),
    ("but 1 tags and indexes", |tx| {
        change(tx, id(tx, "b/j", "child"), |m| m.standing = Standing::Untagged { since: SOME })
    }),
    ("but 0 tags and indexes", |tx| {
        change(tx, id(tx, "plain", "old"), |m| m.standing = Standing::Held { count: 2 })
    }),
    ("stays for sha256:", |tx| {
        change(tx, id(tx, "plain", "old"), |m| m.standing = Standing::Follows)
    }),
    ("is charged to alice, although something names it", |tx| {
        change(tx, id(tx, "b/j", "m1"), |m| "alice".clone_into(&mut m.charged))
    }),
    ("is charged to alice, although a manifest names it", |tx| {
        let at = key(tx, "b/j", "layer");
        let mut row = IMAGE_BLOBS.get(tx.txn, &at)?.unwrap();
        row.charged = "alice".into();
        Ok(IMAGE_BLOBS.put(tx.txn, &at, &row)?)
    }),
    ("is not listed with what it names", |tx| {
        gone(TAGS_OF.remove(tx.txn, &(id(tx, "b/j", "m1"), tag("V1"))))
    }),
    ("lists the tag other, which does not name it", |tx| {
        Ok(TAGS_OF.put(tx.txn, &(id(tx, "b/j", "m1"), tag("other")), &())?)
    }),
    ("is not listed as being about sha256:", |tx| {
        let at = (image_id(tx, "b/j"), (oci("m1"), id(tx, "b/j", "signature")));
        gone(REFERRERS.remove(tx.txn, &at))
    }),
    ("is listed as being about sha256:", |tx| {
        let at = (image_id(tx, "b/j"), (oci("m1"), id(tx, "b/j", "index")));
        Ok(REFERRERS.put(tx.txn, &at, &())?)
    }),
    ("is not listed as one that may go", |tx| {
        gone(DOOMED.remove(tx.txn, &(tx.link_end, id(tx, "plain", "doomed"))))
    }),
    ("is listed as one that may go, which it may not", |tx| {
        Ok(DOOMED.put(tx.txn, &(SOME, id(tx, "b/j", "m1")), &())?)
    }),
    ("is not listed as untagged", |tx| {
        let at = (image_id(tx, "plain"), (tx.now, id(tx, "plain", "old")));
        gone(UNTAGGED.remove(tx.txn, &at))
    }),
    ("is listed as one that nothing names, in vain", |tx| {
        let at = (image_id(tx, "b/j"), (SOME, id(tx, "b/j", "m1")));
        Ok(UNTAGGED.put(tx.txn, &at, &())?)
    }),
    ("has a place in the tree that does not lead back to it", |tx| {
        gone(CONTAINERS.remove(tx.txn, &format(tx, "V1")))
    }),
    ("has a place in the tree that does not lead back to it", |tx| {
        Ok(CONTAINERS.put_bytes(tx.txn, &format(tx, "V1").to_bytes(), &[99])?)
    }),
    ("has a place in the tree that does not lead back to it", |tx| {
        change_shown(tx, "V1", |shown| shown.tag = "v2".into())
    }),
    ("the image that /branches/b/v1/j/container/ shows is kept as 9 with 1 bytes", |tx| {
        change_shown(tx, "V1", |shown| shown.usage = WRONG)
    }),
    ("shows an image under the age of another tag", |tx| {
        change_shown(tx, "V1", |shown| shown.tagged = SOME)
    }),
    ("format 999 shows an image, but it is not there", |tx| {
        let shown = CONTAINERS.get(tx.txn, &format(tx, "V1"))?.unwrap();
        let shown = Container { tag: "nothing".into(), tree_tag: TagId(999), ..shown };
        Ok(CONTAINERS.put(tx.txn, &FormatId(999), &shown)?)
    }),
    ("is not in the order of age of its repository", |tx| {
        gone(CONTAINER_AGES.remove(tx.txn, &age(tx, "V1")))
    }),
    ("is not in the order of age of its repository", |tx| {
        Ok(CONTAINER_AGES.put(tx.txn, &age(tx, "V1"), &tag("v2"))?)
    }),
    ("has tag V1 in its order of age in vain", |tx| {
        Ok(CONTAINER_AGES.put(tx.txn, &(image_id(tx, "b/j"), (SOME, TagId(999))), &tag("V1"))?)
    }),
    ("is still there, although its place in the tree is not", |tx| {
        let (at, m1) = (image_id(tx, "b/j"), id(tx, "b/j", "m1"));
        let format = Some(FormatId(999));
        let row = ImageTag { manifest: m1, pushed: tx.now, by: String::new(), format };
        IMAGE_TAGS.put(tx.txn, &(at, tag("dead")), &row)?;
        TAGS_OF.put(tx.txn, &(m1, tag("dead")), &())?;
        change(tx, m1, |m| m.standing = Standing::Held { count: 2 })
    }),
    ("does not lead back to its name sha512:0707", |tx| {
        gone(SHA512_OF.remove(tx.txn, &key(tx, "plain", "linked").1))
    }),
    ("leads back to sha512:0909", |tx| {
        Ok(SHA512_OF.put(tx.txn, &key(tx, "b/j", "layer").1, &Sha512([9; 64]))?)
    }),
    ("leads to blob 999, which is not there", |tx| {
        Ok(SHA512S.put(tx.txn, &Sha512([9; 64]), &BlobId(999))?)
    }),
    ("upload 01010101010101010101010101010101 is not in the order of age", |tx| {
        gone(UPLOAD_AGES.remove(tx.txn, &(tx.now, UploadId([1; 16]))))
    }),
    ("upload 02020202020202020202020202020202 is listed at a wrong time", |tx| {
        Ok(UPLOAD_AGES.put(tx.txn, &(SOME, UploadId([2; 16])), &())?)
    }),
    ("what the registry charges alice for is kept as 9 with 1 bytes", |tx| {
        Ok(CHARGES.put(tx.txn, &user("alice"), &WRONG)?)
    }),
    ("what the registry charges alice for is kept as 0 with 0 bytes, but 4 with", |tx| {
        gone(CHARGES.remove(tx.txn, &user("alice")))
    }),
    ("what the registry charges bob for is kept as 9 with 1 bytes, but 0 with 0", |tx| {
        Ok(CHARGES.put(tx.txn, &user("bob"), &WRONG)?)
    }),
    ("that bob is charged for nothing", |tx| {
        Ok(CHARGES.put(tx.txn, &user("bob"), &Usage::default())?)
    }),
    ("table charges.1 holds a row that cannot be read", |tx| {
        Ok(CHARGES.put_bytes(tx.txn, &user("alice").to_bytes(), &[99])?)
    }),
    ("manifest 999 was pulled and is not there", |tx| {
        Ok(PULLS.put(tx.txn, &ManifestId(999), &5)?)
    }),
    ("the usage of /branches/b/v1/j/container/ is kept as 9 with 1 bytes", |tx| {
        let (at, mut found) = FORMATS
            .all(tx.txn, Span::all())?
            .into_iter()
            .find(|(_, found)| found.id == format(tx, "V1"))
            .unwrap();
        found.usage = WRONG;
        Ok(FORMATS.put(tx.txn, &at, &found)?)
    }),
];

macro_rules! dump {
    ($it:ident: $($table:ident)*) => {{
        let rows = $it.store.shared.db.snapshot().unwrap();
        vec![$(format!("{} {:?}", $table.name(), $table.all(&*rows, Span::all()).unwrap())),*]
    }};
}

/// All rows that any of the damages could have touched.
fn rows(it: &Fixture) -> Vec<String> {
    dump!(it: IMAGES IMAGE_NAMES IMAGE_BLOBS IMAGE_LINKS MANIFEST_NAMES MANIFESTS IMAGE_TAGS
        TAGS_OF REFERRERS DOOMED UNTAGGED CONTAINERS CONTAINER_AGES SHA512S SHA512_OF UPLOADS
        UPLOAD_AGES CHARGES PULLS BLOBS REFS FREE FORMATS TOTALS)
}

#[test]
fn every_damage_to_the_registry_is_found_told_and_repaired() {
    for (expected, damage) in DAMAGES {
        let it = registry();
        let before = rows(&it);
        it.damage(damage);
        let found = it.check();
        assert!(found.to_string().contains(expected), "{expected}: {found}");
        let repaired = it.repair();
        assert_eq!(repaired.left(), 0, "{expected}: {repaired}");
        assert!(repaired.repaired > 0, "{expected}: {repaired}");
        it.store.verify().unwrap_or_else(|left| panic!("{expected}: {left}"));
        for (now, before) in rows(&it).iter().zip(&before) {
            assert_eq!(now, before, "{expected}: {repaired}");
        }
    }
}
