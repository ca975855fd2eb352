//! What can go wrong on this floor before a handler decides anything, and its status.
//!
//! Deliberately absent: the errors of the store and of the services; they are mapped where the
//! handlers are.

use http::StatusCode;

/// A request that is refused for its form. The message becomes the reason of the answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// 413. Sizes in bytes; `actual` is what had arrived when it was too much.
    #[error("Maximum request body size {max} exceeded, actual body size {actual}")]
    BodyTooLarge {
        /// The limit.
        max: usize,
        /// At least so many were sent.
        actual: usize,
    },
    /// 413. Bytes.
    #[error("uploads of up to {bytes_max} bytes are taken here, this one has {actual} or more")]
    UploadTooLarge {
        /// The limit.
        bytes_max: u64,
        /// At least so many were sent or announced.
        actual: u64,
    },
    /// 415.
    #[error("uploads encoded as gzip or deflate are decoded here, not {0:?}: send the file itself")]
    Encoding(String),
    /// 400: the body ended before its end, or is not encoded as its headers say.
    #[error("the request body is incomplete, send it again: {0}")]
    BodyBroken(String),
    /// 408: nothing more of the body came for so many seconds.
    #[error("no more of the request body arrived for {0} s, send it again")]
    BodyStalled(u64),
    /// 400: a form that is sent in parts, and is none.
    #[error("this is no form as multipart/form-data has it: {0}")]
    Form(String),
    /// 400.
    #[error("invalid JSON data: {0}")]
    Json(#[from] serde_json::Error),
    /// 421: a name that is not this machine, as after DNS rebinding.
    #[error("this server answers for localhost, 127.0.0.0/8 and [::1], not for {0:?}")]
    Host(String),
    /// 403: a page of another origin tries to change something.
    #[error("a page of {origin:?} may not change what is on {host:?}")]
    Origin {
        /// The `Origin` header.
        origin: String,
        /// The `Host` header.
        host: String,
    },
}

impl HttpError {
    /// The status that an answer with this reason has.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BodyTooLarge { .. } | Self::UploadTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::BodyBroken(_) | Self::Form(_) | Self::Json(_) => StatusCode::BAD_REQUEST,
            Self::BodyStalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin { .. } => StatusCode::FORBIDDEN,
        }
    }
}
