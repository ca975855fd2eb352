//! What [`super::BadUpstream`] answers.

use std::convert::Infallible;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

use super::super::digest_of;
use super::body::{self, Body, End};
use super::{Asked, Fault, On, Shared, State, lock, referrers};

/// An answer before it fails.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    bytes: Bytes,
}

impl Answer {
    fn new(status: u16, kind: &str, bytes: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], bytes: bytes.into() }
    }

    fn refusal(status: u16) -> Self {
        let (code, message) = match status {
            401 => ("UNAUTHORIZED", "authentication required"),
            403 => ("DENIED", "requested access to the resource is denied"),
            404 => ("MANIFEST_UNKNOWN", "manifest unknown"),
            429 => (
                "TOOMANYREQUESTS",
                "You have reached your pull rate limit. You may increase the limit by \
                 authenticating and upgrading: https://www.docker.com/increase-rate-limit",
            ),
            _ => ("UNKNOWN", "unknown error"),
        };
        let body = json!({"errors": [{"code": code, "message": message}]});
        Self::new(status, "application/json", body.to_string())
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }
}

pub(super) async fn answer(
    state: Shared,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (answer, fault) = decide(&state, &request, &path);
    if matches!(fault, Some(Fault::Hang)) {
        return std::future::pending().await;
    }
    Ok(respond(&state, &request, &path, answer, fault.as_ref()))
}

/// The right answer, and the fault that spoils it.
fn decide(state: &Shared, request: &Request<Incoming>, path: &str) -> (Answer, Option<Fault>) {
    let mut state = lock(state);
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = request.headers().iter().map(header).collect();
    let method = request.method().to_string();
    let asked = Asked { method, path: path.to_owned(), headers };
    let (kind, answer) = route(&mut state, &asked);
    state.asked.push(asked);
    (answer, take_fault(&mut state, kind))
}

fn take_fault(state: &mut State, kind: On) -> Option<Fault> {
    let fits = |on: On| on == kind || on == On::Everything;
    let found = state.faults.iter_mut().rev();
    let (_, fault, times) = found.into_iter().find(|(on, _, t)| fits(*on) && *t != Some(0))?;
    if let Some(times) = times {
        *times -= 1;
    }
    Some(fault.clone())
}

fn route(state: &mut State, asked: &Asked) -> (On, Answer) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let authorization = asked.headers.get("authorization").map(String::as_str);
    if path == "/token" {
        let given = state.tokens.give(query, authorization);
        let refusal = || {
            let body = json!({"details": "incorrect username or password"});
            Answer::new(401, "application/json", body.to_string())
        };
        let give = |body: String| Answer::new(200, "application/json", body);
        return (On::Tokens, given.map_or_else(refusal, give));
    }
    let Some(path) = path.strip_prefix("/v2/") else {
        return (On::Everything, Answer::refusal(404));
    };
    for (word, kind) in
        [("/manifests/", On::Manifests), ("/blobs/", On::Blobs), ("/referrers/", On::Manifests)]
    {
        let Some((name, reference)) = path.split_once(word) else { continue };
        if let Some(challenge) = state.tokens.challenge(&state.own, name, authorization) {
            return (kind, Answer::refusal(401).with("www-authenticate", challenge));
        }
        let answer = match word {
            "/manifests/" => manifest(state, name, reference),
            "/blobs/" => blob(state, asked, name, reference),
            _ => Some(list(state, name, reference, query)),
        };
        return (kind, limited(state, answer.unwrap_or_else(|| Answer::refusal(404))));
    }
    (On::Everything, Answer::new(200, "application/json", "{}"))
}

fn list(state: &State, name: &str, subject: &str, query: &str) -> Answer {
    let from = query.strip_prefix("from=").and_then(|from| from.parse().ok()).unwrap_or(0);
    let (index, next) = referrers(state, name, subject, from);
    let answer = Answer::new(200, super::super::image_layout::INDEX, index.to_string());
    match next {
        Some(next) => {
            // Registries write paths as they know them, which is not always how they are reached.
            let link = format!("</else/{subject}?from={next}>; rel=\"next\"");
            answer.with("link", link)
        }
        None => answer,
    }
}

