//! [`Lane`]: the packages of one project, or of one kind of them, in an order. Lanes are merged
//! by their heads, so a page of many projects reads a little of each.
//!
//! What a lane hands out may still not fit: it looks at keys, and records say the rest.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::vec;

use super::{Direction, PackageFilter, PackageList, PackageOrder, Place, Rank};
use crate::db::Span;
use crate::db::schema::{PACKAGE_NAMES, PACKAGES, PACKAGES_IN, SERIES};
use crate::db::{Rows, keys::Key};
use crate::model::{
    Package, PackageId, PackageKey, PackageKind, PackageName, PackageStatus, PackageVersion,
    ProjectId, SeriesKey,
};
use crate::store::Error;

/// Rows of an index that are read at a time: few at first, since many lanes are not read further.
const BATCH_MIN: usize = 8;
const BATCH_MAX: usize = 256;

/// Takes rows off what may still be looked at.
pub(super) fn look(looks: &mut usize, rows: usize) -> Result<(), Error> {
    *looks = looks.checked_sub(rows).ok_or(Error::ListTooLong)?;
    Ok(())
}

/// The first of a lane, for the merge: the greatest of a heap comes first.
#[derive(PartialEq, Eq)]
pub(super) struct Head {
    pub(super) rank: Rank,
    pub(super) lane: usize,
    pub(super) direction: Direction,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.direction {
            Direction::Ascending => other.rank.cmp(&self.rank),
            Direction::Descending => self.rank.cmp(&other.rank),
        }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Packages in the order of a list.
pub(super) enum Lane {
    /// Of a project by id.
    Ids(Ids),
    /// Of a kind in a project by name, then by id.
    Names(Names),
    /// Those that were gathered and sorted.
    Gathered(vec::IntoIter<Rank>),
}

/// See [`Lane::Ids`].
pub(super) struct Ids {
    project: ProjectId,
    /// What their ranks say of the place.
    place: String,
    last: Option<PackageId>,
    batch: VecDeque<PackageId>,
    size: usize,
    is_over: bool,
}

/// See [`Lane::Names`].
#[allow(clippy::struct_field_names, reason = "they are the names that wait")]
pub(super) struct Names {
    project: ProjectId,
    kind: PackageKind,
    /// What their ranks say of the kind.
    number: u8,
    after: Option<Rank>,
    last: Option<PackageName>,
    names: VecDeque<PackageName>,
    size: usize,
    is_over: bool,
    group: VecDeque<Rank>,
}

impl Lane {
    /// The lanes of a list, each behind `after`.
    pub(super) fn all(
        rows: &impl Rows,
        list: &PackageList,
        after: Option<&Rank>,
        looks: &mut usize,
    ) -> Result<Vec<Self>, Error> {
        let is_pending = list.filter.status == Some(PackageStatus::PendingDestruction);
        let by_id = matches!(list.order, PackageOrder::Created | PackageOrder::ProjectPath);
        let by_name = matches!(list.order, PackageOrder::Name | PackageOrder::Kind);
        let mut lanes = Vec::new();
        for place in &list.places {
            if by_id && (is_pending || !list.filter.is_narrow()) {
                lanes.extend(Ids::new(list, place, after).map(Self::Ids));
            } else if by_name && !is_pending {
                let names = kinds(&list.filter).map(|kind| Names::new(list, place, kind, after));
                lanes.extend(names.flatten().map(Self::Names));
            } else {
                let mut ranks = gather(rows, list, place, looks)?;
                ranks.retain(|rank| after.is_none_or(|after| list.is_before(after, rank)));
                ranks.sort_unstable();
                if list.direction == Direction::Descending {
                    ranks.reverse();
                }
                lanes.push(Self::Gathered(ranks.into_iter()));
            }
        }
        Ok(lanes)
    }

    /// The next one.
    pub(super) fn next(
        &mut self,
        rows: &impl Rows,
        list: &PackageList,
        looks: &mut usize,
    ) -> Result<Option<Rank>, Error> {
        match self {
            Self::Ids(ids) => ids.next(rows, list.direction, looks),
            Self::Names(names) => names.next(rows, list, looks),
            Self::Gathered(ranks) => Ok(ranks.next()),
        }
    }
}

fn kinds(filter: &PackageFilter) -> impl Iterator<Item = PackageKind> {
    let wanted = filter.kind;
    PackageKind::ALL.into_iter().filter(move |kind| wanted.is_none_or(|wanted| *kind == wanted))
}

/// The number that the API has for a kind; keys begin with it.
fn number(kind: PackageKind) -> u8 {
    kind.to_bytes().first().copied().unwrap_or_default()
}

fn place_of(order: PackageOrder, place: &Place) -> String {
    if order == PackageOrder::ProjectPath { place.path.clone() } else { String::new() }
}

impl Ids {
    /// `None`: all of it stands before `after`.
    fn new(list: &PackageList, place: &Place, after: Option<&Rank>) -> Option<Self> {
        let path = place_of(list.order, place);
        let start = match after.map(|after| (path.cmp(&after.place), after.id)) {
            Some((Ordering::Equal, id)) => Some(PackageId(id)),
            Some((Ordering::Less, _)) if list.direction == Direction::Ascending => return None,
            Some((Ordering::Greater, _)) if list.direction == Direction::Descending => return None,
            _ => None,
        };
        Some(Self {
            project: place.project,
            place: path,
            last: start,
            batch: VecDeque::new(),
            size: BATCH_MIN,
            is_over: false,
        })
    }

