//! Lists of packages: any part of any list is that part of all packages, sorted and filtered.

use super::House;
use crate::db::tests::random::Random;
use crate::model::{
    GroupId, Package, PackageId, PackageKey, PackageKind, PackageName, PackageStatus,
    PackageVersion, ProjectId, SeriesKey,
};
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::package_lists::{
    Depth, Direction, LOOKS_MAX, Listed, PackageFilter, PackageList, PackageOrder, Part, Place,
    Versionless,
};
use crate::store::packages::{Again, Publish};
use crate::store::{Error, View};

const NAMES: [&str; 5] = ["app", "App-core", "lib", "lib.x", "zz"];
const VERSIONS: [Option<&str>; 5] = [None, Some("0.9"), Some("1.0"), Some("10"), Some("2.0")];

fn group(house: &House, parent: GroupId, name: &str) -> GroupId {
    house.store.create_group(governed::New::of(parent, name)).wait().unwrap()
}

fn project(house: &House, parent: GroupId, name: &str) -> ProjectId {
    house.store.create_project(governed::New::of(parent, name)).wait().unwrap()
}

/// Publishes a package without files, if there is none of that name and version.
fn publish(
    house: &House,
    project: ProjectId,
    kind: PackageKind,
    name: &str,
    version: Option<&str>,
    status: PackageStatus,
) -> Option<PackageId> {
    let looked_up = if kind == PackageKind::Pypi {
        name.to_lowercase().replace('.', "-")
    } else {
        name.to_owned()
    };
    let series = SeriesKey { kind, name: PackageName::parse(&looked_up).unwrap() };
    let version = version.map(|version| PackageVersion::parse(version).unwrap());
    let new = Publish {
        project,
        key: PackageKey { series, version },
        title: name.to_owned(),
        by: "ann".to_owned(),
        may: None,
        file: None,
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::NewPackageOnly,
    };
    let id = house.store.publish(new).wait().ok()?.package;
    if status != PackageStatus::Default {
        house.store.set_package_status(id, status, None).wait().unwrap();
    }
    Some(id)
}

struct Setting {
    house: House,
    group: GroupId,
    places: Vec<Place>,
}

fn setting(seed: u64) -> Setting {
    let house = House::new();
    let top = group(&house, GroupId::TOP, "acme");
    let sub = group(&house, top, "sub");
    let projects = [("b", top), ("a", sub), ("c", top)].map(|(name, at)| project(&house, at, name));
    let statuses = [PackageStatus::Default, PackageStatus::Hidden, PackageStatus::Error];
    let mut random = Random(seed);
    for _ in 0..120 {
        let project = projects[random.below(3)];
        let kind = PackageKind::ALL[random.below(4)];
        let (name, version) = (NAMES[random.below(5)], VERSIONS[random.below(5)]);
        let status = statuses[random.below(3)];
        let made = publish(&house, project, kind, name, version, status);
        if let Some(id) = made.filter(|_| random.below(8) == 0) {
            let cause = Cause::request("ann");
            house.store.mark_packages(vec![(id, None)], cause).wait().unwrap();
        }
    }
    let view = house.store.view().unwrap();
    let places = view.package_places(top, Depth::All, |_, _| Ok(true)).unwrap();
    assert_eq!(places.len(), 3);
    let direct = view.package_places(top, Depth::Direct, |_, _| Ok(true)).unwrap();
    let direct: Vec<_> = direct.into_iter().map(|place| place.path).collect();
    assert_eq!(direct, ["acme/b", "acme/c"]);
    Setting { house, group: top, places }
}

/// What a list comes to when everything is read, sorted and filtered.
fn naive(view: &View, list: &PackageList) -> Vec<u64> {
    let mut all: Vec<(String, PackageId, Package)> = Vec::new();
    for place in &list.places {
        for (id, package) in view.packages_in(place.project, None, 1000).unwrap() {
            all.push((place.path.clone(), id, package));
        }
    }
    all.retain(|(_, id, package)| list.filter.fits(*id, package));
    let number = |package: &Package| match package.kind {
        PackageKind::Maven => 1,
        PackageKind::Npm => 2,
        PackageKind::Pypi => 5,
        PackageKind::Generic => 7,
    };
    let key = |(path, id, package): &(String, PackageId, Package)| {
        let (name, none) = (package.name.clone(), String::new());
        let version = package.version.clone().unwrap_or_default();
        match list.order {
            PackageOrder::Created => (none, 0, id.0),
            PackageOrder::Name => (name, 0, id.0),
            PackageOrder::Version => (version, 0, id.0),
            PackageOrder::Kind => (format!("{}{name}", number(package)), 0, id.0),
            PackageOrder::ProjectPath => (path.clone(), 0, id.0),
        }
    };
    all.sort_by_key(key);
    if list.direction == Direction::Descending {
        all.reverse();
    }
    all.into_iter().map(|(_, id, _)| id.0).collect()
}

fn ids(listed: &[Listed]) -> Vec<u64> {
    listed.iter().map(|listed| listed.id.0).collect()
}

