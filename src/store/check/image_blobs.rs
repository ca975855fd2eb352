//! How many manifests of a repository name each of its blobs, what is charged for the others,
//! and their place in the index of upload links (I2).
//!
//! Counted in rounds, as manifests are: no table leads from a blob to the manifests that name it.

use std::collections::BTreeMap;

use super::fix::Fix;
use super::holders::ROUND;
use super::image_fix::ImageFix;
use super::index::IndexRow;
use super::shift::Shift;
use super::{Halt, Pass};
use crate::db::schema::{BLOBS, IMAGE_BLOBS, MANIFESTS};
use crate::db::{Found, Span};
use crate::model::{BlobId, ImageBlob, ImageId, Referrer, Refs, Usage};

type Key = (ImageId, BlobId);

/// Rows of one part of the table, by how many manifests name them.
#[derive(Default)]
struct Round {
    after: Option<Key>,
    rows: BTreeMap<Key, (Refs, u64)>,
    /// The last key of the part, unless it is the last part.
    last: Option<Key>,
    /// Rows that manifests name, and that are not there.
    lost: BTreeMap<Key, u64>,
    /// Rows that cannot be read.
    is_sure: bool,
}

impl Round {
    fn count(&mut self, key: Key) {
        if let Some((_, counted)) = self.rows.get_mut(&key) {
            *counted += 1;
        } else if self.after.is_none_or(|after| key > after)
            && self.last.is_none_or(|last| key <= last)
        {
            *self.lost.entry(key).or_default() += 1;
        }
    }
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_image_blobs(&mut self) -> Result<(), Halt> {
        let mut after = None;
        loop {
            let mut round = self.read_blobs(after)?;
            for row in MANIFESTS.cursor(self.rows, Span::all()) {
                self.walk.step()?;
                let Found::Row(_, manifest) = row? else { continue };
                for blob in manifest.blobs {
                    round.count((manifest.image, blob));
                }
            }
            for (key, (refs, counted)) in round.rows {
                self.compare_blob(key, refs, counted);
            }
            for (key, count) in round.lost {
                self.lost_blob(key, count, round.is_sure)?;
            }
            match round.last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    fn read_blobs(&mut self, after: Option<Key>) -> Result<Round, Halt> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut round = Round { after, is_sure: true, ..Round::default() };
        for row in IMAGE_BLOBS.cursor(self.rows, span) {
            self.walk.step()?;
            match row? {
                Found::Row(key, row) => {
                    self.check_image_blob(key, &row)?;
                    round.rows.insert(key, (row.refs, 0));
                    if round.rows.len() == ROUND {
                        round.last = Some(key);
                        break;
                    }
                }
                Found::Unreadable { key, what } => {
                    round.is_sure = false;
                    self.found.unreadable(IMAGE_BLOBS.name(), &key, &what);
                }
            }
        }
        Ok(round)
    }

    fn check_image_blob(&mut self, key: Key, row: &ImageBlob) -> Result<(), Halt> {
        self.found.recount.checked.image_blobs += 1;
        self.look_for_image(key.0)?;
        self.owe(&row.charged, Usage::of(row.size));
        let owner = |it: &Self| it.owner(&Referrer::Image(key.0), key.1);
        match row.refs {
            Refs::Free { until } => self.want(IndexRow::Link(until, key), |it| {
                format!("{} is not listed as an upload link that ends", owner(it))
            }),
            Refs::Held { .. } if row.charged.is_empty() => Ok(()),
            Refs::Held { .. } => {
                let (owner, user) = (owner(self), &row.charged);
                let what = format!("{owner} is charged to {user}, although a manifest names it");
                self.found.differ(what, Fix::Image(ImageFix::UnchargeBlob(key)));
                Ok(())
            }
        }
    }

    fn compare_blob(&mut self, key: Key, refs: Refs, counted: u64) {
        let shift = Shift { found: refs.count(), counted };
        if shift.found == counted && refs != (Refs::Held { count: 0 }) {
            return;
        }
        let owner = self.owner(&Referrer::Image(key.0), key.1);
        let what = format!(
            "{owner} is kept as {refs:?}, but {counted} manifests of the repository that name it \
             were counted"
        );
        self.found.differ(what, Fix::Image(ImageFix::BlobCount(key, shift)));
    }

    fn lost_blob(&mut self, key: Key, count: u64, is_sure: bool) -> Result<(), Halt> {
        let owner = self.owner(&Referrer::Image(key.0), key.1);
        if !BLOBS.has(self.rows, &key.1)? {
            let id = key.1.0;
            self.found.damage(format!(
                "{count} manifests name {owner} (blob {id}), which is lost; delete them and push \
                 them again"
            ));
        } else if is_sure {
            let what = format!("{owner} is not in the repository, but {count} manifests name it");
            self.found.differ(what, Fix::Image(ImageFix::Blob(key, count)));
        }
        Ok(())
    }
}
