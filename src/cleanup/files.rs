//! Rows against files, folder by folder (I1), while both change.
//!
//! A row without a file: the folder is listed first, then the rows are read; what the list lacks
//! is looked for once more, and then a fresh snapshot must still hold the row, whose file would
//! have to be there from before its commit on.
//!
//! A file without a row: it must not be staged, then a fresh snapshot must name it neither by a
//! blob nor in the list of collected ones, and then it must still be there. Its name is random
//! and its upload is over, so nothing will ever name it: it can be unlinked.

use std::collections::HashSet;
use std::num::NonZero;

use super::Error;
use super::check::{Mode, Report};
use crate::blobs::{BlobFiles, Shard};
use crate::model::{BlobId, Digest, Place, Suffix};
use crate::store::Store;
use crate::store::check::{Outcome, Progress, Watch};
use crate::store::contents::Sure;

/// Files without a row that are kept in mind before the rows are asked about all of them.
const SUSPECTS_MAX: usize = 50_000;
/// Owners of a damaged blob that are named.
const OWNERS_MAX: usize = 5;

/// A check of the files in progress.
pub(super) struct FileCheck<'a, 'w> {
    pub(super) store: &'a Store,
    pub(super) files: &'a BlobFiles,
    mode: Mode,
    pub(super) report: Report,
    watch: &'a mut Watch<'w>,
    suspects: HashSet<(Digest, Suffix)>,
}

impl<'a, 'w> FileCheck<'a, 'w> {
    pub(super) fn new(
        store: &'a Store,
        files: &'a BlobFiles,
        mode: Mode,
        report: Report,
        watch: &'a mut Watch<'w>,
    ) -> Self {
        Self { store, files, mode, report, watch, suspects: HashSet::new() }
    }

    pub(super) fn compare_names(&mut self) -> Result<(), Error> {
        for (number, shard) in (0..=u8::MAX).zip(self.files.shards()) {
            if !self.goes_on("files", u64::from(number), 256) {
                return Ok(());
            }
            match shard {
                Ok(shard) => self.compare_shard(number, shard)?,
                Err(error) => self.damage(error.to_string()),
            }
            if self.suspects.len() >= SUSPECTS_MAX {
                self.settle_suspects()?;
            }
        }
        self.settle_suspects()
    }

    fn compare_shard(&mut self, number: u8, shard: Shard) -> Result<(), Error> {
        self.report.files += u64::try_from(shard.files.len()).unwrap_or(u64::MAX);
        for path in shard.unknown {
            self.damage(format!("{} is not a file of larder; move it away", path.display()));
        }
        let mut listed: HashSet<_> = shard.files.into_iter().collect();
        for (id, digest, suffix) in self.store.view()?.files_of_shard(number)? {
            if !listed.remove(&(digest, suffix)) {
                self.missing(id, digest, suffix)?;
            }
        }
        for (digest, suffix) in listed {
            if !self.files.is_staged(digest, suffix)? {
                self.suspects.insert((digest, suffix));
            }
        }
        Ok(())
    }

    /// A row whose file was not listed.
    fn missing(&mut self, id: BlobId, digest: Digest, suffix: Suffix) -> Result<(), Error> {
        if self.files.target_exists(digest, suffix)? {
            return Ok(());
        }
        let view = self.store.view()?;
        if view.blob(id)?.is_none_or(|blob| blob.place != Place::File(suffix)) {
            return Ok(());
        }
        drop(view);
        let path = self.files.path_of(digest, suffix);
        let owners = self.owners(id)?;
        let what = format!("{} is missing: it is the content of {owners}", path.display());
        log::error!("{what}");
        self.damage(format!("{what}; bring it back from a backup or upload it again"));
        Ok(())
    }

    fn settle_suspects(&mut self) -> Result<(), Error> {
        let mut suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return Ok(());
        }
        let is_sure = self.store.view()?.strike_named(&mut suspects)?;
        let mut suspects: Vec<_> = suspects.into_iter().collect();
        suspects.sort_unstable_by_key(|(digest, suffix)| (*digest, suffix.0));
        for (digest, suffix) in suspects {
            if self.files.target_exists(digest, suffix)? {
                self.stray(digest, suffix, is_sure)?;
            }
        }
        Ok(())
    }

    fn stray(&mut self, digest: Digest, suffix: Suffix, is_sure: Sure) -> Result<(), Error> {
        let path = self.files.path_of(digest, suffix);
        let what = format!("no row names the file {}", path.display());
        if is_sure == Sure::No {
            self.damage(format!("{what}, but not all rows could be read"));
            return Ok(());
        }
        let at = self.report.recount.add(what, Outcome::Repairable);
        if self.mode == Mode::Repair {
            let unlinked = self.files.unlink(&[(digest, suffix)], NonZero::<usize>::MIN);
            unlinked.into_iter().collect::<Result<(), _>>()?;
            self.report.recount.mark_repaired(at);
        }
        Ok(())
    }

    /// Who holds a blob, as a part of a sentence.
    pub(super) fn owners(&self, id: BlobId) -> Result<String, Error> {
        let owners = self.store.view()?.owners(id, OWNERS_MAX)?;
        if owners.is_empty() {
            return Ok("nobody, it is free".into());
        }
        let more = if owners.len() == OWNERS_MAX { " and perhaps more" } else { "" };
        Ok(format!("{}{more}", owners.join(", ")))
    }

    pub(super) fn damage(&mut self, what: String) {
        self.report.recount.add(what, Outcome::Unrepairable);
    }

    /// Tells how far it is, and whether to go on.
    pub(super) fn goes_on(&mut self, stage: &'static str, done: u64, of: u64) -> bool {
        (self.watch.progress)(Progress { stage, done, of });
        !self.is_stopped()
    }

    /// Whether somebody asked to stop, now or in an earlier stage.
    pub(super) fn is_stopped(&mut self) -> bool {
        let aborted = &mut self.report.recount.aborted;
        if self.watch.stop.is_requested() && aborted.is_none() {
            *aborted = Some("it was asked to stop".into());
        }
        self.watch.stop.is_requested()
    }
}
