//! Sending the bytes of a blob: what every view of one does alike. Preconditions, ranges, a proxy
//! that sends the file itself, else the bytes.

use std::fmt::Display;
use std::ops::Range;

use bytes::Bytes;
use http::{Method, StatusCode};
use warp::reply::Response;

use super::file_body::FileBody;
use super::reply::{Content, Decision, FileFacts};
use super::{Request, Server, reply};
use crate::blobs::Source;
use crate::model::Blob;

impl Server {
    /// The answer to a GET or HEAD of these bytes; `named` is what they were asked for by.
    pub(super) fn send_blob(
        &self,
        request: &Request,
        facts: &FileFacts,
        blob: &Blob,
        source: Source,
        named: &dyn Display,
    ) -> Response {
        let sending = match facts.decide(&request.method, &request.headers) {
            Decision::Answer(response) => return response,
            Decision::Send(sending) => sending,
        };
        let source = match self.hand_over(&request.method, facts, blob, source) {
            Ok(response) => return response,
            Err(source) => source,
        };
        let content = match *source {
            _ if request.method == Method::HEAD => Content::None,
            Source::Inline(bytes) => match slice(&bytes, &sending.range) {
                Some(part) => Content::Bytes(part),
                None => return short_row(named),
            },
            Source::File(file, pin) => {
                Content::Stream(Box::pin(FileBody::new(file, sending.range.clone(), pin)))
            }
        };
        facts.send(&sending, content)
    }
}

pub(super) fn slice(bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let start = usize::try_from(range.start).ok()?;
    let end = usize::try_from(range.end).ok()?;
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}

/// The row of a small blob is shorter than its record says (I1).
fn short_row(named: &dyn Display) -> Response {
    log::error!("{named} is damaged: its bytes are fewer than its record says");
    reply::text(StatusCode::INTERNAL_SERVER_ERROR, "The file is damaged, the log says how")
}
