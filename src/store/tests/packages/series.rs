//! Revisions: what was built of a series is brought up to date by what changed since.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Revision, Series};

/// A page that somebody built of a series and keeps.
#[derive(Default)]
struct Page {
    revision: u64,
    versions: BTreeMap<PackageId, u64>,
    built_anew: usize,
}

impl Page {
    /// Brings it up to date; tells how many packages that looked at.
    fn update(&mut self, house: &House, key: &SeriesKey) -> usize {
        let view = house.view_of_packages();
        let Some(series) = view.series(APP, key).unwrap() else {
            self.versions.clear();
            return 0;
        };
        if self.revision < series.forgotten || self.revision == 0 {
            self.built_anew += 1;
            let all = view.packages_of_series(APP, key, None, 999).unwrap();
            self.versions = all.into_iter().map(|(_, id, it)| (id, it.revision)).collect();
            self.revision = series.revision;
            return self.versions.len();
        }
        let changes = view.series_changes(APP, key, Revision(self.revision), 999).unwrap();
        for (revision, id, package) in &changes {
            assert_eq!(revision.0, package.revision);
            match package.status {
                PackageStatus::PendingDestruction => drop(self.versions.remove(id)),
                _ => drop(self.versions.insert(*id, package.revision)),
            }
        }
        self.revision = series.revision;
        changes.len()
    }

    fn is_right(&self, house: &House, key: &SeriesKey) -> bool {
        let all = house.view_of_packages().packages_of_series(APP, key, None, 999).unwrap();
        self.versions == all.into_iter().map(|(_, id, it)| (id, it.revision)).collect()
    }
}

#[test]
fn a_page_is_brought_up_to_date_by_what_changed() {
    let house = House::with_project();
    let key = series(PackageKind::Generic, "a");
    let ids: Vec<_> =
        (0..6).map(|n| house.generic("a", &n.to_string(), "f", "x").package).collect();
    let mut page = Page::default();
    assert_eq!(page.update(&house, &key), 6);
    house.generic("a", "3", "g", "y");
    house.generic("a", "9", "f", "x");
    assert_eq!(page.update(&house, &key), 2);
    assert!(page.is_right(&house, &key));
    assert_eq!(page.update(&house, &key), 0);
    let status = PackageStatus::Hidden;
    house.check(house.store.set_package_status(ids[0], status, None).wait()).unwrap();
    house.mark_package(ids[1]);
    assert_eq!(page.update(&house, &key), 2);
    assert!(page.is_right(&house, &key));
    // A page that knew of the mark forgets nothing when that is destroyed, an older one must.
    let mut old = Page { revision: 1, ..Page::default() };
    house.destroy(1);
    assert_eq!((page.update(&house, &key), page.built_anew), (0, 1));
    old.update(&house, &key);
    assert_eq!(old.built_anew, 1);
    assert!(page.is_right(&house, &key) && old.is_right(&house, &key));
}

#[test]
fn a_series_that_goes_and_comes_back_is_built_anew() {
    let house = House::with_project();
    let key = series(PackageKind::Generic, "a");
    let id = house.generic("a", "1", "f", "x").package;
    let mut page = Page::default();
    page.update(&house, &key);
    house.mark_package(id);
    house.destroy(1);
    assert_eq!(house.view_of_packages().series(APP, &key).unwrap(), None);
    house.generic("a", "2", "f", "x");
    page.update(&house, &key);
    assert!(page.is_right(&house, &key));
    assert_eq!(page.built_anew, 2);
}

#[test]
fn a_list_of_names_changes_when_one_comes_or_goes() {
    let house = House::with_project();
    let names = |house: &House| house.usage().names_revision;
    let start = names(&house);
    let id = house.generic("a", "1", "f", "x").package;
    let one = names(&house);
    assert!(one > start);
    let other = house.generic("a", "2", "f", "x").package;
    house.mark_package(id);
    assert_eq!(names(&house), one, "the name is there as before");
    house.mark_package(other);
    assert!(names(&house) > one);
    let kind = PackageKind::Generic;
    assert_eq!(house.view_of_packages().series_names(APP, kind, None, 9).unwrap(), []);
    let key = series(kind, "a");
    assert_eq!(house.view_of_packages().projects_with(&key, None, 9).unwrap(), []);
    let series = house.view_of_packages().series(APP, &key).unwrap();
    assert!(matches!(series, Some(Series { packages: 0, .. })));
}

#[test]
fn projects_that_have_a_name_are_found_by_it() {
    let house = House::with_project();
    let other = house.project(GroupId(1), "other");
    let npm = key(PackageKind::Npm, "app", Some("1"));
    house.publish(publish(npm.clone())).unwrap();
    house.publish(Publish { project: other, ..publish(npm.clone()) }).unwrap();
    let view = house.view_of_packages();
    assert_eq!(view.projects_with(&npm.series, None, 9).unwrap(), [APP, other]);
    assert_eq!(view.projects_with(&npm.series, Some(APP), 9).unwrap(), [other]);
    assert_eq!(view.projects_with(&npm.series, None, 1).unwrap(), [APP]);
}
