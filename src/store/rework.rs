//! Reworks: a new set of files that takes the place of a format's, all at once.
//!
//! The set is gathered under an id of its own that no name leads to, in slices of bounded work
//! (I7); then one small transaction points the format's name to that id and detaches the old one.
//! So readers see the old files or the new ones, whatever their number, and I2 holds throughout.
//!
//! From its first moment the new id waits in the queue of detached things, due when its lease is
//! over. Each slice renews the lease, and the last transaction takes the entry out. A rework that
//! nobody goes on with, after a crash say, is so destroyed like everything else that has no name.
//! Deliberately absent: where the files come from.

use std::sync::Arc;
use std::time::Duration;

use super::artifacts::Locks;
use super::blobs::{Arrival, Content};
use super::detached::{Cause, QueueKey};
use super::tree::{self, Chain, Delta};
use super::view::File;
use super::{Budget, Error, Store, Tx, View, containers, files};
use crate::db::schema::{ARTIFACTS, DETACHED, Meta, NODES};
use crate::db::{Pending, Rows, SliceTimes};
use crate::model::{
    Artifact, ArtifactPath, Detached, Entry, Format, FormatId, FormatPath, Node, Referrer,
    Timestamp, Usage,
};

/// How long a rework waits for its next slice.
const LEASE: Duration = Duration::from_secs(15 * 60);

/// A set of files that is being gathered to take the place of a format's.
#[derive(Clone, Debug)]
pub struct Rework {
    path: FormatPath,
    base: Format,
    cause: Cause,
    id: FormatId,
    key: QueueKey,
    /// What was taken in.
    usage: Usage,
    nested: bool,
}

/// A file of a rework.
#[derive(Clone, Debug)]
pub struct Reworked {
    /// Where it lies in the format.
    pub path: ArtifactPath,
    /// Its bytes.
    pub content: Content,
    /// When this path got these bytes, if that was before the rework.
    pub uploaded: Option<Timestamp>,
}

impl Store {
    /// Begins a rework of what was found in the format at `path`, which is `base`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`], [`Error::JobLocked`], [`Error::IsImage`].
    pub fn begin_rework(
        &self,
        path: FormatPath,
        base: Format,
        cause: Cause,
    ) -> Result<Rework, Error> {
        let locks = self.locks(&path);
        let rework = self.change(move |tx| {
            let chain = unchanged(tx.txn, &path, &base, locks)?;
            if containers::is_container(tx.txn, chain.format.id)? {
                return Err(Error::IsImage);
            }
            let id = FormatId(tx.next(Meta::NEXT_NODE)?);
            let name = path.format.to_string();
            NODES.put(tx.txn, &Node::Format(id), &Entry { parent: chain.job.id.0, name })?;
            let until = Cause { wait: LEASE, ..cause.clone() };
            let key = tx.enqueue(Node::Format(id), path.to_string(), &until, Usage::default())?;
            let (path, base, cause) = (path.clone(), base.clone(), cause.clone());
            Ok(Rework { path, base, cause, id, key, usage: Usage::default(), nested: false })
        });
        rework.wait()
    }

