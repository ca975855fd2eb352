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
//!
//! What the registry charges a user for (`super::charges`) counts beside the tree's usage.
//! Deliberately absent: reservations on the disk; a restart ends all requests anyway.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::blobs::Content;
use super::tree::{self, Delta};
use super::tx::promised;
use super::{Error, Store, Tx};
use crate::db::schema::{ARTIFACTS, CHARGES, REPOS};
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

/// The room that an upload takes in a user's quota. Dropping it gives the room back; in the
/// repository that everybody shares, and for whoever is not logged in, there is always room.
pub struct Room {
    store: Store,
    whose: Whose,
    /// Bytes that are known to fit.
    bytes: u64,
    /// Of them, those beyond the size of the file that is replaced.
    reserved: u64,
}

/// Whose quota an upload needs room in, and what it replaces.
enum Whose {
    /// Nobody's.
    Nobodys,
    /// The owner's of the tree; what is at the path now is replaced.
    Owners(UserName, FilePath),
    /// That of whoever is charged for a new blob of the registry.
    Pushers(UserName),
}

impl Whose {
    fn user(&self) -> Option<&UserName> {
        match self {
            Self::Nobodys => None,
            Self::Owners(user, _) | Self::Pushers(user) => Some(user),
        }
    }

    /// Bytes that go when the upload is named.
    fn replaced(&self, rows: &impl Rows) -> Result<u64, Error> {
        match self {
            Self::Owners(_, path) => size_at(rows, path),
            Self::Nobodys | Self::Pushers(_) => Ok(0),
        }
    }
}

impl Store {
    /// Room for what is to be at `path`; nothing of it is reserved yet.
    #[must_use]
    pub fn room(&self, path: &FilePath) -> Room {
        match path.repo() {
            Repo::Shared => Room::new(self, Whose::Nobodys),
            Repo::User(user) => Room::new(self, Whose::Owners(user.clone(), path.clone())),
        }
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
    fn new(store: &Store, whose: Whose) -> Self {
        Self { store: store.clone(), whose, bytes: 0, reserved: 0 }
    }

    /// Room for bytes that the registry will charge `user` for, beyond those that it is charged
    /// for already; nothing of it is reserved yet. `None`: nobody is logged in, so nobody is
    /// charged.
    #[must_use]
    pub fn for_user(store: &Store, user: Option<&UserName>) -> Self {
        Self::new(store, user.map_or(Whose::Nobodys, |user| Whose::Pushers(user.clone())))
    }

    /// Makes sure that `bytes` in all fit, and keeps that much for them.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`], [`Error::Db`].
    pub fn grow(&mut self, bytes: u64) -> Result<(), Error> {
        let Some(user) = self.whose.user() else { return Ok(()) };
        if bytes <= self.bytes {
            return Ok(());
        }
        let view = self.store.view()?;
        let account = Account::of(&view.snapshot, user, self.store.rules().user_quota)?;
        let replaced = self.whose.replaced(&view.snapshot)?;
        drop(view);
        if let Some(quota_bytes) = account.limit_bytes {
            let mut reservations = self.store.shared.reservations.lock();
            let all = reservations.get(user).copied().unwrap_or_default();
            let others = all.saturating_sub(self.reserved);
            let used_bytes = account.used_bytes.saturating_add(others);
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
        let Some(user) = self.whose.user() else { return };
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
        let size = self.size_of(content, known)?;
        let old = match format {
            Some(format) => ARTIFACTS.get(self.txn, &(format.id, path.path.clone()))?,
            None => None,
        };
        let minus = old.map_or_else(Usage::default, |old| Usage::of(old.size));
        self.check_room(path.repo(), Delta { minus, plus: Usage::of(size) })
    }

    /// Whether a repository may change so. For whoever knows that before it changes anything.
    pub(super) fn check_room(&self, repo: &Repo, delta: Delta) -> Result<(), Error> {
        match repo {
            Repo::Shared => Ok(()),
            Repo::User(user) => self.check_room_of(user, delta),
        }
    }

    /// Whether what counts towards a user's quota may change so.
    pub(super) fn check_room_of(&self, user: &UserName, delta: Delta) -> Result<(), Error> {
        let growth = delta.plus.bytes.saturating_sub(delta.minus.bytes);
        if growth == 0 {
            return Ok(());
        }
        let Account { used_bytes, limit_bytes } = Account::of(self.txn, user, self.user_quota)?;
        match limit_bytes {
            Some(quota_bytes) if used_bytes.saturating_add(growth) > quota_bytes => {
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

/// What a user has, and may have.
struct Account {
    /// Bytes in the user's tree, and those that the registry charges for.
    used_bytes: u64,
    /// `None`: no limit.
    limit_bytes: Option<u64>,
}

impl Account {
    fn of(rows: &impl Rows, user: &UserName, default: Option<u64>) -> Result<Self, Error> {
        let record = REPOS.get(rows, user)?;
        let charged = CHARGES.get(rows, user)?.unwrap_or_default();
        let in_tree = record.as_ref().map_or(0, |record| record.usage.bytes);
        let quota = record.map_or(Quota::Default, |record| record.quota);
        let used_bytes = in_tree.saturating_add(charged.bytes);
        Ok(Self { used_bytes, limit_bytes: quota.limit(default) })
    }
}

/// Bytes of the file at `path`; 0 when there is none.
fn size_at(rows: &impl Rows, path: &FilePath) -> Result<u64, Error> {
    let Some(chain) = tree::optional(tree::format(rows, &path.format))? else { return Ok(0) };
    let file = ARTIFACTS.get(rows, &(chain.format.id, path.path.clone()))?;
    Ok(file.map_or(0, |file| file.size))
}
