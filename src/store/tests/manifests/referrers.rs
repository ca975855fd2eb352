//! What is about a manifest follows it.

use super::{House, LINK_OVER, image, manifest, oci};
use crate::model::{ManifestId, Standing};
use crate::store::tests::digest;

fn referrers(
    house: &House,
    text: &str,
    after: Option<ManifestId>,
    limit: usize,
) -> Vec<ManifestId> {
    let view = house.store.view().unwrap();
    let (found, _) = view.image_referrers(&image("a"), &oci(text), after, limit).unwrap();
    found.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn trap_8_11_signatures_follow_their_subject_and_go_with_it() {
    let house = House::new();
    house.push_image("a", "v1", "m");
    let signature = house.push(manifest("a", "", "signature").about("m")).unwrap();
    let of_signature = house.push(manifest("a", "", "about it").about("signature")).unwrap();
    assert_eq!(house.standing("a", "signature"), Standing::Follows);
    let name = format!("sha256-{}.sig", digest("m"));
    house.push(manifest("a", &name, "by tag")).unwrap();
    assert_eq!(referrers(&house, "m", None, 9), [signature.id]);
    house.clock.advance(LINK_OVER * 3);
    house.sweep_registry();
    assert_eq!(referrers(&house, "signature", None, 9), [of_signature.id]);

    house.delete_manifest("a", "m").unwrap();
    house.destroy(1);
    assert!(matches!(house.standing("a", "signature"), Standing::Doomed { .. }));
    assert!(matches!(house.standing("a", "by tag"), Standing::Doomed { .. }));
    assert_eq!(house.standing("a", "about it"), Standing::Follows);
    assert_eq!(house.tagged("a", &name), None);
    for _ in 0..3 {
        house.clock.advance(LINK_OVER);
        house.sweep_registry();
    }
    assert_eq!(house.images(), 0);
}

#[test]
fn a_subject_that_comes_later_or_again_keeps_what_is_about_it() {
    let house = House::new();
    house.push(manifest("a", "sig", "signature").about("m")).unwrap();
    house.delete_image_tag("a", "sig").unwrap();
    assert!(matches!(house.standing("a", "signature"), Standing::Doomed { .. }));
    house.push_image("a", "v1", "m");
    house.clock.advance(LINK_OVER);
    house.sweep_registry();
    assert_eq!(house.standing("a", "signature"), Standing::Follows);
    house.delete_manifest("a", "m").unwrap();
    house.push_image("a", "v1", "m");
    house.destroy(1);
    assert_eq!(house.standing("a", "signature"), Standing::Follows);
    assert_eq!(referrers(&house, "m", None, 9).len(), 1);
}

#[test]
fn referrers_come_in_pages_and_none_that_was_deleted() {
    let house = House::new();
    let mut ids = Vec::new();
    for number in 0..5 {
        let push = manifest("a", "", &format!("about it, {number}")).about("absent");
        ids.push(house.push(push).unwrap().id);
    }
    house.delete_manifest("a", "about it, 1").unwrap();
    ids.remove(1);
    let first = referrers(&house, "absent", None, 3);
    assert!(first.len() <= 3 && ids.starts_with(&first));
    let rest = referrers(&house, "absent", Some(ids[1]), 9);
    assert_eq!(rest, ids[2..]);
    // A part in which all were deleted is not the end.
    let view = house.store.view().unwrap();
    let (found, last) = view.image_referrers(&image("a"), &oci("absent"), Some(ids[0]), 1).unwrap();
    assert!(found.is_empty() && last.is_some_and(|last| ids[0] < last && last < ids[1]));
    assert_eq!(referrers(&house, "absent", last, 1), [ids[1]]);
    drop(view);
    house.destroy(1000);
    assert_eq!(referrers(&house, "absent", None, 9), ids);
}
