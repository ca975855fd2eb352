//! Manifests: what holds them and what they hold, when they go, who is charged. Each test names
//! the rule, and the traps of the design that it is about.

mod expiry;
mod quota;
mod referrers;

use std::time::Duration;

use super::{House, LEASE_OVER, WORK, assert_consistent, cause, digest, uploaded};
use crate::db::schema::{IMAGES, MANIFESTS};
use crate::model::manifest::{DEPTH_MAX, DESCRIPTORS_MAX};
use crate::model::{
    ImageName, ImageTagName, Manifest, ManifestId, OciDigest, Refs, Sha512, Standing, UserName,
};
use crate::store::Error;
use crate::store::image_blobs::BlobPush;
use crate::store::manifests::{Done, ManifestPush, Needed, Pushed, Wanted};

/// An upload link and its slack.
pub(super) const LINK_OVER: Duration = Duration::from_secs(24 * 3600 + 2);

pub(super) fn image(name: &str) -> ImageName {
    ImageName::parse(name).unwrap()
}

pub(super) fn image_tag(name: &str) -> ImageTagName {
    ImageTagName::parse(name).unwrap()
}

pub(super) fn oci(text: &str) -> OciDigest {
    digest(text).into()
}

/// A manifest of these bytes; an empty tag: by digest.
pub(super) fn manifest(name: &str, tag: &str, text: &str) -> ManifestPush {
    ManifestPush {
        image: image(name),
        tag: (!tag.is_empty()).then(|| image_tag(tag)),
        content: uploaded(text),
        sha512: None,
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        artifact_type: None,
        subject: None,
        blobs: Vec::new(),
        children: Vec::new(),
        by: None,
    }
}

impl ManifestPush {
    pub(super) fn blobs(mut self, texts: &[&str]) -> Self {
        self.blobs =
            texts.iter().map(|text| Wanted { digest: oci(text), needed: Needed::Yes }).collect();
        self
    }

    pub(super) fn children(mut self, texts: &[&str]) -> Self {
        self.children = texts.iter().map(|text| oci(text)).collect();
        self
    }

    pub(super) fn about(mut self, text: &str) -> Self {
        self.subject = Some(oci(text));
        self
    }

    pub(super) fn by(mut self, user: &str) -> Self {
        self.by = Some(UserName::parse(user).unwrap());
        self
    }
}

impl House {
    pub(super) fn blob(&self, name: &str, text: &str) -> Result<(), Error> {
        self.blob_by(name, text, None)
    }

    pub(super) fn blob_by(&self, at: &str, text: &str, by: Option<&str>) -> Result<(), Error> {
        let by = by.map(|by| UserName::parse(by).unwrap());
        let content = uploaded(text);
        let push = BlobPush { image: image(at), content, sha512: None, by, upload: None };
        self.check(self.store.put_image_blob(push).wait().map(drop))
    }

    pub(super) fn push(&self, push: ManifestPush) -> Result<Pushed, Error> {
        self.check(self.store.push_manifest(push).wait())
    }

    /// Pushes an image of one blob.
    pub(super) fn push_image(&self, name: &str, tag: &str, text: &str) -> Pushed {
        let layer = format!("layer of {text}");
        self.blob(name, &layer).unwrap();
        self.push(manifest(name, tag, text).blobs(&[&layer])).unwrap()
    }

    pub(super) fn manifest(&self, name: &str, text: &str) -> Option<(ManifestId, Manifest)> {
        self.store.view().unwrap().manifest(&image(name), &oci(text)).unwrap()
    }

    pub(super) fn standing(&self, name: &str, text: &str) -> Standing {
        self.manifest(name, text).unwrap().1.standing
    }

    /// What a tag names.
    pub(super) fn tagged(&self, name: &str, tag: &str) -> Option<ManifestId> {
        let view = self.store.view().unwrap();
        view.image_tag(&image(name), &image_tag(tag)).unwrap().map(|tag| tag.manifest)
    }

