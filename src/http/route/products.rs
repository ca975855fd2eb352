//! The products' part of the URLs: `products/P/V/PB/X/F/{path}` below a repository (spec dlrepo
//! §10, appendix A).
//!
//! Products are read only: jobs feed them by their metadata. An upload and a deletion of a
//! format come through to the handler, which says so; all else is 405.

use http::Method;

use super::{Refusal, Route, Spelling, encode, repo_path, unknown};
use crate::model::{
    ArtifactPath, FormatName, ProductBranchName, ProductBranchPath, ProductName, ProductPath, Repo,
    VariantName, VariantPath, VersionName, VersionRef,
};

/// A version of a product, or an alias of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionAt {
    /// Where it is.
    pub branch: ProductBranchPath,
    /// The version.
    pub version: VersionRef,
}

/// A format of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFormatAt {
    /// Where it is.
    pub parent: VersionAt,
    /// Its name.
    pub format: FormatName,
}

/// What a URL of products names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductRoute {
    /// `/products/` or `/~user/products/`
    List(Repo),
    /// `P/`; served in place whatever its case, as the two below it.
    Product(ProductPath),
    /// `P/V/`
    Variant(VariantPath),
    /// `P/V/PB/`
    Branch(ProductBranchPath),
    /// `P/V/PB/X/`
    Version(VersionAt),
    /// `P/V/PB/X.tar`
    Archive(VersionAt),
    /// `P/V/PB/X/F` without a slash: redirects to the only file or to the folder.
    Format(VersionFormatAt),
    /// `P/V/PB/X/F/`
    FormatFolder(VersionFormatAt),
    /// `P/V/PB/X/F.tar`
    FormatArchive(VersionFormatAt),
    /// `P/V/PB/X/F.sha256`
    Sums(VersionFormatAt),
    /// `P/V/PB/X/F/{path}`
    Artifact(VersionFormatAt, ArtifactPath),
    /// `P/V/PB/X/F/{path}/`: the files below a folder.
    Folder(VersionFormatAt, ArtifactPath),
}

/// Reads the segments behind `products`.
pub(super) fn products(
    method: &Method,
    repo: Repo,
    below: &[&str],
) -> Result<(Route, Spelling), Refusal> {
    let slash = if below.last() == Some(&"") { Spelling::Canonical } else { Spelling::Variant };
    let (names, path) = below.split_at(below.len().min(5));
    let in_place = Spelling::Canonical.or_case(names);
    let (route, spelling) = match (names, path) {
        ([] | [""], _) => (ProductRoute::List(repo), slash),
        ([product] | [product, ""], _) => {
            (ProductRoute::Product(product_at(repo, product)?), slash)
        }
        ([product, variant] | [product, variant, ""], _) => {
            (ProductRoute::Variant(variant_at(repo, [product, variant])?), slash)
        }
        ([product, variant, branch] | [product, variant, branch, ""], _) => {
            (ProductRoute::Branch(branch_at(repo, [product, variant, branch])?), slash)
        }
        ([product, variant, branch, version], _) => {
            if let Some(version) = version.strip_suffix(".tar") {
                let at = version_at(repo, [product, variant, branch, version])?;
                (ProductRoute::Archive(at), in_place)
            } else {
                let at = version_at(repo, [product, variant, branch, version])?;
                (ProductRoute::Version(at), slash.or_case(names))
            }
        }
        ([product, variant, branch, version, ""], []) => {
            let at = version_at(repo, [product, variant, branch, version])?;
            (ProductRoute::Version(at), slash.or_case(names))
        }
        ([product, variant, branch, version, format], path) => {
            let parent = version_at(repo, [product, variant, branch, version])?;
            (below_version(method, parent, format, path)?, in_place)
        }
        _ => return Err(unknown()),
    };
    Ok((Route::Product(route), spelling))
}

fn below_version(
    method: &Method,
    parent: VersionAt,
    segment: &str,
    path: &[&str],
) -> Result<ProductRoute, Refusal> {
    let path = match path {
        [] => return without_slash(parent, segment),
        path => path.join("/"),
    };
    let at = format_at(parent, segment)?;
    let folder = path.strip_suffix('/').filter(|_| *method != Method::PUT);
    match (path.as_str(), folder) {
        ("", _) => Ok(ProductRoute::FormatFolder(at)),
        (_, Some(folder)) => Ok(ProductRoute::Folder(at, ArtifactPath::parse(folder)?)),
        (path, None) => Ok(ProductRoute::Artifact(at, ArtifactPath::parse(path)?)),
    }
}

fn without_slash(parent: VersionAt, segment: &str) -> Result<ProductRoute, Refusal> {
    if let Some(name) = segment.strip_suffix(".tar") {
        return Ok(ProductRoute::FormatArchive(format_at(parent, name)?));
    }
    match segment.strip_suffix(".sha256") {
        Some(name) => Ok(ProductRoute::Sums(format_at(parent, name)?)),
        None => Ok(ProductRoute::Format(format_at(parent, segment)?)),
    }
}

