//! Manifests of the registry: what a push makes of one, and finding them.
//!
//! A push is one transaction (I2, I5): all that it names is looked up, the rules of its tag, of
//! its size and of the quota are tested, and only then is anything changed. A manifest that is
//! known keeps its id; a push of it moves a tag at most. What was deleted since has no name any
//! more and is not found, whatever still waits to be destroyed.
//! Deliberately absent: reading a manifest's bytes (whoever pushes says what they name), and the
//! rows of blobs (`super::image_blobs`).

mod adopt;
mod delete;
mod destroy;
mod expire;
mod standing;

use super::blobs::{Arrival, Content};
use super::charges::login_of;
use super::image_tags::TagPlan;
use super::tree::Delta;
use super::tx::promised;
use super::{Error, Store, Tx, View, artifacts::Locks, image_blobs, image_tags, products};
use crate::db::schema::{IMAGES, MANIFEST_NAMES, MANIFESTS, Meta, REFERRERS};
use crate::db::{self, Pending, Rows, Span};
use crate::model::manifest::{DEPTH_MAX, DESCRIPTORS_MAX, FILES_MAX};
use crate::model::{
    BlobId, Digest, ImageBlob, ImageId, ImageName, ImagePlace, ImageTagName, Manifest, ManifestId,
    OciDigest, Referrer, Refs, Repo, Sha512, Standing, Usage, UserName,
};

pub use adopt::{Adoption, STAGED_BLOBS_MAX};
pub use delete::Done;
pub use expire::{Expired, UntaggedKey, UntaggedPage};

/// A manifest that is pushed.
#[derive(Clone, Debug)]
pub struct ManifestPush {
    /// The repository.
    pub image: ImageName,
    /// The tag that is to name it; `None`: it is pushed by digest.
    pub tag: Option<ImageTagName>,
    /// Its bytes.
    pub content: Content,
    /// Their SHA-512, where a client names them so.
    pub sha512: Option<Sha512>,
    /// What it says it is.
    pub media_type: String,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// What it is about, here or not.
    pub subject: Option<OciDigest>,
    /// Its config and layers.
    pub blobs: Vec<Wanted>,
    /// The manifests that it names.
    pub children: Vec<OciDigest>,
    /// Who pushes it.
    pub by: Option<UserName>,
}

/// A blob that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub digest: OciDigest,
    /// Whether it must be there.
    pub needed: Needed,
}

/// Manifests of a part of a list, and the last one that was looked at.
pub type ReferrersPage = (Vec<(ManifestId, Manifest)>, Option<ManifestId>);

/// Whether what a manifest names must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Or the push is refused.
    Yes,
    /// It is held if it is there: a layer that is not distributed need not be.
    IfHere,
}

/// What a push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest.
    pub id: ManifestId,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// What became of the bytes that were sent.
    pub arrival: Arrival,
    /// Whether the repository did not have it.
    pub is_new: bool,
}

impl Store {
    /// Adds a manifest to its repository, and lets a tag name it. The answer may be
    /// [`Error::ManifestBlobUnknown`], [`Error::ManifestUnknown`], [`Error::ManifestTooLarge`],
    /// [`Error::UploadToLockedJob`], [`Error::QuotaExceeded`], [`Error::FormatConflict`],
    /// [`Error::TagTaken`], [`Error::ProductTaken`] or [`Error::BlobUnknown`]; then nothing
    /// was changed.
    pub fn push_manifest(&self, push: ManifestPush) -> Pending<Pushed, Error> {
        let locks = self.locks_of(&push);
        self.change(move |tx| tx.push_manifest(&push, locks, push.by.as_ref()))
    }

    /// Whether the lock of its job protects the tag that a push is for.
    fn locks_of(&self, push: &ManifestPush) -> Locks {
        let shown = push.tag.as_ref().and_then(|tag| push.image.format_of(tag));
        shown.map_or(Locks::Kept, |path| self.locks(&path))
    }
}

