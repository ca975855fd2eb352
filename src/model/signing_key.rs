//! [`SigningKey`]: what tokens of the registry are signed with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The record of a key; the moment it was made is the table's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// 32 random bytes.
    pub secret: Vec<u8>,
}

/// Secrets stay out of logs.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}
