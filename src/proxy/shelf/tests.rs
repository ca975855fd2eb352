//! What becomes of bytes that several groups wait for when one of them is gone by then.

use super::*;
use crate::blobs::{OsDisk, Pins};
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::db::tests::disk::TestDisk;
use crate::model::{CachedKind, GroupId, Timestamp, UpstreamName};
use crate::store::governed;
use crate::store::tests::audit::assert_consistent;
use crate::store::tests::rules;

fn store() -> Store {
    let db = Db::open_with(TestDisk::default().opener(), crate::db::tests::options()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1_000_000)));
    Store::new(db, Pins::new(), clock, rules(std::time::Duration::from_secs(60)))
}

fn group(store: &Store, name: &str) -> GroupId {
    store.create_group(governed::New::of(GroupId::TOP, name)).wait().unwrap()
}

#[test]
fn a_group_that_is_gone_does_not_take_the_bytes_of_others_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(OsDisk);
    let files = BlobFiles::open(folder.path(), disk.clone()).unwrap();
    let space = Arc::new(Space::open(folder.path(), disk, 0, 0).unwrap());
    let store = store();
    let shelf = Shelf { store: store.clone(), files, space, inline_bytes_max: 1 << 10 };
    let here = group(&store, "here");
    let bytes = Bytes::from_static(b"layer");
    let hashed = hash_bytes(&bytes, None);
    let wish = |group| {
        let image = UpstreamName::parse("alpine").unwrap();
        Wish { group, image, upstream: None, origin: [7; 32] }
    };
    let mut wishes = [wish(GroupId(here.0 + 1)), wish(here)].into_iter();
    shelf.land(Arrived::Memory(bytes, hashed), &mut || wishes.next());
    let view = store.view().unwrap();
    assert!(view.cached(here, CachedKind::Blob, hashed.digest).unwrap().is_some());
    assert_consistent(&store);
}
