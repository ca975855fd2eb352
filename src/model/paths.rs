//! Where a thing of the artifact tree is: its names from the repository down. Displayed as the
//! canonical, not percent-encoded URL path, so that messages and the access rules (I9) speak of
//! the same thing.

use std::fmt;

use super::{
    ArtifactPath, BranchName, FormatName, JobName, ProductBranchName, ProductName, TagName,
    UserName, VariantName, VersionName, VersionNames,
};

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
    /// A product of a repository.
    ProductPath { repo: Repo, product: ProductName }
    /// A variant of a product.
    VariantPath { product: ProductPath, variant: VariantName }
    /// A branch of a variant.
    ProductBranchPath { variant: VariantPath, branch: ProductBranchName }
    /// A version of a product's branch.
    VersionPath { branch: ProductBranchPath, version: VersionName }
    /// A format of a version.
    VersionFormatPath { version: VersionPath, format: FormatName }
    /// A file of a version's format.
    VersionFilePath { format: VersionFormatPath, path: ArtifactPath }
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

impl VersionPath {
    /// The version of these names in a repository.
    #[must_use]
    pub fn new(repo: Repo, names: VersionNames) -> Self {
        let VersionNames { product, variant, branch, version } = names;
        let variant = VariantPath { product: ProductPath { repo, product }, variant };
        Self { branch: ProductBranchPath { variant, branch }, version }
    }

    /// The repository that it is in.
    #[must_use]
    pub fn repo(&self) -> &Repo {
        &self.branch.variant.product.repo
    }

    /// Its names within that.
    #[must_use]
    pub fn names(&self) -> VersionNames {
        VersionNames {
            product: self.branch.variant.product.product.clone(),
            variant: self.branch.variant.variant.clone(),
            branch: self.branch.branch.clone(),
            version: self.version.clone(),
        }
    }

    /// A format of this version.
    #[must_use]
    pub fn format(self, format: FormatName) -> VersionFormatPath {
        VersionFormatPath { version: self, format }
    }
}

impl fmt::Display for ProductPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/products/{}/", self.repo, self.product)
    }
}

impl fmt::Display for VariantPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.product, self.variant)
    }
}

impl fmt::Display for ProductBranchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.variant, self.branch)
    }
}

impl fmt::Display for VersionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.branch, self.version)
    }
}

impl fmt::Display for VersionFormatPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/", self.version, self.format)
    }
}

impl fmt::Display for VersionFilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.format, self.path)
    }
}
