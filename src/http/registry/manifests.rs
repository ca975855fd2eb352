//! Manifests by tag and by digest: GET, HEAD, PUT and DELETE.
//!
//! `Accept` is ignored: a manifest is answered as it was pushed, and its digest says which bytes
//! those are. Deliberately absent: rights to the repository, which the guard asked about before.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderName, Method, StatusCode};
use serde_json::json;
use warp::reply::Response;

use super::errors::{Code, OciError};
use super::{CONTENT_DIGEST, empty, in_turn};
use crate::http::failure::Failure;
use crate::http::reply::{Content, Decision, FileFacts, with};
use crate::http::tree::query_pairs;
use crate::http::{Request, Server, blocking, body};
use crate::model::manifest::MANIFEST_BYTES_MAX;
use crate::model::{Caller, ImageName, ImageTagName, OciDigest, Reference, Right};
use crate::registry;
use crate::registry::manifests::{Upload, digest_like};
use crate::registry::resolve::Found;
use crate::store::detached::Cause;
use crate::store::reading::Kept;
use crate::store::{self, View};

/// Tags that one push by digest may have besides.
const TAGS_MAX: usize = 16;
/// Larger manifests are taken in a few at a time.
const LARGE_BYTES: u64 = 64 << 10;
/// What a manifest that was taken is about.
static SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that names a manifest that was pushed by digest.
static TAG: HeaderName = HeaderName::from_static("oci-tag");

impl Server {
    pub(super) async fn manifest(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        reference: Reference,
    ) -> Result<Response, Failure> {
        match request.method {
            Method::PUT => Box::pin(self.put_manifest(request, name, reference)).await,
            Method::DELETE => self.delete_manifest(request, name, reference).await,
            _ => self.get_manifest(request, name, reference).await,
        }
    }

    /// Whether the caller may read a tag by its own name, of which an alias tells.
    pub(super) fn may_pull(&self, caller: &Caller, name: &ImageName, tag: &ImageTagName) -> bool {
        self.may_read(caller, &format!("/v2/{name}/manifests/{tag}"))
    }

    async fn get_manifest(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        reference: Reference,
    ) -> Result<Response, Failure> {
        let (found, bytes) =
            self.read_manifest(&request.caller, &request.method, &name, &reference).await?;
        let manifest = &found.manifest;
        let is_kept = self.registry.keep_manifest(&found.image, manifest).await;
        // What was read already may be sent all the same.
        if !is_kept && request.method == Method::HEAD {
            return Err(unknown(&name, &reference).into());
        }
        let digest = match &reference {
            Reference::Digest(asked) => digest_like(manifest, asked),
            Reference::Tag(_) => manifest.digest.into(),
        };
        let facts = FileFacts {
            name: "manifest.json",
            digest: manifest.digest,
            modified: manifest.pushed,
            size: manifest.size,
        };
        let response = match facts.decide(&request.method, &request.headers) {
            Decision::Answer(response) => response,
            Decision::Send(sending) => {
                let content = match bytes.filter(|_| request.method == Method::GET) {
                    None => Content::None,
                    Some(bytes) => {
                        self.note_pull(&request.caller, &name, &reference, &found, &digest);
                        Content::Bytes(part(&bytes, &sending.range)?)
                    }
                };
                let mut response = facts.send(&sending, content);
                if let Ok(media_type) = HeaderValue::from_str(&manifest.media_type) {
                    response.headers_mut().insert(CONTENT_TYPE, media_type);
                }
                response
            }
        };
        Ok(with(response, CONTENT_DIGEST.clone(), &digest.to_string()))
    }

    /// A manifest and, for a GET, its bytes: as of one snapshot, on this thread where nothing has
    /// to wait for a disk.
    async fn read_manifest(
        self: &Arc<Self>,
        caller: &Caller,
        method: &Method,
        name: &ImageName,
        reference: &Reference,
    ) -> Result<(Found, Option<Bytes>), Failure> {
        let view = self.registry.store().view()?;
        let may_read = |tag: &ImageTagName| self.may_pull(caller, name, tag);
        let found = self.registry.resolve(&view, name, reference, may_read)?;
        let found = found.ok_or_else(|| unknown(name, reference))?;
        if *method == Method::HEAD {
            return Ok((found, None));
        }
        let kept = match self.registry.manifest_bytes(&view, &found.manifest)? {
            Kept::Inline(bytes) => return Ok((found, Some(bytes))),
            placed @ Kept::Placed(..) => placed,
        };
        // No snapshot is kept while a disk is waited for.
        drop(view);
        let registry = self.registry.clone();
        blocking(move || {
            let bytes = registry.read_manifest(&found.manifest, kept)?;
            Ok((found, Some(bytes)))
        })
        .await
    }

    fn note_pull(
        &self,
        caller: &Caller,
        name: &ImageName,
        reference: &Reference,
        found: &Found,
        digest: &OciDigest,
    ) {
        let (id, size) = (found.id, found.manifest.size);
        self.registry.note_pull(name, reference, (id, digest), size, caller.login());
    }