fn limited(state: &State, answer: Answer) -> Answer {
    let Some((limit, remaining)) = &state.limits else { return answer };
    answer.with("ratelimit-limit", limit).with("ratelimit-remaining", remaining)
}

fn manifest(state: &State, name: &str, reference: &str) -> Option<Answer> {
    let found = state.manifests.get(&(name.to_owned(), reference.to_owned()))?;
    let answer = Answer::new(200, &found.media_type, found.bytes.clone());
    Some(answer.with("docker-content-digest", &found.digest))
}

fn blob(state: &State, asked: &Asked, name: &str, digest: &str) -> Option<Answer> {
    let bytes = state.blobs.get(&(name.to_owned(), digest.to_owned()))?.clone();
    let answer = |status, bytes| {
        let answer = Answer::new(status, "application/octet-stream", bytes);
        Some(answer.with("docker-content-digest", digest))
    };
    let range = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let from: Option<usize> = range.and_then(|range| range.strip_suffix('-')?.parse().ok());
    let ranges = !state.faults.iter().any(|(_, fault, _)| matches!(fault, Fault::NoRanges));
    match from {
        Some(from) if ranges && from < bytes.len() => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            Some(answer(206, bytes.slice(from..))?.with("content-range", range))
        }
        _ => answer(200, bytes),
    }
}

fn respond(
    state: &Shared,
    request: &Request<Incoming>,
    path: &str,
    answer: Answer,
    fault: Option<&Fault>,
) -> Response<Body> {
    let answer = changed(answer, path, fault);
    let has_body = request.method() != hyper::Method::HEAD;
    let (length, pieces) = match fault {
        Some(Fault::Huge(length)) if answer.status == 200 => (*length, body::huge(*length)),
        _ => spoiled(answer.bytes.clone(), fault),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response = response.header("content-length", length);
    let nothing = || body::whole(Bytes::new(), &End::Well);
    let pieces = if has_body { pieces } else { nothing() };
    response.body(body::counted(state, path, pieces)).unwrap()
}

/// Faults that show in status, headers and bytes.
fn changed(answer: Answer, path: &str, fault: Option<&Fault>) -> Answer {
    match fault {
        Some(Fault::Status(429)) => {
            let limit = Answer::refusal(429).with("ratelimit-limit", "100;w=21600");
            limit.with("ratelimit-remaining", "0;w=21600").with("retry-after", "60")
        }
        Some(Fault::Status(status)) => Answer::refusal(*status),
        Some(Fault::WrongBytes) => {
            let other = answer.bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
            Answer { bytes: other.into(), ..answer }
        }
        Some(Fault::WrongDigest) => answer.with("docker-content-digest", digest_of("a lie")),
        Some(Fault::Redirect(status, to)) => {
            let moved = Answer::new(*status, "text/plain", "elsewhere");
            moved.with("location", format!("{to}{path}"))
        }
        Some(Fault::Location(to)) => {
            Answer::new(307, "text/plain", "elsewhere").with("location", to.clone())
        }
        Some(Fault::Says(body)) => Answer { bytes: body.clone().into(), status: 200, ..answer },
        _ => answer,
    }
}

/// The length that is told and the body that comes.
fn spoiled(
    bytes: Bytes,
    fault: Option<&Fault>,
) -> (u64, std::pin::Pin<Box<dyn futures_util::Stream<Item = std::io::Result<Bytes>> + Send>>) {
    let length = u64::try_from(bytes.len()).unwrap();
    let first = |count: &usize| bytes.slice(..(*count).min(bytes.len()));
    let pieces = match fault {
        Some(Fault::HangAfter(count)) => body::whole(first(count), &End::Hang),
        Some(Fault::ResetAfter(count)) => body::whole(first(count), &End::Reset),
        Some(Fault::CutAfter(count)) => {
            let bytes = first(count);
            return (u64::try_from(bytes.len()).unwrap(), body::whole(bytes, &End::Well));
        }
        Some(Fault::Trickle(piece, pause)) => body::trickle(bytes, *piece, *pause),
        _ => body::whole(bytes, &End::Well),
    };
    (length, pieces)
}
