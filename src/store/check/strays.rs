//! Rows that nothing leads to: index rows without what they index, and rows of containers whose
//! parent is not there. Where the numbers show that there are none, nothing is walked over.

use super::fix::{Erase, Fix};
use super::{Halt, Pass};
use crate::db::codec::Value;
use crate::db::keys::{Key, PrefixOf};
use crate::db::schema::{
    ARTIFACTS, BLOBS, DIGESTS, FORMATS, FREE, JOBS, LAPSED, NODES, TAG_AGES, TAGS,
};
use crate::db::{self, Found, Span, Table};
use crate::model::{Blob, BlobId, Digest, Node, Refs};
use crate::store::links;

impl Pass<'_, '_, '_> {
    pub(super) fn check_strays(&mut self) -> Result<(), Halt> {
        self.stray_frees()?;
        self.lapsed()?;
        if DIGESTS.count(self.rows)? != self.met.digests {
            self.stray_digests()?;
        }
        if NODES.count(self.rows)? != self.met.ways {
            self.stray_ways()?;
        }
        if TAG_AGES.count(self.rows)? != self.met.ages {
            self.stray_ages()?;
        }
        let met = self.found.recount.checked;
        self.orphans(&TAGS, met.tags, Node::Branch)?;
        self.orphans(&JOBS, met.jobs, Node::Tag)?;
        self.orphans(&FORMATS, met.formats, Node::Job)?;
        self.orphans(&ARTIFACTS, met.artifacts, Node::Format)
    }

    fn stray_frees(&mut self) -> Result<(), Halt> {
        for row in FREE.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((until, id), ()) => {
                    let is_free = |blob: &Blob| blob.refs == Refs::Free { until };
                    if !self.blob_is(id, is_free)? {
                        let id_text = id.0;
                        let what = format!("blob {id_text} is indexed as free, which it is not");
                        self.found.differ(what, Fix::StrayIndex(until, id));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| FREE.remove_unreadable(txn, key);
                    self.broken(FREE.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    /// Digests that are noted as those of collected blobs. A note without a row does no harm: it
    /// goes with the others.
    fn lapsed(&mut self) -> Result<(), Halt> {
        for row in LAPSED.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, digest) => {
                    if self.blob_is(id, |_| true)? {
                        let id_text = id.0;
                        let what = format!("digest {digest} of blob {id_text} counts as collected");
                        self.found.differ(what, Fix::LiveDigest(id));
                    } else if self.leads_to(&digest, id)? {
                        self.met.digests += 1;
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| LAPSED.remove_unreadable(txn, key);
                    self.broken(LAPSED.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn leads_to(&self, digest: &Digest, id: BlobId) -> Result<bool, Halt> {
        match DIGESTS.get(self.rows, digest) {
            Err(db::Error::Corrupt { .. }) => Ok(false),
            found => Ok(found? == Some(id)),
        }
    }

    fn stray_digests(&mut self) -> Result<(), Halt> {
        for row in DIGESTS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(digest, id) => {
                    let is_lapsed = LAPSED.has(self.rows, &id)?;
                    if !is_lapsed && !self.blob_is(id, |blob: &Blob| blob.digest == digest)? {
                        let id = id.0;
                        let what = format!("digest {digest} leads to blob {id}, which it is not");
                        self.found.differ(what, Fix::StrayDigest(digest));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| DIGESTS.remove_unreadable(txn, key);
                    self.broken(DIGESTS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    /// Whether there is such a blob; one that cannot be read may be anything.
    fn blob_is(&self, id: BlobId, test: impl FnOnce(&Blob) -> bool) -> Result<bool, Halt> {
        match BLOBS.get(self.rows, &id) {
            Err(db::Error::Corrupt { .. }) => Ok(true),
            blob => Ok(blob?.as_ref().is_some_and(test)),
        }
    }

    fn stray_ways(&mut self) -> Result<(), Halt> {
        for row in NODES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(node, entry) => {
                    if !self.waiting.contains(&node)
                        && !self.misnamed.contains(&node)
                        && !self.is_named(node, &entry)?
                    {
                        let name = &entry.name;
                        let what = format!("{node:?} leads back to {name:?}, which is not there");
                        self.found.differ(what, Fix::StrayWay(node));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| NODES.remove_unreadable(txn, key);
                    self.broken(NODES.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn stray_ages(&mut self) -> Result<(), Halt> {
        for row in TAG_AGES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((branch, (created, id)), name) => {
                    let tag = match TAGS.get(self.rows, &(branch, name.clone())) {
                        Err(db::Error::Corrupt { .. }) => continue,
                        tag => tag?,
                    };
                    if tag.is_none_or(|tag| (tag.created, tag.id) != (created, id)) {
                        let path = self.name_of(Node::Branch(branch));
                        let what = format!("{path} has tag {name} in its order of age in vain");
                        self.found.differ(what, Fix::StrayAge(branch, created, id));
                    }
                }
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| TAG_AGES.remove_unreadable(txn, key);
                    self.broken(TAG_AGES.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    /// Looks for rows whose parent is neither named nor waiting to be destroyed. One difference
    /// tells of all children of a parent.
    fn orphans<P, N, V>(
        &mut self,
        table: &Table<(P, N), V>,
        met: u64,
        parent: fn(P) -> Node,
    ) -> Result<(), Halt>
    where
        P: Key + PrefixOf<(P, N)>,
        N: Key,
        V: Value,
    {
        if table.count(self.rows)? == met {
            return Ok(());
        }
        let mut last = None;
        for row in table.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let (key, at) = match row? {
                Found::Row((at, name), _) => ((Some(name)), Some(at)),
                Found::Unreadable { key, .. } => (None, P::read(&mut key.as_slice())),
            };
            let at = at.map(parent);
            if last == Some(at) {
                continue;
            }
            last = Some(at);
            let is_known = match at {
                Some(node) => self.is_known(node)?,
                None => false,
            };
            if !is_known {
                let (name, row) = (table.name(), if key.is_some() { "rows" } else { "damage" });
                self.found.in_doubt = true;
                self.found.damage(format!(
                    "table {name} holds {row} below {at:?}, which is not there; nothing was \
                     removed"
                ));
            }
        }
        Ok(())
    }

    /// Whether a container is there, named or detached.
    fn is_known(&self, node: Node) -> Result<bool, Halt> {
        if self.waiting.contains(&node) || self.misnamed.contains(&node) {
            return Ok(true);
        }
        match NODES.get(self.rows, &node) {
            Ok(Some(entry)) => self.is_named(node, &entry),
            Ok(None) | Err(db::Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`links::is_named`]; a row that cannot be read may be the right one.
    pub(super) fn is_named(&self, node: Node, entry: &crate::model::Entry) -> Result<bool, Halt> {
        match links::is_named(self.rows, node, entry) {
            Err(db::Error::Corrupt { .. }) => Ok(true),
            result => Ok(result?),
        }
    }
}
