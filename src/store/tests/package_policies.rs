//! Policies of packages: whose turn it is, what they name, and that nothing else goes (I6; spec
//! gitlab §8.4-8.7, statements 13, 23, 24, 25).

use std::sync::Arc;
use std::time::Duration;

use super::{House, ROWS, WORK};
use crate::blobs::hash::hash_bytes_with_sums;
use crate::db::keys::Key;
use crate::db::schema::PROJECTS;
use crate::model::package_plan::{PackagePlan, PackageRule};
use crate::model::{
    GroupId, KeepFiles, PackageFileId, PackageFileName, PackageId, PackageKey, PackageKind,
    PackageName, PackagePolicy, PackageStatus, PackageVersion, PolicyRun, ProjectId, Role,
    RuleRole, RunId, SeriesKey, Timestamp, Usage,
};
use crate::store::Error;
use crate::store::blobs::{Body, Content};
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::package_policies::{
    Applied, Claim, Claimed, POLICY_PERIOD, PackagePolicyChange, PackageWalk, Toll, TurnEnd,
};
use crate::store::packages::{Again, NewPackageFile, NewProtectionRule, Publish};
use crate::store::proxy_groups::Wish;

mod crash;

const LEASE: Duration = Duration::from_secs(600);

fn project(house: &House) -> ProjectId {
    project_named(house, "app")
}

fn project_named(house: &House, name: &str) -> ProjectId {
    house.check(house.store.create_project(governed::New::of(GroupId::TOP, name)).wait()).unwrap()
}

fn key(kind: PackageKind, name: &str, version: &str) -> PackageKey {
    let series = SeriesKey { kind, name: PackageName::parse(name).unwrap() };
    PackageKey { series, version: Some(PackageVersion::parse(version).unwrap()) }
}

fn published(project: ProjectId, key: PackageKey, file: &str, text: &str) -> Publish {
    let bytes = text.as_bytes();
    let hashed = hash_bytes_with_sums(bytes, None);
    let size = u64::try_from(bytes.len()).unwrap();
    let body = Body::Inline(bytes.to_vec().into());
    let content = Content::Uploaded { digest: hashed.digest, size, body };
    let name = PackageFileName::parse(file).unwrap();
    let sums = hashed.sums.unwrap();
    Publish {
        project,
        title: key.series.name.to_string(),
        key,
        by: "eve".into(),
        may: None,
        file: Some(NewPackageFile { name, content, sums, requires_python: None }),
        meta: None,
        status: None,
        tags: Vec::new(),
        again: Again::Append,
    }
}

fn publish(
    house: &House,
    project: ProjectId,
    file: &str,
    text: &str,
) -> (PackageId, PackageFileId) {
    publish_to(house, project, key(PackageKind::Maven, "com/acme/app", "1.0"), file, text)
}

fn publish_to(
    house: &House,
    project: ProjectId,
    key: PackageKey,
    file: &str,
    text: &str,
) -> (PackageId, PackageFileId) {
    let done = house.store.publish(published(project, key, file, text)).wait().unwrap();
    (done.package, done.file.unwrap())
}

fn set(house: &House, project: ProjectId, keep: &str) -> PackagePolicy {
    let keep = KeepFiles::parse(keep);
    let change = PackagePolicyChange { keep, ..PackagePolicyChange::default() };
    house.check(house.store.set_package_policy(project, change).wait()).unwrap()
}

fn claim(house: &House) -> Option<Claim> {
    let claimed = house.check(house.store.claim_package_policy(house.now(), LEASE)).unwrap();
    match claimed {
        Claimed::Turn(claim) => Some(claim),
        Claimed::Nothing => None,
        Claimed::Broken(why) => panic!("{why}"),
    }
}

fn plans(house: &House, claim: Claim, page: usize) -> Vec<PackagePlan> {
    let mut walk = PackageWalk::new(claim.project, claim.kept, claim.from);
    let (view, mut plans) = (house.store.view().unwrap(), Vec::new());
    while walk.at().is_some() {
        let found = view.plan_packages(&mut walk, page, page).unwrap();
        assert_eq!(found.errors, [""; 0]);
        plans.extend(found.plans);
    }
    plans
}

fn apply(house: &House, claim: Claim, plan: &PackagePlan) -> Result<Applied, Error> {
    let at = (0, plan.revision);
    let plan = Arc::new(plan.clone());
    let slice = house.store.apply_package_plan(claim, plan, at, WORK, ROWS);
    house.check(slice.map(|(applied, _)| applied))
}

fn record(at: Timestamp) -> PolicyRun {
    PolicyRun {
        at,
        ended: at,
        files: 1,
        bytes: 1,
        names: 1,
        timed_out: false,
        sample: Vec::new(),
        error: None,
    }
}