    pub(super) fn delete_image_tag(&self, name: &str, tag: &str) -> Result<(), Error> {
        self.check(self.store.delete_image_tag(image(name), image_tag(tag), cause()).wait())
    }

    pub(super) fn delete_manifest(&self, name: &str, text: &str) -> Result<(), Error> {
        let checked = self.store.check_manifest_deletion(&image(name), &oci(text));
        let slice = || self.store.delete_manifest_slice(image(name), oci(text), cause()).wait();
        self.check(checked.and_then(|()| slice().map(|done| assert_eq!(done, Done::Yes))))
    }

    pub(super) fn has_image_blob(&self, name: &str, text: &str) -> bool {
        self.store.view().unwrap().image_blob(&image(name), &oci(text)).unwrap().is_some()
    }

    pub(super) fn expire_manifests(&self) -> u64 {
        let (done, _) = self.store.expire_manifests_slice(None, WORK, 1000).unwrap();
        assert_consistent(&self.store);
        assert_eq!((done.next, done.errors.len()), (None, 0));
        done.manifests
    }

    /// Ends links, removes doomed manifests, destroys, collects: all that a sweep does.
    pub(super) fn sweep_registry(&self) {
        self.store.expire_links_slice(None, WORK, 1000).unwrap();
        self.expire_manifests();
        self.destroy(1000);
        self.collect();
        self.forget();
    }

    pub(super) fn images(&self) -> usize {
        let snapshot = &self.store.view().unwrap().snapshot;
        usize::try_from(IMAGES.count(snapshot).unwrap()).unwrap()
    }
}

#[test]
fn what_a_manifest_names_must_be_there_or_nothing_is_changed() {
    let house = House::new();
    house.blob("a", "here").unwrap();
    house.blob("other", "elsewhere").unwrap();
    let refused = house.push(manifest("a", "v1", "m").blobs(&["here", "elsewhere"]));
    assert!(matches!(refused, Err(Error::ManifestBlobUnknown(d)) if d == oci("elsewhere")));
    let refused = house.push(manifest("a", "v1", "i").children(&["m"]));
    assert!(matches!(refused, Err(Error::ManifestUnknown(d)) if d == oci("m")));
    assert!(house.manifest("a", "m").is_none() && house.tagged("a", "v1").is_none());

    let mut push = manifest("a", "v1", "m").blobs(&["here", "elsewhere"]).about("no such thing");
    push.blobs[1].needed = Needed::IfHere;
    let pushed = house.push(push).unwrap();
    assert!(pushed.is_new && pushed.digest == digest("m"));
    let (_, record) = house.manifest("a", "m").unwrap();
    assert_eq!((record.blobs.len(), record.total.files), (1, 2));
    let view = house.store.view().unwrap();
    let row = view.image_blob(&image("a"), &oci("here")).unwrap().unwrap().row;
    assert_eq!(row.refs, Refs::Held { count: 1 });
}

#[test]
fn the_same_manifest_is_the_same_id_and_only_the_tag_changes() {
    let house = House::new();
    let first = house.push_image("a", "v1", "m");
    let again = house.push(manifest("a", "v1", "m").blobs(&["layer of m"])).unwrap();
    let other = house.push(manifest("a", "v2", "m").blobs(&["layer of m"])).unwrap();
    let digest_only = house.push(manifest("a", "", "m").blobs(&["layer of m"])).unwrap();
    for pushed in [again, other, digest_only] {
        assert_eq!((pushed.id, pushed.is_new), (first.id, false));
    }
    assert_eq!(house.standing("a", "m"), Standing::Held { count: 2 });
    let elsewhere = house.push_image("b", "v1", "m");
    assert!(elsewhere.id != first.id && elsewhere.is_new);
}

#[test]
fn a_sha512_is_another_name_of_a_manifest() {
    let house = House::new();
    let name = Sha512([7; 64]);
    let mut push = manifest("a", "", "m");
    push.sha512 = Some(name);
    let pushed = house.push(push).unwrap();
    let view = house.store.view().unwrap();
    let (id, _) = view.manifest(&image("a"), &OciDigest::Sha512(name)).unwrap().unwrap();
    assert_eq!(id, pushed.id);
    house.delete_manifest("a", "m").unwrap();
    let view = house.store.view().unwrap();
    assert!(view.manifest(&image("a"), &OciDigest::Sha512(name)).unwrap().is_none());
    assert_eq!(house.images(), 0);
    house.destroy(1000);
}

