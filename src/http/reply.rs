//! Answers in the form that dlrepo's clients know (spec dlrepo §2), built and never rejected.
//!
//! Every answer forbids browsers to guess types; uploaded content is shut in a sandbox too, since
//! it shares its origin with the pages.
//! Deliberately absent: `Content-Encoding` by file name (spec §17, 23), CORS, caching headers,
//! HTML, and which status an error has.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::ext::ReasonPhrase;
use serde::Serialize;
use warp::Reply;
use warp::reply::Response;

use super::HttpError;
use super::conditional::{self, Validators, Verdict};
use super::range::{self, Part};
use super::route::render_allow;
use crate::model::{Digest, Timestamp, json as spelling};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const UNKNOWN: &str = "application/octet-stream";
/// Most bytes of a reason phrase: status lines should fit the small buffers of proxies.
const PHRASE_LENGTH_MAX: usize = 256;
/// 9999-12-31T23:59:59Z, the last second that an HTTP date can tell.
const LAST_DATE_S: u64 = 253_402_300_799;

/// `<code>: <reason>` as text, the reason also as the reason phrase, as far as it is ASCII.
#[must_use]
pub fn text(status: StatusCode, reason: &str) -> Response {
    let mut response = bare(status, TEXT, format!("{}: {reason}", status.as_u16()));
    if let Some(phrase) = phrase(reason) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// The answer to a request that this floor refuses.
#[must_use]
pub fn refusal(error: &HttpError) -> Response {
    text(error.status(), &error.to_string())
}

/// 201.
#[must_use]
pub fn created() -> Response {
    text(StatusCode::CREATED, "Created")
}

/// 302 to a path that is percent-encoded already.
#[must_use]
pub fn found(path: &str) -> Response {
    with(text(StatusCode::FOUND, "Found"), LOCATION, path)
}

/// 405.
#[must_use]
pub fn method_not_allowed(allow: &[&str]) -> Response {
    let response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    with(response, ALLOW, &render_allow(allow))
}

/// 401, asking for a login and a password.
#[must_use]
pub fn unauthorized(realm: &str) -> Response {
    let response = text(StatusCode::UNAUTHORIZED, "Unauthorized");
    with(response, WWW_AUTHENTICATE, &basic_challenge(realm))
}

/// The text that asks for a login and a password.
#[must_use]
pub fn basic_challenge(realm: &str) -> String {
    let realm = realm.replace(['\\', '"'], "_");
    format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")
}

/// 429: logins are not looked at for so long.
#[must_use]
pub fn too_many_logins(retry_after: Duration) -> Response {
    let seconds = whole_seconds(retry_after);
    let reason = "Too many logins have failed, try again later";
    with(text(StatusCode::TOO_MANY_REQUESTS, reason), RETRY_AFTER, &seconds.to_string())
}

/// For `Retry-After`: rounded up, at least 1.
#[must_use]
pub fn whole_seconds(retry_after: Duration) -> u128 {
    retry_after.as_millis().div_ceil(1000).max(1)
}

/// 200 without a body.
#[must_use]
pub fn empty() -> Response {
    with(bare(StatusCode::OK, UNKNOWN, String::new()), CONTENT_LENGTH, "0")
}

/// 200 with this text, such as a list of checksums.
#[must_use]
pub fn plain(content: String) -> Response {
    bare(StatusCode::OK, TEXT, content)
}

/// 200 with this value; 500 if JSON has no form for it.
#[must_use]
pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    match spelling::to_string(value) {
        Ok(content) => bare(StatusCode::OK, JSON, content),
        Err(error) => {
            log::error!("an answer has no form in JSON: {error}");
            text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// What the headers of an uploaded file tell.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    /// Its name, for the type.
    pub name: &'a str,
    /// Of all its bytes.
    pub digest: Digest,
    /// When this content came under this name.
    pub modified: Timestamp,
    /// Bytes.
    pub size: u64,
}

/// What is to be answered to a GET or HEAD of a file.
#[derive(Debug)]
pub enum Decision {
    /// This: 304, 412 or 416.
    Answer(Response),
    /// These bytes, by [`FileFacts::send`].
    Send(Sending),
}

/// Bytes of a file to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Which.
    pub range: Range<u64>,
    status: StatusCode,
}

/// The headers that can make an answer other than the whole file.
const CONDITIONS: [HeaderName; 5] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, RANGE];

