//! [`Fetched`]: a manifest as an upstream sent it, verified.
//!
//! Defends I4: its digest is computed here; where the upstream, or whoever asked, names another
//! one, nothing of it is served or stored.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::answer::Answer;
use super::fetch::Refused;
use super::pulls::{refusal, unanswered};
use super::source::{Patience, Source};
use super::unanswered::Unanswered;
use crate::blobs::hash::hash_bytes;
use crate::model::oci_manifest::{DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX};
use crate::model::{Digest, OciDigest, OciManifest, Reference, UpstreamName};

/// Longer manifests pass through unstored, in bytes (spec gitlab §1.4).
pub const MANIFEST_BYTES_MAX: usize = 10 << 20;
/// What is taken for a manifest that may be kept (spec gitlab §1.7).
const ACCEPTED: [&str; 4] = [OCI_INDEX, DOCKER_LIST, OCI_IMAGE, DOCKER_IMAGE];

/// A manifest that came.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    /// What it names by SHA-256.
    pub(super) parts: Vec<Digest>,
}

/// Why none came.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NoManifest {
    #[error(transparent)]
    Refused(Refused),
    #[error("it sends something else than was asked for: {0}")]
    Lied(String),
    /// It is there and is not kept.
    #[error("it is too large")]
    TooLarge,
}

/// What the head of a manifest says.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) digest: Option<OciDigest>,
    pub(super) media_type: Option<String>,
}

impl Head {
    pub(super) async fn ask(
        source: &Source,
        image: &UpstreamName,
        reference: &Reference,
        patience: Patience,
    ) -> Result<Self, Refused> {
        let answer = source.head_manifest(image, reference, patience).await;
        let answer = answer.map_err(|error| unanswered(&error))?;
        Ok(Self {
            status: answer.status,
            digest: answer.content_digest().and_then(|text| OciDigest::parse(text).ok()),
            media_type: answer.media_type().map(str::to_owned),
        })
    }

    /// The identity of what is there, if it is and the upstream tells.
    pub(super) fn names(&self) -> Option<Digest> {
        match self.digest {
            Some(OciDigest::Sha256(digest)) if self.status == StatusCode::OK => Some(digest),
            _ => None,
        }
    }

    /// Whether what is called `media_type` here may be what is there.
    pub(super) fn is_of_type(&self, media_type: &str) -> bool {
        self.media_type.as_ref().is_none_or(|told| told.eq_ignore_ascii_case(media_type))
    }
}

impl Fetched {
    pub(super) async fn ask(
        source: &Source,
        image: &UpstreamName,
        reference: &Reference,
        patience: Patience,
    ) -> Result<Arc<Self>, NoManifest> {
        let answer = source.get_manifest(image, reference, patience).await;
        let answer = answer.map_err(|error| NoManifest::Refused(unanswered(&error)))?;
        if answer.status != StatusCode::OK {
            return Err(NoManifest::Refused(refusal(answer).await));
        }
        Self::read(answer, reference).await.map(Arc::new)
    }

    async fn read(answer: Answer, reference: &Reference) -> Result<Self, NoManifest> {
        let is_long = |length| usize::try_from(length).map_or(true, |at| at > MANIFEST_BYTES_MAX);
        if answer.content_length().is_some_and(is_long) {
            return Err(NoManifest::TooLarge);
        }
        let said = answer.content_digest().map(str::to_owned);
        let media_type = answer.media_type().unwrap_or_default().to_owned();
        let bytes = answer.body.whole(MANIFEST_BYTES_MAX).await.map_err(|error| match error {
            Unanswered::TooLarge { .. } => NoManifest::TooLarge,
            error => NoManifest::Refused(unanswered(&error)),
        })?;
        Self::verified(bytes, media_type, said.as_deref(), reference).map_err(NoManifest::Lied)
    }

