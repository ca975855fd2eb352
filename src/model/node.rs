//! [`Node`]: a container of the tree by its id, of whichever level; [`Entry`]: its name.

use serde::{Deserialize, Serialize};

use super::{
    BranchId, FormatId, GroupId, JobId, ManifestId, PackageFileId, PackageId, ProjectId, TagId,
};

/// What the children of a container are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Node {
    /// A branch with its tags.
    Branch(BranchId),
    /// A tag with its jobs.
    Tag(TagId),
    /// A job with its formats.
    Job(JobId),
    /// A format with its files.
    Format(FormatId),
    /// A manifest of the registry with what it holds. It has no way back: its record says where
    /// it was.
    Manifest(ManifestId),
    /// A group with its groups, people, tokens and cache. Its record is the way back.
    Group(GroupId),
    /// A project with its people, tokens and packages. Its record is the way back.
    Project(ProjectId),
    /// A package with its files. Its record is the way back.
    Package(PackageId),
    /// A file of a package. Its record is the way back.
    PackageFile(PackageFileId),
}

impl Node {
    /// Whether what is below it are files of the artifact tree, which its entry of the queue of
    /// detached things counts; those of packages are counted by their project.
    #[must_use]
    pub fn is_of_tree(self) -> bool {
        matches!(self, Self::Branch(_) | Self::Tag(_) | Self::Job(_) | Self::Format(_))
    }

    /// Whether its record says where it was, so that it has no [`Entry`].
    #[must_use]
    pub fn is_own_way(self) -> bool {
        match self {
            Self::Branch(_) | Self::Tag(_) | Self::Job(_) | Self::Format(_) => false,
            Self::Manifest(_)
            | Self::Group(_)
            | Self::Project(_)
            | Self::Package(_)
            | Self::PackageFile(_) => true,
        }
    }
}

/// The way back from an id to a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the container one level up (a repository for a branch).
    pub parent: u64,
    /// The name in it.
    pub name: String,
}
