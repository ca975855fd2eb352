//! Detached things: their queue, and destroying them in slices (design: deletion is one
//! pipeline).
//!
//! Detaching costs the same whatever lies below; destroying walks down to the first child again
//! and again and removes it, so a slice can end anywhere. A queue entry goes only when its
//! prefix is empty in that same transaction.

use std::time::Duration;

use super::{Budget, Error, Store, Tx};
use crate::db::schema::{ARTIFACTS, DETACHED, FORMATS, JOBS, Meta, NODES, TAG_AGES, TAGS};
use crate::db::{SliceTimes, Span};
use crate::model::retry::backoff;
use crate::model::{
    BranchId, Detached, FormatId, JobId, Node, QueueId, Reason, TagId, Timestamp, Usage,
};

/// Files that are read ahead of their removal.
const PAGE: usize = 64;

/// Who takes something away and why, and how long it can still be brought back.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who and why.
    pub reason: Reason,
    /// How long to wait before destroying it.
    pub wait: Duration,
}

impl Cause {
    /// A user's request (empty login: nobody was logged in), due at once.
    #[must_use]
    pub fn request(user: &str) -> Self {
        Self { reason: Reason::Request { user: user.to_owned() }, wait: Duration::ZERO }
    }

    /// A policy's rule, due at once.
    #[must_use]
    pub fn policy(rule: String) -> Self {
        Self { reason: Reason::Policy { rule }, wait: Duration::ZERO }
    }
}

/// What one slice of destroying did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Files whose references were released, and their bytes.
    pub usage: Usage,
    /// Queue entries that are finished.
    pub entries: u64,
    /// Whether nothing that is due is left.
    pub done: bool,
}

/// The key of a queue entry.
pub type QueueKey = (Timestamp, QueueId);

impl Tx<'_, '_> {
    /// Queues something whose name was just removed.
    pub(super) fn detach(
        &self,
        node: Node,
        path: String,
        cause: &Cause,
        usage: Usage,
    ) -> Result<(), Error> {
        self.enqueue(node, path, cause, usage).map(drop)
    }

    /// Queues something that no name leads to; tells under which key.
    pub(super) fn enqueue(
        &self,
        node: Node,
        path: String,
        cause: &Cause,
        usage: Usage,
    ) -> Result<QueueKey, Error> {
        let id = QueueId(self.next(Meta::NEXT_QUEUE)?);
        let entry = Detached {
            node,
            path,
            reason: cause.reason.clone(),
            at: self.now,
            usage,
            attempts: 0,
            error: None,
        };
        let key = (self.now.after(cause.wait), id);
        DETACHED.put(self.txn, &key, &entry)?;
        self.count(|totals| {
            totals.queue += 1;
            totals.detached = totals.detached.plus(usage);
        })?;
        Ok(key)
    }

    fn destroy_entry(
        &self,
        key: QueueKey,
        mut entry: Detached,
        budget: &Budget,
        done: &mut Destroyed,
    ) -> Result<bool, Error> {
        let mut gone = Usage::default();
        let is_empty = self.destroy(entry.node, budget, &mut gone)? && budget.take();
        done.usage = done.usage.plus(gone);
        entry.usage = entry.usage.minus(gone);
        if is_empty {
            DETACHED.remove(self.txn, &key)?;
            NODES.remove(self.txn, &entry.node)?;
            done.entries += 1;
        } else {
            DETACHED.put(self.txn, &key, &entry)?;
        }
        self.count(|totals| {
            totals.detached = totals.detached.minus(gone);
            totals.queue = totals.queue.saturating_sub(u64::from(is_empty));
        })?;
        Ok(is_empty)
    }

    /// Removes what lies below `node` until the budget is used up; `true` when nothing is left.
    fn destroy(&self, node: Node, budget: &Budget, gone: &mut Usage) -> Result<bool, Error> {
        match node {
            Node::Branch(id) => self.destroy_tags(id, budget, gone),
            Node::Tag(id) => self.destroy_jobs(id, budget, gone),
            Node::Job(id) => {
                Ok(self.destroy_formats(id, budget, gone)? && self.destroy_feed(id, budget)?)
            }
            Node::Format(id) => Ok(self.destroy_files(id, budget, gone)?
                && self.destroy_container(id, budget, gone)?),
            Node::Manifest(id) => self.destroy_manifest(id, budget),
            Node::Group(id) => self.destroy_group(id, budget, gone),
            Node::Project(id) => self.destroy_project(id, budget, gone),
            Node::Package(id) => self.destroy_package(id, budget, gone),
            Node::PackageFile(id) => self.destroy_package_file(id, budget, gone),
        }
    }

