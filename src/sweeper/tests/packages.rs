//! What the sweeper does for policies of packages (spec gitlab §8.6, statements 13, 24, 25):
//! turns, the deadline, the capacity, and what fails.

use std::time::Duration;

use super::house::{House, LEASE_OVER};
use crate::blobs::hash::hash_bytes_with_sums;
use crate::db::keys::Key;
use crate::db::schema::{PACKAGE_FILES, PACKAGES_IN};
use crate::model::{
    GroupId, KeepFiles, PackageFileName, PackageId, PackageKey, PackageKind, PackageName,
    PackageVersion, PolicyRun, ProjectId, ProjectUsage, Run, Scope, SeriesKey, StageReport,
    Trigger, Usage,
};
use crate::store::blobs::{Body, Content};
use crate::store::governed;
use crate::store::package_policies::{POLICY_PERIOD, PackagePolicyChange};
use crate::store::packages::{Again, NewPackageFile, Publish};
use crate::sweeper::packages::POLICIES;

fn project(house: &House, name: &str) -> ProjectId {
    house.store().create_project(governed::New::of(GroupId::TOP, name)).wait().unwrap()
}

fn publish(house: &House, project: ProjectId, file: &str, text: &str) -> PackageId {
    publish_version(house, project, "1", (file, text))
}

fn publish_version(
    house: &House,
    project: ProjectId,
    version: &str,
    (file, text): (&str, &str),
) -> PackageId {
    let bytes = text.as_bytes();
    let hashed = hash_bytes_with_sums(bytes, None);
    let size = u64::try_from(bytes.len()).unwrap();
    let body = Body::Inline(bytes.to_vec().into());
    let content = Content::Uploaded { digest: hashed.digest, size, body };
    let (name, sums) = (PackageFileName::parse(file).unwrap(), hashed.sums.unwrap());
    let series = SeriesKey { kind: PackageKind::Generic, name: PackageName::parse("app").unwrap() };
    let version = Some(PackageVersion::parse(version).unwrap());
    let new = Publish {
        project,
        key: PackageKey { series, version },
        title: "app".into(),
        by: "eve".into(),
        may: None,
        file: Some(NewPackageFile { name, content, sums, requires_python: None }),
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::Append,
    };
    house.store().publish(new).wait().unwrap().package
}

fn keep_one(house: &House, project: ProjectId) {
    let keep = Some(KeepFiles::Newest(1));
    let change = PackagePolicyChange { keep, ..PackagePolicyChange::default() };
    house.store().set_package_policy(project, change).wait().unwrap();
}

fn usage(house: &House, project: ProjectId) -> ProjectUsage {
    house.store().view().unwrap().project_usage(project).unwrap()
}

fn runs(house: &House, project: ProjectId) -> Vec<PolicyRun> {
    let runs = house.store().view().unwrap().package_policy_runs(project, 99).unwrap();
    runs.into_iter().map(|(_, run)| run).collect()
}

fn policies(run: &Run) -> Option<&StageReport> {
    run.stages.iter().find(|stage| stage.name == POLICIES)
}

fn reclaim(house: &mut House) -> Run {
    house.sweeper().run(Scope::Reclaim, Trigger::Retry)
}

#[test]
fn statement_13_and_25_a_turn_keeps_the_newest_and_its_space_comes_back() {
    let mut house = House::new();
    let project = project(&house, "app");
    for round in 0..20 {
        publish(&house, project, "a", &format!("{round:03}"));
        publish(&house, project, "b", &format!("{round:05}"));
    }
    let before = Usage { files: 40, bytes: 20 * 8 };
    assert_eq!(usage(&house, project).live, before);
    keep_one(&house, project);
    let due = house.sweeper().next_wake().unwrap().at;
    assert_eq!(due, house.store().clock().now().after(POLICY_PERIOD), "it wakes exactly then");
    assert_eq!(policies(&reclaim(&mut house)), None, "not before");
    house.clock.advance(POLICY_PERIOD);
    let run = house.sweeper().turn(None).unwrap();
    let stage = policies(&run).unwrap();
    assert_eq!((run.error_count, stage.items, stage.bytes), (0, 38, 19 * 8));
    let kept = Usage { files: 2, bytes: 8 };
    let now = usage(&house, project);
    assert_eq!((now.live, now.pending), (kept, Usage::default()));
    house.clock.advance(LEASE_OVER);
    house.sweep();
    assert_eq!(house.totals().reclaimed, Usage { files: 38, bytes: 19 * 8 });
    let record = &runs(&house, project)[0];
    assert_eq!((record.files, record.bytes, record.names), (38, 152, 2));
    assert_eq!((record.timed_out, record.sample.len(), &record.error), (false, 10, &None));
    house.check("after a turn");
}

