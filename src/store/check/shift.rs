//! [`Shift`]: a counter and what was counted instead, both as of one snapshot. The difference of
//! the two is what every later state of the counter is wrong by.

use std::fmt;

use super::super::{Error, Tx, containers};
use crate::db::schema::{BRANCHES, CHARGES, DETACHED, FORMATS, JOBS, PACKAGES, REPOS, TAGS};
use crate::model::{
    BranchId, BranchName, CachedKind, FormatId, FormatName, GroupId, JobId, JobName, PackageId,
    ProjectId, RepoId, TagCounts, TagId, TagName, Totals, Usage, UserName,
};
use crate::store::detached::QueueKey;

/// What a counter says and what it should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift<T> {
    pub(super) found: T,
    pub(super) counted: T,
}

/// Which counter of a [`Holder`], and by how much it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    /// Files and bytes below.
    Usage(Shift<Usage>),
    /// Tags by their flags.
    Tags(Shift<TagCounts>),
    /// Formats that are being uploaded.
    Dirty(Shift<u64>),
}

/// Whose counter: the key of its record, and its id, since another may have the name by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Repository(UserName, RepoId),
    Branch((RepoId, BranchName), BranchId),
    Tag((BranchId, TagName), TagId),
    Job((TagId, JobName), JobId),
    Format((JobId, FormatName), FormatId),
    /// What a format shows of the registry.
    Container(FormatId),
    /// What the registry charges a user for.
    Charges(UserName),
    /// What a group's cache holds of one kind.
    Proxy(GroupId, CachedKind),
    /// What a package has that is not marked.
    Package(PackageId),
    /// What a project has of one part.
    Project(ProjectId, Part),
    Waiting(QueueKey),
    Total(Total),
}

/// A part of what a project holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Live,
    Pending,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "what can be read",
            Self::Pending => "what waits to be destroyed",
        })
    }
}

/// Which of the counters of the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Total {
    Named,
    Detached,
    Queue,
    Files,
    Inline,
    Free,
    Unlinks,
    InlineUnlinks,
}

impl Total {
    /// All of them, with their names for people.
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Named, "references that can be read"),
        (Self::Detached, "references below detached things"),
        (Self::Queue, "detached things"),
        (Self::Files, "blobs in files"),
        (Self::Inline, "blobs in rows"),
        (Self::Free, "free blobs"),
        (Self::Unlinks, "files to be unlinked"),
        (Self::InlineUnlinks, "rows of collected blobs"),
    ];

    pub(super) fn get(self, totals: &Totals) -> Usage {
        match self {
            Self::Named => totals.named,
            Self::Detached => totals.detached,
            Self::Queue => Usage { files: totals.queue, bytes: 0 },
            Self::Files => totals.files,
            Self::Inline => totals.inline,
            Self::Free => totals.free,
            Self::Unlinks => totals.unlinks,
            Self::InlineUnlinks => totals.inline_unlinks,
        }
    }

    fn shift(self, totals: &mut Totals, shift: Shift<Usage>) {
        let mut value = self.get(totals);
        shift.move_usage(&mut value);
        match self {
            Self::Named => totals.named = value,
            Self::Detached => totals.detached = value,
            Self::Queue => totals.queue = value.files,
            Self::Files => totals.files = value,
            Self::Inline => totals.inline = value,
            Self::Free => totals.free = value,
            Self::Unlinks => totals.unlinks = value,
            Self::InlineUnlinks => totals.inline_unlinks = value,
        }
    }
}

impl Shift<u64> {
    pub(super) fn move_number(self, value: &mut u64) {
        *value = value.saturating_add(self.counted).saturating_sub(self.found);
    }
}

impl Shift<Usage> {
    fn move_usage(self, usage: &mut Usage) {
        *usage = usage.plus(self.counted).minus(self.found);
    }
}

impl Shift<TagCounts> {
    fn move_counts(self, counts: &mut TagCounts) {
        let Self { found, counted } = self;
        let shift = |value: &mut u64, found, counted| Shift { found, counted }.move_number(value);
        shift(&mut counts.all, found.all, counted.all);
        shift(&mut counts.released, found.released, counted.released);
        shift(&mut counts.locked, found.locked, counted.locked);
        shift(&mut counts.stable, found.stable, counted.stable);
    }
}

