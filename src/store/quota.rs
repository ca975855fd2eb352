//! Quotas of users' repositories (spec dlrepo §13): logical bytes, each file in full, and what
//! is replaced counts for what replaces it.
//!
//! The transaction that names a file decides (I2): usage is adjusted there, and a change that
//! would make it grow beyond the quota is refused, whoever makes it. So usage is never above the
//! quota by a single byte, but where the quota itself was lowered. Before that, while bytes
//! arrive, a [`Room`] reserves them in memory, so that a client is told at the first byte that
//! cannot fit and not at the end.
//!
//! A room reserves nothing any more from just before its change is queued, and usage is read
//! before the reservations are: so nothing is ever counted twice, and nobody is refused who fits.
//! What is overlooked for a moment is found by the transaction.
//! Deliberately absent: reservations on the disk; a restart ends all uploads anyway.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::blobs::Content;
use super::tree::{self, Delta};
use super::tx::promised;
use super::{Error, Store, Tx};
use crate::db::schema::{ARTIFACTS, BLOBS, REPOS};
use crate::db::{Pending, Rows};
use crate::model::{BlobId, FilePath, Format, Quota, Repo, Repository, Usage, UserName};

/// Bytes that are arriving for each user's repository, beside its usage.
#[derive(Default)]
pub(super) struct Reservations(Mutex<HashMap<UserName, u64>>);

impl Reservations {
    /// Each change of the map is complete in itself, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<UserName, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// The room that an upload takes in its repository. Dropping it gives the room back; in the
/// repository that everybody shares there is always room.
pub struct Room {
    store: Store,
    path: FilePath,
    /// Bytes that are known to fit.
    bytes: u64,
    /// Of them, those beyond the size of the file that is replaced.
    reserved: u64,
}

impl Store {
    /// Room for what is to be at `path`; nothing of it is reserved yet.
    #[must_use]
    pub fn room(&self, path: &FilePath) -> Room {
        Room { store: self.clone(), path: path.clone(), bytes: 0, reserved: 0 }
    }

    /// Says what a user's repository may hold, making it when it is not there. What is in it
    /// already stays, also when it is more.
    pub fn set_quota(&self, user: UserName, quota: Quota) -> Pending<Repository, Error> {
        self.change(move |tx| {
            let mut record = match REPOS.get(tx.txn, &user)? {
                Some(record) => record,
                None => tx.new_repository(&user)?,
            };
            record.quota = quota;
            REPOS.put(tx.txn, &user, &record)?;
            Ok(record)
        })
    }
}

impl Room {
    /// Makes sure that a file of `bytes` fits, and keeps that much for it.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`], [`Error::Db`].
    pub fn grow(&mut self, bytes: u64) -> Result<(), Error> {
        let Repo::User(user) = self.path.repo() else { return Ok(()) };
        if bytes <= self.bytes {
            return Ok(());
        }
        let view = self.store.view()?;
        let record = REPOS.get(&view.snapshot, user)?;
        let limit = limit(record.as_ref(), self.store.rules().user_quota);
        let replaced = size_at(&view.snapshot, &self.path)?;
        drop(view);
        if let Some(quota_bytes) = limit {
            let mut reservations = self.store.shared.reservations.lock();
            let all = reservations.get(user).copied().unwrap_or_default();
            let others = all.saturating_sub(self.reserved);
            let used_bytes = used(record.as_ref()).saturating_add(others);
            let needed = bytes.saturating_sub(replaced);
            if needed > 0 && used_bytes.saturating_add(needed) > quota_bytes {
                let user = user.clone();
                return Err(Error::QuotaExceeded { user, used_bytes, quota_bytes });
            }
            match others.saturating_add(needed) {
                0 => drop(reservations.remove(user)),
                all => drop(reservations.insert(user.clone(), all)),
            }
            self.reserved = needed;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The change that names the file comes now, and decides: nothing is reserved any more.
    pub fn settle(&mut self) {
        let Repo::User(user) = self.path.repo() else { return };
        if self.reserved == 0 {
            return;
        }
        let mut reservations = self.store.shared.reservations.lock();
        if let Some(all) = reservations.get_mut(user) {
            *all = all.saturating_sub(self.reserved);
            if *all == 0 {
                reservations.remove(user);
            }
        }
        self.reserved = 0;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Tx<'_, '_> {
    /// Whether `content` may be the file at `path`, in `format` if that is there: tested before
    /// anything is changed, so that a refusal costs its neighbours nothing.
    pub(super) fn check_quota(
        &self,
        path: &FilePath,
        format: Option<&Format>,
        content: &Content,
        known: Option<BlobId>,
    ) -> Result<(), Error> {
        if *path.repo() == Repo::Shared {
            return Ok(());
        }
        let size = match (content, known) {
            (_, Some(id)) => promised(&BLOBS, self.txn, &id)?.size,
            (Content::Uploaded { size, .. }, None) => *size,
            (Content::Stored(digest), None) => return Err(Error::BlobUnknown(*digest)),
        };
        let old = match format {
            Some(format) => ARTIFACTS.get(self.txn, &(format.id, path.path.clone()))?,
            None => None,
        };
        let minus = old.map_or_else(Usage::default, |old| Usage::of(old.size));
        self.check_room(path.repo(), Delta { minus, plus: Usage::of(size) })
    }

    /// Whether a repository may change so. For whoever knows that before it changes anything.
    pub(super) fn check_room(&self, repo: &Repo, delta: Delta) -> Result<(), Error> {
        let Repo::User(user) = repo else { return Ok(()) };
        let record = REPOS.get(self.txn, user)?;
        let growth = delta.plus.bytes.saturating_sub(delta.minus.bytes);
        let used_bytes = used(record.as_ref());
        match limit(record.as_ref(), self.user_quota) {
            Some(quota_bytes) if growth > 0 && used_bytes.saturating_add(growth) > quota_bytes => {
                Err(Error::QuotaExceeded { user: user.clone(), used_bytes, quota_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Adjusts the usage of a repository, in which files came or went. The last word on its
    /// quota: a growth that does not fit is refused, whatever made it.
    pub(super) fn charge(&self, repo: &Repo, delta: Delta) -> Result<(), Error> {
        let Repo::User(user) = repo else { return Ok(()) };
        if delta.minus == delta.plus {
            return Ok(());
        }
        self.check_room(repo, delta)?;
        let mut record = promised(&REPOS, self.txn, user)?;
        delta.apply(&mut record.usage);
        Ok(REPOS.put(self.txn, user, &record)?)
    }
}

fn used(record: Option<&Repository>) -> u64 {
    record.map_or(0, |record| record.usage.bytes)
}

fn limit(record: Option<&Repository>, default: Option<u64>) -> Option<u64> {
    record.map_or(Quota::Default, |record| record.quota).limit(default)
}

/// Bytes of the file at `path`; 0 when there is none.
fn size_at(rows: &impl Rows, path: &FilePath) -> Result<u64, Error> {
    let Some(chain) = tree::optional(tree::format(rows, &path.format))? else { return Ok(0) };
    let file = ARTIFACTS.get(rows, &(chain.format.id, path.path.clone()))?;
    Ok(file.map_or(0, |file| file.size))
}
