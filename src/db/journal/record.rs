//! [`Batch`]: what was written since the last sync; [`Record`]: one batch in the journal.
//!
//! ```text
//! magic 8 | sum 4 | writes 4 | number 8 | base 8 | (offset 8, length 4) × writes | bytes …
//! ```
//!
//! Numbers are little-endian. The sum (CRC-32, as other databases use for their logs) covers all
//! that follows it. Records begin at whole blocks, so that writing one never touches another.

use std::io::{self, ErrorKind};

use bytes::{Buf, BufMut};
use redb::StorageBackend;

/// Records begin at multiples of this many bytes.
pub(super) const BLOCK_BYTES: u64 = 4096;

const MAGIC: u64 = u64::from_le_bytes(*b"larderj1");
/// The sum and what is before it.
const SUM_END: usize = 12;
const HEAD_BYTES: usize = 32;
const WRITE_BYTES: usize = 12;

/// Writes in their order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    writes: Vec<(u64, u32)>,
    bytes: Vec<u8>,
}

impl Batch {
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writes.push((offset, u32::try_from(bytes.len()).map_err(io::Error::other)?));
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Forgets everything, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.writes.clear();
        self.bytes.clear();
    }

    /// Gives memory beyond `bytes` back.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
    }

    /// What its record takes in the journal.
    pub(super) fn record_bytes(&self) -> u64 {
        record_bytes(self.writes.len(), as_u64(self.bytes.len()))
    }

    /// Writes it down as one record.
    pub(super) fn write(
        &self,
        file: &dyn StorageBackend,
        at: u64,
        (number, base): (u64, u64),
    ) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD_BYTES + WRITE_BYTES * self.writes.len());
        head.put_u64_le(MAGIC);
        head.put_u32_le(0);
        head.put_u32_le(u32::try_from(self.writes.len()).map_err(io::Error::other)?);
        head.put_u64_le(number);
        head.put_u64_le(base);
        for (offset, length) in &self.writes {
            head.put_u64_le(*offset);
            head.put_u32_le(*length);
        }
        let sum = sum(&head[SUM_END..], &self.bytes);
        head[SUM_END - 4..SUM_END].copy_from_slice(&sum.to_le_bytes());
        file.write(at, &head)?;
        if self.bytes.is_empty() {
            return Ok(());
        }
        file.write(at + as_u64(head.len()), &self.bytes)
    }
}

/// One that was read back, and is whole.
pub(super) struct Record {
    /// One more than that of the record before it.
    pub(super) number: u64,
    /// The first record whose writes may not be in place yet.
    pub(super) base: u64,
    batch: Batch,
}

impl Record {
    /// The record at `at`; `None`: there is none that is whole and ends before `end`.
    pub(super) fn read(file: &dyn StorageBackend, at: u64, end: u64) -> io::Result<Option<Self>> {
        if end.saturating_sub(at) < BLOCK_BYTES {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES];
        file.read(at, &mut head)?;
        let mut fields = &head[..];
        let (magic, told_sum, count) =
            (fields.get_u64_le(), fields.get_u32_le(), fields.get_u32_le());
        let (number, base) = (fields.get_u64_le(), fields.get_u64_le());
        let room = end - at;
        if magic != MAGIC || u64::from(count) > room / as_u64(WRITE_BYTES) {
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(io::Error::other)?;
        let mut table = vec![0; WRITE_BYTES * count];
        if as_u64(HEAD_BYTES + table.len()) > room {
            return Ok(None);
        }
        let table_at = at + as_u64(HEAD_BYTES);
        file.read(table_at, &mut table)?;
        let mut rest = &table[..];
        let writes: Vec<_> =
            std::iter::repeat_with(|| (rest.get_u64_le(), rest.get_u32_le())).take(count).collect();
        let length: u64 = writes.iter().map(|(_, length)| u64::from(*length)).sum();
        if record_bytes(count, length) > room {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read(table_at + as_u64(table.len()), &mut bytes)?;
        table.splice(..0, head[SUM_END..].iter().copied());
        let is_whole = sum(&table, &bytes) == told_sum;
        Ok(is_whole.then_some(Self { number, base, batch: Batch { writes, bytes } }))
    }

    /// What it takes in the journal.
    pub(super) fn bytes(&self) -> u64 {
        self.batch.record_bytes()
    }

    /// Writes everything to where it belongs.
    pub(super) fn apply(&self, main: &dyn StorageBackend) -> io::Result<()> {
        let mut rest = &self.batch.bytes[..];
        for (offset, length) in &self.batch.writes {
            let length = usize::try_from(*length).map_err(io::Error::other)?;
            let (bytes, more) = rest.split_at_checked(length).ok_or(ErrorKind::InvalidData)?;
            main.write(*offset, bytes)?;
            rest = more;
        }
        Ok(())
    }
}

fn record_bytes(writes: usize, bytes: u64) -> u64 {
    let head = as_u64(HEAD_BYTES.saturating_add(WRITE_BYTES.saturating_mul(writes)));
    head.saturating_add(bytes).next_multiple_of(BLOCK_BYTES)
}

fn sum(head: &[u8], bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head);
    sum.update(bytes);
    sum.finalize()
}

/// Lengths in memory always fit.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
