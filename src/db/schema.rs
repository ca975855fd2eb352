//! All tables on one screen. *Truth* cannot be computed from anything else; *derived* can, and
//! `larder check --repair` does.

use bytes::Bytes;

use super::Table;
use super::codec::Record;
use super::keys::Key;
use crate::model::{
    Account, Artifact, ArtifactPath, Blob, BlobId, Branch, BranchId, BranchName, Cached, CachedId,
    CachedKind, CachedRef, CachedTag, Container, DeployToken, DeployTokenId, Detached, Digest,
    Entry, Feed, Format, FormatId, FormatName, Group, GroupId, GroupName, Image, ImageBlob,
    ImageId, ImageName, ImageTag, ImageTagName, ImageUpload, Job, JobId, JobName, ListedBy,
    ListedText, Manifest, ManifestId, Member, MemberName, Node, OciDigest, Package, PackageFile,
    PackageFileId, PackageFileName, PackageId, PackageKey, PackageMeta, PackageName, PackagePolicy,
    PackageSettings, PackageTag, PackageTagName, PolicyRun, Project, ProjectId, ProjectUsage,
    ProtectionRule, ProtectionRuleId, ProxyGroup, ProxyUsage, Publication, PublicationKey, QueueId,
    Referrer, RepoId, Repository, Revision, Run, RunId, Series, SeriesKey, Sha512, SigningKey, Tag,
    TagId, TagName, Timestamp, Token, TokenId, Totals, Unlink, UploadId, UpstreamName, Usage,
    UserName, UserNumber, Version, VersionId, VersionKey,
};

/// The newest schema that this program knows. Raised with a step in `migrate`.
pub const SCHEMA: u64 = 4;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $key:ty => $value:ty = $text:literal $(, $hot:ident)?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Slot { $($name,)* COUNT }
        /// The names of all tables, each at the index that is its slot.
        pub(super) const NAMES: [&str; slot(Slot::COUNT)] = [$($text,)*];
        /// The tables whose rows are rewritten by nearly every change of a batch.
        pub(super) const HOT: [bool; slot(Slot::COUNT)] =
            [$(!concat!("" $(, stringify!($hot))?).is_empty(),)*];
        $($(#[$doc])* pub static $name: Table<$key, $value> =
            Table::new(slot(Slot::$name), $text);)*
    };
}