    fn next(
        &mut self,
        rows: &impl Rows,
        direction: Direction,
        looks: &mut usize,
    ) -> Result<Option<Rank>, Error> {
        if self.batch.is_empty() && !self.is_over {
            self.read(rows, direction)?;
            look(looks, self.batch.len())?;
        }
        let found = self.batch.pop_front();
        Ok(found.map(|PackageId(id)| Rank { place: self.place.clone(), id, ..Rank::default() }))
    }

    fn read(&mut self, rows: &impl Rows, direction: Direction) -> Result<(), Error> {
        let span = Span::under(&self.project);
        let span = match (direction, self.last) {
            (Direction::Ascending, None) => span,
            (Direction::Ascending, Some(last)) => span.after(&(self.project, last)),
            (Direction::Descending, None) => span.descending(),
            (Direction::Descending, Some(last)) => span.before(&(self.project, last)).descending(),
        };
        let found = PACKAGES_IN.page(rows, span, self.size)?;
        self.is_over = found.len() < self.size;
        self.size = (self.size * 2).min(BATCH_MAX);
        self.batch.extend(found.into_iter().map(|((_, id), ())| id));
        self.last = self.batch.back().copied().or(self.last);
        Ok(())
    }
}

impl Names {
    fn new(
        list: &PackageList,
        place: &Place,
        kind: PackageKind,
        after: Option<&Rank>,
    ) -> Option<Self> {
        let number = if list.order == PackageOrder::Kind { number(kind) } else { 0 };
        let whole = Self {
            project: place.project,
            kind,
            number,
            after: after.cloned(),
            last: None,
            names: VecDeque::new(),
            size: BATCH_MIN,
            is_over: false,
            group: VecDeque::new(),
        };
        let Some(after) = after else { return Some(whole) };
        match number.cmp(&after.kind) {
            // Of this name some may still follow.
            Ordering::Equal => {
                let name = PackageName::parse(&after.text).ok()?;
                Some(Self { names: VecDeque::from([name.clone()]), last: Some(name), ..whole })
            }
            Ordering::Less if list.direction == Direction::Ascending => None,
            Ordering::Greater if list.direction == Direction::Descending => None,
            _ => Some(whole),
        }
    }

    fn next(
        &mut self,
        rows: &impl Rows,
        list: &PackageList,
        looks: &mut usize,
    ) -> Result<Option<Rank>, Error> {
        loop {
            if let Some(rank) = self.group.pop_front() {
                return Ok(Some(rank));
            }
            if self.names.is_empty() && !self.is_over {
                self.read(rows, list.direction)?;
                look(looks, self.names.len())?;
            }
            let Some(name) = self.names.pop_front() else { return Ok(None) };
            if could_fit(&list.filter, self.kind, &name) {
                self.enter(rows, list, &name)?;
                look(looks, self.group.len())?;
            }
        }
    }

    fn read(&mut self, rows: &impl Rows, direction: Direction) -> Result<(), Error> {
        let key = |name: &PackageName| (self.project, series(self.kind, name));
        let span = Span::under(&(self.project, self.kind));
        let span = match (direction, &self.last) {
            (Direction::Ascending, None) => span,
            (Direction::Ascending, Some(last)) => span.after(&key(last)),
            (Direction::Descending, None) => span.descending(),
            (Direction::Descending, Some(last)) => span.before(&key(last)).descending(),
        };
        let found = SERIES.page(rows, span, self.size)?;
        self.is_over = found.len() < self.size;
        self.size = (self.size * 2).min(BATCH_MAX);
        self.names.extend(found.into_iter().map(|((_, series), _)| series.name));
        self.last = self.names.back().cloned().or_else(|| self.last.clone());
        Ok(())
    }

