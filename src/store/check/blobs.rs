//! The walk over all blobs in the order of their ids, with their references, their inline bytes
//! and the list of collected ones side by side.

use std::iter::Peekable;

use super::super::referrers;
use super::fix::{Erase, Fix};
use super::shift::Shift;
use super::{Halt, Pass};
use crate::db::keys::Key;
use crate::db::schema::{ARTIFACTS, BLOBS, DIGESTS, FREE, INLINE, REFS, UNLINKS};
use crate::db::{self, Cursor, Found, Snapshot, Span};
use crate::model::{Blob, BlobId, Place, Referrer, Refs, Unlink, Usage};

/// A table whose keys begin with a blob's id.
struct Lane<'r, K: Key, V> {
    rows: Peekable<Cursor<'r, Snapshot, K, V>>,
    id: fn(&K) -> BlobId,
}

impl<'r, K: Key, V> Lane<'r, K, V> {
    fn new(cursor: Cursor<'r, Snapshot, K, V>, id: fn(&K) -> BlobId) -> Self {
        Self { rows: cursor.peekable(), id }
    }

    /// The blob of the next row. A key that is too short to tell sorts before all others.
    fn next_id(&mut self) -> Result<Option<BlobId>, Halt> {
        match self.rows.peek() {
            None => Ok(None),
            Some(Ok(Found::Row(key, _))) => Ok(Some((self.id)(key))),
            Some(Ok(Found::Unreadable { key, .. })) => {
                Ok(Some(BlobId::read(&mut key.as_slice()).unwrap_or(BlobId(0))))
            }
            Some(Err(error)) => Err(error.clone().into()),
        }
    }

    /// The next row, if it is one of blob `id`.
    fn take(&mut self, id: BlobId) -> Result<Option<Found<K, V>>, Halt> {
        if self.next_id()? != Some(id) {
            return Ok(None);
        }
        Ok(self.rows.next().transpose()?)
    }
}

/// What is known of one blob besides its own row.
#[derive(Default)]
struct Tally {
    /// Reference rows.
    references: u64,
    /// Some of them could not be read.
    in_doubt: bool,
    /// Those whose owner names this blob.
    needed: u64,
    /// One of the owners.
    owner: Option<String>,
    /// Length of the inline bytes.
    inline: Option<u64>,
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_blobs(&mut self) -> Result<(), Halt> {
        let mut blobs = Lane::new(BLOBS.cursor(self.rows, Span::all()), |id| *id);
        let mut refs = Lane::new(REFS.cursor(self.rows, Span::all()), |(id, _)| *id);
        let inline = INLINE.cursor_with(self.rows, Span::all(), length);
        let mut inline = Lane::new(inline, |id| *id);
        let mut unlinks = Lane::new(UNLINKS.cursor(self.rows, Span::all()), |id| *id);
        loop {
            let heads = [blobs.next_id()?, refs.next_id()?, inline.next_id()?, unlinks.next_id()?];
            let Some(id) = heads.into_iter().flatten().min() else { break };
            self.walk.step()?;
            let blob = self.readable(BLOBS.name(), blobs.take(id)?);
            let unlink = self.readable(UNLINKS.name(), unlinks.take(id)?);
            let mut tally = Tally::default();
            while let Some(row) = refs.take(id)? {
                self.reference(id, blob.as_ref().ok().and_then(Option::as_ref), row, &mut tally)?;
            }
            tally.inline = self.readable(INLINE.name(), inline.take(id)?).unwrap_or_default();
            match (blob, unlink) {
                (Ok(Some(blob)), unlink) => {
                    self.check_blob(id, &blob, &tally)?;
                    self.live_unlink(id, &blob, unlink.unwrap_or_default().as_ref());
                }
                (Ok(None), Ok(unlink)) => self.check_gone(id, unlink.as_ref(), &tally),
                // What belongs to a row that cannot be read stays as it is.
                (Ok(None), Err(())) | (Err(()), _) => {}
            }
        }
        self.check_artifacts()?;
        self.check_holds()
    }

