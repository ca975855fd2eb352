//! [`Reader`]: a range of an archive, made as it is sent (I1, loudly: a blob that is gone or
//! damaged ends it with an error, never early).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::super::{Error, Tree};
use super::header;
use super::list::{List, Mark, Member, length};
use crate::blobs::Pin;
use crate::model::Place;

/// Bytes that are made at once, about.
const CHUNK: usize = 256 << 10;

/// Makes the bytes of a range, chunk by chunk; blocks while it reads.
pub struct Reader {
    tree: Tree,
    list: List,
    /// What is still to be sent.
    rest: Range<u64>,
    pieces: VecDeque<Piece>,
    /// Where the pieces that were made so far end.
    made: u64,
    stage: Stage,
}

/// A contiguous part of the archive.
struct Piece {
    range: Range<u64>,
    source: Source,
}

enum Source {
    Bytes(Bytes),
    Zeros,
    /// Not opened yet: it may lie before what is to be sent.
    Blob(Member),
    File(File, Member, Pin),
}

#[derive(Clone, Copy)]
enum Stage {
    /// Looks for where to begin.
    Start,
    Members,
    SumsHeader,
    Sums,
    End,
    Done,
}

impl Reader {
    pub(super) fn new(tree: Tree, list: List, range: Range<u64>) -> Self {
        let rest = range.start..range.end.min(list.size);
        Self { tree, list, rest, pieces: VecDeque::new(), made: 0, stage: Stage::Start }
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When a blob is gone or damaged, which is logged too, or the list cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Bytes>> {
        let left = self.rest.end.saturating_sub(self.rest.start);
        let mut chunk = Vec::with_capacity(CHUNK.min(to_usize(left).unwrap_or(CHUNK)));
        while chunk.len() < CHUNK && self.rest.start < self.rest.end {
            let at = self.rest.start;
            match self.pieces.front() {
                None => self.more()?,
                Some(piece) if piece.range.end <= at => drop(self.pieces.pop_front()),
                Some(_) => {
                    let room = u64::try_from(CHUNK - chunk.len()).unwrap_or(u64::MAX);
                    let end = self.rest.end.min(at.saturating_add(room));
                    self.rest.start = self.append(&mut chunk, at..end)?;
                }
            }
        }
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }

    /// Appends what the first piece has of a range; tells where that ends.
    fn append(&mut self, chunk: &mut Vec<u8>, range: Range<u64>) -> io::Result<u64> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(range.start) };
        if let Source::Blob(member) = &piece.source {
            piece.source = open(&self.tree, &self.list.name, member)?;
        }
        let end = range.end.min(piece.range.end);
        let within = range.start - piece.range.start..end - piece.range.start;
        piece.source.append(chunk, within)?;
        Ok(end)
    }

    /// Makes the next pieces.
    fn more(&mut self) -> io::Result<()> {
        match self.stage {
            Stage::Start => return self.start(),
            Stage::Members => match self.list.next()? {
                Some(member) => self.member(member),
                None => self.stage = Stage::SumsHeader,
            },
            Stage::SumsHeader => {
                self.bytes(self.list.sums_header.clone());
                self.list.seek(Mark::default())?;
                self.stage = if self.list.sums > 0 { Stage::Sums } else { Stage::End };
            }
            Stage::Sums => {
                if let Some(member) = self.list.next()? {
                    self.bytes(member.line().into_bytes());
                } else {
                    self.add(header::padding(self.list.sums), Source::Zeros);
                    self.stage = Stage::End;
                }
            }
            Stage::End => {
                self.add(self.list.size.saturating_sub(self.made), Source::Zeros);
                self.stage = Stage::Done;
            }
            Stage::Done => return Err(io::Error::other("the archive is shorter than its size")),
        }
        Ok(())
    }

    /// Goes to the last mark before the first byte that is to be sent.
    fn start(&mut self) -> io::Result<()> {
        let (at, sums_start) = (self.rest.start, self.list.sums_start);
        if at < self.list.end.offset {
            let mark = self.list.mark(at, |mark| mark.offset);
            self.made = mark.offset;
            self.stage = Stage::Members;
            self.list.seek(mark)
        } else if self.list.sums > 0 && at >= sums_start {
            let mark = self.list.mark(at, |mark| sums_start + mark.sums);
            self.made = sums_start + mark.sums;
            self.stage = Stage::Sums;
            self.list.seek(mark)
        } else {
            self.made = self.list.end.offset;
            self.stage = Stage::SumsHeader;
            Ok(())
        }
    }

    fn member(&mut self, member: Member) {
        let size = member.size;
        self.bytes(member.header(&self.list.name));
        self.add(size, Source::Blob(member));
        self.add(header::padding(size), Source::Zeros);
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.add(length(&bytes), Source::Bytes(bytes.into()));
    }

    fn add(&mut self, length: u64, source: Source) {
        let range = self.made..self.made + length;
        self.made = range.end;
        self.pieces.push_back(Piece { range, source });
    }
}

impl Source {
    fn append(&self, chunk: &mut Vec<u8>, range: Range<u64>) -> io::Result<()> {
        let (start, end) = (to_usize(range.start)?, to_usize(range.end)?);
        match self {
            Self::Bytes(bytes) => {
                let part = bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
                chunk.extend_from_slice(part);
            }
            Self::Zeros => chunk.resize(chunk.len() + (end - start), 0),
            Self::File(file, member, _pin) => {
                let from = chunk.len();
                chunk.resize(from + (end - start), 0);
                let read = file.read_exact_at(&mut chunk[from..], range.start);
                read.inspect_err(|error| damaged(member, &error.to_string()))?;
            }
            Self::Blob(_) => return Err(io::Error::other("a blob that was not opened")),
        }
        Ok(())
    }
}

/// Opens a member's blob: pinned first, then looked up in a fresh view (design: reading while
/// things go).
fn open(tree: &Tree, archive: &str, member: &Member) -> io::Result<Source> {
    let pin = tree.store.pins().pin(member.blob);
    let view = tree.store.view().map_err(io::Error::other)?;
    let blob = view.blob(member.blob).map_err(io::Error::other)?;
    let Some(blob) = blob.filter(|blob| blob.digest == member.digest) else {
        let path = &member.path;
        log::warn!("the archive {archive} breaks off: {path} was deleted and collected meanwhile");
        return Err(io::ErrorKind::NotFound.into());
    };
    match blob.place {
        Place::Inline => {
            let bytes = view.inline(member.blob).map_err(io::Error::other)?;
            check_size(member, length(&bytes))?;
            Ok(Source::Bytes(bytes))
        }
        Place::File(suffix) => {
            let file = tree.files.open_blob(blob.digest, suffix).map_err(Error::from);
            let file = file.map_err(|error| {
                damaged(member, &error.to_string());
                io::Error::other(error)
            })?;
            check_size(member, file.metadata()?.len())?;
            Ok(Source::File(file, member.clone(), pin))
        }
    }
}

fn check_size(member: &Member, found: u64) -> io::Result<()> {
    if found == member.size {
        return Ok(());
    }
    let size = member.size;
    damaged(member, &format!("it has {found} bytes, its record says {size}; run a check"));
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn damaged(member: &Member, what: &str) {
    log::error!("an archive breaks off, {} is damaged: {what}", member.path);
}

fn to_usize(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(io::Error::other)
}
