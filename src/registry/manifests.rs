//! Manifests: a push from bytes to a commit, and a pull back to exactly those bytes.
//!
//! Defends I4 (a digest is computed here, SHA-512 too), I1 and I5 (bytes are placed before their
//! row is committed, and both before the answer). What a manifest says of sizes is compared with
//! what is here.
//! Deliberately absent: rights, and which of several things a reference names (`super::resolve`).

use std::time::Duration;

use bytes::Bytes;

use super::{Error, Registry};
use crate::blobs::Claim;
use crate::blobs::hash::hash_bytes;
use crate::model::oci_manifest::{Described, Role};
use crate::model::{
    Blob, Digest, ImageName, ImageTagName, Manifest, OciDigest, OciManifest, Place, Reference,
    Sha512, Standing, UserName,
};
use crate::store::blobs::{Body, Content, settle};
use crate::store::detached::Cause;
use crate::store::manifests::{Done, ManifestPush, Needed, Pushed, Wanted};
use crate::store::reading::Kept;
use crate::store::{self, View};

/// A manifest that nothing holds is not kept for longer by a request within this time of the one
/// before, or within a tenth of an upload link: else each pull would be a commit.
const RENEWAL: Duration = Duration::from_secs(60);

/// A manifest as it comes.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The repository.
    pub image: ImageName,
    /// What it is pushed as.
    pub reference: Reference,
    /// Tags that are to name it besides.
    pub tags: Vec<ImageTagName>,
    /// Its bytes.
    pub bytes: Bytes,
    /// The `Content-Type` that came with it.
    pub media_type: Option<String>,
    /// Who pushes it.
    pub by: Option<UserName>,
}

/// A manifest that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its digest, of the kind that the client used.
    pub digest: OciDigest,
    /// What it is about.
    pub subject: Option<OciDigest>,
}

impl Registry {
    /// Takes a manifest in and lets its tags name it; for a thread that may wait. With several
    /// tags, those before one that is refused are set.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::Mismatch`], [`Error::SizeDiffers`], [`Error::Files`] and
    /// what [`store::Store::push_manifest`] says.
    pub fn push_manifest(&self, upload: &Upload) -> Result<Taken, Error> {
        let said = match &upload.reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => None,
        };
        let claim = said.map(|said| said.checksum());
        let hashed = hash_bytes(&upload.bytes, claim.as_ref());
        if let (Some(said), Claim::Differs) = (said, hashed.claim) {
            return Err(Error::Mismatch { expected: Box::new(said), found: hashed.digest });
        }
        let parsed = OciManifest::parse(&upload.bytes, upload.media_type.as_deref())?;
        let subject = parsed.subject;
        // What was compared with the bytes is what they have.
        let sha512 = match said {
            Some(OciDigest::Sha512(sum)) => Some(sum),
            _ => None,
        };
        let push = self.push_of(upload, parsed, hashed.digest, sha512)?;
        self.commit(upload, push, hashed.digest, hashed.size)?;
        Ok(Taken { digest: said.unwrap_or(hashed.digest.into()), subject })
    }

    fn push_of(
        &self,
        upload: &Upload,
        parsed: OciManifest,
        digest: Digest,
        sha512: Option<Sha512>,
    ) -> Result<ManifestPush, Error> {
        let view = self.store.view()?;
        let (mut blobs, mut children) = (Vec::new(), Vec::new());
        for content in &parsed.contents {
            match look_up(&view, &upload.image, content)? {
                Named::Blob(needed) => blobs.push(Wanted { digest: content.digest, needed }),
                Named::Child => children.push(content.digest),
            }
        }
        Ok(ManifestPush {
            image: upload.image.clone(),
            tag: None,
            content: Content::Stored(digest),
            sha512,
            media_type: parsed.media_type,
            artifact_type: parsed.artifact_type,
            subject: parsed.subject,
            blobs,
            children,
            by: upload.by.clone(),
        })
    }

    /// One transaction for the manifest and its first tag, one for each further tag.
    fn commit(
        &self,
        upload: &Upload,
        push: ManifestPush,
        digest: Digest,
        size: u64,
    ) -> Result<(), Error> {
        let named = match &upload.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let mut tags = named.into_iter().chain(&upload.tags).cloned();
        let first = tags.next();
        let others: Vec<_> =
            tags.map(|tag| ManifestPush { tag: Some(tag), ..push.clone() }).collect();
        let first = ManifestPush { tag: first, ..push };
        self.commit_bytes(&upload.bytes, digest, size, first)?;
        for next in others {
            self.store.push_manifest(next).wait()?;
        }
        Ok(())
    }

    fn commit_bytes(
        &self,
        bytes: &Bytes,
        digest: Digest,
        size: u64,
        mut push: ManifestPush,
    ) -> Result<Pushed, Error> {
        if size <= self.limits.inline_bytes_max {
            self.space.admit(size)?;
            push.content = Content::Uploaded { digest, size, body: Body::Inline(bytes.clone()) };
            return Ok(self.store.push_manifest(push).wait()?);
        }
        if self.store.view()?.find_blob(&digest)?.is_some() {
            match self.store.push_manifest(push.clone()).wait() {
                // It was collected a moment ago.
                Err(store::Error::BlobUnknown(_)) => {}
                result => return Ok(result?),
            }
        }
        self.space.admit(size)?;
        let mut draft = self.files.begin(None)?;
        draft.write(bytes)?;
        let placed = draft.finish()?.place()?;
        push.content = Content::Uploaded { digest, size, body: Body::File(placed.suffix) };
        let result = self.store.push_manifest(push).wait();
        settle(placed, result.as_ref().map(|pushed| pushed.arrival));
        Ok(result?)
    }

    /// Where the bytes of a manifest are, exactly as they were pushed. Nothing here waits for a
    /// disk.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn manifest_bytes(&self, view: &View, manifest: &Manifest) -> Result<Kept, Error> {
        match blob_of(view, manifest)?.place {
            Place::Inline => Ok(Kept::Inline(view.inline(manifest.blob)?)),
            Place::File(suffix) => {
                let pin = self.store.pins().pin(manifest.blob);
                // Pinned first, then seen again: it is still the file of a row.
                blob_of(&self.store.view()?, manifest)?;
                Ok(Kept::Placed(suffix, pin))
            }
        }
    }

    /// Reads them; for a thread that may wait.
    ///
    /// # Errors
    /// [`Error::Files`], [`Error::Damaged`] when they cannot be read back, which is logged too.
    pub fn read_manifest(&self, manifest: &Manifest, kept: Kept) -> Result<Bytes, Error> {
        let (suffix, _pin) = match kept {
            Kept::Inline(bytes) => return Ok(bytes),
            Kept::Placed(suffix, pin) => (suffix, pin),
        };
        let file = self.files.open_blob(manifest.digest, suffix);
        let file = file.inspect_err(|error| log::error!("a manifest is damaged: {error}"))?;
        read_all(file, manifest)
    }

    /// Keeps a manifest that a request names and nothing holds, in a committed transaction before
    /// the answer. What is held needs none. `false`: it went meanwhile, or cannot be promised.
    pub async fn keep_manifest(&self, image: &ImageName, manifest: &Manifest) -> bool {
        if !self.is_to_renew(manifest.standing) {
            return true;
        }
        let digest = manifest.digest.into();
        match self.store.renew_manifest(image.clone(), digest).await {
            Ok(found) => found.is_some(),
            Err(error) => {
                log::warn!("{image}@{digest} cannot be kept for longer: {error}");
                false
            }
        }
    }

    fn is_to_renew(&self, standing: Standing) -> bool {
        let link = self.store.rules().upload_link;
        let now = self.store.clock().now();
        let slack = RENEWAL.min(link / 10);
        match standing {
            Standing::Held { .. } | Standing::Follows => false,
            Standing::Untagged { since } => since.after(slack) <= now,
            Standing::Doomed { until } => until.after(slack) <= now.after(link),
        }
    }

    /// Takes away what a reference names: a tag, or a manifest with all of its tags; for a thread
    /// that may wait.
    ///
    /// # Errors
    /// [`store::Error::NotFound`], [`store::Error::FormatOfLockedJob`].
    pub fn delete_manifest(
        &self,
        image: &ImageName,
        reference: &Reference,
        cause: Cause,
    ) -> Result<(), Error> {
        match reference {
            Reference::Tag(tag) => {
                self.store.delete_image_tag(image.clone(), tag.clone(), cause).wait()?;
            }
            Reference::Digest(digest) => self.delete_with_tags(image, *digest, &cause)?,
        }
        Ok(())
    }

    /// Nothing is deleted where a lock keeps one of the tags, unless it came meanwhile.
    fn delete_with_tags(
        &self,
        image: &ImageName,
        digest: OciDigest,
        cause: &Cause,
    ) -> Result<(), Error> {
        self.store.check_manifest_deletion(image, &digest)?;
        loop {
            let slice = self.store.delete_manifest_slice(image.clone(), digest, cause.clone());
            if slice.wait()? == Done::Yes {
                return Ok(());
            }
        }
    }
}

