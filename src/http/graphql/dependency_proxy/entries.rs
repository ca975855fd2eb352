//! Entries of a cache: `DependencyProxyManifest` and `DependencyProxyBlob` (spec gitlab §10.3).

use async_graphql::{Enum, Result, SimpleObject};

use crate::http::graphql::asked::Asked;
use crate::http::graphql::connection::{End, Entries, Part};
use crate::http::graphql::errors::fault;
use crate::http::graphql::ids::DependencyProxyManifestID;
use crate::http::graphql::scalars::Time;
use crate::model::{Cached, CachedId, CachedKind, CachedState, GroupId};
use crate::store::cached::{CachedEnd, CachedPart};

/// A manifest in the cache of a group.
#[derive(SimpleObject)]
pub struct DependencyProxyManifest {
    /// The global id.
    id: DependencyProxyManifestID,
    /// When it came.
    created_at: Time,
    /// When its status last changed.
    updated_at: Time,
    /// Image and tag, or digest, with `.json` behind.
    file_name: String,
    /// Image and tag, or digest, that it was first asked for by.
    image_name: String,
    /// Bytes.
    size: String,
    /// Its digest.
    digest: String,
    /// Where it is in its life.
    status: DependencyProxyManifestStatus,
}

/// A blob in the cache of a group.
#[derive(SimpleObject)]
pub struct DependencyProxyBlob {
    /// When it came.
    created_at: Time,
    /// When its status last changed.
    updated_at: Time,
    /// Its digest, with `.gz` behind.
    file_name: String,
    /// Bytes.
    size: String,
}

/// Where an entry of a cache is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum DependencyProxyManifestStatus {
    /// It is served.
    Default,
    /// It is to be deleted.
    PendingDestruction,
    /// It is being deleted.
    Processing,
    /// It could not be deleted.
    Error,
}

impl From<&CachedState> for DependencyProxyManifestStatus {
    fn from(state: &CachedState) -> Self {
        match state {
            CachedState::Active => Self::Default,
            CachedState::Pending => Self::PendingDestruction,
            CachedState::Processing { .. } => Self::Processing,
            CachedState::Failed { .. } => Self::Error,
        }
    }
}

/// The manifests of a part of a group's list.
///
/// # Errors
/// Those of the store.
pub fn manifests(
    asked: &Asked,
    group: GroupId,
    part: Part,
) -> Result<Entries<DependencyProxyManifest>> {
    Ok(entries(asked, group, CachedKind::Manifest, part)?.map(manifest).collect())
}

/// The blobs of a part of a group's list.
///
/// # Errors
/// Those of the store.
pub fn blobs(asked: &Asked, group: GroupId, part: Part) -> Result<Entries<DependencyProxyBlob>> {
    Ok(entries(asked, group, CachedKind::Blob, part)?.map(blob).collect())
}

fn entries(
    asked: &Asked,
    group: GroupId,
    kind: CachedKind,
    part: Part,
) -> Result<impl Iterator<Item = (u64, Cached)>> {
    let end = match part.end {
        End::Newest => CachedEnd::Newest,
        End::Oldest => CachedEnd::Oldest,
    };
    let newer_than = part.newer_than.map(CachedId);
    let older_than = part.older_than.map(CachedId);
    let part = CachedPart { newer_than, older_than, end, limit: part.limit };
    let found = asked.view().cached_part(group, kind, &part);
    Ok(found.map_err(|error| fault(&error))?.into_iter().map(|(id, cached)| (id.0, cached)))
}

fn manifest((id, cached): (u64, Cached)) -> (u64, DependencyProxyManifest) {
    let file_name = cached.file_name();
    let node = DependencyProxyManifest {
        id: DependencyProxyManifestID(id),
        created_at: Time(cached.created),
        updated_at: Time(cached.updated),
        image_name: file_name.strip_suffix(".json").unwrap_or(&file_name).to_owned(),
        file_name,
        size: cached.size.to_string(),
        digest: format!("sha256:{}", cached.digest()),
        status: (&cached.state).into(),
    };
    (id, node)
}

fn blob((id, cached): (u64, Cached)) -> (u64, DependencyProxyBlob) {
    let node = DependencyProxyBlob {
        created_at: Time(cached.created),
        updated_at: Time(cached.updated),
        file_name: cached.file_name(),
        size: cached.size.to_string(),
    };
    (id, node)
}
