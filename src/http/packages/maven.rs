//! Packages of Maven over HTTP.

use std::sync::Arc;

use warp::reply::Response;

use crate::http::api::ApiError;
use crate::http::failure::Failure;
use crate::http::route::PackagesAt;
use crate::http::{Request, Server};

impl Server {
    /// The answer to a client of Maven.
    pub(super) async fn maven(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        path: Vec<String>,
        file: String,
    ) -> Result<Response, Failure> {
        drop((request, at, path, file));
        std::future::ready(Err(ApiError::no_route().into())).await
    }
}
