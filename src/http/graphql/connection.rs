//! Pages of lists (spec gitlab §10.1): which part is wanted, and the cursors of its ends.
//!
//! Lists here are ordered by id, newest first; a cursor holds an id, so a page stays right whatever
//! is added or removed beside it.

use std::convert::Infallible;

use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{OutputType, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::errors::argument;

/// Most entries of a page, and those of one of which nothing is said.
pub const PAGE_MAX: usize = 100;

/// What a page costs per so many entries; see [`super::limits::COMPLEXITY_MAX`].
const ENTRIES_PER_COST: usize = 4;

/// The arguments of a list.
pub struct Arguments {
    /// Behind this cursor.
    pub after: Option<String>,
    /// In front of this one.
    pub before: Option<String>,
    /// So many from the front.
    pub first: Option<i32>,
    /// So many from the end.
    pub last: Option<i32>,
}

/// The part of a list that is wanted. Ids fall along the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Only ids above this one.
    pub newer_than: Option<u64>,
    /// Only ids below this one.
    pub older_than: Option<u64>,
    /// From where it is counted.
    pub end: End,
    /// At most so many.
    pub limit: usize,
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The front.
    Newest,
    /// The back.
    Oldest,
}

/// Entries with their ids, newest first.
pub type Entries<N> = Vec<(u64, N)>;

/// The cursor of an entry.
pub struct IdCursor(u64);

/// What a page costs to make.
pub fn cost(first: Option<i32>, last: Option<i32>) -> usize {
    let wanted = first.or(last).and_then(|count| usize::try_from(count).ok());
    wanted.unwrap_or(PAGE_MAX).min(PAGE_MAX).div_ceil(ENTRIES_PER_COST) + 1
}

impl Arguments {
    /// The part that they ask for.
    ///
    /// # Errors
    /// For a cursor that is none, a negative number, and two ends at once.
    pub fn part(&self) -> Result<Part> {
        let (end, count) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(argument("Can only provide either `first` or `last`, not both"));
            }
            (None, Some(last)) => (End::Oldest, Some(("last", last))),
            (first, None) => (End::Newest, first.map(|first| ("first", first))),
        };
        let limit = match count {
            None => PAGE_MAX,
            Some((name, count)) => usize::try_from(count)
                .map_err(|_| argument(format!("`{name}` must not be negative")))?
                .min(PAGE_MAX),
        };
        let older_than = self.after.as_deref().map(read).transpose()?;
        let newer_than = self.before.as_deref().map(read).transpose()?;
        Ok(Part { newer_than, older_than, end, limit })
    }
}

fn read(cursor: &str) -> Result<u64> {
    let json = BASE64_STANDARD.decode(cursor).ok();
    let value = json.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    let id = value.as_ref().and_then(|value| value["id"].as_str()?.parse().ok());
    id.ok_or_else(|| argument("Please provide a valid cursor"))
}

impl CursorType for IdCursor {
    type Error = Infallible;

    fn decode_cursor(cursor: &str) -> Result<Self, Infallible> {
        Ok(Self(read(cursor).unwrap_or_default()))
    }

