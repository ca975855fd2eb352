//! [`RemoteBlob`] and [`RemoteManifest`]: what a group's upstream has, as bodies to be read.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{HeaderMap, StatusCode, header};

use super::answer::{Answer, Body};
use super::fetch::{Opened, Refused, Remote};
use super::pulls::{is_given, refusal, unanswered};
use super::source::{Patience, Source};
use crate::model::{OciDigest, Reference, UpstreamName};

/// A blob.
pub(super) struct RemoteBlob {
    pub(super) source: Arc<Source>,
    pub(super) image: UpstreamName,
    pub(super) digest: OciDigest,
}

/// A manifest that is too large to be kept.
pub(super) struct RemoteManifest {
    pub(super) source: Arc<Source>,
    pub(super) image: UpstreamName,
    pub(super) reference: Reference,
}

/// What cannot be asked at all.
pub(super) struct Nothing(pub(super) Refused);

impl Remote for RemoteBlob {
    fn open(&self, from: u64) -> BoxFuture<'static, Result<Opened, Refused>> {
        let (source, image) = (Arc::clone(&self.source), self.image.clone());
        let digest = self.digest;
        Box::pin(async move {
            let answer = source.get_blob(&image, &digest, from).await;
            let answer = answer.map_err(|error| unanswered(&error))?;
            if !is_given(answer.status) {
                return Err(refusal(answer).await);
            }
            begin(answer, from)
        })
    }
}

impl Remote for RemoteManifest {
    fn open(&self, _from: u64) -> BoxFuture<'static, Result<Opened, Refused>> {
        let (source, image) = (Arc::clone(&self.source), self.image.clone());
        let reference = self.reference.clone();
        Box::pin(async move {
            let answer = source.get_manifest(&image, &reference, Patience::Long).await;
            let answer = answer.map_err(|error| unanswered(&error))?;
            if answer.status != StatusCode::OK {
                return Err(refusal(answer).await);
            }
            begin(answer, 0)
        })
    }
}

impl Remote for Nothing {
    fn open(&self, _from: u64) -> BoxFuture<'static, Result<Opened, Refused>> {
        let refused = self.0.clone();
        Box::pin(async move { Err(refused) })
    }
}

/// A body with what its headers say of it.
fn begin(answer: Answer, asked: u64) -> Result<Opened, Refused> {
    let (from, total) = match answer.status {
        StatusCode::PARTIAL_CONTENT => part(&answer.headers)
            .filter(|(from, _)| *from <= asked)
            .ok_or_else(|| Refused::Unanswered("the upstream sends another part".to_owned()))?,
        _ => (0, answer.content_length()),
    };
    Ok(Opened { from, total, headers: answer.headers, body: pieces(answer.body) })
}

/// The first byte of a part, and the size of the whole: `bytes 5-9/10`.
fn part(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn pieces(body: Body) -> BoxStream<'static, Result<Bytes, String>> {
    body.map(|piece| piece.map_err(|error| error.to_string())).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_where_they_begin() {
        let read = |text: &str| {
            part(&HeaderMap::from_iter([(header::CONTENT_RANGE, text.parse().unwrap())]))
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read("bytes 0-9/*"), Some((0, None)));
        for bad in ["5-9/10", "bytes */10", "bytes x-9/10", "bytes 5-9"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
