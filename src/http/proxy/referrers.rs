//! What refers to a manifest of an upstream. The upstream's list is asked for as a whole and
//! filtered here, so that what is cached serves every filter.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use serde_json::Value;
use tokio::sync::Semaphore;
use warp::reply::Response;

use super::{Pull, Unserved, cached};
use crate::http::failure::Failure;
use crate::http::tree::query_value;
use crate::http::{Request, Server, in_turn};
use crate::model::OciDigest;
use crate::model::oci_manifest::OCI_INDEX;

/// The parameter that only kinds of artifact pass.
const FILTER: &str = "artifactType";
/// Lists that are filtered at once: one of 10 MiB that was made for that comes to hundreds.
const TURNS_MAX: usize = 2;
static TURNS: Semaphore = Semaphore::const_new(TURNS_MAX);
/// Says that it was heeded.
static FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Server {
    pub(super) async fn proxied_referrers(
        &self,
        request: Request,
        pull: &Pull,
        digest: &OciDigest,
    ) -> Result<Response, Unserved> {
        let (list, how) = self.proxy.referrers(pull.group, &pull.route.image, digest).await?;
        let bytes = self.proxy.read(list).await?;
        let kind = query_value(&request.query, FILTER).filter(|kind| !kind.is_empty());
        let mut response = match &kind {
            None => Response::new(bytes.into()),
            Some(kind) => {
                let kind = kind.clone();
                let filtered = in_turn(&TURNS, move || filtered(&bytes, &kind)).await?;
                Response::new(filtered.into())
            }
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if kind.is_some() {
            headers.insert(FILTERS_APPLIED.clone(), HeaderValue::from_static(FILTER));
        }
        Ok(cached(response, how))
    }
}

fn filtered(list: &[u8], kind: &str) -> Result<Vec<u8>, Failure> {
    let no_list = |error| Failure::Internal(format!("a list of referrers is damaged: {error}"));
    let mut list: Value = serde_json::from_slice(list).map_err(no_list)?;
    if let Some(lines) = list.get_mut("manifests").and_then(Value::as_array_mut) {
        lines.retain(|line| line.get(FILTER).and_then(Value::as_str) == Some(kind));
    }
    serde_json::to_vec(&list).map_err(no_list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_kind_stay() {
        let list = br#"{"schemaVersion":2,"manifests":[{"artifactType":"a"},{"x":1},
            {"artifactType":"b"}]}"#;
        let left = filtered(list, "b").unwrap();
        let left: Value = serde_json::from_slice(&left).unwrap();
        assert_eq!(left["manifests"], serde_json::json!([{"artifactType": "b"}]));
        assert_eq!(left["schemaVersion"], 2);
    }
}
