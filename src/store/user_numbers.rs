//! Numbers of users, which the API of groups wants: given when one is needed first, and never
//! twice.
//!
//! Deliberately absent: whether there is such a user; a login has its number for ever.

use super::{Error, Store, View};
use crate::db::Pending;
use crate::db::schema::{Meta, NUMBERED_USERS, USER_NUMBERS};
use crate::model::{UserName, UserNumber};

impl Store {
    /// The number of a login, which gets one if it has none.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn number_user(&self, login: UserName) -> Pending<UserNumber, Error> {
        self.change(move |tx| {
            if let Some(number) = USER_NUMBERS.get(tx.txn, &login)? {
                return Ok(number);
            }
            let number = UserNumber(tx.next(Meta::NEXT_USER)?);
            USER_NUMBERS.put(tx.txn, &login, &number)?;
            NUMBERED_USERS.put(tx.txn, &number, &login)?;
            Ok(number)
        })
    }
}

impl View {
    /// The number of a login, if it has one.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn user_number(&self, login: &UserName) -> Result<Option<UserNumber>, Error> {
        Ok(USER_NUMBERS.get(&self.snapshot, login)?)
    }

    /// The login that has a number.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn user_of(&self, number: UserNumber) -> Result<Option<UserName>, Error> {
        Ok(NUMBERED_USERS.get(&self.snapshot, &number)?)
    }
}
