//! Headers and bodies of the answers, without a server.

use http_body_util::BodyExt;
use serde_json::json as value;

use super::*;

fn header(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn facts(name: &str) -> FileFacts<'_> {
    let modified = Timestamp(784_111_777_500_000);
    FileFacts { name, digest: Digest([0xab; 32]), modified, size: 10 }
}

fn decide(method: &str, lines: &[(HeaderName, &str)]) -> Decision {
    let headers = lines.iter().map(|(name, line)| (name.clone(), line.parse().unwrap()));
    facts("x.bin").decide(&method.parse().unwrap(), &headers.collect())
}

#[tokio::test]
async fn errors_say_their_code_and_reason() {
    let response = text(StatusCode::BAD_REQUEST, "Tag é\nis locked");
    let phrase = response.extensions().get::<ReasonPhrase>().unwrap();
    assert_eq!(phrase.as_bytes(), b"Tag ??is locked");
    assert_eq!(header(&response, CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(body(response).await, "400: Tag é\nis locked");
    let long = text(StatusCode::BAD_REQUEST, &"é".repeat(9000));
    let phrase = long.extensions().get::<ReasonPhrase>().unwrap();
    assert_eq!(phrase.as_bytes().len(), 256);
    let error = HttpError::BodyTooLarge { max: 1 << 20, actual: 1_048_577 };
    let refused = body(refusal(&error)).await;
    let wanted = "413: Maximum request body size 1048576 exceeded, actual body size 1048577";
    assert_eq!(refused, wanted);
}

#[tokio::test]
async fn the_short_answers_are_those_of_the_spec() {
    let response = found("/branches/b/%23/");
    assert_eq!(header(&response, LOCATION), "/branches/b/%23/");
    assert_eq!(body(response).await, "302: Found");
    let response = method_not_allowed(&["GET", "HEAD", "PUT"]);
    assert_eq!(header(&response, ALLOW), "GET,HEAD,PUT");
    assert_eq!(body(response).await, "405: Method Not Allowed");
    assert_eq!(body(created()).await, "201: Created");
    let response = empty();
    assert_eq!(header(&response, CONTENT_LENGTH), "0");
    assert_eq!(header(&response, CONTENT_TYPE), "application/octet-stream");
    let response = json(&value!({"é": [1, 2]}));
    assert_eq!(header(&response, CONTENT_TYPE), "application/json; charset=utf-8");
    assert_eq!(body(response).await, r#"{"\u00e9": [1, 2]}"#);
    assert_eq!(json(&[(value!([1]), 2)].into_iter().collect::<Odd>()).status(), 500);
}

/// A map whose keys are lists: JSON has no form for it.
#[derive(Serialize, Default)]
struct Odd(std::collections::HashMap<Vec<i32>, i32>);

impl FromIterator<(serde_json::Value, i32)> for Odd {
    fn from_iter<I: IntoIterator<Item = (serde_json::Value, i32)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(_, value)| (vec![value], value)).collect())
    }
}

#[tokio::test]
async fn a_file_is_sent_whole_or_in_part() {
    let Decision::Send(sending) = decide("GET", &[]) else { panic!() };
    assert_eq!(sending.range, 0..10);
    let response = facts("a/x.html").send(&sending, Content::Bytes("0123456789".into()));
    for (name, value) in [
        (CONTENT_TYPE, "text/html"),
        (CONTENT_LENGTH, "10"),
        (CONTENT_SECURITY_POLICY, "sandbox"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ACCEPT_RANGES, "bytes"),
        (ETAG, &format!("\"{}\"", "ab".repeat(32))),
        (HeaderName::from_static("digest"), &format!("sha256:{}", "ab".repeat(32))),
        (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (CONTENT_RANGE, ""),
        (http::header::CONTENT_ENCODING, ""),
    ] {
        assert_eq!(header(&response, name.clone()), value, "{name}");
    }
    let Decision::Send(sending) = decide("GET", &[(http::header::RANGE, "bytes=-3")]) else {
        panic!()
    };
    let parts = [Ok(Bytes::from("78")), Ok(Bytes::from("9"))];
    let stream = Content::Stream(Box::pin(futures_util::stream::iter(parts)));
    let response = facts("x.tgz").send(&sending, stream);
    assert_eq!((response.status().as_u16(), header(&response, CONTENT_LENGTH)), (206, "3"));
    assert_eq!(header(&response, CONTENT_RANGE), "bytes 7-9/10");
    assert_eq!(body(response).await, "789");
}

#[tokio::test]
async fn what_needs_no_bytes_is_answered_at_once() {
    let etag = format!("\"{}\"", "ab".repeat(32));
    for (method, name, line, status, text) in [
        ("GET", http::header::IF_NONE_MATCH, etag.as_str(), 304, ""),
        ("HEAD", http::header::IF_MATCH, "\"x\"", 412, "412: Precondition Failed"),
        ("GET", http::header::RANGE, "bytes=10-", 416, "416: Range Not Satisfiable"),
    ] {
        let Decision::Answer(response) = decide(method, &[(name, line)]) else { panic!() };
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(header(&response, ETAG), etag);
        assert!(header(&response, HeaderName::from_static("digest")).starts_with("sha256:"));
        let range = if status == 416 { "bytes */10" } else { "" };
        assert_eq!(header(&response, CONTENT_RANGE), range);
        assert_eq!(body(response).await, text);
    }
}

#[test]
fn types_follow_the_name_and_dates_end() {
    assert_eq!(media_type("a/README.txt"), "text/plain");
    assert_eq!(media_type("x.JSON"), "application/json");
    assert_eq!(media_type("image"), "application/octet-stream");
    assert_eq!(media_type("x.nonsense"), "application/octet-stream");
    let late = FileFacts { modified: Timestamp::MAX, ..facts("x") };
    let late = late.not_modified();
    assert_eq!(header(&late, LAST_MODIFIED), "Fri, 31 Dec 9999 23:59:59 GMT");
}
