//! Files over HTTP (spec dlrepo §9).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, USER_AGENT};
use tokio::sync::mpsc;
use warp::reply::Response;

use super::super::body::RequestBody;
use super::super::body::decode::decoded;
use super::super::body::pump::{Part, pump};
use super::super::failure::Failure;
use super::super::reply::FileFacts;
use super::super::route::{Route, sums_of};
use super::super::{HttpError, Request, Server, reply};
use crate::access::Proof;
use crate::model::image::CONTAINER;
use crate::model::{Caller, Checksum, Digest, FilePath};
use crate::store;
use crate::store::quota::Room;
use crate::tree::{Opened, Tree, Upload};

/// What a client says its bytes are: the header's text and its value.
type Claim = (String, Checksum);

impl Server {
    pub(super) async fn artifact(
        self: &Arc<Self>,
        request: Request,
        path: FilePath,
    ) -> Result<Response, Failure> {
        match request.method {
            // Boxed, so that the future of a download is not as large as that of an upload.
            Method::PUT => Box::pin(self.put(request, path)).await,
            _ => self.get(&request, &path, &path.to_string()),
        }
    }

    /// HEAD with `Digest`: whether the client may link instead of upload. The path matters to
    /// the guard only.
    pub(super) async fn promise(
        &self,
        caller: &Caller,
        route: &Route,
        digest: &HeaderValue,
    ) -> Result<Response, Failure> {
        if !self.may_read(caller, &route.path()) {
            return Err(self.denied(caller));
        }
        let (_, checksum) = claim(digest)?;
        // Only SHA-256 is an identity: content known by another sum is to be sent.
        let Some(digest) = checksum.digest() else {
            return Err(Failure::NotFound("no content is stored under such a digest".to_owned()));
        };
        let promised = match self.proof(caller, &digest)? {
            Proof::Reads(blob) => {
                self.access.promised(self.tree.store(), caller, blob);
                self.tree.promise(digest).await?
            }
            Proof::Sent(user) => self.tree.promise_to_sender(digest, user).await,
            Proof::None => None,
        };
        let size = promised.ok_or(store::Error::BlobUnknown(digest))?;
        let mut response = reply::empty();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        if let Ok(text) = HeaderValue::from_str(&format!("sha256:{digest}")) {
            headers.insert("digest", text);
        }
        Ok(response)
    }

    /// `shown` is the canonical path that it was asked for by: rights are granted there.
    pub(super) fn get(
        &self,
        request: &Request,
        path: &FilePath,
        shown: &str,
    ) -> Result<Response, Failure> {
        let opened = match self.tree.open(path) {
            Err(crate::tree::Error::Store(store::Error::NotFound(what))) => {
                let sums = self.virtual_sums(&request.caller, path, shown);
                return sums.unwrap_or(Err(Failure::NotFound(what)));
            }
            opened => opened?,
        };
        Ok(self.send(request, path, opened))
    }

    fn send(&self, request: &Request, path: &FilePath, opened: Opened) -> Response {
        let Opened { file, source } = opened;
        let facts = FileFacts {
            name: path.path.file_name(),
            digest: file.blob.digest,
            modified: file.artifact.uploaded,
            size: file.blob.size,
        };
        self.send_blob(request, &facts, &file.blob, source, path)
    }

