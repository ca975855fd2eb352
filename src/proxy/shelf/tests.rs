//! What becomes of bytes that several groups wait for when one of them is gone by then.

use super::*;
use crate::blobs::{OsDisk, Pins};
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::db::tests::disk::TestDisk;
use crate::model::{CachedKind, GroupId, GroupName, Timestamp, UpstreamName, Visibility};
use crate::store::Rules;
use crate::store::groups::NewGroup;
use crate::store::tests::audit::assert_consistent;

fn store() -> Store {
    let db = Db::open_with(TestDisk::default().opener(), crate::db::tests::options()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1_000_000)));
    let lease = std::time::Duration::from_secs(60);
    let upload_link = store::UPLOAD_LINK;
    let rules = Rules { lease, internal_formats: None, user_quota: None, upload_link };
    Store::new(db, Pins::new(), clock, rules)
}

fn group(store: &Store, name: &str) -> GroupId {
    let new = NewGroup {
        parent: GroupId::TOP,
        name: GroupName::parse(name).unwrap(),
        title: name.to_owned(),
        description: String::new(),
        visibility: Visibility::Private,
        owner: None,
    };
    store.create_group(new).wait().unwrap()
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
