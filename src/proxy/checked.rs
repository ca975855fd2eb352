//! [`Checked`]: a body of an upstream that nobody keeps, for one reader: its last piece comes only
//! when all of it is what was asked for (I4).

use bytes::Bytes;

use super::fetch::{Broken, Fetch};
use crate::blobs::hash::Hasher;
use crate::model::OciDigest;

/// A body that is compared with its digest while it is read.
pub(super) struct Checked {
    fetch: Fetch,
    /// `None`: it was compared.
    hasher: Option<Hasher>,
    expected: OciDigest,
    /// What came last is held back.
    held_back: Option<Bytes>,
}

impl Checked {
    /// A body from its first byte on.
    pub(super) fn new(fetch: Fetch, expected: OciDigest) -> Self {
        let hasher = Some(Hasher::new(Some(&expected.checksum())));
        Self { fetch, hasher, expected, held_back: None }
    }

    /// The rest of a body: `hasher` has seen all before, of which nobody has read `held_back`.
    pub(super) fn rest(
        fetch: Fetch,
        hasher: Hasher,
        expected: OciDigest,
        held_back: Option<Bytes>,
    ) -> Self {
        Self { fetch, hasher: Some(hasher), expected, held_back }
    }

    /// The next bytes; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(hasher) = &mut self.hasher {
            let Some(bytes) = self.fetch.next().await? else {
                self.compare()?;
                break;
            };
            hasher.update(&bytes);
            if let Some(before) = self.held_back.replace(bytes) {
                return Ok(Some(before));
            }
        }
        Ok(self.held_back.take())
    }

    fn compare(&mut self) -> Result<(), Broken> {
        let Some(hashed) = self.hasher.take().map(Hasher::finish) else { return Ok(()) };
        let is_expected = match self.expected {
            OciDigest::Sha256(digest) => hashed.digest == digest,
            OciDigest::Sha512(sum) => hashed.sha512 == Some(sum),
        };
        if is_expected {
            return Ok(());
        }
        self.held_back = None;
        Err(Broken(format!("{} came as sha256:{}", self.expected, hashed.digest)))
    }
}