    fn encode_cursor(&self) -> String {
        BASE64_STANDARD.encode(format!(r#"{{"id":"{}"}}"#, self.0))
    }
}

/// Makes a page. `entries` gives those of a part, newest first.
///
/// # Errors
/// Those of `entries`.
pub fn page<N: OutputType>(
    part: Part,
    entries: impl Fn(Part) -> Result<Entries<N>>,
) -> Result<Connection<IdCursor, N>> {
    let found = if part.limit == 0 { Vec::new() } else { entries(part)? };
    let is_any = |newer_than, older_than| {
        let probe = Part { newer_than, older_than, end: End::Newest, limit: 1 };
        entries(probe).map(|found| !found.is_empty())
    };
    // Where nothing was found, what lies behind the cursor that it was looked for from.
    let newest = found.first().map(|(id, _)| *id);
    let newest = newest.or(part.older_than.map(|cursor| cursor.saturating_sub(1)));
    let oldest = found.last().map(|(id, _)| *id);
    let oldest = oldest.or(part.newer_than.map(|cursor| cursor.saturating_add(1)));
    let has_previous = newest.map_or(Ok(false), |newest| is_any(Some(newest), None))?;
    let has_next = oldest.map_or(Ok(false), |oldest| is_any(None, Some(oldest)))?;
    let mut connection = Connection::new(has_previous, has_next);
    connection.edges.extend(found.into_iter().map(|(id, node)| Edge::new(IdCursor(id), node)));
    Ok(connection)
}

/// A page of a list that has nothing for whoever asks.
#[must_use]
pub fn empty<N: OutputType>() -> Connection<IdCursor, N> {
    Connection::new(false, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(id: u64) -> String {
        IdCursor(id).encode_cursor()
    }

    /// Of the ids 1 to 9.
    fn ids(part: Part) -> Vec<(u64, i32)> {
        let is_in = |id: &u64| {
            part.newer_than.is_none_or(|bound| *id > bound)
                && part.older_than.is_none_or(|bound| *id < bound)
        };
        let all: Vec<u64> = (1..10).rev().filter(is_in).collect();
        let skipped = match part.end {
            End::Newest => 0,
            End::Oldest => all.len().saturating_sub(part.limit),
        };
        all.into_iter().skip(skipped).take(part.limit).map(|id| (id, 0)).collect()
    }

    /// The ids of a page, and whether there are more on either side.
    fn paged(arguments: &Arguments) -> (Vec<u64>, bool, bool) {
        let Ok(page) = page(arguments.part().unwrap(), |part| Ok(ids(part))) else {
            panic!("no page")
        };
        let found = page.edges.iter().map(|edge| edge.cursor.0).collect();
        (found, page.has_previous_page, page.has_next_page)
    }

    #[test]
    fn pages_go_forwards_and_backwards() {
        let none = || Arguments { after: None, before: None, first: None, last: None };
        assert_eq!(paged(&none()), ((1..10).rev().collect(), false, false));
        let first = || Arguments { first: Some(4), ..none() };
        assert_eq!(paged(&first()), (vec![9, 8, 7, 6], false, true));
        assert_eq!(
            paged(&Arguments { after: Some(cursor(6)), ..first() }),
            (vec![5, 4, 3, 2], true, true)
        );
        assert_eq!(paged(&Arguments { after: Some(cursor(2)), ..first() }), (vec![1], true, false));
        assert_eq!(paged(&Arguments { after: Some(cursor(1)), ..first() }), (vec![], true, false));
        let last = || Arguments { last: Some(2), ..none() };
        assert_eq!(paged(&last()), (vec![2, 1], true, false));
        assert_eq!(
            paged(&Arguments { before: Some(cursor(2)), ..last() }),
            (vec![4, 3], true, true)
        );
        assert_eq!(paged(&Arguments { before: Some(cursor(9)), ..last() }), (vec![], false, true));
        let between = Arguments { after: Some(cursor(8)), before: Some(cursor(3)), ..first() };
        assert_eq!(paged(&between), (vec![7, 6, 5, 4], true, true));
        assert_eq!(paged(&Arguments { first: Some(0), ..none() }), (vec![], false, false));
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let none = || Arguments { after: None, before: None, first: None, last: None };
        assert_eq!(Arguments { first: Some(5000), ..none() }.part().unwrap().limit, PAGE_MAX);
        for (arguments, why) in [
            (Arguments { first: Some(1), last: Some(1), ..none() }, "not both"),
            (Arguments { first: Some(-1), ..none() }, "`first` must not be negative"),
            (Arguments { last: Some(i32::MIN), ..none() }, "`last` must not be negative"),
            (Arguments { after: Some("x".to_owned()), ..none() }, "valid cursor"),
            (Arguments { before: Some("e30=".to_owned()), ..none() }, "valid cursor"),
        ] {
            let error = arguments.part().unwrap_err();
            assert!(error.message.contains(why), "{}", error.message);
        }
    }

    #[test]
    fn a_page_costs_what_it_may_hold() {
        assert_eq!((cost(None, None), cost(Some(1), None), cost(None, Some(9999))), (26, 2, 26));
        assert_eq!((cost(Some(0), None), cost(Some(-3), None)), (1, 26));
    }
}
