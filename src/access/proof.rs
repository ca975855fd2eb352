//! [`Proof`]: whether somebody may be told that a content is here (spec dlrepo §17, 3): only who
//! may read some path that it has, or who sent it a short time ago.
//!
//! What was told holds for a lease, also when the path goes in the meantime: a client that was
//! told not to send a file is about to link it. That is kept in memory, bounded; after a restart
//! the paths and the notes of who sent what decide alone.

use quick_cache::sync::Cache;

use super::Access;
use crate::model::{BlobId, Caller, Right, Timestamp, UserName};
use crate::store::{self, Store, View};

/// References that are tried, those of the newest formats first.
const TRIES_MAX: usize = 64;
/// Promises that are remembered.
const PROMISES_MAX: usize = 16 * 1024;

/// What shows that a content may be known to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// They may read it, as this blob, or could a moment ago.
    Reads(BlobId),
    /// They sent it a short time ago.
    Sent(UserName),
    /// Nothing.
    None,
}

/// Until when somebody may rely on what they were told.
pub(super) struct Promises(Cache<(UserName, BlobId), Timestamp>);

impl Default for Promises {
    fn default() -> Self {
        Self(Cache::new(PROMISES_MAX))
    }
}

impl Access {
    /// What shows that `caller` may know that the blob is here.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn proof(
        &self,
        store: &Store,
        view: &View,
        caller: &Caller,
        blob: BlobId,
    ) -> Result<Proof, store::Error> {
        if self.trusts(caller) || self.reads_somewhere(view, caller, blob)? {
            return Ok(Proof::Reads(blob));
        }
        let Some(login) = caller.login() else { return Ok(Proof::None) };
        let now = store.clock().now();
        if view.possesses(login, blob, now)? {
            return Ok(Proof::Sent(login.clone()));
        }
        let promised = self.shared.promises.0.get(&(login.clone(), blob));
        let is_promised = promised.is_some_and(|until| until > now);
        Ok(if is_promised { Proof::Reads(blob) } else { Proof::None })
    }

    /// Notes that `caller` is told that the blob is here and stays for a lease.
    pub fn promised(&self, store: &Store, caller: &Caller, blob: BlobId) {
        if let Some(login) = caller.login().filter(|_| !self.trusts(caller)) {
            let until = store.clock().now().after(store.rules().lease);
            self.shared.promises.0.insert((login.clone(), blob), until);
        }
    }

    fn reads_somewhere(
        &self,
        view: &View,
        caller: &Caller,
        blob: BlobId,
    ) -> Result<bool, store::Error> {
        let paths = view.live_paths(blob, TRIES_MAX)?;
        Ok(paths.iter().any(|path| self.allows(caller, Right::Read, path)))
    }
}
