//! What is marked is gone for readers at once, and its bytes when it is destroyed (spec gitlab
//! §8.3, defects F to H; statements 18 and 25).

use super::*;
use crate::db::Span;
use crate::db::schema::{
    DETACHED, PACKAGE_DOWNLOADS, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN,
    PACKAGE_METAS, PACKAGE_NAMES, PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES, PACKAGES_IN,
    PROJECT_USAGE, SERIES, SERIES_AT, SERIES_CHANGES,
};
use crate::model::Node;
use crate::store::tests::LEASE_OVER;
use crate::store::why::Why;

impl House {
    fn totals(&self) -> (Usage, Usage) {
        let totals = self.view_of_packages().totals().unwrap();
        (totals.named, totals.detached)
    }

    fn queue(&self) -> Vec<Node> {
        let rows = DETACHED.all(&self.view_of_packages().snapshot, Span::all()).unwrap();
        rows.into_iter().map(|(_, entry)| entry.node).collect()
    }

    /// All rows that tell of packages.
    fn package_rows(&self) -> u64 {
        let rows = &self.view_of_packages().snapshot;
        let counts = [
            PACKAGES.count(rows),
            PACKAGE_NAMES.count(rows),
            PACKAGES_IN.count(rows),
            PACKAGE_METAS.count(rows),
            SERIES.count(rows),
            SERIES_AT.count(rows),
            SERIES_CHANGES.count(rows),
            PACKAGE_FILES.count(rows),
            PACKAGE_FILES_IN.count(rows),
            PACKAGE_FILE_NAMES.count(rows),
            PACKAGE_TAGS.count(rows),
            PACKAGE_TAGS_OF.count(rows),
            PACKAGE_DOWNLOADS.count(rows),
        ];
        counts.into_iter().map(Result::unwrap).sum()
    }
}

#[test]
fn statement_18_a_version_is_published_again_while_the_old_one_is_being_destroyed() {
    let house = House::with_project();
    let old = house.generic("a", "1", "f", "old").package;
    house.generic("a", "1", "g", "old too");
    let key = key(PackageKind::Generic, "a", Some("1"));
    assert_eq!(house.mark_package(old), 1);
    assert_eq!(house.package_at(&key), None);
    let new = house.generic("a", "1", "f", "new").package;
    assert_ne!(old, new);
    assert_eq!(house.package_at(&key), Some(new));
    let (done, _) = house.store.destroy_slice(WORK, 1).unwrap();
    assert!(!done.done);
    assert_consistent(&house.store);
    assert_eq!(house.package_at(&key), Some(new));
    house.destroy(1);
    assert_eq!(house.package_at(&key), Some(new));
    assert_eq!(house.view_of_packages().package(old).unwrap(), None);
    assert_eq!(house.usage().live, bytes(1, 3));
}

#[test]
fn statement_25_bytes_drop_when_they_are_destroyed_and_not_before() {
    let house = House::with_project();
    let id = house.generic("a", "1", "f", "12345").package;
    let file = house.generic("a", "1", "g", "1234567").file.unwrap();
    let other = house.generic("b", "1", "f", "123").package;
    house.generic("b", "1", "f", "another file of 27 bytes...");
    assert_eq!(house.totals(), (bytes(4, 42), bytes(0, 0)));
    assert_eq!(house.mark_files(&[file]).marked, 1);
    assert_eq!(house.newest(id, "g"), None, "at once");
    let usage = house.usage();
    assert_eq!((usage.live, usage.pending), (bytes(3, 35), bytes(1, 7)));
    assert_eq!(house.mark_package(other), 1);
    let usage = house.usage();
    assert_eq!((usage.packages, usage.live, usage.pending), (1, bytes(1, 5), bytes(3, 37)));
    assert_eq!(house.totals(), (bytes(1, 5), bytes(3, 37)));
    house.store.destroy_slice(WORK, 1).unwrap();
    let usage = house.usage();
    assert_eq!((usage.live, usage.pending), (bytes(1, 5), bytes(2, 30)));
    house.destroy(1);
    let usage = house.usage();
    assert_eq!((usage.live, usage.pending), (bytes(1, 5), bytes(0, 0)));
    assert_eq!(house.totals(), (bytes(1, 5), bytes(0, 0)));
    house.clock.advance(LEASE_OVER);
    assert_eq!(house.collect(), 3);
    assert!(house.find("12345").is_some());
}

