//! Damage that a repair corrects without losing anything.

use super::super::super::tree;
use super::*;
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DETACHED, DIGESTS, FORMATS, FREE, INLINE, JOBS, LAPSED, NODES,
    REFS, TAG_AGES, TAGS, UNLINKS,
};
use crate::model::{
    Digest, Entry, FormatId, Node, Place, Referrer, Refs, RepoId, TagId, Unlink, Usage,
};

type Damage = fn(&Tx, Known) -> Result<(), Error>;

/// Ids that the damage is done to.
#[derive(Clone, Copy)]
struct Known {
    one: BlobId,
    two: BlobId,
    free: BlobId,
}

const WRONG: Usage = Usage { files: 77, bytes: 7 };

fn chain(tx: &Tx) -> tree::Chain {
    tree::format(tx.txn, &path("b/t1/j/f/x").format).unwrap()
}

fn referrer(tx: &Tx, file: &str) -> Referrer {
    Referrer::Artifact(chain(tx).format.id, ArtifactPath::parse(file).unwrap())
}

fn set_refs(tx: &Tx, id: BlobId, refs: Refs) -> Result<(), Error> {
    let mut blob = BLOBS.get(tx.txn, &id)?.unwrap();
    blob.refs = refs;
    Ok(BLOBS.put(tx.txn, &id, &blob)?)
}

