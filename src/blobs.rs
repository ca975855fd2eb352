//! Blobs.
pub mod pins;
