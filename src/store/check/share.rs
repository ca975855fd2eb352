//! A share of the check for every full run of the sweeper: the same walk, tag by tag, from where
//! the last run came to, and the registry in one piece; all of it when the store is small.
//!
//! Only counters of containers and of the store are corrected here: they cost nobody any data.

use std::sync::Arc;

use super::tree::Below;
use super::{AGE_MAX, Findings, Halt, Holder, Pass, Recount, Shift, Total, Walk, Watch, names};
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DETACHED, FORMATS, IMAGE_BLOBS, IMAGE_TAGS, JOBS, MANIFESTS,
    PACKAGE_FILES, PACKAGES, PROJECT_USAGE, REFS, REPOS, SERIES, TAGS, TOTALS, UPLOADS,
};
use crate::db::{Found, Snapshot, Span};
use crate::model::{
    Branch, BranchId, BranchName, Node, RepoId, Tag, TagCounts, TagName, Totals, Usage,
};
use crate::stop::Stop;
use crate::store::{Error, Store};

/// Where the next share begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The last branch that is done with.
    after: Option<BranchKey>,
    /// The last tag that is done with in the branch behind it.
    within: Option<TagName>,
    /// What comes when all branches are done with.
    then: Then,
}

/// What is recounted behind the last branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Then {
    /// Sums over all branches.
    #[default]
    Sums,
    /// The registry, whose sums have no smaller parts.
    Registry,
    /// Packages, likewise.
    Packages,
}

/// What one share found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Differences; what was corrected is marked so.
    pub recount: Recount,
    /// Rows that were walked over.
    pub rows: u64,
}

type BranchKey = (RepoId, BranchName);

/// Whether a share goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    Enough,
}

impl Store {
    /// Recounts from `position` on, about `rows_max` rows, and corrects counters that are wrong.
    /// While a repair goes on it does nothing.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn recount_share(
        &self,
        position: &mut Position,
        rows_max: u64,
        stop: &Stop,
    ) -> Result<Share, Error> {
        let mut share = Share::default();
        let Some(_only_one) = self.shared.repairing.try_lock() else { return Ok(share) };
        let progress = &mut |_| ();
        let mut watch = Watch { stop, age_max: AGE_MAX, progress };
        let rows = rows(&*self.shared.db.snapshot()?)?;
        if rows <= rows_max {
            share.rows = rows;
            let pass = self.pass(&mut watch)?;
            self.correct(pass, &mut share, &mut watch)?;
            return Ok(share);
        }
        while share.rows < rows_max && !stop.is_requested() {
            let left = rows_max - share.rows;
            if self.recount_next(position, left, &mut share, &mut watch)? == Next::Enough {
                break;
            }
        }
        Ok(share)
    }

    /// Recounts one tag, or a branch whose tags are all done, or at the end the totals.
    fn recount_next(
        &self,
        position: &mut Position,
        rows_left: u64,
        share: &mut Share,
        watch: &mut Watch,
    ) -> Result<Next, Error> {
        let snapshot = self.shared.db.snapshot()?;
        let mut pass =
            Pass::new(&snapshot, Walk::new(watch, Arc::clone(&self.shared.clock), rows_left));
        let Unit { walked, reached, next } = pass.next_unit(position)?;
        let is_fresh = share.rows == 0;
        share.rows = share.rows.saturating_add(pass.walk.steps());
        match walked {
            Ok(()) => *position = reached,
            // What is too long for a whole share is left to `larder check`.
            Err(Halt::Ended(_)) if is_fresh => {
                *position = reached;
                return Ok(Next::More);
            }
            Err(Halt::Ended(_)) => return Ok(Next::Enough),
            Err(Halt::Db(error)) => return Err(error.into()),
        }
        let found = pass.found;
        drop(snapshot);
        self.correct(found, share, watch)?;
        Ok(next)
    }

    /// Corrects the counters of a pass and adds what it found to the share.
    fn correct(
        &self,
        mut found: Findings,
        share: &mut Share,
        watch: &mut Watch,
    ) -> Result<(), Error> {
        found.adding.clear();
        found.lowering.clear();
        self.apply_all(&mut found, watch)?;
        share.recount.differences.append(&mut found.recount.differences);
        share.recount.count += found.recount.count;
        share.recount.repaired += found.recount.repaired;
        Ok(())
    }
}

/// About how many rows a whole check walks over.
fn rows(snapshot: &Snapshot) -> Result<u64, Error> {
    let counts = [
        ARTIFACTS.count(snapshot)?,
        REFS.count(snapshot)?,
        BLOBS.count(snapshot)?,
        FORMATS.count(snapshot)?,
        JOBS.count(snapshot)?,
        TAGS.count(snapshot)?,
        BRANCHES.count(snapshot)?,
        REPOS.count(snapshot)?,
        // The registry's counts are taken in two walks.
        MANIFESTS.count(snapshot)?,
        MANIFESTS.count(snapshot)?,
        IMAGE_TAGS.count(snapshot)?,
        IMAGE_BLOBS.count(snapshot)?,
        UPLOADS.count(snapshot)?,
        // Files of packages are walked over by themselves and by their packages.
        PACKAGES.count(snapshot)?,
        PACKAGE_FILES.count(snapshot)?,
        PACKAGE_FILES.count(snapshot)?,
        SERIES.count(snapshot)?,
    ];
    Ok(counts.into_iter().fold(0, u64::saturating_add))
}

