//! In which order lists of groups and projects come: by an index, a batch at a time, so that a page
//! costs the page; short lists of what lies in a group are sorted here.
//!
//! Deliberately absent: who may see what, which whoever reads the list asks for each.

use super::ApiError;
use super::params::{Params, no_value};
use crate::db::Order;
use crate::http::failure::Failure;
use crate::model::{Group, GroupId, ListedBy, ListedText, Project};
use crate::store::View;
use crate::store::listed::ListedAfter;

/// Rows that are read at a time.
const BATCH: usize = 256;

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The number, and so the age.
    Number,
    /// What people call it.
    Title,
    /// The last name of its path.
    Name,
}

/// How a list is sorted; the number breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sorting {
    by: By,
    order: Order,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Groups,
    Projects,
}

impl Sorting {
    pub(super) fn groups(params: &Params) -> Result<Self, ApiError> {
        let by = match params.text("order_by")?.as_deref() {
            None | Some("name" | "similarity" | "") => By::Title,
            Some("path") => By::Name,
            Some("id") => By::Number,
            Some(_) => return Err(no_value("order_by")),
        };
        Ok(Self { by, order: order(params, Order::Ascending)? })
    }

    /// Of lists that are newest first unless the client says otherwise.
    pub(super) fn projects(params: &Params) -> Result<Self, ApiError> {
        let by = match params.text("order_by")?.as_deref() {
            None | Some("id" | "created_at" | "") => By::Number,
            Some("name" | "similarity") => By::Title,
            Some("path") => By::Name,
            Some(_) => return Err(no_value("order_by")),
        };
        Ok(Self { by, order: order(params, Order::Descending)? })
    }

    /// All numbers of a kind in this order; names may lead to some of them no more.
    pub(super) fn all(
        self,
        view: &View,
        kind: Kind,
    ) -> impl Iterator<Item = Result<GroupId, Failure>> {
        let mut after: Option<ListedAfter> = None;
        let (mut batch, mut is_last) = (Vec::new().into_iter(), false);
        std::iter::from_fn(move || {
            if batch.len() == 0 && !is_last {
                match self.batch(view, kind, after.as_ref()) {
                    Ok(found) => {
                        is_last = found.len() < BATCH;
                        batch = found.into_iter();
                    }
                    Err(error) => {
                        is_last = true;
                        return Some(Err(error));
                    }
                }
            }
            let next: ListedAfter = batch.next()?;
            let id = next.id;
            after = Some(next);
            Some(Ok(id))
        })
    }

    fn batch(
        self,
        view: &View,
        kind: Kind,
        after: Option<&ListedAfter>,
    ) -> Result<Vec<ListedAfter>, Failure> {
        let by = match (self.by, kind) {
            (By::Number, kind) => return numbers(view, kind, self.order, after),
            (By::Title, Kind::Groups) => ListedBy::GroupTitle,
            (By::Title, Kind::Projects) => ListedBy::ProjectTitle,
            (By::Name, Kind::Groups) => ListedBy::GroupName,
            (By::Name, Kind::Projects) => ListedBy::ProjectName,
        };
        Ok(view.listed(by, self.order, after, BATCH)?)
    }

    /// Sorts what was walked: texts by which [`Self::text`] tells.
    pub(super) fn sorted<I: Ord>(
        self,
        mut found: Vec<(ListedText, I)>,
    ) -> impl Iterator<Item = Result<I, Failure>> {
        found.sort_unstable();
        if self.order == Order::Descending {
            found.reverse();
        }
        found.into_iter().map(|(_, id)| Ok(id))
    }

    pub(super) fn text_of_group(self, group: &Group) -> ListedText {
        self.text(&group.name, &group.path)
    }

    pub(super) fn text_of_project(self, project: &Project) -> ListedText {
        self.text(&project.name, &project.path)
    }

    fn text(self, title: &str, name: &str) -> ListedText {
        ListedText::of(match self.by {
            By::Number => "",
            By::Title => title,
            By::Name => name,
        })
    }
}

fn numbers(
    view: &View,
    kind: Kind,
    order: Order,
    after: Option<&ListedAfter>,
) -> Result<Vec<ListedAfter>, Failure> {
    let after = after.map(|after| after.id);
    let found = match kind {
        Kind::Groups => view.group_numbers(order, after, BATCH)?,
        Kind::Projects => view.project_numbers(order, after, BATCH)?,
    };
    let text = ListedText::of("");
    Ok(found.into_iter().map(|id| ListedAfter { text: text.clone(), id }).collect())
}

fn order(params: &Params, default: Order) -> Result<Order, ApiError> {
    match params.text("sort")?.as_deref() {
        None | Some("") => Ok(default),
        Some("asc") => Ok(Order::Ascending),
        Some("desc") => Ok(Order::Descending),
        Some(_) => Err(no_value("sort")),
    }
}
