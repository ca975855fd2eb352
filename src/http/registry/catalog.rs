//! The list of repositories.
//!
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use warp::reply::Response;

use super::errors::{Code, OciError};
use crate::http::failure::Failure;
use crate::http::{Request, Server};

impl Server {
    pub(super) async fn catalog(self: &Arc<Self>, request: Request) -> Result<Response, Failure> {
        let why = format!("{} of the list is not done here", request.method);
        Err(OciError::new(Code::Unsupported, why).into())
    }
}
