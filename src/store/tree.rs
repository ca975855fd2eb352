//! The artifact tree's rows: finding a chain of containers by its names, making what is missing,
//! and keeping what makes detaching O(1): usage at every level, counts of tags, ways back.

use super::{Error, Tx, products, referrers, repos};
use crate::db::Rows;
use crate::db::schema::{BRANCHES, FORMATS, JOBS, MANIFESTS, Meta, NODES, TAG_AGES, TAGS};
use crate::model::{
    Branch, BranchId, BranchPath, CleanupPolicy, Entry, Format, FormatId, FormatPath, Job, JobId,
    JobPath, Node, OciDigest, RepoId, Tag, TagCounts, TagId, TagPath, Usage,
};

/// The containers on the way down to a format.
pub(super) struct Chain {
    pub(super) branch: Branch,
    pub(super) tag: Tag,
    pub(super) job: Job,
    pub(super) format: Format,
}

pub(super) fn branch(rows: &impl Rows, path: &BranchPath) -> Result<Branch, Error> {
    let found = BRANCHES.get(rows, &repos::branch_key(rows, path)?)?;
    found.ok_or_else(|| Error::NotFound(path.to_string()))
}

pub(super) fn tag(rows: &impl Rows, path: &TagPath) -> Result<(Branch, Tag), Error> {
    let branch = branch(rows, &path.branch)?;
    let found = TAGS.get(rows, &(branch.id, path.tag.clone()))?;
    Ok((branch, found.ok_or_else(|| Error::NotFound(path.to_string()))?))
}

pub(super) fn job(rows: &impl Rows, path: &JobPath) -> Result<(Branch, Tag, Job), Error> {
    let (branch, tag) = tag(rows, &path.tag)?;
    let found = JOBS.get(rows, &(tag.id, path.job.clone()))?;
    Ok((branch, tag, found.ok_or_else(|| Error::NotFound(path.to_string()))?))
}

pub(super) fn format(rows: &impl Rows, path: &FormatPath) -> Result<Chain, Error> {
    let (branch, tag, job) = job(rows, &path.job)?;
    let found = FORMATS.get(rows, &(job.id, path.format.clone()))?;
    let format = found.ok_or_else(|| Error::NotFound(path.to_string()))?;
    Ok(Chain { branch, tag, job, format })
}

/// `None` instead of [`Error::NotFound`].
pub(super) fn optional<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How usage changes: what goes and what comes.
#[derive(Clone, Copy, Default)]
pub(super) struct Delta {
    pub(super) minus: Usage,
    pub(super) plus: Usage,
}

impl Delta {
    pub(super) fn apply(self, usage: &mut Usage) {
        *usage = usage.plus(self.plus).minus(self.minus);
    }
}

impl Tx<'_, '_> {
    pub(super) fn branch_or_new(&self, path: &BranchPath) -> Result<Branch, Error> {
        if let Some(branch) = optional(branch(self.txn, path))? {
            return Ok(branch);
        }
        let repo = self.repo_or_new(&path.repo)?;
        let id = BranchId(self.next(Meta::NEXT_NODE)?);
        self.enter(Node::Branch(id), repo.0, path.branch.as_str())?;
        Ok(Branch {
            id,
            created: self.now,
            policy: CleanupPolicy::default(),
            generation: 0,
            tags: TagCounts::default(),
            usage: Usage::default(),
        })
    }

    pub(super) fn tag_or_new(&self, path: &TagPath, branch: &mut Branch) -> Result<Tag, Error> {
        if let Some(tag) = TAGS.get(self.txn, &(branch.id, path.tag.clone()))? {
            return Ok(tag);
        }
        let id = TagId(self.next(Meta::NEXT_NODE)?);
        self.enter(Node::Tag(id), branch.id.0, path.tag.as_str())?;
        TAG_AGES.put(self.txn, &(branch.id, (self.now, id)), &path.tag)?;
        branch.tags.all += 1;
        branch.generation += 1;
        Ok(Tag {
            id,
            created: self.now,
            released: false,
            locked: false,
            stable: false,
            description: None,
            publish_status: None,
            usage: Usage::default(),
        })
    }

    pub(super) fn job_or_new(&self, path: &JobPath, tag: &Tag) -> Result<Job, Error> {
        if let Some(job) = JOBS.get(self.txn, &(tag.id, path.job.clone()))? {
            return Ok(job);
        }
        let id = JobId(self.next(Meta::NEXT_NODE)?);
        self.enter(Node::Job(id), tag.id.0, path.job.as_str())?;
        Ok(Job {
            id,
            created: self.now,
            locked: false,
            internal: false,
            released: false,
            digest: None,
            metadata: Vec::new(),
            revision: 0,
            dirty_formats: 0,
            usage: Usage::default(),
        })
    }

    /// The chain down to a format, with new records for what is missing. [`Self::save`] writes it.
    pub(super) fn chain_or_new(&self, path: &FormatPath) -> Result<Chain, Error> {
        let mut branch = self.branch_or_new(&path.job.tag.branch)?;
        let tag = self.tag_or_new(&path.job.tag, &mut branch)?;
        let job = self.job_or_new(&path.job, &tag)?;
        let found = FORMATS.get(self.txn, &(job.id, path.format.clone()))?;
        let format = match found {
            Some(format) => format,
            None => self.new_format(path, &job)?,
        };
        Ok(Chain { branch, tag, job, format })
    }

