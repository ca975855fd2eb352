//! Reading a part of a file into memory of its own, which is written once: each byte that is sent
//! of a large blob comes this way. Defends I1 loudly: a file that is shorter than its record says
//! is an error.

use std::fs::File;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

/// These bytes of a file, all of them.
///
/// # Errors
/// What the disk says; [`io::ErrorKind::UnexpectedEof`] when there are fewer.
pub fn read_part(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let mut at = range.start;
    let mut chunk = Vec::with_capacity(to_usize(range.end - range.start)?);
    while at < range.end {
        match pread(file, spare_capacity(&mut chunk), at) {
            Ok(0) => return Err(short(&range, at)),
            Ok(count) => at += u64::try_from(count).map_err(io::Error::other)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    chunk.truncate(to_usize(range.end - range.start)?);
    Ok(chunk.into())
}

fn short(range: &Range<u64>, at: u64) -> io::Error {
    let text = format!("it ends at byte {at}, before {}; run a check", range.end);
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn to_usize(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(io::Error::other)
}
