//! What a recount found: differences as sentences for people and as fixes for the machine.
//!
//! Deliberately absent: an end to counting. Only the first differences are spelt out, and only so
//! many fixes are kept for one pass, but all are counted.

use std::fmt;

use serde::Serialize;

use super::fix::{Fix, Phase};

/// Differences that are spelt out.
const SPELT_OUT: usize = 1000;
/// Fixes of one kind that one pass keeps; the next pass finds the others again.
const FIXES_MAX: usize = 50_000;

/// What became, or can become, of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No repair can bring back what is lost; the sentence tells what to do.
    Unrepairable,
    /// `larder check --repair` can correct it.
    Repairable,
    /// It was corrected.
    Repaired,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// A sentence with the path, id or digest, what was found and what was expected.
    pub what: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Rows that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Users' repositories.
    pub repositories: u64,
    /// Branches with a name.
    pub branches: u64,
    /// Tags, those below detached things included, as all that follow.
    pub tags: u64,
    /// Jobs.
    pub jobs: u64,
    /// Formats.
    pub formats: u64,
    /// Files of formats.
    pub artifacts: u64,
    /// Detached things.
    pub detached: u64,
    /// Blobs.
    pub blobs: u64,
    /// References to blobs.
    pub references: u64,
    /// Collected blobs whose bytes are still to go.
    pub unlinks: u64,
    /// Repositories of the registry.
    pub images: u64,
    /// Blobs that they have.
    pub image_blobs: u64,
    /// Manifests, those that are being destroyed included.
    pub manifests: u64,
    /// Tags of the registry, those that no name leads to any more included.
    pub image_tags: u64,
    /// Uploads that are not finished.
    pub uploads: u64,
    /// Groups, those that are being destroyed included.
    pub groups: u64,
    /// Projects, those that are being destroyed included.
    pub projects: u64,
    /// Packages, those on their way out included.
    pub packages: u64,
    /// Their files, those on their way out included.
    pub package_files: u64,
}

/// What a check of the rows found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recount {
    /// The first differences.
    pub differences: Vec<Difference>,
    /// All of them.
    pub count: u64,
    /// How many of them were repaired.
    pub repaired: u64,
    /// What was looked at.
    pub checked: Checked,
    /// Why the check ended early, as a sentence: then nothing is known about the rest.
    pub aborted: Option<String>,
}

impl Recount {
    /// Whether everything was looked at and nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count == 0 && self.aborted.is_none()
    }

    /// Differences that are still there.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.count.saturating_sub(self.repaired)
    }

    /// Notes a difference and returns where it is spelt out, if it is.
    #[allow(clippy::must_use_candidate, reason = "only who repairs wants to come back to it")]
    pub fn add(&mut self, what: String, outcome: Outcome) -> Option<usize> {
        self.count += 1;
        let at = self.differences.len();
        (at < SPELT_OUT).then(|| {
            self.differences.push(Difference { what, outcome });
            at
        })
    }

    /// Notes that a difference was repaired.
    pub fn mark_repaired(&mut self, at: Option<usize>) {
        self.repaired += 1;
        if let Some(difference) = at.and_then(|at| self.differences.get_mut(at)) {
            difference.outcome = Outcome::Repaired;
        }
    }

    /// Puts what an earlier pass repaired in front; what that pass left, this one found again.
    pub(super) fn follow(&mut self, earlier: Self) {
        let mut differences = earlier.differences;
        differences.retain(|difference| difference.outcome == Outcome::Repaired);
        differences.append(&mut self.differences);
        differences.truncate(SPELT_OUT);
        self.differences = differences;
        self.count += earlier.repaired;
        self.repaired += earlier.repaired;
    }
}

impl fmt::Display for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference { what, outcome } in &self.differences {
            let note = match outcome {
                Outcome::Unrepairable => "cannot be repaired",
                Outcome::Repairable => "can be repaired",
                Outcome::Repaired => "repaired",
            };
            writeln!(f, "{what} ({note})")?;
        }
        let spelt_out = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        if self.count > spelt_out {
            writeln!(f, "and {} more", self.count - spelt_out)?;
        }
        let Checked { repositories, branches, tags, jobs, formats, artifacts, .. } = self.checked;
        let Checked { detached, blobs, references, unlinks, .. } = self.checked;
        let Checked { images, manifests, image_tags, image_blobs, uploads, .. } = self.checked;
        writeln!(
            f,
            "checked {repositories} users' repositories, {branches} branches, {tags} tags, \
             {jobs} jobs, {formats} formats, {artifacts} files, {detached} detached things, \
             {blobs} blobs, {references} references, {unlinks} collected blobs; in the registry \
             {images} repositories, {manifests} manifests, {image_tags} tags, {image_blobs} blobs \
             of repositories, {uploads} uploads"
        )?;
        let Checked { groups, projects, .. } = self.checked;
        writeln!(f, "checked {groups} groups, {projects} projects")?;
        let Checked { packages, package_files, .. } = self.checked;
        writeln!(f, "checked {packages} packages with {package_files} files")?;
        if let Some(why) = &self.aborted {
            writeln!(f, "the check ended early: {why}")?;
        }
        write!(f, "{} differences, {} of them repaired", self.count, self.repaired)
    }
}

/// A fix, and where its difference is spelt out.
pub(super) type Planned = (Option<usize>, Fix);

/// Differences and fixes of one pass.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) recount: Recount,
    /// Fixes that take nothing away.
    pub(super) adding: Vec<Planned>,
    /// Fixes of counters of containers and of the store.
    pub(super) counters: Vec<Planned>,
    /// Fixes that take away, or may let a blob become free.
    pub(super) lowering: Vec<Planned>,
    /// Whether something that is truth could not be read, or not every missing row could be
    /// kept for repair: then nothing is taken away, since it may be needed.
    pub(super) in_doubt: bool,
}

impl Findings {
    /// Notes a difference that nothing here can repair.
    pub(super) fn damage(&mut self, what: String) {
        self.recount.add(what, Outcome::Unrepairable);
    }

    /// Notes a row of truth that cannot be read.
    pub(super) fn unreadable(&mut self, table: &str, key: &[u8], what: &str) {
        self.in_doubt = true;
        self.damage(format!(
            "table {table} holds a row that cannot be read (key {}: {what}); restore it from a \
             backup",
            crate::model::digest::hex(key)
        ));
    }

    /// Notes a difference that `fix` repairs.
    pub(super) fn differ(&mut self, what: String, fix: Fix) {
        let at = self.recount.add(what, Outcome::Repairable);
        let fixes = match fix.phase() {
            Phase::Adding => &mut self.adding,
            Phase::Counter => &mut self.counters,
            Phase::Lowering => &mut self.lowering,
        };
        if fixes.len() < FIXES_MAX {
            fixes.push((at, fix));
        } else if fix.phase() == Phase::Adding {
            self.in_doubt = true;
        }
    }
}
