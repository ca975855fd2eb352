//! Packages: whatever is derived from their records and files is found wrong and corrected; what
//! belongs to nothing is told and stays (I2).

use super::*;
use crate::blobs::hash::hash_bytes_with_sums;
use crate::db::keys::Key;
use crate::db::schema::{
    META, Meta, PACKAGE_DOWNLOADS, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN,
    PACKAGE_METAS, PACKAGE_NAMES, PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES, PACKAGES_IN,
    PROJECT_USAGE, SERIES, SERIES_AT, SERIES_CHANGES,
};
use crate::model::{
    GroupId, PackageFileId, PackageFileName, PackageId, PackageKey, PackageKind, PackageMeta,
    PackageName, PackageStatus, PackageTag, PackageTagId, PackageTagName, PackageVersion,
    ProjectId, Referrer, Revision, RuleRole, SeriesKey,
};
use crate::store::governed;
use crate::store::packages::{Again, NewPackageFile, Publish, Published};

const AT: ProjectId = ProjectId(1);
/// Published with a file, and with another one that was marked.
const ONE: PackageId = PackageId(1);
const FILE: PackageFileId = PackageFileId(2);
const MARKED: PackageFileId = PackageFileId(4);
/// Marked.
const TWO: PackageId = PackageId(5);
const WRONG: Usage = Usage { files: 77, bytes: 88 };

fn app() -> SeriesKey {
    SeriesKey { kind: PackageKind::Npm, name: PackageName::parse("app").unwrap() }
}

fn version(text: &str) -> PackageKey {
    PackageKey { series: app(), version: Some(PackageVersion::parse(text).unwrap()) }
}

fn tag(text: &str) -> PackageTagName {
    PackageTagName::parse(text).unwrap()
}

fn file_name() -> PackageFileName {
    PackageFileName::parse("app.tgz").unwrap()
}

fn publish(it: &Fixture, text: &str, version: PackageKey) -> Published {
    let hashed = hash_bytes_with_sums(text.as_bytes(), None);
    let body = Body::Inline(Bytes::from(text.to_owned()));
    let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
    let sums = hashed.sums.unwrap();
    let new = Publish {
        project: AT,
        key: version,
        title: "app".into(),
        by: "anna".into(),
        may: Some(RuleRole::Admin),
        file: Some(NewPackageFile { name: file_name(), content, sums, requires_python: None }),
        meta: Some(PackageMeta::Npm { manifest: "{}".into(), deprecated: None }),
        status: None,
        tags: vec![tag("latest")],
        again: Again::Append,
    };
    it.store.publish(new).wait().unwrap()
}

/// [`ONE`] with [`FILE`] and [`MARKED`], and [`TWO`], all of one series.
fn published() -> Fixture {
    let it = Fixture::new();
    let project = governed::New::of(GroupId::TOP, "p");
    assert_eq!(it.store.create_project(project).wait().unwrap(), AT);
    let one = publish(&it, "package one", version("1"));
    assert_eq!((one.package, one.file), (ONE, Some(FILE)));
    let marked = publish(&it, "package one, marked", version("1"));
    assert_eq!(marked.file, Some(MARKED));
    let two = publish(&it, "package two", version("2")).package;
    assert_eq!(two, TWO);
    let set = it.store.set_package_tag(AT, version("1"), tag("latest"));
    set.wait().unwrap();
    it.store.note_package_download(ONE);
    it.store.flush_package_downloads().unwrap();
    let cause = || Cause::request("anna");
    let role = Some(RuleRole::Admin);
    it.store.mark_package_files(vec![(MARKED, role)], cause()).wait().unwrap();
    it.store.mark_packages(vec![(TWO, role)], cause()).wait().unwrap();
    it.verify();
    let checked = it.check().checked;
    assert_eq!((checked.packages, checked.package_files), (2, 3));
    it
}