tables! {
    // ── bookkeeping
    /// Truth: single numbers.
    META: Meta => u64 = "meta.1", hot;
    /// Derived: the counters of every stage.
    TOTALS: () => Totals = "totals.1", hot;
    // ── blobs
    /// Truth: digest → blob. The only table keyed by digest. A row whose blob is among the
    /// [`LAPSED`] counts as absent.
    DIGESTS: Digest => BlobId = "digests.1";
    /// Derived: the digests of collected blobs, whose rows in [`DIGESTS`] may still be there.
    LAPSED: BlobId => Digest = "lapsed.1";
    /// Truth; its `refs` are derived.
    BLOBS: BlobId => Blob = "blobs.1";
    /// Truth: bytes of small blobs.
    INLINE: BlobId => Bytes = "inline.1";
    /// Derived: who holds a blob.
    REFS: (BlobId, Referrer) => () = "refs.1";
    /// Derived: the zero-count index. Free blobs by the moment their lease ends.
    FREE: (Timestamp, BlobId) => () = "free.1";
    /// Truth: bytes of collected blobs, still to be removed.
    UNLINKS: BlobId => Unlink = "unlinks.1";
    // ── the artifact tree: names are directory entries, ids are inodes
    /// Truth: users' repositories; usage is derived. The shared one has no row.
    REPOS: UserName => Repository = "repos.1", hot;
    /// Derived: the way back from a user's repository to the user.
    OWNERS: RepoId => UserName = "owners.1";
    /// Truth; counts and usage are derived.
    BRANCHES: (RepoId, BranchName) => Branch = "branches.1", hot;
    /// Truth; usage is derived.
    TAGS: (BranchId, TagName) => Tag = "tags.1", hot;
    /// Derived: the tags of a branch by age, for the aliases.
    TAG_AGES: (BranchId, (Timestamp, TagId)) => TagName = "tag-ages.1";
    /// Truth; usage is derived.
    JOBS: (TagId, JobName) => Job = "jobs.1", hot;
    /// Truth; usage is derived.
    FORMATS: (JobId, FormatName) => Format = "formats.1", hot;
    /// Truth: the files.
    ARTIFACTS: (FormatId, ArtifactPath) => Artifact = "artifacts.1";
    /// Derived: the way back from an id to a name.
    NODES: Node => Entry = "nodes.1";
    // ── release to other servers
    /// Truth: what is wanted of a tag elsewhere. A row protects its tag from deletion.
    PUBLICATIONS: PublicationKey => Publication = "publications.1";
    /// Derived: the publications that are to be worked on, by when.
    PUBLICATIONS_DUE: (Timestamp, PublicationKey) => () = "publications-due.1";
    // ── products: an index over the metadata of jobs
    /// Truth since when there is a version; that there is one is derived.
    VERSIONS: VersionKey => Version = "versions.1";
    /// Derived: the jobs that feed a version, those that are being destroyed included.
    FEEDERS: (VersionId, JobId) => () = "feeders.1";
    /// Derived: the version that a job's metadata names.
    FEEDS: JobId => Feed = "feeds.1";
    // ── the registry: names are directory entries here too
    /// Truth: repositories.
    IMAGES: ImageName => Image = "images.1";
    /// Derived: the way back from a repository to its name.
    IMAGE_NAMES: ImageId => ImageName = "image-names.1";
    /// Truth that a repository has a blob, and until when without a manifest; counts are derived.
    IMAGE_BLOBS: (ImageId, BlobId) => ImageBlob = "image-blobs.1";
    /// Derived: upload links of blobs by the moment they end.
    IMAGE_LINKS: (Timestamp, (ImageId, BlobId)) => () = "image-links.1";
    /// Truth: what a digest names in a repository.
    MANIFEST_NAMES: (ImageId, OciDigest) => ManifestId = "manifest-names.1";
    /// Truth; how often it is held is derived.
    MANIFESTS: ManifestId => Manifest = "manifests.1";
    /// Truth: what a tag names.
    IMAGE_TAGS: (ImageId, ImageTagName) => ImageTag = "image-tags.1";
    /// Derived: the tags of a manifest.
    TAGS_OF: (ManifestId, ImageTagName) => () = "tags-of.1";
    /// Derived: manifests by what they are about.
    REFERRERS: (ImageId, (OciDigest, ManifestId)) => () = "referrers.1";
    /// Derived: manifests that lost their holder by a deletion, by the moment they may go.
    DOOMED: (Timestamp, ManifestId) => () = "doomed.1";
    /// Derived: manifests that nothing names, by repository and age.
    UNTAGGED: (ImageId, (Timestamp, ManifestId)) => () = "untagged.1";
    /// Derived: the tag that a format of the artifact tree shows.
    CONTAINERS: FormatId => Container = "containers.1";
    /// Derived: the tags of a repository that the tree shows, by the age of the tree's tag.
    CONTAINER_AGES: (ImageId, (Timestamp, TagId)) => ImageTagName = "container-ages.1";
    /// Truth: SHA-512 → blob, where a client used it.
    SHA512S: Sha512 => BlobId = "sha512s.1";
    /// Derived: the way back.
    SHA512_OF: BlobId => Sha512 = "sha512-of.1";
    /// Truth: blobs that arrive in pieces.
    UPLOADS: UploadId => ImageUpload = "uploads.1";
    /// Derived: uploads by the moment of their last piece.
    UPLOAD_AGES: (Timestamp, UploadId) => () = "upload-ages.1";
    /// Derived: what the registry charges a user for outside the user's tree.
    CHARGES: UserName => Usage = "charges.1";
    /// Truth: when a manifest was last pulled, in microseconds.
    PULLS: ManifestId => u64 = "pulls.1";
    /// Truth: what tokens of the registry are signed with; the newest one signs.
    SIGNING_KEYS: Timestamp => SigningKey = "signing-keys.1";
    // ── groups: names are directory entries here too
    /// Truth: what a name leads to, in a group or at the top.
    GROUP_NAMES: (GroupId, GroupName) => GroupId = "group-names.1";
    /// Truth.
    GROUPS: GroupId => Group = "groups.1";
    /// Truth: who is what in a group.
    MEMBERS: (GroupId, MemberName) => Member = "members.1";
    /// Derived: the groups that somebody is a member of.
    MEMBERSHIPS: (MemberName, GroupId) => () = "memberships.1";
    /// Truth: the number that the API has for a user; it is never given twice.
    USER_NUMBERS: UserName => UserNumber = "user-numbers.1";
    /// Derived: the way back.
    NUMBERED_USERS: UserNumber => UserName = "numbered-users.1";
    /// Truth: tokens of groups, without their secrets.
    DEPLOY_TOKENS: DeployTokenId => DeployToken = "deploy-tokens.1";
    /// Derived: the tokens of a group.
    DEPLOY_TOKENS_OF: (GroupId, DeployTokenId) => () = "deploy-tokens-of.1";
    // ── the dependency proxy
    /// Truth: how a group caches, as far as that was ever changed.
    PROXY_GROUPS: GroupId => ProxyGroup = "proxy-groups.1";
    /// Derived: the groups whose entries go by their age.
    TTL_GROUPS: GroupId => () = "ttl-groups.1";
    /// Derived: what a group's cache holds.
    PROXY_USAGE: GroupId => ProxyUsage = "proxy-usage.1", hot;
    /// Truth: entries, whatever their state.
    CACHED: CachedId => Cached = "cached.1";
    /// Derived: the entries of a group, whatever their state.
    CACHED_OF: (GroupId, (CachedKind, CachedId)) => () = "cached-of.1";
    /// Derived: the active entry of a digest. A purge leaves rows that count no more.
    CACHED_DIGESTS: (GroupId, (CachedKind, Digest)) => CachedId = "cached-digests.1";
    /// Truth: what a moving name named when the upstream was last asked.
    CACHED_TAGS: (GroupId, (UpstreamName, CachedRef)) => CachedTag = "cached-tags.1";
    /// Derived: the moving names of a manifest.
    CACHED_TAGS_OF: (CachedId, (UpstreamName, CachedRef)) => () = "cached-tags-of.1";
    /// Derived: active entries by when they were last served.
    CACHED_AGES: (GroupId, (Timestamp, CachedId)) => () = "cached-ages.1";
    /// Derived: entries that are on their way out, by when somebody may take them on: those that
    /// wait, those that failed, and those whose turn may have been lost; with the number of their
    /// state, so that they are counted without a look at each.
    CACHED_DUE: (CachedKind, (Timestamp, CachedId)) => u64 = "cached-due.1";
    /// Truth: groups with entries that a purge left active in their rows.
    CACHED_PURGES: GroupId => CachedId = "cached-purges.1";
    // ── projects and packages: names are directory entries here too
    /// Truth: what a name leads to, in a group or at the top. No group there has the same name.
    PROJECT_NAMES: (GroupId, GroupName) => ProjectId = "project-names.1";
    /// Truth; members and tokens are in the tables of groups, under the project's number.
    PROJECTS: ProjectId => Project = "projects.1";
    /// Derived: groups and projects in the order of lists, those that are being destroyed included.
    LISTED: (ListedBy, (ListedText, GroupId)) => () = "listed.1";
    /// Derived: what a project holds; the revision is truth.
    PROJECT_USAGE: ProjectId => ProjectUsage = "project-usage.1", hot;
    /// Truth: what a name and a version lead to. Packages on their way out have no row.
    PACKAGE_NAMES: (ProjectId, PackageKey) => PackageId = "package-names.1";
    /// Truth, those on their way out included; their usage is derived.
    PACKAGES: PackageId => Package = "packages.1";
    /// Derived: the packages of a project, those on their way out included.
    PACKAGES_IN: (ProjectId, PackageId) => () = "packages-in.1";
    /// Truth: what a format knows of a package.
    PACKAGE_METAS: PackageId => PackageMeta = "package-metas.1";
    /// Truth: revisions; the count is derived.
    SERIES: (ProjectId, SeriesKey) => Series = "series.1";
    /// Derived: the projects that have packages of a name.
    SERIES_AT: (SeriesKey, ProjectId) => () = "series-at.1";
    /// Derived: the last change of each package of a series.
    SERIES_CHANGES: (ProjectId, (SeriesKey, (Revision, PackageId))) => () = "series-changes.1";
    /// Truth: files, those on their way out included.
    PACKAGE_FILES: PackageFileId => PackageFile = "package-files.1";
    /// Derived: the files of a package, those on their way out included.
    PACKAGE_FILES_IN: (PackageId, PackageFileId) => () = "package-files-in.1";
    /// Derived: the files of a package that are not marked, by name: the last one is served.
    PACKAGE_FILE_NAMES: (PackageId, (PackageFileName, PackageFileId)) => () = "files-by-name.1";
    /// Truth: moving names of versions. One whose package is on its way out names nothing.
    PACKAGE_TAGS: (ProjectId, (PackageName, PackageTagName)) => PackageTag = "package-tags.1";
    /// Derived: the moving names of a package.
    PACKAGE_TAGS_OF: (PackageId, PackageTagName) => () = "package-tags-of.1";
    /// Truth: when a package was last downloaded, in microseconds.
    PACKAGE_DOWNLOADS: PackageId => u64 = "package-downloads.1";
    /// Truth: what projects keep.
    PACKAGE_POLICIES: ProjectId => PackagePolicy = "package-policies.1";
    /// Derived: the policies that remove anything, by when it is their turn.
    PACKAGE_POLICIES_DUE: (Timestamp, ProjectId) => () = "package-policies-due.1";
    /// Truth: what policies did.
    PACKAGE_POLICY_RUNS: (ProjectId, RunId) => PolicyRun = "package-policy-runs.1";
    /// Truth: what may be published again, by group or by project without one.
    PACKAGE_SETTINGS: GroupId => PackageSettings = "package-settings.1";
    /// Truth: rules that protect packages.
    PROTECTION_RULES: (ProjectId, ProtectionRuleId) => ProtectionRule = "protection-rules.1";
    // ── rights
    /// Truth: who sent a blob, until when that proves that they know it, in microseconds.
    POSSESSIONS: (BlobId, UserName) => u64 = "possessions.1";
    // ── people
    /// Truth: local accounts.
    ACCOUNTS: UserName => Account = "accounts.1";
    /// Truth: access tokens, without their secrets.
    TOKENS: TokenId => Token = "tokens.1";
    // ── deletion
    /// Truth: detached things by the moment they are due; their children by their ids above.
    DETACHED: (Timestamp, QueueId) => Detached = "detached.1";
    /// Truth: what the sweeper did.
    RUNS: RunId => Run = "runs.1";
}