/// What the report says, and the damage that it says it of.
const DAMAGES: &[(&str, Damage)] = &[
    ("which does not know of it", |tx, it| {
        REFS.remove(tx.txn, &(it.one, referrer(tx, "one")))?;
        Ok(())
    }),
    ("which does not know of it", |tx, it| {
        // Both the reference and its count: the blob would be collected while it is named.
        REFS.remove(tx.txn, &(it.two, referrer(tx, "two")))?;
        let until = Timestamp(5);
        FREE.put(tx.txn, &(until, it.two), &())?;
        set_refs(tx, it.two, Refs::Free { until })
    }),
    ("which does not name it", |tx, it| {
        Ok(REFS.put(tx.txn, &(it.one, referrer(tx, "nobody")), &())?)
    }),
    ("which does not name it", |tx, it| {
        Ok(REFS.put(
            tx.txn,
            &(it.free, Referrer::Artifact(FormatId(999), path("b/t/j/f/x").path)),
            &(),
        )?)
    }),
    ("which does not name it", |tx, _| {
        Ok(REFS.put(tx.txn, &(BlobId(999), referrer(tx, "one")), &())?)
    }),
    ("2 references to it were counted", |tx, it| set_refs(tx, it.one, Refs::Held { count: 9 })),
    ("2 references to it were counted", |tx, it| set_refs(tx, it.one, Refs::Held { count: 1 })),
    ("2 references to it were counted", |tx, it| {
        set_refs(tx, it.one, Refs::Free { until: Timestamp(1) })
    }),
    ("0 references to it were counted", |tx, it| set_refs(tx, it.free, Refs::Held { count: 0 })),
    ("0 references to it were counted", |tx, it| set_refs(tx, it.free, Refs::Held { count: 3 })),
    ("is not in the index of free blobs", |tx, it| {
        set_refs(tx, it.free, Refs::Free { until: Timestamp(3) })
    }),
    ("is indexed as free", |tx, it| Ok(FREE.put(tx.txn, &(Timestamp(3), it.one), &())?)),
    ("is indexed as free", |tx, _| Ok(FREE.put(tx.txn, &(Timestamp(3), BlobId(999)), &())?)),
    ("cannot be found by its digest", |tx, it| {
        DIGESTS
            .remove(tx.txn, &BLOBS.get(tx.txn, &it.one)?.unwrap().digest)
            .map_err(Into::into)
            .map(drop)
    }),
    ("cannot be found by its digest", |tx, it| {
        let digest = BLOBS.get(tx.txn, &it.one)?.unwrap().digest;
        Ok(DIGESTS.put(tx.txn, &digest, &it.two)?)
    }),
    ("leads to blob", |tx, it| Ok(DIGESTS.put(tx.txn, &Digest([9; 32]), &it.one)?)),
    ("leads to blob", |tx, _| Ok(DIGESTS.put(tx.txn, &Digest([9; 32]), &BlobId(999))?)),
    ("counts as collected", |tx, it| {
        let digest = BLOBS.get(tx.txn, &it.one)?.unwrap().digest;
        Ok(LAPSED.put(tx.txn, &it.one, &digest)?)
    }),
    ("but it is not there", |tx, _| {
        Ok(INLINE.put(tx.txn, &BlobId(999), &Bytes::from_static(b"stray"))?)
    }),
    ("has bytes in a row as well", |tx, it| {
        Ok(INLINE.put(tx.txn, &it.one, &Bytes::from_static(b"stray"))?)
    }),
    ("are listed as to be removed", |tx, it| {
        let blob = BLOBS.get(tx.txn, &it.one)?.unwrap();
        let unlink = Unlink {
            digest: blob.digest,
            size: blob.size,
            place: Place::File(Suffix(7)),
            attempts: 0,
            not_before: Timestamp(0),
            error: None,
        };
        Ok(UNLINKS.put(tx.txn, &it.one, &unlink)?)
    }),
    ("is listed with", |tx, _| {
        let key = (chain(tx).format.id, ArtifactPath::parse("one").unwrap());
        let mut file = ARTIFACTS.get(tx.txn, &key)?.unwrap();
        file.size += 1;
        Ok(ARTIFACTS.put(tx.txn, &key, &file)?)
    }),
    ("the usage of /branches/b/t1/j/f/ is kept as 77", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format, chain(tx));
        chain.format.usage = WRONG;
        Ok(FORMATS.put(tx.txn, &(chain.job.id, path.format), &chain.format)?)
    }),
    ("the usage of /branches/b/t1/j/ is kept as 77", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format.job, chain(tx));
        chain.job.usage = WRONG;
        Ok(JOBS.put(tx.txn, &(chain.tag.id, path.job), &chain.job)?)
    }),
    ("keeps 5 dirty formats, but 0", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format.job, chain(tx));
        chain.job.dirty_formats = 5;
        Ok(JOBS.put(tx.txn, &(chain.tag.id, path.job), &chain.job)?)
    }),
    ("the usage of /branches/b/t1/ is kept as 77", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format.job.tag, chain(tx));
        chain.tag.usage = WRONG;
        Ok(TAGS.put(tx.txn, &(chain.branch.id, path.tag), &chain.tag)?)
    }),
    ("the usage of /branches/b/ is kept as 77", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format.job.tag.branch, chain(tx));
        chain.branch.usage = WRONG;
        Ok(BRANCHES.put(tx.txn, &(RepoId::SHARED, path.branch), &chain.branch)?)
    }),
    ("of its tags, but", |tx, _| {
        let (path, mut chain) = (path("b/t1/j/f/x").format.job.tag.branch, chain(tx));
        chain.branch.tags.locked = 3;
        chain.branch.tags.all = 0;
        Ok(BRANCHES.put(tx.txn, &(RepoId::SHARED, path.branch), &chain.branch)?)
    }),
    ("what is left below detached /branches/b/gone/", |tx, _| {
        let (key, mut entry) = DETACHED.first(tx.txn, Span::all())?.unwrap();
        entry.usage = WRONG;
        Ok(DETACHED.put(tx.txn, &key, &entry)?)
    }),
    ("references that can be read", |tx, _| tx.count(|totals| totals.named = WRONG)),
    ("references below detached things", |tx, _| tx.count(|totals| totals.detached = WRONG)),
    ("number of detached things", |tx, _| tx.count(|totals| totals.queue = 9)),
    ("blobs in files", |tx, _| tx.count(|totals| totals.files = WRONG)),
    ("blobs in rows", |tx, _| tx.count(|totals| totals.inline = Usage::default())),
    ("number of free blobs", |tx, _| tx.count(|totals| totals.free = WRONG)),
    ("files to be unlinked", |tx, _| tx.count(|totals| totals.unlinks = WRONG)),
    ("rows of collected blobs", |tx, _| tx.count(|totals| totals.inline_unlinks = WRONG)),
    ("is not in the order of age", |tx, _| {
        let (tag, branch) = (chain(tx).tag, chain(tx).branch);
        TAG_AGES.remove(tx.txn, &(branch.id, (tag.created, tag.id))).map_err(Into::into).map(drop)
    }),
    ("in its order of age in vain", |tx, _| {
        let name = TagName::parse("t1").unwrap();
        Ok(TAG_AGES.put(tx.txn, &(chain(tx).branch.id, (Timestamp(1), TagId(999))), &name)?)
    }),
    ("has no way back", |tx, _| {
        NODES.remove(tx.txn, &Node::Job(chain(tx).job.id)).map_err(Into::into).map(drop)
    }),
    ("has no way back", |tx, _| {
        let entry = Entry { parent: 999, name: "else".into() };
        Ok(NODES.put(tx.txn, &Node::Format(chain(tx).format.id), &entry)?)
    }),
    ("which is not there", |tx, _| {
        let entry = Entry { parent: chain(tx).tag.id.0, name: "j2".into() };
        Ok(NODES.put(tx.txn, &Node::Job(crate::model::JobId(999)), &entry)?)
    }),
    ("table refs.1 holds a row that cannot be read", |tx, it| {
        use crate::db::keys::Key;
        let key = [&it.one.to_bytes()[..], &[99, 0]].concat();
        Ok(REFS.put_bytes(tx.txn, &key, &[])?)
    }),
    ("table free.1 holds a row", |tx, _| Ok(FREE.put_bytes(tx.txn, &[1, 2, 3], &[])?)),
    ("table digests.1 holds a row", |tx, it| {
        let digest = BLOBS.get(tx.txn, &it.one)?.unwrap().digest;
        Ok(DIGESTS.put_bytes(tx.txn, &digest.0, &[1])?)
    }),
    ("table lapsed.1 holds a row", |tx, _| Ok(LAPSED.put_bytes(tx.txn, &[0; 8], &[1])?)),
    ("table nodes.1 holds a row", |tx, _| {
        use crate::db::keys::Key;
        let key = Node::Tag(chain(tx).tag.id).to_bytes();
        Ok(NODES.put_bytes(tx.txn, &key, &[])?)
    }),
    ("table tag-ages.1 holds a row", |tx, _| Ok(TAG_AGES.put_bytes(tx.txn, &[1], &[])?)),
    ("table totals.1 holds a row", |tx, _| {
        Ok(crate::db::schema::TOTALS.put_bytes(tx.txn, &[], &[99])?)
    }),
];

