//! Parts of lists: `page` and `per_page` of a request, and the headers of an answer (spec gitlab
//! §3.1). Totals of long lists are not told, as clients know it.

use http::HeaderName;
use http::header::LINK;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use warp::reply::Response;

use super::params::Params;
use super::{ApiError, Asked};
use crate::http::reply::{self, with};
use crate::http::tree::query_pairs;

/// Lines of a page unless the client says how many, and at most.
const LINES: usize = 20;
const LINES_MAX: usize = 100;
/// Of lists with more lines neither the total nor the last page is told.
pub(super) const TOTAL_MAX: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1 on.
    number: usize,
    /// At most so many lines.
    lines: usize,
}

impl Page {
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let positive = |name: &str, default: usize| match params.number(name)? {
            None => Ok(default),
            Some(number) => usize::try_from(number)
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| super::params::no_value(name)),
        };
        let (number, lines) = (positive("page", 1)?, positive("per_page", LINES)?);
        Ok(Self { number, lines: lines.min(LINES_MAX) })
    }

    /// Those of all lines that are on this page.
    pub(super) fn of<T>(self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().skip(self.before()).take(self.lines).collect()
    }

    /// How many lines are on the pages before this one.
    pub(super) fn before(self) -> usize {
        self.lines.saturating_mul(self.number - 1)
    }

    /// How many lines are on this page, at most.
    pub(super) fn lines(self) -> usize {
        self.lines
    }

    fn last(self, total: usize) -> usize {
        total.div_ceil(self.lines).max(1)
    }

    /// The answer with the lines of this page, of so many in all.
    pub(super) fn answer(self, asked: &Asked, lines: &[Value], total: usize) -> Response {
        let Self { number, lines: per_page } = self;
        let last = self.last(total);
        let text = |number: Option<usize>| number.map(|number| number.to_string());
        let next = (number < last).then(|| number + 1);
        let previous = (number > 1).then(|| number - 1);
        let is_told = total <= TOTAL_MAX;
        let headers = [
            ("x-page", Some(number.to_string())),
            ("x-per-page", Some(per_page.to_string())),
            ("x-next-page", Some(text(next).unwrap_or_default())),
            ("x-prev-page", Some(text(previous).unwrap_or_default())),
            ("x-total", is_told.then(|| total.to_string())),
            ("x-total-pages", is_told.then(|| last.to_string())),
        ];
        let others = [("prev", previous), ("next", next), ("first", Some(1))];
        let others = others.into_iter().chain([("last", is_told.then_some(last))]);
        let others = others.filter_map(|(rel, number)| Some((rel, number?)));
        let others: Vec<_> = others.map(|(rel, number)| self.link(asked, rel, number)).collect();
        let response = with(reply::json(lines), LINK, &others.join(", "));
        headers.into_iter().fold(response, |response, (name, value)| match value {
            Some(value) => with(response, HeaderName::from_static(name), &value),
            None => response,
        })
    }

    fn link(self, asked: &Asked, rel: &str, number: usize) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs = query_pairs(&asked.query).into_iter();
        // A token that came in the URL stays with who sent it.
        let kept = |name: &str| !matches!(name, "page" | "per_page" | "private_token");
        let pairs = pairs.filter(|(name, _)| kept(name));
        let mut query: Vec<_> =
            pairs.map(|(name, value)| format!("{}={}", encode(&name), encode(&value))).collect();
        query.push(format!("page={number}&per_page={}", self.lines));
        format!("<{}{}?{}>; rel=\"{rel}\"", asked.address, asked.path, query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        let asked = Asked::of_query(query);
        Page::read(&asked.params)
    }

    #[test]
    fn a_page_has_up_to_a_hundred_lines() {
        assert_eq!(page(""), Ok(Page { number: 1, lines: 20 }));
        assert_eq!(page("page=3&per_page=7"), Ok(Page { number: 3, lines: 7 }));
        assert_eq!(page("per_page=5000"), Ok(Page { number: 1, lines: 100 }));
        for bad in ["page=0", "per_page=0", "page=x", "per_page=-1"] {
            assert!(page(bad).is_err(), "{bad}");
        }
        assert_eq!(page("page=2&per_page=3").unwrap().of(1..=8), [4, 5, 6]);
        assert!(page("page=99999999999&per_page=100").unwrap().of(1..=8).is_empty());
    }

    #[test]
    fn headers_lead_to_the_other_pages() {
        let asked = Asked::of_query("search=a%26b&page=2&per_page=3&private_token=secret");
        let page = Page::read(&asked.params).unwrap();
        let lines = [json!(4), json!(5), json!(6)];
        let response = page.answer(&asked, &lines, 8);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        for (name, value) in [
            ("x-page", "2"),
            ("x-per-page", "3"),
            ("x-next-page", "3"),
            ("x-prev-page", "1"),
            ("x-total", "8"),
            ("x-total-pages", "3"),
        ] {
            assert_eq!(header(name), value, "{name}");
        }
        let link = header("link");
        let at = "http://h/api/v4/x?search=a%26b&page";
        for (rel, number) in [("prev", 1), ("next", 3), ("first", 1), ("last", 3)] {
            let wanted = format!("<{at}={number}&per_page=3>; rel=\"{rel}\"");
            assert!(link.contains(&wanted), "{link} has no {wanted}");
        }
        assert!(!link.contains("secret"));
    }

    #[test]
    fn the_total_of_a_long_list_is_not_told() {
        let asked = Asked::of_query("page=2");
        let response = Page::read(&asked.params).unwrap().answer(&asked, &[], TOTAL_MAX + 1);
        assert!(!response.headers().contains_key("x-total"));
        let link = response.headers()["link"].to_str().unwrap();
        assert!(link.contains("rel=\"next\"") && !link.contains("rel=\"last\""), "{link}");
    }
}
