//! Formats: the dirty flag and deletion (spec dlrepo §8).

use super::artifacts::Locks;
use super::detached::Cause;
use super::tree::{self, Chain, Delta};
use super::{Error, Store, Tx};
use crate::db::schema::FORMATS;
use crate::db::{Pending, Rows};
use crate::model::{FormatPath, Node, Usage};

impl Store {
    /// Declares the upload of a format finished: it is not dirty any more. The answer may be
    /// [`Error::NotFound`].
    pub fn finish_format(&self, path: FormatPath) -> Pending<(), Error> {
        self.change(move |tx| {
            let chain = tree::format(tx.txn, &path)?;
            tx.finish_format(&path, chain)
        })
    }

    /// Detaches a format with its files. The answer may be [`Error::NotFound`] or
    /// [`Error::FormatOfLockedJob`].
    pub fn delete_format(&self, path: FormatPath, cause: Cause) -> Pending<(), Error> {
        let locks = self.locks(&path);
        self.change(move |tx| tx.delete_format(&path, locks, &cause))
    }
}

/// Whether the lock of its job lets a format go.
pub(super) fn check_deletion(
    rows: &impl Rows,
    path: &FormatPath,
    locks: Locks,
) -> Result<(), Error> {
    let above = tree::optional(tree::job(rows, &path.job))?;
    if locks == Locks::Kept && above.is_some_and(|(_, _, job)| job.locked) {
        return Err(Error::FormatOfLockedJob);
    }
    Ok(())
}

impl Tx<'_, '_> {
    /// Detaches a format with its files, or with the tag of the registry that it shows.
    pub(super) fn delete_format(
        &self,
        path: &FormatPath,
        locks: Locks,
        cause: &Cause,
    ) -> Result<(), Error> {
        check_deletion(self.txn, path, locks)?;
        self.detach_format(path, cause)
    }

    /// The same, when it is known that its job is not locked.
    pub(super) fn detach_format(&self, path: &FormatPath, cause: &Cause) -> Result<(), Error> {
        let mut chain = tree::format(self.txn, path)?;
        FORMATS.remove(self.txn, &(chain.job.id, path.format.clone()))?;
        let usage = chain.format.usage;
        self.detach(Node::Format(chain.format.id), path.to_string(), cause, usage)?;
        chain.job.revision += 1;
        if chain.format.dirty {
            chain.job.dirty_formats = chain.job.dirty_formats.saturating_sub(1);
        }
        let delta = Delta { minus: usage, plus: Usage::default() };
        self.save_above_format(path, chain, delta)
    }

    pub(super) fn finish_format(&self, path: &FormatPath, chain: Chain) -> Result<(), Error> {
        let Chain { mut format, mut job, tag, .. } = chain;
        if std::mem::replace(&mut format.dirty, false) {
            job.dirty_formats = job.dirty_formats.saturating_sub(1);
            self.save_job(&path.job, tag.id, &job)?;
            self.save_format(path, job.id, &format)?;
        }
        Ok(())
    }
}
