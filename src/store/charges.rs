//! Charges: what the registry holds for a user outside the user's tree. Upload links, manifests
//! that nothing holds, unfinished uploads, and tags that have no place in the tree count towards
//! the quota beside the tree's usage.
//!
//! Charges change in the transactions that change what is charged (I2): `larder check` recounts
//! them. Whoever is not logged in is charged for nothing. A release charges nobody for what goes
//! when its link is over; what stays in a user's repository beyond that, since a request renews it
//! or since a push displaced it, is charged to the owner.
//! Deliberately absent: what is charged, which the rows of blobs, manifests and uploads say.

use super::tree::Delta;
use super::tx::promised;
use super::{Error, Tx, View};
use crate::db::schema::{CHARGES, IMAGE_NAMES};
use crate::model::{ImageId, Repo, Usage, UserName};

/// The login of a record that says who is charged; an empty one: nobody is.
pub(super) fn user_of(login: &str) -> Result<Option<UserName>, Error> {
    if login.is_empty() {
        return Ok(None);
    }
    UserName::parse(login).map(Some).map_err(|error| {
        let what = format!("{login:?} is charged, which is no login: {error}");
        crate::db::Error::Corrupt { table: CHARGES.name(), what }.into()
    })
}

/// The login as records that say who is charged have it.
pub(super) fn login_of(by: Option<&UserName>) -> String {
    by.map_or_else(String::new, |user| user.as_str().to_owned())
}

impl View {
    /// What the registry charges a user for, beside the usage of the user's tree.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn charges(&self, user: &UserName) -> Result<Usage, Error> {
        Ok(CHARGES.get(&self.snapshot, user)?.unwrap_or_default())
    }
}

impl Tx<'_, '_> {
    /// Whose quota counts what a repository keeps beyond what is held there; `None`: nobody's.
    pub(super) fn owner_of_image(&self, image: ImageId) -> Result<Option<UserName>, Error> {
        Ok(match promised(&IMAGE_NAMES, self.txn, &image)?.repo() {
            Repo::User(user) => Some(user),
            Repo::Shared => None,
        })
    }

    /// Whether what is charged to `login` may change so: for whoever knows that before anything
    /// is changed, so that a refusal costs its neighbours nothing.
    pub(super) fn check_user_room(&self, login: &str, delta: Delta) -> Result<(), Error> {
        match user_of(login)? {
            Some(user) => self.check_room_of(&user, delta),
            None => Ok(()),
        }
    }

    /// Charges `login` for more. The last word on its quota: what does not fit is refused.
    pub(super) fn charge_user(&self, login: &str, usage: Usage) -> Result<(), Error> {
        self.recharge_user(login, Delta { plus: usage, ..Delta::default() })
    }

    /// Charges `login` for less.
    pub(super) fn uncharge_user(&self, login: &str, usage: Usage) -> Result<(), Error> {
        self.recharge_user(login, Delta { minus: usage, ..Delta::default() })
    }

    /// Changes what is charged to `login`; a growth that does not fit is refused.
    pub(super) fn recharge_user(&self, login: &str, delta: Delta) -> Result<(), Error> {
        let Some(user) = user_of(login)? else { return Ok(()) };
        if delta.minus == delta.plus {
            return Ok(());
        }
        self.check_room_of(&user, delta)?;
        let mut usage = CHARGES.get(self.txn, &user)?.unwrap_or_default();
        delta.apply(&mut usage);
        if usage == Usage::default() {
            CHARGES.remove(self.txn, &user)?;
            return Ok(());
        }
        Ok(CHARGES.put(self.txn, &user, &usage)?)
    }
}
