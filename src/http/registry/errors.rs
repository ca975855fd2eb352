//! Errors in the form of the registry's clients (OCI distribution specification 1.1, "Error
//! Codes"): `{"errors":[{"code","message","detail"}]}` for everything that is asked for under
//! `/v2/`. The one place that knows which code and status an error has there.
//!
//! What is the client's to mend gets its own words; what is ours is logged in full and told in
//! general, as in [`crate::http::failure`].
//! Deliberately absent: what a challenge says ([`super::challenge`]).

use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use serde_json::{Value, json};
use warp::reply::Response;

use crate::http::HttpError;
use crate::http::failure::{self, Failure};
use crate::http::reply;
use crate::http::route::render_allow;
use crate::model::OciManifestError;
use crate::{blobs, registry, store, tree};

/// What is wrong, in the specification's words; the last two are for faults of ours, for which
/// it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The repository does not have this blob.
    BlobUnknown,
    /// The upload cannot go on like this.
    BlobUploadInvalid,
    /// There is no such upload.
    BlobUploadUnknown,
    /// No digest, or not that of the bytes.
    DigestInvalid,
    /// A manifest names what its repository does not have.
    ManifestBlobUnknown,
    /// The manifest cannot be read, or breaks a rule.
    ManifestInvalid,
    /// The repository does not have this manifest.
    ManifestUnknown,
    /// No name of a repository.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// No number of lines of a list.
    PaginationNumberInvalid,
    /// Too many bytes, or fewer than announced.
    SizeInvalid,
    /// No name of a tag.
    TagInvalid,
    /// Whoever asks is to say who they are.
    Unauthorized,
    /// They may not.
    Denied,
    /// Not done here.
    Unsupported,
    /// Too often.
    TooManyRequests,
    /// It cannot be done at the moment.
    Unavailable,
    /// The server failed.
    Unknown,
}

impl Code {
    /// As clients know it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status of an answer with it, unless something says more.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::PaginationNumberInvalid => ("PAGINATION_NUMBER_INVALID", StatusCode::BAD_REQUEST),
            Self::SizeInvalid => ("SIZE_INVALID", StatusCode::BAD_REQUEST),
            Self::TagInvalid => ("TAG_INVALID", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Denied => ("DENIED", StatusCode::FORBIDDEN),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED),
            Self::TooManyRequests => ("TOOMANYREQUESTS", StatusCode::TOO_MANY_REQUESTS),
            Self::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// An error, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciError {
    code: Code,
    status: StatusCode,
    message: String,
    detail: Option<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl OciError {
    /// With the status of the code; the message says what to do next.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let status = code.status();
        Self { code, status, message: message.into(), detail: None, headers: Vec::new() }
    }

    /// What it is about, such as `{"digest": …}`.
    #[must_use]
    pub fn about(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// With another status than that of its code.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response {
        let (code, message) = (self.code.as_str(), self.message);
        let error = match self.detail {
            Some(detail) => json!({ "code": code, "message": message, "detail": detail }),
            None => json!({ "code": code, "message": message }),
        };
        let mut response = reply::json(&json!({ "errors": [error] }));
        *response.status_mut() = self.status;
        let response = reply::with(response, CONTENT_TYPE, "application/json");
        let set = |response, (name, value): (_, String)| reply::with(response, name, &value);
        self.headers.into_iter().fold(response, set)
    }
}

impl std::fmt::Display for OciError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// A failure as the registry tells it; faults of ours go into the log here.
#[must_use]
pub fn told(failure: Failure) -> OciError {
    match failure {
        Failure::Oci(error) => *error,
        Failure::Http(error) => of_http(&error),
        Failure::BadRequest(why) => OciError::new(Code::Unsupported, why).bad(),
        Failure::Unauthorized { .. } => {
            OciError::new(Code::Unauthorized, "Authentication is required.")
        }
        Failure::InsufficientScope => {
            let why = "the token is not for this: ask for one with the scope of the challenge";
            OciError::new(Code::Unauthorized, why)
        }
        Failure::Forbidden => {
            let why = "what you logged in with is not for this: take a token with the scope \
                       read_registry to pull, write_registry to push";
            OciError::new(Code::Denied, why)
        }
        Failure::TooManyLogins { retry_after } => {
            let seconds = reply::whole_seconds(retry_after).to_string();
            let why = "Too many logins have failed, try again later";
            OciError::new(Code::TooManyRequests, why).with_header(RETRY_AFTER, seconds)
        }
        Failure::LoginUnavailable(why) => {
            OciError::new(Code::Unavailable, failure::login_unavailable(&why))
        }
        Failure::NotFound(why) => OciError::new(Code::NameUnknown, why),
        Failure::MethodNotAllowed(allow) => {
            let why = format!("not done here; methods: {}", render_allow(allow));
            OciError::new(Code::Unsupported, why).with_header(ALLOW, render_allow(allow))
        }
        Failure::Unprocessable(why) => OciError::new(Code::DigestInvalid, why),
        Failure::Tree(error) => of_tree(&error),
        Failure::Registry(error) => of_registry(&error),
        Failure::Api(_) => fault(StatusCode::INTERNAL_SERVER_ERROR, "an answer of the API"),
        Failure::Internal(why) => fault(StatusCode::INTERNAL_SERVER_ERROR, &why),
    }
}

