//! GitLab's REST API, as far as groups, members and their tokens go (spec gitlab §3.1, §9): which
//! handler answers. Each is thin: read the parameters, ask whether the caller may, call the
//! store, render.
//!
//! Roles decide here, not the rules of paths; what the caller may not see is not found.
//! Deliberately absent: projects, and everything else that clients of the proxy and of packages do
//! not need.

pub mod errors;

use std::sync::Arc;

use serde_json::json;
use warp::reply::Response;

use super::failure::Failure;
use super::route::ApiRoute;
use super::{Request, Server, reply};
pub use errors::ApiError;

/// The version that clients are told: that of the API as it is spoken here, and ours behind it.
const VERSION: &str = concat!("17.0.0-larder.", env!("CARGO_PKG_VERSION"));

impl Server {
    pub(super) async fn api(
        self: &Arc<Self>,
        request: Request,
        route: ApiRoute,
    ) -> Result<Response, Failure> {
        match route {
            ApiRoute::Version => {
                self.known(&request)?;
                Ok(reply::json(&version()))
            }
            _ => Err(ApiError::no_route().into()),
        }
    }

    /// Refuses nobody in particular, where people log in.
    fn known(&self, request: &Request) -> Result<(), Failure> {
        let is_known = request.caller.login().is_some() || self.access.trusts(&request.caller);
        if is_known { Ok(()) } else { Err(ApiError::unauthorized().into()) }
    }
}

fn version() -> serde_json::Value {
    json!({ "version": VERSION, "revision": env!("CARGO_PKG_VERSION") })
}
