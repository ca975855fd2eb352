//! What clients of packages ask for (spec gitlab §4 to §7): which format answers.
//!
//! Deliberately absent: lists and deletion, which are the API's, and everything that one format
//! alone does.

mod maven;
mod npm;
mod pypi;

use std::sync::Arc;

use warp::reply::Response;

use super::api::ApiError;
use super::failure::Failure;
use super::route::{PackagesRoute, PackagesThing};
use super::{Request, Server};

impl Server {
    /// The answer of one of the formats.
    pub(super) async fn package(
        self: &Arc<Self>,
        request: Request,
        route: PackagesRoute,
    ) -> Result<Response, Failure> {
        let PackagesRoute { at, what } = route;
        match what {
            PackagesThing::Generic { .. } => Err(ApiError::no_route().into()),
            PackagesThing::Npm(thing) => Box::pin(self.npm(request, at, thing)).await,
            PackagesThing::Maven { path, file } => {
                Box::pin(self.maven(request, at, path, file)).await
            }
            PackagesThing::Pypi(thing) => Box::pin(self.pypi(request, at, thing)).await,
        }
    }
}
