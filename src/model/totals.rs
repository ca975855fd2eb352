//! [`Totals`]: the counters of every stage of a blob's life, kept in the same transactions as
//! the rows that they count, so that backlog and progress are exact at any moment.

use serde::{Deserialize, Serialize};

use super::{Place, Usage};

/// A number of things and their bytes.
pub type Amount = Usage;

/// One record for the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// References by names that can be read, and their logical bytes.
    pub named: Amount,
    /// References below detached things, and their logical bytes.
    pub detached: Amount,
    /// Entries of the queue of detached things.
    pub queue: u64,
    /// Blobs whose bytes are files, held or free.
    pub files: Amount,
    /// Blobs whose bytes are rows, held or free.
    pub inline: Amount,
    /// The free ones among both.
    pub free: Amount,
    /// Collected files that are still to be unlinked.
    pub unlinks: Amount,
    /// Collected rows that are still to be removed.
    pub inline_unlinks: Amount,
    /// Since the beginning: blobs whose bytes are gone.
    pub reclaimed: Amount,
}

impl Totals {
    /// The counter of the blobs that lie in such a place.
    pub fn stored(&mut self, place: Place) -> &mut Amount {
        match place {
            Place::Inline => &mut self.inline,
            Place::File(_) => &mut self.files,
        }
    }

    /// The counter of the collected bytes that lie in such a place.
    pub fn leaving(&mut self, place: Place) -> &mut Amount {
        match place {
            Place::Inline => &mut self.inline_unlinks,
            Place::File(_) => &mut self.unlinks,
        }
    }
}
