//! Tags: their flags and their deletion (spec dlrepo §6).

use super::detached::Cause;
use super::tree::{self, Delta};
use super::{Error, Store, Tx, publications};
use crate::db::schema::{TAG_AGES, TAGS};
use crate::db::{Pending, Rows};
use crate::model::tag::TagChange;
use crate::model::{Branch, BranchId, Node, Tag, TagCounts, TagPath, Usage};

impl Store {
    /// Changes flags and description of a tag, all in one. The answer may be
    /// [`Error::NotFound`]. The release is a flag here and nothing else: with targets it is
    /// [`Store::wish`] that releases, and what that had noted is forgotten.
    pub fn change_tag(&self, path: TagPath, change: TagChange) -> Pending<(), Error> {
        self.change(move |tx| {
            let (mut branch, old) = tree::tag(tx.txn, &path)?;
            let mut tag = old.clone().changed(&change);
            if change.released.is_some() && tx.forget_publication(branch.id, &old)? {
                tag.publish_status = None;
            }
            uncount(&mut branch.tags, &old);
            count(&mut branch.tags, &tag);
            if (old.locked, old.released) != (tag.locked, tag.released) {
                branch.generation += 1;
            }
            tx.save_tag(&path, branch.id, &tag)?;
            tx.save_branch(&path.branch, &branch)
        })
    }

    /// Detaches a tag with all that lies below it. The answer may be [`Error::NotFound`],
    /// [`Error::TagLocked`] or [`Error::TagReleased`].
    pub fn delete_tag(&self, path: TagPath, cause: Cause) -> Pending<(), Error> {
        self.change(move |tx| {
            let (branch, tag) = tree::tag(tx.txn, &path)?;
            check_unprotected(tx.txn, &path, branch.id, &tag)?;
            tx.detach_tag(&path, branch, &tag, &cause)
        })
    }
}

/// Whether a tag may be deleted: the lock is tested before the release. What is, or may be, on
/// other servers counts as released.
pub(super) fn check_unprotected(
    rows: &impl Rows,
    path: &TagPath,
    branch: BranchId,
    tag: &Tag,
) -> Result<(), Error> {
    if tag.locked {
        return Err(Error::TagLocked(path.tag.to_string()));
    }
    if tag.released || publications::protects(rows, branch, tag)? {
        return Err(Error::TagReleased(path.tag.to_string()));
    }
    Ok(())
}

pub(super) fn count(counts: &mut TagCounts, tag: &Tag) {
    counts.all += 1;
    counts.released += u64::from(tag.released);
    counts.locked += u64::from(tag.locked);
    counts.stable += u64::from(tag.stable);
}

pub(super) fn uncount(counts: &mut TagCounts, tag: &Tag) {
    counts.all = counts.all.saturating_sub(1);
    counts.released = counts.released.saturating_sub(u64::from(tag.released));
    counts.locked = counts.locked.saturating_sub(u64::from(tag.locked));
    counts.stable = counts.stable.saturating_sub(u64::from(tag.stable));
}

impl Tx<'_, '_> {
    /// Takes a tag's name away and queues what it named.
    pub(super) fn detach_tag(
        &self,
        path: &TagPath,
        mut branch: Branch,
        tag: &Tag,
        cause: &Cause,
    ) -> Result<(), Error> {
        TAGS.remove(self.txn, &(branch.id, path.tag.clone()))?;
        TAG_AGES.remove(self.txn, &(branch.id, (tag.created, tag.id)))?;
        self.forget_publication(branch.id, tag)?;
        uncount(&mut branch.tags, tag);
        branch.generation += 1;
        self.detach(Node::Tag(tag.id), path.to_string(), cause, tag.usage)?;
        self.save_above_tag(path, branch, Delta { minus: tag.usage, plus: Usage::default() })
    }
}