    /// A row of truth. An error was noted.
    fn readable<V>(&mut self, table: &str, row: Option<Found<BlobId, V>>) -> Result<Option<V>, ()> {
        match row {
            None => Ok(None),
            Some(Found::Row(_, value)) => Ok(Some(value)),
            Some(Found::Unreadable { key, what }) => {
                self.found.unreadable(table, &key, &what);
                Err(())
            }
        }
    }

    /// Whether the owner of a reference names the blob.
    fn reference(
        &mut self,
        id: BlobId,
        blob: Option<&Blob>,
        row: Found<(BlobId, Referrer), ()>,
        tally: &mut Tally,
    ) -> Result<(), Halt> {
        self.walk.step()?;
        let referrer = match row {
            Found::Row((_, referrer), ()) => referrer,
            Found::Unreadable { key, what } => {
                tally.in_doubt = true;
                let erase: Erase = |txn, key| REFS.remove_unreadable(txn, key);
                self.broken(REFS.name(), key, &what, erase);
                return Ok(());
            }
        };
        tally.references += 1;
        self.found.recount.checked.references += 1;
        let named = match referrers::named_bytes(self.rows, &referrer, id) {
            // The walk over the names told of it.
            Err(db::Error::Corrupt { .. }) => return Ok(()),
            named => named?,
        };
        let Some(kept) = named else {
            let owner = self.owner(&referrer, id);
            let what =
                format!("blob {} has a reference from {owner}, which does not name it", id.0);
            self.found.differ(what, Fix::StrayReference(id, referrer));
            return Ok(());
        };
        match referrer {
            Referrer::Artifact(..) => self.met.references += 1,
            Referrer::Image(_) => self.met.image_references += 1,
            Referrer::Manifest(_) => self.met.manifest_references += 1,
            Referrer::Cached(_) | Referrer::PackageFile(_) => {}
        }
        tally.needed += 1;
        if blob.is_none() && tally.owner.is_none() {
            tally.owner = Some(self.owner(&referrer, id));
        }
        if let Some(blob) = blob.filter(|blob| blob.size != kept) {
            let (owner, real) = (self.owner(&referrer, id), blob.size);
            let what = format!("{owner} is listed with {kept} bytes, but its content has {real}");
            match referrer {
                Referrer::Artifact(format, path) => {
                    self.found.differ(what, Fix::Size(format, path));
                }
                Referrer::Image(_)
                | Referrer::Manifest(_)
                | Referrer::Cached(_)
                | Referrer::PackageFile(_) => {
                    self.found.damage(what);
                }
            }
        }
        Ok(())
    }

    fn check_blob(&mut self, id: BlobId, blob: &Blob, tally: &Tally) -> Result<(), Halt> {
        self.found.recount.checked.blobs += 1;
        let usage = Usage::of(blob.size);
        let stored = self.counted.stored(blob.place);
        *stored = stored.plus(usage);
        self.check_count(id, blob, tally);
        self.check_bytes(id, blob, tally);
        self.check_digest(id, blob)?;
        if let Refs::Free { until } = blob.refs {
            self.counted.free = self.counted.free.plus(usage);
            if !FREE.has(self.rows, &(until, id))? {
                let what = format!("free blob {} is not in the index of free blobs", blob.digest);
                self.found.differ(what, Fix::Index(id));
            }
        }
        Ok(())
    }

    fn check_count(&mut self, id: BlobId, blob: &Blob, tally: &Tally) {
        let shift = Shift { found: blob.refs.count(), counted: tally.references };
        if shift.found == shift.counted && blob.refs != (Refs::Held { count: 0 }) {
            return;
        }
        let what = format!(
            "blob {} is kept as {:?}, but {} references to it were counted",
            blob.digest, blob.refs, shift.counted
        );
        if tally.in_doubt {
            // Its references that cannot be read go first; then they are counted again.
            self.found.recount.add(what, super::Outcome::Repairable);
            return;
        }
        self.found.differ(what, Fix::RefCount(id, shift));
    }

