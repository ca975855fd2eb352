//! Parts of lists: `n` and `last` of a request, and the `Link` of an answer (OCI distribution
//! specification 1.1, "Listing Tags"; RFC 8288).

use http::header::LINK;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use warp::reply::Response;

use super::errors::{Code, OciError};
use crate::http::reply::with;
use crate::http::tree::query_pairs;

/// Most lines of an answer, also where the client does not say how many it wants.
pub(super) const LINES_MAX: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// At most so many lines; none: an empty list without a `Link`.
    pub(super) count: usize,
    /// Those behind this one.
    pub(super) last: Option<String>,
    /// The parameters, decoded.
    pub(super) pairs: Vec<(String, String)>,
}

impl Wanted {
    /// Reads a query.
    pub(super) fn read(query: &str) -> Result<Self, OciError> {
        let pairs = query_pairs(query);
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let count = match value("n").filter(|text| !text.is_empty()) {
            None => LINES_MAX,
            Some(text) if is_number(text) => text.parse().unwrap_or(LINES_MAX).min(LINES_MAX),
            Some(text) => {
                let why = format!("n={text} is no number of lines, write 0 or more");
                let error = OciError::new(Code::PaginationNumberInvalid, why);
                return Err(error.about(json!({ "n": text })));
            }
        };
        let last = value("last").filter(|text| !text.is_empty()).cloned();
        Ok(Self { count, last, pairs })
    }

    /// The value of another parameter.
    pub(super) fn other(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Says where the list goes on.
pub(super) fn linked(response: Response, path: &str, pairs: &[(&str, &str)]) -> Response {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let link = format!("<{path}?{}>; rel=\"next\"", pairs.join("&"));
    with(response, LINK, &link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_from_the_query() {
        let read = |query| Wanted::read(query).map(|wanted| (wanted.count, wanted.last));
        assert_eq!(read(""), Ok((LINES_MAX, None)));
        assert_eq!(read("n=2&last=a%2Fb"), Ok((2, Some("a/b".to_owned()))));
        assert_eq!(read("n=0&last="), Ok((0, None)));
        assert_eq!(read("n=99999999999999999999999"), Ok((LINES_MAX, None)));
        for bad in ["n=-1", "n=a", "n=1.5", "n=%2B1"] {
            assert_eq!(read(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn a_link_is_encoded() {
        let response =
            linked(Response::default(), "/v2/a/tags/list", &[("n", "2"), ("last", "a&b")]);
        let link = response.headers().get(LINK).unwrap();
        assert_eq!(link, "</v2/a/tags/list?n=2&last=a%26b>; rel=\"next\"");
    }
}
