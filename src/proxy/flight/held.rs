//! [`Held`]: the bytes of a flight that have come: the last ones in memory, those before them in
//! the file that is being written.
//!
//! What comes is held as it came until it is told of; then it becomes one piece, so that each of
//! perhaps fifty who read it has one write to do and not a dozen.
//!
//! Bytes leave the memory once they are in the file and others are the last ones; so whoever
//! reads at the front never waits for a disk, and whoever fell behind reads the file, at a
//! position of their own. What can be read from one of the two is never in neither.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::proxy::fetch::length;

/// Bytes that stay in memory although they are in the file; of each flight, and as long as
/// somebody follows it. The more there are who read them the more they are worth.
fn tail_bytes(followers: usize) -> u64 {
    length(followers.clamp(2, 8)) << 20
}

/// What has come.
#[derive(Default)]
pub(super) struct Held {
    /// Each with the position of its first byte; without gaps.
    tail: VecDeque<(u64, Bytes)>,
    /// So many bytes may be read.
    told: u64,
    /// What came since.
    untold: Vec<Bytes>,
    received: u64,
    file: Option<Arc<File>>,
    /// Bytes that are in the file.
    written: u64,
}

/// Where bytes are.
pub(super) enum At {
    /// Here.
    Memory(Bytes),
    /// In this file, from the position that was asked for up to this one.
    File(Arc<File>, u64),
    /// Nowhere: they have not come yet, or were not told of.
    Ahead,
}

impl Held {
    /// Takes the next bytes, which nobody reads before they are told of.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.received = self.received.saturating_add(length(bytes.len()));
        self.untold.push(bytes);
    }

    /// All that came may be read; tells how many bytes that is.
    pub(super) fn tell(&mut self) -> u64 {
        let piece = match self.untold.as_slice() {
            [] => return self.told,
            [one] => one.clone(),
            many => many.concat().into(),
        };
        self.untold.clear();
        self.tail.push_back((self.told, piece));
        self.told = self.received;
        self.told
    }

    /// Notes that so many bytes are in the file, while so many follow.
    pub(super) fn written(&mut self, file: &Arc<File>, written: u64, followers: usize) {
        let tail = tail_bytes(followers);
        self.file.get_or_insert_with(|| Arc::clone(file));
        self.written = written;
        while let Some((first, bytes)) = self.tail.front() {
            let end = first.saturating_add(length(bytes.len()));
            if end > written || self.told - end < tail {
                break;
            }
            self.tail.pop_front();
        }
    }

    /// How many bytes came, told of or not.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Where the bytes from `at` on are: some of them, at most up to `until`.
    pub(super) fn find(&self, at: u64, until: u64) -> At {
        let until = until.min(self.told);
        if at >= until {
            return At::Ahead;
        }
        let index = self.tail.partition_point(|(first, _)| *first <= at);
        match index.checked_sub(1).and_then(|index| self.tail.get(index)) {
            Some((first, bytes)) => At::Memory(part(bytes, at - first, until - first)),
            None => match &self.file {
                Some(file) => At::File(Arc::clone(file), until.min(self.written)),
                None => At::Ahead,
            },
        }
    }
}

fn part(bytes: &Bytes, from: u64, until: u64) -> Bytes {
    let clip = |at| usize::try_from(at).map_or(bytes.len(), |at: usize| at.min(bytes.len()));
    bytes.slice(clip(from)..clip(until))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_left_the_memory_is_in_the_file() {
        let piece = Bytes::from(vec![7; 300 << 10]);
        let mut file = tempfile::tempfile().unwrap();
        let shared = Arc::new(file.try_clone().unwrap());
        let mut held = Held::default();
        for _ in 0..10 {
            held.push(piece.clone());
            held.tell();
        }
        assert_eq!(held.received(), 10 * (300 << 10));
        assert!(matches!(held.find(0, 9), At::Memory(bytes) if bytes.len() == 9));
        for _ in 0..5 {
            file.write_all(&piece).unwrap();
        }
        held.written(&shared, 5 * (300 << 10), 0);
        // The file begins where the memory ended: nothing is in neither.
        let end = 5 * (300 << 10);
        assert!(matches!(held.find(0, u64::MAX), At::File(_, until) if until == end));
        assert!(matches!(held.find(end, u64::MAX), At::Memory(bytes) if bytes.len() == 300 << 10));
        held.written(&shared, 10 * (300 << 10), 0);
        let front = held.received() - 10;
        assert!(matches!(held.find(front, u64::MAX), At::Memory(bytes) if bytes.len() == 10));
        assert!(matches!(held.find(held.received(), u64::MAX), At::Ahead));
        let kept: usize = held.tail.iter().map(|(_, bytes)| bytes.len()).sum();
        let tail = tail_bytes(1);
        assert!((tail..=tail + (300 << 10)).contains(&length(kept)), "{kept}");
    }

    #[test]
    fn what_is_told_together_is_one_piece_and_nothing_is_read_before() {
        let mut held = Held::default();
        assert_eq!(held.tell(), 0);
        for piece in [&b"ab"[..], b"cd", b"e"] {
            held.push(Bytes::from_static(piece));
        }
        assert!(matches!(held.find(0, u64::MAX), At::Ahead));
        assert_eq!((held.received(), held.tell(), held.tell()), (5, 5, 5));
        assert!(matches!(held.find(0, u64::MAX), At::Memory(bytes) if bytes == "abcde"));
        held.push(Bytes::from_static(b"f"));
        assert!(matches!(held.find(1, u64::MAX), At::Memory(bytes) if bytes == "bcde"));
        assert_eq!(held.tell(), 6);
        assert!(matches!(held.find(5, u64::MAX), At::Memory(bytes) if bytes == "f"));
    }
}
