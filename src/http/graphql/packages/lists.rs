//! Lists of packages as connections: of a project, of a group and of other versions (spec gitlab
//! §10.2). A cursor says where a package stands in the order, so a page stays right whatever is
//! added or removed beside it.

use std::convert::Infallible;
use std::sync::Arc;

use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{Context, Object, OutputType, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::PackageAt;
use super::package::{Node, Package, PackageBase};
use super::words::{PackageGroupSort, PackageSort, PackageStatus, PackageTypeEnum};
use crate::http::graphql::asked::{Asked, asked};
use crate::http::graphql::connection::{self, Arguments, PAGE_MAX};
use crate::http::graphql::document::document;
use crate::http::graphql::errors::argument;
use crate::http::graphql::group::GroupAt;
use crate::http::graphql::project::ProjectAt;
use crate::http::graphql::scalars::int;
use crate::model;
use crate::store::package_lists::{
    Direction, Listed, PackageFilter, PackageList, PackageOrder, Part, Place, Rank, Versionless,
};

/// The fields of a project.
pub struct ProjectPackages(pub Arc<ProjectAt>);

/// The fields of a group.
pub struct GroupPackages(pub Arc<GroupAt>);

/// What a list tells beside its pages.
pub struct PackageCount(Option<Arc<PackageList>>);

/// Where a package stands.
pub struct RankCursor(Rank);

impl CursorType for RankCursor {
    type Error = Infallible;

    fn decode_cursor(cursor: &str) -> Result<Self, Infallible> {
        Ok(Self(read(cursor).unwrap_or_default()))
    }

    fn encode_cursor(&self) -> String {
        BASE64_STANDARD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

fn read(cursor: &str) -> Result<Rank> {
    let json = BASE64_STANDARD.decode(cursor).ok();
    let rank = json.and_then(|json| serde_json::from_slice(&json).ok());
    rank.ok_or_else(|| argument("Please provide a valid cursor"))
}

#[Object]
impl PackageCount {
    /// How many there are in all.
    async fn count(&self, context: &Context<'_>) -> Result<i32> {
        let Some(list) = &self.0 else { return Ok(0) };
        let all = Part { count_max: usize::MAX, ..Part::default() };
        let counted = asked(context)?.list_packages(list, &all)?;
        Ok(counted.total.map_or(i32::MAX, |total| int(u64::try_from(total).unwrap_or(u64::MAX))))
    }
}

/// What a list may be asked for.
struct Wanted {
    name: Option<String>,
    kind: Option<PackageTypeEnum>,
    version: Option<String>,
    status: Option<PackageStatus>,
    versionless: bool,
}

impl Wanted {
    /// `None`: nothing here is of that kind.
    fn filter(self) -> Option<PackageFilter> {
        let kind = match self.kind {
            None => None,
            Some(kind) => Some(kind.kind()?),
        };
        let versionless = if self.versionless { Versionless::Shown } else { Versionless::Hidden };
        Some(PackageFilter {
            kind,
            words: PackageFilter::words_of(&self.name.unwrap_or_default()),
            version: self.version.filter(|version| !version.is_empty()),
            versionless,
            status: self.status.map(model::PackageStatus::from),
            ..PackageFilter::default()
        })
    }
}

#[Object]
impl ProjectPackages {
    /// Its packages; none for whoever may not read them.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    #[allow(clippy::too_many_arguments, reason = "they are the field's")]
    async fn packages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "In which order.", default_with = "PackageSort::CreatedDesc")]
        sort: PackageSort,
        #[graphql(desc = "With all of these words in their names.")] package_name: Option<String>,
        #[graphql(desc = "Of this kind.")] package_type: Option<PackageTypeEnum>,
        #[graphql(desc = "Of this version.")] package_version: Option<String>,
        #[graphql(desc = "In this state.")] status: Option<PackageStatus>,
        #[graphql(desc = "Without a version too.", default = false)] include_versionless: bool,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<RankCursor, Package, PackageCount>>> {
        let arguments = Arguments { after, before, first, last };
        let wanted = Wanted {
            name: package_name,
            kind: package_type,
            version: package_version,
            status,
            versionless: include_versionless,
        };
        let places = |asked: &Asked| {
            let place = Place { project: self.0.id, path: self.0.path.to_string() };
            Ok(asked.reads_packages(self.0.id)?.then_some(place).into_iter().collect())
        };
        Some(listed(context, &arguments, wanted, sort.order(), places))
    }
}

