//! The check of the registry where nothing can be repaired, while others push and sweep, and in
//! the share of a full sweep.

use std::sync::atomic::{AtomicBool, Ordering};

use super::images::{blob, image, manifest, oci, registry, tag, tagged};
use super::*;
use crate::db::keys::Key;
use crate::db::schema::{CHARGES, CONTAINERS, IMAGE_BLOBS, IMAGES, MANIFEST_NAMES, MANIFESTS};
use crate::model::{Image, OciDigest, Usage, UserName};
use crate::store::manifests::ManifestPush;

fn stays(it: &Fixture, expected: &str) {
    let found = it.check();
    assert!(found.to_string().contains(expected), "{expected}: {found}");
    it.repair();
    let left = it.check();
    assert!(left.to_string().contains(expected), "{expected} was repaired: {left}");
}

fn named(it: &Fixture, text: &str) -> crate::model::ManifestId {
    let view = it.store.view().unwrap();
    view.manifest(&image("b/j"), &oci(text)).unwrap().unwrap().0
}

#[test]
fn a_manifest_that_cannot_be_read_or_is_lost_takes_nothing_along() {
    for is_lost in [false, true] {
        let it = registry();
        let id = named(&it, "m1");
        it.damage(move |tx| {
            if is_lost {
                return MANIFESTS.remove(tx.txn, &id).map(drop).map_err(Error::from);
            }
            Ok(MANIFESTS.put_bytes(tx.txn, &id.to_bytes(), &[99])?)
        });
        let expected = if is_lost { "which is not in the repository" } else { "manifests.1 holds" };
        stays(&it, expected);
        let view = it.store.view().unwrap();
        for text in ["layer", "shared"] {
            assert!(view.image_blob(&image("b/j"), &oci(text)).unwrap().is_some(), "{text}");
        }
        assert!(view.image_tag(&image("b/j"), &tag("V1")).unwrap().is_some());
    }
}

#[test]
fn a_row_of_a_blob_that_cannot_be_read_stays_and_so_does_its_reference() {
    let it = registry();
    let (id, found) = it.store.view().unwrap().find_oci(&oci("shared")).unwrap().unwrap();
    let at = it.store.view().unwrap().image(&image("b/j")).unwrap().unwrap().id;
    it.damage(move |tx| Ok(IMAGE_BLOBS.put_bytes(tx.txn, &(at, id).to_bytes(), &[99])?));
    stays(&it, "table image-blobs.1 holds a row that cannot be read");
    let left = it.store.view().unwrap().find_oci(&oci("shared")).unwrap().unwrap().1;
    assert_eq!(left.refs, found.refs);
}

#[test]
fn names_that_nothing_stands_behind_are_told() {
    let it = registry();
    it.damage(|tx| {
        let at = IMAGES.get(tx.txn, &image("b/j"))?.unwrap().id;
        let name = (at, OciDigest::from(crate::model::Digest([9; 32])));
        MANIFEST_NAMES.put(tx.txn, &name, &crate::model::ManifestId(999))?;
        Ok(IMAGES.put(tx.txn, &image("twice"), &Image { id: at, created: tx.now })?)
    });
    stays(&it, "leads to manifest 999, which is lost");
    stays(&it, "/v2/twice/ has the id");
}

#[test]
fn contents_of_a_repository_without_a_name_stay() {
    let it = registry();
    it.damage(|tx| {
        let at = IMAGES.get(tx.txn, &image("b/j"))?.unwrap().id;
        IMAGES.remove(tx.txn, &image("b/j"))?;
        crate::db::schema::IMAGE_NAMES.remove(tx.txn, &at).map(drop).map_err(Error::from)
    });
    stays(&it, "has contents and no name leads to it");
}

/// Pushes, tags, deletes, destroys and collects until it is told to end.
fn work(it: &Fixture, seed: usize, is_over: &AtomicBool) {
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let name = ["b/j", "plain", "u/alice/one"][(seed + round) % 3];
        let (layer, text) = (format!("l{}", round % 4), format!("w{}", round % 5));
        let by = (round % 2 == 0).then(|| UserName::parse("alice").unwrap());
        let push = crate::store::image_blobs::BlobPush { by: by.clone(), ..blob(name, &layer) };
        it.store.put_image_blob(push).wait().unwrap();
        // What others deleted meanwhile may be missing.
        let push = ManifestPush { by, ..manifest(name, &text, &[&layer]) };
        let _ = it.store.push_manifest(push).wait();
        let at = format!("T{}", round % 3);
        let index = tagged(name, &at, &format!("index of {text}"), &[]);
        let index = ManifestPush { children: vec![oci(&text)], ..index };
        let _ = it.store.push_manifest(index).wait();
        let sign = manifest(name, &format!("s{text}"), &[]);
        let _ = it.store.push_manifest(ManifestPush { subject: Some(oci(&text)), ..sign }).wait();
        remove(it, name, round);
    }
}