    fn destroy_tags(&self, at: BranchId, budget: &Budget, gone: &mut Usage) -> Result<bool, Error> {
        while let Some((key, tag)) = TAGS.first(self.txn, Span::under(&at))? {
            if !self.destroy_child(Node::Tag(tag.id), budget, gone)? {
                return Ok(false);
            }
            TAGS.remove(self.txn, &key)?;
            TAG_AGES.remove(self.txn, &(at, (tag.created, tag.id)))?;
        }
        Ok(true)
    }

    fn destroy_jobs(&self, at: TagId, budget: &Budget, gone: &mut Usage) -> Result<bool, Error> {
        while let Some((key, job)) = JOBS.first(self.txn, Span::under(&at))? {
            if !self.destroy_child(Node::Job(job.id), budget, gone)? {
                return Ok(false);
            }
            JOBS.remove(self.txn, &key)?;
        }
        Ok(true)
    }

    fn destroy_formats(&self, at: JobId, budget: &Budget, gone: &mut Usage) -> Result<bool, Error> {
        while let Some((key, format)) = FORMATS.first(self.txn, Span::under(&at))? {
            if !self.destroy_child(Node::Format(format.id), budget, gone)? {
                return Ok(false);
            }
            FORMATS.remove(self.txn, &key)?;
        }
        Ok(true)
    }

    fn destroy_child(&self, node: Node, budget: &Budget, gone: &mut Usage) -> Result<bool, Error> {
        let is_gone = self.destroy(node, budget, gone)? && budget.take();
        if is_gone {
            NODES.remove(self.txn, &node)?;
        }
        Ok(is_gone)
    }

    fn destroy_files(
        &self,
        at: FormatId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        loop {
            let page = ARTIFACTS.page(self.txn, Span::under(&at), PAGE)?;
            if page.is_empty() {
                return Ok(true);
            }
            for ((format, path), file) in page {
                if !budget.take() {
                    return Ok(false);
                }
                self.drop_artifact(format, path, file)?;
                *gone = gone.plus(Usage::of(file.size));
            }
        }
    }
}

impl Store {
    /// One slice of destroying what is due.
    ///
    /// # Errors
    /// With the entry that failed, so that it can be postponed.
    pub fn destroy_slice(
        &self,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Destroyed, SliceTimes), (Option<QueueKey>, Error)> {
        let failed = std::sync::Arc::new(std::sync::Mutex::new(None));
        let at = std::sync::Arc::clone(&failed);
        let note = move |key| {
            if let Ok(mut at) = at.lock() {
                *at = key;
            }
        };
        let slice = self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = Destroyed::default();
            while let Some((key, entry)) = DETACHED.first(tx.txn, Span::all())? {
                if key.0 > tx.now {
                    break;
                }
                note(Some(key));
                if !tx.destroy_entry(key, entry, &budget, &mut done)? {
                    return Ok(done);
                }
            }
            note(None);
            done.done = true;
            Ok(done)
        });
        slice.map_err(|error| (failed.lock().ok().and_then(|key| *key), error))
    }

    /// Puts an entry that could not be destroyed off, longer each time.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn postpone(&self, key: QueueKey, why: String) -> Result<(), Error> {
        let slice = self.slice(move |tx| {
            let Some(mut entry) = DETACHED.get(tx.txn, &key)? else { return Ok(()) };
            DETACHED.remove(tx.txn, &key)?;
            entry.attempts = entry.attempts.saturating_add(1);
            entry.error = Some(why.clone());
            let due = tx.now.after(backoff(entry.attempts));
            Ok(DETACHED.put(tx.txn, &(due, key.1), &entry)?)
        });
        slice.map(|((), _)| ())
    }
}
