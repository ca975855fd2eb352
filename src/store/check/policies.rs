//! What comes by the clock: which policies of packages are due and when, and in which groups cached
//! images go by their age. The policies are truth, and the indexes follow from them.

use std::fmt;

use super::fix::{Erase, Fix, Phase};
use super::index::sure;
use super::{Halt, Pass};
use crate::db::schema::{
    PACKAGE_POLICIES, PACKAGE_POLICIES_DUE, PACKAGE_POLICY_RUNS, PROXY_GROUPS, TTL_GROUPS,
};
use crate::db::{self, Found, Rows, Span, WriteTxn};
use crate::model::{GroupId, ProjectId, Timestamp};
use crate::store::{Error, Tx};

/// A row of an index.
#[derive(Clone, Copy, Debug)]
pub(super) enum PolicyRow {
    /// It is the turn of a project's policy.
    Due(Timestamp, ProjectId),
    /// Cached images of a group go by their age.
    Ttl(GroupId),
}

/// A correction.
#[derive(Clone, Copy, Debug)]
pub(super) enum PolicyFix {
    /// Makes a row of an index.
    Make(PolicyRow),
    /// Drops a row of an index.
    Drop(PolicyRow),
}

impl PolicyFix {
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Make(_) => Phase::Adding,
            Self::Drop(_) => Phase::Lowering,
        }
    }

    /// Corrects what is still wrong; tells whether anything was.
    pub(super) fn apply(self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Make(row) if row.is_right(tx.txn)? && !row.is_there(tx.txn)? => {
                row.put(tx.txn)?;
                Ok(true)
            }
            Self::Drop(row) if !row.is_right(tx.txn)? => Ok(row.remove(tx.txn)?),
            _ => Ok(false),
        }
    }
}

impl PolicyRow {
    fn is_there(self, rows: &impl Rows) -> Result<bool, db::Error> {
        match self {
            Self::Due(due, project) => PACKAGE_POLICIES_DUE.has(rows, &(due, project)),
            Self::Ttl(group) => TTL_GROUPS.has(rows, &group),
        }
    }

    /// Whether the truth wants the row there.
    fn is_right(self, rows: &impl Rows) -> Result<bool, db::Error> {
        match self {
            Self::Due(due, project) => {
                let policy = PACKAGE_POLICIES.get(rows, &project)?;
                Ok(policy.is_some_and(|policy| policy.is_active() && policy.due() == due))
            }
            Self::Ttl(group) => {
                let proxy = PROXY_GROUPS.get(rows, &group)?;
                Ok(proxy.is_some_and(|proxy| proxy.ttl.enabled))
            }
        }
    }

    fn put(self, txn: &WriteTxn) -> Result<(), db::Error> {
        match self {
            Self::Due(due, project) => PACKAGE_POLICIES_DUE.put(txn, &(due, project), &()),
            Self::Ttl(group) => TTL_GROUPS.put(txn, &group, &()),
        }
    }

    fn remove(self, txn: &WriteTxn) -> Result<bool, db::Error> {
        match self {
            Self::Due(due, project) => PACKAGE_POLICIES_DUE.remove(txn, &(due, project)),
            Self::Ttl(group) => TTL_GROUPS.remove(txn, &group),
        }
    }
}

/// What a row says in vain, or should say.
impl fmt::Display for PolicyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due(due, project) => {
                write!(f, "the turn of the policy of project {} at {}", project.0, due.seconds())
            }
            Self::Ttl(group) => write!(f, "group {} as one whose cache goes by its age", group.0),
        }
    }
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_policies(&mut self) -> Result<(), Halt> {
        for row in PACKAGE_POLICIES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(project, policy) if policy.is_active() => {
                    self.want_policy_row(PolicyRow::Due(policy.due(), project))?;
                }
                Found::Row(..) => {}
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PACKAGE_POLICIES.name(), &key, &what);
                }
            }
        }
        self.truth_of(&PACKAGE_POLICY_RUNS)?;
        // What cannot be read of these was told by the walk over caches.
        for row in PROXY_GROUPS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Row(group, proxy) = row?
                && proxy.ttl.enabled
            {
                self.want_policy_row(PolicyRow::Ttl(group))?;
            }
        }
        self.stray_policy_rows()
    }

    fn want_policy_row(&mut self, row: PolicyRow) -> Result<(), Halt> {
        if !row.is_there(self.rows)? {
            self.found.differ(format!("{row} is missing"), Fix::Policy(PolicyFix::Make(row)));
        }
        Ok(())
    }

    fn stray_policy_rows(&mut self) -> Result<(), Halt> {
        for row in PACKAGE_POLICIES_DUE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((due, project), ()) => {
                    self.judge_policy_row(PolicyRow::Due(due, project))?;
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| PACKAGE_POLICIES_DUE.remove_unreadable(txn, key);
                    self.broken(PACKAGE_POLICIES_DUE.name(), key, &what, erase);
                }
            }
        }
        for row in TTL_GROUPS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(group, ()) => self.judge_policy_row(PolicyRow::Ttl(group))?,
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| TTL_GROUPS.remove_unreadable(txn, key);
                    self.broken(TTL_GROUPS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn judge_policy_row(&mut self, row: PolicyRow) -> Result<(), Halt> {
        if !sure(row.is_right(self.rows))? {
            self.found.differ(format!("{row} is one too many"), Fix::Policy(PolicyFix::Drop(row)));
        }
        Ok(())
    }
}
