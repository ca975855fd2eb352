//! Upload links whose time is over: the repository lets go of blobs that none of its manifests
//! names.
//!
//! Works in slices (I7), and tests each link in the transaction that ends it (I3): one that was
//! renewed, or that became a manifest's, stays. The cost follows what ends, from the start of the
//! index of links. Deliberately absent: collecting the blob, which has its ordinary lease now.

use std::time::Duration;

use super::image_blobs::ImageBlobKey;
use super::tx::promised;
use super::{Budget, Error, Store, Tx, View, charges};
use crate::db::schema::{BLOBS, CHARGES, IMAGE_BLOBS, IMAGE_LINKS, IMAGE_NAMES, IMAGES, REFS};
use crate::db::{SliceTimes, Span};
use crate::model::{ImageBlob, Referrer, Refs, Timestamp, Usage};

/// Where a scan of the index of links stands.
pub type LinkKey = (Timestamp, ImageBlobKey);

/// What one slice of ending links did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Links that ended, and the bytes of their blobs.
    pub usage: Usage,
    /// Rows that cannot be, as sentences; they stay.
    pub errors: Vec<String>,
    /// Where to go on; `None` when no link that is over is left.
    pub next: Option<LinkKey>,
}

impl Store {
    /// One slice of ending links whose time is over, from behind `after` on.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn expire_links_slice(
        &self,
        after: Option<LinkKey>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Expired, SliceTimes), Error> {
        self.slice(move |tx| {
            let budget = Budget::new(work, rows_max);
            let mut done = Expired::default();
            // One more than may be taken, which tells whether there is a next slice.
            let limit = usize::try_from(rows_max.max(1)).unwrap_or(usize::MAX).saturating_add(1);
            let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
            let mut last = after;
            for (link, ()) in IMAGE_LINKS.page(tx.txn, span, limit)? {
                if link.0 > tx.now {
                    break;
                }
                if !budget.take() {
                    done.next = last;
                    break;
                }
                last = Some(link);
                match tx.expire_link(link) {
                    Ok(usage) => done.usage = done.usage.plus(usage),
                    Err(Error::Db(error @ crate::db::Error::Corrupt { .. })) => {
                        done.errors.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        })
    }
}

impl View {
    /// The earliest moment at which an upload link ends.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_link_end(&self) -> Result<Option<Timestamp>, Error> {
        Ok(IMAGE_LINKS.first(&self.snapshot, Span::all())?.map(|((until, _), ())| until))
    }
}

impl Tx<'_, '_> {
    fn expire_link(&self, (until, key): LinkKey) -> Result<Usage, Error> {
        let row = promised(&IMAGE_BLOBS, self.txn, &key)?;
        if row.refs != (Refs::Free { until }) {
            let what = format!("blob {} of an image is not free until then", key.1.0);
            return Err(crate::db::Error::Corrupt { table: IMAGE_LINKS.name(), what }.into());
        }
        self.look_at_link(key, &row)?;
        self.drop_link(key, &row)?;
        Ok(Usage::of(row.size))
    }

    /// Reads all that changes when a link ends, before anything is changed, so that a row that
    /// cannot be holds up nothing but its own link.
    fn look_at_link(&self, key: ImageBlobKey, row: &ImageBlob) -> Result<(), Error> {
        let (image, blob) = key;
        if let Some(user) = charges::user_of(&row.charged)? {
            CHARGES.get(self.txn, &user)?;
        }
        promised(&BLOBS, self.txn, &blob)?;
        if !REFS.has(self.txn, &(blob, Referrer::Image(image)))? {
            let what = format!("blob {} lacks the reference of an image", blob.0);
            return Err(crate::db::Error::Corrupt { table: REFS.name(), what }.into());
        }
        let name = promised(&IMAGE_NAMES, self.txn, &image)?;
        promised(&IMAGES, self.txn, &name).map(drop)
    }
}
