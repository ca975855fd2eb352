//! Floor 0: the words of the house. Pure values and rules, no clock and no disk.
//!
//! A type here is valid because it exists: it can only be made by parsing. What a record looks
//! like is decided here; where it is kept is decided in [`crate::store`].
//! Deliberately absent: bytes on a disk, time from outside, HTTP.

pub mod account;
pub mod acl;
mod basis;
pub mod blob;
pub mod branch;
pub mod cached;
pub mod caller;
pub mod command;
pub mod deploy_token;
mod detached;
pub mod digest;
pub mod format;
pub mod generic_package;
pub mod grants;
pub mod group;
pub mod human;
pub mod ids;
pub mod image;
pub mod job;
pub mod json;
pub mod listed;
pub mod manifest;
pub mod maven_metadata;
pub mod maven_package;
pub mod maven_version;
pub mod names;
pub mod networks;
pub mod node;
pub mod npm_package;
pub mod oci_digest;
pub mod oci_manifest;
pub mod package;
pub mod package_plan;
pub mod package_policy;
pub mod paths;
pub mod pattern;
pub mod policy;
pub mod product;
pub mod project;
pub mod proxy;
pub mod publication;
pub mod pypi_package;
pub mod refs;
pub mod repository;
pub mod retry;
pub mod role;
pub mod run;
pub mod signing_key;
pub mod standing;
pub mod tag;
pub mod time;
pub mod token;
pub mod totals;
pub mod untagged;
pub mod upload;
pub mod usage;

pub use account::Account;
pub use acl::Rights;
pub use basis::Basis;
pub use blob::{Blob, Place, Suffix, Unlink};
pub use branch::{Branch, CleanupPolicy, TagCounts};
pub use cached::{
    Cached, CachedKind, CachedRef, CachedState, CachedTag, CachedWhat, UpstreamName,
    UpstreamNameError,
};
pub use caller::{Caller, DeployCaller, Rank, Right, User};
pub use command::CommandLine;
pub use deploy_token::{DeployScope, DeployToken};
pub use detached::{Detached, Reason};
pub use digest::{Checksum, Digest};
pub use format::{Artifact, Format};
pub use grants::{Grants, Resource};
pub use group::{Group, GroupName, GroupNameError, GroupPath, Visibility};
pub use ids::{
    BlobId, BranchId, CachedId, DeployTokenId, FormatId, GroupId, ImageId, JobId, ManifestId,
    PackageFileId, PackageId, PackageTagId, ProjectId, ProtectionRuleId, QueueId, Referrer, RepoId,
    Revision, RunId, TagId, TokenId, UserNumber, VersionId,
};
pub use image::{
    Container, Image, ImageBlob, ImageName, ImageNameError, ImagePlace, ImageTag, ImageTagName,
    Reference,
};
pub use job::Job;
pub use listed::{ListedBy, ListedText};
pub use manifest::Manifest;
pub use maven_metadata::{MavenMetadata, MavenPlugin, MavenXmlError};
pub use maven_package::{MavenFile, MavenPath, MavenPathError, MavenPlace};
pub use maven_version::MavenOrder;
pub use names::{
    Aliased, ArtifactPath, BranchName, FormatName, JobName, NameError, ProductBranchName,
    ProductName, TagName, TagRef, UserName, VariantName, VersionName, VersionRef,
};
pub use networks::Networks;
pub use node::{Entry, Node};
pub use oci_digest::{OciDigest, OciDigestError, Sha512};
pub use oci_manifest::{OciManifest, OciManifestError};
pub use package::{
    Package, PackageFile, PackageFileName, PackageKey, PackageKind, PackageMeta, PackageName,
    PackageStatus, PackageTag, PackageTagName, PackageTextError, PackageVersion, Series, SeriesKey,
    Sums,
};
pub use package_policy::{
    KeepFiles, Kept, PackagePolicy, PackageSettings, PolicyRun, PolicyTurn, ProtectionRule,
    RuleRole,
};
pub use paths::{
    BranchPath, FilePath, FormatPath, JobPath, ProductBranchPath, ProductPath, Repo, TagPath,
    VariantPath, VersionFilePath, VersionFormatPath, VersionPath,
};
pub use pattern::NamePattern;
pub use product::{Feed, Version, VersionError, VersionKey, VersionNames};
pub use project::{Project, ProjectUsage};
pub use proxy::{ProxyGroup, ProxyUsage, TtlPolicy, Upstream, UpstreamCredentials};
pub use publication::{
    JobReport, JobState, Publication, PublicationKey, TargetReport, TargetState, Wish,
};
pub use pypi_package::{Distribution, PypiError, PypiName, PypiVersion};
pub use refs::Refs;
pub use repository::{Quota, Repository};
pub use role::{Ability, Member, MemberName, Role};
pub use run::{Run, Scope, StageReport, Trigger};
pub use signing_key::SigningKey;
pub use standing::{LetGo, Standing};
pub use tag::Tag;
pub use time::Timestamp;
pub use token::{Token, TokenOwner, TokenScope};
pub use totals::Totals;
pub use untagged::UntaggedRules;
pub use upload::{ImageUpload, UploadBytes, UploadId};
pub use usage::Usage;
