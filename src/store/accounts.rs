//! Local accounts: who can always log in, whatever other back ends do (spec dlrepo §15).
//!
//! There is an administrator from the first start on, and the last one cannot be deleted: so a
//! server that lacks one is a new one.
//! Deliberately absent: passwords; they come in hashed.

use std::ops::ControlFlow;

use super::{Error, Store, Tx, View};
use crate::db::schema::ACCOUNTS;
use crate::db::{Pending, Rows, Span};
use crate::model::{Account, Rank, UserName};

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The login.
    pub login: UserName,
    /// The password as argon2id string in PHC form.
    pub hash: String,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Whether the rules are asked at all.
    pub rank: Rank,
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::AccountExists`], [`Error::Db`].
    pub fn add_account(&self, new: NewAccount) -> Pending<(), Error> {
        self.change(move |tx| tx.add_account(&new))
    }

    /// Makes the account of the first administrator, unless there is an administrator or somebody
    /// else has the login. Tells whether it was made.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn add_first_admin(&self, login: UserName, hash: String) -> Pending<bool, Error> {
        let new = NewAccount { login, hash, groups: Vec::new(), rank: Rank::Admin };
        self.change(move |tx| {
            if has_admin_but(tx.txn, None)? || ACCOUNTS.get(tx.txn, &new.login)?.is_some() {
                return Ok(false);
            }
            tx.add_account(&new).map(|()| true)
        })
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// [`Error::AccountUnknown`], [`Error::Db`].
    pub fn set_password(&self, login: UserName, hash: String) -> Pending<(), Error> {
        self.change(move |tx| {
            let account = known(tx.txn, &login)?;
            Ok(ACCOUNTS.put(tx.txn, &login, &Account { hash: hash.clone(), ..account })?)
        })
    }

    /// Deletes an account. Its tokens are worth nothing from then on.
    ///
    /// # Errors
    /// [`Error::AccountUnknown`], [`Error::LastAdmin`], [`Error::Db`].
    pub fn delete_account(&self, login: UserName) -> Pending<(), Error> {
        self.change(move |tx| {
            let account = known(tx.txn, &login)?;
            if account.rank == Rank::Admin && !has_admin_but(tx.txn, Some(&login))? {
                return Err(Error::LastAdmin(login.clone()));
            }
            ACCOUNTS.remove(tx.txn, &login)?;
            Ok(())
        })
    }
}

impl Tx<'_, '_> {
    fn add_account(&self, new: &NewAccount) -> Result<(), Error> {
        if ACCOUNTS.get(self.txn, &new.login)?.is_some() {
            return Err(Error::AccountExists(new.login.clone()));
        }
        let NewAccount { login, hash, groups, rank } = new.clone();
        let account = Account { hash, groups, rank, created: self.now };
        Ok(ACCOUNTS.put(self.txn, &login, &account)?)
    }
}

fn known(rows: &impl Rows, login: &UserName) -> Result<Account, Error> {
    ACCOUNTS.get(rows, login)?.ok_or_else(|| Error::AccountUnknown(login.clone()))
}

/// Whether there is an administrator, this one left aside.
fn has_admin_but(rows: &impl Rows, but: Option<&UserName>) -> Result<bool, Error> {
    let mut found = false;
    ACCOUNTS.each(rows, Span::all(), |login, account| {
        found = account.rank == Rank::Admin && Some(&login) != but;
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

impl View {
    /// The account of this login, if there is one.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn account(&self, login: &UserName) -> Result<Option<Account>, Error> {
        Ok(ACCOUNTS.get(&self.snapshot, login)?)
    }

    /// All local accounts, by login.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn accounts(&self) -> Result<Vec<(UserName, Account)>, Error> {
        Ok(ACCOUNTS.all(&self.snapshot, Span::all())?)
    }

    /// Whether anybody has every right.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn has_admin(&self) -> Result<bool, Error> {
        has_admin_but(&self.snapshot, None)
    }
}