/// Rows that cannot be read are passed over: `larder check` tells of them.
fn next_branch(
    rows: &Snapshot,
    after: Option<&BranchKey>,
) -> Result<Option<(BranchKey, Branch)>, Error> {
    let span = after.map_or_else(Span::all, |after| Span::all().after(after));
    for row in BRANCHES.cursor(rows, span) {
        if let Found::Row(key, branch) = row? {
            return Ok(Some((key, branch)));
        }
    }
    Ok(None)
}

fn next_tag(
    rows: &Snapshot,
    at: BranchId,
    after: Option<&TagName>,
) -> Result<Option<(TagName, Tag)>, Error> {
    let span = Span::under(&at);
    let span = match after {
        Some(after) => span.after(&(at, after.clone())),
        None => span,
    };
    for row in TAGS.cursor(rows, span) {
        if let Found::Row((_, name), tag) = row? {
            return Ok(Some((name, tag)));
        }
    }
    Ok(None)
}

/// A piece of a share.
struct Unit {
    walked: Result<(), Halt>,
    /// Where the next piece begins when this one is done with.
    reached: Position,
    next: Next,
}

impl Pass<'_, '_, '_> {
    /// Recounts what lies behind `position`.
    fn next_unit(&mut self, position: &Position) -> Result<Unit, Error> {
        if position.then == Then::Registry {
            let walked = self.read_queue().and_then(|()| self.check_registry());
            let reached = Position { then: Then::Packages, ..Position::default() };
            return Ok(Unit { walked, reached, next: Next::Enough });
        }
        if position.then == Then::Packages {
            let walked = self.read_queue().and_then(|()| self.check_packages());
            return Ok(Unit { walked, reached: Position::default(), next: Next::Enough });
        }
        let Some((key, branch)) = next_branch(self.rows, position.after.as_ref())? else {
            let reached = Position { then: Then::Registry, ..Position::default() };
            return Ok(Unit { walked: self.sum_all(), reached, next: Next::More });
        };
        self.path = names::path_of(self.rows, Node::Branch(branch.id))
            .unwrap_or_else(|_| format!("/…/branches/{}/", key.1));
        let tag = next_tag(self.rows, branch.id, position.within.as_ref())?;
        let Some((name, tag)) = tag else {
            let walked = self.sum_tags(key.clone(), &branch);
            let reached = Position { after: Some(key), ..Position::default() };
            return Ok(Unit { walked, reached, next: Next::More });
        };
        let walked = self.tag(branch.id, name.clone(), &tag, Below::Names).map(drop);
        let reached = Position { within: Some(name), ..position.clone() };
        Ok(Unit { walked, reached, next: Next::More })
    }

    /// Compares a branch with the records of its tags, which were recounted just before.
    fn sum_tags(&mut self, key: BranchKey, branch: &Branch) -> Result<(), Halt> {
        let (mut usage, mut counted) = (Usage::default(), TagCounts::default());
        for row in TAGS.cursor(self.rows, Span::under(&branch.id)) {
            self.walk.step()?;
            match row? {
                Found::Row(_, tag) => {
                    usage = usage.plus(tag.usage);
                    crate::store::tags::count(&mut counted, &tag);
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(TAGS.name(), &key, &what);
                }
            }
        }
        let (path, holder) = (self.path.clone(), Holder::Branch(key, branch.id));
        let shift = Shift { found: branch.usage, counted: usage };
        self.compare(&format!("the usage of {path}"), shift, holder.clone());
        self.compare_tags(&path, Shift { found: branch.tags, counted }, holder);
        Ok(())
    }

    /// Compares what is the sum of records that were recounted before.
    fn sum_all(&mut self) -> Result<(), Halt> {
        self.sum_repositories()?;
        self.sum_totals()
    }

    /// Compares those totals that are sums of few records.
    fn sum_totals(&mut self) -> Result<(), Halt> {
        let mut counted = Totals::default();
        for row in BRANCHES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Row(_, branch) = row? {
                counted.named = counted.named.plus(branch.usage);
            } else {
                self.found.in_doubt = true;
            }
        }
        for row in DETACHED.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Row(_, entry) = row? {
                if entry.node.is_of_tree() {
                    counted.detached = counted.detached.plus(entry.usage);
                }
                counted.queue += 1;
            } else {
                self.found.in_doubt = true;
            }
        }
        for row in PROJECT_USAGE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Row(_, usage) = row? {
                counted.named = counted.named.plus(usage.live);
                counted.detached = counted.detached.plus(usage.pending);
            } else {
                self.found.in_doubt = true;
            }
        }
        let found = TOTALS.get(self.rows, &())?.unwrap_or_default();
        for (total, name) in Total::ALL {
            if matches!(total, Total::Named | Total::Detached | Total::Queue) {
                let shift = Shift { found: total.get(&found), counted: total.get(&counted) };
                self.compare(&format!("the number of {name}"), shift, Holder::Total(total));
            }
        }
        Ok(())
    }
}
