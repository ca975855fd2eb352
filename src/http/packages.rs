//! What clients of packages ask for (spec gitlab §4 to §7): which format answers, and what all of
//! them say alike.
//!
//! `gate` tells who gets to the packages of which project, `intake` takes bodies in, `send` answers
//! with files and with pages. Deliberately absent: lists and deletion, which are the API's, and
//! everything that one format alone does.

pub(in crate::http) mod gate;
mod generic;
mod intake;
mod maven;
mod npm;
mod pypi;
mod send;

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::api::render::moment;
use super::api::{ApiError, answer};
use super::failure::Failure;
use super::route::{PackagesRoute, PackagesThing};
use super::{Request, Server};
use crate::model::digest::hex;
use crate::model::{PackageFile, PackageFileId};
use crate::{store, tree};

impl Server {
    /// The answer of one of the formats.
    pub(super) async fn package(
        self: &Arc<Self>,
        request: Request,
        route: PackagesRoute,
    ) -> Result<Response, Failure> {
        let PackagesRoute { at, what } = route;
        match what {
            thing @ PackagesThing::Generic { .. } => {
                Box::pin(self.generic(request, at, thing)).await
            }
            PackagesThing::Npm(thing) => Box::pin(self.npm(request, at, thing)).await,
            PackagesThing::Maven { path, file } => {
                Box::pin(self.maven(request, at, path, file)).await
            }
            PackagesThing::Pypi(thing) => Box::pin(self.pypi(request, at, thing)).await,
        }
    }
}

/// 201 as the API says it.
fn created() -> Response {
    answer(StatusCode::CREATED, &json!({ "message": "201 Created" }))
}

/// Why something was not published, in the words that clients know; other failures as they are.
fn refused(failure: Failure) -> Failure {
    let Failure::Tree(tree::Error::Store(error)) = failure else { return failure };
    match error {
        store::Error::DuplicateNotAllowed(_) => {
            ApiError::bad_request("Duplicate package is not allowed").into()
        }
        store::Error::PackageProtected(_) => {
            ApiError::message(StatusCode::FORBIDDEN, "403 Forbidden - Package protected.").into()
        }
        store::Error::ProjectUnknown(_) => ApiError::not_found("Project").into(),
        error => error.into(),
    }
}

/// A file of a package as GitLab's clients read it.
pub(in crate::http) fn file_json(id: PackageFileId, file: &PackageFile) -> Value {
    json!({
        "id": id.0,
        "package_id": file.package.0,
        "created_at": moment(file.created),
        "file_name": file.name,
        "size": file.size,
        "file_md5": hex(&file.sums.md5),
        "file_sha1": hex(&file.sums.sha1),
        "file_sha256": file.sums.sha256.to_string(),
        "pipelines": [],
    })
}
