//! In which form a client wants the simple index (PEP 691): the `Accept` header, with its weights.
//! Pure.
//!
//! Who wants neither form gets HTML, as those do who say nothing: there is no client that takes a
//! refusal better than that.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::packages::pypi::simple::Simple;

/// What a page is called.
pub(super) const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "application/vnd.pypi.simple.v1+html";
const TEXT_HTML: &str = "text/html; charset=utf-8";

/// Every name of a form that a client may know, those first that count of several of one weight.
const NAMES: [(&str, Simple, &str); 5] = [
    ("application/vnd.pypi.simple.v1+json", Simple::Json, JSON),
    ("application/vnd.pypi.simple.latest+json", Simple::Json, JSON),
    ("text/html", Simple::Html, TEXT_HTML),
    ("application/vnd.pypi.simple.v1+html", Simple::Html, HTML),
    ("application/vnd.pypi.simple.latest+html", Simple::Html, HTML),
];

/// The form, and the media type to call it by.
pub(super) fn wanted(headers: &HeaderMap) -> (Simple, &'static str) {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let asked: Vec<_> = lines.flat_map(|line| line.split(',')).filter_map(weighed).collect();
    let mut best = (0, (Simple::Html, TEXT_HTML));
    for (name, form, called) in NAMES {
        let exactly = asked.iter().find(|(range, _)| range.eq_ignore_ascii_case(name));
        if let Some((_, weight)) = exactly
            && *weight > best.0
        {
            best = (*weight, (form, called));
        }
    }
    // Whoever takes anything takes HTML, unless they said what they like better.
    let any = asked.iter().filter(|(range, _)| ["*/*", "text/*"].contains(&range.as_str()));
    let any = any.map(|(_, weight)| *weight).max().unwrap_or(0);
    if any > best.0 { (Simple::Html, TEXT_HTML) } else { best.1 }
}

/// A media range, and its weight in thousandths.
fn weighed(item: &str) -> Option<(String, u32)> {
    let mut parts = item.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(1_000), thousandths)?;
    Some((range.to_owned(), weight))
}

/// `0.25`: one digit and up to three behind the point (RFC 9110 §12.4.2).
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = part.bytes().all(|digit| digit.is_ascii_digit());
    if part.len() > 3 || !is_digits || !["0", "1"].contains(&whole) {
        return None;
    }
    let part = format!("{part:0<3}").parse::<u32>().ok()?;
    Some((whole.parse::<u32>().ok()? * 1_000 + part).min(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_served() {
        let html = (Simple::Html, TEXT_HTML);
        let (json, own) = ((Simple::Json, JSON), (Simple::Html, HTML));
        for (accept, form) in [
            ("", html),
            ("*/*", html),
            ("text/html,application/xhtml+xml,*/*;q=0.8", html),
            ("application/vnd.pypi.simple.v1+json", json),
            ("Application/Vnd.PyPI.Simple.Latest+JSON ; q=0.5", json),
            (
                "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, \
                 text/html; q=0.01",
                json,
            ),
            ("application/vnd.pypi.simple.v1+json;q=0.1, text/html", html),
            ("application/vnd.pypi.simple.v1+json;q=0, */*", html),
            ("application/vnd.pypi.simple.v1+json, */*;q=0.1", json),
            ("application/vnd.pypi.simple.latest+html", own),
            ("application/vnd.pypi.simple.v2+json", html),
            ("application/json", html),
            ("application/vnd.pypi.simple.v1+json;q=x", html),
            (";;;,,", html),
        ] {
            let headers = [(ACCEPT, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(wanted(&headers), form, "{accept}");
        }
    }

    #[test]
    fn weights_are_as_http_has_them() {
        for (text, weight) in [
            ("1", Some(1_000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.001", Some(1)),
            ("1.000", Some(1_000)),
            ("1.5", Some(1_000)),
            ("0.0001", None),
            ("2", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(thousandths(text), weight, "{text}");
        }
    }
}
