//! [`Source`]: where the bytes of a blob that is being read come from.
//!
//! Defends I1 loudly: the file of a live row that is missing is a damage, and is logged as one.
//! Deliberately absent: finding and pinning the blob, which is done with its rows.

use std::fmt::Display;
use std::fs::File;

use bytes::Bytes;

use super::{BlobFiles, Error, Pin};
use crate::model::{Digest, Suffix};

/// Where the bytes come from.
#[derive(Debug)]
pub enum Source {
    /// Memory.
    Inline(Bytes),
    /// An open file, which stays readable when it is unlinked; the pin keeps its name too.
    File(File, Pin),
}

impl BlobFiles {
    /// Opens the file of a blob that is pinned and has a row. `named` is what it was asked for by.
    ///
    /// # Errors
    /// [`Error::Missing`], which is logged as a damage, and [`Error::Io`].
    pub fn open_pinned(
        &self,
        digest: Digest,
        suffix: Suffix,
        pin: Pin,
        named: &dyn Display,
    ) -> Result<Source, Error> {
        match self.open_blob(digest, suffix) {
            Ok(file) => Ok(Source::File(file, pin)),
            Err(error @ Error::Missing { .. }) => {
                log::error!("{named} is damaged: {error}");
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}
