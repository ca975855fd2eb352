//! `PackageFile`: what a package consists of (spec gitlab §10.3). Only what can be downloaded is
//! told of.

use async_graphql::connection::Connection;
use async_graphql::{Context, Result, SimpleObject};

use super::package::Node;
use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::connection::{self, Arguments, End, Entries, IdCursor, Part};
use crate::http::graphql::document::document;
use crate::http::graphql::errors::fault;
use crate::http::graphql::ids::PackagesPackageFileID;
use crate::http::graphql::scalars::Time;
use crate::model::digest::hex;
use crate::model::{PackageFile as Record, PackageFileId};
use crate::store::package_lists::{Direction, FileOrder, FilePart};

/// A file of a package.
#[derive(SimpleObject)]
pub struct PackageFile {
    /// The global id.
    id: PackagesPackageFileID,
    /// When it was published.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
    /// Bytes.
    size: String,
    /// Its name.
    file_name: String,
    /// The path to download it from.
    download_path: String,
    /// The MD5 of its bytes.
    file_md5: Option<String>,
    /// The SHA-1 of its bytes.
    file_sha1: Option<String>,
    /// The SHA-256 of its bytes.
    file_sha256: Option<String>,
}

/// A page of a package's files, the newest first.
pub fn page(
    context: &Context<'_>,
    node: &Node,
    arguments: &Arguments,
) -> Result<Connection<IdCursor, PackageFile>> {
    let (part, asked) = (arguments.part()?, asked(context)?);
    document(context)?.spend(part.limit)?;
    connection::page(part, |part| entries(asked, node, part))
}

fn entries(asked: &Asked, node: &Node, part: Part) -> Result<Entries<PackageFile>> {
    let direction = match part.end {
        End::Newest => Direction::Descending,
        End::Oldest => Direction::Ascending,
    };
    let part = FilePart {
        newer_than: part.newer_than.map(PackageFileId),
        older_than: part.older_than.map(PackageFileId),
        order: FileOrder::Id,
        direction,
        skip: 0,
        take: part.limit,
    };
    let found = asked.view().list_package_files(node.id, &part).map_err(|error| fault(&error))?;
    let mut found: Vec<_> = found.into_iter().map(|(id, file)| line(node, id, &file)).collect();
    if direction == Direction::Ascending {
        found.reverse();
    }
    Ok(found)
}

fn line(node: &Node, id: PackageFileId, file: &Record) -> (u64, PackageFile) {
    let (project, package) = (node.record.project.0, node.id.0);
    let file = PackageFile {
        id: PackagesPackageFileID(id.0),
        created_at: Time(file.created),
        updated_at: Time(file.created),
        size: file.size.to_string(),
        file_name: file.name.clone(),
        download_path: format!(
            "/api/v4/projects/{project}/packages/{package}/package_files/{}/download",
            id.0
        ),
        file_md5: Some(hex(&file.sums.md5)),
        file_sha1: Some(hex(&file.sums.sha1)),
        file_sha256: Some(hex(&file.sums.sha256.0)),
    };
    (id.0, file)
}
