//! Blobs through a group's cache: GET and HEAD. What is here is sent as a registry's blob is, with
//! ranges; what is coming is sent as it comes, and breaks off where that does.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};
use warp::Reply;
use warp::reply::Response;

use super::coming::Coming;
use super::{Pull, Unserved, cached, pass};
use crate::http::registry::CONTENT_DIGEST;
use crate::http::reply::{Content, Decision, FileFacts, with};
use crate::http::{Request, Server};
use crate::model::{Digest, OciDigest, Timestamp};
use crate::proxy::{BlobHead, Follower, How, Pulled, PulledBlob};

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl Server {
    pub(super) async fn proxied_blob(
        &self,
        request: Request,
        pull: &Pull,
        digest: OciDigest,
    ) -> Result<Response, Unserved> {
        let (proxy, group, image) = (&self.proxy, pull.group, &pull.route.image);
        let (response, how) = match digest {
            OciDigest::Sha512(_) => {
                let passing = proxy.pass_blob(group, image, digest).await?;
                (pass(&request, passing), How::Miss)
            }
            OciDigest::Sha256(digest) if request.method == Method::HEAD => {
                let (known, how) = proxy.blob_head(group, image, digest).await?;
                (head(&request, digest, known), how)
            }
            OciDigest::Sha256(digest) => {
                let pulled = proxy.blob(group, image, digest).await?;
                self.send_pulled(&request, digest, pulled)
            }
        };
        self.note_proxied(&request, pull, (Pulled::Blob, &digest), how);
        let response = with(response, CONTENT_DIGEST.clone(), &digest.to_string());
        Ok(cached(response, how))
    }

    fn send_pulled(
        &self,
        request: &Request,
        digest: Digest,
        pulled: PulledBlob,
    ) -> (Response, How) {
        match pulled {
            PulledBlob::Here { blob, source, how } => {
                let (size, modified) = (blob.size, blob.created);
                let facts = FileFacts { name: "", digest, modified, size };
                let named = format!("the cached blob sha256:{digest}");
                (self.send_blob(request, &facts, &blob, source, &named), how)
            }
            PulledBlob::Coming { total, since, follower } => {
                (coming(request, digest, (total, since), *follower), How::Miss)
            }
        }
    }
}

fn head(request: &Request, digest: Digest, known: BlobHead) -> Response {
    let (Some(size), Some(modified)) = (known.total, known.since) else {
        return bare(Response::default(), known.total);
    };
    let facts = FileFacts { name: "", digest, modified, size };
    match facts.decide(&request.method, &request.headers) {
        Decision::Answer(response) => response,
        Decision::Send(sending) => facts.send(&sending, Content::None),
    }
}

/// What is on its way; of a known length, so that parts can be asked for, or of none.
fn coming(
    request: &Request,
    digest: Digest,
    (total, modified): (Option<u64>, Timestamp),
    follower: Follower,
) -> Response {
    let Some(size) = total else {
        let stream = Coming::new(follower.into_stream());
        return bare(warp::reply::stream(stream).into_response(), None);
    };
    let facts = FileFacts { name: "", digest, modified, size };
    match facts.decide(&request.method, &request.headers) {
        Decision::Answer(response) => response,
        Decision::Send(sending) => {
            let part = follower.range(sending.range.start, sending.range.end);
            facts.send(&sending, Content::Stream(Box::pin(Coming::new(part.into_stream()))))
        }
    }
}

fn bare(mut response: Response, total: Option<u64>) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, BYTES);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    match total {
        Some(total) => with(response, CONTENT_LENGTH, &total.to_string()),
        None => response,
    }
}
