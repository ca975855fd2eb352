//! Where a list that an upstream cuts into pages goes on (RFC 8288, as the OCI distribution
//! specification 1.1 has it).
//!
//! Of the address only the query counts: the list is the one that was asked for, so an answer can
//! send nobody to another place.

use http::{HeaderMap, header};

/// What of an answer's `Link` asks for the next page; `None` on the last one.
pub(super) fn next_query(headers: &HeaderMap) -> Result<Option<String>, String> {
    let mut lines = headers.get_all(header::LINK).iter().filter_map(|line| line.to_str().ok());
    let Some(target) = lines.find_map(next_target) else { return Ok(None) };
    let address = target.split_once('#').map_or(target, |(address, _)| address);
    match address.split_once('?') {
        Some((_, query)) if !query.is_empty() => Ok(Some(query.to_owned())),
        _ => Err(format!("the next page of a list is at {target:?}, which has no query")),
    }
}

/// The target of the first link of a line that leads to what is next.
fn next_target(line: &str) -> Option<&str> {
    let mut rest = line;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        if after[..end].split(';').any(is_next) {
            return Some(target);
        }
        rest = &after[end..];
    }
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim_matches(|c: char| c == ',' || c == '"' || c.is_whitespace());
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &'static str) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LINK, header::HeaderValue::from_static(line));
        next_query(&headers)
    }

    #[test]
    fn the_next_page_is_found_as_registries_write_it() {
        assert_eq!(next_query(&HeaderMap::new()), Ok(None));
        for (line, query) in [
            ("</v2/a/referrers/x?last=5&n=2>; rel=\"next\"", "last=5&n=2"),
            ("<https://else.where/v2/a?x=1#top>;rel=next", "x=1"),
            ("<?n=1>; rel=\"last\", <?n=2>; title=\"a; b\"; REL=\"up Next\"", "n=2"),
        ] {
            assert_eq!(of(line), Ok(Some(query.to_owned())), "{line}");
        }
        for line in ["", "<?n=1>", "<?n=1>; rel=prev", "<?n=1; rel=next", "?n=1; rel=next"] {
            assert_eq!(of(line), Ok(None), "{line}");
        }
        assert!(of("</v2/a/referrers/x>; rel=next").is_err());
    }
}
