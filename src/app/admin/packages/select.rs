//! The packages that a command means.

use regex::Regex;

use super::super::Desk;
use super::{Protected, Selection, Wanted};
use crate::app::Error;
use crate::model::{GroupPath, Package, Timestamp};
use crate::store::package_lists::{
    Depth, Direction, Listed, PackageFilter, PackageList, PackageOrder, Part, Place, Rank,
    Versionless,
};
use crate::store::{self, View};

/// Packages that are looked at at a time.
const PAGE: usize = 1000;

/// Why nothing can be selected.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Neither a project nor a group has that path.
    #[error("there is no project and no group {0}; give the full path of one")]
    NoPlace(String),
    /// A pattern that nothing can be compared with.
    #[error("the pattern {0} is too long; write a shorter one")]
    Pattern(String),
}

/// Some of the packages that are meant.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) packages: Vec<Listed>,
    /// Of those that were looked at, the ones that a rule keeps.
    pub(super) protected: u64,
    /// Where to go on; `None`: that is all.
    pub(super) next: Option<Rank>,
}

/// A selection that was read.
struct Test {
    name: Option<Regex>,
    version: Option<Regex>,
    created_before: Option<Timestamp>,
    used_before: Option<Timestamp>,
}

impl Desk<'_> {
    /// Walks through all that is meant; tells how many a rule keeps.
    pub(super) fn choose(
        &mut self,
        selection: &Selection,
        wanted: Wanted,
        each: impl FnMut(&View, &Listed) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let view = self.house.store().view()?;
        self.choose_in(&view, selection, wanted, each)
    }

    /// The same in a snapshot.
    pub(super) fn choose_in(
        &mut self,
        view: &View,
        selection: &Selection,
        wanted: Wanted,
        mut each: impl FnMut(&View, &Listed) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let (list, test) = self.read(view, selection)?;
        let (mut after, mut kept, mut looked) = (None, 0, 0);
        loop {
            let part = Part { after, take: PAGE, ..Part::default() };
            let page = view.list_packages(&list, &part)?;
            after = page.packages.last().map(|listed| listed.rank.clone());
            looked += u64::try_from(page.packages.len()).unwrap_or(u64::MAX);
            for listed in page.packages {
                if !test.fits(view, &listed)? {
                    continue;
                }
                if wanted == Wanted::Deletable && is_kept(view, selection, &listed.package)? {
                    kept += 1;
                } else {
                    each(view, &listed)?;
                }
            }
            if after.is_none() {
                return Ok(kept);
            }
            self.tell("packages", looked, None);
            self.check_stop("the list")?;
        }
    }

    /// The next packages that are to go.
    pub(super) fn choose_some(
        &mut self,
        view: &View,
        selection: &Selection,
        after: Option<Rank>,
        limit: usize,
    ) -> Result<Chosen, Error> {
        let (list, test) = self.read(view, selection)?;
        let mut chosen = Chosen::default();
        let part = Part { after, take: limit, ..Part::default() };
        for listed in view.list_packages(&list, &part)?.packages {
            chosen.next = Some(listed.rank.clone());
            if !test.fits(view, &listed)? {
                continue;
            }
            if is_kept(view, selection, &listed.package)? {
                chosen.protected += 1;
            } else {
                chosen.packages.push(listed);
            }
        }
        Ok(chosen)
    }

    fn read(&self, view: &View, selection: &Selection) -> Result<(PackageList, Test), Error> {
        if selection.unused_for.is_some() {
            self.house.store().flush_package_downloads()?;
        }
        let now = self.house.store().clock().now();
        let test = Test {
            name: selection.name.as_deref().map(pattern).transpose()?,
            version: selection.version.as_deref().map(pattern).transpose()?,
            created_before: selection.older_than.map(|age| now.before(age)),
            used_before: selection.unused_for.map(|age| now.before(age)),
        };
        let list = PackageList {
            places: places(view, &selection.place)?,
            filter: PackageFilter {
                kind: selection.kind,
                versionless: Versionless::Shown,
                status: selection.status,
                ..PackageFilter::default()
            },
            order: PackageOrder::Created,
            direction: Direction::Ascending,
        };
        Ok((list, test))
    }
}

impl Test {
    fn fits(&self, view: &View, listed: &Listed) -> Result<bool, store::Error> {
        let package = &listed.package;
        let version = package.version.as_deref().unwrap_or_default();
        let is_named =
            |pattern: &Regex| pattern.is_match(&package.title) || pattern.is_match(&package.name);
        let is_old = |before: &Timestamp| package.created < *before;
        if !self.name.as_ref().is_none_or(is_named)
            || !self.version.as_ref().is_none_or(|pattern| pattern.is_match(version))
            || !self.created_before.as_ref().is_none_or(is_old)
        {
            return Ok(false);
        }
        let Some(before) = self.used_before else { return Ok(true) };
        let used = view.package_downloaded(listed.id)?.unwrap_or(package.created);
        Ok(used.max(package.created) < before)
    }
}

fn is_kept(view: &View, selection: &Selection, package: &Package) -> Result<bool, store::Error> {
    if selection.protected == Protected::Delete {
        return Ok(false);
    }
    Ok(view.protection(package)?.delete.is_some())
}

/// `*` stands for any characters.
fn pattern(text: &str) -> Result<Regex, Refused> {
    let parts = text.split('*').map(regex::escape).collect::<Vec<_>>();
    let whole = format!("(?s)^{}$", parts.join(".*"));
    Regex::new(&whole).map_err(|_| Refused::Pattern(text.chars().take(100).collect()))
}

/// The project, or the projects of the group, at a path.
fn places(view: &View, path: &str) -> Result<Vec<Place>, Error> {
    let none = || Refused::NoPlace(path.to_owned());
    let parsed = GroupPath::parse(path).map_err(|_| none())?;
    if let Some((project, _)) = view.project_at(&parsed)? {
        return Ok(vec![Place { project, path: parsed.to_string() }]);
    }
    let (group, _) = view.group_at(&parsed)?.ok_or_else(none)?;
    Ok(view.package_places(group, Depth::All, |_, _| Ok(true))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        for (text, name, fits) in [
            ("*", "", true),
            ("app*", "application", true),
            ("app*", "my-app", false),
            ("*-SNAPSHOT", "1.0-SNAPSHOT", true),
            ("1.0", "1x0", false),
            ("a*c", "a/b/c", true),
            ("@acme/*", "@acme/x", true),
        ] {
            assert_eq!(pattern(text).unwrap().is_match(name), fits, "{text} {name}");
        }
    }
}