#[test]
fn what_a_push_displaces_stays_and_what_a_deletion_leaves_goes_when_its_link_is_over() {
    let house = House::new();
    house.push_image("a", "v1", "one");
    house.push_image("a", "v1", "two");
    assert_eq!(house.standing("a", "one"), Standing::Untagged { since: house.now() });
    house.delete_image_tag("a", "v1").unwrap();
    assert!(matches!(house.standing("a", "two"), Standing::Doomed { .. }));
    house.sweep_registry();
    assert!(house.manifest("a", "two").is_some(), "its link is not over");
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert!(house.manifest("a", "one").is_some() && house.manifest("a", "two").is_none());
    assert!(house.has_image_blob("a", "layer of two"), "releasing leaves a link too");
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert!(!house.has_image_blob("a", "layer of two"));
    house.clock.advance(LEASE_OVER);
    house.sweep_registry();
    assert_eq!((house.find("two"), house.find("layer of two")), (None, None));
    house.delete_manifest("a", "one").unwrap();
    house.destroy(1);
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert_eq!(house.images(), 0);
}

#[test]
fn trap_8_3_what_a_request_was_told_is_here_is_here_for_the_push_after_a_sweep() {
    let house = House::new();
    house.push_image("a", "v1", "m");
    house.delete_image_tag("a", "v1").unwrap();
    house.clock.advance(LINK_OVER / 2);
    let told = house.store.renew_manifest(image("a"), oci("m")).wait().unwrap();
    assert!(told.is_some());
    house.clock.advance(LINK_OVER / 2);
    house.sweep_registry();
    house.clock.advance(LINK_OVER / 3);
    house.sweep_registry();
    house.push(manifest("a", "multi", "index").children(&["m"])).unwrap();
    assert_eq!(house.standing("a", "m"), Standing::Held { count: 1 });
    let gone = house.store.renew_manifest(image("a"), oci("never pushed")).wait().unwrap();
    assert!(gone.is_none());
}

#[test]
fn trap_8_4_a_long_push_outlives_every_lease() {
    let house = House::new();
    house.blob("a", "first layer").unwrap();
    for number in 0..5 {
        house.clock.advance(LEASE_OVER * 2);
        house.sweep_registry();
        house.blob("a", &format!("layer number {number} of five")).unwrap();
    }
    house.push(manifest("a", "v1", "m").blobs(&["first layer"])).unwrap();
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert!(house.has_image_blob("a", "first layer"));
    assert!(!house.has_image_blob("a", "layer number 0 of five"));
}

#[test]
fn trap_8_12_children_live_as_long_as_their_index_and_no_longer() {
    let house = House::new();
    for name in ["amd64", "arm64"] {
        house.push_image("a", "", name);
    }
    house.push(manifest("a", "v1", "index").children(&["amd64", "arm64", "amd64"])).unwrap();
    let (_, index) = house.manifest("a", "index").unwrap();
    assert_eq!((index.depth, index.children.len(), index.total.files), (1, 2, 5));
    house.clock.advance(LINK_OVER * 3);
    house.sweep_registry();
    assert_eq!(house.standing("a", "arm64"), Standing::Held { count: 1 });
    house.push(manifest("a", "arm", "arm64").blobs(&["layer of arm64"])).unwrap();
    house.delete_manifest("a", "index").unwrap();
    assert_eq!(house.tagged("a", "v1"), None);
    house.destroy(1);
    assert!(matches!(house.standing("a", "amd64"), Standing::Doomed { .. }));
    assert_eq!(house.standing("a", "arm64"), Standing::Held { count: 1 });
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert!(house.manifest("a", "amd64").is_none() && house.manifest("a", "arm64").is_some());
}