impl View {
    /// The manifest that a digest names in a repository.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn manifest(
        &self,
        image: &ImageName,
        digest: &OciDigest,
    ) -> Result<Option<(ManifestId, Manifest)>, Error> {
        match IMAGES.get(&self.snapshot, image)? {
            Some(image) => named(&self.snapshot, image.id, digest),
            None => Ok(None),
        }
    }

    /// A manifest by its id, if it was not deleted since.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn manifest_by_id(&self, id: ManifestId) -> Result<Option<Manifest>, Error> {
        let Some(manifest) = MANIFESTS.get(&self.snapshot, &id)? else { return Ok(None) };
        Ok(is_named(&self.snapshot, id, &manifest)?.then_some(manifest))
    }

    /// Manifests about what `digest` names, whether that is here or not, in order of their ids.
    /// At most `limit` behind `after` are looked at; the last one is told beside those of them
    /// that were not deleted. `None`: there is none behind `after`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_referrers(
        &self,
        image: &ImageName,
        digest: &OciDigest,
        after: Option<ManifestId>,
        limit: usize,
    ) -> Result<ReferrersPage, Error> {
        let mut found = Vec::new();
        let Some(image) = IMAGES.get(&self.snapshot, image)? else { return Ok((found, None)) };
        let mut ids = Vec::new();
        for name in names(&self.snapshot, image.id, digest)? {
            let about = (image.id, name);
            let mut span = Span::under(&image.id).from(&(image.id, (name, ManifestId(0))));
            if let Some(after) = after {
                span = span.after(&(image.id, (name, after)));
            }
            let page = REFERRERS.page(&self.snapshot, span, limit)?.into_iter();
            let page = page.take_while(|((at, (of, _)), ())| (*at, *of) == about);
            ids.extend(page.map(|((_, (_, id)), ())| id));
        }
        ids.sort_unstable();
        ids.truncate(limit);
        let last = ids.last().copied();
        for id in ids {
            found.extend(self.manifest_by_id(id)?.map(|manifest| (id, manifest)));
        }
        Ok((found, last))
    }
}

/// The manifest that a digest names.
pub(super) fn named(
    rows: &impl Rows,
    image: ImageId,
    digest: &OciDigest,
) -> Result<Option<(ManifestId, Manifest)>, Error> {
    let Some(id) = MANIFEST_NAMES.get(rows, &(image, *digest))? else { return Ok(None) };
    Ok(Some((id, promised(&MANIFESTS, rows, &id)?)))
}

/// Whether a manifest is still in its repository.
pub(super) fn is_named(
    rows: &impl Rows,
    id: ManifestId,
    manifest: &Manifest,
) -> Result<bool, db::Error> {
    let name = (manifest.image, manifest.digest.into());
    Ok(MANIFEST_NAMES.get(rows, &name)? == Some(id))
}

/// All names of what `digest` names, itself first.
fn names(rows: &impl Rows, image: ImageId, digest: &OciDigest) -> Result<Vec<OciDigest>, Error> {
    let mut names = vec![*digest];
    if let Some((_, manifest)) = named(rows, image, digest)? {
        names.extend(manifest.names().filter(|other| other != digest));
    }
    Ok(names)
}

/// Whether what a manifest is about is in its repository.
pub(super) fn has_subject(rows: &impl Rows, manifest: &Manifest) -> Result<bool, Error> {
    match manifest.subject() {
        Some(subject) => Ok(MANIFEST_NAMES.has(rows, &(manifest.image, subject))?),
        None => Ok(false),
    }
}

/// What a push was found to be, before anything is changed.
struct Plan {
    known: Option<(ManifestId, Manifest)>,
    /// The blob of its own bytes.
    blob: Option<BlobId>,
    blobs: Vec<(BlobId, ImageBlob)>,
    children: Vec<(ManifestId, Manifest)>,
    depth: u8,
    total: Usage,
}

impl Plan {
    fn child_ids(&self) -> Vec<ManifestId> {
        self.children.iter().map(|(id, _)| *id).collect()
    }

    /// Whether this manifest held the child before.
    fn has_child(&self, id: ManifestId) -> bool {
        self.known.as_ref().is_some_and(|(_, known)| known.children.contains(&id))
    }

    /// Whether a push by digest is charged to anybody: not when a tag or an index holds it, and
    /// not twice.
    fn is_to_charge(&self) -> bool {
        let known = self.known.as_ref().map(|(_, known)| known);
        known.is_none_or(|known| known.standing.is_charged() && known.charged.is_empty())
    }

    /// What `user` is charged for now and will not be when the push is done.
    fn uncharged(&self, user: &UserName, tagged: bool) -> Usage {
        let is_theirs = |login: &str| login == user.as_str();
        let blobs = self.blobs.iter().filter(|_| self.known.is_none());
        let links = blobs
            .filter(|(_, row)| matches!(row.refs, Refs::Free { .. }) && is_theirs(&row.charged));
        let links = links.map(|(_, row)| Usage::of(row.size));
        let own = self.known.iter().filter(|_| tagged).map(|(_, known)| known);
        let loose = self.children.iter().map(|(_, child)| child).chain(own);
        let loose = loose.filter(|found| is_theirs(&found.charged)).map(|found| found.total);
        links.chain(loose).fold(Usage::default(), Usage::plus)
    }
}

