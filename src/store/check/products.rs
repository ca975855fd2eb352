//! The index of products: what it says of each job, and rows of it that nothing stands behind.
//!
//! Truth is the metadata of the jobs that names lead to. Below detached things a row goes
//! shortly before the job that it speaks of, so none is missed there.

use super::fix::{Erase, Fix};
use super::{Halt, Pass};
use crate::db;
use crate::db::keys::Key;
use crate::db::schema::{BRANCHES, FEEDERS, FEEDS, JOBS, NODES, TAGS, VERSIONS};
use crate::db::{Found, Rows, Span};
use crate::model::{
    BranchId, BranchName, Feed, Job, JobId, JobName, Node, RepoId, TagId, TagName, VersionId,
    VersionKey, VersionNames,
};
use crate::store::{Error, Tx};

impl Pass<'_, '_, '_> {
    /// Whether a job that names lead to feeds the version that its metadata names.
    pub(super) fn feed(&mut self, at: TagId, name: &JobName, job: &Job) -> Result<(), Halt> {
        let names = VersionNames::of(&job.metadata).ok().flatten();
        let fed = readable(FEEDS.get(self.rows, &job.id))?.flatten();
        let is_right = match (&names, &fed) {
            (None, None) => true,
            (Some(names), Some(fed)) => fed.key.names == *names && self.is_whole(job.id, fed)?,
            _ => false,
        };
        // The repository is known by the way up only, which may be what is broken.
        let repo = repo_of(self.rows, at)?;
        let is_home = fed.as_ref().zip(repo).is_none_or(|(fed, repo)| fed.key.repo == repo);
        if let Some(repo) = repo.filter(|_| !(is_right && is_home)) {
            let what = format!("{} is not in the product that its metadata names", self.path);
            self.found.differ(what, Fix::Feed(repo, (at, name.clone())));
        }
        Ok(())
    }

    /// Whether the version that a job feeds is there and lists it.
    fn is_whole(&self, job: JobId, fed: &Feed) -> Result<bool, Halt> {
        let version = readable(VERSIONS.get(self.rows, &fed.key))?.flatten();
        Ok(version.is_some_and(|version| version.id == fed.version)
            && FEEDERS.has(self.rows, &(fed.version, job))?)
    }

    pub(super) fn check_products(&mut self) -> Result<(), Halt> {
        self.stray_feeds()?;
        self.stray_feeders()?;
        self.stray_versions()
    }

    fn stray_feeds(&mut self) -> Result<(), Halt> {
        for row in FEEDS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(job, _) => {
                    let node = Node::Job(job);
                    if !NODES.has(self.rows, &node)? && !self.misnamed.contains(&node) {
                        let id = job.0;
                        let what = format!("job {id} feeds a version, but it is not there");
                        self.found.differ(what, Fix::StrayFeed(job));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| FEEDS.remove_unreadable(txn, key);
                    self.broken(FEEDS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn stray_feeders(&mut self) -> Result<(), Halt> {
        for row in FEEDERS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((version, job), ()) => {
                    let fed = readable(FEEDS.get(self.rows, &job))?.flatten();
                    if fed.is_none_or(|fed| fed.version != version) {
                        let (version_id, id) = (version.0, job.0);
                        let what = format!("version {version_id} lists job {id} in vain");
                        self.found.differ(what, Fix::StrayFeeder(version, job));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| FEEDERS.remove_unreadable(txn, key);
                    self.broken(FEEDERS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn stray_versions(&mut self) -> Result<(), Halt> {
        for row in VERSIONS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(key, version) => {
                    if !has_feeder(self.rows, version.id)? {
                        let VersionNames { product, version, .. } = &key.names;
                        let what = format!("version {version} of {product} is fed by no job");
                        self.found.differ(what, Fix::StrayVersion(key));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| VERSIONS.remove_unreadable(txn, key);
                    self.broken(VERSIONS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }
}

/// `None` for a row that cannot be read.
pub(super) fn readable<T>(found: Result<T, db::Error>) -> Result<Option<T>, db::Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(db::Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn has_feeder(rows: &impl Rows, version: VersionId) -> Result<bool, db::Error> {
    Ok(FEEDERS.cursor(rows, Span::under(&version)).next().transpose()?.is_some())
}

/// The repository of a tag, if names lead to it.
fn repo_of(rows: &impl Rows, tag: TagId) -> Result<Option<RepoId>, db::Error> {
    let Some(entry) = readable(NODES.get(rows, &Node::Tag(tag)))?.flatten() else {
        return Ok(None);
    };
    let branch = BranchId(entry.parent);
    let Ok(name) = TagName::parse(&entry.name) else { return Ok(None) };
    let found = readable(TAGS.get(rows, &(branch, name)))?.flatten();
    let above = readable(NODES.get(rows, &Node::Branch(branch)))?.flatten();
    let (Some(found), Some(entry)) = (found, above) else { return Ok(None) };
    let Ok(name) = BranchName::parse(&entry.name) else { return Ok(None) };
    let repo = RepoId(entry.parent);
    let above = readable(BRANCHES.get(rows, &(repo, name)))?.flatten();
    let is_named = found.id == tag && above.is_some_and(|above| above.id == branch);
    Ok(is_named.then_some(repo))
}

impl Tx<'_, '_> {
    pub(super) fn fix_feed(&self, repo: RepoId, at: &(TagId, JobName)) -> Result<bool, Error> {
        let Some(job) = JOBS.get(self.txn, at)? else { return Ok(false) };
        if repo_of(self.txn, at.0)? != Some(repo) {
            return Ok(false);
        }
        let names = VersionNames::of(&job.metadata).ok().flatten();
        let key = names.map(|names| VersionKey { repo, names });
        // From the start: parts of what is there may be missing, or damaged.
        FEEDS.remove_unreadable(self.txn, &job.id.to_bytes())?;
        if let Some(key) = &key {
            VERSIONS.remove_unreadable(self.txn, &key.to_bytes())?;
        }
        self.unfeed(job.id)?;
        self.feed_at(job.id, key)?;
        Ok(true)
    }

    pub(super) fn drop_feed(&self, job: JobId) -> Result<bool, Error> {
        if NODES.has(self.txn, &Node::Job(job))? || !FEEDS.has(self.txn, &job)? {
            return Ok(false);
        }
        self.unfeed(job)?;
        Ok(true)
    }

    pub(super) fn drop_feeder(&self, version: VersionId, job: JobId) -> Result<bool, Error> {
        if FEEDS.get(self.txn, &job)?.is_some_and(|fed| fed.version == version) {
            return Ok(false);
        }
        Ok(FEEDERS.remove(self.txn, &(version, job))?)
    }

    pub(super) fn drop_unfed(&self, key: &VersionKey) -> Result<bool, Error> {
        let Some(version) = VERSIONS.get(self.txn, key)? else { return Ok(false) };
        if has_feeder(self.txn, version.id)? {
            return Ok(false);
        }
        self.drop_version(key, version.id)
    }
}
