//! [`Fix`]: how one difference is corrected, in a small transaction that tests the facts again.
//!
//! Rows are made or taken away as the truth of that moment says. A counter is moved by the
//! difference that the snapshot showed: every other write keeps a counter and its rows in step,
//! so the difference is still the same however much was written meanwhile (I2), and no
//! transaction has to count (I7). Deliberately absent: removing what is truth.

use super::super::{Error, Tx, artifacts, links};
use super::shift::{Counter, Holder, Shift};
use crate::db;
use crate::db::WriteTxn;
use crate::db::schema::{
    ARTIFACTS, BLOBS, DIGESTS, FREE, INLINE, NODES, REFS, TAG_AGES, TAGS, UNLINKS,
};
use crate::model::{
    ArtifactPath, BlobId, BranchId, Digest, Entry, FormatId, Node, Place, PublicationKey, Referrer,
    Refs, TagId, TagName, Timestamp,
};

/// Removes a row that cannot be read from one derived table.
pub(super) type Erase = fn(&WriteTxn, &[u8]) -> Result<bool, db::Error>;

/// A correction.
#[derive(Clone, Debug)]
pub(super) enum Fix {
    /// Makes the reference row of a file and counts it.
    Reference(FormatId, ArtifactPath),
    /// Makes the row that leads from a blob's digest to it.
    Digest(BlobId),
    /// Makes the way back from a container to its name.
    Way(Node, Entry),
    /// Makes the row of a tag in the order of age.
    Age(BranchId, TagName),
    /// Makes the row of a free blob in the zero-count index.
    Index(BlobId),
    /// Lists a publication that is due.
    Due(PublicationKey),
    /// Drops what lists a publication at a moment when it is not due.
    StrayDue(Timestamp, PublicationKey),
    /// Moves a counter.
    Counter(Holder, Counter),
    /// Lets a file say the size of its blob.
    Size(FormatId, ArtifactPath),
    /// Moves the count of a blob's references.
    RefCount(BlobId, Shift<u64>),
    /// Drops a reference whose owner does not name the blob.
    StrayReference(BlobId, Referrer),
    /// Drops the way from a digest to a blob that has another one, or is not there.
    StrayDigest(Digest),
    /// Drops the way back from a container that is not there.
    StrayWay(Node),
    /// Drops a tag that is not there from the order of age.
    StrayAge(BranchId, Timestamp, TagId),
    /// Drops a blob that is not free (until then) from the zero-count index.
    StrayIndex(Timestamp, BlobId),
    /// Drops bytes that belong to no blob.
    StrayInline(BlobId),
    /// Keeps the bytes of a live blob that are listed as bytes to be removed.
    LiveUnlink(BlobId),
    /// Drops a derived row that cannot be read.
    Unreadable(Erase, Vec<u8>),
}

/// In which order fixes are made, so that nothing that is needed is ever free in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// What is missing comes first, and what costs nobody anything.
    Adding,
    /// Counters of containers: harmless at any time.
    Counter,
    /// What may let a blob become free, or goes itself, comes last.
    Lowering,
}

impl Fix {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Reference(..)
            | Self::Digest(_)
            | Self::Way(..)
            | Self::Age(..)
            | Self::Index(_)
            | Self::Due(_)
            | Self::Size(..)
            | Self::LiveUnlink(_) => Phase::Adding,
            Self::RefCount(_, shift) if shift.counted > shift.found => Phase::Adding,
            Self::Counter(..) => Phase::Counter,
            _ => Phase::Lowering,
        }
    }

    /// Corrects what is still wrong; tells whether anything was.
    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Reference(format, path) => tx.fix_reference(*format, path),
            Self::Digest(id) => tx.fix_digest(*id),
            Self::Way(node, entry) => tx.fix_way(*node, entry),
            Self::Age(branch, name) => tx.fix_age(*branch, name),
            Self::Index(id) => tx.fix_index(*id),
            Self::Due(key) => tx.fix_due(*key),
            Self::StrayDue(due, key) => tx.drop_due(*due, *key),
            Self::Counter(holder, counter) => holder.apply(tx, *counter),
            Self::Size(format, path) => tx.fix_size(*format, path),
            Self::RefCount(id, shift) => tx.fix_count(*id, *shift),
            Self::StrayReference(id, referrer) => tx.drop_reference(*id, referrer),
            Self::StrayDigest(digest) => tx.drop_digest(digest),
            Self::StrayWay(node) => tx.drop_way(*node),
            Self::StrayAge(branch, created, id) => tx.drop_age(*branch, (*created, *id)),
            Self::StrayIndex(until, id) => tx.drop_index(*until, *id),
            Self::StrayInline(id) => tx.drop_inline(*id),
            Self::LiveUnlink(id) => tx.keep_live(*id),
            Self::Unreadable(erase, key) => Ok(erase(tx.txn, key)?),
        }
    }
}

impl Tx<'_, '_> {
    fn fix_reference(&self, format: FormatId, path: &ArtifactPath) -> Result<bool, Error> {
        let Some(file) = ARTIFACTS.get(self.txn, &(format, path.clone()))? else {
            return Ok(false);
        };
        let referrer = Referrer::Artifact(format, path.clone());
        if REFS.has(self.txn, &(file.blob, referrer.clone()))?
            || !BLOBS.has(self.txn, &file.blob)?
        {
            return Ok(false);
        }
        self.hold(file.blob, referrer).map(|_| true)
    }

