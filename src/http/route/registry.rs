//! The registry's part of the URLs: everything below `/v2/` (OCI distribution specification 1.1,
//! spec dlrepo §11).
//!
//! The name of a repository has any number of parts, so a path is read from its end; what stands
//! before the known words is the name. Defends I9: a percent-encoded slash makes no parts, and
//! what cannot be a name, a tag or a digest is a route of its own ([`Invalid`]), so that the
//! guard comes first and the answer has the specification's form.
//! Deliberately absent: whether anything is there, and what products and aliases stand for.

use http::{Method, StatusCode};

use super::{Refusal, encode, unknown};
use crate::http::guard;
use crate::http::registry::errors::{Code, OciError};
use crate::model::{ImageName, ImageTagName, OciDigest, Reference, Right, UploadId};

/// What a URL of the registry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryRoute {
    /// `/v2/`, also without its slash: whether there is a registry, and who asks.
    Base,
    /// `/v2/_catalog`: the repositories.
    Catalog,
    /// `{name}/tags/list`
    Tags(ImageName),
    /// `{name}/manifests/{tag or digest}`
    Manifest(ImageName, Reference),
    /// `{name}/blobs/{digest}`
    Blob(ImageName, OciDigest),
    /// `{name}/blobs/uploads/`, also without its slash: where uploads begin.
    Uploads(ImageName),
    /// `{name}/blobs/uploads/{id}`
    Upload(ImageName, UploadId),
    /// `{name}/referrers/{digest}`: what says that it is about this.
    Referrers(ImageName, OciDigest),
    /// One of those, of which a part cannot be.
    Invalid(Invalid),
}

/// A URL that has the form of one of the registry's, and names nothing that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    shape: Shape,
    /// Decoded, in lower case, with `/v2/`.
    path: String,
    fault: Fault,
}

/// Which part cannot be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Name(String),
    Tag(String),
    Digest(String),
    Upload,
}

/// What a URL of the registry is for, whatever it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Base,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Uploads,
    Upload,
    Referrers,
}

/// Reads the decoded segments below `/v2/`.
pub(super) fn registry(below: &[&str]) -> Result<RegistryRoute, Refusal> {
    match below {
        [] | [""] => return Ok(RegistryRoute::Base),
        ["_catalog"] => return Ok(RegistryRoute::Catalog),
        _ => {}
    }
    let (name, shape, last) = apart(below).ok_or_else(unknown)?;
    Ok(named(name, shape, last).unwrap_or_else(|fault| {
        let path = format!("/v2/{}", below.join("/")).to_lowercase();
        RegistryRoute::Invalid(Invalid { shape, path, fault })
    }))
}

/// The parts of the name, what it is for, and the last part.
fn apart<'p>(below: &'p [&'p str]) -> Option<(&'p [&'p str], Shape, &'p str)> {
    match below {
        [name @ .., "tags", "list"] => Some((name, Shape::Tags, "")),
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Some((name, Shape::Uploads, ""))
        }
        [name @ .., "blobs", "uploads", id] => Some((name, Shape::Upload, id)),
        [name @ .., "manifests", reference] => Some((name, Shape::Manifest, reference)),
        [name @ .., "blobs", digest] => Some((name, Shape::Blob, digest)),
        [name @ .., "referrers", digest] => Some((name, Shape::Referrers, digest)),
        _ => None,
    }
}

fn named(name: &[&str], shape: Shape, last: &str) -> Result<RegistryRoute, Fault> {
    let name = image(name)?;
    Ok(match shape {
        Shape::Base => RegistryRoute::Base,
        Shape::Catalog => RegistryRoute::Catalog,
        Shape::Tags => RegistryRoute::Tags(name),
        Shape::Manifest => RegistryRoute::Manifest(name, reference(last)?),
        Shape::Blob => RegistryRoute::Blob(name, digest(last)?),
        Shape::Uploads => RegistryRoute::Uploads(name),
        Shape::Upload => RegistryRoute::Upload(name, UploadId::parse(last).ok_or(Fault::Upload)?),
        Shape::Referrers => RegistryRoute::Referrers(name, digest(last)?),
    })
}

