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

use http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, StatusCode};
use tokio::sync::Semaphore;
use warp::reply::Response;

use super::failure::Failure;
use super::reply::with;
use super::route::{RegistryRoute, is_registry};
use super::{Request, Server, reply, token_service};
use crate::model::Caller;

/// Says which protocol is spoken; older clients look for it.
static API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The digest of what is answered, or was taken, of the kind that it was asked for by.
pub(super) static CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Manifests that are taken apart at once where each may come to many times its bytes: some
/// 70 MiB for one of 4 MiB that was made for that.
const TURNS_MAX: usize = 8;
static TURNS: Semaphore = Semaphore::const_new(TURNS_MAX);

/// Runs what takes large manifests apart, a few at a time.
async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    super::in_turn(&TURNS, work).await
}

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
            // As dependency proxies have it; clients look at the status alone.
            RegistryRoute::Base => Ok(reply::plain(String::new())),
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
        let answer = answer.map_err(|failure| self.asked_again(failure));
        let Some(asked) = asked else {
            return answer.unwrap_or_else(|failure| self.refuse(caller, failure).into_response());
        };
        let answer = answer.unwrap_or_else(|failure| self.refuse_image(&asked, caller, failure));
        with(answer, API_VERSION.clone(), "registry/2.0")
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

/// An answer without a body.
fn empty<const N: usize>(status: StatusCode, headers: [(HeaderName, String); N]) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    headers.into_iter().fold(response, |response, (name, value)| with(response, name, &value))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_a_few_large_manifests_are_taken_apart_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..3 * TURNS_MAX).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(in_turn(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }))
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        assert!((2..=TURNS_MAX).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}
