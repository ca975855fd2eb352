//! Bodies of publications: streamed through a bounded channel to one task that may wait for a
//! disk, within a limit, and compared with every sum that the client named.
//!
//! What ends early, is too large or is not what was said leaves nothing; above the disk's reserve
//! nothing is taken in at all.
//! Deliberately absent: what the bytes mean. Formats whose bodies are more than a file bring a
//! reader of their own for [`Arriving`].

use std::io::{self, Read};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::mpsc;

use crate::http::api::ApiError;
use crate::http::body::RequestBody;
use crate::http::body::decode::decoded;
use crate::http::body::pump::{Part, pump};
use crate::http::failure::Failure;
use crate::http::{Server, blocking};
use crate::model::digest::hex;
use crate::model::{Checksum, PackageKind};
use crate::packages::{self, Arrived, NamedFile};
use crate::store::behalf::Behalf;
use crate::store::packages::{Publish, Published};

/// Headers with one sum each, in hex, and its algorithm.
const SUM_HEADERS: [(&str, &str); 4] = [
    ("x-checksum-sha256", "sha256"),
    ("x-checksum-sha1", "sha1"),
    ("x-checksum-md5", "md5"),
    ("x-checksum-sha512", "sha512"),
];

/// Lists of sums: the older form `sha-256=…`, and the newer `sha-256=:…:`. `Digest` may also be
/// `sha256:` and hex, as the artifact tree's clients write it.
const DIGEST_HEADERS: [&str; 3] = ["digest", "content-digest", "repr-digest"];

impl Server {
    /// Takes in a body that is one file, and compares it with what its headers say.
    ///
    /// # Errors
    /// 400 when it is too large, broken off or not what was said, 507 below the disk's reserve.
    pub(in crate::http) async fn receive_file(
        self: &Arc<Self>,
        kind: PackageKind,
        headers: &HeaderMap,
        body: RequestBody,
    ) -> Result<Arrived, Failure> {
        let claims = claims(headers)?;
        let (body, was_encoded) = decoded(body, headers)?;
        // What arrives is not what is stored, so its length says nothing.
        let announced = announced(headers).filter(|_| !was_encoded);
        if let Some(bytes_max) = self.packages.limits().of(kind)
            && announced.is_some_and(|length| length > bytes_max)
        {
            return Err(packages::Error::TooLarge { bytes_max }.into());
        }
        let incoming = self.packages.receive(kind);
        self.pump_body(body, move |mut arriving| {
            let mut incoming = incoming;
            while let Some(chunk) = arriving.next_chunk()? {
                incoming.write(&chunk)?;
            }
            let arrived = incoming.finish()?;
            claims.iter().try_for_each(|claim| arrived.check(claim))?;
            Ok(arrived)
        })
        .await
    }

    /// Sends a body to `work`, which runs where it may wait for a disk, while more arrives.
    ///
    /// # Errors
    /// What `work` says; 507 below the disk's reserve; the body's own errors.
    pub(in crate::http) async fn pump_body<T: Send + 'static>(
        self: &Arc<Self>,
        mut body: RequestBody,
        work: impl FnOnce(Arriving) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let server = Arc::clone(self);
        server.packages.admit()?;
        let head = body.next().await.transpose()?;
        // A body that has ended is not asked again.
        let body = if head.is_some() { body } else { Box::pin(futures_util::stream::empty()) };
        let head = head.unwrap_or_default();
        let admit = move || Ok(server.packages.admit()?);
        let work = move |parts| work(Arriving { parts, rest: Bytes::new(), state: State::Open });
        pump(head, body, admit, work).await
    }

    /// Publishes `new`, with `file` if there is one, and answers after the commit (I5). Whether
    /// they may, and what they are there, is asked again, here and in the transaction.
    ///
    /// # Errors
    /// 404 when the project has gone, 401 or 403 when they may not any more; those of
    /// [`packages::Packages::publish`].
    pub(in crate::http) async fn publish_package(
        self: &Arc<Self>,
        behalf: Behalf,
        mut new: Publish,
        file: Option<NamedFile>,
    ) -> Result<Published, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.packages.store().view()?;
            if view.project(new.project)?.is_none() {
                return Err(ApiError::not_found("Project").into());
            }
            new.may = server.still_publishes(&view, &behalf.caller, new.project)?;
            drop(view);
            Ok(server.packages.on_behalf(behalf).publish(new, file)?)
        })
        .await
    }
}

/// A body on the thread that takes it in, as chunks or as a reader.
pub(in crate::http) struct Arriving {
    parts: mpsc::Receiver<Part>,
    rest: Bytes,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Broken,
}

impl Arriving {
    /// The next bytes; `None`: that was all of them.
    ///
    /// # Errors
    /// 400: the body was broken off. The client is told its own error instead.
    pub(in crate::http) fn next_chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        if self.state == State::Open {
            match self.parts.blocking_recv() {
                Some(Part::Chunk(bytes)) => return Ok(Some(bytes)),
                Some(Part::End) => self.state = State::Ended,
                None => self.state = State::Broken,
            }
        }
        match self.state {
            State::Broken => Err(Failure::BadRequest("the upload was broken off".to_owned())),
            State::Open | State::Ended => Ok(None),
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.next_chunk() {
                Ok(Some(bytes)) => self.rest = bytes,
                Ok(None) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let read = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// The length that a client says its body has.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What headers say the bytes add up to; algorithms that nobody computes here are passed over, as
/// their specification wants.
///
/// # Errors
/// 400: a sum that is none.
pub(in crate::http) fn claims(headers: &HeaderMap) -> Result<Vec<Checksum>, ApiError> {
    let mut claims = Vec::new();
    for (header, algorithm) in SUM_HEADERS {
        for value in headers.get_all(header) {
            let hex = String::from_utf8_lossy(value.as_bytes());
            let claim = Checksum::parse(&format!("{algorithm}:{}", hex.trim()));
            claims.push(claim.ok_or_else(|| no_sum(header, &hex))?);
        }
    }
    for header in DIGEST_HEADERS {
        for value in headers.get_all(header) {
            let list = String::from_utf8_lossy(value.as_bytes());
            for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                claims.extend(item_of(item).map_err(|()| no_sum(header, item))?);
            }
        }
    }
    Ok(claims)
}

fn item_of(item: &str) -> Result<Option<Checksum>, ()> {
    let Some((name, value)) = item.split_once('=') else {
        return Checksum::parse(item).map(Some).ok_or(());
    };
    let algorithm = match name.trim().to_ascii_lowercase().as_str() {
        "sha-256" => "sha256",
        "sha-512" => "sha512",
        "sha" => "sha1",
        "md5" => "md5",
        _ => return Ok(None),
    };
    let value = value.trim();
    let inner = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
    let bytes = STANDARD.decode(inner.unwrap_or(value)).map_err(|_| ())?;
    Checksum::parse(&format!("{algorithm}:{}", hex(&bytes))).map(Some).ok_or(())
}

fn no_sum(header: &str, value: &str) -> ApiError {
    ApiError::bad_request(&format!("the header {header} has {value:?}, which is no such checksum"))
}

#[cfg(test)]
mod tests;
