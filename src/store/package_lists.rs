//! Lists of packages of one project or of many: filtered, in an order, a part at a time (I8; spec
//! gitlab §3.2, §10.2).
//!
//! What is created or named one after the other lies so in an index, so a page of it costs what
//! is on it and before it. Other orders, and what is looked for by a part of its name, need a walk
//! over the index, which ends at [`LOOKS_MAX`] rows. Ties are broken by id.
//! Deliberately absent: who may see a project; whoever asks says which ones they mean.

mod cost;
mod files;
mod lanes;
mod places;
mod totals;

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{Error, View};
use crate::db::schema::PACKAGES;
use crate::model::{
    Package, PackageId, PackageKind, PackageName, PackageStatus, ProjectId, SeriesKey,
};
pub use cost::PackageCost;
pub use files::{FileOrder, FilePart};
use lanes::{Head, Lane};
pub use places::Depth;
pub use totals::PackageTotals;

/// Most rows that are looked at for one page.
pub const LOOKS_MAX: usize = 500_000;

/// In which order packages are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageOrder {
    /// By when they were first published, which is by id.
    #[default]
    Created,
    /// By name, as text.
    Name,
    /// By version, as text; what has none comes first.
    Version,
    /// By the number that the API has for their kind, then by name.
    Kind,
    /// By the full path of their project.
    ProjectPath,
}

/// From which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The lowest first.
    #[default]
    Ascending,
    /// The highest first.
    Descending,
}

/// Whether packages without a version are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versionless {
    /// No.
    #[default]
    Hidden,
    /// Yes.
    Shown,
}

/// Which packages are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageFilter {
    /// Of this kind.
    pub kind: Option<PackageKind>,
    /// With all of these in their names, whatever the case.
    pub words: Vec<String>,
    /// Of exactly this name, as it is looked up.
    pub series: Option<PackageName>,
    /// All but this one.
    pub but: Option<PackageId>,
    /// Of exactly this version.
    pub version: Option<String>,
    /// Without a version too.
    pub versionless: Versionless,
    /// In this state; `None`: in one that lists show ([`PackageStatus::is_displayable`]).
    pub status: Option<PackageStatus>,
}

/// A project that is looked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: ProjectId,
    /// Its full path, by which it is sorted.
    pub path: String,
}

/// What is listed.
#[derive(Clone, Debug)]
pub struct PackageList {
    /// Where.
    pub places: Vec<Place>,
    /// Which.
    pub filter: PackageFilter,
    /// In which order.
    pub order: PackageOrder,
    /// From which end.
    pub direction: Direction,
}

/// Where a package stands in an order; what the order does not ask about is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    /// The path of the project.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The number of the kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kind: u8,
    /// Name or version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The package.
    pub id: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Only what stands behind this.
    pub after: Option<Rank>,
    /// Only what stands before this.
    pub before: Option<Rank>,
    /// Without the first so many.
    pub skip: usize,
    /// At most so many.
    pub take: usize,
    /// Counted up to here, those that are skipped included; fewer than skipped and taken: not
    /// counted.
    pub count_max: usize,
}

/// A package that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it stands.
    pub rank: Rank,
    /// Its number.
    pub id: PackageId,
    /// Its record.
    pub package: Package,
}

/// What a part of a list comes to.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The packages.
    pub packages: Vec<Listed>,
    /// How many there are from the beginning of the part on; `None`: more than were counted.
    pub total: Option<usize>,
}

impl PackageFilter {
    /// Whether a package is listed.
    #[must_use]
    pub fn fits(&self, id: PackageId, package: &Package) -> bool {
        let is_in_state = match self.status {
            Some(status) => package.status == status,
            None => package.status.is_displayable(),
        };
        is_in_state
            && self.but != Some(id)
            && self.series.as_ref().is_none_or(|name| name.as_str() == package.name)
            && self.kind.is_none_or(|kind| package.kind == kind)
            && self.fits_version(package.version.as_deref())
            && (self.has_words(&package.title) || self.has_words(&package.name))
    }

    fn fits_version(&self, version: Option<&str>) -> bool {
        match (&self.version, version) {
            (Some(wanted), version) => version == Some(wanted.as_str()),
            (None, None) => self.versionless == Versionless::Shown,
            (None, Some(_)) => true,
        }
    }

