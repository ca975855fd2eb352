//! Bodies of requests: one type for all of them, and collecting small ones.
//!
//! A body that ends before its end is an error item, never an end of the stream; so is one of
//! which nothing more comes. A refused body is simply dropped: [`super::listen`] sees to it that
//! the client can still read the answer.
//! Deliberately absent: hashing and storing, which happen on a blocking task elsewhere.

pub mod decode;
pub mod pump;

use std::fmt::Display;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;

use super::HttpError;

/// Most bytes of a JSON request (spec dlrepo §2).
pub const JSON_SIZE_MAX: usize = 1 << 20;

/// The chunks of a request's body. After an error there is nothing more.
pub type RequestBody = Pin<Box<dyn Stream<Item = Result<Bytes, HttpError>> + Send>>;

/// Makes one type of what `warp::body::stream` gives; `stall_max` is how long a client may send
/// nothing in the middle of its body.
pub fn boxed<S, B, E>(body: S, stall_max: Duration) -> RequestBody
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Buf,
    E: Display,
{
    Box::pin(stream::unfold(Some(Box::pin(body)), move |body| async move {
        let mut body = body?;
        match timeout(stall_max, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(mut chunk))) => {
                Some((Ok(chunk.copy_to_bytes(chunk.remaining())), Some(body)))
            }
            Ok(Some(Err(error))) => Some((Err(HttpError::BodyBroken(error.to_string())), None)),
            Err(_) => Some((Err(HttpError::BodyStalled(stall_max.as_secs())), None)),
        }
    }))
}

/// The whole body, if it is at most `size_max` bytes long.
///
/// # Errors
/// [`HttpError::BodyTooLarge`], [`HttpError::BodyBroken`] and [`HttpError::BodyStalled`].
pub async fn collect(mut body: RequestBody, size_max: usize) -> Result<Bytes, HttpError> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        let actual = all.len() + chunk.len();
        if actual > size_max {
            return Err(HttpError::BodyTooLarge { max: size_max, actual });
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// The body as JSON, whatever its `Content-Type` says. An empty one is malformed.
///
/// # Errors
/// As [`collect`], and [`HttpError::Json`].
pub async fn json(body: RequestBody) -> Result<Value, HttpError> {
    let text = collect(body, JSON_SIZE_MAX).await?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(60);

    fn of(chunks: &[Result<&'static str, &'static str>]) -> RequestBody {
        let chunks: Vec<_> = chunks.iter().map(|chunk| chunk.map(str::as_bytes)).collect();
        boxed(stream::iter(chunks), STALL)
    }

    #[tokio::test]
    async fn a_body_is_collected_up_to_its_limit() {
        let body = || of(&[Ok("ab"), Ok(""), Ok("cd")]);
        assert_eq!(collect(body(), 4).await.unwrap(), "abcd");
        let error = collect(body(), 3).await.unwrap_err();
        assert_eq!(error.status(), 413);
        let text = "Maximum request body size 3 exceeded, actual body size 4";
        assert_eq!(error.to_string(), text);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_body() {
        let mut body = of(&[Ok("ab"), Err("cut"), Ok("never")]);
        assert_eq!(body.next().await.unwrap().unwrap(), "ab");
        assert_eq!(body.next().await.unwrap().unwrap_err().status(), 400);
        assert!(body.next().await.is_none());
        assert!(collect(of(&[Ok("ab"), Err("cut")]), 9).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up() {
        let body = stream::once(async { Ok::<_, String>(&b"ab"[..]) }).chain(stream::pending());
        let error = collect(boxed(body, Duration::from_millis(1)), 9).await.unwrap_err();
        assert_eq!(error.status(), 408);
    }

    #[tokio::test]
    async fn json_is_read_or_its_fault_is_told() {
        assert_eq!(json(of(&[Ok("{\"a\""), Ok(":1}")])).await.unwrap()["a"], 1);
        for text in ["", "{", "{} x"] {
            let error = json(of(&[Ok(text)])).await.unwrap_err();
            assert_eq!(error.status(), 400);
            assert!(error.to_string().starts_with("invalid JSON data: "), "{error}");
        }
    }
}
