//! Jobs: metadata, the lock and the digest that goes with it, deletion (spec dlrepo §7).

use super::detached::Cause;
use super::tree::{self, Delta};
use super::{Error, Store};
use crate::db::Pending;
use crate::db::schema::JOBS;
use crate::model::{Digest, Job, JobPath, Node, Usage};

/// Most bytes of a job's keys and values: its record is rewritten with every upload.
pub const METADATA_BYTES_MAX: usize = 64 << 10;

/// Most keys of a job.
pub const METADATA_KEYS_MAX: usize = 1000;

fn check_size((keys, bytes): (usize, usize)) -> Result<(), Error> {
    let fits = keys <= METADATA_KEYS_MAX && bytes <= METADATA_BYTES_MAX;
    if fits { Ok(()) } else { Err(Error::MetadataTooLarge { keys, bytes }) }
}

fn check_change(job: &Job, changes: &[(String, Option<String>)]) -> Result<(), Error> {
    if job.locked {
        return Err(Error::JobLocked);
    }
    let mut after = job.clone();
    after.merge_metadata(changes);
    check_size((after.metadata.len(), after.metadata_bytes()))
}

impl Store {
    /// Merges `changes` into a job's metadata (`None` removes a key), making branch, tag and job
    /// when they are missing; the job's formats appear in the version that it names. The answer
    /// may be [`Error::JobLocked`], [`Error::MetadataTooLarge`], [`Error::Version`] or
    /// [`Error::FormatConflict`]; then nothing was changed.
    pub fn merge_metadata(
        &self,
        path: JobPath,
        changes: Vec<(String, Option<String>)>,
    ) -> Pending<(), Error> {
        let bytes = changes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, String::len));
        let sent = (changes.len(), bytes.sum());
        self.change(move |tx| {
            // Before anything is merged: the writer must not be busy with it (I7).
            check_size(sent)?;
            let known = tree::optional(tree::job(tx.txn, &path))?;
            if let Some((_, _, job)) = &known {
                check_change(job, &changes)?;
            }
            let version =
                tx.check_version(&path, known.as_ref().map(|(_, _, job)| job), &changes)?;
            let mut branch = tx.branch_or_new(&path.tag.branch)?;
            let tag = tx.tag_or_new(&path.tag, &mut branch)?;
            let mut job = tx.job_or_new(&path, &tag)?;
            job.merge_metadata(&changes);
            job.revision += 1;
            tx.feed(&path.tag.branch.repo, job.id, version)?;
            tx.save_job(&path, tag.id, &job)?;
            tx.save_above_job(&path, branch, tag, Delta::default())
        })
    }

    /// Says whether a job stays home when its tag is published. The answer may be
    /// [`Error::NotFound`] or [`Error::JobLocked`].
    pub fn set_job_internal(&self, path: JobPath, internal: bool) -> Pending<(), Error> {
        self.change_job(path, move |job| {
            if job.locked {
                return Err(Error::JobLocked);
            }
            job.internal = internal;
            Ok(())
        })
    }

    /// Locks a job and records the digest that was computed on `revision` of it. Locking a
    /// locked job changes nothing. The answer may be [`Error::NotFound`],
    /// [`Error::DirtyFormats`] or [`Error::Changed`].
    pub fn lock_job(&self, path: JobPath, revision: u64, digest: Digest) -> Pending<(), Error> {
        let name = path.to_string();
        self.change_job(path, move |job| {
            if job.locked {
                return Ok(());
            }
            if job.dirty_formats > 0 {
                return Err(Error::DirtyFormats);
            }
            if job.revision != revision {
                return Err(Error::Changed(name.clone()));
            }
            job.locked = true;
            job.digest = Some(digest);
            Ok(())
        })
    }

    /// Opens a locked job again; its digest stays. The answer may be [`Error::NotFound`].
    pub fn unlock_job(&self, path: JobPath) -> Pending<(), Error> {
        self.change_job(path, |job| {
            job.locked = false;
            Ok(())
        })
    }

    /// Detaches a job with all that lies below it, locked or not (publication depends on that).
    /// The answer may be [`Error::NotFound`].
    pub fn delete_job(&self, path: JobPath, cause: Cause) -> Pending<(), Error> {
        self.change(move |tx| {
            let (branch, tag, job) = tree::job(tx.txn, &path)?;
            JOBS.remove(tx.txn, &(tag.id, path.job.clone()))?;
            tx.detach(Node::Job(job.id), path.to_string(), &cause, job.usage)?;
            let delta = Delta { minus: job.usage, plus: Usage::default() };
            tx.save_above_job(&path, branch, tag, delta)
        })
    }

    fn change_job(
        &self,
        path: JobPath,
        change: impl Fn(&mut Job) -> Result<(), Error> + Send + 'static,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            let (_, tag, mut job) = tree::job(tx.txn, &path)?;
            change(&mut job)?;
            tx.save_job(&path, tag.id, &job)
        })
    }
}
