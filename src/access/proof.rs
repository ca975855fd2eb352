//! Whether somebody may be told that a content is here (spec dlrepo §17, 3): only who may read
//! some path that it has, or who sent it a short time ago.

use super::Access;
use crate::model::{BlobId, Caller, Right};
use crate::store::{self, View};

/// References that are tried, the newest containers first.
const TRIES_MAX: usize = 64;

impl Access {
    /// Whether `caller` may read a path that the blob has now; looks at no more than 64 of them.
    ///
    /// # Errors
    /// [`store::Error::Db`].
    pub fn may_know(
        &self,
        view: &View,
        caller: &Caller,
        blob: BlobId,
    ) -> Result<bool, store::Error> {
        if self.trusts(caller) {
            return Ok(true);
        }
        let paths = view.live_paths(blob, TRIES_MAX)?;
        Ok(paths.iter().any(|path| self.allows(caller, Right::Read, path)))
    }
}