    /// `X.sha256` where no such file was uploaded.
    fn virtual_sums(
        &self,
        caller: &Caller,
        path: &FilePath,
        shown: &str,
    ) -> Option<Result<Response, Failure>> {
        let of = path.format.clone().file(sums_of(&path.path)?);
        if !self.may_read(caller, shown.strip_suffix(".sha256")?) {
            return None;
        }
        let found = self.tree.store().view().and_then(|view| view.file(&of));
        match found {
            Ok(file) => {
                let digest = file.blob.digest;
                Some(Ok(reply::plain(format!("{digest}  {}\n", of.path.file_name()))))
            }
            Err(store::Error::NotFound(_)) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// PUT: the checks that need no body come before it is read.
    async fn put(self: &Arc<Self>, request: Request, path: FilePath) -> Result<Response, Failure> {
        refuse_container(&path, &request.headers)?;
        self.tree.store().check_upload(&path.format)?;
        let digest = request.headers.get("digest");
        let link = request.headers.get("x-dlrepo-link");
        if let Some(link) = link.filter(|link| Some(*link) == digest) {
            return self.link(&request.caller, link, path).await;
        }
        let claim = digest.map(claim).transpose()?;
        self.tree.admit()?;
        let length = number(&request.headers, CONTENT_LENGTH.as_str());
        // What dlrepo's client says instead; nothing hangs on it but how early it may be refused.
        let announced = length.or_else(|| number(&request.headers, "content-size"));
        let behalf = request.behalf();
        let (body, was_encoded) = decoded(request.body, &request.headers)?;
        // What arrives is not what is stored, so its length says nothing.
        let length = length.filter(|_| !was_encoded);
        let body = limited(body, length, self.upload_bytes_max)?;
        let mut room = self.tree.store().room(&path);
        room.grow(announced.filter(|_| !was_encoded).unwrap_or(0))?;
        // Of whoever may know everything nothing needs to be noted.
        let sender = request.caller.login().filter(|_| !self.access.trusts(&request.caller));
        let tree = self.tree.for_sender(sender.cloned()).on_behalf(behalf);
        receive(tree, body, length, path, claim, room).await?;
        Ok(reply::created())
    }

    async fn link(
        &self,
        caller: &Caller,
        link: &HeaderValue,
        path: FilePath,
    ) -> Result<Response, Failure> {
        let (text, checksum) = claim(link)?;
        let Some(digest) = checksum.digest() else {
            let reason = format!("no content is stored under {text}, link by sha256");
            return Err(Failure::NotFound(reason));
        };
        if self.proof(caller, &digest)? == Proof::None {
            return Err(store::Error::BlobUnknown(digest).into());
        }
        let content = store::blobs::Content::Stored(digest);
        let store = self.tree.store();
        let mut room = store.room(&path);
        // What is arriving elsewhere has its room already.
        if let Some((_, blob)) = store.view()?.find_blob(&digest)? {
            room.grow(blob.size)?;
        }
        drop(room);
        store.put_artifact(path, content).await?;
        Ok(reply::created())
    }

    /// What shows that a content may be known to the caller, if it is here.
    fn proof(&self, caller: &Caller, digest: &Digest) -> Result<Proof, Failure> {
        let store = self.tree.store();
        let view = store.view()?;
        match view.find_blob(digest)? {
            Some((blob, _)) => Ok(self.access.proof(store, &view, caller, blob)?),
            None => Ok(Proof::None),
        }
    }
}

/// Takes in a body: in memory while it is small, else through a channel to one blocking task
/// that hashes and writes while the network goes on receiving.
async fn receive(
    tree: Tree,
    mut body: RequestBody,
    length: Option<u64>,
    path: FilePath,
    claim: Option<Claim>,
    mut room: Room,
) -> Result<(), Failure> {
    let small_max = tree.limits().inline_bytes_max;
    let mut head = BytesMut::new();
    if length.is_none_or(|length| length <= small_max) {
        loop {
            let Some(chunk) = body.next().await else {
                let body = head.freeze();
                drop(room);
                tree.put_small(path, body, claim.as_ref())?.await?;
                return Ok(());
            };
            head.extend_from_slice(&chunk?);
            let received = u64::try_from(head.len()).unwrap_or(u64::MAX);
            room.grow(received)?;
            if received > small_max {
                break;
            }
        }
    }
    receive_large(tree, head.freeze(), body, path, claim, room).await
}

/// The number that a header says.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// The body, broken off with an error at the first byte over the limit.
fn limited(
    body: RequestBody,
    length: Option<u64>,
    bytes_max: Option<u64>,
) -> Result<RequestBody, Failure> {
    let Some(bytes_max) = bytes_max else { return Ok(body) };
    let too_large = move |actual| HttpError::UploadTooLarge { bytes_max, actual };
    if let Some(length) = length.filter(|length| *length > bytes_max) {
        return Err(too_large(length).into());
    }
    let counted = body.scan(0u64, move |seen, chunk| {
        let chunk = chunk.and_then(|chunk| {
            *seen = seen.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if *seen > bytes_max { Err(too_large(*seen)) } else { Ok(chunk) }
        });
        std::future::ready(Some(chunk))
    });
    Ok(Box::pin(counted))
}

/// A folder of a format has no page; machines read the format's own list.
pub(super) fn folder(path: &FilePath) -> Failure {
    Failure::NotFound(format!("{path} is not a file; {} lists the files", path.format))
}

async fn receive_large(
    tree: Tree,
    head: Bytes,
    body: RequestBody,
    path: FilePath,
    claim: Option<Claim>,
    room: Room,
) -> Result<(), Failure> {
    let (admitting, writer) = (tree.clone(), tree);
    let write = move |arriving| {
        let upload = writer.begin_upload(claim)?.within(room);
        write_large(upload, arriving, path)
    };
    pump(head, body, move || Ok(admitting.admit()?), write).await
}

fn write_large(
    mut upload: Upload,
    mut arriving: mpsc::Receiver<Part>,
    path: FilePath,
) -> Result<(), Failure> {
    while let Some(part) = arriving.blocking_recv() {
        match part {
            Part::Chunk(bytes) => upload.write(&bytes)?,
            Part::End => {
                upload.finish(path)?;
                return Ok(());
            }
        }
    }
    // The request was broken off, and its own error is the answer.
    Err(Failure::BadRequest("the upload was broken off".to_owned()))
}

fn claim(header: &HeaderValue) -> Result<Claim, Failure> {
    let text = String::from_utf8_lossy(header.as_bytes()).into_owned();
    match Checksum::parse(&text) {
        Some(checksum) => Ok((text, checksum)),
        None => Err(Failure::Unprocessable(format!(
            "invalid digest: {text} (write algorithm:hex, with one of {})",
            crate::model::digest::Algorithm::names(),
        ))),
    }
}

/// Images come by way of the registry; a publishing server sends their files as they are.
fn refuse_container(path: &FilePath, headers: &HeaderMap) -> Result<(), Failure> {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    if path.format.format.as_str() == CONTAINER && !agent.starts_with(b"dlrepo-server/") {
        return Err(store::Error::IsImage.into());
    }
    Ok(())
}
