//! Packages: published, marked, destroyed and found, with a recount after every step (I2, I6, I9,
//! and the statements of spec gitlab §13).

mod crash;
mod destroyed;
mod ended;
mod model;
mod rules;
mod series;

use super::{House, ROWS, WORK, assert_consistent, cause, digest, uploaded};
use crate::blobs::hash::hash_bytes_with_sums;
use crate::model::{
    GroupId, Package, PackageFileId, PackageFileName, PackageId, PackageKey, PackageKind,
    PackageMeta, PackageName, PackageStatus, PackageTagName, PackageVersion, ProjectId,
    ProjectUsage, Referrer, SeriesKey, Usage,
};
use crate::store::blobs::Arrival;
use crate::store::governed;
use crate::store::packages::{Again, Marked, NewPackageFile, Publish, Published};
use crate::store::{Error, View};

const TOP: GroupId = GroupId::TOP;
/// Where most tests publish.
const APP: ProjectId = ProjectId(2);

impl House {
    /// A house with the group `acme` (1) and the project `acme/app` ([`APP`]).
    fn with_project() -> Self {
        let house = Self::new();
        assert_eq!(house.group("acme"), GroupId(1));
        assert_eq!(house.project(GroupId(1), "app"), APP);
        house
    }

    fn group(&self, name: &str) -> GroupId {
        self.check(self.store.create_group(governed::New::of(TOP, name)).wait()).unwrap()
    }

    fn project(&self, parent: GroupId, name: &str) -> ProjectId {
        self.check(self.store.create_project(new_project(parent, name)).wait()).unwrap()
    }

    fn publish(&self, new: Publish) -> Result<Published, Error> {
        self.check(self.store.publish(new).wait())
    }

    /// Publishes a file of a generic package.
    fn generic(&self, name: &str, version: &str, file: &str, text: &str) -> Published {
        let key = key(PackageKind::Generic, name, Some(version));
        self.publish(publish(key).file(file, text)).unwrap()
    }

    fn mark_package(&self, id: PackageId) -> usize {
        self.mark_all(&[id]).marked
    }

    fn mark_all(&self, ids: &[PackageId]) -> Marked {
        let marks = ids.iter().map(|id| (*id, ADMIN)).collect();
        self.check(self.store.mark_packages(marks, cause()).wait()).unwrap()
    }

    fn mark_files(&self, ids: &[PackageFileId]) -> Marked {
        let marks = ids.iter().map(|id| (*id, ADMIN)).collect();
        self.check(self.store.mark_package_files(marks, cause()).wait()).unwrap()
    }

    fn view_of_packages(&self) -> View {
        self.store.view().unwrap()
    }

    fn package_at(&self, key: &PackageKey) -> Option<PackageId> {
        let found = self.view_of_packages().package_at(APP, key).unwrap();
        found.map(|(id, _)| id)
    }

    fn package(&self, id: PackageId) -> Package {
        self.view_of_packages().package(id).unwrap().unwrap()
    }

    /// The file that is served by a name.
    fn newest(&self, id: PackageId, name: &str) -> Option<PackageFileId> {
        let found = self.view_of_packages().newest_file(id, &file_name(name)).unwrap();
        found.map(|(id, _)| id)
    }

    fn usage(&self) -> ProjectUsage {
        self.view_of_packages().project_usage(APP).unwrap()
    }
}

/// Nobody has looked at any file before.
const NEW_NAME: Again = Again::NewFileNameOnly(PackageFileId(0));
const ADMIN: Option<crate::model::RuleRole> = Some(crate::model::RuleRole::Admin);

fn new_project(parent: GroupId, name: &str) -> governed::New {
    governed::New::of(parent, name)
}

fn series(kind: PackageKind, name: &str) -> SeriesKey {
    SeriesKey { kind, name: PackageName::parse(name).unwrap() }
}

fn key(kind: PackageKind, name: &str, version: Option<&str>) -> PackageKey {
    let version = version.map(|version| PackageVersion::parse(version).unwrap());
    PackageKey { series: series(kind, name), version }
}

fn file_name(name: &str) -> PackageFileName {
    PackageFileName::parse(name).unwrap()
}

fn tag_name(name: &str) -> PackageTagName {
    PackageTagName::parse(name).unwrap()
}

