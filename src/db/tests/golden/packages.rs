//! What the records and keys of packages look like in bytes.

use super::{Sample, TIME, USAGE, check_key, sample};
use crate::db::codec::Value;
use crate::model::{
    BlobId, Digest, GroupId, Node, Package, PackageFile, PackageFileId, PackageFileName, PackageId,
    PackageKey, PackageKind, PackageMeta, PackageName, PackageSettings, PackageStatus, PackageTag,
    PackageTagId, PackageTagName, PackageVersion, ProjectId, ProtectionRule, ProtectionRuleId,
    Referrer, Revision, Role, RuleRole, RunId, Series, SeriesKey, Sums,
};

fn package(status: PackageStatus) -> Package {
    Package {
        project: ProjectId(258),
        kind: PackageKind::Npm,
        name: "@a/b".into(),
        title: "@A/b".into(),
        version: Some("1.0".into()),
        status,
        status_message: Some("é".into()),
        creator: "zoë".into(),
        created: TIME,
        updated: TIME,
        revision: 300,
        usage: USAGE,
    }
}

fn file() -> PackageFile {
    let sums = Sums {
        sha256: Digest([0xab; 32]),
        sha1: [0xcd; 20],
        md5: [0xef; 16],
        sha512: [[0x12; 32], [0x34; 32]],
    };
    PackageFile {
        package: PackageId(258),
        name: "b.tgz".into(),
        blob: BlobId(513),
        size: 70_000,
        sums,
        marked: Some(TIME),
        by: "zoë".into(),
        created: TIME,
        requires_python: Some(">=3".into()),
    }
}

fn rule() -> ProtectionRule {
    ProtectionRule {
        pattern: "@a/*".into(),
        kind: PackageKind::Npm,
        push: Some(RuleRole::Role(Role::Maintainer)),
        delete: Some(RuleRole::Admin),
        created: TIME,
        updated: TIME,
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let npm = PackageMeta::Npm { manifest: "{}".into(), deprecated: Some("old".into()) };
    let pypi = PackageMeta::Pypi { fields: vec![("summary".into(), "s".into())] };
    let tag =
        PackageTag { id: PackageTagId(1), package: PackageId(2), created: TIME, updated: TIME };
    let settings = PackageSettings {
        maven_duplicates: false,
        maven_exception: ".*-SNAPSHOT".into(),
        generic_duplicates: true,
        generic_exception: String::new(),
    };
    vec![
        sample("package id", &PackageId(513)),
        sample("package", &package(PackageStatus::Default)),
        sample("package file", &file()),
        sample("package meta, npm", &npm),
        sample("package meta, pypi", &pypi),
        sample("package tag", &tag),
        sample("package settings", &settings),
        sample("protection rule", &rule()),
        sample("series", &Series { packages: 2, revision: 300, forgotten: 258 }),
    ]
}

#[test]
fn statuses_and_kinds_keep_their_numbers() {
    let bytes = PackageStatus::ALL.map(|status| package(status).encode().unwrap());
    let differs = (0..bytes[0].len()).find(|at| bytes[0][*at] != bytes[1][*at]).unwrap();
    assert_eq!([0, 1, 2, 3, 4, 5].map(|kind| bytes[kind][differs]), [0, 1, 2, 3, 4, 5]);
    let status = PackageStatus::Default;
    let of = |kind| Package { kind, ..package(status) }.encode().unwrap();
    let bytes = PackageKind::ALL.map(of);
    let differs = (0..bytes[0].len()).find(|at| bytes[0][*at] != bytes[1][*at]).unwrap();
    assert_eq!([0, 1, 2, 3].map(|kind| bytes[kind][differs]), [0, 1, 2, 3]);
}

#[test]
fn keys_of_packages_look_as_they_did() {
    let (id, project) = ("0000000000000102", ProjectId(258));
    let name = PackageName::parse("@a/b").unwrap();
    let series = SeriesKey { kind: PackageKind::Npm, name: name.clone() };
    let text = "4061 2f62 00".replace(' ', "");
    for (kind, byte) in PackageKind::ALL.into_iter().zip(["01", "02", "05", "07"]) {
        check_key(&(project, SeriesKey { kind, name: name.clone() }), &format!("{id}{byte}{text}"));
    }
    let version = Some(PackageVersion::parse("1.0").unwrap());
    let key = |version| (project, PackageKey { series: series.clone(), version });
    check_key(&key(version), &format!("{id}02{text}312e3000"));
    check_key(&key(None), &format!("{id}02{text}00"));
    check_key(&(project, PackageId(258)), &id.repeat(2));
    check_key(&(series.clone(), project), &format!("02{text}{id}"));
    let change = (project, (series, (Revision(258), PackageId(258))));
    check_key(&change, &format!("{id}02{text}{}", id.repeat(2)));
    let file = PackageFileName::parse("x%2Fy").unwrap();
    let named = (PackageId(258), (file, PackageFileId(258)));
    check_key(&named, &format!("{id}782532467900{id}"));
    let tag = PackageTagName::parse("latest").unwrap();
    check_key(&(project, (name, tag.clone())), &format!("{id}{text}6c617465737400"));
    check_key(&(PackageId(258), tag), &format!("{id}6c617465737400"));
    check_key(&(PackageId(258), PackageFileId(258)), &id.repeat(2));
    check_key(&(project, ProtectionRuleId(258)), &id.repeat(2));
    check_key(&(project, RunId(258)), &id.repeat(2));
    check_key(&GroupId(258), id);
    check_key(&Referrer::PackageFile(PackageFileId(258)), &format!("05{id}"));
    check_key(&Node::Package(PackageId(258)), &format!("08{id}"));
    check_key(&Node::PackageFile(PackageFileId(258)), &format!("09{id}"));
}
