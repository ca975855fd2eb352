//! The list of an archive's members, with what is needed to begin anywhere in the archive.
//!
//! Short lists stay in memory, long ones go to a file without a name. Memory holds one mark for
//! so many members: where they begin in the list, in the archive and among the checksums.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

use super::header::{self, RECORD};
use super::{FORMAT_VERSION, SUMS};
use crate::model::{BlobId, Digest, Timestamp};

/// Bytes of a list that stay in memory.
const MEMORY_MAX: usize = 1 << 20;
/// Members between two marks.
const MARK_EVERY: u64 = 1024;
/// Bytes that are read ahead, and written at once.
const BUFFER: usize = 64 << 10;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Below the folder that all members are in.
    pub(super) path: String,
    pub(super) blob: BlobId,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) modified: Timestamp,
}

impl Member {
    /// Its headers in an archive of that name.
    pub(super) fn header(&self, archive: &str) -> Vec<u8> {
        header::encode(&format!("{archive}/{}", self.path), self.size, self.modified)
    }

    /// Its line among the checksums.
    pub(super) fn line(&self) -> String {
        format!("{}  {}\n", self.digest, self.path)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let length = u32::try_from(self.path.len()).map_err(io::Error::other)?;
        out.write_all(&self.blob.0.to_le_bytes())?;
        out.write_all(&self.size.to_le_bytes())?;
        out.write_all(&self.modified.0.to_le_bytes())?;
        out.write_all(&self.digest.0)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(self.path.as_bytes())?;
        Ok(8 + 8 + 8 + 32 + 4 + u64::from(length))
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let blob = BlobId(u64::from_le_bytes(array(from)?));
        let size = u64::from_le_bytes(array(from)?);
        let modified = Timestamp(u64::from_le_bytes(array(from)?));
        let digest = Digest(array(from)?);
        let length = u32::from_le_bytes(array(from)?);
        let mut path = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        from.read_exact(&mut path)?;
        let path = String::from_utf8(path).map_err(io::Error::other)?;
        Ok(Self { path, blob, size, digest, modified })
    }
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Where a member begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Members before it.
    index: u64,
    /// Bytes of the list before it.
    place: u64,
    /// Bytes of the archive before it.
    pub(super) offset: u64,
    /// Bytes of checksums before its own.
    pub(super) sums: u64,
}

/// A list that is being made.
pub(super) struct Lister {
    name: String,
    out: BufWriter<SpooledTempFile>,
    hash: Sha256,
    end: Mark,
    marks: Vec<Mark>,
    /// Somebody uploaded a file or folder of that name: ours would take its place where it is
    /// unpacked.
    has_sums: bool,
}

impl Lister {
    /// `dir` is where a long list goes.
    pub(super) fn new(name: String, dir: &Path) -> Self {
        let file = tempfile::spooled_tempfile_in(MEMORY_MAX, dir);
        let mut hash = Sha256::new_with_prefix(FORMAT_VERSION);
        hash.update(name.as_bytes());
        Self {
            name,
            out: BufWriter::with_capacity(BUFFER, file),
            hash,
            end: Mark::default(),
            marks: Vec::new(),
            has_sums: false,
        }
    }

    /// Appends a member; they come in the order of their paths.
    pub(super) fn add(&mut self, member: &Member) -> io::Result<()> {
        if self.end.index.is_multiple_of(MARK_EVERY) {
            self.marks.push(self.end);
        }
        self.hash.update(b"\0");
        self.hash.update(member.path.as_bytes());
        self.hash.update(b"\0");
        self.hash.update(member.digest.0);
        self.hash.update(member.size.to_le_bytes());
        self.hash.update(member.modified.0.to_le_bytes());
        let below = member.path.strip_prefix(SUMS);
        self.has_sums |= below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        let path = format!("{}/{}", self.name, member.path);
        let header = header::length(&path, member.size, member.modified);
        self.end.index += 1;
        self.end.place += member.write(&mut self.out)?;
        self.end.offset += header + member.size + header::padding(member.size);
        self.end.sums += length(member.line().as_bytes());
        Ok(())
    }

    /// The whole list; the checksums bear the time `made`.
    pub(super) fn finish(mut self, made: Timestamp) -> io::Result<List> {
        self.hash.update(made.0.to_le_bytes());
        let has_sums = self.end.index > 0 && !self.has_sums;
        let sums_header = if has_sums {
            header::encode(&format!("{}/{SUMS}", self.name), self.end.sums, made)
        } else {
            Vec::new()
        };
        let sums = if has_sums { self.end.sums } else { 0 };
        let sums_start = self.end.offset + length(&sums_header);
        let contents_end = sums_start + sums + header::padding(sums);
        let size = (contents_end + 2 * header::BLOCK).next_multiple_of(RECORD);
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(List {
            name: self.name,
            version: Digest(self.hash.finalize().into()),
            size,
            sums_header,
            sums_start,
            sums,
            end: self.end,
            marks: self.marks,
            file: BufReader::with_capacity(BUFFER, file),
            at: u64::MAX,
        })
    }
}

/// A list that is read from any mark on.
pub(super) struct List {
    pub(super) name: String,
    /// Of the list and of the form of the archive.
    pub(super) version: Digest,
    /// Bytes of the archive.
    pub(super) size: u64,
    /// Empty when there are no checksums.
    pub(super) sums_header: Vec<u8>,
    /// Where in the archive the checksums begin.
    pub(super) sums_start: u64,
    /// Their bytes.
    pub(super) sums: u64,
    /// Behind the last member.
    pub(super) end: Mark,
    marks: Vec<Mark>,
    file: BufReader<SpooledTempFile>,
    /// Members before the next one that is read.
    at: u64,
}

impl List {
    /// The last mark of which `offset` tells no more than `at`.
    pub(super) fn mark(&self, at: u64, offset: impl Fn(&Mark) -> u64) -> Mark {
        let behind = self.marks.partition_point(|mark| offset(mark) <= at);
        behind.checked_sub(1).and_then(|before| self.marks.get(before)).copied().unwrap_or_default()
    }

    /// Goes on reading there.
    pub(super) fn seek(&mut self, mark: Mark) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(mark.place))?;
        self.at = mark.index;
        Ok(())
    }

    /// The next member.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        if self.at >= self.end.index {
            return Ok(None);
        }
        self.at += 1;
        Member::read(&mut self.file).map(Some)
    }

    /// Bytes of memory that it takes, without the page that is being read.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let file = self.file.get_ref();
        let kept = if file.is_rolled() { 0 } else { usize::try_from(self.end.place).unwrap() };
        kept + self.marks.capacity() * size_of::<Mark>()
    }
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
