//! Errors in the form of GitLab's clients (spec gitlab §3.1, §9.1): `{"message": …}`, or
//! `{"error": …}` for what is wrong with a parameter, for everything that is asked for under
//! `/api`. The one place that knows which text an error has there.
//!
//! What is the client's to mend gets its own words; what is ours is logged in full and told in
//! general, as in [`crate::http::failure`]. There is no challenge, since clients of the API have
//! tokens; those of packages get one, and send what they know only then.

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use warp::reply::Response;

use crate::http::failure::{self, Failure};
use crate::http::reply;
use crate::http::route::{is_api, is_packages, render_allow};
use crate::tree;

/// How clients of packages are asked who they are.
const PACKAGES: &str = "Basic realm=\"GitLab Packages Registry\"";

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    status: StatusCode,
    body: Value,
    headers: Vec<(HeaderName, String)>,
}

impl ApiError {
    /// `{"message": …}`.
    #[must_use]
    pub fn message(status: StatusCode, message: impl Into<Value>) -> Self {
        Self::new(status, json!({ "message": message.into() }))
    }

    /// `{"error": …}`.
    #[must_use]
    pub fn error(status: StatusCode, error: impl Into<String>) -> Self {
        Self::new(status, json!({ "error": error.into() }))
    }

    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// 400: what these parameters say is not possible; each text is `… is invalid` or alike.
    #[must_use]
    pub fn parameters(faults: &[String]) -> Self {
        Self::error(StatusCode::BAD_REQUEST, faults.join(", "))
    }

    /// 400 with this reason.
    #[must_use]
    pub fn bad_request(why: &str) -> Self {
        Self::message(StatusCode::BAD_REQUEST, format!("400 Bad request - {why}"))
    }

