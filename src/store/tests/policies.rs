//! Policies: what was planned is what goes, and its cost is exact (I6).

use super::{House, ROWS, WORK, assert_consistent, branch, tag};
use crate::model::Usage;
use crate::model::policy::BranchPlan;
use crate::model::tag::TagChange;
use crate::store::Error;
use crate::store::branches::PolicyChange;
use crate::store::policies::{Applied, Cost};
use crate::store::publications::Releases;
use std::time::Duration;

const LONG: &str = "a text that is long enough to be a file";

fn with_tags(count: usize, keep: u64) -> House {
    let house = House::new();
    for number in 0..count {
        house.put(&format!("b/t{number}/j/f/own"), &format!("text {number}")).unwrap();
        house.clock.advance(Duration::from_secs(1));
    }
    set_policy(&house, keep);
    house
}

fn set_policy(house: &House, keep: u64) {
    let change = PolicyChange { max_daily_tags: Some(keep), max_released_tags: None };
    house.check(house.store.set_policy(branch("b"), change).wait()).unwrap();
}

fn plan(house: &House) -> BranchPlan {
    house.store.view().unwrap().plan(&branch("b")).unwrap()
}

fn doomed(plan: &BranchPlan) -> Vec<String> {
    plan.doomed.iter().map(|doomed| doomed.tag.to_string()).collect()
}

fn apply(house: &House, plan: BranchPlan, work: Duration, rows: u32) -> Applied {
    let (applied, _) = house.store.apply_slice(plan, Releases::Flag, work, rows).unwrap();
    assert_consistent(&house.store);
    applied
}

fn cost(house: &House) -> Cost {
    let mut seen = 0;
    let plans = [plan(house)];
    let cost = house.store.view().unwrap().cost(&plans, |files| {
        seen = files;
        Ok::<_, Error>(())
    });
    let cost = cost.unwrap();
    assert_eq!(seen, cost.named.files);
    cost
}

#[test]
fn tiny_slices_apply_a_whole_plan() {
    for (work, rows) in [(WORK, 1), (WORK, 2), (Duration::ZERO, ROWS), (WORK, ROWS)] {
        let house = with_tags(7, 2);
        let mut plan = plan(&house);
        assert_eq!(doomed(&plan), ["t0", "t1", "t2", "t3", "t4"]);
        let mut slices = 0;
        while !plan.doomed.is_empty() {
            slices += 1;
            assert!(slices < 10);
            match apply(&house, plan.clone(), work, rows) {
                Applied::Some { tags, generation } => {
                    plan.doomed.drain(..tags);
                    plan.generation = generation;
                }
                Applied::Stale => panic!("nothing has changed"),
            }
        }
        assert_eq!(self::plan(&house).doomed, []);
        let left = house.store.view().unwrap().branch(&branch("b")).unwrap();
        assert_eq!((left.tags.all, left.generation), (2, plan.generation));
        house.destroy(3);
    }
}

#[test]
fn every_change_that_matters_makes_a_plan_stale() {
    let changes: [fn(&House); 7] = [
        |house| assert!(house.put("b/new/j/f/x", "1").is_ok()),
        |house| house.delete_tag("b/t0").unwrap(),
        |house| lock(house, "b/t0"),
        |house| release(house, "b/t3"),
        |house| set_policy(house, 1),
        |house| house.delete_branch("b").unwrap(),
        |house| {
            // Another branch of the same name and generation.
            house.delete_branch("b").unwrap();
            for number in 0..4 {
                house.put(&format!("b/t{number}/j/f/x"), "1").unwrap();
            }
            set_policy(house, 2);
        },
    ];
    for change in changes {
        let house = with_tags(4, 2);
        let plan = plan(&house);
        change(&house);
        let before = house.store.view().unwrap().totals().unwrap();
        assert_eq!(apply(&house, plan, WORK, ROWS), Applied::Stale);
        assert_eq!(house.store.view().unwrap().totals().unwrap(), before);
    }
}

fn lock(house: &House, path: &str) {
    let change = TagChange { locked: Some(true), ..TagChange::default() };
    house.store.change_tag(tag(path), change).wait().unwrap();
}

fn release(house: &House, path: &str) {
    let change = TagChange { released: Some(true), ..TagChange::default() };
    house.store.change_tag(tag(path), change).wait().unwrap();
}

#[test]
fn what_does_not_matter_leaves_a_plan_as_it_is() {
    let house = with_tags(4, 2);
    let plan = plan(&house);
    let change = TagChange { stable: Some(true), ..TagChange::default() };
    house.store.change_tag(tag("b/t1"), change).wait().unwrap();
    house.put("b/t1/j/f/more", "1").unwrap();
    assert!(matches!(apply(&house, plan, WORK, ROWS), Applied::Some { tags: 2, .. }));
}

#[test]
fn the_cost_counts_a_shared_blob_only_when_all_its_references_go() {
    let house = with_tags(4, 2);
    // Within the plan, and beyond it.
    house.put("b/t0/j/f/a", LONG).unwrap();
    house.put("b/t1/j/f/a", LONG).unwrap();
    house.put("b/t0/j/f/b", "kept elsewhere").unwrap();
    house.put("b/t3/j/f/b", "kept elsewhere").unwrap();
    let long = u64::try_from(LONG.len()).unwrap();
    let expected = Cost {
        named: Usage { files: 5, bytes: 6 + 6 + 2 * long + 14 },
        files: Usage::of(long),
        inline: Usage { files: 2, bytes: 12 },
    };
    assert_eq!(cost(&house), expected);
    // What it costs is what comes free.
    apply(&house, plan(&house), WORK, ROWS);
    house.destroy(ROWS);
    let free = house.store.view().unwrap().totals().unwrap().free;
    assert_eq!(free, expected.files.plus(expected.inline));
}

#[test]
fn plans_come_in_pages_of_branches_and_skip_those_without_work() {
    let house = House::new();
    for name in ["a", "b", "c", "d"] {
        house.put(&format!("{name}/t/j/f/x"), "1").unwrap();
        house.put(&format!("{name}/u/j/f/x"), "1").unwrap();
    }
    for (name, keep) in [("a", 1), ("c", 2), ("d", 1)] {
        let change = PolicyChange { max_daily_tags: Some(keep), max_released_tags: None };
        house.store.set_policy(branch(name), change).wait().unwrap();
    }
    let view = house.store.view().unwrap();
    let (mut after, mut planned, mut pages) = (None, Vec::new(), 0);
    loop {
        let (plans, last) = view.plans(after.as_ref(), 1).unwrap();
        planned
            .extend(plans.into_iter().map(|plan| (plan.branch.branch.to_string(), doomed(&plan))));
        if last.is_none() {
            break;
        }
        after = last;
        pages += 1;
    }
    let t = vec!["t".to_owned()];
    assert_eq!((planned, pages), (vec![("a".into(), t.clone()), ("d".into(), t)], 4));
}
