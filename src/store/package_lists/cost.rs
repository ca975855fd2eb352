//! What would come back if packages went: exact bytes, over the union of their blobs.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::db::Span;
use crate::db::schema::{BLOBS, PACKAGE_FILES, PACKAGE_FILES_IN};
use crate::model::{BlobId, PackageId, Usage};
use crate::store::tx::promised;
use crate::store::{Error, View};

/// Adds up packages.
#[derive(Debug, Default)]
pub struct PackageCost {
    /// References of the packages to each blob.
    blobs: HashMap<BlobId, u64>,
}

impl PackageCost {
    /// Adds a package with all of its files, those on their way out included.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn add(&mut self, view: &View, package: PackageId) -> Result<(), Error> {
        PACKAGE_FILES_IN.each(&view.snapshot, Span::under(&package), |(_, id), ()| {
            let file = promised(&PACKAGE_FILES, &view.snapshot, &id)?;
            *self.blobs.entry(file.blob).or_default() += 1;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The blobs that nothing else holds, and their bytes.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn freed(&self, view: &View) -> Result<Usage, Error> {
        let mut freed = Usage::default();
        for (blob, references) in &self.blobs {
            let blob = promised(&BLOBS, &view.snapshot, blob)?;
            if blob.refs.count() == *references {
                freed.files += 1;
                freed.bytes += blob.size;
            }
        }
        Ok(freed)
    }
}
