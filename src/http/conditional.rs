//! Preconditions of a request against the state of the thing (RFC 9110 §13). Pure.
//!
//! The entity tag of a file is its digest: strong, and the same wherever the same bytes are.
//! Deliberately absent: `If-Range`, which belongs to [`super::range`].

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, Method};

use crate::model::{Digest, Timestamp};

/// The entity tag and the time of the last change, to be compared with what a client holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// With its quotes.
    pub etag: String,
    /// Compared in whole seconds, as HTTP dates are.
    pub modified: Timestamp,
}

impl Validators {
    /// Those of a file with these bytes.
    #[must_use]
    pub fn new(digest: Digest, modified: Timestamp) -> Self {
        Self { etag: format!("\"{digest}\""), modified }
    }
}

/// What the preconditions lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do what the method says.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client thinks.
    PreconditionFailed,
}

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2; `None` is a thing that does
/// not exist. Dates that cannot be read are ignored.
#[must_use]
pub fn evaluate(method: &Method, headers: &HeaderMap, current: Option<&Validators>) -> Verdict {
    let reads = *method == Method::GET || *method == Method::HEAD;
    if headers.contains_key(IF_MATCH) {
        if !lists(headers, &IF_MATCH, current, exactly) {
            return Verdict::PreconditionFailed;
        }
    } else if changed_since(headers, &IF_UNMODIFIED_SINCE, current) == Some(true) {
        return Verdict::PreconditionFailed;
    }
    let held = if headers.contains_key(IF_NONE_MATCH) {
        lists(headers, &IF_NONE_MATCH, current, weakly)
    } else {
        reads && changed_since(headers, &IF_MODIFIED_SINCE, current) == Some(false)
    };
    match (held, reads) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::PreconditionFailed,
    }
}

/// Reads an HTTP date as seconds since 1970; `None` when it is none or lies before.
#[must_use]
pub fn date_s(text: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(text).ok()?;
    Some(moment.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

/// Whether a tag of the list is the current one. Splitting at commas is exact although a tag may
/// contain them: ours never does.
fn lists(
    headers: &HeaderMap,
    name: &HeaderName,
    current: Option<&Validators>,
    same: fn(&str, &str) -> bool,
) -> bool {
    let Some(current) = current else { return false };
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || same(tag, &current.etag))
}

fn exactly(tag: &str, current: &str) -> bool {
    tag == current
}

fn weakly(tag: &str, current: &str) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag) == current
}

fn changed_since(
    headers: &HeaderMap,
    name: &HeaderName,
    current: Option<&Validators>,
) -> Option<bool> {
    let date = date_s(headers.get(name)?.to_str().ok()?)?;
    Some(current?.modified.seconds() > date)
}

#[cfg(test)]
mod tests {
    use super::Verdict::{NotModified, PreconditionFailed, Proceed};
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn current() -> Validators {
        Validators::new(Digest([0xab; 32]), Timestamp(784_111_777_999_999))
    }

    fn ask(method: &str, lines: &[(HeaderName, &str)]) -> Verdict {
        let headers = lines.iter().map(|(name, line)| (name.clone(), line.parse().unwrap()));
        evaluate(&method.parse().unwrap(), &headers.collect(), Some(&current()))
    }

    #[test]
    fn entity_tags_are_compared_as_each_header_asks() {
        let tag = current().etag;
        let weak = format!("W/{tag}");
        let list = format!("\"x,y\" , {tag}");
        for (line, matches, none_matches) in [
            ("*", Proceed, NotModified),
            (&tag, Proceed, NotModified),
            (&list, Proceed, NotModified),
            (&weak, PreconditionFailed, NotModified),
            ("\"other\"", PreconditionFailed, Proceed),
            (tag.trim_matches('"'), PreconditionFailed, Proceed),
            ("", PreconditionFailed, Proceed),
        ] {
            assert_eq!(ask("GET", &[(IF_MATCH, line)]), matches, "{line}");
            assert_eq!(ask("GET", &[(IF_NONE_MATCH, line)]), none_matches, "{line}");
        }
        assert_eq!(ask("PUT", &[(IF_NONE_MATCH, "*")]), PreconditionFailed);
        assert_eq!(ask("PUT", &[(IF_NONE_MATCH, "\"other\"")]), Proceed);
    }

    #[test]
    fn dates_have_whole_seconds_and_count_only_without_tags() {
        for (line, modified, unmodified) in
            [(BEFORE, Proceed, PreconditionFailed), (AT, NotModified, Proceed)]
        {
            assert_eq!(ask("HEAD", &[(IF_MODIFIED_SINCE, line)]), modified);
            assert_eq!(ask("GET", &[(IF_UNMODIFIED_SINCE, line)]), unmodified);
        }
        assert_eq!(ask("PUT", &[(IF_MODIFIED_SINCE, AT)]), Proceed);
        assert_eq!(ask("GET", &[(IF_MODIFIED_SINCE, "yesterday")]), Proceed);
        assert_eq!(ask("GET", &[(IF_UNMODIFIED_SINCE, "yesterday")]), Proceed);
        let tag = current().etag;
        assert_eq!(ask("GET", &[(IF_MATCH, &tag), (IF_UNMODIFIED_SINCE, BEFORE)]), Proceed);
        assert_eq!(ask("GET", &[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AT)]), Proceed);
        assert_eq!(ask("GET", &[(IF_UNMODIFIED_SINCE, AT), (IF_NONE_MATCH, &tag)]), NotModified);
    }

    #[test]
    fn what_does_not_exist_matches_nothing() {
        let absent = |name: HeaderName, line: &str| {
            evaluate(&Method::PUT, &HeaderMap::from_iter([(name, line.parse().unwrap())]), None)
        };
        assert_eq!(absent(IF_MATCH, "*"), PreconditionFailed);
        assert_eq!(absent(IF_NONE_MATCH, "*"), Proceed);
        assert_eq!(absent(IF_UNMODIFIED_SINCE, BEFORE), Proceed);
        assert_eq!(evaluate(&Method::PUT, &HeaderMap::new(), None), Proceed);
    }
}
