//! Files: one transaction from the names down to the blob (design §4, step 4).

use super::blobs::{Arrival, Content};
use super::tree::{self, Chain, Delta};
use super::{Error, Store, Tx, containers, products};
use crate::db::schema::{ARTIFACTS, BLOBS, FORMATS};
use crate::db::{Pending, Span};
use crate::model::{
    Artifact, ArtifactPath, BlobId, FilePath, Format, FormatId, FormatPath, Referrer, Usage,
    UserName,
};
use crate::store::tx::promised;

impl Store {
    /// Lets the file at `path` be `content`, making branch, tag, job and format when they are
    /// missing; the format becomes dirty. Replacing a file is atomic: readers see the old one or
    /// the new one (I2, I5).
    ///
    /// Errors of the answer: [`Error::UploadToLockedJob`], [`Error::IsImage`],
    /// [`Error::BlobUnknown`] for a digest that is not stored, [`Error::IsFolder`], [`Error::IsFile`], [`Error::QuotaExceeded`]; then
    /// nothing was made and the old file is what it was.
    pub fn put_artifact(&self, path: FilePath, content: Content) -> Pending<Arrival, Error> {
        self.put_artifact_of(path, content, None)
    }

    /// As [`Self::put_artifact`]; notes in the same transaction that `sender` sent the content.
    pub fn put_artifact_of(
        &self,
        path: FilePath,
        content: Content,
        sender: Option<UserName>,
    ) -> Pending<Arrival, Error> {
        let locks = self.locks(&path.format);
        self.change(move |tx| {
            let known = tx.known(&content)?;
            let found = tree::optional(tree::format(tx.txn, &path.format))?;
            let chain = if let Some(chain) = found {
                locks.check(chain.job.locked)?;
                containers::check_plain(tx.txn, &path.format, chain.format.id)?;
                tx.check_path(&chain.format, &path)?;
                tx.check_quota(&path, Some(&chain.format), &content, known)?;
                chain
            } else {
                locks.check(tx.job_is_locked(&path)?)?;
                tx.check_quota(&path, None, &content, known)?;
                tx.chain_or_new(&path.format)?
            };
            let arrival = tx.put_artifact(&path, chain, &content, known)?;
            if let Some(sender) = &sender {
                tx.possess(content.digest(), sender)?;
            }
            Ok(arrival)
        })
    }

    /// Whether an upload may begin: [`Self::put_artifact`] tests again what is told here before
    /// any of the bytes are sent.
    ///
    /// # Errors
    /// [`Error::UploadToLockedJob`], [`Error::IsImage`], [`Error::FormatConflict`],
    /// [`Error::Db`].
    pub fn check_upload(&self, path: &FormatPath) -> Result<(), Error> {
        let view = self.view()?;
        let found = tree::optional(tree::job(&view.snapshot, &path.job))?;
        let Some((_, _, job)) = found else { return Ok(()) };
        self.locks(path).check(job.locked)?;
        if let Some(format) = FORMATS.get(&view.snapshot, &(job.id, path.format.clone()))? {
            return containers::check_plain(&view.snapshot, path, format.id);
        }
        products::check_new_format(&view.snapshot, job.id, &path.format)
    }

    pub(super) fn locks(&self, path: &FormatPath) -> Locks {
        if self.is_internal(&path.format) { Locks::Ignored } else { Locks::Kept }
    }
}

/// Whether a job's lock protects a format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    Kept,
    Ignored,
}

impl Locks {
    pub(super) fn check(self, locked: bool) -> Result<(), Error> {
        match self {
            Self::Kept if locked => Err(Error::UploadToLockedJob),
            _ => Ok(()),
        }
    }
}

impl Tx<'_, '_> {
    fn job_is_locked(&self, path: &FilePath) -> Result<bool, Error> {
        let job = tree::optional(tree::job(self.txn, &path.format.job))?;
        Ok(job.is_some_and(|(_, _, job)| job.locked))
    }

