//! Publications: what is wanted of a tag on other servers, and how far that is (spec dlrepo §12).
//!
//! A wish, its progress and its end are one transaction each, and the two latter only hold for
//! the wish that they were made for: so a release, an un-release and a deletion of one tag that
//! come at the same time follow each other, and the last wish wins. A row protects its tag from
//! deletion. Deliberately absent: the targets themselves (`crate::publish` talks to them).

use std::ops::ControlFlow;
use std::time::Duration;

use super::detached::Cause;
use super::{Error, Store, Tx, View, files, repos, tags, tree};
use crate::blobs::Pin;
use crate::db::schema::{BLOBS, BRANCHES, JOBS, Meta, NODES, PUBLICATIONS};
use crate::db::schema::{PUBLICATIONS_DUE, TAGS};
use crate::db::{Pending, Rows, Span};
use crate::model::retry::backoff_from;
use crate::model::tag::TagChange;
use crate::model::{
    ArtifactPath, Blob, BlobId, Branch, BranchId, BranchName, Digest, Entry, FormatId, JobName,
    Node, Publication, PublicationKey, RepoId, Tag, TagId, TagName, TagPath, TargetReport,
    Timestamp, Wish,
};

/// Jobs that are changed in one transaction.
const JOBS_PAGE: usize = 200;

/// What a released tag means to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Releases {
    /// A flag; there are no targets.
    Flag,
    /// Copies on other servers, which have to go first.
    Copies,
}

/// Whether work was done for the wish that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was.
    Stands,
    /// Another wish came meanwhile: leave the tag to it.
    Superseded,
}

/// What happened to a job on a target.
#[derive(Clone, Debug)]
pub enum JobNews {
    /// It is there.
    Published(JobName),
    /// It stays home.
    Internal(JobName),
}

/// How a try ended.
#[derive(Clone, Debug)]
pub enum End {
    /// All targets have the tag.
    Published {
        /// What they have.
        targets: Vec<TargetReport>,
        /// What the tag says of it.
        status: String,
    },
    /// No target has anything of it, and nothing is left to do.
    Nowhere {
        /// What the tag says of it.
        status: Option<String>,
    },
    /// It stays where it is, since no policy names it any more.
    Kept,
    /// There are no targets any more: a release is a flag.
    Flag,
    /// No target has anything of it, and it goes here too, by this rule, unless it was locked.
    Gone {
        /// The rule, as a sentence.
        rule: String,
    },
    /// It failed and is tried again.
    Failed {
        /// What each target said.
        targets: Vec<TargetReport>,
        /// All that failed, as a sentence.
        error: String,
        /// The wait after the first failure.
        retry_first: Duration,
    },
}

/// A file that is to be published.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its path in the format.
    pub path: ArtifactPath,
    /// Its bytes.
    pub blob: BlobId,
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