    fn check_bytes(&mut self, id: BlobId, blob: &Blob, tally: &Tally) {
        let digest = blob.digest;
        match (blob.place, tally.inline) {
            (Place::Inline, Some(length)) if length == blob.size => {}
            (Place::Inline, Some(length)) => self.found.damage(format!(
                "blob {digest} has {length} bytes instead of {}; upload it again",
                blob.size
            )),
            (Place::Inline, None) => {
                self.found.damage(format!("the bytes of blob {digest} are missing"));
            }
            (Place::File(_), Some(_)) => {
                let what = format!("blob {digest} lies in a file, but has bytes in a row as well");
                self.found.differ(what, Fix::StrayInline(id));
            }
            (Place::File(_), None) => {}
        }
    }

    fn check_digest(&mut self, id: BlobId, blob: &Blob) -> Result<(), Halt> {
        let digest = blob.digest;
        let found = match DIGESTS.get(self.rows, &digest) {
            Err(db::Error::Corrupt { .. }) => None,
            found => found?,
        };
        match found {
            Some(found) if found == id => self.met.digests += 1,
            Some(other) if self.has_digest(other, blob)? => self.found.damage(format!(
                "blob {} and blob {} have the same digest {digest}; upload it again under all \
                 names of one of them",
                id.0, other.0
            )),
            _ => {
                let what = format!("blob {} cannot be found by its digest {digest}", id.0);
                self.found.differ(what, Fix::Digest(id));
            }
        }
        Ok(())
    }

    fn has_digest(&self, id: BlobId, like: &Blob) -> Result<bool, Halt> {
        match BLOBS.get(self.rows, &id) {
            Err(db::Error::Corrupt { .. }) => Ok(true),
            found => Ok(found?.is_some_and(|blob| blob.digest == like.digest)),
        }
    }

    /// A blob that is not there (any more).
    fn check_gone(&mut self, id: BlobId, unlink: Option<&Unlink>, tally: &Tally) {
        if let Some(owner) = &tally.owner {
            self.found.damage(format!(
                "the content of {owner} (blob {}) is lost, {} references name it; upload it again \
                 or delete it",
                id.0, tally.needed
            ));
        }
        let is_going = unlink.is_some_and(|gone| gone.place == Place::Inline);
        if let (Some(bytes), false) = (tally.inline, is_going) {
            let what = format!("{bytes} bytes of blob {} lie in a row, but it is not there", id.0);
            if tally.references > 0 || tally.in_doubt {
                self.found.damage(what);
            } else {
                self.found.differ(what, Fix::StrayInline(id));
            }
        }
        self.count_unlink(unlink);
    }

    fn live_unlink(&mut self, id: BlobId, blob: &Blob, unlink: Option<&Unlink>) {
        self.count_unlink(unlink);
        if unlink.is_some() {
            let what =
                format!("the bytes of live blob {} are listed as to be removed", blob.digest);
            self.found.differ(what, Fix::LiveUnlink(id));
        }
    }

    fn count_unlink(&mut self, unlink: Option<&Unlink>) {
        let Some(unlink) = unlink else { return };
        self.found.recount.checked.unlinks += 1;
        let leaving = self.counted.leaving(unlink.place);
        *leaving = leaving.plus(Usage::of(unlink.size));
    }

    /// Looks for files without their reference, if the numbers say that there are any.
    fn check_artifacts(&mut self) -> Result<(), Halt> {
        if self.met.references == ARTIFACTS.count(self.rows)? {
            return Ok(());
        }
        for row in ARTIFACTS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let Found::Row((format, path), file) = row? else { continue };
            let referrer = Referrer::Artifact(format, path.clone());
            if REFS.has(self.rows, &(file.blob, referrer.clone()))? {
                continue;
            }
            let (owner, id) = (self.owner(&referrer, file.blob), file.blob.0);
            if BLOBS.has(self.rows, &file.blob)? {
                let what = format!("{owner} names blob {id}, which does not know of it");
                self.found.differ(what, Fix::Reference(format, path));
            } else {
                self.found.damage(format!(
                    "{owner} names blob {id}, which is lost; upload it again or delete it"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn owner(&self, referrer: &Referrer, id: BlobId) -> String {
        let path = referrers::path(self.rows, referrer, id);
        path.unwrap_or_else(|_| format!("{referrer:?}"))
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is called like a reader that can fail")]
fn length(bytes: &[u8]) -> Result<u64, String> {
    Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
