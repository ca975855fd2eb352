//! Packages of `PyPI` over HTTP.

use std::sync::Arc;

use warp::reply::Response;

use crate::http::api::ApiError;
use crate::http::failure::Failure;
use crate::http::route::{PackagesAt, PypiThing};
use crate::http::{Request, Server};

impl Server {
    /// The answer to a client of `PyPI`.
    pub(super) async fn pypi(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        thing: PypiThing,
    ) -> Result<Response, Failure> {
        drop((request, at, thing));
        std::future::ready(Err(ApiError::no_route().into())).await
    }
}
