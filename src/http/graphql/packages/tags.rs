//! `PackageTag`: a moving name of a version (spec gitlab §10.3).

use async_graphql::connection::Connection;
use async_graphql::{Context, Result, SimpleObject};

use super::package::Node;
use crate::http::graphql::asked::asked;
use crate::http::graphql::connection::{self, Arguments, End, IdCursor, Part};
use crate::http::graphql::document::document;
use crate::http::graphql::errors::fault;
use crate::http::graphql::ids::PackagesTagID;
use crate::http::graphql::scalars::Time;
use crate::model::{PackageTag as Record, PackageTagName};

/// A moving name of a version.
#[derive(Clone, SimpleObject)]
pub struct PackageTag {
    /// The global id.
    id: PackagesTagID,
    /// The name.
    name: String,
    /// When it was made.
    created_at: Time,
    /// When it last moved.
    updated_at: Time,
}

/// A page of a package's tags, the newest first.
pub fn page(
    context: &Context<'_>,
    node: &Node,
    arguments: &Arguments,
) -> Result<Connection<IdCursor, PackageTag>> {
    let part = arguments.part()?;
    let tags = asked(context)?.view().tags_of_package(node.id).map_err(|error| fault(&error))?;
    document(context)?.spend(tags.len())?;
    let mut tags: Vec<_> = tags.into_iter().map(line).collect();
    tags.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    connection::page(part, |part| Ok(cut(&tags, part)))
}

fn line((name, tag): (PackageTagName, Record)) -> (u64, PackageTag) {
    let node = PackageTag {
        id: PackagesTagID(tag.id.0),
        name: name.as_str().to_owned(),
        created_at: Time(tag.created),
        updated_at: Time(tag.updated),
    };
    (tag.id.0, node)
}

/// The part of a list that was read whole.
fn cut<N: Clone>(all: &[(u64, N)], part: Part) -> Vec<(u64, N)> {
    let is_in = |(id, _): &&(u64, N)| {
        part.newer_than.is_none_or(|bound| *id > bound)
            && part.older_than.is_none_or(|bound| *id < bound)
    };
    let found: Vec<_> = all.iter().filter(is_in).cloned().collect();
    let skipped = match part.end {
        End::Newest => 0,
        End::Oldest => found.len().saturating_sub(part.limit),
    };
    found.into_iter().skip(skipped).take(part.limit).collect()
}