#[test]
fn marking_twice_counts_once_and_what_is_gone_is_passed_over() {
    let house = House::with_project();
    let id = house.generic("a", "1", "f", "x").package;
    let file = house.generic("a", "1", "g", "y").file.unwrap();
    assert_eq!(house.mark_files(&[file, file, PackageFileId(999)]).marked, 1);
    assert_eq!(house.mark_files(&[file]).marked, 0);
    assert_eq!(house.mark_all(&[id, id, PackageId(999)]).marked, 1);
    assert_eq!(house.mark_package(id), 0);
    let rest = house.view_of_packages().package_files(id, None, 9).unwrap()[0].0;
    assert_eq!(house.mark_files(&[rest]).marked, 0, "it goes with its package");
    let many = vec![(id, ADMIN); 501];
    let refused = house.check(house.store.mark_packages(many, cause()).wait());
    assert!(matches!(refused, Err(Error::PackageRule(_))));
    house.destroy(1);
    assert_eq!((house.package_rows(), house.queue()), (0, vec![]));
}

/// Figure 4: what marking costs does not depend on how much there is to destroy.
#[test]
fn marking_20_packages_writes_no_more_for_many_files_than_for_one() {
    let house = House::with_project();
    let fill = |name: &str, files: usize| -> Vec<_> {
        let package = |version: usize| {
            let key = key(PackageKind::Generic, name, Some(&version.to_string()));
            let file = |file: usize| publish(key.clone()).file(&file.to_string(), "x");
            let sent: Vec<_> = (0..files).map(|n| house.store.publish(file(n))).collect();
            let done: Vec<_> = sent.into_iter().map(|sent| sent.wait().unwrap()).collect();
            (done[0].package, ADMIN)
        };
        (0..20).map(package).collect()
    };
    let marked_with = |packages: Vec<_>| {
        let before = house.disk.ops();
        let marked = house.store.mark_packages(packages, cause()).wait().unwrap().marked;
        assert_eq!(marked, 20);
        house.disk.ops() - before
    };
    let (few, many) = (fill("few", 1), fill("many", 100));
    let (few, many) = (marked_with(few), marked_with(many));
    assert!(many <= few * 2, "{many} operations for 100 files each, {few} for one");
    assert_consistent(&house.store);
    let usage = house.usage();
    assert_eq!((usage.packages, usage.live, usage.pending), (0, bytes(0, 0), bytes(2020, 2020)));
}

#[test]
fn a_package_goes_with_its_last_file_unless_another_came() {
    let house = House::with_project();
    let published = house.generic("a", "1", "f", "x");
    house.mark_files(&[published.file.unwrap()]);
    assert_eq!(house.package(published.package).status, PackageStatus::Default);
    let again = house.generic("a", "1", "f", "y");
    assert_eq!(again.package, published.package);
    house.destroy(1);
    assert_eq!(house.package(again.package).usage, bytes(1, 1));
    house.mark_files(&[again.file.unwrap()]);
    house.destroy(1);
    assert_eq!(house.view_of_packages().package(again.package).unwrap(), None);
    assert_eq!((house.package_rows(), house.queue()), (0, vec![]));
}

#[test]
fn a_package_without_files_is_destroyed_like_any_other() {
    let house = House::with_project();
    let new = publish(key(PackageKind::Npm, "app", Some("1"))).tagged("latest");
    let meta = PackageMeta::Npm { manifest: "{}".into(), deprecated: None };
    let id = house.publish(Publish { meta: Some(meta), ..new }).unwrap().package;
    house.mark_package(id);
    house.destroy(1);
    assert_eq!((house.package_rows(), house.queue()), (0, vec![]));
}