const fn slot(slot: Slot) -> usize {
    #[allow(clippy::as_conversions, reason = "an enum without data is its number")]
    {
        slot as usize
    }
}

/// Which number in [`META`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meta(u8);

impl Meta {
    /// Number of the schema.
    pub const SCHEMA: Self = Self(0);
    /// Raised by every commit: after a failure it tells whether the last one took place.
    pub const COMMITS: Self = Self(1);
    /// The next [`BlobId`].
    pub const NEXT_BLOB: Self = Self(2);
    /// The next id of a branch, tag, job or format.
    pub const NEXT_NODE: Self = Self(3);
    /// The next [`QueueId`].
    pub const NEXT_QUEUE: Self = Self(4);
    /// The next [`RunId`].
    pub const NEXT_RUN: Self = Self(5);
    /// The next [`ImageId`] or [`ManifestId`].
    pub const NEXT_IMAGE: Self = Self(8);
    /// When the last full run ended, in microseconds.
    pub const LAST_FULL_RUN: Self = Self(6);
    /// Wall time as last seen, in microseconds.
    pub const LAST_SEEN: Self = Self(7);
    /// The next [`GroupId`].
    pub const NEXT_GROUP: Self = Self(9);
    /// The next [`UserNumber`].
    pub const NEXT_USER: Self = Self(10);
    /// The next [`DeployTokenId`].
    pub const NEXT_DEPLOY_TOKEN: Self = Self(11);
    /// The next [`CachedId`].
    pub const NEXT_CACHED: Self = Self(12);
    /// How many batches of cached entries may be in work at once, for each kind; absent: the
    /// default.
    pub const PROXY_CAPACITY: Self = Self(13);
    /// When cached entries were last looked through for their age, in microseconds.
    pub const LAST_TTL_RUN: Self = Self(14);
    /// When deleting cached entries was last started by the clock, in microseconds.
    pub const LAST_PROXY_START: Self = Self(15);
    /// The next [`PackageId`], [`PackageFileId`], [`crate::model::PackageTagId`] or
    /// [`ProtectionRuleId`].
    pub const NEXT_PACKAGE: Self = Self(16);
    /// The last [`Revision`] of any series.
    pub const LAST_REVISION: Self = Self(17);
    /// How many policies of packages, and batches of files, may be in work at once.
    pub const PACKAGE_CAPACITY: Self = Self(18);
    /// The number of the next wish about a publication.
    pub const NEXT_WISH: Self = Self(40);
}