    pub(super) fn new_format(&self, path: &FormatPath, job: &Job) -> Result<Format, Error> {
        // A job that feeds a version is not new, and so neither is what lies above: nothing was
        // changed yet.
        products::check_new_format(self.txn, job.id, &path.format)?;
        let id = FormatId(self.next(Meta::NEXT_NODE)?);
        self.enter(Node::Format(id), job.id.0, path.format.as_str())?;
        let usage = Usage::default();
        Ok(Format { id, created: self.now, changed: self.now, dirty: false, nested: false, usage })
    }

    fn enter(&self, node: Node, parent: u64, name: &str) -> Result<(), Error> {
        let entry = Entry { parent, name: name.to_owned() };
        Ok(NODES.put(self.txn, &node, &entry)?)
    }

    pub(super) fn save_branch(&self, path: &BranchPath, branch: &Branch) -> Result<(), Error> {
        Ok(BRANCHES.put(self.txn, &repos::branch_key(self.txn, path)?, branch)?)
    }

    pub(super) fn save_tag(&self, path: &TagPath, at: BranchId, tag: &Tag) -> Result<(), Error> {
        Ok(TAGS.put(self.txn, &(at, path.tag.clone()), tag)?)
    }

    pub(super) fn save_job(&self, path: &JobPath, at: TagId, job: &Job) -> Result<(), Error> {
        Ok(JOBS.put(self.txn, &(at, path.job.clone()), job)?)
    }

    pub(super) fn save_format(
        &self,
        path: &FormatPath,
        at: JobId,
        format: &Format,
    ) -> Result<(), Error> {
        Ok(FORMATS.put(self.txn, &(at, path.format.clone()), format)?)
    }

    /// Writes a whole chain whose usage changed by `delta`.
    pub(super) fn save(
        &self,
        path: &FormatPath,
        mut chain: Chain,
        delta: Delta,
    ) -> Result<(), Error> {
        delta.apply(&mut chain.format.usage);
        self.save_format(path, chain.job.id, &chain.format)?;
        self.save_above_format(path, chain, delta)
    }

    /// Writes the containers above a format whose usage changed by `delta`.
    pub(super) fn save_above_format(
        &self,
        path: &FormatPath,
        mut chain: Chain,
        delta: Delta,
    ) -> Result<(), Error> {
        delta.apply(&mut chain.job.usage);
        self.save_job(&path.job, chain.tag.id, &chain.job)?;
        self.save_above_job(&path.job, chain.branch, chain.tag, delta)
    }

    /// Writes the containers above a job whose usage changed by `delta`.
    pub(super) fn save_above_job(
        &self,
        path: &JobPath,
        branch: Branch,
        mut tag: Tag,
        delta: Delta,
    ) -> Result<(), Error> {
        delta.apply(&mut tag.usage);
        self.save_tag(&path.tag, branch.id, &tag)?;
        self.save_above_tag(&path.tag, branch, delta)
    }

    /// Writes the branch above a tag, whose usage changed by `delta`, its repository and the
    /// totals.
    pub(super) fn save_above_tag(
        &self,
        path: &TagPath,
        mut branch: Branch,
        delta: Delta,
    ) -> Result<(), Error> {
        delta.apply(&mut branch.usage);
        self.save_branch(&path.branch, &branch)?;
        self.charge(&path.branch.repo, delta)?;
        self.count(|totals| delta.apply(&mut totals.named))
    }
}

/// The path that an id had or has, from its way back. For people: a part of it may be detached,
/// and what lies above a detached thing may be destroyed already, which is shown as `…`.
pub(super) fn path_of(rows: &impl Rows, node: Node) -> Result<String, Error> {
    if let Node::Manifest(id) = node {
        let Some(manifest) = MANIFESTS.get(rows, &id)? else { return Ok("/v2/…/".to_owned()) };
        let digest = OciDigest::from(manifest.digest);
        return Ok(format!("{}manifests/{digest}", referrers::image_path(rows, manifest.image)?));
    }
    let mut names = Vec::new();
    let mut at = Some(node);
    let mut repo = RepoId::SHARED;
    while let Some(node) = at {
        let found = NODES.get(rows, &node)?;
        let Some(Entry { parent, name }) = found else {
            names.push("…".into());
            break;
        };
        names.push(name);
        at = match node {
            Node::Manifest(_)
            | Node::Group(_)
            | Node::Project(_)
            | Node::Package(_)
            | Node::PackageFile(_) => None,
            Node::Branch(_) => {
                repo = RepoId(parent);
                None
            }
            Node::Tag(_) => Some(Node::Branch(BranchId(parent))),
            Node::Job(_) => Some(Node::Tag(TagId(parent))),
            Node::Format(_) => Some(Node::Job(JobId(parent))),
        };
    }
    names.reverse();
    let repo = repos::of(rows, repo)?.map_or_else(|| "/~…".to_owned(), |repo| repo.to_string());
    Ok(format!("{repo}/branches/{}/", names.join("/")))
}
