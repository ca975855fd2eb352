//! How keys become bytes that sort as the keys do: fixed digests, big-endian numbers, text ended
//! by NUL (which no name contains), tuples one after the other.

use crate::model::{
    ArtifactPath, BlobId, BranchId, BranchName, CachedId, CachedKind, CachedRef, DeployTokenId,
    Digest, FormatId, FormatName, GroupId, GroupName, ImageId, ImageName, ImageTagName, JobId,
    JobName, ListedBy, ListedText, ManifestId, MemberName, Node, OciDigest, PackageFileId,
    PackageFileName, PackageId, PackageKey, PackageKind, PackageName, PackageTagId, PackageTagName,
    PackageVersion, ProductBranchName, ProductName, ProjectId, ProtectionRuleId, QueueId, Referrer,
    RepoId, Revision, RunId, SeriesKey, Sha512, TagId, TagName, Timestamp, TokenId, UploadId,
    UpstreamName, UserName, UserNumber, VariantName, VersionId, VersionKey, VersionName,
    VersionNames,
};

/// A type that is the key of a table, or a leading part of one.
pub trait Key: Sized {
    /// Appends the bytes of this key.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads a key from the front of `bytes` and moves past it; `None` when there is none.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// The bytes of this key.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        self.write(&mut out);
        out
    }

    /// The key that is exactly `bytes`.
    #[must_use]
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        Self::read(&mut bytes).filter(|_| bytes.is_empty())
    }
}

/// `Whole` begins with `Self`: all keys that start with one value lie together.
pub trait PrefixOf<Whole>: Key {}

impl<A: Key, B: Key> PrefixOf<(A, B)> for A {}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl Key for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take::<1>(bytes).map(|[byte]| byte)
    }
}

impl Key for Digest {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self)
    }
}

macro_rules! numbers {
    ($($name:ident)*) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0.to_be_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                take(bytes).map(u64::from_be_bytes).map(Self)
            }
        }
    )*};
}

numbers! {
    BlobId BranchId CachedId DeployTokenId FormatId GroupId ImageId JobId ManifestId QueueId RepoId
    PackageFileId PackageId PackageTagId ProjectId ProtectionRuleId Revision RunId TagId Timestamp
    TokenId UserNumber VersionId
}

macro_rules! texts {
    ($($name:ident)*) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_str().as_bytes());
                out.push(0);
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let text = take_text(bytes)?;
                Self::parse(text).ok().filter(|name| name.as_str() == text)
            }
        }
    )*};
}

texts! {
    ArtifactPath BranchName CachedRef FormatName GroupName ImageName ImageTagName JobName
    PackageFileName PackageName PackageTagName PackageVersion
    ProductBranchName ProductName TagName UpstreamName UserName VariantName VersionName
}

impl Key for Sha512 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self)
    }
}

impl Key for UploadId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self)
    }
}

const SHA256: u8 = 1;
const SHA512: u8 = 2;

impl Key for OciDigest {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sha256(digest) => {
                out.push(SHA256);
                digest.write(out);
            }
            Self::Sha512(sum) => {
                out.push(SHA512);
                sum.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            SHA256 => Key::read(bytes).map(Self::Sha256),
            SHA512 => Key::read(bytes).map(Self::Sha512),
            _ => None,
        }
    }
}

impl Key for VersionKey {
    fn write(&self, out: &mut Vec<u8>) {
        let VersionNames { product, variant, branch, version } = &self.names;
        self.repo.write(out);
        product.write(out);
        variant.write(out);
        branch.write(out);
        version.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let repo = Key::read(bytes)?;
        let (product, variant) = (Key::read(bytes)?, Key::read(bytes)?);
        let (branch, version) = (Key::read(bytes)?, Key::read(bytes)?);
        Some(Self { repo, names: VersionNames { product, variant, branch, version } })
    }
}

impl PrefixOf<VersionKey> for RepoId {}
impl PrefixOf<VersionKey> for (RepoId, ProductName) {}
impl PrefixOf<VersionKey> for ((RepoId, ProductName), VariantName) {}
impl PrefixOf<VersionKey> for (((RepoId, ProductName), VariantName), ProductBranchName) {}

const MANIFESTS: u8 = 1;
const BLOBS: u8 = 2;

impl Key for CachedKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Manifest => MANIFESTS,
            Self::Blob => BLOBS,
        });
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            MANIFESTS => Some(Self::Manifest),
            BLOBS => Some(Self::Blob),
            _ => None,
        }
    }
}

impl PrefixOf<(GroupId, (CachedKind, CachedId))> for (GroupId, CachedKind) {}

impl Key for PackageKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Maven => 1,
            Self::Npm => 2,
            Self::Pypi => 5,
            Self::Generic => 7,
        });
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Some(Self::Maven),
            2 => Some(Self::Npm),
            5 => Some(Self::Pypi),
            7 => Some(Self::Generic),
            _ => None,
        }
    }
}

impl Key for SeriesKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
        self.name.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { kind: Key::read(bytes)?, name: Key::read(bytes)? })
    }
}

/// Without a version it is the first of its series.
impl Key for PackageKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.series.write(out);
        match &self.version {
            Some(version) => version.write(out),
            None => out.push(0),
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let series = Key::read(bytes)?;
        let version = match take_text(bytes)? {
            "" => None,
            text => Some(PackageVersion::parse(text).ok()?),
        };
        Some(Self { series, version })
    }
}

