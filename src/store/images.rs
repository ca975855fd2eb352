//! Images: the repositories of the registry. One is made by its first blob or manifest and goes
//! with the last row below it, in the same transactions (I2), so a name leads to something or is
//! free.
//!
//! Deliberately absent: deleting a repository as a whole; its tags, manifests and blobs go one by
//! one or by their own rules.

use super::{Error, Tx, View};
use crate::db::keys::PrefixOf;
use crate::db::schema::{IMAGE_BLOBS, IMAGE_NAMES, IMAGE_TAGS, IMAGES, MANIFEST_NAMES, Meta};
use crate::db::{Rows, Span, Table};
use crate::model::{Image, ImageId, ImageName};

impl View {
    /// A repository of the registry; `None`: nothing is in it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image(&self, name: &ImageName) -> Result<Option<Image>, Error> {
        Ok(IMAGES.get(&self.snapshot, name)?)
    }

    /// The repositories of the registry behind `after`, at most `limit` of them, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn images(
        &self,
        after: Option<&ImageName>,
        limit: usize,
    ) -> Result<Vec<(ImageName, Image)>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(after));
        Ok(IMAGES.page(&self.snapshot, span, limit)?)
    }

    /// The name of a repository; `None`: it went since.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_name(&self, id: ImageId) -> Result<Option<ImageName>, Error> {
        Ok(IMAGE_NAMES.get(&self.snapshot, &id)?)
    }
}

impl Tx<'_, '_> {
    /// The id of a repository, which is made if this is the first thing in it.
    pub(super) fn image_or_new(&self, name: &ImageName) -> Result<ImageId, Error> {
        if let Some(image) = IMAGES.get(self.txn, name)? {
            return Ok(image.id);
        }
        let image = Image { id: ImageId(self.next(Meta::NEXT_IMAGE)?), created: self.now };
        IMAGES.put(self.txn, name, &image)?;
        IMAGE_NAMES.put(self.txn, &image.id, name)?;
        Ok(image.id)
    }

    /// Forgets a repository if nothing is in it any more. One that is not there stays so.
    pub(super) fn drop_image_if_empty(&self, image: ImageId) -> Result<(), Error> {
        let is_empty = is_empty(self.txn, &IMAGE_BLOBS, image)?
            && is_empty(self.txn, &MANIFEST_NAMES, image)?
            && is_empty(self.txn, &IMAGE_TAGS, image)?;
        if !is_empty {
            return Ok(());
        }
        if let Some(name) = IMAGE_NAMES.get(self.txn, &image)? {
            IMAGE_NAMES.remove(self.txn, &image)?;
            IMAGES.remove(self.txn, &name)?;
        }
        Ok(())
    }
}

/// Whether no row lies under a repository; one that cannot be read is one.
fn is_empty<K, V>(rows: &impl Rows, table: &Table<K, V>, image: ImageId) -> Result<bool, Error>
where
    K: crate::db::keys::Key,
    V: crate::db::codec::Value,
    ImageId: PrefixOf<K>,
{
    Ok(!table.has_any(rows, Span::under(&image))?)
}