fn publish(key: PackageKey) -> Publish {
    Publish {
        project: APP,
        title: key.series.name.to_string(),
        key,
        by: "anna".into(),
        may: Some(crate::model::RuleRole::Role(crate::model::Role::Developer)),
        file: None,
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::Append,
    }
}

impl Publish {
    fn file(self, name: &str, text: &str) -> Self {
        let sums = hash_bytes_with_sums(text.as_bytes(), None).sums.unwrap();
        let (name, content) = (file_name(name), uploaded(text));
        let file = Some(NewPackageFile { name, content, sums, requires_python: None });
        Self { file, ..self }
    }

    fn again(self, again: Again) -> Self {
        Self { again, ..self }
    }

    fn tagged(self, tag: &str) -> Self {
        Self { tags: vec![tag_name(tag)], ..self }
    }
}

fn bytes(files: u64, bytes: u64) -> Usage {
    Usage { files, bytes }
}

#[test]
fn a_file_is_published_and_found_in_every_way() {
    let house = House::with_project();
    let meta = PackageMeta::Npm { manifest: "{}".into(), deprecated: None };
    let key = key(PackageKind::Npm, "@acme/app", Some("1.0"));
    let new = Publish { meta: Some(meta.clone()), ..publish(key.clone()) };
    let new = new.file("app.tgz", "bytes").tagged("latest");
    let published = house.publish(new.clone()).unwrap();
    let Published { package: id, file, arrival } = published;
    assert_eq!(arrival, Arrival::Kept);
    let view = house.view_of_packages();
    let package = house.package(id);
    assert_eq!((package.project, package.title.as_str()), (APP, "@acme/app"));
    assert_eq!((package.status, package.usage), (PackageStatus::Default, bytes(1, 5)));
    assert_eq!(view.package_at(APP, &key).unwrap(), Some((id, package.clone())));
    assert_eq!(view.packages_in(APP, None, 9).unwrap(), [(id, package.clone())]);
    assert_eq!(view.newest_packages_in(APP, None, 9).unwrap().len(), 1);
    let listed = view.packages_of_series(APP, &key.series, None, 9).unwrap();
    assert_eq!(listed, [(key.clone(), id, package)]);
    let (newest, record) = view.newest_file(id, &file_name("app.tgz")).unwrap().unwrap();
    assert_eq!(Some(newest), file);
    assert_eq!((record.size, record.sums.sha256, record.marked), (5, digest("bytes"), None));
    assert_eq!(view.package_file(newest).unwrap(), Some(record.clone()));
    assert_eq!(view.package_files(id, None, 9).unwrap(), [(newest, record.clone())]);
    assert_eq!(view.newest_files(id, None, 9).unwrap(), [(newest, record)]);
    let names = view.package_file_names(id, None, 9).unwrap();
    assert_eq!(names, [(file_name("app.tgz"), newest)]);
    assert_eq!(view.package_meta(id).unwrap(), Some(meta));
    let tags = view.package_tags(APP, &key.series.name).unwrap();
    assert_eq!(
        tags.iter().map(|(name, tag)| (name.as_str(), tag.package)).collect::<Vec<_>>(),
        [("latest", id)]
    );
    assert_eq!(view.tags_of_package(id).unwrap(), tags);
    let names = view.series_names(APP, PackageKind::Npm, None, 9).unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(view.series_names(APP, PackageKind::Pypi, None, 9).unwrap(), []);
    assert_eq!(view.projects_with(&key.series, None, 9).unwrap(), [APP]);
    let usage = house.usage();
    assert_eq!((usage.packages, usage.live, usage.pending), (1, bytes(1, 5), bytes(0, 0)));
    let blob = house.find("bytes").unwrap().0;
    assert_eq!(view.referrers(blob, 9).unwrap(), [Referrer::PackageFile(newest)]);
    assert_eq!(view.owners(blob, 9).unwrap(), ["acme/app: npm @acme/app 1.0: app.tgz"]);
    assert_eq!(view.live_paths(blob, 9).unwrap(), Vec::<String>::new(), "roles decide");
}

