//! [`Fix`]: how one difference is corrected, in a small transaction that tests the facts again.
//!
//! Rows are made or taken away as the truth of that moment says. A counter is moved by the
//! difference that the snapshot showed: every other write keeps a counter and its rows in step,
//! so the difference is still the same however much was written meanwhile (I2), and no
//! transaction has to count (I7). Deliberately absent: removing what is truth.

use super::super::{Error, Tx, artifacts, links, referrers};
use super::cached::CachedFix;
use super::groups::GroupFix;
use super::image_fix::ImageFix;
use super::package_fix::PackageFix;
use super::policies::PolicyFix;
use super::shift::{Counter, Holder, Shift};
use crate::db;
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DIGESTS, FREE, INLINE, LAPSED, NODES, OWNERS, REFS, REPOS,
    TAG_AGES, TAGS, UNLINKS,
};
use crate::db::{Span, WriteTxn};
use crate::model::{
    ArtifactPath, BlobId, BranchId, Digest, Entry, FormatId, JobId, JobName, Node, Place,
    PublicationKey, Referrer, Refs, RepoId, Repository, TagId, TagName, Timestamp, UserName,
    VersionId, VersionKey,
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
    /// Lets the digest of a live blob count that is noted as a collected one's.
    LiveDigest(BlobId),
    /// Makes the way back from a container to its name.
    Way(Node, Entry),
    /// Makes the way back from a repository to its user.
    Owner(UserName, RepoId),
    /// Makes the record of a user's repository, which has branches.
    Repository(UserName, RepoId),
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
    /// Lets a job feed the version that its metadata names.
    Feed(RepoId, (TagId, JobName)),
    /// Drops what a job feeds when it is not there, or its row in the list of the version.
    StrayFeed(JobId),
    /// Drops a job from the list of a version that it does not feed.
    StrayFeeder(VersionId, JobId),
    /// Drops a version that no job feeds.
    StrayVersion(VersionKey),
    /// Drops a reference whose owner does not name the blob.
    StrayReference(BlobId, Referrer),
    /// Drops the way from a digest to a blob that has another one, or is not there.
    StrayDigest(Digest),
    /// Drops the way back from a container that is not there.
    StrayWay(Node),
    /// Drops the way from a repository to a user whose it is not.
    StrayOwner(RepoId),
    /// Drops a tag that is not there from the order of age.
    StrayAge(BranchId, Timestamp, TagId),
    /// Drops a blob that is not free (until then) from the zero-count index.
    StrayIndex(Timestamp, BlobId),
    /// Drops bytes that belong to no blob.
    StrayInline(BlobId),
    /// Keeps the bytes of a live blob that are listed as bytes to be removed.
    LiveUnlink(BlobId),
    /// Something of the registry.
    Image(ImageFix),
    /// Something of a cache of other registries' images.
    Cached(CachedFix),
    /// Something of groups.
    Group(GroupFix),
    /// Something of packages.
    Package(PackageFix),
    /// Something that comes by the clock.
    Policy(PolicyFix),
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
            | Self::LiveDigest(_)
            | Self::Way(..)
            | Self::Owner(..)
            | Self::Repository(..)
            | Self::Age(..)
            | Self::Index(_)
            | Self::Due(_)
            | Self::Size(..)
            | Self::Feed(..)
            | Self::LiveUnlink(_) => Phase::Adding,
            Self::RefCount(_, shift) if shift.counted > shift.found => Phase::Adding,
            Self::Counter(..) => Phase::Counter,
            Self::Image(fix) => fix.phase(),
            Self::Cached(fix) => fix.phase(),
            Self::Group(fix) => fix.phase(),
            Self::Package(fix) => fix.phase(),
            Self::Policy(fix) => fix.phase(),
            _ => Phase::Lowering,
        }
    }

    /// Corrects what is still wrong; tells whether anything was.
    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Reference(format, path) => tx.fix_reference(*format, path),
            Self::Digest(id) => tx.fix_digest(*id),
            Self::LiveDigest(id) => tx.drop_lapse(*id),
            Self::Way(node, entry) => tx.fix_way(*node, entry),
            Self::Owner(user, id) => tx.fix_owner(user, *id),
            Self::Repository(user, id) => tx.fix_repository(user, *id),
            Self::Age(branch, name) => tx.fix_age(*branch, name),
            Self::Index(id) => tx.fix_index(*id),
            Self::Due(key) => tx.fix_due(*key),
            Self::StrayDue(due, key) => tx.drop_due(*due, *key),
            Self::Counter(holder, counter) => holder.apply(tx, *counter),
            Self::Size(format, path) => tx.fix_size(*format, path),
            Self::RefCount(id, shift) => tx.fix_count(*id, *shift),
            Self::Feed(repo, job) => tx.fix_feed(*repo, job),
            Self::StrayFeed(job) => tx.drop_feed(*job),
            Self::StrayFeeder(version, job) => tx.drop_feeder(*version, *job),
            Self::StrayVersion(key) => tx.drop_unfed(key),
            Self::StrayReference(id, referrer) => tx.drop_reference(*id, referrer),
            Self::StrayDigest(digest) => tx.drop_digest(digest),
            Self::StrayWay(node) => tx.drop_way(*node),
            Self::StrayOwner(id) => tx.drop_owner(*id),
            Self::StrayAge(branch, created, id) => tx.drop_age(*branch, (*created, *id)),
            Self::StrayIndex(until, id) => tx.drop_index(*until, *id),
            Self::StrayInline(id) => tx.drop_inline(*id),
            Self::LiveUnlink(id) => tx.keep_live(*id),
            Self::Image(fix) => fix.apply(tx),
            Self::Cached(fix) => fix.apply(tx),
            Self::Group(fix) => fix.apply(tx),
            Self::Package(fix) => fix.apply(tx),
            Self::Policy(fix) => fix.apply(tx),
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

    fn drop_lapse(&self, id: BlobId) -> Result<bool, Error> {
        Ok(BLOBS.has(self.txn, &id)? && LAPSED.remove(self.txn, &id)?)
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

    fn fix_owner(&self, user: &UserName, id: RepoId) -> Result<bool, Error> {
        if REPOS.get(self.txn, user)?.is_none_or(|record| record.id != id) {
            return Ok(false);
        }
        OWNERS.put(self.txn, &id, user)?;
        Ok(true)
    }

    /// Counts the branches, which are few: there is no record that could be shifted.
    fn fix_repository(&self, user: &UserName, id: RepoId) -> Result<bool, Error> {
        let is_owner = OWNERS.get(self.txn, &id)?.as_ref() == Some(user);
        let branches = BRANCHES.all(self.txn, Span::under(&id))?;
        let created = branches.iter().map(|(_, branch)| branch.created).min();
        let Some(created) = created.filter(|_| is_owner) else { return Ok(false) };
        if REPOS.has(self.txn, user)? {
            return Ok(false);
        }
        let mut record = Repository::new(id, created);
        for (_, branch) in branches {
            record.usage = record.usage.plus(branch.usage);
        }
        REPOS.put(self.txn, user, &record)?;
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
        let key = (id, referrer.clone());
        if referrers::named_bytes(self.txn, referrer, id)?.is_some() || !REFS.has(self.txn, &key)? {
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
        if LAPSED.has(self.txn, &id)? || self.has_digest(id, digest)? {
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

    fn drop_owner(&self, id: RepoId) -> Result<bool, Error> {
        let Some(user) = OWNERS.get(self.txn, &id)? else { return Ok(false) };
        let is_right = REPOS.get(self.txn, &user)?.is_some_and(|record| record.id == id);
        if is_right || BRANCHES.first(self.txn, Span::under(&id))?.is_some() {
            return Ok(false);
        }
        Ok(OWNERS.remove(self.txn, &id)?)
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