    /// What nobody vouches for is a manifest only if it is called one.
    fn verified(
        bytes: Bytes,
        media_type: String,
        said: Option<&str>,
        reference: &Reference,
    ) -> Result<Self, String> {
        let asked = match reference {
            Reference::Digest(digest) => Some(digest.to_string()),
            Reference::Tag(_) => None,
        };
        for claim in [asked.as_deref(), said].into_iter().flatten() {
            let digest = OciDigest::parse(claim).map_err(|error| error.to_string())?;
            if !is(&bytes, &digest) {
                let found = hash_bytes(&bytes, None).digest;
                return Err(format!("what it calls {claim} has sha256:{found}"));
            }
        }
        let fetched = Self::new(bytes, media_type);
        if asked.is_none() && said.is_none() && !fetched.is_accepted() {
            return Err(format!("{:?} is no type of a manifest", fetched.media_type));
        }
        Ok(fetched)
    }

    pub(super) fn new(bytes: Bytes, media_type: String) -> Self {
        let parts = parts(&bytes, &media_type);
        Self { digest: hash_bytes(&bytes, None).digest, media_type, bytes, parts }
    }

    /// Whether it is of a kind that is kept.
    pub(super) fn is_accepted(&self) -> bool {
        ACCEPTED.iter().any(|known| known.eq_ignore_ascii_case(&self.media_type))
    }
}

fn is(bytes: &Bytes, digest: &OciDigest) -> bool {
    hash_bytes(bytes, Some(&digest.checksum())).claim == crate::blobs::Claim::Matches
}

/// What it names, as far as it can be read: that is for keeping together what is pulled together.
fn parts(bytes: &Bytes, media_type: &str) -> Vec<Digest> {
    let parsed = match OciManifest::parse(bytes, Some(media_type)) {
        Ok(parsed) => parsed,
        Err(error) => {
            log::debug!("what a manifest of an upstream names is not known: {error}");
            return Vec::new();
        }
    };
    let sha256 = |digest: OciDigest| match digest {
        OciDigest::Sha256(digest) => Some(digest),
        OciDigest::Sha512(_) => None,
    };
    parsed.contents.into_iter().filter_map(|content| sha256(content.digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageTagName;

    fn document() -> Bytes {
        let part = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let layer = |digit| {
            serde_json::json!({"mediaType": "application/octet-stream", "size": 1,
                "digest": part(digit)})
        };
        let document = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_IMAGE,
            "config": layer("a"), "layers": [layer("b")]});
        document.to_string().into()
    }

    #[test]
    fn what_it_names_is_known() {
        let fetched = Fetched::new(document(), OCI_IMAGE.to_owned());
        assert_eq!(fetched.parts, [Digest([0xaa; 32]), Digest([0xbb; 32])]);
        assert!(fetched.is_accepted());
        assert!(Fetched::new("{".into(), OCI_IMAGE.to_owned()).parts.is_empty());
    }

    #[test]
    fn every_claim_is_compared() {
        let bytes = document();
        let right = format!("sha256:{}", hash_bytes(&bytes, None).digest);
        let wrong = format!("sha256:{}", "0".repeat(64));
        let tag = Reference::Tag(ImageTagName::parse("latest").unwrap());
        let by = |digest: &str| Reference::Digest(OciDigest::parse(digest).unwrap());
        for (said, reference, kind, is_taken) in [
            (None, &tag, OCI_IMAGE, true),
            (Some(right.as_str()), &tag, OCI_IMAGE, true),
            (Some(&wrong), &tag, OCI_IMAGE, false),
            (Some("nonsense"), &tag, OCI_IMAGE, false),
            (None, &by(&right), OCI_IMAGE, true),
            (None, &by(&wrong), OCI_IMAGE, false),
            (Some(&wrong), &by(&right), OCI_IMAGE, false),
            (None, &tag, "text/html", false),
            (Some(&right), &tag, "application/vnd.example+json", true),
        ] {
            let read = Fetched::verified(bytes.clone(), kind.to_owned(), said, reference);
            assert_eq!(read.is_ok(), is_taken, "{said:?} {reference} {kind}: {read:?}");
        }
    }
}