fn image(parts: &[&str]) -> Result<ImageName, Fault> {
    let text = parts.join("/");
    if parts.iter().any(|part| part.contains('/')) {
        return Err(Fault::Name(format!("{text:?} has an encoded slash in a part of its name")));
    }
    ImageName::parse(&text).map_err(|error| Fault::Name(error.to_string()))
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

impl RegistryRoute {
    pub(super) fn canonical_path(&self) -> String {
        match self {
            Self::Base => "/v2/".to_owned(),
            Self::Catalog => "/v2/_catalog".to_owned(),
            Self::Tags(name) => format!("/v2/{name}/tags/list"),
            Self::Manifest(name, reference) => format!("/v2/{name}/manifests/{reference}"),
            Self::Blob(name, digest) => format!("/v2/{name}/blobs/{digest}"),
            Self::Uploads(name) => format!("/v2/{name}/blobs/uploads/"),
            Self::Upload(name, id) => format!("/v2/{name}/blobs/uploads/{id}"),
            Self::Referrers(name, digest) => format!("/v2/{name}/referrers/{digest}"),
            Self::Invalid(invalid) => encode(&invalid.path),
        }
    }

    /// The right that a request needs here. Whoever may push may give an upload up: nobody else
    /// sees it, and nobody else may go on with it.
    pub(in crate::http) fn right(&self, method: &Method) -> Right {
        match self.shape() {
            Shape::Upload if *method == Method::DELETE => Right::Add,
            _ => right_of(method),
        }
    }

    pub(super) fn allow(&self) -> &'static [&'static str] {
        match self.shape() {
            Shape::Base | Shape::Catalog | Shape::Tags | Shape::Referrers => &["GET", "HEAD"],
            Shape::Manifest => &["DELETE", "GET", "HEAD", "PUT"],
            Shape::Blob => &["DELETE", "GET", "HEAD"],
            Shape::Uploads => &["POST"],
            Shape::Upload => &["DELETE", "GET", "HEAD", "PATCH", "PUT"],
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Self::Base => Shape::Base,
            Self::Catalog => Shape::Catalog,
            Self::Tags(_) => Shape::Tags,
            Self::Manifest(..) => Shape::Manifest,
            Self::Blob(..) => Shape::Blob,
            Self::Uploads(_) => Shape::Uploads,
            Self::Upload(..) => Shape::Upload,
            Self::Referrers(..) => Shape::Referrers,
            Self::Invalid(invalid) => invalid.shape,
        }
    }
}

/// The right that a method needs anywhere below `/v2/` (spec dlrepo §15): a POST begins a push.
#[must_use]
pub fn right_of(method: &Method) -> Right {
    if *method == Method::POST { Right::Add } else { guard::right_of(method) }
}

/// Whether a path, still percent-encoded, is one of the registry's: errors there have its form.
#[must_use]
pub fn is_registry(raw_path: &str) -> bool {
    let first = raw_path.strip_prefix('/').and_then(|path| path.split('/').next());
    let first = first.unwrap_or_default();
    first == "v2" || (first.contains('%') && super::decode(first).is_ok_and(|name| name == "v2"))
}

impl Invalid {
    /// The answer: what cannot be is not there for whoever reads, and for whoever writes it is
    /// their mistake. A wrong name and a wrong digest of referrers are always that, but for HEAD:
    /// its answer tells no reason, and a client that pushes asks on and is told one.
    #[must_use]
    pub fn refusal(&self, method: &Method) -> OciError {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let (code, why) = match (&self.fault, self.shape) {
            (Fault::Name(why), _) => (Code::NameInvalid, why),
            (Fault::Tag(why) | Fault::Digest(why), Shape::Manifest) if reads => {
                (Code::ManifestUnknown, why)
            }
            (Fault::Digest(why), Shape::Blob) if reads => (Code::BlobUnknown, why),
            (Fault::Tag(why), _) => (Code::ManifestInvalid, why),
            (Fault::Digest(why), _) => (Code::DigestInvalid, why),
            (Fault::Upload, _) => {
                return OciError::new(Code::BlobUploadUnknown, "there is no such upload");
            }
        };
        let error = OciError::new(code, why.clone());
        if *method == Method::HEAD { error.with_status(StatusCode::NOT_FOUND) } else { error }
    }
}

#[cfg(test)]
mod tests;
