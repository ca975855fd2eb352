//! Which part of a file a GET asks for (RFC 9110 §14). Pure.
//!
//! One range is served; several, or what cannot be read, are answered with the whole file.
//! Deliberately absent: `multipart/byteranges`, which no client of ours sends for.

use std::ops::Range;

use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, Method};

use super::conditional::{Validators, date_s};

/// What to send of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, 200.
    Whole,
    /// These bytes, at least one, 206.
    Bytes(Range<u64>),
    /// None, 416 with the size.
    Unsatisfiable,
}

/// Evaluates `Range` and `If-Range` against a file of `size` bytes. Only GET has ranges.
#[must_use]
pub fn evaluate(method: &Method, headers: &HeaderMap, size: u64, current: &Validators) -> Part {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Part::Whole };
    if *method != Method::GET || !still_current(headers, current) {
        return Part::Whole;
    }
    line.to_str().ok().and_then(parse).map_or(Part::Whole, |asked| asked.of(size))
}

/// A range before the size is known.
#[derive(Clone, Copy)]
enum Asked {
    From {
        first: u64,
        last: u64,
    },
    Last(u64),
    /// Its end lies before its start. The registry's conformance suite wants it refused, and
    /// RFC 9110 §15.5.17 allows that everywhere.
    Backwards,
}

impl Asked {
    fn of(self, size: u64) -> Part {
        match self {
            // Nothing to cut from; a Content-Range could not even say so.
            Self::Last(1..) if size == 0 => Part::Whole,
            Self::Last(0) | Self::Backwards => Part::Unsatisfiable,
            Self::Last(length) => Part::Bytes(size.saturating_sub(length)..size),
            Self::From { first, .. } if first >= size => Part::Unsatisfiable,
            Self::From { first, last } => Part::Bytes(first..last.saturating_add(1).min(size)),
        }
    }
}

fn parse(line: &str) -> Option<Asked> {
    let (unit, range) = line.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first, last) {
        ("", length) => Some(Asked::Last(number(length)?)),
        (first, "") => Some(Asked::From { first: number(first)?, last: u64::MAX }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            Some(if first <= last { Asked::From { first, last } } else { Asked::Backwards })
        }
    }
}

/// Digits only; a number too large to keep is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Without `If-Range`, or when it names exactly what the file is now. A weak tag never does.
fn still_current(headers: &HeaderMap, current: &Validators) -> bool {
    let Some(line) = headers.get(IF_RANGE) else { return true };
    let line = line.to_str().unwrap_or_default().trim();
    line == current.etag || date_s(line) == Some(current.modified.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Timestamp};

    fn current() -> Validators {
        Validators::new(Digest([0xab; 32]), Timestamp(784_111_777_999_999))
    }

    fn ask(size: u64, lines: &[(http::HeaderName, &str)]) -> Part {
        let headers = lines.iter().map(|(name, line)| (name.clone(), line.parse().unwrap()));
        evaluate(&Method::GET, &headers.collect(), size, &current())
    }

    #[test]
    fn one_range_is_cut_to_the_size() {
        for (line, part) in [
            ("bytes=0-0", Part::Bytes(0..1)),
            ("bytes=2-4", Part::Bytes(2..5)),
            ("Bytes = 2-", Part::Bytes(2..10)),
            ("bytes=2-99999999999999999999999", Part::Bytes(2..10)),
            ("bytes=9-18446744073709551615", Part::Bytes(9..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=-99", Part::Bytes(0..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-20", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=4-2", Part::Unsatisfiable),
        ] {
            assert_eq!(ask(10, &[(RANGE, line)]), part, "{line}");
        }
        assert_eq!(ask(0, &[(RANGE, "bytes=0-")]), Part::Unsatisfiable);
        assert_eq!(ask(0, &[(RANGE, "bytes=-5")]), Part::Whole);
    }

    #[test]
    fn anything_else_is_the_whole_file() {
        for line in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=a-b",
            "bytes=1 - 2",
            "lines=0-1",
            "bytes=--1",
        ] {
            assert_eq!(ask(10, &[(RANGE, line)]), Part::Whole, "{line}");
        }
        assert_eq!(ask(10, &[]), Part::Whole);
        let headers = HeaderMap::from_iter([(RANGE, "bytes=0-0".parse().unwrap())]);
        assert_eq!(evaluate(&Method::HEAD, &headers, 10, &current()), Part::Whole);
    }

    #[test]
    fn if_range_sends_all_when_the_file_changed() {
        let cut = Part::Bytes(0..1);
        let tag = current().etag;
        let weak = format!("W/{tag}");
        for (line, part) in [
            (tag.as_str(), cut.clone()),
            ("Sun, 06 Nov 1994 08:49:37 GMT", cut),
            (weak.as_str(), Part::Whole),
            ("\"other\"", Part::Whole),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Part::Whole),
            ("nonsense", Part::Whole),
        ] {
            assert_eq!(ask(10, &[(RANGE, "bytes=0-0"), (IF_RANGE, line)]), part, "{line}");
        }
    }
}
