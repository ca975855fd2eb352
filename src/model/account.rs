//! [`Account`]: somebody whom this server knows by itself, without another back end.
//!
//! Deliberately absent: how a password is hashed and compared (`access`).

use serde::{Deserialize, Serialize};

use super::{Rank, Timestamp};

/// A local account; its login is the key of its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The password, hashed: an argon2id string in PHC form.
    pub hash: String,
    /// Names of the groups that the rules speak of.
    pub groups: Vec<String>,
    /// Whether the rules are asked at all.
    pub rank: Rank,
    /// When it was made.
    pub created: Timestamp,
}