impl OciError {
    fn bad(self) -> Self {
        self.with_status(StatusCode::BAD_REQUEST)
    }
}

/// A fault of ours, or a disk that is full.
fn fault(status: StatusCode, why: &str) -> OciError {
    let code = match status {
        StatusCode::INTERNAL_SERVER_ERROR => Code::Unknown,
        _ => Code::Unavailable,
    };
    OciError::new(code, failure::own_fault(status, why)).with_status(status)
}

fn of_http(error: &HttpError) -> OciError {
    let code = match error {
        HttpError::BodyTooLarge { .. }
        | HttpError::UploadTooLarge { .. }
        | HttpError::BodyBroken(_)
        | HttpError::BodyStalled(_) => Code::SizeInvalid,
        HttpError::Encoding(_) => Code::Unsupported,
        HttpError::Form(_) | HttpError::Json(_) => Code::ManifestInvalid,
        HttpError::Host(_) | HttpError::Origin { .. } => Code::Denied,
    };
    OciError::new(code, error.to_string()).with_status(error.status())
}

fn of_tree(error: &tree::Error) -> OciError {
    match error {
        tree::Error::Store(error) => of_store(error),
        tree::Error::Files(error) => of_files(error),
        tree::Error::Mismatch(_) => OciError::new(Code::DigestInvalid, error.to_string()),
        tree::Error::NoImage { .. } => OciError::new(Code::ManifestInvalid, error.to_string()),
        tree::Error::List { .. } | tree::Error::PostProcess { .. } => {
            fault(failure::status(error), &error.to_string())
        }
    }
}

fn of_registry(error: &registry::Error) -> OciError {
    use registry::Error;
    match error {
        Error::Store(error) => of_store(error),
        Error::Files(error) => of_files(error),
        Error::Manifest(error) => of_manifest(error),
        Error::Damaged { .. } => fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Error::SizeDiffers { at, digest, said, actual } => {
            let digest = digest.to_string();
            let detail = json!({ "at": at, "digest": digest, "size": said, "actual": actual });
            OciError::new(Code::ManifestInvalid, error.to_string()).about(detail)
        }
        Error::UploadUnknown(_)
        | Error::UploadBusy(_)
        | Error::UploadDisorder { .. }
        | Error::UploadLength { .. }
        | Error::UploadTooLarge { .. }
        | Error::Mismatch { .. } => of_upload(error),
    }
}

/// What a client did to an upload. Two writers at once is what 409 is for; the specification has
/// no code for it.
fn of_upload(error: &registry::Error) -> OciError {
    use registry::Error;
    let why = error.to_string();
    match error {
        Error::UploadUnknown(id) => {
            OciError::new(Code::BlobUploadUnknown, why).about(json!({ "upload": id.to_string() }))
        }
        Error::UploadBusy(id) => OciError::new(Code::BlobUploadInvalid, why)
            .about(json!({ "upload": id.to_string() }))
            .with_status(StatusCode::CONFLICT),
        Error::UploadDisorder { received, .. } => OciError::new(Code::BlobUploadInvalid, why)
            .about(json!({ "received": received }))
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE),
        Error::UploadLength { announced, came } => OciError::new(Code::SizeInvalid, why)
            .about(json!({ "announced": announced, "came": came })),
        Error::UploadTooLarge { bytes_max, .. } => OciError::new(Code::SizeInvalid, why)
            .about(json!({ "bytes_max": bytes_max }))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE),
        Error::Mismatch { expected, found } => OciError::new(Code::DigestInvalid, why)
            .about(json!({ "expected": expected.to_string(), "found": format!("sha256:{found}") })),
        Error::Store(_)
        | Error::Files(_)
        | Error::Manifest(_)
        | Error::Damaged { .. }
        | Error::SizeDiffers { .. } => fault(StatusCode::INTERNAL_SERVER_ERROR, &why),
    }
}