#[test]
fn every_damage_to_what_is_derived_is_found_told_and_repaired() {
    for (expected, damage) in DAMAGES {
        let it = Fixture::new();
        let known =
            Known { one: it.blob("one"), two: it.blob("two"), free: it.blob("free before") };
        let before = contents(&it);
        it.damage(move |tx| damage(tx, known));

        let found = it.check();
        assert!(found.to_string().contains(expected), "{expected}: {found}");
        assert!(!found.is_clean() && found.repaired == 0, "{expected}: {found}");

        let repaired = it.repair();
        assert!(repaired.to_string().contains("(repaired)"), "{expected}: {repaired}");
        assert_eq!(repaired.left(), 0, "{expected}: {repaired}");
        it.store.verify().unwrap_or_else(|left| panic!("{expected}: {left}"));
        assert_eq!(contents(&it), before, "{expected}");
    }
}

/// All bytes that a name leads to, and that are not collected.
fn contents(it: &Fixture) -> Vec<String> {
    let view = it.store.view().unwrap();
    let files = ["one", "dir/same", "two"].map(|file| {
        let file = view.file(&path(&format!("b/t1/j/f/{file}"))).unwrap();
        format!("{:?} {}", file.artifact.blob, file.blob.digest)
    });
    files.into()
}

#[test]
fn many_damages_at_once_are_repaired_together() {
    let it = Fixture::new();
    let known = Known { one: it.blob("one"), two: it.blob("two"), free: it.blob("free before") };
    it.damage(move |tx| {
        for (expected, damage) in DAMAGES {
            // The totals must stay readable for those that come after.
            if !expected.contains("totals.1") && !expected.contains("below detached things") {
                damage(tx, known)?;
            }
        }
        Ok(())
    });
    assert!(it.check().count > 20);
    let repaired = it.repair();
    assert_eq!(repaired.left(), 0, "{repaired}");
    it.verify();
}
