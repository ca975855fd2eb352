//! Downloads: from a name to bytes that stay readable whatever is swept meanwhile.

use std::path::PathBuf;

use super::{Error, Tree};
use crate::model::{Blob, FilePath, Place};
use crate::store;
use crate::store::reading::{Kept, Readable};
use crate::store::view::File;

pub use crate::blobs::Source;

/// A file that is ready to be sent.
pub struct Opened {
    /// Its records.
    pub file: File,
    /// Its bytes.
    pub source: Source,
}

impl Tree {
    /// Opens the file at `path`; see [`store::Store::readable`].
    ///
    /// # Errors
    /// [`store::Error::NotFound`]; [`Error::Files`] when the file of a live row is missing, which
    /// is a damage that is also logged.
    pub fn open(&self, path: &FilePath) -> Result<Opened, Error> {
        let found = self.store.readable(|view| {
            let file = view.file(path)?;
            Ok(Some((file.artifact.blob, file.blob, file)))
        })?;
        let missing = || store::Error::NotFound(path.to_string());
        let Readable { blob, kept, found: file } = found.ok_or_else(missing)?;
        let source = match kept {
            Kept::Inline(bytes) => Source::Inline(bytes),
            Kept::Placed(suffix, pin) => self.files.open_pinned(blob.digest, suffix, pin, path)?,
        };
        Ok(Opened { file, source })
    }

    /// Where the file of a blob lies; `None` for a small one, which has none.
    #[must_use]
    pub fn file_of(&self, blob: &Blob) -> Option<PathBuf> {
        match blob.place {
            Place::Inline => None,
            Place::File(suffix) => Some(self.files.path_of(blob.digest, suffix)),
        }
    }
}

impl From<crate::db::Error> for Error {
    fn from(error: crate::db::Error) -> Self {
        Self::Store(store::Error::Db(error))
    }
}
