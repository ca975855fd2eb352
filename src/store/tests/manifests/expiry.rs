//! Untagged manifests go by a rule, and a pull counts like a push.

use std::time::Duration;

use super::{House, LINK_OVER, image, manifest, oci};
use crate::db::schema::{DOOMED, UNTAGGED};
use crate::model::untagged::{ImagePattern, Lifetime, UntaggedRules};
use crate::model::{Standing, Timestamp};
use crate::store::tests::{WORK, assert_consistent};

const DAY: Duration = Duration::from_secs(86_400);

fn rules() -> UntaggedRules {
    let rules = [("keep/**", Lifetime::Keep), ("a", Lifetime::For(DAY))];
    UntaggedRules(rules.map(|(text, time)| (ImagePattern::parse(text).unwrap(), time)).into())
}

impl House {
    /// Applies the rules in slices of one row.
    fn expire_untagged(&self) -> u64 {
        self.store.flush_noted_pulls().unwrap();
        let view = self.store.view().unwrap();
        let (found, last) = view.untagged_over(&rules(), self.now(), None, 100).unwrap();
        assert!(last.is_some());
        let mut gone = 0;
        for (image, lifetime) in found {
            let mut after = None;
            loop {
                let slice = self.store.expire_untagged_slice(image, lifetime, after, WORK, 1);
                let (done, _) = slice.unwrap();
                assert_consistent(&self.store);
                gone += done.manifests;
                after = done.next;
                if after.is_none() {
                    break;
                }
            }
        }
        gone
    }
}

#[test]
fn only_what_a_rule_names_goes_and_only_when_it_was_of_no_use_for_its_time() {
    let house = House::new();
    for name in ["a", "keep/it", "unnamed"] {
        house.push_image(name, "", "m");
        house.push_image(name, "v1", "tagged");
    }
    for text in ["pulled", "pushed", "asked for"] {
        house.push_image("a", "", text);
    }
    assert_eq!(house.expire_untagged(), 0);
    house.clock.advance(DAY / 2);
    house.store.note_pull(house.manifest("a", "pulled").unwrap().0);
    house.push(manifest("a", "", "pushed").blobs(&["layer of pushed"])).unwrap();
    house.store.renew_manifest(image("a"), oci("asked for")).wait().unwrap();
    house.clock.advance(DAY / 2);
    assert_eq!(house.expire_untagged(), 1);
    assert!(house.manifest("a", "m").is_none() && house.manifest("a", "tagged").is_some());
    for name in ["keep/it", "unnamed"] {
        assert!(house.manifest(name, "m").is_some());
    }
    for text in ["pulled", "pushed", "asked for"] {
        let since = house.now().before(DAY / 2);
        assert_eq!(house.standing("a", text), Standing::Untagged { since }, "{text}");
    }
    house.clock.advance(DAY / 2);
    assert_eq!(house.expire_untagged(), 3);
    house.destroy(1);
}

#[test]
fn a_pull_keeps_what_lost_its_tag() {
    let house = House::new();
    let pushed = house.push_image("a", "v1", "m");
    house.delete_image_tag("a", "v1").unwrap();
    house.clock.advance(DAY / 2);
    house.store.note_pull(pushed.id);
    house.store.flush_noted_pulls().unwrap();
    let noted = house.store.view().unwrap().pulled(pushed.id).unwrap();
    assert_eq!(noted, Some(house.now()));
    house.clock.advance(DAY / 2 + Duration::from_secs(2));
    assert_eq!(house.expire_manifests(), 0);
    house.clock.advance(DAY / 2);
    assert_eq!(house.expire_manifests(), 1);
    house.destroy(1);
    assert_eq!(house.store.view().unwrap().pulled(pushed.id).unwrap(), None);
}

#[test]
fn trap_8_3_no_rule_is_shorter_than_an_upload_link() {
    let house = House::new();
    house.push_image("a", "", "m");
    let record = house.store.view().unwrap().image(&image("a")).unwrap().unwrap();
    let expire = || {
        let lifetime = Duration::from_secs(20);
        let slice = house.store.expire_untagged_slice(record.id, lifetime, None, WORK, 100);
        slice.unwrap().0.manifests
    };
    house.clock.advance(DAY / 2);
    assert_eq!(expire(), 0);
    house.push(manifest("a", "v1", "index").children(&["m"])).unwrap();
    house.delete_image_tag("a", "v1").unwrap();
    house.push(manifest("a", "", "index").children(&["m"])).unwrap();
    house.clock.advance(DAY);
    assert_eq!(expire(), 1);
    house.destroy(1);
}

#[test]
fn an_index_of_what_may_go_that_is_wrong_takes_nothing_away() {
    let house = House::new();
    let (id, at) = (house.push_image("a", "v1", "m").id, Timestamp(1));
    let (_, record) = house.manifest("a", "m").unwrap();
    let damage = house.store.change(move |tx| {
        DOOMED.put(tx.txn, &(at, id), &())?;
        Ok(UNTAGGED.put(tx.txn, &(record.image, (at, id)), &())?)
    });
    damage.wait().unwrap();
    house.clock.advance(LINK_OVER);
    let (doomed, _) = house.store.expire_manifests_slice(None, WORK, 100).unwrap();
    let slice = house.store.expire_untagged_slice(record.image, DAY, None, WORK, 100);
    let (untagged, _) = slice.unwrap();
    assert_eq!((doomed.manifests, doomed.errors.len()), (0, 1));
    assert_eq!((untagged.manifests, untagged.errors.len()), (0, 1));
    assert_eq!(house.standing("a", "m"), Standing::Held { count: 1 });
}
