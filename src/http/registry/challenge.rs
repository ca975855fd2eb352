//! What `WWW-Authenticate` says to whoever asks the registry for something and lacks the right.
//!
//! Deliberately absent: who may do what (the guard).

use super::Asked;
use crate::http::{Server, reply};

impl Server {
    /// The challenge of an answer 401 under `/v2/`.
    pub(super) fn challenge(&self, asked: &Asked, realm: &str) -> String {
        log::trace!("asking who wants to {} {}{}", asked.method, asked.address, asked.path);
        reply::basic_challenge(realm)
    }
}