    /// Reads the packages of a name.
    fn enter(
        &mut self,
        rows: &impl Rows,
        list: &PackageList,
        name: &PackageName,
    ) -> Result<(), Error> {
        let mut group = Vec::new();
        let under = (self.project, series(self.kind, name));
        PACKAGE_NAMES.each(rows, Span::under(&under), |(_, key), id| {
            if list.filter.fits_version(key.version.as_ref().map(PackageVersion::as_str)) {
                let text = name.as_str().to_owned();
                group.push(Rank { kind: self.number, text, id: id.0, ..Rank::default() });
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        group.retain(|rank| self.after.as_ref().is_none_or(|after| list.is_before(after, rank)));
        group.sort_unstable();
        if list.direction == Direction::Descending {
            group.reverse();
        }
        self.group = group.into();
        Ok(())
    }
}

fn series(kind: PackageKind, name: &PackageName) -> SeriesKey {
    SeriesKey { kind, name: name.clone() }
}

/// Whether the record of a package of this name may have the words: a name is kept in another
/// form than it was written in.
fn could_fit(filter: &PackageFilter, kind: PackageKind, name: &PackageName) -> bool {
    if filter.series.as_ref().is_some_and(|wanted| wanted != name) {
        return false;
    }
    if filter.has_words(name.as_str()) || kind != PackageKind::Pypi {
        return filter.has_words(name.as_str());
    }
    let words = filter.words.iter().map(|word| dashed(word)).collect();
    PackageFilter { words, ..PackageFilter::default() }.has_words(&dashed(name.as_str()))
}

/// With one dash for each run of what names of Python's packages are not told apart by.
fn dashed(text: &str) -> String {
    let mut dashed = String::with_capacity(text.len());
    for letter in text.chars() {
        let letter = if matches!(letter, '.' | '_') { '-' } else { letter };
        if letter != '-' || !dashed.ends_with('-') {
            dashed.push(letter);
        }
    }
    dashed
}

/// All packages of a project that may be on the list.
fn gather(
    rows: &impl Rows,
    list: &PackageList,
    place: &Place,
    looks: &mut usize,
) -> Result<Vec<Rank>, Error> {
    let mut ranks = Vec::new();
    if list.filter.status == Some(PackageStatus::PendingDestruction) {
        gather_pending(rows, list, place, looks, &mut ranks)?;
        return Ok(ranks);
    }
    for kind in kinds(&list.filter) {
        if let Some(name) = &list.filter.series {
            let span = Span::under(&(place.project, series(kind, name)));
            gather_keys(rows, list, place, span, looks, &mut ranks)?;
            continue;
        }
        if list.filter.words.is_empty() {
            let span = Span::under(&(place.project, kind));
            gather_keys(rows, list, place, span, looks, &mut ranks)?;
            continue;
        }
        let mut names = Vec::new();
        SERIES.each(rows, Span::under(&(place.project, kind)), |(_, series), _| {
            look(looks, 1)?;
            names.extend(could_fit(&list.filter, kind, &series.name).then_some(series));
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        for series in names {
            let span = Span::under(&(place.project, series));
            gather_keys(rows, list, place, span, looks, &mut ranks)?;
        }
    }
    Ok(ranks)
}

fn gather_keys(
    rows: &impl Rows,
    list: &PackageList,
    place: &Place,
    span: Span<(ProjectId, PackageKey)>,
    looks: &mut usize,
    ranks: &mut Vec<Rank>,
) -> Result<(), Error> {
    PACKAGE_NAMES.each(rows, span, |(_, PackageKey { series, version }), id| {
        look(looks, 1)?;
        let version = version.as_ref().map(PackageVersion::as_str);
        if list.filter.fits_version(version) {
            ranks.push(rank(list.order, place, series.kind, series.name.as_str(), version, id));
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn gather_pending(
    rows: &impl Rows,
    list: &PackageList,
    place: &Place,
    looks: &mut usize,
    ranks: &mut Vec<Rank>,
) -> Result<(), Error> {
    PACKAGES_IN.each(rows, Span::under(&place.project), |(_, id), ()| {
        look(looks, 1)?;
        let package = PACKAGES.get(rows, &id)?.filter(|package| list.filter.fits(id, package));
        ranks.extend(package.map(|package: Package| {
            let version = package.version.as_deref();
            rank(list.order, place, package.kind, &package.name, version, id)
        }));
        Ok(ControlFlow::Continue(()))
    })
}

fn rank(
    order: PackageOrder,
    place: &Place,
    kind: PackageKind,
    name: &str,
    version: Option<&str>,
    id: PackageId,
) -> Rank {
    let (kind, text) = match order {
        PackageOrder::Created | PackageOrder::ProjectPath => (0, ""),
        PackageOrder::Name => (0, name),
        PackageOrder::Version => (0, version.unwrap_or_default()),
        PackageOrder::Kind => (number(kind), name),
    };
    Rank { place: place_of(order, place), kind, text: text.to_owned(), id: id.0 }
}
