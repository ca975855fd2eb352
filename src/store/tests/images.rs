//! Repositories of the registry and their blobs: what was pushed or promised is there for an
//! upload link (I3), counts and charges follow (I2), and what nothing names goes in slices (I7).

mod crash;
mod promises;

use std::time::Duration;

use super::manifests::manifest;
pub(super) use super::manifests::{LINK_OVER, image, oci};
use super::{House, LEASE_OVER, ROWS, WORK, digest, uploaded};
use crate::db::keys::Key;
use crate::db::schema::{IMAGE_BLOBS, SHA512_OF};
use crate::model::{ImageId, OciDigest, Refs, Sha512, Usage, UserName};
use crate::store::blobs::{Arrival, Content};
use crate::store::image_blobs::{BlobPush, ImageBlobInfo};
use crate::store::{Error, UPLOAD_LINK};

/// What a link lasts longer than it says.
const SLACK: Duration = Duration::from_secs(1);
const LONG: &str = "a text that is long enough to be a file";

pub(super) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

/// A push of `text` by `u`.
pub(super) fn push(name: &str, text: &str) -> BlobPush {
    let (sha512, upload) = (None, None);
    BlobPush { image: image(name), content: uploaded(text), sha512, by: Some(user("u")), upload }
}

impl House {
    pub(super) fn put_blob(&self, name: &str, text: &str) -> Result<Arrival, Error> {
        self.check(self.store.put_image_blob(push(name, text)).wait())
    }

    pub(super) fn has(&self, name: &str, text: &str) -> Option<ImageBlobInfo> {
        self.store.view().unwrap().image_blob(&image(name), &oci(text)).unwrap()
    }

    fn renew(&self, name: &str, text: &str) -> Option<ImageBlobInfo> {
        self.check(self.store.renew_image_blob(image(name), oci(text)).wait()).unwrap()
    }

    fn mount(&self, from: &str, to: &str, text: &str) -> Result<Option<ImageBlobInfo>, Error> {
        let mounted =
            self.store.mount_image_blob(image(from), image(to), oci(text), Some(user("v")));
        self.check(mounted.wait())
    }

    /// Ends what is over, `rows` at a time; tells how many links.
    pub(super) fn expire(&self, rows: u32) -> u64 {
        let (mut after, mut ended) = (None, 0);
        for _ in 0..10_000 {
            let (done, _) = self.store.expire_links_slice(after, WORK, rows).unwrap();
            assert_eq!(done.errors, Vec::<String>::new());
            super::assert_consistent(&self.store);
            assert!(done.usage.files <= u64::from(rows));
            ended += done.usage.files;
            after = done.next;
            if after.is_none() {
                return ended;
            }
        }
        panic!("it does not end");
    }

    pub(super) fn charges(&self, login: &str) -> Usage {
        self.store.view().unwrap().charges(&user(login)).unwrap()
    }

    /// A manifest of `name` with the bytes `own` that holds `texts`, which the repository has.
    fn put_manifest(&self, name: &str, own: &str, texts: &[&str]) {
        self.push(manifest(name, "", own).blobs(texts)).unwrap();
    }

    fn drop_manifest(&self, name: &str, own: &str) {
        self.delete_manifest(name, own).unwrap();
        self.destroy(ROWS);
    }
}

