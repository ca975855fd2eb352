//! Uploads in pieces: what was acknowledged stays (I5), is charged (I2), and is given up when
//! nobody goes on with it, in slices (I7).

use std::sync::Arc;

use super::images::{image, push, user};
use super::{House, LEASE_OVER, ROWS, WORK};
use crate::db::keys::Key;
use crate::db::schema::UPLOADS;
use crate::model::{ImageUpload, Suffix, Timestamp, UploadBytes, UploadId, Usage};
use crate::store::Error;
use crate::store::contents::Sure;
use crate::store::image_blobs::BlobPush;
use crate::store::quota::Room;
use crate::store::uploads::GivenUp;

fn id(number: u8) -> UploadId {
    UploadId([number; 16])
}

fn upload(received: u64, bytes: UploadBytes) -> ImageUpload {
    let (created, touched) = (Timestamp(5), Timestamp(5));
    ImageUpload { image: "a".into(), by: "u".into(), created, touched, received, bytes }
}

fn row(length: usize) -> ImageUpload {
    upload(u64::try_from(length).unwrap(), UploadBytes::Inline(vec![b'x'; length]))
}

fn draft(received: u64, suffix: u64) -> ImageUpload {
    upload(received, UploadBytes::Draft(Suffix(suffix)))
}

impl House {
    fn begin(&self, number: u8, upload: ImageUpload) -> Result<(), Error> {
        self.check(self.store.begin_upload(id(number), upload).wait())
    }

    fn save(&self, number: u8, upload: &ImageUpload) -> Result<(), Error> {
        self.check(self.store.save_upload(id(number), upload).wait())
    }

    fn upload(&self, number: u8) -> Option<ImageUpload> {
        self.store.view().unwrap().upload(&id(number)).unwrap()
    }

    /// Gives up what was not touched since `before`.
    fn give_up(&self, before: Timestamp) -> GivenUp {
        let stale: Arc<[_]> =
            self.store.view().unwrap().stale_uploads(None, before, 99).unwrap().into();
        let mut all = GivenUp::default();
        while all.seen < stale.len() {
            let list = Arc::clone(&stale);
            let (done, _) = self.store.give_up_slice(list, all.seen, before, WORK, 2).unwrap();
            assert!((1..=2).contains(&done.seen));
            all.seen += done.seen;
            all.usage = all.usage.plus(done.usage);
            all.drafts.extend(done.drafts);
            all.errors.extend(done.errors);
        }
        all
    }
}

#[test]
fn an_upload_is_what_was_last_noted_and_so_is_its_charge() {
    let house = House::new();
    house.begin(1, row(0)).unwrap();
    assert_eq!(house.charges("u"), Usage::of(0));
    house.clock.advance(LEASE_OVER);
    let renamed = ImageUpload { image: "b".into(), by: "v".into(), ..row(10) };
    house.save(1, &renamed).unwrap();
    assert_eq!((house.charges("u"), house.charges("v")), (Usage::of(10), Usage::default()));
    let expected = ImageUpload { touched: house.now(), ..row(10) };
    assert_eq!(house.upload(1), Some(expected.clone()));
    house.save(1, &draft(40, 7)).unwrap();
    let house = house.after_power_loss(None);
    assert_eq!(house.upload(1).unwrap().bytes, UploadBytes::Draft(Suffix(7)));
    assert_eq!(house.charges("u"), Usage::of(40));
    house.save(1, &row(3)).unwrap();
    assert_eq!(house.charges("u"), Usage::of(3));
    let dropped = house.check(house.store.drop_upload(id(1)).wait()).unwrap();
    assert_eq!(dropped.received, 3);
    assert_eq!((house.upload(1), house.charges("u")), (None, Usage::default()));
    assert!(matches!(house.save(1, &row(5)), Err(Error::NotFound(_))));
    let again = house.check(house.store.drop_upload(id(1)).wait());
    assert!(matches!(again, Err(Error::NotFound(_))));
}

#[test]
fn bytes_beyond_the_quota_are_refused_and_nothing_is_noted() {
    let house = House::new();
    house.begin(1, row(100)).unwrap();
    assert!(matches!(house.begin(2, draft(51, 2)), Err(Error::QuotaExceeded { .. })));
    house.begin(2, draft(0, 2)).unwrap();
    house.clock.advance(LEASE_OVER);
    assert!(matches!(house.save(2, &draft(51, 2)), Err(Error::QuotaExceeded { .. })));
    assert_eq!(house.upload(2).unwrap().received, 0);
    house.save(2, &draft(50, 2)).unwrap();
    let anonymous = ImageUpload { by: String::new(), ..draft(1000, 3) };
    house.begin(3, anonymous).unwrap();
    assert_eq!(house.charges("u"), Usage { files: 2, bytes: 150 });
}

