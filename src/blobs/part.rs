//! Reading a part of a file into memory of its own, which is written once: each byte that is sent
//! of a large blob comes this way. Defends I1 loudly: a file that is shorter than its record says
//! is an error.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

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

/// The first of these bytes of a file, as many as the system has in memory: for a thread that must
/// not wait for a disk, and that reads them sooner than another one would begin to. `None`: none,
/// or a file system that does not tell; then [`read_part`] does it.
#[must_use]
pub fn read_at_hand(file: &File, range: Range<u64>) -> Option<Bytes> {
    let mut chunk = vec![0; to_usize(range.end.checked_sub(range.start)?).ok()?];
    let parts = &mut [IoSliceMut::new(&mut chunk)];
    // Whatever fails here fails there again, and is told there.
    let count = preadv2(file, parts, range.start, ReadWriteFlags::NOWAIT).ok()?;
    chunk.truncate(count);
    (count > 0).then(|| chunk.into())
}

fn short(range: &Range<u64>, at: u64) -> io::Error {
    let text = format!("it ends at byte {at}, before {}; run a check", range.end);
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn to_usize(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_just_written_is_at_hand_and_what_is_not_there_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        // A file system that does not tell answers none, which is no error.
        for (range, wanted) in [(2..5, &b"234"[..]), (8..20, b"89")] {
            if let Some(bytes) = read_at_hand(&file, range) {
                assert_eq!(bytes, wanted);
            }
        }
        assert_eq!(read_at_hand(&file, 10..20), None);
        assert_eq!(read_at_hand(&file, 3..3), None);
        assert_eq!(read_part(&file, 2..5).unwrap(), &b"234"[..]);
        assert_eq!(read_part(&file, 8..20).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