    /// One slice of taking `files` in, from the one at `from` on. The answer tells what became of
    /// each that it came to; go on behind those. Unlike all others, no path may come twice.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`] for a digest that is not stored, and [`Error::Changed`] when the
    /// rework waited for longer than its lease.
    pub fn rework_slice(
        &self,
        rework: &mut Rework,
        files: Arc<[Reworked]>,
        from: usize,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Vec<Arrival>, SliceTimes), Error> {
        let (at, key) = (rework.path.clone(), rework.key);
        let (node, taken) = (rework.id, rework.usage);
        rework.nested |= files.iter().any(|file| file.path.as_str().contains('/'));
        let ((arrivals, key, usage), times) = self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut entry = whole(waiting(tx.txn, &at, key, node)?, &at, taken)?;
            let mut usage = Usage::default();
            let mut arrivals = Vec::new();
            for file in files.iter().skip(from).take_while(|_| budget.take()) {
                let (size, arrival) = tx.take_in_rework(node, file)?;
                usage = usage.plus(Usage::of(size));
                arrivals.push(arrival);
            }
            entry.usage = entry.usage.plus(usage);
            tx.count(|totals| totals.detached = totals.detached.plus(usage))?;
            DETACHED.remove(tx.txn, &key)?;
            let key = (tx.now.after(LEASE), key.1);
            DETACHED.put(tx.txn, &key, &entry)?;
            Ok((arrivals, key, entry.usage))
        })?;
        (rework.key, rework.usage) = (key, usage);
        Ok((arrivals, times))
    }

    /// Lets the format's name lead to the new files, and declares its upload finished; the old
    /// ones are detached. The answer may be [`Error::NotFound`], [`Error::JobLocked`],
    /// [`Error::QuotaExceeded`], and [`Error::Changed`] when the format is not what the rework
    /// began with.
    pub fn swap_rework(&self, rework: Rework) -> Pending<(), Error> {
        let locks = self.locks(&rework.path);
        self.change(move |tx| {
            let Rework { path, base, cause, id, key, usage, nested } = &rework;
            let mut chain = unchanged(tx.txn, path, base, locks)?;
            let entry = whole(waiting(tx.txn, path, *key, *id)?, path, *usage)?;
            let delta = Delta { minus: chain.format.usage, plus: entry.usage };
            tx.check_room(&path.job.tag.branch.repo, delta)?;
            DETACHED.remove(tx.txn, key)?;
            tx.count(|totals| {
                totals.queue = totals.queue.saturating_sub(1);
                totals.detached = totals.detached.minus(entry.usage);
            })?;
            let old = chain.format.clone();
            tx.detach(Node::Format(old.id), path.to_string(), cause, old.usage)?;
            chain.format = Format {
                id: *id,
                created: old.created,
                changed: old.next_change(tx.now),
                dirty: false,
                nested: *nested,
                usage: entry.usage,
            };
            chain.job.revision += 1;
            if old.dirty {
                chain.job.dirty_formats = chain.job.dirty_formats.saturating_sub(1);
            }
            tx.save_format(path, chain.job.id, &chain.format)?;
            tx.save_above_format(path, chain, delta)
        })
    }

    /// Gives a rework up: what was taken in so far is destroyed with the next sweep.
    pub fn drop_rework(&self, rework: Rework) -> Pending<(), Error> {
        self.change(move |tx| {
            let Rework { path, id, key, .. } = &rework;
            let entry = waiting(tx.txn, path, *key, *id)?;
            DETACHED.remove(tx.txn, key)?;
            Ok(DETACHED.put(tx.txn, &(tx.now, key.1), &entry)?)
        })
    }

    /// Declares the upload of a format finished, if it still is `base`. The answer may be
    /// [`Error::NotFound`] or [`Error::Changed`].
    pub fn finish_unchanged_format(&self, path: FormatPath, base: Format) -> Pending<(), Error> {
        self.change(move |tx| {
            let chain = unchanged(tx.txn, &path, &base, Locks::Ignored)?;
            tx.finish_format(&path, chain)
        })
    }
}

impl View {
    /// The file at `path` of a format that was found before, if there is one.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn file_of(&self, format: FormatId, path: &ArtifactPath) -> Result<Option<File>, Error> {
        let found = files::get(&self.snapshot, format, path)?;
        found.map(|artifact| Ok(File { artifact, blob: self.blob_of(&artifact)? })).transpose()
    }

    /// At most `limit` paths of a format that was found before, those behind `after`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn paths_after(
        &self,
        format: FormatId,
        after: Option<ArtifactPath>,
        limit: usize,
    ) -> Result<Vec<ArtifactPath>, Error> {
        let page = files::page(&self.snapshot, format, after.as_ref(), limit)?;
        Ok(page.into_iter().map(|(path, _)| path).collect())
    }
}

impl Tx<'_, '_> {
    fn take_in_rework(&self, at: FormatId, file: &Reworked) -> Result<(u64, Arrival), Error> {
        let known = self.known(&file.content)?;
        let referrer = Referrer::Artifact(at, file.path.clone());
        let (blob, size, arrival) = self.take_in(&file.content, known, referrer)?;
        let uploaded = file.uploaded.unwrap_or(self.now);
        ARTIFACTS.put(self.txn, &(at, file.path.clone()), &Artifact { blob, size, uploaded })?;
        Ok((size, arrival))
    }
}

/// The chain down to a format, if nothing about its files changed since it was `base`.
fn unchanged(
    rows: &impl Rows,
    path: &FormatPath,
    base: &Format,
    locks: Locks,
) -> Result<Chain, Error> {
    let chain = tree::format(rows, path)?;
    if locks == Locks::Kept && chain.job.locked {
        return Err(Error::JobLocked);
    }
    let found = &chain.format;
    if (found.id, found.changed) != (base.id, base.changed) {
        return Err(Error::Changed(path.to_string()));
    }
    Ok(chain)
}

/// The queue entry of a rework, if its lease did not end.
fn waiting(
    rows: &impl Rows,
    path: &FormatPath,
    key: QueueKey,
    id: FormatId,
) -> Result<Detached, Error> {
    let entry = DETACHED.get(rows, &key)?.filter(|entry| entry.node == Node::Format(id));
    entry.ok_or_else(|| Error::Changed(path.to_string()))
}

/// The entry of a rework of which nothing was destroyed: a sweep that came when its lease was over
/// may have begun, and goes on between our slices.
fn whole(entry: Detached, path: &FormatPath, taken: Usage) -> Result<Detached, Error> {
    if entry.usage == taken { Ok(entry) } else { Err(Error::Changed(path.to_string())) }
}