type Damage = (&'static str, fn(&Tx) -> Result<(), Error>);

fn change(tx: &Tx, id: PackageId) -> (ProjectId, (SeriesKey, (Revision, PackageId))) {
    let revision = PACKAGES.get(tx.txn, &id).unwrap().unwrap().revision;
    (AT, (app(), (Revision(revision), id)))
}

/// What the check says of it, and what is done to packages.
const DAMAGES: &[Damage] = &[
    ("the name of package 1", |tx| {
        Ok(PACKAGE_NAMES.remove(tx.txn, &(AT, version("1"))).map(drop)?)
    }),
    ("the name of package 5 (npm app) in project 1 is one too many", |tx| {
        Ok(PACKAGE_NAMES.put(tx.txn, &(AT, version("2")), &TWO)?)
    }),
    ("the row of package 1 in the list of project 1 is missing", |tx| {
        Ok(PACKAGES_IN.remove(tx.txn, &(AT, ONE)).map(drop)?)
    }),
    ("the row of package 99 in the list of project 1 is one too many", |tx| {
        Ok(PACKAGES_IN.put(tx.txn, &(AT, PackageId(99)), &())?)
    }),
    ("in the list of npm app is missing", |tx| {
        Ok(SERIES_AT.remove(tx.txn, &(app(), AT)).map(drop)?)
    }),
    ("in the list of npm app is one too many", |tx| {
        Ok(SERIES_AT.put(tx.txn, &(app(), ProjectId(7)), &())?)
    }),
    ("in the changes of app", |tx| {
        Ok(SERIES_CHANGES.remove(tx.txn, &change(tx, TWO)).map(drop)?)
    }),
    ("in the changes of app", |tx| {
        let (at, (key, (_, id))) = change(tx, ONE);
        Ok(SERIES_CHANGES.put(tx.txn, &(at, (key, (Revision(1), id))), &())?)
    }),
    ("is kept with 7 packages npm app, but 1 were counted", |tx| {
        let series = SERIES.get(tx.txn, &(AT, app()))?.unwrap();
        let series = crate::model::Series { packages: 7, ..series };
        Ok(SERIES.put(tx.txn, &(AT, app()), &series)?)
    }),
    ("is of a series without a record", |tx| Ok(SERIES.remove(tx.txn, &(AT, app())).map(drop)?)),
    ("has a revision above the last one", |tx| Ok(META.put(tx.txn, &Meta::LAST_REVISION, &1)?)),
    ("has a series npm other without packages", |tx| {
        let key = SeriesKey { name: PackageName::parse("other").unwrap(), ..app() };
        Ok(SERIES.put(tx.txn, &(AT, key), &crate::model::Series::default())?)
    }),
    ("the row of file 2 in the list of package 1 is missing", |tx| {
        Ok(PACKAGE_FILES_IN.remove(tx.txn, &(ONE, FILE)).map(drop)?)
    }),
    ("the row of file 99 in the list of package 1 is one too many", |tx| {
        Ok(PACKAGE_FILES_IN.put(tx.txn, &(ONE, PackageFileId(99)), &())?)
    }),
    ("the row of file 2 (app.tgz) in the names of package 1 is missing", |tx| {
        Ok(PACKAGE_FILE_NAMES.remove(tx.txn, &(ONE, (file_name(), FILE))).map(drop)?)
    }),
    ("the row of file 4 (app.tgz) in the names of package 1 is one too many", |tx| {
        Ok(PACKAGE_FILE_NAMES.put(tx.txn, &(ONE, (file_name(), MARKED)), &())?)
    }),
    ("the row of latest in the moving names of package 1 is missing", |tx| {
        Ok(PACKAGE_TAGS_OF.remove(tx.txn, &(ONE, tag("latest"))).map(drop)?)
    }),
    ("the row of latest in the moving names of package 5 is one too many", |tx| {
        Ok(PACKAGE_TAGS_OF.put(tx.txn, &(TWO, tag("latest")), &())?)
    }),
    ("old of app in project 1 names package 99, which is none of it", |tx| {
        let now = Timestamp(1);
        let (id, package) = (PackageTagId(9), PackageId(99));
        let named = PackageTag { id, package, created: now, updated: now };
        Ok(PACKAGE_TAGS.put(tx.txn, &(AT, (app().name, tag("old"))), &named)?)
    }),
    ("table package-metas.1 tells of package 99, in vain", |tx| {
        let meta = PackageMeta::Pypi { fields: Vec::new() };
        Ok(PACKAGE_METAS.put(tx.txn, &PackageId(99), &meta)?)
    }),
    ("table package-downloads.1 tells of package 99, in vain", |tx| {
        Ok(PACKAGE_DOWNLOADS.put(tx.txn, &PackageId(99), &1)?)
    }),
    ("the usage of package 1 is kept as 77", |tx| {
        let mut package = PACKAGES.get(tx.txn, &ONE)?.unwrap();
        package.usage = WRONG;
        Ok(PACKAGES.put(tx.txn, &ONE, &package)?)
    }),
    ("what can be read of project 1 is kept as 77", |tx| {
        tx.count_project(AT, |usage| usage.live = WRONG)
    }),
    ("what waits to be destroyed of project 1 is kept as 77", |tx| {
        tx.count_project(AT, |usage| usage.pending = WRONG)
    }),
    ("project 1 keeps 9 packages, but 1 were counted", |tx| {
        tx.count_project(AT, |usage| usage.packages = 9)
    }),
    ("project 1 is kept as one that goes, but stays", |tx| {
        tx.count_project(AT, |usage| usage.leaving = true)
    }),
    ("what can be read of project 1 is kept as 0", |tx| {
        Ok(PROJECT_USAGE.remove(tx.txn, &AT).map(drop)?)
    }),
    ("Package(PackageId(5)) is marked and does not wait to be destroyed", |tx| {
        drop_entry(tx, Node::Package(TWO))
    }),
    ("PackageFile(PackageFileId(4)) is marked and does not wait to be destroyed", |tx| {
        drop_entry(tx, Node::PackageFile(MARKED))
    }),
    ("file 2 of a package does not hold blob", |tx| {
        let file = PACKAGE_FILES.get(tx.txn, &FILE)?.unwrap();
        Ok(REFS.remove(tx.txn, &(file.blob, Referrer::PackageFile(FILE))).map(drop)?)
    }),
    ("has a reference from a package's file, which does not name it", |tx| {
        let file = PACKAGE_FILES.get(tx.txn, &FILE)?.unwrap();
        tx.hold(file.blob, Referrer::PackageFile(PackageFileId(99))).map(drop)
    }),
    ("table packages-in.1 holds a row that cannot be read", |tx| {
        Ok(PACKAGES_IN.put_bytes(tx.txn, &[1], &[])?)
    }),
    ("table files-by-name.1 holds a row that cannot be read", |tx| {
        let key = [&ONE.to_bytes()[..], &[0xff, 0]].concat();
        Ok(PACKAGE_FILE_NAMES.put_bytes(tx.txn, &key, &[])?)
    }),
];

fn drop_entry(tx: &Tx, node: Node) -> Result<(), Error> {
    let queue = DETACHED.all(tx.txn, Span::all())?;
    let (key, _) = queue.into_iter().find(|(_, entry)| entry.node == node).unwrap();
    DETACHED.remove(tx.txn, &key)?;
    tx.count(|totals| totals.queue -= 1)
}

#[test]
fn every_damage_to_what_is_derived_from_packages_is_found_told_and_repaired() {
    for (expected, damage) in DAMAGES {
        let it = published();
        it.damage(damage);
        let found = it.check();
        assert!(found.to_string().contains(expected), "{expected}: {found}");
        let repaired = it.repair();
        assert_eq!(repaired.left(), 0, "{expected}: {repaired}");
        it.verify();
        let view = it.store.view().unwrap();
        assert_eq!(view.package_at(AT, &version("1")).unwrap().unwrap().0, ONE, "{expected}");
        assert_eq!(view.newest_file(ONE, &file_name()).unwrap().unwrap().0, FILE, "{expected}");
        drop(view);
        it.destroy();
        it.verify();
        assert_eq!(PACKAGE_FILES.count(&it.store.view().unwrap().snapshot).unwrap(), 1);
    }
}

/// What is said of it, and what is done to the truth of packages.
const LOSSES: &[Damage] = &[
    ("file 2 is of package 1, which is not there", |tx| {
        Ok(PACKAGES.remove(tx.txn, &ONE).map(drop)?)
    }),
    ("package 1 is of project 9, which is not there", |tx| {
        let mut package = PACKAGES.get(tx.txn, &ONE)?.unwrap();
        package.project = ProjectId(9);
        Ok(PACKAGES.put(tx.txn, &ONE, &package)?)
    }),
    ("file 2 has another SHA-256 than its blob", |tx| {
        let mut file = PACKAGE_FILES.get(tx.txn, &FILE)?.unwrap();
        file.sums.sha256.0[0] ^= 1;
        Ok(PACKAGE_FILES.put(tx.txn, &FILE, &file)?)
    }),
    ("packages 5 and 1 have one name and version", |tx| {
        let mut package = PACKAGES.get(tx.txn, &TWO)?.unwrap();
        (package.status, package.version) = (PackageStatus::Default, Some("1".into()));
        Ok(PACKAGES.put(tx.txn, &TWO, &package)?)
    }),
    ("table packages.1 holds a row that cannot be read", |tx| {
        Ok(PACKAGES.put_bytes(tx.txn, &ONE.to_bytes(), &[99])?)
    }),
    ("table package-files.1 holds a row that cannot be read", |tx| {
        Ok(PACKAGE_FILES.put_bytes(tx.txn, &FILE.to_bytes(), &[99])?)
    }),
];

#[test]
fn what_is_truth_is_told_of_and_never_removed() {
    for (expected, damage) in LOSSES {
        let it = published();
        it.damage(damage);
        let files = PACKAGE_FILES.count(&it.store.view().unwrap().snapshot).unwrap();
        for found in [it.check(), it.repair(), it.check()] {
            assert!(found.left() > 0);
            assert!(found.to_string().contains(expected), "{expected}: {found}");
        }
        let view = it.store.view().unwrap();
        assert_eq!(PACKAGE_FILES.count(&view.snapshot).unwrap(), files, "{expected}");
        assert!(view.find_blob(&hash_bytes(b"package one", None).digest).unwrap().is_some());
    }
}
