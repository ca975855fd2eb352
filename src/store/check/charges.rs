//! What the registry charges each user for, summed up over the walks over its rows (I2).

use super::fix::Erase;
use super::shift::{Counter, Holder, Shift};
use super::{Halt, Pass};
use crate::db::schema::CHARGES;
use crate::db::{Found, Span};
use crate::model::{Usage, UserName};
use crate::store::charges::user_of;

impl Pass<'_, '_, '_> {
    /// Notes that a row says that `login` is charged for it.
    pub(super) fn owe(&mut self, login: &str, usage: Usage) {
        match user_of(login) {
            Ok(None) => {}
            Ok(Some(user)) => {
                let sum = self.registry.charges.entry(user).or_default();
                *sum = sum.plus(usage);
            }
            Err(error) => {
                self.found.in_doubt = true;
                self.found.damage(error.to_string());
            }
        }
    }

    /// Compares the sums, behind all walks.
    pub(super) fn check_charges(&mut self) -> Result<(), Halt> {
        let mut counted = std::mem::take(&mut self.registry.charges);
        for row in CHARGES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(user, found) => {
                    let counted = counted.remove(&user).unwrap_or_default();
                    self.compare_charges(user, Shift { found, counted });
                }
                Found::Unreadable { key, what } => {
                    // The sum is made again when the row is gone.
                    let erase: Erase = |txn, key| CHARGES.remove_unreadable(txn, key);
                    self.broken(CHARGES.name(), key.clone(), &what, erase);
                    let user: Option<UserName> = crate::db::keys::Key::from_bytes(&key);
                    user.and_then(|user| counted.remove(&user));
                }
            }
        }
        for (user, counted) in counted {
            if counted != Usage::default() {
                self.compare_charges(user, Shift { found: Usage::default(), counted });
            }
        }
        Ok(())
    }

    fn compare_charges(&mut self, user: UserName, shift: Shift<Usage>) {
        if shift.found == shift.counted && shift.found == Usage::default() {
            let what = format!("the registry keeps that {user} is charged for nothing");
            return self.drift(what, Holder::Charges(user), Counter::Usage(shift));
        }
        let whose = format!("what the registry charges {user} for");
        self.compare(&whose, shift, Holder::Charges(user));
    }
}
