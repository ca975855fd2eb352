//! Loss of power at every write of a day of a cache: what was acknowledged is served, what was
//! purged is not, and every count is right (I1, I2, I5).

use super::{LEASE_OF_CLAIM, LONG, blob, group, manifest};
use crate::model::{CachedKind, GroupId};
use crate::store::Error;
use crate::store::proxy_groups::ProxyChange;
use crate::store::tests::{House, ROWS, WORK, assert_consistent, crash::at_any_write};

const GROUP: GroupId = GroupId(1);
const DAY: std::time::Duration = std::time::Duration::from_secs(91 * 24 * 3600);

fn delete(house: &House, kind: CachedKind) -> Result<(), Error> {
    let claimed = house.store.claim_cached(kind, 9, LEASE_OF_CLAIM).wait()?;
    let slice = house.store.destroy_cached_slice(claimed.into(), 0, WORK, ROWS);
    slice.map(drop).map_err(|(_, error)| error)
}

fn expire(house: &House) -> Result<(), Error> {
    house.clock.advance(DAY);
    let ttl = ProxyChange { ttl_enabled: Some(true), ..ProxyChange::default() };
    house.store.change_proxy(GROUP, ttl).wait()?;
    let over = house.now();
    house.store.expire_cached_slice(GROUP, over, None, WORK, ROWS).map(drop)
}

fn day(house: &House) -> usize {
    let store = &house.store;
    let put = |new| store.put_cached(new).wait().map(drop);
    let steps: [&dyn Fn() -> Result<(), Error>; 9] = [
        &|| store.create_group(super::new_group("one")).wait().map(drop),
        &|| put(blob(GROUP, LONG)),
        &|| put(manifest(GROUP, "m", "v1", &[LONG])),
        &|| store.purge_cached(GROUP).wait(),
        &|| put(manifest(GROUP, "m", "v1", &[LONG])),
        &|| store.mark_purged_slice(None, WORK, ROWS).map(drop),
        &|| delete(house, CachedKind::Manifest),
        &|| delete(house, CachedKind::Blob),
        &|| expire(house),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    if done == 0 {
        return;
    }
    assert!(done != 2 || house.blob_of(GROUP, LONG).is_some());
    assert!(done < 4 || house.blob_of(GROUP, LONG).is_none());
    assert!(done != 4 || house.cached_tag(GROUP, "v1").is_none_or(|id| id.0 == 3));
    assert!(!(5..8).contains(&done) || house.cached_tag(GROUP, "v1").is_some());
    assert!(done < 9 || house.cached_tag(GROUP, "v1").is_none());
    let usage = house.store.view().unwrap().proxy_usage(GROUP).unwrap();
    assert!(done < 7 || usage.manifests.files == 1);
    assert!(done < 8 || usage.blobs.files == 0);
}

#[test]
fn a_crash_at_any_write_leaves_the_cache_consistent() {
    at_any_write(9, day, check);
}

#[test]
fn the_group_of_the_day_is_the_first_one() {
    let house = House::new();
    assert_eq!(group(&house.store, "one"), GROUP);
}