    /// 401: who asks is not known, or is nobody.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::message(StatusCode::UNAUTHORIZED, "401 Unauthorized")
    }

    /// 403: it is known who asks, and they may not.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::message(StatusCode::FORBIDDEN, "403 Forbidden")
    }

    /// 403: the token's scopes are not enough.
    #[must_use]
    pub fn insufficient_scope() -> Self {
        let description =
            "The request requires higher privileges than provided by the access token.";
        let body = json!({
            "error": "insufficient_scope",
            "error_description": description,
            "scope": "api",
        });
        Self::new(StatusCode::FORBIDDEN, body)
    }

    /// 404: there is no such thing, or it is not to be seen; `thing` may be empty.
    #[must_use]
    pub fn not_found(thing: &str) -> Self {
        let space = if thing.is_empty() { "" } else { " " };
        Self::message(StatusCode::NOT_FOUND, format!("404 {thing}{space}Not Found"))
    }

    /// 404: the API has no such URL.
    #[must_use]
    pub fn no_route() -> Self {
        Self::error(StatusCode::NOT_FOUND, "404 Not Found")
    }

    /// 412: the thing is newer than the client believes.
    #[must_use]
    pub fn changed() -> Self {
        Self::message(StatusCode::PRECONDITION_FAILED, "412 Precondition Failed")
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The same text as `message` and as `error`: npm shows the latter.
    #[must_use]
    pub fn in_both_words(mut self) -> Self {
        for (one, other) in [("message", "error"), ("error", "message")] {
            if self.body[other].is_null() {
                self.body[other] = self.body[one].clone();
            }
        }
        self
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        let mut response = reply::json(&self.body);
        *response.status_mut() = self.status;
        let response = reply::with(response, CONTENT_TYPE, "application/json");
        let set = |response, (name, value): (_, String)| reply::with(response, name, &value);
        self.headers.into_iter().fold(response, set)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

/// The answer to a request, its failure in the form of what it asked.
pub(in crate::http) fn in_form<T>(
    method: &Method,
    path: &str,
    answer: Result<T, Failure>,
) -> Result<T, Failure> {
    if !is_api(path) {
        return answer;
    }
    answer.map_err(|failure| {
        log::debug!("{method} {path}: {failure:?}");
        let error = told(failure);
        let is_asked = error.status == StatusCode::UNAUTHORIZED && is_packages(path);
        if is_asked { error.with(WWW_AUTHENTICATE, PACKAGES).into() } else { error.into() }
    })
}

/// A failure as the API tells it; faults of ours go into the log here.
pub(in crate::http) fn told(failure: Failure) -> ApiError {
    match failure {
        Failure::Api(error) => *error,
        Failure::Unauthorized { .. } => ApiError::unauthorized(),
        // Handlers say it themselves; what is left is the door, which knows what a token is for.
        Failure::Forbidden | Failure::InsufficientScope => ApiError::insufficient_scope(),
        Failure::NotFound(_) => ApiError::no_route(),
        Failure::MethodNotAllowed(allow) => {
            ApiError::error(StatusCode::METHOD_NOT_ALLOWED, "405 Not Allowed")
                .with(ALLOW, render_allow(allow))
        }
        Failure::TooManyLogins { retry_after } => {
            let seconds = reply::whole_seconds(retry_after).to_string();
            let why = "Too many logins have failed, try again later";
            ApiError::message(StatusCode::TOO_MANY_REQUESTS, why).with(RETRY_AFTER, seconds)
        }
        Failure::LoginUnavailable(why) => {
            let why = failure::login_unavailable(&why);
            ApiError::message(StatusCode::SERVICE_UNAVAILABLE, format!("503 {why}"))
        }
        Failure::Http(error) => of_status(error.status(), &error.to_string()),
        Failure::BadRequest(why) => ApiError::bad_request(&why),
        Failure::Unprocessable(why) => of_status(StatusCode::UNPROCESSABLE_ENTITY, &why),
        Failure::Tree(tree::Error::Store(error)) => {
            of_status(failure::store_status(&error), &error.to_string())
        }
        Failure::Tree(error) => of_status(failure::status(&error), &error.to_string()),
        Failure::Registry(error) => fault(&error.to_string()),
        Failure::Oci(error) => of_status(error.status(), &error.to_string()),
        Failure::Internal(why) => fault(&why),
    }
}

fn fault(why: &str) -> ApiError {
    of_status(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// `{"message":"409 Conflict - why"}`.
fn of_status(status: StatusCode, why: &str) -> ApiError {
    let why = if status.is_server_error() { failure::own_fault(status, why) } else { why };
    let reason = status.canonical_reason().unwrap_or_default();
    ApiError::message(status, format!("{} {reason} - {why}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(failure: Failure) -> (u16, String) {
        let error = told(failure);
        (error.status.as_u16(), error.body.to_string())
    }

    #[test]
    fn errors_have_the_form_that_clients_know() {
        let unauthorized = Failure::Unauthorized { realm: "r".to_owned() };
        for (failure, status, text) in [
            (unauthorized, 401, r#"{"message":"401 Unauthorized"}"#),
            (ApiError::forbidden().into(), 403, r#"{"message":"403 Forbidden"}"#),
            (ApiError::not_found("Group").into(), 404, r#"{"message":"404 Group Not Found"}"#),
            (ApiError::not_found("").into(), 404, r#"{"message":"404 Not Found"}"#),
            (Failure::NotFound("x".to_owned()), 404, r#"{"error":"404 Not Found"}"#),
            (Failure::MethodNotAllowed(&["GET"]), 405, r#"{"error":"405 Not Allowed"}"#),
            (
                ApiError::parameters(&["a is missing".to_owned(), "b is invalid".to_owned()])
                    .into(),
                400,
                r#"{"error":"a is missing, b is invalid"}"#,
            ),
        ] {
            assert_eq!(body(failure), (status, text.to_owned()));
        }
        let (status, text) = body(Failure::Forbidden);
        assert!(status == 403 && text.contains("insufficient_scope"), "{text}");
    }

    #[test]
    fn faults_of_ours_are_told_in_general() {
        let (status, text) = body(Failure::Internal("/secret/file".to_owned()));
        assert!(status == 500 && !text.contains("secret"), "{text}");
    }

    #[test]
    fn other_paths_keep_their_form() {
        let failure = || Err::<(), _>(Failure::NotFound("x".to_owned()));
        let kept = in_form(&Method::GET, "/branches/x", failure());
        assert!(matches!(kept, Err(Failure::NotFound(_))));
        let told = in_form(&Method::GET, "/api/v4/x", failure());
        assert!(matches!(told, Err(Failure::Api(_))));
    }
}
