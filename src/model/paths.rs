//! Where a thing of the artifact tree is: its names from the repository down. Displayed as the
//! canonical, not percent-encoded URL path, so that messages and the access rules (I9) speak of
//! the same thing.

use std::fmt;

use super::{ArtifactPath, BranchName, FormatName, JobName, TagName, UserName};

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident { $up:ident: $parent:ty, $last:ident: $type:ty })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            /// One level up.
            pub $up: $parent,
            /// The name there.
            pub $last: $type,
        }
    )*};
}

paths! {
    /// A branch of a repository.
    BranchPath { repo: Repo, branch: BranchName }
    /// A tag of a branch.
    TagPath { branch: BranchPath, tag: TagName }
    /// A job of a tag.
    JobPath { tag: TagPath, job: JobName }
    /// A format of a job.
    FormatPath { job: JobPath, format: FormatName }
    /// A file of a format.
    FilePath { format: FormatPath, path: ArtifactPath }
}

/// A tree of branches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repo {
    /// The one that everybody shares.
    Shared,
    /// A user's own.
    User(UserName),
}

impl Repo {
    /// A branch of this repository.
    #[must_use]
    pub fn branch(self, branch: BranchName) -> BranchPath {
        BranchPath { repo: self, branch }
    }
}

/// What comes before `/branches/`.
impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => Ok(()),
            Self::User(user) => write!(f, "/~{user}"),
        }
    }
}

impl BranchPath {
    /// A branch of the repository that everybody shares.
    #[must_use]
    pub fn shared(branch: BranchName) -> Self {
        Repo::Shared.branch(branch)
    }

    /// A tag of this branch.
    #[must_use]
    pub fn tag(self, tag: TagName) -> TagPath {
        TagPath { branch: self, tag }
    }
}

impl TagPath {
    /// A job of this tag.
    #[must_use]
    pub fn job(self, job: JobName) -> JobPath {
        JobPath { tag: self, job }
    }
}

impl JobPath {
    /// A format of this job.
    #[must_use]
    pub fn format(self, format: FormatName) -> FormatPath {
        FormatPath { job: self, format }
    }
}

impl FormatPath {
    /// A file of this format.
    #[must_use]
    pub fn file(self, path: ArtifactPath) -> FilePath {
        FilePath { format: self, path }
    }
}

impl FilePath {
    /// The repository that this file is in.
    #[must_use]
    pub fn repo(&self) -> &Repo {
        &self.format.job.tag.branch.repo
    }
}

impl fmt::Display for BranchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/branches/{}/", self.repo, self.branch)
    }
}

impl fmt::Display for TagPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.branch, self.tag)
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.tag, self.job)
    }
}

impl fmt::Display for FormatPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.job, self.format)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.format, self.path)
    }
}
