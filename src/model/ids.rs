//! Numeric names of things: what a directory entry points to.
//!
//! Ids are given in order of arrival and never given twice, so what came together lies together
//! in the tables, and a deleted name can be used again while its old id is being destroyed.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
    )*};
}

ids! {
    /// A blob, in order of arrival.
    BlobId;
    /// A tree of branches: the shared one, or a user's.
    RepoId;
    /// A branch.
    BranchId;
    /// A tag.
    TagId;
    /// A job.
    JobId;
    /// A format.
    FormatId;
    /// A version of a product.
    VersionId;
    /// An entry of the queue of detached things.
    QueueId;
    /// A run of the sweeper.
    RunId;
    /// A repository of the registry.
    ImageId;
    /// A manifest of the registry.
    ManifestId;
    /// A group.
    GroupId;
    /// A user, as the API of groups numbers them.
    UserNumber;
    /// A deploy token.
    DeployTokenId;
    /// An entry of a cache of other registries' images.
    CachedId;
    /// A project; groups and projects are numbered together.
    ProjectId;
    /// A package.
    PackageId;
    /// A file of a package: of two with one name the higher one is the newer.
    PackageFileId;
    /// A moving name of a package.
    PackageTagId;
    /// A rule that protects packages.
    ProtectionRuleId;
    /// How often the packages of one name had changed.
    Revision;
    /// An access token; drawn by lot, unlike the others, since its owner sees it.
    TokenId;
}

impl GroupId {
    /// What groups are in that are in no group.
    pub const TOP: Self = Self(0);
}

impl RepoId {
    /// The tree that everybody shares: `/branches/…` without a user.
    pub const SHARED: Self = Self(0);
}

/// Who holds a blob: the key of the record that names it, so that its owner can be named to a
/// person and the record itself can be looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referrer {
    /// The file at this path of this format.
    Artifact(FormatId, super::ArtifactPath),
    /// A repository of the registry, for all of its manifests that name the blob, or for an
    /// upload link.
    Image(ImageId),
    /// The manifest whose bytes the blob is.
    Manifest(ManifestId),
    /// An entry of a cache of other registries' images, whatever its state.
    Cached(CachedId),
    /// A file of a package, marked or not.
    PackageFile(PackageFileId),
}
