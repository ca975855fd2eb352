//! What says that it is about a manifest, as an index (OCI distribution specification 1.1,
//! "Listing Referrers"): never 404, since nothing has to be there for something to be about it.
//!
//! Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde::Serialize;
use warp::reply::Response;

use super::in_turn;
use super::paging::{Wanted, linked};
use crate::http::failure::Failure;
use crate::http::{Request, Server};
use crate::model::oci_manifest::OCI_INDEX;
use crate::model::{ImageName, ManifestId, OciDigest};
use crate::registry::referrers::{Descriptor, Page};

/// The parameter that only kinds of artifact pass.
const FILTER: &str = "artifactType";
/// Says that it was heeded.
static FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Server {
    pub(super) async fn referrers(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        digest: OciDigest,
    ) -> Result<Response, Failure> {
        let wanted = Wanted::read(&request.query)?;
        let registry = self.registry.clone();
        in_turn(move || {
            let kind = wanted.other(FILTER).filter(|kind| !kind.is_empty());
            let after = wanted.last.as_deref().and_then(|id| id.parse().ok()).map(ManifestId);
            let limit = wanted.count.max(1);
            let Page { lines, next } = registry.referrers(&name, &digest, kind, after, limit)?;
            let mut response = index(lines)?;
            if let Some(ManifestId(next)) = next {
                let next = next.to_string();
                let mut pairs = vec![("last", next.as_str())];
                pairs.extend(kind.map(|kind| (FILTER, kind)));
                pairs.extend(wanted.other("n").map(|n| ("n", n)));
                response = linked(response, &format!("/v2/{name}/referrers/{digest}"), &pairs);
            }
            if kind.is_some() {
                let value = HeaderValue::from_static(FILTER);
                response.headers_mut().insert(FILTERS_APPLIED.clone(), value);
            }
            Ok(response)
        })
        .await
    }
}

fn index(manifests: Vec<Descriptor>) -> Result<Response, Failure> {
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests };
    let bytes = serde_json::to_vec(&index)
        .map_err(|error| Failure::Internal(format!("an index has no form in JSON: {error}")))?;
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
