//! Publications: each has a tag, and the index of what is due follows from them.

use super::fix::{Erase, Fix};
use super::{Halt, Pass};
use crate::db;
use crate::db::schema::{NODES, PUBLICATIONS, PUBLICATIONS_DUE};
use crate::db::{Found, Span};
use crate::model::{Node, Publication, PublicationKey, Timestamp};
use crate::store::{Error, Tx};

impl Pass<'_, '_, '_> {
    pub(super) fn check_publications(&mut self) -> Result<(), Halt> {
        for row in PUBLICATIONS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(key, row) => self.check_publication(key, &row)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(PUBLICATIONS.name(), &key, &what);
                }
            }
        }
        for row in PUBLICATIONS_DUE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((due, key), ()) => {
                    if !self.is_due(key, due)? {
                        let path = self.name_of(Node::Tag(key.1));
                        let what = format!("the publication of {path} is listed at a wrong time");
                        self.found.differ(what, Fix::StrayDue(due, key));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| PUBLICATIONS_DUE.remove_unreadable(txn, key);
                    self.broken(PUBLICATIONS_DUE.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn check_publication(&mut self, key: PublicationKey, row: &Publication) -> Result<(), Halt> {
        let node = Node::Tag(key.1);
        let has_name = match NODES.get(self.rows, &node) {
            Ok(Some(entry)) => entry.parent == key.0.0 && self.is_named(node, &entry)?,
            Ok(None) | Err(db::Error::Corrupt { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        // The walk from the names met the tag of a way back that is wrong.
        if !has_name && !self.misnamed.contains(&node) {
            let path = self.name_of(node);
            self.found.damage(format!("there is a publication of {path}, and no such tag"));
        }
        if let Some(due) = row.due
            && !PUBLICATIONS_DUE.has(self.rows, &(due, key))?
        {
            let path = self.name_of(node);
            let what = format!("the publication of {path} is due and not listed as such");
            self.found.differ(what, Fix::Due(key));
        }
        Ok(())
    }

    /// Whether a publication is due at that moment; one that cannot be read may be.
    fn is_due(&self, key: PublicationKey, due: Timestamp) -> Result<bool, Halt> {
        match PUBLICATIONS.get(self.rows, &key) {
            Err(db::Error::Corrupt { .. }) => Ok(true),
            row => Ok(row?.is_some_and(|row| row.due == Some(due))),
        }
    }
}

impl Tx<'_, '_> {
    /// Lists a publication that is due.
    pub(super) fn fix_due(&self, key: PublicationKey) -> Result<bool, Error> {
        let due = PUBLICATIONS.get(self.txn, &key)?.and_then(|row| row.due);
        let Some(due) = due else { return Ok(false) };
        if PUBLICATIONS_DUE.has(self.txn, &(due, key))? {
            return Ok(false);
        }
        PUBLICATIONS_DUE.put(self.txn, &(due, key), &())?;
        Ok(true)
    }

    /// Drops what lists a publication at a moment when it is not due.
    pub(super) fn drop_due(&self, due: Timestamp, key: PublicationKey) -> Result<bool, Error> {
        if PUBLICATIONS.get(self.txn, &key)?.is_some_and(|row| row.due == Some(due)) {
            return Ok(false);
        }
        Ok(PUBLICATIONS_DUE.remove(self.txn, &(due, key))?)
    }
}
