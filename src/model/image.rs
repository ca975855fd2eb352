//! [`Image`]: a repository of the container registry; its name, its tags, and the place that
//! these have in the artifact tree (spec dlrepo §11).
//!
//! Defends I9: the grammar of the OCI distribution specification 1.1 admits lower case only, so a
//! name is canonical because it exists. A tag keeps its case.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::proxy::PROXY_PLACE;
use super::{
    BranchName, BranchPath, FormatId, FormatName, FormatPath, ImageId, JobName, ManifestId,
    OciDigest, ProductBranchName, ProductBranchPath, ProductName, ProductPath, Refs, Repo, TagId,
    TagName, TagRef, Timestamp, Usage, UserName, VariantName, VariantPath,
};

/// Longest name of a repository, in bytes.
pub const IMAGE_NAME_LENGTH_MAX: usize = 255;
/// Longest name of a tag, in bytes.
pub const IMAGE_TAG_LENGTH_MAX: usize = 128;
/// The format of the artifact tree that shows an image.
pub const CONTAINER: &str = "container";

/// Why a text names no repository or no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// Not what the specification's grammar admits.
    #[error(
        "{0:?} is no name of a repository: write parts of a-z and 0-9, joined by / and within by \
         . _ __ or dashes, {IMAGE_NAME_LENGTH_MAX} bytes at most"
    )]
    Name(String),
    /// Kept for something else.
    #[error("{name} is reserved: {why}")]
    Reserved {
        /// The name.
        name: String,
        /// For what.
        why: &'static str,
    },
    /// Not what the specification's grammar admits.
    #[error(
        "{0:?} is no tag: write up to {IMAGE_TAG_LENGTH_MAX} of a-z, A-Z, 0-9, _ . and -, not \
         beginning with . or -"
    )]
    Tag(String),
}

/// Name of a repository of the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// Where a repository of this name belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImagePlace {
    /// `{branch}/{job}`: its tags are the branch's, and each appears as the job's `container`.
    Job {
        /// Whose tree.
        repo: Repo,
        /// The branch.
        branch: BranchName,
        /// The job.
        job: JobName,
    },
    /// `{product}/{variant}/{product_branch}`, unless something was pushed to this name.
    Product(ProductBranchPath),
    /// Nowhere in the tree.
    Plain(Repo),
}