impl PrefixOf<SeriesKey> for PackageKind {}
impl PrefixOf<(ProjectId, SeriesKey)> for (ProjectId, PackageKind) {}
impl PrefixOf<(ProjectId, PackageKey)> for (ProjectId, PackageKind) {}
impl PrefixOf<(ProjectId, PackageKey)> for (ProjectId, SeriesKey) {}
impl PrefixOf<(ProjectId, (SeriesKey, (Revision, PackageId)))> for (ProjectId, SeriesKey) {}
impl PrefixOf<(ProjectId, (PackageName, PackageTagName))> for (ProjectId, PackageName) {}
impl PrefixOf<(PackageId, (PackageFileName, PackageFileId))> for (PackageId, PackageFileName) {}

const USER: u8 = 1;
const TEAM: u8 = 2;

impl Key for MemberName {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::User(login) => {
                out.push(USER);
                login.write(out);
            }
            Self::Team(name) => {
                out.push(TEAM);
                out.extend_from_slice(name.as_bytes());
                out.push(0);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            USER => Key::read(bytes).map(Self::User),
            TEAM => take_text(bytes).map(|name| Self::Team(name.to_owned())),
            _ => None,
        }
    }
}

impl Key for ListedBy {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::GroupTitle => 1,
            Self::GroupName => 2,
            Self::ProjectTitle => 3,
            Self::ProjectName => 4,
        });
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let number = u8::read(bytes)?;
        Self::ALL.into_iter().find(|by| by.to_bytes() == [number])
    }
}

impl Key for ListedText {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
        out.push(0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let text = take_text(bytes)?;
        Some(Self::of(text)).filter(|read| read.as_str() == text)
    }
}

const ARTIFACT: u8 = 1;
const IMAGE: u8 = 2;
const MANIFEST: u8 = 3;
const CACHED: u8 = 4;
const PACKAGE_FILE: u8 = 5;

impl Key for Referrer {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Artifact(format, path) => {
                out.push(ARTIFACT);
                format.write(out);
                path.write(out);
            }
            Self::Image(image) => {
                out.push(IMAGE);
                image.write(out);
            }
            Self::Manifest(manifest) => {
                out.push(MANIFEST);
                manifest.write(out);
            }
            Self::Cached(id) => {
                out.push(CACHED);
                id.write(out);
            }
            Self::PackageFile(id) => {
                out.push(PACKAGE_FILE);
                id.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            ARTIFACT => Some(Self::Artifact(Key::read(bytes)?, Key::read(bytes)?)),
            IMAGE => Key::read(bytes).map(Self::Image),
            MANIFEST => Key::read(bytes).map(Self::Manifest),
            CACHED => Key::read(bytes).map(Self::Cached),
            PACKAGE_FILE => Key::read(bytes).map(Self::PackageFile),
            _ => None,
        }
    }
}

impl Key for Node {
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, id) = match self {
            Self::Branch(id) => (1, id.0),
            Self::Tag(id) => (2, id.0),
            Self::Job(id) => (3, id.0),
            Self::Format(id) => (4, id.0),
            Self::Manifest(id) => (5, id.0),
            Self::Group(id) => (6, id.0),
            Self::Project(id) => (7, id.0),
            Self::Package(id) => (8, id.0),
            Self::PackageFile(id) => (9, id.0),
        };
        out.push(kind);
        out.extend_from_slice(&id.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match u8::read(bytes)? {
            1 => Key::read(bytes).map(Self::Branch),
            2 => Key::read(bytes).map(Self::Tag),
            3 => Key::read(bytes).map(Self::Job),
            4 => Key::read(bytes).map(Self::Format),
            5 => Key::read(bytes).map(Self::Manifest),
            6 => Key::read(bytes).map(Self::Group),
            7 => Key::read(bytes).map(Self::Project),
            8 => Key::read(bytes).map(Self::Package),
            9 => Key::read(bytes).map(Self::PackageFile),
            _ => None,
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at(end);
    *bytes = &rest[1..];
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ArtifactPath {
        ArtifactPath::parse(text).unwrap()
    }

    #[test]
    fn keys_sort_as_their_values_do() {
        let paths = ["a", "a/b", "a0", "ab", "b", "ä"];
        let keys: Vec<_> = paths.iter().map(|text| (FormatId(1), path(text)).to_bytes()).collect();
        assert!(keys.is_sorted());
        assert!((Timestamp(255), BlobId(9)).to_bytes() < (Timestamp(256), BlobId(0)).to_bytes());
    }

    #[test]
    fn a_key_reads_what_it_writes_and_nothing_else() {
        let referrer = Referrer::Artifact(FormatId(7), path("x/Y"));
        let key = (BlobId(3), referrer);
        let bytes = key.to_bytes();
        assert_eq!(Key::from_bytes(&bytes), Some(key));
        let longer = [bytes.clone(), vec![0]].concat();
        for bad in [&bytes[..bytes.len() - 1], &longer[..], &[]] {
            assert_eq!(<(BlobId, Referrer)>::from_bytes(bad), None);
        }
        assert_eq!(Referrer::from_bytes(&[99, 0]), None);
        assert_eq!(ArtifactPath::from_bytes(b"\xff\0"), None);
    }
}
