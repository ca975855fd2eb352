//! [`ImageUpload`]: a blob of the registry that arrives in pieces, over several requests and
//! perhaps over a restart of the server.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::hex;
use super::{Suffix, Timestamp};

/// Names an upload; drawn by lot, since whoever knows it may go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

impl UploadId {
    /// Reads 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if text.len() != 32 || !text.as_bytes().iter().all(is_hex) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The record of an upload; its id is the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUpload {
    /// The repository's name.
    pub image: String,
    /// The login of whoever began it, who alone may go on; empty when nobody was logged in.
    pub by: String,
    /// When it began.
    pub created: Timestamp,
    /// When the last piece came; it is given up some time after.
    pub touched: Timestamp,
    /// Bytes that were acknowledged: they survive a restart.
    pub received: u64,
    /// Where they are.
    pub bytes: UploadBytes,
}

/// Where the bytes of an upload are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadBytes {
    /// Few enough to be here.
    Inline(Vec<u8>),
    /// In the draft file with this suffix; what is behind the acknowledged bytes does not count.
    Draft(Suffix),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_shows_and_nothing_else() {
        let id = UploadId([0xa5; 16]);
        assert_eq!(UploadId::parse(&id.to_string()), Some(id));
        for bad in ["", &"A5".repeat(16), &"a5".repeat(15), &"+5".repeat(16), &"é".repeat(16)] {
            assert_eq!(UploadId::parse(bad), None, "{bad}");
        }
    }
}
