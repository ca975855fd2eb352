//! Whether a way back from an id to a name can be believed: the row that it leads to says so.

use crate::db::schema::{BRANCHES, FORMATS, JOBS, NODES, TAGS};
use crate::db::{Error, Rows};
use crate::model::{
    BranchId, BranchName, Entry, FormatName, JobId, JobName, Node, RepoId, TagId, TagName,
};

/// Whether the row that `entry` leads to is the one of `node`. False for a container that is
/// detached itself, true for everything below it.
pub(super) fn is_named(rows: &impl Rows, node: Node, entry: &Entry) -> Result<bool, Error> {
    let Entry { parent, name } = entry;
    let found = match node {
        Node::Branch(_) => match BranchName::parse(name) {
            Ok(name) => BRANCHES.get(rows, &(RepoId(*parent), name))?.map(|r| Node::Branch(r.id)),
            Err(_) => None,
        },
        Node::Tag(_) => match TagName::parse(name) {
            Ok(name) => TAGS.get(rows, &(BranchId(*parent), name))?.map(|r| Node::Tag(r.id)),
            Err(_) => None,
        },
        Node::Job(_) => match JobName::parse(name) {
            Ok(name) => JOBS.get(rows, &(TagId(*parent), name))?.map(|r| Node::Job(r.id)),
            Err(_) => None,
        },
        Node::Format(_) => match FormatName::parse(name) {
            Ok(name) => FORMATS.get(rows, &(JobId(*parent), name))?.map(|r| Node::Format(r.id)),
            Err(_) => None,
        },
        // Its record says where it is.
        Node::Manifest(_)
        | Node::Group(_)
        | Node::Project(_)
        | Node::Package(_)
        | Node::PackageFile(_) => None,
    };
    Ok(found == Some(node))
}

/// One level up.
pub(super) fn parent(node: Node, entry: &Entry) -> Option<Node> {
    match node {
        Node::Branch(_)
        | Node::Manifest(_)
        | Node::Group(_)
        | Node::Project(_)
        | Node::Package(_)
        | Node::PackageFile(_) => None,
        Node::Tag(_) => Some(Node::Branch(BranchId(entry.parent))),
        Node::Job(_) => Some(Node::Tag(TagId(entry.parent))),
        Node::Format(_) => Some(Node::Job(JobId(entry.parent))),
    }
}

/// The topmost container on the way up from `node` that no name leads to, if there is one: a
/// detached thing, or an orphan.
pub(super) fn unnamed(rows: &impl Rows, node: Node) -> Result<Option<Node>, Error> {
    let mut at = Some(node);
    while let Some(node) = at {
        let Some(entry) = NODES.get(rows, &node)? else { return Ok(Some(node)) };
        if !is_named(rows, node, &entry)? {
            return Ok(Some(node));
        }
        at = parent(node, &entry);
    }
    Ok(None)
}