fn format_at(parent: VersionAt, name: &str) -> Result<VersionFormatAt, Refusal> {
    Ok(VersionFormatAt { parent, format: FormatName::parse(name)? })
}

fn product_at(repo: Repo, product: &str) -> Result<ProductPath, Refusal> {
    Ok(ProductPath { repo, product: ProductName::parse(product)? })
}

fn variant_at(repo: Repo, [product, variant]: [&str; 2]) -> Result<VariantPath, Refusal> {
    Ok(VariantPath { product: product_at(repo, product)?, variant: VariantName::parse(variant)? })
}

fn branch_at(
    repo: Repo,
    [product, variant, branch]: [&str; 3],
) -> Result<ProductBranchPath, Refusal> {
    let variant = variant_at(repo, [product, variant])?;
    Ok(ProductBranchPath { variant, branch: ProductBranchName::parse(branch)? })
}

fn version_at(
    repo: Repo,
    [product, variant, branch, version]: [&str; 4],
) -> Result<VersionAt, Refusal> {
    let branch = branch_at(repo, [product, variant, branch])?;
    Ok(VersionAt { branch, version: VersionRef::parse(version)? })
}

impl ProductRoute {
    /// The version, or alias, that this lies in or is.
    #[must_use]
    pub fn version(&self) -> Option<&VersionAt> {
        match self {
            Self::Version(at) | Self::Archive(at) => Some(at),
            Self::Format(at)
            | Self::FormatFolder(at)
            | Self::FormatArchive(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => Some(&at.parent),
            Self::List(_) | Self::Product(_) | Self::Variant(_) | Self::Branch(_) => None,
        }
    }

    /// Whether an alias is in the way to this.
    #[must_use]
    pub fn is_by_alias(&self) -> bool {
        self.version().is_some_and(|at| !matches!(at.version, VersionRef::Named(_)))
    }

    /// The folder of which this shows a part, a digest or an archive under another name.
    #[must_use]
    pub fn within(&self) -> Option<Self> {
        match self {
            Self::Format(at) | Self::FormatArchive(at) | Self::Sums(at) => {
                Some(Self::FormatFolder(at.clone()))
            }
            Self::Archive(at) => Some(Self::Version(at.clone())),
            _ => None,
        }
    }

    /// The same thing in the version that an alias stands for.
    #[must_use]
    pub fn in_version(mut self, version: VersionName) -> Self {
        match &mut self {
            Self::Version(at) | Self::Archive(at) => at.version = VersionRef::Named(version),
            Self::Format(at)
            | Self::FormatFolder(at)
            | Self::FormatArchive(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => at.parent.version = VersionRef::Named(version),
            Self::List(_) | Self::Product(_) | Self::Variant(_) | Self::Branch(_) => {}
        }
        self
    }

    /// The one path of this thing, percent-encoded.
    #[must_use]
    pub fn canonical_path(&self) -> String {
        match self {
            Self::List(repo) => format!("{}/products/", repo_path(repo)),
            Self::Product(at) => encode(&at.to_string()),
            Self::Variant(at) => encode(&at.to_string()),
            Self::Branch(at) => encode(&at.to_string()),
            Self::Version(at) => format!("{}/", at.path()),
            Self::Archive(at) => format!("{}.tar", at.path()),
            Self::Format(at) => at.path(),
            Self::FormatFolder(at) => format!("{}/", at.path()),
            Self::FormatArchive(at) => format!("{}.tar", at.path()),
            Self::Sums(at) => format!("{}.sha256", at.path()),
            Self::Artifact(at, path) => format!("{}/{}", at.path(), encode(path.as_str())),
            Self::Folder(at, path) => format!("{}/{}/", at.path(), encode(path.as_str())),
        }
    }

    /// The methods to name in `Allow`, sorted.
    #[must_use]
    pub fn allow(&self) -> &'static [&'static str] {
        match self {
            Self::Format(_) | Self::FormatArchive(_) | Self::Artifact(..) | Self::Folder(..) => {
                &["GET", "HEAD"]
            }
            _ => &["GET"],
        }
    }

    /// Whether the handler has an answer; it refuses uploads and deletions in words.
    pub(super) fn accepts(&self, method: &Method) -> bool {
        match self {
            Self::FormatFolder(_) if *method == Method::DELETE => true,
            Self::Artifact(..) if *method == Method::PUT => true,
            _ => *method == Method::HEAD || self.allow().contains(&method.as_str()),
        }
    }
}

impl VersionAt {
    fn path(&self) -> String {
        encode(&format!("{}{}", self.branch, self.version))
    }
}

impl VersionFormatAt {
    fn path(&self) -> String {
        format!("{}/{}", self.parent.path(), encode(self.format.as_str()))
    }
}