#[test]
fn nothing_is_published_where_no_project_is_nor_with_a_sum_that_is_not_its_bytes() {
    let house = House::with_project();
    let key = key(PackageKind::Generic, "a", Some("1"));
    let nowhere = Publish { project: ProjectId(9), ..publish(key.clone()).file("f", "x") };
    assert!(matches!(house.publish(nowhere), Err(Error::ProjectUnknown(_))));
    let group = Publish { project: ProjectId(1), ..publish(key.clone()).file("f", "x") };
    assert!(matches!(house.publish(group), Err(Error::ProjectUnknown(_))));
    let mut wrong = publish(key.clone()).file("f", "x");
    wrong.file.as_mut().unwrap().content = uploaded("y");
    assert!(matches!(house.publish(wrong), Err(Error::BlobUnknown(_))));
    let going = Publish { status: Some(PackageStatus::PendingDestruction), ..publish(key) };
    assert!(matches!(house.publish(going), Err(Error::PackageRule(_))));
    assert_eq!((house.usage(), house.blobs()), (ProjectUsage::default(), 0));
    house.check(house.store.delete_group(GroupId(1), cause()).wait()).unwrap();
    let gone = publish(self::key(PackageKind::Generic, "a", Some("1"))).file("f", "x");
    assert!(matches!(house.publish(gone), Err(Error::ProjectUnknown(_))), "its group is gone");
}

#[test]
fn statement_13_of_a_file_that_is_published_100_times_the_newest_is_served() {
    let house = House::with_project();
    let key = key(PackageKind::Maven, "com/acme/app", Some("1.0"));
    let mut last = None;
    for number in 0..100 {
        let text = format!("bytes {number:02}");
        let new = publish(key.clone()).file("app-1.0.jar", &text);
        last = Some(house.store.publish(new).wait().unwrap());
    }
    assert_consistent(&house.store);
    let Published { package, file, .. } = last.unwrap();
    assert_eq!(house.newest(package, "app-1.0.jar"), file);
    let (_, record) = house.view_of_packages().newest_files(package, None, 9).unwrap().remove(0);
    assert_eq!(record.sums.sha256, digest("bytes 99"));
    assert_eq!(house.package(package).usage, bytes(100, 800));
    let all = house.view_of_packages().package_file_names(package, None, 1000).unwrap();
    assert_eq!(all.len(), 100);
    // Who takes the newest away is served the one before.
    assert_eq!(house.mark_files(&[file.unwrap()]).marked, 1);
    assert_eq!(house.newest(package, "app-1.0.jar"), Some(all[98].1));
    let old: Vec<_> = all[..98].iter().map(|(_, id)| *id).collect();
    assert_eq!(house.mark_files(&old).marked, 98);
    assert_eq!(house.usage().live, bytes(1, 8));
    assert_eq!(house.usage().pending, bytes(99, 792));
}

#[test]
fn statement_16_what_may_be_there_already_is_decided_in_the_transaction() {
    let house = House::with_project();
    let npm = key(PackageKind::Npm, "app", Some("1.0"));
    let new = || publish(npm.clone()).file("app.tgz", "one").again(Again::NewPackageOnly);
    let (first, second) = (house.store.publish(new()), house.store.publish(new()));
    first.wait().unwrap();
    assert!(matches!(second.wait(), Err(Error::PackageExists(_))), "two at once");
    assert_consistent(&house.store);
    let pypi = key(PackageKind::Pypi, "app", Some("1.0"));
    let new = |file| publish(pypi.clone()).file(file, "two").again(NEW_NAME);
    let first = house.publish(new("app-1.0.tar.gz")).unwrap();
    let again = house.publish(new("app-1.0.tar.gz"));
    assert!(matches!(again, Err(Error::PackageFileExists(_))));
    let wheel = house.publish(new("app-1.0-py3-none-any.whl")).unwrap();
    assert_eq!((wheel.package, wheel.arrival), (first.package, Arrival::Known));
    // A file that was marked is in nobody's way.
    house.mark_files(&[first.file.unwrap()]);
    house.publish(new("app-1.0.tar.gz")).unwrap();
}