    async fn put_manifest(
        self: &Arc<Self>,
        request: Request,
        image: ImageName,
        reference: Reference,
    ) -> Result<Response, Failure> {
        let tags = self.tags_besides(&request, &image, &reference)?;
        let media_type = request.headers.get(CONTENT_TYPE);
        let media_type = media_type.map(|text| String::from_utf8_lossy(text.as_bytes()).into());
        let by = request.caller.login().cloned();
        let registry = self.registry.on_behalf(request.behalf());
        let bytes = body::collect(request.body, MANIFEST_BYTES_MAX).await?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let upload = Upload { image, reference, tags, bytes, media_type, by };
        let push = move || {
            let taken = registry.push_manifest(&upload)?;
            Ok((taken, upload))
        };
        let (taken, upload) =
            if size > LARGE_BYTES { in_turn(push).await? } else { blocking(push).await? };
        let Upload { image, reference, tags, by, .. } = &upload;
        self.registry.note_push(image, reference, &taken.digest, size, by.as_ref());
        let location = format!("/v2/{image}/manifests/{}", taken.digest);
        let headers = [(LOCATION, location), (CONTENT_DIGEST.clone(), taken.digest.to_string())];
        let mut response = empty(StatusCode::CREATED, headers);
        if let Some(subject) = taken.subject {
            response = with(response, SUBJECT.clone(), &subject.to_string());
        }
        for tag in tags {
            if let Ok(value) = HeaderValue::from_str(tag.as_str()) {
                response.headers_mut().append(TAG.clone(), value);
            }
        }
        Ok(response)
    }

    /// `?tag=` of a push by digest, each with the right to push that tag.
    fn tags_besides(
        &self,
        request: &Request,
        name: &ImageName,
        reference: &Reference,
    ) -> Result<Vec<ImageTagName>, Failure> {
        if matches!(reference, Reference::Tag(_)) {
            return Ok(Vec::new());
        }
        let pairs = query_pairs(&request.query).into_iter().filter(|(key, _)| key == "tag");
        let mut tags = Vec::new();
        for (_, text) in pairs {
            let tag = ImageTagName::parse(&text)
                .map_err(|error| OciError::new(Code::ManifestInvalid, error.to_string()))?;
            let path = format!("/v2/{name}/manifests/{tag}");
            if !self.access.allows(&request.caller, Right::Add, &path) {
                return Err(self.denied(&request.caller));
            }
            tags.push(tag);
        }
        if tags.len() > TAGS_MAX {
            let why =
                format!("{} tags are too many for one push, {TAGS_MAX} are taken", tags.len());
            let error = OciError::new(Code::ManifestInvalid, why);
            return Err(error.with_status(StatusCode::URI_TOO_LONG).into());
        }
        Ok(tags)
    }

    /// A manifest goes with its tags: nobody takes it away who may not take away each of them.
    fn guard_tags(
        &self,
        caller: &Caller,
        name: &ImageName,
        reference: &Reference,
    ) -> Result<(), Failure> {
        let Reference::Digest(digest) = reference else { return Ok(()) };
        let may_go = |tag: &ImageTagName| {
            self.access.allows(caller, Right::Delete, &format!("/v2/{name}/manifests/{tag}"))
        };
        let tags = self.registry.store().view()?.tags_of_manifest(name, digest)?;
        if tags.iter().all(may_go) { Ok(()) } else { Err(self.denied(caller)) }
    }

    async fn delete_manifest(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
        reference: Reference,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            server.guard_tags(&request.caller, &name, &reference)?;
            let cause = Cause::request(request.caller.name());
            match server.registry.delete_manifest(&name, &reference, cause) {
                Err(registry::Error::Store(store::Error::NotFound(_))) => {
                    Err(unknown(&name, &reference).into())
                }
                result => {
                    result?;
                    let by = request.caller.login();
                    server.registry.note_delete(&name, &reference, by);
                    Ok(())
                }
            }
        })
        .await?;
        self.reclaim();
        Ok(empty(StatusCode::ACCEPTED, []))
    }
}

/// Whether there is such a repository, for whoever may see it: one that was pushed to, or a
/// product's.
pub(super) fn exists(view: &View, name: &ImageName) -> Result<bool, Failure> {
    Ok(view.image(name)?.is_some() || registry::resolve::product_of(view, name)?.is_some())
}

/// 404 without a repository of this name.
pub(super) fn name_unknown(name: &ImageName) -> OciError {
    let why = format!("there is no repository {name}, push something to make it");
    OciError::new(Code::NameUnknown, why).about(json!({ "name": name.as_str() }))
}

fn unknown(name: &ImageName, reference: &Reference) -> OciError {
    let detail = json!({ "name": name.as_str(), "reference": reference.to_string() });
    let why = format!("there is no manifest {reference} in {name}");
    OciError::new(Code::ManifestUnknown, why).about(detail)
}

fn part(bytes: &Bytes, range: &std::ops::Range<u64>) -> Result<Bytes, Failure> {
    let end = |at| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (end(range.start), end(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(Failure::Internal("a manifest is shorter than its record says".to_owned())),
    }
}