impl ImageName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`ImageNameError::Name`] and [`ImageNameError::Reserved`].
    pub fn parse(text: &str) -> Result<Self, ImageNameError> {
        let is_name = text.len() <= IMAGE_NAME_LENGTH_MAX && text.split('/').all(is_part);
        if !is_name {
            return Err(ImageNameError::Name(text.chars().take(IMAGE_NAME_LENGTH_MAX).collect()));
        }
        let reserved = |why| Err(ImageNameError::Reserved { name: text.to_owned(), why });
        match text.split('/').collect::<Vec<_>>().as_slice() {
            ["u"] | ["u", _] => return reserved("users' repositories are u/USER/NAME"),
            parts if parts.windows(2).any(|pair| pair == PROXY_PLACE) => {
                return reserved("cached images of other registries are below it");
            }
            _ => {}
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose it is, and where it belongs.
    #[must_use]
    pub fn place(&self) -> ImagePlace {
        let parts: Vec<_> = self.0.split('/').collect();
        let (repo, parts) = match parts.as_slice() {
            ["u", user, rest @ ..] => match UserName::parse(user) {
                Ok(user) => (Repo::User(user), rest),
                Err(_) => return ImagePlace::Plain(Repo::Shared),
            },
            all => (Repo::Shared, all),
        };
        placed(&repo, parts).unwrap_or(ImagePlace::Plain(repo))
    }

    /// Whose it is.
    #[must_use]
    pub fn repo(&self) -> Repo {
        match self.place() {
            ImagePlace::Job { repo, .. } | ImagePlace::Plain(repo) => repo,
            ImagePlace::Product(path) => path.variant.product.repo,
        }
    }

    /// Where a tag of this repository appears in the artifact tree, if it does: not in a
    /// repository that is no job's, not under the name of an alias, and not when the tag only
    /// says whose signature or other attachment it is.
    #[must_use]
    pub fn format_of(&self, tag: &ImageTagName) -> Option<FormatPath> {
        let ImagePlace::Job { repo, branch, job } = self.place() else { return None };
        let format = FormatName::parse(CONTAINER).ok()?;
        Some(BranchPath { repo, branch }.tag(tag.in_tree()?).job(job).format(format))
    }
}

fn placed(repo: &Repo, parts: &[&str]) -> Option<ImagePlace> {
    let repo = repo.clone();
    match parts {
        [branch, job] => {
            let (branch, job) = (BranchName::parse(branch).ok()?, JobName::parse(job).ok()?);
            Some(ImagePlace::Job { repo, branch, job })
        }
        [product, variant, branch] => {
            let product = ProductPath { repo, product: ProductName::parse(product).ok()? };
            let variant = VariantPath { product, variant: VariantName::parse(variant).ok()? };
            let branch = ProductBranchName::parse(branch).ok()?;
            Some(ImagePlace::Product(ProductBranchPath { variant, branch }))
        }
        _ => None,
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (part.bytes().next(), part.bytes().last()) else {
        return false;
    };
    let joins =
        part.split(|letter: char| letter.is_ascii() && u8::try_from(letter).is_ok_and(is_word));
    is_word(first)
        && is_word(last)
        && joins.into_iter().all(|join| {
            matches!(join, "" | "." | "_" | "__") || join.bytes().all(|byte| byte == b'-')
        })
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a tag of the registry; its case is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageTagName(String);

impl ImageTagName {
    /// Reads `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    ///
    /// # Errors
    /// [`ImageNameError::Tag`].
    pub fn parse(text: &str) -> Result<Self, ImageNameError> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_tag = (1..=IMAGE_TAG_LENGTH_MAX).contains(&text.len())
            && text.bytes().next().is_some_and(is_letter)
            && text.bytes().all(|byte| is_letter(byte) || matches!(byte, b'.' | b'-'));
        if is_tag {
            return Ok(Self(text.to_owned()));
        }
        Err(ImageNameError::Tag(text.chars().take(IMAGE_TAG_LENGTH_MAX + 1).collect()))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the artifact tree makes of it: a tag in lower case, or one of the aliases.
    #[must_use]
    pub fn tree_ref(&self) -> Option<TagRef> {
        TagRef::parse(&self.0).ok()
    }

    /// The tag of the artifact tree that a push of this makes, if any.
    #[must_use]
    pub fn in_tree(&self) -> Option<TagName> {
        match self.tree_ref()? {
            TagRef::Named(name) if self.attached_to().is_none() => Some(name),
            _ => None,
        }
    }

    /// The manifest whose signature or other attachment this tag says it is: `sha256-<64 hex>`,
    /// alone or before a dot (the referrers tag schema of the specification, and signers).
    #[must_use]
    pub fn attached_to(&self) -> Option<OciDigest> {
        let rest = self.0.strip_prefix("sha256-")?;
        let (hex, end) = rest.split_at_checked(64)?;
        let digest = Digest::parse(hex)?;
        (end.is_empty() || end.starts_with('.')).then_some(OciDigest::Sha256(digest))
    }

    /// The first in order of the tags that say they are attached to a manifest: all of them begin
    /// with it.
    #[must_use]
    pub fn first_attached_to(digest: Digest) -> Option<Self> {
        Self::parse(&format!("sha256-{digest}")).ok()
    }
}

impl fmt::Display for ImageTagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the last part of a manifest's URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A tag, or an alias.
    Tag(ImageTagName),
    /// A digest.
    Digest(OciDigest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// The record of a repository; its name is the key. It goes with the last thing in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What its manifests, tags and blobs are keyed by.
    pub id: ImageId,
    /// When the first thing came.
    pub created: Timestamp,
}

/// The record of a tag; repository and name are the key. It holds its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTag {
    /// What it names.
    pub manifest: ManifestId,
    /// When it was last pushed.
    pub pushed: Timestamp,
    /// The login of whoever did; empty when nobody was logged in.
    pub by: String,
    /// The format of the artifact tree that shows it. The tag counts only while names lead there.
    pub format: Option<FormatId>,
}

/// That a repository has a blob; repository and blob are the key. The row is the one reference
/// that the repository has to the blob (I2), however many manifests name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBlob {
    /// Held by this many manifests of the repository, or free: an upload link until its moment.
    pub refs: Refs,
    /// Bytes of the blob.
    pub size: u64,
    /// The login of whoever is charged for an upload link; empty: nobody.
    pub charged: String,
}

/// The way back from a format of the artifact tree to the tag that it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The repository.
    pub image: ImageId,
    /// Its tag.
    pub tag: String,
    /// The format's files and bytes, which are those of the tag's manifest with all it names.
    pub usage: Usage,
    /// The tag of the artifact tree that it is in.
    pub tree_tag: TagId,
    /// When that was made.
    pub tagged: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    fn tag(text: &str) -> ImageTagName {
        ImageTagName::parse(text).unwrap()
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "a/b", "a.b/c_d/e__f/g---h/0", "u/alice/x", "uu", "a/u", &"a".repeat(255)]
        {
            assert_eq!(name(good).as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in
            ["", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "-a", "a-", "é", &long]
        {
            assert!(matches!(ImageName::parse(bad), Err(ImageNameError::Name(_))), "{bad}");
        }
        for kept in ["u", "u/alice", "g/dependency_proxy/containers/alpine"] {
            let refused = ImageName::parse(kept);
            assert!(matches!(refused, Err(ImageNameError::Reserved { .. })), "{kept}");
        }
    }

    #[test]
    fn a_name_has_one_place() {
        let alice = || Repo::User(UserName::parse("alice").unwrap());
        assert!(matches!(name("main/build").place(), ImagePlace::Job { repo: Repo::Shared, .. }));
        let ImagePlace::Job { repo, branch, job } = name("u/alice/main/build").place() else {
            panic!("not a job");
        };
        assert_eq!((repo, branch.as_str(), job.as_str()), (alice(), "main", "build"));
        let ImagePlace::Product(path) = name("moon/v/b").place() else { panic!("no product") };
        assert_eq!(path.to_string(), "/products/moon/v/b/");
        assert_eq!(name("one").place(), ImagePlace::Plain(Repo::Shared));
        assert_eq!(name("a/b/c/d").place(), ImagePlace::Plain(Repo::Shared));
        assert_eq!(name("u/alice/one").place(), ImagePlace::Plain(alice()));
        assert_eq!(name("u/alice/p/v/b").repo(), alice());
    }

    #[test]
    fn a_tag_appears_in_the_tree_unless_it_is_something_else() {
        let at = name("main/build");
        let shown = at.format_of(&tag("V1.0")).unwrap().to_string();
        assert_eq!(shown, "/branches/main/v1.0/build/container/");
        let signature = format!("sha256-{}.sig", "ab".repeat(32));
        for elsewhere in ["latest", "Stable", "oldstable", &signature] {
            assert_eq!(at.format_of(&tag(elsewhere)), None, "{elsewhere}");
        }
        assert!(tag(&signature[..71]).attached_to().is_some());
        assert_eq!(tag("sha256-abc").attached_to(), None);
        assert_eq!(name("one").format_of(&tag("v1")), None);
    }

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["a", "_", "V1.0-rc_2", &"x".repeat(128)] {
            assert_eq!(tag(good).as_str(), good);
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "ä", &"x".repeat(129)] {
            assert!(ImageTagName::parse(bad).is_err(), "{bad}");
        }
    }
}
