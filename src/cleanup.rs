//! Floor 3, looking after the store as a whole: whether rows and files agree ([`check()`]), why a
//! blob is kept ([`why`]), and how much there is of everything ([`stats`]).
//!
//! Deliberately absent: deciding what goes (policies do, in the store) and removing it (the
//! sweeper does); the check unlinks only files that no row names.

pub mod check;
mod files;
mod hash;
mod stats;

#[cfg(test)]
mod tests;

pub use check::{Contents, Mode, Report, check, verify};
pub use stats::{Stats, stats};

use crate::blobs;
use crate::model::Digest;
use crate::store::why::Why;
use crate::store::{self, Store};

/// Owners of a blob that are named.
const OWNERS_MAX: usize = 20;

/// Why the store could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The disk failed.
    #[error(transparent)]
    Files(#[from] blobs::Error),
}

/// Why the blob with this digest is kept, or what became of it.
///
/// # Errors
/// [`Error::Store`].
pub fn why(store: &Store, digest: Digest) -> Result<Why, Error> {
    let why = store.view()?.why(&digest, OWNERS_MAX)?;
    Ok(why.with_pins(store.pins()))
}