fn served(house: &House, package: PackageId) -> Vec<u64> {
    let files = house.store.view().unwrap().package_files(package, None, 1000).unwrap();
    files.into_iter().map(|(id, _)| id.0).collect()
}

#[test]
fn statement_13_policy_one_keeps_the_highest_id_of_each_name() {
    let house = House::new();
    let project = project(&house);
    let mut package = PackageId(0);
    let mut newest = Vec::new();
    for round in 0..100 {
        let (jar, pom) = (format!("jar {round}"), format!("pom {round}"));
        (package, _) = publish(&house, project, "app-1.0.jar", &jar);
        newest = vec![
            publish(&house, project, "app-1.0.pom", &pom).1.0 - 1,
            publish(&house, project, "once.txt", "once").1.0,
        ];
    }
    assert_eq!(served(&house, package).len(), 300);
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    for page in [7, 100_000] {
        let plans = plans(&house, claim, page);
        let doomed: usize = plans.iter().map(|plan| plan.doomed.len()).sum();
        assert_eq!(doomed, 297, "pages of {page}");
    }
    let plan = plans(&house, claim, 100_000).remove(0);
    assert_eq!(plan.names(), 3);
    let mut from = 0;
    let mut revision = plan.revision;
    while from < plan.doomed.len() {
        let slice = house.store.apply_package_plan(
            claim,
            Arc::new(plan.clone()),
            (from, revision),
            WORK,
            ROWS,
        );
        let Applied::Some { files, revision: next } = slice.unwrap().0 else { panic!() };
        assert!(files <= 200, "a batch is bounded");
        (from, revision) = (from + files, next);
    }
    super::assert_consistent(&house.store);
    let left = served(&house, package);
    assert_eq!(left, [newest[0], newest[0] + 1, newest[1]]);
    assert!(plans_again(&house, claim).is_empty());
}

fn plans_again(house: &House, claim: Claim) -> Vec<PackagePlan> {
    plans(house, claim, 100_000)
}

#[test]
fn statement_23_reading_stores_nothing_and_saving_sets_the_next_run_half_a_day_ahead() {
    let house = House::new();
    let project = project(&house);
    assert_eq!(house.store.view().unwrap().package_policy(project).unwrap(), None);
    assert_eq!(house.store.view().unwrap().next_package_policy().unwrap(), None);
    let policy = set(&house, project, "10");
    assert_eq!(policy.next_run, house.now().after(Duration::from_secs(12 * 3600)));
    house.clock.advance(Duration::from_secs(60));
    let policy = set(&house, project, "all");
    assert_eq!(policy.next_run, house.now().after(POLICY_PERIOD), "on every save");
    assert_eq!(house.store.view().unwrap().next_package_policy().unwrap(), None, "and never runs");
}

#[test]
fn statement_24_a_claim_moves_the_next_run_on_and_nobody_gets_it_twice() {
    let house = House::new();
    let project = project(&house);
    let (package, _) = publish(&house, project, "a", "1");
    publish(&house, project, "a", "2");
    set(&house, project, "1");
    assert_eq!(claim(&house), None, "not yet");
    house.clock.advance(POLICY_PERIOD);
    let mine = claim(&house).unwrap();
    let next_run =
        || house.store.view().unwrap().package_policy(project).unwrap().unwrap().next_run;
    assert_eq!(next_run(), house.now().after(POLICY_PERIOD));
    assert_eq!(claim(&house), None);
    // It came to its deadline: it goes on soon, and where it stopped.
    let end = TurnEnd::GoesOn(package);
    let timed_out = PolicyRun { timed_out: true, ..record(house.now()) };
    house.store.end_package_policy(mine, RunId(1), timed_out.clone(), end).unwrap();
    assert_eq!(claim(&house), None);
    house.clock.advance(Duration::from_secs(1));
    let again = claim(&house).unwrap();
    assert_eq!((again.from, next_run()), (package, mine_next(&mine)));
    // The process died: the turn comes back when its lease is over.
    house.clock.advance(LEASE);
    let third = claim(&house).unwrap();
    let plan = plans(&house, third, 100).remove(0);
    assert_eq!(
        apply(&house, again, &plan).unwrap(),
        Applied::Lost,
        "the one before has it no more"
    );
    house.store.end_package_policy(again, RunId(2), record(house.now()), TurnEnd::Done).unwrap();
    assert!(matches!(apply(&house, third, &plan).unwrap(), Applied::Some { files: 1, .. }));
    house.store.end_package_policy(third, RunId(3), record(house.now()), TurnEnd::Done).unwrap();
    assert_eq!(claim(&house), None);
    let runs = house.store.view().unwrap().package_policy_runs(project, 9).unwrap();
    let runs: Vec<_> = runs.into_iter().map(|(id, run)| (id.0, run.timed_out)).collect();
    assert_eq!(runs, [(3, false), (2, false), (1, true)]);
}

