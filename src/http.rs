//! Floor 5: views over HTTP. `route` (pure) → handler → service or view → `reply`.
//!
//! Defends I9 at the door: a path becomes names once, here, and only the canonical names go on.
//! Deliberately absent: transactions, file names, and any rule about what may be done to a tag.

pub mod body;
pub mod conditional;
pub mod error;
pub mod file_body;
pub mod host;
pub mod json;
pub mod listen;
pub mod range;
pub mod reply;
pub mod route;

pub use error::HttpError;
