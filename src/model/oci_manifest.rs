//! [`OciManifest`]: what the bytes of a manifest say, read once when they are pushed (OCI image
//! specification 1.1, Docker's schema 2).
//!
//! A kind that is not known here is taken like any other, as clients bring new ones: what its
//! `config`, `layers`, `blobs`, `manifests` and `subject` name must be there and is held, and
//! whoever invents other members takes them along elsewhere. Its type must be one of JSON, since
//! it becomes the `Content-Type` of an answer.
//! Deliberately absent: whether what is named is here, and any change of the bytes.

mod document;

use std::collections::BTreeMap;

use super::manifest::{DESCRIPTORS_MAX, MANIFEST_BYTES_MAX};
use super::{OciDigest, OciDigestError};
use document::Document;

/// An image.
pub const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// An index of images.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An artifact, of a draft of the specification; withdrawn.
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// Docker's image.
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image of schema 1, with a signature or without.
const SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// Layers that their vendor allows nobody else to hand on.
const NOT_DISTRIBUTABLE: [&str; 5] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];
/// How deep arrays and objects may be nested.
pub const NESTING_MAX: usize = 64;
/// Longest media type, in bytes (RFC 6838, twice 127 and a slash).
pub const MEDIA_TYPE_LENGTH_MAX: usize = 255;

/// Why bytes are no manifest that is taken here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OciManifestError {
    /// More bytes than a manifest may have.
    #[error("the manifest has {actual} bytes, at most {MANIFEST_BYTES_MAX} are taken")]
    TooLarge {
        /// Its bytes.
        actual: usize,
    },
    /// Not JSON, or not of the form that the specifications give.
    #[error("the manifest cannot be read: {0}")]
    Form(String),
    /// Arrays and objects in one another.
    #[error("the manifest is nested more than {NESTING_MAX} levels deep")]
    Nesting,
    /// Neither header nor document says what it is.
    #[error("it is not said what this is: send its type as Content-Type and as mediaType")]
    NoType,
    /// The header and the document differ.
    #[error("Content-Type says {header}, the manifest's mediaType says {member}: send the latter")]
    Types {
        /// Of the header.
        header: String,
        /// Of the document.
        member: String,
    },
    /// Not the type of a JSON document.
    #[error(
        "{0:?} is no type of a manifest: write application/ and a name that ends in +json, \
         {MEDIA_TYPE_LENGTH_MAX} bytes at most"
    )]
    Type(String),
    /// Not a media type.
    #[error("artifactType {0:?} is no media type, {MEDIA_TYPE_LENGTH_MAX} bytes at most")]
    ArtifactType(String),
    /// What Docker pushed until 2016.
    #[error("images of schema 1 are not taken: push with a newer client, as schema 2 or OCI")]
    SchemaOne,
    /// The number of the schema is another one.
    #[error("schemaVersion is {0}, it must be 2")]
    Schema(i64),
    /// A member is missing that this type has.
    #[error("the manifest has no {0}, which its type needs")]
    Missing(&'static str),
    /// A member is there that this type does not have: clients would read different things.
    #[error("the manifest has {0}, which its type does not have: it could be read in two ways")]
    Ambiguous(&'static str),
    /// Too much is named.
    #[error("the manifest names {0} contents, at most {DESCRIPTORS_MAX} are taken")]
    TooMany(usize),
    /// What is named has an impossible digest.
    #[error("{at}: {source}")]
    Digest {
        /// Where, as `layers[3]`.
        at: String,
        /// Why.
        source: OciDigestError,
    },
    /// What is named has an impossible size.
    #[error("{at}: a size of {size} bytes cannot be")]
    Size {
        /// Where, as `layers[3]`.
        at: String,
        /// What is said.
        size: i64,
    },
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciManifest {
    /// Its type.
    pub media_type: String,
    /// What kind of artifact it is: what it says, or the type of its config.
    pub artifact_type: Option<String>,
    /// What it is about.
    pub subject: Option<OciDigest>,
    /// What it names, in its order: config, layers, blobs, manifests.
    pub contents: Vec<Described>,
    /// What it says about itself.
    pub annotations: BTreeMap<String, String>,
}

/// A content that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where it is named, as `layers[3]`.
    pub at: String,
    /// Its digest.
    pub digest: OciDigest,
    /// Its bytes, as the manifest says.
    pub size: u64,
    /// What it is.
    pub role: Role,
}

/// What a content is to the manifest that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A config, a layer or another blob.
    Blob,
    /// A layer that clients may get elsewhere, so it need not be here.
    Elsewhere,
    /// A manifest.
    Manifest,
    /// An entry of an index of a type that is not known: a manifest if there is such a one, else
    /// a blob. Build caches name their layers so.
    Either,
}

impl OciManifest {
    /// Reads a manifest. `header` is the `Content-Type` that came with it, if any.
    ///
    /// # Errors
    /// [`OciManifestError`].
    pub fn parse(bytes: &[u8], header: Option<&str>) -> Result<Self, OciManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(OciManifestError::TooLarge { actual: bytes.len() });
        }
        let document = Document::read(bytes)?;
        let media_type = media_type(&document, header)?;
        document.check_members(&media_type)?;
        let contents = document.contents()?;
        Ok(Self {
            artifact_type: document.artifact_type(&media_type)?,
            subject: document.subject()?,
            contents,
            annotations: document.annotations(),
            media_type,
        })
    }

    /// What a manifest that was taken once says about itself; nothing, if it can no longer be
    /// read.
    #[must_use]
    pub fn annotations_of(bytes: &[u8]) -> BTreeMap<String, String> {
        Document::read(bytes).map(|document| document.annotations()).unwrap_or_default()
    }
}

fn media_type(document: &Document, header: Option<&str>) -> Result<String, OciManifestError> {
    // Parameters are to be ignored (OCI distribution specification, "Pushing Manifests").
    let header = header.map(|header| header.split(';').next().unwrap_or_default().trim());
    let header = header.filter(|header| !header.is_empty());
    let member = document.media_type.as_deref();
    let named = |name: &str| SCHEMA_1.contains(&name);
    if document.schema_version == Some(1) || header.is_some_and(named) || member.is_some_and(named)
    {
        return Err(OciManifestError::SchemaOne);
    }
    let media_type = match (header, member) {
        (Some(header), Some(member)) if !header.eq_ignore_ascii_case(member) => {
            let (header, member) = (cut(header), cut(member));
            return Err(OciManifestError::Types { header, member });
        }
        (_, Some(said)) | (Some(said), None) => said,
        (None, None) => document.guess().ok_or(OciManifestError::NoType)?,
    };
    let is_json = media_type.starts_with("application/") && media_type.ends_with("+json");
    if is_json && is_media_type(media_type) {
        Ok(media_type.to_owned())
    } else {
        Err(OciManifestError::Type(cut(media_type)))
    }
}

/// Two names of RFC 6838 and a slash.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    text.len() <= MEDIA_TYPE_LENGTH_MAX
        && text.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name))
}

/// What of a client's text goes into a message.
fn cut(text: &str) -> String {
    text.chars().take(MEDIA_TYPE_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests;