/// Half a day after the claim was made.
fn mine_next(claim: &Claim) -> Timestamp {
    claim.until.before(LEASE).after(POLICY_PERIOD)
}

#[test]
fn statement_25_what_is_marked_is_invisible_at_once_and_its_bytes_go_later() {
    let house = House::new();
    let project = project(&house);
    let (package, old) = publish(&house, project, "a", "older");
    let (_, new) = publish(&house, project, "a", "newer");
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let plan = plans(&house, claim, 100).remove(0);
    assert_eq!((plan.doomed[0].id, plan.usage()), (old, Usage { files: 1, bytes: 5 }));
    apply(&house, claim, &plan).unwrap();
    assert_eq!(served(&house, package), [new.0]);
    let usage = || house.store.view().unwrap().project_usage(project).unwrap();
    let five = Usage { files: 1, bytes: 5 };
    assert_eq!((usage().live, usage().pending), (five, five));
    house.destroy(1);
    assert_eq!((usage().live, usage().pending), (five, Usage::default()));
}

#[test]
fn what_changed_since_it_was_planned_is_planned_again() {
    let house = House::new();
    let project = project(&house);
    publish(&house, project, "a", "1");
    let (package, newest) = publish(&house, project, "a", "2");
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let plan = plans(&house, claim, 100).remove(0);
    // Somebody deletes the one that was to stay.
    let cause = Cause::request("eve");
    house.store.mark_package_files(vec![(newest, None)], cause).wait().unwrap();
    assert_eq!(apply(&house, claim, &plan).unwrap(), Applied::Stale);
    assert_eq!(served(&house, package).len(), 1, "the last one of its name stays");
    // Somebody changes the policy.
    publish(&house, project, "a", "3");
    let plan = plans(&house, claim, 100).remove(0);
    set(&house, project, "10");
    assert_eq!(apply(&house, claim, &plan).unwrap(), Applied::Lost);
    assert_eq!(served(&house, package).len(), 2);
}

#[test]
fn protected_packages_and_those_that_nobody_can_download_stay() {
    let house = House::new();
    let project = project(&house);
    let mut packages = Vec::new();
    for name in ["free", "kept", "broken", "hidden"] {
        let key = key(PackageKind::Generic, name, "1");
        publish_to(&house, project, key.clone(), "f", "1");
        packages.push(publish_to(&house, project, key, "f", "2").0);
    }
    let status = |id, status| house.store.set_package_status(id, status, None).wait().unwrap();
    status(packages[2], PackageStatus::Error);
    status(packages[3], PackageStatus::Hidden);
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let early = plans(&house, claim, 100);
    assert_eq!(early.len(), 3);
    let rule = NewProtectionRule {
        pattern: "ke*".into(),
        kind: PackageKind::Generic,
        push: None,
        delete: Some(RuleRole::Role(Role::Maintainer)),
    };
    house.store.add_protection_rule(project, rule).wait().unwrap();
    let names = |plans: &[PackagePlan]| plans.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&plans(&house, claim, 100)), ["free", "hidden"]);
    let kept = early.iter().find(|plan| plan.name == "kept").unwrap();
    assert_eq!(apply(&house, claim, kept).unwrap(), Applied::Stale, "tested where it is marked");
    assert_eq!(served(&house, packages[1]).len(), 2);
}

#[test]
fn defect_j_builds_of_a_snapshot_beyond_the_newest_go() {
    let house = House::new();
    let project = project(&house);
    let key = key(PackageKind::Maven, "com/acme/app", "1.0-SNAPSHOT");
    for build in 1..=4 {
        for kind in [".jar", "-sources.jar", ".pom"] {
            let name = format!("app-1.0-2026010{build}.120000-{build}{kind}");
            publish_to(&house, project, key.clone(), &name, &name);
        }
    }
    let change = PackagePolicyChange { keep: None, keep_snapshots: Wish::Set(3) };
    house.store.set_package_policy(project, change).wait().unwrap();
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let plan = plans(&house, claim, 100).remove(0);
    let names: Vec<_> = plan.doomed.iter().map(|file| file.name.as_str()).collect();
    let first = |kind| format!("app-1.0-20260101.120000-1{kind}");
    assert_eq!(names, [first(".pom"), first(".jar"), first("-sources.jar")]);
    assert!(plan.doomed.iter().all(|file| matches!(file.rule, PackageRule::KeepSnapshots { .. })));
}

