//! Formats: the dirty flag and deletion (spec dlrepo §8).

use super::detached::Cause;
use super::tree::{self, Chain, Delta};
use super::{Error, Store, Tx};
use crate::db::Pending;
use crate::db::schema::FORMATS;
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
        let keeps_locks = !self.is_internal(&path.format);
        self.change(move |tx| {
            let above = tree::optional(tree::job(tx.txn, &path.job))?;
            if keeps_locks && above.is_some_and(|(_, _, job)| job.locked) {
                return Err(Error::FormatOfLockedJob);
            }
            let mut chain = tree::format(tx.txn, &path)?;
            FORMATS.remove(tx.txn, &(chain.job.id, path.format.clone()))?;
            let usage = chain.format.usage;
            tx.detach(Node::Format(chain.format.id), path.to_string(), &cause, usage)?;
            chain.job.revision += 1;
            if chain.format.dirty {
                chain.job.dirty_formats = chain.job.dirty_formats.saturating_sub(1);
            }
            let delta = Delta { minus: usage, plus: Usage::default() };
            tx.save_above_format(&path, chain, delta)
        })
    }
}

impl Tx<'_, '_> {
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
