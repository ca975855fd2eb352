//! What the server says of itself: `/`, and everything under `/-/`.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warp::reply::Response;

use super::failure::Failure;
use super::{Request, Server, blocking, body, reply};
use crate::model::{Run, Scope, Trigger};

/// Runs that are shown unless `?limit=` says otherwise, and at most.
const RUNS_SHOWN: usize = 20;
const RUNS_SHOWN_MAX: usize = 1000;

const HOME: &str = include_str!("home.html");

/// `GET /`: what this is, and how to upload. `users` is markup.
pub(super) fn home(address: &str, users: &str) -> Response {
    // What docker calls a registry: no scheme and no slash at the end.
    let registry = address.split_once("://").map_or(address, |(_, rest)| rest);
    let page = HOME.replace("http://HOST:PORT", &escape(address));
    let page = page.replace("REGISTRY", &escape(registry.trim_end_matches('/')));
    html(page.replace("USERS", users))
}

/// 200 with a page that brings its style along, loads nothing and runs nothing.
pub(super) fn html(page: String) -> Response {
    let mut response = reply::plain(page);
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(http::header::CONTENT_TYPE, html);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(http::header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Text that cannot become markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The process answers.
pub(super) fn health() -> Response {
    reply::plain("ok\n".to_owned())
}

#[derive(Serialize)]
struct Sweeps {
    running: Option<crate::sweeper::Progress>,
    asked: Option<Scope>,
    held: Option<String>,
    #[serde(rename = "sweeps")]
    runs: Vec<Run>,
}

/// The body of `POST /-/sweeps`; an empty body is a full sweep.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    #[serde(default = "full")]
    scope: Scope,
}

fn full() -> Scope {
    Scope::Full
}

impl Server {
    /// The database answers.
    pub(super) fn ready(&self) -> Response {
        match self.tree.store().view().and_then(|view| view.totals()) {
            Ok(_) => reply::plain("ready\n".to_owned()),
            Err(error) => {
                log::warn!("not ready: {error}");
                reply::text(StatusCode::SERVICE_UNAVAILABLE, "The database is not available")
            }
        }
    }

    pub(super) async fn stats(self: &Arc<Self>) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let mut stats = (server.stats)().map_err(Failure::Internal)?;
            let images = server.registry.counters().into_iter();
            let images = images.map(|(name, of)| (name.to_string(), of));
            let images: std::collections::BTreeMap<_, _> = images.collect();
            stats["images"] = serde_json::json!(images);
            stats["dependency_proxy"] = server.proxy_stats();
            Ok(reply::json(&stats))
        })
        .await
    }

    pub(super) async fn sweeps(self: &Arc<Self>, request: Request) -> Result<Response, Failure> {
        let limit = match super::tree::query_value(&request.query, "limit") {
            None => RUNS_SHOWN,
            Some(text) => {
                text.parse().ok().filter(|limit| *limit <= RUNS_SHOWN_MAX).ok_or_else(|| {
                    Failure::BadRequest(format!("limit is a number up to {RUNS_SHOWN_MAX}"))
                })?
            }
        };
        let server = Arc::clone(self);
        blocking(move || {
            let runs = server.tree.store().view()?.runs(limit)?;
            let status = server.sweeper.status();
            Ok(reply::json(&Sweeps {
                running: status.running,
                asked: status.asked,
                held: status.held,
                runs,
            }))
        })
        .await
    }

    /// Asks for a sweep and does not wait for it.
    pub(super) async fn ask_sweep(&self, request: Request) -> Result<Response, Failure> {
        let text = body::collect(request.body, body::JSON_SIZE_MAX).await?;
        let ask = if text.is_empty() {
            Ask { scope: full() }
        } else {
            // By way of an object: serde takes a list for a struct as well.
            let fields: Map<String, Value> =
                serde_json::from_slice(&text).map_err(super::HttpError::from)?;
            Ask::deserialize(Value::Object(fields)).map_err(super::HttpError::from)?
        };
        self.sweeper.ask(ask.scope, Trigger::Request);
        let mut response = reply::json(&serde_json::json!({ "asked": ask.scope }));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}
