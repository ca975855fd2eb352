//! Floor 3: the dependency proxy: groups cache images of other registries (spec gitlab §1).
//!
//! [`Upstreams`] asks those registries; it is asynchronous, as waiting for them is all it does.
//! [`Proxy`] pulls through what groups have cached: manifests and lists of referrers by
//! questions that are asked once however many ask, blobs by flights that many follow.
//! Deliberately absent: HTTP as our clients speak it, and rights.

mod address;
mod answer;
mod blobs;
mod challenge;
mod checked;
mod connect;
mod exchange;
mod fetch;
mod fetched;
mod flight;
mod fresh;
mod manifests;
pub mod network;
mod next_page;
mod once;
mod outage;
mod passing;
mod places;
mod pulls;
mod rate;
mod referrers;
mod remote;
pub mod seal;
mod shelf;
mod source;
mod tls;
mod token;
mod traffic;
mod unanswered;
mod upstream;
mod via;

use std::io;
use std::path::PathBuf;

pub use address::DOCKER_HUB;
pub use answer::{Answer, Body};
pub use blobs::{BlobHead, PulledBlob};
pub use fetch::Refused;
pub use fetched::MANIFEST_BYTES_MAX;
pub use flight::Follower;
pub use manifests::{Document, Manifest};
pub use passing::Passing;
pub use pulls::{BLOB_BYTES_MAX, How, Limits, NotServed, Proxy};
pub use rate::RateLimit;
pub use source::{Patience, Source};
pub use traffic::{Counters, Pulled};
pub use unanswered::Unanswered;
pub use upstream::{Settings, Upstreams};
pub use via::Via;

/// Why the proxy cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that is none.
    #[error("{given:?} is no address of a registry: {why}; write https://HOST, without /v2/")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// Certificates that are none.
    #[error("the certificates of the upstream cannot be used: {0}; give some in PEM")]
    Certificates(String),
    /// Credentials that cannot be sent.
    #[error("the credentials of the upstream cannot be used: {0}")]
    Login(&'static str),
    /// The key file cannot be read or made.
    #[error("the key file {} of the proxy cannot be used: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file has something else in it.
    #[error(
        "the key file {} of the proxy is damaged: it has to be one line of 64 hex digits; bring \
         it back from a backup, or remove it and set the credentials of all groups again",
        path.display()
    )]
    KeyDamaged {
        /// The file.
        path: PathBuf,
    },
    /// There are sealed credentials, and no key file.
    #[error(
        "the credentials of this group were sealed with the key file {}, which is gone; bring it \
         back from a backup, or set the group's credentials again",
        path.display()
    )]
    KeyLost {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key file is not the one that was used.
    #[error(
        "the credentials of this group were sealed with another key than that of {}; bring the \
         right file back, or set the group's credentials again",
        path.display()
    )]
    KeyOther {
        /// The file.
        path: PathBuf,
    },
    /// They were changed, or sealed for another group.
    #[error("the sealed credentials of this group are damaged or of another; set them again")]
    Sealed,
    /// They were given for another registry.
    #[error(
        "the credentials of this group are for {theirs} and its upstream is {now}: they are not \
         sent there; set them again"
    )]
    Elsewhere {
        /// The registry that they were given for.
        theirs: String,
        /// The registry that would get them.
        now: String,
    },
}