#[test]
fn the_cost_of_a_plan_is_what_nothing_else_holds() {
    let house = House::new();
    let project = project(&house);
    for text in ["twice", "twice", "shared", "long enough, once"] {
        publish(&house, project, "a", text);
    }
    publish(&house, project, "b", "shared");
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let mut toll = Toll::default();
    for plan in plans(&house, claim, 2) {
        toll.add(&plan);
    }
    let cost = house.store.view().unwrap().package_cost(&toll).unwrap();
    assert_eq!(cost.named, Usage { files: 3, bytes: 16 });
    assert_eq!((cost.files, cost.inline), (Usage::default(), Usage { files: 1, bytes: 5 }));
}

#[test]
fn a_project_without_packages_is_put_off_and_a_deleted_one_forgets_its_policy() {
    let house = House::new();
    let project = project(&house);
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    assert_eq!(claim(&house), None);
    let next = house.store.view().unwrap().next_package_policy().unwrap();
    assert_eq!(next, Some(house.now().after(POLICY_PERIOD)));
    publish(&house, project, "a", "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    house.store.end_package_policy(claim, RunId(1), record(house.now()), TurnEnd::Done).unwrap();
    house.check(house.store.delete_project(project, Cause::request("eve")).wait()).unwrap();
    let unknown = house.store.run_package_policy(project).wait();
    assert!(matches!(unknown, Err(Error::ProjectUnknown(_))), "{unknown:?}");
    house.destroy(1);
    let view = house.store.view().unwrap();
    assert_eq!(view.package_policy(project).unwrap(), None);
    assert!(view.package_policy_runs(project, 9).unwrap().is_empty());
}

#[test]
fn the_newest_hundred_runs_are_kept() {
    let house = House::new();
    let project = project(&house);
    publish(&house, project, "a", "1");
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    for run in 1..=103 {
        let end = TurnEnd::GoesOn(PackageId(1));
        house.store.end_package_policy(claim, RunId(run), record(house.now()), end).unwrap();
    }
    let runs = house.store.view().unwrap().package_policy_runs(project, 999).unwrap();
    assert_eq!((runs.len(), runs[0].0, runs[99].0), (100, RunId(103), RunId(4)));
}

#[test]
fn a_clock_that_was_ahead_keeps_no_policy_waiting() {
    let house = House::new();
    let project = project(&house);
    publish(&house, project, "a", "1");
    let now = house.now();
    house.clock.advance(Duration::from_secs(3600 * 24 * 400));
    set(&house, project, "1");
    house.clock.jump(now);
    assert_eq!(house.store.view().unwrap().next_package_policy().unwrap(), Some(now));
    assert!(claim(&house).is_some());
    let policy = house.store.view().unwrap().package_policy(project).unwrap().unwrap();
    assert_eq!(policy.next_run, now.after(POLICY_PERIOD));
}

#[test]
fn the_turn_of_a_project_that_is_deleted_meanwhile_is_lost() {
    let house = House::new();
    let project = project(&house);
    let (package, _) = publish(&house, project, "a", "older");
    publish(&house, project, "a", "newer");
    set(&house, project, "1");
    house.clock.advance(POLICY_PERIOD);
    let claim = claim(&house).unwrap();
    let plan = plans(&house, claim, 100).remove(0);
    house.check(house.store.delete_project(project, Cause::request("eve")).wait()).unwrap();
    assert_eq!(apply(&house, claim, &plan).unwrap(), Applied::Lost);
    assert_eq!(served(&house, package).len(), 2, "nothing is marked twice");
    let end = TurnEnd::GoesOn(package);
    house.store.end_package_policy(claim, RunId(1), record(house.now()), end).unwrap();
    house.destroy(2);
    let view = house.store.view().unwrap();
    assert_eq!(view.next_package_policy().unwrap(), None);
    assert!(view.package_policy_runs(project, 9).unwrap().is_empty());
}

#[test]
fn a_project_that_cannot_be_read_keeps_no_other_policy_waiting() {
    let house = House::new();
    let (bad, good) = (project(&house), project_named(&house, "other"));
    for project in [bad, good] {
        publish(&house, project, "a", "1");
        set(&house, project, "1");
    }
    house.clock.advance(POLICY_PERIOD);
    let damage = move |txn: &crate::db::WriteTxn| PROJECTS.put_bytes(txn, &bad.to_bytes(), &[]);
    house.store.db().write(damage).wait().unwrap();
    let claimed = || house.store.claim_package_policy(house.now(), LEASE).unwrap();
    let Claimed::Broken(why) = claimed() else { panic!("it was read") };
    assert!(why.contains(&format!("the policy of project {}", bad.0)), "{why}");
    assert!(matches!(claimed(), Claimed::Turn(claim) if claim.project == good));
    assert_eq!(claimed(), Claimed::Nothing);
}
