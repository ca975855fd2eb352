//! Tables of failures and how the registry's clients are told of them.

use std::time::Duration;

use http_body_util::BodyExt;

use super::*;
use crate::model::{Digest, FormatName, OciDigest, UploadId, UserName};

/// The status, the code, the detail and a header of the one error in an answer.
async fn answer(failure: Failure) -> (u16, String, Value, http::HeaderMap) {
    let response = told(failure).into_response();
    let (parts, body) = response.into_parts();
    assert_eq!(parts.headers[CONTENT_TYPE], "application/json");
    let body = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let [error] = body["errors"].as_array().unwrap().as_slice() else { panic!("{body}") };
    assert!(!error["message"].as_str().unwrap().is_empty(), "{body}");
    let code = error["code"].as_str().unwrap().to_owned();
    (parts.status.as_u16(), code, error["detail"].clone(), parts.headers)
}

fn digest() -> OciDigest {
    Digest([0xab; 32]).into()
}

fn full() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::StorageFull)
}

fn files(source: std::io::Error) -> blobs::Error {
    blobs::Error::Io { action: "write", path: "/data/secret".into(), source }
}

#[test]
fn codes_are_those_of_the_specification() {
    for (code, text, status) in [
        (Code::BlobUnknown, "BLOB_UNKNOWN", 404),
        (Code::BlobUploadInvalid, "BLOB_UPLOAD_INVALID", 400),
        (Code::BlobUploadUnknown, "BLOB_UPLOAD_UNKNOWN", 404),
        (Code::DigestInvalid, "DIGEST_INVALID", 400),
        (Code::ManifestBlobUnknown, "MANIFEST_BLOB_UNKNOWN", 404),
        (Code::ManifestInvalid, "MANIFEST_INVALID", 400),
        (Code::ManifestUnknown, "MANIFEST_UNKNOWN", 404),
        (Code::NameInvalid, "NAME_INVALID", 400),
        (Code::NameUnknown, "NAME_UNKNOWN", 404),
        (Code::SizeInvalid, "SIZE_INVALID", 400),
        (Code::Unauthorized, "UNAUTHORIZED", 401),
        (Code::Denied, "DENIED", 403),
        (Code::Unsupported, "UNSUPPORTED", 405),
        (Code::TooManyRequests, "TOOMANYREQUESTS", 429),
        (Code::Unavailable, "UNAVAILABLE", 503),
        (Code::Unknown, "UNKNOWN", 500),
    ] {
        assert_eq!((code.as_str(), code.status().as_u16()), (text, status));
    }
}

