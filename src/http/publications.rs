//! `/-/publications`: what is wanted of tags on other servers, and how far each target and job
//! is. For administrators: it names tags whatever their rights.

use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::failure::Failure;
use super::{Request, Server, blocking, reply};
use crate::model::Publication;

/// Publications that are shown unless `?limit=` says otherwise, and at most.
const SHOWN: usize = 100;
const SHOWN_MAX: usize = 10_000;

#[derive(Serialize)]
struct Publications {
    publications: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    tag: String,
    #[serde(flatten)]
    publication: Publication,
}

impl Server {
    pub(super) async fn publications(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Response, Failure> {
        let limit = match super::tree::query_value(&request.query, "limit") {
            None => SHOWN,
            Some(text) => {
                text.parse().ok().filter(|limit| *limit <= SHOWN_MAX).ok_or_else(|| {
                    Failure::BadRequest(format!("limit is a number up to {SHOWN_MAX}"))
                })?
            }
        };
        let server = Arc::clone(self);
        blocking(move || {
            let found = server.tree.store().view()?.publications(limit)?.into_iter();
            let lines = found.map(|(tag, publication)| Line { tag, publication });
            Ok(reply::json(&Publications { publications: lines.collect() }))
        })
        .await
    }
}
