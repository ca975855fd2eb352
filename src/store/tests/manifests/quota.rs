//! Who is charged for what: nothing twice, nothing for what goes when its link is over, and never
//! beyond the quota.

use std::time::Duration;

use super::{House, image, manifest, oci};
use crate::model::{Standing, Usage, UserName};
use crate::store::Error;

const HOUR: Duration = Duration::from_secs(3600);

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
    let displaced = 15;
    assert_eq!((in_tree(&house, "u").bytes, charged(&house, "u")), (3, 3 + displaced));
    house.delete_tag("~u:main/v1").unwrap();
    house.delete_image_tag("u/u/plain", "v1").unwrap();
    assert_eq!((in_tree(&house, "u").bytes, charged(&house, "u")), (0, displaced));
    house.delete_manifest("u/u/plain", "12345").unwrap();
    assert_eq!(charged(&house, "u"), 0);
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
        house.delete_manifest(name, &"z".repeat(130)).unwrap();
    }
    let refused = house.push(manifest("a", "", &"z".repeat(151)).by("u"));
    assert!(matches!(refused, Err(Error::QuotaExceeded { .. })));
    // The link's charge ends as the manifest's begins.
    house.blob_by("a", &large, Some("u")).unwrap();
    house.push(manifest("a", "", "m").blobs(&[&large]).by("u")).unwrap();
    assert_eq!(charged(&house, "u"), 121);
}

#[test]
fn images_that_are_pushed_over_one_another_count_or_go() {
    let house = House::new();
    let texts = ["a", "b", "c"].map(|letter| letter.repeat(70));
    for text in &texts {
        house.push(manifest("u/u/plain", "v1", text).by("u")).unwrap();
    }
    // With the tag there is room for one of the two that were displaced.
    assert_eq!(charged(&house, "u"), 140);
    let standing = |text: &str| house.manifest("u/u/plain", text).unwrap().1.standing;
    assert!(matches!(standing(&texts[0]), Standing::Untagged { .. }));
    assert!(matches!(standing(&texts[1]), Standing::Doomed { .. }));
    // Nobody is charged for such ones in what is everybody's.
    for text in &texts {
        house.push(manifest("plain", "v1", text).by("u")).unwrap();
    }
    assert_eq!(charged(&house, "u"), 140);
}

#[test]
fn what_requests_keep_after_its_deletion_counts_for_the_owner() {
    let house = House::new();
    let (name, blob) = ("u/u/plain", "x".repeat(60));
    house.blob_by(name, &blob, Some("u")).unwrap();
    for own in ["m", "s"] {
        let push = manifest(name, own, own).blobs(&[&blob]).by("u");
        house.push(if own == "s" { push.about("m") } else { push }).unwrap();
    }
    house.delete_image_tag(name, "s").unwrap();
    assert_eq!(charged(&house, "u"), 61 + 61, "it follows its subject");
    house.delete_manifest(name, "s").unwrap();
    house.delete_image_tag(name, "m").unwrap();
    assert_eq!(charged(&house, "u"), 0);
    house.clock.advance(HOUR);
    let renew = || house.store.renew_manifest(image(name), oci("m")).wait().unwrap().unwrap();
    let kept = renew();
    assert_eq!(charged(&house, "u"), 61);
    // It is gone, and its blob with a link that nobody is charged for until somebody asks.
    house.delete_manifest(name, "m").unwrap();
    house.destroy(100);
    assert_eq!(charged(&house, "u"), 0);
    let renew = || house.store.renew_image_blob(image(name), oci(&blob)).wait();
    house.clock.advance(HOUR);
    renew().unwrap().unwrap();
    assert_eq!((charged(&house, "u"), kept.1.total.bytes), (60, 61));
    house.store.delete_image_blob(image(name), oci(&blob)).wait().unwrap();
    assert_eq!(charged(&house, "u"), 0);
}

#[test]
fn what_there_is_no_room_for_is_not_kept_for_longer() {
    let house = House::new();
    let (name, blob) = ("u/u/plain", "x".repeat(60));
    house.blob_by(name, &blob, Some("u")).unwrap();
    house.push(manifest(name, "m", "m").blobs(&[&blob]).by("u")).unwrap();
    house.delete_image_tag(name, "m").unwrap();
    house.push(manifest(name, "full", &"f".repeat(100)).by("u")).unwrap();
    let standing = || house.manifest(name, "m").unwrap().1.standing;
    let before = standing();
    house.clock.advance(HOUR);
    house.store.renew_manifest(image(name), oci("m")).wait().unwrap().unwrap();
    assert_eq!(standing(), before);
    house.delete_manifest(name, "m").unwrap();
    house.destroy(100);
    house.clock.advance(HOUR);
    let renewed = house.store.renew_image_blob(image(name), oci(&blob)).wait();
    assert!(matches!(renewed, Err(Error::QuotaExceeded { .. })), "{renewed:?}");
    let pushed = house.blob_by(name, &blob, Some("u"));
    assert!(matches!(pushed, Err(Error::QuotaExceeded { .. })), "{pushed:?}");
}