impl Store {
    /// Changes a tag and notes what is wanted of it elsewhere; `change` says nothing of the
    /// release. It is worked on from now on. The answer may be [`Error::NotFound`].
    pub fn wish(
        &self,
        path: TagPath,
        change: TagChange,
        wish: Wish,
        by: String,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            let (branch, tag) = tree::tag(tx.txn, &path)?;
            tx.wish(&path, branch, &tag, &change, (wish.clone(), by.clone()))
        })
    }

    /// Notes how far work for the wish `number` is.
    pub fn note_publication(
        &self,
        key: PublicationKey,
        number: u64,
        targets: Vec<TargetReport>,
        status: Option<String>,
        news: Option<JobNews>,
    ) -> Pending<Standing, Error> {
        self.change(move |tx| {
            let Some((path, mut row)) = standing(tx.txn, key, number)? else {
                return Ok(Standing::Superseded);
            };
            row.targets.clone_from(&targets);
            tx.put_publication(key, &row)?;
            if let Some(status) = &status {
                let (branch, mut tag) = tree::tag(tx.txn, &path)?;
                if tag.publish_status.as_ref() != Some(status) {
                    tag.publish_status = Some(status.clone());
                    tx.save_tag(&path, branch.id, &tag)?;
                }
            }
            if let Some(news) = &news {
                tx.note_job(key, news)?;
            }
            Ok(Standing::Stands)
        })
    }

    /// Notes of the next jobs behind `after` that they are nowhere else any more, as the wish
    /// `number` found out before it ends so. Tells behind which one to go on: a tag may have any
    /// number of jobs (I7).
    pub fn forget_sent_jobs(
        &self,
        key: PublicationKey,
        number: u64,
        after: Option<JobName>,
    ) -> Pending<Option<JobName>, Error> {
        self.change(move |tx| {
            if standing(tx.txn, key, number)?.is_none() {
                return Ok(None);
            }
            let under = Span::under(&key.1);
            let span = match &after {
                Some(after) => under.after(&(key.1, after.clone())),
                None => under,
            };
            let page = JOBS.page(tx.txn, span, JOBS_PAGE)?;
            let next = page.get(JOBS_PAGE - 1).map(|((_, name), _)| name.clone());
            for (key, mut job) in page {
                if std::mem::replace(&mut job.released, false) {
                    JOBS.put(tx.txn, &key, &job)?;
                }
            }
            Ok(next)
        })
    }

    /// Ends a try for the wish `number`. Before an end that leaves nothing elsewhere
    /// [`Self::forget_sent_jobs`] comes.
    pub fn end_publication(
        &self,
        key: PublicationKey,
        number: u64,
        end: End,
    ) -> Pending<Standing, Error> {
        self.change(move |tx| {
            let Some((path, row)) = standing(tx.txn, key, number)? else {
                return Ok(Standing::Superseded);
            };
            tx.end_publication(key, &path, row, &end)?;
            Ok(Standing::Stands)
        })
    }

    /// Pins a blob and tells where its bytes are, as of after that; `None`: it is gone.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn pinned(&self, id: BlobId) -> Result<Option<(Blob, Pin, View)>, Error> {
        let pin = self.pins().pin(id);
        let view = self.view()?;
        Ok(view.blob(id)?.map(|blob| (blob, pin, view)))
    }
}

/// The tag and the row of a wish, unless another one came since.
fn standing(
    rows: &impl Rows,
    key: PublicationKey,
    number: u64,
) -> Result<Option<(TagPath, Publication)>, Error> {
    let row = PUBLICATIONS.get(rows, &key)?.filter(|row| row.number == number);
    Ok(path(rows, key)?.zip(row))
}

/// Where the tag of a publication is, if it has a name.
fn path(rows: &impl Rows, (branch, tag): PublicationKey) -> Result<Option<TagPath>, Error> {
    let entry = |node: Node| NODES.get(rows, &node);
    let (Some(of_tag), Some(of_branch)) = (entry(Node::Tag(tag))?, entry(Node::Branch(branch))?)
    else {
        return Ok(None);
    };
    let Entry { parent, name } = of_branch;
    let (Ok(branch_name), Ok(tag_name)) = (BranchName::parse(&name), TagName::parse(&of_tag.name))
    else {
        return Ok(None);
    };
    let record = BRANCHES.get(rows, &(RepoId(parent), branch_name.clone()))?;
    let Some(_) = record.filter(|record| record.id == branch) else { return Ok(None) };
    let record = TAGS.get(rows, &(branch, tag_name.clone()))?;
    let Some(_) = record.filter(|record| record.id == tag) else { return Ok(None) };
    let repo = repos::of(rows, RepoId(parent))?;
    Ok(repo.map(|repo| repo.branch(branch_name).tag(tag_name)))
}

/// Whether a tag is, or may be, on other servers.
pub(super) fn protects(rows: &impl Rows, branch: BranchId, tag: &Tag) -> Result<bool, Error> {
    Ok(PUBLICATIONS.has(rows, &(branch, tag.id))?)
}

/// Whether any tag of a branch is, or may be, on other servers.
pub(super) fn protects_any(rows: &impl Rows, branch: BranchId) -> Result<bool, Error> {
    Ok(PUBLICATIONS.first(rows, Span::under(&branch))?.is_some())
}

