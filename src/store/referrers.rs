//! Who holds a blob: whether the record behind a reference says so too (I2), and what to call it.

use super::{Error, packages, tree};
use crate::db::schema::{
    ARTIFACTS, BLOBS, CACHED, IMAGE_BLOBS, IMAGE_NAMES, MANIFESTS, PACKAGE_FILES, PACKAGES,
};
use crate::db::{self, Rows};
use crate::model::{BlobId, CachedId, GroupId, ImageId, Node, OciDigest, PackageFileId, Referrer};

/// The size of the blob as the record that `referrer` is the key of has it; `None`: it does not
/// name this blob.
pub(super) fn named_bytes(
    rows: &impl Rows,
    referrer: &Referrer,
    id: BlobId,
) -> Result<Option<u64>, db::Error> {
    match referrer {
        Referrer::Artifact(format, path) => {
            let file = ARTIFACTS.get(rows, &(*format, path.clone()))?;
            Ok(file.filter(|file| file.blob == id).map(|file| file.size))
        }
        Referrer::Image(image) => Ok(IMAGE_BLOBS.get(rows, &(*image, id))?.map(|row| row.size)),
        Referrer::Manifest(manifest) => {
            let manifest = MANIFESTS.get(rows, manifest)?.filter(|manifest| manifest.blob == id);
            Ok(manifest.map(|manifest| manifest.size))
        }
        Referrer::Cached(cached) => {
            let cached = CACHED.get(rows, cached)?.filter(|cached| cached.blob == id);
            Ok(cached.map(|cached| cached.size))
        }
        Referrer::PackageFile(file) => {
            let file = PACKAGE_FILES.get(rows, file)?.filter(|file| file.blob == id);
            Ok(file.map(|file| file.size))
        }
    }
}

/// The path of whoever holds the blob, for people and for the rules.
pub(super) fn path(rows: &impl Rows, referrer: &Referrer, id: BlobId) -> Result<String, Error> {
    match referrer {
        Referrer::Artifact(format, path) => {
            Ok(format!("{}{path}", tree::path_of(rows, Node::Format(*format))?))
        }
        Referrer::Image(image) => {
            let digest = BLOBS.get(rows, &id)?.map(|blob| OciDigest::from(blob.digest));
            let digest = digest.map_or_else(|| "…".to_owned(), |digest| digest.to_string());
            Ok(format!("{}blobs/{digest}", image_path(rows, *image)?))
        }
        Referrer::Manifest(manifest) => tree::path_of(rows, Node::Manifest(*manifest)),
        Referrer::Cached(cached) => cached_path(rows, *cached),
        Referrer::PackageFile(file) => package_file_path(rows, *file),
    }
}

/// `/v2/{group}/dependency_proxy/containers/{image}:{reference}.json`, as lists call it.
fn cached_path(rows: &impl Rows, id: CachedId) -> Result<String, Error> {
    let Some(cached) = CACHED.get(rows, &id)? else { return Ok("a cached image".to_owned()) };
    Ok(format!("{}{}", proxy_path(rows, cached.group)?, cached.file_name()))
}

/// `acme/app: npm @acme/app 1.0: acme-app-1.0.tgz`
fn package_file_path(rows: &impl Rows, id: PackageFileId) -> Result<String, Error> {
    let Some(file) = PACKAGE_FILES.get(rows, &id)? else { return Ok("a package's file".into()) };
    let Some(package) = PACKAGES.get(rows, &file.package)? else { return Ok(file.name) };
    Ok(format!("{}: {}", packages::path(rows, &package)?, file.name))
}

/// `/v2/{group}/dependency_proxy/containers/`
pub(super) fn proxy_path(rows: &impl Rows, group: GroupId) -> Result<String, Error> {
    let path = match super::groups::way_up(rows, group)? {
        Some(way) => way.path().to_string(),
        None => format!("(deleted group {})", group.0),
    };
    Ok(format!("/v2/{path}/dependency_proxy/containers/"))
}

/// `/v2/{name}/`
pub(super) fn image_path(rows: &impl Rows, image: ImageId) -> Result<String, Error> {
    let name = IMAGE_NAMES.get(rows, &image)?;
    Ok(name.map_or_else(|| "/v2/…/".to_owned(), |name| format!("/v2/{name}/")))
}