    fn has_words(&self, text: &str) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }

    /// The words of a text that is looked for.
    #[must_use]
    pub fn words_of(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_lowercase).collect()
    }

    /// Whether what is listed is far less than there is.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        !self.words.is_empty() || self.version.is_some() || self.series.is_some()
    }
}

/// All versions of a package's name.
#[must_use]
pub fn series_of(package: &Package) -> Option<SeriesKey> {
    let name = PackageName::parse(&package.name).ok()?;
    Some(SeriesKey { kind: package.kind, name })
}

impl PackageList {
    /// Whether `one` stands before `other` here.
    fn is_before(&self, one: &Rank, other: &Rank) -> bool {
        match self.direction {
            Direction::Ascending => one < other,
            Direction::Descending => one > other,
        }
    }

    /// The same list from the other end.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.direction = match self.direction {
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        };
        self
    }
}

impl View {
    /// A part of a list of packages.
    ///
    /// # Errors
    /// [`Error::ListTooLong`] for a part that more than [`LOOKS_MAX`] rows have to be looked at
    /// for, and [`Error::Db`].
    pub fn list_packages(&self, list: &PackageList, part: &Part) -> Result<Page, Error> {
        let mut looks = LOOKS_MAX;
        self.list_packages_within(list, part, &mut looks)
    }

    /// The same for so many rows that are looked at; takes off those that were.
    ///
    /// # Errors
    /// As [`Self::list_packages`].
    pub fn list_packages_within(
        &self,
        list: &PackageList,
        part: &Part,
        looks: &mut usize,
    ) -> Result<Page, Error> {
        let mut walk = Walk { page: Page::default(), seen: 0, part, looks: *looks };
        let done = self.walk_packages(list, part, &mut walk);
        *looks = if matches!(done, Err(Error::ListTooLong)) { 0 } else { walk.looks };
        match done {
            // What was wanted is there, only the rest was not counted.
            Err(Error::ListTooLong) if walk.has_all() => {}
            Err(error) => return Err(error),
            Ok(ControlFlow::Break(())) => {}
            Ok(ControlFlow::Continue(())) => walk.page.total = Some(walk.seen),
        }
        Ok(walk.page)
    }

    fn walk_packages(
        &self,
        list: &PackageList,
        part: &Part,
        walk: &mut Walk,
    ) -> Result<ControlFlow<()>, Error> {
        let mut lanes = Lane::all(&self.snapshot, list, part.after.as_ref(), &mut walk.looks)?;
        let mut heads = BinaryHeap::with_capacity(lanes.len());
        for (at, lane) in lanes.iter_mut().enumerate() {
            let rank = lane.next(&self.snapshot, list, &mut walk.looks)?;
            heads.extend(rank.map(|rank| Head { rank, lane: at, direction: list.direction }));
        }
        while let Some(Head { rank, lane, .. }) = heads.pop() {
            if part.before.as_ref().is_some_and(|end| !list.is_before(&rank, end)) {
                break;
            }
            let next = lanes[lane].next(&self.snapshot, list, &mut walk.looks)?;
            heads.extend(next.map(|rank| Head { rank, lane, direction: list.direction }));
            lanes::look(&mut walk.looks, 1)?;
            let id = PackageId(rank.id);
            let Some(package) = PACKAGES.get(&self.snapshot, &id)? else { continue };
            if list.filter.fits(id, &package) && walk.meets(rank, id, package).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// On the way through a list.
struct Walk<'p> {
    page: Page,
    seen: usize,
    part: &'p Part,
    /// Rows that may still be looked at.
    looks: usize,
}

impl Walk<'_> {
    fn has_all(&self) -> bool {
        self.page.packages.len() >= self.part.take
    }

    /// Whether that was all that is wanted to be known.
    fn meets(&mut self, rank: Rank, id: PackageId, package: Package) -> ControlFlow<()> {
        let has_all = self.has_all();
        if has_all && self.seen >= self.part.count_max {
            return ControlFlow::Break(());
        }
        self.seen += 1;
        if self.seen > self.part.skip && !has_all {
            self.page.packages.push(Listed { rank, id, package });
        }
        ControlFlow::Continue(())
    }
}
