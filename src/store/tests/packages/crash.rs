//! Loss of power at every write while packages are published, marked and destroyed: what was
//! acknowledged is there or gone, and every count is right (I1, I2, I5).

use super::super::crash::at_any_write;
use super::*;
use crate::db::tests::disk::{Lasts, On};
use crate::store::garbage::Fate;
use crate::store::tests::LEASE_OVER;

const LONG: &str = "a text that is long enough to be a file";

fn one() -> PackageKey {
    key(PackageKind::Npm, "app", Some("1"))
}

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let put = |new| store.publish(new).wait().map(drop);
    let group = governed::New { title: "a".into(), ..governed::New::of(TOP, "acme") };
    let meta = Some(PackageMeta::Npm { manifest: "{}".into(), deprecated: None });
    let mark = |id| store.mark_packages(vec![(PackageId(id), ADMIN)], cause()).wait();
    let mark_file = |id| store.mark_package_files(vec![(PackageFileId(id), ADMIN)], cause()).wait();
    let destroy = |rows| store.destroy_slice(WORK, rows).map(drop).map_err(|(_, error)| error);
    let steps: [&dyn Fn() -> Result<(), Error>; 12] = [
        &|| store.create_group(group.clone()).wait().map(drop),
        &|| store.create_project(new_project(GroupId(1), "app")).wait().map(drop),
        &|| {
            let new = publish(one()).file("a.tgz", LONG).tagged("latest");
            put(Publish { meta: meta.clone(), ..new })
        },
        &|| put(publish(one()).file("b.tgz", "1")),
        &|| mark_file(4).map(drop),
        &|| mark(1).map(drop),
        &|| put(publish(one()).file("a.tgz", "2").again(Again::NewPackageOnly)),
        &|| destroy(1),
        &|| destroy(ROWS),
        &|| store.delete_project(APP, cause()).wait(),
        &|| destroy(ROWS),
        &|| {
            house.clock.advance(LEASE_OVER);
            store.collect_slice(None, WORK, ROWS)?;
            let gone = store.unlinks(None, 9)?.into_iter();
            house.settle(gone.map(|(id, _)| (id, Fate::Gone)).collect()).map(drop)
        },
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// The part of the day that is surely over: done, or begun.
fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    let view = house.view_of_packages();
    let at = house.package_at(&one());
    assert!(done != 3 || house.newest(PackageId(1), "a.tgz") == Some(PackageFileId(2)));
    assert!(done != 4 || at == Some(PackageId(1)));
    assert!(done != 5 || house.newest(PackageId(1), "b.tgz").is_none());
    assert!(done != 6 || at != Some(PackageId(1)));
    assert!(!(7..9).contains(&done) || at == Some(PackageId(5)));
    assert!(done < 9 || view.package(PackageId(1)).unwrap().is_none());
    assert!(done < 10 || view.package(PackageId(5)).unwrap().is_none());
    let totals = view.totals().unwrap();
    assert!(done < 11 || (totals.named.files, totals.detached.files, totals.queue) == (0, 0, 0));
    assert!(done < 12 || house.blobs() == 0);
}

#[test]
fn a_crash_at_any_write_leaves_packages_consistent() {
    at_any_write(12, day, check);
}

#[test]
fn the_ids_of_the_day_are_those_that_are_checked() {
    let house = House::with_project();
    let new = publish(one()).file("a.tgz", LONG).tagged("latest");
    let first = house.publish(new).unwrap();
    assert_eq!((first.package, first.file), (PackageId(1), Some(PackageFileId(2))));
    let second = house.publish(publish(one()).file("b.tgz", "1")).unwrap();
    assert_eq!(second.file, Some(PackageFileId(4)));
}

/// A commit that fails has an unknown outcome: nothing is acknowledged, the rows decide, and the
/// same wish can be made again.
#[test]
fn a_commit_that_fails_acknowledges_nothing_and_the_store_goes_on() {
    for point in 0..12 {
        let house = House::with_project();
        house.generic("a", "1", "f", "kept");
        house.disk.fail(On::Change, point, Lasts::Once, std::io::ErrorKind::Other);
        let key = key(PackageKind::Generic, "b", Some("1"));
        let published = house.store.publish(publish(key.clone()).file("f", LONG)).wait();
        let published = published.or_else(|error| {
            assert!(matches!(error, Error::Db(_)), "{error}");
            house.store.publish(publish(key.clone()).file("f", LONG)).wait()
        });
        let id = published.unwrap().package;
        assert_consistent(&house.store);
        assert_eq!(house.package_at(&key), Some(id));
        house.disk.fail(On::Change, point, Lasts::Once, std::io::ErrorKind::Other);
        let marks = || house.store.mark_packages(vec![(id, ADMIN)], cause()).wait();
        marks().or_else(|_| marks()).unwrap();
        assert_consistent(&house.store);
        assert_eq!(house.package_at(&key), None);
        house.disk.heal();
        house.destroy(1);
        assert_eq!(house.usage().live, bytes(1, 4));
    }
}
