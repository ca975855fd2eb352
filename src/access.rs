//! Floor 3, who may do what: every request and every line of a list is asked about here, by its
//! canonical path (I9).
//!
//! Deliberately absent: HTTP, and what a path means.

pub mod ldap;

use crate::model::{Caller, Right};

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub struct Access;

impl Access {
    /// Whether `caller` may do that to what is at `path`: canonical, percent-decoded, without
    /// query.
    #[must_use]
    pub fn allows(&self, _caller: &Caller, _right: Right, _path: &str) -> bool {
        true
    }
}
