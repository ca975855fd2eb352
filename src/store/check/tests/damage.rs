//! Damage that nothing can repair: it is told, and nothing is taken away because of it.

use super::*;
use crate::db::keys::Key;
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DETACHED, DIGESTS, FORMATS, INLINE, JOBS, NODES, REFS, TAGS,
    UNLINKS,
};
use crate::model::{Blob, Format, FormatId, JobId, Node, Usage};

/// Damages `it`; the check says `expected` and a repair leaves it.
fn stays(it: &Fixture, expected: &str) {
    let found = it.check();
    assert!(found.to_string().contains(expected), "{expected}: {found}");
    let repaired = it.repair();
    assert!(repaired.left() > 0, "{expected}: {repaired}");
    assert!(it.check().to_string().contains(expected), "{expected} was repaired");
}

#[test]
fn rows_of_truth_that_cannot_be_read_stay_and_so_does_what_belongs_to_them() {
    let it = Fixture::new();
    let (two, format) = (it.blob("two"), it.store.view().unwrap());
    let format = format.format(&path("b/t1/j/f/x").format).unwrap().id;
    it.damage(move |tx| Ok(BLOBS.put_bytes(tx.txn, &two.to_bytes(), &[77, 1])?));
    let file = (format, ArtifactPath::parse("one").unwrap()).to_bytes();
    it.damage(move |tx| Ok(ARTIFACTS.put_bytes(tx.txn, &file, &[])?));
    // The reference of a file that cannot be read is gone too: its blob stays all the same.
    let one = it.blob("one");
    let referrer = crate::model::Referrer::Artifact(format, ArtifactPath::parse("one").unwrap());
    it.damage(move |tx| {
        REFS.remove(tx.txn, &(one, referrer.clone())).map(drop).map_err(Error::from)
    });
    stays(&it, "table blobs.1 holds a row that cannot be read");
    stays(&it, "table artifacts.1 holds a row that cannot be read");
    it.damage(move |tx| {
        assert_eq!(BLOBS.get(tx.txn, &one)?.unwrap().refs.count(), 2);
        assert!(INLINE.has(tx.txn, &two)?);
        Ok(())
    });
}

#[test]
fn containers_that_cannot_be_read_are_told_once_with_what_is_below_left_alone() {
    let it = Fixture::new();
    let view = it.store.view().unwrap();
    let branch = view.branch(&path("b/t1/j/f/x").format.job.tag.branch).unwrap();
    let (tag, job) = (path("b/t1/j/f/x").format.job.tag, path("b/t2/j/f/x").format.job);
    let t2 = view.tag(&job.tag).unwrap();
    drop(view);
    let keys =
        [(branch.id, tag.tag).to_bytes(), (t2.id, job.job).to_bytes(), vec![0; 9], vec![1; 16]];
    it.damage(move |tx| {
        TAGS.put_bytes(tx.txn, &keys[0], &[])?;
        JOBS.put_bytes(tx.txn, &keys[1], &[])?;
        BRANCHES.put_bytes(tx.txn, &keys[2], &[])?;
        Ok(DETACHED.put_bytes(tx.txn, &keys[3], &[])?)
    });
    for table in ["tags.1", "jobs.1", "branches.1", "detached.1"] {
        stays(&it, &format!("table {table} holds a row that cannot be read"));
    }
    let found = it.check();
    assert!(found.differences.iter().all(|d| d.outcome != Outcome::Repairable), "{found}");
}

#[test]
fn lost_contents_are_told_with_the_names_that_lost_them() {
    let it = Fixture::new();
    let (one, two) = (it.blob("one"), it.blob("two"));
    it.damage(move |tx| {
        INLINE.put(tx.txn, &two, &Bytes::from_static(b"t"))?;
        BLOBS.remove(tx.txn, &one)?;
        Ok(())
    });
    stays(&it, "the content of /branches/b/t1/j/f/dir/same (blob");
    stays(&it, "has 1 bytes instead of 3");
    it.damage(move |tx| INLINE.remove(tx.txn, &two).map(drop).map_err(Error::from));
    stays(&it, "are missing");
    it.damage(move |tx| {
        INLINE.remove(tx.txn, &two)?;
        BLOBS.remove(tx.txn, &two)?;
        let (key, ()) = REFS.first(tx.txn, Span::under(&two))?.unwrap();
        REFS.remove(tx.txn, &key)?;
        Ok(())
    });
    stays(&it, "/branches/b/t1/j/f/two names blob");
}

#[test]
fn orphans_are_told_by_their_parent_and_stay() {
    let it = Fixture::new();
    it.damage(|tx| {
        let format = Format {
            id: FormatId(900),
            created: tx.now,
            changed: tx.now,
            dirty: false,
            nested: false,
            usage: Usage::default(),
        };
        let name = FormatName::parse("f").unwrap();
        Ok(FORMATS.put(tx.txn, &(JobId(800), name), &format)?)
    });
    stays(&it, "table formats.1 holds rows below Some(Job(JobId(800)))");
}

#[test]
fn what_is_named_and_detached_at_once_is_told() {
    let it = Fixture::new();
    let tag = it.store.view().unwrap().tag(&path("b/t1/j/f/x").format.job.tag).unwrap();
    it.damage(move |tx| {
        tx.detach(Node::Tag(tag.id), "/branches/b/t1/".into(), &Cause::request(""), tag.usage)
    });
    stays(&it, "/branches/b/t1/ waits to be destroyed, although its name is there");
}

#[test]
fn a_detached_thing_may_wait_once_only_and_has_its_way_back() {
    let it = Fixture::new();
    it.damage(|tx| {
        let (_, entry) = DETACHED.first(tx.txn, Span::all())?.unwrap();
        NODES.remove(tx.txn, &entry.node)?;
        tx.detach(entry.node, entry.path, &Cause::request(""), entry.usage)
    });
    stays(&it, "/branches/b/gone/ waits twice");
    stays(&it, "/branches/b/gone/ is detached and has no way back");
}

#[test]
fn two_blobs_of_one_digest_are_told() {
    let it = Fixture::new();
    let one = it.blob("one");
    it.damage(move |tx| {
        let blob = BLOBS.get(tx.txn, &one)?.unwrap();
        BLOBS.put(tx.txn, &BlobId(500), &Blob { ..blob })?;
        assert!(DIGESTS.has(tx.txn, &blob.digest)?);
        Ok(())
    });
    stays(&it, "have the same digest");
}

#[test]
fn a_collected_blob_that_cannot_be_read_keeps_its_bytes() {
    let it = Fixture::new();
    it.damage(|tx| {
        let (id, _) = UNLINKS.first(tx.txn, Span::all())?.unwrap();
        Ok(UNLINKS.put_bytes(tx.txn, &id.to_bytes(), &[])?)
    });
    let inline = move |it: &Fixture| {
        let rows = it.store.shared.db.snapshot().unwrap();
        INLINE.count(&rows).unwrap()
    };
    let before = inline(&it);
    stays(&it, "table unlinks.1 holds a row that cannot be read");
    assert_eq!(inline(&it), before);
}