#[tokio::test]
async fn refusals_of_the_door_have_the_form() {
    let realm = || "larder".to_owned();
    let wait = Duration::from_millis(1500);
    for (failure, status, code) in [
        (Failure::Unauthorized { realm: realm() }, 401, "UNAUTHORIZED"),
        (Failure::Forbidden, 403, "DENIED"),
        (Failure::TooManyLogins { retry_after: wait }, 429, "TOOMANYREQUESTS"),
        (Failure::LoginUnavailable("ldap is down".to_owned()), 503, "UNAVAILABLE"),
        (Failure::NotFound("Not Found".to_owned()), 404, "NAME_UNKNOWN"),
        (Failure::BadRequest("the path".to_owned()), 400, "UNSUPPORTED"),
        (Failure::MethodNotAllowed(&["GET", "HEAD"]), 405, "UNSUPPORTED"),
        (Failure::Unprocessable("digest".to_owned()), 400, "DIGEST_INVALID"),
        (HttpError::BodyTooLarge { max: 1, actual: 2 }.into(), 413, "SIZE_INVALID"),
        (HttpError::UploadTooLarge { bytes_max: 1, actual: 2 }.into(), 413, "SIZE_INVALID"),
        (HttpError::Encoding("br".to_owned()).into(), 415, "UNSUPPORTED"),
        (HttpError::BodyBroken("cut".to_owned()).into(), 400, "SIZE_INVALID"),
        (HttpError::BodyStalled(60).into(), 408, "SIZE_INVALID"),
        (HttpError::Host("evil.example".to_owned()).into(), 421, "DENIED"),
        (Failure::Internal("/data/secret".to_owned()), 500, "UNKNOWN"),
    ] {
        let shown = format!("{failure:?}");
        let (got, text, _, headers) = answer(failure).await;
        assert_eq!((got, text.as_str()), (status, code), "{shown}");
        match code {
            "TOOMANYREQUESTS" => assert_eq!(headers[RETRY_AFTER], "2"),
            "UNSUPPORTED" if status == 405 => assert_eq!(headers[ALLOW], "GET,HEAD"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn refusals_of_the_store_say_what_they_are_about() {
    use store::Error;
    let job = || "/branches/b/t/j/".to_owned();
    let (user, format) = (UserName::parse("eve").unwrap(), FormatName::parse("f").unwrap());
    let named = json!({ "digest": digest().to_string() });
    for (error, status, code, detail) in [
        (Error::NotFound(job()), 404, "NAME_UNKNOWN", json!({ "path": job() })),
        (Error::BlobUnknown(Digest([0xab; 32])), 404, "BLOB_UNKNOWN", named.clone()),
        (Error::BlobInUse(digest()), 405, "UNSUPPORTED", named.clone()),
        (Error::ManifestBlobUnknown(digest()), 404, "MANIFEST_BLOB_UNKNOWN", named.clone()),
        (Error::ManifestUnknown(digest()), 404, "MANIFEST_BLOB_UNKNOWN", named.clone()),
        (Error::UploadToLockedJob, 403, "DENIED", Value::Null),
        (Error::TagLocked(job()), 403, "DENIED", Value::Null),
        (Error::TagReleased(job()), 403, "DENIED", Value::Null),
        (Error::ProductTaken(job()), 403, "DENIED", json!({ "product": job() })),
        (Error::QuotaExceeded { user, used_bytes: 2, quota_bytes: 1 }, 403, "DENIED", Value::Null),
        (
            Error::FormatConflict { format, version: "v".to_owned(), job: "j".to_owned() },
            403,
            "DENIED",
            json!({ "format": "f", "version": "v", "job": "j" }),
        ),
        (
            Error::ManifestTooLarge { what: "parts", found: 2, most: 1 },
            413,
            "MANIFEST_INVALID",
            json!({ "what": "parts", "found": 2, "most": 1 }),
        ),
        (Error::Changed(job()), 503, "UNAVAILABLE", Value::Null),
        (crate::db::Error::Unavailable("x".to_owned()).into(), 503, "UNAVAILABLE", Value::Null),
    ] {
        let shown = format!("{error:?}");
        let (got, text, about, _) = answer(error.into()).await;
        assert_eq!((got, text.as_str(), about), (status, code, detail), "{shown}");
    }
}

#[tokio::test]
async fn uploads_say_what_went_wrong() {
    use registry::Error;
    let id = UploadId([7; 16]);
    for (error, status, code) in [
        (Error::UploadUnknown(id), 404, "BLOB_UPLOAD_UNKNOWN"),
        (Error::UploadBusy(id), 409, "BLOB_UPLOAD_INVALID"),
        (Error::UploadDisorder { first: 1, received: 0 }, 416, "BLOB_UPLOAD_INVALID"),
        (Error::UploadLength { announced: 1, came: 0 }, 400, "SIZE_INVALID"),
        (Error::UploadTooLarge { bytes_max: 1, bytes: 2 }, 413, "SIZE_INVALID"),
        (
            Error::Mismatch { expected: Box::new(digest()), found: Digest([1; 32]) },
            400,
            "DIGEST_INVALID",
        ),
        (Error::Files(files(full())), 507, "UNAVAILABLE"),
        (Error::Files(files(std::io::Error::other("x"))), 500, "UNKNOWN"),
    ] {
        let shown = format!("{error:?}");
        let (got, text, _, _) = answer(error.into()).await;
        assert_eq!((got, text.as_str()), (status, code), "{shown}");
    }
}

#[test]
fn faults_of_ours_name_no_file() {
    for failure in [
        Failure::Internal("/data/secret".to_owned()),
        registry::Error::Files(files(std::io::Error::other("x"))).into(),
        registry::Error::Files(files(full())).into(),
    ] {
        let error = told(failure);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
