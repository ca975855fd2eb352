//! Forms in pieces of every size, and forms that never end.

use std::time::Duration;

use http::HeaderValue;

use futures_util::future;

use super::*;

const FORM: &str = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n1.0\r\n\
    --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a b.whl\"\r\n\
    Content-Type: application/octet-stream\r\n\r\nPK\r\n--bytes\r\n\r\n--b\r\n\
    Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--\r\nepilogue";

fn headers(kind: &str) -> HeaderMap {
    [(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())].into_iter().collect()
}

fn parts(body: RequestBody) -> Parts {
    Parts::of(&headers("multipart/form-data; boundary=b"), body, 9, 1_000).unwrap()
}

/// Name, file name and the first bytes of each part.
async fn read(
    mut parts: Parts,
    bytes_max: usize,
) -> Result<Vec<(String, Option<String>, Vec<u8>)>, HttpError> {
    let mut found = Vec::new();
    while let Some(part) = parts.next().await? {
        let name = (part.name().to_owned(), part.file_name().map(str::to_owned));
        let bytes = parts.beginning(part, bytes_max).await?;
        found.push((name.0, name.1, bytes));
    }
    Ok(found)
}

#[tokio::test]
async fn parts_are_the_same_in_pieces_of_every_size() {
    for size in 1..FORM.len() {
        let found = read(parts(in_pieces(FORM.as_bytes(), size)), 100).await.unwrap();
        let file = (Some("a b.whl".to_owned()), b"PK\r\n--bytes\r\n".to_vec());
        let wanted = vec![
            ("version".to_owned(), None, b"1.0".to_vec()),
            ("content".to_owned(), file.0, file.1),
            ("empty".to_owned(), None, Vec::new()),
        ];
        assert_eq!(found, wanted, "in pieces of {size}");
    }
}

#[tokio::test]
async fn a_form_that_is_cut_anywhere_is_an_error() {
    let end = FORM.find("--b--").unwrap() + 4;
    for length in 0..end {
        let cut = parts(in_pieces(&FORM.as_bytes()[..length], 7));
        let error = read(cut, 100).await.unwrap_err();
        assert_eq!(error.status(), 400, "after {length}: {error}");
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_field_is_kept_and_all_are_bounded() {
    let field = |length| {
        let bytes = "x".repeat(length);
        format!("--b\r\nContent-Disposition: form-data; name=f\r\n\r\n{bytes}\r\n--b--\r\n")
    };
    let found = read(parts(in_pieces(field(1_000).as_bytes(), 64)), 10).await.unwrap();
    assert_eq!(found, [("f".to_owned(), None, b"xxxxxxxxxx".to_vec())]);
    let error = read(parts(in_pieces(field(1_001).as_bytes(), 64)), 10).await.unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let many = "--b\r\nContent-Disposition: form-data; name=f\r\n\r\n\r\n".repeat(10) + "--b--";
    let error = read(parts(in_pieces(many.as_bytes(), 64)), 10).await.unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    for begun in ["", "--b\r\nX: ", "--b\r\nContent-Disposition: form-data; name=\""] {
        let more = stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 4_096])));
        let start = stream::once(future::ready(Ok(Bytes::from_static(begun.as_bytes()))));
        let endless = read(parts(Box::pin(start.chain(more))), 10);
        let error = tokio::time::timeout(Duration::from_secs(30), endless).await.unwrap();
        assert!(error.unwrap_err().to_string().contains("headers"), "{begun:?}");
    }
}

#[tokio::test]
async fn what_the_body_says_comes_through() {
    let broken = vec![Ok(Bytes::from(&FORM.as_bytes()[..90])), Err(HttpError::BodyStalled(7))];
    let error = read(parts(Box::pin(stream::iter(broken))), 10).await.unwrap_err();
    assert_eq!(error.status(), 408, "{error}");
}

#[test]
fn a_form_says_how_its_parts_are_told_apart() {
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for bad in ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", &long] {
        let made = Parts::of(&headers(bad), in_pieces(b"", 1), 9, 9);
        assert_eq!(made.err().unwrap().status(), 400, "{bad}");
    }
}
