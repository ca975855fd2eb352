//! Bodies that were sent with `Content-Encoding`: decoded before they are hashed and stored, as
//! dlrepo does (spec §2), so a digest is always that of the file.

use bytes::{Buf, Bytes};
use flate2::write::{GzDecoder, ZlibDecoder};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::Write;

use super::{HttpError, RequestBody};

/// Bytes that are decoded at a time: a thousand times as many may come out.
const PIECE_SIZE: usize = 4096;

/// The body without its encoding, and whether it had one.
///
/// # Errors
/// [`HttpError::Encoding`] for an encoding other than gzip and deflate.
pub fn decoded(body: RequestBody, headers: &HeaderMap) -> Result<(RequestBody, bool), HttpError> {
    let mut names = headers.get_all(CONTENT_ENCODING).iter();
    let name = names.next().map(|name| String::from_utf8_lossy(name.as_bytes()).to_lowercase());
    let decoder = match name.as_deref().map(str::trim) {
        None | Some("" | "identity") => return Ok((body, false)),
        Some("gzip" | "x-gzip") => Decoder::Gzip(GzDecoder::new(Vec::new())),
        Some("deflate") => Decoder::Deflate(ZlibDecoder::new(Vec::new())),
        Some(other) => return Err(HttpError::Encoding(other.to_owned())),
    };
    if names.next().is_some() {
        return Err(HttpError::Encoding("more than one".to_owned()));
    }
    let state = State { body, decoder, input: Bytes::new() };
    Ok((Box::pin(stream::unfold(Some(state), next)), true))
}

enum Decoder {
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

struct State {
    body: RequestBody,
    decoder: Decoder,
    input: Bytes,
}

/// The next decoded chunk; nothing comes after an error or the end.
async fn next(state: Option<State>) -> Option<(Result<Bytes, HttpError>, Option<State>)> {
    let mut state = state?;
    loop {
        if state.input.is_empty() {
            match state.body.next().await {
                Some(Ok(chunk)) => state.input = chunk,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((state.decoder.finish(), None)),
            }
        }
        let piece = state.input.split_to(state.input.remaining().min(PIECE_SIZE));
        match state.decoder.write(&piece) {
            Err(error) => return Some((Err(error), None)),
            Ok(decoded) if decoded.is_empty() => {}
            Ok(decoded) => return Some((Ok(decoded), Some(state))),
        }
    }
}

impl Decoder {
    fn write(&mut self, piece: &[u8]) -> Result<Bytes, HttpError> {
        let (written, out) = match self {
            Self::Gzip(decoder) => (decoder.write_all(piece), decoder.get_mut()),
            Self::Deflate(decoder) => (decoder.write_all(piece), decoder.get_mut()),
        };
        written.map_err(|error| broken(&error))?;
        Ok(std::mem::take(out).into())
    }

    /// What is left at the end of the body; an error if that is not the end of its encoding.
    fn finish(self) -> Result<Bytes, HttpError> {
        let out = match self {
            Self::Gzip(decoder) => decoder.finish(),
            Self::Deflate(decoder) => decoder.finish(),
        };
        out.map(Bytes::from).map_err(|error| broken(&error))
    }
}

fn broken(error: &std::io::Error) -> HttpError {
    HttpError::BodyBroken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::time::Duration;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    async fn decode(encoding: &str, sent: &[u8]) -> Result<Bytes, HttpError> {
        let chunks: Vec<_> =
            sent.chunks(100).map(|chunk| Ok::<_, String>(chunk.to_vec())).collect();
        let chunks = chunks.into_iter().map(|chunk| chunk.map(Bytes::from));
        let body = super::super::boxed(stream::iter(chunks), Duration::from_secs(9));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        super::super::collect(decoded(body, &headers)?.0, 1 << 20).await
    }

    #[tokio::test]
    async fn what_was_encoded_comes_out_as_it_was() {
        let content: Vec<u8> = (0..60_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        assert_eq!(decode("gzip", &gzip(&content)).await.unwrap(), content);
        assert_eq!(decode("X-GZIP", &gzip(b"")).await.unwrap(), "");
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&content).unwrap();
        assert_eq!(decode("deflate", &encoder.finish().unwrap()).await.unwrap(), content);
        assert_eq!(decode("identity", b"as it is").await.unwrap(), "as it is");
    }

    #[tokio::test]
    async fn what_is_cut_or_is_not_encoded_is_refused() {
        let sent = gzip(&[7; 5000]);
        for bad in [&sent[..sent.len() - 1], &sent[..5], b"plain text"] {
            let error = decode("gzip", bad).await.unwrap_err();
            assert_eq!(error.status(), 400, "{error}");
        }
        assert_eq!(decode("br", b"").await.unwrap_err().status(), 415);
    }
}
