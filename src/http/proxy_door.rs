//! The door of the dependency proxy: who gets to what a group has cached (spec gitlab §1.3).
//!
//! Deliberately absent: whether the group serves anything, and serving it.

use super::failure::Failure;
use super::{Request, Server};
use crate::model::{Caller, GroupPath};

impl Server {
    /// Lets nobody in who does not say who they are.
    pub(super) fn proxy_group(&self, request: &Request, group: &GroupPath) -> Failure {
        match &request.caller {
            caller @ Caller::Anonymous if !self.access.trusts(caller) => self.denied(caller),
            _ => Failure::NotFound(format!("{group} is no group, or not yours")),
        }
    }
}