fn of_manifest(error: &OciManifestError) -> OciError {
    let why = error.to_string();
    match error {
        OciManifestError::TooLarge { .. } => {
            OciError::new(Code::SizeInvalid, why).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        OciManifestError::SchemaOne => OciError::new(Code::Unsupported, why).bad(),
        OciManifestError::Digest { at, source } => {
            let detail = json!({ "at": at, "digest": source.0 });
            OciError::new(Code::ManifestInvalid, why).about(detail)
        }
        OciManifestError::Size { at, size } => {
            OciError::new(Code::ManifestInvalid, why).about(json!({ "at": at, "size": size }))
        }
        _ => OciError::new(Code::ManifestInvalid, why),
    }
}

fn of_files(error: &blobs::Error) -> OciError {
    let status = if error.is_full() {
        StatusCode::INSUFFICIENT_STORAGE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    fault(status, &error.to_string())
}

fn of_store(error: &store::Error) -> OciError {
    use store::Error;
    let why = error.to_string();
    match error {
        Error::NotFound(path) => {
            OciError::new(Code::NameUnknown, why).about(json!({ "path": path }))
        }
        Error::BlobUnknown(digest) => OciError::new(Code::BlobUnknown, why)
            .about(json!({ "digest": format!("sha256:{digest}") })),
        Error::UploadToLockedJob => {
            OciError::new(Code::Denied, format!("{why}: push another tag, or unlock the job"))
        }
        Error::FormatOfLockedJob => OciError::new(Code::Denied, format!("{why}: unlock it first")),
        Error::TagLocked(_)
        | Error::TagReleased(_)
        | Error::BranchProtected(_)
        | Error::JobLocked
        | Error::DirtyFormats
        | Error::IsImage
        | Error::ListTooLong
        | Error::RoleEnded
        | Error::QuotaExceeded { .. } => OciError::new(Code::Denied, why),
        Error::FormatConflict { format, version, job } => OciError::new(Code::Denied, why)
            .about(json!({ "format": format.as_str(), "version": version, "job": job })),
        Error::IsFolder(_) | Error::IsFile(_) | Error::Version(_) => {
            OciError::new(Code::ManifestInvalid, why)
        }
        Error::CredentialsEnded => OciError::new(Code::Unauthorized, why),
        Error::Changed(_) => OciError::new(Code::Unavailable, why),
        Error::GroupUnknown(_) => OciError::new(Code::NameUnknown, why),
        Error::MetadataTooLarge { .. } => {
            OciError::new(Code::SizeInvalid, why).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        Error::AccountExists(_)
        | Error::AccountUnknown(_)
        | Error::LastAdmin(_)
        | Error::GroupExists(_)
        | Error::GroupName(_)
        | Error::GovernedText
        | Error::ProjectExists(_)
        | Error::ProjectUnknown(_)
        | Error::ProjectTooVisible { .. }
        | Error::MemberExists(_)
        | Error::MemberUnknown(_)
        | Error::LastOwner(_)
        | Error::TeamName
        | Error::DeployTokenText
        | Error::PackageUnknown(_)
        | Error::PackageExists(_)
        | Error::PackageFileExists(_)
        | Error::DuplicateNotAllowed(_)
        | Error::PackageProtected(_)
        | Error::PackageNameTaken { .. }
        | Error::PackageRule(_)
        | Error::TokenName => OciError::new(Code::Unsupported, why).bad(),
        // The specification has one code for both that a manifest names and that are not there.
        Error::ManifestBlobUnknown(digest) | Error::ManifestUnknown(digest) => {
            OciError::new(Code::ManifestBlobUnknown, why)
                .about(json!({ "digest": digest.to_string() }))
        }
        Error::ManifestTooLarge { what, found, most } => OciError::new(Code::ManifestInvalid, why)
            .about(json!({ "what": what, "found": found, "most": most }))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE),
        Error::BlobInUse(digest) => OciError::new(Code::Unsupported, why)
            .about(json!({ "digest": digest.to_string() }))
            .with_header(ALLOW, "GET,HEAD"),
        Error::TagTaken { tag, other } => OciError::new(Code::Denied, why)
            .about(json!({ "tag": tag.as_str(), "taken_by": other })),
        Error::ProductTaken(path) => {
            OciError::new(Code::Denied, why).about(json!({ "product": path }))
        }
        Error::Db(db) if db.is_full() => fault(StatusCode::INSUFFICIENT_STORAGE, &why),
        Error::Db(_) => fault(failure::store_status(error), &why),
    }
}

#[cfg(test)]
mod tests;
