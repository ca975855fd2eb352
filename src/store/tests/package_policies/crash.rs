//! Loss of power at every write of a policy's turn: afterwards the store is consistent, and what
//! was to stay is there (I2, I5, I6).

use super::*;
use crate::store::tests::crash::at_any_write;

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let steps: [&dyn Fn() -> Result<(), Error>; 5] = [
        &|| {
            let project = store.create_project(governed::New::of(GroupId::TOP, "app")).wait()?;
            let keep = Some(KeepFiles::Newest(1));
            let change = PackagePolicyChange { keep, ..PackagePolicyChange::default() };
            store.set_package_policy(project, change).wait().map(drop)
        },
        &|| {
            for text in ["older", "newer"] {
                let key = key(PackageKind::Generic, "a", "1");
                store.publish(published(ProjectId(1), key, "f", text)).wait()?;
            }
            Ok(())
        },
        &|| {
            house.clock.advance(POLICY_PERIOD);
            let Claimed::Turn(claim) = store.claim_package_policy(house.now(), LEASE)? else {
                return Ok(());
            };
            let mut walk = PackageWalk::new(claim.project, claim.kept, claim.from);
            for plan in store.view()?.plan_packages(&mut walk, 100, 100)?.plans {
                let at = (0, plan.revision);
                store.apply_package_plan(claim, Arc::new(plan), at, WORK, ROWS)?;
            }
            let record = record(house.now());
            store.end_package_policy(claim, RunId(1), record, TurnEnd::Done)
        },
        &|| store.destroy_slice(WORK, ROWS).map(drop).map_err(|(_, error)| error),
        &|| store.delete_project(ProjectId(1), Cause::request("eve")).wait(),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

fn check(house: &House, done: usize) {
    super::super::assert_consistent(&house.store);
    let view = house.store.view().unwrap();
    let policy = view.package_policy(ProjectId(1)).unwrap();
    assert!(done < 1 || policy.is_some());
    let key = key(PackageKind::Generic, "a", "1");
    let found = view.package_at(ProjectId(1), &key).unwrap();
    if (2..4).contains(&done) {
        let files = view.package_files(found.unwrap().0, None, 9).unwrap();
        assert!(!files.is_empty(), "the newest stays");
        assert!(done < 3 || files.len() == 1);
    }
}

#[test]
fn a_crash_at_any_write_of_a_turn_leaves_a_consistent_store() {
    at_any_write(5, day, check);
}