#[test]
fn a_blob_is_visible_in_its_repository_alone_and_for_the_length_of_a_link() {
    for text in ["short", LONG] {
        let house = House::new();
        assert_eq!(house.put_blob("main/a", text).unwrap(), Arrival::Kept);
        let found = house.has("main/a", text).unwrap();
        assert_eq!(found.blob.refs, Refs::Held { count: 1 });
        assert_eq!(found.row.charged, "u");
        assert_eq!(house.has("main/b", text), None);
        let view = house.store.view().unwrap();
        assert_eq!(view.find_oci(&oci(text)).unwrap().unwrap().0, found.id);
        let numbers = view.numbers().unwrap();
        assert_eq!((numbers.images, numbers.manifests, numbers.uploads), (1, 0, 0));
        house.clock.advance(UPLOAD_LINK);
        assert_eq!((house.expire(ROWS), house.collect()), (0, 0));
        house.clock.advance(SLACK);
        assert_eq!(house.expire(ROWS), 1);
        assert_eq!(house.has("main/a", text), None);
        assert_eq!(house.store.view().unwrap().image(&image("main/a")).unwrap(), None);
        // The blob has the ordinary lease now.
        assert_eq!(house.collect(), 0);
        house.clock.advance(LEASE_OVER);
        assert_eq!(house.collect(), 1);
    }
}

#[test]
fn each_request_of_a_repository_that_names_a_blob_renews_its_link() {
    let house = House::new();
    house.put_blob("a", "text").unwrap();
    let end = || house.store.view().unwrap().next_link_end().unwrap().unwrap();
    let requests: [&dyn Fn(); 4] = [
        &|| assert!(house.renew("a", "text").is_some()),
        &|| assert_eq!(house.put_blob("a", "text").unwrap(), Arrival::Known),
        &|| assert!(house.mount("a", "a", "text").unwrap().is_some()),
        &|| {
            let mounted = house.store.mount_any_blob(image("a"), oci("text"), None).wait();
            assert!(mounted.unwrap().is_some());
        },
    ];
    for request in requests {
        let before = end();
        house.clock.advance(LINK_OVER * 2 / 3);
        request();
        assert!(end() > before && end() > house.now().after(UPLOAD_LINK));
        house.clock.advance(LINK_OVER / 3);
        assert_eq!(house.expire(ROWS), 0, "the old end is not an end");
    }
    // A request of another repository is none of this one.
    house.clock.advance(LINK_OVER / 3);
    assert!(house.mount("a", "b", "text").unwrap().is_some());
    house.clock.advance(LINK_OVER / 2);
    assert_eq!(house.expire(ROWS), 1);
    assert!(house.has("a", "text").is_none() && house.has("b", "text").is_some());
    assert_eq!((house.renew("a", "text"), house.renew("c", "text")), (None, None));
}

#[test]
fn a_mount_takes_what_is_there_and_charges_who_mounts() {
    let house = House::new();
    house.put_blob("a", "text").unwrap();
    assert_eq!(house.mount("b", "c", "text").unwrap(), None);
    assert_eq!(house.mount("a", "c", "other").unwrap(), None);
    assert_eq!(house.store.view().unwrap().image(&image("c")).unwrap(), None);
    let mounted = house.mount("a", "c", "text").unwrap().unwrap();
    assert_eq!(mounted.blob.refs, Refs::Held { count: 2 });
    assert_eq!((house.charges("u"), house.charges("v")), (Usage::of(4), Usage::of(4)));
    house.put("b/t/j/f/x", "in the tree").unwrap();
    let any = house.store.mount_any_blob(image("c"), oci("in the tree"), None);
    assert_eq!(house.check(any.wait()).unwrap().unwrap().row.charged, "");
    let any = house.store.mount_any_blob(image("c"), oci("nowhere"), None);
    assert_eq!(house.check(any.wait()).unwrap(), None);
    // Two repositories have it: the end of one link is not the end of the other.
    house.clock.advance(LINK_OVER / 2);
    house.renew("c", "text").unwrap();
    house.clock.advance(LINK_OVER / 2);
    assert_eq!(house.expire(ROWS), 2);
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 0);
    assert_eq!(house.has("c", "text").unwrap().blob.refs, Refs::Held { count: 1 });
}