impl Tx<'_, '_> {
    /// `payer` is charged for what no tag names.
    pub(super) fn push_manifest(
        &self,
        push: &ManifestPush,
        locks: Locks,
        payer: Option<&UserName>,
    ) -> Result<Pushed, Error> {
        let image = IMAGES.get(self.txn, &push.image)?.map(|image| image.id);
        let plan = self.plan_push(push, image)?;
        let is_new = plan.known.is_none();
        let tag = match &push.tag {
            Some(tag) => Some(self.plan_tag(&push.image, image, tag, locks)?),
            None => None,
        };
        self.check_push_quota(push, &plan, tag.as_ref(), payer)?;
        let image = self.image_or_new(&push.image)?;
        let total = plan.total;
        let (id, arrival) = match plan.known {
            Some(_) => self.push_again(push, plan, tag.as_ref(), payer)?,
            None => self.add_manifest(push, image, &plan, payer)?,
        };
        if let Some(tag) = tag {
            self.set_tag(image, tag, id, total, push.by.as_ref())?;
        }
        let digest = *push.content.digest();
        Ok(Pushed { id, digest, arrival, is_new })
    }

    fn plan_push(&self, push: &ManifestPush, image: Option<ImageId>) -> Result<Plan, Error> {
        let named_things = push.blobs.len() + push.children.len();
        if named_things > DESCRIPTORS_MAX {
            let found = u64::try_from(named_things).unwrap_or(u64::MAX);
            return Err(too_large("contents", found, u64::try_from(DESCRIPTORS_MAX).unwrap_or(0)));
        }
        self.check_product(push, image)?;
        let blob = self.known(&push.content)?;
        let size = self.size_of(&push.content, blob)?;
        let known = match image {
            Some(image) => named(self.txn, image, &(*push.content.digest()).into())?,
            None => None,
        };
        let blobs = match &known {
            Some(_) => Vec::new(),
            None => self.wanted_blobs(push, image)?,
        };
        let children = self.wanted_children(push, image)?;
        let depths = children.iter().map(|(_, child)| child.depth.saturating_add(1));
        let depth = depths.max().unwrap_or(0);
        if depth > DEPTH_MAX {
            return Err(too_large("levels of indexes", depth.into(), DEPTH_MAX.into()));
        }
        let parts = blobs.iter().map(|(_, row)| Usage::of(row.size));
        let parts = parts.chain(children.iter().map(|(_, child)| child.total));
        let total = match &known {
            Some((_, known)) => known.total,
            None => parts.fold(Usage::of(size), Usage::plus),
        };
        if total.files > FILES_MAX {
            return Err(too_large("files", total.files, FILES_MAX));
        }
        Ok(Plan { known, blob, blobs, children, depth, total })
    }

    /// The name of a product's branch is taken, unless something was pushed to it before.
    fn check_product(&self, push: &ManifestPush, image: Option<ImageId>) -> Result<(), Error> {
        let ImagePlace::Product(path) = push.image.place() else { return Ok(()) };
        // As for readers: what is left of a deleted image does not keep the name.
        let is_pushed = match image {
            Some(image) => image_tags::has_live_content(self.txn, image)?,
            None => false,
        };
        if !is_pushed && products::has_branch(self.txn, &path)? {
            return Err(Error::ProductTaken(path.to_string()));
        }
        Ok(())
    }