/// The digest of a manifest, of the kind that was asked by, if it is known.
#[must_use]
pub fn digest_like(manifest: &Manifest, asked: &OciDigest) -> OciDigest {
    match (asked, manifest.sha512()) {
        (OciDigest::Sha512(_), Some(name)) => name,
        _ => manifest.digest.into(),
    }
}

fn blob_of(view: &View, manifest: &Manifest) -> Result<Blob, Error> {
    let blob: Option<Blob> = view.blob(manifest.blob)?;
    let missing = || store::Error::NotFound(format!("the manifest sha256:{}", manifest.digest));
    Ok(blob.ok_or_else(missing)?)
}

fn read_all(mut file: std::fs::File, manifest: &Manifest) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(&mut file, &mut bytes);
    let actual = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let why = match read {
        Err(error) => error.to_string(),
        Ok(_) if actual == manifest.size => return Ok(bytes.into()),
        Ok(_) => format!("it has {actual} bytes, its record says {}", manifest.size),
    };
    Err(Error::Damaged { digest: manifest.digest, why })
}

/// What a content is in the repository.
enum Named {
    Blob(Needed),
    Child,
}

/// Compares sizes with those of what is here. What is missing is for the transaction to tell.
fn look_up(view: &View, image: &ImageName, content: &Described) -> Result<Named, Error> {
    if matches!(content.role, Role::Manifest | Role::Either)
        && let Some((_, child)) = view.manifest(image, &content.digest)?
    {
        check_size(content, child.size)?;
        return Ok(Named::Child);
    }
    let needed = match content.role {
        Role::Manifest => return Ok(Named::Child),
        Role::Elsewhere => Needed::IfHere,
        Role::Blob | Role::Either => Needed::Yes,
    };
    if let Some(found) = view.image_blob(image, &content.digest)? {
        check_size(content, found.blob.size)?;
    }
    Ok(Named::Blob(needed))
}

fn check_size(content: &Described, actual: u64) -> Result<(), Error> {
    if content.size == actual {
        return Ok(());
    }
    let Described { at, digest, size, .. } = content.clone();
    Err(Error::SizeDiffers { at, digest, said: size, actual })
}
