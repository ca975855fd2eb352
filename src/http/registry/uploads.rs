//! Uploads of blobs (OCI distribution specification 1.1, "Pushing blobs"): with one request, with
//! two, in pieces, and by mounting what another repository has.
//!
//! A piece without `Content-Range` follows what came before. The range of an upload of which
//! nothing came yet is told as `0-0`, as other registries do: the header has no form for nothing.
//! A blob is mounted where the caller may read it in the repository that it comes from; where
//! none is named, where the caller may know the content at all. Otherwise an upload begins, so
//! nobody learns what is here.
//! Deliberately absent: rights to the repository, which the guard asked about before, and what
//! is done with the bytes ([`crate::registry::uploads`]).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, LOCATION, RANGE};
use http::{Method, StatusCode};
use tokio::sync::mpsc;
use warp::reply::Response;

use super::errors::{self, Code, OciError};
use super::{CONTENT_DIGEST, empty};
use crate::access::Proof;
use crate::http::body::RequestBody;
use crate::http::body::pump::{Part, pump};
use crate::http::failure::Failure;
use crate::http::route::{RegistryRoute, Route};
use crate::http::tree::query_value;
use crate::http::{Request, Server, blocking};
use crate::model::{Caller, Grants, ImageName, ImagePlace, OciDigest, Resource, Right, UploadId};
use crate::registry::resolve;
use crate::registry::uploads::{Session, UploadAt};
use crate::{registry, store};

static DOCKER_UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// What is to become of an upload once a request's bytes are there.
#[derive(Clone, Copy)]
enum End {
    /// More will come.
    Save,
    /// It is to be this blob.
    Finish(OciDigest),
}

impl Server {
    /// POST: mounts, takes a whole blob in, or begins an upload.
    pub(super) async fn begin_image_upload(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
    ) -> Result<Response, Failure> {
        self.refuse_product(&name).await?;
        if let Some(digest) = digest_in(&request.query, "mount")? {
            let from = query_value(&request.query, "from").filter(|from| !from.is_empty());
            let grants = request.pass.reach.grants.as_deref();
            if self.mount(&request.caller, grants, &name, digest, from).await? {
                return Ok(created(&name, &digest));
            }
        } else if let Some(digest) = digest_in(&request.query, "digest")? {
            let by = request.caller.login();
            let registry = self.registry.on_behalf(request.behalf());
            let session = registry.take_whole(&name, by, &digest)?;
            receive(session, request.body, &request.headers, End::Finish(digest)).await?;
            return Ok(created(&name, &digest));
        }
        let (id, begun) = self.registry.begin_upload(&name, request.caller.login())?;
        begun.await?;
        Ok(state(StatusCode::ACCEPTED, &name, id, 0))
    }

    /// Nothing is pushed to the name of a product. The manifest would be refused: whoever pushes
    /// hears of it before the layers are sent.
    async fn refuse_product(self: &Arc<Self>, name: &ImageName) -> Result<(), Failure> {
        if !matches!(name.place(), ImagePlace::Product(_)) {
            return Ok(());
        }
        let (server, name) = (Arc::clone(self), name.clone());
        let product = blocking(move || {
            let view = server.tree.store().view()?;
            Ok(resolve::product_of(&view, &name)?)
        });
        match product.await? {
            Some(path) => Err(store::Error::ProductTaken(path.to_string()).into()),
            None => Ok(()),
        }
    }

    /// What is asked of an upload that was begun.
    pub(super) async fn image_upload(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        id: UploadId,
    ) -> Result<Response, Failure> {
        let by = request.caller.login().cloned();
        let at = UploadAt { image: name, id, by };
        match request.method {
            Method::PATCH => {
                let received = self.go_on(request, &at, End::Save).await?;
                Ok(state(StatusCode::ACCEPTED, &at.image, id, received))
            }
            Method::PUT => {
                let digest = digest_in(&request.query, "digest")?.ok_or_else(no_digest)?;
                self.go_on(request, &at, End::Finish(digest)).await?;
                Ok(created(&at.image, &digest))
            }
            Method::DELETE => {
                let registry = self.registry.clone();
                blocking(move || Ok(registry.cancel_upload(&at)?)).await?;
                Ok(empty(StatusCode::NO_CONTENT, []))
            }
            _ => {
                let received = self.registry.upload_received(&at)?;
                Ok(state(StatusCode::NO_CONTENT, &at.image, id, received))
            }
        }
    }