    fn fix_digest(&self, id: BlobId) -> Result<bool, Error> {
        let Some(blob) = BLOBS.get(self.txn, &id)? else { return Ok(false) };
        match DIGESTS.get(self.txn, &blob.digest) {
            // If another blob has the digest, that is for a person to decide.
            Ok(Some(known)) if self.has_digest(known, &blob.digest)? => Ok(false),
            Ok(_) | Err(db::Error::Corrupt { .. }) => {
                DIGESTS.put(self.txn, &blob.digest, &id)?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn has_digest(&self, id: BlobId, digest: &Digest) -> Result<bool, Error> {
        Ok(BLOBS.get(self.txn, &id)?.is_some_and(|blob| blob.digest == *digest))
    }

    fn fix_way(&self, node: Node, entry: &Entry) -> Result<bool, Error> {
        if !links::is_named(self.txn, node, entry)? {
            return Ok(false);
        }
        NODES.put(self.txn, &node, entry)?;
        Ok(true)
    }

    fn fix_age(&self, branch: BranchId, name: &TagName) -> Result<bool, Error> {
        let Some(tag) = TAGS.get(self.txn, &(branch, name.clone()))? else { return Ok(false) };
        TAG_AGES.put(self.txn, &(branch, (tag.created, tag.id)), name)?;
        Ok(true)
    }

    fn fix_index(&self, id: BlobId) -> Result<bool, Error> {
        match BLOBS.get(self.txn, &id)?.map(|blob| blob.refs) {
            Some(Refs::Free { until }) if !FREE.has(self.txn, &(until, id))? => {
                FREE.put(self.txn, &(until, id), &())?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn fix_size(&self, format: FormatId, path: &ArtifactPath) -> Result<bool, Error> {
        let key = (format, path.clone());
        let Some(mut file) = ARTIFACTS.get(self.txn, &key)? else { return Ok(false) };
        let size = artifacts::blob_of(self.txn, &file)?.size;
        if std::mem::replace(&mut file.size, size) == size {
            return Ok(false);
        }
        ARTIFACTS.put(self.txn, &key, &file)?;
        Ok(true)
    }

    fn fix_count(&self, id: BlobId, shift: Shift<u64>) -> Result<bool, Error> {
        let Some(mut blob) = BLOBS.get(self.txn, &id)? else { return Ok(false) };
        let mut count = blob.refs.count();
        shift.move_number(&mut count);
        let refs = match (count, blob.refs) {
            (0, Refs::Held { .. }) => Refs::Free { until: self.lease_end },
            (0, free) => free,
            (count, _) => Refs::Held { count },
        };
        if refs == blob.refs {
            return Ok(false);
        }
        self.unindex(id, &blob)?;
        blob.refs = refs;
        BLOBS.put(self.txn, &id, &blob)?;
        self.index(id, &blob)?;
        Ok(true)
    }

    fn drop_reference(&self, id: BlobId, referrer: &Referrer) -> Result<bool, Error> {
        let Referrer::Artifact(format, path) = referrer;
        let file = ARTIFACTS.get(self.txn, &(*format, path.clone()))?;
        let key = (id, referrer.clone());
        if file.is_some_and(|file| file.blob == id) || !REFS.has(self.txn, &key)? {
            return Ok(false);
        }
        match BLOBS.get(self.txn, &id)? {
            Some(blob) if blob.refs.count() > 0 => self.release(id, referrer.clone())?,
            _ => drop(REFS.remove(self.txn, &key)?),
        }
        Ok(true)
    }

    fn drop_digest(&self, digest: &Digest) -> Result<bool, Error> {
        let Some(id) = DIGESTS.get(self.txn, digest)? else { return Ok(false) };
        let blob = BLOBS.get(self.txn, &id)?;
        if blob.is_some_and(|blob| blob.digest == *digest) {
            return Ok(false);
        }
        Ok(DIGESTS.remove(self.txn, digest)?)
    }

    fn drop_way(&self, node: Node) -> Result<bool, Error> {
        let Some(entry) = NODES.get(self.txn, &node)? else { return Ok(false) };
        if links::is_named(self.txn, node, &entry)? {
            return Ok(false);
        }
        Ok(NODES.remove(self.txn, &node)?)
    }

    fn drop_age(&self, branch: BranchId, age: (Timestamp, TagId)) -> Result<bool, Error> {
        let Some(name) = TAG_AGES.get(self.txn, &(branch, age))? else { return Ok(false) };
        let tag = TAGS.get(self.txn, &(branch, name))?;
        if tag.is_some_and(|tag| (tag.created, tag.id) == age) {
            return Ok(false);
        }
        Ok(TAG_AGES.remove(self.txn, &(branch, age))?)
    }

    fn drop_index(&self, until: Timestamp, id: BlobId) -> Result<bool, Error> {
        let blob = BLOBS.get(self.txn, &id)?;
        if blob.is_some_and(|blob| blob.refs == Refs::Free { until }) {
            return Ok(false);
        }
        Ok(FREE.remove(self.txn, &(until, id))?)
    }

    fn drop_inline(&self, id: BlobId) -> Result<bool, Error> {
        let is_inline = |place| place == Place::Inline;
        let is_live = BLOBS.get(self.txn, &id)?.is_some_and(|blob| is_inline(blob.place));
        let is_going = UNLINKS.get(self.txn, &id)?.is_some_and(|gone| is_inline(gone.place));
        if is_live || is_going {
            return Ok(false);
        }
        Ok(INLINE.remove(self.txn, &id)?)
    }

    fn keep_live(&self, id: BlobId) -> Result<bool, Error> {
        let Some(unlink) = UNLINKS.get(self.txn, &id)? else { return Ok(false) };
        if !BLOBS.has(self.txn, &id)? {
            return Ok(false);
        }
        UNLINKS.remove(self.txn, &id)?;
        self.count(|totals| {
            let leaving = totals.leaving(unlink.place);
            *leaving = leaving.minus(crate::model::Usage::of(unlink.size));
        })?;
        Ok(true)
    }
}
