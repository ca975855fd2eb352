//! Who deletes an entry (spec gitlab §1.13). A claim is a lease: what somebody took on and did
//! not finish comes back when it ends, and counts as an attempt. What fails is tried again after
//! a while, and waits for a person after [`CACHED_ATTEMPTS_MAX`] attempts.

use std::time::Duration;

use crate::db::schema::{CACHED, CACHED_DUE};
use crate::db::{self, Pending, Span};
use crate::model::cached::CACHED_ATTEMPTS_MAX;
use crate::model::retry::backoff;
use crate::model::{Cached, CachedId, CachedKind, CachedState, GroupId, Timestamp};
use crate::store::{Error, Store, Tx, View};

/// Entries that are put back in one transaction.
pub const RETRIES_BATCH: usize = 100;

/// Longest text of an error that is kept, in characters.
const ERROR_LENGTH_MAX: usize = 500;

/// No entry waits for longer than this on purpose: one that seems to was noted when the clock
/// was ahead.
const WAIT_MAX: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);

/// An entry in the order of when somebody may take it on.
pub type DueKey = (Timestamp, CachedId);

impl Store {
    /// Takes on entries that wait, those first that wait longest, at most `entries_max`; nobody
    /// else gets them until the lease ends.
    pub fn claim_cached(
        &self,
        kind: CachedKind,
        entries_max: usize,
        lease: Duration,
    ) -> Pending<Vec<CachedId>, Error> {
        self.change(move |tx| {
            let lease = lease.max(SECOND);
            let until = tx.now.after(lease);
            let ahead = tx.now.after(lease.max(WAIT_MAX)).after(SECOND);
            let due = (Timestamp(0), tx.now);
            let mut claimed = tx.claim(kind, due, entries_max, until)?;
            // The clock was set back.
            let late = (ahead, Timestamp(u64::MAX - 1));
            claimed.extend(tx.claim(kind, late, entries_max - claimed.len(), until)?);
            Ok(claimed)
        })
    }

    /// Notes that deleting an entry failed.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn fail_cached(&self, id: CachedId, why: String) -> Result<(), Error> {
        let slice = self.slice(move |tx| {
            let Some(mut cached) = CACHED.get(tx.txn, &id)? else { return Ok(()) };
            let CachedState::Processing { attempt, .. } = cached.state else { return Ok(()) };
            tx.turn(id, &mut cached, failed(attempt, &why, tx.now))
        });
        slice.map(|((), _)| ())
    }

    /// Gives back entries of a batch that nobody has worked on: they wait as before they were
    /// claimed, and it was no attempt.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn give_back_cached(&self, ids: Vec<CachedId>) -> Result<(), Error> {
        let slice = self.slice(move |tx| ids.iter().try_for_each(|id| tx.give_back(*id)));
        slice.map(|((), _)| ())
    }

    /// Lets entries that could not be deleted be tried again at once, and from the first attempt
    /// on: those of one group, or all. Tells how many.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn retry_cached(&self, group: Option<GroupId>) -> Result<u64, Error> {
        let mut retried = 0;
        for kind in CachedKind::ALL {
            let mut after = None;
            loop {
                let slice = self.slice(move |tx| tx.retry(kind, group, after));
                let ((number, next), _) = slice?;
                retried += number;
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(retried)
    }
}

impl View {
    /// When the next entry waits for somebody to take it on; those that wait for a person do not
    /// count.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_cached_due(&self, kind: CachedKind) -> Result<Option<Timestamp>, Error> {
        let first = CACHED_DUE.first(&self.snapshot, Span::under(&kind))?;
        Ok(first.map(|((_, (due, _)), _)| due).filter(|due| *due < Timestamp::MAX))
    }
}

fn failed(attempts: u32, why: &str, now: Timestamp) -> CachedState {
    let retry = (attempts < CACHED_ATTEMPTS_MAX).then(|| now.after(backoff(attempts)));
    CachedState::Failed { attempts, error: why.chars().take(ERROR_LENGTH_MAX).collect(), retry }
}

