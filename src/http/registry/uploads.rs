//! Uploads of blobs: monolithic, in pieces, and by mounting what another repository has.
//!
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use warp::reply::Response;

use super::errors::{Code, OciError};
use crate::http::failure::Failure;
use crate::http::{Request, Server};
use crate::model::{ImageName, UploadId};

impl Server {
    pub(super) async fn begin_image_upload(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
    ) -> Result<Response, Failure> {
        let why = format!("{} {name} is not done here", request.method);
        Err(OciError::new(Code::Unsupported, why).into())
    }

    pub(super) async fn image_upload(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        id: UploadId,
    ) -> Result<Response, Failure> {
        let why = format!("{} {name} {id} is not done here", request.method);
        Err(OciError::new(Code::Unsupported, why).into())
    }
}
