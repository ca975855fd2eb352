//! GraphQL (spec gitlab §10): one URL, `POST /api/graphql` with or without a slash, and one schema.
//!
//! Roles decide, not the rules of paths; what the caller may not see is null, and what they may
//! not change is answered as if it were not there. Defends I8: all that an answer tells is read
//! from one snapshot, or, after a change, from one that has it. Resolvers are synchronous reads of
//! the store, so a document runs on a blocking thread.
//! Deliberately absent: subscriptions, uploads, documents in a URL, and a page to try things out.

#![allow(clippy::unused_async, reason = "the library wants its resolvers so")]

mod asked;
mod connection;
mod current_user;
mod dependency_proxy;
pub(in crate::http) mod errors;
mod group;
mod ids;
mod limits;
mod metadata;
mod package_settings;
mod requests;
mod scalars;
mod schema;

use std::sync::Arc;

use async_graphql::Response as Answer;
use http::Method;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use warp::reply::Response;

use super::failure::Failure;
use super::{Request, Server, blocking, body, in_turn, reply};
use asked::Asked;
use requests::Sent;

/// Its path, and all that is taken there.
pub const PATH: &str = "/api/graphql";
pub(super) const ALLOW: &[&str] = &["POST"];

/// Longer bodies, in bytes, are taken apart a few at a time: objects of next to nothing come to
/// a hundred times their bytes in memory, and nobody has to log in to send some.
const LARGE: usize = 64 << 10;
const TURNS_MAX: usize = 2;
static TURNS: Semaphore = Semaphore::const_new(TURNS_MAX);

/// Whether a path, still percent-encoded, is that of GraphQL.
#[must_use]
pub fn is_graphql(raw_path: &str) -> bool {
    raw_path.strip_suffix('/').unwrap_or(raw_path) == PATH
}

/// What is told: one answer, or one for each request of an array.
#[derive(Serialize)]
#[serde(untagged)]
enum Answers {
    One(Box<Answer>),
    Many(Vec<Answer>),
}

impl Server {
    pub(super) async fn graphql(self: &Arc<Self>, request: Request) -> Result<Response, Failure> {
        if request.method != Method::POST {
            return Err(Failure::MethodNotAllowed(ALLOW));
        }
        let address = self.address(&request.headers);
        let (caller, reach) = (request.caller, request.pass.reach.elsewhere);
        let text = body::collect(request.body, requests::SIZE_MAX).await?;
        let (server, runtime, is_large) = (Arc::clone(self), Handle::current(), text.len() > LARGE);
        let work = move || {
            let sent = requests::read(&text)?;
            let asked = Arc::new(Asked::new(server, caller, reach, address)?);
            let answer = |request| runtime.block_on(schema::execute(request, &asked));
            let answers = match sent {
                Sent::One(request) => Answers::One(Box::new(answer(*request))),
                Sent::Many(requests) => Answers::Many(requests.into_iter().map(answer).collect()),
            };
            Ok(document(&answers))
        };
        if is_large { in_turn(&TURNS, work).await } else { blocking(work).await }
    }
}

/// 200 with a document.
fn document(value: &impl Serialize) -> Response {
    reply::with(reply::json(value), CONTENT_TYPE, "application/json")
}

#[cfg(test)]
mod tests;
