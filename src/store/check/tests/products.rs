//! Damage to the index of products, which a repair makes anew from the metadata of jobs.

use super::*;
use crate::db::keys::Key;
use crate::db::schema::{FEEDERS, FEEDS, VERSIONS};
use crate::model::{
    Feed, FormatPath, JobId, Repo, Version, VersionId, VersionKey, VersionNames, VersionPath,
};

type Damage = fn(&Tx, JobId, &Feed) -> Result<(), Error>;

fn metadata() -> Vec<(String, Option<String>)> {
    let keys = ["product", "product_branch", "product_variant", "version"];
    keys.map(|key| (key.to_owned(), Some(format!("a-{key}")))).into()
}

fn names() -> VersionNames {
    let pairs = metadata().into_iter().map(|(key, value)| (key, value.unwrap()));
    VersionNames::of(&pairs.collect::<Vec<_>>()).unwrap().unwrap()
}

/// Two jobs feed one version, one of them is below a detached tag.
fn fixture() -> Fixture {
    let it = Fixture::new();
    it.put("b/t9/k/g/x", "three");
    for job in ["b/t1/j", "b/t9/k"] {
        let path = path(&format!("{job}/f/x")).format.job;
        it.store.merge_metadata(path, metadata()).wait().unwrap();
    }
    it.delete("b/t9");
    it.verify();
    it
}

fn formats(it: &Fixture) -> Vec<FormatPath> {
    let path = VersionPath::new(Repo::Shared, names());
    let formats = it.store.view().unwrap().version_formats(&path).unwrap();
    formats.into_iter().map(|(_, path)| path).collect()
}

const MISSING: &str = "is not in the product that its metadata names";

const DAMAGES: &[(&str, Damage)] = &[
    (MISSING, |tx, job, _| Ok(FEEDS.remove(tx.txn, &job).map(|_| ())?)),
    (MISSING, |tx, job, fed| Ok(FEEDERS.remove(tx.txn, &(fed.version, job)).map(|_| ())?)),
    (MISSING, |tx, _, fed| Ok(VERSIONS.remove(tx.txn, &fed.key).map(|_| ())?)),
    (MISSING, |tx, job, fed| {
        let mut key = fed.key.clone();
        key.names.version = crate::model::VersionName::parse("other").unwrap();
        Ok(FEEDS.put(tx.txn, &job, &Feed { version: fed.version, key })?)
    }),
    (MISSING, |tx, job, fed| {
        let key = VersionKey { repo: crate::model::RepoId(99), names: names() };
        Ok(FEEDS.put(tx.txn, &job, &Feed { version: fed.version, key })?)
    }),
    (MISSING, |tx, _, fed| {
        let version = Version { id: VersionId(999), created: Timestamp(1) };
        Ok(VERSIONS.put(tx.txn, &fed.key, &version)?)
    }),
    ("feeds a version, but it is not there", |tx, _, fed| {
        FEEDERS.put(tx.txn, &(fed.version, JobId(998)), &())?;
        Ok(FEEDS.put(tx.txn, &JobId(998), fed)?)
    }),
    ("in vain", |tx, _, fed| Ok(FEEDERS.put(tx.txn, &(fed.version, JobId(997)), &())?)),
    ("in vain", |tx, job, _| Ok(FEEDERS.put(tx.txn, &(VersionId(996), job), &())?)),
    ("is fed by no job", |tx, _, fed| {
        let mut key = fed.key.clone();
        key.names.version = crate::model::VersionName::parse("nobodys").unwrap();
        let version = Version { id: VersionId(995), created: Timestamp(1) };
        Ok(VERSIONS.put(tx.txn, &key, &version)?)
    }),
    ("table versions.1 holds a row", |tx, _, fed| {
        Ok(VERSIONS.put_bytes(tx.txn, &fed.key.to_bytes(), &[9])?)
    }),
    ("table feeders.1 holds a row", |tx, job, fed| {
        Ok(FEEDERS.put_bytes(tx.txn, &(fed.version, job).to_bytes(), &[9])?)
    }),
    ("table feeds.1 holds a row", |tx, job, _| {
        Ok(FEEDS.put_bytes(tx.txn, &job.to_bytes(), &[9])?)
    }),
    ("table feeds.1 holds a row", |tx, _, _| Ok(FEEDS.put_bytes(tx.txn, &[1, 2], &[])?)),
];

#[test]
fn damage_to_the_index_is_found_told_and_repaired() {
    for (expected, damage) in DAMAGES {
        let it = fixture();
        let before = formats(&it);
        assert_eq!(before.len(), 1);
        it.damage(move |tx| {
            let (job, feed) = fed(tx)?;
            damage(tx, job, &feed)
        });
        let found = it.check();
        assert!(found.to_string().contains(expected), "{expected}: {found}");
        let repaired = it.repair();
        assert_eq!(repaired.left(), 0, "{expected}: {repaired}");
        it.verify();
        assert_eq!(formats(&it), before, "{expected}");
        it.destroy();
        it.verify();
        assert_eq!(formats(&it), before, "{expected}");
    }
}

/// The job that names lead to, and what it feeds.
fn fed(tx: &Tx) -> Result<(JobId, Feed), Error> {
    let chain = super::super::super::tree::format(tx.txn, &path("b/t1/j/f/x").format)?;
    Ok((chain.job.id, FEEDS.get(tx.txn, &chain.job.id)?.unwrap()))
}