#[test]
fn of_two_spellings_of_one_file_of_pypi_that_arrive_at_once_one_is_refused() {
    let house = House::with_project();
    let at = key(PackageKind::Pypi, "my-app", Some("1.0"));
    let new = |file: &str, again| publish(at.clone()).file(file, file).again(again);
    let older = house.publish(new("my-app-1.0.zip", NEW_NAME)).unwrap();
    // Both have looked before either is there.
    let unseen = house.view_of_packages().unseen_package_file().unwrap();
    assert!(unseen > older.file.unwrap());
    let both = ["my_app-1.0-py3-none-any.whl", "My.App-1.0-py3-none-any.whl"];
    let both = both.map(|file| house.store.publish(new(file, Again::NewFileNameOnly(unseen))));
    let [first, second] = both.map(crate::db::Pending::wait);
    let first = first.unwrap();
    assert!(matches!(second, Err(Error::PackageFileExists(_))), "{second:?}");
    // The name of the older one is not looked at again, and what was marked is in nobody's way.
    house.publish(new("My-App-1.0.zip", Again::NewFileNameOnly(unseen))).unwrap();
    house.mark_files(&[first.file.unwrap()]);
    let again = new("My.App-1.0-py3-none-any.whl", Again::NewFileNameOnly(unseen));
    assert_eq!(house.publish(again).unwrap().package, first.package);
}

#[test]
fn of_npm_no_two_names_differ_in_their_case_only() {
    let house = House::with_project();
    let new = |title: &str, version| {
        let key = key(PackageKind::Npm, &title.to_ascii_lowercase(), Some(version));
        Publish { title: title.into(), ..publish(key) }
    };
    let first = house.publish(new("App", "1")).unwrap();
    let other = house.publish(new("app", "2"));
    assert!(matches!(other, Err(Error::PackageNameTaken { .. })), "{other:?}");
    house.publish(new("App", "2")).unwrap();
    assert_eq!(house.mark_package(first.package), 1);
    let second = house.package_at(&key(PackageKind::Npm, "app", Some("2"))).unwrap();
    assert_eq!(house.mark_package(second), 1);
    house.publish(new("app", "1")).unwrap();
}

#[test]
fn a_status_and_what_is_known_of_a_package_can_be_changed_while_it_is_there() {
    let house = House::with_project();
    let id = house.generic("a", "1", "f", "x").package;
    let set = |status, message: Option<&str>| {
        let message = message.map(str::to_owned);
        house.check(house.store.set_package_status(id, status, message).wait())
    };
    set(PackageStatus::Error, Some("bad")).unwrap();
    let package = house.package(id);
    assert_eq!(package.status_message.as_deref(), Some("bad"));
    assert!(matches!(set(PackageStatus::PendingDestruction, None), Err(Error::PackageRule(_))));
    let long = "x".repeat(256);
    assert!(matches!(set(PackageStatus::Hidden, Some(&long)), Err(Error::PackageRule(_))));
    // Publishing again keeps the status unless it says another.
    house.generic("a", "1", "f", "y");
    assert_eq!(house.package(id).status, PackageStatus::Error);
    let hidden = publish(key(PackageKind::Generic, "a", Some("1"))).file("f", "z");
    house.publish(Publish { status: Some(PackageStatus::Hidden), ..hidden }).unwrap();
    let package = house.package(id);
    assert_eq!((package.status, package.status_message), (PackageStatus::Hidden, None));
    let meta = PackageMeta::Pypi { fields: vec![("a".into(), "b".into())] };
    house.check(house.store.set_package_meta(id, meta.clone()).wait()).unwrap();
    assert_eq!(house.view_of_packages().package_meta(id).unwrap(), Some(meta.clone()));
    house.mark_package(id);
    assert!(matches!(set(PackageStatus::Default, None), Err(Error::PackageUnknown(_))));
    let after = house.check(house.store.set_package_meta(id, meta).wait());
    assert!(matches!(after, Err(Error::PackageUnknown(_))));
}

#[test]
fn downloads_are_noted_in_memory_and_written_together() {
    let house = House::with_project();
    let id = house.generic("a", "1", "f", "x").package;
    house.store.note_package_download(id);
    house.store.note_package_download(PackageId(999));
    assert_eq!(house.view_of_packages().package_downloaded(id).unwrap(), None);
    house.store.flush_package_downloads().unwrap();
    assert_consistent(&house.store);
    let first = house.now();
    assert_eq!(house.view_of_packages().package_downloaded(id).unwrap(), Some(first));
    house.clock.advance(std::time::Duration::from_secs(1));
    house.store.note_package_download(id);
    house.store.flush_package_downloads().unwrap();
    assert_eq!(house.view_of_packages().package_downloaded(id).unwrap(), Some(house.now()));
    house.mark_package(id);
    house.destroy(ROWS);
    house.store.note_package_download(id);
    house.store.flush_package_downloads().unwrap();
    assert_consistent(&house.store);
    assert_eq!(house.view_of_packages().package_downloaded(id).unwrap(), None);
}