impl Key for Meta {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u8::read(bytes).map(Self)
    }
}

macro_rules! records {
    ($($name:ident = $version:literal;)*) => {
        $(impl Record for $name { const VERSION: u8 = $version; })*
    };
}

// The version of each record's fields. What they look like in bytes is nailed down in the tests.
records! {
    Account = 1;
    Artifact = 1;
    Blob = 1;
    Branch = 1;
    Cached = 1;
    CachedTag = 1;
    Container = 1;
    DeployToken = 1;
    Detached = 1;
    Entry = 1;
    Format = 1;
    Group = 1;
    Image = 1;
    ImageBlob = 1;
    ImageTag = 1;
    ImageUpload = 1;
    Job = 1;
    Manifest = 1;
    Member = 1;
    Package = 1;
    PackageFile = 1;
    PackageMeta = 1;
    PackagePolicy = 1;
    PackageSettings = 1;
    PackageTag = 1;
    PolicyRun = 1;
    Project = 1;
    ProjectUsage = 1;
    ProtectionRule = 1;
    ProxyGroup = 1;
    ProxyUsage = 1;
    Publication = 1;
    Repository = 1;
    Run = 1;
    Series = 1;
    SigningKey = 1;
    Tag = 1;
    Token = 1;
    Totals = 1;
    Unlink = 1;
    Usage = 1;
    Version = 1;
}

