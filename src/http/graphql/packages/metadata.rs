//! `PackageMetadata`: what formats know of their packages (spec gitlab §10.3).
//!
//! Deliberately absent: what npm keeps, for which GitLab has no type either.

use async_graphql::{Result, SimpleObject, Union};

use super::package::Node;
use crate::http::graphql::asked::Asked;
use crate::http::graphql::errors::fault;
use crate::model::{PackageKind, PackageMeta};

/// What a format knows of a package.
#[derive(Union)]
pub enum PackageMetadata {
    /// Of Maven.
    Maven(MavenMetadata),
    /// Of `PyPI`.
    Pypi(PypiMetadata),
}

/// What Maven knows of a package.
#[derive(SimpleObject)]
pub struct MavenMetadata {
    /// The path of its files.
    path: String,
    /// The group.
    app_group: String,
    /// The artifact.
    app_name: String,
    /// The version.
    app_version: Option<String>,
}

/// What `PyPI` knows of a package.
#[derive(SimpleObject, Default)]
pub struct PypiMetadata {
    /// The versions of Python that it is for.
    required_python: Option<String>,
    /// The version of the fields that were sent.
    metadata_version: Option<String>,
    /// Who wrote it.
    author_email: Option<String>,
    /// What it is, in a line.
    summary: Option<String>,
    /// What it is.
    description: Option<String>,
    /// What the description is written in.
    description_content_type: Option<String>,
    /// Words to find it by.
    keywords: Option<String>,
}

/// What is known of a package.
///
/// # Errors
/// Those of the store.
pub fn of(asked: &Asked, node: &Node) -> Result<Option<PackageMetadata>> {
    match node.record.kind {
        PackageKind::Maven => Ok(Some(PackageMetadata::Maven(maven(node)))),
        PackageKind::Pypi => {
            let meta = asked.view().package_meta(node.id).map_err(|error| fault(&error))?;
            let Some(PackageMeta::Pypi { fields }) = meta else { return Ok(None) };
            Ok(Some(PackageMetadata::Pypi(pypi(&fields))))
        }
        PackageKind::Npm | PackageKind::Generic => Ok(None),
    }
}

fn maven(node: &Node) -> MavenMetadata {
    let (name, version) = (&node.record.name, &node.record.version);
    let (group, artifact) = name.rsplit_once('/').unwrap_or(("", name));
    let path = match version {
        Some(version) => format!("{name}/{version}"),
        None => name.clone(),
    };
    MavenMetadata {
        path,
        app_group: group.replace('/', "."),
        app_name: artifact.to_owned(),
        app_version: version.clone(),
    }
}

fn pypi(fields: &[(String, String)]) -> PypiMetadata {
    let field = |name: &str| {
        let found = fields.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    PypiMetadata {
        required_python: field("requires_python"),
        metadata_version: field("metadata_version"),
        author_email: field("author_email"),
        summary: field("summary"),
        description: field("description"),
        description_content_type: field("description_content_type"),
        keywords: field("keywords"),
    }
}