#[test]
fn a_blob_takes_the_place_of_its_upload_within_the_quota() {
    let house = House::new();
    let text = "x".repeat(100);
    house.begin(1, row(100)).unwrap();
    let finish =
        || house.store.put_image_blob(BlobPush { upload: Some(id(1)), ..push("a", &text) });
    house.check(finish().wait()).unwrap();
    assert_eq!((house.upload(1), house.charges("u")), (None, Usage::of(100)));
    // An upload that is no more makes no blob, and a refused blob ends no upload.
    assert!(matches!(house.check(finish().wait()), Err(Error::NotFound(_))));
    house.begin(1, row(20)).unwrap();
    let large = "y".repeat(51);
    let refused = BlobPush { upload: Some(id(1)), ..push("b", &large) };
    let refused = house.check(house.store.put_image_blob(refused).wait());
    assert!(matches!(refused, Err(Error::QuotaExceeded { used_bytes: 120, .. })));
    assert!(house.upload(1).is_some() && house.find(&large).is_none());
    // Of what the repository has already nothing is charged.
    house.check(finish().wait()).unwrap();
    assert_eq!((house.upload(1), house.charges("u")), (None, Usage::of(100)));
    // Somebody else's upload ends somebody else's charge.
    house.begin(1, ImageUpload { by: "v".into(), ..row(20) }).unwrap();
    house.check(finish().wait()).unwrap();
    assert_eq!(house.charges("v"), Usage::default());
}

#[test]
fn rooms_of_the_registry_count_the_tree_the_charges_and_each_other() {
    let house = House::new();
    house.put("~u:b/t/j/f/x", &"x".repeat(50)).unwrap();
    house.begin(1, row(30)).unwrap();
    let room = |login| Room::for_user(&house.store, Some(&user(login)));
    let mut one = room("u");
    one.grow(40).unwrap();
    let mut tree = house.store.room(&super::file("~u:b/t/j/f/y"));
    assert!(matches!(tree.grow(31), Err(Error::QuotaExceeded { used_bytes: 120, .. })));
    tree.grow(30).unwrap();
    assert!(one.grow(41).is_err() && room("u").grow(1).is_err());
    room("v").grow(150).unwrap();
    Room::for_user(&house.store, None).grow(u64::MAX).unwrap();
    one.settle();
    house.save(1, &row(70)).unwrap();
    assert!(tree.grow(31).is_err());
    drop((one, tree));
    assert!(house.store.shared.reservations.is_empty());
}

#[test]
fn what_nobody_touches_is_given_up_and_what_somebody_does_is_not() {
    let house = House::new();
    for number in 1..=4 {
        house.begin(number, draft(10, number.into())).unwrap();
    }
    house.begin(5, row(10)).unwrap();
    let before = house.now();
    assert_eq!(house.store.view().unwrap().oldest_upload().unwrap(), Some(before));
    house.clock.advance(LEASE_OVER);
    house.save(1, &draft(11, 1)).unwrap();
    let stale = house.store.view().unwrap().stale_uploads(None, before, 99).unwrap();
    assert_eq!(stale.len(), 4);
    let page = house.store.view().unwrap().stale_uploads(Some(stale[1]), before, 1).unwrap();
    assert_eq!(page, stale[2..3]);
    // Touched, or ended, between the list and the slice.
    house.save(2, &draft(12, 2)).unwrap();
    house.store.drop_upload(id(3)).wait().unwrap();
    let list: Arc<[_]> = stale.into();
    let (done, _) = house.store.give_up_slice(list, 0, before, WORK, ROWS).unwrap();
    let expected = GivenUp {
        seen: 4,
        usage: Usage { files: 2, bytes: 20 },
        drafts: vec![Suffix(4)],
        errors: Vec::new(),
    };
    assert_eq!(done, expected);
    super::assert_consistent(&house.store);
    let drafts = house.store.view().unwrap().upload_drafts().unwrap();
    assert_eq!(drafts, ([Suffix(1), Suffix(2)].into(), Sure::Yes));
    assert_eq!(house.give_up(house.now()).drafts.len(), 2);
    assert_eq!(house.store.view().unwrap().oldest_upload().unwrap(), None);
    assert_eq!(house.store.view().unwrap().image(&image("a")).unwrap(), None);
}

#[test]
fn a_damaged_upload_holds_up_no_other_and_may_name_any_draft() {
    let house = House::new();
    for number in 1..=5 {
        house.begin(number, draft(10, number.into())).unwrap();
    }
    let damage = house.store.change(|tx| Ok(UPLOADS.put_bytes(tx.txn, &id(1).to_bytes(), b"?")?));
    damage.wait().unwrap();
    let (drafts, sure) = house.store.view().unwrap().upload_drafts().unwrap();
    assert_eq!((drafts.len(), sure), (4, Sure::No));
    let done = house.give_up(house.now());
    assert_eq!((done.drafts.len(), done.errors.len()), (4, 1));
}
