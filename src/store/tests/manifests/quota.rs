//! Who is charged for what: nothing twice, nothing for what a release leaves, and never beyond
//! the quota.

use super::{House, manifest};
use crate::model::{Usage, UserName};
use crate::store::Error;

fn charged(house: &House, user: &str) -> u64 {
    let user = UserName::parse(user).unwrap();
    house.store.view().unwrap().charges(&user).unwrap().bytes
}

fn in_tree(house: &House, user: &str) -> Usage {
    let user = UserName::parse(user).unwrap();
    house.store.view().unwrap().repository(&user).map_or(Usage::default(), |found| found.usage)
}

#[test]
fn whoever_pushes_is_charged_until_something_holds_it() {
    let house = House::new();
    house.blob_by("a", "ten bytes.", Some("u")).unwrap();
    assert_eq!(charged(&house, "u"), 10);
    house.push(manifest("a", "", "12345").blobs(&["ten bytes."]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 15, "the link's charge became the manifest's");
    house.push(manifest("a", "", "12345").blobs(&["ten bytes."]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 15, "nothing is charged twice");
    house.push(manifest("a", "v1", "12345").blobs(&["ten bytes."]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 0);
    house.delete_image_tag("a", "v1").unwrap();
    assert_eq!(charged(&house, "u"), 0, "a release charges nobody");
    house.push(manifest("a", "", "12345").blobs(&["ten bytes."]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 15);
    house.delete_manifest("a", "12345").unwrap();
    assert_eq!(charged(&house, "u"), 0);
}

#[test]
fn a_users_own_tags_are_charged_to_the_user_in_the_tree_or_beside_it() {
    let house = House::new();
    for name in ["u/u/main/job", "u/u/plain"] {
        house.blob_by(name, "ten bytes.", Some("u")).unwrap();
        house.push(manifest(name, "v1", "12345").blobs(&["ten bytes."]).by("u")).unwrap();
    }
    assert_eq!(in_tree(&house, "u"), Usage { files: 2, bytes: 15 });
    assert_eq!(charged(&house, "u"), 15);
    for name in ["u/u/main/job", "u/u/plain"] {
        house.push(manifest(name, "v1", "123").by("u")).unwrap();
    }
    assert_eq!((in_tree(&house, "u").bytes, charged(&house, "u")), (3, 3));
    house.delete_tag("~u:main/v1").unwrap();
    house.delete_image_tag("u/u/plain", "v1").unwrap();
    assert_eq!((in_tree(&house, "u").bytes, charged(&house, "u")), (0, 0));
    house.destroy(1);
}

#[test]
fn what_does_not_fit_is_refused_and_what_replaces_counts_against_it() {
    let house = House::new();
    let (large, small) = ("x".repeat(120), "y".repeat(20));
    for name in ["u/u/main/job", "u/u/plain"] {
        house.push(manifest(name, "v1", &large).by("u")).unwrap();
        let refused = house.push(manifest(name, "v2", &"z".repeat(40)).by("u"));
        assert!(matches!(refused, Err(Error::QuotaExceeded { .. })), "{name}");
        assert!(house.manifest(name, &"z".repeat(40)).is_none());
        house.push(manifest(name, "v1", &"z".repeat(130)).by("u")).unwrap();
        house.push(manifest(name, "v1", &small).by("u")).unwrap();
        house.delete_image_tag(name, "v1").unwrap();
    }
    let refused = house.push(manifest("a", "", &"z".repeat(151)).by("u"));
    assert!(matches!(refused, Err(Error::QuotaExceeded { .. })));
    // The link's charge ends as the manifest's begins.
    house.blob_by("a", &large, Some("u")).unwrap();
    house.push(manifest("a", "", "m").blobs(&[&large]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 121);
}