fn filters() -> Vec<PackageFilter> {
    let all = || PackageFilter { versionless: Versionless::Shown, ..PackageFilter::default() };
    vec![
        PackageFilter::default(),
        all(),
        PackageFilter { kind: Some(PackageKind::Npm), ..all() },
        PackageFilter { words: PackageFilter::words_of("LIB x"), ..all() },
        PackageFilter { words: PackageFilter::words_of("lib.X"), ..all() },
        PackageFilter { version: Some("1.0".to_owned()), ..all() },
        PackageFilter { status: Some(PackageStatus::Hidden), ..all() },
        PackageFilter { status: Some(PackageStatus::PendingDestruction), ..all() },
        PackageFilter { series: Some(PackageName::parse("app").unwrap()), ..all() },
        PackageFilter { words: vec!["none".to_owned()], ..all() },
    ]
}

#[test]
fn every_part_of_every_list_is_that_part_of_all_packages() {
    for seed in [1, 2] {
        let Setting { house, places, .. } = setting(seed);
        let view = house.store.view().unwrap();
        let orders = [
            PackageOrder::Created,
            PackageOrder::Name,
            PackageOrder::Version,
            PackageOrder::Kind,
            PackageOrder::ProjectPath,
        ];
        for filter in filters() {
            for order in orders {
                for direction in [Direction::Ascending, Direction::Descending] {
                    let (filter, places) = (filter.clone(), places.clone());
                    let list = PackageList { places, filter, order, direction };
                    parts_are_right(&view, &list, seed);
                }
            }
        }
    }
}

fn parts_are_right(view: &View, list: &PackageList, seed: u64) {
    let wanted = naive(view, list);
    let all = Part { take: 1000, count_max: 1000, ..Part::default() };
    let page = view.list_packages(list, &all).unwrap();
    assert_eq!(ids(&page.packages), wanted, "seed {seed}: {list:?}");
    assert_eq!(page.total, Some(wanted.len()));
    let some = Part { skip: 2, take: 3, ..Part::default() };
    let found = ids(&view.list_packages(list, &some).unwrap().packages);
    let middle: Vec<_> = wanted.iter().copied().skip(2).take(3).collect();
    assert_eq!(found, middle, "seed {seed}: {list:?}");
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let part = Part { after, take: 4, ..Part::default() };
        let page = view.list_packages(list, &part).unwrap();
        let Some(end) = page.packages.last() else { break };
        after = Some(end.rank.clone());
        found.extend(ids(&page.packages));
    }
    assert_eq!(found, wanted, "seed {seed}, by cursors: {list:?}");
    if let Some(end) = page.packages.get(5) {
        let part = Part { before: Some(end.rank.clone()), take: 100, ..Part::default() };
        let found = ids(&view.list_packages(list, &part).unwrap().packages);
        assert_eq!(found, wanted[..5], "seed {seed}, before: {list:?}");
    }
}

#[test]
fn a_list_counts_as_far_as_it_is_told_to() {
    let Setting { house, places, .. } = setting(3);
    let view = house.store.view().unwrap();
    let list = PackageList {
        places,
        filter: PackageFilter::default(),
        order: PackageOrder::Created,
        direction: Direction::Ascending,
    };
    let number = naive(&view, &list).len();
    let part = |take, count_max| Part { take, count_max, ..Part::default() };
    assert_eq!(view.list_packages(&list, &part(2, number - 1)).unwrap().total, None);
    assert_eq!(view.list_packages(&list, &part(2, number)).unwrap().total, Some(number));
    assert_eq!(view.list_packages(&list, &part(number, 0)).unwrap().total, Some(number));
}

#[test]
fn lists_that_share_what_they_may_look_at_end_when_it_is_used_up() {
    let Setting { house, places, .. } = setting(5);
    let view = house.store.view().unwrap();
    let list = PackageList {
        places,
        filter: PackageFilter::default(),
        order: PackageOrder::Created,
        direction: Direction::Ascending,
    };
    let all = Part { take: 1000, ..Part::default() };
    let mut looks = LOOKS_MAX;
    let first = view.list_packages_within(&list, &all, &mut looks).unwrap();
    let cost = LOOKS_MAX - looks;
    assert!(cost >= first.packages.len() && cost > 0, "{cost}");
    let mut looks = 2 * cost + cost / 2;
    let mut again = || view.list_packages_within(&list, &all, &mut looks).map(|page| page.packages);
    assert_eq!((again().unwrap(), again().unwrap()), (first.packages.clone(), first.packages));
    assert!(matches!(again(), Err(Error::ListTooLong)));
    assert_eq!(looks, 0);
}

/// Statement 25, as far as lists go: what is marked is gone at once.
#[test]
fn statement_25_what_is_deleted_is_listed_no_more_and_its_group_neither() {
    let Setting { house, group, places } = setting(4);
    let list = |places| PackageList {
        places,
        filter: PackageFilter::default(),
        order: PackageOrder::Name,
        direction: Direction::Ascending,
    };
    let view = house.store.view().unwrap();
    let before = naive(&view, &list(places.clone()));
    let first = PackageId(before[0]);
    house.store.mark_packages(vec![(first, None)], Cause::request("ann")).wait().unwrap();
    let view = house.store.view().unwrap();
    let all = Part { take: 1000, ..Part::default() };
    let page = view.list_packages(&list(places), &all).unwrap();
    assert_eq!(ids(&page.packages), before[1..]);
    house.store.delete_group(group, Cause::request("ann")).wait().unwrap();
    let view = house.store.view().unwrap();
    let places = view.package_places(group, Depth::All, |_, _| Ok(true)).unwrap();
    assert_eq!(places, []);
}