/// The tags of a branch as a policy counts them: one that is being released counts as released,
/// and one that is on its way back does not count, unless it is the one `asked` about. Somebody
/// who takes a tag back must not find it released again because a policy came in between.
pub(super) fn counted(
    rows: &impl Rows,
    branch: BranchId,
    tags: &mut Vec<(TagName, Tag)>,
    asked: Option<TagId>,
) -> Result<(), Error> {
    PUBLICATIONS.each(rows, Span::under(&branch), |(_, id), row| {
        let at = tags.iter().position(|(_, tag)| tag.id == id);
        match (at, row.wish) {
            (Some(at), Wish::Released) => tags[at].1.released = true,
            (Some(at), _) if asked == Some(id) => tags[at].1.released = true,
            (Some(at), Wish::Deleted { .. } | Wish::NotReleased) => drop(tags.remove(at)),
            (None, _) => {}
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })
}

impl Tx<'_, '_> {
    /// Writes a row and its place in the index of what is due.
    fn put_publication(&self, key: PublicationKey, row: &Publication) -> Result<(), Error> {
        self.unindex_publication(key)?;
        if let Some(due) = row.due {
            PUBLICATIONS_DUE.put(self.txn, &(due, key), &())?;
        }
        Ok(PUBLICATIONS.put(self.txn, &key, row)?)
    }

    fn unindex_publication(&self, key: PublicationKey) -> Result<(), Error> {
        let old = PUBLICATIONS.get(self.txn, &key)?.and_then(|old| old.due);
        if let Some(due) = old {
            PUBLICATIONS_DUE.remove(self.txn, &(due, key))?;
        }
        Ok(())
    }

    /// Removes the row of a tag, if it has one, and tells whether it had.
    pub(super) fn forget_publication(&self, branch: BranchId, tag: &Tag) -> Result<bool, Error> {
        let key = (branch, tag.id);
        self.unindex_publication(key)?;
        Ok(PUBLICATIONS.remove(self.txn, &key)?)
    }

    fn wish(
        &self,
        path: &TagPath,
        branch: Branch,
        tag: &Tag,
        change: &TagChange,
        (wish, by): (Wish, String),
    ) -> Result<(), Error> {
        let key = (branch.id, tag.id);
        let row = Publication {
            wish,
            number: self.next(Meta::NEXT_WISH)?,
            asked: self.now,
            by,
            attempts: 0,
            due: Some(self.now),
            error: None,
            targets: Vec::new(),
        };
        self.put_publication(key, &row)?;
        let mut new = tag.clone().changed(change);
        new.publish_status = Some("in progress".to_owned());
        self.replace_tag(path, branch, tag, &new)
    }

    /// Writes a tag over an older state of it, and what its branch counts.
    fn replace_tag(
        &self,
        path: &TagPath,
        mut branch: Branch,
        old: &Tag,
        new: &Tag,
    ) -> Result<(), Error> {
        tags::uncount(&mut branch.tags, old);
        tags::count(&mut branch.tags, new);
        branch.generation += 1;
        self.save_tag(path, branch.id, new)?;
        self.save_branch(&path.branch, &branch)
    }

    /// Lets a doomed tag go: at once, or after its copies elsewhere. Tells the branch's next
    /// generation.
    pub(super) fn send_away(
        &self,
        path: &TagPath,
        branch: Branch,
        tag: &Tag,
        rule: String,
        releases: Releases,
    ) -> Result<u64, Error> {
        let next = branch.generation + 1;
        let has_copies =
            protects(self.txn, branch.id, tag)? || (tag.released && releases == Releases::Copies);
        if has_copies {
            let wish = (Wish::Deleted { rule }, String::new());
            self.wish(path, branch, tag, &TagChange::default(), wish)?;
        } else {
            self.detach_tag(path, branch, tag, &Cause::policy(rule))?;
        }
        Ok(next)
    }

    fn note_job(&self, (_, tag): PublicationKey, news: &JobNews) -> Result<(), Error> {
        let (name, released) = match news {
            JobNews::Published(name) => (name, true),
            JobNews::Internal(name) => (name, false),
        };
        let key = (tag, name.clone());
        match JOBS.get(self.txn, &key)? {
            Some(mut job) if job.released != released => {
                job.released = released;
                Ok(JOBS.put(self.txn, &key, &job)?)
            }
            _ => Ok(()),
        }
    }

    fn end_publication(
        &self,
        key: PublicationKey,
        path: &TagPath,
        mut row: Publication,
        end: &End,
    ) -> Result<(), Error> {
        let (branch, tag) = tree::tag(self.txn, path)?;
        let mut new = tag.clone();
        match end {
            End::Published { targets, status } => {
                row.targets = targets.iter().cloned().map(TargetReport::summed_up).collect();
                (row.due, row.attempts, row.error) = (None, 0, None);
                self.put_publication(key, &row)?;
                new.released = true;
                new.publish_status = Some(status.clone());
            }
            End::Nowhere { status } => {
                self.forget_publication(key.0, &tag)?;
                new.released = false;
                new.publish_status.clone_from(status);
            }
            End::Kept => {
                let wish = (Wish::Released, row.by);
                return self.wish(path, branch, &tag, &TagChange::default(), wish);
            }
            End::Flag => {
                self.forget_publication(key.0, &tag)?;
                new.released = true;
                new.publish_status = None;
            }
            End::Gone { rule } => return self.end_gone(path, branch, &tag, rule),
            End::Failed { targets, error, retry_first } => {
                row.attempts = row.attempts.saturating_add(1);
                row.due = Some(self.now.after(backoff_from(*retry_first, row.attempts)));
                row.error = Some(error.clone());
                row.targets.clone_from(targets);
                self.put_publication(key, &row)?;
                new.publish_status = Some(format!("error: {error}"));
                return self.save_tag(path, branch.id, &new);
            }
        }
        self.replace_tag(path, branch, &tag, &new)
    }

    fn end_gone(&self, path: &TagPath, branch: Branch, tag: &Tag, rule: &str) -> Result<(), Error> {
        self.forget_publication(branch.id, tag)?;
        let new = Tag { released: false, publish_status: None, ..tag.clone() };
        let is_locked = tag.locked;
        self.replace_tag(path, branch, tag, &new)?;
        if is_locked {
            return Ok(());
        }
        let (branch, tag) = tree::tag(self.txn, path)?;
        self.detach_tag(path, branch, &tag, &Cause::policy(rule.to_owned()))
    }
}

impl View {
    /// The first `limit` publications that are to be worked on, by the moment they are due.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn publications_due(
        &self,
        limit: usize,
    ) -> Result<Vec<(Timestamp, PublicationKey)>, Error> {
        let rows = PUBLICATIONS_DUE.page(&self.snapshot, Span::all(), limit)?;
        Ok(rows.into_iter().map(|(key, ())| key).collect())
    }

    /// A publication, and where its tag is.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn publication(
        &self,
        key: PublicationKey,
    ) -> Result<Option<(TagPath, Publication)>, Error> {
        let row = PUBLICATIONS.get(&self.snapshot, &key)?;
        Ok(path(&self.snapshot, key)?.zip(row))
    }

    /// All publications with the paths of their tags, at most `limit`; those first that are to
    /// be worked on.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn publications(&self, limit: usize) -> Result<Vec<(String, Publication)>, Error> {
        let mut found = Vec::new();
        for (_, key) in self.publications_due(limit)? {
            found.extend(PUBLICATIONS.get(&self.snapshot, &key)?.map(|row| (key, row)));
        }
        PUBLICATIONS.each(&self.snapshot, Span::all(), |key, row| {
            if found.len() >= limit {
                return Ok(ControlFlow::Break(()));
            }
            if !row.is_pending() {
                found.push((key, row));
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        let named = found.into_iter().map(|(key, row)| Ok((self.path_of(Node::Tag(key.1))?, row)));
        named.collect()
    }

    /// The files of a format behind `after`, by path, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn files_after(
        &self,
        format: FormatId,
        after: Option<&ArtifactPath>,
        limit: usize,
    ) -> Result<Vec<Listed>, Error> {
        let page = files::page(&self.snapshot, format, after, limit)?.into_iter();
        let listed = page.map(|(path, file)| {
            let blob = super::tx::promised(&BLOBS, &self.snapshot, &file.blob)?;
            Ok(Listed { path, blob: file.blob, digest: blob.digest, size: file.size })
        });
        listed.collect()
    }
}
