//! Downloads: from a name to bytes that stay readable whatever is swept meanwhile.

use std::path::PathBuf;

use bytes::Bytes;

use super::{Error, Tree};
use crate::blobs::{self, Pin};
use crate::model::{Blob, FilePath, Place};
use crate::store::view::File;
use crate::store::{self, View};

/// A file that is ready to be sent.
pub struct Opened {
    /// Its records.
    pub file: File,
    /// Its bytes.
    pub source: Source,
}

/// Where the bytes come from.
pub enum Source {
    /// Memory.
    Inline(Bytes),
    /// An open file, which stays readable when it is unlinked; the pin keeps its name too.
    File(std::fs::File, Pin),
}

impl Tree {
    /// Opens the file at `path`. An inline body comes from the same snapshot as its records; for
    /// a file, the blob is pinned first, then a fresh view tells whether it is still there.
    ///
    /// # Errors
    /// [`store::Error::NotFound`]; [`Error::Files`] when the file of a live row is missing, which
    /// is a damage that is also logged.
    pub fn open(&self, path: &FilePath) -> Result<Opened, Error> {
        let view = self.store.view()?;
        let file = view.file(path)?;
        let Place::File(_) = file.blob.place else {
            let bytes = view.inline(file.artifact.blob)?;
            return Ok(Opened { file, source: Source::Inline(bytes) });
        };
        drop(view);
        self.open_pinned(path, file)
    }

    /// Where the file of a blob lies; `None` for a small one, which has none.
    #[must_use]
    pub fn file_of(&self, blob: &Blob) -> Option<PathBuf> {
        match blob.place {
            Place::Inline => None,
            Place::File(suffix) => Some(self.files.path_of(blob.digest, suffix)),
        }
    }

    fn open_pinned(&self, path: &FilePath, mut file: File) -> Result<Opened, Error> {
        loop {
            let pin = self.store.pins().pin(file.artifact.blob);
            let view = self.store.view()?;
            let fresh = view.file(path)?;
            if fresh.artifact.blob == file.artifact.blob {
                let source = self.open_blob(&view, &fresh.blob, pin, path)?;
                return Ok(Opened { file: fresh, source });
            }
            // The path was overwritten meanwhile: pin what it holds now.
            file = fresh;
        }
    }

    fn open_blob(
        &self,
        view: &View,
        blob: &Blob,
        pin: Pin,
        path: &FilePath,
    ) -> Result<Source, Error> {
        match blob.place {
            Place::Inline => Ok(Source::Inline(view.inline(pin.blob())?)),
            Place::File(suffix) => match self.files.open_blob(blob.digest, suffix) {
                Ok(file) => Ok(Source::File(file, pin)),
                Err(error @ blobs::Error::Missing { .. }) => {
                    log::error!("{path} is damaged: {error}");
                    Err(error.into())
                }
                Err(error) => Err(error.into()),
            },
        }
    }
}

impl From<crate::db::Error> for Error {
    fn from(error: crate::db::Error) -> Self {
        Self::Store(store::Error::Db(error))
    }
}