    fn wanted_blobs(
        &self,
        push: &ManifestPush,
        image: Option<ImageId>,
    ) -> Result<Vec<(BlobId, ImageBlob)>, Error> {
        let mut found = Vec::new();
        for wanted in &push.blobs {
            let row = match image {
                Some(image) => image_blobs::row_in(self.txn, image, &wanted.digest)?,
                None => None,
            };
            match (row, wanted.needed) {
                (Some(row), _) => found.push(row),
                (None, Needed::IfHere) => {}
                (None, Needed::Yes) => return Err(Error::ManifestBlobUnknown(wanted.digest)),
            }
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        found.dedup_by_key(|(id, _)| *id);
        Ok(found)
    }

    fn wanted_children(
        &self,
        push: &ManifestPush,
        image: Option<ImageId>,
    ) -> Result<Vec<(ManifestId, Manifest)>, Error> {
        let mut found = Vec::new();
        for digest in &push.children {
            let child = match image {
                Some(image) => named(self.txn, image, digest)?,
                None => None,
            };
            found.push(child.ok_or(Error::ManifestUnknown(*digest))?);
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        found.dedup_by_key(|(id, _)| *id);
        Ok(found)
    }

    /// Whether whoever will be charged has room. A tag is charged to the owner of its repository,
    /// and what no tag names to whoever pushes it.
    fn check_push_quota(
        &self,
        push: &ManifestPush,
        plan: &Plan,
        tag: Option<&TagPlan>,
        payer: Option<&UserName>,
    ) -> Result<(), Error> {
        let (user, minus) = match (tag, push.image.repo()) {
            (Some(tag), Repo::User(user)) => (Some(user), self.usage_before(tag)?),
            (Some(_), Repo::Shared) => (None, Usage::default()),
            (None, _) => (payer.cloned().filter(|_| plan.is_to_charge()), Usage::default()),
        };
        let Some(user) = user else { return Ok(()) };
        let minus = minus.plus(plan.uncharged(&user, tag.is_some()));
        self.check_user_room(user.as_str(), Delta { minus, plus: plan.total })
    }

    /// What a repository does not have yet. With a tag it is held from the start.
    fn add_manifest(
        &self,
        push: &ManifestPush,
        image: ImageId,
        plan: &Plan,
        payer: Option<&UserName>,
    ) -> Result<(ManifestId, Arrival), Error> {
        let id = ManifestId(self.next(Meta::NEXT_IMAGE)?);
        let holder = Referrer::Manifest(id);
        let (blob, size, arrival) = self.take_in(&push.content, plan.blob, holder)?;
        self.hold_image_blobs(image, &plan.blobs)?;
        for (child, _) in &plan.children {
            self.hold_manifest(*child)?;
        }
        let digest = *push.content.digest();
        let mut manifest = Manifest {
            image,
            digest,
            sha512: None,
            blob,
            size,
            media_type: push.media_type.clone(),
            artifact_type: push.artifact_type.clone(),
            subject: push.subject.map(|subject| subject.to_string()),
            blobs: plan.blobs.iter().map(|(blob, _)| *blob).collect(),
            children: plan.child_ids(),
            depth: plan.depth,
            total: plan.total,
            standing: Standing::Held { count: 1 },
            charged: String::new(),
            pushed: self.now,
            by: login_of(push.by.as_ref()),
            told: None,
        };
        MANIFEST_NAMES.put(self.txn, &(image, digest.into()), &id)?;
        self.name_sha512(id, &mut manifest, push.sha512)?;
        if let Some(subject) = push.subject {
            REFERRERS.put(self.txn, &(image, (subject, id)), &())?;
        }
        if push.tag.is_none() {
            self.stand_alone(id, &mut manifest, payer)?;
        }
        MANIFESTS.put(self.txn, &id, &manifest)?;
        Ok((id, arrival))
    }

    /// What a repository has already: what was deleted from under it is held again.
    fn push_again(
        &self,
        push: &ManifestPush,
        plan: Plan,
        tag: Option<&TagPlan>,
        payer: Option<&UserName>,
    ) -> Result<(ManifestId, Arrival), Error> {
        for (child, _) in plan.children.iter().filter(|(id, _)| !plan.has_child(*id)) {
            self.hold_manifest(*child)?;
        }
        let children = plan.child_ids();
        let Some((id, mut manifest)) = plan.known else {
            return Err(Error::ManifestUnknown((*push.content.digest()).into()));
        };
        manifest.children = children;
        self.name_sha512(id, &mut manifest, push.sha512)?;
        let held = manifest.standing.hold();
        match tag {
            Some(tag) if tag.names(id) => {}
            Some(_) => self.stand(id, &mut manifest, held)?,
            None if manifest.standing.is_charged() => {
                self.stand_alone(id, &mut manifest, payer)?;
            }
            None => {}
        }
        MANIFESTS.put(self.txn, &id, &manifest)?;
        Ok((id, Arrival::Known))
    }

    fn name_sha512(
        &self,
        id: ManifestId,
        manifest: &mut Manifest,
        sum: Option<Sha512>,
    ) -> Result<(), Error> {
        let Some(sum) = sum else { return Ok(()) };
        manifest.sha512 = Some(sum.0.to_vec());
        Ok(MANIFEST_NAMES.put(self.txn, &(manifest.image, OciDigest::Sha512(sum)), &id)?)
    }
}

fn too_large(what: &'static str, found: u64, most: u64) -> Error {
    Error::ManifestTooLarge { what, found, most }
}
