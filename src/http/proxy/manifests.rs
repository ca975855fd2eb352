//! Manifests through a group's cache: GET and HEAD. `Accept` is ignored: what is answered is what
//! the upstream has, and its digest says which bytes those are.

use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use super::{Pull, Unserved, cached, pass};
use crate::http::download::slice;
use crate::http::failure::Failure;
use crate::http::registry::CONTENT_DIGEST;
use crate::http::reply::{Content, Decision, FileFacts, with};
use crate::http::{Request, Server};
use crate::model::Reference;
use crate::proxy::{Document, How, Manifest, Pulled};

/// What entity tags begin with here and nowhere else (spec gitlab §1.4).
const PREFIX: &str = "\"sha256:";

impl Server {
    pub(super) async fn proxied_manifest(
        &self,
        request: Request,
        pull: &Pull,
        reference: &Reference,
    ) -> Result<Response, Unserved> {
        let manifest = self.proxy.manifest(pull.group, &pull.route.image, reference).await?;
        let (document, how) = match manifest {
            Manifest::Here(document, how) => (document, how),
            Manifest::Passing(passing) => {
                self.note_proxied(&request, pull, (Pulled::Manifest, reference), How::Miss);
                return Ok(pass(&request, *passing));
            }
        };
        self.note_proxied(&request, pull, (Pulled::Manifest, reference), how);
        let digest = format!("sha256:{}", document.digest);
        let response = self.send_document(request, document).await?;
        let response = with(response, CONTENT_DIGEST.clone(), &digest);
        let response = with(response, ETAG, &format!("\"{digest}\""));
        Ok(cached(response, how))
    }

    async fn send_document(
        &self,
        request: Request,
        document: Document,
    ) -> Result<Response, Unserved> {
        let Document { digest, size, since: modified, .. } = document;
        let facts = FileFacts { name: "manifest.json", digest, modified, size };
        let sending = match facts.decide(&request.method, &own_tags(&request.headers)) {
            Decision::Answer(response) => return Ok(response),
            Decision::Send(sending) => sending,
        };
        let media_type = HeaderValue::from_str(&document.media_type);
        let content = if request.method == Method::HEAD {
            Content::None
        } else {
            let bytes = self.proxy.read(document).await?;
            let part = slice(&bytes, &sending.range);
            Content::Bytes(part.ok_or_else(|| {
                Failure::Internal(format!("sha256:{digest} is shorter than its record says"))
            })?)
        };
        let mut response = facts.send(&sending, content);
        if let Ok(media_type) = media_type {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        Ok(response)
    }
}

/// The headers with entity tags in the form that all other answers have.
fn own_tags(headers: &HeaderMap) -> HeaderMap {
    let mut own = headers.clone();
    for name in [IF_MATCH, IF_NONE_MATCH] {
        let tags = own.get(&name).and_then(|tags| tags.to_str().ok());
        let tags = tags.map(|tags| HeaderValue::try_from(tags.replace(PREFIX, "\"")));
        if let Some(Ok(tags)) = tags {
            own.insert(name, tags);
        }
    }
    own
}