#[test]
fn a_project_takes_its_packages_with_it_and_what_was_marked_there_before() {
    for of_group in [false, true] {
        let house = House::with_project();
        let one = house.generic("a", "1", "f", "12345");
        house.generic("a", "1", "g", "123");
        house.mark_files(&[one.file.unwrap()]);
        let two = house.generic("b", "1", "f", "a longer text, as a file");
        house.mark_package(two.package);
        house.generic("c", "1", "f", "7654321");
        assert_eq!(house.totals(), (bytes(2, 10), bytes(2, 29)));
        let store = &house.store;
        if of_group {
            house.check(store.delete_group(GroupId(1), cause()).wait()).unwrap();
        } else {
            house.check(store.delete_project(APP, cause()).wait()).unwrap();
            assert_eq!(house.totals(), (bytes(0, 0), bytes(4, 39)));
        }
        let view = house.view_of_packages();
        assert_eq!(view.package(one.package).unwrap(), None, "nothing is read there any more");
        assert_eq!(house.mark_package(one.package), 0);
        house.destroy(1);
        assert_eq!(house.totals(), (bytes(0, 0), bytes(0, 0)));
        assert_eq!((house.package_rows(), house.queue()), (0, vec![]));
        assert_eq!(PROJECT_USAGE.count(&house.view_of_packages().snapshot).unwrap(), 0);
        house.clock.advance(LEASE_OVER);
        house.collect();
        assert_eq!(house.blobs(), 0);
    }
}

#[test]
fn a_project_that_is_destroyed_first_leaves_nothing_to_what_was_marked_in_it() {
    let house = House::with_project();
    let one = house.generic("a", "1", "f", "12345").package;
    let file = house.generic("b", "1", "f", "123").file.unwrap();
    let later =
        crate::store::detached::Cause { wait: std::time::Duration::from_secs(60), ..cause() };
    let marks = vec![(one, ADMIN)];
    house.check(house.store.mark_packages(marks, later.clone()).wait()).unwrap();
    let marks = vec![(file, ADMIN)];
    house.check(house.store.mark_package_files(marks, later).wait()).unwrap();
    house.check(house.store.delete_project(APP, cause()).wait()).unwrap();
    house.destroy(1);
    assert_eq!(house.package_rows(), 0);
    assert_eq!(house.queue(), [Node::Package(one), Node::PackageFile(file)]);
    assert_eq!(house.totals(), (bytes(0, 0), bytes(0, 0)));
    house.clock.advance(std::time::Duration::from_secs(61));
    house.destroy(1);
    assert_eq!(house.queue(), []);
}

#[test]
fn who_asks_why_a_blob_is_kept_is_told_of_the_package() {
    let house = House::with_project();
    let published = house.generic("a", "1", "f", "12345");
    let owner = |house: &House| {
        let why = house.view_of_packages().why(&digest("12345"), 9).unwrap();
        let Why::Held { mut owners, count: 1, .. } = why else { panic!("{why:?}") };
        let owner = owners.remove(0);
        (owner.path, owner.held.state.unwrap(), owner.detached.map(|gone| gone.by))
    };
    let path = || "acme/app: generic a 1: f".to_owned();
    assert_eq!(owner(&house), (path(), "default", None));
    let eve = Some("user eve".to_owned());
    house.mark_files(&[published.file.unwrap()]);
    assert_eq!(owner(&house), (path(), "pending_destruction", eve.clone()));
    house.mark_package(published.package);
    assert_eq!(owner(&house), (path(), "pending_destruction", eve.clone()));
    house.check(house.store.delete_project(APP, cause()).wait()).unwrap();
    let gone = "(deleted project 2): generic a 1: f".to_owned();
    assert_eq!(owner(&house), (gone, "pending_destruction", eve));
}
