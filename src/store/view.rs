//! [`View`]: everything as of one commit, for pages, lists and downloads (I8).

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::artifacts::blob_of;
use super::detached::QueueKey;
use super::tree::{self, Chain};
use super::tx::promised;
use super::{Error, blobs, files, garbage};
use crate::db::schema::{
    BLOBS, DETACHED, FORMATS, INLINE, JOBS, REFS, TAG_AGES, TAGS, TOTALS, UNLINKS,
};
use crate::db::{Snapshot, Span};
use crate::model::{
    Artifact, ArtifactPath, Blob, BlobId, Branch, BranchId, BranchPath, Detached, Digest, FilePath,
    Format, FormatId, FormatName, FormatPath, Job, JobId, JobName, JobPath, Node, Referrer, Tag,
    TagId, TagName, TagPath, TagRef, Timestamp, Totals, Unlink,
};

/// A consistent state of the store. Keep it for as long as one answer takes, not longer: pages
/// of the database that it sees cannot be used again before it is dropped.
pub struct View {
    pub(super) snapshot: Arc<Snapshot>,
    /// When it was taken, for what ends by itself.
    pub(super) now: Timestamp,
}

/// A file and its bytes' record.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The file.
    pub artifact: Artifact,
    /// Its blob.
    pub blob: Blob,
}

/// Names or keys beside their records.
type Named<N, R> = Vec<(N, R)>;

impl View {
    pub(super) fn new(snapshot: Arc<Snapshot>, now: Timestamp) -> Self {
        Self { snapshot, now }
    }

