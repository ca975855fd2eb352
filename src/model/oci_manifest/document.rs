//! [`Document`]: a manifest as JSON, before anything is made of it.
//!
//! A member that is there twice is refused by the reader, since readers differ in which they take.
//! Deliberately absent: members that nothing here hangs on; the bytes are kept as they are.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    DESCRIPTORS_MAX, DOCKER_IMAGE, DOCKER_LIST, Described, NESTING_MAX, NOT_DISTRIBUTABLE,
    OCI_ARTIFACT, OCI_IMAGE, OCI_INDEX, OciManifestError, Role, cut, is_media_type,
};
use crate::model::OciDigest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) schema_version: Option<i64>,
    pub(super) media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: i64,
    urls: Option<Vec<String>>,
}

impl Document {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, OciManifestError> {
        if nesting(bytes) > NESTING_MAX {
            return Err(OciManifestError::Nesting);
        }
        // A struct could be read from an array too.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(OciManifestError::Form("it is an array, not an object".to_owned()));
        }
        serde_json::from_slice(bytes).map_err(|error| OciManifestError::Form(error.to_string()))
    }

    /// The type of a document that does not say it.
    pub(super) fn guess(&self) -> Option<&'static str> {
        match (&self.manifests, &self.config, &self.layers) {
            (Some(_), None, None) => Some(OCI_INDEX),
            (None, Some(_), Some(_)) => Some(OCI_IMAGE),
            _ => None,
        }
    }

    /// Whether the members are those of the type.
    pub(super) fn check_members(&self, media_type: &str) -> Result<(), OciManifestError> {
        let has = [
            ("config", self.config.is_some()),
            ("layers", self.layers.is_some()),
            ("blobs", self.blobs.is_some()),
            ("manifests", self.manifests.is_some()),
        ];
        let (strangers, needed): (&[&str], &[&'static str]) = match media_type {
            OCI_IMAGE | DOCKER_IMAGE => (&["manifests", "blobs"], &["config"]),
            OCI_INDEX | DOCKER_LIST => (&["config", "layers", "blobs"], &[]),
            OCI_ARTIFACT => return has_none(&has, &["config", "layers", "manifests"]),
            _ => return Ok(()),
        };
        if let Some(version) = self.schema_version.filter(|version| *version != 2) {
            return Err(OciManifestError::Schema(version));
        }
        if self.schema_version.is_none() {
            return Err(OciManifestError::Missing("schemaVersion"));
        }
        has_none(&has, strangers)?;
        for needed in needed {
            if has.contains(&(needed, false)) {
                return Err(OciManifestError::Missing(needed));
            }
        }
        Ok(())
    }

    pub(super) fn artifact_type(&self, of: &str) -> Result<Option<String>, OciManifestError> {
        if let Some(said) = self.artifact_type.as_deref().filter(|said| !said.is_empty()) {
            if !is_media_type(said) {
                return Err(OciManifestError::ArtifactType(cut(said)));
            }
            return Ok(Some(said.to_owned()));
        }
        let is_index = matches!(of, OCI_INDEX | DOCKER_LIST);
        let config = self.config.as_ref().filter(|_| !is_index);
        let config = config.and_then(|config| config.media_type.as_ref());
        Ok(config.filter(|config| is_media_type(config)).cloned())
    }

    pub(super) fn subject(&self) -> Result<Option<OciDigest>, OciManifestError> {
        let subject = self.subject.as_ref();
        let read = |subject: &Descriptor| subject.describe("subject".to_owned(), Role::Either);
        Ok(subject.map(read).transpose()?.map(|subject| subject.digest))
    }

    pub(super) fn contents(&self) -> Result<Vec<Described>, OciManifestError> {
        let lists: [(&str, _, fn(&Descriptor) -> Role); 3] = [
            ("layers", &self.layers, layer_role),
            ("blobs", &self.blobs, layer_role),
            ("manifests", &self.manifests, entry_role),
        ];
        let count = lists.iter().filter_map(|(_, list, _)| list.as_ref()).map(Vec::len);
        let count = count.chain(self.config.as_ref().map(|_| 1)).sum();
        if count > DESCRIPTORS_MAX {
            return Err(OciManifestError::TooMany(count));
        }
        let config = self.config.iter().map(|of| of.describe("config".to_owned(), Role::Blob));
        let others = lists.iter().flat_map(|(name, list, role)| {
            let entries = list.iter().flatten().enumerate();
            entries.map(move |(at, of)| of.describe(format!("{name}[{at}]"), role(of)))
        });
        config.chain(others).collect()
    }

    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.clone().unwrap_or_default()
    }
}

impl Descriptor {
    fn describe(&self, at: String, role: Role) -> Result<Described, OciManifestError> {
        let digest = match OciDigest::parse(&self.digest) {
            Ok(digest) => digest,
            Err(source) => return Err(OciManifestError::Digest { at, source }),
        };
        let Ok(size) = u64::try_from(self.size) else {
            return Err(OciManifestError::Size { at, size: self.size });
        };
        Ok(Described { at, digest, size, role })
    }
}

fn layer_role(layer: &Descriptor) -> Role {
    let kind = layer.media_type.as_deref().unwrap_or_default();
    let is_elsewhere = layer.urls.as_ref().is_some_and(|urls| !urls.is_empty());
    if is_elsewhere || NOT_DISTRIBUTABLE.contains(&kind) { Role::Elsewhere } else { Role::Blob }
}

fn entry_role(entry: &Descriptor) -> Role {
    match entry.media_type.as_deref().unwrap_or_default() {
        OCI_IMAGE | OCI_INDEX | OCI_ARTIFACT | DOCKER_IMAGE | DOCKER_LIST => Role::Manifest,
        _ => Role::Either,
    }
}

fn has_none(has: &[(&'static str, bool)], strangers: &[&str]) -> Result<(), OciManifestError> {
    let found = has.iter().find(|(name, is_there)| *is_there && strangers.contains(name));
    found.map_or(Ok(()), |(name, _)| Err(OciManifestError::Ambiguous(name)))
}

/// How deep arrays and objects are nested, as far as the brackets outside of texts say.
fn nesting(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
