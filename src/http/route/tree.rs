//! The artifact tree's part of the URLs: `branches/B/T/J/F/{path}` below a repository (spec
//! dlrepo §5-9).

use http::Method;

use super::{Refusal, Route, Spelling, branch_path, encode, unknown};
use crate::model::{ArtifactPath, BranchName, BranchPath, FormatName, JobName, Repo, TagRef};

/// A tag of a branch, or an alias of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagAt {
    /// The branch.
    pub branch: BranchPath,
    /// The tag.
    pub tag: TagRef,
}

/// A job of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAt {
    /// Where it is.
    pub parent: TagAt,
    /// Its name.
    pub job: JobName,
}

/// A format of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatAt {
    /// Where it is.
    pub parent: JobAt,
    /// Its name.
    pub format: FormatName,
}

pub(super) fn tree(
    method: &Method,
    repo: Repo,
    below: &[&str],
) -> Result<(Route, Spelling), Refusal> {
    let slash = if below.last() == Some(&"") { Spelling::Canonical } else { Spelling::Variant };
    let (names, path) = below.split_at(below.len().min(4));
    match (names, path) {
        ([] | [""], _) => Ok((Route::Branches(repo), slash)),
        ([branch] | [branch, ""], _) => {
            Ok((Route::Branch(repo.branch(BranchName::parse(branch)?)), slash))
        }
        ([branch, tag] | [branch, tag, ""], _) => {
            let at = tag_at(repo, branch, tag)?;
            Ok((Route::Tag(at), slash.or_case(names)))
        }
        ([branch, tag, job], _) => {
            if let Some(name) = job.strip_suffix(".tar") {
                let at = job_at(repo, branch, tag, name)?;
                return Ok((Route::JobArchive(at), Spelling::Canonical.or_case(names)));
            }
            Ok((Route::Job(job_at(repo, branch, tag, job)?), slash.or_case(names)))
        }
        ([branch, tag, job, ""], []) => {
            let at = job_at(repo, branch, tag, job)?;
            Ok((Route::Job(at), slash.or_case(names)))
        }
        ([branch, tag, job, format], []) => {
            let parent = job_at(repo, branch, tag, job)?;
            let route = without_slash(parent, format)?;
            Ok((route, Spelling::Canonical.or_case(names)))
        }
        ([branch, tag, job, format], path) => {
            let parent = job_at(repo, branch, tag, job)?;
            let at = FormatAt { parent, format: FormatName::parse(format)? };
            Ok((within(method, at, &path.join("/"))?, Spelling::Canonical.or_case(names)))
        }
        _ => Err(unknown()),
    }
}

fn without_slash(parent: JobAt, segment: &str) -> Result<Route, Refusal> {
    if let Some(name) = segment.strip_suffix(".tar") {
        return Ok(Route::FormatArchive(FormatAt { parent, format: FormatName::parse(name)? }));
    }
    match segment.strip_suffix(".sha256") {
        Some(name) => Ok(Route::Sums(FormatAt { parent, format: FormatName::parse(name)? })),
        None => Ok(Route::Format(FormatAt { parent, format: FormatName::parse(segment)? })),
    }
}

fn within(method: &Method, at: FormatAt, path: &str) -> Result<Route, Refusal> {
    let folder = path.strip_suffix('/').filter(|_| *method != Method::PUT);
    match (path, folder) {
        ("", _) => Ok(Route::FormatFolder(at)),
        (_, Some(folder)) => Ok(Route::Folder(at, ArtifactPath::parse(folder)?)),
        (path, None) => Ok(Route::Artifact(at, ArtifactPath::parse(path)?)),
    }
}

fn tag_at(repo: Repo, branch: &str, tag: &str) -> Result<TagAt, Refusal> {
    Ok(TagAt { branch: repo.branch(BranchName::parse(branch)?), tag: TagRef::parse(tag)? })
}

fn job_at(repo: Repo, branch: &str, tag: &str, job: &str) -> Result<JobAt, Refusal> {
    let parent = tag_at(repo, branch, tag)?;
    Ok(JobAt { parent, job: JobName::parse(job)? })
}

impl TagAt {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", branch_path(&self.branch), encode(&self.tag.to_string()))
    }
}

impl JobAt {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.parent.path(), encode(self.job.as_str()))
    }
}

impl FormatAt {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.parent.path(), encode(self.format.as_str()))
    }
}

/// The file whose checksum `X.sha256` is, when no file of that name was uploaded.
#[must_use]
pub fn sums_of(path: &ArtifactPath) -> Option<ArtifactPath> {
    ArtifactPath::parse(path.as_str().strip_suffix(".sha256")?).ok()
}
