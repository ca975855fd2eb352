//! Loss of power at every write while groups are made, renamed, deleted and destroyed: every row
//! is where it belongs, what was acknowledged is there, and what was deleted stays deleted (I5).

use super::super::crash::at_any_write;
use super::*;

/// Stops at the first thing that fails, and tells how many were done before it.
fn day(house: &House) -> usize {
    let store = &house.store;
    let make = |parent, text, owner: Option<&str>| {
        let new = governed::New { owner: owner.map(login), ..governed::New::of(parent, text) };
        store.create_group(new).wait().map(drop)
    };
    let steps: [&dyn Fn() -> Result<(), Error>; 9] = [
        &|| make(TOP, "a", Some("anna")),
        &|| make(GroupId(1), "b", Some("bob")),
        &|| store.add_deploy_token(token(GroupId(2))).wait().map(drop),
        &|| store.number_user(login("anna")).wait().map(drop),
        &|| {
            let change = governed::Change { name: Some(name("z")), ..governed::Change::default() };
            store.change_group(GroupId(1), change).wait()
        },
        &|| store.delete_group(GroupId(1), super::super::cause()).wait(),
        &|| make(TOP, "z", Some("eve")),
        &|| store.destroy_slice(WORK, 2).map(drop).map_err(|(_, error)| error),
        &|| store.destroy_slice(WORK, ROWS).map(drop).map_err(|(_, error)| error),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// The part of the day that is surely over: done, or begun.
fn check(house: &House, done: usize) {
    assert_consistent(&house.store);
    let anna = who("anna", &[]);
    assert!(done != 2 || house.at("a/b") == Some(GroupId(2)));
    assert!(!(2..=4).contains(&done) || house.role(&anna, GroupId(2)) == Some(Role::Owner));
    assert!(done != 3 || house.view().deploy_token(DeployTokenId(1)).unwrap().is_some());
    assert!(done < 4 || house.view().user_number(&login("anna")).unwrap().is_some());
    assert!(done < 5 || house.at("a").is_none());
    assert!(done != 5 || [None, Some(GroupId(1))].contains(&house.at("z")));
    assert!(done < 6 || (house.role(&anna, GroupId(2)), house.path(GroupId(2))) == (None, None));
    assert!(done < 7 || house.at("z") == Some(GroupId(3)));
    assert!(done < 9 || house.group_rows() == [1, 1, 1, 1, 0]);
}

#[test]
fn a_crash_at_any_write_leaves_groups_as_they_should_be() {
    at_any_write(9, day, check);
}
