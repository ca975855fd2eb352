//! Why a try to publish did not succeed. What a tag's status shows is this text, so it names no
//! file and no password.

use std::io;
use std::path::PathBuf;

use http::{Method, StatusCode};

use crate::model::Digest;
use crate::{blobs, db, store};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A blob's file could not be opened.
    #[error("a file cannot be read here, the log says why; run `larder check --hash`")]
    Files(#[from] blobs::Error),
    /// A blob's bytes are not what its digest says.
    #[error("the bytes of blob {0} are damaged here; run `larder check --hash`")]
    Damaged(Digest),
    /// The file with `login:password`.
    #[error(
        "the setting publish.auth gives no login: {0}; its file needs one line \
        login:password"
    )]
    Login(String),
    /// The file with certificates.
    #[error("{} gives no certificates: {why}; it needs some in PEM", path.display())]
    Certificates {
        /// The file, or the word for those of the system.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The folder that the filter command runs in.
    #[error("the folder {} for the filter command cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The filter command did not say yes or no.
    #[error("the filter command did not answer for {url}: {why}")]
    Filter {
        /// The target.
        url: String,
        /// What happened.
        why: String,
    },
    /// An address that is none.
    #[error("{url} is no address to ask: {why}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer came.
    #[error("{method} {url}: {why}")]
    Unanswered {
        /// The request.
        method: Method,
        /// Its address.
        url: String,
        /// What happened, from the outside in.
        why: String,
    },
    /// The target refused.
    #[error("{method} {url}: the target answered {status}: {said}")]
    Refused {
        /// The request.
        method: Method,
        /// Its address.
        url: String,
        /// The answer.
        status: StatusCode,
        /// The start of its body.
        said: String,
    },
    /// The answer is not what this API says.
    #[error("{url}: the target's answer cannot be understood: {why}")]
    Nonsense {
        /// The address that was asked.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// All was sent, and the target has something else.
    #[error(
        "{url} has the digest {theirs:?} instead of {ours}; it was removed there, to be sent \
        again"
    )]
    Differs {
        /// The job there.
        url: String,
        /// The digest here.
        ours: String,
        /// The digest there.
        theirs: String,
    },
    /// It is still there.
    #[error("{url} is still there after it was deleted")]
    StillThere {
        /// The tag there.
        url: String,
    },
    /// Something that was listed is gone.
    #[error("{0} was changed while it was published")]
    Changed(String),
    /// Several targets failed.
    #[error("{0}")]
    Targets(String),
    /// Somebody wants something else by now, or the server stops.
    #[error("halted")]
    Halted,
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Error {
    /// An error with those that caused it.
    pub(super) fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            cause = inner.source();
        }
        text
    }
}
