//! npm: what is published as one document, and what its clients are told (spec gitlab §5).
//!
//! [`Posted`] is a document that arrived; [`Publication`] is one that can be true: its names fit
//! each other and the URL, and its tarball is what it says. [`Packument`] is all about a package.
//! Deliberately absent: HTTP, rights, and whatever another registry knows of a name.

pub mod document;
mod packument;
mod publication;
pub mod tarball;

use std::io::Read;

pub use packument::{Extent, Packument, tags};
pub use publication::Publication;

use super::{Arrived, Packages};
use crate::model::npm_package::NpmNameError;
use crate::model::{PackageKey, PackageKind, ProjectId, SeriesKey};
use crate::packages;
use crate::store::{self, View};
use document::{Document, DocumentError};
use tarball::TarballError;

/// Longest stored package.json, in bytes, without what is left out of it.
pub const MANIFEST_MAX: usize = 64 << 10;

/// Longest reason to deprecate a version, in bytes.
pub const REASON_MAX: usize = 4096;

/// Why something of npm's was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What all formats have.
    #[error(transparent)]
    Packages(#[from] packages::Error),
    /// The document.
    #[error(transparent)]
    Document(DocumentError<packages::Error>),
    /// A name, version or tag.
    #[error(transparent)]
    Name(#[from] NpmNameError),
    /// The tarball is not what is said of it.
    #[error(transparent)]
    Tarball(#[from] TarballError),
    /// No version is published.
    #[error("Version is empty.")]
    NoVersion,
    /// No tarball is.
    #[error("Attachment data is empty.")]
    NoAttachment,
    /// Two places of a document, or of it and the URL, say different things.
    #[error("the document says {what} {found:?} and has to say {expected:?}")]
    Differs {
        /// What it is.
        what: &'static str,
        /// What it says.
        found: String,
        /// What fits the rest.
        expected: String,
    },
    /// A sum of the tarball is no sum.
    #[error("{what} {found:?} is none; leave it out, or write what npm writes there")]
    NoSum {
        /// Where.
        what: &'static str,
        /// What is there.
        found: String,
    },
    /// A sum of the tarball is another one.
    #[error("{what} of the tarball is {actual} and not {said}; pack it again and publish that")]
    WrongSum {
        /// Where.
        what: &'static str,
        /// What is said.
        said: String,
        /// What it is.
        actual: String,
    },
    /// What is to be kept of package.json is too much.
    #[error("package.json is too large: {0} bytes of it, and up to {MANIFEST_MAX} are kept")]
    ManifestTooLarge(usize),
    /// A reason that nobody reads to its end.
    #[error("a reason to deprecate has up to {REASON_MAX} bytes, and this one has {0}")]
    ReasonTooLong(usize),
    /// No version that is here is deprecated or not any more.
    #[error("nothing to deprecate: none of these versions is here, or nothing is said of them")]
    NothingToDeprecate,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Packages(error.into())
    }
}

impl From<DocumentError<packages::Error>> for Error {
    fn from(error: DocumentError<packages::Error>) -> Self {
        match error {
            DocumentError::Refused(error) => Self::Packages(error),
            error => Self::Document(error),
        }
    }
}

/// A document that arrived, and its tarball. Dropping it leaves nothing.
pub struct Posted {
    /// What it says.
    pub document: Document,
    tarball: Option<Arrived>,
}

impl Packages {
    /// Takes in a document. May wait for a disk, and for more to arrive.
    ///
    /// # Errors
    /// [`Error::Document`]; [`packages::Error::TooLarge`] for its tarball, and the disk's.
    pub fn npm_receive(&self, from: impl Read) -> Result<Posted, Error> {
        let mut incoming = self.receive(PackageKind::Npm);
        let document = document::read(from, |piece| incoming.write(piece))?;
        let tarball = document.attachment.is_some().then(|| incoming.finish()).transpose()?;
        Ok(Posted { document, tarball })
    }

    /// Says of versions of a package why nobody should use them, as a document does; an empty
    /// reason takes it back. Waits for the commit.
    ///
    /// # Errors
    /// [`Error::NothingToDeprecate`], [`Error::ReasonTooLong`], and the store's.
    pub fn npm_deprecate(
        &self,
        project: ProjectId,
        series: &SeriesKey,
        document: &Document,
    ) -> Result<(), Error> {
        let view = self.store().view()?;
        let mut changes = Vec::new();
        for (version, reason) in &document.versions {
            let Some(reason) = reason else { continue };
            if reason.len() > REASON_MAX {
                return Err(Error::ReasonTooLong(reason.len()));
            }
            let Some(key) = npm_version_key(series, version) else { continue };
            if let Some((id, _)) = view.package_at(project, &key)? {
                changes.push((id, Some(reason.clone()).filter(|reason| !reason.is_empty())));
            }
        }
        drop(view);
        if changes.is_empty() {
            return Err(Error::NothingToDeprecate);
        }
        for some in changes.chunks(store::packages::DEPRECATIONS_MAX) {
            self.store().deprecate_packages(some.to_vec()).wait()?;
        }
        Ok(())
    }
}

/// The key of a version, if the text is one.
#[must_use]
pub fn npm_version_key(series: &SeriesKey, version: &str) -> Option<PackageKey> {
    let version = crate::model::PackageVersion::parse(version).ok()?;
    Some(PackageKey { series: series.clone(), version: Some(version) })
}

/// How a series is written by its publishers; `None`: there is no live package of it.
///
/// # Errors
/// The store's.
pub fn title(
    view: &View,
    project: ProjectId,
    series: &SeriesKey,
) -> Result<Option<String>, store::Error> {
    let first = view.packages_of_series(project, series, None, 1)?;
    Ok(first.into_iter().next().map(|(_, _, package)| package.title))
}