    /// A path is a file or a folder, not both.
    fn check_path(&self, format: &Format, path: &FilePath) -> Result<(), Error> {
        let is_nested = path.path.as_str().contains('/');
        if !format.nested && !is_nested {
            return Ok(());
        }
        for folder in path.path.folders() {
            if ARTIFACTS.has(self.txn, &(format.id, folder.clone()))? {
                return Err(Error::IsFile(format!("{}{folder}", path.format)));
            }
        }
        if is_folder(self.txn, format.id, &path.path)? {
            return Err(Error::IsFolder(path.to_string()));
        }
        Ok(())
    }

    fn put_artifact(
        &self,
        path: &FilePath,
        mut chain: Chain,
        content: &Content,
        known: Option<BlobId>,
    ) -> Result<Arrival, Error> {
        let key = (chain.format.id, path.path.clone());
        let old = ARTIFACTS.get(self.txn, &key)?;
        let referrer = Referrer::Artifact(key.0, key.1.clone());
        let (blob, size, arrival) = match (&old, known) {
            // Equal content: the reference stays as it is.
            (Some(old), Some(id)) if old.blob == id => (id, old.size, Arrival::Known),
            _ => self.take_in(content, known, referrer.clone())?,
        };
        ARTIFACTS.put(self.txn, &key, &Artifact { blob, size, uploaded: self.now })?;
        if let Some(old) = old.filter(|old| old.blob != blob) {
            self.release(old.blob, referrer)?;
        }
        if !std::mem::replace(&mut chain.format.dirty, true) {
            chain.job.dirty_formats += 1;
        }
        chain.format.nested |= path.path.as_str().contains('/');
        chain.format.changed = chain.format.next_change(self.now);
        chain.job.revision += 1;
        let minus = old.map_or_else(Usage::default, |old| Usage::of(old.size));
        self.save(&path.format, chain, Delta { minus, plus: Usage::of(size) })?;
        Ok(arrival)
    }

    /// Holds the blob of `content`, adding it when it is not known.
    pub(super) fn take_in(
        &self,
        content: &Content,
        known: Option<BlobId>,
        referrer: Referrer,
    ) -> Result<(BlobId, u64, Arrival), Error> {
        match (content, known) {
            (_, Some(id)) => {
                let blob = self.hold(id, referrer)?;
                Ok((id, blob.size, Arrival::Known))
            }
            (Content::Uploaded { digest, size, body }, None) => {
                let id = self.add((*digest, *size, body), referrer)?;
                Ok((id, *size, Arrival::Kept))
            }
            (Content::Stored(digest), None) => Err(Error::BlobUnknown(*digest)),
        }
    }

    /// Removes a file below a detached format and releases its blob.
    pub(super) fn drop_artifact(
        &self,
        format: FormatId,
        path: ArtifactPath,
        file: Artifact,
    ) -> Result<(), Error> {
        let key = (format, path);
        ARTIFACTS.remove(self.txn, &key)?;
        self.release(file.blob, Referrer::Artifact(key.0, key.1))
    }
}

/// Whether files lie below `path`.
pub(super) fn is_folder(
    rows: &impl crate::db::Rows,
    format: FormatId,
    path: &ArtifactPath,
) -> Result<bool, Error> {
    // Every path below starts with `path/`, and sorts behind `path` itself and `path` + anything
    // smaller than a slash.
    let Ok(first) = ArtifactPath::parse(&format!("{path}/\u{1}")) else { return Ok(false) };
    let below = Span::under(&format).from(&(format, first));
    let next = ARTIFACTS.first(rows, below)?;
    Ok(next.is_some_and(|((_, found), _)| {
        found.as_str().strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }))
}

/// The blob of a file.
pub(super) fn blob_of(
    rows: &impl crate::db::Rows,
    file: &Artifact,
) -> Result<crate::model::Blob, Error> {
    promised(&BLOBS, rows, &file.blob)
}
