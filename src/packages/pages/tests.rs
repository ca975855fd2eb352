//! What is drawn, how often, and what stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::model::{PackageKind, PackageName};

/// A project in which packages are published and removed.
#[derive(Default)]
struct Fake {
    packages: BTreeMap<PackageId, (u64, Option<&'static str>)>,
    revision: u64,
    forgotten: u64,
    frames: AtomicUsize,
    slow: Duration,
}

impl Fake {
    fn with(count: u64) -> Self {
        let mut fake = Self::default();
        for number in 1..=count {
            fake.set(number, Some("1"));
        }
        fake
    }

    fn set(&mut self, number: u64, text: Option<&'static str>) {
        self.revision += 1;
        self.packages.insert(PackageId(number), (self.revision, text));
    }

    fn standings(&self) -> Vec<Standing> {
        vec![Standing { revision: self.revision, forgotten: self.forgotten }]
    }

    fn ask(&self, pages: &Pages) -> String {
        let page = pages.page(&key("full"), &self.standings(), self).unwrap();
        String::from_utf8(page.bytes.to_vec()).unwrap()
    }
}

impl Draw for Fake {
    type Error = Infallible;

    fn changed(&self, _: ProjectId, after: Option<u64>) -> Result<Vec<PackageId>, Infallible> {
        let after = after.unwrap_or(0);
        let changed = self.packages.iter().filter(|(_, (revision, _))| *revision > after);
        Ok(changed.map(|(package, _)| *package).collect())
    }

    fn lines(&self, package: PackageId) -> Result<Vec<Line>, Infallible> {
        let (_, text) = self.packages[&package];
        Ok(text.map(|text| line(&format!("{}.0", package.0), text)).into_iter().collect())
    }

    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, Infallible> {
        self.frames.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.slow);
        Ok(joined(lines))
    }
}

fn joined(lines: &Lines<'_>) -> Vec<u8> {
    let all: Vec<_> = lines.iter().map(|line| [&line.text[..], b" "].concat()).collect();
    all.concat()
}

fn line(name: &str, text: &str) -> Line {
    let text = Bytes::from(format!("{name}={text}"));
    Line { name: name.to_owned(), text, beside: Bytes::new() }
}

fn key(flavour: &str) -> PageKey {
    key_of(vec![ProjectId(1)], flavour)
}

fn key_of(projects: Vec<ProjectId>, flavour: &str) -> PageKey {
    let name = PackageName::parse("app").unwrap();
    let series = SeriesKey { kind: PackageKind::Npm, name };
    PageKey { projects, series, flavour: flavour.to_owned() }
}

#[test]
fn a_page_is_drawn_once_and_after_a_publish_only_what_changed() {
    let (pages, mut project) = (Pages::new(1 << 20), Fake::with(1_000));
    project.ask(&pages);
    project.ask(&pages);
    assert_eq!((pages.drawn(), project.frames.load(Ordering::SeqCst)), (1_000, 1));

    project.set(1_001, Some("new"));
    assert!(project.ask(&pages).ends_with("1000.0=1 1001.0=new "));
    assert_eq!((pages.drawn(), project.frames.load(Ordering::SeqCst)), (1_001, 2));

    project.set(3, None);
    project.set(2, Some("deprecated"));
    assert!(project.ask(&pages).starts_with("1.0=1 2.0=deprecated 4.0=1 "));
    assert_eq!(pages.drawn(), 1_003);
}

#[test]
fn a_page_older_than_what_was_forgotten_is_drawn_anew() {
    let (pages, mut project) = (Pages::new(1 << 20), Fake::with(3));
    project.ask(&pages);
    // Destroyed: not even a change is left of it.
    project.packages.remove(&PackageId(2));
    project.revision += 1;
    project.forgotten = project.revision;
    assert_eq!(project.ask(&pages), "1.0=1 3.0=1 ");
    assert_eq!(pages.drawn(), 5);
}

#[test]
fn the_tag_follows_the_revision_and_is_known_before_the_page() {
    let (pages, mut project) = (Pages::new(1 << 20), Fake::with(2));
    let told = Pages::etag(&key("full"), &project.standings());
    let page = pages.page(&key("full"), &project.standings(), &project).unwrap();
    assert_eq!(page.etag, told);
    assert!(told.starts_with('"') && told.ends_with('"') && told.len() == 34, "{told}");
    assert_ne!(Pages::etag(&key("short"), &project.standings()), told);
    project.set(1, Some("2"));
    assert_ne!(Pages::etag(&key("full"), &project.standings()), told);
}