#[test]
fn statement_24_at_its_deadline_a_turn_stops_between_batches_and_goes_on_with_the_next_run() {
    let mut house = House::new();
    house.settings.policy_deadline = Duration::ZERO;
    house.restart();
    let project = project(&house, "app");
    for round in 0..451 {
        publish(&house, project, "a", &format!("{round}"));
    }
    keep_one(&house, project);
    house.clock.advance(POLICY_PERIOD);
    let (mut left, mut turns) = (451, 0);
    while left > 1 {
        let run = reclaim(&mut house);
        assert_eq!(run.error_count, 0, "a deadline is no error: {:?}", run.errors);
        let now = usage(&house, project).live.files;
        assert!(now < left && left - now <= 200, "one batch: {left} to {now}");
        (left, turns) = (now, turns + 1);
        // In the same second there is no other turn.
        assert_eq!(policies(&reclaim(&mut house)), None);
        house.clock.advance(Duration::from_secs(1));
    }
    let timeouts = runs(&house, project).into_iter().map(|run| run.timed_out);
    let expected: Vec<_> = [false].into_iter().chain([true; 99]).take(turns).collect();
    assert_eq!(timeouts.collect::<Vec<_>>(), expected);
    assert!(turns > 2, "{turns}");
    assert_eq!(policies(&reclaim(&mut house)), None, "until half a day is over");
}

#[test]
fn policies_that_wait_let_what_was_marked_be_destroyed_first() {
    let mut house = House::new();
    house.settings.policy_deadline = Duration::ZERO;
    house.restart();
    house.store().set_package_capacity(1).wait().unwrap();
    let projects = ["one", "two"].map(|name| project(&house, name));
    for project in projects {
        publish(&house, project, "a", "1");
        publish(&house, project, "a", "2");
        keep_one(&house, project);
    }
    house.clock.advance(POLICY_PERIOD);
    for (number, project) in (1..).zip(projects) {
        let run = reclaim(&mut house);
        assert_eq!((run.error_count, policies(&run).unwrap().items), (0, 1));
        let now = usage(&house, project);
        assert_eq!((now.live.files, now.pending.files), (1, 0), "turn {number}");
    }
    assert_eq!(policies(&reclaim(&mut house)), None);
}

#[test]
fn a_capacity_of_0_runs_nothing_and_wakes_nobody() {
    let mut house = House::new();
    let project = project(&house, "app");
    publish(&house, project, "a", "1");
    publish(&house, project, "a", "2");
    keep_one(&house, project);
    house.store().set_package_capacity(0).wait().unwrap();
    house.clock.advance(POLICY_PERIOD);
    assert_eq!(house.sweeper().next_wake(), None);
    assert_eq!(policies(&house.sweep()), None);
    assert_eq!(usage(&house, project).live.files, 2);
    house.store().set_package_capacity(1).wait().unwrap();
    assert!(house.sweeper().next_wake().is_some());
    assert_eq!(policies(&reclaim(&mut house)).unwrap().items, 1);
}

