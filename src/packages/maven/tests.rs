//! Maven's service over a real store: metadata follows every change, and costs what changed.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::blobs::{BlobFiles, OsDisk, Pins, Space};
use crate::clock::ManualClock;
use crate::db::{Db, Options};
use crate::model::{GroupId, PackageId, PackageKind, PackageStatus, Timestamp};
use crate::packages::{FileLimits, NamedFile, Settings};
use crate::store::Store;
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::tests::rules;

struct House {
    _dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    packages: Packages,
    project: ProjectId,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_541_604_350_000_000)));
        let db = Db::open(&dir.path().join("db"), Options::default()).unwrap();
        let rules = rules(Duration::from_secs(600));
        let store = Store::new(db, Pins::new(), Arc::<ManualClock>::clone(&clock), rules);
        let files = BlobFiles::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let space = Arc::new(Space::open(dir.path(), Arc::new(OsDisk), 0, 0).unwrap());
        let settings = Settings {
            pages_memory: 64 << 20,
            inline_bytes_max: 16 << 10,
            limits: FileLimits::default(),
        };
        let packages = Packages::new(store, files, space, settings);
        let project = new_project(packages.store(), "lib");
        Self { _dir: dir, clock, packages, project }
    }

    fn publisher(&self) -> Publisher {
        Publisher { project: self.project, by: "root".to_owned(), may: Some(RuleRole::Admin) }
    }

    fn publish_to(&self, project: ProjectId, path: &str, content: &str) -> PackageId {
        let path = read(path);
        let MavenPlace::File(key) = path.place() else { panic!("{path:?} is no file") };
        let mut incoming = self.packages.receive(PackageKind::Maven);
        incoming.write(content.as_bytes()).unwrap();
        let file = NamedFile {
            name: PackageFileName::parse(path.file()).unwrap(),
            requires_python: None,
            arrived: incoming.finish().unwrap(),
        };
        let new = Publish {
            project,
            key: key.clone(),
            title: key.series.name.to_string(),
            by: "root".to_owned(),
            may: Some(RuleRole::Admin),
            file: None,
            meta: None,
            status: None,
            tags: Vec::new(),
            again: Again::Settings,
        };
        self.packages.publish(new, Some(file)).unwrap().package
    }

    fn publish(&self, path: &str, content: &str) -> PackageId {
        self.publish_to(self.project, path, content)
    }

    fn found(&self, projects: &[ProjectId], path: &str) -> Option<Found> {
        let view = self.packages.store().view().unwrap();
        self.packages.maven(&view, projects, &read(path)).unwrap()
    }

    /// The text; empty where there is none.
    fn text(&self, path: &str) -> String {
        self.text_in(&[self.project], path)
    }

    fn text_in(&self, projects: &[ProjectId], path: &str) -> String {
        match self.found(projects, path) {
            None => String::new(),
            Some(Found::Metadata(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            Some(Found::Checksum(text)) => text,
            Some(Found::File(_, file)) => panic!("{} is a file", file.name),
        }
    }

    fn versions(&self) -> Vec<String> {
        values(&self.text("com/acme/app/maven-metadata.xml"), "version")
    }

    fn mark(&self, package: PackageId) {
        let marked = vec![(package, Some(RuleRole::Admin))];
        self.packages.store().mark_packages(marked, Cause::request("root")).wait().unwrap();
    }
}

fn new_project(store: &Store, name: &str) -> ProjectId {
    store.create_project(governed::New::of(GroupId::TOP, name)).wait().unwrap()
}

fn read(path: &str) -> MavenPath {
    let (folder, file) = path.rsplit_once('/').unwrap();
    MavenPath::parse(&folder.split('/').collect::<Vec<_>>(), file).unwrap()
}

fn values(xml: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let ends = xml.split(&open).skip(1);
    ends.map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

#[test]
fn the_value_of_a_checksum_is_found_in_what_tools_write() {
    for text in [
        "00ff",
        " 00FF\r\n",
        "00ff  app-1.0.jar\n",
        "00ff *app.jar",
        "SHA1 (app.jar) = 00ff",
        "SHA1(app.jar)= 00fF\n",
    ] {
        assert_eq!(claimed(text.as_bytes()), Some(vec![0, 255]), "{text:?}");
    }
    for text in [&b""[..], b"  ", b"0ff", b"nothing", b"\xff\xff", b"app.jar: 00ff"] {
        assert_eq!(claimed(text), None, "{text:?}");
    }
}

#[test]
fn metadata_follows_what_is_published_hidden_and_deleted() {
    let house = House::new();
    assert!(house.versions().is_empty());
    let first = house.publish("com/acme/app/1.0/app-1.0.jar", "one");
    let second = house.publish("com/acme/app/1.1/app-1.1.jar", "two");
    assert_eq!(house.versions(), ["1.0", "1.1"]);
    let store = house.packages.store();
    store.set_package_status(second, PackageStatus::Hidden, None).wait().unwrap();
    assert_eq!(house.versions(), ["1.0"]);
    // It can still be downloaded by who knows it.
    assert!(house.found(&[house.project], "com/acme/app/1.1/app-1.1.jar").is_some());
    store.set_package_status(second, PackageStatus::Error, None).wait().unwrap();
    assert!(house.found(&[house.project], "com/acme/app/1.1/app-1.1.jar").is_none());
    store.set_package_status(second, PackageStatus::Deprecated, None).wait().unwrap();
    assert_eq!(house.versions(), ["1.0", "1.1"]);
    house.mark(first);
    assert_eq!(house.versions(), ["1.1"]);
    assert!(house.found(&[house.project], "com/acme/app/1.0/app-1.0.jar").is_none());
    // Statement 18: the name is free at once.
    house.publish("com/acme/app/1.0/app-1.0.jar", "one again");
    assert_eq!(house.versions(), ["1.0", "1.1"]);
    house.mark(second);
    let xml = house.text("com/acme/app/maven-metadata.xml");
    assert_eq!(
        house.text("com/acme/app/maven-metadata.xml.sha1"),
        hex(&all_sums(xml.as_bytes()).sha1)
    );
}

#[test]
fn after_one_more_version_only_that_one_is_read() {
    let house = House::new();
    for number in 0..50 {
        house.publish(&format!("com/acme/app/1.{number}/app.jar"), "x");
    }
    assert_eq!(house.versions().len(), 50);
    let drawn = house.packages.pages().drawn();
    house.publish("com/acme/app/2.0/app.jar", "x");
    assert_eq!(house.versions().last().map(String::as_str), Some("2.0"));
    assert_eq!(house.versions().len(), 51);
    assert_eq!(house.packages.pages().drawn(), drawn + 1);
}

#[test]
fn a_snapshot_follows_its_files_one_by_one() {
    let house = House::new();
    let folder = "com/acme/app/1-SNAPSHOT";
    let build = |number: u64| format!("{folder}/app-1-2020010{number}.000000-{number}.jar");
    let newest = || {
        let xml = house.text(&format!("{folder}/maven-metadata.xml"));
        (values(&xml, "buildNumber").pop(), values(&xml, "value"))
    };
    assert_eq!(newest(), (None, Vec::new()));
    let mut package = house.publish(&build(1), "one");
    for number in 2..=3 {
        assert_eq!(newest().0, Some((number - 1).to_string()));
        package = house.publish(&build(number), "more");
    }
    assert_eq!(newest(), (Some("3".to_owned()), vec!["1-20200103.000000-3".to_owned()]));
    // A file that goes takes its build back.
    let view = house.packages.store().view().unwrap();
    let last = view.package_files(package, None, 10).unwrap().pop().unwrap().0;
    let marked = vec![(last, Some(RuleRole::Admin))];
    let store = house.packages.store();
    store.mark_package_files(marked, Cause::request("root")).wait().unwrap();
    assert_eq!(newest().0.as_deref(), Some("2"));
    // Who still has the snapshot from before sees what was there then.
    let is_as_before = || {
        let path = read(&format!("{folder}/maven-metadata.xml"));
        let before = house.packages.maven(&view, &[house.project], &path);
        let Some(Found::Metadata(text)) = before.unwrap() else { panic!("nothing was there") };
        String::from_utf8_lossy(&text).contains("<buildNumber>3<")
    };
    assert!(is_as_before());
    house.publish(&build(4), "four");
    assert_eq!(newest().0.as_deref(), Some("4"));
    assert!(is_as_before(), "also where as many files are there now");
    house.mark(package);
    assert_eq!(newest(), (None, Vec::new()));
}

#[test]
fn several_projects_are_one_artifact_and_the_newest_file_counts() {
    let house = House::new();
    let other = new_project(house.packages.store(), "other");
    house.publish_to(other, "com/acme/app/1.0/app.jar", "theirs");
    house.publish("com/acme/app/1.0/app.jar", "ours");
    house.publish("com/acme/app/1-SNAPSHOT/app-1-20200101.000000-1.jar", "one");
    house.publish_to(other, "com/acme/app/1-SNAPSHOT/app-1-20200102.000000-2.jar", "two");
    let both = [house.project, other];
    let Some(Found::File(_, file)) = house.found(&both, "com/acme/app/1.0/app.jar") else {
        panic!("it is not there")
    };
    assert_eq!(file.sums, all_sums(b"ours"));
    assert_eq!(
        values(&house.text_in(&both, "com/acme/app/maven-metadata.xml"), "version"),
        ["1-SNAPSHOT", "1.0"]
    );
    let snapshot = house.text_in(&both, "com/acme/app/1-SNAPSHOT/maven-metadata.xml");
    assert_eq!(values(&snapshot, "buildNumber"), ["2"]);
    assert_eq!(house.text_in(&[], "com/acme/app/maven-metadata.xml"), "");
}

#[test]
fn a_plugin_goes_with_its_artifact() {
    let house = House::new();
    let group = read("com/acme/maven-metadata.xml");
    let plugin = |name: &str| {
        format!(
            "<metadata><plugins><plugin><prefix>{name}</prefix><artifactId>{name}-maven-plugin\
             </artifactId></plugin></plugins></metadata>"
        )
    };
    let mut packages = Vec::new();
    for name in ["a", "b"] {
        let path = format!("com/acme/{name}-maven-plugin/1/{name}-maven-plugin-1.jar");
        packages.push(house.publish(&path, name));
        let text = plugin(name);
        house.packages.take_maven_metadata(&house.publisher(), &group, text.as_bytes()).unwrap();
    }
    let prefixes = || values(&house.text("com/acme/maven-metadata.xml"), "prefix");
    assert_eq!(prefixes(), ["a", "b"]);
    house.mark(packages[0]);
    assert_eq!(prefixes(), ["b"]);
    house.mark(packages[1]);
    assert_eq!(house.text("com/acme/maven-metadata.xml"), "");
    house.publish("com/acme/a-maven-plugin/2/a-maven-plugin-2.jar", "again");
    assert_eq!(prefixes(), ["a"]);
}

#[test]
fn what_was_sent_is_forgotten_after_some_more() {
    let house = House::new();
    let path = read("com/acme/app/maven-metadata.xml");
    let sum = read("com/acme/app/maven-metadata.xml.sha1");
    let text = |number: u64| format!("<metadata><!-- {number} --></metadata>");
    let compared = |number: u64| {
        let view = house.packages.store().view().unwrap();
        let hex = hex(&all_sums(text(number).as_bytes()).sha1);
        house.packages.compare_maven(&view, house.project, &sum, hex.as_bytes()).unwrap().unwrap()
    };
    assert_eq!(compared(0), Compared::Missing);
    for number in 0..9 {
        house.clock.advance(Duration::from_secs(1));
        let text = text(number);
        house.packages.take_maven_metadata(&house.publisher(), &path, text.as_bytes()).unwrap();
        assert_eq!(compared(number), Compared::Same);
    }
    assert_eq!(compared(1), Compared::Same);
    assert_eq!(compared(0), Compared::Different);
    assert!(house.found(&[house.project], "com/acme/app/maven-metadata.xml").is_none());
}
