//! Loss of power at every write of a blob's way through a repository (I2, I5).

use super::{LINK_OVER, LONG, ROWS, WORK, image, oci, push, user};
use crate::model::{ImageUpload, Suffix, Timestamp, UploadBytes, UploadId};
use crate::store::Error;
use crate::store::image_blobs::BlobPush;
use crate::store::tests::crash::at_any_write;
use crate::store::tests::{House, LEASE_OVER, assert_consistent};

const ID: UploadId = UploadId([7; 16]);

fn upload(received: u64) -> ImageUpload {
    ImageUpload {
        image: "a".into(),
        by: "u".into(),
        created: Timestamp(1),
        touched: Timestamp(1),
        received,
        bytes: UploadBytes::Draft(Suffix(77)),
    }
}

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let steps: [&dyn Fn() -> Result<(), Error>; 8] = [
        &|| store.begin_upload(ID, upload(0)).wait(),
        &|| store.save_upload(ID, &upload(39)).wait(),
        &|| {
            let finished = BlobPush { upload: Some(ID), ..push("a", LONG) };
            store.put_image_blob(finished).wait().map(drop)
        },
        &|| {
            let mounted = store.mount_image_blob(image("a"), image("b"), oci(LONG), None);
            mounted.wait().map(drop)
        },
        &|| {
            house.clock.advance(LINK_OVER / 2);
            store.renew_image_blob(image("b"), oci(LONG)).wait().map(drop)
        },
        &|| {
            house.clock.advance(LINK_OVER / 2);
            store.expire_links_slice(None, WORK, ROWS).map(drop)
        },
        &|| store.delete_image_blob(image("b"), oci(LONG)).wait(),
        &|| {
            house.clock.advance(LEASE_OVER);
            store.collect_slice(None, WORK, ROWS).map(drop)
        },
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// The part of the day that is surely over: done, or begun.
fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    let upload = house.store.view().unwrap().upload(&ID).unwrap();
    assert!(done != 1 || upload.is_some());
    assert!(done != 2 || upload.as_ref().is_some_and(|upload| upload.received == 39));
    assert!(done < 3 || upload.is_none());
    assert!(!(3..=4).contains(&done) || house.has("a", LONG).is_some());
    assert!(!(4..=5).contains(&done) || house.has("b", LONG).is_some());
    assert!(done < 6 || house.has("a", LONG).is_none());
    assert!(done != 6 || house.find(LONG).is_some());
    assert!(done < 7 || house.has("b", LONG).is_none());
    assert!(done < 8 || house.find(LONG).is_none());
    assert!(done < 6 || house.store.view().unwrap().charges(&user("u")).unwrap().bytes == 0);
}

#[test]
fn a_crash_at_any_write_leaves_a_consistent_registry() {
    at_any_write(8, day, check);
}
