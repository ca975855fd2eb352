//! Parts of lists: `page` and `per_page` of a request, and the headers of an answer (spec gitlab
//! §3.1). Totals of long lists are not told, as clients know it.

use http::HeaderName;
use http::header::LINK;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use warp::reply::Response;

use super::params::Params;
use super::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::http::reply::{self, with};
use crate::http::tree::query_pairs;

/// Lines of a page unless the client says how many, and at most.
const LINES: usize = 20;
const LINES_MAX: usize = 100;
/// Of lists with more lines neither the total nor the last page is told.
pub(super) const TOTAL_MAX: usize = 10_000;

/// Whether all lines of a list are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// All of them are looked at.
    All,
    /// Only those up to the page.
    Page,
}

impl Count {
    /// Of what is picked from so many: what would not be told is not counted.
    pub(super) fn of(records: u64) -> Self {
        let is_short = usize::try_from(records).is_ok_and(|records| records <= TOTAL_MAX);
        if is_short { Self::All } else { Self::Page }
    }
}

/// How many lines a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Total {
    /// So many.
    Known(usize),
    /// Nobody counted, and more follow behind the page.
    More,
    /// Nobody counted, and nothing follows.
    End,
}

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

    /// Of everything in turn that `show` shows what is on this page, and how many there are. Where
    /// `count` says so it looks no further than it has to, to know whether more follows.
    pub(super) fn pick<I, T>(
        self,
        count: Count,
        ids: impl IntoIterator<Item = Result<I, Failure>>,
        mut show: impl FnMut(I) -> Result<Option<T>, Failure>,
    ) -> Result<(Vec<T>, Total), Failure> {
        let before = self.lines.saturating_mul(self.number - 1);
        let behind = before.saturating_add(self.lines);
        let (mut found, mut seen) = (Vec::new(), 0);
        for id in ids {
            let Some(thing) = show(id?)? else { continue };
            if (before..behind).contains(&seen) {
                found.push(thing);
            } else if seen >= behind && count == Count::Page {
                return Ok((found, Total::More));
            }
            seen += 1;
        }
        Ok((found, if count == Count::Page { Total::End } else { Total::Known(seen) }))
    }

    fn last(self, total: usize) -> usize {
        total.div_ceil(self.lines).max(1)
    }

    /// The answer with the lines of this page, of so many in all.
    pub(super) fn answer(self, asked: &Asked, lines: &[Value], total: usize) -> Response {
        self.answer_of(asked, lines, Total::Known(total))
    }

    /// As [`Self::answer`], also where nobody counted.
    pub(super) fn answer_of(self, asked: &Asked, lines: &[Value], total: Total) -> Response {
        let Self { number, lines: per_page } = self;
        let (known, has_next) = match total {
            Total::Known(total) => (Some(total), number < self.last(total)),
            Total::More => (None, true),
            Total::End => (None, false),
        };
        let known = known.filter(|total| *total <= TOTAL_MAX);
        let (total, last) = (known, known.map(|total| self.last(total)));
        let text = |number: Option<usize>| number.map(|number| number.to_string());
        let next = has_next.then(|| number + 1);
        let previous = (number > 1).then(|| number - 1);
        let headers = [
            ("x-page", Some(number.to_string())),
            ("x-per-page", Some(per_page.to_string())),
            ("x-next-page", Some(text(next).unwrap_or_default())),
            ("x-prev-page", Some(text(previous).unwrap_or_default())),
            ("x-total", text(total)),
            ("x-total-pages", text(last)),
        ];
        let others = [("prev", previous), ("next", next), ("first", Some(1))];
        let others = others.into_iter().chain([("last", last)]);
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
        let kept =
            |name: &str| !matches!(name, "page" | "per_page" | "private_token" | "job_token");
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
    fn nothing_behind_the_page_is_looked_at_where_nobody_counts() {
        let page = page("page=2&per_page=2").unwrap();
        let pick = |count| {
            let looked_at = std::cell::Cell::new(0);
            let ids = (1..=20).map(Ok).inspect(|_| looked_at.set(looked_at.get() + 1));
            let odd = |id: i32| Ok((id % 2 == 1).then_some(id));
            let (found, total) = page.pick(count, ids, odd).unwrap();
            (found, total, looked_at.get())
        };
        assert_eq!(pick(Count::All), (vec![5, 7], Total::Known(10), 20));
        assert_eq!(pick(Count::Page), (vec![5, 7], Total::More, 9));
        let ids = (1..=4).map(Ok);
        assert_eq!(page.pick(Count::Page, ids, |id| Ok(Some(id))).unwrap().1, Total::End);
    }

    #[test]
    fn headers_lead_to_the_other_pages() {
        let asked =
            Asked::of_query("search=a%26b&page=2&per_page=3&private_token=secret&job_token=secret");
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
        let page = Page::read(&asked.params).unwrap();
        assert_eq!((Count::of(10_000), Count::of(10_001)), (Count::All, Count::Page));
        let response = page.answer_of(&asked, &[], Total::More);
        assert_eq!(response.headers()["x-next-page"], "3");
        let response = page.answer_of(&asked, &[], Total::End);
        assert!(!response.headers().contains_key("x-total"));
        assert_eq!(response.headers()["x-next-page"], "");
        let response = page.answer(&asked, &[], TOTAL_MAX + 1);
        assert!(!response.headers().contains_key("x-total"));
        let link = response.headers()["link"].to_str().unwrap();
        assert!(link.contains("rel=\"next\"") && !link.contains("rel=\"last\""), "{link}");
    }
}
