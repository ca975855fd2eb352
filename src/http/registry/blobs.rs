//! Blobs of a repository: GET, HEAD and DELETE.
//!
//! A blob is there for those repositories only that have it, however else it is stored. Being
//! told of one, or getting it, renews its upload link before the answer.
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;
use warp::reply::Response;

use super::errors::{Code, OciError};
use super::{CONTENT_DIGEST, empty};
use crate::http::failure::Failure;
use crate::http::reply::{Content, Decision, FileFacts, with};
use crate::http::{Request, Server};
use crate::model::{Blob, Caller, ImageName, OciDigest};
use crate::registry::download::OpenedBlob;
use crate::store;

/// For whoever is nobody in particular: what has a digest for a name never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// How long a deletion waits for manifests that were deleted before it to let go.
const LET_GO_TIME: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK_TIME: Duration = Duration::from_millis(20);

impl Server {
    pub(super) async fn image_blob(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        digest: OciDigest,
    ) -> Result<Response, Failure> {
        if request.method == Method::DELETE {
            return self.delete_blob(&name, digest).await;
        }
        let place = self.place_of_blob(&name, &digest)?;
        let promised = self.registry.promise_blob(&place, &digest).await?;
        let answer = match request.method {
            Method::HEAD => promised.map(|found| head(&request, &found.blob)),
            // Also what cannot be promised may be read while it is there.
            _ => self.send_image_blob(&request, &place, &digest)?,
        };
        let response = answer.ok_or_else(|| blob_unknown(&name, &digest))?;
        if request.method == Method::GET && response.status().is_success() {
            self.registry.note_blob_out(&name, length(&response));
        }
        let mut response = with(response, CONTENT_DIGEST.clone(), &digest.to_string());
        if request.method == Method::GET && self.is_open_to_all(&name, &digest) {
            response.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
        }
        Ok(response)
    }

    /// The repository that has the blob where it is asked for by the name of a product.
    fn place_of_blob(&self, name: &ImageName, digest: &OciDigest) -> Result<ImageName, Failure> {
        let view = self.registry.store().view()?;
        let behind = self.registry.product_blob(&view, name, digest)?;
        Ok(behind.unwrap_or_else(|| name.clone()))
    }

    /// The bytes; `None`: the repository does not have them.
    fn send_image_blob(
        &self,
        request: &Request,
        name: &ImageName,
        digest: &OciDigest,
    ) -> Result<Option<Response>, Failure> {
        let named = format!("/v2/{name}/blobs/{digest}");
        let opened = self.registry.open_blob(&named, |view| {
            Ok(view.image_blob(name, digest)?.map(|found| (found.id, found.blob)))
        })?;
        let send = |opened: OpenedBlob| {
            let OpenedBlob { blob, source } = opened;
            self.send_blob(request, &facts(&blob), &blob, source, &named)
        };
        Ok(opened.map(send))
    }

    /// Whether a cache in between may show the answer to anybody.
    fn is_open_to_all(&self, name: &ImageName, digest: &OciDigest) -> bool {
        self.may_read(&Caller::Anonymous, &format!("/v2/{name}/blobs/{digest}"))
    }

    async fn delete_blob(&self, name: &ImageName, digest: OciDigest) -> Result<Response, Failure> {
        let mut waited = Duration::ZERO;
        loop {
            // Asked before: what is destroyed between the two makes the next try succeed.
            let is_destroying = self.is_destroying()?;
            let deleted = self.registry.store().delete_image_blob(name.clone(), digest).await;
            match deleted {
                Ok(()) => break,
                Err(store::Error::NotFound(_)) => return Err(blob_unknown(name, &digest).into()),
                Err(store::Error::BlobInUse(_)) if waited < LET_GO_TIME && is_destroying => {}
                Err(error) => return Err(error.into()),
            }
            // Manifests that were deleted a moment ago name it until they are destroyed.
            self.reclaim();
            tokio::time::sleep(LOOK_TIME).await;
            waited = waited.saturating_add(LOOK_TIME);
        }
        self.reclaim();
        Ok(empty(StatusCode::ACCEPTED, []))
    }

    /// Whether something that was deleted is still to be destroyed.
    fn is_destroying(&self) -> Result<bool, Failure> {
        Ok(self.registry.store().view()?.totals()?.queue > 0)
    }
}

/// The answer to a HEAD, for which no file needs to be opened.
fn head(request: &Request, blob: &Blob) -> Response {
    let facts = facts(blob);
    match facts.decide(&request.method, &request.headers) {
        Decision::Answer(response) => response,
        Decision::Send(sending) => facts.send(&sending, Content::None),
    }
}

/// How many bytes an answer has; a proxy may be the one to send them.
fn length(response: &Response) -> u64 {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn facts(blob: &Blob) -> FileFacts<'_> {
    // Nothing is known of its type, as of a file without a name.
    FileFacts { name: "", digest: blob.digest, modified: blob.created, size: blob.size }
}

fn blob_unknown(name: &ImageName, digest: &OciDigest) -> OciError {
    OciError::new(Code::BlobUnknown, "the repository does not have this blob, upload it")
        .about(json!({ "name": name.as_str(), "digest": digest.to_string() }))
}
