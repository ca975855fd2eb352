//! Loss of power at every write while projects are made, renamed, deleted and destroyed (I5).

use super::super::super::crash::at_any_write;
use super::*;

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let group = || {
        let (visibility, owner) = (Visibility::Public, Some(login("anna")));
        let new = governed::New { visibility, owner, ..governed::New::of(TOP, "a") };
        store.create_group(new).wait().map(drop)
    };
    let make = |parent, text| {
        let new = project(parent, text, Visibility::Public);
        store.create_project(governed::New { owner: Some(login("bob")), ..new }).wait().map(drop)
    };
    let slice = |rows| store.destroy_slice(WORK, rows).map(drop).map_err(|(_, error)| error);
    let steps: [&dyn Fn() -> Result<(), Error>; 9] = [
        &group,
        &|| make(GroupId(1), "b"),
        &|| store.add_deploy_token(token(GroupId(2))).wait().map(drop),
        &|| store.change_project(ProjectId(2), named("z")).wait(),
        &|| store.delete_project(ProjectId(2), super::super::super::cause()).wait(),
        &|| make(GroupId(1), "z"),
        &|| slice(2),
        &|| store.delete_group(GroupId(1), super::super::super::cause()).wait(),
        &|| slice(ROWS),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// The part of the day that is surely over: done, or begun.
fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    let bob = who("bob", &[]);
    assert!(done != 2 || house.project_at("a/b") == Some(ProjectId(2)));
    assert!(done != 3 || house.view().deploy_token(DeployTokenId(1)).unwrap().is_some());
    assert!(!(2..=3).contains(&done) || house.role(&bob, GroupId(2)) == Some(Role::Owner));
    assert!(done < 4 || house.project_at("a/b").is_none());
    assert!(done < 5 || house.role(&bob, GroupId(2)).is_none());
    assert!(!(6..=6).contains(&done) || house.project_at("a/z") == Some(ProjectId(3)));
    assert!(done < 8 || house.project_at("a/z").is_none());
    assert!(done < 9 || (house.project_rows(), house.group_rows()) == ([0; 3], [0; 5]));
}

#[test]
fn a_crash_at_any_write_leaves_projects_as_they_should_be() {
    at_any_write(9, day, check);
}