#[test]
fn a_manifest_ends_the_charge_and_leaves_a_link_that_nobody_pays() {
    let house = House::new();
    house.put_blob("a", "text").unwrap();
    house.put_manifest("a", "m1", &["text"]);
    assert_eq!(house.charges("u"), Usage::default());
    assert_eq!(house.store.view().unwrap().next_link_end().unwrap(), None);
    house.put_blob("a", "other").unwrap();
    house.put_manifest("a", "m2", &["text", "other"]);
    assert_eq!(house.has("a", "text").unwrap().row.refs, Refs::Held { count: 2 });
    assert_eq!(house.put_blob("a", "text").unwrap(), Arrival::Known);
    house.drop_manifest("a", "m1");
    house.clock.advance(LINK_OVER);
    assert_eq!(house.expire(ROWS), 0);
    house.drop_manifest("a", "m2");
    let row = house.has("a", "text").unwrap().row;
    let until = house.now().after(UPLOAD_LINK).after(SLACK);
    assert_eq!((row.refs, row.charged.as_str()), (Refs::Free { until }, ""));
    assert_eq!(house.charges("u"), Usage::default());
    assert_eq!(house.collect(), 1, "the bytes of the first manifest, and no more");
    house.clock.advance(LINK_OVER);
    assert_eq!(house.expire(ROWS), 2);
    assert_eq!(house.store.view().unwrap().images(None, 9).unwrap(), []);
}

#[test]
fn a_blob_that_is_let_go_by_nobody_is_told_of() {
    let house = House::new();
    house.put_blob("a", "text").unwrap();
    let (at, id) = (ImageId(1), house.has("a", "text").unwrap().id);
    let released = house.store.change(move |tx| tx.release_image_blob(at, id));
    let error = house.check(released.wait()).unwrap_err();
    assert!(error.to_string().contains("lacks the manifest"), "{error}");
}

#[test]
fn what_no_manifest_names_can_be_deleted() {
    let house = House::new();
    let delete =
        |name, text| house.check(house.store.delete_image_blob(image(name), oci(text)).wait());
    house.put_blob("a", "text").unwrap();
    house.put_blob("a", "held").unwrap();
    house.put_manifest("a", "m", &["held"]);
    let absent = [delete("b", "text"), delete("a", "nothing")];
    assert!(absent.iter().all(|deleted| matches!(deleted, Err(Error::NotFound(_)))));
    assert!(matches!(delete("a", "held"), Err(Error::BlobInUse(digest)) if digest == oci("held")));
    delete("a", "text").unwrap();
    assert!(house.has("a", "text").is_none() && house.charges("u") == Usage::default());
    assert_eq!(house.collect(), 0, "the blob keeps its lease");
    assert!(matches!(delete("a", "text"), Err(Error::NotFound(_))));
    house.drop_manifest("a", "m");
    delete("a", "held").unwrap();
    assert_eq!(house.store.view().unwrap().image(&image("a")).unwrap(), None);
}

#[test]
fn links_count_towards_the_quota_beside_the_tree() {
    let house = House::new();
    house.put("~u:b/t/j/f/x", &"x".repeat(100)).unwrap();
    house.put_blob("a", &"y".repeat(30)).unwrap();
    let refused = house.put_blob("b", &"z".repeat(21)).unwrap_err();
    assert_eq!(refused.to_string(), "User u quota exceeded (130/150). Please make some ménage.");
    assert!(house.find(&"z".repeat(21)).is_none());
    assert_eq!(house.store.view().unwrap().image(&image("b")).unwrap(), None);
    assert!(matches!(house.put("~u:b/t/j/f/y", &"z".repeat(21)), Err(Error::QuotaExceeded { .. })));
    let one = house.put_blob("b", &"z".repeat(20)).unwrap();
    assert_eq!((one, house.charges("u")), (Arrival::Kept, Usage { files: 2, bytes: 50 }));
    // What the repository has already is not charged again, nor is what nobody pays for.
    house.put_blob("b", &"z".repeat(20)).unwrap();
    let anonymous = BlobPush { by: None, ..push("b", &"w".repeat(500)) };
    house.check(house.store.put_image_blob(anonymous).wait()).unwrap();
    assert_eq!(house.charges("u").bytes, 50);
    house.mount("b", "c", &"w".repeat(500)).unwrap_err();
    house.clock.advance(LINK_OVER);
    house.expire(ROWS);
    assert_eq!(house.charges("u"), Usage::default());
}

