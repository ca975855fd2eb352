//! Answers of packages: files with all of their sums, and pages that were built from rows.
//!
//! Uploaded bytes share their origin with our pages, so no browser guesses their type or runs what
//! is in them: they are shut in a sandbox and offered to be saved. Every answer has a strong entity
//! tag that is made from its bytes, so whoever has them gets 304.
//! Deliberately absent: finding what is sent.

use bytes::Bytes;
use http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use warp::reply::Response;

use crate::http::conditional::{self, Validators, Verdict};
use crate::http::reply::{self, FileFacts, with};
use crate::http::{Request, Server};
use crate::model::digest::hex;
use crate::model::{Sums, Timestamp};
use crate::packages::Opened;

impl Server {
    /// The answer to a GET or HEAD of a file, which is to be saved under its name's last part.
    /// A download of a package is noted, without a write.
    pub(in crate::http) fn send_package_file(&self, request: &Request, opened: Opened) -> Response {
        let Opened { file, blob, source, .. } = opened;
        let name = last_name(&file.name);
        let facts = FileFacts {
            name: &name,
            digest: file.sums.sha256,
            modified: file.created,
            size: file.size,
        };
        let mut response = self.send_blob(request, &facts, &blob, source, &file.name);
        let is_sent = response.status().is_success();
        if is_sent && request.method == Method::GET {
            self.packages.store().note_package_download(file.package);
        }
        if is_sent {
            response = with(response, CONTENT_DISPOSITION, &disposition(&name));
        }
        with_sums(response, &file.sums)
    }
}

/// The last part of a stored name, which may have folders before it.
pub(in crate::http) fn last_name(stored: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(stored).decode_utf8_lossy();
    decoded.rsplit('/').next().unwrap_or_default().to_owned()
}

/// That it is to be saved, and as what.
fn disposition(name: &str) -> String {
    let is_safe = |one: char| one.is_ascii_graphic() && !matches!(one, '"' | '\\' | '%' | '/');
    let safe: String = name.chars().map(|one| if is_safe(one) { one } else { '_' }).collect();
    let exact = super::super::route::encode(name).replace('/', "%2F");
    format!("attachment; filename=\"{safe}\"; filename*=UTF-8''{exact}")
}

/// All four, each in a header of its own.
fn with_sums(response: Response, sums: &Sums) -> Response {
    [
        ("x-checksum-sha256", sums.sha256.to_string()),
        ("x-checksum-sha1", hex(&sums.sha1)),
        ("x-checksum-md5", hex(&sums.md5)),
        ("x-checksum-sha512", hex(&sums.sha512().0)),
    ]
    .into_iter()
    .fold(response, |response, (name, sum)| with(response, HeaderName::from_static(name), &sum))
}

/// A page that was built: an index, a packument, metadata, or a sum as text.
#[derive(Clone, Debug)]
pub(in crate::http) struct Page {
    /// With its charset, where it has one.
    pub(in crate::http) media_type: &'static str,
    /// With its quotes: the same for the same bytes alone.
    pub(in crate::http) etag: String,
    pub(in crate::http) bytes: Bytes,
}

impl Page {
    /// A page whose entity tag is made from its bytes here.
    pub(in crate::http) fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let etag = format!("\"{}\"", hex(&Sha256::digest(&bytes)));
        Self { media_type, etag, bytes }
    }

    /// The answer to a GET or HEAD of it: 200, 304 or 412. It is neither compressed nor cut.
    pub(in crate::http) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response {
        // A page has no moment at which it was made: the tag alone tells.
        let current = Validators { etag: self.etag.clone(), modified: Timestamp(u64::MAX) };
        match conditional::evaluate(method, headers, Some(&current)) {
            Verdict::Proceed => self.whole(method),
            Verdict::NotModified => {
                let mut response = with(Response::default(), ETAG, &self.etag);
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            }
            Verdict::PreconditionFailed => {
                let failed = StatusCode::PRECONDITION_FAILED;
                with(reply::text(failed, "Precondition Failed"), ETAG, &self.etag)
            }
        }
    }

    fn whole(&self, method: &Method) -> Response {
        let body = if *method == Method::HEAD { Bytes::new() } else { self.bytes.clone() };
        [
            (CONTENT_TYPE, self.media_type),
            (CONTENT_LENGTH, &self.bytes.len().to_string()),
            (ETAG, &self.etag),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // Names in it are clients' words: nothing is loaded or run, whatever they say.
            (CONTENT_SECURITY_POLICY, "default-src 'none'"),
        ]
        .into_iter()
        .fold(Response::new(body.into()), |response, (name, value)| with(response, name, value))
    }
}

#[cfg(test)]
mod tests;
