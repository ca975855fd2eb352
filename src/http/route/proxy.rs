//! The dependency proxy's part of the URLs (spec gitlab §1.1): what is below
//! `/v2/{group}/dependency_proxy/containers/`.
//!
//! The first such pair of words ends the group, since no group has that name; after it an image of
//! any number of parts. Defends I9: a percent-encoded slash makes no parts, and what cannot be a
//! name is a route of its own ([`NoProxy`]), so that its answer has the form of the registry's.
//! Deliberately absent: whether the group is there, and who may pull (its handler asks).

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::{Route, encode, is_registry};
use crate::http::registry::errors::{Code, OciError};
use crate::model::proxy::PROXY_PLACE;
use crate::model::{GroupPath, ImageTagName, OciDigest, Reference, UpstreamName};

/// What may be pulled through the proxy of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRoute {
    /// Whose proxy.
    pub group: GroupPath,
    /// The image, as the client writes it.
    pub image: UpstreamName,
    /// What of it.
    pub what: ProxyThing,
}

/// What is asked of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyThing {
    /// `manifests/{tag or digest}`
    Manifest(Reference),
    /// `blobs/{digest}`
    Blob(OciDigest),
    /// `referrers/{digest}`
    Referrers(OciDigest),
}

/// A URL of the proxy that names nothing that can be pulled: the answer is the same for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoProxy {
    /// Decoded, in lower case, with `/v2/`.
    path: String,
    fault: Fault,
}

/// Why it names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// The proxy does nothing of that kind.
    Endpoint,
    Name(String),
    Tag(String),
    Digest(String),
}

/// Whether a path, still percent-encoded, is one of the proxy's.
#[must_use]
pub fn is_proxy(raw_path: &str) -> bool {
    let decoded = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    is_registry(raw_path) && {
        let segments: Vec<_> = raw_path.split('/').map(decoded).collect();
        segments.windows(2).any(|pair| pair == PROXY_PLACE)
    }
}

/// Reads the decoded segments below `/v2/`; `None` when they are not the proxy's.
pub(super) fn proxy(method: &Method, below: &[&str]) -> Option<Route> {
    let at = below.windows(2).position(|pair| pair == PROXY_PLACE)?;
    let (group, rest) = (&below[..at], &below[at + PROXY_PLACE.len()..]);
    Some(match pulled(method, group, rest) {
        Ok(route) => Route::Proxy(route),
        Err(fault) => {
            let path = format!("/v2/{}", below.join("/")).to_lowercase();
            Route::NoProxy(NoProxy { path, fault })
        }
    })
}

/// Everything is pulled: nothing is written by way of the proxy, and nothing is listed.
fn pulled(method: &Method, group: &[&str], rest: &[&str]) -> Result<ProxyRoute, Fault> {
    let [image @ .., kind @ ("manifests" | "blobs" | "referrers"), last] = rest else {
        return Err(Fault::Endpoint);
    };
    let is_upload =
        *kind == "blobs" && *last == "uploads" || image.ends_with(&["blobs", "uploads"]);
    if is_upload || !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Fault::Endpoint);
    }
    let name = |error: &dyn std::fmt::Display| Fault::Name(error.to_string());
    let group = GroupPath::parse(&joined(group)?).map_err(|error| name(&error))?;
    let image = UpstreamName::parse(&joined(image)?).map_err(|error| name(&error))?;
    let what = match *kind {
        "manifests" => ProxyThing::Manifest(reference(last)?),
        "blobs" => ProxyThing::Blob(digest(last)?),
        _ => ProxyThing::Referrers(digest(last)?),
    };
    Ok(ProxyRoute { group, image, what })
}

fn joined(parts: &[&str]) -> Result<String, Fault> {
    let text = parts.join("/");
    if parts.iter().any(|part| part.contains('/')) {
        return Err(Fault::Name(format!("{text:?} has an encoded slash in a part of its name")));
    }
    Ok(text)
}

/// A colon makes it a digest: no tag has one.
fn reference(text: &str) -> Result<Reference, Fault> {
    if text.contains(':') {
        return digest(text).map(Reference::Digest);
    }
    let tag = ImageTagName::parse(text).map_err(|error| Fault::Tag(error.to_string()))?;
    Ok(Reference::Tag(tag))
}

fn digest(text: &str) -> Result<OciDigest, Fault> {
    OciDigest::parse(text).map_err(|error| Fault::Digest(error.to_string()))
}

impl ProxyRoute {
    pub(super) fn canonical_path(&self) -> String {
        let Self { group, image, what } = self;
        let [word, place] = PROXY_PLACE;
        let below = match what {
            ProxyThing::Manifest(reference) => format!("manifests/{reference}"),
            ProxyThing::Blob(digest) => format!("blobs/{digest}"),
            ProxyThing::Referrers(digest) => format!("referrers/{digest}"),
        };
        format!("/v2/{group}/{word}/{place}/{image}/{below}")
    }
}

impl NoProxy {
    pub(super) fn canonical_path(&self) -> String {
        encode(&self.path)
    }

    /// The answer.
    #[must_use]
    pub fn refusal(&self) -> OciError {
        match &self.fault {
            Fault::Endpoint => {
                let why = "the dependency proxy serves manifests, blobs and referrers, and no list \
                           of tags: pull by a tag or a digest, push to a repository of this \
                           registry";
                OciError::new(Code::Unsupported, why).with_status(StatusCode::NOT_FOUND)
            }
            Fault::Name(why) => OciError::new(Code::NameInvalid, why.clone()),
            Fault::Tag(why) => OciError::new(Code::TagInvalid, why.clone()),
            Fault::Digest(why) => OciError::new(Code::DigestInvalid, why.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