    /// PATCH and PUT: the piece that they bring, if any. What needs no body is tested before it
    /// is read.
    async fn go_on(&self, request: Request, at: &UploadAt, end: End) -> Result<u64, Failure> {
        let digest = match &end {
            End::Save => None,
            End::Finish(digest) => Some(digest),
        };
        let registry = self.registry.on_behalf(request.behalf());
        let mut session = registry.open_upload(at, digest)?;
        if let Some((first, bytes)) = piece(&request.headers)? {
            session.announce(first, bytes).map_err(|error| disorder(error, at))?;
        }
        receive(session, request.body, &request.headers, end).await
    }

    /// Lets the repository `to` have a blob of another one, or of any. `false`: it is to be sent.
    /// A token must be for the other one too, and none is for any repository whatever.
    async fn mount(
        &self,
        caller: &Caller,
        grants: Option<&Grants>,
        to: &ImageName,
        digest: OciDigest,
        from: Option<String>,
    ) -> Result<bool, Failure> {
        let (store, by) = (self.registry.store(), caller.login().cloned());
        if let Some(from) = from {
            let Ok(from) = ImageName::parse(&from) else { return Ok(false) };
            let source = Route::Registry(RegistryRoute::Blob(from.clone(), digest));
            let resource = Resource::Repository(from.clone());
            if !self.may_read(caller, &source.path()) {
                return Ok(false);
            }
            // A token for both would do: the challenge names them.
            if grants.is_some_and(|grants| !grants.allow(&resource, Right::Read)) {
                return Err(Failure::InsufficientScope);
            }
            let mounted = store.mount_image_blob(from, to.clone(), digest, by).await?;
            return Ok(mounted.is_some());
        }
        if grants.is_some() {
            return Ok(false);
        }
        let view = store.view()?;
        let Some((blob, _)) = view.find_oci(&digest)? else { return Ok(false) };
        if self.access.proof(store, &view, caller, blob)? == Proof::None {
            return Ok(false);
        }
        drop(view);
        Ok(store.mount_any_blob(to.clone(), digest, by).await?.is_some())
    }
}

/// Takes in a body: in memory while all is small, else through a channel to one task that hashes
/// and writes. Returns how many bytes the upload has.
async fn receive(
    mut session: Session,
    mut body: RequestBody,
    headers: &HeaderMap,
    end: End,
) -> Result<u64, Failure> {
    let length = length(headers).unwrap_or(0);
    session.reserve(length)?;
    if !session.is_small_with(length) {
        return receive_large(session, Bytes::new(), body, end).await;
    }
    loop {
        match body.next().await {
            Some(Ok(chunk)) if session.is_small_with(size(&chunk)) => session.write(&chunk)?,
            Some(Ok(chunk)) => return receive_large(session, chunk, body, end).await,
            Some(Err(error)) => {
                to_its_end(session.broken_off().save_small()).await?;
                return Err(error.into());
            }
            None => return small_end(session, end).await,
        }
    }
}

async fn small_end(session: Session, end: End) -> Result<u64, Failure> {
    to_its_end(async move {
        match end {
            End::Save => session.save_small().await,
            End::Finish(digest) => session.finish_small(&digest).await.map(|()| 0),
        }
    })
    .await
}

/// The upload's turn ends after the commit, also when the client goes away meanwhile.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, registry::Error>> + Send + 'static,
) -> Result<T, Failure> {
    let worked = tokio::spawn(work).await;
    Ok(worked.map_err(|error| Failure::Internal(error.to_string()))??)
}

async fn receive_large(
    session: Session,
    head: Bytes,
    body: RequestBody,
    end: End,
) -> Result<u64, Failure> {
    // Whether there is room is asked with each write.
    pump(head, body, || Ok(()), move |arriving| write_large(session, arriving, end)).await
}

