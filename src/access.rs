//! Floor 3, who may do what: every request and every line of a list is asked about here, by its
//! canonical path (I9).
//!
//! There are three kinds of rules: none at all, the built-in ones, and those of a folder with one
//! file for each group. Administrators are not asked about, and whoever is not logged in never
//! changes anything, whatever a file says.
//! Groups are another matter: roles decide there, and no rule of a path ([`Access::may_in_group`]);
//! and a deploy token is worth something in groups alone.
//! Deliberately absent: HTTP, and what a path means.

mod acl;
pub mod authfile;
pub mod backend;
mod built_in;
mod cache;
mod explain;
mod folder;
mod granted;
mod groups;
mod hs256;
pub mod identity;
pub mod ldap;
pub mod login;
pub mod password;
mod proof;
pub mod registry_token;
#[cfg(test)]
mod tests;
pub mod throttle;
pub mod tokens;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{Caller, Rank, Right};
use acl::Rules;
use proof::Promises;

pub use explain::Decision;
pub use folder::{ANONYMOUS, AclError};
pub use proof::Proof;

/// The rules in force. Clones share everything.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the rules come from, for those that are read from somewhere.
    folder: Option<PathBuf>,
    current: RwLock<Arc<Current>>,
    promises: Promises,
}

/// What is in force until the next reload.
enum Current {
    /// Everything is allowed.
    Open,
    /// What holds without a folder.
    BuiltIn,
    /// The files of a folder.
    Files(Rules),
}

impl Access {
    /// Everything is allowed: nobody logs in.
    #[must_use]
    pub fn open() -> Self {
        Self::new(None, Current::Open)
    }

    /// Whoever is logged in reads the shared tree and does as they like in their own repository.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(None, Current::BuiltIn)
    }

    /// The rules of a folder, one file for each group; [`ANONYMOUS`] is for nobody logged in.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn with_rules(folder: &Path) -> Result<Self, AclError> {
        let rules = Rules::new(folder::read(folder)?);
        Ok(Self::new(Some(folder.to_owned()), Current::Files(rules)))
    }

    fn new(folder: Option<PathBuf>, current: Current) -> Self {
        let current = RwLock::new(Arc::new(current));
        let promises = Promises::default();
        Self { shared: Arc::new(Shared { folder, current, promises }) }
    }

    /// Reads the folder again. What it says holds from now on, for everybody; when a file is
    /// wrong, everything stays as it was.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn reload(&self) -> Result<(), AclError> {
        let Some(folder) = &self.shared.folder else { return Ok(()) };
        let fresh = Arc::new(Current::Files(Rules::new(folder::read(folder)?)));
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The folder that [`Self::reload`] reads.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.shared.folder.as_deref()
    }

    /// Whether `caller` may do that to what is at `path`: canonical, percent-decoded, without
    /// query.
    #[must_use]
    pub fn allows(&self, caller: &Caller, right: Right, path: &str) -> bool {
        match (&*self.current(), caller) {
            (Current::Open, _) => true,
            (_, Caller::Deploy(_)) => false,
            (_, Caller::Anonymous) if right != Right::Read => false,
            (_, Caller::User(user)) if user.rank == Rank::Admin => true,
            (Current::BuiltIn, caller) => built_in::allows(caller, right, path),
            (Current::Files(rules), caller) => rules.rights(caller, path).has(right),
        }
    }

    /// Whether no rule is asked about what this caller does.
    #[must_use]
    pub fn trusts(&self, caller: &Caller) -> bool {
        let is_admin = matches!(caller, Caller::User(user) if user.rank == Rank::Admin);
        is_admin || matches!(*self.current(), Current::Open)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
