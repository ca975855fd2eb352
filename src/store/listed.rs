//! Groups and projects in the order of lists, so that a page costs the page and not all of them.
//!
//! A row is kept while the record is, so it may be of something that is being destroyed: whoever
//! reads a list looks whether names lead there. Every row follows from the records (`check`).
//! Deliberately absent: who may see what.

use super::{Error, Tx, View};
use crate::db::schema::{GROUPS, LISTED, PROJECTS};
use crate::db::{Order, Span};
use crate::model::{GroupId, ListedBy, ListedText, ProjectId};

/// Where a row of a list stands.
pub type Listing = (ListedBy, ListedText);

/// How a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAfter {
    /// The text that was last.
    pub text: ListedText,
    /// The number of what had it.
    pub id: GroupId,
}

impl Tx<'_, '_> {
    /// Lists something where it stands now and not where it stood.
    pub(super) fn list(
        &self,
        id: GroupId,
        before: &[Listing],
        now: &[Listing],
    ) -> Result<(), Error> {
        for (by, text) in before.iter().filter(|listing| !now.contains(listing)) {
            LISTED.remove(self.txn, &(*by, (text.clone(), id)))?;
        }
        for (by, text) in now.iter().filter(|listing| !before.contains(listing)) {
            LISTED.put(self.txn, &(*by, (text.clone(), id)), &())?;
        }
        Ok(())
    }
}

impl View {
    /// The numbers of groups or projects in the order of a list, behind `after` in that direction,
    /// at most `limit`; names may lead to some of them no more.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn listed(
        &self,
        by: ListedBy,
        order: Order,
        after: Option<&ListedAfter>,
        limit: usize,
    ) -> Result<Vec<ListedAfter>, Error> {
        let key = |after: &ListedAfter| (by, (after.text.clone(), after.id));
        let span = Span::under(&by);
        let span = match (order, after) {
            (Order::Ascending, None) => span,
            (Order::Ascending, Some(after)) => span.after(&key(after)),
            (Order::Descending, None) => span.descending(),
            (Order::Descending, Some(after)) => span.before(&key(after)).descending(),
        };
        let found = LISTED.page(&self.snapshot, span, limit)?.into_iter();
        Ok(found.map(|((_, (text, id)), ())| ListedAfter { text, id }).collect())
    }

    /// As [`Self::listed`], of groups by their numbers.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn group_numbers(
        &self,
        order: Order,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Vec<GroupId>, Error> {
        let found = GROUPS.page(&self.snapshot, numbered(order, after), limit)?;
        Ok(found.into_iter().map(|(id, _)| id).collect())
    }

    /// As [`Self::listed`], of projects by their numbers.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn project_numbers(
        &self,
        order: Order,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Vec<GroupId>, Error> {
        let after = after.map(|id| ProjectId(id.0));
        let found = PROJECTS.page(&self.snapshot, numbered(order, after), limit)?;
        Ok(found.into_iter().map(|(id, _)| id.governed()).collect())
    }

    /// How many records of groups there are, those that are being destroyed included.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn group_records(&self) -> Result<u64, Error> {
        Ok(GROUPS.count(&self.snapshot)?)
    }

    /// How many records of projects there are, those that are being destroyed included.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn project_records(&self) -> Result<u64, Error> {
        Ok(PROJECTS.count(&self.snapshot)?)
    }
}

fn numbered<K: crate::db::keys::Key>(order: Order, after: Option<K>) -> Span<K> {
    match (order, after) {
        (Order::Ascending, None) => Span::all(),
        (Order::Ascending, Some(after)) => Span::all().after(&after),
        (Order::Descending, None) => Span::all().descending(),
        (Order::Descending, Some(after)) => Span::all().before(&after).descending(),
    }
}