#[Object]
impl GroupPackages {
    /// The packages of all projects in it and below it that the caller may read.
    #[graphql(complexity = "connection::cost(first, last) + child_complexity")]
    #[allow(clippy::too_many_arguments, reason = "they are the field's")]
    async fn packages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "In which order.", default_with = "PackageGroupSort::CreatedDesc")]
        sort: PackageGroupSort,
        #[graphql(desc = "With all of these words in their names.")] package_name: Option<String>,
        #[graphql(desc = "Of this kind.")] package_type: Option<PackageTypeEnum>,
        #[graphql(desc = "Of this version.")] package_version: Option<String>,
        #[graphql(desc = "In this state.")] status: Option<PackageStatus>,
        #[graphql(desc = "Without a version too.", default = false)] include_versionless: bool,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 100 at most.")] last: Option<i32>,
    ) -> Option<Result<Connection<RankCursor, Package, PackageCount>>> {
        let arguments = Arguments { after, before, first, last };
        let wanted = Wanted {
            name: package_name,
            kind: package_type,
            version: package_version,
            status,
            versionless: include_versionless,
        };
        let places = |asked: &Asked| asked.package_places(self.0.id);
        Some(listed(context, &arguments, wanted, sort.order(), places))
    }
}

fn listed(
    context: &Context<'_>,
    arguments: &Arguments,
    wanted: Wanted,
    (order, direction): (PackageOrder, Direction),
    places: impl FnOnce(&Asked) -> Result<Vec<Place>>,
) -> Result<Connection<RankCursor, Package, PackageCount>> {
    let places = places(asked(context)?)?;
    document(context)?.spend(places.len())?;
    let list = wanted.filter().map(|filter| PackageList { places, filter, order, direction });
    page(context, list, arguments, Package::new)
}

/// Other versions of a package.
///
/// # Errors
/// Those of the store, and for arguments that are none.
pub fn versions(
    context: &Context<'_>,
    node: &Node,
    arguments: &Arguments,
) -> Result<Connection<RankCursor, PackageBase, PackageCount>> {
    let series = crate::store::package_lists::series_of(&node.record);
    let list = series.map(|series| PackageList {
        places: vec![Place { project: node.record.project, path: String::new() }],
        filter: PackageFilter {
            kind: Some(node.record.kind),
            series: Some(series.name),
            but: Some(node.id),
            ..PackageFilter::default()
        },
        order: PackageOrder::Version,
        direction: Direction::Ascending,
    });
    page(context, list, arguments, PackageBase::new)
}

/// A page of a list; without one, of nothing.
fn page<N: OutputType>(
    context: &Context<'_>,
    list: Option<PackageList>,
    arguments: &Arguments,
    node: fn(Arc<Node>) -> N,
) -> Result<Connection<RankCursor, N, PackageCount>> {
    let (limit, is_from_end) = extent(arguments)?;
    document(context)?.spend(limit)?;
    let after = arguments.after.as_deref().map(read).transpose()?;
    let before = arguments.before.as_deref().map(read).transpose()?;
    let (has_after, has_before) = (after.is_some(), before.is_some());
    let (from, until) = if is_from_end { (before, after) } else { (after, before) };
    let part = Part { after: from, before: until, take: limit + 1, ..Part::default() };
    let mut found = match &list {
        Some(list) if is_from_end => read_part(context, &list.clone().reversed(), &part)?,
        Some(list) => read_part(context, list, &part)?,
        None => Vec::new(),
    };
    let is_more = found.len() > limit;
    found.truncate(limit);
    let (is_more_before, is_more_after) = if is_from_end {
        found.reverse();
        (is_more, has_before)
    } else {
        (has_after, is_more || has_before)
    };
    let count = PackageCount(list.map(Arc::new));
    let mut connection = Connection::with_additional_fields(is_more_before, is_more_after, count);
    connection.edges.extend(found.into_iter().map(|Listed { rank, id, package }| {
        let package = PackageAt { id, record: package };
        Edge::new(RankCursor(rank), node(package.into()))
    }));
    Ok(connection)
}

fn read_part(context: &Context<'_>, list: &PackageList, part: &Part) -> Result<Vec<Listed>> {
    Ok(asked(context)?.list_packages(list, part)?.packages)
}

/// How many are wanted, and whether from the end.
fn extent(arguments: &Arguments) -> Result<(usize, bool)> {
    let (name, count, is_from_end) = match (arguments.first, arguments.last) {
        (Some(_), Some(_)) => {
            return Err(argument("Can only provide either `first` or `last`, not both"));
        }
        (None, None) => return Ok((PAGE_MAX, false)),
        (Some(first), None) => ("first", first, false),
        (None, Some(last)) => ("last", last, true),
    };
    let count =
        usize::try_from(count).map_err(|_| argument(format!("`{name}` must not be negative")))?;
    Ok((count.min(PAGE_MAX), is_from_end))
}