    /// A branch.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn branch(&self, path: &BranchPath) -> Result<Branch, Error> {
        tree::branch(&self.snapshot, path)
    }

    /// The tags of a branch, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn tags(&self, branch: BranchId) -> Result<Named<TagName, Tag>, Error> {
        let rows = TAGS.all(&self.snapshot, Span::under(&branch))?;
        Ok(rows.into_iter().map(|((_, name), tag)| (name, tag)).collect())
    }

    /// A tag.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn tag(&self, path: &TagPath) -> Result<Tag, Error> {
        tree::tag(&self.snapshot, path).map(|(_, tag)| tag)
    }

    /// The first tag of a branch, by name, that may not be deleted, as the refusal to do so.
    ///
    /// # Errors
    /// [`Error::TagLocked`], [`Error::TagReleased`], [`Error::NotFound`], [`Error::Db`].
    pub fn check_unprotected(&self, path: &BranchPath) -> Result<(), Error> {
        let branch = self.branch(path)?;
        let has_copies = super::publications::protects_any(&self.snapshot, branch.id)?;
        if branch.tags.locked == 0 && branch.tags.released == 0 && !has_copies {
            return Ok(());
        }
        TAGS.each(&self.snapshot, Span::under(&branch.id), |(_, name), tag| {
            let path = path.clone().tag(name);
            super::tags::check_unprotected(&self.snapshot, &path, branch.id, &tag)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The tag that a URL's tag segment stands for. Newest by creation; ties by id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn resolve(&self, branch: &BranchPath, tag: &TagRef) -> Result<TagName, Error> {
        self.resolve_among(branch, tag, |_| true)
    }

    /// As [`Self::resolve`], but an alias stands for one of the tags that `counts` lets count.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn resolve_among(
        &self,
        branch: &BranchPath,
        tag: &TagRef,
        counts: impl Fn(&TagName) -> bool,
    ) -> Result<TagName, Error> {
        let (alias, skipped, stable_only) = match tag {
            TagRef::Named(name) => return Ok(name.clone()),
            TagRef::Latest => ("latest", 0, false),
            TagRef::Stable => ("stable", 0, true),
            TagRef::OldStable => ("oldstable", 1, true),
        };
        let record = self.branch(branch)?;
        let candidates = if stable_only { record.tags.stable } else { record.tags.all };
        let found = if candidates > skipped {
            self.nth_newest(&record, skipped, stable_only, counts)?
        } else {
            None
        };
        found.ok_or_else(|| Error::NotFound(format!("{branch}{alias}/")))
    }

    fn nth_newest(
        &self,
        branch: &Branch,
        mut skipped: u64,
        stable_only: bool,
        counts: impl Fn(&TagName) -> bool,
    ) -> Result<Option<TagName>, Error> {
        let newest_first = Span::under(&branch.id).descending();
        let mut found = None;
        TAG_AGES.each(&self.snapshot, newest_first, |_, name| {
            if stable_only && !promised(&TAGS, &self.snapshot, &(branch.id, name.clone()))?.stable {
                return Ok(ControlFlow::Continue(()));
            }
            if !counts(&name) {
                return Ok(ControlFlow::Continue(()));
            }
            if skipped > 0 {
                skipped -= 1;
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(name);
            Ok::<_, Error>(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The jobs of a tag, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn jobs(&self, tag: TagId) -> Result<Named<JobName, Job>, Error> {
        let rows = JOBS.all(&self.snapshot, Span::under(&tag))?;
        Ok(rows.into_iter().map(|((_, name), job)| (name, job)).collect())
    }

    /// A job.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn job(&self, path: &JobPath) -> Result<Job, Error> {
        tree::job(&self.snapshot, path).map(|(_, _, job)| job)
    }

    /// The formats of a job, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn formats(&self, job: JobId) -> Result<Named<FormatName, Format>, Error> {
        let rows = FORMATS.all(&self.snapshot, Span::under(&job))?;
        Ok(rows.into_iter().map(|((_, name), format)| (name, format)).collect())
    }

    /// A format.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn format(&self, path: &FormatPath) -> Result<Format, Error> {
        tree::format(&self.snapshot, path).map(|Chain { format, .. }| format)
    }

    /// Visits the files of a format by path, in code point order, until `visit` breaks off.
    ///
    /// # Errors
    /// What `visit` returns, and [`Error::Db`].
    pub fn each_file(
        &self,
        format: FormatId,
        visit: impl FnMut(ArtifactPath, Artifact) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        files::each(&self.snapshot, format, visit)
    }

    /// The blob of a file that was listed.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn blob_of(&self, file: &Artifact) -> Result<Blob, Error> {
        blob_of(&self.snapshot, file)
    }

    /// A file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn file(&self, path: &FilePath) -> Result<File, Error> {
        let format = self.format(&path.format)?;
        let found = files::get(&self.snapshot, format.id, &path.path)?;
        let artifact = found.ok_or_else(|| Error::NotFound(path.to_string()))?;
        Ok(File { artifact, blob: self.blob_of(&artifact)? })
    }

    /// Whether files lie below a path.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a format, [`Error::Db`].
    pub fn is_folder(&self, path: &FilePath) -> Result<bool, Error> {
        let format = self.format(&path.format)?;
        files::is_folder(&self.snapshot, format.id, &path.path)
    }

    /// The bytes of an inline blob.
    ///
    /// # Errors
    /// [`Error::Db`], also when they are missing (I1).
    pub fn inline(&self, blob: BlobId) -> Result<Bytes, Error> {
        promised(&INLINE, &self.snapshot, &blob)
    }

    /// The blob with this digest.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn find_blob(&self, digest: &Digest) -> Result<Option<(BlobId, Blob)>, Error> {
        blobs::find(&self.snapshot, digest)
    }

    /// A blob by its id, if it is not collected.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn blob(&self, id: BlobId) -> Result<Option<Blob>, Error> {
        Ok(BLOBS.get(&self.snapshot, &id)?)
    }

    /// Who holds a blob, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn referrers(&self, id: BlobId, limit: usize) -> Result<Vec<Referrer>, Error> {
        let rows = REFS.page(&self.snapshot, Span::under(&id), limit)?;
        Ok(rows.into_iter().map(|((_, referrer), ())| referrer).collect())
    }

    /// The path that a container has, or had before it was detached.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn path_of(&self, node: Node) -> Result<String, Error> {
        tree::path_of(&self.snapshot, node)
    }

    /// The counters of every stage.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn totals(&self) -> Result<Totals, Error> {
        Ok(TOTALS.get(&self.snapshot, &())?.unwrap_or_default())
    }

    /// The first `limit` entries of the queue of detached things, by the moment they are due.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn detached(&self, limit: usize) -> Result<Named<QueueKey, Detached>, Error> {
        Ok(DETACHED.page(&self.snapshot, Span::all(), limit)?)
    }

    /// The first `limit` collected blobs whose bytes are still to go.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn unlinks(&self, limit: usize) -> Result<Vec<(BlobId, Unlink)>, Error> {
        Ok(UNLINKS.page(&self.snapshot, Span::all(), limit)?)
    }

    /// The earliest moment at which a free blob may be collected.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_lease_end(&self) -> Result<Option<Timestamp>, Error> {
        garbage::earliest_lease(&self.snapshot)
    }

    /// The earliest moment at which a detached thing is due.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(DETACHED.first(&self.snapshot, Span::all())?.map(|((due, _), _)| due))
    }

    /// Whether a blob's bytes lie in the file of this name (I1).
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn names_file(&self, digest: Digest, suffix: crate::model::Suffix) -> Result<bool, Error> {
        let place = crate::model::Place::File(suffix);
        Ok(self.find_blob(&digest)?.is_some_and(|(_, blob)| blob.place == place))
    }
}
