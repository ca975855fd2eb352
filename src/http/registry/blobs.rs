//! Blobs of a repository: GET, HEAD and DELETE.
//!
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use warp::reply::Response;

use super::errors::{Code, OciError};
use crate::http::failure::Failure;
use crate::http::{Request, Server};
use crate::model::{ImageName, OciDigest};

impl Server {
    pub(super) async fn image_blob(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        digest: OciDigest,
    ) -> Result<Response, Failure> {
        let why = format!("{} {name}@{digest} is not done here", request.method);
        Err(OciError::new(Code::Unsupported, why).into())
    }
}
