//! [`Detached`]: a container whose name is gone and whose records are waiting to be destroyed.

use serde::{Deserialize, Serialize};

use super::{Node, Timestamp, Usage};

/// Why something was detached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Somebody asked for it.
    Request {
        /// Their login; empty when nobody was logged in.
        user: String,
    },
    /// A cleanup policy named it.
    Policy {
        /// The rule, as a sentence.
        rule: String,
    },
}

/// An entry of the queue of detached things; its due moment and its id are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// What to destroy.
    pub node: Node,
    /// The path that it had, for people.
    pub path: String,
    /// Who took it away, and why.
    pub reason: Reason,
    /// When that was.
    pub at: Timestamp,
    /// What is left below it.
    pub usage: Usage,
    /// How often destroying it failed.
    pub attempts: u32,
    /// The last failure, as a sentence.
    pub error: Option<String>,
}