#[test]
fn one_of_many_who_ask_at_once_draws() {
    let (pages, mut project) = (Pages::new(1 << 20), Fake::with(10));
    project.slow = Duration::from_millis(50);
    let (project, gate) = (Fake { ..project }, Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                gate.wait();
                assert_eq!(project.ask(&pages).matches('=').count(), 10);
            });
        }
    });
    assert_eq!((pages.drawn(), project.frames.load(Ordering::SeqCst)), (10, 1));
}

#[test]
fn who_has_an_older_snapshot_is_served_what_is_newer_and_never_the_other_way_round() {
    let (pages, mut project) = (Pages::new(1 << 20), Fake::with(1));
    let old = project.standings();
    project.set(2, Some("new"));
    let new = project.ask(&pages);
    let page = pages.page(&key("full"), &old, &project).unwrap();
    assert_eq!(page.bytes, new);
}

#[test]
fn pages_share_a_bounded_memory_and_the_last_used_stay() {
    let (pages, project) = (Pages::new(8_000), Fake::with(10));
    let ask = |flavour| {
        let drawn = pages.drawn();
        pages.page(&key(flavour), &project.standings(), &project).unwrap();
        assert!(pages.bytes() <= 8_000, "{}", pages.bytes());
        pages.drawn() - drawn
    };
    for flavour in ["a", "b", "c", "d"] {
        assert_eq!(ask(flavour), 10);
        assert_eq!(ask("a"), 0, "used after each of them");
    }
    assert_eq!(ask("d"), 0);
    for other in ["e", "f", "g", "h", "i"] {
        ask(other);
    }
    assert_eq!(ask("a"), 10);
}

/// A client writes the address that is in it, and a group has thousands of projects.
#[test]
fn what_a_page_is_known_by_counts_too() {
    let (pages, project) = (Pages::new(1 << 20), Fake::with(1));
    let short = key("a");
    pages.page(&short, &project.standings(), &project).unwrap();
    let before = pages.bytes();
    let long = PageKey { flavour: "a".repeat(10_000), ..short };
    pages.page(&long, &project.standings(), &project).unwrap();
    assert!(pages.bytes() - before > 10_000, "{} {before}", pages.bytes());
}

#[test]
fn a_page_larger_than_all_memory_is_served_and_not_kept() {
    let (pages, project) = (Pages::new(1_000), Fake::with(100));
    assert_eq!(project.ask(&pages).matches('=').count(), 100);
    assert_eq!(pages.bytes(), 0);
    project.ask(&pages);
    assert_eq!(pages.drawn(), 200);
}

/// Several projects with lines of their own: package numbers are those of all.
struct Group(RefCell<BTreeMap<ProjectId, Vec<(PackageId, Line)>>>);

impl Draw for Group {
    type Error = Infallible;

    fn changed(&self, project: ProjectId, _: Option<u64>) -> Result<Vec<PackageId>, Infallible> {
        Ok(self.0.borrow()[&project].iter().map(|(package, _)| *package).collect())
    }

    fn lines(&self, package: PackageId) -> Result<Vec<Line>, Infallible> {
        let all = self.0.borrow();
        let mut lines = all.values().flatten().filter(|(other, _)| *other == package);
        Ok(lines.next().map(|(_, line)| line.clone()).into_iter().collect())
    }

    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, Infallible> {
        Ok(joined(lines))
    }
}

#[test]
fn of_two_projects_with_one_version_the_newer_package_counts() {
    let (pages, (left, right)) = (Pages::new(1 << 20), (ProjectId(1), ProjectId(2)));
    let mine = vec![(PackageId(1), line("1.0", "l")), (PackageId(4), line("2.0", "l"))];
    let theirs = vec![(PackageId(2), line("1.0", "r")), (PackageId(3), line("2.0", "r"))];
    let group = Group(RefCell::new([(left, mine), (right, theirs)].into()));
    let mut standings = vec![Standing { revision: 1, forgotten: 0 }; 2];
    let key = key_of(vec![left, right], "full");
    let ask = |standings: &[Standing]| pages.page(&key, standings, &group).unwrap().bytes.clone();
    assert_eq!(ask(&standings), "1.0=r 2.0=l ");
    // A change of one project does not draw the other's lines.
    group.0.borrow_mut().get_mut(&right).unwrap().push((PackageId(5), line("3.0", "r")));
    standings[1].revision = 2;
    assert_eq!(ask(&standings), "1.0=r 2.0=l 3.0=r ");
    assert_eq!(pages.drawn(), 7);
}