/// Changes the record at a key, if it is still the one that was counted.
macro_rules! record {
    ($tx:ident, $table:ident, $key:ident, $id:ident, $record:ident => $change:expr) => {{
        let found = $table.get($tx.txn, $key)?.filter(|record| record.id == *$id);
        let Some(mut $record) = found else { return Ok(false) };
        $change;
        $table.put($tx.txn, $key, &$record)?;
        Ok(true)
    }};
}

impl Holder {
    /// Moves the counter; tells whether its record is still there.
    pub(super) fn apply(&self, tx: &Tx, counter: Counter) -> Result<bool, Error> {
        match counter {
            Counter::Usage(shift) => self.apply_usage(tx, shift),
            Counter::Tags(shift) => self.apply_tags(tx, shift),
            Counter::Dirty(shift) => self.apply_dirty(tx, shift),
        }
    }

    fn apply_usage(&self, tx: &Tx, shift: Shift<Usage>) -> Result<bool, Error> {
        match self {
            Self::Repository(user, id) => {
                record!(tx, REPOS, user, id, repo => shift.move_usage(&mut repo.usage))
            }
            Self::Branch(key, id) => {
                record!(tx, BRANCHES, key, id, branch => shift.move_usage(&mut branch.usage))
            }
            Self::Tag(key, id) => {
                record!(tx, TAGS, key, id, tag => shift.move_usage(&mut tag.usage))
            }
            Self::Job(key, id) => {
                record!(tx, JOBS, key, id, job => shift.move_usage(&mut job.usage))
            }
            // A push sets it, and moves nothing.
            Self::Container(id) => tx.fix_container_usage(*id),
            Self::Format(key, id) if containers::is_container(tx.txn, *id)? => {
                tx.fix_shown_usage(key, *id)
            }
            Self::Charges(user) => {
                let mut usage = CHARGES.get(tx.txn, user)?.unwrap_or_default();
                shift.move_usage(&mut usage);
                if usage == Usage::default() {
                    return Ok(CHARGES.remove(tx.txn, user)?);
                }
                CHARGES.put(tx.txn, user, &usage)?;
                Ok(true)
            }
            Self::Proxy(group, kind) => {
                tx.count_cached(*group, *kind, |mut usage| {
                    shift.move_usage(&mut usage);
                    usage
                })?;
                Ok(true)
            }
            Self::Package(id) => {
                let Some(mut package) = PACKAGES.get(tx.txn, id)? else { return Ok(false) };
                shift.move_usage(&mut package.usage);
                PACKAGES.put(tx.txn, id, &package)?;
                Ok(true)
            }
            Self::Project(project, part) => {
                tx.count_project(*project, |usage| match part {
                    Part::Live => shift.move_usage(&mut usage.live),
                    Part::Pending => shift.move_usage(&mut usage.pending),
                })?;
                Ok(true)
            }
            Self::Format(key, id) => {
                record!(tx, FORMATS, key, id, format => shift.move_usage(&mut format.usage))
            }
            Self::Waiting(key) => {
                let Some(mut entry) = DETACHED.get(tx.txn, key)? else { return Ok(false) };
                shift.move_usage(&mut entry.usage);
                DETACHED.put(tx.txn, key, &entry)?;
                Ok(true)
            }
            Self::Total(total) => {
                let total = *total;
                tx.count(|totals| total.shift(totals, shift))?;
                Ok(true)
            }
        }
    }

    fn apply_tags(&self, tx: &Tx, shift: Shift<TagCounts>) -> Result<bool, Error> {
        let Self::Branch(key, id) = self else { return Ok(false) };
        record!(tx, BRANCHES, key, id, branch => shift.move_counts(&mut branch.tags))
    }

    fn apply_dirty(&self, tx: &Tx, shift: Shift<u64>) -> Result<bool, Error> {
        let Self::Job(key, id) = self else { return Ok(false) };
        record!(tx, JOBS, key, id, job => shift.move_number(&mut job.dirty_formats))
    }
}