#[test]
fn pages_go_on_where_they_ended() {
    let house = House::with_project();
    let ids: Vec<_> =
        (0..5).map(|n| house.generic("a", &format!("1.{n}"), "f", "x").package).collect();
    let view = house.view_of_packages();
    let page = |rows: Vec<(PackageId, Package)>| rows.into_iter().map(|(id, _)| id);
    let first: Vec<_> = page(view.packages_in(APP, None, 2).unwrap()).collect();
    assert_eq!(first, ids[..2]);
    let next: Vec<_> = page(view.packages_in(APP, Some(ids[1]), 9).unwrap()).collect();
    assert_eq!(next, ids[2..]);
    let newest: Vec<_> = page(view.newest_packages_in(APP, None, 2).unwrap()).collect();
    assert_eq!(newest, [ids[4], ids[3]]);
    let next: Vec<_> = page(view.newest_packages_in(APP, Some(ids[3]), 2).unwrap()).collect();
    assert_eq!(next, [ids[2], ids[1]]);
    let series = series(PackageKind::Generic, "a");
    let after = key(PackageKind::Generic, "a", Some("1.3"));
    let last = view.packages_of_series(APP, &series, Some(&after), 9).unwrap();
    assert_eq!(last.iter().map(|(_, id, _)| *id).collect::<Vec<_>>(), ids[4..]);
    for name in ["b", "c"] {
        house.generic(name, "1", "f", "x");
    }
    let view = house.view_of_packages();
    let after = PackageName::parse("a").unwrap();
    let names = view.series_names(APP, PackageKind::Generic, Some(&after), 1).unwrap();
    assert_eq!(names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
    for file in ["x", "y", "z"] {
        house.generic("b", "1", file, "1");
        house.generic("b", "1", file, "2");
    }
    let id = house.package_at(&key(PackageKind::Generic, "b", Some("1"))).unwrap();
    let view = house.view_of_packages();
    let newest = view.newest_files(id, Some(&file_name("x")), 1).unwrap();
    assert_eq!((newest[0].1.name.as_str(), newest[0].1.sums.sha256), ("y", digest("2")));
    let all = view.package_file_names(id, None, 99).unwrap();
    assert_eq!(view.package_file_names(id, Some(all[2].clone()), 99).unwrap(), all[3..]);
    let files = view.package_files(id, None, 99).unwrap();
    assert_eq!(view.package_files(id, Some(files[2].0), 99).unwrap(), files[3..]);
}

#[test]
fn moving_names_move_and_name_nothing_when_their_version_goes() {
    let house = House::with_project();
    let version = |version| key(PackageKind::Npm, "app", Some(version));
    let one = house.publish(publish(version("1")).tagged("latest")).unwrap().package;
    let two = house.publish(publish(version("2")).tagged("latest")).unwrap().package;
    let tags = |house: &House| -> Vec<(String, PackageId)> {
        let found = house.view_of_packages().package_tags(APP, &version("1").series.name).unwrap();
        found.into_iter().map(|(name, tag)| (name.to_string(), tag.package)).collect()
    };
    assert_eq!(tags(&house), [("latest".to_owned(), two)]);
    assert_eq!(house.view_of_packages().tags_of_package(one).unwrap(), []);
    let set = |key, tag| house.check(house.store.set_package_tag(APP, key, tag_name(tag)).wait());
    set(version("1"), "old").unwrap();
    assert!(matches!(set(version("3"), "old"), Err(Error::PackageUnknown(_))));
    assert_eq!(tags(&house), [("latest".to_owned(), two), ("old".to_owned(), one)]);
    house.mark_package(two);
    assert_eq!(tags(&house), [("old".to_owned(), one)]);
    let remove = |tag| {
        let name = version("1").series.name;
        house.check(house.store.remove_package_tag(APP, name, tag_name(tag)).wait()).unwrap()
    };
    assert!(!remove("latest"), "it names nothing any more");
    // What is moved before its version is destroyed stays.
    set(version("1"), "latest").unwrap();
    house.destroy(1);
    assert_eq!(tags(&house), [("latest".to_owned(), one), ("old".to_owned(), one)]);
    assert!(remove("old") && !remove("old"));
    assert_eq!(tags(&house), [("latest".to_owned(), one)]);
}