#[test]
fn a_sha512_leads_to_its_blob_until_that_is_collected() {
    let house = House::new();
    let sum = Sha512([7; 64]);
    let named = || BlobPush { sha512: Some(sum), ..push("a", "text") };
    let found = || {
        let view = house.store.view().unwrap();
        view.image_blob(&image("a"), &OciDigest::Sha512(sum)).unwrap().map(|found| found.id)
    };
    house.put_blob("a", "text").unwrap();
    assert_eq!(found(), None);
    assert_eq!(house.check(house.store.put_image_blob(named()).wait()).unwrap(), Arrival::Known);
    let old = found().unwrap();
    house.clock.advance(LINK_OVER);
    house.expire(ROWS);
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 1);
    assert_eq!(house.store.view().unwrap().find_oci(&OciDigest::Sha512(sum)).unwrap(), None);
    house.check(house.store.put_image_blob(named()).wait()).unwrap();
    let new = found().unwrap();
    assert_ne!(new, old);
    let back = SHA512_OF.get(&house.store.view().unwrap().snapshot, &new).unwrap();
    assert_eq!(back, Some(sum));
}

#[test]
fn links_end_in_slices_of_any_size() {
    for rows in [1, 2, 3, 7, 1000] {
        let house = House::new();
        for number in 0..7 {
            house.put_blob(&format!("i{}", number % 3), &format!("text {number}")).unwrap();
        }
        house.clock.advance(LINK_OVER / 2);
        house.renew("i0", "text 3").unwrap();
        house.clock.advance(LINK_OVER / 2);
        assert_eq!(house.expire(rows), 6);
        let left = house.store.view().unwrap().images(None, 9).unwrap();
        assert_eq!(left.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["i0"]);
    }
}

#[test]
fn a_slice_without_time_ends_a_link_all_the_same() {
    let house = House::new();
    house.put_blob("a", "one").unwrap();
    house.put_blob("a", "two").unwrap();
    house.clock.advance(LINK_OVER);
    let slice = |after| house.store.expire_links_slice(after, Duration::ZERO, ROWS).unwrap().0;
    let first = slice(None);
    assert_eq!((first.usage.files, slice(first.next).usage.files), (1, 1));
}

#[test]
fn a_damaged_row_holds_up_no_other_link() {
    let house = House::new();
    house.put_blob("a", "one").unwrap();
    house.put_blob("b", "two").unwrap();
    let broken = (ImageId(1), house.has("a", "one").unwrap().id);
    let damage = house
        .store
        .change(move |tx| Ok(IMAGE_BLOBS.put_bytes(tx.txn, &broken.to_bytes(), b"?")?));
    damage.wait().unwrap();
    house.clock.advance(LINK_OVER);
    let (done, _) = house.store.expire_links_slice(None, WORK, ROWS).unwrap();
    assert_eq!((done.usage.files, done.errors.len(), done.next), (1, 1, None));
    assert!(house.store.view().unwrap().image(&image("a")).unwrap().is_some());
    assert!(house.store.view().unwrap().image(&image("b")).unwrap().is_none());
}

#[test]
fn content_that_is_not_stored_cannot_be_put() {
    let house = House::new();
    let absent = BlobPush { content: Content::Stored(digest("absent")), ..push("a", "") };
    let refused = house.check(house.store.put_image_blob(absent).wait());
    assert!(matches!(refused, Err(Error::BlobUnknown(_))));
    assert_eq!(house.store.view().unwrap().images(None, 9).unwrap(), []);
}