/// A number is stored as a bare number.
macro_rules! numbers {
    ($($name:ident)*) => {$(
        impl super::codec::Value for $name {
            fn encode(&self) -> Result<Vec<u8>, String> {
                self.0.encode()
            }

            fn decode(bytes: &[u8]) -> Result<Self, String> {
                u64::decode(bytes).map(Self)
            }
        }
    )*};
}

numbers! { BlobId CachedId GroupId ManifestId PackageId ProjectId UserNumber }

/// A sum is stored as its bytes.
macro_rules! sums {
    ($($name:ident: $length:literal)*) => {$(
        impl super::codec::Value for $name {
            fn encode(&self) -> Result<Vec<u8>, String> {
                Ok(self.0.to_vec())
            }

            fn decode(bytes: &[u8]) -> Result<Self, String> {
                let wrong = format!("it has {} bytes and not {}", bytes.len(), $length);
                bytes.try_into().map(Self).map_err(|_| wrong)
            }
        }
    )*};
}

sums! { Digest: 32 Sha512: 64 }

/// What it leads to is stored as the bytes of its key, behind a version number.
impl super::codec::Value for Feed {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = vec![FEED_VERSION];
        self.version.write(&mut bytes);
        self.key.write(&mut bytes);
        Ok(bytes)
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, String> {
        let bytes = &mut bytes;
        let found = u8::read(bytes).ok_or("it is empty")?;
        if found != FEED_VERSION {
            return Err(format!("its version is {found}, {FEED_VERSION} is known"));
        }
        let read = VersionId::read(bytes).zip(VersionKey::read(bytes));
        let (version, key) = read.ok_or("it names no version")?;
        match bytes.len() {
            0 => Ok(Self { version, key }),
            left => Err(format!("{left} bytes are left over")),
        }
    }
}

const FEED_VERSION: u8 = 1;

/// A name in an index is stored as its text.
macro_rules! names {
    ($($name:ident)*) => {$(
        impl super::codec::Value for $name {
            fn encode(&self) -> Result<Vec<u8>, String> {
                Ok(self.as_str().as_bytes().to_vec())
            }

            fn decode(bytes: &[u8]) -> Result<Self, String> {
                let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
                let name = Self::parse(text).map_err(|error| error.to_string())?;
                let is_canonical = name.as_str() == text;
                is_canonical.then_some(name).ok_or_else(|| format!("{text:?} is not canonical"))
            }
        }
    )*};
}

names! { ImageName ImageTagName TagName UserName }
