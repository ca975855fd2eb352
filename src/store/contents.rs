//! Which bytes the rows speak of, for whoever compares them with the files: page by page, none
//! of it kept.

use std::collections::HashSet;

use super::{Error, View};
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DIGESTS, DOOMED, FORMATS, IMAGE_LINKS, IMAGE_TAGS, IMAGES, JOBS,
    MANIFESTS, REFS, REPOS, TAGS, UNLINKS, UNTAGGED, UPLOADS,
};
use crate::db::{Found, Span};
use crate::model::{Blob, BlobId, Digest, Node, Place, Referrer, Suffix};

/// Whether all rows could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// All of them.
    Yes,
    /// Some were damaged: what they said is not known.
    No,
}

/// Numbers of rows. What lies below detached things counts until it is destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Numbers {
    /// Users' repositories.
    pub repositories: u64,
    /// Branches with a name.
    pub branches: u64,
    /// Tags.
    pub tags: u64,
    /// Jobs.
    pub jobs: u64,
    /// Formats.
    pub formats: u64,
    /// Files of formats.
    pub artifacts: u64,
    /// Blobs, held or free.
    pub blobs: u64,
    /// Repositories of the registry.
    pub images: u64,
    /// Manifests of the registry.
    pub manifests: u64,
    /// Tags of the registry, those that names in the tree do not lead to any more included.
    pub image_tags: u64,
    /// Manifests that nothing names, which stay until a rule says otherwise.
    pub untagged: u64,
    /// Manifests that lost what named them and go when their upload link ends.
    pub doomed: u64,
    /// Upload links: blobs of a repository that none of its manifests names.
    pub upload_links: u64,
    /// Blobs of the registry that arrive in pieces.
    pub uploads: u64,
}

impl View {
    /// How many rows there are; takes the same time whatever it is.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn numbers(&self) -> Result<Numbers, Error> {
        Ok(Numbers {
            repositories: REPOS.count(&self.snapshot)?,
            branches: BRANCHES.count(&self.snapshot)?,
            tags: TAGS.count(&self.snapshot)?,
            jobs: JOBS.count(&self.snapshot)?,
            formats: FORMATS.count(&self.snapshot)?,
            artifacts: ARTIFACTS.count(&self.snapshot)?,
            blobs: BLOBS.count(&self.snapshot)?,
            images: IMAGES.count(&self.snapshot)?,
            manifests: MANIFESTS.count(&self.snapshot)?,
            image_tags: IMAGE_TAGS.count(&self.snapshot)?,
            untagged: UNTAGGED.count(&self.snapshot)?,
            doomed: DOOMED.count(&self.snapshot)?,
            upload_links: IMAGE_LINKS.count(&self.snapshot)?,
            uploads: UPLOADS.count(&self.snapshot)?,
        })
    }

    /// The files of all blobs whose digest begins with the byte `shard`. Rows that cannot be
    /// read are left out: the check of the rows tells of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn files_of_shard(&self, shard: u8) -> Result<Vec<(BlobId, Digest, Suffix)>, Error> {
        let mut first = [0; 32];
        first[0] = shard;
        let mut files = Vec::new();
        for row in DIGESTS.cursor(&self.snapshot, Span::all().from(&Digest(first))) {
            let Found::Row(digest, id) = row? else { continue };
            if digest.0[0] != shard {
                break;
            }
            if let Ok(Some(Blob { place: Place::File(suffix), .. })) =
                BLOBS.get(&self.snapshot, &id)
            {
                files.push((id, digest, suffix));
            }
        }
        Ok(files)
    }

    /// The blobs behind `after`, at most `limit` of them; those that cannot be read are left out.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn blobs_after(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<(BlobId, Blob)>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut blobs = Vec::new();
        for row in BLOBS.cursor(&self.snapshot, span) {
            if let Found::Row(id, blob) = row? {
                blobs.push((id, blob));
            }
            if blobs.len() >= limit {
                break;
            }
        }
        Ok(blobs)
    }

    /// Takes the files that a blob or the list of collected ones names out of `files`. When not
    /// all rows could be read, what is left may be named all the same.
    ///
    /// It reads the blobs themselves and not their index by digest, which may be what is broken.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn strike_named(&self, files: &mut HashSet<(Digest, Suffix)>) -> Result<Sure, Error> {
        let mut sure = Sure::Yes;
        for row in BLOBS.cursor(&self.snapshot, Span::all()) {
            match row? {
                Found::Row(_, Blob { digest, place: Place::File(suffix), .. }) => {
                    files.remove(&(digest, suffix));
                }
                Found::Row(..) => {}
                Found::Unreadable { .. } => sure = Sure::No,
            }
        }
        for row in UNLINKS.cursor(&self.snapshot, Span::all()) {
            match row? {
                Found::Row(_, gone) => {
                    if let Place::File(suffix) = gone.place {
                        files.remove(&(gone.digest, suffix));
                    }
                }
                Found::Unreadable { .. } => sure = Sure::No,
            }
        }
        Ok(sure)
    }

    /// The paths of those who hold a blob, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn owners(&self, id: BlobId, limit: usize) -> Result<Vec<String>, Error> {
        let mut owners = Vec::new();
        for row in REFS.cursor(&self.snapshot, Span::under(&id)).take(limit) {
            if let Found::Row((_, referrer), ()) = row? {
                let owner = super::referrers::path(&self.snapshot, &referrer, id);
                owners.push(owner.unwrap_or_else(|_| format!("{referrer:?}")));
            }
        }
        Ok(owners)
    }

    /// The paths that a name leads to and where a blob can be read, of the newest holders first;
    /// at most `limit` references are looked at.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn live_paths(&self, id: BlobId, limit: usize) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        for (key, ()) in REFS.page(&self.snapshot, Span::under(&id).descending(), limit)? {
            let (_, referrer) = key;
            let is_live = match &referrer {
                Referrer::Artifact(format, _) => {
                    super::links::unnamed(&self.snapshot, Node::Format(*format))?.is_none()
                }
                // Its row is all that makes a content readable there.
                Referrer::Image(_) => true,
                Referrer::Manifest(manifest) => self.has_manifest(*manifest)?,
                // Roles in a group say who reads it, and not the rules that are asked by path.
                Referrer::Cached(_) | Referrer::PackageFile(_) => false,
            };
            if is_live {
                paths.push(super::referrers::path(&self.snapshot, &referrer, id)?);
                paths.extend(self.shown_paths(&referrer, id)?);
            }
        }
        Ok(paths)
    }
}
