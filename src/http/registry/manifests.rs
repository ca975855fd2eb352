//! Manifests by tag and by digest: GET, HEAD, PUT and DELETE.
//!
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use warp::reply::Response;

use super::errors::{Code, OciError};
use crate::http::failure::Failure;
use crate::http::{Request, Server};
use crate::model::{ImageName, Reference};

impl Server {
    pub(super) async fn manifest(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        reference: Reference,
    ) -> Result<Response, Failure> {
        let why = format!("{} {name}:{reference} is not done here", request.method);
        Err(OciError::new(Code::Unsupported, why).into())
    }
}
