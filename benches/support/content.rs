//! Bytes that no store has seen before, made at next to no cost.
//!
//! Random bytes are drawn once; then every body differs in a stamp at its start. So nothing can be
//! deduplicated or compressed away, and the client's share of the processors stays small.
//! Defends no invariant.

use rand::RngCore;

/// An endless source of different bodies of one size.
pub struct Content {
    bytes: Vec<u8>,
    stamp: u64,
}

impl Content {
    /// Bodies of `size` bytes; at least 16 are needed for all of them to differ.
    pub fn new(size: usize) -> Self {
        let mut bytes = vec![0; size];
        rand::rng().fill_bytes(&mut bytes);
        Self { bytes, stamp: 0 }
    }

    /// The next body.
    pub fn next(&mut self) -> &[u8] {
        self.stamp += 1;
        let stamp = self.stamp.to_le_bytes();
        for (byte, stamp) in self.bytes.iter_mut().zip(stamp) {
            *byte = stamp;
        }
        &self.bytes
    }
}