#[test]
fn what_fails_in_one_project_ends_neither_the_run_nor_its_other_packages() {
    let mut house = House::new();
    let (bad, good) = (project(&house, "bad"), project(&house, "good"));
    for project in [bad, good] {
        publish(&house, project, "a", "1");
        publish(&house, project, "a", "2");
        keep_one(&house, project);
    }
    let package = house.store().view().unwrap().packages_in(bad, None, 1).unwrap()[0].0;
    let broken = house.store().view().unwrap().package_files(package, None, 9).unwrap()[0].0;
    let lose = move |txn: &crate::db::WriteTxn| PACKAGE_FILES.remove(txn, &broken);
    house.store().db().write(lose).wait().unwrap();
    house.clock.advance(POLICY_PERIOD);
    let run = reclaim(&mut house);
    assert_eq!(run.error_count, 1, "{:?}", run.errors);
    assert!(run.errors[0].contains("the policy of project"), "{:?}", run.errors);
    assert_eq!(usage(&house, good).live.files, 1);
    assert_eq!(usage(&house, bad).live.files, 2);
    assert!(runs(&house, bad)[0].error.as_ref().unwrap().contains("was left alone"));
    assert_eq!(runs(&house, good)[0].error, None);
}

#[test]
fn a_turn_that_the_database_fails_leaves_a_record_and_is_tried_again_later_each_time() {
    let mut house = House::new();
    let project = project(&house, "app");
    publish(&house, project, "a", "1");
    publish(&house, project, "a", "2");
    let other = publish_version(&house, project, "2", ("b", "1"));
    publish_version(&house, project, "2", ("b", "2"));
    let broken = (project, other).to_bytes();
    let damage = move |value: &'static [u8]| {
        let key = broken.clone();
        move |txn: &crate::db::WriteTxn| PACKAGES_IN.put_bytes(txn, &key, value)
    };
    house.store().db().write(damage(&[1])).wait().unwrap();
    keep_one(&house, project);
    house.clock.advance(POLICY_PERIOD);
    for (turn, wait) in [(1, 10), (2, 20), (3, 40)] {
        let run = reclaim(&mut house);
        assert_eq!(run.error_count, 1, "{:?}", run.errors);
        let runs = runs(&house, project);
        assert_eq!(runs.len(), turn);
        assert!(runs[0].error.as_ref().unwrap().contains("packages-in"), "{runs:?}");
        let due = house.store().view().unwrap().next_package_policy().unwrap().unwrap();
        assert_eq!(usage(&house, project).live.files, 3, "what comes before it is done");
        let waits = due.since(house.store().clock().now());
        assert_eq!(waits, Duration::from_secs(wait), "and not for a lease");
        assert_eq!(policies(&reclaim(&mut house)), None, "not before");
        house.clock.advance(waits);
    }
    house.store().db().write(damage(&[])).wait().unwrap();
    assert_eq!(reclaim(&mut house).error_count, 0);
    assert_eq!(runs(&house, project)[0].error, None);
    assert_eq!(usage(&house, project).live.files, 2, "of both packages, whichever it stopped at");
}

#[test]
fn a_turn_that_finds_nothing_stops_at_its_deadline_and_goes_on_where_it_was() {
    let mut house = House::new();
    (house.settings.policy_deadline, house.settings.policy_page) = (Duration::ZERO, 10);
    house.restart();
    let project = project(&house, "app");
    for version in 0..20 {
        publish_version(&house, project, &version.to_string(), ("a", &version.to_string()));
    }
    // More than a page of it, and still it ends.
    for file in 0..35 {
        publish_version(&house, project, "large", (&format!("f{file}"), &file.to_string()));
    }
    publish_version(&house, project, "last", ("a", "old"));
    publish_version(&house, project, "last", ("a", "new"));
    keep_one(&house, project);
    house.clock.advance(POLICY_PERIOD);
    let mut from = Vec::new();
    for _ in 0..40 {
        let policy = house.store().view().unwrap().package_policy(project).unwrap().unwrap();
        from.extend(policy.turn.map(|turn| turn.from));
        if usage(&house, project).live.files == 56 {
            break;
        }
        assert_eq!(reclaim(&mut house).error_count, 0);
        house.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(usage(&house, project).live.files, 56, "it came to the last package");
    assert!(from.len() > 3, "in several turns: {from:?}");
    assert!(from.is_sorted() && from.windows(2).all(|two| two[0] != two[1]), "{from:?}");
    let runs = runs(&house, project);
    assert!(!runs[0].timed_out && runs[1..].iter().all(|run| run.timed_out), "{runs:?}");
}
