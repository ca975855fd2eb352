//! The container registry's handlers (OCI distribution specification 1.1, spec dlrepo §11):
//! which of them answers, and the form that every answer under `/v2/` has.
//!
//! Deliberately absent: rights to the thing that a URL names, which the guard asked about before;
//! what a request names besides (a source of a mount, lines of a list) is asked about where it
//! is read.

mod blobs;
mod catalog;
mod challenge;
pub mod errors;
mod manifests;
mod paging;
mod referrers;
mod tags;
mod uploads;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue};
use serde_json::json;
use warp::reply::Response;

use super::failure::Failure;
use super::route::{RegistryRoute, is_registry};
use super::{Request, Server, reply, token_service};
use crate::model::Caller;

/// Says which protocol is spoken; older clients look for it.
static API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What of a request for the registry is needed to refuse it.
pub(super) struct Asked {
    wanted: challenge::Wanted,
}

impl Server {
    pub(super) async fn registry(
        self: &Arc<Self>,
        request: Request,
        route: RegistryRoute,
    ) -> Result<Response, Failure> {
        match route {
            RegistryRoute::Base => Ok(reply::json(&json!({}))),
            RegistryRoute::Catalog => self.catalog(request).await,
            RegistryRoute::Tags(name) => self.image_tags(request, name).await,
            RegistryRoute::Manifest(name, reference) => {
                self.manifest(request, name, reference).await
            }
            RegistryRoute::Blob(name, digest) => self.image_blob(request, name, digest).await,
            RegistryRoute::Uploads(name) => self.begin_image_upload(request, name).await,
            RegistryRoute::Upload(name, id) => self.image_upload(request, name, id).await,
            RegistryRoute::Referrers(name, digest) => self.referrers(request, name, digest).await,
            RegistryRoute::Invalid(invalid) => Err(invalid.refusal(&request.method).into()),
        }
    }

    /// What is needed to conclude a request for the registry; `None`: it is for something else.
    pub(super) fn asked(
        &self,
        request: &Request,
        path: &str,
        peer: Option<IpAddr>,
    ) -> Option<Asked> {
        let is_asked = is_registry(path) || path == token_service::PATH;
        is_asked.then(|| Asked { wanted: self.wanted(request, path, peer) })
    }

    /// The answer to a request, in the form of what it asked.
    pub(super) fn conclude(
        &self,
        asked: Option<Asked>,
        caller: &Caller,
        answer: Result<Response, Failure>,
    ) -> Response {
        let Some(asked) = asked else {
            return answer.unwrap_or_else(|failure| self.refuse(caller, failure).into_response());
        };
        let answer = answer.unwrap_or_else(|failure| self.refuse_image(&asked, caller, failure));
        let mut response = answer;
        let version = HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert(API_VERSION.clone(), version);
        response
    }

    fn refuse_image(&self, asked: &Asked, caller: &Caller, failure: Failure) -> Response {
        let challenge = self.challenge(asked, &failure);
        let mut error = asked.told(caller, self.refuse(caller, failure));
        if let Some(challenge) = challenge {
            error = error.with_header(WWW_AUTHENTICATE, challenge);
        }
        error.into_response()
    }
}
