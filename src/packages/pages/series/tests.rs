//! Packuments over the real store.

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::blobs::hash::hash_bytes_with_sums;
use crate::blobs::{BlobFiles, OsDisk, Space};
use crate::model::{
    GroupId, PackageFileName, PackageKey, PackageKind, PackageMeta, PackageName, PackageTagName,
    PackageVersion,
};
use crate::packages::npm::{Extent, Packument};
use crate::packages::{FileLimits, Settings};
use crate::store::blobs::{Body, Content};
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::packages::{Again, NewPackageFile, Publish};
use crate::store::tests::in_memory;

struct Bench {
    packages: Packages,
    project: ProjectId,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = BlobFiles::open(folder.path(), Arc::new(OsDisk)).unwrap();
        let space = Arc::new(Space::open(folder.path(), Arc::new(OsDisk), 0, 0).unwrap());
        let store = in_memory();
        let project = store.create_project(governed::New::of(GroupId::TOP, "web")).wait().unwrap();
        let settings =
            Settings { pages_memory: 1 << 20, inline_bytes_max: 64, limits: FileLimits::default() };
        let packages = Packages::new(store, files, space, settings);
        Self { packages, project, _folder: folder }
    }

    fn publish(&self, version: &str) -> PackageId {
        let hashed = hash_bytes_with_sums(version.as_bytes(), None);
        let body = Body::Inline(Bytes::from(version.to_owned()));
        let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
        let manifest = format!("{{\"name\":\"app\",\"version\":\"{version}\"}}");
        let published = self.packages.store().publish(Publish {
            project: self.project,
            key: key(version),
            title: "app".to_owned(),
            by: "ann".to_owned(),
            may: None,
            file: Some(NewPackageFile {
                name: PackageFileName::parse(&format!("app-{version}.tgz")).unwrap(),
                content,
                sums: hashed.sums.unwrap(),
                requires_python: None,
            }),
            meta: Some(PackageMeta::Npm { manifest, deprecated: None }),
            status: None,
            tags: Vec::new(),
            again: Again::NewPackageOnly,
        });
        published.wait().unwrap().package
    }

    /// The packument, and how many versions were drawn for it.
    fn ask(&self) -> (Value, u64) {
        let drawn = self.packages.pages().drawn();
        let (title, address) = ("app".to_owned(), "http://h".to_owned());
        let packument = Packument { title, address, extent: Extent::Full };
        let view = self.packages.store().view().unwrap();
        let series = key("1.0.0").series;
        let ask = Packages::ask(&view, &[self.project], &series, &packument).unwrap().unwrap();
        let page = self.packages.page(&view, &ask, &packument).unwrap();
        assert_eq!(page.etag, ask.etag);
        (serde_json::from_slice(&page.bytes).unwrap(), self.packages.pages().drawn() - drawn)
    }
}

fn key(version: &str) -> PackageKey {
    let name = PackageName::parse("app").unwrap();
    let version = PackageVersion::parse(version).unwrap();
    PackageKey { series: SeriesKey { kind: PackageKind::Npm, name }, version: Some(version) }
}

#[test]
fn figure_5_a_change_costs_what_it_changed_and_never_shows_what_was_before() {
    let bench = Bench::new();
    let first = bench.publish("1.0.0");
    for number in 1..50 {
        bench.publish(&format!("1.{number}.0"));
    }
    let (told, drawn) = bench.ask();
    assert_eq!((told["versions"].as_object().unwrap().len(), drawn), (50, 50));
    assert_eq!(told["dist-tags"]["latest"], "1.49.0");
    assert_eq!(bench.ask().1, 0);

    bench.publish("1.50.0");
    let (told, drawn) = bench.ask();
    assert_eq!((&told["dist-tags"]["latest"], drawn), (&"1.50.0".into(), 1));

    let store = bench.packages.store();
    let latest = PackageTagName::parse("latest").unwrap();
    store.set_package_tag(bench.project, key("1.2.0"), latest).wait().unwrap();
    let (told, drawn) = bench.ask();
    assert_eq!((&told["dist-tags"]["latest"], drawn), (&"1.2.0".into(), 1));

    store.deprecate_packages(vec![(first, Some("old".to_owned()))]).wait().unwrap();
    let (told, drawn) = bench.ask();
    assert_eq!((&told["versions"]["1.0.0"]["deprecated"], drawn), (&"old".into(), 1));

    let cause = Cause::request("ann");
    store.mark_packages(vec![(first, None)], cause).wait().unwrap();
    let (told, drawn) = bench.ask();
    assert_eq!((told["versions"].as_object().unwrap().len(), drawn), (50, 1));
    assert!(told["versions"]["1.0.0"].is_null() && told["time"]["1.0.0"].is_null());
}
