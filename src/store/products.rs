//! Products: versions, and which jobs feed them (spec dlrepo §10).
//!
//! An index over the metadata of jobs, kept in the transactions that change those. The formats
//! of a version are those of the jobs that feed it, looked up when they are asked for; so one
//! that is uploaded later is there at once. A job counts as long as names lead to it: detaching
//! a tag hides its entries at once at no cost, and destroying it removes them (I7).
//! Deliberately absent: records of products, variants and their branches, which are there while
//! a version below them is.

mod listing;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Budget, Error, Tx, repos};
use crate::db::schema::{BRANCHES, FEEDERS, FEEDS, FORMATS, JOBS, Meta, NODES, TAGS, VERSIONS};
use crate::db::{Rows, Span};
use crate::model::{
    BranchName, Feed, FormatName, Job, JobId, JobName, JobPath, Node, ProductBranchPath, Repo,
    RepoId, Tag, TagId, TagName, Version, VersionId, VersionKey, VersionNames, VersionPath,
};

pub use listing::VersionState;

/// Names that are looked up one by one.
const LOOKS_MAX: usize = 16;

/// A job that feeds a version, reached by its names.
struct Feeder {
    path: JobPath,
    tag: Tag,
    job: Job,
}

/// The job with this id, if its names still lead to it.
fn feeder(rows: &impl Rows, id: JobId) -> Result<Option<Feeder>, Error> {
    let Some((tag_id, name)) = way_up(rows, Node::Job(id))? else { return Ok(None) };
    let tag_id = TagId(tag_id);
    let Ok(job_name) = JobName::parse(&name) else { return Ok(None) };
    let Some((branch_id, name)) = way_up(rows, Node::Tag(tag_id))? else { return Ok(None) };
    let branch_id = crate::model::BranchId(branch_id);
    let Ok(tag_name) = TagName::parse(&name) else { return Ok(None) };
    let Some((repo_id, name)) = way_up(rows, Node::Branch(branch_id))? else { return Ok(None) };
    let repo_id = RepoId(repo_id);
    let Ok(branch_name) = BranchName::parse(&name) else { return Ok(None) };
    let Some(repo) = repos::of(rows, repo_id)? else { return Ok(None) };
    let branch = BRANCHES.get(rows, &(repo_id, branch_name.clone()))?;
    let tag = TAGS.get(rows, &(branch_id, tag_name.clone()))?.filter(|tag| tag.id == tag_id);
    let job = JOBS.get(rows, &(tag_id, job_name.clone()))?.filter(|job| job.id == id);
    if branch.is_none_or(|branch| branch.id != branch_id) {
        return Ok(None);
    }
    let path = repo.branch(branch_name).tag(tag_name).job(job_name);
    Ok(tag.zip(job).map(|(tag, job)| Feeder { path, tag, job }))
}

fn way_up(rows: &impl Rows, node: Node) -> Result<Option<(u64, String)>, Error> {
    Ok(NODES.get(rows, &node)?.map(|entry| (entry.parent, entry.name)))
}

/// The jobs that feed a version, in order of their creation; none below detached things.
fn feeders(rows: &impl Rows, version: VersionId) -> Result<Vec<Feeder>, Error> {
    let mut found = Vec::new();
    for ((_, job), ()) in FEEDERS.all(rows, Span::under(&version))? {
        found.extend(feeder(rows, job)?);
    }
    Ok(found)
}