fn write_large(
    mut session: Session,
    mut arriving: mpsc::Receiver<Part>,
    end: End,
) -> Result<u64, Failure> {
    while let Some(part) = arriving.blocking_recv() {
        match (part, end) {
            (Part::Chunk(bytes), _) => session.write(&bytes)?,
            (Part::End, End::Save) => return Ok(session.save()?),
            (Part::End, End::Finish(digest)) => {
                return Ok(session.finish(&digest).map(|()| 0)?);
            }
        }
    }
    // The piece was broken off, and its own error is the answer.
    Ok(session.broken_off().save()?)
}

/// Where the piece begins and how many bytes it has, if it says so: `first-last`, which some
/// clients write as `bytes first-last/whole`.
fn piece(headers: &HeaderMap) -> Result<Option<(u64, u64)>, OciError> {
    let Some(header) = headers.get(CONTENT_RANGE) else { return Ok(None) };
    let text = String::from_utf8_lossy(header.as_bytes());
    let bad = || {
        let why = format!("Content-Range {text:?} is not FIRST-LAST, both counted from 0");
        OciError::new(Code::BlobUploadInvalid, why)
    };
    let range = text.trim().strip_prefix("bytes").map_or(text.trim(), str::trim_start);
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (first, last) = range.split_once('-').ok_or_else(bad)?;
    let (first, last) = number(first).zip(number(last)).ok_or_else(bad)?;
    let more = last.checked_sub(first).ok_or_else(bad)?;
    let bytes = more.checked_add(1).ok_or_else(bad)?;
    match length(headers) {
        Some(announced) if announced != bytes => {
            let came = registry::Error::UploadLength { announced: bytes, came: announced };
            Err(errors::told(came.into()))
        }
        _ => Ok(Some((first, bytes))),
    }
}

/// 416 says with which byte the next piece is to begin.
fn disorder(error: registry::Error, at: &UploadAt) -> Failure {
    let registry::Error::UploadDisorder { received, .. } = error else { return error.into() };
    let error = errors::told(error.into()).with_header(RANGE, range(received));
    error.with_header(LOCATION, place(&at.image, at.id)).into()
}

fn digest_in(query: &str, name: &str) -> Result<Option<OciDigest>, OciError> {
    let Some(text) = query_value(query, name) else { return Ok(None) };
    let digest = OciDigest::parse(&text);
    digest.map(Some).map_err(|error| OciError::new(Code::DigestInvalid, error.to_string()))
}

fn no_digest() -> OciError {
    OciError::new(Code::DigestInvalid, "say what the bytes are: PUT …?digest=sha256:…")
}

fn length(headers: &HeaderMap) -> Option<u64> {
    number(headers.get(CONTENT_LENGTH)?.to_str().ok()?)
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn size(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

/// 201.
fn created(name: &ImageName, digest: &OciDigest) -> Response {
    let location = format!("/v2/{name}/blobs/{digest}");
    let headers = [(LOCATION, location), (CONTENT_DIGEST.clone(), digest.to_string())];
    empty(StatusCode::CREATED, headers)
}

/// How far an upload is, and where it goes on.
fn state(status: StatusCode, name: &ImageName, id: UploadId, received: u64) -> Response {
    let (location, range) = (place(name, id), range(received));
    let headers = [(LOCATION, location), (RANGE, range), (DOCKER_UPLOAD.clone(), id.to_string())];
    empty(status, headers)
}

fn place(name: &ImageName, id: UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

fn range(received: u64) -> String {
    format!("0-{}", received.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(range: &str, length: Option<u64>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers
    }

    #[test]
    fn a_piece_says_where_it_begins() {
        assert_eq!(piece(&HeaderMap::new()), Ok(None));
        for text in ["5-9", "bytes 5-9/*", "bytes 5-9/100", " 5-9"] {
            assert_eq!(piece(&headers(text, Some(5))), Ok(Some((5, 5))), "{text}");
            assert_eq!(piece(&headers(text, None)), Ok(Some((5, 5))), "{text}");
            assert_eq!(piece(&headers(text, Some(6))).unwrap_err().status(), 400, "{text}");
        }
        let all = format!("0-{}", u64::MAX);
        for bad in ["", "5", "9-5", "-5", "5-", "a-b", "+5-9", "5--9", &all] {
            assert_eq!(piece(&headers(bad, None)).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn the_range_of_nothing_is_told_too() {
        assert_eq!([0, 1, 2].map(range), ["0-0", "0-0", "0-1"]);
    }
}
