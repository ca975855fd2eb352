//! Blobs: who holds them, and until when they stay when nobody does (I2, I3; the state machine is
//! [`Refs`]).

use bytes::Bytes;

use super::tx::promised;
use super::{Error, Store, Tx};
use crate::blobs::Placed;
use crate::db::schema::{BLOBS, DIGESTS, FREE, INLINE, LAPSED, Meta, REFS};
use crate::db::{Pending, Rows};
use crate::model::{Blob, BlobId, Digest, Place, Referrer, Refs, Suffix, Usage};

/// What a name is to point to.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes that were hashed here, and are in memory or placed as a file (I1, I4).
    Uploaded {
        /// Their digest.
        digest: Digest,
        /// Their number.
        size: u64,
        /// Where they are.
        body: Body,
    },
    /// Bytes that are already stored.
    Stored(Digest),
}

/// Where uploaded bytes are.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory, to be stored as a row.
    Inline(Bytes),
    /// In the placed file with this suffix.
    File(Suffix),
}

impl Content {
    /// Their digest.
    pub(super) fn digest(&self) -> &Digest {
        match self {
            Self::Uploaded { digest, .. } | Self::Stored(digest) => digest,
        }
    }
}

impl Body {
    fn place(&self) -> Place {
        match self {
            Self::Inline(_) => Place::Inline,
            Self::File(suffix) => Place::File(*suffix),
        }
    }
}

/// Whether an upload's own bytes are the ones that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// They are the blob's bytes now: keep the file.
    Kept,
    /// The digest was known: throw the file away.
    Known,
}

/// Keeps the file whose row was committed, and throws the others away. When nobody knows whether
/// the row was committed, both names stay and the next start decides (I1).
pub fn settle(placed: Placed, result: Result<Arrival, &Error>) {
    match result {
        Ok(Arrival::Kept) => placed.keep(),
        Err(error) if !error.is_outcome_known() => drop(placed),
        Ok(Arrival::Known) | Err(_) => placed.discard(),
    }
}

impl Store {
    /// Promises that the blob stays for a lease, in a committed transaction, so that a client
    /// may be told that it need not send it. `None`: it is not here (any more).
    pub fn lease(&self, digest: Digest) -> Pending<Option<Blob>, Error> {
        self.change(move |tx| {
            let Some((id, blob)) = find(tx.txn, &digest)? else { return Ok(None) };
            tx.lease(id, blob).map(Some)
        })
    }
}

/// The blob with this digest. A row of a blob that was collected may still be in the index
/// ([`super::lapsed`]).
pub(super) fn id_of(rows: &impl Rows, digest: &Digest) -> Result<Option<BlobId>, Error> {
    let Some(id) = DIGESTS.get(rows, digest)? else { return Ok(None) };
    Ok((!LAPSED.has(rows, &id)?).then_some(id))
}

/// The blob with this digest, and its record.
pub(super) fn find(rows: &impl Rows, digest: &Digest) -> Result<Option<(BlobId, Blob)>, Error> {
    let Some(id) = id_of(rows, digest)? else { return Ok(None) };
    Ok(Some((id, promised(&BLOBS, rows, &id)?)))
}

impl Tx<'_, '_> {
    /// Keeps a blob for a lease from now on, whoever names it.
    pub(super) fn lease(&self, id: BlobId, mut blob: Blob) -> Result<Blob, Error> {
        let refs = blob.refs.lease(self.lease_end);
        if refs != blob.refs {
            self.unindex(id, &blob)?;
            blob.refs = refs;
            self.index(id, &blob)?;
            BLOBS.put(self.txn, &id, &blob)?;
        }
        Ok(blob)
    }

    /// Finds the blob that `content` means, if it is stored.
    pub(super) fn known(&self, content: &Content) -> Result<Option<BlobId>, Error> {
        let known = id_of(self.txn, content.digest())?;
        match content {
            Content::Stored(digest) if known.is_none() => Err(Error::BlobUnknown(*digest)),
            _ => Ok(known),
        }
    }

    /// Bytes of what `content` means.
    pub(super) fn size_of(&self, content: &Content, known: Option<BlobId>) -> Result<u64, Error> {
        match (content, known) {
            (_, Some(id)) => Ok(promised(&BLOBS, self.txn, &id)?.size),
            (Content::Uploaded { size, .. }, None) => Ok(*size),
            (Content::Stored(digest), None) => Err(Error::BlobUnknown(*digest)),
        }
    }

    /// Lets `referrer` hold a known blob.
    pub(super) fn hold(&self, id: BlobId, referrer: Referrer) -> Result<Blob, Error> {
        let mut blob = promised(&BLOBS, self.txn, &id)?;
        self.unindex(id, &blob)?;
        blob.refs = blob.refs.hold();
        BLOBS.put(self.txn, &id, &blob)?;
        REFS.put(self.txn, &(id, referrer), &())?;
        Ok(blob)
    }

    /// Adds a blob that is not known, held by `referrer`.
    pub(super) fn add(
        &self,
        (digest, size, body): (Digest, u64, &Body),
        referrer: Referrer,
    ) -> Result<BlobId, Error> {
        let id = BlobId(self.next(Meta::NEXT_BLOB)?);
        let place = body.place();
        let refs = Refs::Held { count: 1 };
        let blob = Blob { digest, size, place, refs, created: self.now };
        DIGESTS.put(self.txn, &digest, &id)?;
        BLOBS.put(self.txn, &id, &blob)?;
        REFS.put(self.txn, &(id, referrer), &())?;
        if let Body::Inline(bytes) = body {
            INLINE.put(self.txn, &id, bytes)?;
        }
        self.count(|totals| {
            let stored = totals.stored(place);
            *stored = stored.plus(Usage::of(size));
        })?;
        Ok(id)
    }

    /// Takes the reference of `referrer` away; the last one leaves a lease.
    pub(super) fn release(&self, id: BlobId, referrer: Referrer) -> Result<(), Error> {
        if !REFS.remove(self.txn, &(id, referrer))? {
            let what = format!("blob {} lacks the reference that is released", id.0);
            return Err(crate::db::Error::Corrupt { table: REFS.name(), what }.into());
        }
        let mut blob = promised(&BLOBS, self.txn, &id)?;
        blob.refs = blob.refs.release(self.lease_end);
        BLOBS.put(self.txn, &id, &blob)?;
        self.index(id, &blob)
    }

    /// Puts a free blob into the zero-count index.
    pub(super) fn index(&self, id: BlobId, blob: &Blob) -> Result<(), Error> {
        let Refs::Free { until } = blob.refs else { return Ok(()) };
        FREE.put(self.txn, &(until, id), &())?;
        self.count(|totals| totals.free = totals.free.plus(Usage::of(blob.size)))
    }

    /// Takes a free blob out of the zero-count index.
    pub(super) fn unindex(&self, id: BlobId, blob: &Blob) -> Result<(), Error> {
        let Refs::Free { until } = blob.refs else { return Ok(()) };
        FREE.remove(self.txn, &(until, id))?;
        self.count(|totals| totals.free = totals.free.minus(Usage::of(blob.size)))
    }
}