#[test]
fn a_child_may_be_deleted_under_its_index_and_come_again() {
    let house = House::new();
    house.push_image("a", "", "child");
    house.push(manifest("a", "v1", "index").children(&["child"])).unwrap();
    house.delete_manifest("a", "child").unwrap();
    house.destroy(1000);
    assert!(house.manifest("a", "child").is_none());
    let refused = house.push(manifest("a", "v1", "index").children(&["child"]));
    assert!(matches!(refused, Err(Error::ManifestUnknown(_))));
    house.push_image("a", "", "child");
    house.push(manifest("a", "v1", "index").children(&["child"])).unwrap();
    assert_eq!(house.standing("a", "child"), Standing::Held { count: 1 });
    house.delete_manifest("a", "child").unwrap();
    house.delete_manifest("a", "index").unwrap();
    house.destroy(1);
    assert!(house.tagged("a", "v1").is_none());
}

#[test]
fn a_manifest_is_bounded() {
    let house = House::new();
    house.blob("a", "x").unwrap();
    let many = vec!["x"; DESCRIPTORS_MAX + 1];
    let refused = house.push(manifest("a", "", "m").blobs(&many));
    assert!(matches!(refused, Err(Error::ManifestTooLarge { what: "contents", .. })));
    house.push(manifest("a", "", "m").blobs(&many[1..])).unwrap();
    let name = |depth: u8| format!("at depth {depth}");
    house.push(manifest("a", "", &name(0))).unwrap();
    for depth in 1..=DEPTH_MAX {
        house.push(manifest("a", "", &name(depth)).children(&[&name(depth - 1)])).unwrap();
    }
    let refused = house.push(manifest("a", "", "deep").children(&[&name(DEPTH_MAX)]));
    assert!(matches!(refused, Err(Error::ManifestTooLarge { what: "levels of indexes", .. })));
}

#[test]
fn destroying_a_large_manifest_takes_slices_within_the_budget() {
    let house = House::new();
    let texts: Vec<_> = (0..1000).map(|number| format!("blob {number}")).collect();
    for text in &texts {
        let push = BlobPush {
            image: image("a"),
            content: uploaded(text),
            sha512: None,
            by: None,
            upload: None,
        };
        house.store.put_image_blob(push).wait().unwrap();
    }
    let names: Vec<_> = texts.iter().map(String::as_str).collect();
    let pushed = house.push(manifest("a", "v1", "m").blobs(&names)).unwrap();
    house.delete_manifest("a", "m").unwrap();
    let left = || {
        let snapshot = house.store.view().unwrap().snapshot;
        MANIFESTS.get(&snapshot, &pushed.id).unwrap().map_or(0, |record| record.blobs.len())
    };
    let mut before = left();
    assert_eq!(before, 1000);
    while !house.store.destroy_slice(WORK, 50).unwrap().0.done {
        let now = left();
        assert!(before - now <= 50 && now < before, "{now} after {before}");
        before = now;
        assert_consistent(&house.store);
    }
    assert!(MANIFESTS.get(&house.store.view().unwrap().snapshot, &pushed.id).unwrap().is_none());
}

#[test]
fn a_manifest_goes_with_all_of_its_tags_a_bounded_number_at_a_time() {
    let house = House::new();
    house.push_image("a", "", "m");
    for number in 0..250 {
        let push = manifest("a", &format!("v{number}"), "m").blobs(&["layer of m"]);
        house.store.push_manifest(push).wait().unwrap();
    }
    let slice = || house.store.delete_manifest_slice(image("a"), oci("m"), cause()).wait().unwrap();
    assert_eq!([slice(), slice()], [Done::More, Done::More]);
    assert_consistent(&house.store);
    assert!(house.manifest("a", "m").is_some() && house.tagged("a", "v99").is_some());
    assert_eq!(slice(), Done::Yes);
    assert!(house.manifest("a", "m").is_none() && house.tagged("a", "v99").is_none());
    assert!(matches!(house.delete_manifest("a", "m"), Err(Error::NotFound(_))));
}
