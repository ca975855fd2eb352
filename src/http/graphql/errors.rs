//! Errors of GraphQL: a document with `errors` (spec gitlab §8.1, §9.1, §10.4). [`Refusal`] is for
//! a request of which nothing is run; the rest are what fields say.
//!
//! A field that may be null is an `Option<Result<…>>`: then an error stays with it, and what else
//! was asked for is answered. What is the client's to mend gets its own words; what is ours is
//! logged in full and told in general, as in [`crate::http::failure`].

use async_graphql::Error;
use http::header::{ALLOW, HeaderName, RETRY_AFTER};
use http::{Method, StatusCode};
use serde_json::json;
use warp::reply::Response;

use super::{document, is_graphql};
use crate::http::failure::{self, Failure};
use crate::http::reply;
use crate::http::route::render_allow;
use crate::{store, tree};

/// What is told of a thing that is not there, or is not the caller's to change.
const UNAVAILABLE: &str = "The resource that you are attempting to access does not exist or you \
                           don't have permission to perform this action";

/// Why nothing of a request is run.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    /// With this status.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn into_response(self) -> Response {
        let mut response = document(&json!({ "errors": [{ "message": self.message }] }));
        *response.status_mut() = self.status;
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            StatusCode::BAD_REQUEST => Self::BadRequest(refusal.message),
            _ => Self::Unprocessable(refusal.message),
        }
    }
}

/// What does not exist, or may not be changed by whoever asks: they are not told which.
#[must_use]
pub fn unavailable() -> Error {
    Error::new(UNAVAILABLE)
}

/// What an argument cannot be.
#[must_use]
pub fn argument(why: impl Into<String>) -> Error {
    Error::new(why.into())
}

/// A failure of the store.
#[must_use]
pub fn fault(error: &store::Error) -> Error {
    let status = failure::store_status(error);
    if status.is_server_error() {
        return Error::new(failure::own_fault(status, &error.to_string()));
    }
    Error::new(error.to_string())
}

/// A failure of a handler.
#[must_use]
pub fn failed(failure: Failure) -> Error {
    let (_, message) = message(failure);
    Error::new(message)
}

/// The answer to a request, its failure in the form of GraphQL if that was asked.
pub(in crate::http) fn in_form(
    method: &Method,
    path: &str,
    answer: Result<Response, Failure>,
) -> Result<Response, Failure> {
    match answer {
        Err(failure) if is_graphql(path) => {
            log::debug!("{method} {path}: {failure:?}");
            Ok(told(failure))
        }
        answer => answer,
    }
}

fn told(failure: Failure) -> Response {
    let header = header(&failure);
    let (status, message) = message(failure);
    let response = Refusal::new(status, message).into_response();
    match header {
        Some((name, value)) => reply::with(response, name, &value),
        None => response,
    }
}

fn header(failure: &Failure) -> Option<(HeaderName, String)> {
    match failure {
        Failure::MethodNotAllowed(allow) => Some((ALLOW, render_allow(allow))),
        Failure::TooManyLogins { retry_after } => {
            Some((RETRY_AFTER, reply::whole_seconds(*retry_after).to_string()))
        }
        _ => None,
    }
}

fn message(failure: Failure) -> (StatusCode, String) {
    match failure {
        Failure::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, "Invalid token".to_owned()),
        Failure::Forbidden => {
            let why = "The token's scopes do not include the API: use one with api or read_api";
            (StatusCode::FORBIDDEN, why.to_owned())
        }
        Failure::MethodNotAllowed(_) => {
            let why = "GraphQL takes POST with a JSON body {\"query\": \"…\", \"variables\": {…}}";
            (StatusCode::METHOD_NOT_ALLOWED, why.to_owned())
        }
        Failure::TooManyLogins { .. } => {
            let why = "Too many logins have failed, try again later";
            (StatusCode::TOO_MANY_REQUESTS, why.to_owned())
        }
        Failure::LoginUnavailable(why) => {
            let why = failure::login_unavailable(&why).to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
        Failure::Http(error) => (error.status(), error.to_string()),
        Failure::BadRequest(why) => (StatusCode::BAD_REQUEST, why),
        Failure::Unprocessable(why) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Failure::Tree(tree::Error::Store(error)) => {
            of_ours(failure::store_status(&error), &error.to_string())
        }
        other => of_ours(StatusCode::INTERNAL_SERVER_ERROR, &format!("{other:?}")),
    }
}

fn of_ours(status: StatusCode, why: &str) -> (StatusCode, String) {
    let why = if status.is_server_error() { failure::own_fault(status, why) } else { why };
    (status, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_become_documents_here_and_nowhere_else() {
        let failure = || Err(Failure::Unauthorized { realm: "r".to_owned() });
        assert!(in_form(&Method::POST, "/api/v4/x", failure()).is_err());
        let told = in_form(&Method::POST, "/api/graphql/", failure()).unwrap();
        assert_eq!(told.status(), 401);
        assert_eq!(told.headers()["content-type"], "application/json");
    }

    #[test]
    fn faults_of_ours_are_told_in_general() {
        let (status, text) = message(Failure::Internal("/secret/file".to_owned()));
        assert!(status == 500 && !text.contains("secret"), "{text}");
        let full = store::Error::NotFound("x".to_owned());
        assert_eq!(message(full.into()), (StatusCode::NOT_FOUND, "x does not exist".to_owned()));
    }
}
