//! Possessions: who sent a blob a short time ago, and so may be told that it is here (spec
//! dlrepo §17, 3).
//!
//! A note is written with the upload and holds for a lease. It is about a blob and not about a
//! digest, whose next blob has another id, so a note that outlives its blob says nothing; the
//! sweeper forgets those whose time is over.
//! Deliberately absent: references. A note keeps no blob (I2, I3).

use std::sync::Arc;
use std::time::Duration;

use super::{Budget, Error, Store, Tx, View, blobs};
use crate::db::schema::POSSESSIONS;
use crate::db::{Found, Pending, SliceTimes, Span};
use crate::model::{Blob, BlobId, Digest, Timestamp, UserName};

/// Whose note, and of what.
pub type PossessionKey = (BlobId, UserName);

/// A note that says nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its time is over.
    Over(PossessionKey),
    /// The row with this key cannot be read.
    Unreadable(Vec<u8>),
}

/// What a look at some notes found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StalePage {
    /// Notes that may go.
    pub stale: Vec<Stale>,
    /// Where to go on; `None` at the end.
    pub next: Option<PossessionKey>,
}

impl Store {
    /// As [`Store::lease`], for somebody who sent the content: that they did holds for another
    /// lease too. `None`: it is not here (any more), or they did not.
    pub fn lease_to_sender(
        &self,
        digest: Digest,
        sender: UserName,
    ) -> Pending<Option<Blob>, Error> {
        self.change(move |tx| {
            let Some((id, blob)) = blobs::find(tx.txn, &digest)? else { return Ok(None) };
            let until = POSSESSIONS.get(tx.txn, &(id, sender.clone()))?;
            if !holds(until, tx.now) {
                return Ok(None);
            }
            tx.note(id, &sender)?;
            tx.lease(id, blob).map(Some)
        })
    }

    /// One slice of forgetting notes, which are tested again: some may have been renewed. Tells
    /// how many of the list it came to; go on behind those.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn forget_possessions(
        &self,
        stale: Arc<[Stale]>,
        from: usize,
        work: Duration,
        rows_max: u32,
    ) -> Result<(usize, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut seen = 0;
            for note in stale.iter().skip(from) {
                if !budget.take() {
                    break;
                }
                tx.forget_possession(note)?;
                seen += 1;
            }
            Ok(seen)
        })
    }
}

impl View {
    /// Whether `user` sent the blob a short time ago.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn possesses(&self, user: &UserName, blob: BlobId, now: Timestamp) -> Result<bool, Error> {
        let until = POSSESSIONS.get(&self.snapshot, &(blob, user.clone()))?;
        Ok(holds(until, now))
    }

    /// Whether there are any notes; a table that cannot be read is looked into.
    #[must_use]
    pub fn has_possessions(&self) -> bool {
        POSSESSIONS.count(&self.snapshot).map_or(true, |count| count > 0)
    }

    /// The notes behind `after` that may go; looks at no more than `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn stale_possessions(
        &self,
        after: Option<PossessionKey>,
        now: Timestamp,
        limit: usize,
    ) -> Result<StalePage, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut page = StalePage { stale: Vec::new(), next: None };
        for (number, row) in (1..).zip(POSSESSIONS.cursor(&self.snapshot, span)) {
            match row? {
                Found::Row(key, until) => {
                    if number >= limit {
                        page.next = Some(key.clone());
                    }
                    if !holds(Some(until), now) {
                        page.stale.push(Stale::Over(key));
                    }
                }
                Found::Unreadable { key, .. } => page.stale.push(Stale::Unreadable(key)),
            }
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

fn holds(until: Option<u64>, now: Timestamp) -> bool {
    until.is_some_and(|until| Timestamp(until) > now)
}

impl Tx<'_, '_> {
    /// Notes that `sender` sent what is stored under `digest` now.
    pub(super) fn possess(&self, digest: &Digest, sender: &UserName) -> Result<(), Error> {
        match blobs::id_of(self.txn, digest)? {
            Some(id) => self.note(id, sender),
            None => Ok(()),
        }
    }

    fn note(&self, id: BlobId, sender: &UserName) -> Result<(), Error> {
        Ok(POSSESSIONS.put(self.txn, &(id, sender.clone()), &self.lease_end.0)?)
    }

    fn forget_possession(&self, note: &Stale) -> Result<(), Error> {
        match note {
            Stale::Over(key) => {
                if !holds(POSSESSIONS.get(self.txn, key)?, self.now) {
                    POSSESSIONS.remove(self.txn, key)?;
                }
            }
            Stale::Unreadable(key) => {
                POSSESSIONS.remove_unreadable(self.txn, key)?;
            }
        }
        Ok(())
    }
}
