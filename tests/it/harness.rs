//! The harness: [`TestServer`] starts the binary and asks it, [`needs`] names what else a test
//! wants of the machine, [`Outcome`] tells what a command said.

pub mod bad_upstream;
pub mod client;
pub mod docker_registry;
pub mod engine;
pub mod image_layout;
pub mod load;
pub mod maven;
pub mod mounts;
pub mod needs;
pub mod npm;
pub mod outcome;
pub mod parts;
pub mod peer;
pub mod people;
pub mod pieces;
pub mod program;
pub mod publishing;
pub mod pulling;
pub mod pusher;
pub mod registry;
pub mod response;
pub mod server;
pub mod slapd;
pub mod sweeps;

pub use client::Connection;
pub use needs::{needs, needs_client};
pub use outcome::Outcome;
pub use response::Response;
pub use server::{TestServer, larder};

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The SHA-256 of `bytes` as the header `Digest` has it.
pub fn digest_of(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// The SHA-256 of `bytes` in hex.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Bytes that no two seeds share, and no two blocks of them.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let step = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.to_be_bytes()[0]
    };
    let mut block: Vec<_> = std::iter::repeat_with(step).take(BLOCK).collect();
    let mut bytes = Vec::with_capacity(length + BLOCK);
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        let at = bytes.len().to_le_bytes();
        block[..at.len()].copy_from_slice(&at);
    }
    bytes.truncate(length);
    bytes
}

/// Looks again and again until `look` finds something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