/// Whether any job feeds a version. Looks no further than the first one that does (I7).
fn is_fed(rows: &impl Rows, version: VersionId) -> Result<bool, Error> {
    let mut found = false;
    FEEDERS.each(rows, Span::under(&version), |(_, job), ()| {
        found = feeder(rows, job)?.is_some();
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// The version at a key, if any job feeds it.
fn version(rows: &impl Rows, key: &VersionKey) -> Result<Option<Version>, Error> {
    match VERSIONS.get(rows, key)? {
        Some(version) if is_fed(rows, version.id)? => Ok(Some(version)),
        _ => Ok(None),
    }
}

/// Whether there is such a branch of a product: a job feeds a version of it. Looks no further
/// than the first one (I7).
pub(super) fn has_branch(rows: &impl Rows, path: &ProductBranchPath) -> Result<bool, Error> {
    let Some(repo) = repos::id(rows, &path.variant.product.repo)? else { return Ok(false) };
    let (variant, product) = (&path.variant.variant, &path.variant.product.product);
    let key = (((repo, product.clone()), variant.clone()), path.branch.clone());
    let mut found = false;
    VERSIONS.each(rows, Span::under(&key), |_, version| {
        found = is_fed(rows, version.id)?;
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Whether a job may have a new format: no other job that feeds its version has one of the name.
pub(super) fn check_new_format(
    rows: &impl Rows,
    job: JobId,
    name: &FormatName,
) -> Result<(), Error> {
    match FEEDS.get(rows, &job)? {
        Some(feed) => check_formats(rows, &feed.key, job, &BTreeSet::from([name.clone()])),
        None => Ok(()),
    }
}

/// Whether no live job but `own` gives a version one of these formats.
fn check_formats(
    rows: &impl Rows,
    key: &VersionKey,
    own: JobId,
    names: &BTreeSet<FormatName>,
) -> Result<(), Error> {
    let Some(version) = VERSIONS.get(rows, key)? else { return Ok(()) };
    for ((_, job), ()) in FEEDERS.all(rows, Span::under(&version.id))? {
        if job == own {
            continue;
        }
        // Most have none of them; only a conflict is looked into.
        let Some(format) = shared_format(rows, job, names)? else { continue };
        if let Some(other) = feeder(rows, job)? {
            let repo = repos::of(rows, key.repo)?.unwrap_or(Repo::Shared);
            let version = VersionPath::new(repo, key.names.clone()).to_string();
            let job = other.path.to_string();
            return Err(Error::FormatConflict { format, version, job });
        }
    }
    Ok(())
}

/// One of `names` that a job has a format of. The work is bounded by the number of its formats
/// where there are many names, so that all jobs together cost no more than a walk over them (I7).
fn shared_format(
    rows: &impl Rows,
    job: JobId,
    names: &BTreeSet<FormatName>,
) -> Result<Option<FormatName>, Error> {
    if names.len() <= LOOKS_MAX {
        for name in names {
            if FORMATS.has(rows, &(job, name.clone()))? {
                return Ok(Some(name.clone()));
            }
        }
        return Ok(None);
    }
    let mut found = None;
    FORMATS.each(rows, Span::under(&job), |(_, name), _| {
        if !names.contains(&name) {
            return Ok::<_, Error>(ControlFlow::Continue(()));
        }
        found = Some(name);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

impl Tx<'_, '_> {
    /// The version that a job is to feed once `changes` are merged into its metadata. Changes
    /// nothing: the formats of the others that feed it are compared with those of the job.
    pub(super) fn check_version(
        &self,
        path: &JobPath,
        job: Option<&Job>,
        changes: &[(String, Option<String>)],
    ) -> Result<Option<VersionNames>, Error> {
        let mut metadata = job.map(|job| job.metadata.clone()).unwrap_or_default();
        crate::model::job::merge(&mut metadata, changes);
        let Some(names) = VersionNames::of(&metadata)? else { return Ok(None) };
        let (Some(job), Some(repo)) = (job, repos::id(self.txn, &path.tag.branch.repo)?) else {
            // It has no formats yet.
            return Ok(Some(names));
        };
        let key = VersionKey { repo, names };
        let fed = FEEDS.get(self.txn, &job.id)?;
        // What it feeds already was tested as each format came.
        if fed.is_none_or(|fed| fed.key != key) {
            let formats = FORMATS.all(self.txn, Span::under(&job.id))?;
            let formats = formats.into_iter().map(|((_, name), _)| name).collect();
            check_formats(self.txn, &key, job.id, &formats)?;
        }
        Ok(Some(key.names))
    }

    /// Lets a job feed that version of its repository and no other.
    pub(super) fn feed(
        &self,
        repo: &Repo,
        job: JobId,
        names: Option<VersionNames>,
    ) -> Result<(), Error> {
        let repo = repos::id(self.txn, repo)?;
        let key = repo.zip(names).map(|(repo, names)| VersionKey { repo, names });
        self.feed_at(job, key)
    }

    /// As [`Self::feed`]; tells in the rows nothing that they say already.
    pub(super) fn feed_at(&self, job: JobId, key: Option<VersionKey>) -> Result<(), Error> {
        let fed = FEEDS.get(self.txn, &job)?;
        if fed.as_ref().map(|fed| &fed.key) == key.as_ref() {
            return Ok(());
        }
        self.unfeed(job)?;
        let Some(key) = key else { return Ok(()) };
        let version = match version(self.txn, &key)? {
            Some(version) => version,
            None => self.new_version(&key)?,
        };
        FEEDERS.put(self.txn, &(version.id, job), &())?;
        Ok(FEEDS.put(self.txn, &job, &Feed { version: version.id, key })?)
    }

    fn new_version(&self, key: &VersionKey) -> Result<Version, Error> {
        let id = VersionId(self.next(Meta::NEXT_NODE)?);
        let version = Version { id, created: self.now };
        VERSIONS.put(self.txn, key, &version)?;
        Ok(version)
    }

    /// Takes a job out of the version that it feeds; one that nothing feeds any more goes.
    pub(super) fn unfeed(&self, job: JobId) -> Result<(), Error> {
        let Some(Feed { version, key }) = FEEDS.get(self.txn, &job)? else { return Ok(()) };
        FEEDS.remove(self.txn, &job)?;
        FEEDERS.remove(self.txn, &(version, job))?;
        if FEEDERS.first(self.txn, Span::under(&version))?.is_none() {
            self.drop_version(&key, version)?;
        }
        Ok(())
    }

    /// Removes the version of that id; another one may have its names by now.
    pub(super) fn drop_version(&self, key: &VersionKey, id: VersionId) -> Result<bool, Error> {
        if VERSIONS.get(self.txn, key)?.is_none_or(|version| version.id != id) {
            return Ok(false);
        }
        Ok(VERSIONS.remove(self.txn, key)?)
    }

    /// Removes what a destroyed job fed; `false` when the budget is used up.
    pub(super) fn destroy_feed(&self, job: JobId, budget: &Budget) -> Result<bool, Error> {
        if !FEEDS.has(self.txn, &job)? {
            return Ok(true);
        }
        if !budget.take() {
            return Ok(false);
        }
        self.unfeed(job)?;
        Ok(true)
    }
}