fn remove(it: &Fixture, name: &str, round: usize) {
    let cause = Cause::request("anna");
    let at = format!("T{}", round % 4);
    let _ = match round % 4 {
        0 => it.store.delete_image_tag(image(name), tag(&at), cause).wait(),
        1 => {
            let digest = oci(&format!("w{}", round % 5));
            it.store.delete_manifest_slice(image(name), digest, cause).wait().map(drop)
        }
        2 => {
            let path = path(&format!("b/t{}/j/f/x", round % 3)).format.job.tag;
            it.store.delete_tag(path, cause).wait()
        }
        _ => Ok(()),
    };
    let slice = Duration::from_millis(1);
    it.store.destroy_slice(slice, 3).map_err(|(_, error)| error).unwrap();
    if round % 8 == 7 {
        it.clock.advance(Duration::from_secs(20 * 3600));
        assert_eq!(it.store.expire_links_slice(None, slice, 5).unwrap().0.errors, [""; 0]);
        assert_eq!(it.store.expire_manifests_slice(None, slice, 5).unwrap().0.errors, [""; 0]);
        it.store.collect_slice(None, slice, 5).unwrap();
    }
}

#[test]
fn a_check_finds_nothing_while_others_push_and_sweep() {
    let (it, is_over) = (registry(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (it, is_over) = (&it, &is_over);
            scope.spawn(move || work(it, seed, is_over));
        }
        let checks: Vec<_> = (0..30).map(|_| it.store.verify()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(checks.into_iter().find_map(Result::err), None);
    });
    it.verify();
    crate::store::tests::audit::assert_consistent(&it.store);
}

#[test]
fn a_repair_is_right_while_others_push() {
    let (it, is_over) = (registry(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (it, is_over) = (&it, &is_over);
            scope.spawn(move || work(it, seed, is_over));
        }
        let repairs: Vec<_> = (0..10)
            .map(|_| {
                it.damage(|tx| {
                    let alice = UserName::parse("alice").unwrap();
                    let charged = CHARGES.get(tx.txn, &alice)?.unwrap_or_default();
                    let wrong = charged.plus(Usage { files: 1000, bytes: 1 << 40 });
                    CHARGES.put(tx.txn, &alice, &wrong)?;
                    let (at, mut row) = IMAGE_BLOBS.first(tx.txn, Span::all())?.unwrap();
                    if let crate::model::Refs::Held { count } = &mut row.refs {
                        *count += 5;
                    }
                    Ok(IMAGE_BLOBS.put(tx.txn, &at, &row)?)
                });
                it.repair()
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        for repair in repairs {
            assert!(repair.repaired > 0 && repair.left() == 0, "{repair}");
        }
    });
    it.verify();
    crate::store::tests::audit::assert_consistent(&it.store);
}

#[test]
fn shares_of_a_recount_come_to_the_registry_too() {
    for rows_max in [250, 100_000] {
        let it = registry();
        for number in 0..100 {
            it.put(&format!("many/files/j/f/{number}"), "same");
        }
        it.damage(|tx| {
            CHARGES.put(tx.txn, &UserName::parse("bob").unwrap(), &Usage::of(3))?;
            let (at, mut shown) = CONTAINERS.first(tx.txn, Span::all())?.unwrap();
            shown.usage = Usage::of(99);
            Ok(CONTAINERS.put(tx.txn, &at, &shown)?)
        });
        let (mut position, mut corrected) = (Position::default(), Vec::new());
        for _ in 0..30 {
            let share = it.store.recount_share(&mut position, rows_max, &Stop::new()).unwrap();
            corrected.extend(share.recount.differences);
        }
        let are_repaired = corrected.iter().all(|found| found.outcome == Outcome::Repaired);
        assert!(are_repaired && corrected.len() == 2, "{rows_max}: {corrected:?}");
        it.verify();
    }
}

#[test]
fn a_share_does_not_take_the_usage_of_an_image_that_lost_its_way_back() {
    let it = registry();
    for number in 0..100 {
        it.put(&format!("many/files/j/f/{number}"), "same");
    }
    let at = path("b/v1/j/container/x").format;
    let before = it.store.view().unwrap().format(&at).unwrap();
    let id = before.id;
    it.damage(move |tx| CONTAINERS.remove(tx.txn, &id).map(drop).map_err(Error::from));
    let mut position = Position::default();
    for _ in 0..30 {
        it.store.recount_share(&mut position, 250, &Stop::new()).unwrap();
    }
    assert_eq!(it.store.view().unwrap().format(&at).unwrap(), before);
    assert_eq!(it.repair().left(), 0);
    it.verify();
}
