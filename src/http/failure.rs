//! [`Failure`]: every way in which a handler can end without what was asked for, and the answer
//! to each. The one place that knows which status an error has (spec dlrepo §2).
//!
//! What is the client's to mend gets its own words; what is ours is logged in full and told in
//! general, since messages of the lower floors name files.

use std::time::Duration;

use http::StatusCode;
use warp::reply::Response;

use super::api::ApiError;
use super::registry::errors::{self, OciError};
use super::{HttpError, reply};
use crate::tree::post_process::Failed;
use crate::{db, packages, registry, store, tree};

/// Why there is no ordinary answer.
#[derive(Debug)]
pub enum Failure {
    /// The request's form.
    Http(HttpError),
    /// 400 with this reason.
    BadRequest(String),
    /// 401: whoever asks is to say who they are.
    Unauthorized {
        /// What a browser shows when it asks.
        realm: String,
    },
    /// 401: a token of the registry is for other scopes than this.
    InsufficientScope,
    /// 403: it is known who asks, and they lack the right.
    Forbidden,
    /// 429: too many logins have failed.
    TooManyLogins {
        /// When to try again.
        retry_after: Duration,
    },
    /// 503: whoever knows the people does not answer; the text is for the log only.
    LoginUnavailable(String),
    /// 404 with this reason.
    NotFound(String),
    /// 405 with this `Allow` list.
    MethodNotAllowed(&'static [&'static str]),
    /// 422 with this reason.
    Unprocessable(String),
    /// What the tree or the store says.
    Tree(tree::Error),
    /// What the registry says.
    Registry(Box<registry::Error>),
    /// What a handler of the registry says, in the words of its specification.
    Oci(Box<OciError>),
    /// What a handler of the API says, in GitLab's words.
    Api(Box<ApiError>),
    /// 500; the text is for the log only.
    Internal(String),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<tree::Error> for Failure {
    fn from(error: tree::Error) -> Self {
        Self::Tree(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Tree(error.into())
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<packages::Error> for Failure {
    fn from(error: packages::Error) -> Self {
        match error {
            packages::Error::Store(error) => Self::Tree(error.into()),
            packages::Error::Files(error) => Self::Tree(error.into()),
            packages::Error::TooLarge { .. } => ApiError::bad_request("File is too large").into(),
            error @ packages::Error::Mismatch { .. } => {
                ApiError::bad_request(&error.to_string()).into()
            }
        }
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::Oci(Box::new(error))
    }
}

impl Failure {
    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::Http(error) => return reply::refusal(&error),
            Self::Unauthorized { realm } => return reply::unauthorized(&realm),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden".to_owned()),
            Self::TooManyLogins { retry_after } => return reply::too_many_logins(retry_after),
            Self::LoginUnavailable(reason) => {
                return reply::text(StatusCode::SERVICE_UNAVAILABLE, login_unavailable(&reason));
            }
            Self::MethodNotAllowed(allow) => return reply::method_not_allowed(allow),
            Self::BadRequest(reason) => (StatusCode::BAD_REQUEST, reason),
            Self::NotFound(reason) => (StatusCode::NOT_FOUND, reason),
            Self::Unprocessable(reason) => (StatusCode::UNPROCESSABLE_ENTITY, reason),
            Self::Tree(error @ tree::Error::PostProcess { .. }) => return post_process(&error),
            Self::Tree(error) => (status(&error), error.to_string()),
            Self::InsufficientScope | Self::Registry(_) | Self::Oci(_) => {
                return errors::told(self).into_response();
            }
            Self::Api(error) => return error.into_response(),
            Self::Internal(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason),
        };
        if status.is_server_error() {
            return reply::text(status, own_fault(status, &reason));
        }
        reply::text(status, &reason)
    }
}

/// Logs why it cannot be found out who asks; what to tell.
pub(super) fn login_unavailable(reason: &str) -> &'static str {
    log::error!("answering 503: it cannot be found out who asks: {reason}");
    "Logins cannot be checked at the moment, try again"
}

/// Logs a fault of ours; what to tell.
pub(super) fn own_fault(status: StatusCode, reason: &str) -> &'static str {
    // A full disk is told once by whoever noticed; each refused upload is no news.
    let is_known = status == StatusCode::INSUFFICIENT_STORAGE;
    let level = if is_known { log::Level::Warn } else { log::Level::Error };
    log::log!(level, "answering {}: {reason}", status.as_u16());
    match status {
        StatusCode::INSUFFICIENT_STORAGE => {
            "The disk is full: delete something or enlarge it, then upload again"
        }
        StatusCode::SERVICE_UNAVAILABLE => "The database is not available, try again",
        _ => "The server failed, its log says why; if this was a change, ask whether it was made",
    }
}

/// The operator's command failed, which is for the operator to mend.
fn post_process(error: &tree::Error) -> Response {
    log::warn!("{error}");
    reply::text(status(error), "post process failed")
}

pub(super) fn status(error: &tree::Error) -> StatusCode {
    if error.is_full() {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    match error {
        tree::Error::Store(error) => store_status(error),
        tree::Error::NoImage { .. } => StatusCode::BAD_REQUEST,
        tree::Error::Mismatch(_) => StatusCode::UNPROCESSABLE_ENTITY,
        tree::Error::PostProcess { why: Failed::Stopped, .. } => StatusCode::SERVICE_UNAVAILABLE,
        tree::Error::Files(_) | tree::Error::List { .. } | tree::Error::PostProcess { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

pub(super) fn store_status(error: &store::Error) -> StatusCode {
    use store::Error;
    match error {
        Error::NotFound(_)
        | Error::BlobUnknown(_)
        | Error::AccountUnknown(_)
        | Error::GroupUnknown(_)
        | Error::MemberUnknown(_)
        | Error::ProjectUnknown(_)
        | Error::PackageUnknown(_) => StatusCode::NOT_FOUND,
        Error::PackageExists(_) | Error::PackageProtected(_) | Error::RoleEnded => {
            StatusCode::FORBIDDEN
        }
        Error::CredentialsEnded => StatusCode::UNAUTHORIZED,
        Error::IsFolder(_)
        | Error::IsFile(_)
        | Error::Changed(_)
        | Error::AccountExists(_)
        | Error::BlobInUse(_)
        | Error::GroupExists(_)
        | Error::ProjectExists(_)
        | Error::MemberExists(_)
        | Error::LastOwner(_)
        | Error::LastAdmin(_) => StatusCode::CONFLICT,
        Error::TagLocked(_)
        | Error::TagReleased(_)
        | Error::BranchProtected(_)
        | Error::JobLocked
        | Error::UploadToLockedJob
        | Error::FormatOfLockedJob
        | Error::DirtyFormats
        | Error::QuotaExceeded { .. }
        | Error::TokenName
        | Error::GroupName(_)
        | Error::GovernedText
        | Error::ProjectTooVisible { .. }
        | Error::TeamName
        | Error::DeployTokenText
        | Error::PackageFileExists(_)
        | Error::DuplicateNotAllowed(_)
        | Error::PackageNameTaken { .. }
        | Error::PackageRule(_)
        | Error::Version(_)
        | Error::ManifestBlobUnknown(_)
        | Error::ManifestUnknown(_)
        | Error::TagTaken { .. }
        | Error::ProductTaken(_)
        | Error::IsImage
        | Error::ListTooLong
        | Error::FormatConflict { .. } => StatusCode::BAD_REQUEST,
        Error::MetadataTooLarge { .. } | Error::ManifestTooLarge { .. } => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Error::Db(db::Error::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Db(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