impl Tx<'_, '_> {
    /// Takes on what is due from the first moment to the second one.
    fn claim(
        &self,
        kind: CachedKind,
        (from, to): (Timestamp, Timestamp),
        entries_max: usize,
        until: Timestamp,
    ) -> Result<Vec<CachedId>, Error> {
        let mut claimed = Vec::new();
        let end = (kind, (to, CachedId(u64::MAX)));
        let mut next = Span::under(&kind).from(&(kind, (from, CachedId(0))));
        while claimed.len() < entries_max {
            let rows = CACHED_DUE.page(self.txn, next.before(&end), entries_max - claimed.len())?;
            let Some((last, _)) = rows.last() else { break };
            next = Span::under(&kind).after(last);
            for ((_, key), _) in &rows {
                claimed.extend(self.claim_one(kind, *key, until)?);
            }
        }
        Ok(claimed)
    }

    fn claim_one(
        &self,
        kind: CachedKind,
        (due, id): DueKey,
        until: Timestamp,
    ) -> Result<Option<CachedId>, Error> {
        let cached = match CACHED.get(self.txn, &id) {
            Ok(cached) => cached.filter(|cached| cached.due() == Some(due)),
            // One that cannot be read holds nobody up.
            Err(db::Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(cached) = cached else {
            CACHED_DUE.remove(self.txn, &(kind, (due, id)))?;
            return Ok(None);
        };
        self.take_on(id, cached, until)
    }

    /// Takes one entry on; one that was lost too often is left to a person.
    fn take_on(
        &self,
        id: CachedId,
        mut cached: Cached,
        until: Timestamp,
    ) -> Result<Option<CachedId>, Error> {
        let attempts = match &cached.state {
            CachedState::Active | CachedState::Pending => 0,
            CachedState::Processing { attempt, .. } => *attempt,
            CachedState::Failed { attempts, .. } => *attempts,
        };
        if attempts >= CACHED_ATTEMPTS_MAX {
            let lost = "whoever deleted it did not come to an end, five times";
            self.turn(id, &mut cached, failed(attempts, lost, self.now))?;
            return Ok(None);
        }
        let attempt = attempts + 1;
        self.turn(id, &mut cached, CachedState::Processing { until, attempt })?;
        Ok(Some(id))
    }

    fn give_back(&self, id: CachedId) -> Result<(), Error> {
        let Some(mut cached) = CACHED.get(self.txn, &id)? else { return Ok(()) };
        let CachedState::Processing { attempt, .. } = cached.state else { return Ok(()) };
        let before = match attempt {
            0 | 1 => CachedState::Pending,
            more => CachedState::Failed {
                attempts: more - 1,
                error: "it failed before, and the server stopped in the next attempt".to_owned(),
                retry: Some(self.now),
            },
        };
        self.turn(id, &mut cached, before)
    }

    /// Puts failed entries back that wait; tells how many, and where to go on. What is due
    /// already needs no help, so the cost follows what failed and what is in work.
    fn retry(
        &self,
        kind: CachedKind,
        group: Option<GroupId>,
        after: Option<DueKey>,
    ) -> Result<(u64, Option<DueKey>), Error> {
        let after = after.unwrap_or((self.now, CachedId(u64::MAX)));
        let span = Span::under(&kind).after(&(kind, after));
        let page = CACHED_DUE.page(self.txn, span, RETRIES_BATCH)?;
        let next = page.last().map(|((_, key), _)| *key);
        let mut retried = 0;
        for ((_, (_, id)), _) in &page {
            let mut cached = match CACHED.get(self.txn, id) {
                Ok(Some(cached)) => cached,
                Ok(None) | Err(db::Error::Corrupt { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let is_meant = group.is_none_or(|group| group == cached.group);
            if is_meant && matches!(cached.state, CachedState::Failed { .. }) {
                self.turn(*id, &mut cached, CachedState::Pending)?;
                retried += 1;
            }
        }
        Ok((retried, next.filter(|_| page.len() == RETRIES_BATCH)))
    }
}