/// Where the bytes of a [`Sending`] come from; exactly its range.
pub enum Content {
    /// Nowhere: the answer to a HEAD.
    None,
    /// Memory.
    Bytes(Bytes),
    /// A stream, as [`super::file_body::FileBody`]; an error in it breaks the connection.
    Stream(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send + Sync>>),
}

impl FileFacts<'_> {
    /// Evaluates the preconditions and the range of a GET or HEAD.
    #[must_use]
    pub fn decide(&self, method: &Method, headers: &HeaderMap) -> Decision {
        if !CONDITIONS.iter().any(|name| headers.contains_key(name)) {
            return Decision::Send(self.whole());
        }
        let current = Validators::new(self.digest, self.modified);
        match conditional::evaluate(method, headers, Some(&current)) {
            Verdict::NotModified => return Decision::Answer(self.not_modified()),
            Verdict::PreconditionFailed => {
                let response = text(StatusCode::PRECONDITION_FAILED, "Precondition Failed");
                return Decision::Answer(self.with_facts(response));
            }
            Verdict::Proceed => {}
        }
        let (range, status) = match range::evaluate(method, headers, self.size, &current) {
            Part::Whole => (0..self.size, StatusCode::OK),
            Part::Bytes(range) => (range, StatusCode::PARTIAL_CONTENT),
            Part::Unsatisfiable => return Decision::Answer(self.unsatisfiable()),
        };
        Decision::Send(Sending { range, status })
    }

    /// All bytes, whatever was asked for.
    #[must_use]
    pub fn whole(&self) -> Sending {
        Sending { range: 0..self.size, status: StatusCode::OK }
    }

    /// 200 or 206 with these bytes.
    #[must_use]
    pub fn send(&self, sending: &Sending, content: Content) -> Response {
        let Range { start, end } = sending.range;
        let body = match content {
            Content::None => Response::default(),
            Content::Bytes(bytes) => Response::new(bytes.into()),
            Content::Stream(stream) => warp::reply::stream(stream).into_response(),
        };
        let mut response = self.with_facts(typed(body, media_type(self.name)));
        *response.status_mut() = sending.status;
        let length = end.saturating_sub(start).to_string();
        response = with(response, CONTENT_LENGTH, &length);
        response = with(response, CONTENT_SECURITY_POLICY, "sandbox");
        if sending.status == StatusCode::PARTIAL_CONTENT {
            let last = end.saturating_sub(1);
            let part = format!("bytes {start}-{last}/{}", self.size);
            response = with(response, CONTENT_RANGE, &part);
        }
        response
    }

    fn not_modified(&self) -> Response {
        let mut response = self.with_facts(Response::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    }

    fn unsatisfiable(&self) -> Response {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let response = self.with_facts(text(status, "Range Not Satisfiable"));
        with(response, CONTENT_RANGE, &format!("bytes */{}", self.size))
    }

    fn with_facts(&self, response: Response) -> Response {
        let date = Duration::from_secs(self.modified.seconds().min(LAST_DATE_S));
        let date = httpdate::fmt_http_date(UNIX_EPOCH + date);
        let hex = self.digest.to_string();
        let (etag, digest) = (format!("\"{hex}\""), format!("sha256:{hex}"));
        [
            (ACCEPT_RANGES, "bytes"),
            (ETAG, &etag),
            (LAST_MODIFIED, &date),
            (HeaderName::from_static("digest"), &digest),
        ]
        .into_iter()
        .fold(response, |response, (name, value)| with(response, name, value))
    }
}

/// The type of a file by its name, without charset.
#[must_use]
pub fn media_type(name: &str) -> &'static str {
    mime_guess::from_path(name).first_raw().unwrap_or(UNKNOWN)
}

fn bare(status: StatusCode, media_type: &'static str, content: String) -> Response {
    let mut response = typed(Response::new(content.into()), media_type);
    *response.status_mut() = status;
    response
}

fn typed(mut response: Response, media_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Sets a header. A value that cannot be one is left out, with a loud line in the log: our
/// values are ASCII, or percent-encoded, before they come here.
pub(super) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => log::error!("{value:?} cannot be the header {name}"),
    }
    response
}

fn phrase(reason: &str) -> Option<ReasonPhrase> {
    let safe = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let text: String = reason.chars().take(PHRASE_LENGTH_MAX).map(safe).collect();
    ReasonPhrase::try_from(text).ok()
}

#[cfg(test)]
mod tests;
