//! Finding a blob whose bytes are to be read: what was found stays readable whatever is swept
//! meanwhile (I3).
//!
//! Deliberately absent: opening files.

use bytes::Bytes;

use super::{Error, Store, View};
use crate::blobs::Pin;
use crate::model::{Blob, BlobId, Place, Suffix};

/// The bytes of a blob, or what is needed to open its file.
#[derive(Debug)]
pub enum Kept {
    /// The bytes.
    Inline(Bytes),
    /// They are in the file with this suffix, which stays while there is the pin.
    Placed(Suffix, Pin),
}

/// A blob that is to be read, beside what led to it.
pub struct Readable<T> {
    /// The blob's record.
    pub blob: Blob,
    /// Its bytes.
    pub kept: Kept,
    /// What else was found.
    pub found: T,
}

impl Store {
    /// The blob that `find` finds. Bytes of a row come from the same snapshot as what was found;
    /// a blob with a file is pinned first, then looked for in a fresh view.
    ///
    /// # Errors
    /// Those of `find`, and [`Error::Db`].
    pub fn readable<T>(
        &self,
        find: impl Fn(&View) -> Result<Option<(BlobId, Blob, T)>, Error>,
    ) -> Result<Option<Readable<T>>, Error> {
        let mut pin = None::<Pin>;
        loop {
            let view = self.view()?;
            let Some((id, blob, found)) = find(&view)? else { return Ok(None) };
            let kept = match (blob.place, pin.take().filter(|pin| pin.blob() == id)) {
                (Place::Inline, _) => Kept::Inline(view.inline(id)?),
                (Place::File(suffix), Some(pin)) => Kept::Placed(suffix, pin),
                // What it was asked for by may have another blob by the next look.
                (Place::File(_), None) => {
                    pin = Some(self.pins().pin(id));
                    continue;
                }
            };
            return Ok(Some(Readable { blob, kept, found }));
        }
    }
}
