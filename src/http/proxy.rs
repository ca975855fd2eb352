//! The dependency proxy's handlers: manifests, blobs and lists of referrers of other registries,
//! pulled through a group's cache (spec gitlab §1.3-1.5).
//!
//! `X-Cache` tells where an answer came from: HIT, MISS, REVALIDATED or STALE.
//! Deliberately absent: who may pull ([`super::proxy_door`]), and the rules of the cache.

mod blobs;
mod coming;
mod manifests;
mod referrers;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use warp::Reply;
use warp::reply::Response;

use super::failure::Failure;
use super::registry::CONTENT_DIGEST;
use super::registry::errors::{Code, OciError};
use super::reply::with;
use super::route::{ProxyRoute, ProxyThing};
use super::{Request, Server};
use crate::model::{GroupId, UserName};
use crate::proxy::{How, NotServed, Passing, Pulled, Refused};
use coming::Coming;

/// Where an answer came from.
static X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What is pulled, and through which group.
struct Pull {
    group: GroupId,
    route: ProxyRoute,
}

impl Server {
    pub(super) async fn proxied(
        self: &Arc<Self>,
        request: Request,
        route: ProxyRoute,
    ) -> Result<Response, Failure> {
        if self.proxy.upstreams().via().is_in(&request.headers) {
            return Err(looped(&route));
        }
        let group = self.proxy_group(&request, &route.group)?;
        let what = route.what.clone();
        let pull = Pull { group, route };
        let answer = match what {
            ProxyThing::Manifest(reference) => {
                self.proxied_manifest(request, &pull, &reference).await
            }
            ProxyThing::Blob(digest) => self.proxied_blob(request, &pull, digest).await,
            ProxyThing::Referrers(digest) => self.proxied_referrers(request, &pull, &digest).await,
        };
        answer.or_else(|unserved| match unserved {
            Unserved::Failure(failure) => Err(failure),
            Unserved::NotServed(why) => not_served(why, &pull.route),
        })
    }

    /// What the statistics tell of the proxy.
    pub(super) fn proxy_stats(&self) -> Value {
        let groups = self.proxy.counters().into_iter();
        let groups: BTreeMap<_, _> = groups.map(|(path, of)| (path.to_string(), of)).collect();
        let upstreams = self.proxy.upstreams().known().into_iter().map(|source| {
            let limit = source.rate_limit().map(|limit| {
                json!({
                    "limit": limit.limit,
                    "remaining": limit.remaining,
                    "window_s": limit.window.map(|window| window.as_secs()),
                })
            });
            let outage =
                source.outage().map(|(left, why)| json!({ "left_s": left.as_secs(), "why": why }));
            json!({
                "url": source.url(),
                "identity": source.identity(),
                "rate_limit": limit,
                "outage": outage,
            })
        });
        let upstreams: Vec<_> = upstreams.collect();
        json!({ "groups": groups, "upstreams": upstreams, "fetching": self.proxy.flights() })
    }

    /// Counts what was sent, also where a client has it already.
    fn note_proxied(
        &self,
        request: &Request,
        pull: &Pull,
        (what, reference): (Pulled, &dyn std::fmt::Display),
        how: How,
    ) {
        if request.method == Method::GET {
            let ProxyRoute { group, image, .. } = &pull.route;
            let by = request.caller.login().map(UserName::as_str);
            self.proxy.note(group, image, (what, reference), how, by);
        }
    }
}

/// This server asks itself.
fn looped(route: &ProxyRoute) -> Failure {
    log::warn!("{}: {} leads back to this very server", route.group, route.image);
    let why = "the upstream registry of a group leads back to this server: set the group another \
               upstream";
    OciError::new(Code::Unavailable, why).with_status(StatusCode::LOOP_DETECTED).into()
}

/// Why a handler ends without what was asked for.
enum Unserved {
    NotServed(NotServed),
    Failure(Failure),
}

impl From<NotServed> for Unserved {
    fn from(why: NotServed) -> Self {
        Self::NotServed(why)
    }
}

impl From<Failure> for Unserved {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The upstream's own refusal, or ours. What an upstream's address and troubles are is for the
/// log: whoever may set one could look around in our network by what is told.
fn not_served(why: NotServed, route: &ProxyRoute) -> Result<Response, Failure> {
    let ProxyRoute { group, image, .. } = route;
    let error = match why {
        NotServed::Refused(Refused::Answer { status, headers, body }) => {
            // That there is no such image is a word to whoever asks; all else is one to us.
            if status != StatusCode::NOT_FOUND {
                log::warn!("{group}: {image} is not cached, and its upstream answers {status}");
            }
            let mut response = Response::new(body.into());
            *response.status_mut() = status;
            *response.headers_mut() = *headers;
            return Ok(cached(harmless(response), How::Miss));
        }
        NotServed::Refused(Refused::Unanswered(why)) => {
            log::warn!("{group}: {image} is not cached, and its upstream gives nothing: {why}");
            let why = "the upstream registry of this group does not answer, and nothing is \
                       cached: try again later; the server's log says more";
            OciError::new(Code::Unavailable, why)
        }
        NotServed::Lied(why) => {
            log::warn!("{group}: {image} is wrong at its upstream: {why}");
            let why = "the upstream registry of this group sends something else than was asked \
                       for, and nothing is cached; the server's log says more";
            OciError::new(Code::Unavailable, why).with_status(StatusCode::BAD_GATEWAY)
        }
        NotServed::Disabled => {
            let why = NotServed::Disabled.to_string();
            OciError::new(Code::NameUnknown, why)
        }
        NotServed::Store(error) => return Err(error.into()),
        why @ (NotServed::Files(_) | NotServed::Damaged(_)) => {
            return Err(Failure::Internal(why.to_string()));
        }
    };
    Err(error.into())
}

/// The answer with what tells where it came from.
fn cached(response: Response, how: How) -> Response {
    with(response, X_CACHE.clone(), how.as_str())
}

/// What goes through and is not kept.
fn pass(request: &Request, passing: Passing) -> Response {
    let Passing { digest, ref media_type, total, .. } = passing;
    let media_type = media_type.clone();
    let mut response = match request.method {
        Method::HEAD => Response::default(),
        _ => warp::reply::stream(Coming::new(passing.into_stream())).into_response(),
    };
    if let Some(total) = total {
        response = with(response, CONTENT_LENGTH, &total.to_string());
    }
    let media_type = media_type.as_deref().unwrap_or("application/octet-stream");
    response = with(response, CONTENT_TYPE, media_type);
    response = with(response, CONTENT_DIGEST.clone(), &digest.to_string());
    cached(harmless(response), How::Miss)
}

/// What has the type that an upstream says: should that be a page, it runs nothing in a browser,
/// which would take it for one of ours.
fn harmless(response: Response) -> Response {
    let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    with(response, CONTENT_SECURITY_POLICY, "sandbox")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::http::route::{Route, Routed, route};

    #[test]
    fn the_words_of_an_upstream_run_nothing_in_a_browser() {
        let path = "/v2/acme/dependency_proxy/containers/x/manifests/latest";
        let Routed::Found(Route::Proxy(route), _) = route(&Method::GET, path) else {
            panic!("{path}")
        };
        let page = HeaderValue::from_static("text/html");
        let refused = Refused::Answer {
            status: StatusCode::FORBIDDEN,
            headers: Box::new(HeaderMap::from_iter([(CONTENT_TYPE, page)])),
            body: "<script>fetch('/api/v4/user')</script>".into(),
        };
        let Ok(response) = not_served(NotServed::Refused(refused), &route) else {
            panic!("nothing is handed on")
        };
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
