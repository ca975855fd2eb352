//! Packages of npm over HTTP.

use std::sync::Arc;

use warp::reply::Response;

use crate::http::api::ApiError;
use crate::http::failure::Failure;
use crate::http::route::{NpmThing, PackagesAt};
use crate::http::{Request, Server};

impl Server {
    /// The answer to a client of npm.
    pub(super) async fn npm(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        thing: NpmThing,
    ) -> Result<Response, Failure> {
        drop((request, at, thing));
        std::future::ready(Err(ApiError::no_route().into())).await
    }
}
