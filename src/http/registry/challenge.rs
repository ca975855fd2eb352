//! What `WWW-Authenticate` says to whoever asks the registry for something and lacks the right.
//!
//! Deliberately absent: who may do what (the guard).

use super::Asked;
use crate::http::reply;

impl Asked {
    /// The challenge of an answer 401 under `/v2/`.
    pub(super) fn challenge(&self, realm: &str) -> String {
        log::trace!("asking who wants to {} {}{}", self.method, self.address, self.path);
        reply::basic_challenge(realm)
    }
}
